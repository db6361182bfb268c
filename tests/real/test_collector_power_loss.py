"""Power is lost while a collector takes reports: what it acknowledged until then comes into the lake, once.

A trace of its system calls tells what was written and what of it was synced (`power_loss.py`). From that the disk is made
as a power loss at many instants may leave it, the drain's own code runs on it, and here and there a whole collector.
What has to be in the lake is what senders were answered until that instant.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from http.client import HTTPException
from operator import is_
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import duckdb
import pytest

from layercensus.errors import LayerCensusError
from layercensus.fleet.drain import Drain
from layercensus.lake.folder import lake_for_writing
from layercensus.lake.storage import write_rows

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.running import (
    Client,
    Collector,
    Journal,
    Snapshot,
    deliver,
    halves,
    make_keys,
    now_ms,
    read_rows,
    running,
    some_cluster,
    some_snapshot,
    wait_for,
    whole,
)
from tests.real.power_loss import NOTHING_IS_LOST, Disk, Loss, leave, losses, replay
from tests.real.prometheus_server import require
from tests.real.system_calls import (
    FOLDERS,
    REMOVALS,
    RENAMES,
    SYNCS,
    Call,
    answers_by_port,
    parse_trace,
    traced_command,
)

pytestmark = [pytest.mark.real, pytest.mark.endurance]

SENDERS = 4
PACE_SECONDS = 0.04
EVERY = 20
THE_END = 1_000_000_000


# --- the replayed disk itself -----------------------------------------------------------------------------------------

TRACE = """
1 mkdir("/d/in", 0777) = 0
1 openat(AT_FDCWD, "/d/in/a.new", O_WRONLY|O_CREAT|O_EXCL|O_APPEND, 0600) = 5</d/in/a.new>
1 write(5</d/in/a.new>, "head", 4) = 4
1 rename("/d/in/a.new", "/d/in/a") = 0
1 fsync(6</d>) = 0
1 fsync(6</d/in>) = 0
1 write(5</d/in/a>, "ONE", 3) = 3
1 fdatasync(5</d/in/a> <unfinished ...>
2 write(5</d/in/a>, "TWO", 3) = 3
1 <... fdatasync resumed>) = 0
1 rename("/d/in/a", "/d/in/b") = 0
1 openat(AT_FDCWD, "/d/in/t", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 7</d/in/t>
1 write(7</d/in/t>, "12", 2) = 2
1 write(7</d/in/t>, "34", 2) = 2
1 pwrite64(7</d/in/t>, "x", 1, 1) = 1
1 fsync(7</d/in/t>) = 0
1 ftruncate(7</d/in/t>, 3) = 0
1 unlink("/d/in/b") = 0
""".strip().splitlines()


def left_by(trace: Sequence[str], name: str) -> dict[str, bytes]:
    """Files that a loss leaves after these lines of a trace."""
    disk = Disk(Path("/d"))
    list(replay(parse_trace("\n".join(trace)), disk, [THE_END]))
    ways = [*losses(lambda folder: folder == Path("/d/in"), Random(1)), NOTHING_IS_LOST]
    (loss,) = (one for one in ways if one.name == name)
    with TemporaryDirectory() as folder:
        leave(disk, loss, Path(folder))
        return files_below(Path(folder))


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("lines", "loss", "left"),
    [
        pytest.param(4, "all is lost", {}, id="a folder without its name"),
        pytest.param(4, "names are there", {"in/a": b""}, id="names without data"),
        pytest.param(5, "all is lost", {}, id="the sync of a folder keeps no names below it"),
        pytest.param(5, "some folders' names are there", {"in/a": b""}, id="which are there all the same"),
        pytest.param(6, "all is lost", {"in/a": b""}, id="the sync of a folder keeps no data"),
        pytest.param(7, "names and lengths are there", {"in/a": bytes(7)}, id="a length without data"),
        pytest.param(9, "all is lost", {"in/a": b""}, id="a sync that has not returned"),
        pytest.param(10, "all is lost", {"in/a": b"headONE"}, id="a sync keeps what was there when it began"),
        pytest.param(10, "names and lengths are there", {"in/a": b"headONE\0\0\0"}, id="zeros after what it kept"),
        pytest.param(10, "nothing is lost", {"in/a": b"headONETWO"}, id="what programs see"),
        pytest.param(11, "all is lost", {"in/a": b"headONE"}, id="the old name"),
        pytest.param(11, "names are there", {"in/b": b"headONE"}, id="the new name"),
        pytest.param(16, "all is lost", {"in/a": b"headONE"}, id="a synced file without its name"),
        pytest.param(16, "names are there", {"in/b": b"headONE", "in/t": b"1x34"}, id="bytes at their places"),
        pytest.param(17, "names are there", {"in/b": b"headONE", "in/t": b"1x34"}, id="the old end"),
        pytest.param(17, "nothing is lost", {"in/b": b"headONETWO", "in/t": b"1x3"}, id="the new end"),
        pytest.param(18, "all is lost", {"in/a": b"headONE"}, id="a removal that is lost"),
        pytest.param(18, "names are there", {"in/t": b"1x34"}, id="a removal that is there"),
    ],
)
def test_the_replayed_disk_keeps_what_was_synced_and_may_lose_the_rest(
    lines: int, loss: str, left: Mapping[str, bytes]
) -> None:
    assert left_by(TRACE[:lines], loss) == left


def test_what_a_failed_sync_should_have_kept_no_later_one_keeps() -> None:
    lines = [*TRACE[:9], "1 <... fdatasync resumed>) = -1 EIO (Input/output error)", "1 fdatasync(5</d/in/a>) = 0"]
    assert left_by(lines, "all is lost") == {"in/a": bytes(7) + b"TWO"}


# --- a collector under load -------------------------------------------------------------------------------------------


@dataclass
class Sent:
    """Requests that were answered 204, by port and in order: the snapshot that is whole with it, None with half of it."""

    journal: Journal = field(default_factory=Journal)
    answered: dict[int, list[Snapshot | None]] = field(default_factory=dict)
    refused: int = 0

    def count(self) -> int:
        return sum(map(len, tuple(self.answered.values())))

    def run(self, collector: Collector, name: str, stopping: threading.Event) -> None:
        """One sender, from cluster to cluster, until it is stopped. A third of all snapshots come in two requests."""
        chance = Random(name)
        at = 0
        with collector.client() as client:
            while not stopping.is_set():
                cluster = some_cluster(chance)
                for _ in range(chance.randrange(2, 8)):
                    at = max(at + 1, now_ms())
                    snapshot = some_snapshot(chance, cluster, at)
                    bodies = halves(snapshot) if chance.random() < 0.3 else (whole(snapshot),)
                    for number, body in enumerate(bodies, 1):
                        self.journal.will_send(snapshot)
                        while not stopping.is_set() and not self._is_taken(
                            client, snapshot, body, number == len(bodies)
                        ):
                            stopping.wait(PACE_SECONDS)
                    stopping.wait(PACE_SECONDS)

    def _is_taken(self, client: Client, snapshot: Snapshot, body: bytes, is_whole: bool) -> bool:
        with suppress(OSError, HTTPException):
            port = client.own_port
            if client.send(snapshot.cluster, body).status == 204:
                self.answered.setdefault(port, []).append(snapshot if is_whole else None)
                return True
        self.refused += 1
        return False


@dataclass
class Traced:
    """What strace saw of a collector, and of the next one over the same folders; and what was sent. `root`: the disk.

    `left`: folders, and files with what is in them, that were there before and whose names were never synced, but for
    those in `kept`.
    """

    root: Path
    collector: Collector
    calls: list[Call]
    sent: Sent
    left: Mapping[Path, bytes | None] = field(default_factory=dict)
    kept: Sequence[Path] = ()

    @property
    def inboxes(self) -> Path:
        return self.collector.inbox.parent

    @cached_property
    def answers(self) -> list[tuple[Call, Snapshot | None]]:
        """Answers in the order in which they were begun."""
        seen = answers_by_port(self.calls)
        pairs = [
            pair for port, snapshots in self.sent.answered.items() for pair in zip(seen[port], snapshots, strict=False)
        ]
        return sorted(pairs, key=lambda pair: pair[0].began)

    def disk(self, forgets: Callable[[Call], bool] = lambda _: False) -> Disk:
        disk = Disk(self.root, forgets)
        for path, content in self.left.items():
            disk.place(path, content)
        for path in self.kept:
            disk.keep_names(path)
        return disk

    def journal_at(self, instant: int) -> Journal:
        """What was sent, and what was acknowledged of it until a line of the trace."""
        journal = Journal(self.sent.journal.sent)
        for answer, snapshot in self.answers:
            if answer.began < instant and snapshot is not None:
                journal.was_acknowledged(snapshot)
        return journal


@pytest.fixture(scope="module")
def strace() -> str:
    return require("strace", "strace")


def trace_of(paths: Iterable[Path]) -> list[Call]:
    return parse_trace("".join(path.read_text() for path in paths))


def start_senders(collector: Collector, sent: Sent) -> tuple[list[threading.Thread], threading.Event]:
    stopping = threading.Event()
    threads = [
        threading.Thread(target=sent.run, args=(collector, f"sender {number}", stopping)) for number in range(SENDERS)
    ]
    for thread in threads:
        thread.start()
    return threads, stopping


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, strace: str) -> Traced:
    """A new lake in folders that are new too; its day is written while reports come, and again; SIGTERM."""
    folder = tmp_path_factory.mktemp("traced")
    root = folder / "disk"
    root.mkdir()
    lake = root / "srv" / "fleet" / "lake"
    trace = folder / "trace"
    collector = Collector(
        folder,
        lake,
        make_keys(folder / "keys.json"),
        wrapped=lambda command: traced_command(command, strace, trace),
    )
    sent = Sent()
    with running(collector):
        threads, stopping = start_senders(collector, sent)
        try:
            wait_for(lambda: read_rows(lake), "rows, while reports come")
            wait_for(lambda: sent.count() > 500, "more reports")
            assert collector.stop() == 0
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
    return Traced(root, collector, trace_of([trace]), sent)


@pytest.fixture(scope="module", params=["nothing is synced", "its day is not synced"])
def troubled(tmp_path_factory: pytest.TempPathFactory, strace: str, request: pytest.FixtureRequest) -> Traced:
    """One that starts over folders whose maker was killed before it synced their names.

    Its inbox is not below the lake, every fifth sync of a file of the inbox fails, its parent is killed under load, and
    another starts over what that one left.
    """
    folder = tmp_path_factory.mktemp("troubled")
    root = folder / "disk"
    lake, inboxes = root / "srv" / "lake", root / "spool" / "inboxes"
    (inboxes / "one").mkdir(parents=True)
    with lake_for_writing(lake):
        if request.param == "its day is not synced":
            (lake / "rows" / f"day={datetime.now(UTC).date()}").mkdir(parents=True)
    left = {path: path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))}
    # A day is not begun before the folder of all days has its name.
    kept = [lake] if request.param == "its day is not synced" else []
    traces: list[Path] = []

    def wrapped(command: list[str]) -> list[str]:
        traces.append(folder / f"trace{len(traces)}")
        return traced_command(command, strace, traces[-1], "-e", "inject=fdatasync:error=EIO:when=3+5")

    collector = Collector(folder, lake, make_keys(folder / "keys.json"), "one", inboxes, wrapped=wrapped)
    sent = Sent()
    with running(collector):
        threads, stopping = start_senders(collector, sent)
        try:
            wait_for(lambda: sent.count() > 60, "reports")
            collector.kill_parent()
            collector.start()
            before = sent.count()
            wait_for(lambda: sent.count() > before + 60, "more reports")
            assert collector.stop() == 0
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
    assert sent.refused > 10
    return Traced(root, collector, trace_of(traces), sent, left, kept)


# --- power is lost ----------------------------------------------------------------------------------------------------


def each(number: int, ways: Sequence[Loss]) -> Sequence[Loss]:
    return ways


def worst_and_another(number: int, ways: Sequence[Loss]) -> Sequence[Loss]:
    """All that may be lost is, and one of the other ways in turn."""
    return ways[0], ways[1 + number % (len(ways) - 1)]


def after_answers(traced: Traced) -> list[int]:
    """Lines at which an answer was begun: it may have reached its sender."""
    return [answer.began + 1 for answer, _ in traced.answers[::EVERY]]


def after_changes(traced: Traced) -> list[int]:
    """Lines after a file of the lake or of an inbox was synced, named or removed, but for syncs of reports."""
    first = traced.answers[0][0].began
    changes = [
        call
        for call in traced.calls
        if call.name in SYNCS | RENAMES | REMOVALS | FOLDERS and call.name != "fdatasync" and call.began > first
    ]
    return sorted(call.ended + 1 for call in changes if call.held and is_below(call, traced.root))


def is_below(call: Call, folder: Path) -> bool:
    return any(Path(text).is_relative_to(folder) for text in (call.opened, *(one.decode() for one in call.strings)))


def is_removal(call: Call) -> bool:
    """Whether reports are removed: they should be in the lake."""
    return call.name in REMOVALS and call.held and call.strings[-1].endswith(b".sealed")


def some(lines: Sequence[int], count: int) -> list[int]:
    """So many of them at most, evenly, and the last."""
    return [*lines[:: max(1, len(lines) // count)], lines[-1]]


def faults_after_loss(
    traced: Traced,
    instants: Iterable[int],
    which: Callable[[int, Sequence[Loss]], Sequence[Loss]],
    forgets: Callable[[Call], bool] = lambda _: False,
) -> Iterator[str]:
    """What is wrong in the lake after power was lost at these lines of the trace and the drain has done its last round."""
    disk, chance = traced.disk(forgets), Random("power")
    ways = losses(lambda folder: folder.is_relative_to(traced.inboxes), chance)
    tried: set[tuple[int, frozenset[tuple[Path, bytes | None]]]] = set()
    for number, instant in enumerate(replay(traced.calls, disk, instants)):
        journal = traced.journal_at(instant)
        for loss in which(number, ways):
            with TemporaryDirectory() as folder:
                leave(disk, loss, Path(folder))
                state = journal.count(), everything_below(Path(folder))
                if state in tried:
                    continue
                tried.add(state)
                yield from (
                    f"line {instant}, {loss.name}: {fault}" for fault in faults_on(traced, Path(folder), journal)
                )


def everything_below(folder: Path) -> frozenset[tuple[Path, bytes | None]]:
    return frozenset(
        (path.relative_to(folder), path.read_bytes() if path.is_file() else None) for path in folder.rglob("*")
    )


def faults_on(traced: Traced, left: Path, journal: Journal) -> list[str]:
    lake, own = (left / path.relative_to(traced.root) for path in (traced.collector.lake, traced.collector.inbox))
    try:
        # As a collector starts and ends.
        with lake_for_writing(lake):
            own.mkdir(parents=True, exist_ok=True)
        drain = Drain(own.parent, partial(write_rows, lake), now_ms)
        done = drain.finish(own)
        drain.close()
        return [done.error] if done.error else journal.faults(read_rows(lake))
    except (LayerCensusError, OSError, duckdb.Error) as error:
        return [repr(error)]


def test_the_disk_of_the_trace_is_the_real_one(traced: Traced) -> None:
    """Byte for byte at the end, so that no call that matters is missed."""
    disk = traced.disk()
    list(replay(traced.calls, disk, [THE_END]))
    with TemporaryDirectory() as folder:
        leave(disk, NOTHING_IS_LOST, Path(folder))
        assert files_below(Path(folder)) == files_below(traced.root)
    assert traced.sent.journal.faults(read_rows(traced.collector.lake)) == []


def test_what_was_acknowledged_outlives_a_power_loss_after_any_answer(traced: Traced) -> None:
    instants = after_answers(traced)
    assert len(instants) > 25
    assert list(faults_after_loss(traced, instants, worst_and_another)) == []


def test_what_was_acknowledged_outlives_a_power_loss_around_each_change_of_the_lake(traced: Traced) -> None:
    changes = after_changes(traced)
    removed = list(filter(is_removal, traced.calls))
    swapped = [call for call in traced.calls if call.name in RENAMES and call.strings[-1].endswith(b"/rows.parquet")]
    # While reports came, and at the end.
    assert len(swapped) >= 2
    assert len(removed) > 5
    assert list(faults_after_loss(traced, changes, each)) == []


def test_it_outlives_one_after_a_kill_and_syncs_that_failed(troubled: Traced) -> None:
    failed = [call for call in troubled.calls if call.name in SYNCS and not call.held]
    assert len(failed) > 5
    assert list(faults_after_loss(troubled, after_answers(troubled), each)) == []
    assert list(faults_after_loss(troubled, some(after_changes(troubled), 40), worst_and_another)) == []


def test_a_collector_starts_on_what_a_power_loss_left_and_goes_on(traced: Traced, tmp_path: Path) -> None:
    disk, chance = traced.disk(), Random("start")
    instants = some([*after_changes(traced), *after_answers(traced)], 5)
    for number, instant in enumerate(replay(traced.calls, disk, instants)):
        root = tmp_path / str(instant)
        root.mkdir()
        ways = losses(lambda folder: folder.is_relative_to(traced.inboxes), chance)
        leave(disk, ways[number % len(ways)], root)
        journal = traced.journal_at(instant)
        lake = root / traced.collector.lake.relative_to(traced.root)
        with running(replace(traced.collector, folder=tmp_path, lake=lake, wrapped=list)) as collector:
            wait_for(collector.holds_inbox, "the drain")
            with collector.client() as client:
                snapshot = some_snapshot(chance, some_cluster(chance), now_ms())
                assert deliver(client, journal, snapshot).status == 204
            assert collector.stop() == 0
            assert "Traceback" not in collector.said()
        assert journal.faults(read_rows(lake)) == [], f"line {instant}"


# --- and it would be found --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["reports", "inbox", "lake file", "day", "days", "lake", "above"])
def test_a_kind_of_syncs_that_did_nothing_is_found(traced: Traced, what: str) -> None:
    lake = traced.collector.lake
    forgotten = {
        "reports": lambda call: call.name == "fdatasync",
        "inbox": lambda call: call.opened == str(traced.collector.inbox),
        "lake file": lambda call: call.opened.endswith("/.rows.parquet.writing"),
        "day": lambda call: Path(call.opened).parent == lake / "rows" and Path(call.opened).name.startswith("day="),
        "days": lambda call: call.opened == str(lake / "rows"),
        "lake": lambda call: call.opened == str(lake),
        "above": lambda call: call.opened == str(lake.parent.parent),
    }[what]
    # The first reports, and what follows when the first files were removed: what the lake lost then nobody has any more.
    removed = min(call.ended for call in traced.calls if is_removal(call))
    after_removal = [line for line in after_changes(traced) if line > removed]
    found = faults_after_loss(traced, [*after_answers(traced)[:4], *after_removal[:4]], each, forgotten)
    assert next(found, "") != ""


def test_one_sync_of_reports_that_did_nothing_is_found(traced: Traced) -> None:
    """Until the next one: that keeps all of the file."""
    syncs = [call for call in traced.calls if call.name == "fdatasync"]
    tried = range(0, len(syncs) - 1, len(syncs) // 10)
    found = 0
    for number in tried:
        lost = faults_after_loss(traced, [syncs[number + 1].ended], each, partial(is_, syncs[number]))
        found += next(lost, "") != ""
    # Not each time: it may have been the first half of a snapshot, or its answer came after the next sync.
    assert found > len(tried) // 2
