"""`layercensus import --prometheus`: what a store of series has of a fleet's clusters, day by day, into a lake.

A day's rows are written when all of them are there, and then the day is put down as read. So an import that was cut off
goes on after the last day that is whole, and ends in the same rows as one that was not.
"""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from layercensus.commands import EXIT_DONE, EXIT_PARTIAL, Output, Surroundings
from layercensus.commands.words import counted
from layercensus.errors import Fault, FleetError, NothingToDoError, UsageError
from layercensus.fleet.samples import Window
from layercensus.fleet.snapshots import SIGNALS
from layercensus.fleet.store import Access, Store, is_private
from layercensus.fleet.store_answers import parse_names
from layercensus.fleet.store_days import DayReader, Notes
from layercensus.fleet.store_queries import DAY_MS, labels_in, select, subject_of
from layercensus.lake.import_record import Source, add_day, make_lake, read_days
from layercensus.lake.population import refresh
from layercensus.lake.storage import write_rows
from layercensus.text import visible

_DEFAULT_DAYS = 30
_DEFAULT_LABEL = "cluster_id"
# Senders keep two hours of what they could not send: before, a day that is over may still grow.
_SETTLED_MS = 3 * 3_600_000
_SHOWN = 5
_SHOWN_LETTERS = 80


@dataclass(eq=False)
class _Import:
    """What an import does, and what it has done so far."""

    store: Store
    source: Source
    lake: Path
    days: list[date]
    now: datetime
    surroundings: Surroundings
    notes: Notes = field(default_factory=Notes)
    read: list[date] = field(default_factory=list)
    unsettled: list[date] = field(default_factory=list)

    def read_day(self, day: date) -> None:
        """Read one day and write its rows. Raises `FleetError`, `LakeError`."""
        window, now_ms = _window(day), _milliseconds(self.now)
        place, number = self.days.index(day), len(self.days)
        reader = DayReader(
            self.store.ask,
            self.source.cluster_label,
            Window(window.first, min(window.last, now_ms)),
            # How many clusters the days to come have is not known: as many as this one, say.
            lambda done, of: self.surroundings.tick(place * of + done, number * of),
            self.source.cluster_id,
        )
        rows = write_rows(self.lake, reader.rows())
        self.notes.add(reader.notes)
        self.read.append(day)
        if now_ms < window.last + _SETTLED_MS:
            self.unsettled.append(day)
        elif rows and reader.notes.is_whole:
            add_day(self.lake, self.source, day, rows)

    def find_unlabelled(self) -> list[str]:
        """Names of series of the days read that carry no label of a cluster. Raises `FleetError`."""
        if not self.read or self.source.cluster_id:
            return []
        label = self.source.cluster_label
        window = Window(_window(self.read[0]).first, _window(self.read[-1]).last)
        found: set[str] = set()
        for fact in SIGNALS:
            parameters = labels_in(select(subject_of(fact), label, [""]), window)
            found |= set(parse_names(self.store.ask("api/v1/label/__name__/values", parameters)))
        return sorted(found)


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Read what is not in the lake yet, oldest day first; say what was left out."""
    today = surroundings.now.astimezone(UTC).date()
    days = _days(options.since, options.until, today)
    source = Source(options.prometheus.rstrip("/"), options.cluster_label or _DEFAULT_LABEL, options.cluster_id)
    store = Store(
        Access(
            source.store,
            Path(options.bearer_token_file) if options.bearer_token_file else None,
            Path(options.ca_file) if options.ca_file else None,
        )
    )
    if options.bearer_token_file and not is_private(source.store):
        surroundings.warn("layercensus: import: no https: the token travels in the clear")
    lake = Path(options.lake)
    make_lake(lake)
    known = {} if options.again else read_days(lake, source)
    work = _Import(store, source, lake, [day for day in days if day not in known], surroundings.now, surroundings)
    stopped = None
    try:
        for day in work.days:
            work.read_day(day)
        unlabelled = work.find_unlabelled()
    except FleetError as error:
        if not work.read:
            raise
        stopped, unlabelled = error, []
    refresh(lake, surroundings.tick)
    yield from _summary(work, [day for day in days if day in known])
    yield from _left_out(work.notes, source, unlabelled)
    for warning in list(work.notes.warnings)[:_SHOWN]:
        surroundings.warn(f"layercensus: import: the store warns, so that a part may be missing: {warning}")
    if len(work.notes.warnings) > _SHOWN:
        surroundings.warn(f"layercensus: import: and {len(work.notes.warnings) - _SHOWN} other warnings")
    if stopped:
        surroundings.warn(f"layercensus: {stopped}")
        surroundings.warn("layercensus: import: it stopped there; the same command goes on after the last whole day")
    elif not work.notes.rows and not known:
        what = f"no complete snapshot of a cluster was found, {days[0]} to {days[-1]}"
        asked = f"does the store have the series of the contract, and is {source.cluster_label} the clusters' label?"
        next_step = asked if days[-1] == today else f"{asked} Today is read with --until {today}"
        raise NothingToDoError(what, where=source.store, next_step=next_step)
    return EXIT_PARTIAL if stopped or not work.notes.is_whole else EXIT_DONE


def _days(since: str | None, until: str | None, today: date) -> list[date]:
    """Days to read, oldest first. Raises `UsageError` for a range that is none."""
    last = date.fromisoformat(until) if until else today - timedelta(days=1)
    first = date.fromisoformat(since) if since else last - timedelta(days=_DEFAULT_DAYS - 1)
    if last > today:
        raise UsageError(f"{last} has not begun, in UTC", where="--until", fault=Fault.USAGE)
    if first > last:
        next_step = "" if until else f"the last day is yesterday, unless there is --until {today}"
        raise UsageError(f"{first} is after {last}", where="--since", fault=Fault.USAGE, next_step=next_step)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _window(day: date) -> Window:
    """All instants of a day, in UTC."""
    first = (day - date(1970, 1, 1)).days * DAY_MS
    return Window(first, first + DAY_MS - 1)


def _milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def _summary(work: _Import, known: list[date]) -> Iterator[str]:
    """What was read, and what was not asked for."""
    notes = work.notes
    if notes.rows:
        rows = ", ".join(f"{count} {signal}" for signal, count in sorted(notes.rows.items()))
        clusters = f"{counted(len(notes.clusters), 'cluster')}, {counted(notes.rows.total(), 'row')} ({rows})"
        yield f"{clusters} into {work.lake}, days {work.read[0]} to {work.read[-1]}\n"
        yield "a day is that of the sample, in UTC, by the cluster's own clock: a store has none of a receiver\n"
    if known:
        yield f"in the lake already: {counted(len(known), 'day')}, not asked for again (--again does)\n"
    if work.unsettled:
        days = ", ".join(map(str, work.unsettled))
        yield f"not over, or for less than three hours: {days}, asked for again next time\n"


def _left_out(notes: Notes, source: Source, unlabelled: list[str]) -> Iterator[str]:
    """What there is and is in no row, and why."""
    if notes.dropped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(notes.dropped.items()))
        yield f"left out: {counted(notes.dropped.total(), 'sample')} ({reasons})\n"
    if notes.incomplete:
        yield f"left out: {counted(notes.incomplete, 'snapshot')} newer than the row, incomplete\n"
    if notes.without_snapshot:
        yield f"no row: {counted(notes.without_snapshot, 'cluster')} on a day without a complete snapshot\n"
    if notes.too_large:
        shown = ", ".join(sorted(notes.too_large)[:_SHOWN])
        yield f"no row: {counted(len(notes.too_large), 'cluster')} with more series than an answer may hold: {shown}\n"
    if notes.strangers:
        shown = ", ".join(visible(value)[:_SHOWN_LETTERS] for value in sorted(notes.strangers)[:_SHOWN])
        label = source.cluster_label
        yield f"left out: {counted(len(notes.strangers), 'value')} of {label}, no id of a cluster: {shown}\n"
    if unlabelled:
        names = ", ".join(visible(name) for name in unlabelled)
        yield f"left out: series without {source.cluster_label} ({names}); if they are one cluster's: --cluster-id\n"
