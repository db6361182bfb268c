"""If upgrades to a release refused some machines, how many on older releases would be stuck? Pure.

Machines of releases add up, so that any choice of releases is exact. Their bounds follow from the unknown machines as
those of the report do ([Y / (X + U), (Y + U) / (X + U)], Manski 2003); an interval is in the JSON report for all
releases only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from layercensus.report.figures import Group
from layercensus.report.page.figure import Figure, Range, number, percent, percent_range
from layercensus.report.shape import OTHER_KEY, UNKNOWN_KEY, Report

_ANY = ("machines.extensions", "machines.overrides", "machines.packages")


@dataclass(frozen=True, slots=True)
class Stuck:
    """Machines of older releases that a policy would refuse; None where the signal cannot tell. Lengths in per cent."""

    machines: Figure
    share: Figure
    bounds: Range
    length: float | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What happens if upgrades to `release` and later refuse: machines read on older releases, and who is stuck."""

    release: str
    older: Figure
    unknown: Figure
    packages: Stuck
    any_change: Stuck


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A row for each release that has an older one. `unplaced`: machines of releases not named or not known."""

    rows: tuple[Refusal, ...]
    unplaced: Figure | None


def what_if(report: Report) -> WhatIf:
    """Add up older releases for every release but the oldest."""
    releases = report.by.release
    placed = [group for group in releases if group.key not in {UNKNOWN_KEY, OTHER_KEY}]
    if list(releases[: len(placed)]) != placed:
        # What is not placed comes last in the report; were it otherwise the sums would not be runs.
        placed = []
    steps = range(1, len(placed))
    most = max(
        (_counted(placed[:count], _ANY) or _counted(placed[:count], _ANY[2:]) or 0 for count in steps), default=0
    )
    rest = [index for index in range(len(releases)) if index >= len(placed)]
    unplaced = None
    if rest and placed:
        path = "+".join(f"by.release.{index}.machines.classified" for index in rest)
        unplaced = number(sum(releases[index].figures.machines.classified for index in rest), path)
    return WhatIf(tuple(_refusal(placed, count, most) for count in steps), unplaced)


def _refusal(placed: Sequence[Group], count: int, most: int) -> Refusal:
    older = placed[:count]
    return Refusal(
        release=placed[count].key,
        older=number(_counted(older, ("machines.classified",)), _path(count, ("machines.classified",))),
        unknown=number(_counted(older, ("machines.unknown",)), _path(count, ("machines.unknown",))),
        packages=_stuck(older, _ANY[2:], most),
        any_change=_stuck(older, _ANY, most),
    )


def _stuck(older: Sequence[Group], fields: tuple[str, ...], most: int) -> Stuck:
    hits = _counted(older, fields)
    read = _counted(older, ("machines.classified",)) or 0
    unknown = _counted(older, ("machines.unknown",)) or 0
    total = read + unknown
    path = _path(len(older), fields)
    whole = _path(len(older), ("machines.classified",))
    everything = _path(len(older), ("machines.total",))
    share = hits / read if hits is not None and read else None
    bounds = (hits / total, (hits + unknown) / total) if hits is not None and total else None
    ends = percent_range(bounds, f"{path}/{everything}")
    if bounds is not None:
        unread = _path(len(older), ("machines.unknown",))
        ends = Range(
            Figure(ends.low.kind, bounds[0], f"{path}/{everything}"),
            Figure(ends.high.kind, bounds[1], f"{path}+{unread}/{everything}"),
        )
    return Stuck(
        machines=number(hits, path),
        share=percent(share, f"{path}/{whole}"),
        bounds=ends,
        length=None if hits is None or most == 0 else hits / most * 100,
    )


def _counted(groups: Sequence[Group], fields: tuple[str, ...]) -> int | None:
    total = 0
    for group in groups:
        machines = group.figures.machines
        counts = {
            "machines.extensions": machines.extensions,
            "machines.overrides": machines.overrides,
            "machines.packages": machines.packages,
            "machines.classified": machines.classified,
            "machines.unknown": machines.unknown,
        }
        for field in fields:
            count = counts[field]
            if count is None:
                return None
            total += count
    return total


def _path(count: int, fields: tuple[str, ...]) -> str:
    run = "0" if count == 1 else f"0..{count - 1}"
    return "+".join(f"by.release.{run}.{field}" for field in fields)
