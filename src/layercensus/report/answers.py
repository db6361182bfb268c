"""From an engine's answers to a `Report`: which signal, which day, and the estimator fed with sums.

Pure but for the engine passed in. What it reads is the answers of `data/questions`, such as one row of `population`:

    {"dimension": "release", "group_key": "4.14", "numerator": "packages", "clusters": 3, "units": 3, "sum_x": 10.0, …}
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from layercensus.errors import Fault, NothingToDoError, ReportError, UsageError
from layercensus.model import Need
from layercensus.report.estimator import Estimate, Sums, estimate, wilson
from layercensus.report.shape import (
    SIMULATED,
    UNKNOWN_KEY,
    By,
    Clusters,
    Concentration,
    Group,
    Headline,
    Machines,
    NeedGroup,
    Part,
    Quality,
    Report,
    SilentCluster,
    TrendDay,
    WhatIfBlocked,
)

# In the order in which one is taken where nobody chose.
POPULATIONS = {
    "layercensus": "clusters that chose to report",
    "mcd": "clusters whose MCD gauge was recorded",
    "capture": "these captures",
}
_CURVE_POINTS = 100


class Answering(Protocol):
    """What the report needs of an engine: answers to questions by name, as plain rows."""

    def ask(self, question: str, **parameters: str) -> list[dict[str, object]]:
        """Answer one question."""
        ...


@dataclass(frozen=True, slots=True)
class _Cell:
    """One row of `population`: one dimension, one key, one numerator."""

    clusters: int
    sums: Sums
    clean: int | None
    extensions: int | None
    overrides: int | None


_NOTHING = _Cell(0, Sums(), 0, 0, 0)
_Cells = Mapping[tuple[str, str, str], _Cell]


def build_report(engine: Answering, *, as_of: str | None, signal: str | None, is_simulated: bool = False) -> Report:
    """Answer for one day and one signal; `is_simulated` if the rows were made up, which the report then says.

    `as_of` is a day as 2026-03-01, by default the newest of the signal; `signal` is by default `layercensus`, else
    `mcd`, else `capture`, whichever has a row by then. Raises `UsageError` for what is no day or no signal, and
    `NothingToDoError` where the lake has no such row.
    """
    signal, as_of = _chosen(engine, as_of, signal)
    cells = _population(engine.ask("population", signal=signal, as_of=as_of))
    return Report(
        as_of=as_of,
        signal=signal,
        population=SIMULATED if is_simulated else POPULATIONS[signal],
        unit="cluster",
        headline=_headline(cells, "all", "all"),
        by=By(
            release=_groups(cells, "release"),
            platform=_groups(cells, "platform"),
            need=tuple(NeedGroup(need.value, _part(cells, f"need_{need.value}")) for need in Need),
        ),
        trend=tuple(_trend_day(row) for row in engine.ask("trend", signal=signal, as_of=as_of)),
        concentration=_concentration(engine.ask("concentration", signal=signal, as_of=as_of)),
        what_if_blocked=WhatIfBlocked(
            refuse_packages=_part(cells, "packages"), refuse_any_local_change=_part(cells, "any_local_change")
        ),
        quality=_quality(engine, signal, as_of),
    )


def _chosen(engine: Answering, as_of: str | None, signal: str | None) -> tuple[str, str]:
    """Signal and day to answer for."""
    if signal is not None and signal not in POPULATIONS:
        raise UsageError(f"there is no signal {signal!r}", "--signal", Fault.USAGE, f"use {', '.join(POPULATIONS)}")
    if as_of is not None and not _is_day(as_of):
        raise UsageError(f"{as_of!r} is no day", "--as-of", Fault.USAGE, "write it as 2026-03-01")
    newest: dict[str, str] = {}
    oldest = ""
    for row in engine.ask("days"):
        spoken, day = _text(row, "signal"), _text(row, "on_day")
        if signal in {None, spoken}:
            oldest = min(oldest or day, day)
            if as_of is None or day <= as_of:
                newest[spoken] = max(newest.get(spoken, day), day)
    for candidate in POPULATIONS:
        if candidate in newest:
            return candidate, as_of or newest[candidate]
    what = "the lake has no row" + (f" of signal {signal}" if signal else "")
    if oldest:
        next_step = f"the first day is {oldest}"
        raise NothingToDoError(f"{what} on {as_of} or before", next_step=next_step)
    raise NothingToDoError(what, next_step="fill it first: layercensus import PATH or --prometheus URL, or collect")


def _population(rows: Sequence[Mapping[str, object]]) -> _Cells:
    return {
        (_text(row, "dimension"), _text(row, "group_key"), _text(row, "numerator")): _Cell(
            clusters=_whole(row, "clusters"),
            sums=_sums(row),
            clean=_maybe(row, "clean"),
            extensions=_maybe(row, "extensions"),
            overrides=_maybe(row, "overrides"),
        )
        for row in rows
    }


def _headline(cells: _Cells, dimension: str, key: str) -> Headline:
    cell = cells.get((dimension, key, "packages"), _NOTHING)
    either = estimate(cells.get((dimension, key, "packages_or_overrides"), _NOTHING).sums)
    found, sums = estimate(cell.sums), cell.sums
    return Headline(
        share=found.share,
        share_any=either.share,
        ci95=found.ci95,
        bounds=found.bounds,
        machines=Machines(
            clean=cell.clean,
            extensions=cell.extensions,
            overrides=cell.overrides,
            packages=round(sums.y),
            unknown=round(sums.unknown),
            classified=round(sums.x),
            total=round(sums.x + sums.unknown),
        ),
        clusters=Clusters(
            reporting=cell.clusters,
            classified=sums.units,
            with_packages=sums.units_with,
            share=sums.units_with / sums.units if sums.units else None,
            ci95=wilson(sums.units_with, sums.units),
        ),
        design_effect=found.design_effect,
        effective_machines=found.effective_machines,
    )


def _groups(cells: _Cells, dimension: str) -> tuple[Group, ...]:
    keys = {key for of, key, _ in cells if of == dimension}
    return tuple(Group(key, _headline(cells, dimension, key)) for key in sorted(keys, key=_reading_order))


def _part(cells: _Cells, numerator: str) -> Part:
    sums = cells.get(("all", "all", numerator), _NOTHING).sums
    found: Estimate = estimate(sums)
    told = found.share is not None
    return Part(
        share=found.share,
        ci95=found.ci95,
        bounds=found.bounds,
        machines=round(sums.y) if told else None,
        clusters=sums.units_with if told else None,
    )


def _trend_day(row: Mapping[str, object]) -> TrendDay:
    found = estimate(_sums(row))
    return TrendDay(_text(row, "on_day"), found.share, found.ci95, found.bounds, _whole(row, "clusters"))


def _concentration(rows: Sequence[Mapping[str, object]]) -> Concentration:
    """Read the spread off clusters that come in runs of equals, those with most machines in the numerator first."""
    runs = [(_whole(row, "packages_each"), _whole(row, "clusters")) for row in rows]
    clusters = sum(count for _, count in runs)
    machines = sum(each * count for each, count in runs)
    if machines == 0:
        return Concentration(None, None, ())
    points = sorted({math.ceil(clusters * step / _CURVE_POINTS) for step in range(1, _CURVE_POINTS + 1)})
    curve = tuple((point / clusters, _held(runs, point) / machines) for point in points)
    return Concentration(
        top1_percent_share=_held(runs, math.ceil(clusters / 100)) / machines,
        largest_share=runs[0][0] / machines,
        curve=((0.0, 0.0), *curve),
    )


def _held(runs: Sequence[tuple[int, int]], clusters: int) -> int:
    """Machines in the numerator that the first so many clusters hold."""
    held, left = 0, clusters
    for each, count in runs:
        taken = min(count, left)
        held += each * taken
        left -= taken
    return held


def _quality(engine: Answering, signal: str, as_of: str) -> Quality:
    (row,) = engine.ask("quality", signal=signal, as_of=as_of)
    silent = engine.ask("silent", signal=signal, as_of=as_of)
    return Quality(
        silent=_whole(row, "silent"),
        silent_clusters=tuple(SilentCluster(_text(one, "cluster_id"), _text(one, "last_day")) for one in silent),
        stale=_whole(row, "stale"),
        # A lake of rows cannot tell these; what receives the rows can.
        incomplete=None,
        suspected_clones=None,
        dark_releases=None,
        skewed=_maybe(row, "skewed"),
        unread_machines=_whole(row, "unread_machines"),
        unseen_machines=_maybe(row, "unseen_machines"),
        unread_clusters=_whole(row, "unread_clusters"),
        unknown_release=_whole(row, "unknown_release"),
    )


def _reading_order(key: str) -> tuple[int, list[int], str]:
    """Releases by their numbers, words by the alphabet, what is not known last."""
    numbers = [int(part) for part in key.replace("-", ".").split(".") if part.isdecimal()]
    return int(key == UNKNOWN_KEY), numbers, key


def _sums(row: Mapping[str, object]) -> Sums:
    return Sums(
        units=_whole(row, "units"),
        units_with=_whole(row, "units_with"),
        x=_number(row, "sum_x"),
        y=_number(row, "sum_y"),
        xx=_number(row, "sum_xx"),
        xy=_number(row, "sum_xy"),
        yy=_number(row, "sum_yy"),
        unknown=_number(row, "sum_unknown"),
    )


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _text(row: Mapping[str, object], column: str) -> str:
    value = row.get(column)
    if isinstance(value, str):
        return value
    raise _unexpected(column, value)


def _number(row: Mapping[str, object], column: str) -> float:
    value = row.get(column)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _unexpected(column, value)


def _whole(row: Mapping[str, object], column: str) -> int:
    return round(_number(row, column))


def _maybe(row: Mapping[str, object], column: str) -> int | None:
    return None if row.get(column) is None else _whole(row, column)


def _unexpected(column: str, value: object) -> ReportError:
    return ReportError(f"the engine answered {value!r} where a value was due", f"column {column}", Fault.US)
