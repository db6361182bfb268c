"""The trend by week: a line of shares with bands around it, and the same small for each release and platform. Pure.

Lines and bands are SVG point lists in a box of 1000 by 100, y downward, that the template stretches; what carries text
is placed in per cent, so that no letter is stretched with it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from layercensus.report.estimator import Interval
from layercensus.report.page.axis import Axis, share_axis
from layercensus.report.page.figure import MONTHS, Figure, percent
from layercensus.report.shape import KeyTrend, TrendDay

_MOST_MONTHS = 5
# A line is broken where more days than that have no report.
_GAP_DAYS = 14
# Small trends cut intervals sooner than others: the first weeks of a release have wide ones.
_SMALL_FAR = 1.3
# Labels at the end of the lines keep so far apart, in per cent of the chart's height.
_LABEL_GAP = 8.0


@dataclass(frozen=True, slots=True)
class Week:
    """The last day of a week that has a share, and its place in the JSON report."""

    day: TrendDay
    path: str


@dataclass(frozen=True, slots=True)
class DayMark:
    """A day on the axis below: where, in per cent, and what it says. `year`: said below it, where it is a new one."""

    at: float
    day: str
    label: str
    year: str


@dataclass(frozen=True, slots=True)
class EndLabel:
    """A label at the right end: where its line ends and where the label is, in per cent from the top."""

    name: str
    at: float
    label_at: float


@dataclass(frozen=True, slots=True)
class Lines:
    """The drawing of one trend. `places`: of each week, in per cent across and down; None without a share."""

    lines: tuple[str, ...]
    interval_bands: tuple[str, ...]
    bounds_edges: tuple[str, ...]
    places: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """The trend of all with its axes."""

    axis: Axis
    marks: tuple[DayMark, ...]
    drawing: Lines
    labels: tuple[EndLabel, ...]
    first: Week
    last: Week
    weeks: tuple[Week, ...]


@dataclass(frozen=True, slots=True)
class Small:
    """The trend of one key, on the same days and one axis of shares for all keys."""

    key: str
    drawing: Lines
    first: Figure
    last: Figure
    first_day: str
    last_day: str
    weeks: tuple[Week, ...]


@dataclass(frozen=True, slots=True)
class Smalls:
    """Small trends side by side."""

    axis: Axis
    rows: tuple[Small, ...]

    @property
    def is_cut(self) -> bool:
        """Whether an interval or bounds go on beyond the axis."""
        days = [week.day for small in self.rows for week in small.weeks]
        return any(ends is not None and ends[1] > self.axis.top for day in days for ends in (day.ci95, day.bounds))


def weekly(days: Sequence[TrendDay], path: str) -> tuple[Week, ...]:
    """The last day of each ISO week that has a share, oldest first."""
    found: dict[tuple[int, int], Week] = {}
    for index, day in enumerate(days):
        if day.share is not None:
            year, week, _ = date.fromisoformat(day.day).isocalendar()
            found[year, week] = Week(day, f"{path}.{index}")
    return tuple(found.values())


def trend(days: Sequence[TrendDay]) -> Trend | None:
    """Draw the trend; None where fewer than two weeks have a share."""
    weeks = weekly(days, "trend")
    if len(weeks) < 2:
        return None
    axis = _axis(weeks, far=math.inf)
    first, last = _ordinal(weeks[0]), _ordinal(weeks[-1])
    drawing = draw(weeks, axis, first, last)
    return Trend(axis, _day_marks(first, last), drawing, _end_labels(weeks[-1].day, axis), weeks[0], weeks[-1], weeks)


def smalls(keys: Sequence[KeyTrend], dimension: str, whole: Trend) -> Smalls | None:
    """Draw a trend for each key that has two weeks, on the days of the whole."""
    first, last = _ordinal(whole.first), _ordinal(whole.last)
    found = [(key.key, weekly(key.days, f"trend_by.{dimension}.{index}.days")) for index, key in enumerate(keys)]
    shown = [(key, [week for week in weeks if first <= _ordinal(week) <= last]) for key, weeks in found]
    shown = [(key, weeks) for key, weeks in shown if len(weeks) >= 2]
    if not shown:
        return None
    axis = _axis([week for _, weeks in shown for week in weeks], far=_SMALL_FAR)
    return Smalls(axis, tuple(_small(key, weeks, draw(weeks, axis, first, last)) for key, weeks in shown))


def _small(key: str, weeks: Sequence[Week], drawing: Lines) -> Small:
    start, end = weeks[0], weeks[-1]
    return Small(
        key=key,
        drawing=drawing,
        first=percent(start.day.share, f"{start.path}.share"),
        last=percent(end.day.share, f"{end.path}.share"),
        first_day=start.day.day,
        last_day=end.day.day,
        weeks=tuple(weeks),
    )


def draw(weeks: Sequence[Week], axis: Axis, first: int, last: int) -> Lines:
    """Lines and bands of weeks between two days."""

    def across(week: Week) -> float:
        return (_ordinal(week) - first) / max(last - first, 1) * 100

    def band(pieces: Sequence[tuple[float, Interval]]) -> str:
        upper = [(x, axis.at(high)) for x, (_, high) in pieces]
        return _points([*upper, *((x, axis.at(low)) for x, (low, _) in reversed(pieces))])

    runs = list(_runs(weeks))
    return Lines(
        lines=tuple(
            _points([(across(week), axis.at(week.day.share)) for week in run if week.day.share is not None])
            for run in runs
        ),
        interval_bands=tuple(
            band(pieces) for run in runs for pieces in _known([(across(week), week.day.ci95) for week in run])
        ),
        bounds_edges=tuple(
            _points([(x, axis.at(ends[side])) for x, ends in pieces])
            for run in runs
            for pieces in _known([(across(week), week.day.bounds) for week in run])
            for side in (0, 1)
        ),
        places=tuple(
            (across(week), None if week.day.share is None else 100 - axis.at(week.day.share)) for week in weeks
        ),
    )


def _axis(weeks: Sequence[Week], *, far: float) -> Axis:
    ends = [end[1] for week in weeks for end in (week.day.ci95, week.day.bounds) if end is not None]
    return share_axis([week.day.share for week in weeks], ends, far=far)


def _runs(weeks: Sequence[Week]) -> Iterator[list[Week]]:
    """Weeks without a gap between them, together."""
    run: list[Week] = []
    for week in weeks:
        if run and _ordinal(week) - _ordinal(run[-1]) > _GAP_DAYS:
            yield run
            run = []
        run.append(week)
    if run:
        yield run


def _known(pieces: Sequence[tuple[float, Interval | None]]) -> Iterator[list[tuple[float, Interval]]]:
    """Neighbours that are known, together; a band is not drawn across a week without one."""
    run: list[tuple[float, Interval]] = []
    for x, interval in pieces:
        if interval is not None:
            run.append((x, interval))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x * 10:.1f},{100 - y:.2f}" for x, y in places)


def _day_marks(first: int, last: int) -> tuple[DayMark, ...]:
    """First days of months, as many as there is room for; days where there is no such."""
    months = [day for day in map(date.fromordinal, range(first, last + 1)) if day.day == 1]
    if len(months) >= 3:
        step = -(-len(months) // _MOST_MONTHS)
        days = months[::step]
    else:
        days = [date.fromordinal(first), date.fromordinal(last)]
    in_months = len(months) >= 3
    return tuple(
        DayMark(
            at=(day.toordinal() - first) / max(last - first, 1) * 100,
            day=day.isoformat(),
            label=MONTHS[day.month - 1] if in_months else f"{day.day} {MONTHS[day.month - 1]}",
            year=str(day.year) if before is None or before.year != day.year else "",
        )
        for before, day in zip([None, *days], days, strict=False)
    )


def _end_labels(day: TrendDay, axis: Axis) -> tuple[EndLabel, ...]:
    """Names of line and bands where they end, from the top down and apart from one another."""
    wanted = [("share", day.share)]
    wanted += [("95 % interval", day.ci95[1])] if day.ci95 else []
    wanted += [("bounds", day.bounds[1])] if day.bounds and day.bounds[0] != day.bounds[1] else []
    ends = sorted((100 - axis.at(value), name) for name, value in wanted if value is not None)
    placed: list[EndLabel] = []
    # The share keeps its place; what is above it is pushed up.
    below = None
    for at, name in reversed(ends):
        label_at = at if below is None else min(at, below - _LABEL_GAP)
        placed.append(EndLabel(name, at, label_at))
        below = label_at
    return tuple(reversed(placed))


def _ordinal(week: Week) -> int:
    return date.fromisoformat(week.day.day).toordinal()
