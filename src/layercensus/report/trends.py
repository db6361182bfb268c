"""How the share went: day by day, by key, and between two days among the same units. Asks the engine.

Days of a trend by key are a week apart, back from the day of the report; so are those of all trends where units are
accounts, which no sums are kept of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from layercensus.report.answer_values import Answering, number_of, sums_of, text_of, whole_of
from layercensus.report.estimator import Sums, estimate
from layercensus.report.paired import PAIRED_SUMS, difference
from layercensus.report.population import reading_order
from layercensus.report.shape import Change, KeyTrend, TrendBy, TrendDay
from layercensus.report.suppression import Size, is_told

KEPT_DIMENSIONS = ("release", "platform")
_WEEK = timedelta(days=7)
_SPANS = (7, 28, 91, 364)
# Who is there on two days less who is there on two others may be a single unit, so one span alone is published.
_PUBLISHED_SPANS = (28,)


@dataclass(frozen=True, slots=True)
class KeyDay:
    """What one key was on one day."""

    clusters: int
    sums: Sums

    @property
    def size(self) -> Size:
        """How large it was."""
        return Size(self.sums.units, self.sums.x, self.sums.largest)


# By dimension, day and key.
Weeks = Mapping[str, Mapping[str, Mapping[str, KeyDay]]]


def trend(engine: Answering, signal: str, as_of: str) -> list[TrendDay]:
    """The headline of every day to `as_of`; units are clusters."""
    rows = engine.ask("trend", signal=signal, as_of=as_of)
    return [_day(text_of(row, "on_day"), KeyDay(whole_of(row, "clusters"), sums_of(row))) for row in rows]


def weekly_trend(engine: Answering, signal: str, days: Sequence[str]) -> list[TrendDay]:
    """The headline of these days; units are whatever the engine knows."""
    return [_day(day, key_day) for day in days for key_day in _by_unit(engine, signal, day, "all").values()]


def weeks_by_key(engine: Answering, signal: str, as_of: str, days: Sequence[str]) -> Weeks:
    """What each release and platform was on these days; units are clusters."""
    found: dict[str, dict[str, dict[str, KeyDay]]] = {name: {day: {} for day in days} for name in KEPT_DIMENSIONS}
    for row in engine.ask("trend_by", signal=signal, as_of=as_of):
        of_days, day = found[text_of(row, "dimension")], text_of(row, "on_day")
        if day in of_days:
            of_days[day][text_of(row, "group_key")] = KeyDay(whole_of(row, "clusters"), sums_of(row))
    return found


def weeks_by_key_of_units(engine: Answering, signal: str, days: Sequence[str], dimensions: Sequence[str]) -> Weeks:
    """What each key of these dimensions was on these days; units are whatever the engine knows."""
    return {name: {day: _by_unit(engine, signal, day, name) for day in days} for name in dimensions}


def trend_by(weeks: Weeks, suppressed: Mapping[str, Sequence[frozenset[str]]]) -> TrendBy:
    """The trend of each key, but on days on which it is suppressed."""
    return TrendBy(*(tuple(_key_trends(weeks[name], suppressed.get(name, ()))) for name in KEPT_DIMENSIONS))


def week_days(first: str, as_of: str) -> list[str]:
    """Days that are whole weeks before `as_of`, from `first` on, and `as_of`; whether they have rows or not."""
    last = date.fromisoformat(as_of)
    weeks = (last - date.fromisoformat(first)) // _WEEK
    return [(last - number * _WEEK).isoformat() for number in range(weeks, -1, -1)]


def changes(engine: Answering, signal: str, as_of: str, first: str, least: int) -> tuple[Change, ...]:
    """The change of the share over one, four, thirteen and 52 weeks, where there are rows since `first`.

    What is published is that over four weeks alone, and not where fewer than `least` units, and any at all, are on one
    of the days alone.
    """
    found = []
    for span in _SPANS if least <= 1 else _PUBLISHED_SPANS:
        before = (date.fromisoformat(as_of) - timedelta(days=span)).isoformat()
        if before >= first:
            found += _change(engine, signal, before, as_of, least)
    return tuple(found)


def _change(engine: Answering, signal: str, before: str, as_of: str, least: int) -> list[Change]:
    (row,) = engine.ask("paired", signal=signal, before=before, as_of=as_of)
    units = whole_of(row, "units")
    alone = [whole_of(row, f"units_{when}") - units for when in ("before", "after")]
    if units == 0 or not all(is_told(count, least) for count in [units, *alone]):
        return []
    share_before, share_after, interval = difference(
        units, {name: number_of(row, f"sum_{name}") for name in PAIRED_SUMS}
    )
    return [Change(before, as_of, units, share_before, share_after, share_after - share_before, interval)]


def _by_unit(engine: Answering, signal: str, day: str, dimension: str) -> dict[str, KeyDay]:
    rows = engine.ask("by_unit", signal=signal, as_of=day, dimension=dimension, numerator="packages")
    return {text_of(row, "group_key"): KeyDay(whole_of(row, "clusters"), sums_of(row)) for row in rows}


def _key_trends(days: Mapping[str, Mapping[str, KeyDay]], suppressed: Sequence[frozenset[str]]) -> Iterator[KeyTrend]:
    hidden = dict(zip(days, suppressed, strict=True)) if suppressed else {}
    for key in sorted({key for keys in days.values() for key in keys}, key=reading_order):
        told = [_day(day, keys[key]) for day, keys in days.items() if key in keys and key not in hidden.get(day, ())]
        if told:
            yield KeyTrend(key, tuple(told))


def _day(day: str, found: KeyDay) -> TrendDay:
    figures, sums = estimate(found.sums), found.sums
    return TrendDay(
        day=day,
        share=figures.share,
        ci95=figures.ci95,
        bounds=figures.bounds,
        classified=round(sums.x),
        packages=round(sums.y),
        unknown=round(sums.unknown),
        clusters=found.clusters,
    )
