"""What the columns of a report are: found once for each tuple of kinds, which the reports of a sender share. Pure.

kinds (clean, packages, …, agent, …, version)   ->   counted: replica, layering: clean, packages, …
                                                     counted: replica, need: agent, …
                                                     told: version
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from layercensus.fleet.contract import Fact
from layercensus.fleet.kinds import Kind

# What a cluster says of itself, and the label that says it.
INFO_LABELS = {Fact.VERSION: "version", Fact.PLATFORM: "type"}
# The contract lets them in to compare; the row has no column for them yet.
_WITHOUT_COLUMN = frozenset({Fact.MCD_NODES, Fact.MCD_PACKAGES})
_NODES_LABEL = "label_node_openshift_io_os_id"
_MOST = 4096
# Over all tuples: a usual one has a dozen, a request may have ten thousand.
_MOST_KINDS = 50_000


@dataclass(frozen=True, slots=True)
class Counted:
    """Columns that count the same thing for one replica. `places` picks them, `labels` says what each counts."""

    replica: bytes
    fact: Fact
    labels: tuple[str, ...]
    places: Callable[[tuple[Any, ...]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Columns:
    """`told`: columns of what a cluster says of itself. The kinds are held, so that their identity stays theirs."""

    kinds: tuple[Kind, ...]
    told: tuple[int, ...]
    counted: tuple[Counted, ...]


@dataclass(eq=False)
class ColumnTable:
    """Columns of tuples of kinds, a bounded number of them and of kinds in them."""

    _known: dict[int, Columns] = field(default_factory=dict)
    _held: int = 0

    def find(self, kinds: tuple[Kind, ...]) -> Columns:
        """What the columns of these kinds are."""
        known = self._known.get(id(kinds))
        if known is None:
            known = _columns(kinds)
            if len(kinds) <= _MOST_KINDS:
                self._remember(known)
        return known

    def _remember(self, columns: Columns) -> None:
        if len(self._known) >= _MOST or self._held + len(columns.kinds) > _MOST_KINDS:
            self._known.clear()
            self._held = 0
        self._known[id(columns.kinds)] = columns
        self._held += len(columns.kinds)


def _columns(kinds: tuple[Kind, ...]) -> Columns:
    told: list[int] = []
    counted: dict[tuple[bytes, Fact], list[tuple[str, int]]] = {}
    for column, kind in enumerate(kinds):
        if kind.fact in INFO_LABELS:
            told.append(column)
        elif kind.fact not in _WITHOUT_COLUMN:
            counted.setdefault((kind.replica, kind.fact), []).append((count_label(kind), column))
    parts = tuple(
        Counted(replica, fact, tuple(label for label, _ in pairs), _places([column for _, column in pairs]))
        for (replica, fact), pairs in counted.items()
    )
    return Columns(kinds, tuple(told), parts)


def count_label(kind: Kind) -> str:
    """What a count is of: the one label of a recorded series; of nodes their os_id, and what tells series apart."""
    if kind.fact is Fact.NODES:
        return f"{dict(kind.labels)[_NODES_LABEL]} {kind.identity.hex()}"
    return kind.labels[0][1]


def _places(columns: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if len(columns) > 1:
        return itemgetter(*columns)
    (only,) = columns
    return lambda cells: (cells[only],)
