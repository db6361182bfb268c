"""What a report does not know, and how it was made, as sentences for people. Pure; both text and page show them."""

from layercensus.report.figures import Caution
from layercensus.report.shape import SIMULATED, KnownClusters, Quality, Report, Weighted
from layercensus.report.wording import count, counted, percent, percent_range

_WHO = {
    "capture": (
        "These captures are no random sample: the interval speaks of fleets that such captures could have come "
        "from, not of machines nobody captured."
    ),
    "layercensus": "Only clusters that chose to report are counted; those that did not may differ.",
    "mcd": (
        "This is a proxy: MCD's gauge says that a machine has an unsupported change, not whether it is a layered "
        "package or an override, and clusters that do not record it may differ."
    ),
}

# What people who never saw a signal's name are told of it.
SIGNALS = {
    "capture": "captured status documents",
    "layercensus": "what the Layer Census agent reads on each machine",
    "mcd": "the gauge of OpenShift's machine config daemon (MCD), a proxy",
}

_NOBODY = "These clusters were made up by layercensus simulate: nothing here is about machines that exist."

_CAUTIONS = {
    Caution.FEW_UNITS: "there are fewer than 30 {units}",
    Caution.FEW_WITH_PACKAGES: "the {units} with packages, or those without, weigh as fewer than 15 of equal size",
    Caution.LARGE_UNIT: "the largest {unit} alone could move the share out of it",
}

METHOD = (
    (
        "A machine counts as read if its state could be determined: clean, extensions only, overrides, or packages. "
        "The share is the machines with packages divided by the machines read. A machine that could not be read is "
        "never counted as clean."
    ),
    "A cluster is counted if it has a row in the seven days to the day of the report; its last row counts.",
    (
        "Machines of one cluster resemble each other, so the interval is drawn from how clusters differ (Taylor "
        "linearisation of the ratio, Woodruff 1971; interval of Korn and Graubard 1998). Where no machine carries "
        "packages, or all do, each cluster counts as one draw. Below two clusters there is no interval. Where accounts "
        "are known they take the place of clusters in this."
    ),
    (
        "The bounds say where the share of all machines lies, whatever the machines that could not be read are "
        "(Manski 2003). The share of clusters has a Wilson interval (1927)."
    ),
)


def unknowns(report: Report) -> list[str]:
    """Say what the number does not cover, the weightiest first; never empty."""
    notes = [_NOBODY if report.population == SIMULATED else _WHO[report.signal]]
    if report.unit == "cluster" and report.headline.ci95 is not None:
        notes.append(
            "Which clusters belong to one owner is not known; such clusters resemble each other, so the interval may "
            "be too narrow."
        )
    if report.headline.cautions:
        why = ", and ".join(
            _CAUTIONS[one].format(unit=report.unit, units=f"{report.unit}s") for one in report.headline.cautions
        )
        notes.append(f"The interval may be too narrow: {why}.")
    notes += _influence(report) + _beside(report)
    notes += _known_gaps(report.quality)
    if report.quality.other_signals:
        others = " and ".join(report.quality.other_signals)
        notes.append(f"The lake also has rows of {others}, which never mix with these: choose one with --signal.")
    unchecked = [
        words
        for words, value in (
            ("incomplete snapshots", report.quality.incomplete),
            ("cloned cluster ids", report.quality.suspected_clones),
            ("releases whose signal is dark", report.quality.dark_releases),
            ("clocks that are off", report.quality.skewed),
            ("machines that exist and were not seen", report.quality.unseen_machines),
        )
        if value is None
    ]
    if unchecked:
        notes.append(f"Not checked, for want of evidence: {', '.join(unchecked)}.")
    return notes


def _influence(report: Report) -> list[str]:
    """Say so where one unit moves the share by a tenth of it or more."""
    share, spread = report.headline.share, report.concentration
    if not share or spread.influence is None or spread.influence < share / 10:
        return []
    return [f"Without one {report.unit} the share would be {percent(spread.share_without)}."]


def _beside(report: Report) -> list[str]:
    """What was held to the headline: accounts, a known population, a list of clusters, the proxy, suppression."""
    notes = []
    if report.accounts:
        internal = report.accounts.internal.clusters.reporting
        if internal:
            notes.append(f"Left out as internal: {counted(internal, 'cluster')}.")
        if report.accounts.clusters_without_account:
            without = counted(report.accounts.clusters_without_account, "cluster")
            notes.append(f"Of no known account, so each counted as one of its own: {without}.")
    if report.weighted:
        notes += _weighted(report.weighted)
    if report.known_clusters:
        notes += _listed(report.known_clusters)
    if report.proxy and report.proxy.packages_bounds:
        between = percent_range(report.proxy.packages_bounds)
        notes.append(f"Layered packages alone may be on {between} of the machines, as far as the gauge can tell.")
    if report.published:
        notes += _published(report, report.published.min_clusters)
        notes.append(
            f"Made to be published: nothing is told of fewer than {report.published.min_clusters} {report.unit}s apart "
            "from the whole. Publish one report a week, of the same weekday, from a lake that keeps its days, and no "
            "other of the same clusters."
        )
    return notes


def _published(report: Report, least: int) -> list[str]:
    """What is held back as a whole, and that the whole itself is always told."""
    held_back = [
        words
        for words, is_held_back in (
            ("some changes between two days", not report.changes),
            ("how few hold how much", report.concentration.largest_share is None),
        )
        if is_held_back
    ]
    notes = [f"Held back: {', and '.join(held_back)}."] if held_back else []
    if report.headline.units < least:
        notes.append(f"The whole is of fewer than {least} {report.unit}s itself: whoever reads it learns of these few.")
    return notes


def _weighted(found: Weighted) -> list[str]:
    whole = counted(found.population - found.unrepresented, "cluster")
    notes = [
        (
            f"Weighted to a population of {whole}, the share is {percent(found.share)} (95 % interval "
            f"{percent_range(found.ci95)})."
        )
    ]
    if found.unrepresented:
        notes.append(f"Of kinds of which none reports, so not in that: {counted(found.unrepresented, 'cluster')} more.")
    if found.left_out:
        notes.append(f"Of no kind of that population, so not in that: {counted(found.left_out, 'reporting cluster')}.")
    return notes


def _listed(found: KnownClusters) -> list[str]:
    notes = [f"Of {counted(found.listed, 'listed cluster')}, {count(found.silent)} did not report."]
    if found.silent and found.bounds:
        machines = counted(found.silent_machines or 0, "machine")
        notes.append(f"Their {machines} counted either way, the share is {percent_range(found.bounds)}.")
    if found.silent_of_unknown_size:
        clusters = counted(found.silent_of_unknown_size, "silent cluster")
        notes.append(f"Nobody says how many machines they have, so there are no bounds for them: {clusters}.")
    if found.unlisted:
        notes.append(f"Report and are not in that list: {counted(found.unlisted, 'cluster')}.")
    return notes


def _known_gaps(quality: Quality) -> list[str]:
    gaps = (
        ("Could not be read", quality.unread_machines, "machine"),
        ("Counted by their cluster and not seen", quality.unseen_machines, "machine"),
        ("Without a single machine that could be read", quality.unread_clusters, "reporting cluster"),
        ("Release not known", quality.unknown_release, "reporting cluster"),
        ("Last heard of before the day of the report", quality.stale, "reporting cluster"),
        ("Silent for seven days or more, so not counted", quality.silent, "cluster"),
        ("Clock more than ten minutes off", quality.skewed, "reporting cluster"),
        ("Incomplete and left out", quality.incomplete, "snapshot"),
        ("Perhaps one cluster under two ids, or two under one", quality.suspected_clones, "cluster"),
    )
    notes = [f"{what}: {counted(number, noun)}." for what, number, noun in gaps if number]
    if quality.dark_releases:
        notes.append(f"Hardly a cluster of these releases reports any more: {', '.join(quality.dark_releases)}.")
    return notes
