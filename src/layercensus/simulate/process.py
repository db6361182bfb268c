"""The process that makes a fleet, from `data/simulation/process.json`, and the share that it makes. Pure.

A cluster's size, whether it has layered packages, and in how many of its machines are drawn; all else (which machines
are unknown, silence, releases) is drawn without regard to these. So every fleet of this process is about one number:

    share_of(load_process())  ->  0.0694…
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from layercensus.data import read_json


@dataclass(frozen=True, slots=True)
class Sizes:
    """Machines of a cluster: a Pareto law of exponent 2, moved to begin at `smallest` and cut at `largest`.

    P(machines >= n) is (scale / (scale + n - smallest))^2, less what lies beyond `largest`. Without the cut the
    variance would be infinite.
    """

    smallest: int
    largest: int
    scale: int

    @property
    def kept(self) -> float:
        """Part of the law before it is cut."""
        return 1 - self._beyond(self.largest + 1)

    def machines(self, uniform: float) -> int:
        """Size at this place of the law, 0 <= uniform < 1."""
        beyond = self.scale * (1 / math.sqrt(1 - uniform * self.kept) - 1)
        return min(self.largest, self.smallest + int(beyond))

    def chance(self, machines: int) -> float:
        """Chance of exactly so many machines."""
        return (self._beyond(machines) - self._beyond(machines + 1)) / self.kept

    def _beyond(self, machines: int) -> float:
        return (self.scale / (self.scale + machines - self.smallest)) ** 2


@dataclass(frozen=True, slots=True)
class Layer:
    """How one class of machines comes about: in a part of the clusters, and there in a part of the machines.

    `chances`: (from so many machines on, chance that a cluster has such machines at all). In one that has, each machine
    is of the class with a probability that the cluster draws once from a beta distribution with parameters a and b.
    """

    chances: Sequence[tuple[int, float]]
    a: float
    b: float

    def chance(self, machines: int) -> float:
        """Chance that a cluster of this size has such machines."""
        return [chance for smallest, chance in self.chances if machines >= smallest][-1]


@dataclass(frozen=True, slots=True)
class Process:
    """Parameters of the process. `parts` holds what stands on its own: chances and bounds by name, as in the data."""

    last_day: date
    sizes: Sizes
    scaling: Mapping[str, float]
    packages: Layer
    overrides: Layer
    extensions: Layer
    releases: Sequence[tuple[str, date]]
    parts: Mapping[str, Any]

    def size_on_a_day(self, machines: int) -> float:
        """Machines to expect on a day of a cluster that has room for so many: some scale down from there."""
        if machines < self.scaling["from_machines"]:
            return machines
        return machines * (1 - self.scaling["chance"] * self.scaling["most"] / 4)


@cache
def load_process() -> Process:
    """Read the process."""
    parts = read_json("simulation/process.json")
    return Process(
        last_day=date.fromisoformat(parts["last_day"]),
        sizes=Sizes(**parts["sizes"]),
        scaling=parts["scaling"],
        packages=Layer(**parts["packages"]),
        overrides=Layer(**parts["overrides"]),
        extensions=Layer(**parts["extensions"]),
        releases=[(release, date.fromisoformat(day)) for release, day in parts["releases"]],
        parts=parts,
    )


def share_of(process: Process) -> float:
    """Share of the process: machines with packages to expect of a cluster by machines to expect of it, on any day.

    The sum over sizes n of P(n) E(n) c(n) a / (a + b), divided by the sum of P(n) E(n): P(n) the chance of room for n
    machines, E(n) how many of them to expect on a day, c(n) the chance that a cluster with that room has packages,
    a / (a + b) the mean of the beta distribution.

    This is what the interval of a sample of such clusters is about. As clusters become many, packages by classifiable
    machines comes to it, and so does packages by the machines that could be read: which could is drawn without regard
    to size and class.
    """
    machines = layered = 0.0
    for size in range(process.sizes.smallest, process.sizes.largest + 1):
        expected = process.sizes.chance(size) * process.size_on_a_day(size)
        machines += expected
        layered += expected * process.packages.chance(size)
    return layered / machines * process.packages.a / (process.packages.a + process.packages.b)
