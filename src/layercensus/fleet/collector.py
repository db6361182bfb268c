"""⇄ The collector's processes: granian's workers that take reports, one drain, and the parent that watches over them.

parent ─▶ worker, worker, …    HTTP to inbox
       └▶ drain                inbox to lake
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

from layercensus.errors import Fault, FleetError
from layercensus.fleet.app import Settings, make_worker
from layercensus.fleet.counts import Counts, share_counts
from layercensus.fleet.drain import Drain, Drained
from layercensus.fleet.event_log import log
from layercensus.model import Row

_DRAIN_SECONDS = 5.0
_FINISH_SECONDS = 25.0
_HEADER_MS = 10_000
_CONNECTIONS = 20_000
_WATCH_SECONDS = 1.0


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
    share_counts(plan.own / "counts")
    watched = _Drains(plan, write_rows)
    server = Granian(
        "layercensus.fleet.app:make_worker",
        address=plan.host,
        port=plan.port,
        interface=Interfaces.RSGI,
        workers=plan.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MS),
        websockets=False,
        backlog=4096,
        backpressure=_CONNECTIONS,
        log_enabled=False,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=10,
        ssl_cert=plan.certificate,
        ssl_key=plan.key,
    )
    server.on_startup(watched.start)
    server.on_shutdown(watched.stop)
    multiprocessing.set_start_method("spawn", force=True)
    settings = Settings(plan.keys, plan.own, plan.pseudonymous)
    log("started", listen=f"{plan.host}:{plan.port}", workers=plan.workers, tls=plan.certificate is not None)
    server.serve(target_loader=partial(_load, settings), wrap_loader=False)
    log("stopped")
    return 0


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


def _load(settings: Settings) -> Any:
    """In a worker. What cannot start ends it, and granian starts another."""
    return make_worker(settings)


@dataclass(eq=False)
class _Drains:
    """Keeps one drain running, and one certificate in use, until it is stopped."""

    plan: Plan
    write_rows: Callable[[Iterable[Row]], int]
    _process: BaseProcess | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def start(self) -> None:
        """Start the drain and watch over it."""
        self._begin()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """After the workers have ended: let the drain put what is complete into the lake, then end it."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        if self._process is not None:
            self._process.terminate()
            self._process.join(_FINISH_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                log("drain_not_finished", next="what is left in the inbox goes to the lake at the next start")

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=run_drain, args=(self.plan, self.write_rows), name="drain")
        self._process.start()

    def _watch(self) -> None:
        mark = _mark(self.plan.certificate)
        while not self._stopping.wait(_WATCH_SECONDS):
            if self._process is not None and not self._process.is_alive():
                log("drain_ended", status=self._process.exitcode, next="it is started again")
                self._begin()
            if (now := _mark(self.plan.certificate)) != mark:
                mark = now
                # granian replaces its workers one by one, with the new certificate.
                os.kill(os.getpid(), signal.SIGHUP)


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


def _mark(path: Path | None) -> tuple[int, int]:
    if path is not None:
        with contextlib.suppress(OSError):
            found = path.stat()
            return (found.st_ino, found.st_mtime_ns)
    return (0, 0)


def _milliseconds() -> int:
    return int(time.time() * 1000)
