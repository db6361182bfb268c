"""Which samples of an admitted series are kept, and why the others are not. Pure.

A count of nodes that is 3 now is kept. NaN is `nan`, but the one by which Prometheus ends a series is `stale`; 2.5, -1
and 1e300 are `no_count`; 3 of two days ago is `old`, of the day after tomorrow `future`.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from layercensus.fleet.contract import Fact
from layercensus.fleet.kinds import Kind

# Prometheus marks the end of a series with this NaN (model/value/value.go, StaleNaN).
_STALE = struct.pack("<Q", 0x7FF0000000000002)
# The values of these say nothing: what they tell is in their labels.
_INFO = frozenset({Fact.VERSION, Fact.PLATFORM})
_MOST_COUNT = 2.0**31


@dataclass(frozen=True, slots=True)
class Window:
    """Times that are taken, in milliseconds since 1970, both ends included."""

    first: int
    last: int


class Admitted(NamedTuple):
    """What is kept of a request, in columns of equal length; `dropped`: reason -> samples.

    A tuple, since one is made for each request.
    """

    kinds: tuple[Kind, ...]
    timestamps: tuple[int, ...]
    values: tuple[float, ...]
    dropped: Mapping[str, int]


def is_count(kind: Kind) -> bool:
    """Whether the values of a series are counts."""
    return kind.fact not in _INFO


def drop_reason(kind: Kind, timestamp: int, value: float, window: Window) -> str:
    """Why a sample is not kept; empty if it is."""
    if math.isnan(value):
        return "stale" if struct.pack("<d", value) == _STALE else "nan"
    if is_count(kind) and not (0 <= value <= _MOST_COUNT and value.is_integer()):
        return "no_count"
    if timestamp < window.first:
        return "old"
    return "future" if timestamp > window.last else ""
