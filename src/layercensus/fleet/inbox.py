"""⇄ The inbox: reports on the disk before they are acknowledged, and until they are in the lake.

    INBOX/0-1764064800123-1.open       a worker writes it, and holds a lock on it
    INBOX/0-1764064795002-0.sealed     no one writes it any more
    INBOX/0-1764064700044-0.damaged    it was read as far as it could be, and is kept for who wants to know why
    INBOX/0-1764064800123-2.creating   it is about to be `open`; one that stays is of a writer that died, and empty

Each worker has one file. Reports that come while one commit is under way go with the next, all with one fdatasync. A
file whose write or sync failed is given up and never synced again: the kernel may have dropped what it could not write,
and a second sync would say that all is well.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from layercensus.fleet.kinds import Kind
from layercensus.fleet.segment import HEAD, DamagedError, Report, TornError, format_kind, format_report, parse_segment
from layercensus.fleet.shared_folders import folders_above, is_same_file, sync_folder

_OPEN, _SEALED, _CREATING, _DAMAGED = ".open", ".sealed", ".creating", ".damaged"
_MOST_BYTES = 16 * 1024 * 1024
_MOST_TUPLES = 4096
# No writer needs so long between the first name of a file and its second.
_CREATING_SECONDS = 3600.0


class Entry(NamedTuple):
    """What is kept of one request. `cluster`: the 16 bytes of its UUID; columns of equal length as in `Report`."""

    cluster: bytes
    received_ms: int
    kinds: tuple[Kind, ...]
    timestamps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(eq=False)
class InboxWriter:
    """One worker's end of an inbox. `name` tells its files from those of other workers; `clock` gives milliseconds.

    Not for several threads at once.
    """

    folder: Path
    name: str
    clock: Callable[[], int]
    _segment: "_Segment | None" = None
    _count: int = 0
    _unsynced: list[Path] | None = None

    def commit(self, entries: Sequence[Entry]) -> None:
        """Write entries; after return they are on the disk. Raises `OSError`, and then none may be acknowledged."""
        segment = self._segment or self._begin()
        try:
            segment.write(entries)
        except OSError:
            self._give_up()
            raise
        if segment.size >= _MOST_BYTES:
            self.seal()

    def seal(self) -> None:
        """Let the current file go, so that it can be drained; a new one begins with the next commit."""
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.path.rename(segment.path.with_suffix(_SEALED))
            finally:
                # Under its old name it is one whose writer is gone.
                os.close(segment.descriptor)

    def age_ms(self) -> int:
        """How long the current file has been open; 0 if there is none."""
        return 0 if self._segment is None else self.clock() - self._segment.begun_ms

    def _begin(self) -> "_Segment":
        self._sync_names()
        now = self.clock()
        stem = f"{self.name}-{now}-{self._count}"
        self._count += 1
        path = self.folder / f"{stem}{_OPEN}"
        creating = path.with_suffix(_CREATING)
        descriptor = os.open(creating, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # Locked before it has the name under which others look for files without a writer.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_all(descriptor, HEAD)
            creating.rename(path)
            sync_folder(self.folder)
        except OSError:
            os.close(descriptor)
            with suppress(OSError):
                creating.unlink(missing_ok=True)
            raise
        self._segment = _Segment(path, descriptor, now, len(HEAD))
        return self._segment

    def _sync_names(self) -> None:
        """The folder and those above it get their names on the disk, once; what was synced is not synced again."""
        if self._unsynced is None:
            self._unsynced = folders_above(self.folder)
        while self._unsynced:
            sync_folder(self._unsynced[-1])
            self._unsynced.pop()

    def _give_up(self) -> None:
        """The file stays for the drain, which reads what is whole in it."""
        with suppress(OSError):
            self.seal()


@dataclass(eq=False)
class _Segment:
    path: Path
    descriptor: int
    begun_ms: int
    size: int
    _numbers: dict[Kind, int] = field(default_factory=dict)
    _tuples: dict[int, tuple[tuple[Kind, ...], tuple[int, ...]]] = field(default_factory=dict)

    def write(self, entries: Sequence[Entry]) -> None:
        parts: list[bytes] = []
        for entry in entries:
            numbers = self._number(entry.kinds, parts)
            parts.append(format_report(entry.cluster, entry.received_ms, numbers, entry.timestamps, entry.values))
        data = b"".join(parts)
        _write_all(self.descriptor, data)
        os.fdatasync(self.descriptor)
        self.size += len(data)

    def _number(self, kinds: tuple[Kind, ...], parts: list[bytes]) -> tuple[int, ...]:
        """Numbers of kinds in this file; what is new is defined first. Senders repeat their tuples of kinds."""
        known = self._tuples.get(id(kinds))
        if known is not None:
            return known[1]
        for kind in kinds:
            if kind not in self._numbers:
                number = self._numbers[kind] = len(self._numbers)
                parts.append(format_kind(number, kind))
        numbers = tuple(self._numbers[kind] for kind in kinds)
        if len(self._tuples) < _MOST_TUPLES:
            self._tuples[id(kinds)] = (kinds, numbers)
        return numbers


@dataclass(frozen=True, slots=True)
class Sealed:
    """A file that no one writes: `reports` are what is whole in it, `torn` whether it ends in half a record.

    `damaged`: there is more in it that could not be read.
    """

    path: Path
    reports: list[Report]
    torn: bool = False
    damaged: bool = False


def begun_ms(path: Path) -> int:
    """When a file was begun, by its name; 0 for a name that is none of ours."""
    parts = path.stem.rsplit("-", 2)
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else 0


def read_sealed(folder: Path, known: frozenset[Path]) -> Iterator[Sealed]:
    """Files that no one writes, but for those that are known, the oldest first; those of writers that died among them.

    What is sent again hours later is in a younger file, so that of a part the first time it came counts, also where all
    are read at once after a crash. Raises `OSError`.
    """
    for path in sorted(folder.iterdir(), key=lambda path: (begun_ms(path), path.name)):
        if path.suffix == _OPEN and _is_orphan(path):
            path = path.rename(path.with_suffix(_SEALED))  # noqa: PLW2901 - the same file by its new name
        if path.suffix == _SEALED and path not in known:
            yield _read(path)


def remove_sealed(files: Sequence[Sealed]) -> None:
    """Remove files whose reports are in the lake; a damaged one gets another name. Raises `OSError`."""
    for file in files:
        if file.damaged:
            file.path.rename(file.path.with_suffix(_DAMAGED))
        else:
            file.path.unlink(missing_ok=True)


def has_reports(folder: Path) -> bool:
    """Whether there is anything in an inbox that is not in the lake, as far as one can see. Raises `OSError`."""
    return any(path.suffix in {_OPEN, _SEALED} for path in folder.iterdir())


def count_waiting(folder: Path) -> int:
    """Files of an inbox that are not in the lake. Raises `OSError`."""
    return sum(path.suffix in {_OPEN, _SEALED} for path in folder.iterdir())


def remove_creating(folder: Path) -> None:
    """Remove what writers left that died before their file was one. Raises `OSError`."""
    for path in folder.glob(f"*{_CREATING}"):
        if _is_orphan(path) and time.time() - path.stat().st_mtime > _CREATING_SECONDS:
            path.unlink(missing_ok=True)


def _read(path: Path) -> Sealed:
    reports: list[Report] = []
    try:
        for report in parse_segment(path.read_bytes()):
            reports.append(report)  # noqa: PERF402 - what came before a torn record is kept
    except TornError:
        return Sealed(path, reports, torn=True)
    except DamagedError:
        return Sealed(path, reports, damaged=True)
    return Sealed(path, reports)


def _is_orphan(path: Path) -> bool:
    """Whether no one holds the lock of a file: its writer is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        # Its writer may have sealed it meanwhile.
        return is_same_file(path, descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
