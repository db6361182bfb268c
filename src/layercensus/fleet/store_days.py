"""Days of a store to rows of the lake: which clusters there are, and of each its newest complete snapshot. Pure.

The store is asked through a function; a day's rows come as they are found, a thousand clusters at a time::

    day = 2026-11-24    which clusters have the classes, the states, a version …      5 requests
                        100 clusters, the last quarter of an hour, then further back  1 request each
                        what they told of themselves, back from their snapshots       3 requests for 100 clusters
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from layercensus.errors import FleetError
from layercensus.fleet.contract import Fact
from layercensus.fleet.fleet_rows import stored_row_of
from layercensus.fleet.history import History, Sighting, admit, newest_before, newest_snapshot, told_by
from layercensus.fleet.samples import Window
from layercensus.fleet.snapshots import SIGNALS, Snapshot
from layercensus.fleet.store_answers import Answer, TooLargeError, parse_names, parse_series
from layercensus.fleet.store_queries import (
    DAY_MS,
    Parameters,
    Subject,
    halves,
    labels_in,
    pages_of,
    samples_in,
    select,
    select_prefix,
    subject_of,
    windows_back,
)
from layercensus.model import Row

_JOINED = (Fact.VERSION, Fact.PLATFORM, Fact.NODES)
_CHUNK_CLUSTERS = 1000
# What the contract of the lake takes as a cluster's id.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX = "0123456789abcdef"
# Stores may cut long lists without a word (VictoriaMetrics: 100,000 values): longer ones are asked for in parts.
_LONG_LIST = 50_000
_MOST_PREFIX = 4


@dataclass(eq=False)
class Notes:
    """What there is to say beside the rows, of one day or of several.

    `strangers`: values of the cluster's label that are no id. `without_snapshot`: clusters that had samples of a signal
    and no complete snapshot; `too_large`: clusters of which a minute was longer than an answer may be.
    """

    rows: Counter[str] = field(default_factory=Counter)
    clusters: set[str] = field(default_factory=set)
    dropped: Counter[str] = field(default_factory=Counter)
    incomplete: int = 0
    without_snapshot: int = 0
    strangers: set[str] = field(default_factory=set)
    too_large: set[str] = field(default_factory=set)
    warnings: dict[str, None] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether the store gave all that it was asked for."""
        return not self.warnings and not self.too_large

    def add(self, other: "Notes") -> None:
        """Take in those of another day."""
        self.rows += other.rows
        self.dropped += other.dropped
        self.incomplete += other.incomplete
        self.without_snapshot += other.without_snapshot
        self.clusters |= other.clusters
        self.strangers |= other.strangers
        self.too_large |= other.too_large
        self.warnings |= other.warnings


@dataclass(eq=False)
class DayReader:
    """Reads one day. `ask(path, parameters)` is the store's; `label` names clusters.

    `unlabelled`: id of the cluster whose series carry no such label, None if there is none. `tick(done, of)` is told
    before each request how many clusters are read.
    """

    ask: Callable[[str, Parameters], Answer]
    label: str
    day: Window
    tick: Callable[[int, int], None]
    unlabelled: str | None = None
    notes: Notes = field(default_factory=Notes)
    _done: int = 0
    _total: int = 0

    def rows(self) -> Iterator[Row]:
        """Rows of the day, by cluster. Raises `FleetError`."""
        found = {fact: self._clusters(fact, self.day) for fact in SIGNALS}
        before = Window(self.day.first - DAY_MS, self.day.last)
        told = {fact: self._clusters(fact, before) for fact in _JOINED if any(found.values())}
        everyone = sorted(set().union(*found.values()))
        self._total = len(everyone)
        for start in range(0, len(everyone), _CHUNK_CLUSTERS):
            chunk = everyone[start : start + _CHUNK_CLUSTERS]
            sightings = {
                fact: self._sightings(fact, [one for one in chunk if one in there]) for fact, there in found.items()
            }
            yield from self._joined(sightings, told)
            self._done += len(chunk)

    def _clusters(self, fact: Fact, window: Window, prefix: str = "") -> set[str]:
        """Values of the cluster's label that are ids, among the series of a fact; the empty one for those without."""
        subject = subject_of(fact)
        selector = select_prefix(subject, self.label, prefix) if prefix else select(subject, self.label, None)
        try:
            listed = parse_names(self._ask(f"api/v1/label/{self.label}/values", labels_in(selector, window)))
        except TooLargeError as error:
            if len(prefix) == _MOST_PREFIX:
                raise FleetError(f"clusters cannot be listed: {error.what}") from error
            listed = None
        if listed is None or (len(listed) >= _LONG_LIST and len(prefix) < _MOST_PREFIX):
            return {value for letter in _HEX for value in self._clusters(fact, window, prefix + letter)}
        found = {value for value in listed if _ID.fullmatch(value)}
        self.notes.strangers |= {value for value in listed if value and value not in found}
        return found | ({""} if self.unlabelled else set())

    def _sightings(self, fact: Fact, clusters: Sequence[str]) -> dict[str, Sighting]:
        """The newest complete snapshot of each cluster, of those that have one."""
        found: dict[str, Sighting] = {}
        seen: set[str] = set()
        for window in windows_back(self.day.last, self.day.first):
            left = [cluster for cluster in clusters if cluster not in found]
            for histories in self._answers(subject_of(fact), left, window):
                for cluster, of_it in histories.items():
                    seen.add(cluster)
                    # Of a window that was asked in parts the later came first.
                    if cluster not in found:
                        sighting, incomplete = newest_snapshot(fact, of_it)
                        self.notes.incomplete += incomplete
                        if sighting:
                            found[cluster] = sighting
        self.notes.without_snapshot += len(seen - found.keys())
        return found

    def _joined(
        self, sightings: Mapping[Fact, Mapping[str, Sighting]], there: Mapping[Fact, set[str]]
    ) -> Iterator[Row]:
        """Rows of snapshots with what the clusters told of themselves before."""
        instants: dict[str, set[int]] = {}
        for of_signal in sightings.values():
            for cluster, sighting in of_signal.items():
                instants.setdefault(cluster, set()).add(sighting.timestamp)
        told = {
            fact: self._told(fact, {cluster: at for cluster, at in instants.items() if cluster in there[fact]})
            for fact in _JOINED
            if instants
        }
        for fact, of_signal in sightings.items():
            for cluster, sighting in of_signal.items():
                joined = {one: told[one].get((cluster, sighting.timestamp)) for one in _JOINED}
                yield self._row(SIGNALS[fact], cluster, sighting, joined)

    def _told(self, fact: Fact, instants: Mapping[str, set[int]]) -> dict[tuple[str, int], Any]:
        """What each cluster told last before its snapshots, up to a day back; nothing for those that did not."""
        found: dict[tuple[str, int], Any] = {}
        for window in windows_back(self.day.last, self.day.first - DAY_MS):
            pending = {
                cluster: [at for at in times if (cluster, at) not in found and _reaches(window, at)]
                for cluster, times in instants.items()
            }
            left = [cluster for cluster, times in pending.items() if times]
            for histories in self._answers(subject_of(fact), left, window):
                for cluster, of_it in histories.items():
                    told = told_by(of_it)
                    for at in pending[cluster]:
                        value = newest_before(told, at, at - DAY_MS)
                        if value is not None:
                            found.setdefault((cluster, at), value)
        return found

    def _row(self, signal: str, cluster: str, sighting: Sighting, told: Mapping[Fact, Any]) -> Row:
        self.notes.rows[signal] += 1
        self.notes.clusters.add(cluster)
        return stored_row_of(
            Snapshot(
                cluster_id=cluster or self.unlabelled or "",
                signal=signal,
                timestamp=sighting.timestamp,
                received_ms=sighting.timestamp,
                counts=sighting.counts,
                needs=sighting.needs,
                version=told[Fact.VERSION],
                platform=told[Fact.PLATFORM],
                nodes=told[Fact.NODES] or {},
            )
        )

    def _answers(self, subject: Subject, clusters: Sequence[str], window: Window) -> Iterator[dict[str, list[History]]]:
        """What is admitted of each answer, by cluster: of its clusters an answer has all that is in its window."""
        for page in pages_of(sorted(clusters)):
            yield from self._page(subject, page, window)

    def _page(self, subject: Subject, page: list[str], window: Window) -> Iterator[dict[str, list[History]]]:
        parameters = samples_in(select(subject, self.label, page), window)
        try:
            series = parse_series(self._ask("api/v1/query", parameters))
        except TooLargeError as error:
            parts = halves(page, window)
            if parts:
                for values, part in parts:
                    yield from self._page(subject, values, part)
            elif error.ours:
                self.notes.too_large |= set(page)
            else:
                raise FleetError(f"{error.what}, even to one cluster's minute") from error
            return
        asked = set(page)
        found: dict[str, list[History]] = {}
        for one in admit(series, self.label, window, self.notes.dropped):
            if one.cluster in asked:
                found.setdefault(one.cluster, []).append(one)
        yield found

    def _ask(self, path: str, parameters: Parameters) -> Answer:
        self.tick(self._done, self._total)
        answer = self.ask(path, parameters)
        self.notes.warnings |= dict.fromkeys(answer.warnings)
        return answer


def _reaches(window: Window, instant: int) -> bool:
    """Whether some of the day that ends at this instant is in the window."""
    return window.first <= instant <= window.last + DAY_MS
