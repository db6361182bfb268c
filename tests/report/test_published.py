"""Attacks on what is published: reports of many weeks, and what somebody with all of them can work out.

The attacker has the JSON of every published report of a lake, a report a week, and knows how they are made. A group is
safe here if

- no equation that follows from published figures (cells, merged sums, totals, of all weeks and dimensions) determines
  its machines or those with packages, over the rationals (`test_no_equation…`);
- nor do these equations with what is true of any group, 0 <= y <= x, bound them to within 10 % of what they are. A sum
  that is nought, or as large as it can be, tells of each of its parts, and is left out: so does the headline, which is
  always published;
- another lake in which clusters of suppressed groups changed places has the same reports to the last byte
  (`test_another_lake…`), so nothing that is published depends on more than the sums;
- a group that was suppressed one week and is told another has grown by at least `min_clusters` units.

Not defended: a cluster that alone joins or leaves between two weeks may be seen in the difference of two headlines, or
of two told groups, by who knows that nothing else changed.
"""

import json
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

sys.path.append(str(Path(__file__).parents[2]))
from tests.report.test_answers import json_of

from layercensus.lake.cluster_lists import Account, ClusterLists
from layercensus.lake.engine import read_engine
from layercensus.lake.storage import write_rows
from layercensus.model import Row
from layercensus.report.answers import Asked, build_report
from layercensus.report.format_csv import format_report_csv
from layercensus.report.format_html import render_report_html
from layercensus.report.format_text import format_report_text
from layercensus.report.shape import Report
from layercensus.report.suppression import Size, suppressed_by_week

FIRST = date(2026, 3, 2)
WEEKS = 8
SEEDS = range(6)
RELEASES = ("4.12", "4.13", "4.14", "4.15", "4.16", "4.17")
PLATFORMS = ("AWS", "Azure", "BareMetal", "OpenStack", "VSphere", None)
NEEDS = ("agent", "driver", "tool", "override", "other")


@dataclass
class Cluster:
    """One cluster of a fleet that changes from week to week."""

    number: int
    release: str | None
    platform: str | None
    machines: int
    packages: int
    need: str

    @property
    def cluster_id(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012x}"

    def row(self, day: date) -> Row:
        clean = self.machines - self.packages
        nodes = {"clean": clean, "extensions": 0, "overrides": 0, "packages": self.packages, "unknown": 0}
        needs = dict.fromkeys(NEEDS, 0) | {self.need: self.packages}
        return Row(
            day.isoformat(), self.cluster_id, "layercensus", self.release, None, self.platform, nodes, needs=needs
        )


@dataclass
class Fleet:
    """Who is there in each week, and what each cluster is then."""

    weeks: list[list[Cluster]] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return [one.row(day_of(week)) for week, clusters in enumerate(self.weeks) for one in clusters]

    def keys(self, week: int, dimension: str) -> dict[str, list[Cluster]]:
        found: dict[str, list[Cluster]] = {}
        for one in self.weeks[week]:
            found.setdefault(getattr(one, dimension) or "unknown", []).append(one)
        return found


def day_of(week: int) -> date:
    return FIRST + timedelta(days=7 * week)


def some_cluster(chance: random.Random, number: int) -> Cluster:
    machines = chance.choice([1, 3, 3, 5, 8, 13, 40])
    return Cluster(
        number=number,
        release=chance.choices([*RELEASES, None], [1, 2, 20, 4, 12, 1, 1])[0],
        platform=chance.choices(PLATFORMS, [20, 6, 12, 1, 4, 1])[0],
        machines=machines,
        packages=min(machines, chance.choice([0, 0, 0, 1, 2, machines])),
        need=chance.choices(NEEDS, [20, 6, 3, 1, 1])[0],
    )


def some_fleet(seed: int) -> Fleet:
    """Clusters join, leave, upgrade and change; one of a small release has more machines than all others together."""
    chance = random.Random(f"published {seed}")
    fleet, number = Fleet(), 0
    present: list[Cluster] = []
    for week in range(WEEKS):
        joining = 40 + 20 * seed if week == 0 else chance.choice([0, 1, 2, 5, 12, 25])
        present = [replace(one) for one in present if chance.random() > chance.choice([0.0, 0.02, 0.05])]
        present += [some_cluster(chance, number + place) for place in range(joining)]
        number += joining
        for one in present:
            if chance.random() < 0.04:
                one.release = chance.choice(RELEASES)
            if chance.random() < 0.1:
                one.packages = chance.randrange(one.machines + 1)
        if week == 0 and seed % 2:
            present[0] = replace(present[0], release="4.13", platform="OpenStack", machines=3000, packages=900)
        fleet.weeks.append(present)
    return fleet


def some_accounts(fleet: Fleet) -> ClusterLists:
    """One account for every third cluster and its neighbour."""
    ids = sorted({one.cluster_id for week in fleet.weeks for one in week})
    return ClusterLists(
        [
            Account(one, f"owner {n // 2}" if n % 3 else None, n % 40 == 7, ("customer", "partner", None)[n % 3])
            for n, one in enumerate(ids)
        ]
    )


def published(lake: Path, fleet: Fleet, least: int, lists: ClusterLists | None = None) -> list[Report]:
    """The published report of each week."""
    write_rows(lake, fleet.rows())
    asked = Asked(min_clusters=least, has_accounts=lists is not None)
    with read_engine(lake, lists) as engine:
        return [build_report(engine, as_of=day_of(week).isoformat(), signal=None, asked=asked) for week in range(WEEKS)]


# What is not known: dimension, key and week.
Unknown = tuple[str, str, int]
Equation = tuple[frozenset[Unknown], Fraction]


@dataclass
class Known:
    """What an attacker reads off published documents of one quantity: sums of unknowns."""

    equations: list[Equation] = field(default_factory=list)

    def add(self, unknowns: Iterator[Unknown] | Sequence[Unknown], value: float) -> None:
        self.equations.append((frozenset(unknowns), Fraction(value)))

    def determined(self) -> dict[Unknown, Fraction]:
        """Unknowns with one value that solves all equations, by Gaussian elimination in fractions."""
        rows: dict[Unknown, tuple[dict[Unknown, Fraction], Fraction]] = {}
        for unknowns, value in self.equations:
            left, right = dict.fromkeys(unknowns, Fraction(1)), value
            for pivot in [one for one in left if one in rows]:
                left, right = subtracted(left, right, pivot, *rows[pivot])
            if left:
                pivot = min(left)
                scale = left[pivot]
                left, right = {one: factor / scale for one, factor in left.items()}, right / scale
                for other in [one for one, (row, _) in rows.items() if pivot in row]:
                    rows[other] = subtracted(*rows[other], pivot, left, right)
                rows[pivot] = (left, right)
            else:
                assert right == 0, "published figures contradict each other"
        return {one: right for one, (left, right) in rows.items() if len(left) == 1}


def subtracted(
    left: dict[Unknown, Fraction], right: Fraction, pivot: Unknown, row: Mapping[Unknown, Fraction], value: Fraction
) -> tuple[dict[Unknown, Fraction], Fraction]:
    """An equation without `pivot`, by that one's own."""
    factor = left.get(pivot, Fraction(0))
    if not factor:
        return left, right
    summed = {one: left.get(one, Fraction(0)) - factor * row.get(one, Fraction(0)) for one in {*left, *row}}
    return {one: value for one, value in summed.items() if value}, right - factor * value


def read_off(documents: list[Any], of: str) -> Known:
    """All equations of one quantity (`classified` or `packages`) in the documents of all weeks."""
    known = Known()
    for week, document in enumerate(documents):
        for dimension in ("release", "platform", "account_class"):
            groups = document["by"][dimension]
            if not groups:
                continue
            listed = [(group["merged"] or [group["key"]], group["machines"][of]) for group in groups]
            for keys, value in listed:
                known.add([(dimension, key, week) for key in keys], value)
            every = [(dimension, key, week) for keys, _ in listed for key in keys]
            known.add(every, document["headline"]["machines"][of])
            for day in document["trend"]:
                if day["day"] == document["as_of"]:
                    known.add(every, day[of])
        for dimension in ("release", "platform"):
            for group in document["trend_by"][dimension]:
                for day in group["days"]:
                    known.add([(dimension, group["key"], week_of(day["day"]))], day[of])
    return known


def week_of(day: str) -> int:
    return (date.fromisoformat(day) - FIRST).days // 7


def suppressed_in(documents: list[Any]) -> Iterator[tuple[Unknown, list[str], float, float]]:
    """Each suppressed group, with what is merged with it and the sums of x and y."""
    for week, document in enumerate(documents):
        for dimension in ("release", "platform", "account_class"):
            for group in document["by"][dimension]:
                for key in group["merged"]:
                    machines = group["machines"]
                    yield (dimension, key, week), group["merged"], machines["classified"], machines["packages"]


@pytest.mark.parametrize("least", [5, 10])
@pytest.mark.parametrize("has_accounts", [False, True], ids=["clusters", "accounts"])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_equation_determines_a_suppressed_group(tmp_path: Path, seed: int, has_accounts: bool, least: int) -> None:
    fleet = some_fleet(seed)
    lists = some_accounts(fleet) if has_accounts else None
    documents = [json_of(report) for report in published(tmp_path / "lake", fleet, least, lists)]
    hidden = {unknown for unknown, _, _, _ in suppressed_in(documents)}
    assert hidden
    for of in ("classified", "packages"):
        found = read_off(documents, of).determined()
        assert not hidden & set(found)
        if not has_accounts:
            # And the attacker can count: what is told is what is there.
            for (dimension, key, week), value in found.items():
                clusters = fleet.keys(week, dimension)[key]
                machines = "machines" if of == "classified" else "packages"
                assert value == sum(getattr(one, machines) for one in clusters)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_suppressed_group_is_bounded_narrowly(tmp_path: Path, seed: int) -> None:
    """Linear programs over what the parts of one merged sum can be, held to all their equations."""
    least, fleet = 10, some_fleet(seed)
    documents = [json_of(report) for report in published(tmp_path / "lake", fleet, least)]
    known = {of: read_off(documents, of) for of in ("classified", "packages")}
    for unknown, _, x, y in suppressed_in(documents):
        dimension, key, week = unknown
        clusters = fleet.keys(week, dimension)[key]
        if len(clusters) <= least:
            true_x, true_y = sum(one.machines for one in clusters), sum(one.packages for one in clusters)
            low, high = bounded(known, unknown, "classified")
            assert low <= true_x <= high
            assert high - low > 0.1 * true_x
            if 0 < y < x:
                low, high = bounded(known, unknown, "packages")
                assert low <= true_y <= high
                assert high - low > 0.1 * true_y


def bounded(known: Mapping[str, Known], unknown: Unknown, of: str) -> tuple[float, float]:
    """Least and greatest value of one unknown that all equations of its week and dimension allow, with 0 <= y <= x."""
    dimension, _, week = unknown
    names: list[tuple[str, Unknown]] = []
    rows: list[dict[int, float]] = []
    values: list[float] = []
    for quantity in ("classified", "packages"):
        for unknowns, value in known[quantity].equations:
            if next(iter(unknowns))[0] == dimension and next(iter(unknowns))[2] == week:
                for one in sorted(unknowns):
                    if (quantity, one) not in names:
                        names.append((quantity, one))
                rows.append({names.index((quantity, one)): 1.0 for one in unknowns})
                values.append(float(value))
    place = {name: number for number, name in enumerate(names)}
    equations = [[row.get(column, 0.0) for column in range(len(names))] for row in rows]
    ordered = [one for quantity, one in names if quantity == "packages"]
    at_most = [
        [float(column == place["packages", one]) - float(column == place["classified", one]) for column in range(len(names))]
        for one in ordered
    ]  # fmt: skip
    found = []
    for sign in (1.0, -1.0):
        wanted = [sign * float(column == place[of, unknown]) for column in range(len(names))]
        solved = linprog(wanted, A_ub=at_most, b_ub=[0.0] * len(ordered), A_eq=equations, b_eq=values)
        assert solved.success
        found.append(sign * float(solved.fun))
    return found[0], found[1]


def everything(report: Report) -> list[str]:
    """What is published, in every format and of every dimension."""
    dimensions = [None, "release", "platform", "account_class", "need"]
    return [
        json.dumps(json_of(report)),
        render_report_html(report),
        *(format_report_text(report, by) for by in dimensions),
        *(format_report_csv(report, by) for by in dimensions),
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_another_lake_with_the_same_sums_has_the_same_reports(tmp_path: Path, seed: int) -> None:
    """Two clusters of suppressed releases change places, so each release has other figures and as many clusters."""
    least, fleet = 10, some_fleet(seed)
    reports = published(tmp_path / "one", fleet, least)
    changed = 0
    for week in range(WEEKS):
        other = exchanged(fleet, reports, week)
        if other is not None:
            again = published(tmp_path / f"week {week}", other, least)
            for before, after in zip(reports, again, strict=True):
                assert everything(before) == everything(after)
            changed += 1
    assert changed


def exchanged(fleet: Fleet, reports: list[Report], week: int) -> Fleet | None:
    """The fleet with two clusters of suppressed releases in each other's place in one week, of unlike figures."""
    hidden = {key for group in reports[week].by.release for key in group.merged}
    found = [
        one
        for key, clusters in fleet.keys(week, "release").items()
        if key in hidden and sum(other.machines for other in clusters) < 1000
        for one in clusters
    ]
    for one in found:
        for other in found:
            if one.release != other.release and (one.machines, one.packages) != (other.machines, other.packages):
                places = {one.number: other.release, other.number: one.release}
                weeks = [list(clusters) for clusters in fleet.weeks]
                weeks[week] = [
                    replace(cluster, release=places.get(cluster.number, cluster.release)) for cluster in weeks[week]
                ]
                return Fleet(weeks)
    return None


@pytest.mark.parametrize("least", [5, 10])
@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_told_after_being_suppressed_has_grown(tmp_path: Path, seed: int, least: int) -> None:
    fleet = some_fleet(seed)
    reports = published(tmp_path / "lake", fleet, least)
    for dimension in ("release", "platform", "need"):
        last: dict[str, int] = {}
        for week, report in enumerate(reports):
            told, hidden = keys_of(report, dimension)
            sizes = {key: len(clusters) for key, clusters in sized(fleet, week, dimension).items()}
            for key in told:
                assert sizes.get(key, 0) >= last.pop(key, -least) + least, (dimension, key, week)
            last |= {key: sizes.get(key, 0) for key in hidden}


def sized(fleet: Fleet, week: int, dimension: str) -> dict[str, list[Cluster]]:
    if dimension == "need":
        return {need: [one for one in fleet.weeks[week] if one.packages and one.need == need] for need in NEEDS}
    return fleet.keys(week, dimension)


def keys_of(report: Report, dimension: str) -> tuple[set[str], set[str]]:
    """Keys that are told, and those that are suppressed."""
    if dimension == "need":
        needs = report.by.need
        return (
            {one.key for one in needs if not one.figures.suppressed},
            {one.key for one in needs if one.figures.suppressed},
        )
    groups = getattr(report.by, dimension)
    return {one.key for one in groups if not one.merged}, {key for one in groups for key in one.merged}
