"""A number on the page: how it is written, its exact value, and where it stands in the JSON report. Pure.

    percent(0.0271, "headline.share")      2.7 %      exact 0.0271

What is added up for the page from numbers of the report says how: `by.release.0..3.machines.packages` is the sum over
the first four releases, `a+b` a sum, `a/b` a fraction. A test evaluates these against the JSON report.
"""

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from layercensus.report.estimator import Interval
from layercensus.report.wording import NOT_KNOWN, count, decimal, short_percent
from layercensus.report.wording import percent as percent_words

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Kind(StrEnum):
    """How a number is written; the page's script knows the same kinds."""

    PERCENT = "percent"
    BARE_PERCENT = "bare-percent"
    NARROW_PERCENT = "narrow-percent"
    NARROW_BARE_PERCENT = "narrow-bare-percent"
    POINTS = "points"
    COUNT = "count"
    DECIMAL = "decimal"


_NARROW = {Kind.PERCENT: Kind.NARROW_PERCENT, Kind.BARE_PERCENT: Kind.NARROW_BARE_PERCENT}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `path`: where it stands in the JSON report; empty where it is not of the report."""

    kind: Kind
    value: float | None
    path: str

    @property
    def text(self) -> str:
        """As people read it in English."""
        match self.kind:
            case Kind.PERCENT:
                return percent_words(self.value).replace(" %", "\u00a0%")
            case Kind.BARE_PERCENT:
                return percent_words(self.value).removesuffix(" %")
            case Kind.NARROW_PERCENT:
                return short_percent(self.value).replace(" %", "\u00a0%")
            case Kind.NARROW_BARE_PERCENT:
                return short_percent(self.value).removesuffix(" %")
            case Kind.POINTS:
                return points_words(self.value)
            case Kind.COUNT:
                return count(self.value)
            case Kind.DECIMAL:
                return decimal(self.value)

    @property
    def narrow(self) -> "Figure":
        """The same for a column of figures: `<0.1 %` for `less than 0.1 %`."""
        return replace(self, kind=_NARROW.get(self.kind, self.kind))

    @property
    def exact(self) -> str:
        """The number as JSON writes it."""
        return "null" if self.value is None else repr(self.value)


@dataclass(frozen=True, slots=True)
class Range:
    """An interval or bounds: both ends."""

    low: Figure
    high: Figure

    @property
    def is_known(self) -> bool:
        """Whether there is one."""
        return self.high.value is not None

    @property
    def is_one(self) -> bool:
        """Whether one end says it all: they read the same, or are not known."""
        return not self.is_known or self.low.text == self.high.text.removesuffix("\u00a0%")

    @property
    def text(self) -> str:
        """As people read it in English."""
        return self.high.text if self.is_one else f"{self.low.text} to {self.high.text}"

    @property
    def narrow(self) -> "Range":
        """The same for a column of figures."""
        return Range(self.low.narrow, self.high.narrow)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a dimension, in others' words: shown with what would turn or hide text made visible."""

    text: str


@dataclass(frozen=True, slots=True)
class Day:
    """A day, as 2026-03-07."""

    iso: str

    @property
    def text(self) -> str:
        """As people read it in English."""
        day = date.fromisoformat(self.iso)
        return f"{day.day}\u00a0{MONTHS[day.month - 1]}\u00a0{day.year}"


Part = str | Figure | Range | Key | Day
Line = tuple[Part, ...]


def percent(value: float | None, path: str) -> Figure:
    """A fraction, written as a percentage."""
    return Figure(Kind.PERCENT, value, path)


def number(value: float | None, path: str) -> Figure:
    """A count."""
    return Figure(Kind.COUNT, value, path)


def tenth(value: float | None, path: str) -> Figure:
    """A number with one digit after the point."""
    return Figure(Kind.DECIMAL, value, path)


def points(value: float | None, path: str) -> Figure:
    """A difference of two fractions, in percentage points."""
    return Figure(Kind.POINTS, value, path)


def percent_range(interval: Interval | None, path: str) -> Range:
    """An interval of fractions."""
    low, high = interval or (None, None)
    # Of what is not known the JSON report has one null and no ends.
    where = ("", "") if interval is None else (f"{path}.0", f"{path}.1")
    return Range(Figure(Kind.BARE_PERCENT, low, where[0]), Figure(Kind.PERCENT, high, where[1] or path))


def points_range(interval: Interval | None, path: str) -> Range:
    """An interval of a difference."""
    low, high = interval or (None, None)
    where = ("", "") if interval is None else (f"{path}.0", f"{path}.1")
    return Range(Figure(Kind.POINTS, low, where[0]), Figure(Kind.POINTS, high, where[1] or path))


def words_of(line: Line) -> str:
    """A line as plain text."""
    return "".join(part if isinstance(part, str) else part.text for part in line)


def points_words(difference: float | None) -> str:
    """Percentage points with their sign and two digits; never 0.00 for what is not nought."""
    if difference is None:
        return NOT_KNOWN
    size = abs(difference) * 100
    sign = "\u2212" if difference < 0 else "+" if difference > 0 else ""
    return "nearly 0" if 0 < size < 0.005 else f"{sign}{size:.2f}"
