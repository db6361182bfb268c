"""A `Report` as text for a terminal of 80 columns: the sentence first, a small table, what is not known. Pure.

Of these captures, 24.4 % of the 41 CoreOS machines that could be read carry …

release     share  95 % interval       bounds  read  unknown  clusters
4.14       50.0 %    1.3–98.7 %   33.3–66.7 %     4        2         2
"""

import textwrap
from collections.abc import Sequence
from typing import Literal

from layercensus.errors import Fault, UsageError
from layercensus.report.figures import Group, NeedGroup
from layercensus.report.notes import unknowns
from layercensus.report.sentence import fleet_sentence
from layercensus.report.shape import DIMENSIONS, Report
from layercensus.report.wording import NOT_KNOWN, count, points_range, short_percent, short_points, short_range
from layercensus.text import visible

_WIDTH = 80
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


def format_report_text(report: Report, by: str | None) -> str:
    """Text ending in a newline. `by`: the dimension to show; None shows the classes of machines and the releases.

    Raises `UsageError` where `by` is no dimension.
    """
    shown = known_dimension(by) if by is not None else None
    parts = [_wrapped(fleet_sentence(report))]
    parts.append(_wrapped(f"Day {report.as_of}, signal {report.signal}, unit {report.unit}."))
    if shown is None:
        parts += [_classes(report), _more(report), _changes(report)]
    parts.append(_dimension(report, shown or "release"))
    parts.append("\n".join(["What is not known:", *(_wrapped(note, "- ") for note in unknowns(report))]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _classes(report: Report) -> str:
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
    return _table("machines", ("count",), [(name, (count(number),)) for name, number in named])


def _more(report: Report) -> str:
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
    return _table("beside it", ("share", "95 % interval"), rows)


def _changes(report: Report) -> str:
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
    return _table(f"the same {report.unit}s", ("then", "now", "change", "95 % interval", f"{report.unit}s"), rows)


def groups_by(report: Report, by: str) -> tuple[Group, ...]:
    """Groups of one dimension other than need. Raises `UsageError` for what is none."""
    groups: tuple[Group, ...] = getattr(report.by, known_dimension(by))
    return groups


def _dimension(report: Report, by: Dimension) -> str:
    if by == "need":
        return _table(by, _NEED_HEAD, [_need(group) for group in report.by.need])
    table = _table(by.replace("_", " "), _GROUP_HEAD, [_group(group) for group in groups_by(report, by)])
    merged = [f"Other is {', '.join(group.merged)}." for group in groups_by(report, by) if group.merged]
    return "\n".join([table, *(_wrapped(line) for line in merged)])


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


def _table(corner: str, head: Sequence[str], rows: Sequence[tuple[str, tuple[str, ...]]]) -> str:
    """Lines of a table; nothing where it has no row. The first column stands left, figures right."""
    if not rows:
        return ""
    lines = [(corner, *head), *((visible(key), *_short(cells)) for key, cells in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head) + 1)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _short(cells: Sequence[str]) -> list[str]:
    return ["-" if cell == NOT_KNOWN else cell for cell in cells]


def _wrapped(text: str, mark: str = "") -> str:
    return textwrap.fill(
        visible(text),
        _WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )
