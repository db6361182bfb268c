"""Geometry of the page's two drawings, in per cent of their width or height. Pure; the template draws.

The headline is a strip (bounds, interval, share on one axis); the trend is a line of shares with bands around it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from layercensus.report.estimator import Interval
from layercensus.report.figures import Headline
from layercensus.report.shape import TrendDay
from layercensus.report.wording import percent, percent_range

_TOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, in per cent from its start, and what it says."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an axis, in per cent from its start."""

    start: float
    length: float


@dataclass(frozen=True, slots=True)
class Strip:
    """The headline on one axis; None for what is not known."""

    share: float | None
    interval: Span | None
    bounds: Span | None
    ticks: tuple[Tick, ...]
    spoken: str


@dataclass(frozen=True, slots=True)
class TrendChart:
    """Lines and bands as SVG point lists in a square of 100 by 100, y downward."""

    line: str
    interval_bands: tuple[str, ...]
    bounds_bands: tuple[str, ...]
    share_ticks: tuple[Tick, ...]
    first_day: str
    last_day: str
    spoken: str


def strip(headline: Headline) -> Strip | None:
    """Draw the headline; None where there is no machine, so nothing to draw."""
    if headline.bounds is None:
        return None
    top = _top([headline.bounds[1], (headline.ci95 or headline.bounds)[1]])
    spoken = f"Share {percent(headline.share)}; 95 % interval {percent_range(headline.ci95)}; "
    return Strip(
        share=None if headline.share is None else headline.share / top * 100,
        interval=_span(headline.ci95, top),
        bounds=_span(headline.bounds, top),
        ticks=_ticks(top),
        spoken=spoken + f"bounds for machines that could not be read {percent_range(headline.bounds)}.",
    )


def trend_chart(trend: Sequence[TrendDay]) -> TrendChart | None:
    """Draw the trend; None where fewer than two days have a share."""
    known = [day for day in trend if day.share is not None]
    if len(known) < 2:
        return None
    first, last = _ordinal(known[0]), _ordinal(known[-1])
    ends = [day.share for day in known if day.share is not None]
    ends += [interval[1] for day in known for interval in (day.ci95, day.bounds) if interval is not None]
    top = _top(ends)

    def across(day: TrendDay) -> float:
        return (_ordinal(day) - first) / (last - first) * 100

    def band(points: Sequence[tuple[float, Interval]]) -> str:
        upper = [(x, high) for x, (_, high) in points]
        lower = [(x, low) for x, (low, _) in reversed(points)]
        return _points([*upper, *lower], top)

    shares = [(across(day), day.share) for day in trend if day.share is not None]
    return TrendChart(
        line=_points(shares, top),
        interval_bands=tuple(
            band(run) for run in _runs([(across(day), day.ci95) if day.ci95 else None for day in known])
        ),
        bounds_bands=tuple(
            band(run) for run in _runs([(across(day), day.bounds) if day.bounds else None for day in known])
        ),
        share_ticks=_ticks(top),
        first_day=known[0].day,
        last_day=known[-1].day,
        spoken=f"From {percent(known[0].share)} on {known[0].day} to {percent(known[-1].share)} on {known[-1].day}.",
    )


def _runs(points: Sequence[tuple[float, Interval] | None]) -> Iterator[list[tuple[float, Interval]]]:
    """Neighbouring points that are known, together; a band is not drawn across a day without one."""
    run: list[tuple[float, Interval]] = []
    for point in [*points, None]:
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []


def _points(points: Sequence[tuple[float, float]], top: float) -> str:
    return " ".join(f"{x:.2f},{100 - y / top * 100:.2f}" for x, y in points)


def _span(interval: Interval | None, top: float) -> Span | None:
    if interval is None:
        return None
    low, high = interval
    return Span(low / top * 100, (high - low) / top * 100)


def _top(ends: Sequence[float]) -> float:
    """End of an axis that holds all ends and divides into readable ticks."""
    return next((top for top in _TOPS if top >= max(ends)), 1.0)


def _ticks(top: float) -> tuple[Tick, ...]:
    return tuple(Tick(step / _TICKS * 100, f"{top * 100 * step / _TICKS:g} %") for step in range(_TICKS + 1))


def _ordinal(day: TrendDay) -> int:
    return date.fromisoformat(day.day).toordinal()
