"""How the packages are spread over clusters: the curve, and the two points of it that people ask for. Pure.

Units with most machines in the numerator come first, so that the curve rises steeply where few hold much.
"""

from dataclasses import dataclass

from layercensus.report.page.figure import Figure, Line, percent
from layercensus.report.shape import Concentration, Report

_HALF = 0.5
# A published curve may have its ends and nothing in between: a straight line that would look like an even spread.
_FEWEST = 5
# A label that would leave the chart stands to the left of its point.
_FAR_RIGHT = 55.0


@dataclass(frozen=True, slots=True)
class Noted:
    """A point that is named: in per cent from the left and from the top."""

    x: float
    y: float
    label: Line

    @property
    def is_at_end(self) -> bool:
        """Whether its label stands to the left."""
        return self.x > _FAR_RIGHT


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve as an SVG point list in a box of 100 by 100, and the points that are named."""

    line: str
    noted: tuple[Noted, ...]


def curve(report: Report) -> Curve | None:
    """Draw the curve; None where nothing, or nearly nothing, is known of it."""
    spread = report.concentration
    if len(spread.curve) < _FEWEST:
        return None
    line = " ".join(f"{x * 100:.2f},{100 - y * 100:.2f}" for x, y in spread.curve)
    return Curve(line, tuple(_noted(spread, report.unit)))


def half_of(spread: Concentration) -> tuple[Figure, Figure] | None:
    """The first point of the curve with half of the machines: fraction of units, fraction of machines."""
    if len(spread.curve) < _FEWEST:
        return None
    for index, (x, y) in enumerate(spread.curve):
        if y >= _HALF:
            return percent(x, f"concentration.curve.{index}.0"), percent(y, f"concentration.curve.{index}.1")
    return None


def _noted(spread: Concentration, unit: str) -> list[Noted]:
    noted = []
    held = spread.top1_percent_share
    if held is not None and len(spread.curve) > 100:
        label = ("the top 1\u00a0% hold ", percent(held, "concentration.top1_percent_share"))
        x = spread.curve[1][0]
        noted.append(Noted(x * 100, 100 - held * 100, label))
    half = half_of(spread)
    if half is not None and half[0].value is not None and half[1].value is not None:
        x, y = half[0].value, half[1].value
        if not noted or abs(noted[0].y - (100 - y * 100)) > 12:
            noted.append(Noted(x * 100, 100 - y * 100, (half[0], f" of {unit}s hold ", half[1])))
    return noted
