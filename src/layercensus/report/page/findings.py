"""What a chart shows, said above it: no more than the intervals allow. Pure.

Two groups are said to differ where their 95 % intervals do not overlap, and a share to have changed where the interval
of the paired difference leaves nought out.
"""

from collections.abc import Sequence

from layercensus.report.figures import Caution, NeedGroup
from layercensus.report.page.curve import half_of
from layercensus.report.page.figure import Day, Key, Line, number, percent, points, points_range
from layercensus.report.page.strips import Keyed
from layercensus.report.shape import OTHER_KEY, UNKNOWN_KEY, Change, Report

_LAYERED = "locally layered packages that are not extensions"
_PROXY = "changes that MCD calls unsupported"


def carried(report: Report) -> str:
    """What the share is of, in few words."""
    return _PROXY if report.signal == "mcd" else _LAYERED


def refused(report: Report) -> str:
    """What upgrades would refuse, in fewer: a gauge that cannot tell packages from overrides does not say packages."""
    return "unsupported changes" if report.signal == "mcd" else "packages"


def title(report: Report) -> Line:
    """The headline in the words of a headline."""
    headline, what = report.headline, carried(report)
    if headline.share is None:
        return (f"It is not known how many CoreOS machines carry {what}",)
    if headline.machines.packages == 0:
        return (f"No CoreOS machine that could be read carries {what}",)
    if headline.machines.packages == headline.machines.classified:
        return (f"Every CoreOS machine that could be read carries {what}",)
    return (percent(headline.share, "headline.share"), f" of CoreOS machines carry {what}")


def groups(rows: Sequence[Keyed]) -> Line:
    """The highest and the lowest share of groups that can be compared."""
    known = [row for row in rows if _is_comparable(row)]
    if len(known) < 2:
        return ("Too few groups are large enough to compare them.",)
    ranked = sorted(known, key=lambda row: row.figures.share or 0.0)
    low, high = ranked[0], ranked[-1]
    if low.figures.share == high.figures.share:
        return ("The share is the same in all of them.",)
    apart = (
        low.figures.ci95 is not None and high.figures.ci95 is not None and low.figures.ci95[1] < high.figures.ci95[0]
    )
    verdict = "; their intervals do not overlap." if apart else "; their intervals overlap, so this may be chance."
    return (
        "Highest of those that can be compared: ",
        Key(high.key),
        ", ",
        percent(high.figures.share, f"{high.path}.share"),
        ". Lowest: ",
        Key(low.key),
        ", ",
        percent(low.figures.share, f"{low.path}.share"),
        verdict,
    )


def needs(rows: Sequence[NeedGroup]) -> Line:
    """The commonest need."""
    if all(row.figures.share is None and not row.figures.suppressed for row in rows):
        return ("What such packages are there for is not known.",)
    known = [(index, row) for index, row in enumerate(rows) if row.figures.machines]
    if not known:
        if any(row.figures.suppressed for row in rows):
            return ("Needs are held back: of too few clusters.",)
        return ("No machine that could be read has such packages.",)
    index, first = max(known, key=lambda pair: pair[1].figures.machines or 0)
    path = f"by.need.{index}"
    return (
        "The commonest need: ",
        Key(first.key),
        ", on ",
        number(first.figures.machines, f"{path}.machines"),
        f" {'machine' if first.figures.machines == 1 else 'machines'}, ",
        percent(first.figures.share, f"{path}.share"),
        " of those whose needs are told.",
    )


def changes(found: Sequence[Change], unit: str) -> tuple[Line, ...]:
    """Each paired change, over the longest time first: that one as a sentence, the others in brief."""
    ordered = [(change, f"changes.{index}") for index, change in enumerate(found)][::-1]
    return tuple(
        _change(change, path, unit) if place == 0 else _in_brief(change, path, unit)
        for place, (change, path) in enumerate(ordered)
    )


def concentration(report: Report) -> Line:
    """How few hold how much."""
    spread, unit = report.concentration, report.unit
    if report.published and spread.largest_share is None and report.headline.machines.packages:
        return (f"The largest {unit}s are held back.",)
    if spread.top1_percent_share is None:
        return ("How such machines are spread is not known, or there is none.",)
    line: Line = (
        f"The top 1\u00a0% of {unit}s hold ",
        percent(spread.top1_percent_share, "concentration.top1_percent_share"),
        " of these machines",
    )
    half = half_of(spread)
    # Where the top 1 % hold more than half the other says the same again.
    if half is not None and (half[1].value or 0.0) > spread.top1_percent_share:
        line += ("; ", half[0], " hold ", half[1])
    line += (".",)
    if spread.largest_share is not None:
        line += (
            f" The largest single {unit} holds ",
            percent(spread.largest_share, "concentration.largest_share"),
            ".",
        )
    if spread.share_without is not None:
        line += (
            f" Without the {unit} that moves it most the share of all would be ",
            percent(spread.share_without, "concentration.share_without"),
            ".",
        )
    return line


_TOLD = {
    "unclear": ("went", "from"),
    "up": ("rose", "a rise from"),
    "down": ("fell", "a fall from"),
    "still": ("did not change beyond chance: it went", "no change beyond chance, from"),
}


def _verdict(change: Change) -> str:
    if change.ci95 is None:
        return "unclear"
    return "up" if change.ci95[0] > 0 else "down" if change.ci95[1] < 0 else "still"


def _change(change: Change, path: str, unit: str) -> Line:
    return (
        "Among the ",
        number(change.units, f"{path}.units"),
        f" {unit}s that count on both days the share {_TOLD[_verdict(change)][0]} from ",
        percent(change.share_before, f"{path}.share_before"),
        " (",
        Day(change.from_day),
        ") to ",
        percent(change.share_after, f"{path}.share_after"),
        " (",
        Day(change.to_day),
        "): ",
        *_by_how_much(change, path),
    )


def _in_brief(change: Change, path: str, unit: str) -> Line:
    return (
        "Since ",
        Day(change.from_day),
        ", among ",
        number(change.units, f"{path}.units"),
        f" {unit}s: {_TOLD[_verdict(change)][1]} ",
        percent(change.share_before, f"{path}.share_before"),
        " to ",
        percent(change.share_after, f"{path}.share_after"),
        ", ",
        *_by_how_much(change, path),
    )


def _by_how_much(change: Change, path: str) -> Line:
    line: Line = (points(change.difference, f"{path}.difference"), " percentage points")
    if change.ci95 is None:
        return (*line, "; whether that is more than chance is not known.")
    return (*line, ", 95\u00a0% interval ", points_range(change.ci95, f"{path}.ci95"), ".")


def _is_comparable(row: Keyed) -> bool:
    cautions = getattr(row.figures, "cautions", ())
    return (
        row.key not in {UNKNOWN_KEY, OTHER_KEY}
        and row.figures.share is not None
        and row.figures.ci95 is not None
        and Caution.FEW_UNITS not in cautions
    )
