"""⇄ Many requests, one sync: entries that come while a commit is under way go together with the next.

Commits are made by one thread, one after another, so that the event loop never waits for the disk. A request is
answered when the commit that holds its entry has returned; if that failed, all of its requests are told.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from layercensus.fleet.inbox import Entry, InboxWriter

Reply = Callable[[bytes], None]


class Committed(Protocol):
    """Who is told of each commit: whom to answer, samples in it, the seconds it took, whether it held."""

    def __call__(self, replies: list[Reply], samples: int, seconds: float, *, held: bool) -> None:
        """Tell."""


@dataclass(eq=False)
class GroupCommit:
    """Gathers entries and commits them. `begin` before the first."""

    writer: InboxWriter
    committed: Committed
    clock: Callable[[], float]
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "inbox"))
    _loop: asyncio.AbstractEventLoop | None = None
    _entries: list[Entry] = field(default_factory=list)
    _replies: list[Reply] = field(default_factory=list)
    _busy: bool = False

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Commit for this loop."""
        self._loop = loop

    def keep(self, entry: Entry, reply: Reply) -> None:
        """Commit an entry with the next commit, which answers it."""
        self._entries.append(entry)
        self._replies.append(reply)
        self._wake()

    def probe(self) -> None:
        """Find out whether the disk takes anything: a commit of nothing, unless one is under way."""
        self._wake()

    def seal_after(self, age_ms: int) -> None:
        """Let the current file go to the drain, if it is that old."""
        self._thread.submit(self._seal, age_ms)

    def close(self) -> None:
        """Wait for what is under way, and let the current file go."""
        self._thread.submit(self._seal, 0).result()
        self._thread.shutdown()

    def _wake(self) -> None:
        if not self._busy and self._loop is not None:
            self._busy = True
            # What else comes in this turn of the loop goes along.
            self._loop.call_soon(self._start)

    def _seal(self, age_ms: int) -> None:
        with suppress(OSError):
            if self.writer.age_ms() >= age_ms:
                self.writer.seal()

    def _start(self) -> None:
        entries, self._entries = self._entries, []
        replies, self._replies = self._replies, []
        began = self.clock()
        future = self._thread.submit(self.writer.commit, entries)
        samples = sum(len(entry.kinds) for entry in entries)

        def ended(done: "Future[None]") -> None:
            """In the thread."""
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._end, replies, samples, began, done.exception() is None)

        future.add_done_callback(ended)

    def _end(self, replies: list[Reply], samples: int, began: float, held: bool) -> None:
        self.committed(replies, samples, self.clock() - began, held=held)
        if self._entries:
            self._start()
        else:
            self._busy = False
