"""The estimator against statsmodels, against the figures of a survey package, and against hand counts at the edges."""

import math
import random
import warnings
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

from layercensus.report.cautions import FARTHEST_MOVE, FEWEST_UNITS, FEWEST_WITH, cautions
from layercensus.report.estimator import Sums, estimate, wilson
from layercensus.report.figures import Caution

Cluster = tuple[int, int, int]  # classified, in the numerator, unknown


def one(classified: int, hits: int, unknown: int) -> Sums:
    """Sums of a single cluster."""
    x, y, u = float(classified), float(hits), float(unknown)
    return Sums(int(x > 0), int(y > 0), x, y, x * x, x * y, y * y, u, x * u, y * u, u * u, int(x + u > 0), x)


def sums_of(clusters: Sequence[Cluster]) -> Sums:
    return reduce(lambda left, right: left + right, (one(*cluster) for cluster in clusters), Sums())


def random_design(seed: int) -> list[Cluster]:
    """Clusters of very unequal size, where layering runs in clusters."""
    draw = random.Random(seed)
    clusters = []
    for _ in range(draw.randint(2, 120)):
        classified = min(int(draw.paretovariate(1.1)) + draw.randint(0, 3), 300)
        propensity = draw.choice([0.0, 0.0, draw.random(), 1.0])
        clusters.append((classified, sum(draw.random() < propensity for _ in range(classified)), draw.randint(0, 2)))
    return clusters


def machine_level_standard_error(clusters: Sequence[Cluster]) -> float:
    """Cluster-robust standard error of the mean of 0/1 over machines, by another implementation."""
    machines = [(float(place < y), number) for number, (x, y, _) in enumerate(clusters) for place in range(x)]
    outcome, groups = np.array([hit for hit, _ in machines]), np.array([number for _, number in machines])
    fitted = sm.OLS(outcome, np.ones_like(outcome)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    return float(fitted.bse[0])


@pytest.mark.parametrize("seed", range(150))
def test_standard_error_and_design_effect_equal_cluster_robust_regression(seed: int) -> None:
    clusters = random_design(seed)
    sums = sums_of(clusters)
    found = estimate(sums)
    if sums.units < 2:
        assert found.standard_error is None
        return
    assert found.standard_error is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels warns of perfect fits; the number is what we ask it for
        expected = machine_level_standard_error(clusters)
    assert found.standard_error == pytest.approx(expected, rel=1e-9, abs=1e-12)
    if found.share is not None and 0 < found.share < 1:
        assert found.design_effect == pytest.approx(
            expected**2 / (found.share * (1 - found.share) / sums.x), rel=1e-9, abs=1e-12
        )


@pytest.mark.parametrize("seed", range(150))
def test_interval_is_clopper_and_pearson_on_the_machines_they_are_worth(seed: int) -> None:
    sums = sums_of(random_design(seed))
    found = estimate(sums)
    if found.design_effect is None or found.share is None or found.ci95 is None:
        return
    # Korn and Graubard's formula as it stands: a design effect below 1 counts, and m caps what comes of it.
    ratio = student.ppf(0.975, sums.x - 1) / student.ppf(0.975, sums.units - 1)
    worth = sums.x if found.standard_error == 0 else min(sums.x, sums.x / found.design_effect * ratio**2)
    expected = proportion_confint(found.share * worth, worth, alpha=0.05, method="beta")
    assert found.ci95 == pytest.approx(expected, abs=1e-9)


def test_figures_of_a_survey_package() -> None:
    """n = 120, m = 3764, R = 0.067481, se = 0.016102093 (svy, samplics): deff 15.5, worth 243, 0.0391 to 0.1072."""
    squares = 0.016102093**2 * 3764**2 * 119 / 120
    found = estimate(Sums(units=120, units_with=30, x=3764, y=254, xx=0, xy=0, yy=squares))
    assert found.share == pytest.approx(0.067481, abs=5e-7)
    assert found.standard_error == pytest.approx(0.016102093, rel=1e-9)
    assert found.design_effect == pytest.approx(15.5, abs=0.05)
    assert found.effective_machines == pytest.approx(243, abs=0.5)
    assert found.ci95 == pytest.approx((0.0391, 0.1072), abs=5e-5)


@pytest.mark.parametrize(
    ("hits", "units"), [(0, 1), (1, 1), (0, 14), (14, 14), (3, 14), (1, 1000), (999, 1000), (0, 10**6)]
)
def test_wilson_equals_statsmodels(hits: int, units: int) -> None:
    assert wilson(hits, units) == pytest.approx(proportion_confint(hits, units, method="wilson"), abs=1e-12)


def test_no_cluster() -> None:
    found = estimate(Sums())
    assert (found.share, found.ci95, found.bounds) == (None, None, None)
    assert (found.standard_error, found.design_effect, found.effective_machines) == (None, None, None)
    assert found.bounds_ci95 is None
    assert cautions(Sums()) == ()
    assert wilson(0, 0) is None


def test_one_cluster_has_a_share_and_no_interval() -> None:
    found = estimate(sums_of([(10, 3, 2)]))
    assert found.share == 0.3
    assert found.ci95 is None
    assert found.standard_error is None
    assert found.bounds == (3 / 12, 5 / 12)
    assert found.bounds_ci95 is None
    assert cautions(sums_of([(10, 3, 2)])) == ()


def test_a_cluster_that_could_read_nothing_is_no_second_unit() -> None:
    """Counting it would give a variance of nought from a single readable cluster."""
    found = estimate(sums_of([(10, 3, 0), (0, 0, 7)]))
    assert found.ci95 is None
    assert found.bounds == (3 / 17, 10 / 17)


def test_two_clusters_by_hand() -> None:
    """x = 10, 20; y = 4, 2; R = 0.2; z = 2, -2; Var = 2/1 * 8 / 900; deff = Var / (0.16 / 30) = 10/3."""
    found = estimate(sums_of([(10, 4, 0), (20, 2, 0)]))
    assert found.share == 0.2
    assert found.standard_error == pytest.approx(math.sqrt(16 / 900), rel=1e-12)
    assert found.design_effect == pytest.approx(10 / 3, rel=1e-12)
    assert found.effective_machines == pytest.approx(9, rel=1e-12)


def test_two_equal_clusters_are_worth_the_machines_they_have() -> None:
    """5 of 20 in each: no variance between two, so n* = m = 40, and Clopper and Pearson of 10 in 40: 12.7 to 41.2 %."""
    found = estimate(sums_of([(20, 5, 0), (20, 5, 0)]))
    assert (found.share, found.standard_error, found.design_effect) == (0.25, 0, 0)
    assert found.effective_machines == 40
    assert found.ci95 == pytest.approx((0.126915, 0.411962), abs=1e-6)
    assert cautions(sums_of([(20, 5, 0), (20, 5, 0)])) == tuple(Caution)


def test_a_design_effect_below_one_is_taken_as_it_is() -> None:
    """x = 10, 10, 10; y = 4, 5, 5: R = 14/30, sum z^2 = 2/3, Var = 3/2 * (2/3) / 900 = 1/900; deff = 0.1339.

    n* = 224 * (t_29 / t_2)^2 = 224 * (2.045 / 4.303)^2 = 50.6 is more than the 30 there are, so 30. With the design
    effect cut to 1 it would be 30 * 0.226 = 6.8, and the interval of nobody's formula.
    """
    found = estimate(sums_of([(10, 4, 0), (10, 5, 0), (10, 5, 0)]))
    assert found.design_effect == pytest.approx(0.133929, abs=1e-6)
    assert found.effective_machines == 30
    assert found.ci95 == pytest.approx(proportion_confint(14, 30, method="beta"), abs=1e-12)


def test_none_layered_counts_clusters_as_draws() -> None:
    """0.8074^14 = 0.05: fourteen clean clusters leave room for 19.3 %."""
    found = estimate(sums_of([(100, 0, 0)] * 14))
    assert found.ci95 == pytest.approx((0, 0.192636), abs=1e-6)
    assert found.ci95 is not None
    assert (1 - found.ci95[1]) ** 14 == pytest.approx(0.05)
    assert found.design_effect is None


def test_all_layered_is_the_mirror_image() -> None:
    none = estimate(sums_of([(5, 0, 0)] * 9)).ci95
    every = estimate(sums_of([(5, 5, 0)] * 9)).ci95
    assert none is not None
    assert every == pytest.approx((1 - none[1], 1.0))


def test_all_unknown_is_anything() -> None:
    found = estimate(sums_of([(0, 0, 5), (0, 0, 2)]))
    assert (found.share, found.ci95, found.bounds) == (None, None, (0, 1))
    assert found.bounds_ci95 is None


def test_one_giant_among_dwarfs_is_hardly_worth_more_than_itself() -> None:
    found = estimate(sums_of([(5000, 5000, 0)] + [(5, 0, 0)] * 9))
    assert found.ci95 is not None
    assert found.effective_machines is not None
    assert found.effective_machines < 100
    assert found.ci95[0] < 0.97
    assert Caution.LARGE_UNIT in cautions(sums_of([(5000, 5000, 0)] + [(5, 0, 0)] * 9))


def test_cautions_by_hand() -> None:
    """n equal clusters of 10, k of them with 5 each: k units' worth with packages, n - k/3 or so without.

    40 of 400: share 5 %, sum z^2 = 40 * 4.5^2 + 360 * 0.5^2 = 900, standard error 0.00751; a cluster is 1/400 of the
    machines and could move the share by 0.0024, a third of that.
    """
    assert cautions(sums_of([(10, 5, 0)] * 40 + [(10, 0, 0)] * 360)) == ()
    assert cautions(sums_of([(10, 5, 0)] * 14 + [(10, 0, 0)] * 386)) == (Caution.FEW_WITH_PACKAGES,)
    assert cautions(sums_of([(10, 5, 0)] * 15 + [(10, 0, 0)] * 385)) == ()
    assert cautions(sums_of([(10, 5, 0)] * 16 + [(10, 0, 0)] * 13)) == (Caution.FEW_UNITS,)
    # All but 14 with packages on every machine: those without are few.
    assert cautions(sums_of([(10, 10, 0)] * 386 + [(10, 0, 0)] * 14)) == (Caution.FEW_WITH_PACKAGES,)
    # None, and all: which is next is not known at all.
    assert cautions(sums_of([(10, 0, 0)] * 400)) == (Caution.FEW_WITH_PACKAGES,)
    assert cautions(sums_of([(10, 10, 0)] * 400)) == (Caution.FEW_WITH_PACKAGES,)
    # One of 80 among them is 2 % of 4,070 machines, and 0.0187 is more than twice the standard error of 0.0074.
    assert cautions(sums_of([(10, 5, 0)] * 40 + [(10, 0, 0)] * 359 + [(80, 0, 0)])) == (Caution.LARGE_UNIT,)


def test_an_interval_around_bounds_by_hand() -> None:
    """Two clusters of 10 read and 10 not, 4 and 6 with packages: bounds 1/4 and 3/4, z = -1 and 1 for each.

    Var = 2/1 * 2 / 1600 = 1/400, s = 0.05 for both. They are ten s apart, so c = 1.644854 and 5 % beyond each end;
    n* = (3/16) * 400 * (t_39 / t_1)^2 at 5 % = 75 * (1.684875 / 6.313752)^2 = 5.3410, of which a quarter is hits.
    """
    found = estimate(sums_of([(10, 4, 10), (10, 6, 10)]))
    assert found.bounds == (0.25, 0.75)
    low = proportion_confint(5.3410 / 4, 5.3410, alpha=0.1, method="beta")[0]
    high = proportion_confint(5.3410 * 3 / 4, 5.3410, alpha=0.1, method="beta")[1]
    assert found.bounds_ci95 == pytest.approx((low, high), abs=1e-5)
    assert low == pytest.approx(1 - high, abs=1e-12)


def test_clusters_all_alike_have_no_variance_and_no_more_machines_than_there_are() -> None:
    """A third of 3 million squared in each: plain sums of floats would leave a remainder here."""
    found = estimate(sums_of([(3_000_000, 1_000_000, 0), (9, 3, 0), (30_003, 10_001, 0)]))
    assert found.standard_error == 0
    assert found.effective_machines == 3_030_012
    assert found.ci95 is not None
    assert found.ci95[0] < 1 / 3 < found.ci95[1]


clusters_of_any_kind = st.lists(
    st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(0, 50)).map(
        lambda drawn: (drawn[0], min(drawn[0], drawn[1]), drawn[2])
    ),
    max_size=30,
)


@given(clusters_of_any_kind)
def test_intervals_and_bounds_hold_the_share_and_stay_fractions(clusters: list[Cluster]) -> None:
    found = estimate(sums_of(clusters))
    machines = sum(x + unknown for x, _, unknown in clusters)
    assert (found.bounds is None) == (machines == 0)
    for interval in (found.ci95, found.bounds, found.bounds_ci95):
        if interval is not None:
            low, high = interval
            assert 0 <= low <= high <= 1
            assert found.share is None or low - 1e-12 <= found.share <= high + 1e-12
    if found.effective_machines is not None:
        assert 0 < found.effective_machines <= sum(x for x, _, _ in clusters)
    if found.ci95 is None:
        assert sum(x > 0 for x, _, _ in clusters) < 2


@given(clusters_of_any_kind, st.data())
def test_bounds_hold_whatever_the_unknown_are(clusters: list[Cluster], data: st.DataObject) -> None:
    found = estimate(sums_of(clusters))
    total = sum(x + unknown for x, _, unknown in clusters)
    if found.bounds is not None:
        truth = sum(y + data.draw(st.integers(0, unknown)) for _, y, unknown in clusters) / total
        assert found.bounds[0] - 1e-12 <= truth <= found.bounds[1] + 1e-12


@given(clusters_of_any_kind)
def test_the_interval_around_bounds_holds_them_and_is_that_of_the_share_where_nothing_is_unknown(
    clusters: list[Cluster],
) -> None:
    found = estimate(sums_of(clusters))
    if found.bounds_ci95 is not None:
        assert found.bounds is not None
        assert found.bounds_ci95[0] <= found.bounds[0] <= found.bounds[1] <= found.bounds_ci95[1]
    known = estimate(sums_of([(x, y, 0) for x, y, _ in clusters]))
    if known.ci95 is None:
        assert known.bounds_ci95 is None
    else:
        assert known.bounds_ci95 == pytest.approx(known.ci95, abs=1e-9)


@given(clusters_of_any_kind, clusters_of_any_kind)
def test_sums_of_both_are_the_sum_of_both_sums(left: list[Cluster], right: list[Cluster]) -> None:
    assert sums_of(left) + sums_of(right) == sums_of(left + right) == sums_of(right + left)


@given(clusters_of_any_kind)
def test_the_other_share_has_the_mirrored_interval(clusters: list[Cluster]) -> None:
    found = estimate(sums_of(clusters)).ci95
    mirrored = estimate(sums_of([(x, x - y, unknown) for x, y, unknown in clusters])).ci95
    if found is None or mirrored is None:
        assert found == mirrored
    else:
        assert found == pytest.approx((1 - mirrored[1], 1 - mirrored[0]), abs=1e-9)


@given(st.integers(0, 400), st.integers(0, 400))
def test_wilson_holds_its_share(hits: int, more: int) -> None:
    interval = wilson(hits, hits + more)
    if interval is None:
        assert hits + more == 0
    else:
        assert 0 <= interval[0] <= hits / (hits + more) <= interval[1] <= 1


def test_the_page_on_coverage_is_of_these_limits() -> None:
    """The study takes minutes, so its last result is kept; where a limit changes it is to be made again."""
    page = (Path(__file__).parents[2] / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert " ".join(page.split()).count(
        f"Limits of the cautions: fewer than {FEWEST_UNITS} units; effective units below {FEWEST_WITH:g}; the largest "
        f"unit moves the share by more than {FARTHEST_MOVE:g} standard errors."
    )
    assert "None: all that is promised above holds." in page
