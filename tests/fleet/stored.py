"""A store of series in memory, for tests: it understands the selectors that we write, and can be made to fail.

It answers as Prometheus before 3.0 does: a range holds the sample at its very beginning too.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fleet.wire import CLASSES, LAYERING, MCD, NEED, NEEDS, NODES, PLATFORM, STATES, VERSION

from layercensus.fleet.samples import Window
from layercensus.fleet.store_answers import Answer, TooLargeError
from layercensus.fleet.store_days import DayReader
from layercensus.fleet.store_queries import DAY_MS, Parameters
from layercensus.model import Row

# 2026-11-24, all of it.
DAY = Window(1_795_478_400_000, 1_795_564_799_999)
_MATCHER = re.compile(r'(\w+)(=~|=|!~|!=)"([^"]*)"')
_KEYS = {LAYERING: ("layering", CLASSES), NEED: ("need", NEEDS), MCD: ("state", STATES)}
# Labels, time, value.
Stored = tuple[Mapping[str, str], int, float]


def counts(name: str, who: str, at: int, *values: float, **labels: str) -> list[Stored]:
    """Counts of the classes, needs or states, in the order of the contract, of a recorded series or its twin."""
    key, words = _KEYS[name.replace("layercensus:", "cluster:usage:")]
    label = {"cluster_id": who} if who else {}
    return [
        ({"__name__": name, **label, key: word, **labels}, at, value)
        for word, value in zip(words, values, strict=False)
    ]


def version(who: str, at: int, text: str, **labels: str) -> Stored:
    return {"__name__": VERSION, "cluster_id": who, "type": "current", "version": text, **labels}, at, 1.0


def platform(who: str, at: int, text: str, **labels: str) -> Stored:
    return {"__name__": PLATFORM, "cluster_id": who, "type": text, **labels}, at, 1.0


def nodes(who: str, at: int, os_id: str, role: str, value: float, **labels: str) -> Stored:
    kept = {"label_node_openshift_io_os_id": os_id, "label_kubernetes_io_arch": "amd64", "role": role}
    return {"__name__": NODES, "cluster_id": who, **kept, **labels}, at, value


@dataclass
class Memory:
    """Samples, and how the store misbehaves. `asked` is what was asked for, in order."""

    samples: list[Stored] = field(default_factory=list)
    most_samples: int = 10**9
    is_ours: bool = False
    most_values: int = 10**9
    warnings: tuple[str, ...] = ()
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def ask(self, path: str, parameters: Parameters) -> Answer:
        words = dict(parameters)
        self.asked.append((path, words))
        if path == "api/v1/query":
            return Answer(self._query(words["query"], round(float(words["time"]) * 1000)), self.warnings)
        first, last = (round(float(words[edge]) * 1000) for edge in ("start", "end"))
        label = path.split("/")[3]
        there = {
            labels[label]
            for labels, at, _ in self.samples
            if first <= at <= last and label in labels and matches(words["match[]"], labels)
        }
        return Answer(sorted(there)[: self.most_values], self.warnings)

    def queries(self) -> list[str]:
        return [words["query"] for path, words in self.asked if path == "api/v1/query"]

    def _query(self, query: str, time: int) -> Any:
        selector, _, length = query.rpartition("[")
        first = time - int(length.removesuffix("ms]"))
        found: dict[tuple[tuple[str, str], ...], list[Any]] = {}
        number = 0
        for labels, at, value in self.samples:
            if first <= at <= time and matches(selector, labels):
                found.setdefault(tuple(sorted(labels.items())), []).append([at / 1000, repr(value)])
                number += 1
        if number > self.most_samples:
            raise TooLargeError("too many samples", ours=self.is_ours)
        return {"resultType": "matrix", "result": [{"metric": dict(key), "values": of} for key, of in found.items()]}


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a selector takes a series."""
    assert re.fullmatch(rf"\{{{_MATCHER.pattern}(,{_MATCHER.pattern})*\}}".replace("(\\w", "(?:\\w"), selector), (
        selector
    )
    for name, operator, text in _MATCHER.findall(selector):
        value = labels.get(name, "")
        holds = re.fullmatch(text, value) is not None if "~" in operator else value == text
        if holds == operator.startswith("!"):
            return False
    return True


def reader(store: Memory, day: Window = DAY, unlabelled: str | None = None, label: str = "cluster_id") -> DayReader:
    return DayReader(store.ask, label, day, lambda done, of: None, unlabelled)


def read(samples: Iterable[Stored], day: Window = DAY, **options: Any) -> dict[tuple[str, str], Row]:
    """Rows of a day, by cluster and signal."""
    return {(row.cluster_id, row.signal): row for row in reader(Memory(list(samples)), day, **options).rows()}


def days_of(first: int, number: int) -> list[Window]:
    return [Window(first + back * DAY_MS, first + (back + 1) * DAY_MS - 1) for back in range(number)]
