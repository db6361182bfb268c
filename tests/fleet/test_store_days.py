"""A day of a store to rows: the newest complete snapshot of each cluster, what was told before it, and how little is asked."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.stored import (
    DAY,
    Memory,
    Stored,
    counts,
    matches,
    nodes,
    platform,
    read,
    reader,
    version,
)
from tests.fleet.wire import HOUR, LAYERING, MCD, MINUTE, NEED, SECOND, A, B, C, report_of

from layercensus.errors import FleetError
from layercensus.fleet.fleet_rows import row_of
from layercensus.fleet.history import admit
from layercensus.fleet.kinds import name_series
from layercensus.fleet.samples import Window
from layercensus.fleet.snapshots import Assembly
from layercensus.fleet.store_answers import RawSeries
from layercensus.model import Row

NOON = DAY.first + 12 * HOUR
TWIN = "layercensus:local_layering_nodes:count"


def many(number: int) -> list[str]:
    return [f"{one:08x}-0000-4000-8000-000000000000" for one in range(number)]


def test_a_row_has_what_its_samples_say_and_no_receivers_clock() -> None:
    samples = [
        *counts(LAYERING, A, NOON, 5, 1, 2, 3, 0), *counts(NEED, A, NOON, 1, 0, 0, 0, 2), version(A, NOON - 1, "4.14.30"),
        platform(A, NOON - MINUTE, "AWS"), nodes(A, NOON, "rhcos", "worker", 7), nodes(A, NOON, "rhcos", "master", 3),
        nodes(A, NOON, "rhel", "worker", 2),
    ]  # fmt: skip
    (row,) = read(samples).values()
    assert row.nodes == {"clean": 5, "extensions": 1, "overrides": 2, "packages": 3, "unknown": 0}
    assert row.needs == {"agent": 1, "driver": 0, "other": 0, "override": 0, "tool": 2}
    assert (row.day, row.observed_at) == ("2026-11-24", "2026-11-24T12:00:00.000+00:00")
    assert (row.release, row.version, row.platform, row.nodes_expected) == ("4.14", "4.14.30", "AWS", 10)
    assert (row.received_at, row.skew_seconds) == (None, None)


@pytest.mark.parametrize(
    "at", [DAY.first, DAY.first + 1, NOON, DAY.last - 15 * MINUTE, DAY.last - 15 * MINUTE + 1, DAY.last]
)
def test_a_snapshot_of_any_instant_of_the_day_is_found(at: int) -> None:
    samples = [*counts(LAYERING, A, at, 1, 0, 0, 0, 0), version(A, at, "4.14.1")]
    ((row),) = read(samples).values()
    assert (row.nodes["clean"], row.version) == (1, "4.14.1")


@pytest.mark.parametrize("at", [DAY.first - 1, DAY.last + 1])
def test_a_snapshot_of_another_day_is_not_this_ones(at: int) -> None:
    assert read(counts(LAYERING, A, at, 1, 0, 0, 0, 0)) == {}


def test_the_newest_complete_snapshot_counts_and_newer_incomplete_ones_are_counted() -> None:
    store = Memory([
        *counts(LAYERING, A, NOON, 1, 0, 0, 0, 0), *counts(LAYERING, A, NOON + HOUR, 2, 0, 0, 0, 0),
        *counts(LAYERING, A, NOON + 2 * HOUR, 3, 0, 0, 0), *counts(NEED, A, NOON + 3 * HOUR, 1, 1, 1, 1, 1),
        *counts(LAYERING, B, NOON, 1, 0, 0, 0),
    ])  # fmt: skip
    made = reader(store)
    (row,) = made.rows()
    assert (row.cluster_id, row.nodes["clean"], row.needs) == (A, 2, {})
    assert (made.notes.incomplete, made.notes.without_snapshot) == (3, 1)
    assert made.notes.rows == Counter(layercensus=1)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ({"prometheus_replica": "a"}, {"prometheus_replica": "b"}),
        ({"receive": "1"}, {"receive": "2"}),
        ({}, {"tenant": "x"}),
    ],
)
def test_halves_with_other_labels_beside_are_no_whole(here: dict[str, str], there: dict[str, str]) -> None:
    halves = [*counts(LAYERING, A, NOON, 1, 2, 3, **here), *counts(LAYERING, A, NOON, 1, 1, 1, 4, 5, **there)[3:]]
    assert read(halves) == {}
    whole = counts(LAYERING, A, NOON - 1, 9, 0, 0, 0, 0, **here)
    assert [row.nodes["clean"] for row in read([*halves, *whole]).values()] == [9]


def test_needs_are_those_of_the_same_origin() -> None:
    samples = [
        *counts(LAYERING, A, NOON, 1, 0, 0, 0, 0, replica="a"),
        *counts(NEED, A, NOON, 1, 1, 1, 1, 1, replica="b"),
    ]
    assert [row.needs for row in read(samples).values()] == [{}]


def test_the_twin_names_mean_the_same_and_signals_are_rows_of_their_own() -> None:
    rows = read([*counts(TWIN, A, NOON, 4, 0, 0, 0, 0), *counts(MCD, A, NOON + HOUR, 1, 2, 3)])
    assert rows[A, "layercensus"].nodes["clean"] == 4
    assert rows[A, "mcd"].proxy == {"none": 1, "unknown": 2, "unsupported": 3}
    assert rows[A, "mcd"].observed_at == "2026-11-24T13:00:00.000+00:00"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([(0, "4.14.1")], "4.14.1"),
        ([(-1, "4.14.1"), (1, "4.14.2")], "4.14.1"),
        ([(1, "4.14.2")], None),
        ([(-HOUR, "4.14.1"), (-9 * HOUR, "4.14.0")], "4.14.1"),
        ([(-24 * HOUR, "4.13.9")], "4.13.9"),
        ([(-24 * HOUR - 1, "4.13.9")], None),
        ([(0, "4.14.1"), (0, "4.14.2")], "4.14.2"),
    ],
)
@pytest.mark.parametrize("at", [DAY.first, NOON, DAY.last])
def test_a_version_is_what_was_told_last_before_the_snapshot_up_to_a_day(
    told: Sequence[tuple[int, str]], expected: str | None, at: int
) -> None:
    samples = [*counts(LAYERING, A, at, 1, 0, 0, 0, 0), *(version(A, at + offset, text) for offset, text in told)]
    assert [row.version for row in read(samples).values()] == [expected]


def test_each_signal_has_the_version_of_its_own_instant() -> None:
    samples = [
        *counts(LAYERING, A, NOON, 1, 0, 0, 0, 0), *counts(MCD, A, DAY.last, 1, 0, 0),
        version(A, NOON - HOUR, "4.14.1"), version(A, NOON + HOUR, "4.15.1"),
    ]  # fmt: skip
    assert {key[1]: row.version for key, row in read(samples).items()} == {"layercensus": "4.14.1", "mcd": "4.15.1"}


def test_nodes_are_summed_over_series_and_not_over_replicas() -> None:
    both = [
        nodes(A, NOON - back, os_id, role, count, prometheus_replica=replica)
        for replica, back in (("a", 0), ("b", 5))
        for os_id, role, count in (("rhcos", "master", 3), ("rhcos", "worker", 4), ("Windows", "worker", 9))
    ]
    samples = [*counts(LAYERING, A, NOON, 1, 0, 0, 0, 0), version(A, NOON, "4.14.1"), *both]
    assert [row.nodes_expected for row in read(samples).values()] == [7]
    # At one instant the replica with more series.
    fewer = nodes(A, NOON, "rhcos", "master", 3, prometheus_replica="c")
    assert [row.nodes_expected for row in read([fewer, *samples]).values()] == [7]


def test_what_is_not_of_the_contract_is_dropped_by_reason() -> None:
    name = {"__name__": LAYERING, "cluster_id": A}
    store = Memory([
        *counts(LAYERING, A, DAY.last, 1, float("nan"), 2.5, -1, 1e300), *counts(LAYERING, A, DAY.last - 1, 1, 0, 0, 0, 0),
        ({**name, "layering": "strange"}, DAY.last, 1.0), (name, DAY.last, 1.0),
        ({**name, "layering": "clean", "note": "x" * 2049}, DAY.last, 1.0),
        ({**name, "layering": "clean", **{f"label_{number}": "x" for number in range(64)}}, DAY.last, 1.0),
    ])  # fmt: skip
    made = reader(store)
    assert [row.nodes["clean"] for row in made.rows()] == [1]
    assert made.notes.dropped == {"nan": 1, "no_count": 3, "label_value": 2, "labels": 2}


@pytest.mark.parametrize(
    "labels", [{"cluster_id": A}, {"__name__": LAYERING, "cluster_id": A, "layering": "clean", "note": "\ud800"}]
)
def test_a_series_without_a_name_or_with_half_a_character_is_dropped(labels: dict[str, str]) -> None:
    dropped: Counter[str] = Counter()
    assert list(admit([RawSeries(labels, [(NOON, 1.0)])], "cluster_id", DAY, dropped)) == []
    assert dropped == {"labels": 1}


def test_ids_that_are_none_are_counted_and_never_asked_for() -> None:
    hostile = ['x"} or up #', "local-cluster", A.upper(), f"{A}\n", "", "a" * 5000, f"{A}|{B}"]
    store = Memory([one for who in (A, *hostile) for one in counts(LAYERING, who, NOON, 1, 0, 0, 0, 0)])
    made = reader(store)
    assert [row.cluster_id for row in made.rows()] == [A]
    assert made.notes.strangers == set(hostile) - {""}
    assert all(f'cluster_id=~"{A}"' in query for query in store.queries())


def test_series_without_the_label_may_be_one_clusters() -> None:
    samples = [*counts(LAYERING, "", NOON, 3, 0, 0, 0, 0), *counts(LAYERING, B, NOON, 4, 0, 0, 0, 0)]
    assert {key[0]: row.nodes["clean"] for key, row in read(samples, unlabelled=C).items()} == {C: 3, B: 4}
    assert {key[0] for key in read(samples)} == {B}


def test_another_label_names_the_clusters() -> None:
    samples: list[Stored] = [
        ({**{key: text for key, text in labels.items() if key != "cluster_id"}, "_id": A}, at, value)
        for labels, at, value in [*counts(LAYERING, A, NOON, 3, 0, 0, 0, 0), version(A, NOON, "4.14.1")]
    ]
    assert [row.version for row in read(samples, label="_id").values()] == ["4.14.1"]
    assert read(samples) == {}


def test_a_fleet_of_steady_clusters_is_read_in_its_last_quarter_of_an_hour() -> None:
    """250 clusters: 3 pages of each fact, and one list of each."""
    steady = [
        one
        for who in many(250)
        for one in (*counts(LAYERING, who, DAY.last - SECOND, 1, 0, 0, 0, 0), version(who, DAY.last - MINUTE, "4.14.1"))
    ]
    store = Memory(steady)
    assert len(list(reader(store).rows())) == 250
    assert len(store.asked) - len(store.queries()) == 5
    assert len(store.queries()) == 6
    assert max(map(len, store.queries())) < 4500
    # One that went silent at noon costs three windows more of its own, with what it told.
    store = Memory([*steady, *counts(LAYERING, A, NOON, 1, 0, 0, 0, 0)])
    assert len(list(reader(store).rows())) == 251
    assert len(store.queries()) == 6 + 3
    assert sum(f'=~"{A}"' in query for query in store.queries()) == 3


@pytest.mark.parametrize("most", [1, 5, 7, 40])
def test_pages_that_are_too_large_are_halved_and_nothing_is_lost(most: int) -> None:
    samples = [
        one
        for number, who in enumerate(many(7))
        for step in range(1, 4)
        for one in counts(LAYERING, who, DAY.last - step * (number + 1) * HOUR, number, 0, 0, 0, step)
    ]
    whole = {row.cluster_id: row for row in reader(Memory(samples)).rows()}
    assert len(whole) == 7
    store = Memory(samples, most_samples=most)
    if most >= 5:
        assert {row.cluster_id: row for row in reader(store).rows()} == whole
        return
    with pytest.raises(FleetError, match="even to one cluster's minute"):
        list(reader(store).rows())
    # By our own limit on an answer's length it is left out, and said.
    made = reader(Memory(samples, most_samples=most, is_ours=True))
    assert list(made.rows()) == []
    assert (made.notes.too_large, made.notes.is_whole) == (set(many(7)), False)


@pytest.mark.parametrize("ours", [False, True])
def test_one_cluster_with_a_flood_of_series_harms_no_other(ours: bool) -> None:
    flood: list[Stored] = [
        ({"__name__": LAYERING, "cluster_id": A, "layering": f"x{number}"}, DAY.last, 1.0) for number in range(500)
    ]
    good = [one for who in many(120) for one in counts(LAYERING, who, DAY.last, 1, 0, 0, 0, 0)]
    made = reader(Memory([*flood, *good], most_samples=499, is_ours=ours))
    if not ours:
        with pytest.raises(FleetError):
            list(made.rows())
        return
    assert {row.cluster_id for row in made.rows()} == set(many(120))
    assert made.notes.too_large == {A}


def test_a_list_of_clusters_that_is_long_is_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cuts long lists says nothing: VictoriaMetrics gives 100,000 values."""
    monkeypatch.setattr("layercensus.fleet.store_days._LONG_LIST", 40)
    ids = [f"{number * 7919 % 65536:04x}0000-0000-4000-8000-{number:012x}" for number in range(300)]
    store = Memory([one for who in ids for one in counts(LAYERING, who, NOON, 1, 0, 0, 0, 0)], most_values=40)
    assert {row.cluster_id for row in reader(store).rows()} == set(ids)


def test_warnings_are_kept_once_and_the_day_is_not_whole() -> None:
    made = reader(Memory(counts(LAYERING, A, NOON, 1, 0, 0, 0, 0), warnings=("store down", "store down")))
    assert len(list(made.rows())) == 1
    assert (list(made.notes.warnings), made.notes.is_whole) == (["store down"], False)


def test_how_far_it_is_is_told() -> None:
    told: list[tuple[int, int]] = []
    made = reader(Memory([one for who in many(1500) for one in counts(LAYERING, who, DAY.last, 1, 0, 0, 0, 0)]))
    made.tick = lambda done, of: told.append((done, of))
    assert len(list(made.rows())) == 1500
    assert told == sorted(told)
    assert {(0, 0), (0, 1500), (1000, 1500)} == set(told)


def test_a_day_that_is_not_over_ends_now() -> None:
    now = NOON + 5 * MINUTE
    samples = [
        *counts(LAYERING, A, NOON, 1, 0, 0, 0, 0),
        version(A, NOON - 20 * HOUR, "4.14.1"),
        *counts(LAYERING, A, NOON + HOUR, 2, 0, 0, 0, 0),
    ]
    rows = read(samples, Window(DAY.first, now))
    assert [(row.nodes["clean"], row.version) for row in rows.values()] == [(1, "4.14.1")]


def test_our_selectors_are_what_the_tests_store_understands() -> None:
    assert matches('{__name__=~"a|b",x="",y!~"[0-9].*"}', {"__name__": "b", "y": "z1"})
    assert not matches('{__name__=~"a|b",y!~"[0-9].*"}', {"__name__": "b", "y": "1z"})


# The same samples, as they would have come to a collector.

_TENTH = 10 * MINUTE
_REPLICAS: tuple[dict[str, str], ...] = ({}, {"prometheus_replica": "a"}, {"prometheus_replica": "b"})
_some = st.lists(st.integers(0, 9).map(float), min_size=3, max_size=5)
_texts = {"version": ("4.14.1", "4.18.2", "4.19.3"), "platform": ("AWS", "None")}
# What is told, by which series, at which tenth of an hour, and with which replica's clock.
_parts: st.SearchStrategy[tuple[str, str, int, Any]] = st.one_of(
    st.tuples(st.just("counts"), st.sampled_from([LAYERING, TWIN, NEED, MCD]), st.integers(0, 143), _some),
    *(st.tuples(st.just(what), st.just(""), st.integers(0, 143), st.sampled_from(_texts[what])) for what in _texts),
    st.tuples(st.just("nodes"), st.sampled_from(["rhcos", "rhel"]), st.integers(0, 143), st.integers(0, 9).map(float)),
)


@given(st.lists(st.tuples(st.sampled_from([A, B]), _parts), max_size=40))
def test_rows_are_those_that_the_collector_would_have_made(parts: list[tuple[str, tuple[str, str, int, Any]]]) -> None:
    stored: dict[tuple[str, int], Stored] = {}
    for who, (what, name, instant, told) in parts:
        at, labels = DAY.first + instant * _TENTH, _REPLICAS[instant % 3]
        if what == "counts":
            some = counts(name, who, at, *told, **labels)
        elif what == "nodes":
            some = [nodes(who, at, name, "worker", told)]
        else:
            some = [(version if what == "version" else platform)(who, at, told)]
        for one in some:
            # Of a series one sample at an instant; the twins are one to a collector, and a cluster tells one version.
            apart = {key: text for key, text in one[0].items() if key not in {"__name__", "version", "type"}}
            stored[f"{what} {name.partition(':')[2]} {who} {apart}", at] = one
    samples = list(stored.values())
    assert told_by(read(samples)) == told_by(collected(samples))


def told_by(rows: Mapping[tuple[str, str], Row]) -> dict[tuple[str, str], tuple[object, ...]]:
    """What rows say, but for the receiver's clock, which a store has none of."""
    return {
        key: (row.observed_at, row.nodes, row.needs, row.proxy, row.version, row.platform, row.nodes_expected)
        for key, row in rows.items()
    }


def collected(samples: list[Stored]) -> dict[tuple[str, str], Row]:
    """What the assembly of the collector makes of the samples, each received as it was taken."""
    made, found = Assembly(), dict[tuple[str, str], Row]()
    for at in range(DAY.first, DAY.last, _TENTH):
        for labels, _, value in [one for one in samples if one[1] == at]:
            kind = name_series(labels).kind
            assert kind is not None
            made.take(report_of(at, (kind, at, value), cluster=labels["cluster_id"]), 0)
        for later in (5 * SECOND, MINUTE, 2 * MINUTE):
            found |= {(one.cluster_id, one.signal): row_of(one) for one in made.ready(at + later)}
    return found
