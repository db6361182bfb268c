"""⇄ `oc` processes side by side: started, read within bounds, timed, interrupted gently, and never left running."""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from types import FrameType, TracebackType
from typing import Self

from layercensus.cluster.nodes import leavings_of
from layercensus.errors import ClusterError, Fault

_LOOK_EVERY_SECONDS = 0.2
_CHUNK_BYTES = 64 * 1024
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CLEANING = -1
# A pipe holds at most 1 MiB; whoever still writes into that of an ended process is not listened to.
_CHUNKS_LEFT = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what `oc` may do. `removal_seconds`: how long an interrupted `oc` may take to remove its pod."""

    at_once: int = 5
    node_seconds: float = 120
    removal_seconds: float = 60
    output_bytes: int = 16 * 1024 * 1024
    said_bytes: int = 64 * 1024
    list_bytes: int = 512 * 1024 * 1024

    def of_a_list(self) -> "Limits":
        """Bounds on a list of objects: larger than any status, and nothing is to be removed."""
        return replace(self, output_bytes=self.list_bytes, removal_seconds=2)


@dataclass
class OcRun:
    """One process. `stopped`: why we stopped it. `status` is None while it runs. Output beyond the bound is dropped."""

    process: subprocess.Popen[bytes]
    arguments: tuple[str, ...]
    number: int
    limits: Limits
    started: float
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    stopped: str | None = None
    stopped_at: float = 0.0
    signals_sent: int = 0

    @property
    def status(self) -> int | None:
        """Exit status; negative for a signal."""
        return self.process.returncode

    @property
    def text(self) -> str:
        """What came on standard output."""
        return self.output.decode("utf-8", errors="replace")

    @property
    def said(self) -> str:
        """What came on standard error."""
        return self.errors.decode("utf-8", errors="replace")

    def take(self, chunk: bytes, *, is_output: bool) -> None:
        """Keep a chunk within bounds; a pipe is read on even then, or a writing `oc` would die before it cleaned up."""
        kept, bound = (self.output, self.limits.output_bytes) if is_output else (self.errors, self.limits.said_bytes)
        kept += chunk[: max(0, bound - len(kept))]
        if is_output and len(kept) >= bound:
            self.stop(f"printed more than {bound >> 20} MiB, which no status is")

    def stop(self, reason: str) -> None:
        """Begin to stop it: `oc` removes its pod on SIGINT."""
        if self.stopped is None and self.process.returncode is None:
            self.stopped, self.stopped_at = reason, time.monotonic()
            self._press()

    def forgive(self, seconds: float) -> None:
        """Give it time that it could not use."""
        self.started += seconds
        self.stopped_at += seconds

    def keep_time(self) -> None:
        """Stop what takes too long; what does not stop gets SIGTERM at half its time, SIGKILL at the end."""
        now = time.monotonic()
        if self.stopped is None and now - self.started > self.limits.node_seconds:
            self.stop(f"gave no answer within {self.limits.node_seconds:g} s")
        elif self.stopped is not None and now - self.stopped_at > self.signals_sent * self.limits.removal_seconds / 2:
            self._press()

    def _press(self) -> None:
        chosen = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[min(self.signals_sent, 2)]
        self.signals_sent += 1
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, chosen)


class OcRuns:
    """All processes under way, as a context: on leaving it they are stopped and waited for."""

    def __init__(self, oc: str, limits: Limits, warn: Callable[[str], None]) -> None:
        self._oc = oc
        self._limits = limits
        self._warn = warn
        self._runs: list[OcRun] = []
        self._selector = selectors.DefaultSelector()
        self._old_handlers: dict[signal.Signals, object] = {}
        self._is_outside = False
        self._told_to_stop = 0

    @property
    def debugging(self) -> int:
        """How many debug sessions are under way."""
        return sum(run.number != _CLEANING for run in self._runs)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # What the user had ignored (nohup) stays so.
                if signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}:
                    self._old_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_outside = False
        try:
            self._stop_all()
        finally:
            for number, handler in self._old_handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            self._selector.close()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """While the caller has the word a signal interrupts it at once; otherwise we get to a safe place first.

        Nobody reads meanwhile, so `oc` may have to wait to write: that time is not its own.
        """
        left_at = time.monotonic()
        self._is_outside = True
        try:
            yield
        finally:
            self._is_outside = False
            for run in self._runs:
                run.forgive(time.monotonic() - left_at)

    def start(self, arguments: Sequence[str], number: int) -> None:
        """Start `oc`. Raises `ClusterError` if it can't be run."""
        try:
            process = subprocess.Popen(  # noqa: S603 - a list, no shell; the program is the user's own choice
                [self._oc, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ClusterError(
                f"cannot be run: {reason}",
                where=self._oc,
                fault=Fault.HOST,
                next_step="install the OpenShift client or say with --oc where it is",
            ) from error
        run = OcRun(process, tuple(arguments), number, self._limits, time.monotonic())
        self._runs.append(run)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, selectors.EVENT_READ, run)

    def wait(self) -> list[OcRun]:
        """Read for a moment; return the debug sessions that have ended. Raises `KeyboardInterrupt` if told to stop."""
        if self._told_to_stop:
            raise KeyboardInterrupt
        return self._look()

    def _look(self) -> list[OcRun]:
        if self._runs:
            for key, _ in self._selector.select(_LOOK_EVERY_SECONDS):
                self._read(key)
        ended = []
        for run in list(self._runs):
            if run.process.poll() is None:
                run.keep_time()
                continue
            self._close(run)
            self._clean_up_after(run)
            if run.number != _CLEANING:
                ended.append(run)
        return ended

    def _read(self, key: selectors.SelectorKey) -> bool:
        """Read what is there; False at the end of the stream or where nothing is there now."""
        run: OcRun = key.data
        try:
            chunk = os.read(key.fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._selector.unregister(key.fileobj)
            return False
        run.take(chunk, is_output=key.fileobj is run.process.stdout)
        return True

    def _close(self, run: OcRun) -> None:
        """Take what an ended process left in its pipes, and close them."""
        for key in [key for key in self._selector.get_map().values() if key.data is run]:
            for _ in range(_CHUNKS_LEFT):
                if not self._read(key):
                    break
            with suppress(KeyError):
                self._selector.unregister(key.fileobj)
        for stream in (run.process.stdout, run.process.stderr):
            if stream is not None:
                stream.close()
        self._runs.remove(run)

    def _clean_up_after(self, run: OcRun) -> None:
        """Finish what an interrupted `oc` left undone, or say what may be left."""
        if run.number == _CLEANING:
            if run.status != 0:
                self._warn(f"layercensus: namespace {run.arguments[2]} may be left: oc {' '.join(run.arguments[:3])}")
            return
        left = leavings_of(run.said)
        if left.namespace:
            try:
                self.start(["delete", "namespace", left.namespace, "--wait=false", "--ignore-not-found"], _CLEANING)
            except ClusterError as error:
                self._warn(f"layercensus: namespace {left.namespace} is left: {error}")
        elif left.pod:
            self._warn(f"layercensus: debug pod {left.pod} may be left: oc delete pod {left.pod}")

    def _stop_all(self) -> None:
        """Interrupt what still runs and wait; a second signal ends the waiting, not the removing."""
        sessions = self.debugging
        if sessions:
            self._warn(f"layercensus: stopped: waiting until oc has removed {sessions} debug pods")
        for run in self._runs:
            if run.number != _CLEANING:
                run.stop("was interrupted")
        told = self._told_to_stop
        while self._runs and self._told_to_stop == told:
            self._look()
        if self._runs:
            self._warn(f"layercensus: not waited for: {len(self._runs)} oc are still removing what they made")
        elif sessions:
            self._warn("layercensus: oc has removed its debug pods")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the form of a handler
        self._told_to_stop += 1
        if self._is_outside:
            raise KeyboardInterrupt
