"""`layercensus inspect`: what is layered on the machines that these documents show."""

from argparse import Namespace
from collections.abc import Iterator

from layercensus.classify.census import classify
from layercensus.commands import EXIT_DONE, EXIT_LAYERED, EXIT_PARTIAL, Output, Surroundings
from layercensus.host.captures import count_files, read_captures
from layercensus.host.reading import unreadable
from layercensus.metrics.census_json import format_census_json
from layercensus.metrics.census_table import format_census_table
from layercensus.metrics.families import exposition_lines, machine_families, merge_families
from layercensus.model import Census, Layering, Machine, Skipped

_LIVE_HOST = "this machine itself is not read yet: pipe `rpm-ostree status --json` into `layercensus inspect -`"
_NOTHING_FOUND = "no host document was found; save `rpm-ostree status --json` of each machine there"


class _Inspection:
    """What was seen so far; it decides the exit status once all machines are through."""

    def __init__(self, options: Namespace, surroundings: Surroundings) -> None:
        self.options = options
        self.surroundings = surroundings
        self.skipped: list[Skipped] = []
        self.machines = 0
        self.unknown = 0
        self.layered = 0

    def censuses(self) -> Iterator[Census]:
        """Classified machines, one at a time; what was skipped is kept aside."""
        total = count_files(self.options.paths) if self.surroundings.shows_progress else None
        for done, item in enumerate(self._items()):
            self.surroundings.tick(done, total)
            if isinstance(item, Skipped):
                self.skipped.append(item)
                continue
            self.machines += 1
            census = classify(item, release=self.options.release)
            self.unknown += census.booted.layering is Layering.UNKNOWN
            self.layered += census.booted.layering in {Layering.PACKAGES, Layering.OVERRIDES}
            if self.options.format == "prometheus" and census.booted.layering is Layering.UNKNOWN:
                reason = "; ".join(census.problems)
                self.surroundings.warn(f"layercensus: {census.machine.input}: unknown: {reason}")
            yield census

    def _items(self) -> Iterator[Machine | Skipped]:
        if not self.options.paths:
            return iter([unreadable("/", _LIVE_HOST)])
        return read_captures(self.options.paths, self.surroundings.stdin)

    @property
    def status(self) -> int:
        """Exit status: 3 (if asked for) wins over 1."""
        if self.options.exit_code and self.layered:
            return EXIT_LAYERED
        lost = self.unknown or not self.machines or any(item.lost for item in self.skipped)
        return EXIT_PARTIAL if lost else EXIT_DONE


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Yield the table, the JSON or the metrics of all machines; return the exit status."""
    inspection = _Inspection(options, surroundings)
    if options.format == "json":
        yield from format_census_json(inspection.censuses(), inspection.skipped)
    elif options.format == "prometheus":
        yield from _exposition(list(inspection.censuses()))
    else:
        yield from format_census_table(inspection.censuses(), inspection.skipped)
    if not inspection.machines:
        surroundings.warn(f"layercensus: {' '.join(options.paths)}: {_NOTHING_FOUND}")
    return inspection.status


def _exposition(censuses: list[Census]) -> Iterator[str]:
    if len(censuses) == 1:
        return exposition_lines(machine_families(censuses[0]))
    return exposition_lines(merge_families((census.machine.input, machine_families(census)) for census in censuses))
