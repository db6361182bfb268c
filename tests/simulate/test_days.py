"""What a day makes of clusters that were set by hand: on average each class keeps its part, whatever scales or is unknown."""

from dataclasses import dataclass
from datetime import date
from statistics import mean
from typing import Any

import pytest

from layercensus.lake.storage import connect
from layercensus.simulate.calendar import newest_releases
from layercensus.simulate.clusters import Cluster, draw_clusters
from layercensus.simulate.draws import uniform_draws
from layercensus.simulate.fleet_days import hold_fleet, make_day
from layercensus.simulate.process import load_process

PROCESS = load_process()
(PLAIN,) = draw_clusters(PROCESS, seed=1, clusters=1, days=9)
PLAIN = PLAIN._replace(
    clean=9, extensions=4, overrides=2, packages=5, elasticity=0.0, unknown=0.0, unseen=0.0, skew_ms=0,
    tells_version=True, tells_needs=True, tells_nodes_expected=True,
)  # fmt: skip
CLASSES = ("clean", "extensions", "overrides", "packages")


@dataclass(frozen=True)
class Day:
    """A row of `today`: what is true, and what of it is known."""

    true: dict[str, int]
    known: dict[str, int]
    unknown: int
    row: dict[str, Any]


def day_of(clusters: list[Cluster], number: int = 3, days: int = 9) -> list[Day]:
    with connect() as connection:
        hold_fleet(connection, clusters, newest_releases(PROCESS, days), lambda done: None)
        make_day(connection, number, date(2026, 5, 25))
        made = connection.execute("FROM today ORDER BY place")
        names = [column[0] for column in made.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in made.fetchall()]
    return [
        Day(
            true={name: row[f"true_{name}"] for name in CLASSES},
            known={name: row[f"nodes_{name}"] for name in CLASSES},
            unknown=row["unknown"],
            row=row,
        )
        for row in rows
    ]


def many(count: int = 4000, **fields: Any) -> list[Cluster]:
    """As many clusters, each somewhere else on its waves and in its draws."""
    draw = uniform_draws("many")
    return [
        PLAIN._replace(place=place, phase=draw(), rounding=draw(), pick=draw(), salt=int(draw() * 2**32), **fields)
        for place in range(count)
    ]


def test_a_cluster_that_hides_nothing_is_what_it_is() -> None:
    for day in day_of(many(50)):
        assert day.true == day.known == {"clean": 9, "extensions": 4, "overrides": 2, "packages": 5}
        assert (day.row["nodes_unknown"], day.row["nodes_expected"]) == (0, 20)


def test_scaling_takes_from_each_class_its_part() -> None:
    days = day_of(many(elasticity=0.4))
    sizes = [sum(day.true.values()) for day in days]
    # A cluster of 20 goes down to 12, or by the rounding just there; on average to 16. Five standard errors: 0.2.
    assert {12, 20} <= set(sizes) <= set(range(12, 21))
    assert mean(sizes) == pytest.approx(16, abs=0.2)
    for name, room in zip(CLASSES, (9, 4, 2, 5), strict=True):
        assert mean(day.true[name] for day in days) == pytest.approx(room * 0.8, abs=0.1)
        assert all(0 <= day.true[name] <= room for day in days)


@pytest.mark.parametrize("unknown", [0.01, 0.3, 0.97, 1.0])
def test_the_unknown_come_from_each_class_by_its_part(unknown: float) -> None:
    days = day_of(many(elasticity=0.4, unknown=unknown))
    machines = sum(sum(day.true.values()) for day in days)
    assert sum(day.unknown for day in days) / machines == pytest.approx(unknown, abs=0.003)
    for name in CLASSES:
        known, true = (sum(of[name] for of in kind) for kind in ([d.known for d in days], [d.true for d in days]))
        assert known / true == pytest.approx(1 - unknown, abs=0.01)
    for day in days:
        assert all(0 <= day.known[name] <= day.true[name] for name in CLASSES)
        assert sum(day.known.values()) + day.unknown == sum(day.true.values())


def test_machines_that_are_not_seen_are_expected_and_not_unknown() -> None:
    days = day_of(many(unknown=0.5, unseen=0.5))
    for day in days:
        assert day.row["nodes_expected"] == 20
        assert sum(day.known.values()) + day.row["nodes_unknown"] <= 20
    assert mean(20 - sum(day.known.values()) - day.row["nodes_unknown"] for day in days) == pytest.approx(5, abs=0.1)
    silent = day_of(many(50, unknown=0.5, unseen=0.5, tells_nodes_expected=False))
    assert all(day.row["nodes_expected"] is None for day in silent)
    assert all(sum(day.known.values()) + day.row["nodes_unknown"] == 20 for day in silent)


def test_the_unknown_of_one_day_are_not_those_of_the_next() -> None:
    clusters = many(500, unknown=0.3)
    first, second = ([day.known for day in day_of(clusters, number)] for number in (3, 4))
    assert 100 < sum(one != other for one, other in zip(first, second, strict=True)) < 500


@pytest.mark.parametrize(
    ("fields", "reports_on"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"first_day": 2, "last_day": 4}, [2, 3, 4]),
        ({"first_day": 2, "pause_first": 3, "pause_last": 4}, [2, 5]),
        ({"first_day": 3, "missed": 1.0}, [3]),
    ],
)
def test_when_a_cluster_reports(fields: dict[str, Any], reports_on: list[int]) -> None:
    cluster = PLAIN._replace(**{"missed": 0.0, **fields})
    assert [number for number in range(1, 6) if day_of([cluster], number)] == reports_on


@pytest.mark.parametrize(
    ("every", "shift", "behind", "version"),
    [
        # Day 9 is 2026-05-31, day 3 is 2026-05-25. 4.21 came on 2026-02-03: 111 days before, the 16th patch.
        (1, 0, 0, "4.21.16"),
        # Upgraded on day 0, 2026-05-22, 108 days after.
        (9, 0, 0, "4.21.16"),
        # Upgraded on day -3, 2026-05-19, 105 days after; the day before that it was the 15th.
        (10, 3, 0, "4.21.16"),
        (10, 4, 0, "4.21.15"),
        # What was the newest on 2026-02-02 was 4.20, of 2025-10-21: 216 days.
        (1, 0, 112, "4.20.31"),
        (1, 0, 111, "4.21.16"),
        # Before the first release there is the first; patches end.
        (1, 0, 1199, "4.12.80"),
    ],
)
def test_which_version_it_runs(every: int, shift: int, behind: int, version: str) -> None:
    cluster = PLAIN._replace(upgrades_every=every, shift=shift, days_behind=behind)
    (day,) = day_of([cluster])
    assert (day.row["version"], day.row["release"]) == (version, version.rpartition(".")[0])


def test_long_before_the_first_release_it_runs_the_first() -> None:
    (day,) = day_of([PLAIN._replace(upgrades_every=1, shift=0, days_behind=0)], 3, 3660)
    assert day.row["version"] == "4.12.1"


def test_needs_go_by_the_machines_that_are_known() -> None:
    parts: dict[str, Any] = {
        "needs_agent": 1.0,
        "needs_driver": 0.5,
        "needs_tool": 0.0,
        "needs_override": 0.3,
        "needs_other": 0.0,
    }
    (day,) = day_of([PLAIN._replace(**parts)])
    found = {name: day.row[f"need_{name}"] for name in ("agent", "driver", "tool", "override", "other")}
    # 5 machines with packages and 2 with overrides: half of 5 is 3, and 2 and 0.3 of 5, rounded up.
    assert found == {"agent": 5, "driver": 3, "tool": 0, "override": 4, "other": 0}
