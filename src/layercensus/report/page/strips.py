"""Rows of the page's dot plots: bounds, interval and share of a group on one common axis. Pure.

Places are in per cent of the axis; the template draws them, so that text keeps its size on every screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from layercensus.report.estimator import Interval
from layercensus.report.figures import Caution, Headline, Machines
from layercensus.report.figures import Part as Share
from layercensus.report.page.axis import FAR, Axis, share_axis
from layercensus.report.page.figure import Figure, Range, number, percent, percent_range


def marks(unit: str) -> dict[Caution, tuple[str, str]]:
    """What a caution is marked with beside an interval, and the words that the mark stands for."""
    return {
        Caution.FEW_UNITS: ("§", f"few {unit}s to go by"),
        Caution.FEW_WITH_PACKAGES: ("†", f"few {unit}s with such machines, or few without"),
        Caution.LARGE_UNIT: ("‡", f"the largest {unit} alone could move the share out of it"),
    }


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an axis, in per cent from its start. `is_cut`: it goes on beyond the end of the axis."""

    start: float
    length: float
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """One row's drawing; None for what is not known. `spoken`: the same in words."""

    share: float | None
    interval: Span | None
    bounds: Span | None
    spoken: str


@dataclass(frozen=True, slots=True)
class Row:
    """A key with its figures, and its drawing. `path`: where its figures stand in the JSON report.

    `cautions`: why the interval may mislead. `note`: what else there is to say of the row.
    """

    key: str
    path: str
    share: Figure
    interval: Range
    bounds: Range
    hits: Figure
    machines: Figure
    strip: Strip
    cautions: tuple[Caution, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Strips:
    """Rows on one axis. `reference`: where the share of all is."""

    axis: Axis
    reference: float | None
    rows: tuple[Row, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(row.strip.share is None and row.strip.bounds is None for row in self.rows)

    @property
    def has_cautions(self) -> bool:
        """Whether any row has one, which the marks below explain."""
        return any(row.cautions for row in self.rows)


@dataclass(frozen=True, slots=True)
class Keyed:
    """What a row is made of."""

    key: str
    path: str
    figures: Headline | Share
    note: str = ""


def strips(groups: Sequence[Keyed], overall: float | None, *, far: float = FAR) -> Strips:
    """Draw groups on an axis that all of them share, with the share of all for comparison."""
    ends = [end[1] for group in groups for end in (group.figures.ci95, group.figures.bounds) if end]
    axis = share_axis([overall, *(group.figures.share for group in groups)], ends, far=far)
    return Strips(axis, None if overall is None else axis.at(overall), tuple(_row(group, axis) for group in groups))


def span(interval: Interval | None, axis: Axis) -> Span | None:
    """Where an interval is on an axis."""
    if interval is None:
        return None
    start, end = axis.at(interval[0]), axis.at(interval[1])
    return Span(start, end - start, is_cut=interval[1] > axis.top)


def _row(group: Keyed, axis: Axis) -> Row:
    figures, path = group.figures, group.path
    share = percent(figures.share, f"{path}.share")
    interval = percent_range(figures.ci95, f"{path}.ci95")
    bounds = percent_range(figures.bounds, f"{path}.bounds")
    machines, cautions = _machines(figures), _cautions(figures)
    return Row(
        key=group.key,
        path=path,
        share=share,
        interval=interval,
        bounds=bounds,
        hits=number(machines[0], f"{path}.{machines[1]}"),
        machines=number(machines[2], f"{path}.{machines[3]}" if machines[3] else ""),
        strip=Strip(
            share=None if figures.share is None else axis.at(figures.share),
            interval=span(figures.ci95, axis),
            bounds=span(figures.bounds, axis),
            spoken=f"share {share.text}, 95 % interval {interval.text}, bounds {bounds.text}",
        ),
        cautions=cautions,
        note=group.note,
    )


def _machines(figures: Headline | Share) -> tuple[int | None, str, int | None, str]:
    """Machines in the numerator and, of a group, those that were read; each with its place."""
    machines: Machines | int | None = figures.machines
    if isinstance(machines, Machines):
        return machines.packages, "machines.packages", machines.classified, "machines.classified"
    return machines, "machines", None, ""


def _cautions(figures: Headline | Share) -> tuple[Caution, ...]:
    return figures.cautions if isinstance(figures, Headline) and figures.ci95 is not None else ()
