"""⇄ The collector's processes: workers that take reports, one drain, and the parent that watches over them.

parent ─▶ worker, worker, …    HTTP to inbox; all accept from one socket
       ├▶ drain                inbox to lake
       └▶ page                 lake to report page, which the workers serve
"""

import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from layercensus.errors import Fault, FleetError, LayerCensusError
from layercensus.fleet.children import Child, Leash, Word
from layercensus.fleet.counts import Counts, forget_process, shared_counts
from layercensus.fleet.drain import Drain, Drained
from layercensus.fleet.event_log import log
from layercensus.fleet.page_maker import PageDoor, run_page_maker
from layercensus.fleet.rotation import make_context
from layercensus.fleet.shared_folders import LOCK, lock_file
from layercensus.fleet.worker import Settings, run_worker
from layercensus.model import Row

_DRAIN_SECONDS = 3.0
_REFRESH_SECONDS = 300.0
# Of the 30 seconds in which it should have ended.
_STOP_SECONDS = 8.0
_FINISH_SECONDS = 18.0
_WATCH_SECONDS = 0.5
_LOCK_SECONDS = 2.0
# The collector can do without a page: what ends its maker is tried again so much later.
_PAGE_REST_SECONDS = 60.0
_BACKLOG = 4096


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


@dataclass(frozen=True, slots=True)
class LakeDoor:
    """What a lake does for a drain: `refresh` brings up to date what it keeps beside its rows; seldom."""

    write_rows: Callable[[Iterable[Row]], int]
    refresh: Callable[[], int]


def serve(plan: Plan, lake: LakeDoor, page: PageDoor | None = None) -> int:
    """Run until SIGTERM or SIGINT; the exit status. Without `page` there is none. Raises `FleetError`: no start."""
    inbox = _hold_inbox(plan)
    if plan.certificate and plan.key:
        make_context(plan.certificate, plan.key)
    listener = _listen(plan)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with shared_counts() as folder:
        settings = Settings(
            keys=plan.keys,
            inbox=plan.own,
            pseudonymous=plan.pseudonymous,
            certificate=plan.certificate,
            key=plan.key,
            page=folder if page else None,
        )
        workers = [
            Child(f"worker-{number}", run_worker, (settings, listener), forget_process)
            for number in range(plan.workers)
        ]
        drain = Child("drain", run_drain, (plan, lake), forget_process)
        others = [drain]
        if page:
            others.append(
                Child("page", run_page_maker, (page, plan.own, folder), forget_process, rest_seconds=_PAGE_REST_SECONDS)
            )
        log("started", listen=f"{plan.host}:{plan.port}", workers=plan.workers, tls=plan.certificate is not None)
        for child in (*workers, *others):
            child.start()
        held = True
        while held and not stopping.wait(_WATCH_SECONDS):
            watched = [child.watch() for child in (*workers, *others)]
            held = all(watched)
        listener.close()
        _end(workers, drain, others[1:])
    os.close(inbox)
    log("stopped")
    return 0 if held else 1


def _end(workers: list[Child], drain: Child, pages: list[Child]) -> None:
    """End all of them in order."""
    until = time.monotonic() + _STOP_SECONDS
    for child in (*workers, *pages):
        child.end()
    for child in (*workers, *pages):
        child.join(max(0.0, until - time.monotonic()))
    # Only now is the inbox whole: what is complete in it becomes rows, by another drain if this one has just died.
    drain.watch()
    drain.end()
    drain.join(_FINISH_SECONDS)


def _listen(plan: Plan) -> socket.socket:
    """The socket that all workers accept from. Raises `FleetError`."""
    try:
        family = socket.AF_INET6 if ":" in plan.host else socket.AF_INET
        return socket.create_server((plan.host, plan.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"{plan.host}:{plan.port}"
        # Python adds what it attempted.
        why = (error.strerror or "").partition(" (while")[0]
        next_step = "see what has the port, or choose another: --listen" if error.errno == errno.EADDRINUSE else ""
        raise FleetError(f"cannot listen: {why}", where=where, fault=Fault.HOST, next_step=next_step) from error


def _hold_inbox(plan: Plan) -> int:
    """Make this collector's inbox and hold it. Raises `FleetError` where it cannot be, or where another holds it."""
    until = time.monotonic() + _LOCK_SECONDS
    try:
        while True:
            # Its name is synced by who writes in it: a disk that cannot do so now is no reason not to start.
            plan.own.mkdir(parents=True, exist_ok=True)
            try:
                return lock_file(plan.own / LOCK)
            except (BlockingIOError, FileNotFoundError):
                # Another collector's drain may have it for a moment, to remove a folder that nobody uses.
                if time.monotonic() > until:
                    raise
                time.sleep(_LOCK_SECONDS / 20)
    except BlockingIOError:
        what, next_step = "another collector holds this inbox", "give each one a --name of its own"
        raise FleetError(what, where=str(plan.own), fault=Fault.USAGE, next_step=next_step) from None
    except OSError as error:
        next_step = "look at permissions and free space, or give another --inbox"
        raise FleetError(f"cannot be made: {error.strerror}", str(plan.own), Fault.HOST, next_step) from error


def run_drain(plan: Plan, lake: LakeDoor, leash: Leash) -> None:
    """In a process of its own: rounds until it is told to end, then a last one."""
    drain = Drain(plan.inboxes, lake.write_rows, _milliseconds)
    counts = Counts()
    failed = ""
    due, wrote = time.monotonic() + _REFRESH_SECONDS, False
    word = leash.listen(0)
    while word is Word.NOTHING:
        done = drain.run_once()
        failed = _tell(done, counts, failed)
        wrote = wrote or done.rows > 0
        if wrote and time.monotonic() >= due:
            _refresh(lake)
            due, wrote = time.monotonic() + _REFRESH_SECONDS, False
        word = leash.listen(_DRAIN_SECONDS)
    if word is Word.END:
        _tell(drain.finish(plan.own), counts, failed)
    drain.close()


def _refresh(lake: LakeDoor) -> None:
    """A report makes for itself what is not up to date, so that a failure costs it time and nothing else."""
    try:
        lake.refresh()
    except (OSError, LayerCensusError) as error:
        log("lake_not_refreshed", error=str(error), next="it is tried again in some minutes")


def _tell(done: Drained, counts: Counts, failed: str) -> str:
    """Count what a round did, and log what began or ceased to fail."""
    counts.add("reports_drained_total", amount=done.reports)
    counts.add("rows_written_total", amount=done.rows)
    counts.add("snapshots_incomplete_total", amount=done.incomplete)
    counts.add("inbox_torn_files_total", amount=done.torn)
    counts.add("lake_failures_total", amount=int(bool(done.error)))
    counts.set("drains", int(done.holds))
    if done.holds:
        counts.set("clusters", done.clusters)
        counts.set("lake_lag_seconds", done.lag_seconds)
    counts.observe("skew_seconds", done.skews)
    counts.flush()
    if done.error != failed:
        log("lake_not_written" if done.error else "lake_written_again", error=done.error)
    return done.error


def _milliseconds() -> int:
    return int(time.time() * 1000)
