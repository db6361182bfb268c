"""What two survey packages say of machines: one row each, with its unit, its stratum and its weight."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import svy
from samplics import PopParam, TaylorEstimator


class Machine(NamedTuple):
    unit: int
    within: int
    stratum: str
    weight: float
    hit: int


class Said(NamedTuple):
    share: float
    standard_error: float
    ci95: tuple[float, float]
    design_effect: float | None


def by_svy(machines: Sequence[Machine]) -> Said:
    """Proportion with the interval of Korn and Graubard; svy's design effect is held to m - 1 machines, ours to m."""
    frame = pl.DataFrame(machines, schema=["unit", "within", "stratum", "weight", "hit"], orient="row")
    several = frame["stratum"].n_unique() > 1
    design = svy.Design(psu="unit", ssu="within", wgt="weight", **({"stratum": "stratum"} if several else {}))
    sample = svy.Sample(data=frame, design=design)
    found = sample.estimation.prop("hit", ci_method="korn-graubard", deff="wr").estimates
    one = found[-1]  # levels in order; where there is only one, it is that of all machines
    low, high, m = one.lci, one.uci, len(machines)
    if one.y_level == 0:
        return Said(0.0, one.se, (1 - high, 1 - low), None)
    return Said(one.est, one.se, (low, high), None if one.deff is None else one.deff * m / (m - 1))


def ratio_by_svy(
    units: Sequence[tuple[float, float]], strata: Sequence[str] = (), weights: Sequence[float] = ()
) -> Said:
    """Ratio of two totals over units of (x, y); its interval is Student's t, which nothing of ours is."""
    columns = {
        "unit": list(range(len(units))),
        "x": [float(x) for x, _ in units],
        "y": [float(y) for _, y in units],
        "weight": list(weights) or [1.0] * len(units),
        "stratum": list(strata) or ["all"] * len(units),
    }
    design = svy.Design(psu="unit", wgt="weight", **({"stratum": "stratum"} if len(set(strata)) > 1 else {}))
    (one,) = svy.Sample(data=pl.DataFrame(columns), design=design).estimation.ratio("y", "x").estimates
    return Said(one.est, one.se, (one.lci, one.uci), None)


def by_samplics(machines: Sequence[Machine]) -> tuple[float, float]:
    """Share of machines and its standard error. samplics 0.6.1 takes `deff` and computes none."""
    found = TaylorEstimator(PopParam.mean)
    found.estimate(
        y=np.array([one.hit for one in machines], dtype=float),
        samp_weight=np.array([one.weight for one in machines]),
        psu=np.array([one.unit for one in machines]),
    )
    return float(found.point_est), float(found.stderror)
