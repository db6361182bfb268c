"""What a bench found: printed for who looks on, and put down for `bench/run.py`, a line of JSON each.

`tell` says one measure of ours beside a peer's in the same rounds, `tell_growth` one measure at one size. Without
`LAYERCENSUS_BENCH_FIGURES`, the file of those lines, nothing is put down.
"""

import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

FILE = "LAYERCENSUS_BENCH_FIGURES"
ROUNDS = "LAYERCENSUS_BENCH_ROUNDS"
CLUSTERS = "LAYERCENSUS_BENCH_CLUSTERS"


@dataclass(frozen=True, slots=True)
class Figure:
    """`ours` and `theirs`: a value a round, in `unit`. `is_limit`: the peer does the least that could do, no more."""

    bench: str
    what: str
    unit: str
    ours: Sequence[float]
    peer: str = ""
    theirs: Sequence[float] = ()
    is_limit: bool = False
    goal: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours to the peer's, round by round, or none. More is better of what is done in a second, else less."""
        return [own / other for own, other in zip(self.ours, self.theirs, strict=True)] if self.peer else []


@dataclass(frozen=True, slots=True)
class Growth:
    """What one measure is at one size: `size` of `of`, which is a plural."""

    bench: str
    what: str
    unit: str
    of: str
    size: int
    value: float


def this_bench() -> str:
    """The name of the bench that runs."""
    return Path(sys.argv[0]).stem


def tell(  # noqa: PLR0913 - a figure in one line
    what: str, unit: str, ours: Sequence[float], peer: str = "", theirs: Sequence[float] = (),
    *, limit: bool = False, goal: str = "",
) -> None:  # fmt: skip
    """Print a figure and put it down. Without a peer there is no ratio, where nothing does the like."""
    figure = Figure(this_bench(), what, unit, list(ours), peer, list(theirs), limit, goal)
    said = [f"{what}: {spread(ours, unit)}"]
    if peer:
        said.append(f"{peer}{', the limit' if limit else ''}: {spread(theirs, unit)}")
        said.append(f"ours : theirs = {ratio_spread(figure.ratios)}")
    if goal:
        said.append(f"goal: {goal}")
    print("; ".join(said), flush=True)
    _put_down("figure", figure)


def tell_growth(what: str, unit: str, of: str, size: int, value: float) -> None:
    """Print a measure at one size and put it down."""
    print(f"{size:,} {of}: {what} {shown(value)} {unit}".rstrip(), flush=True)
    _put_down("growth", Growth(this_bench(), what, unit, of, size, value))


def end_unmeasured(missing: str) -> NoReturn:
    """Say what is missing and end; in CI that is a failure."""
    print(f"NOT MEASURED, missing: {missing}")
    sys.exit(1 if os.environ.get("CI") else 0)


def _put_down(kind: str, found: Figure | Growth) -> None:
    if path := os.environ.get(FILE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"kind": kind, **asdict(found)}) + "\n")


def rounds(usual: int) -> int:
    """How many rounds, if the environment does not say."""
    return int(os.environ.get(ROUNDS, usual))


def fleet_size(usual: int) -> int:
    """How many clusters, if the environment does not say."""
    return int(os.environ.get(CLUSTERS, usual))


def growing(largest: int, least: int = 1) -> list[int]:
    """A hundredth, a tenth and the whole, none below `least`, each once."""
    return sorted({max(largest // part, least) for part in (100, 10, 1)})


def shown(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """Minimum / median / maximum; of one value that one."""
    return f"{' / '.join(map(shown, _three(values)))} {unit}".rstrip()


def ratio_spread(values: Sequence[float]) -> str:
    """The same of ratios; of small ones as 1 : n."""
    is_small = statistics.median(values) < 0.1
    return " / ".join(f"1 : {shown(1 / one)}" if is_small else shown(one) for one in _three(values))


def _three(values: Sequence[float]) -> Sequence[float]:
    return (min(values), statistics.median(values), max(values)) if len(values) > 1 else values
