"""How much of a fleet each kind of advice would free: the report's answers by need, in words of advice. Pure.

A need says why a change is there, the lake holds no package names: so it is what the advice would be about, not what
would be done. A machine may have several needs; it is free only when all of them are met, so rows overlap and no sum
of them means anything.
"""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

_WIDTH = 80
_ADVICE = {
    "tool": "drop: oc debug has it",
    "agent": "an operator, else the image",
    "driver": "the image, built per kernel",
    "override": "the image",
    "other": "the image",
}
_OVERLAP = (
    "A machine may have several needs, so it may be in several rows: it is free only when all of them are met. "
    "Extensions and kernel types, which image mode refuses as well, are in the last row only: the platform moves them."
)
_UNKNOWN = (
    "Not known of {:,} more, which could not be read or whose cluster does not tell needs: they are in no row of a "
    "need. --format json has the bounds."
)
_UNTOLD = "This signal cannot tell why changes are there."


@dataclass(frozen=True, slots=True)
class Freed:
    """Machines and clusters of one need; share of the machines of which it is known, with its 95 % interval.

    `bounds`: the share of all machines, if none or all of those of which it is not known had the need.
    """

    machines: int | None
    clusters: int | None
    share: float | None
    ci95: tuple[float, float] | None
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class FleetAdvice:
    """What a fleet would gain, by need. `unknown`: machines of which no need is known, or not whether they have one."""

    sentence: str
    as_of: str
    signal: str
    population: str
    stuck: Freed
    by_need: Mapping[str, Freed]
    unknown: int = 0


def format_fleet_text(advice: FleetAdvice) -> str:
    """Text for a terminal of 80 columns, ending in a newline."""
    parts = [textwrap.fill(advice.sentence, _WIDTH)]
    parts.append(f"Day {advice.as_of}, signal {advice.signal}; shares of the machines of which it is known.")
    rows = [(need, _ADVICE[need], *_cells(found)) for need, found in _told(advice).items()]
    if rows:
        head = ("need", "advice", "machines", "clusters", "share", "95 % interval")
        stuck = ("any", "stuck now, extensions too", *_cells(advice.stuck))
        parts.append(_table([head, *rows, stuck]))
        if advice.unknown:
            parts.append(textwrap.fill(_UNKNOWN.format(advice.unknown), _WIDTH))
        parts.append(textwrap.fill(_OVERLAP, _WIDTH))
    else:
        parts.append(_UNTOLD)
    return "\n\n".join(parts) + "\n"


def format_fleet_json(advice: FleetAdvice) -> str:
    """The same as JSON: `layercensus/plan/v1` with `fleet` in place of `pools`."""
    needs = [{"need": need, "advice": _ADVICE[need], **_value(found)} for need, found in advice.by_need.items()]
    fleet = {
        "as_of": advice.as_of,
        "signal": advice.signal,
        "population": advice.population,
        "any_local_change": _value(advice.stuck),
        "by_need": needs,
    }
    return json.dumps({"schema": "layercensus/plan/v1", "fleet": fleet}, indent=1) + "\n"


def _told(advice: FleetAdvice) -> Mapping[str, Freed]:
    """Needs in the order of the advice, where the signal knows them."""
    return {need: advice.by_need[need] for need in _ADVICE if advice.by_need[need].machines is not None}


def _value(found: Freed) -> dict[str, object]:
    return {
        "machines": found.machines,
        "clusters": found.clusters,
        "share": found.share,
        "ci95": list(found.ci95) if found.ci95 else None,
        "bounds": list(found.bounds) if found.bounds else None,
    }


def _cells(found: Freed) -> tuple[str, ...]:
    share = "-" if found.share is None else f"{_percent(found.share)} %"
    interval = "-" if found.ci95 is None else f"{_percent(found.ci95[0])}–{_percent(found.ci95[1])} %"
    return (_count(found.machines), _count(found.clusters), share, interval)


def _percent(fraction: float) -> str:
    """One digit after the point, and never 0.0 for what is not nought."""
    return "<0.1" if 0 < fraction < 0.001 else f"{100 * fraction:.1f}"


def _count(number: int | None) -> str:
    return "-" if number is None else str(number)


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
