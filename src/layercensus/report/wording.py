"""How figures are written for people. Pure.

percent(0.244)            24.4 %
percent(0.0002)           less than 0.1 %        never 0.0 % for what is not nought
percent_range((0, 0.19))  0 to 19.0 %
"""

from layercensus.report.estimator import Interval

NOT_KNOWN = "not known"
TOO_FEW = "too few"
_NEARLY = 0.001


def percent(fraction: float | None) -> str:
    """Write a fraction as a percentage with its sign; "not known" for None."""
    return NOT_KNOWN if fraction is None else f"{_figure(fraction)} %"


def percent_range(interval: Interval | None) -> str:
    """Write an interval as `11.2 to 41.0 %`, or one figure where both ends read the same; "not known" for None."""
    if interval is None:
        return NOT_KNOWN
    low, high = (_figure(end) for end in interval)
    return f"{low} %" if low == high else f"{low} to {high} %"


def short_percent(fraction: float | None) -> str:
    """As `percent`, narrow enough for a table: `<0.1 %`."""
    return percent(fraction).replace("less than ", "<").replace("more than ", ">")


def short_range(interval: Interval | None) -> str:
    """As `percent_range`, narrow enough for a table: `<0.1–19.3 %`; "too few" where nearly everything is possible."""
    if interval is not None and interval[0] < _NEARLY and interval[1] > 1 - _NEARLY:
        return TOO_FEW
    return percent_range(interval).replace("less than ", "<").replace("more than ", ">").replace(" to ", "–")


def short_points(difference: float) -> str:
    """Write a difference of two shares in percentage points: `+1.20`, `-0.31`; `0.00` for nearly none."""
    points = round(difference * 100, 2)
    return f"{points:+.2f}" if points else "0.00"


def points_range(interval: Interval | None) -> str:
    """Write an interval of such a difference: `-0.10 to +1.30`; "not known" for None."""
    return NOT_KNOWN if interval is None else " to ".join(map(short_points, interval))


def count(number: float | None) -> str:
    """Write a count with thousands apart; "not known" for None."""
    return NOT_KNOWN if number is None else f"{number:,.0f}"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """Write a count with its noun: `1 cluster`, `2 clusters`."""
    return f"{count(number)} {singular if number == 1 else plural or singular + 's'}"


def decimal(number: float | None) -> str:
    """Write a figure with one digit after the point; "not known" for None."""
    return NOT_KNOWN if number is None else f"{number:,.1f}"


def _figure(fraction: float) -> str:
    if fraction <= 0:
        return "0"
    if fraction >= 1:
        return "100"
    if fraction < 0.001:
        return "less than 0.1"
    if fraction > 0.999:
        return "more than 99.9"
    return f"{fraction * 100:.1f}"
