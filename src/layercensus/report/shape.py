"""The report as frozen nouns, in the words and order of `data/schemas/report-v1.schema.json`. No behaviour.

Fractions are between 0 and 1, intervals and bounds (low, high), counts of machines or clusters. None is "not known" or
"not known yet", never nought.
"""

from dataclasses import dataclass

from layercensus.report.estimator import Interval

SCHEMA = "layercensus/report/v1"
DIMENSIONS = ("release", "platform", "need")
UNKNOWN_KEY = "unknown"
# The population of a lake whose rows were made up.
SIMULATED = "simulated clusters"


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
    """One set of clusters, and what is said of it."""

    share: float | None
    share_any: float | None
    ci95: Interval | None
    bounds: Interval | None
    machines: Machines
    clusters: Clusters
    design_effect: float | None
    effective_machines: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """The clusters of one release or platform."""

    key: str
    figures: Headline


@dataclass(frozen=True, slots=True)
class Part:
    """One more numerator over all active clusters. None: this signal cannot tell it."""

    share: float | None
    ci95: Interval | None
    bounds: Interval | None
    machines: int | None
    clusters: int | None


@dataclass(frozen=True, slots=True)
class NeedGroup:
    """Machines with a non-extension change of one need; a machine may have several."""

    key: str
    figures: Part


@dataclass(frozen=True, slots=True)
class By:
    """The headline cut by one dimension at a time."""

    release: tuple[Group, ...]
    platform: tuple[Group, ...]
    need: tuple[NeedGroup, ...]


@dataclass(frozen=True, slots=True)
class TrendDay:
    """The headline of one day, by the population rule of that day."""

    day: str
    share: float | None
    ci95: Interval | None
    bounds: Interval | None
    clusters: int


@dataclass(frozen=True, slots=True)
class Concentration:
    """How the packages are spread. `curve`: (fraction of clusters, fraction of machines they hold), largest first."""

    top1_percent_share: float | None
    largest_share: float | None
    curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class WhatIfBlocked:
    """Machines that would be stuck if upgrades refused them."""

    refuse_packages: Part
    refuse_any_local_change: Part


@dataclass(frozen=True, slots=True)
class SilentCluster:
    """A cluster that was heard of before and is not any more."""

    cluster_id: str
    last_day: str


@dataclass(frozen=True, slots=True)
class Quality:
    """What is wrong or missing behind the headline; counts of clusters unless the name says otherwise."""

    silent: int
    silent_clusters: tuple[SilentCluster, ...]
    stale: int
    incomplete: int | None
    skewed: int | None
    suspected_clones: int | None
    dark_releases: tuple[str, ...] | None
    unread_machines: int
    unseen_machines: int | None
    unread_clusters: int
    unknown_release: int


@dataclass(frozen=True, slots=True)
class Report:
    """The report of one lake, one signal and one day."""

    as_of: str
    signal: str
    population: str
    unit: str
    headline: Headline
    by: By
    trend: tuple[TrendDay, ...]
    concentration: Concentration
    what_if_blocked: WhatIfBlocked
    quality: Quality
