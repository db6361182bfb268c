"""⇄ Processes that a parent watches over, each on a leash: how it is told to end, and learns that its parent is gone.

    parent ── leash ──▶ child      a byte: end in order      its end: the parent is gone, end at once

Signals end the parent alone: a service manager or a terminal sends them to all processes at once, and who ends when is
the parent's to say.
"""

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from layercensus.errors import LayerCensusError
from layercensus.fleet.event_log import log

# A process that ends so often at its start has something wrong that another start does not mend.
_QUICK_SECONDS = 5.0
_MOST_QUICK = 5
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


class Word(Enum):
    """What a child hears."""

    NOTHING = "go on"
    END = "end in order"
    ALONE = "the parent is gone"


@dataclass(frozen=True, slots=True)
class Leash:
    """The child's end."""

    connection: Connection

    def listen(self, seconds: float) -> Word:
        """Wait so long for a word."""
        if not self.connection.poll(seconds):
            return Word.NOTHING
        try:
            self.connection.recv_bytes()
        except (EOFError, OSError):
            return Word.ALONE
        return Word.END


@dataclass(eq=False)
class Child:
    """A process that is started again when it ends, unless it does so at once again and again.

    `target` is called with the arguments and the leash. `rest_seconds`: one that the others can do without is never
    given up; after an end at its start it rests so long.
    """

    name: str
    target: Callable[..., None]
    arguments: tuple[object, ...]
    forget: Callable[[int], None]
    rest_seconds: float = 0.0
    _process: BaseProcess | None = None
    _hold: Connection | None = None
    _started: float = 0.0
    _quick: int = 0

    def start(self) -> None:
        """Start it, with nothing of the parent's but what it is given."""
        heard, self._hold = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.get_context("spawn").Process(
            target=_begin, args=(self.target, (*self.arguments, Leash(heard))), name=self.name
        )
        self._started = time.monotonic()
        # It would undo what comes next.
        resource_tracker.ensure_running()
        # No signal finds the child before it ignores them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            heard.close()

    def watch(self) -> bool:
        """Start it again if it has ended. False if that is no use."""
        if self._process is None or self._process.is_alive():
            return True
        if time.monotonic() - self._started < self.rest_seconds:
            return True
        quick = time.monotonic() - self._started < _QUICK_SECONDS
        self._quick = self._quick + 1 if quick else 0
        log("process_ended", process=self.name, status=self._process.exitcode, next="it is started again")
        if self._process.pid is not None:
            self.forget(self._process.pid)
        if self._quick >= _MOST_QUICK:
            return False
        self.start()
        return True

    def end(self) -> None:
        """Tell it to end in order."""
        if self._hold is not None:
            try:
                self._hold.send_bytes(b".")
            except OSError:
                # It has ended by itself.
                return

    def join(self, seconds: float) -> None:
        """Wait for its end; after that long make it end."""
        if self._process is None:
            return
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            what_next = "what is left in the inbox goes to the lake at the next start"
            log("process_killed", process=self.name, next=what_next)


def _begin(target: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """The first that a child does."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    try:
        target(*arguments)
    except LayerCensusError as error:
        log("process_failed", process=multiprocessing.current_process().name, error=str(error))
        sys.exit(1)
