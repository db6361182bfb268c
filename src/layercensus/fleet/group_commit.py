"""⇄ Many requests, one sync: entries that come while a commit is under way go together with the next.

Commits are made by one thread, one after another, so that the event loop never waits for the disk. A request is
answered when the commit that holds its entry has returned; if that failed, all of its requests are told.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from layercensus.fleet.inbox import Entry, InboxWriter


@dataclass(eq=False)
class GroupCommit:
    """`committed` is called after each commit with the seconds it took and whether it held."""

    writer: InboxWriter
    committed: Callable[[float, bool], None]
    clock: Callable[[], float]
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "inbox"))
    _entries: list[Entry] = field(default_factory=list)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    _busy: bool = False

    async def keep(self, entry: Entry) -> None:
        """Return when the entry is on the disk. Raises `OSError` if it may not be."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._entries.append(entry)
        self._waiting.append(future)
        if not self._busy:
            self._busy = True
            # What else comes in this turn of the loop goes along.
            loop.call_soon(self._begin, loop)
        await future

    async def seal_after(self, age_ms: int) -> None:
        """Let the current file go to the drain, if it is that old. Raises `OSError`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._seal, age_ms)

    def close(self) -> None:
        """Wait for what is under way, and let the current file go."""
        self._thread.submit(self._seal, 0).result()
        self._thread.shutdown()

    def _seal(self, age_ms: int) -> None:
        if self.writer.age_ms() >= age_ms:
            self.writer.seal()

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        entries, self._entries = self._entries, []
        waiting, self._waiting = self._waiting, []
        began = self.clock()
        future = loop.run_in_executor(self._thread, self.writer.commit, entries)
        future.add_done_callback(lambda done: self._end(done, waiting, began, loop))

    def _end(
        self,
        done: "asyncio.Future[None]",
        waiting: list["asyncio.Future[None]"],
        began: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        error = done.exception()
        for future in waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        self.committed(self.clock() - began, error is None)
        if self._entries:
            self._begin(loop)
        else:
            self._busy = False
