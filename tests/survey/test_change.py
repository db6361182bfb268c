"""The change between two days against cluster-robust regression: machines of both days, a dummy for the later one."""

import random
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]
from scipy.stats import t as student

sys.path.append(str(Path(__file__).parents[2]))
from tests.survey.designs import random_clusters
from tests.survey.packages import ratio_by_svy

from layercensus.report.paired import PAIRED_SUMS, difference

Pair = tuple[int, int, int, int]  # x and y of the earlier day, x and y of the later one


def random_pairs(seed: int) -> list[Pair]:
    draw = random.Random(seed)
    pairs = []
    for one in random_clusters(seed):
        if one.x == 0:
            continue
        x2 = max(1, one.x + draw.choice([0, 0, 0, draw.randint(-3, 9)]))
        kept = min(one.y, x2)
        pairs.append((one.x, one.y, x2, draw.choice([kept, kept, kept, 0, draw.randint(0, x2)])))
    return pairs


def sums_of(pairs: Sequence[Pair]) -> dict[str, float]:
    columns = dict(zip(("x1", "y1", "x2", "y2"), np.array(pairs, dtype=float).T, strict=True))
    return {
        name: float(columns[name].sum() if len(name) == 2 else (columns[name[:2]] * columns[name[2:]]).sum())
        for name in PAIRED_SUMS
    }


@pytest.mark.parametrize("seed", range(100))
def test_the_change_equals_the_dummy_of_a_cluster_robust_regression(seed: int) -> None:
    pairs = random_pairs(seed)
    if len(pairs) < 2:
        return
    before, after, ci95 = difference(len(pairs), sums_of(pairs))
    rows = [
        (float(place < y), later, unit)
        for unit, (x1, y1, x2, y2) in enumerate(pairs)
        for later, x, y in ((0.0, x1, y1), (1.0, x2, y2))
        for place in range(x)
    ]
    hit, later, units = (np.array(column) for column in zip(*rows, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of perfect fits; the number is what we ask it for
        # Without statsmodels' factor for small samples, which counts machines; n / (n - 1) is of units.
        fitted = sm.OLS(hit, np.column_stack([np.ones_like(later), later])).fit(
            cov_type="cluster", cov_kwds={"groups": units, "use_correction": False}
        )
    # Rounding may leave it a little below nought where nothing changed.
    standard_error = np.sqrt(max(float(fitted.cov_params()[1, 1]), 0.0) * len(pairs) / (len(pairs) - 1))
    half = float(student.ppf(0.975, len(pairs) - 1)) * standard_error
    assert after - before == pytest.approx(float(fitted.params[1]), abs=1e-9)
    assert ci95 == pytest.approx((max(after - before - half, -1), min(after - before + half, 1)), abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_each_side_is_svys_ratio_and_nothing_changed_is_certain(seed: int) -> None:
    pairs = [(x, y, x, y) for x, y, _, _ in random_pairs(seed)]
    if len(pairs) < 2:
        return
    before, after, ci95 = difference(len(pairs), sums_of(pairs))
    assert before == after == pytest.approx(ratio_by_svy([(x, y) for x, y, _, _ in pairs]).share, rel=1e-9)
    assert ci95 == (0.0, 0.0)
