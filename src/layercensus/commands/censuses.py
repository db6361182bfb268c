"""Machines to censuses to text, as every command does it that shows machines: classified, counted, in three formats."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from inspect import getdoc
from itertools import chain, islice

from layercensus.classify.census import classify
from layercensus.classify.rules import RULES
from layercensus.commands import EXIT_DONE, EXIT_LAYERED, EXIT_PARTIAL
from layercensus.metrics.census_json import format_census_json
from layercensus.metrics.census_table import format_census_table
from layercensus.metrics.explain import explain_lines
from layercensus.metrics.families import exposition_lines, machine_families, merge_families
from layercensus.model import Census, Layering, Machine, Skipped

_SEVERAL_RELEASES = "Releases that this machine may be of differ on it; --release decides."


@dataclass
class Tally:
    """What went through; it decides the exit status once all machines have. `skipped` is kept aside for the end."""

    machines: int = 0
    unknown: int = 0
    layered: int = 0
    skipped: list[Skipped] = field(default_factory=list)

    def classified(self, items: Iterable[Machine | Skipped], *, release: str | None = None) -> Iterator[Census]:
        """Censuses of the machines, one at a time and as they come."""
        for item in items:
            if isinstance(item, Skipped):
                self.skipped.append(item)
                continue
            census = classify(item, release=release)
            self.machines += 1
            self.unknown += census.booted.layering is Layering.UNKNOWN
            self.layered += census.booted.layering in {Layering.PACKAGES, Layering.OVERRIDES}
            yield census

    def status(self, *, exit_code: bool = False) -> int:
        """Exit status: 3 (if asked for with `exit_code`) wins over 1."""
        if exit_code and self.layered:
            return EXIT_LAYERED
        lost = self.unknown or not self.machines or any(item.lost for item in self.skipped)
        return EXIT_PARTIAL if lost else EXIT_DONE


def render_censuses(censuses: Iterable[Census], skipped: list[Skipped], *, form: str) -> Iterator[str]:
    """Chunks of the table, the JSON document or the exposition; `skipped` is read once all censuses are through."""
    if form == "json":
        return format_census_json(censuses, skipped)
    if form == "prometheus":
        return _exposition(list(censuses))
    return _table(censuses, skipped)


def _table(censuses: Iterable[Census], skipped: list[Skipped]) -> Iterator[str]:
    """Chunks of the table; a machine that stands alone is explained in full below it."""
    pending = iter(censuses)
    first = list(islice(pending, 2))
    yield from format_census_table(chain(first, pending), skipped)
    if len(first) == 1:
        yield "\n"
        yield from explain_census(first[0])


def explain_census(census: Census) -> Iterator[str]:
    """Lines that explain one machine, each rule in the words of its own docstring."""
    meanings = {rule_id: " ".join((getdoc(rule) or "").split()) for rule_id, rule in RULES}
    return explain_lines(census, meanings | {"undetermined.release": _SEVERAL_RELEASES})


def _exposition(censuses: list[Census]) -> Iterator[str]:
    """Metrics of one machine as they are; of several with `machine="<input>"`."""
    if len(censuses) == 1:
        return exposition_lines(machine_families(censuses[0]))
    return exposition_lines(merge_families((census.machine.input, machine_families(census)) for census in censuses))
