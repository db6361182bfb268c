"""⇄ Work in short-lived children: forked, timed, killed, reaped. What they import and read is gone when they end.

A child that waits for a stopped disk cannot be killed by anyone. It is left behind and counted, and once as many as the
bound hang no more are started. The agent has one thread, so a fork copies no lock that another holds.
"""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

MAX_ANSWER_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 65536
_MOST_FILES = 4096


@dataclass
class Child:
    """A running child and what it has answered so far; `fd` becomes readable as it answers."""

    pid: int
    fd: int
    deadline: float
    answer: bytearray = field(default_factory=bytearray)

    def read(self) -> bool:
        """Take what is there; True once the answer has ended."""
        try:
            chunk = os.read(self.fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        self.answer += chunk
        return not chunk or len(self.answer) > MAX_ANSWER_BYTES


@dataclass
class Children:
    """Starts children and keeps account of those that will not end."""

    most_hung: int
    hung: list[int] = field(default_factory=list)

    def has_room(self) -> bool:
        """Whether one more may be started: those that were killed and did not go are counted."""
        self.settle()
        return len(self.hung) < self.most_hung

    def settle(self) -> bool:
        """Forget those that have gone; whether all have."""
        self.hung = [pid for pid in self.hung if not _is_gone(pid)]
        return not self.hung

    def start(self, work: Callable[[], bytes], *, deadline: float, timeout_seconds: float) -> Child:
        """Start work in a child. Raises `OSError` where the system has none left."""
        reader, writer = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if pid == 0:
            _work_and_leave(work, writer, timeout_seconds)
        os.close(writer)
        os.set_blocking(reader, False)
        return Child(pid, reader, deadline)

    def end(self, child: Child) -> None:
        """Kill a child, which is no harm if it has ended, and close what it wrote to."""
        os.close(child.fd)
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        self.hung.append(child.pid)
        self.settle()


def _is_gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _work_and_leave(work: Callable[[], bytes], writer: int, timeout_seconds: float) -> None:
    """In the child: keep nothing of the parent's open, work, answer, leave. Never returns."""
    status = 1
    try:
        # A child that hangs must keep no connection and no port of the agent.
        os.closerange(3, writer)
        os.closerange(writer + 1, _MOST_FILES)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        # Should the agent itself be killed, its child ends too.
        signal.alarm(int(timeout_seconds) + 5)
        answer = memoryview(work())
        while answer:
            answer = answer[os.write(writer, answer) :]
        status = 0
    finally:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, BrokenPipeError):
            os.write(2, f"layercensus: a child of the agent: {type(error).__name__}: {error}\n".encode())
        os._exit(status)
