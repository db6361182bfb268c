"""Random designs for the oracles: clusters of very unequal size, some alike inside, some of one account."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from layercensus.report.estimator import Sums


@dataclass(frozen=True, slots=True)
class Cluster:
    """x classified machines, y of them with packages, u unknown."""

    account: int
    cell: str
    x: int
    y: int
    u: int


def random_clusters(seed: int, *, unknown: bool = False) -> list[Cluster]:
    draw = random.Random(seed)
    # Now and then all of a kind, or nearly no machine with packages: that is where formulas differ.
    propensities = draw.choice([(0.0, 0.0, 1.0, None), (None,), (0.0, 0.0, 0.0, 0.02), (0.0, None, None, 1.0)])
    clusters = []
    accounts = draw.randint(2, 40)
    for _ in range(draw.randint(2, 90)):
        x = min(int(draw.paretovariate(1.1)) + draw.randint(0, 3), 200)
        propensity = draw.choice(propensities)
        chance = draw.random() if propensity is None else propensity
        y = sum(draw.random() < chance for _ in range(x))
        u = draw.choice([0, 0, draw.randint(0, 9)]) if unknown else 0
        clusters.append(Cluster(draw.randrange(accounts), draw.choice("aaabbc"), x, y, u))
    return clusters


def sums_of(units: Sequence[tuple[int, int, int]]) -> Sums:
    """Sums over units of (x, y, u), written out."""
    read = [(x, y, u) for x, y, u in units if x > 0]
    return Sums(
        units=len(read),
        units_with=sum(y > 0 for _, y, _ in read),
        x=sum(x for x, _, _ in units),
        y=sum(y for _, y, _ in units),
        xx=sum(x * x for x, _, _ in units),
        xy=sum(x * y for x, y, _ in units),
        yy=sum(y * y for _, y, _ in units),
        unknown=sum(u for _, _, u in units),
        xu=sum(x * u for x, _, u in units),
        yu=sum(y * u for _, y, u in units),
        uu=sum(u * u for _, _, u in units),
        reporters=sum(x + u > 0 for x, _, u in units),
        largest=max((x for x, _, _ in units), default=0),
    )


def by_account(clusters: Sequence[Cluster]) -> list[tuple[int, int, int]]:
    """What each account has, over its clusters."""
    names = sorted({cluster.account for cluster in clusters})
    return [
        (
            sum(one.x for one in clusters if one.account == name),
            sum(one.y for one in clusters if one.account == name),
            sum(one.u for one in clusters if one.account == name),
        )
        for name in names
    ]


def by_cluster(clusters: Sequence[Cluster]) -> list[tuple[int, int, int]]:
    return [(cluster.x, cluster.y, cluster.u) for cluster in clusters]
