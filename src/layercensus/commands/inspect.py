"""`layercensus inspect`: what is layered on the machines that these documents show."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from layercensus.commands import Output, Surroundings
from layercensus.commands.asked_release import AskedRelease
from layercensus.commands.censuses import Tally, render_censuses
from layercensus.commands.paths import check_paths, warn_missing
from layercensus.errors import Fault, UsageError
from layercensus.host.captures import count_files, read_captures
from layercensus.host.live.sysroot import read_sysroot
from layercensus.model import Census, Layering, Machine, Skipped

_NOTHING_FOUND = "no host document was found; save `rpm-ostree status --json` of each machine there"


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Yield the table, the JSON or the metrics of all machines; return the exit status."""
    if options.paths and options.root != "/":
        raise UsageError("PATH and --root are two machines", fault=Fault.USAGE, next_step="give one of them")
    check_paths(options.paths, instead="leave PATH out, or give --root /")
    missing = warn_missing(options.paths, surroundings.warn)
    tally = Tally()
    censuses = tally.classified(_items(options, surroundings), release=options.release)
    release = AskedRelease(options.release)
    if options.format == "prometheus":
        censuses = release.through(_with_reasons(censuses, surroundings, missing))
    yield from render_censuses(censuses, tally.skipped, form=options.format)
    if not tally.machines:
        surroundings.warn(f"layercensus: {' '.join(options.paths)}: {_NOTHING_FOUND}")
    elif options.format == "prometheus":
        for line in release.lines():
            surroundings.warn(f"layercensus: {line}")
        for item in tally.skipped:
            if item.lost:
                surroundings.warn(f"layercensus: {item.input}: skipped: {item.reason}")
    return tally.status(exit_code=options.exit_code)


def _items(options: Namespace, surroundings: Surroundings) -> Iterator[Machine | Skipped]:
    """Machines as they are read; progress is shown on the way."""
    if not options.paths:
        yield read_sysroot(Path(options.root), name=options.root)
        return
    total = count_files(options.paths) if surroundings.shows_progress else None
    for done, item in enumerate(read_captures(options.paths, surroundings.stdin)):
        surroundings.tick(done, total)
        yield item


def _with_reasons(censuses: Iterator[Census], surroundings: Surroundings, missing: frozenset[str]) -> Iterator[Census]:
    """Metrics have no place for a reason: it goes beside them, but for paths that were said to be missing."""
    for census in censuses:
        if census.booted.layering is Layering.UNKNOWN and census.machine.input not in missing:
            surroundings.warn(f"layercensus: {census.machine.input}: unknown: {'; '.join(census.problems)}")
        yield census
