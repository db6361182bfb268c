"""The one sentence a report comes down to: the share, its interval and its bounds, and whose share it is. Pure.

24.4 % of the 41 CoreOS machines that could be read carry locally layered packages that are not CoreOS extensions
(95 % interval 11.2 to 41.0 %; between 20.8 and 35.4 % if the 7 machines that could not be read are counted either
way), in 14 clusters (of these captures).
"""

from layercensus.report.figures import Headline
from layercensus.report.shape import Report
from layercensus.report.wording import counted, percent, percent_range

_LAYERED = "locally layered packages that are not CoreOS extensions"
_PROXY = "changes that MCD calls unsupported (a proxy: it cannot tell layered packages from overrides)"


def fleet_sentence(report: Report) -> str:
    """One honest sentence on the headline; it says why where there is no share or no interval."""
    headline = report.headline
    what = _PROXY if report.signal == "mcd" else _LAYERED
    whose = f"(of {report.population})"
    clusters = counted(headline.clusters.reporting, "cluster")
    if headline.machines.total == 0:
        seen = f"{clusters} reported" if headline.clusters.reporting else "no cluster reported"
        return _sentence(
            f"{seen} in the 7 days to {report.as_of} {whose} and no CoreOS machine was seen, "
            f"so the share that carries {what} is not known."
        )
    if headline.share is None:
        return _sentence(
            f"{_unread(headline, f'{clusters} {whose}')} be read, "
            f"so the share that carries {what} is not known: anything from 0 to 100 %."
        )
    return _sentence(f"{_carriers(headline)} {what} ({_interval(headline)}; {_bounds(report)}), in {clusters} {whose}.")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _unread(headline: Headline, clusters: str) -> str:
    if headline.machines.total == 1:
        return f"the one CoreOS machine in {clusters} could not"
    return f"none of the {counted(headline.machines.total, 'CoreOS machine')} in {clusters} could"


def _carriers(headline: Headline) -> str:
    classified, hits = headline.machines.classified, headline.machines.packages
    machines = counted(classified, "CoreOS machine")
    if classified == 1:
        return "the one CoreOS machine that could be read carries" + (" no" if hits == 0 else "")
    if hits == 0:
        return f"none of the {machines} that could be read carries"
    if hits == classified:
        return f"all {machines} that could be read carry"
    return f"{percent(headline.share)} of the {machines} that could be read carry"


def _interval(headline: Headline) -> str:
    if headline.ci95 is None:
        return "no interval: a single cluster that could be read shows nothing of how clusters differ"
    return f"95 % interval {percent_range(headline.ci95)}"


def _bounds(report: Report) -> str:
    headline = report.headline
    unknown = headline.machines.unknown
    if unknown == 0 or headline.bounds is None:
        return "every machine could be read"
    # Machines that the cluster counts and nobody saw are among the unknown.
    how = "read or seen" if report.quality.unseen_machines else "read"
    low, high = (percent(end).removesuffix(" %") for end in headline.bounds)
    machines = counted(unknown, "machine")
    verb = "is" if unknown == 1 else "are"
    return f"between {low} and {high} % if the {machines} that could not be {how} {verb} counted either way"
