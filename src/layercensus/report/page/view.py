"""The whole page as values: what the template shows, in its order. Pure."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from layercensus.report.figures import Group
from layercensus.report.page import findings
from layercensus.report.page.context import Block, blocks, gap_table
from layercensus.report.page.curve import Curve, curve
from layercensus.report.page.figure import Figure, Line, number, percent
from layercensus.report.page.group_tables import curve_table, group_table, smalls_table, trend_table, what_if_table
from layercensus.report.page.strips import Keyed, Strips, strips
from layercensus.report.page.tables import Table
from layercensus.report.page.trend import Smalls, Trend, smalls, trend
from layercensus.report.page.what_if import WhatIf, what_if
from layercensus.report.shape import Report

_NEEDS = (
    "Why a package is there, by what is known of it. Agent: third-party agents, security, monitoring. Driver: storage, "
    "hardware, network, guests of a hypervisor. Tool: debugging, shells, repository settings. Override: base packages "
    "removed or replaced. A machine may have several needs: they do not add up."
)


@dataclass(frozen=True, slots=True)
class Section:
    """A dimension: its rows on one axis, and the numbers behind them. `name`: the dimension."""

    name: str
    title: str
    finding: Line
    strips: Strips
    table: Table
    note: str = ""


@dataclass(frozen=True, slots=True)
class Class:
    """A class of machines in the bar of all. `length`: in per cent of the bar."""

    name: str
    word: str
    machines: Figure
    length: float


@dataclass(frozen=True, slots=True)
class SmallTrends:
    """The trend of each key of a dimension, and the numbers behind it."""

    name: str
    title: str
    smalls: Smalls
    table: Table


@dataclass(frozen=True, slots=True)
class View:
    """Everything on the page but its sentences."""

    title: Line
    sureness: Strips
    headline_table: Table
    classes: tuple[Class, ...]
    clusters: Line
    worth: Line
    trend: Trend | None
    trend_table: Table | None
    trend_findings: tuple[Line, ...]
    small_trends: tuple[SmallTrends, ...]
    sections: tuple[Section, ...]
    curve: Curve | None
    curve_finding: Line
    curve_table: Table
    blocked: Strips
    refused: str
    blocked_table: Table
    what_if: WhatIf
    what_if_table: Table
    blocks: tuple[Block, ...]
    gap_table: Table


def build_view(report: Report) -> View:
    """Work out what the page shows."""
    headline = report.headline
    whole = trend(report.trend)
    stuck = what_if(report)
    blocked = _blocked(report)
    return View(
        title=findings.title(report),
        sureness=strips([Keyed("all", "headline", headline)], None, far=math.inf),
        headline_table=group_table("all", "all", [Keyed("all", "headline", headline)]),
        classes=_classes(report),
        clusters=_clusters(report),
        worth=_worth(report),
        trend=whole,
        trend_table=trend_table(whole.weeks, report.trend) if whole else None,
        trend_findings=findings.changes(report.changes, report.unit),
        small_trends=_small_trends(report, whole),
        sections=_sections(report),
        curve=curve(report),
        curve_finding=findings.concentration(report),
        curve_table=curve_table(report.concentration, report.unit),
        # A signal that does not tell one of them has no row for it.
        blocked=strips([row for row in blocked if row.figures.bounds is not None], None),
        refused=findings.refused(report),
        blocked_table=group_table("refused", "refused", blocked),
        what_if=stuck,
        what_if_table=what_if_table(stuck),
        blocks=blocks(report),
        gap_table=gap_table(report),
    )


def _sections(report: Report) -> tuple[Section, ...]:
    found = []
    for name, title, groups in (
        ("release", "By release", report.by.release),
        ("platform", "By platform", report.by.platform),
        ("age", "By age of the cluster", report.by.age),
        ("account_class", "By class of account", report.by.account_class),
    ):
        if groups:
            found.append(_section(report, name, title, _keyed(f"by.{name}", groups)))
    needs = [
        Keyed(row.key, f"by.need.{index}", row.figures, "held back: too few clusters" if row.figures.suppressed else "")
        for index, row in enumerate(report.by.need)
    ]
    found.append(
        Section(
            name="need",
            title="By need",
            finding=findings.needs(report.by.need),
            strips=strips(needs, None),
            table=group_table("need", "need", needs),
            note=_NEEDS,
        )
    )
    return tuple(found)


def _note(name: str, keys: Collection[str]) -> str:
    """What the words of a dimension mean, where they do not say it themselves."""
    if name == "age" and "young" in keys:
        return "A cluster is young until seven days after it was first heard of."
    if name == "platform" and "None" in keys:
        return "None is a platform too: installed without an integration with what is below, often on bare metal."
    return ""


def _section(report: Report, name: str, title: str, rows: Sequence[Keyed]) -> Section:
    return Section(
        name=name,
        title=title,
        finding=findings.groups(rows),
        strips=strips(rows, report.headline.share),
        table=group_table(name, name.replace("_", " "), rows),
        note=_note(name, [row.key for row in rows]),
    )


def _keyed(path: str, groups: Sequence[Group]) -> list[Keyed]:
    return [
        Keyed(
            group.key,
            f"{path}.{index}",
            group.figures,
            f"added up: {', '.join(group.merged)}" if group.merged else "",
        )
        for index, group in enumerate(groups)
    ]


def _blocked(report: Report) -> list[Keyed]:
    what_if = report.what_if_blocked
    return [
        Keyed(findings.refused(report), "what_if_blocked.refuse_packages", what_if.refuse_packages),
        Keyed("any local change", "what_if_blocked.refuse_any_local_change", what_if.refuse_any_local_change),
    ]


def _small_trends(report: Report, whole: Trend | None) -> tuple[SmallTrends, ...]:
    found = []
    if whole is not None:
        for name, keys in (("release", report.trend_by.release), ("platform", report.trend_by.platform)):
            drawn = smalls(keys, name, whole)
            if drawn is not None:
                found.append(SmallTrends(name, f"The same by {name}", drawn, smalls_table(name, drawn)))
    return tuple(found)


def _classes(report: Report) -> tuple[Class, ...]:
    machines = report.headline.machines
    if machines.total == 0:
        return ()
    proxy = report.signal == "mcd"
    counts: list[tuple[str, str, int | None]] = [
        ("packages", "unsupported by MCD's gauge" if proxy else "packages", machines.packages),
        ("overrides", "overrides, no packages", machines.overrides),
        ("extensions", "extensions only", machines.extensions),
        ("clean", "clean", machines.clean),
        ("unknown", "unknown", machines.unknown),
    ]
    return tuple(
        Class(name, word, number(count, f"headline.machines.{name}"), count / machines.total * 100)
        for name, word, count in counts
        if count is not None
    )


def _clusters(report: Report) -> Line:
    clusters, path = report.headline.clusters, "headline.clusters"
    if clusters.share is None:
        return ()
    return (
        "Clusters with at least one such machine: ",
        number(clusters.with_packages, f"{path}.with_packages"),
        " of ",
        number(clusters.classified, f"{path}.classified"),
        " with a machine that could be read, ",
        percent(clusters.share, f"{path}.share"),
        ".",
    )


def _worth(report: Report) -> Line:
    headline = report.headline
    if headline.effective_machines is None or headline.design_effect is None:
        return ()
    if headline.design_effect <= 1:
        return (f"The {report.unit}s differ no more than chance would have it, so each machine counts in full.",)
    return (
        "For the interval, the ",
        number(headline.machines.classified, "headline.machines.classified"),
        " machines are worth ",
        number(headline.effective_machines, "headline.effective_machines"),
        f" independent ones, because machines of one {report.unit} resemble each other.",
    )
