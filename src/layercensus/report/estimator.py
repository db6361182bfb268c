"""From additive sums to a share and how sure it is. Pure; each formula names its paper.

What the sums are of: units i = 1..n (accounts where they are known, else clusters), each with x_i classified machines,
y_i of them in the numerator, and u_i that could not be classified. The share is R = Y/X with X = sum of x_i and Y = sum
of y_i: a ratio of two sums over units, because machines of one unit resemble each other and are no independent draws.

    estimate(Sums(units=3, units_with=1, x=10, y=2, xx=38, xy=8, yy=4, unknown=1, …)).share  ->  0.2

References: Woodruff 1971, JASA 66:411; Särndal, Swensson and Wretman 1992, section 5.6; Korn and Graubard 1998, Survey
Methodology 24:193; Wilson 1927, JASA 22:209; Manski 2003, Partial Identification of Probability Distributions; Imbens
and Manski 2004, Econometrica 72:1845.
"""

import math
from dataclasses import dataclass, fields
from fractions import Fraction
from statistics import NormalDist

from scipy.optimize import brentq
from scipy.special import betaincinv, stdtrit

Interval = tuple[float, float]

TAIL = 0.025
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over units, in machines (x, y, unknown) and machines squared; the sums of two sets of units add up.

    `units` counts those with x > 0. The others can say nothing about a share, and counting them would make the variance
    of one readable unit look like nought; `reporters` counts those with any machine. `unknown`: machines that exist and
    could not be classified; `xu`, `yu`, `uu` are of these. `largest`: the most classified machines of one unit.
    """

    units: int = 0
    units_with: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0
    unknown: float = 0.0
    xu: float = 0.0
    yu: float = 0.0
    uu: float = 0.0
    reporters: int = 0
    largest: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        added = {field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        return Sums(**added | {"largest": max(self.largest, other.largest)})


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share and how sure it is; fractions. None is "cannot be said", never nought."""

    share: float | None
    ci95: Interval | None
    bounds: Interval | None
    bounds_ci95: Interval | None
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
        bounds_ci95=bounds_interval(sums),
        standard_error=None if variance is None else math.sqrt(variance),
        design_effect=effect,
        effective_machines=None if effect is None else effective(sums.x, effect),
    )


def linearised_variance(sums: Sums) -> float | None:
    """Variance of R by linearisation; None below two units, where nothing shows how units differ.

    With z_i = y_i - R x_i, which sum to nought: Var(R) = n/(n-1) * sum(z_i^2) / X^2 (Woodruff 1971; Särndal et al.
    1992, 5.6), and sum(z_i^2) = Syy - 2 R Sxy + R^2 Sxx. Without a finite population correction, because the fleet seen
    stands for the process that made it.
    """
    if sums.units < 2 or sums.x <= 0:
        return None
    return _ratio_variance(sums.units, (sums.y, sums.x), (sums.yy, sums.xy, sums.xx))


def design_effect(sums: Sums) -> float | None:
    """How many times the variance of as many independent machines: Var(R) / (R (1 - R) / m), m = X.

    None where it is not defined: no variance, or R is 0 or 1. Held to m machines; svy holds it to m - 1.
    """
    variance = linearised_variance(sums)
    if variance is None or not 0 < sums.y < sums.x:
        return None
    share = sums.y / sums.x
    return variance / (share * (1 - share) / sums.x)


def interval(sums: Sums) -> Interval | None:
    """95 % interval of R (`korn_graubard`); None below two units."""
    variance = linearised_variance(sums)
    if variance is None:
        return None
    return korn_graubard(sums.y, sums.x, variance, sums.units - 1)


def korn_graubard(hits: float, machines: float, variance: float, degrees: int, tail: float = TAIL) -> Interval:
    """Interval of hits/machines with a variance of so many degrees of freedom; `tail` is the chance beyond each end.

    Korn and Graubard 1998: the exact binomial interval of Clopper and Pearson with as many machines as these are
    worth, n* = min(m, R (1 - R) / Var(R) * (t_{m-1} / t_df)^2), and R n* hits among them; df = n - 1 units.

    Where R is 0 or 1 the variance is nought and deff is not defined, so machines cannot be weighed; then each unit
    counts as one draw. No hit in n units: the upper end is where no hit in n draws has a chance of 5 %, 1 - 0.05^(1/n);
    all hits: its mirror image. Machines alone would give a far narrower interval, as if units were not alike inside.
    """
    if hits <= 0:
        return 0.0, 1 - (2 * TAIL) ** (1 / (degrees + 1))
    if hits >= machines:
        return (2 * TAIL) ** (1 / (degrees + 1)), 1.0
    share = hits / machines
    worth = machines
    if variance > 0:
        # Less than one, because n units show less of the variance than m machines.
        fewer = float(stdtrit(machines - 1, 1 - tail) / stdtrit(degrees, 1 - tail))
        worth = min(machines, share * (1 - share) / variance * fewer**2)
    low = float(betaincinv(share * worth, worth - share * worth + 1, tail))
    high = float(betaincinv(share * worth + 1, worth - share * worth, 1 - tail))
    return low, high


def bounds(sums: Sums, silent: float = 0.0) -> Interval | None:
    """Share if no machine of unknown state were in the numerator, and if all were; None where there is no machine.

    [Y / (X + U), (Y + U) / (X + U)] (Manski 2003): the share of all machines is in between whatever the unknown are.
    `silent`: machines that exist beside these and report nothing; they count as unknown ones do.
    """
    total = sums.x + sums.unknown + silent
    if total <= 0:
        return None
    return sums.y / total, (sums.y + sums.unknown + silent) / total


def bounds_interval(sums: Sums, silent: float = 0.0) -> Interval | None:
    """95 % interval of the true share of all machines, whatever the unknown ones are; None below two units.

    Imbens and Manski 2004: the share lies at one place between the bounds, so each end needs less room the further they
    are apart: c with Φ(c + (U - L) / max(s_L, s_U)) - Φ(-c) = 0.95. Ends are those of `korn_graubard` with Φ(-c) beyond
    each, so that this is the interval of the share where no machine is unknown.
    """
    ends = bounds(sums, silent)
    if ends is None or sums.reporters < 2 or sums.units < 2:
        return None
    known = sums.x + sums.unknown
    tt = sums.xx + 2 * sums.xu + sums.uu
    hits = (sums.yy, sums.xy + sums.yu, tt)
    # Those that carry nothing for certain: the upper bound is what they leave.
    free = (sums.xx - 2 * sums.xy + sums.yy, sums.xx + sums.xu - sums.xy - sums.yu, tt)
    lower = _ratio_variance(sums.reporters, (sums.y, known), hits, silent)
    upper = _ratio_variance(sums.reporters, (sums.x - sums.y, known), free, silent)
    spread, apart = math.sqrt(max(lower, upper)), ends[1] - ends[0]
    width = apart / spread if spread > 0 else math.inf if apart > 0 else 0.0
    tail = 1 - _NORMAL.cdf(_one_place(width))
    total = known + silent
    low, _ = korn_graubard(sums.y, total, lower, sums.reporters - 1, tail)
    _, high = korn_graubard(sums.y + sums.unknown + silent, total, upper, sums.reporters - 1, tail)
    return min(low, ends[0]), max(high, ends[1])


def wilson(hits: int, units: int) -> Interval | None:
    """95 % interval of a share of independent units (Wilson 1927); None where there is no unit."""
    if units <= 0:
        return None
    z = _NORMAL.inv_cdf(1 - TAIL)
    share = hits / units
    scale = 1 + z * z / units
    centre = (share + z * z / (2 * units)) / scale
    half = z * math.sqrt(share * (1 - share) / units + z * z / (4 * units * units)) / scale
    # At the ends the two terms are equal, and rounding must not leave a crumb beyond or before them.
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == units else centre + half
    return low, high


def effective(machines: float, effect: float) -> float:
    """Machines that are worth as much if they were independent; never more than there are."""
    return machines if effect <= 1 else machines / effect


def _ratio_variance(
    units: int, sums: tuple[float, float], squares: tuple[float, float, float], beside: float = 0.0
) -> float:
    """Variance of A / (B + beside) with z_i = a_i - R b_i: n/(n-1) * (sum(z_i^2) - sum(z_i)^2 / n) / (B + beside)^2.

    `sums` are A and B, `squares` the sums of a^2, ab and b^2. In fractions: the difference of nearly equal sums would
    lose every digit just where units are alike.
    """
    a, b = (Fraction(one) for one in sums)
    aa, ab, bb = (Fraction(one) for one in squares)
    whole = b + Fraction(beside)
    ratio = a / whole
    middle = a - ratio * b
    spread = aa - 2 * ratio * ab + ratio**2 * bb - middle**2 / units
    return float(max(spread, Fraction(0)) * Fraction(units, units - 1) / whole**2)


def _one_place(width: float) -> float:
    """Find c of Imbens and Manski for bounds that are `width` standard errors apart: 1.96 at none, down to 1.645."""
    if width > 50:
        return _NORMAL.inv_cdf(1 - 2 * TAIL)
    return float(brentq(lambda c: _NORMAL.cdf(c + width) - _NORMAL.cdf(-c) - (1 - 2 * TAIL), 1.6, 2.0, xtol=1e-14))
