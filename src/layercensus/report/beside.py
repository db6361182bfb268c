"""What stands beside the headline: how packages are spread, who should report, what a known population says, quality.

Asks the engine; what is not told apart is left to `answers`.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from layercensus.errors import Fault, ReportError
from layercensus.report.answer_values import Answer, Answering, maybe_of, number_of, text_of, whole_of
from layercensus.report.estimator import Sums, bounds, bounds_interval
from layercensus.report.shape import Concentration, KnownClusters, Quality, SilentCluster, Weighted
from layercensus.report.suppression import Size, is_told
from layercensus.report.weighting import Part, parts_of_units, weigh

_CURVE_POINTS = 100
_FOUR_WEEKS = timedelta(days=28)
_FEWEST_BEFORE = 10
_DARK = 0.1
_CELLS_SHOWN = 5
# The signal whose rows say all that a clone is told by.
_FULLY_TOLD = "layercensus"
_CELL_KEYS = {"release": "release_key", "platform": "platform_key", "class": "class_key"}


def concentration(engine: Answering, signal: str, as_of: str, least: int) -> Concentration:
    """How packages are spread over units, read off units that come in runs of equals, those with most first.

    What would tell of fewer than `least` units is left out.
    """
    rows = engine.ask("concentration", signal=signal, as_of=as_of)
    runs = [(whole_of(row, "packages_each"), whole_of(row, "classified_each"), whole_of(row, "units")) for row in rows]
    units, hits = sum(run[2] for run in runs), sum(run[0] * run[2] for run in runs)
    machines = sum(run[1] * run[2] for run in runs)
    influence, without = _influence(runs, hits, machines) if least <= 1 else (None, None)
    largest_size = max((each for _, each, _ in runs), default=0) / machines if machines and least <= 1 else None
    if hits == 0:
        return Concentration(None, None, None, (), largest_size, influence, without)
    points = _points(units, least)
    top = math.ceil(units / 100)
    return Concentration(
        top1_percent_share=_held(runs, top) / hits if least <= 1 or top in points else None,
        largest_share=runs[0][0] / hits if least <= 1 else None,
        top5_share=_held(runs, 5) / hits if least <= 1 or 5 in points else None,
        curve=((0.0, 0.0), *((point / units, _held(runs, point) / hits) for point in points)),
        largest_size=largest_size,
        influence=influence,
        share_without=without,
    )


def known_clusters(engine: Answering, signal: str, as_of: str, sums: Sums, least: int) -> KnownClusters | None:
    """A list of clusters held to those that report; None where so few are silent that they must not be told."""
    (row,) = engine.ask("listed", signal=signal, as_of=as_of)
    silent, sizeless = whole_of(row, "silent"), whole_of(row, "silent_of_unknown_size")
    if not is_told(silent, least):
        return None
    machines = None if sizeless else whole_of(row, "silent_machines")
    return KnownClusters(
        listed=whole_of(row, "listed"),
        reporting=whole_of(row, "reporting"),
        silent=silent,
        silent_machines=machines,
        silent_of_unknown_size=sizeless,
        unlisted=whole_of(row, "unlisted"),
        bounds=None if machines is None else bounds(sums, machines),
        bounds_ci95=None if machines is None else bounds_interval(sums, machines),
    )


def parts_by_cell(engine: Answering, signal: str, as_of: str, columns: Sequence[str]) -> list[Part]:
    """What each unit has in each cell of a known population; `columns` name what a cell is made of."""
    rows = engine.ask("unit_cells", signal=signal, as_of=as_of)
    return parts_of_units([_part(row, columns) for row in rows])


def weighted(parts: Sequence[Part], margins: Mapping[tuple[str, ...], int], least: int) -> Weighted | None:
    """The share of a known population.

    None where a cell is too small to be told: weights are known, so a weighted share is an equation that tells parts of
    a sum apart. Raises `ReportError` where no cluster is of any cell.
    """
    if all(part.cell not in margins for part in parts):
        like = ", ".join(sorted({"/".join(part.cell) for part in parts})[:_CELLS_SHOWN])
        what = "no reporting cluster is of a kind that the known population has"
        raise ReportError(what, "--weights", Fault.USAGE, f"look how they are spelt: {like}" if like else "")
    if least > 1 and not all(size.may_stand(least) for size in _cell_sizes(parts).values()):
        return None
    return weigh(parts, margins)


def _cell_sizes(parts: Sequence[Part]) -> dict[tuple[str, ...], Size]:
    found: dict[tuple[str, ...], Size] = {}
    for part in parts:
        before = found.get(part.cell, Size(0, 0.0, 0.0))
        units = part.alike if part.x > 0 else 0
        found[part.cell] = Size(
            before.units + units, before.machines + part.x * part.alike, max(before.largest, part.x)
        )
    return found


def quality(engine: Answering, signal: str, as_of: str, first: str) -> tuple[Quality, int, int]:
    """What is wrong or missing behind the headline, its accounts, and how many of its clusters no list of these has.

    `first` is the first day with rows.
    """
    (row,) = engine.ask("quality", signal=signal, as_of=as_of)
    before = (date.fromisoformat(as_of) - _FOUR_WEEKS).isoformat()
    has_history = before >= first
    silent = engine.ask("silent", signal=signal, as_of=as_of)
    found = Quality(
        silent=whole_of(row, "silent"),
        silent_clusters=tuple(SilentCluster(text_of(one, "cluster_id"), text_of(one, "last_day")) for one in silent),
        stale=whole_of(row, "stale"),
        # A lake of rows cannot tell this; what receives the rows can.
        incomplete=None,
        suspected_clones=_clones(engine, signal, before, as_of) if has_history else None,
        dark_releases=_dark(engine, signal, before, as_of) if has_history else None,
        skewed=maybe_of(row, "skewed"),
        unread_machines=whole_of(row, "unread_machines"),
        unseen_machines=maybe_of(row, "unseen_machines"),
        unread_clusters=whole_of(row, "unread_clusters"),
        unknown_release=whole_of(row, "unknown_release"),
    )
    return found, whole_of(row, "accounts_active"), whole_of(row, "without_account")


def _clones(engine: Answering, signal: str, before: str, as_of: str) -> int | None:
    """Suspected clones. Other signals than our own tell less, so that none found of them is not known to be none."""
    (row,) = engine.ask("clones", signal=signal, before=before, as_of=as_of)
    found = whole_of(row, "suspected")
    return found if found or signal == _FULLY_TOLD else None


def _dark(engine: Answering, signal: str, before: str, as_of: str) -> tuple[str, ...]:
    """Releases of which at least ten clusters reported four weeks ago, and not one in ten of these still does."""
    rows = engine.ask("dark", signal=signal, before=before, as_of=as_of)
    return tuple(
        text_of(row, "release_before")
        for row in rows
        if number_of(row, "clusters_before") >= _FEWEST_BEFORE
        and number_of(row, "still_active") < _DARK * number_of(row, "clusters_before")
    )


def _influence(runs: Sequence[tuple[int, int, int]], hits: int, machines: int) -> tuple[float | None, float | None]:
    """By how much the share moves without the unit that moves it most, and what it is then."""
    shares = [(hits - y) / (machines - x) for y, x, _ in runs if machines > x]
    if not shares:
        return None, None
    whole = hits / machines
    without = max(shares, key=lambda share: abs(share - whole))
    return abs(without - whole), without


def _points(units: int, least: int) -> list[int]:
    """Numbers of units at which the curve is told, the last of them all: at least `least` more each time."""
    points = [0]
    for place in range(1, _CURVE_POINTS):
        point = math.ceil(units * place / _CURVE_POINTS)
        if point >= points[-1] + least and units - point >= least:
            points.append(point)
    return [*points[1:], units]


def _held(runs: Sequence[tuple[int, int, int]], units: int) -> int:
    """Machines in the numerator that the first so many units hold."""
    held, left = 0, units
    for each, _, count in runs:
        taken = min(count, left)
        held += each * taken
        left -= taken
    return held


def _part(row: Answer, columns: Sequence[str]) -> Part:
    unit = row.get("spread_unit")
    return Part(
        cell=tuple(text_of(row, _CELL_KEYS[name]) for name in columns),
        unit=unit if isinstance(unit, str) else None,
        clusters=whole_of(row, "clusters"),
        x=number_of(row, "x"),
        y=number_of(row, "y"),
        u=number_of(row, "u"),
        alike=whole_of(row, "alike"),
    )
