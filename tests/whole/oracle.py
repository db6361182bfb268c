"""What must come out, from the list of events alone: nothing here is from the code under test.

A machine that an agent read counts as what it was when it was read, for three hours; any other is unknown. A snapshot
counts if all of its series were acknowledged. Of those of a day the one with the newest timestamp is the row; what comes
late and is no newer than what an earlier day had is no news.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.whole.cluster import CLASSES, HOUR, NEEDS, Event, Recorded

HOLD = 3 * HOUR
DAY = 24 * HOUR
# Parts of a snapshot that come further apart may be let go, and may not.
PATIENCE = 600_000


def expected_counts(events: Iterable[Event], now: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Nodes by class and by need at an instant, in the order of `CLASSES` and `NEEDS`."""
    read: dict[str, tuple[int, tuple[str, tuple[str, ...]]] | None] = {}
    for event in events:
        if event.at > now:
            break
        if event.what == "leaves":
            read.pop(event.node, None)
        elif event.what in {"appears", "agent dies", "agent starts"}:
            read[event.node] = None
        elif event.what == "read" and event.state is not None:
            read[event.node] = (event.at, event.state)
    held = [one[1] if one and now - one[0] <= HOLD else ("unknown", ()) for one in read.values()]
    return (
        tuple(sum(layering == name for layering, _ in held) for name in CLASSES),
        tuple(sum(name in needs for _, needs in held) for name in NEEDS),
    )


@dataclass(slots=True)
class Snapshot:
    """One replica's series at one timestamp: which were acknowledged, when first and last."""

    recorded: Recorded
    needed: int
    acknowledged: dict[str, int] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every class was acknowledged."""
        return len(self.acknowledged) == self.needed

    @property
    def is_certain(self) -> bool:
        """Whether it must count: no part was late."""
        times = self.acknowledged.values()
        return self.is_whole and max(times) - min(times) < PATIENCE

    @property
    def day(self) -> int:
        """The day of the last part, by the receiver's clock."""
        return max(self.acknowledged.values()) // DAY


class Acknowledged:
    """All that was acknowledged, by cluster."""

    def __init__(self) -> None:
        self.snapshots: dict[str, dict[tuple[str, int], Snapshot]] = defaultdict(dict)

    def take(self, cluster: str, replica: str, recorded: Recorded, classes: Iterable[str], now: int) -> None:
        """Series of these classes were acknowledged; the first time counts."""
        snapshot = self.snapshots[cluster].setdefault((replica, recorded.at), Snapshot(recorded, len(CLASSES)))
        for name in classes:
            snapshot.acknowledged.setdefault(name, now)

    def allowed_rows(self, cluster: str, day: int) -> list[Recorded]:
        """What the row of a day may be: the newest snapshot that must count, or a newer one that may. Newest first."""
        of_day = [one for one in self.snapshots[cluster].values() if one.is_whole and one.day == day]
        newest = max((one.recorded.at for one in of_day if one.is_certain), default=None)
        allowed = [one.recorded for one in of_day if newest is None or one.recorded.at >= newest]
        return sorted(allowed, key=lambda one: one.at, reverse=True)

    def must_have_row(self, cluster: str, day: int) -> bool:
        """Whether there must be a row of that day: not where all that came is as old as what came before, and late."""
        whole = [one for one in self.snapshots[cluster].values() if one.is_whole]
        before = max((one.recorded.at for one in whole if one.day < day), default=-1)
        return any(one.is_certain and one.day == day and one.recorded.at > before for one in whole)


def sums(rows: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Machines by class over clusters."""
    listed = list(rows)
    return {name: sum(row[name] for row in listed) for name in CLASSES}
