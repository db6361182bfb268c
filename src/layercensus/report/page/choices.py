"""What the page's filters need: the figures of every release, platform and both, as plain lists for the script. Pure.

    {"fields": ["share", "ci95.0", …], "release": [["by.release.0", 0.03, …], …], "platform": […],
     "cells": [[0, 2, "cells.0", 0.02, …], …]}         a cell: release and platform by their places, then its figures

Keys are not in it: the script knows groups by their places, and the page shows the words.
"""

from layercensus.report.figures import Headline
from layercensus.report.page.strips import marks
from layercensus.report.shape import Report

FIELDS = (
    "share",
    "ci95.0",
    "ci95.1",
    "bounds.0",
    "bounds.1",
    "machines.packages",
    "machines.classified",
    "machines.unknown",
    "clusters.reporting",
    "clusters.with_packages",
)


def choices(report: Report) -> dict[str, object]:
    """Plain values, to be written as JSON."""
    releases = {group.key: index for index, group in enumerate(report.by.release)}
    platforms = {group.key: index for index, group in enumerate(report.by.platform)}
    return {
        "fields": FIELDS,
        "cautions": {one.value: list(words) for one, words in marks(report.unit).items()},
        "all": _listed("headline", report.headline),
        "release": [_listed(f"by.release.{index}", group.figures) for index, group in enumerate(report.by.release)],
        "platform": [_listed(f"by.platform.{index}", group.figures) for index, group in enumerate(report.by.platform)],
        "cells": [
            [releases[cell.release], platforms[cell.platform], *_listed(f"cells.{index}", cell.figures)]
            for index, cell in enumerate(report.cells)
            if cell.release in releases and cell.platform in platforms
        ],
    }


def _listed(path: str, figures: Headline) -> list[object]:
    """Path, the fields in their order, and what to be careful of."""
    low, high = figures.ci95 or (None, None)
    lower, upper = figures.bounds or (None, None)
    machines, clusters = figures.machines, figures.clusters
    values = (figures.share, low, high, lower, upper, machines.packages, machines.classified, machines.unknown)
    cautions = [one.value for one in figures.cautions] if figures.ci95 else []
    return [path, *values, clusters.reporting, clusters.with_packages, cautions]
