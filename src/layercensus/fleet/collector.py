"""⇄ The collector's processes: workers that take reports, one drain, and the parent that watches over them.

parent ─▶ worker, worker, …    HTTP to inbox; all accept from one socket
       └▶ drain                inbox to lake
"""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

from layercensus.errors import Fault, FleetError
from layercensus.fleet.counts import Counts, forget_process, share_counts
from layercensus.fleet.drain import Drain, Drained
from layercensus.fleet.event_log import log
from layercensus.fleet.worker import Settings, make_context, run_worker
from layercensus.model import Row

_DRAIN_SECONDS = 3.0
_FINISH_SECONDS = 20.0
_STOP_SECONDS = 8.0
_WATCH_SECONDS = 0.5
_BACKLOG = 4096
# A process that ends so often at its start has something wrong that another start does not mend.
_QUICK_SECONDS = 5.0
_MOST_QUICK = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """How a collector runs. `inboxes` is the folder of all inboxes, `name` this collector's own below it."""

    host: str
    port: int
    workers: int
    keys: Path
    inboxes: Path
    name: str
    certificate: Path | None
    key: Path | None
    pseudonymous: bool

    @property
    def own(self) -> Path:
        """This collector's inbox."""
        return self.inboxes / self.name


def default_name() -> str:
    """The name of this machine, as far as it is a folder's name."""
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in socket.gethostname()) or "host"


def serve(plan: Plan, write_rows: Callable[[Iterable[Row]], int]) -> int:
    """Run until SIGTERM or SIGINT; the exit status. Raises `FleetError` where it cannot start."""
    check_inbox(plan)
    if plan.certificate and plan.key:
        make_context(plan.certificate, plan.key)
    listener = _listen(plan)
    share_counts(plan.own / "counts")
    settings = Settings(plan.keys, plan.own, plan.pseudonymous, plan.certificate, plan.key)
    family = [_Child(f"worker-{number}", run_worker, (settings, listener)) for number in range(plan.workers)]
    drain = _Child("drain", run_drain, (plan, write_rows))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    log("started", listen=f"{plan.host}:{plan.port}", workers=plan.workers, tls=plan.certificate is not None)
    for child in (*family, drain):
        child.start()
    held = True
    while held and not stopping.wait(_WATCH_SECONDS):
        watched = [child.watch() for child in (*family, drain)]
        held = all(watched)
    listener.close()
    for child in family:
        child.stop()
    for child in family:
        child.join(_STOP_SECONDS)
    # Only now is the inbox whole: what is complete in it becomes rows.
    drain.stop()
    drain.join(_FINISH_SECONDS)
    log("stopped")
    return 0 if held else 1


def _listen(plan: Plan) -> socket.socket:
    """The socket that all workers accept from. Raises `FleetError`."""
    try:
        family = socket.AF_INET6 if ":" in plan.host else socket.AF_INET
        return socket.create_server((plan.host, plan.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"{plan.host}:{plan.port}"
        raise FleetError(f"cannot listen: {error.strerror}", where=where, fault=Fault.HOST) from error


def check_inbox(plan: Plan) -> None:
    """Make the inbox. Raises `FleetError` where it cannot be, or where another collector holds it."""
    drain = Drain(plan.inboxes, plan.own, lambda _: 0, _milliseconds)
    try:
        drain.open()
    except BlockingIOError:
        what, next_step = "another collector holds this inbox", "give each one a --name of its own"
        raise FleetError(what, where=str(plan.own), fault=Fault.USAGE, next_step=next_step) from None
    except OSError as error:
        raise FleetError(f"cannot be made: {error.strerror}", where=str(plan.own), fault=Fault.HOST) from error
    drain.close()


@dataclass(eq=False)
class _Child:
    """A process that is started again when it ends, unless it does so at once again and again."""

    name: str
    target: Callable[..., None]
    arguments: tuple[object, ...]
    _process: BaseProcess | None = None
    _started: float = 0.0
    _quick: int = 0

    def start(self) -> None:
        """Start it, with nothing of the parent's but what it is given."""
        self._process = multiprocessing.get_context("spawn").Process(
            target=self.target, args=self.arguments, name=self.name
        )
        self._started = time.monotonic()
        self._process.start()

    def watch(self) -> bool:
        """Start it again if it has ended. False if that is no use."""
        if self._process is None or self._process.is_alive():
            return True
        quick = time.monotonic() - self._started < _QUICK_SECONDS
        self._quick = self._quick + 1 if quick else 0
        log("process_ended", process=self.name, status=self._process.exitcode, next="it is started again")
        if self._process.pid is not None:
            forget_process(self._process.pid)
        if self._quick >= _MOST_QUICK:
            return False
        self.start()
        return True

    def stop(self) -> None:
        """Tell it to end."""
        if self._process is not None and self._process.is_alive():
            self._process.terminate()

    def join(self, seconds: float) -> None:
        """Wait for its end; after that long make it end."""
        if self._process is None:
            return
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            log(
                "process_killed", process=self.name, next="what is left in the inbox goes to the lake at the next start"
            )


def run_drain(plan: Plan, write_rows: Callable[[Iterable[Row]], int]) -> None:
    """In a process of its own: rounds until SIGTERM, then a last one."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    drain = Drain(plan.inboxes, plan.own, write_rows, _milliseconds)
    drain.open()
    counts = Counts()
    failed = ""
    while not stopping.is_set() and os.getppid() == parent:
        failed = _tell(drain.run_once(), counts, failed)
        stopping.wait(_DRAIN_SECONDS)
    if stopping.is_set():
        _tell(drain.finish(), counts, failed)
    drain.close()


def _tell(done: Drained, counts: Counts, failed: str) -> str:
    """Count what a round did, and log what began or ceased to fail."""
    counts.add("reports_drained_total", amount=done.reports)
    counts.add("rows_written_total", amount=done.rows)
    counts.add("snapshots_incomplete_total", amount=done.incomplete)
    counts.add("inbox_torn_files_total", amount=done.torn)
    counts.add("lake_failures_total", amount=int(bool(done.error)))
    counts.set("clusters", done.clusters)
    counts.set("lake_lag_seconds", done.lag_seconds)
    counts.observe("skew_seconds", done.skews)
    counts.flush()
    if done.error != failed:
        log("lake_not_written" if done.error else "lake_written_again", error=done.error)
    return done.error


def _milliseconds() -> int:
    return int(time.time() * 1000)
