"""Figures of one set of clusters, as frozen nouns: what a report says of the whole, and of each part of it.

Fractions are between 0 and 1, intervals and bounds (low, high), counts of machines or clusters. None is "not known" or
"not known yet", never nought.
"""

from dataclasses import dataclass
from enum import StrEnum

from layercensus.report.estimator import Interval


class Caution(StrEnum):
    """Why the interval of a share may be wrong by more than it says; `docs/coverage.md` shows how much."""

    FEW_UNITS = "few_units"
    FEW_WITH_PACKAGES = "few_with_packages"
    LARGE_UNIT = "large_unit"


@dataclass(frozen=True, slots=True)
class Machines:
    """Machines by class. For signal `mcd`, `packages` are those whose gauge is above zero and three classes are None.

    `unknown`: those that could not be read and those expected and not seen.
    """

    clean: int | None
    extensions: int | None
    overrides: int | None
    packages: int
    unknown: int
    classified: int
    total: int


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters: `share` and `ci95` (Wilson) are of those `classified`, which have at least one classified machine."""

    reporting: int
    classified: int
    with_packages: int
    share: float | None
    ci95: Interval | None


@dataclass(frozen=True, slots=True)
class Headline:
    """One set of clusters, and what is said of it.

    `share_any`: overrides counted too. `bounds_ci95`: the 95 % interval around the bounds. `units`: accounts or
    clusters with a classified machine, which the interval is drawn from. `cautions`: why the interval may mislead.
    """

    share: float | None
    share_any: float | None
    ci95: Interval | None
    ci95_any: Interval | None
    bounds: Interval | None
    bounds_ci95: Interval | None
    machines: Machines
    clusters: Clusters
    units: int
    design_effect: float | None
    effective_machines: float | None
    cautions: tuple[Caution, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The clusters of one key of a dimension. `merged`: the keys added up here, where the report is published."""

    key: str
    figures: Headline
    merged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """The clusters of one release on one platform."""

    release: str
    platform: str
    figures: Headline


@dataclass(frozen=True, slots=True)
class Part:
    """One more numerator over all active clusters. None: this signal cannot tell it, or it is `suppressed`."""

    share: float | None
    ci95: Interval | None
    bounds: Interval | None
    machines: int | None
    clusters: int | None
    suppressed: bool = False


@dataclass(frozen=True, slots=True)
class NeedGroup:
    """Machines with a non-extension change of one need; a machine may have several."""

    key: str
    figures: Part
