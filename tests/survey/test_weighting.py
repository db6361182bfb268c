"""The share of a known population against svy with cells as strata, and against regression where units span cells.

The variance is that of a stratified sample, given how many units reported in each cell (Holt and Smith 1979): weights
are constants, df = units - strata. Cells of a single unit are put together (Rust and Kalton 1987).
"""

import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

sys.path.append(str(Path(__file__).parents[2]))
from tests.survey.designs import Cluster, random_clusters
from tests.survey.packages import Machine, by_svy

from layercensus.report.weighting import Part, weigh

SEEDS = range(100)
MARGINS: dict[tuple[str, ...], int] = {("a",): 400, ("b",): 120, ("c",): 77, ("nobody",): 10}


def strata_of(cells: Counter[str]) -> dict[str, str]:
    """Cells of one unit together; a lone one of these with the smallest of the others."""
    single = sorted(cell for cell, units in cells.items() if units == 1)
    several = sorted((units, cell) for cell, units in cells.items() if units > 1)
    if len(single) == 1 and several:
        return {cell: cell for _, cell in several} | {single[0]: several[0][1]}
    return {cell: cell for _, cell in several} | dict.fromkeys(single, "together")


def weights_of(clusters: list[Cluster]) -> dict[str, float]:
    reporting = Counter(cluster.cell for cluster in clusters)
    return {cell: MARGINS[cell,] / count for cell, count in reporting.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_units_in_one_cell_equal_svy_with_cells_as_strata(seed: int) -> None:
    clusters = random_clusters(seed, unknown=True)
    parts = [Part((one.cell,), None, 1, one.x, one.y, one.u, 1) for one in clusters]
    found = weigh(parts, MARGINS)
    weights, strata = weights_of(clusters), strata_of(Counter(one.cell for one in clusters if one.x > 0))
    if found.ci95 is None or found.share is None or not 0 < found.share < 1:
        return
    machines = [
        Machine(number, number, strata[one.cell], weights[one.cell], int(place < one.y))
        for number, one in enumerate(clusters)
        for place in range(one.x)
    ]
    said = by_svy(machines)
    assert found.share == pytest.approx(said.share, rel=1e-9)
    if said.standard_error > 1e-9:
        assert found.ci95 == pytest.approx(said.ci95, abs=1e-9)
        variance = said.standard_error**2
        assert found.design_effect == pytest.approx(
            variance / (found.share * (1 - found.share) / len(machines)), rel=1e-9
        )
    total = sum(weights[one.cell] * (one.x + one.u) for one in clusters)
    assert found.bounds == pytest.approx(
        (
            sum(weights[one.cell] * one.y for one in clusters) / total,
            sum(weights[one.cell] * (one.y + one.u) for one in clusters) / total,
        ),
        rel=1e-12,
    )
    assert (found.population, found.unrepresented) == (607, sum(MARGINS.values()) - sum(MARGINS[c,] for c in weights))


@pytest.mark.parametrize("seed", SEEDS)
def test_units_in_several_cells_equal_a_regression_on_cells(seed: int) -> None:
    """Residuals of w (y - R x) on dummies of the strata, scaled by sqrt(n / (n - 1)), added up by unit, squared."""
    clusters = [one for one in random_clusters(seed) if one.x > 0]
    draw = random.Random(seed)
    # An account has at most one row in each cell, as the question `unit_cells` gives them.
    rows = {(one.account, one.cell): [0, 0, 0] for one in clusters}
    for one in clusters:
        row = rows[one.account, one.cell]
        row[0], row[1], row[2] = row[0] + one.x, row[1] + one.y, row[2] + 1
    items = list(rows.items())
    draw.shuffle(items)
    parts = [Part((cell,), account, count, x, y, 0, 1) for (account, cell), (x, y, count) in items]
    found = weigh(parts, MARGINS)
    weights, strata = weights_of(clusters), strata_of(Counter(cell for (_, cell), _ in items))
    w = np.array([weights[cell] for (_, cell), _ in items])
    x, y = (np.array([row[place] for _, row in items], dtype=float) for place in (0, 1))
    share = (w * y).sum() / (w * x).sum()
    names = [strata[cell] for (_, cell), _ in items]
    dummies = np.array([[float(name == each) for each in sorted(set(names))] for name in names])
    residuals = sm.OLS(w * (y - share * x), dummies).fit().resid
    count = Counter(names)
    scaled = residuals * np.array([np.sqrt(count[n] / (count[n] - 1)) if count[n] > 1 else 0.0 for n in names])
    units = sorted({account for (account, _), _ in items})
    by_unit = [scaled[[account == unit for (account, _), _ in items]].sum() for unit in units]
    variance = float(np.square(by_unit).sum() / (w * x).sum() ** 2)
    degrees = len(units) - len(set(names))
    assert (found.ci95 is None) == (degrees < 1)
    if found.ci95 is None or not 0 < share < 1 or variance < 1e-15:
        return
    m = x.sum()
    ratio = student.ppf(0.975, m - 1) / student.ppf(0.975, degrees)
    worth = min(m, share * (1 - share) / variance * ratio**2)
    assert found.share == pytest.approx(share, rel=1e-9)
    assert found.ci95 == pytest.approx(proportion_confint(share * worth, worth, method="beta"), abs=1e-9)
