"""What stands beside the headline, by hand on tiny lakes: accounts, known clusters, weights, changes, cautions."""

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.report.test_answers import DAY, gauge, json_of, row

from layercensus.lake.cluster_lists import Account, ClusterLists, ListedCluster
from layercensus.lake.engine import read_engine
from layercensus.lake.storage import write_rows
from layercensus.model import Row
from layercensus.report.answers import Asked, build_report

WEEK_BEFORE = "2026-02-28"


def cluster_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def account(number: int, name: str | None, *, is_internal: bool = False, account_class: str | None = None) -> Account:
    return Account(cluster_id(number), name, is_internal, account_class)


def found_of(lake: Path, rows: list[Row], lists: ClusterLists | None = None, asked: Asked | None = None) -> Any:
    """The JSON report of these rows, held to its schema."""
    write_rows(lake, rows)
    with read_engine(lake, lists) as engine:
        return json_of(build_report(engine, as_of=None, signal=None, asked=asked))


# Acme has two clusters and 6 of 30 machines with packages, the third is of nobody, the fourth is our own.
ROWS = [
    row(1, (6, 0, 0, 4, 0), release="4.14"),
    row(2, (18, 0, 0, 2, 0), release="4.14", platform="BareMetal"),
    row(3, (10, 0, 0, 0, 0), release="4.16"),
    row(4, (0, 0, 0, 5, 0), release="4.16"),
]
ACCOUNTS = [
    account(1, "acme", account_class="customer"),
    account(2, "acme", account_class="customer"),
    account(4, "own", is_internal=True),
]


def test_units_are_accounts_and_internal_clusters_stand_apart(tmp_path: Path) -> None:
    silent = row(5, (1, 0, 0, 0, 0), day="2026-02-01")
    lists = ClusterLists([*ACCOUNTS, account(5, "own", is_internal=True)])
    found = found_of(tmp_path / "lake", [*ROWS, silent], lists, Asked(has_accounts=True))
    headline = found["headline"]
    assert (found["unit"], headline["units"], headline["clusters"]["reporting"]) == ("account", 2, 3)
    assert (headline["share"], headline["bounds"]) == (6 / 40, [6 / 40, 6 / 40])
    # z is 6 - 0.15 * 30 and 0 - 0.15 * 10, so Var(R) = 2 * (1.5^2 + 1.5^2) / 40^2; divided by 0.15 * 0.85 / 40.
    assert headline["design_effect"] == pytest.approx(0.005625 / 0.0031875)
    assert headline["clusters"]["with_packages"] == 2
    accounts = found["accounts"]
    assert (accounts["accounts"], accounts["clusters_without_account"]) == (1, 1)
    internal = accounts["internal"]
    assert (internal["share"], internal["clusters"]["reporting"], internal["units"]) == (1.0, 1, 1)
    assert [(one["key"], one["share"], one["units"]) for one in found["by"]["account_class"]] == [
        ("customer", 0.2, 1), ("unknown", 0.0, 1),
    ]  # fmt: skip
    assert [(one["key"], one["machines"]["total"]) for one in found["by"]["release"]] == [("4.14", 30), ("4.16", 10)]
    assert found["concentration"] == {
        "top1_percent_share": 1, "largest_share": 1, "top5_share": 1, "curve": [[0, 0], [0.5, 1], [1, 1]],
        "largest_size": 30 / 40, "influence": 0.15, "share_without": 0,
    }  # fmt: skip
    assert (found["quality"]["silent"], found["quality"]["silent_clusters"]) == (0, [])
    assert [(one["day"], one["share"]) for one in found["trend"]] == [(DAY, 0.15)]


def test_without_accounts_nobody_is_internal(tmp_path: Path) -> None:
    found = found_of(tmp_path / "lake", ROWS)
    assert (found["unit"], found["headline"]["units"], found["accounts"]) == ("cluster", 4, None)
    assert found["headline"]["share"] == 11 / 45
    assert found["by"]["account_class"] == []
    assert [(one["key"], one["clusters"]["reporting"]) for one in found["by"]["age"]] == [("young", 4)]


def test_with_accounts_the_trend_has_a_day_a_week(tmp_path: Path) -> None:
    earlier = [row(1, (9, 0, 0, 1, 0), day=WEEK_BEFORE), row(3, (8, 0, 0, 2, 0), day="2026-03-04")]
    found = found_of(tmp_path / "lake", [*ROWS, *earlier], ClusterLists(ACCOUNTS), Asked(has_accounts=True))
    assert [(one["day"], one["share"], one["clusters"]) for one in found["trend"]] == [
        (WEEK_BEFORE, 0.1, 1), (DAY, 0.15, 3),
    ]  # fmt: skip
    ages = {one["key"]: (one["units"], one["clusters"]["reporting"]) for one in found["by"]["age"]}
    assert ages == {"established": (1, 1), "young": (2, 2)}


def test_silent_machines_count_either_way(tmp_path: Path) -> None:
    lists = ClusterLists(ACCOUNTS, [ListedCluster(cluster_id(n), size) for n, size in ((1, 3), (4, 9), (8, 10))])
    asked = Asked(has_accounts=True, has_known_clusters=True)
    known = found_of(tmp_path / "lake", ROWS, lists, asked)["known_clusters"]
    interval = known.pop("bounds_ci95")
    assert interval[0] <= 6 / 50 < 16 / 50 <= interval[1]
    assert known == {
        "listed": 2, "reporting": 1, "silent": 1, "silent_machines": 10, "silent_of_unknown_size": 0, "unlisted": 2,
        "bounds": [6 / 50, 16 / 50],
    }  # fmt: skip


def test_a_silent_cluster_of_unknown_size_leaves_no_bounds(tmp_path: Path) -> None:
    lists = ClusterLists((), [ListedCluster(cluster_id(8), None), ListedCluster(cluster_id(9), 3)])
    known = found_of(tmp_path / "lake", ROWS, lists, Asked(has_known_clusters=True))["known_clusters"]
    assert known == {
        "listed": 2, "reporting": 0, "silent": 2, "silent_machines": None, "silent_of_unknown_size": 1, "unlisted": 4,
        "bounds": None, "bounds_ci95": None,
    }  # fmt: skip


def test_weights_count_a_kind_as_often_as_it_is_there(tmp_path: Path) -> None:
    """30 of 4.14 for two that report, 10 of 4.16 for one, so (15 * 6) / (15 * 30 + 10 * 10); 4.18 does not report."""
    rows = [*ROWS[:3], row(5, (1, 0, 0, 1, 0), release=None)]
    asked = Asked(margin_columns=("release",), margins={("4.14",): 30, ("4.16",): 10, ("4.18",): 5})
    weighted = found_of(tmp_path / "lake", rows, asked=asked)["weighted"]
    assert weighted["share"] == pytest.approx(90 / 550)
    assert weighted["bounds"] == pytest.approx([90 / 550, 90 / 550])
    assert weighted["ci95"][0] < 90 / 550 < weighted["ci95"][1]
    assert {name: weighted[name] for name in ("cells", "population", "unrepresented", "left_out")} == {
        "cells": 3, "population": 45, "unrepresented": 5, "left_out": 1,
    }  # fmt: skip


def test_an_account_is_one_unit_of_a_cell_wherever_its_clusters_are(tmp_path: Path) -> None:
    """Weighted by release, it says nothing that acme's clusters of one release are on two platforms."""
    found = []
    for platform in ("AWS", "BareMetal"):
        rows = [
            row(1, (6, 0, 0, 4, 0)),
            row(2, (18, 0, 0, 2, 1), platform=platform),
            *(row(number, (9, 0, 0, number % 3, 0)) for number in range(10, 15)),
        ]
        asked = Asked(has_accounts=True, margin_columns=("release",), margins={("4.14",): 70})
        lists = ClusterLists(ACCOUNTS)
        found.append(found_of(tmp_path / platform, rows, lists, asked)["weighted"])
    for figure in found[0]:
        assert found[0][figure] == pytest.approx(found[1][figure]), figure


def test_the_change_is_that_of_the_same_clusters(tmp_path: Path) -> None:
    """(10, 2) and (4, 0) become (12, 3) and (5, 1); one is gone, one is new."""
    rows = [
        row(1, (8, 0, 0, 2, 0), day=WEEK_BEFORE),
        row(2, (4, 0, 0, 0, 0), day=WEEK_BEFORE),
        row(3, (0, 0, 0, 9, 0), day=WEEK_BEFORE),
        row(1, (9, 0, 0, 3, 0)),
        row(2, (4, 0, 0, 1, 0)),
        row(4, (0, 0, 0, 7, 0)),
    ]
    (change,) = found_of(tmp_path / "lake", rows)["changes"]
    interval = change.pop("ci95")
    assert change == {
        "from_day": WEEK_BEFORE, "to_day": DAY, "units": 2, "share_before": 2 / 14, "share_after": 4 / 17,
        "difference": pytest.approx(4 / 17 - 1 / 7),
    }  # fmt: skip
    # d is (3 - 48/17) / 17 - (2 - 10/7) / 14 and its negative; t of one degree of freedom is 12.7062.
    half = 12.7062 * (2 * 2 * (3 / 289 - 4 / 98) ** 2) ** 0.5
    assert interval == pytest.approx([4 / 17 - 1 / 7 - half, 4 / 17 - 1 / 7 + half], abs=1e-5)


def test_a_proxy_bounds_what_it_cannot_tell(tmp_path: Path) -> None:
    found = found_of(tmp_path / "lake", [gauge(1, 6, 2, 1), gauge(2, 4, 0, 0)])
    assert found["proxy"] == {"packages_bounds": [0, 3 / 13]}
    assert found_of(tmp_path / "other", ROWS)["proxy"] is None


@pytest.mark.parametrize(
    ("with_packages", "others", "largest", "cautions"),
    [
        # 40 * 1000^2 / (100 * 100 * 100) and 200^2 / (40 * 5^2) are 40, and 800^2 / (60 * 10^2 + 40 * 5^2) is more.
        (40, 60, 10, []),
        # R is 200/1080, z 5 - 10 R, -10 R and -90 R: two standard errors are 0.055, and 90/1080 * (1 - R) is 0.068.
        (40, 59, 90, ["large_unit"]),
        # Of 60 machines it is 0.046, and two standard errors are 0.052.
        (40, 59, 60, []),
        (14, 86, 10, ["few_with_packages"]),
        (20, 9, 10, ["few_units"]),
        (10, 9, 10, ["few_units", "few_with_packages"]),
        (0, 100, 10, ["few_with_packages"]),
    ],
)
def test_cautions(tmp_path: Path, with_packages: int, others: int, largest: int, cautions: list[str]) -> None:
    """Clusters of ten machines, five of them with packages; and one without, of another size."""
    rows = [row(number, (5, 0, 0, 5, 0)) for number in range(with_packages)]
    rows += [row(1000 + number, (10, 0, 0, 0, 0)) for number in range(others)]
    if largest > 10:
        rows.append(row(5000, (largest, 0, 0, 0, 0)))
    assert found_of(tmp_path / "lake", rows)["headline"]["cautions"] == cautions


def test_what_is_published_leaves_out_what_is_of_few(tmp_path: Path) -> None:
    rows = [row(number, (4, 0, 0, 1, 0), (1, 0, 0, 0, 0)) for number in range(20)]
    rows += [row(number, (2, 0, 0, 1, 0), (0, 1, 0, 0, 0), release=None) for number in range(20, 23)]
    rows += [row(99, (1, 0, 0, 0, 0), day="2026-02-01", release="4.12")]
    lists = ClusterLists([account(22, "own", is_internal=True)], [ListedCluster(cluster_id(99), 4)])
    margins: dict[tuple[str, ...], int] = {("4.14",): 100, ("unknown",): 3}
    asked = Asked(
        has_accounts=True, has_known_clusters=True, margin_columns=("release",), margins=margins, min_clusters=10
    )
    found = found_of(tmp_path / "lake", rows, lists, asked)
    assert (found["accounts"], found["known_clusters"], found["weighted"], found["cells"]) == (None, None, None, [])
    assert (found["by"]["release"], found["by"]["age"]) == ([], [])
    assert (found["quality"]["unknown_release"], found["quality"]["silent_clusters"]) == (None, [])
    # Need driver is of two clusters; with the smallest others they are ten only together with agent: all are hidden.
    assert all(one["suppressed"] for one in found["by"]["need"])
    # Two releases, and one class of accounts, which is the whole; and five needs.
    assert found["published"] == {"min_clusters": 10, "suppressed": 7}
    assert [group["key"] for group in found["by"]["platform"]] == ["AWS"]
    assert found["headline"]["clusters"]["reporting"] == 22


def days_back(*offsets: int) -> list[str]:
    return [(date.fromisoformat(DAY) - timedelta(days=one)).isoformat() for one in offsets]


@pytest.mark.parametrize(
    ("signal", "versions", "suspected"),
    [
        # Forth and back again: two clusters that speak by turns.
        ("layercensus", ("4.14.1", "4.14.2", "4.14.1"), 1),
        ("mcd", ("4.14.1", "4.14.2", "4.14.1"), 1),
        # Of the gauge only versions could tell it, so that nothing found is not known to be nothing.
        ("layercensus", ("4.14.1", "4.14.2", "4.14.2"), 0),
        ("mcd", ("4.14.1", "4.14.2", "4.14.2"), None),
        ("capture", (None, None, None), None),
    ],
)
def test_no_clone_found_is_nought_only_where_it_could_be_found(
    tmp_path: Path, signal: str, versions: tuple[str | None, ...], suspected: int | None
) -> None:
    def one(number: int, day: str, version: str | None) -> Row:
        if signal == "mcd":
            return gauge(number, 3, 1, 0, day=day, version=version)
        return row(number, (3, 0, 0, 1, 0), signal=signal, day=day, version=version)

    # Another cluster is known for more than four weeks.
    rows = [one(2, day, "4.14.1") for day in days_back(40, 0)]
    rows += [one(1, day, version) for day, version in zip(days_back(20, 10, 0), versions, strict=True)]
    assert found_of(tmp_path / "lake", rows)["quality"]["suspected_clones"] == suspected
