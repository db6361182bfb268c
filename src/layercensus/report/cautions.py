"""When the interval of a share may be wrong by more than it says. Pure.

The interval is an approximation that is good where many units carry packages and none weighs much. Where that is not so
it contains the truth less often than in 95 of 100 fleets: `make coverage-study` measures how often, and the limits here
are drawn so that without a caution it is at least 90 in every design of the study.
"""

from layercensus.report.estimator import Sums
from layercensus.report.figures import Caution

_FEWEST_UNITS = 30
_FEWEST_WITH = 30.0
_LARGEST_UNIT = 0.05


def cautions(sums: Sums) -> tuple[Caution, ...]:
    """Cautions that hold for the interval of these sums; none where there is no interval, or where no unit has any."""
    if sums.units < 2 or not sums.y > 0:
        return ()
    found = []
    if sums.units < _FEWEST_UNITS:
        found.append(Caution.FEW_UNITS)
    if effective_units_with(sums) < _FEWEST_WITH:
        found.append(Caution.FEW_WITH_PACKAGES)
    if sums.largest > _LARGEST_UNIT * sums.x:
        found.append(Caution.LARGE_UNIT)
    return tuple(found)


def effective_units_with(sums: Sums) -> float:
    """How many units with packages (or, if these are fewer, without) of equal weight the interval rests on; y > 0.

    Kish 1965, section 11.7: units of weights w count as (sum w)^2 / sum w^2. Of the units with packages that is
    Y^2 / Syy; and as which units have packages is chance, no more than their number times X^2 / (n Sxx), what all units
    are worth by size. The others count by machines that carry none, x - y.
    """
    by_size = sums.units_with * sums.x**2 / (sums.units * sums.xx)
    free = sums.x - sums.y
    without = free**2 / (sums.xx - 2 * sums.xy + sums.yy) if free > 0 else float(sums.units)
    return min(by_size, sums.y**2 / sums.yy, without)
