"""⇄ From the inbox to the lake, exactly once in effect: read, assemble, write rows, and only then remove files.

A row replaces that of its cluster, day and signal, so that a file which is read twice, after a crash, changes nothing.
Folders of collectors that are gone are drained too: a folder whose lock is free belongs to whoever takes it.
"""

import fcntl
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from layercensus.errors import LayerCensusError
from layercensus.fleet.event_log import log
from layercensus.fleet.fleet_rows import row_of
from layercensus.fleet.inbox import Sealed, read_sealed, remove_sealed
from layercensus.fleet.snapshots import Assembly, Snapshot
from layercensus.model import Row

_LOCK = ".lock"
_RowKey = tuple[int, str, str]
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Drained:
    """What one round did, for the counts that a collector shows."""

    reports: int
    rows: int
    torn: int
    incomplete: int
    clusters: int
    lag_seconds: float
    skews: tuple[float, ...]
    error: str = ""


@dataclass(eq=False)
class Drain:
    """Empties inboxes below `inboxes` into a lake. `own` is this collector's folder there; `write_rows` is the lake's.

    `clock` gives milliseconds since 1970. The lake is written each `write_ms` at most: a day is replaced as a whole, so
    that of many reports of a cluster one row is written.
    """

    inboxes: Path
    own: Path
    write_rows: Callable[[Iterable[Row]], int]
    clock: Callable[[], int]
    write_ms: int = 15_000
    assembly: Assembly = field(default_factory=Assembly)
    _sources: dict[int, Sealed] = field(default_factory=dict)
    _snapshots: dict[_RowKey, Snapshot] = field(default_factory=dict)
    _locks: dict[Path, int] = field(default_factory=dict)
    _next_source: int = 0
    _incomplete: int = 0
    _written_ms: int = 0

    def open(self) -> None:
        """Make and hold this collector's inbox. Raises `OSError`; `BlockingIOError` if another holds it."""
        self.own.mkdir(parents=True, exist_ok=True)
        self._locks[self.own] = _lock(self.own)

    def close(self) -> None:
        """Let go of all inboxes."""
        for descriptor in self._locks.values():
            os.close(descriptor)
        self._locks.clear()

    def run_once(self) -> Drained:
        """One round. A lake that cannot be written is said, and tried again in the next: nothing is removed."""
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
        )

    def finish(self) -> Drained:
        """The last round: what is complete becomes a row at once, the rest stays in the inbox for the next start."""
        self.assembly.patience = replace(self.assembly.patience, settle_ms=0, joins_ms=0)
        self.write_ms = 0
        return self.run_once()

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
            for folder in self._folders():
                known = frozenset(one.path for one in self._sources.values())
                for sealed in read_sealed(folder, known):
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
        """This collector's inbox, and those that nobody holds."""
        for folder in self.inboxes.iterdir():
            if folder not in self._locks and folder.is_dir():
                with suppress(OSError):
                    self._locks[folder] = _lock(folder)
        return sorted(self._locks)

    def _remove_done(self) -> None:
        """Remove files of which nothing is waited for any more: what was complete in them is in the lake."""
        oldest = self.assembly.oldest_source()
        done = [source for source in self._sources if oldest is None or source < oldest]
        remove_sealed([self._sources[source] for source in done])
        for source in done:
            del self._sources[source]
        for folder in [folder for folder in self._locks if folder != self.own]:
            left = [path for path in folder.iterdir() if path.name != _LOCK]
            if not left:
                os.close(self._locks.pop(folder))
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()

    def _lag_seconds(self) -> float:
        """Age of the oldest row that should be in the lake and is not."""
        oldest = min((one.received_ms for one in self._snapshots.values()), default=None)
        return 0.0 if oldest is None else max(0.0, (self.clock() - oldest) / 1000)


def _lock(folder: Path) -> int:
    """Hold a folder. Raises `BlockingIOError` if another process does."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
