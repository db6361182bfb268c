"""Tables behind the charts of groups, of the trend, of the spread and of what would be stuck. Pure."""

from collections.abc import Sequence

from layercensus.report.figures import Headline
from layercensus.report.figures import Part as Share
from layercensus.report.page.figure import number, percent, percent_range, tenth
from layercensus.report.page.strips import Keyed
from layercensus.report.page.tables import Cell, Column, Table, TableRow, csv_text
from layercensus.report.page.trend import Smalls, Week
from layercensus.report.page.what_if import Refusal, Stuck, WhatIf
from layercensus.report.shape import Concentration, TrendDay

_SHARE = (Column("share", "share"), Column("ci95", "95 % interval"), Column("bounds", "bounds"))
_PART = (*_SHARE, Column("machines", "machines"), Column("clusters", "clusters"))
_HEADLINE = (
    *_SHARE,
    Column("bounds_ci95", "95 % interval around the bounds"),
    Column("share_any", "share, overrides counted too"),
    Column("ci95_any", "its 95 % interval"),
    Column("machines_packages", "machines with packages"),
    Column("machines_overrides", "with overrides"),
    Column("machines_extensions", "with extensions only"),
    Column("machines_clean", "clean"),
    Column("machines_classified", "machines read"),
    Column("machines_unknown", "unknown"),
    Column("machines_total", "all machines"),
    Column("clusters_reporting", "clusters"),
    Column("clusters_classified", "clusters read"),
    Column("clusters_with_packages", "clusters with packages"),
    Column("clusters_share", "share of clusters"),
    Column("clusters_ci95", "its 95 % interval"),
    Column("units", "units"),
    Column("design_effect", "design effect"),
    Column("effective_machines", "effective machines"),
)
_DAY = (
    *_SHARE,
    Column("machines_packages", "machines with packages"),
    Column("machines_classified", "machines read"),
    Column("machines_unknown", "unknown"),
    Column("clusters", "clusters"),
)


def group_table(dimension: str, title: str, rows: Sequence[Keyed]) -> Table:
    """Everything that the report says of each group."""
    is_part = all(isinstance(row.figures, Share) for row in rows)
    return Table(
        name=f"by-{dimension}",
        caption=title,
        corner=Column(dimension, title),
        columns=_PART if is_part else _HEADLINE,
        rows=tuple(TableRow(row.key, _cells(row)) for row in rows),
    )


def trend_table(weeks: Sequence[Week], days: Sequence[TrendDay]) -> Table:
    """By week, newest first; the CSV has every day."""
    corner = Column("day", "day")
    every_day = [TableRow(day.day, _day_cells(day, f"trend.{index}"), is_day=True) for index, day in enumerate(days)]
    text = csv_text(Table("trend", "", corner, _DAY, tuple(every_day)))
    rows = [TableRow(week.day.day, _day_cells(week.day, week.path), is_day=True) for week in reversed(weeks)]
    note = "The last day of each week; the CSV has every day." if len(days) > len(weeks) else ""
    return Table("trend", "The trend by week", corner, _DAY, tuple(rows), note, text)


def smalls_table(dimension: str, smalls: Smalls) -> Table:
    """Shares of each key by week, newest first; the CSV has all that is known of each."""
    days = sorted({week.day.day for small in smalls.rows for week in small.weeks}, reverse=True)
    found = {(index, week.day.day): week for index, small in enumerate(smalls.rows) for week in small.weeks}
    rows = []
    for day in days:
        cells: list[Cell] = []
        for index in range(len(smalls.rows)):
            week = found.get((index, day))
            cells.append(percent(week.day.share, f"{week.path}.share") if week else percent(None, ""))
        rows.append(TableRow(day, tuple(cells), is_day=True))
    return Table(
        name=f"trend-by-{dimension}",
        caption=f"Share by week and {dimension}",
        corner=Column("day", "day"),
        columns=tuple(Column(small.key, small.key, is_key=True) for small in smalls.rows),
        rows=tuple(rows),
        note="A gap: not published, or no cluster that could be read. The CSV has intervals, bounds and machines too.",
        csv=_long_csv(dimension, smalls),
        is_long=True,
    )


def _long_csv(dimension: str, smalls: Smalls) -> str:
    """A line for each key and week."""
    rows = [
        TableRow(small.key, (week.day.day, *_day_cells(week.day, week.path)))
        for small in smalls.rows
        for week in small.weeks
    ]
    return csv_text(Table("", "", Column(dimension, dimension), (Column("day", "day"), *_DAY), tuple(rows)))


def curve_table(spread: Concentration, unit: str) -> Table:
    """The points of the curve."""
    rows = [
        TableRow(
            str(index), (percent(x, f"concentration.curve.{index}.0"), percent(y, f"concentration.curve.{index}.1"))
        )
        for index, (x, y) in enumerate(spread.curve)
    ]
    columns = (
        Column("units", f"part of all {unit}s, largest first"),
        Column("machines", "part of the machines they hold"),
    )
    return Table(
        "concentration", "The points of the curve", Column("point", "point"), columns, tuple(rows), is_long=True
    )


def what_if_table(found: WhatIf) -> Table:
    """Who would be stuck, by the first release that refuses."""
    columns = (
        Column("older_machines_classified", "machines read on older releases"),
        Column("older_machines_unknown", "unknown on older releases"),
        Column("packages_machines", "stuck, packages refused"),
        Column("packages_share", "share"),
        Column("packages_bounds", "bounds"),
        Column("any_change_machines", "stuck, any local change refused"),
        Column("any_change_share", "share"),
        Column("any_change_bounds", "bounds"),
    )
    rows = tuple(TableRow(row.release, _refusal_cells(row)) for row in found.rows)
    return Table(
        "what-if", "Machines stuck on older releases", Column("refused_from", "refused from release"), columns, rows
    )


def _refusal_cells(row: Refusal) -> tuple[Cell, ...]:
    def stuck(one: Stuck) -> tuple[Cell, ...]:
        return one.machines, one.share, one.bounds

    return (row.older, row.unknown, *stuck(row.packages), *stuck(row.any_change))


def _day_cells(day: TrendDay, path: str) -> tuple[Cell, ...]:
    return (
        percent(day.share, f"{path}.share"),
        percent_range(day.ci95, f"{path}.ci95"),
        percent_range(day.bounds, f"{path}.bounds"),
        number(day.packages, f"{path}.packages"),
        number(day.classified, f"{path}.classified"),
        number(day.unknown, f"{path}.unknown"),
        number(day.clusters, f"{path}.clusters"),
    )


def _cells(row: Keyed) -> tuple[Cell, ...]:
    figures, path = row.figures, row.path
    head: tuple[Cell, ...] = (
        percent(figures.share, f"{path}.share"),
        percent_range(figures.ci95, f"{path}.ci95"),
        percent_range(figures.bounds, f"{path}.bounds"),
    )
    if isinstance(figures, Share):
        return (*head, number(figures.machines, f"{path}.machines"), number(figures.clusters, f"{path}.clusters"))
    return (*head, *_headline_cells(figures, path))


def _headline_cells(figures: Headline, path: str) -> tuple[Cell, ...]:
    machines, clusters = figures.machines, figures.clusters
    return (
        percent_range(figures.bounds_ci95, f"{path}.bounds_ci95"),
        percent(figures.share_any, f"{path}.share_any"),
        percent_range(figures.ci95_any, f"{path}.ci95_any"),
        number(machines.packages, f"{path}.machines.packages"),
        number(machines.overrides, f"{path}.machines.overrides"),
        number(machines.extensions, f"{path}.machines.extensions"),
        number(machines.clean, f"{path}.machines.clean"),
        number(machines.classified, f"{path}.machines.classified"),
        number(machines.unknown, f"{path}.machines.unknown"),
        number(machines.total, f"{path}.machines.total"),
        number(clusters.reporting, f"{path}.clusters.reporting"),
        number(clusters.classified, f"{path}.clusters.classified"),
        number(clusters.with_packages, f"{path}.clusters.with_packages"),
        percent(clusters.share, f"{path}.clusters.share"),
        percent_range(clusters.ci95, f"{path}.clusters.ci95"),
        number(figures.units, f"{path}.units"),
        tenth(figures.design_effect, f"{path}.design_effect"),
        number(figures.effective_machines, f"{path}.effective_machines"),
    )
