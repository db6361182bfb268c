"""Snapshots to rows, and the way from reports to rows: how many machines, what comes twice, and in which order.

What an os_id means is typed from shared/facts/upstream.md: `rhcos` up to 4.18 and `rhel` from 4.19 on are CoreOS, `rhel` up
to 4.18 is a RHEL worker; OKD has `fedora`, `scos` and `centos`.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import (
    CLASSES,
    DAY,
    HOUR,
    MINUTE,
    NEEDS,
    NOW,
    SECOND,
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

from layercensus.fleet.fleet_rows import expected_machines, release_of, row_of
from layercensus.fleet.segment import Report
from layercensus.fleet.snapshots import Assembly, Snapshot
from layercensus.model import Row

# The first instant of a day of the receiver: 2026-11-26T00:00:00Z.
MIDNIGHT = 1_795_651_200_000
SNAPSHOT = Snapshot(
    cluster_id=A,
    signal="layercensus",
    timestamp=NOW,
    received_ms=NOW + 1500,
    counts=dict(zip(CLASSES, (5.0, 1.0, 2.0, 3.0, 0.0), strict=True)),
    needs=dict.fromkeys(NEEDS, 1.0),
    version="4.14.30",
    platform="AWS",
    nodes={"rhcos": 11, "rhel": 2},
)


def test_a_row_says_what_its_snapshot_says() -> None:
    row = row_of(SNAPSHOT)
    assert (row.day, row.cluster_id, row.signal) == ("2026-11-25", A, "layercensus")
    assert (row.release, row.version, row.platform) == ("4.14", "4.14.30", "AWS")
    assert row.nodes == {"clean": 5, "extensions": 1, "overrides": 2, "packages": 3, "unknown": 0}
    assert row.needs == {"agent": 1, "driver": 1, "other": 1, "override": 1, "tool": 1}
    assert row.proxy == {}
    assert row.nodes_expected == 11
    assert row.skew_seconds == -1.5
    assert all(isinstance(count, int) for count in (*row.nodes.values(), *row.needs.values()))


def test_a_row_of_signal_mcd_has_its_counts_as_a_proxy() -> None:
    row = row_of(SNAPSHOT._replace(signal="mcd", counts={"none": 4.0, "unknown": 1.0, "unsupported": 2.0}, needs=None))
    assert row.proxy == {"none": 4, "unknown": 1, "unsupported": 2}
    assert (row.nodes, row.needs) == ({}, {})


def test_what_nobody_said_is_not_known() -> None:
    row = row_of(SNAPSHOT._replace(version=None, platform=None, needs=None, nodes={}))
    assert (row.release, row.version, row.platform, row.nodes_expected) == (None, None, None, None)
    assert row.needs == {}


@pytest.mark.parametrize(
    ("received", "day"),
    [(MIDNIGHT - 1, "2026-11-25"), (MIDNIGHT, "2026-11-26"), (MIDNIGHT + DAY - 1, "2026-11-26"), (0, "1970-01-01")],
)
@pytest.mark.parametrize("skew", [-25 * HOUR, -1, 0, 1, 25 * HOUR])
def test_the_receiver_decides_the_day_and_the_clusters_time_is_kept(received: int, day: str, skew: int) -> None:
    row = row_of(SNAPSHOT._replace(received_ms=received, timestamp=received + skew))
    assert (row.day, row.skew_seconds) == (day, skew / 1000)
    for text, at in ((row.received_at, received), (row.observed_at, received + skew)):
        found = datetime.fromisoformat(str(text))
        assert round(found.timestamp() * 1000) == at
        assert found.tzinfo == UTC


@pytest.mark.parametrize(
    ("version_text", "release"),
    [
        ("4.14.30", "4.14"), ("4.9.0", "4.9"), ("5.0.0", "5.0"), ("4.18.0-rc.10", "4.18"), ("4.20.0-ec.1", "4.20"),
        ("4.21.0-0.nightly-2025-10-06-120000", "4.21"), ("4.15.0-0.okd-2024-03-10-010116", "4.15"),
        ("4.19.0-okd-scos.1", "4.19"), ("4.17.0-0.okd-scos-2024-09-30-101739", "4.17"), (None, None), ("", None),
    ],
)  # fmt: skip
def test_a_version_is_of_a_release(version_text: str | None, release: str | None) -> None:
    assert release_of(version_text) == release


@pytest.mark.parametrize(
    ("release", "counts", "expected"),
    [
        ("4.14", {"rhcos": 6}, 6),
        ("4.18", {"rhcos": 6, "rhel": 2}, 6),
        ("4.18", {"rhel": 2}, 0),
        ("4.19", {"rhel": 6}, 6),
        ("4.20", {"rhel": 6, "rhcos": 1}, 7),
        ("4.9", {"rhel": 6}, 0),
        ("5.0", {"rhel": 6}, 6),
        ("4.14", {"rhcos": 6, "Windows": 3}, 6),
        ("4.14", {"Windows": 3}, 0),
        ("4.15", {"fedora": 3}, 3),
        ("4.17", {"scos": 3}, 3),
        ("4.19", {"centos": 3}, 3),
        ("4.14", {"rhcos": 6, "": 1}, None),
        ("4.19", {"": 6}, None),
        ("4.14", {"rhcos": 6, "": 0}, 6),
        ("4.14", {}, None),
        (None, {}, None),
        (None, {"rhcos": 6}, 6),
        (None, {"rhel": 6}, None),
        (None, {"rhcos": 6, "rhel": 2}, None),
        (None, {"rhcos": 6, "": 2}, None),
    ],
)
def test_how_many_machines_of_coreos_are_expected(
    release: str | None, counts: Mapping[str, int], expected: int | None
) -> None:
    assert expected_machines(counts, release) == expected


# From reports to rows


def assembly(*reports: Report) -> Assembly:
    made = Assembly()
    for source, report in enumerate(reports):
        made.take(report, source)
    return made


def run(*events: tuple[int, Samples], until: int) -> list[Snapshot]:
    """Snapshots, where `ready` is asked each five seconds from `NOW` on."""
    made, found = Assembly(), []
    for now in range(NOW, until + 1, 5 * SECOND):
        for source, (received, samples) in enumerate(events):
            if received == now:
                made.take(report_of(received, *samples), source)
        found += made.ready(now)
    return found


VERSION_TOLD = version("4.14.30", NOW)
NINE = (("rhcos", "master", 3), ("rhcos", "worker", 4), ("rhel", "worker", 2))


def test_nodes_of_one_timestamp_are_summed_over_what_is_not_kept_and_not_over_replicas() -> None:
    both = [nodes(NOW, *NINE, replica=replica) for replica in "ab"]
    found = run(
        (NOW, [*layering(NOW), *VERSION_TOLD, *both[0][:2]]), (NOW, [*both[0][2:], *both[1]]), until=NOW + MINUTE
    )
    assert [one.nodes for one in found] == [{"rhcos": 7, "rhel": 2}]


def test_the_newest_count_of_nodes_counts() -> None:
    older, newer = nodes(NOW - MINUTE, ("rhcos", "worker", 4)), nodes(NOW - 1, ("rhcos", "worker", 5))
    for parts in ([older, newer], [newer, older]):
        events = [(NOW, part) for part in parts]
        found = run(*events, (NOW + 5 * SECOND, [*layering(NOW), *needs(NOW), *VERSION_TOLD]), until=NOW + MINUTE)
        assert [one.nodes for one in found] == [{"rhcos": 5}]


@pytest.mark.parametrize("offset", [1, 0], ids=["a time of their own", "the time of the layering"])
def test_a_count_with_fewer_series_than_before_waits_for_the_others_and_then_counts(offset: int) -> None:
    """A cluster loses its RHEL workers: the series is gone, and so are they, a minute later."""
    events = []
    for step in range(8):
        at = NOW + step * 30 * SECOND
        groups = NINE if step < 2 else NINE[:2]
        events.append((at, [*layering(at, 7), *needs(at), *version("4.14.30", at), *nodes(at - offset, *groups)]))
    found = run(*events, until=NOW + 5 * MINUTE)
    assert [one.timestamp for one in found] == [at for at, _ in events]
    assert [one.nodes for one in found[:3]] == [{"rhcos": 7, "rhel": 2}] * 3
    assert found[-1].nodes == {"rhcos": 7}


@pytest.mark.parametrize("late", [SECOND, 3 * SECOND])
def test_a_count_of_nodes_that_comes_in_parts_is_one(late: int) -> None:
    parts = nodes(NOW, *NINE)
    whole = [*layering(NOW), *needs(NOW), *VERSION_TOLD]
    made = assembly(report_of(NOW, *parts[:1], *whole), report_of(NOW + late, *parts[1:]))
    (found,) = made.ready(NOW + 5 * SECOND)
    assert found.nodes == {"rhcos": 7, "rhel": 2}


WHOLE = [*layering(NOW, 5, 0, 0, 1), *needs(NOW, 1), *VERSION_TOLD]


@pytest.mark.parametrize(
    ("samples", "waited_for", "after"),
    [
        (WHOLE, 0, None),
        (layering(NOW, 5)[:4], 0, 0),
        (needs(NOW, 1), 0, 0),
        ([*WHOLE, *layering(NOW + SECOND, 5)[:2]], 0, 0),
        (mcd(NOW, 5)[:1], 0, 0),
        (nodes(NOW, *NINE), 0, None),
        ([*VERSION_TOLD, *platform("AWS", NOW)], None, None),
        ([], None, None),
    ],
    ids=["whole", "half", "needs", "whole and half", "mcd", "nodes", "told", "nothing"],
)
def test_a_source_is_needed_until_nothing_of_it_is_waited_for(
    samples: Samples, waited_for: int | None, after: int | None
) -> None:
    made = assembly(report_of(NOW, *samples))
    assert made.oldest_source() == waited_for
    made.ready(NOW + SECOND)
    assert made.oldest_source() == waited_for
    made.ready(NOW + MINUTE)
    assert made.oldest_source() == after
    made.ready(NOW + HOUR)
    assert made.oldest_source() is None


def test_the_oldest_source_is_that_of_the_first_part_of_any_cluster() -> None:
    parts = layering(NOW, 5)
    made = assembly(
        report_of(NOW, *VERSION_TOLD),
        report_of(NOW, *parts[:2]),
        report_of(NOW, *parts[2:]),
        report_of(NOW, *parts[:1], cluster=B),
    )
    assert made.oldest_source() == 1
    made.ready(NOW + MINUTE)
    assert made.oldest_source() == 3


@pytest.mark.parametrize("received", [NOW, NOW + 3 * SECOND], ids=["the same report", "a second one"])
@pytest.mark.parametrize("asked", [False, True], ids=["before it is shown", "after"])
def test_a_request_that_is_sent_twice_changes_nothing(received: int, asked: bool) -> None:
    made = assembly(report_of(NOW, *WHOLE))
    expected = assembly(report_of(NOW, *WHOLE)).ready(NOW + MINUTE)
    found = made.ready(NOW + MINUTE) if asked else []
    made.take(report_of(received, *WHOLE), 1)
    assert [*found, *made.ready(NOW + MINUTE)] == expected
    made.ready(NOW + DAY)
    assert (made.incomplete, made.oldest_source()) == (0, None)


@pytest.mark.parametrize("asked", [False, True], ids=["before it is shown", "after"])
def test_a_request_that_is_sent_again_after_midnight_stays_a_row_of_its_day(asked: bool) -> None:
    whole = [*layering(MIDNIGHT - 2, 5), *VERSION_TOLD]
    made = assembly(report_of(MIDNIGHT - 1, *whole))
    found = made.ready(MIDNIGHT + MINUTE) if asked else []
    made.take(report_of(MIDNIGHT + 1, *whole), 1)
    assert [row_of(one).day for one in [*found, *made.ready(MIDNIGHT + MINUTE)]] == ["2026-11-25"]


def newest_rows(found: Iterable[Snapshot]) -> Mapping[tuple[str, str, str], Row]:
    """Rows of a lake: one for each cluster, day and signal, the last that came."""
    rows = [row_of(snapshot) for snapshot in found]
    return {(row.cluster_id, row.day, row.signal): row for row in rows}


@st.composite
def days(draw: st.DrawFn) -> tuple[list[Report], Sequence[Report], int]:
    """Reports around a midnight, in shards; the same in another order, some twice; how many snapshots stay incomplete."""
    reports: list[Report] = [report_of(MIDNIGHT - DAY, *version("4.14.30", MIDNIGHT - DAY))]
    incomplete = 0
    for step in range(draw(st.integers(1, 6))):
        received = MIDNIGHT + (draw(st.integers(-2, 1)) * MINUTE)
        replica = draw(st.sampled_from("ab"))
        at = received - 10 * MINUTE + step
        parts = [*layering(at, 5, 0, 0, step, replica=replica), *needs(at, step, replica=replica)]
        lost = draw(st.sampled_from([0, 0, 0, 3, 8]))
        incomplete += 0 < len(parts) - lost < 5
        parts = draw(st.permutations(parts[: len(parts) - lost]))
        parts = [*parts, *nodes(at, ("rhcos", "worker", 5 + step)), *version(f"4.14.{step}", at)]
        cut = draw(st.integers(0, len(parts)))
        reports += [report_of(received, *shard) for shard in (parts[:cut], parts[cut:])]
    again = draw(st.lists(st.sampled_from(reports), max_size=3))
    return reports, draw(st.permutations([*reports, *again])), incomplete


@settings(max_examples=200)
@given(days())
def test_neither_order_nor_copies_of_reports_change_a_row(case: tuple[list[Report], Sequence[Report], int]) -> None:
    reports, shuffled, incomplete = case
    made, other = assembly(*reports), assembly(*shuffled)
    found = newest_rows(made.ready(MIDNIGHT + 5 * MINUTE))
    assert newest_rows(other.ready(MIDNIGHT + 5 * MINUTE)) == found
    whole: dict[str, tuple[int, int]] = {}
    for day in ("2026-11-25", "2026-11-26"):
        times = complete_times(reports, day)
        if times:
            whole[day] = max(times)
    assert {row.day: (observed(row), row.nodes["packages"]) for row in found.values()} == whole
    for one in (made, other):
        one.ready(MIDNIGHT + DAY)
        assert (one.incomplete, one.oldest_source()) == (incomplete, None)


def observed(row: Row) -> int:
    return round(datetime.fromisoformat(str(row.observed_at)).timestamp() * 1000)


def complete_times(reports: Iterable[Report], day: str) -> list[tuple[int, int]]:
    """By hand: of each timestamp of a day with all five classes, the timestamp and its nodes with packages."""
    classes: dict[int, dict[str, int]] = {}
    for report in reports:
        if datetime.fromtimestamp(report.received_ms / 1000, tz=UTC).date().isoformat() == day:
            for kind, at, value in zip(report.kinds, report.timestamps, report.values, strict=True):
                classes.setdefault(at, {}).update(
                    {text: int(value) for name, text in kind.labels if name == "layering"}
                )
    return [(at, found["packages"]) for at, found in classes.items() if found.keys() == set(CLASSES)]


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_in_whatever_order_whole_reports_are_read_the_row_is_that_of_the_newest(
    order: Sequence[int], asked: set[int]
) -> None:
    """Workers' files are read one after another, each with times of its own; rows are made in between."""
    made, found = Assembly(), []
    for source, step in enumerate(order):
        at = NOW + step * 30 * SECOND
        made.take(report_of(at, *layering(at, 5, 0, 0, step), *needs(at, step), *VERSION_TOLD), source)
        if step in asked:
            found += made.ready(NOW + 5 * MINUTE)
    found += made.ready(NOW + 5 * MINUTE)
    (row,) = newest_rows(found).values()
    assert (row.nodes["packages"], row.needs["agent"]) == (5, 5)
    assert made.oldest_source() is None
