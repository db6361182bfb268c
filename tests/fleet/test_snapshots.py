"""Reports to snapshots, scenario by scenario: what is complete counts, the newest of a day, and nothing is merged."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import (
    CLASSES,
    DAY,
    HOUR,
    MINUTE,
    NEEDS,
    NOW,
    SECOND,
    STATES,
    A,
    B,
    Samples,
    layering,
    mcd,
    needs,
    nodes,
    platform,
    report_of,
    version,
)

from layercensus.fleet.segment import Report
from layercensus.fleet.snapshots import Assembly, Patience, Snapshot

PATIENCE = Patience(
    settle_ms=5 * SECOND, joins_ms=2 * MINUTE, parts_ms=10 * MINUTE, nodes_ms=5 * SECOND, missing_ms=MINUTE,
    replay_ms=3 * HOUR,
)  # fmt: skip
# The first instant of a day of the receiver (UTC): 2026-11-26T00:00:00Z.
MIDNIGHT = 1_795_651_200_000


def assembly(*reports: Report) -> Assembly:
    """Reports that were taken, each from a source of its own, 0, 1, 2, …"""
    made = Assembly(PATIENCE)
    for source, report in enumerate(reports):
        made.take(report, source)
    return made


def whole(at: int, packages: int = 1, replica: str = "a") -> Samples:
    """All ten series at one timestamp, and the version that the cluster runs."""
    return [
        *layering(at, 5, 0, 0, packages, 0, replica=replica),
        *needs(at, 1, replica=replica),
        *version("4.14.30", at),
    ]


def told(found: Iterable[Snapshot]) -> list[tuple[int, int]]:
    """Of each snapshot its timestamp and how many nodes have packages, which tells the tests' snapshots apart."""
    return [(one.timestamp, int(one.counts["packages"])) for one in found]


def test_one_whole_report_is_a_snapshot() -> None:
    report = report_of(
        NOW + 1, *layering(NOW, 5, 1, 2, 3, 4), *needs(NOW, 1, 0, 2), *version("4.14.30", NOW), *platform("AWS", NOW),
        *nodes(NOW, ("rhcos", "worker", 6), ("rhcos", "master", 3), ("Windows", "worker", 1)),
    )  # fmt: skip
    assert assembly(report).ready(NOW + MINUTE) == [
        Snapshot(
            cluster_id=A,
            signal="layercensus",
            timestamp=NOW,
            received_ms=NOW + 1,
            counts={"clean": 5, "extensions": 1, "overrides": 2, "packages": 3, "unknown": 4},
            needs={"agent": 1, "driver": 0, "other": 2, "override": 0, "tool": 0},
            version="4.14.30",
            platform="AWS",
            nodes={"rhcos": 9, "Windows": 1},
        )
    ]


def test_zeros_are_counts() -> None:
    (found,) = assembly(report_of(NOW, *layering(NOW), *needs(NOW), *version("4.14.30", NOW))).ready(NOW + MINUTE)
    assert found.counts == dict.fromkeys(CLASSES, 0)
    assert found.needs == dict.fromkeys(NEEDS, 0)


def test_signal_mcd_is_a_snapshot_of_its_own() -> None:
    report = report_of(NOW, *mcd(NOW, 4, 1, 2), *whole(NOW, packages=3))
    found = {one.signal: one for one in assembly(report).ready(NOW + MINUTE)}
    assert found.keys() == {"layercensus", "mcd"}
    assert found["mcd"].counts == dict(zip(STATES, (4, 1, 2), strict=True))
    assert found["mcd"].needs is None
    assert found["layercensus"].counts["packages"] == 3
    assert found["layercensus"].needs is not None


@pytest.mark.parametrize("missing", range(3))
def test_signal_mcd_needs_its_three_states(missing: int) -> None:
    parts = mcd(NOW, 4, 1, 2)
    del parts[missing]
    assert assembly(report_of(NOW, *parts, *version("4.14.30", NOW))).ready(NOW + HOUR) == []


@pytest.mark.parametrize("missing", range(5))
def test_without_one_of_the_five_classes_there_is_no_snapshot(missing: int) -> None:
    parts = layering(NOW, 5)
    del parts[missing]
    assert assembly(report_of(NOW, *parts, *needs(NOW), *version("4.14.30", NOW))).ready(NOW + HOUR) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a", NOW), ("b", NOW)),
        (("a", NOW), ("a", NOW + 1)),
        (("a", NOW), ("b", NOW + 30 * SECOND)),
    ],
    ids=["of two replicas", "of two timestamps", "of both"],
)
def test_two_halves_are_no_whole(first: tuple[str, int], second: tuple[str, int]) -> None:
    halves = [layering(at, 5, 0, 0, 1, replica=replica) for replica, at in (first, second)]
    made = assembly(report_of(NOW, *halves[0][:3], *version("4.14.30", NOW)), report_of(NOW, *halves[1][3:]))
    assert made.ready(NOW + MINUTE) == []
    assert made.ready(NOW + HOUR) == []
    assert made.incomplete == 2


def test_two_replicas_give_one_snapshot_the_newest() -> None:
    newer = report_of(NOW + 9, *whole(NOW + 9 * SECOND, packages=2, replica="b"))
    older = report_of(NOW + 10, *whole(NOW, packages=1, replica="a"))
    for reports in ([newer, older], [older, newer]):
        made = assembly(*reports)
        assert told(made.ready(NOW + MINUTE)) == [(NOW + 9 * SECOND, 2)]
        assert made.ready(NOW + HOUR) == []
        assert made.incomplete == 0


def test_parts_of_shards_come_in_several_reports_and_from_several_sources() -> None:
    parts = [*layering(NOW, 5, 0, 0, 1), *needs(NOW, 1)]
    reports = [report_of(NOW + number, part) for number, part in enumerate(parts)]
    made = assembly(report_of(NOW, *version("4.14.30", NOW)), *reports)
    (found,) = made.ready(NOW + MINUTE)
    assert told([found]) == [(NOW, 1)]
    assert found.needs == {"agent": 1, "driver": 0, "other": 0, "override": 0, "tool": 0}
    assert found.received_ms == NOW + 9
    assert made.incomplete == 0


def test_of_several_timestamps_in_one_report_the_newest_counts() -> None:
    """A sender that was cut off sends several samples of each series at once."""
    many = [whole(NOW + number * 30 * SECOND, packages=number) for number in range(3)]
    report = report_of(NOW + MINUTE, *[sample for samples in zip(*many, strict=True) for sample in samples])
    assert told(assembly(report).ready(NOW + HOUR)) == [(NOW + MINUTE, 2)]


def test_a_whole_snapshot_counts_though_a_newer_one_is_half() -> None:
    made = assembly(report_of(NOW, *whole(NOW)), report_of(NOW, *layering(NOW + MINUTE, 9)[:4]))
    assert told(made.ready(NOW + MINUTE)) == [(NOW, 1)]


def test_parts_are_waited_for_and_what_stays_incomplete_is_counted_once() -> None:
    made = assembly(report_of(NOW, *layering(NOW, 5)[:4], *version("4.14.30", NOW)))
    for after, incomplete in ((MINUTE, 0), (10 * MINUTE - 1, 0), (10 * MINUTE, 1), (11 * MINUTE, 1), (DAY, 1)):
        assert made.ready(NOW + after) == []
        assert made.incomplete == incomplete


def test_a_part_that_comes_late_but_within_patience_completes_it() -> None:
    parts = layering(NOW, 5, 0, 0, 1)
    made = assembly(report_of(NOW, *parts[:4], *version("4.14.30", NOW)))
    assert made.ready(NOW + 9 * MINUTE) == []
    made.take(report_of(NOW + 9 * MINUTE, *parts[4:]), 1)
    (found,) = made.ready(NOW + 10 * MINUTE)
    assert told([found]) == [(NOW, 1)]
    assert found.needs is None
    made.ready(NOW + DAY)
    assert made.incomplete == 0


def test_what_is_half_of_one_signal_is_counted_and_the_other_signal_is_a_snapshot() -> None:
    made = assembly(report_of(NOW, *whole(NOW), *mcd(NOW, 1)[:2]))
    assert told(made.ready(NOW + MINUTE)) == [(NOW, 1)]
    assert made.ready(NOW + HOUR) == []
    assert made.incomplete == 1


def test_a_snapshot_settles_before_it_is_shown() -> None:
    """Its parts, and what is told beside it, come in requests of their own."""
    made = assembly(report_of(NOW, *whole(NOW)))
    assert made.ready(NOW + 5 * SECOND - 1) == []
    assert told(made.ready(NOW + 5 * SECOND)) == [(NOW, 1)]


@pytest.mark.parametrize("late", [0, 1, 30 * SECOND, 100 * MINUTE])
def test_what_is_no_newer_than_what_was_shown_is_no_news(late: int) -> None:
    made = assembly(report_of(NOW, *whole(NOW)))
    assert told(made.ready(NOW + MINUTE)) == [(NOW, 1)]
    made.take(report_of(NOW + 2 * MINUTE, *whole(NOW - late, packages=9, replica="b")), 1)
    assert made.ready(NOW + 3 * MINUTE) == []
    made.take(report_of(NOW + 4 * MINUTE, *whole(NOW + 1, packages=2)), 2)
    assert told(made.ready(NOW + 5 * MINUTE)) == [(NOW + 1, 2)]
    made.ready(NOW + DAY)
    assert made.incomplete == 0


def test_a_clock_that_was_set_back_is_believed_after_some_hours() -> None:
    """What is older than what was shown could be sent again for two hours; after three it is the cluster's clock."""
    made = assembly(report_of(NOW, *whole(NOW)))
    made.ready(NOW + MINUTE)
    found = []
    for step in range(1, 9):
        received = NOW + step * 30 * MINUTE
        made.take(report_of(received, *whole(received - 10 * HOUR, packages=step)), step)
        found += [(step, packages) for _, packages in told(made.ready(received + MINUTE))]
    assert found == [(6, 6), (7, 7), (8, 8)]
    assert made.incomplete == 0


@pytest.mark.parametrize(
    "parts",
    [
        [],
        needs(NOW, 1)[:4],
        needs(NOW + 1, 1),
        needs(NOW, 1, replica="b"),
    ],
    ids=["none", "four", "at another time", "of another replica"],
)
def test_needs_that_did_not_come_with_the_classes_are_not_known(parts: Samples) -> None:
    made = assembly(report_of(NOW, *layering(NOW, 5, 0, 0, 1), *parts, *version("4.14.30", NOW)))
    (found,) = made.ready(NOW + MINUTE)
    assert found.needs is None


def test_needs_alone_are_no_snapshot_and_are_counted() -> None:
    made = assembly(report_of(NOW, *needs(NOW, 1), *version("4.14.30", NOW)))
    assert made.ready(NOW + MINUTE) == []
    assert made.ready(NOW + HOUR) == []
    assert made.incomplete == 1


# What a cluster says of itself


def joined(*events: tuple[int, Samples], until: int) -> list[tuple[str | None, str | None]]:
    """Version and platform of each snapshot, where `ready` is asked each second from the first report on."""
    made = Assembly(PATIENCE)
    found: list[Snapshot] = []
    for now in range(NOW, until + 1, SECOND):
        for source, (received, samples) in enumerate(events):
            if received == now:
                made.take(report_of(received, *samples), source)
        found += made.ready(now)
    return [(one.version, one.platform) for one in found]


COUNTS = layering(NOW, 5)
JOINS: Sequence[tuple[str, list[tuple[int, Samples]], tuple[str | None, str | None]]] = [
    ("before", [(NOW, [*version("4.14.30", NOW - HOUR), *platform("AWS", NOW - HOUR)]), (NOW + 9 * SECOND, COUNTS)], ("4.14.30", "AWS")),
    ("with it", [(NOW, [*COUNTS, *version("4.14.30", NOW), *platform("AWS", NOW)])], ("4.14.30", "AWS")),
    ("after it", [(NOW, COUNTS), (NOW + MINUTE, [*platform("AWS", NOW), *version("4.14.30", NOW)])], ("4.14.30", "AWS")),
    ("never", [(NOW, COUNTS)], (None, None)),
    ("too late", [(NOW, COUNTS), (NOW + 3 * MINUTE, version("4.14.30", NOW))], (None, None)),
    ("the newest", [(NOW, [*version("4.15.1", NOW), *version("4.14.30", NOW - 1), *COUNTS])], ("4.15.1", None)),
    ("the newest, told first", [(NOW, version("4.15.1", NOW)), (NOW + SECOND, [*COUNTS, *version("4.14.30", NOW - 1)])], ("4.15.1", None)),
    ("of another replica", [(NOW, [*COUNTS, *version("4.14.30", NOW, replica="b")])], ("4.14.30", None)),
    ("platform alone", [(NOW, [*COUNTS, *platform("None", NOW)])], (None, "None")),
]  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), [case[1:] for case in JOINS], ids=[case[0] for case in JOINS])
def test_what_is_told_before_or_soon_after_is_joined(
    events: list[tuple[int, Samples]], expected: tuple[str | None, str | None]
) -> None:
    assert joined(*events, until=NOW + 4 * MINUTE) == [expected]


def test_an_upgrade_shows_in_the_next_snapshot() -> None:
    later = [*layering(NOW + MINUTE, 5), *version("4.15.1", NOW + MINUTE)]
    assert joined((NOW, whole(NOW)), (NOW + MINUTE, later), until=NOW + 2 * MINUTE) == [
        ("4.14.30", None),
        ("4.15.1", None),
    ]


# Days


def test_each_day_of_the_receiver_has_its_newest_snapshot() -> None:
    reports = [
        report_of(MIDNIGHT + received, *whole(MIDNIGHT + at, packages=packages))
        for received, at, packages in ((-90_000, -90_000, 1), (-1, -30_000, 2), (0, -29_000, 3), (60_000, 60_000, 4))
    ]
    for order in (reports, reports[::-1]):
        found = assembly(*order).ready(MIDNIGHT + HOUR)
        assert sorted(told(found)) == [(MIDNIGHT - 30_000, 2), (MIDNIGHT + 60_000, 4)]
        assert {one.received_ms for one in found} == {MIDNIGHT - 1, MIDNIGHT + 60_000}


@pytest.mark.parametrize("skew", [-20 * HOUR, -HOUR, HOUR, 20 * HOUR])
def test_the_day_is_the_receivers_whatever_the_clusters_clock_says(skew: int) -> None:
    reports = [report_of(at, *whole(at + skew, packages=at - MIDNIGHT + 10)) for at in (MIDNIGHT - 1, MIDNIGHT)]
    found = assembly(*reports).ready(MIDNIGHT + HOUR)
    assert sorted(packages for _, packages in told(found)) == [9, 10]


def test_what_was_received_yesterday_and_is_read_today_is_a_row_of_yesterday() -> None:
    """The inbox of a collector that is gone is taken up later, by one that has shown newer snapshots: nothing is lost."""
    made = assembly(report_of(MIDNIGHT + HOUR, *whole(MIDNIGHT + HOUR, packages=2)))
    assert told(made.ready(MIDNIGHT + 2 * HOUR)) == [(MIDNIGHT + HOUR, 2)]
    made.take(report_of(MIDNIGHT - HOUR, *whole(MIDNIGHT - HOUR, packages=1)), 1)
    assert told(made.ready(MIDNIGHT + 2 * HOUR + MINUTE)) == [(MIDNIGHT - HOUR, 1)]


# Clusters


def test_clusters_do_not_mix() -> None:
    made = assembly(
        report_of(NOW, *layering(NOW, 5, 0, 0, 1)[:3], *version("4.14.30", NOW), cluster=A),
        report_of(NOW, *layering(NOW, 5, 0, 0, 1)[3:], cluster=B),
        report_of(NOW, *whole(NOW, packages=7), cluster=B),
    )
    (found,) = made.ready(NOW + MINUTE)
    assert (found.cluster_id, found.counts["packages"]) == (B, 7)
    assert made.known_clusters() == 2


def test_many_halves_of_a_cluster_do_not_hide_its_whole() -> None:
    """A cluster that sends many timestamps, which are remembered within bounds: the newest whole one counts."""
    halves = [report_of(NOW, *layering(NOW - number, 1)[:2]) for number in range(1, 3000)]
    made = assembly(*halves, report_of(NOW, *whole(NOW)), *halves)
    assert told(made.ready(NOW + MINUTE)) == [(NOW, 1)]


# More counts of nodes than a cluster has


def many_nodes(at: int, number: int, first: int = 0, replica: str = "a") -> Samples:
    """A node in each of so many series."""
    return nodes(at, *(("rhcos", f"role-{first + index}", 1) for index in range(number)), replica=replica)


@pytest.mark.parametrize(
    ("number", "expected"), [(999, {"rhcos": 999}), (1_000, {"rhcos": 1_000}), (1_001, {}), (9_000, {})]
)
@pytest.mark.parametrize("size", [10_000, 700, 1])
def test_a_count_of_nodes_in_more_than_a_thousand_series_is_not_known(
    number: int, expected: dict[str, int], size: int
) -> None:
    """In one report or in many, and whatever was counted before: unknown is never zero, nor what it was."""
    made = assembly(report_of(NOW - MINUTE, *whole(NOW - MINUTE), *nodes(NOW - MINUTE, ("rhcos", "worker", 9))))
    (before,) = made.ready(NOW - MINUTE + 10 * SECOND)
    assert before.nodes == {"rhcos": 9}
    parts = many_nodes(NOW, number)
    for first in range(0, number, size):
        made.take(report_of(NOW, *parts[first : first + size]), 1)
    made.take(report_of(NOW, *whole(NOW, packages=2)), 2)
    (group,) = (made._clusters[bytes.fromhex(A.replace("-", ""))].groups or {}).values()
    assert sum(map(len, group.counts.values())) <= 10 + 1_001
    (found,) = made.ready(NOW + 10 * SECOND)
    assert (found.counts["packages"], found.nodes) == (2, expected)


def test_too_many_series_of_nodes_that_come_again_stay_too_many() -> None:
    made = assembly(report_of(NOW, *many_nodes(NOW, 1_001), *whole(NOW)))
    for first in (0, 500, 1_000):
        made.take(report_of(NOW + SECOND, *many_nodes(NOW, 600, first)), 1)
    (found,) = made.ready(NOW + 10 * SECOND)
    assert (found.nodes, found.received_ms) == ({}, NOW)


def test_of_two_timestamps_in_one_report_each_has_its_own_count() -> None:
    """Column by column: a sender that was cut off sends several samples of each series."""
    pairs = zip(many_nodes(NOW, 1_001), many_nodes(NOW + 1, 1_001), strict=True)
    made = assembly(report_of(NOW, *(one for pair in pairs for one in pair), *whole(NOW + 1)))
    (found,) = made.ready(NOW + 10 * SECOND)
    assert found.nodes == {}


def test_after_too_many_series_of_nodes_a_usual_count_is_known_again() -> None:
    made = assembly(report_of(NOW, *many_nodes(NOW, 2_000), *whole(NOW)))
    assert [one.nodes for one in made.ready(NOW + 10 * SECOND)] == [{}]
    later = NOW + 2 * MINUTE
    made.take(report_of(later, *nodes(later, ("rhcos", "worker", 6), ("rhcos", "master", 3)), *layering(later, 9)), 1)
    (found,) = made.ready(later + MINUTE)
    assert found.nodes == {"rhcos": 9}
