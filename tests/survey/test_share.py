"""Share, standard error, design effect and intervals against svy, samplics and statsmodels, on random designs.

Conventions that differ, by decision 0005 and 0028. Share 0 or 1: svy takes as many draws as there are machines (design
effect 1) and both tails, we take units as draws and one tail. Units all alike (variance nought, share between): svy's
interval is the point, ours counts machines as independent, n* = m.
"""

import math
import sys
from pathlib import Path
from statistics import NormalDist

import pytest
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

sys.path.append(str(Path(__file__).parents[2]))
from tests.survey.designs import Cluster, by_account, by_cluster, random_clusters, sums_of
from tests.survey.packages import Machine, by_samplics, by_svy, ratio_by_svy

from layercensus.report.estimator import Sums, bounds_interval, estimate, wilson

SEEDS = range(120)


def machines_of(clusters: list[Cluster], *, accounts: bool) -> list[Machine]:
    return [
        Machine(cluster.account if accounts else number, number, "all", 1.0, int(place < cluster.y))
        for number, cluster in enumerate(clusters)
        for place in range(cluster.x)
    ]


def design(seed: int, *, accounts: bool) -> tuple[Sums, list[Machine]]:
    clusters = random_clusters(seed)
    return sums_of((by_account if accounts else by_cluster)(clusters)), machines_of(clusters, accounts=accounts)


def test_most_designs_have_something_to_say() -> None:
    shares = [estimate(design(seed, accounts=True)[0]) for seed in SEEDS]
    assert sum(bool(found.standard_error) for found in shares) > 100


@pytest.mark.parametrize("accounts", [False, True], ids=["clusters", "accounts"])
@pytest.mark.parametrize("seed", SEEDS)
def test_svy_says_the_same_of_machines_in_units(seed: int, accounts: bool) -> None:
    """With accounts as primary units, clusters within them change nothing, as in any sample with replacement."""
    sums, machines = design(seed, accounts=accounts)
    found = estimate(sums)
    if found.share is None or found.standard_error is None or not 0 < found.share < 1:
        return
    said = by_svy(machines)
    assert found.share == pytest.approx(said.share, rel=1e-9)
    assert found.standard_error == pytest.approx(said.standard_error, rel=1e-9, abs=1e-12)
    if found.standard_error > 0:
        assert found.ci95 == pytest.approx(said.ci95, abs=1e-9)
        assert found.design_effect == pytest.approx(said.design_effect, rel=1e-9)


@pytest.mark.parametrize("accounts", [False, True], ids=["clusters", "accounts"])
@pytest.mark.parametrize("seed", SEEDS)
def test_samplics_says_the_same_of_share_and_standard_error(seed: int, accounts: bool) -> None:
    sums, machines = design(seed, accounts=accounts)
    found = estimate(sums)
    if found.standard_error is None or not found.share:
        return  # it divides by the share
    share, standard_error = by_samplics(machines)
    assert found.share == pytest.approx(share, rel=1e-9, abs=1e-12)
    assert found.standard_error == pytest.approx(standard_error, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("hit", [0, 1])
def test_where_none_or_all_have_packages_svy_counts_machines_and_we_count_units(hit: int) -> None:
    sums = sums_of([(50, 50 * hit, 0)] * 14)
    machines = [Machine(unit, unit, "all", 1.0, hit) for unit in range(14) for _ in range(50)]
    ours = estimate(sums).ci95
    assert ours is not None
    one_sided = 1 - 0.05 ** (1 / 14)
    assert ours == pytest.approx((1 - one_sided, 1) if hit else (0, one_sided), abs=1e-12)
    theirs = by_svy(machines).ci95
    assert theirs[1] - theirs[0] < 0.01
    assert ours[1] - ours[0] > 0.19


def test_units_all_alike_svy_gives_the_point_and_we_count_machines() -> None:
    machines = [Machine(unit, unit, "all", 1.0, int(place < 2)) for unit in range(9) for place in range(10)]
    assert by_svy(machines).ci95 == pytest.approx((0.2, 0.2), abs=1e-12)
    expected = proportion_confint(18, 90, method="beta")
    assert estimate(sums_of([(10, 2, 0)] * 9)).ci95 == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_interval_around_bounds_is_that_of_imbens_and_manski(seed: int) -> None:
    """Ends from svy's standard errors of the two bounds, c solved by bisection."""
    units = by_cluster(random_clusters(seed, unknown=True))
    sums = sums_of(units)
    found = bounds_interval(sums)
    if found is None:
        return
    reported = [(x, y, u) for x, y, u in units if x + u > 0]
    lower = ratio_by_svy([(x + u, y) for x, y, u in reported])
    upper = ratio_by_svy([(x + u, y + u) for x, y, u in reported])
    spread = max(lower.standard_error, upper.standard_error)
    total = sums.x + sums.unknown
    if spread < 1e-9 or not (sums.y > 0 and sums.y + sums.unknown < total):
        return
    tail = 1 - NormalDist().cdf(solve_c((upper.share - lower.share) / spread))
    low = ends(lower.share, lower.standard_error, total, sums.reporters, tail)[0]
    high = ends(upper.share, upper.standard_error, total, sums.reporters, tail)[1]
    assert found == pytest.approx((low, high), abs=1e-9)


def solve_c(width: float) -> float:
    """Φ(c + width) - Φ(-c) = 0.95 by bisection, in 100 halvings."""
    phi = NormalDist().cdf
    low, high = 1.0, 3.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if phi(middle + width) - phi(-middle) < 0.95 else (low, middle)
    return low


def ends(share: float, standard_error: float, machines: float, units: int, tail: float) -> tuple[float, float]:
    """Korn and Graubard 1998, from statsmodels' Clopper and Pearson and scipy's quantiles."""
    from scipy.stats import t as student

    worth = machines
    if standard_error > 1e-12:
        ratio = student.ppf(1 - tail, machines - 1) / student.ppf(1 - tail, units - 1)
        worth = min(machines, share * (1 - share) / standard_error**2 * ratio**2)
    low, high = proportion_confint(share * worth, worth, alpha=2 * tail, method="beta")
    return float(low), float(high)


@pytest.mark.parametrize("width", [0.0, 1e-6, 0.01, 0.3, 1.0, 2.0, 5.0, 60.0])
def test_c_goes_from_two_tails_to_one(width: float) -> None:
    """1.959964 where the bounds meet, 1.644854 where they are far apart (Imbens and Manski 2004, after eq. 7)."""
    from layercensus.report.estimator import _one_place

    assert _one_place(width) == pytest.approx(solve_c(width), abs=1e-9)
    assert 1.644853 < _one_place(width) < 1.959965


@pytest.mark.parametrize("units", [1, 2, 7, 30, 300, 12345])
def test_wilson_equals_statsmodels_at_every_count(units: int) -> None:
    for hits in range(0, units + 1, math.ceil(units / 40)):
        assert wilson(hits, units) == pytest.approx(proportion_confint(hits, units, method="wilson"), abs=1e-9)
