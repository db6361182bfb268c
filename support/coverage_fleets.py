"""Fleets that are made up, whose share is known, to see how often the estimator finds it. Their draws are an argument.

A fleet is n units with x machines each, y of them with packages. Sizes follow a Pareto law as those of `layercensus
simulate` do, cut so that the largest unit has the part of all machines that is wanted; packages come in units. Draws
are numpy's; the same seed gives the same fleets.

    design = Design(units=300, largest=0.01, share=0.1)
    for sums in sums_of(*next(draw(design, 10, np.random.default_rng(1)))): ...
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from layercensus.report.estimator import Sums
from layercensus.simulate.process import load_process, share_of

Counts = NDArray[np.int64]
Chances = NDArray[np.float64]
Fleets = tuple[Counts, Counts]  # machines and those with packages, of so many fleets by so many units

_SMALLEST = 3
_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Law:
    """How sizes and layering come about.

    Sizes: a Pareto law of this exponent. A unit has packages at all with a chance that grows with its size to the power
    `by_size`; in one that has, each machine has them with a probability drawn from a beta distribution with a and b.
    """

    name: str = "main"
    exponent: float = 2.0
    a: float = 0.5
    b: float = 0.5
    by_size: float = 0.0


@dataclass(frozen=True, slots=True)
class Design:
    """So many units, the part of all machines that the largest has, and the share to be found."""

    units: int
    largest: float
    share: float
    law: Law = field(default_factory=Law)


@cache
def sizes(units: int, largest: float, exponent: float) -> Counts:
    """Sizes that units are drawn from, smallest first: places of the law, cut so that the last has its part of all.

    Where the law has no unit as large, only the last one is made larger.
    """
    places = (np.arange(units) + 0.5) / units
    law = _SMALLEST * (1 - places) ** (-1 / exponent)
    if law[-1] < largest * law.sum():
        law[-1] = largest / (1 - largest) * law[:-1].sum()
    else:
        low, high = float(_SMALLEST), float(law[-1])
        for _ in range(60):
            middle = (low + high) / 2
            cut = np.minimum(law, middle)
            low, high = (low, middle) if middle > largest * cut.sum() else (middle, high)
        law = np.minimum(law, low)
    return np.maximum(1, np.round(law)).astype(np.int64)


def chances(design: Design) -> Chances:
    """Chance of each of `sizes` to have packages at all."""
    law, machines = design.law, sizes(design.units, design.largest, design.law.exponent)
    pull = (machines / machines.mean()) ** law.by_size
    layered = design.share * (law.a + law.b) / law.a
    chance: Chances = np.minimum(1.0, layered * machines.sum() / (pull * machines).sum() * pull)
    return chance


def truth(design: Design) -> float:
    """Share of the process: packages to expect by machines to expect. The last unit is in every fleet."""
    machines, chance = sizes(design.units, design.largest, design.law.exponent), chances(design)
    layered = machines * chance * design.law.a / (design.law.a + design.law.b)
    others = design.units - 1
    return float((layered[:-1].mean() * others + layered[-1]) / (machines[:-1].mean() * others + machines[-1]))


def draw(design: Design, fleets: int, generator: np.random.Generator) -> Iterator[Fleets]:
    """Draw fleets, some at once: the largest unit and n - 1 of the others with replacement."""
    machines, chance = sizes(design.units, design.largest, design.law.exponent), chances(design)
    for count in _batches(fleets, design.units):
        which = generator.integers(0, design.units - 1, (count, design.units))
        which[:, -1] = design.units - 1
        yield layer(machines[which], chance[which], design.law, generator)


def layer(machines: Counts, chance: Chances, law: Law, generator: np.random.Generator) -> Fleets:
    """Give machines packages."""
    has = generator.random(machines.shape) < chance
    layered = np.zeros_like(machines)
    layered[has] = generator.binomial(machines[has], generator.beta(law.a, law.b, int(has.sum())))
    return machines, layered


def _batches(fleets: int, units: int) -> Iterator[int]:
    most = max(1, _AT_ONCE // units)
    while fleets > 0:
        yield min(most, fleets)
        fleets -= most


def sums_of(machines: Counts, layered: Counts) -> Iterator[Sums]:
    """Sums of each fleet, all of whose units could be read."""
    x, y = machines.astype(np.float64), layered.astype(np.float64)
    columns = [
        (y > 0).sum(1), x.sum(1), y.sum(1), (x * x).sum(1), (x * y).sum(1), (y * y).sum(1), x.max(1),
    ]  # fmt: skip
    units = machines.shape[1]
    for row in np.stack(columns, 1).tolist():
        with_, sx, sy, xx, xy, yy, largest = row
        yield Sums(
            units=units, units_with=round(with_), x=sx, y=sy, xx=xx, xy=xy, yy=yy, reporters=units, largest=largest
        )


def draw_own(units: int, fleets: int, generator: np.random.Generator) -> Iterator[Fleets]:
    """Draw fleets of the process that `layercensus simulate` has, as far as sizes and packages go."""
    process = load_process()
    places = range(process.sizes.smallest, process.sizes.largest + 1)
    odds = np.array([process.sizes.chance(size) for size in places])
    by_size = np.array([process.packages.chance(size) for size in places])
    law = Law("own", a=process.packages.a, b=process.packages.b)
    for count in _batches(fleets, units):
        which = generator.choice(len(odds), (count, units), p=odds / odds.sum())
        yield layer(which + process.sizes.smallest, by_size[which], law, generator)


def own_truth() -> float:
    """Share of that process."""
    return share_of(load_process())


def draw_accounts(
    design: Design, fleets: int, generator: np.random.Generator
) -> Iterator[tuple[Counts, Counts, Counts]]:
    """Draw fleets one by one: where each account begins, and machines and those with packages by cluster.

    `units` accounts have one cluster each, or more by a Pareto law of exponent 1.5, at most 30; all clusters of an
    account are alike: in each, a machine has packages with the probability that the account drew.
    """
    law, machines = design.law, sizes(design.units, design.largest, design.law.exponent)
    chance = design.share * (law.a + law.b) / law.a
    for _ in range(fleets):
        clusters = np.minimum(30, 1 + generator.pareto(1.5, design.units)).astype(np.int64)
        x = generator.choice(machines, int(clusters.sum()))
        propensity = generator.beta(law.a, law.b, design.units) * (generator.random(design.units) < chance)
        y = generator.binomial(x, np.repeat(propensity, clusters))
        yield np.concatenate([[0], np.cumsum(clusters)[:-1]]), x, y


def hide(machines: Counts, layered: Counts, chances: tuple[float, float], generator: np.random.Generator) -> Fleets:
    """Machines that cannot be read: how many of those with packages, and of the others, with these chances."""
    return generator.binomial(layered, chances[0]), generator.binomial(machines - layered, chances[1])


def sums_with_unknown(machines: Counts, layered: Counts, hidden: Fleets) -> Iterator[Sums]:
    """Sums of each fleet, of which so many machines could not be read."""
    u = (hidden[0] + hidden[1]).astype(np.float64)
    y = (layered - hidden[0]).astype(np.float64)
    x = machines - u
    columns = [(x > 0).sum(1), (y > 0).sum(1), x.sum(1), y.sum(1), (x * x).sum(1), (x * y).sum(1), (y * y).sum(1)]
    columns += [u.sum(1), (x * u).sum(1), (y * u).sum(1), (u * u).sum(1), (machines > 0).sum(1), x.max(1)]
    for row in np.stack(columns, 1).tolist():
        sx, sy, xx, xy, yy, unknown, xu, yu, uu = row[2:11]
        yield Sums(round(row[0]), round(row[1]), sx, sy, xx, xy, yy, unknown, xu, yu, uu, round(row[11]), row[12])
