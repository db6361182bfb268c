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

import csv
import io
import itertools
import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from functools import cache
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
from layercensus.report.beside import concentration
from layercensus.report.format_csv import format_report_csv
from layercensus.report.format_html import render_report_html
from layercensus.report.format_text import format_report_text
from layercensus.report.shape import Report
from layercensus.report.suppression import Size, suppressed_by_week

FIRST = date(2026, 3, 2)
WEEKS = 7
SEEDS = range(3)
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
        joining = 60 + 30 * seed if week == 0 else chance.choice([0, 1, 2, 5, 12, 25])
        present = [replace(one) for one in present if chance.random() > chance.choice([0.0, 0.02, 0.05])]
        present += [some_cluster(chance, number + place) for place in range(joining)]
        number += joining
        for one in present:
            if chance.random() < 0.04:
                one.release = chance.choice(RELEASES)
            if chance.random() < 0.1:
                one.packages = chance.randrange(one.machines + 1)
        if week == 0 and seed % 2:
            present[0] = replace(present[0], release="4.13", platform="OpenStack", machines=250, packages=90)
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


Published = Callable[..., tuple[Fleet, list[Report]]]


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A fleet and its published reports, by seed, `least` and whether accounts are known; made once for all tests."""

    @cache
    def fleet_and_reports(seed: int, least: int, *, has_accounts: bool = False) -> tuple[Fleet, list[Report]]:
        fleet = some_fleet(seed)
        lists = some_accounts(fleet) if has_accounts else None
        return fleet, published(tmp_path_factory.mktemp("published") / "lake", fleet, least, lists)

    return fleet_and_reports


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


@pytest.mark.parametrize(
    ("seed", "least", "has_accounts"),
    [*((seed, least, False) for seed in SEEDS for least in (5, 10)), (0, 10, True), (1, 5, True)],
)
def test_no_equation_determines_a_suppressed_group(
    fleets: Published, seed: int, least: int, has_accounts: bool
) -> None:
    fleet, reports = fleets(seed, least, has_accounts=has_accounts)
    documents = [json_of(report) for report in reports]
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
def test_no_suppressed_group_is_bounded_narrowly(fleets: Published, seed: int) -> None:
    """Linear programs over what the parts of one merged sum can be, held to all their equations."""
    least = 10
    fleet, reports = fleets(seed, least)
    documents = [json_of(report) for report in reports]
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
        assert solved.fun is not None
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
def test_another_lake_with_the_same_sums_has_the_same_reports(fleets: Published, tmp_path: Path, seed: int) -> None:
    """Two clusters of suppressed releases change places, so each release has other figures and as many clusters."""
    least = 10
    fleet, reports = fleets(seed, least)
    changed = 0
    for week in (1, WEEKS - 1):
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
def test_who_is_told_after_being_suppressed_has_grown(fleets: Published, seed: int, least: int) -> None:
    """And the change that is told is of who is there on both days, but for nobody or enough."""
    fleet, reports = fleets(seed, least)
    for week, report in enumerate(reports):
        for change in report.changes:
            assert week_of(change.to_day) - week_of(change.from_day) == 4
            then, now = ({one.number for one in fleet.weeks[place]} for place in (week - 4, week))
            assert all(not alone or len(alone) >= least for alone in (then - now, now - then))
        assert len(report.changes) <= 1
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


@pytest.mark.parametrize("seed", SEEDS)
def test_no_format_names_a_cluster_or_shows_a_suppressed_group(fleets: Published, seed: int) -> None:
    for report in fleets(seed, 10)[1]:
        told = {dimension: keys_of(report, dimension) for dimension in ("release", "platform", "need")}
        for text in everything(report):
            assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)
        for dimension, (shown, hidden) in told.items():
            for line in csv.DictReader(io.StringIO(format_report_csv(report, dimension))):
                assert line["key"] in shown | hidden | {"other"}
                if line["key"] in hidden:
                    assert dimension == "need"
                    assert not any(line[name] for name in line if name not in {"as_of", "signal", "dimension", "key"})
            for shown_line in format_report_text(report, dimension).splitlines():
                key, _, figures = shown_line.partition(" ")
                assert key not in hidden or figures.strip() == "not told"
        for dimension, trends in (("release", report.trend_by.release), ("platform", report.trend_by.platform)):
            shown_now = {one.key for one in trends if one.days[-1].day == report.as_of}
            assert shown_now == told[dimension][0]
        assert (report.quality.unknown_release is None) == ("unknown" in told["release"][1])
        assert report.cells == ()
        assert report.by.age == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_needs_are_hidden_among_enough(fleets: Published, seed: int) -> None:
    """What hidden needs have together, which is nearly what the others leave, is of enough clusters."""
    fleet, reports = fleets(seed, 10)
    for week, report in enumerate(reports):
        _, hidden = keys_of(report, "need")
        clusters = sized(fleet, week, "need")
        assert not hidden or len(hidden) >= 2
        assert not hidden or len(hidden) == len(NEEDS) or sum(len(clusters[need]) for need in hidden) >= 10


def test_a_week_without_a_row_is_no_way_out(tmp_path: Path) -> None:
    """4.14 hides 4.13 in a report of a day without rows; a week later it is as large as it was, and stays hidden."""
    lake = tmp_path / "lake"

    def fleet_on(day: int, releases: Mapping[str, range]) -> list[Row]:
        return [
            Cluster(number, release, "AWS", 4, 1, "tool").row(FIRST + timedelta(days=day))
            for release, numbers in releases.items()
            for number in numbers
        ]

    write_rows(lake, fleet_on(3, {"4.12": range(30), "4.13": range(30, 32), "4.14": range(40, 52)}))
    write_rows(lake, fleet_on(14, {"4.12": range(30), "4.14": range(40, 52), "4.15": range(60, 80)}))
    with read_engine(lake) as engine:
        first, second = (
            build_report(engine, as_of=day_of(week).isoformat(), signal=None, asked=Asked(min_clusters=10))
            for week in (1, 2)
        )
    assert keys_of(first, "release") == ({"4.12"}, {"4.13", "4.14"})
    assert keys_of(second, "release") == ({"4.12"}, {"4.14", "4.15"})


@pytest.mark.parametrize("columns", [("release",), ("platform",), ("release", "platform")])
def test_weights_do_not_tell_parts_of_a_sum_apart(tmp_path: Path, columns: tuple[str, ...]) -> None:
    """Each group has a known weight of its own, so a weighted share would be an equation for the parts of one sum."""
    large = [Cluster(number, ("4.12", "4.14")[number % 2], "AWS", 4, number % 3, "tool") for number in range(60)]
    small = Cluster(99, "4.16", "Azure", 7, 5, "tool")
    margins = {
        tuple({"release": one.release, "platform": one.platform}[name] or "" for name in columns): 100
        for one in [*large, small]
    }
    for clusters, is_told in ((large, True), ([*large, small], False)):
        lake = tmp_path / f"lake {len(clusters)}"
        write_rows(lake, [one.row(FIRST) for one in clusters])
        asked = Asked(min_clusters=10, margin_columns=columns, margins=margins)
        with read_engine(lake) as engine:
            report = build_report(engine, as_of=None, signal=None, asked=asked)
            own = build_report(engine, as_of=None, signal=None, asked=replace(asked, min_clusters=None))
        json_of(report)
        assert (report.weighted is not None) == is_told
        assert own.weighted is not None


@dataclass
class Spread:
    """An engine that answers how packages are spread, and nothing else: a unit of each size, or all alike."""

    units: int
    alike: bool

    def ask(self, question: str, **_parameters: str) -> list[dict[str, object]]:
        assert question == "concentration"
        each = [(3, 5, self.units)] if self.alike else [(one, 2 * one, 1) for one in range(self.units, 0, -1)]
        return [{"packages_each": y, "classified_each": x, "units": count} for y, x, count in each]


@pytest.mark.parametrize("least", [2, 5, 10, 30])
def test_no_two_points_of_the_curve_are_few_units_apart(least: int) -> None:
    for units in [*range(1, 450, 7), 600, 999, 1000, 1001, 5000]:
        for alike in (True, False):
            found = concentration(Spread(units, alike), "capture", "2026-03-02", least)
            points = [round(part * units) for part, _ in found.curve]
            assert (points[0], points[-1]) == (0, units)
            assert all(later - earlier >= least for earlier, later in itertools.pairwise(points)) or points == [
                0,
                units,
            ]
            assert found.top1_percent_share is None or -(-units // 100) in points
            assert found.top5_share is None or 5 in points
            assert (found.largest_share, found.largest_size, found.influence, found.share_without) == (None,) * 4


def sizes() -> st.SearchStrategy[Size]:
    def size(units: int, others: int, largest: int) -> Size:
        return Size(units, others + largest if units > 1 else largest, largest) if units else Size(0, 0, 0)

    return st.builds(size, st.integers(0, 25), st.integers(0, 300), st.integers(1, 300))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcdefg"), sizes()), max_size=8), st.integers(2, 12), st.booleans())
def test_what_is_suppressed_hides_among_enough(weeks: list[dict[str, Size]], least: int, none_is_told: bool) -> None:
    found = suppressed_by_week(weeks, least, none_is_told=none_is_told)
    assert len(found) == len(weeks)
    last: dict[str, int] = {}
    for week, hidden in zip(weeks, found, strict=True):
        assert hidden <= set(week)
        for key in set(week) - hidden:
            assert week[key].may_stand(least) or (none_is_told and not week[key].units)
            assert week[key].units >= last.pop(key, -least) + least
        if hidden and hidden != set(week):
            assert len(hidden) >= 2
            parts = [week[key] for key in hidden]
            together = Size(
                sum(one.units for one in parts), sum(one.machines for one in parts), max(one.largest for one in parts)
            )
            assert together.may_stand(least)
        last |= {key: week[key].units for key in hidden}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcdefg"), sizes()), max_size=8), st.integers(2, 12))
def test_what_is_suppressed_follows_from_the_weeks_before(weeks: list[dict[str, Size]], least: int) -> None:
    """So that a report of today says of a day before what the report of that day said."""
    found = suppressed_by_week(weeks, least)
    for count in range(len(weeks)):
        assert suppressed_by_week(weeks[:count], least) == found[:count]
