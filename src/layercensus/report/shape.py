"""The report as frozen nouns, in the words and order of `data/schemas/report-v1.schema.json`. No behaviour.

Fractions are between 0 and 1, intervals and bounds (low, high), counts of machines or clusters. None is "not known" or
"not known yet", never nought.
"""

from dataclasses import dataclass

from layercensus.report.estimator import Interval
from layercensus.report.figures import Cell, Group, Headline, NeedGroup, Part

SCHEMA = "layercensus/report/v1"
DIMENSIONS = ("release", "platform", "age", "account_class", "need")
UNKNOWN_KEY = "unknown"
# The key under which `--publish` adds up what is too small to stand alone.
OTHER_KEY = "other"
# The population of a lake whose rows were made up.
SIMULATED = "simulated clusters"


@dataclass(frozen=True, slots=True)
class By:
    """The headline cut by one dimension at a time. `account_class` is empty where no accounts were given."""

    release: tuple[Group, ...]
    platform: tuple[Group, ...]
    age: tuple[Group, ...]
    account_class: tuple[Group, ...]
    need: tuple[NeedGroup, ...]


@dataclass(frozen=True, slots=True)
class TrendDay:
    """The headline of one day, by the population rule of that day; counts of machines, and of clusters."""

    day: str
    share: float | None
    ci95: Interval | None
    bounds: Interval | None
    classified: int
    packages: int
    unknown: int
    clusters: int


@dataclass(frozen=True, slots=True)
class KeyTrend:
    """The trend of one key, a day a week; days on which it is not published or has no cluster are left out."""

    key: str
    days: tuple[TrendDay, ...]


@dataclass(frozen=True, slots=True)
class TrendBy:
    """The trend cut by one dimension at a time."""

    release: tuple[KeyTrend, ...]
    platform: tuple[KeyTrend, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """How the share changed between two days among the units that count on both; `ci95` is of `difference`."""

    from_day: str
    to_day: str
    units: int
    share_before: float
    share_after: float
    difference: float
    ci95: Interval | None


@dataclass(frozen=True, slots=True)
class Concentration:
    """How the packages are spread over units (accounts, else clusters).

    `curve`: (fraction of units, fraction of machines they hold), largest first. `influence`: by how much the share
    moves without the one unit that moves it most; `share_without` is the share then. `largest_size`: the largest part
    of all classified machines that one unit has.
    """

    top1_percent_share: float | None
    largest_share: float | None
    top5_share: float | None
    curve: tuple[tuple[float, float], ...]
    largest_size: float | None
    influence: float | None
    share_without: float | None


@dataclass(frozen=True, slots=True)
class WhatIfBlocked:
    """Machines that would be stuck if upgrades refused them."""

    refuse_packages: Part
    refuse_any_local_change: Part


@dataclass(frozen=True, slots=True)
class Weighted:
    """The share of a known population, by post-stratification: each cell counts as often as it is there.

    `population`: clusters of the known population; of these `unrepresented` are of cells where none reports.
    `left_out`: reporting clusters of no known cell.
    """

    share: float | None
    ci95: Interval | None
    bounds: Interval | None
    design_effect: float | None
    effective_machines: float | None
    cells: int
    population: int
    unrepresented: int
    left_out: int


@dataclass(frozen=True, slots=True)
class KnownClusters:
    """A list of clusters that exist, held to those that report. `unlisted`: reporting clusters that the list lacks.

    `bounds`: machines of silent clusters counted either way, as the unknown ones are. These and `silent_machines` are
    None where the size of a silent cluster is not known (`silent_of_unknown_size`).
    """

    listed: int
    reporting: int
    silent: int
    silent_machines: int | None
    silent_of_unknown_size: int
    unlisted: int
    bounds: Interval | None
    bounds_ci95: Interval | None


@dataclass(frozen=True, slots=True)
class Proxy:
    """What MCD's gauge allows to say of layered packages: any part of the machines it calls unsupported has them."""

    packages_bounds: Interval | None


@dataclass(frozen=True, slots=True)
class Accounts:
    """What a file of accounts said: accounts and clusters without one among those counted; internal ones apart."""

    accounts: int
    clusters_without_account: int
    internal: Headline


@dataclass(frozen=True, slots=True)
class Published:
    """What was done so that the report may be published."""

    min_clusters: int
    suppressed: int


@dataclass(frozen=True, slots=True)
class SilentCluster:
    """A cluster that was heard of before and is not any more."""

    cluster_id: str
    last_day: str


@dataclass(frozen=True, slots=True)
class Quality:
    """What is wrong or missing behind the headline; counts of clusters unless the name says otherwise.

    `other_signals`: signals that have rows too and are not in this report.
    """

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
    unknown_release: int | None
    other_signals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The report of one lake, one signal and one day."""

    as_of: str
    signal: str
    population: str
    unit: str
    headline: Headline
    by: By
    cells: tuple[Cell, ...]
    trend: tuple[TrendDay, ...]
    trend_by: TrendBy
    changes: tuple[Change, ...]
    concentration: Concentration
    what_if_blocked: WhatIfBlocked
    weighted: Weighted | None
    known_clusters: KnownClusters | None
    proxy: Proxy | None
    accounts: Accounts | None
    published: Published | None
    quality: Quality
