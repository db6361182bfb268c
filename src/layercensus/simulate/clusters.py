"""What stays the same of a cluster from day to day, drawn once. Pure.

    list(draw_clusters(load_process(), seed=1, clusters=3, days=30))  ->  [Cluster(place=0, …), …]

Cluster number k of a seed and a span is the same in a fleet of any size. What a day makes of it is in
`data/simulation/day.sql`. Days are numbered from 1.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha512
from typing import Any, NamedTuple
from uuid import UUID

from layercensus.simulate.draws import Draw, beta_binomial, pick, uniform_draws
from layercensus.simulate.process import Layer, Process

_NEVER = 0
_SALTS = 2**32


class Cluster(NamedTuple):
    """A cluster, in the columns of `data/simulation/clusters.sql`. A tuple, since a fleet has a million.

    `clean` to `packages`: the machines it has room for, by class. `needs_*`: of its machines with packages, the part
    that has this need. `missed`: chance to miss a day. `unknown`: chance of a machine to be unknown on a day; `unseen`:
    part of those that its agents' series lack altogether. `shift`, `phase`, `pick`, `rounding`, `salt`: where on its
    waves and in its draws it begins.
    """

    place: int
    cluster_id: str
    clone_of: int | None
    reports_second: int
    salt: int
    platform: str | None
    clean: int
    extensions: int
    overrides: int
    packages: int
    elasticity: float
    phase: float
    rounding: float
    pick: float
    first_day: int
    last_day: int
    pause_first: int
    pause_last: int
    missed: float
    unknown: float
    unseen: float
    skew_ms: int
    is_skewed: bool
    upgrades_every: int
    shift: int
    days_behind: int
    tells_version: bool
    tells_needs: bool
    tells_nodes_expected: bool
    needs_agent: float
    needs_driver: float
    needs_tool: float
    needs_override: float
    needs_other: float


def draw_clusters(process: Process, *, seed: int, clusters: int, days: int) -> Iterator[Cluster]:
    """Draw the clusters of a fleet that is watched for so many days.

    Some are clones: they take over all of the cluster before them but their id. The first reports every day, so that no
    day is without a row.
    """
    chance = process.parts["clones"]["chance"]
    before: Cluster | None = None
    for place in range(clusters):
        draw = uniform_draws(f"{seed}/{place}")
        cluster_id, is_clone, second = _uuid(f"{seed}/{place}/id"), draw() < chance, int(draw() * 300)
        if is_clone and before and before.clone_of is None:
            cluster = before._replace(place=place, cluster_id=cluster_id, clone_of=before.place, reports_second=second)
        else:
            cluster = _cluster(process, draw, days, place=place, cluster_id=cluster_id, reports_second=second)
        if place == 0:
            cluster = cluster._replace(first_day=1, last_day=days, pause_first=_NEVER, pause_last=_NEVER, missed=0.0)
        yield cluster
        before = cluster


def _cluster(process: Process, draw: Draw, days: int, **own: Any) -> Cluster:
    parts = process.parts
    machines = process.sizes.machines(draw())
    packages = _hits(process.packages, machines, machines, draw)
    overrides = _hits(process.overrides, machines, machines - packages, draw)
    extensions = _hits(process.extensions, machines, machines - packages - overrides, draw)
    known: dict[str, Any] = {
        "clone_of": None,
        "salt": int(draw() * _SALTS),
        "platform": pick(parts["platforms"], draw),
        "clean": machines - packages - overrides - extensions,
        "extensions": extensions,
        "overrides": overrides,
        "packages": packages,
        **_scaling(process, machines, draw),
        **_presence(parts, days, draw),
        **_unknown(parts, draw),
        **_clock(parts["skew"], draw),
        **_upgrades(parts["upgrades"], draw),
        **{f"tells_{name}": draw() < chance for name, chance in parts["tells"].items()},
        **_needs(parts["needs"], draw),
    }
    return Cluster(**own, **known)


def _hits(layer: Layer, size: int, left: int, draw: Draw) -> int:
    """How many of the machines left are of a class, in a cluster of this size."""
    return beta_binomial(left, layer.a, layer.b, draw) if draw() < layer.chance(size) else 0


def _scaling(process: Process, machines: int, draw: Draw) -> dict[str, float]:
    scaling = process.scaling
    is_elastic = draw() < scaling["chance"] and machines >= scaling["from_machines"]
    most = scaling["most"] * draw()
    return {"elasticity": most if is_elastic else 0.0, "phase": draw(), "rounding": draw(), "pick": draw()}


def _presence(parts: Mapping[str, Any], days: int, draw: Draw) -> dict[str, float]:
    """First and last day, a pause that is not on the first day, and how often a day is missed."""
    appears = _happens(parts["appears"], days, draw)
    first = 2 + int(draw() * (days - 1)) if appears and days > 1 else 1
    left = days - first
    falls_silent = _happens(parts["falls_silent"], left, draw)
    last = first + int(draw() * left) if falls_silent else days
    pauses = _happens(parts["pauses"], left, draw)
    start, length = first + 1 + int(draw() * left), 1 + int(_short(draw) * parts["pauses"]["most_days"])
    pause = (start, start + length - 1) if pauses else (_NEVER, _NEVER)
    missed = parts["missed_days"]["most"] * draw()
    return {"first_day": first, "last_day": last, "pause_first": pause[0], "pause_last": pause[1], "missed": missed}


def _happens(part: Mapping[str, float], days: int, draw: Draw) -> bool:
    """Whether it happens in so many days: half the time in `within_days`."""
    return draw() < days / (days + part["within_days"])


def _unknown(parts: Mapping[str, Any], draw: Draw) -> dict[str, float]:
    weights = [(weight, (least, most)) for weight, least, most in parts["unknown"]]
    least, most = pick(weights, draw)
    unknown = least + (most - least) * draw()
    loses_some, unseen = draw() < parts["unseen"]["chance"], parts["unseen"]["most"] * draw()
    return {"unknown": unknown, "unseen": unseen if loses_some else 0.0}


def _clock(skew: Mapping[str, float], draw: Draw) -> dict[str, float]:
    is_skewed = draw() < skew["chance"]
    side = -1 if draw() < 0.5 else 1
    span = (skew["from_seconds"], skew["to_seconds"]) if is_skewed else (0, skew["others_seconds"])
    seconds = span[0] + (span[1] - span[0]) * draw()
    return {"skew_ms": side * int(seconds * 1000), "is_skewed": is_skewed}


def _upgrades(upgrades: Mapping[str, Any], draw: Draw) -> dict[str, int]:
    """How many days lie between two upgrades, which of them is one, and how far behind the newest release it stays."""
    every = int(pick(upgrades["every_days"], draw))
    return {
        "upgrades_every": every,
        "shift": int(draw() * every),
        "days_behind": int(_short(draw) * upgrades["most_days_behind"]),
    }


def _needs(needs: Mapping[str, Any], draw: Draw) -> dict[str, float]:
    """Part of the machines with packages that has each need: all have the first, some one more, or an override."""
    first, second = pick(needs["first"], draw), pick(needs["first"], draw)
    has_second, has_override = draw() < needs["second_chance"], draw() < needs["override_chance"]
    parts = dict.fromkeys(("agent", "driver", "tool", "override", "other"), 0.0)
    parts["override"] = draw() if has_override else 0.0
    parts[second] = draw() if has_second else 0.0
    parts[first] = 1.0
    return {f"needs_{need}": part for need, part in parts.items()}


def _short(draw: Draw) -> float:
    """Draw from [0, 1) with more at the short end."""
    return min(draw(), draw())


def _uuid(key: str) -> str:
    return str(UUID(bytes=sha512(key.encode()).digest()[:16], version=4))
