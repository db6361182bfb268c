"""Reports of requests to snapshots of clusters. A request is not a report: replicas and shards send parts. Pure.

A *snapshot* is the complete set of a cluster's layering series (or those of signal mcd) at one timestamp from one
replica. Parts are gathered by cluster, replica and timestamp; only what is complete counts, nothing is merged across::

    replica 0, 12:00:00   clean 5, packages 1, …, agent 1, …     complete: the newest of a day becomes its row
    replica 1, 12:00:00   clean 5                                incomplete: waited for, then counted and let go

What a cluster says of itself beside it (version, platform, nodes) has timestamps of its own: the newest is taken.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from layercensus.fleet.columns import INFO_LABELS, ColumnTable
from layercensus.fleet.contract import Fact, admissions
from layercensus.fleet.kinds import Kind
from layercensus.fleet.segment import Report

SIGNALS = {Fact.LAYERING: "layercensus", Fact.MCD: "mcd"}
_MOST_GROUPS = 1024
_MOST_WORDS = 20_000
# Of counts of nodes in a group: instance types, roles and the like of one cluster.
_MOST_SERIES = 1_000
_DAY_MS = 86_400_000
_GroupKey = tuple[bytes, int]
# A timestamp of the cluster's, and when it was received.
_At = tuple[int, int]
_Told = tuple[_At, str | None]
_NEVER: _At = (-1, -1)
_NOTHING: _Told = (_NEVER, None)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long parts are waited for, in milliseconds of the receiver's clock.

    `settle`: after the first part, for the others of a snapshot and what is told beside it. `joins`: for the cluster's
    version, where it was never told. `parts`: for the rest of an incomplete one. `nodes`: for a count of nodes, which
    nobody says the length of. `missing`: for what was to be expected, that is the needs beside the classes, and a count
    of nodes with as many series as the last. `replay`: for so long what is older than what was shown is no news; after
    that the cluster's clock was set back.
    """

    settle_ms: int = 5_000
    joins_ms: int = 120_000
    parts_ms: int = 600_000
    nodes_ms: int = 5_000
    missing_ms: int = 60_000
    replay_ms: int = 3 * 3_600_000


class Snapshot(NamedTuple):
    """Counts of a complete snapshot, whole numbers all of them; times in milliseconds since 1970.

    `needs` is None where they did not come at that timestamp, or not all. `nodes`: os_id -> nodes of the cluster, empty
    where it did not say.
    """

    cluster_id: str
    signal: str
    timestamp: int
    received_ms: int
    counts: Mapping[str, float]
    needs: Mapping[str, float] | None
    version: str | None
    platform: str | None
    nodes: Mapping[str, int]


@dataclass(slots=True)
class _Group:
    """Parts of one replica at one timestamp. `source` is where the first came from, `given` what was shown of it."""

    first_ms: int
    last_ms: int
    source: int
    counts: dict[Fact, dict[str, float]] = field(default_factory=dict)
    given: tuple[Fact, ...] = ()

    def add(self, fact: Fact, counts: dict[str, float], received_ms: int) -> None:
        """Take a part; one that was there before changes nothing, nor does what follows one too many."""
        known = self.counts.setdefault(fact, {})
        if len(known) > _MOST_SERIES or counts.items() <= known.items():
            return
        known.update(counts)
        self.last_ms = max(self.last_ms, received_ms)
        if len(known) > _MOST_SERIES:
            self.counts[fact] = dict(islice(known.items(), _MOST_SERIES + 1))


@dataclass(slots=True)
class _Cluster:
    """What is remembered of a cluster: little, since there are many. `shown`: the newest of each signal's snapshots."""

    groups: dict[_GroupKey, _Group] | None = None
    version: _Told = _NOTHING
    platform: _Told = _NOTHING
    nodes: tuple[_At, int, tuple[tuple[str, int], ...]] = (_NEVER, 0, ())
    shown: tuple[tuple[Fact, _At], ...] = ()


@dataclass(eq=False)
class Assembly:
    """Gathers reports, gives the newest complete snapshots of each cluster, and forgets the rest in time."""

    patience: Patience = field(default_factory=Patience)
    incomplete: int = 0
    _clusters: dict[bytes, _Cluster] = field(default_factory=dict)
    _active: set[bytes] = field(default_factory=set)
    _words: dict[str, str] = field(default_factory=dict)
    _columns: ColumnTable = field(default_factory=ColumnTable)

    def take(self, report: Report, source: int) -> None:
        """Gather a report. `source` grows; see `oldest_source`."""
        cluster = self._clusters.get(report.cluster)
        if cluster is None:
            cluster = self._clusters[report.cluster] = _Cluster()
        columns = self._columns.find(report.kinds)
        for column in columns.told:
            self._tell(cluster, report.kinds[column], report.timestamps[column], report.received_ms)
        for part in columns.counted:
            timestamps, values = part.places(report.timestamps), part.places(report.values)
            if timestamps.count(timestamps[0]) == len(timestamps):
                group = _group(cluster, (part.replica, timestamps[0]), report.received_ms, source)
                group.add(part.fact, dict(zip(part.labels, values, strict=True)), report.received_ms)
                continue
            for label, timestamp, value in zip(part.labels, timestamps, values, strict=True):
                group = _group(cluster, (part.replica, timestamp), report.received_ms, source)
                group.add(part.fact, {label: value}, report.received_ms)
        if cluster.groups:
            self._active.add(report.cluster)
            while len(cluster.groups) > _MOST_GROUPS:
                self._forget(cluster.groups.pop(min(cluster.groups, key=_timestamp)))

    def ready(self, now_ms: int) -> list[Snapshot]:
        """Snapshots that may become rows now. What is older than them, or waited too long, is let go."""
        found = []
        for key in tuple(self._active):
            cluster = self._clusters[key]
            self._count_nodes(cluster, now_ms)
            for fact in SIGNALS:
                found += list(self._newest(key, cluster, fact, now_ms))
            self._let_go(cluster, now_ms)
            if not cluster.groups:
                cluster.groups = None
                self._active.discard(key)
        return found

    def oldest_source(self) -> int | None:
        """The oldest source of which anything is waited for; None if nothing is."""
        groups = (group for key in self._active for group in (self._clusters[key].groups or {}).values())
        return min((group.source for group in groups), default=None)

    def known_clusters(self) -> int:
        """How many clusters are remembered."""
        return len(self._clusters)

    def _tell(self, cluster: _Cluster, kind: Kind, timestamp: int, received_ms: int) -> None:
        """Take what a cluster says of itself, if it is newer than what it said before."""
        text = dict(kind.labels)[INFO_LABELS[kind.fact]]
        if len(self._words) > _MOST_WORDS:
            self._words.clear()
        at = (timestamp, received_ms)
        said = (at, self._words.setdefault(text, text))
        if kind.fact is Fact.VERSION and self._is_news(at, cluster.version[0]):
            cluster.version = said
        elif kind.fact is Fact.PLATFORM and self._is_news(at, cluster.platform[0]):
            cluster.platform = said

    def _is_news(self, at: _At, before: _At) -> bool:
        """Whether something is newer than what was known; after a while an older one is: the clock was set back."""
        return at[0] > before[0] or (at[0] < before[0] and at[1] - before[1] >= self.patience.replay_ms)

    def _count_nodes(self, cluster: _Cluster, now_ms: int) -> None:
        """The newest count of nodes of which all parts should have come; of too many parts there is none."""
        for (_, timestamp), group in (cluster.groups or {}).items():
            nodes = group.counts.get(Fact.NODES, {})
            last, series, _ = cluster.nodes
            at = (timestamp, group.last_ms)
            wait = self.patience.nodes_ms if len(nodes) >= series else self.patience.missing_ms
            if not nodes or at == last or not self._is_news(at, last) or now_ms - group.first_ms < wait:
                continue
            sums = tuple(sorted(sum_nodes(nodes).items())) if len(nodes) <= _MOST_SERIES else ()
            cluster.nodes = (at, len(nodes), sums)

    def _newest(self, cluster_key: bytes, cluster: _Cluster, fact: Fact, now_ms: int) -> Iterator[Snapshot]:
        """The newest complete snapshot of each day of the receiver, if it is newer than what was shown."""
        days: set[int] = set()
        newest = dict(cluster.shown).get(fact, _NEVER)
        for key in sorted(cluster.groups or {}, key=_timestamp, reverse=True):
            group = (cluster.groups or {})[key]
            at = (key[1], group.last_ms)
            if not is_complete(fact, group.counts) or not self._is_settled(cluster, group, fact, now_ms):
                continue
            day = group.last_ms // _DAY_MS
            if day in days or fact in group.given or self._is_past(at, newest):
                continue
            days.add(day)
            group.given = (*group.given, fact)
            if self._is_news(at, newest):
                newest = at
            needs = group.counts[Fact.NEED] if is_complete(Fact.NEED, group.counts) else None
            yield Snapshot(
                cluster_id=str(UUID(bytes=cluster_key)),
                signal=SIGNALS[fact],
                timestamp=key[1],
                received_ms=group.last_ms,
                counts=group.counts[fact],
                needs=needs if fact is Fact.LAYERING else None,
                version=cluster.version[1],
                platform=cluster.platform[1],
                nodes=dict(cluster.nodes[2]),
            )
        if newest is not _NEVER:
            cluster.shown = (*(one for one in cluster.shown if one[0] is not fact), (fact, newest))

    def _is_settled(self, cluster: _Cluster, group: _Group, fact: Fact, now_ms: int) -> bool:
        wait = self.patience.settle_ms
        if fact is Fact.LAYERING and not is_complete(Fact.NEED, group.counts):
            wait = max(wait, self.patience.missing_ms)
        if not cluster.version[1]:
            wait = max(wait, self.patience.joins_ms)
        return now_ms - group.first_ms >= wait

    def _is_past(self, at: _At, shown: _At) -> bool:
        """Whether this is older than what was shown, and of no day before it: of another day it may be the newest."""
        return not self._is_news(at, shown) and at[1] // _DAY_MS >= shown[1] // _DAY_MS

    def _is_over(self, at: _At, shown: _At, fact: Fact, group: _Group) -> bool:
        """Whether nothing can come of it; a part of what was shown is one that was sent again."""
        return self._is_past(at, shown) and (at[0] == shown[0] or is_complete(fact, group.counts))

    def _let_go(self, cluster: _Cluster, now_ms: int) -> None:
        """Forget groups of which all is shown or past, and those that waited long enough."""
        shown = dict(cluster.shown)
        for key, group in list((cluster.groups or {}).items()):
            at = (key[1], group.last_ms)
            over = {
                fact: fact in group.given or self._is_over(at, shown.get(fact, _NEVER), fact, group) for fact in SIGNALS
            }
            # Needs belong to the classes beside them, and wait for those.
            over |= {Fact.NEED: over[Fact.LAYERING], Fact.NODES: not self._is_news(at, cluster.nodes[0])}
            past = all(over[fact] for fact in group.counts)
            if past or now_ms - group.last_ms >= self.patience.parts_ms:
                del (cluster.groups or {})[key]
                if not past:
                    self._forget(group)

    def _forget(self, group: _Group) -> None:
        """Count what was let go without ever being complete."""
        facts = [fact for fact in SIGNALS if fact in group.counts]
        if group.counts.keys() - {Fact.NODES} and not (
            facts and all(is_complete(fact, group.counts) for fact in facts)
        ):
            self.incomplete += 1


def is_complete(fact: Fact, counts: Mapping[Fact, Mapping[str, float]]) -> bool:
    """Whether there is a count for every value that the contract lists."""
    return fact in counts and admissions()[fact.value].values == counts[fact].keys()


def sum_nodes(counts: Mapping[str, float]) -> dict[str, int]:
    """os_id -> nodes, of counts by os_id and what tells series apart (`columns.count_label`)."""
    sums: dict[str, int] = {}
    for label, count in counts.items():
        os_id = label.partition(" ")[0]
        sums[os_id] = sums.get(os_id, 0) + int(count)
    return sums


def _group(cluster: _Cluster, key: _GroupKey, received_ms: int, source: int) -> _Group:
    if cluster.groups is None:
        cluster.groups = {}
    group = cluster.groups.get(key)
    if group is None:
        group = cluster.groups[key] = _Group(received_ms, received_ms, source)
    return group


def _timestamp(key: _GroupKey) -> tuple[int, bytes]:
    return key[1], key[0]
