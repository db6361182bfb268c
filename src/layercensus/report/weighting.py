"""The share of a known population, by post-stratification: each cell of it counts as often as it is there. Pure.

Cells are those of the known population, say of release and platform. A reporting cluster of cell h stands for
w_h = N_h / n_h clusters, with N_h known ones and n_h reporting. Where reporting clusters differ from the others only in
how often each cell reports, this mends it; where they differ inside a cell, nothing here does.

    weigh([Part(cell=("4.14",), unit=None, clusters=1, x=10, y=2, u=0, alike=3), …], {("4.14",): 120})

References: Holt and Smith 1979, JRSS A 142:33, for the variance given who reported; Särndal, Swensson and Wretman 1992,
section 7.6; Rust and Kalton 1987, Journal of Official Statistics 3:69, for cells of one unit, which are put together.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from layercensus.report.estimator import Interval, effective, korn_graubard
from layercensus.report.shape import Weighted

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What one unit has in one cell, and how many units are `alike`; `unit` names those that lie in several cells."""

    cell: Key
    unit: Hashable
    clusters: int
    x: float
    y: float
    u: float
    alike: int


def parts_of_units(parts: Sequence[Part]) -> list[Part]:
    """The same with one part for each unit and cell: a unit may lie in several finer cells that are one here."""
    found: dict[tuple[Hashable, Key], Part] = {}
    alone = []
    for part in parts:
        if part.unit is None:
            alone.append(part)
        else:
            before = found.get((part.unit, part.cell), Part(part.cell, part.unit, 0, 0.0, 0.0, 0.0, 1))
            found[part.unit, part.cell] = Part(
                part.cell,
                part.unit,
                before.clusters + part.clusters,
                before.x + part.x,
                before.y + part.y,
                before.u + part.u,
                alike=1,
            )
    return [*alone, *found.values()]


def weigh(parts: Sequence[Part], margins: Mapping[Key, int]) -> Weighted:
    """The share of the known population, with interval and bounds; None where it cannot be said.

    `parts`: one for each unit and cell (`parts_of_units`). `margins`: known clusters of each cell. Parts of no such
    cell are left out, and counted.
    """
    known = [part for part in parts if part.cell in margins]
    reporting: dict[Key, int] = defaultdict(int)
    for part in known:
        reporting[part.cell] += part.clusters * part.alike
    weights = {cell: margins[cell] / count for cell, count in reporting.items()}
    x, y, u = (sum(weights[part.cell] * getattr(part, of) * part.alike for part in known) for of in ("x", "y", "u"))
    found = _interval(known, weights, x, y)
    return Weighted(
        share=y / x if x > 0 else None,
        ci95=found[0],
        bounds=(y / (x + u), (y + u) / (x + u)) if x + u > 0 else None,
        design_effect=found[1],
        effective_machines=found[2],
        cells=len(margins),
        population=sum(margins.values()),
        unrepresented=sum(count for cell, count in margins.items() if cell not in weights),
        left_out=sum(part.clusters * part.alike for part in parts if part.cell not in margins),
    )


def _interval(
    parts: Sequence[Part], weights: Mapping[Key, float], x: float, y: float
) -> tuple[Interval | None, float | None, float | None]:
    """Interval, design effect and effective machines; None where they cannot be said."""
    strata = _strata(parts)
    degrees = _units(parts) - len(set(strata.values()))
    if x <= 0 or degrees < 1:
        return None, None, None
    share = y / x
    variance = _variance(parts, weights, strata, share) / x**2
    machines = sum(part.x * part.alike for part in parts)
    interval = korn_graubard(share * machines, machines, variance, degrees)
    if not 0 < share < 1:
        return interval, None, None
    effect = variance / (share * (1 - share) / machines)
    return interval, effect, effective(machines, effect)


def _variance(parts: Sequence[Part], weights: Mapping[Key, float], strata: Mapping[Key, int], share: float) -> float:
    """Sum over units of squares of what each differs from the mean of its cells: of w (y - R x), not yet by X^2.

    A unit in one cell h of n_h units adds n_h / (n_h - 1) * (z - mean of h)^2, as in a stratified sample. One that lies
    in several adds what it has in all of them before it is squared, because its clusters are no independent draws.
    """
    count: dict[int, int] = defaultdict(int)
    total: dict[int, float] = defaultdict(float)
    for part in parts:
        if part.x > 0:
            count[strata[part.cell]] += part.alike
            total[strata[part.cell]] += weights[part.cell] * (part.y - share * part.x) * part.alike
    alone = 0.0
    spread: dict[Hashable, float] = defaultdict(float)
    for part in parts:
        if part.x > 0:
            stratum = strata[part.cell]
            n = count[stratum]
            apart = weights[part.cell] * (part.y - share * part.x) - total[stratum] / n
            scaled = apart * math.sqrt(n / (n - 1)) if n > 1 else 0.0
            if part.unit is None:
                alone += scaled**2 * part.alike
            else:
                spread[part.unit] += scaled
    return alone + sum(one**2 for one in spread.values())


def _strata(parts: Sequence[Part]) -> dict[Key, int]:
    """Number of the stratum of each cell: its own, but cells with a single unit are put together, two at least."""
    count: dict[Key, int] = defaultdict(int)
    for part in parts:
        if part.x > 0:
            count[part.cell] += part.alike
    single = sorted(cell for cell, units in count.items() if units == 1)
    several = sorted((cell for cell, units in count.items() if units > 1), key=lambda cell: (count[cell], cell))
    strata = {cell: number for number, cell in enumerate(several, start=1)}
    if len(single) == 1 and several:
        return strata | {single[0]: strata[several[0]]}
    return strata | dict.fromkeys(single, 0)


def _units(parts: Sequence[Part]) -> int:
    """Units with a classified machine."""
    spread = {part.unit for part in parts if part.unit is not None and part.x > 0}
    return len(spread) + sum(part.alike for part in parts if part.unit is None and part.x > 0)
