"""Reports made by hand for the page's tests: of clusters drawn by chance, cut and added up as the report's shape says.

The figures come from the estimator, which has oracles of its own; what is tested with these is how they are shown.
"""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from layercensus.model import Need
from layercensus.report.estimator import Sums, bounds, estimate, interval, wilson
from layercensus.report.figures import Caution, Cell, Clusters, Group, Headline, Machines, NeedGroup, Part
from layercensus.report.shape import (
    OTHER_KEY,
    By,
    Change,
    Concentration,
    KeyTrend,
    KnownClusters,
    Proxy,
    Published,
    Quality,
    Report,
    TrendBy,
    TrendDay,
    Weighted,
    WhatIfBlocked,
)

RELEASES = ("4.12", "4.13", "4.14", "4.15", "4.16", "4.17", "4.18", "4.19", "4.20")
PLATFORMS = ("AWS", "Azure", "BareMetal", "GCP", "None", "OpenStack", "VSphere", "unknown")
HOSTILE = '"><script>alert(1)</script>\u202egnp.exe\x1b[31m\x00\n=cmd()'


@dataclass(frozen=True)
class Cluster:
    release: str
    platform: str
    age: str
    clean: int
    extensions: int
    overrides: int
    packages: int
    unknown: int
    need: str = "agent"

    @property
    def classified(self) -> int:
        return self.clean + self.extensions + self.overrides + self.packages


def draw(count: int, seed: int = 7, level: float = 0.03, platforms: Sequence[str] = PLATFORMS) -> list[Cluster]:
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        release = chance.randrange(len(RELEASES))
        size = max(1, round(chance.lognormvariate(2.0, 0.9)))
        affected = chance.random() < min(1.0, level * (3.5 - 0.28 * release))
        packages = round(size * chance.betavariate(1.2, 1.6)) if affected else 0
        unknown = sum(chance.random() < 0.01 for _ in range(size))
        extensions = round((size - packages) * 0.3) if chance.random() < 0.2 else 0
        overrides = int(chance.random() < 0.02 and size - packages - extensions > 0)
        clean = max(0, size - packages - extensions - overrides - unknown)
        weights = ([5, 3, 4, 2, 3, 1, 6, 1] + [1] * len(platforms))[: len(platforms)]
        found.append(
            Cluster(
                RELEASES[release],
                chance.choices(platforms, weights)[0],
                chance.choice(("under a week", "under a month", "under a year", "a year or more")),
                clean, extensions, overrides, packages, unknown,
                chance.choices([need.value for need in Need], [6, 3, 4, 2, 1])[0],
            )
        )  # fmt: skip
    return found


def sums(clusters: Iterable[Cluster], hits: Callable[[Cluster], int]) -> Sums:
    total = Sums()
    for one in clusters:
        x, y, u = one.classified, hits(one), one.unknown
        total += Sums(int(x > 0), int(y > 0), x, y, x * x, x * y, y * y, u, x * u, y * u, u * u, int(x + u > 0), x)
    return total


def headline(clusters: Sequence[Cluster]) -> Headline:
    narrow = sums(clusters, lambda one: one.packages)
    wide = sums(clusters, lambda one: one.packages + one.overrides)
    found, either = estimate(narrow), estimate(wide)
    cautions = []
    if 0 < narrow.units < 10:
        cautions.append(Caution.FEW_UNITS)
    if 0 < narrow.units_with < 5:
        cautions.append(Caution.FEW_WITH_PACKAGES)
    return Headline(
        share=found.share,
        share_any=either.share,
        ci95=found.ci95,
        ci95_any=either.ci95,
        bounds=found.bounds,
        bounds_ci95=found.bounds_ci95,
        machines=Machines(
            sum(one.clean for one in clusters),
            sum(one.extensions for one in clusters),
            sum(one.overrides for one in clusters),
            round(narrow.y), round(narrow.unknown), round(narrow.x), round(narrow.x + narrow.unknown),
        ),
        clusters=Clusters(
            len(clusters), narrow.units, narrow.units_with,
            narrow.units_with / narrow.units if narrow.units else None,
            wilson(narrow.units_with, narrow.units),
        ),
        units=narrow.units,
        design_effect=found.design_effect,
        effective_machines=found.effective_machines,
        cautions=tuple(cautions),
    )  # fmt: skip


def part(clusters: Sequence[Cluster], hits: Callable[[Cluster], int]) -> Part:
    total = sums(clusters, hits)
    share = total.y / total.x if total.x else None
    known = share is not None
    return Part(
        share, interval(total), bounds(total), round(total.y) if known else None, total.units_with if known else None
    )


def groups(clusters: Sequence[Cluster], field: str) -> tuple[Group, ...]:
    keys = sorted({str(getattr(one, field)) for one in clusters}, key=lambda key: (key == "unknown", key))
    return tuple(Group(key, headline([one for one in clusters if getattr(one, field) == key])) for key in keys)


def trend_day(day: date, figures: Headline, wave: float) -> TrendDay:
    def moved(fraction: float) -> float:
        return min(1.0, max(0.0, fraction * wave))

    def pair(ends: tuple[float, float] | None) -> tuple[float, float] | None:
        return ends and (moved(ends[0]), moved(ends[1]))

    share = None if figures.share is None else moved(figures.share)
    machines = figures.machines
    return TrendDay(
        day.isoformat(), share, pair(figures.ci95), pair(figures.bounds),
        machines.classified, machines.packages, machines.unknown, figures.clusters.reporting,
    )  # fmt: skip


def trend(figures: Headline, days: int, last: date, step: int = 1) -> tuple[TrendDay, ...]:
    found = [last - timedelta(back) for back in range(0, days, step)]
    return tuple(
        trend_day(day, figures, 1 + 0.25 * (last - day).days / max(days, 1) + 0.04 * math.sin(day.toordinal() / 9))
        for day in reversed(found)
    )


def concentration(clusters: Sequence[Cluster]) -> Concentration:
    held = sorted((one.packages for one in clusters), reverse=True)
    total = sum(held)
    if not total:
        return Concentration(None, None, None, (), None, None, None)
    steps = sorted({math.ceil(len(held) * percent / 100) for percent in range(1, 101)})
    curve = [(0.0, 0.0), *((step / len(held), sum(held[:step]) / total) for step in steps)]
    top = sum(held[: math.ceil(len(held) / 100)]) / total
    whole = sum(one.classified for one in clusters)
    share = total / whole
    without = (total - held[0]) / (whole - held[0]) if whole > held[0] else None
    influence = None if without is None else share - without
    return Concentration(top, held[0] / total, sum(held[:5]) / total, tuple(curve), 0.02, influence, without)


def made_report(
    clusters: Sequence[Cluster] | None = None,
    *,
    days: int = 365,
    signal: str = "layercensus",
    population: str | None = None,
) -> Report:
    """A whole report of these clusters."""
    clusters = draw(1200) if clusters is None else clusters
    last = date(2026, 3, 8)
    figures = headline(clusters)
    by_release, by_platform = groups(clusters, "release"), groups(clusters, "platform")
    cells = tuple(
        Cell(release.key, platform.key, headline(chosen))
        for release in by_release
        for platform in by_platform
        if (chosen := [one for one in clusters if (one.release, one.platform) == (release.key, platform.key)])
    )
    days_all = trend(figures, days, last) if clusters else ()
    weekly = range(0, days, 7)
    changes: tuple[Change, ...] = ()
    if len(days_all) > 30 and figures.share is not None:
        before, after = days_all[-29], days_all[-1]
        assert before.share is not None
        assert after.share is not None
        gap = after.share - before.share
        changes = (
            Change(before.day, after.day, 1100, before.share, after.share, gap, (gap - 0.004, gap + 0.004)),
            Change(days_all[0].day, after.day, 700, days_all[0].share or 0.0, after.share, -0.009, (-0.013, -0.005)),
        )
    populations = {"layercensus": "clusters that chose to report", "mcd": "clusters whose MCD gauge was recorded"}
    return Report(
        as_of=last.isoformat(),
        signal=signal,
        population=population or populations.get(signal, "these captures"),
        unit="cluster",
        headline=figures,
        by=By(
            release=by_release,
            platform=by_platform,
            age=groups(clusters, "age"),
            account_class=(),
            need=tuple(
                NeedGroup(need.value, part(clusters, lambda one, need=need: one.packages * (one.need == need.value)))  # type: ignore[misc]
                for need in Need
            ),
        ),
        cells=cells,
        trend=days_all,
        trend_by=TrendBy(
            tuple(KeyTrend(group.key, trend(group.figures, days, last, 7)) for group in by_release if weekly),
            tuple(KeyTrend(group.key, trend(group.figures, days, last, 7)) for group in by_platform if weekly),
        ),
        changes=changes,
        concentration=concentration(clusters),
        what_if_blocked=WhatIfBlocked(
            part(clusters, lambda one: one.packages),
            part(clusters, lambda one: one.packages + one.overrides + one.extensions),
        ),
        weighted=None,
        known_clusters=None,
        proxy=None,
        accounts=None,
        published=None,
        quality=Quality(12, (), 31, None, 4, 2, ("4.21",), figures.machines.unknown, 3, 1, 5),
    )


def with_context(report: Report) -> Report:
    """Everything that can stand beside the lake."""
    return replace(
        report,
        weighted=Weighted(0.024, (0.018, 0.031), (0.023, 0.035), 4.2, 3100.0, 48, 9000, 310, 7),
        known_clusters=KnownClusters(9000, 1190, 7810, 61000, 0, 10, (0.004, 0.86), (0.003, 0.87)),
    )


def proxied(report: Report) -> Report:
    """The same as MCD's gauge would say it: it tells no classes and no needs."""

    def blur(figures: Headline) -> Headline:
        machines = replace(figures.machines, clean=None, extensions=None, overrides=None)
        return replace(figures, share_any=None, ci95_any=None, machines=machines)

    nothing = Part(None, None, None, None, None)
    by = By(
        tuple(replace(group, figures=blur(group.figures)) for group in report.by.release),
        tuple(replace(group, figures=blur(group.figures)) for group in report.by.platform),
        tuple(replace(group, figures=blur(group.figures)) for group in report.by.age),
        (),
        tuple(replace(need, figures=nothing) for need in report.by.need),
    )
    return replace(
        report,
        signal="mcd",
        population="clusters whose MCD gauge was recorded",
        headline=blur(report.headline),
        by=by,
        cells=tuple(replace(cell, figures=blur(cell.figures)) for cell in report.cells),
        what_if_blocked=replace(report.what_if_blocked, refuse_any_local_change=nothing),
        proxy=Proxy((0.0, report.headline.share or 0.0)),
    )


def published(clusters: Sequence[Cluster], days: int = 365) -> Report:
    """As `--publish` leaves it: small groups added up, no cells, a need held back."""
    report = made_report(clusters, days=days)
    kept = report.by.release[:-3]
    merged = tuple(group.key for group in report.by.release[-3:])
    other = Group(OTHER_KEY, headline([one for one in clusters if one.release in merged]), merged)
    needs = (
        *report.by.need[:-1],
        replace(report.by.need[-1], figures=Part(None, None, None, None, None, suppressed=True)),
    )
    return replace(
        report,
        by=replace(report.by, release=(*kept, other), need=needs),
        cells=(),
        concentration=replace(report.concentration, largest_share=None, top5_share=None, curve=(), share_without=None),
        published=Published(10, 4),
    )


def hostile() -> Report:
    """Keys that try what they can."""
    clusters = [replace(one, platform=HOSTILE if one.platform == "AWS" else one.platform) for one in draw(300)]
    clusters = [replace(one, release="=cmd()|x" if one.release == "4.12" else one.release) for one in clusters]
    return made_report(clusters, days=60)
