"""Axes of shares from nought, with ticks people can read. Pure.

share_axis([0.021, 0.034]).ticks  ->  at 0, 25, 50, 75, 100 per cent of the axis: 0 %, 1 %, 2 %, 3 %, 4 %
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 5.0, 10.0)
_FEWEST = 3
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
# An interval that reaches so many times beyond every share is cut off, with an arrow: it would hide the rest.
FAR = 2.5


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark: where, in per cent from the axis' start, and the share it stands for."""

    at: float
    value: float

    @property
    def label(self) -> str:
        """As people read it in English."""
        return f"{self.value * 100:g}\u00a0%"


@dataclass(frozen=True, slots=True)
class Axis:
    """From nought to `top`, a fraction."""

    top: float
    ticks: tuple[Tick, ...]

    def at(self, share: float) -> float:
        """Where a share is, in per cent from the start; what is beyond the end is at it."""
        return min(share / self.top, 1.0) * 100


def share_axis(shares: Iterable[float | None], ends: Iterable[float | None] = (), *, far: float = FAR) -> Axis:
    """An axis that holds all shares, and those upper ends of intervals that are not `far` times beyond the highest."""
    known = [share for share in shares if share is not None]
    upper = sorted(end for end in ends if end is not None)
    highest = max(known, default=0.0)
    if highest == 0.0:
        highest = upper[len(upper) // 2] if upper else 1.0
    held = [end for end in upper if end <= highest * far]
    return _axis(min(1.0, max([highest, *held])))


def _axis(reach: float) -> Axis:
    """The coarsest steps of 1, 2 or 5 that make at least three."""
    reach = max(reach, 1e-4)
    if reach > 0.8:
        return Axis(1.0, tuple(Tick(share * 100, share) for share in _QUARTERS))
    magnitude = 10.0 ** math.floor(math.log10(reach) - 1)
    candidates = [step * magnitude * scale for scale in (1.0, 10.0) for step in _STEPS]
    step = max(one for one in candidates if math.ceil(round(reach / one, 9)) >= _FEWEST)
    steps = math.ceil(round(reach / step, 9))
    top = min(step * steps, 1.0)
    shares = [round(step * count, 12) for count in range(steps + 1) if step * count <= top + 1e-12]
    return Axis(top, tuple(Tick(share / top * 100, share) for share in shares))
