"""A `Report` as CSV (RFC 4180 with a head, line ends as in a terminal): the headline, or a line a key. Pure.

Fractions are plain decimals; what is not known is an empty cell. A text that a spreadsheet would take for a formula
gets an apostrophe before it.
"""

import csv
import io

from layercensus.report.figures import Headline, Part
from layercensus.report.format_text import groups_by, known_dimension
from layercensus.report.shape import Report
from layercensus.text import safe_cell

_HEAD = (
    "as_of",
    "signal",
    "dimension",
    "key",
    "share",
    "share_any",
    "ci95_low",
    "ci95_high",
    "bounds_low",
    "bounds_high",
    "bounds_ci95_low",
    "bounds_ci95_high",
    "machines_clean",
    "machines_extensions",
    "machines_overrides",
    "machines_hit",
    "machines_classified",
    "machines_unknown",
    "machines_total",
    "clusters_hit",
    "clusters_classified",
    "clusters_reporting",
    "units",
    "design_effect",
    "effective_machines",
    "cautions",
    "merged",
)
_Cells = dict[str, object]


def format_report_csv(report: Report, by: str | None) -> str:
    """CSV text. `by` None gives the headline alone. `…_hit` counts what the share is of: packages, or the need.

    Raises `UsageError` where `by` is no dimension.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, _HEAD, restval="", lineterminator="\n")
    writer.writeheader()
    for key, cells in _lines(report, by):
        named: _Cells = {"as_of": report.as_of, "signal": report.signal, "dimension": by or "all", "key": key}
        writer.writerow(
            {name: safe_cell(value) if isinstance(value, str) else value for name, value in (named | cells).items()}
        )
    return text.getvalue()


def _lines(report: Report, by: str | None) -> list[tuple[str, _Cells]]:
    if by is None:
        return [("all", _headline(report.headline))]
    if known_dimension(by) == "need":
        return [(group.key, _part(group.figures)) for group in report.by.need]
    return [
        (group.key, _headline(group.figures) | {"merged": " ".join(group.merged)}) for group in groups_by(report, by)
    ]


def _headline(figures: Headline) -> _Cells:
    machines, clusters = figures.machines, figures.clusters
    around = figures.bounds_ci95 or (None, None)
    return _share(figures) | {
        "share_any": figures.share_any,
        "machines_clean": machines.clean,
        "machines_extensions": machines.extensions,
        "machines_overrides": machines.overrides,
        "machines_hit": machines.packages,
        "machines_classified": machines.classified,
        "machines_unknown": machines.unknown,
        "machines_total": machines.total,
        "clusters_hit": clusters.with_packages,
        "clusters_classified": clusters.classified,
        "clusters_reporting": clusters.reporting,
        "units": figures.units,
        "design_effect": figures.design_effect,
        "effective_machines": figures.effective_machines,
        "cautions": " ".join(figures.cautions),
        "bounds_ci95_low": around[0],
        "bounds_ci95_high": around[1],
    }


def _part(part: Part) -> _Cells:
    return _share(part) | {"machines_hit": part.machines, "clusters_hit": part.clusters}


def _share(figures: Headline | Part) -> _Cells:
    low, high = figures.ci95 or (None, None)
    lower, upper = figures.bounds or (None, None)
    return {"share": figures.share, "ci95_low": low, "ci95_high": high, "bounds_low": lower, "bounds_high": upper}
