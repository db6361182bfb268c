"""⇄ From the inbox to the lake, exactly once in effect: read, assemble, write rows, and only then remove files.

A row replaces that of its cluster, day and signal, so that a file which is read twice, after a crash, changes nothing.
Of all collectors that share a folder of inboxes one drains them all, since parts of a snapshot may reach any of them:

    INBOXES/.drain         held by the drain that empties all inboxes; if it ends, another takes it
    INBOXES/NAME/.lock     held by the collector that fills this inbox; if nobody does, the folder goes once it is empty
"""

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from heapq import merge
from pathlib import Path

from layercensus.errors import LayerCensusError
from layercensus.fleet.event_log import log
from layercensus.fleet.fleet_rows import row_of
from layercensus.fleet.inbox import Sealed, begun_ms, has_reports, read_sealed, remove_creating, remove_sealed
from layercensus.fleet.shared_folders import lock_file, remove_if_unused
from layercensus.fleet.snapshots import Assembly, Snapshot
from layercensus.model import Row

_DRAIN = ".drain"
# At its end a drain waits so long for the one that empties the inboxes, which may be about to end too.
_TURN_SECONDS = 8.0
_PAUSE_SECONDS = 0.2
_RowKey = tuple[int, str, str]
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Drained:
    """What one round did, for the counts that a collector shows. `holds`: whether it is the one that drains."""

    reports: int = 0
    rows: int = 0
    torn: int = 0
    incomplete: int = 0
    clusters: int = 0
    lag_seconds: float = 0.0
    skews: tuple[float, ...] = ()
    error: str = ""
    holds: bool = False


@dataclass(eq=False)
class Drain:
    """Empties all inboxes below `inboxes` into a lake, if no other drain does; `write_rows` is the lake's.

    `clock` gives milliseconds since 1970. The lake is written each `write_ms` at most: a day is replaced as a whole, so
    that of many reports of a cluster one row is written.
    """

    inboxes: Path
    write_rows: Callable[[Iterable[Row]], int]
    clock: Callable[[], int]
    write_ms: int = 15_000
    assembly: Assembly = field(default_factory=Assembly)
    _sources: dict[int, Sealed] = field(default_factory=dict)
    _snapshots: dict[_RowKey, Snapshot] = field(default_factory=dict)
    _turn: int | None = None
    _next_source: int = 0
    _incomplete: int = 0
    _written_ms: int = 0

    def close(self) -> None:
        """Let another drain take over."""
        if self._turn is not None:
            os.close(self._turn)
            self._turn = None

    def run_once(self) -> Drained:
        """One round. A lake that cannot be written is said, and tried again in the next: nothing is removed."""
        try:
            if not self._holds():
                return Drained()
        except OSError as failed:
            return Drained(error=str(failed))
        reports, torn, error = self._read()
        for snapshot in self.assembly.ready(self.clock()):
            key = (snapshot.received_ms // _DAY_MS, snapshot.cluster_id, snapshot.signal)
            known = self._snapshots.get(key)
            if known is None or known.timestamp <= snapshot.timestamp:
                self._snapshots[key] = snapshot
        written: list[Snapshot] = []
        if self.clock() - self._written_ms >= self.write_ms:
            try:
                written = self._write()
            except (OSError, LayerCensusError) as failed:
                error = str(failed)
        before, self._incomplete = self._incomplete, self.assembly.incomplete
        return Drained(
            reports=reports,
            rows=len(written),
            torn=torn,
            incomplete=self._incomplete - before,
            clusters=self.assembly.known_clusters(),
            lag_seconds=self._lag_seconds(),
            skews=tuple(abs(one.timestamp - one.received_ms) / 1000 for one in written),
            error=error,
            holds=True,
        )

    def finish(self, own: Path) -> Drained:
        """The last round: what is whole becomes a row at once, the rest stays in the inboxes for who comes after.

        A version that was not told is not waited for: the next snapshot brings it.

        `own`: the inbox whose reports this drain should not leave behind if it can take its turn.
        """
        until = time.monotonic() + _TURN_SECONDS
        with suppress(OSError):
            while has_reports(own) and not self._holds() and time.monotonic() < until:
                time.sleep(_PAUSE_SECONDS)
        self.assembly.patience = replace(self.assembly.patience, settle_ms=0, joins_ms=0)
        self.write_ms = 0
        return self.run_once()

    def _holds(self) -> bool:
        """Whether it is this drain's turn. Raises `OSError`."""
        if self._turn is None:
            with suppress(BlockingIOError):
                self._turn = lock_file(self.inboxes / _DRAIN)
        return self._turn is not None

    def _write(self) -> list[Snapshot]:
        """Write what is ready as rows, then remove files of which nothing is left. Raises `OSError`, `LakeError`."""
        written = list(self._snapshots.values())
        if written:
            # A row is some times as large as its snapshot: they are made as the lake takes them.
            self.write_rows(map(row_of, written))
        self._written_ms = self.clock()
        self._snapshots.clear()
        self._remove_done()
        return written

    def _read(self) -> tuple[int, int, str]:
        """Reports and torn files that were read, and what could not be."""
        reports = torn = 0
        try:
            known = frozenset(one.path for one in self._sources.values())
            inboxes = [read_sealed(folder, known) for folder in self._folders()]
            for sealed in merge(*inboxes, key=lambda one: begun_ms(one.path)):
                source = self._next_source
                self._next_source += 1
                # What is in it is remembered once, by the assembly.
                self._sources[source] = replace(sealed, reports=[])
                for report in sealed.reports:
                    self.assembly.take(report, source)
                reports += len(sealed.reports)
                torn += sealed.torn or sealed.damaged
                if sealed.damaged:
                    log(
                        "inbox_file_damaged",
                        file=str(sealed.path),
                        next="what is whole in it is kept; look at the disk",
                    )
        except OSError as error:
            return reports, torn, str(error)
        return reports, torn, ""

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.inboxes.iterdir() if path.is_dir())

    def _remove_done(self) -> None:
        """Remove files of which nothing is waited for any more: what was complete in them is in the lake."""
        oldest = self.assembly.oldest_source()
        done = [source for source in self._sources if oldest is None or source < oldest]
        remove_sealed([self._sources[source] for source in done])
        for source in done:
            del self._sources[source]
        for folder in self._folders():
            remove_creating(folder)
            # Somebody may put something there, and that is no fault.
            with suppress(OSError):
                remove_if_unused(folder)

    def _lag_seconds(self) -> float:
        """Age of the oldest row that should be in the lake and is not."""
        oldest = min((one.received_ms for one in self._snapshots.values()), default=None)
        return 0.0 if oldest is None else max(0.0, (self.clock() - oldest) / 1000)
