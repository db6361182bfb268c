"""What a report does not know, and how it was made, as sentences for people. Pure; both text and page show them."""

from layercensus.report.shape import SIMULATED, Quality, Report
from layercensus.report.wording import counted

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

_NOBODY = "These clusters were made up by layercensus simulate: nothing here is about machines that exist."

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
        "packages, or all do, each cluster counts as one draw. Below two clusters there is no interval."
    ),
    (
        "The bounds say where the share of all machines lies, whatever the machines that could not be read are "
        "(Manski 2003). The share of clusters has a Wilson interval (1927)."
    ),
)


def unknowns(report: Report) -> list[str]:
    """Say what the number does not cover, the weightiest first; never empty."""
    notes = [_NOBODY if report.population == SIMULATED else _WHO[report.signal]]
    if report.unit == "cluster":
        notes.append(
            "Which clusters belong to one owner is not known; such clusters resemble each other, so the interval may "
            "be too narrow."
        )
    notes += _known_gaps(report.quality)
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
        ("Perhaps a clone of another", quality.suspected_clones, "cluster"),
    )
    notes = [f"{what}: {counted(number, noun)}." for what, number, noun in gaps if number]
    if quality.dark_releases:
        notes.append(f"Signal dark on {', '.join(quality.dark_releases)}.")
    return notes
