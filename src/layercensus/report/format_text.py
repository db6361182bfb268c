"""A `Report` as text for a terminal of 80 columns or fewer: the sentence first, tables, what is not known. Pure.

Of these captures, 24.4 % of the 41 CoreOS machines that could be read carry …

release     share  95 % interval       bounds  read  unknown  clusters
4.14       50.0 %    1.3–98.7 %   33.3–66.7 %     4        2         2
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from layercensus.errors import Fault, UsageError
from layercensus.report.figures import Group, NeedGroup
from layercensus.report.notes import unknowns
from layercensus.report.sentence import fleet_sentence
from layercensus.report.shape import DIMENSIONS, Report
from layercensus.report.wording import NOT_KNOWN, count, points_range, short_percent, short_points, short_range
from layercensus.text import visible

_WIDEST, _NARROWEST = 80, 40
_GROUP_HEAD = ("share", "95 % interval", "bounds", "read", "unknown", "clusters")
_NEED_HEAD = ("share", "95 % interval", "bounds", "machines", "clusters")
Dimension = Literal["release", "platform", "age", "account_class", "need"]


def known_dimension(by: str) -> Dimension:
    """Return `by` as one of the dimensions of a report. Raises `UsageError` for any other."""
    match by:
        case "release" | "platform" | "age" | "account_class" | "need":
            return by
        case _:
            raise UsageError(
                f"a report has no dimension {by!r}", "--by", Fault.USAGE, f"use one of {', '.join(DIMENSIONS)}"
            )


@dataclass(frozen=True, slots=True)
class _Table:
    """What stands above the keys, above the figures, and the rows."""

    corner: str
    head: Sequence[str]
    rows: Sequence[tuple[str, tuple[str, ...]]]


def format_report_text(report: Report, by: str | None, columns: int = _WIDEST) -> str:
    """Text ending in a newline. `by`: the dimension to show; None shows the classes of machines and the releases.

    `columns`: of the terminal; of more than 80 the rest stays empty. Raises `UsageError` where `by` is no dimension.
    """
    width = min(max(columns, _NARROWEST), _WIDEST)
    shown = known_dimension(by) if by is not None else None
    parts = [_wrapped(fleet_sentence(report), width)]
    parts.append(_wrapped(f"Day {report.as_of}, signal {report.signal}, unit {report.unit}.", width))
    tables = [_classes(report), _more(report), _changes(report)] if shown is None else []
    parts += [_laid_out(table, width) for table in (*tables, _dimension(report, shown or "release"))]
    parts[-1] = "\n".join([parts[-1], *(_wrapped(line, width) for line in _merged(report, shown or "release"))])
    parts.append("\n".join(["What is not known:", *(_wrapped(note, width, "- ") for note in unknowns(report))]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _classes(report: Report) -> _Table:
    machines = report.headline.machines
    proxy = report.signal == "mcd"
    named = (
        ("clean", machines.clean),
        ("extensions", machines.extensions),
        ("overrides", machines.overrides),
        ("unsupported" if proxy else "packages", machines.packages),
        ("unknown", machines.unknown),
        ("total", machines.total),
    )
    return _Table("machines", ("count",), [(name, (count(number),)) for name, number in named])


def _more(report: Report) -> _Table:
    """Lines with what a decision needs beside the share."""
    head, what_if = report.headline, report.what_if_blocked
    figures = [("clusters with such machines", head.clusters.share, head.clusters.ci95)]
    if head.share_any is not None:
        figures.append(("machines with overrides counted too", head.share_any, head.ci95_any))
    # MCD's gauge does not tell packages from overrides, nor whether there is any other change.
    first = "packages" if report.signal != "mcd" else "what MCD calls unsupported"
    figures.append((f"stuck, if upgrades refused {first}", what_if.refuse_packages.share, what_if.refuse_packages.ci95))
    refused = what_if.refuse_any_local_change
    if report.signal != "mcd":
        figures.append(("stuck, if they refused any local change", refused.share, refused.ci95))
    rows = [(name, (short_percent(share), short_range(interval))) for name, share, interval in figures]
    if report.weighted:
        rows.append(("machines, weighted", (short_percent(report.weighted.share), short_range(report.weighted.ci95))))
    return _Table("beside it", ("share", "95 % interval"), rows)


def _changes(report: Report) -> _Table:
    """How the share changed among the units that are there on both days."""
    rows = [
        (
            f"since {change.from_day}",
            (
                short_percent(change.share_before),
                short_percent(change.share_after),
                short_points(change.difference),
                points_range(change.ci95),
                count(change.units),
            ),
        )
        for change in report.changes
    ]
    return _Table(f"the same {report.unit}s", ("then", "now", "change", "95 % interval", f"{report.unit}s"), rows)


def groups_by(report: Report, by: str) -> tuple[Group, ...]:
    """Groups of one dimension other than need. Raises `UsageError` for what is none."""
    groups: tuple[Group, ...] = getattr(report.by, known_dimension(by))
    return groups


def _dimension(report: Report, by: Dimension) -> _Table:
    if by == "need":
        return _Table(by, _NEED_HEAD, [_need(group) for group in report.by.need])
    return _Table(by.replace("_", " "), _GROUP_HEAD, [_group(group) for group in groups_by(report, by)])


def _merged(report: Report, by: Dimension) -> list[str]:
    """Which groups are added up."""
    groups = () if by == "need" else groups_by(report, by)
    return [f"Other is {', '.join(group.merged)}." for group in groups if group.merged]


def _group(group: Group) -> tuple[str, tuple[str, ...]]:
    figures = group.figures
    return group.key, (
        short_percent(figures.share),
        short_range(figures.ci95),
        short_range(figures.bounds),
        count(figures.machines.classified),
        count(figures.machines.unknown),
        count(figures.clusters.reporting),
    )


def _need(group: NeedGroup) -> tuple[str, tuple[str, ...]]:
    part = group.figures
    if part.suppressed:
        return group.key, ("not told", "", "", "", "")
    return group.key, (
        short_percent(part.share),
        short_range(part.ci95),
        short_range(part.bounds),
        count(part.machines),
        count(part.clusters),
    )


def _laid_out(table: _Table, width: int) -> str:
    """Lines of a table; nothing where it has no row. The first column stands left, figures right.

    Columns that do not fit stand below the others, with their keys again.
    """
    if not table.rows:
        return ""
    lines = [(table.corner, *table.head), *((visible(key), *_short(cells)) for key, cells in table.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.head) + 1)]
    return "\n\n".join(_block(lines, widths, columns) for columns in _that_fit(widths, width))


def _that_fit(widths: Sequence[int], width: int) -> list[list[int]]:
    """Columns side by side, in as many blocks as it takes; each has one at least."""
    blocks: list[list[int]] = []
    for column in range(1, len(widths)):
        if not blocks or widths[0] + sum(2 + widths[one] for one in (*blocks[-1], column)) > width:
            blocks.append([])
        blocks[-1].append(column)
    return blocks


def _block(lines: Sequence[tuple[str, ...]], widths: Sequence[int], columns: Sequence[int]) -> str:
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(line[column].rjust(widths[column]) for column in columns)],
        ).rstrip()
        for line in lines
    )


def _short(cells: Sequence[str]) -> list[str]:
    return ["-" if cell == NOT_KNOWN else cell for cell in cells]


def _wrapped(text: str, width: int, mark: str = "") -> str:
    """Lines of a paragraph; a per cent sign stays with its number."""
    lines = textwrap.fill(
        visible(text).replace(" %", "\u00a0%"),
        width,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace("\u00a0", " ")
