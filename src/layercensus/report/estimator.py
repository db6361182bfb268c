"""From additive sums to a share and how sure it is. Pure; each formula names its paper.

What the sums are of: clusters i = 1..n, each with x_i classified machines (at least one) and y_i of them in the
numerator. The share is R = Y/X with X = sum of x_i and Y = sum of y_i: a ratio of two sums over clusters, because
machines of one cluster resemble each other and are no independent draws.

    estimate(Sums(units=3, units_with=1, x=10, y=2, xx=38, xy=8, yy=4, unknown=1)).share  ->  0.2

References: Woodruff 1971, JASA 66:411; Särndal, Swensson and Wretman 1992, section 5.6; Korn and Graubard 1998, Survey
Methodology 24:193; Wilson 1927, JASA 22:209; Manski 2003, Partial Identification of Probability Distributions.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from scipy.special import betaincinv, stdtrit

Interval = tuple[float, float]

_TAIL = 0.025
_ONE_TAIL = 0.05


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over clusters, in machines (x, y, unknown) and machines squared; the sums of two sets add up.

    `units` counts the clusters with x > 0. The others can say nothing about a share, and counting them would make the
    variance of one readable cluster look like nought. `unknown`: machines that exist and could not be classified.
    """

    units: int = 0
    units_with: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0
    unknown: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            units=self.units + other.units,
            units_with=self.units_with + other.units_with,
            x=self.x + other.x,
            y=self.y + other.y,
            xx=self.xx + other.xx,
            xy=self.xy + other.xy,
            yy=self.yy + other.yy,
            unknown=self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share and how sure it is; fractions. None is "cannot be said", never nought."""

    share: float | None
    ci95: Interval | None
    bounds: Interval | None
    standard_error: float | None
    design_effect: float | None
    effective_machines: float | None


def estimate(sums: Sums) -> Estimate:
    """Share of machines with its interval, bounds, standard error, design effect and effective machines."""
    share = sums.y / sums.x if sums.x > 0 else None
    variance = linearised_variance(sums)
    effect = design_effect(sums)
    return Estimate(
        share=share,
        ci95=interval(sums),
        bounds=bounds(sums),
        standard_error=None if variance is None else math.sqrt(variance),
        design_effect=effect,
        effective_machines=None if effect is None else _effective(sums.x, effect),
    )


def linearised_variance(sums: Sums) -> float | None:
    """Variance of R by linearisation; None below two clusters, where nothing shows how clusters differ.

    With z_i = y_i - R x_i, which sum to nought: Var(R) = n/(n-1) * sum(z_i^2) / X^2 (Woodruff 1971; Särndal et al.
    1992, 5.6), and sum(z_i^2) = Syy - 2 R Sxy + R^2 Sxx. In fractions: the difference of nearly equal sums would lose
    every digit just where clusters are alike. Without a finite population correction, because the fleet seen stands
    for the process that made it.
    """
    if sums.units < 2 or sums.x <= 0:
        return None
    x, y = Fraction(sums.x), Fraction(sums.y)
    squares = Fraction(sums.yy) - 2 * y / x * Fraction(sums.xy) + (y / x) ** 2 * Fraction(sums.xx)
    return float(max(squares, Fraction(0)) * Fraction(sums.units, sums.units - 1) / x**2)


def design_effect(sums: Sums) -> float | None:
    """How many times the variance of as many independent machines: Var(R) / (R (1 - R) / m), m = X.

    None where it is not defined: no variance, or R is 0 or 1. Divided by m as samplics does; svy divides by m - 1.
    """
    variance = linearised_variance(sums)
    if variance is None or not 0 < sums.y < sums.x:
        return None
    share = sums.y / sums.x
    return variance / (share * (1 - share) / sums.x)


def interval(sums: Sums) -> Interval | None:
    """95 % interval of R; None below two clusters.

    Korn and Graubard 1998: the exact binomial interval of Clopper and Pearson with as many machines as these are
    worth, n* = min(m, m / deff * (t_{m-1} / t_{n-1})^2), and R n* hits among them.

    Where R is 0 or 1 the variance is nought and deff is not defined, so machines cannot be weighed; then each cluster
    counts as one draw. No hit in n clusters: the upper end is where no hit in n draws has a chance of 5 %,
    1 - 0.05^(1/n); all hits: its mirror image. Machines alone would give a far narrower interval, as if the clusters
    were not alike inside.
    """
    if sums.units < 2 or sums.x <= 0:
        return None
    if sums.y <= 0:
        return 0.0, 1 - _ONE_TAIL ** (1 / sums.units)
    if sums.y >= sums.x:
        return _ONE_TAIL ** (1 / sums.units), 1.0
    effect = design_effect(sums)
    if effect is None:
        return None
    worth = min(sums.x, _effective(sums.x, effect) * _fewer_clusters(sums) ** 2)
    hits = sums.y / sums.x * worth
    low = float(betaincinv(hits, worth - hits + 1, _TAIL))
    high = float(betaincinv(hits + 1, worth - hits, 1 - _TAIL))
    return low, high


def bounds(sums: Sums) -> Interval | None:
    """Share if no machine of unknown state were in the numerator, and if all were; None where there is no machine.

    [Y / (X + U), (Y + U) / (X + U)] (Manski 2003): the share of all machines is in between whatever the unknown are.
    """
    total = sums.x + sums.unknown
    if total <= 0:
        return None
    return sums.y / total, (sums.y + sums.unknown) / total


def wilson(hits: int, units: int) -> Interval | None:
    """95 % interval of a share of independent units (Wilson 1927); None where there is no unit."""
    if units <= 0:
        return None
    z = NormalDist().inv_cdf(1 - _TAIL)
    share = hits / units
    scale = 1 + z * z / units
    centre = (share + z * z / (2 * units)) / scale
    half = z * math.sqrt(share * (1 - share) / units + z * z / (4 * units * units)) / scale
    # At the ends the two terms are equal, and rounding must not leave a crumb beyond or before them.
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == units else centre + half
    return low, high


def _effective(machines: float, effect: float) -> float:
    """Machines that are worth as much if they were independent; never more than there are."""
    return machines if effect <= 1 else machines / effect


def _fewer_clusters(sums: Sums) -> float:
    """t_{m-1} / t_{n-1} at 97.5 %: less than one, because n clusters show less of the variance than m machines."""
    return float(stdtrit(sums.x - 1, 1 - _TAIL) / stdtrit(sums.units - 1, 1 - _TAIL))
