"""How often the 95 % interval contains the truth, over thousands of fleets that are made up, for `docs/coverage.md`.

    python support/coverage_study.py [FLEETS]     so many fleets to a design, 10000 unless told: some minutes

What is measured is the estimator of the report itself, on the sums of each fleet. It writes its part of the page,
between two marks, and ends with 1 where what is promised of the interval does not hold.
"""

import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from scipy.stats import binom

sys.path.append(str(Path(__file__).parents[1]))
from support.coverage_fleets import (
    Design,
    Law,
    draw,
    draw_accounts,
    draw_own,
    hide,
    layer,
    own_truth,
    sums_of,
    sums_with_unknown,
    truth,
)

from layercensus.report.cautions import FARTHEST_MOVE, FEWEST_UNITS, FEWEST_WITH, cautions
from layercensus.report.estimator import Sums, bounds, bounds_interval, interval, wilson
from layercensus.report.paired import PAIRED_SUMS, difference

SEED = 20260531
PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"
BEGIN, END = "<!-- Written by `make coverage-study`; do not edit. -->\n", "<!-- Up to here. -->\n"

MAIN = Law()
LAWS = (
    Law("heavier tail", exponent=1.5),
    Law("large units more often", by_size=0.3),
    Law("both", exponent=1.5, by_size=0.3),
    Law("beta(1, 3)", a=1, b=3),
    Law("beta(0.3, 0.2)", a=0.3, b=0.2),
)
_SHARES = (0.001, 0.01, 0.1)
GRID = tuple(
    Design(units, largest, share)
    for units in (30, 300, 3000)
    for largest in (0.01, 0.05, 0.2)
    for share in _SHARES
    if units * largest > 1
)
EDGE = tuple(Design(units, 0.02, share) for units, share in ((300, 0.1), (3000, 0.01), (3000, 0.1)))
SENSITIVE = tuple(
    Design(units, largest, share, law)
    for law in LAWS
    for units, largest, share in (
        (30, 0.05, 0.1),
        (300, 0.01, 0.01),
        (300, 0.01, 0.1),
        (300, 0.02, 0.1),
        (300, 0.05, 0.1),
        (3000, 0.01, 0.01),
        (3000, 0.01, 0.1),
        (3000, 0.02, 0.1),
        (3000, 0.05, 0.1),
        (3000, 0.2, 0.1),
    )
)
OWN = (30, 300, 1000, 3000)


@dataclass(frozen=True, slots=True)
class Result:
    """What the fleets of one design showed; parts are of all fleets, but `without` is of those without a caution.

    `below`, `above`: the interval lies below or above the truth. `free`: fleets without a caution.
    """

    fleets: int
    units_with: float
    below: float
    above: float
    width: float
    free: float
    without: float | None
    cautions: dict[str, float]

    @property
    def coverage(self) -> float:
        """Fleets whose interval contains the truth."""
        return 1 - self.below - self.above

    @property
    def unwarned(self) -> float:
        """Fleets whose interval misses the truth without a caution."""
        return 0.0 if self.without is None else self.free * (1 - self.without)


def error(part: float, fleets: float) -> float:
    """Monte Carlo standard error of a part of so many fleets."""
    return math.sqrt(part * (1 - part) / fleets) if fleets else 0.0


def measure(design: Design, fleets: int) -> Result:
    """Draw fleets of a design and count. The seed is of the design, so that no result hangs on another."""
    law = design.law
    parameters = (design.largest, design.share, law.exponent, law.a, law.b, law.by_size)
    generator = np.random.default_rng([SEED, design.units, *(round(1e6 * one) for one in parameters)])
    return summarise((sums for batch in draw(design, fleets, generator) for sums in sums_of(*batch)), truth(design))


def measure_own(units: int, fleets: int) -> Result:
    """The same for the process of `layercensus simulate`."""
    generator = np.random.default_rng([SEED, units])
    return summarise((sums for batch in draw_own(units, fleets, generator) for sums in sums_of(*batch)), own_truth())


def summarise(fleets: Iterable[Sums], share: float) -> Result:
    """Count what intervals and cautions say of fleets whose process has this share."""
    count = below = above = free = missed = with_packages = 0
    widths, found = [], Counter[str]()
    for sums in fleets:
        ends, said = interval(sums), cautions(sums)
        if ends is None:
            raise ValueError(sums)
        count += 1
        with_packages += sums.units_with
        widths.append(ends[1] - ends[0])
        below += ends[1] < share
        above += ends[0] > share
        found.update(str(one) for one in said)
        if not said:
            free += 1
            missed += not ends[0] <= share <= ends[1]
    return Result(
        fleets=count,
        units_with=with_packages / count,
        below=below / count,
        above=above / count,
        width=median(widths),
        free=free / count,
        without=1 - missed / free if free else None,
        cautions={name: times / count for name, times in found.items()},
    )


def is_required(design: Design, result: Result) -> bool:
    """Whether 93 to 97 % is asked of a design of the main law."""
    return design.law == MAIN and design.units >= 300 and design.largest <= 0.02 and result.units_with >= 30


def broken(design: Design | None, result: Result) -> str | None:
    """What is promised and does not hold by more than three Monte Carlo standard errors; None if all does."""
    coverage, room = result.coverage, 3 * error(result.coverage, result.fleets)
    if design and is_required(design, result) and not 0.93 - room <= coverage <= 0.97 + room:
        return f"coverage {coverage:.3f} is not 93 to 97 %"
    if result.without is not None and result.free >= 0.1:
        room = 3 * error(0.9, result.free * result.fleets)
        if result.without < 0.9 - room:
            return f"coverage without a caution {result.without:.3f} is below 90 %"
    elif result.unwarned > 0.02 + 3 * error(0.02, result.fleets):
        return f"{result.unwarned:.3f} of the fleets are missed without a caution"
    return None


_HEAD = (
    "| units | largest | share | with packages | coverage | below | above | width | no caution | coverage of these | "
    "cautions |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def row(units: int, largest: str, share: float, result: Result, *, is_asked: bool = False) -> str:
    """One line of a table."""
    often = ", ".join(f"{name} {percent(part, 0)}" for name, part in sorted(result.cautions.items()))
    without = "-" if result.without is None else percent(result.without)
    if result.without is not None and result.free < 0.1:
        without = f"({without})"
    mark = "**" if is_asked else ""
    return (
        f"| {units:,} | {largest} | {percent(share)} | {result.units_with:.1f} | "
        f"{mark}{percent(result.coverage)}{mark} ± {percent(error(result.coverage, result.fleets), 2)} | "
        f"{percent(result.below)} | {percent(result.above)} | {percent(result.width, 2)} | {percent(result.free, 0)} | "
        f"{without} | {often or '-'} |\n"
    )


def percent(part: float, places: int = 1) -> str:
    """A part in percent, without the sign."""
    return f"{100 * part:.{places}f}"


def tables(fleets: int, problems: list[str]) -> Iterator[str]:
    """The page's generated part, table by table."""
    yield (
        f"{fleets:,} fleets to a design, seed {SEED}. Limits of the cautions: fewer than {FEWEST_UNITS} units; "
        f"effective units\nbelow {FEWEST_WITH:g}; the largest unit moves the share by more than {FARTHEST_MOVE:g} "
        "standard errors. All numbers but\nunits and those with packages are percent; width is that of the interval in "
        "percentage points, the median.\n\n"
    )
    for title, designs in (
        ("The main process", GRID),
        ("Where 93 to 97 is asked, the largest unit at 2 %", EDGE),
        *((f"Other processes: {law.name}", tuple(each for each in SENSITIVE if each.law == law)) for law in LAWS),
    ):
        yield f"### {title}\n\n{_HEAD}"
        for design in designs:
            result = measure(design, fleets)
            note(problems, f"{design}", broken(design, result))
            largest = f"{100 * design.largest:g}"
            yield row(design.units, largest, truth(design), result, is_asked=is_required(design, result))
        yield "\n"
    yield f"### The process of `layercensus simulate`\n\n{_HEAD}"
    for units in OWN:
        result = measure_own(units, fleets)
        note(problems, f"own, {units} units", broken(None, result))
        yield row(units, "-", own_truth(), result)
    yield "\n"
    yield from unknown_table(fleets // 2, problems)
    yield from change_table(fleets // 2)
    yield from wilson_table()
    yield from account_table(fleets // 5)


def note(problems: list[str], where: str, what: str | None) -> None:
    """Keep what does not hold, and say that one design is done."""
    print(where, what or "holds", flush=True)
    if what:
        problems.append(f"{where}: {what}")


UNKNOWN = {
    "any tenth of the machines": (0.1, 0.1),
    "packages hide: 30 % of these, 2 % of the others": (0.3, 0.02),
    "worst: only machines with packages, 30 % of them": (0.3, 0.0),
    "worst: only machines without, 10 % of them": (0.0, 0.1),
}


def measure_unknown(design: Design, chances: tuple[float, float], fleets: int) -> tuple[float, float, float]:
    """Fleets whose bounds contain their own share, and whose interval around bounds, or ci95, that of the process."""
    generator = np.random.default_rng([SEED, design.units, 1])
    share, held, around, plain, count = truth(design), 0, 0, 0, 0
    for machines, layered in draw(design, fleets, generator):
        hidden = hide(machines, layered, chances, generator)
        realised = (layered.sum(1) / machines.sum(1)).tolist()
        for own, sums in zip(realised, sums_with_unknown(machines, layered, hidden), strict=True):
            ends, wide, narrow = bounds(sums), bounds_interval(sums), interval(sums)
            if ends is None or wide is None or narrow is None:
                raise ValueError(sums)
            count += 1
            held += ends[0] - 1e-12 <= own <= ends[1] + 1e-12
            around += wide[0] <= share <= wide[1]
            plain += narrow[0] <= share <= narrow[1]
    return held / count, around / count, plain / count


def unknown_table(fleets: int, problems: list[str]) -> Iterator[str]:
    """Bounds where machines could not be read."""
    yield (
        f"### Machines that could not be read\n\n{fleets:,} fleets; the largest unit has 1 % of the machines.\n\n"
        "| units | share | unknown | bounds contain the fleet's share | interval around bounds contains the "
        "process's | plain interval does |\n|---|---|---|---|---|---|\n"
    )
    for design in (Design(300, 0.01, 0.1), Design(3000, 0.01, 0.1)):
        for name, chances in UNKNOWN.items():
            held, around, plain = measure_unknown(design, chances, fleets)
            note(problems, f"{design} {name}", None if held == 1 else "bounds miss the realised share")
            yield (
                f"| {design.units:,} | {percent(design.share)} | {name} | {percent(held)} | {percent(around)} | "
                f"{percent(plain)} |\n"
            )
    yield "\n"


def measure_change(design: Design, grows: float, fleets: int) -> tuple[float, float]:
    """True change, and fleets whose interval of the change contains it.

    Between two days one in ten units loses its packages, and some begin to have them: as many as keep the share, times
    `grows`.
    """
    generator = np.random.default_rng([SEED, design.units, 2])
    law = design.law
    mean = law.a / (law.a + law.b)
    begins, chance = grows * 0.1 * design.share / (mean - design.share), np.ones(design.units)
    change = begins * mean - (0.1 + begins) * design.share
    held = count = 0
    for machines, layered in draw(design, fleets, generator):
        dice = generator.random(machines.shape)
        anew = layer(machines, chance, law, generator)[1]
        later = np.where(dice < 0.1, 0, np.where(dice < 0.1 + begins, anew, layered))
        columns = {"x1": machines, "y1": layered, "x2": machines, "y2": later}
        totals = {
            name: np.sum(columns[name] if len(name) == 2 else columns[name[:2]] * columns[name[2:]], axis=1).tolist()
            for name in PAIRED_SUMS
        }
        for place in range(len(machines)):
            _, _, ends = difference(design.units, {name: float(totals[name][place]) for name in PAIRED_SUMS})
            if ends is None:
                raise ValueError(design)
            count += 1
            held += ends[0] <= change <= ends[1]
    return change, held / count


def change_table(fleets: int) -> Iterator[str]:
    """The change between two days."""
    yield (
        f"### The change between two days\n\n{fleets:,} fleets; the largest unit has 1 % of the machines. One unit in "
        "ten loses its packages, others begin to have some.\n\n"
        "| units | share | true change, points | coverage |\n|---|---|---|---|\n"
    )
    for design in (Design(300, 0.01, 0.1), Design(3000, 0.01, 0.01), Design(3000, 0.01, 0.1)):
        for grows in (1.0, 3.0):
            change, held = measure_change(design, grows, fleets)
            yield (
                f"| {design.units:,} | {percent(design.share)} | {percent(change, 2)} | {percent(held)} ± "
                f"{percent(error(held, fleets), 2)} |\n"
            )
    yield "\n"


def exact_wilson(units: int, chance: float) -> float:
    """Chance that the interval of Wilson contains the chance of a unit: a sum, not a simulation."""
    inside = [hits for hits in range(units + 1) if (ends := wilson(hits, units)) and ends[0] <= chance <= ends[1]]
    return float(np.sum(binom.pmf(inside, units, chance)))


def wilson_table() -> Iterator[str]:
    """The share of clusters."""
    yield (
        "### The share of clusters (Wilson)\n\nExact sums, not draws: clusters are independent here.\n\n"
        "| clusters | share with packages | coverage |\n|---|---|---|\n"
    )
    for units in (30, 300, 3000):
        for chance in (0.01, 0.1, 0.3):
            yield f"| {units:,} | {percent(chance)} | {percent(exact_wilson(units, chance))} |\n"
    yield "\n"


def measure_accounts(design: Design, fleets: int) -> tuple[float, float, float]:
    """Mean number of clusters, and coverage with clusters and with accounts as units."""
    generator = np.random.default_rng([SEED, design.units, 3])
    seen = [0, 0]
    clusters = 0
    for starts, x, y in draw_accounts(design, fleets, generator):
        clusters += len(x)
        for place, units in enumerate(((x, y), (np.add.reduceat(x, starts), np.add.reduceat(y, starts)))):
            (sums,) = sums_of(units[0][None], units[1][None])
            ends = interval(sums)
            seen[place] += ends is not None and ends[0] <= design.share <= ends[1]
    return clusters / fleets, seen[0] / fleets, seen[1] / fleets


ACCOUNTS = (Design(100, 0.05, 0.1), Design(300, 0.01, 0.1), Design(1000, 0.01, 0.1))


def account_table(fleets: int) -> Iterator[str]:
    """Why accounts matter."""
    yield (
        f"### Clusters of one account are alike\n\n{fleets:,} fleets. Most accounts have one cluster, some up to 30, "
        "all of which are alike.\n\n"
        "| accounts | clusters | share | coverage, unit cluster | coverage, unit account |\n|---|---|---|---|---|\n"
    )
    for design in ACCOUNTS:
        clusters, by_cluster, by_account = measure_accounts(design, fleets)
        yield (
            f"| {design.units:,} | {clusters:,.0f} | {percent(design.share)} | {percent(by_cluster)} | "
            f"{percent(by_account)} |\n"
        )
    yield "\n"


def main(arguments: Sequence[str]) -> int:
    """Run the study and write its part of the page."""
    fleets, problems = int(arguments[0]) if arguments else 10_000, list[str]()
    made = "".join(tables(fleets, problems))
    said = "\n".join(f"- {one}" for one in problems) or "None: all that is promised above holds."
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{made}### What does not hold\n\n{said}\n\n{END}{after}", encoding="utf-8")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
