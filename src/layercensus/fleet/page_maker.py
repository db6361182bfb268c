"""⇄ The process that makes the report page, so that no request waits for it and nothing that fails in it stops another.

    FOLDER/page        what the workers serve: a line of JSON with the content security policy, then the page, gzip
    FOLDER/making      there while one is made: if it is found at a start, the last one ended this process

The folder is the one of the counts, in memory. A page is made when rows were written, and every five minutes, but it
takes no more than a twentieth of the time.
"""

import gzip
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from layercensus.errors import LayerCensusError
from layercensus.fleet.children import Leash, Word
from layercensus.fleet.counts import Counts, totals
from layercensus.fleet.event_log import log
from layercensus.fleet.health import Health, History
from layercensus.fleet.inbox import count_waiting

PAGE = "page"
_MAKING = "making"
_LOOK_SECONDS = 2.0
_LISTEN_SECONDS = 3600.0
_LEAST_SECONDS = 30.0
# How old a page gets before it is made anew; the page says so itself where it is much older.
EVERY_SECONDS = 300.0
_SHARE = 20.0


class MadePage(NamedTuple):
    """A page and its content security policy."""

    html: str
    policy: str


@dataclass(frozen=True, slots=True)
class PageDoor:
    """What makes a page of a lake: `make` gives None where there is no row yet; `rows_changed_at` when there was one.

    Both travel to a process that is started anew. `make` raises `LayerCensusError`.
    """

    make: Callable[[Health], MadePage | None]
    rows_changed_at: Callable[[], float | None]


def run_page_maker(door: PageDoor, inbox: Path, folder: Path, leash: Leash) -> None:
    """In a process of its own: look each few seconds whether a page is due, until told to end.

    Then it ends at once, whatever it is about: a page that is half made is missed by nobody, and the lake is let go.
    """
    threading.Thread(target=_end_with, args=(leash,), daemon=True).start()
    maker = PageMaker(door, inbox, folder)
    maker.begin()
    while True:
        maker.look(time.time())
        time.sleep(_LOOK_SECONDS)


def _end_with(leash: Leash) -> None:
    while leash.listen(_LISTEN_SECONDS) is Word.NOTHING:
        pass
    os._exit(0)


@dataclass(eq=False)
class PageMaker:
    """Makes the page when it is due."""

    door: PageDoor
    inbox: Path
    folder: Path
    counts: Counts = field(default_factory=Counts)
    _history: History = field(default_factory=History)
    _tried: float = 0.0
    _spent: float = 0.0
    _changed_at: float | None = None
    _error: str = ""

    def begin(self) -> None:
        """Count what the last one could not: that making a page ended it."""
        if (self.folder / _MAKING).exists():
            (self.folder / _MAKING).unlink()
            self._fail("making it ended the process: a bug of ours, report it")
            # Whatever it was may come again at once.
            self._tried = time.time()
        self._look_at_health(time.time(), None)

    def look(self, now: float) -> None:
        """Make a page if one is due."""
        changed_at = self.door.rows_changed_at()
        age = now - self._tried
        is_first = not (self.folder / PAGE).exists() and changed_at is not None and changed_at != self._changed_at
        is_due = age >= max(EVERY_SECONDS if changed_at == self._changed_at else _LEAST_SECONDS, _SHARE * self._spent)
        if not (is_due or is_first):
            return
        self._tried, self._changed_at = now, changed_at
        (self.folder / _MAKING).touch()
        started = time.monotonic()
        self._make(self._look_at_health(now, changed_at))
        self._spent = time.monotonic() - started
        (self.folder / _MAKING).unlink(missing_ok=True)

    def _make(self, health: Health) -> None:
        try:
            made = self.door.make(health)
            if made is not None:
                _write(self.folder / PAGE, made)
        except (OSError, LayerCensusError) as error:
            self._fail(str(error))
            return
        if self._error:
            log("page_made_again")
            self._error = ""
        if made is not None:
            self.counts.add("pages_made_total")
            self.counts.set("page_timestamp_seconds", health.now)
            self.counts.flush()

    def _fail(self, error: str) -> None:
        """Say once what is wrong, and count it each time."""
        if error != self._error:
            log("page_not_made", error=error, next="reports are taken as before; the last page stays, with its time")
        self._error = error
        self.counts.add("pages_failed_total")
        self.counts.flush()

    def _look_at_health(self, now: float, changed_at: float | None) -> Health:
        waiting = None
        with suppress(OSError):
            waiting = count_waiting(self.inbox)
        return self._history.health(totals(), now, waiting_files=waiting, rows_changed_at=changed_at)


def _write(path: Path, made: MadePage) -> None:
    """Swap it in as a whole. Raises `OSError`."""
    beside = path.with_name(f".{path.name}.writing")
    head = json.dumps({"policy": made.policy}).encode()
    beside.write_bytes(head + b"\n" + gzip.compress(made.html.encode(), mtime=0))
    beside.replace(path)
