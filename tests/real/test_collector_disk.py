"""A disk that is full or fails below a collector: no answer says that something is kept which is not.

Faults are made by a library that is loaded before the C library (LD_PRELOAD), or are real: a small file system in
memory, filled to its last page. A sync that the library lets fail also takes away what was not synced, as a kernel may.
"""

import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.running import (
    DEADLINE_SECONDS,
    Collector,
    Journal,
    Keys,
    Traffic,
    deliver,
    encode_body,
    encode_series,
    make_keys,
    now_ms,
    read_rows,
    running,
    some_cluster,
    some_snapshot,
    wait_for,
    whole,
)
from tests.real.prometheus_server import require

pytestmark = [pytest.mark.real, pytest.mark.endurance]

LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Faults are asked for by files: FAULTS/sync, FAULTS/write, for each call, or FAULTS/some-sync, FAULTS/some-write. */
static int is_asked(const char *what) {
    static unsigned calls;
    char path[4096];
    const char *folder = getenv("FAULTS");
    if (!folder) return 0;
    snprintf(path, sizeof path, "%s/%s", folder, what);
    if (access(path, F_OK) == 0) return 1;
    snprintf(path, sizeof path, "%s/some-%s", folder, what);
    return access(path, F_OK) == 0 && __sync_add_and_fetch(&calls, 1) % 3 == 0;
}

/* Whether a descriptor is a file in which a worker keeps reports. */
static int is_segment(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 5) return 0;
    path[length] = 0;
    return strcmp(path + length - 5, ".open") == 0;
}

static struct { ino_t inode; off_t size; } kept[4096];

static int sync_or_fail(const char *name, int descriptor) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    struct stat found;
    int segment = is_segment(descriptor) && fstat(descriptor, &found) == 0;
    int slot = segment ? found.st_ino % 4096 : 0;
    if (is_asked("sync")) {
        off_t size = segment && kept[slot].inode == found.st_ino ? kept[slot].size : 0;
        if (segment && size < found.st_size && ftruncate(descriptor, size)) abort();
        errno = EIO;
        return -1;
    }
    int result = real(descriptor);
    if (segment && result == 0) { kept[slot].inode = found.st_ino; kept[slot].size = found.st_size; }
    return result;
}

int fsync(int descriptor) { return sync_or_fail("fsync", descriptor); }
int fdatasync(int descriptor) { return sync_or_fail("fdatasync", descriptor); }

/* Half of it is written, and the rest is refused. */
ssize_t write(int descriptor, const void *data, size_t size) {
    static __thread int is_cut;
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (is_cut && is_segment(descriptor)) { is_cut = 0; errno = ENOSPC; return -1; }
    if (size > 64 && is_segment(descriptor) && is_asked("write")) { is_cut = 1; return real(descriptor, data, size / 2); }
    return real(descriptor, data, size);
}
"""


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path / "keys.json")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler, folder = require("gcc", "gcc"), tmp_path_factory.mktemp("library")
    source, made = folder / "faults.c", folder / "faults.so"
    source.write_text(LIBRARY)
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(made), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=DEADLINE_SECONDS)
    return made


@pytest.fixture
def faulty(tmp_path: Path, keys: Keys, library: Path) -> Iterator[Collector]:
    """One whose disk fails while a file of that name is in `tmp_path / "faults"`."""
    (tmp_path / "faults").mkdir()
    environment = {"LD_PRELOAD": str(library), "FAULTS": str(tmp_path / "faults")}
    made = Collector(tmp_path, tmp_path / "lake", keys, environment=environment)
    yield made
    made.kill()


@contextmanager
def fault(collector: Collector, name: str) -> Iterator[None]:
    control = collector.folder / "faults" / name
    control.touch()
    try:
        yield
    finally:
        control.unlink()


def is_ready(collector: Collector) -> bool:
    return collector.get("/readyz").status == 200


def send_some(collector: Collector, journal: Journal, chance: random.Random, count: int) -> set[int]:
    """Statuses of so many requests of as many clusters."""
    with collector.client() as client:
        return {
            deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms())).status for _ in range(count)
        }


def wait_for_rows(collector: Collector, journal: Journal) -> None:
    wait_for(lambda: journal.faults(read_rows(collector.lake)) == [], "rows of all that was acknowledged")


# --- calls that fail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sync", "write"])
def test_while_the_disk_fails_nothing_is_acknowledged_and_afterwards_nothing_is_missing(
    faulty: Collector, kind: str
) -> None:
    with running(faulty), Traffic(3, split=0) as traffic:
        traffic.start(faulty, threads=4)
        traffic.wait_for_more(200)
        for _ in range(3):
            with fault(faulty, kind):
                answers = traffic.next_answers(60)
                assert {(seen.status, bool(seen.retry_after)) for seen in answers} == {(503, True)}
                ready, healthy = faulty.get("/readyz").status, faulty.get("/healthz").status
                assert (ready, healthy) == (503, 200)
            # Without a hand.
            traffic.wait_for_more(200)
            assert is_ready(faulty)
        traffic.stop()
        wait_for(lambda: faulty.metric("commits_failed_total") > 0, "the count of commits that failed")
        wait_for_rows(faulty, traffic.journal)
        assert faulty.stop() == 0
        assert faulty.reports() == []
    assert traffic.journal.faults(read_rows(faulty.lake)) == []


@pytest.mark.parametrize("kind", ["sync", "write"])
def test_calls_that_fail_at_times_lose_nothing_that_was_acknowledged(faulty: Collector, kind: str) -> None:
    with running(faulty), Traffic(4, split=0) as traffic:
        traffic.start(faulty, threads=4)
        with fault(faulty, f"some-{kind}"):
            traffic.wait_for_more(400)
            wait_for(lambda: sum(seen.status == 503 for seen in tuple(traffic.seen)) > 30, "commits that fail")
            # Killed in the midst of it, too.
            faulty.kill()
            faulty.start()
            faulty.wait_until_up()
            traffic.wait_for_more(200)
        traffic.wait_for_more(50)
        traffic.stop()
        wait_for_rows(faulty, traffic.journal)
        assert faulty.stop() == 0
        assert faulty.reports() == []
    assert {seen.status for seen in traffic.seen} == {204, 503}
    assert traffic.journal.faults(read_rows(faulty.lake)) == []


def test_it_is_ready_again_once_the_disk_works_though_nobody_sends_to_one_that_is_not(faulty: Collector) -> None:
    """Whoever routes by /readyz sends nothing until it says that it is ready."""
    chance, journal = random.Random("ready"), Journal()
    with running(faulty):
        with fault(faulty, "sync"):
            assert send_some(faulty, journal, chance, 1) == {503}
            assert not is_ready(faulty)
        wait_for(lambda: is_ready(faulty), "that it is ready again")


def test_a_lake_whose_sync_fails_is_written_again_later_and_loses_nothing(faulty: Collector) -> None:
    chance, journal = random.Random("lake"), Journal()
    with running(faulty):
        assert send_some(faulty, journal, chance, 10) == {204}
        with fault(faulty, "sync"):
            wait_for(lambda: faulty.metric("lake_failures_total") > 1, "a lake that is not written")
        wait_for_rows(faulty, journal)
        assert faulty.stop() == 0


# --- a disk that is full ----------------------------------------------------------------------------------------------


class SmallDisk:
    """A file system in memory of 24 MiB at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """To the last page."""
        with self._filler.open("ab", buffering=0) as stream:
            for size in (1 << 20, 4096):
                with suppress(OSError):
                    while stream.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "small"
    path.mkdir()
    mount, unmount = require("mount", "mount"), require("umount", "mount")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=24m,nr_inodes=100k", "layercensus-test", str(path)],
        capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS,
    )  # fmt: skip
    if done.returncode:
        reason = f"NOT CHECKED FOR REAL, no file system can be mounted: {done.stderr.strip()}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run([unmount, str(path)], check=True, timeout=DEADLINE_SECONDS)


@pytest.fixture
def cramped(tmp_path: Path, keys: Keys, disk: SmallDisk) -> Iterator[Collector]:
    """One that has lake and inbox on the small disk."""
    made = Collector(tmp_path, disk.path / "lake", keys)
    yield made
    made.kill()


def test_on_a_full_disk_nothing_is_acknowledged_until_there_is_room(cramped: Collector, disk: SmallDisk) -> None:
    chance, journal = random.Random("full"), Journal()
    with running(cramped):
        assert send_some(cramped, journal, chance, 20) == {204}
        wait_for(lambda: read_rows(cramped.lake) and cramped.reports() == [], "an empty inbox")
        disk.fill()
        for _ in range(30):
            # What a drain may have removed is no room either.
            disk.fill()
            assert send_some(cramped, journal, chance, 1) == {503}
        assert (cramped.get("/readyz").status, cramped.get("/healthz").status) == (503, 200)
        wait_for(lambda: cramped.metric("commits_failed_total") > 0, "the count of commits that failed")
        assert "process_ended" not in cramped.said()
        disk.free()
        assert send_some(cramped, journal, chance, 20) == {204}
        assert is_ready(cramped)
        wait_for_rows(cramped, journal)
        assert cramped.stop() == 0
        assert cramped.reports() == []
    assert journal.faults(read_rows(cramped.lake)) == []


def test_a_disk_that_fills_and_is_freed_under_load_loses_nothing(cramped: Collector, disk: SmallDisk) -> None:
    with running(cramped), Traffic(5, split=0, pace_seconds=0.01) as traffic:
        traffic.start(cramped, threads=3)
        for _ in range(4):
            traffic.wait_for_more(100)
            disk.fill()
            # The last page of a file has room for some more.
            wait_for(lambda: {seen.status for seen in traffic.next_answers(30)} == {503}, "that nothing can be kept")
            disk.free()
        traffic.wait_for_more(100)
        traffic.stop()
        wait_for_rows(cramped, traffic.journal)
        assert cramped.stop() == 0
        assert cramped.reports() == []
        assert "process_ended" not in cramped.said()
    assert {seen.status for seen in traffic.seen} == {204, 503}
    assert traffic.journal.faults(read_rows(cramped.lake)) == []


def test_what_dies_while_the_disk_is_full_is_started_again_and_loses_nothing(
    cramped: Collector, disk: SmallDisk
) -> None:
    chance, journal = random.Random("dies"), Journal()
    with running(cramped):
        assert send_some(cramped, journal, chance, 20) == {204}
        disk.fill()
        (worker,) = cramped.worker_pids()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: cramped.has_ended() or cramped.worker_pids() not in ([], [worker]), "another worker")
        wait_for(lambda: cramped.has_ended() or cramped.get("/healthz").status == 200, "an answer")
        assert not cramped.has_ended(), cramped.said()[-3000:]
        disk.fill()
        assert send_some(cramped, journal, chance, 5) == {503}
        disk.free()
        assert send_some(cramped, journal, chance, 20) == {204}
        wait_for_rows(cramped, journal)
        assert cramped.stop() == 0
    assert journal.faults(read_rows(cramped.lake)) == []


def test_a_collector_that_is_started_on_a_full_disk_takes_reports_once_there_is_room(
    cramped: Collector, disk: SmallDisk
) -> None:
    chance, journal = random.Random("starts"), Journal()
    with running(cramped):
        assert send_some(cramped, journal, chance, 20) == {204}
        disk.fill()
        cramped.kill()
        disk.fill()
        cramped.start()
        cramped.wait_until_up()
        disk.fill()
        assert send_some(cramped, journal, chance, 5) == {503}
        disk.free()
        assert send_some(cramped, journal, chance, 20) == {204}
        wait_for_rows(cramped, journal)
        assert cramped.stop() == 0
    assert journal.faults(read_rows(cramped.lake)) == []


def bad_requests(chance: random.Random, token: str, cluster: str) -> Iterator[tuple[str, bytes | None, dict[str, str]]]:
    """Method, body and headers of requests that are refused, or taken and dropped, each for a reason of its own."""
    good = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "Authorization": f"Bearer {token}",
    }
    body = whole(some_snapshot(chance, cluster, now_ms()))
    yield "POST", body, {**good, "Authorization": "Bearer x"}
    yield "POST", body, {**good, "Authorization": ""}
    yield "POST", body, {**good, "Content-Type": "text/plain"}
    yield "POST", body, {**good, "Content-Encoding": "gzip"}
    yield "POST", whole(some_snapshot(chance, some_cluster(chance), now_ms())), good
    yield "POST", b"\x05abc", good
    yield "POST", b"\xff\xff\xff\xff\x0f", good
    yield "POST", encode_body([b"\x0a\x05hello"]), good
    yield "GET", None, good
    labels = {"cluster_id": cluster, "__name__": "cluster:usage:local_layering_nodes:count", "layering": "clean"}
    yield "POST", encode_body([encode_series({"cluster_id": cluster}, [(1, now_ms())])]), good
    yield "POST", encode_body([encode_series({**labels, "__name__": "up"}, [(1, now_ms())])]), good
    yield "POST", encode_body([encode_series({**labels, "layering": "other"}, [(1, now_ms())])]), good
    stale = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
    for sample in ((1.5, now_ms()), (1, 1), (1, 2 * now_ms()), (float("nan"), now_ms()), (stale, now_ms())):
        yield "POST", encode_body([encode_series(labels, [sample])]), good


def test_requests_that_are_refused_while_the_disk_is_full_end_no_process(
    cramped: Collector, disk: SmallDisk, keys: Keys
) -> None:
    """What it counts must not need a disk that may be full: anybody can send what is refused."""
    chance, journal = random.Random("bad"), Journal()
    cluster = some_cluster(chance)
    with running(cramped), cramped.client() as client:
        assert deliver(client, journal, some_snapshot(chance, cluster, now_ms())).status == 204
        wait_for(lambda: not any(path.suffix == ".open" for path in cramped.reports()), "the end of its file")
        before = cramped.worker_pids(), cramped.drain_pid()
        disk.fill()
        for method, body, headers in bad_requests(chance, keys.token(cluster), cluster):
            with suppress(OSError, HTTPException):
                client.ask(method, "/api/v1/write", body, headers)
        # Counts are handed over once a second.
        time.sleep(3)
        assert (cramped.worker_pids(), cramped.drain_pid()) == before, cramped.said()[-1500:]
        assert cramped.get("/healthz").status == 200
        disk.free()
        assert deliver(client, journal, some_snapshot(chance, cluster, now_ms())).status == 204
        assert cramped.stop() == 0
    assert journal.faults(read_rows(cramped.lake)) == []


def test_a_full_disk_below_the_lake_alone_delays_rows_and_refuses_nothing(
    tmp_path: Path, keys: Keys, disk: SmallDisk
) -> None:
    collector = Collector(tmp_path, disk.path / "lake", keys, inboxes=tmp_path / "inboxes")
    chance, journal = random.Random("lake full"), Journal()
    with running(collector):
        assert send_some(collector, journal, chance, 20) == {204}
        wait_for_rows(collector, journal)
        disk.fill()
        assert send_some(collector, journal, chance, 50) == {204}
        wait_for(lambda: collector.metric("lake_failures_total") > 1, "a lake that is not written")
        wait_for(lambda: collector.metric("lake_lag_seconds") > 0, "that the lake lags")
        assert is_ready(collector)
        kept = collector.reports()
        assert kept != []
        # A drain that dies, and a collector that is killed, find it all again.
        drain = collector.drain_pid()
        assert drain is not None
        os.kill(drain, signal.SIGKILL)
        wait_for(lambda: collector.drain_pid() not in {None, drain}, "another drain")
        failures = collector.metric("lake_failures_total")
        wait_for(lambda: collector.metric("lake_failures_total") > failures, "that it tries again")
        collector.kill()
        collector.start()
        collector.wait_until_up()
        assert send_some(collector, journal, chance, 20) == {204}
        wait_for(lambda: collector.metric("lake_lag_seconds") > 0, "that the lake lags")
        disk.free()
        wait_for_rows(collector, journal)
        wait_for(lambda: collector.metric("lake_lag_seconds") == 0, "that the lake lags no more")
        assert "lake_written_again" in collector.said()
        assert collector.stop() == 0
        assert collector.reports() == []
    assert journal.faults(read_rows(collector.lake)) == []


def test_sigterm_while_the_lake_is_full_ends_in_time_and_loses_nothing(
    tmp_path: Path, keys: Keys, disk: SmallDisk
) -> None:
    collector = Collector(tmp_path, disk.path / "lake", keys, inboxes=tmp_path / "inboxes")
    chance, journal = random.Random("lake full at the end"), Journal()
    with running(collector):
        disk.fill()
        assert send_some(collector, journal, chance, 20) == {204}
        wait_for(lambda: collector.metric("lake_lag_seconds") > 0, "that the lake lags")
        collector.stop()
        assert read_rows(collector.lake) == []
        disk.free()
    with running(collector):
        wait_for_rows(collector, journal)
        assert collector.stop() == 0
    assert journal.faults(read_rows(collector.lake)) == []
