"""A collector over minutes and days: when it looks, what comes again, what comes late, and whose memory is full."""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    A,
    B,
    Samples,
    kind_of,
    layering,
    mcd,
    needs,
    nodes,
    platform,
    report_of,
    version,
)

from layercensus.fleet.fleet_rows import row_of
from layercensus.fleet.segment import Report
from layercensus.fleet.snapshots import Assembly, Snapshot
from layercensus.lake.contract import row_contract
from layercensus.lake.rows import columns_from_row
from layercensus.model import Row

SETTLED = 10 * SECOND
# 2026-11-26T00:00:00Z
MIDNIGHT = NOW + 12 * HOUR
TODAY = "2026-11-25"
RowKey = tuple[str, str, str]


def classes(at: int, count: int, replica: str = "a") -> Samples:
    return layering(at, 7, 0, 0, count, replica=replica)


def packages(at: int, count: int) -> Samples:
    """All ten series, with so many nodes of class packages."""
    return [*classes(at, count), *needs(at, 1)]


@dataclass
class Collector:
    """An assembly, and a lake that keeps rows as `write_rows` says it does: the one observed latest, then received."""

    assembly: Assembly = field(default_factory=Assembly)
    lake: dict[RowKey, Row] = field(default_factory=dict)
    sources: int = 0

    def take(self, received: int, *parts: Samples, cluster: str = A) -> None:
        self.take_report(report_of(received, *(sample for part in parts for sample in part), cluster=cluster))

    def take_report(self, report: Report) -> None:
        self.assembly.take(report, self.sources)
        self.sources += 1

    def ready(self, now: int) -> list[Snapshot]:
        found = self.assembly.ready(now)
        for row in map(row_of, found):
            columns_from_row(row, row_contract())
            key = row.day, row.cluster_id, row.signal
            held = self.lake.get(key)
            if held is None or age(held) <= age(row):
                self.lake[key] = row
        return found

    def shown(self) -> dict[RowKey, int]:
        return {key: row.nodes["packages"] for key, row in self.lake.items()}


def age(row: Row) -> tuple[str, str]:
    return row.observed_at or "", row.received_at or ""


def started(at: int = NOW - HOUR) -> Collector:
    """One that has heard of both clusters before."""
    made = Collector()
    for cluster in (A, B):
        made.take(at, version("4.14.30", at), platform("AWS", at), cluster=cluster)
    assert made.ready(at) == []
    return made


@pytest.fixture
def collector() -> Collector:
    return started()


def test_a_snapshot_is_shown_once(collector: Collector) -> None:
    collector.take(NOW, packages(NOW, 1))
    assert len(collector.ready(NOW + SETTLED)) == 1
    for later in (SETTLED, SETTLED + 1, MINUTE, HOUR):
        assert collector.ready(NOW + later) == []
    assert collector.assembly.incomplete == 0


def test_a_request_that_comes_again_and_again_changes_nothing(collector: Collector) -> None:
    for delay in (0, SETTLED, MINUTE, HOUR):
        collector.take(NOW + delay, packages(NOW, 2), version("4.14.30", NOW))
        collector.ready(NOW + delay + SETTLED)
        assert collector.assembly.oldest_source() is None
    (row,) = collector.lake.values()
    assert (row.nodes["packages"], row.received_at) == (2, "2026-11-25T12:00:00.000+00:00")
    assert collector.assembly.incomplete == 0


def test_a_part_that_comes_again_after_its_snapshot_was_shown_is_not_incomplete(collector: Collector) -> None:
    """Two shards, of which one sends again: the metric counts "snapshots that were never completed and are no rows"."""
    whole = packages(NOW, 1)
    collector.take(NOW, whole[:2])
    collector.take(NOW, whole[2:])
    assert len(collector.ready(NOW + SETTLED)) == 1
    collector.take(NOW + MINUTE, whole[:2])
    for later in (2 * MINUTE, HOUR):
        assert collector.ready(NOW + later) == []
    assert collector.assembly.incomplete == 0


def test_a_clock_that_was_set_back_is_believed_when_three_hours_are_over(collector: Collector) -> None:
    ahead = NOW + 6 * HOUR
    collector.take(NOW, packages(ahead, 1))
    assert len(collector.ready(NOW + SETTLED)) == 1
    shown = []
    for minutes in range(1, 241):
        received = NOW + minutes * MINUTE
        collector.take(received, packages(received, 2))
        shown += [(one.received_ms - NOW) // MINUTE for one in collector.ready(received + SETTLED)]
    assert shown == list(range(180, 241))
    assert collector.assembly.incomplete == 0


def test_a_clock_that_is_ahead_or_behind_is_no_reason_to_wait(collector: Collector) -> None:
    for cluster, skew in ((A, -20 * HOUR), (B, 20 * HOUR)):
        collector.take(NOW, version("4.14.31", NOW + skew), packages(NOW + skew, 1), cluster=cluster)
    collector.ready(NOW + SETTLED)
    assert {(row.cluster_id, row.skew_seconds, row.day) for row in collector.lake.values()} == {
        (A, -72_000.0, TODAY),
        (B, 72_000.0, TODAY),
    }


def test_what_was_told_once_is_remembered(collector: Collector) -> None:
    for hours in (1, 24, 240):
        received = NOW + hours * HOUR
        collector.take(received, packages(received, hours))
        (found,) = collector.ready(received + SETTLED)
        assert (found.version, found.platform) == ("4.14.30", "AWS")


def test_what_one_cluster_tells_is_not_told_of_another(collector: Collector) -> None:
    collector.take(NOW, version("4.15.1", NOW), nodes(NOW, ("rhcos", "worker", 9)), packages(NOW, 1), cluster=A)
    collector.take(NOW, packages(NOW, 2), cluster=B)
    found = {one.cluster_id: one for one in collector.ready(NOW + SETTLED)}
    assert (found[A].version, found[A].nodes, found[A].counts["packages"]) == ("4.15.1", {"rhcos": 9}, 1)
    assert (found[B].version, found[B].nodes, found[B].counts["packages"]) == ("4.14.30", {}, 2)


def test_a_newer_snapshot_of_one_signal_is_no_reason_to_drop_the_other(collector: Collector) -> None:
    collector.take(NOW, packages(NOW + HOUR, 1))
    collector.ready(NOW + SETTLED)
    collector.take(NOW + MINUTE, mcd(NOW + MINUTE, 1))
    (found,) = collector.ready(NOW + MINUTE + SETTLED)
    assert found.signal == "mcd"


def test_the_platforms_own_counts_are_no_snapshot(collector: Collector) -> None:
    both = ("cluster:mcd_nodes_with_unsupported_packages:count", "cluster:mcd_total_unsupported_packages:sum")
    collector.take(NOW, [(kind_of(name, {}), NOW, 1.0) for name in both])
    assert collector.assembly.oldest_source() is None
    assert collector.ready(NOW + HOUR) == []
    assert collector.assembly.incomplete == 0


def test_one_that_sends_more_times_than_can_be_held_loses_its_oldest_halves_and_nobody_elses(
    collector: Collector,
) -> None:
    collector.take(NOW, packages(NOW, 2), cluster=B)
    for index in range(3000):
        collector.take(NOW, packages(NOW + index, 9)[:4], cluster=A)
    collector.take(NOW, packages(NOW + 5000, 1), cluster=A)
    collector.ready(NOW + SETTLED)
    assert collector.shown() == {(TODAY, A, "layercensus"): 1, (TODAY, B, "layercensus"): 2}
    collector.ready(NOW + HOUR)
    assert collector.assembly.incomplete == 3000


# Any minutes around midnight


@dataclass(frozen=True)
class Sent:
    """A snapshot as it was sent: in parts, each received at some time; perhaps one was lost."""

    cluster: str
    replica: str
    timestamp: int
    count: int
    cuts: tuple[int, ...]
    lost: int | None
    delays: tuple[int, ...]
    has_needs: bool

    def reports(self) -> list[Report]:
        every = [*classes(self.timestamp, self.count, self.replica)]
        if self.has_needs:
            every += needs(self.timestamp, replica=self.replica)
        edges = [0, *sorted(cut % (len(every) + 1) for cut in self.cuts), len(every)]
        parts = [every[first:last] for first, last in pairwise(edges)]
        return [
            report_of(self.timestamp + self.delays[index], *part, cluster=self.cluster)
            for index, part in enumerate(parts)
            if index != self.lost and part
        ]


@st.composite
def minutes(draw: st.DrawFn) -> list[Sent]:
    """Two clusters, two replicas of each; each sends each 30 seconds, and what it sends comes within three seconds."""
    senders = [(cluster, replica) for cluster in (A, B) for replica in "ab"]
    return [
        draw(sent_by(cluster, replica, step))
        for cluster, replica in senders
        for step in draw(st.sets(st.integers(-5, 5), max_size=5))
    ]


@st.composite
def sent_by(draw: st.DrawFn, cluster: str, replica: str, step: int) -> Sent:
    lost = draw(st.none() | st.integers(0, 2))
    crosses_midnight = step == 0 and replica == "a"
    return Sent(
        cluster=cluster,
        replica=replica,
        timestamp=MIDNIGHT + step * 30 * SECOND + (13 * SECOND if replica == "b" else 0) - 1500,
        count=draw(st.integers(0, 9)),
        cuts=tuple(draw(st.lists(st.integers(0, 20), max_size=2))),
        lost=lost,
        delays=tuple(draw(st.lists(st.integers(0, 3 * SECOND), min_size=3, max_size=3))),
        # Of which day a snapshot is whose needs come after midnight, nobody says.
        has_needs=draw(st.booleans()) and lost is None and not crosses_midnight,
    )


def expected_rows(sent: Sequence[Sent]) -> dict[RowKey, tuple[str, int, bool]]:
    """By day and cluster the newest that is complete: its time, its count, whether its needs are known. Straight on."""
    newest: dict[RowKey, tuple[str, int, bool]] = {}
    for one in sorted(sent, key=lambda one: one.timestamp):
        reports = one.reports()
        came = [dict(kind.labels) for report in reports for kind in report.kinds]
        if sum("layering" in labels for labels in came) != 5:
            continue
        received = max(report.received_ms for report in reports)
        has_needs = sum("need" in labels for labels in came) == 5
        day = TODAY if received < MIDNIGHT else "2026-11-26"
        newest[day, one.cluster, "layercensus"] = (instant(one.timestamp), one.count, has_needs)
    return newest


def rows_of(collector: Collector) -> dict[RowKey, tuple[str, int, bool]]:
    assert {row.version for row in collector.lake.values()} <= {"4.14.30"}
    return {key: (row.observed_at or "", row.nodes["packages"], bool(row.needs)) for key, row in collector.lake.items()}


def instant(milliseconds: int) -> str:
    """Within the two days of these tests, by hand."""
    day, rest = (
        (TODAY, milliseconds - NOW + DAY // 2) if milliseconds < MIDNIGHT else ("2026-11-26", milliseconds - MIDNIGHT)
    )
    return f"{day}T{rest // HOUR:02}:{rest // MINUTE % 60:02}:{rest // SECOND % 60:02}.{rest % SECOND:03}+00:00"


@settings(max_examples=150)
@given(minutes(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_in_which_reports_are_read_decides_nothing(
    sent: list[Sent], dice: random.Random, is_doubled: bool
) -> None:
    reports = [report for one in sent for report in one.reports()] * (2 if is_doubled else 1)
    dice.shuffle(reports)
    collector = started(MIDNIGHT - HOUR)
    for report in reports:
        collector.take_report(report)
    for now in (MIDNIGHT + 5 * MINUTE, MIDNIGHT + HOUR):
        collector.ready(now)
        assert rows_of(collector) == expected_rows(sent)


@settings(max_examples=150)
@given(minutes(), st.integers(1, 60), st.integers(0, 20 * SECOND))
def test_how_often_and_how_late_the_inbox_is_looked_at_decides_nothing(
    sent: list[Sent], seconds: int, late: int
) -> None:
    """A look each so many seconds, at which has been read what was received until some time before it."""
    # Needs that are read after their snapshot was shown are not known; here none come.
    sent = [replace(one, has_needs=False) for one in sent]
    reports = sorted((report for one in sent for report in one.reports()), key=lambda report: report.received_ms)
    collector = started(MIDNIGHT - HOUR)
    for now in range(MIDNIGHT - 4 * MINUTE, MIDNIGHT + 20 * MINUTE, seconds * SECOND):
        while reports and reports[0].received_ms <= now - late:
            collector.take_report(reports.pop(0))
        collector.ready(now)
    assert rows_of(collector) == expected_rows(sent)


@settings(max_examples=100)
@given(minutes(), st.randoms(use_true_random=False))
def test_within_a_day_reports_may_be_read_one_by_one_in_any_order(sent: list[Sent], dice: random.Random) -> None:
    moved = [replace(one, timestamp=one.timestamp - 5 * MINUTE, has_needs=False) for one in sent]
    reports = [report for one in moved for report in one.reports()]
    dice.shuffle(reports)
    collector = started(MIDNIGHT - HOUR)
    for report in reports:
        collector.take_report(report)
        collector.ready(MIDNIGHT + MINUTE)
    assert rows_of(collector) == expected_rows(moved)
