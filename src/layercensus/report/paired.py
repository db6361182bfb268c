"""How a share changed between two days, from additive sums over the units that count on both. Pure.

Two intervals side by side would say too little: the same units are in both, and mostly unchanged. So the change has an
interval of its own.

Reference: linearisation as in `estimator` (Woodruff 1971), of the difference of two ratios.
"""

import math
from collections.abc import Mapping
from fractions import Fraction

from scipy.special import stdtrit

from layercensus.report.estimator import TAIL, Interval

# Sums of what: x and y of the earlier day are 1, of the later one 2.
PAIRED_SUMS = ("x1", "y1", "x2", "y2", "x1x1", "x1y1", "y1y1", "x2x2", "x2y2", "y2y2", "x1x2", "x1y2", "y1x2", "y1y2")


def difference(units: int, sums: Mapping[str, float]) -> tuple[float, float, Interval | None]:
    """Share before, share after, and the 95 % interval of after minus before; None below two units.

    With d_i = (y2_i - R2 x2_i) / X2 - (y1_i - R1 x1_i) / X1: Var(R2 - R1) = n/(n-1) * sum(d_i^2), and Student's t with
    n - 1 degrees of freedom. `sums` are those of `PAIRED_SUMS`, of machines; X1 and X2 are above nought.
    """
    of = {name: Fraction(sums[name]) for name in PAIRED_SUMS}
    before, after = of["y1"] / of["x1"], of["y2"] / of["x2"]
    if units < 2:
        return float(before), float(after), None
    first = (of["y1y1"] - 2 * before * of["x1y1"] + before**2 * of["x1x1"]) / of["x1"] ** 2
    second = (of["y2y2"] - 2 * after * of["x2y2"] + after**2 * of["x2x2"]) / of["x2"] ** 2
    both = of["y1y2"] - after * of["y1x2"] - before * of["x1y2"] + before * after * of["x1x2"]
    squares = max(first + second - 2 * both / (of["x1"] * of["x2"]), Fraction(0))
    half = float(stdtrit(units - 1, 1 - TAIL)) * math.sqrt(float(squares * Fraction(units, units - 1)))
    change = float(after - before)
    return float(before), float(after), (max(change - half, -1.0), min(change + half, 1.0))
