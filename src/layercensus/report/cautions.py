"""When the interval of a share may be wrong by more than it says. Pure.

The interval is an approximation that is good where many units carry packages and none weighs much. Where that is not so
it contains the truth less often than in 95 of 100 fleets. `make coverage-study` measures how often, and the limits here
are drawn so that without a caution it is at least 90 in every design of the study (`docs/coverage.md`).
"""

import math

from layercensus.report.estimator import Sums, linearised_variance
from layercensus.report.figures import Caution

FEWEST_UNITS = 30
# Not higher: fleets that reach a higher limit by chance are those that by chance show too much.
FEWEST_WITH = 15.0
FARTHEST_MOVE = 2.0


def cautions(sums: Sums) -> tuple[Caution, ...]:
    """Cautions that hold for the interval of these sums; none where there is no interval."""
    variance = linearised_variance(sums)
    if variance is None:
        return ()
    found = []
    if sums.units < FEWEST_UNITS:
        found.append(Caution.FEW_UNITS)
    if effective_units_with(sums) < FEWEST_WITH:
        found.append(Caution.FEW_WITH_PACKAGES)
    if 0 < sums.y < sums.x and largest_move(sums) > FARTHEST_MOVE * math.sqrt(variance):
        found.append(Caution.LARGE_UNIT)
    return tuple(found)


def effective_units_with(sums: Sums) -> float:
    """How many units with packages (or, if these are fewer, without) of equal weight the interval rests on.

    Kish 1965, section 11.7: units of weights w count as (sum w)^2 / sum w^2. Of the units with packages that is
    Y^2 / Syy; and as which units have packages is chance, no more than their number times X^2 / (n Sxx), what all units
    are worth by size. The others count by machines that carry none, x - y. Nought where no machine does, or all do.
    """
    free = sums.x - sums.y
    if not (sums.y > 0 and free > 0):
        return 0.0
    by_size = sums.units_with * sums.x**2 / (sums.units * sums.xx)
    return min(by_size, sums.y**2 / sums.yy, free**2 / (sums.xx - 2 * sums.xy + sums.yy))


def largest_move(sums: Sums) -> float:
    """How far the share would move at most if the largest unit had packages on all of its machines, or on none.

    From whatever it has now, so at most max(R, 1 - R) times its part of the machines. Where this is beyond the interval
    the variance says little: it shows how the other units differ, and one draw more of a unit as large is not in it.
    """
    share = sums.y / sums.x
    return sums.largest / sums.x * max(share, 1 - share)
