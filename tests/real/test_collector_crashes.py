"""kill -9 of a collector, or of a part of it, with requests under way: what it acknowledged is in the lake.

LAYERCENSUS_KILL_ROUNDS (200) and LAYERCENSUS_KILL_SEED (a new one each time) change the test that kills at random.
"""

import os
import random
import secrets
import signal
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.running import (
    Collector,
    Journal,
    Keys,
    Traffic,
    deliver,
    make_keys,
    now_ms,
    read_rows,
    running,
    some_cluster,
    some_snapshot,
    wait_for,
)

pytestmark = [pytest.mark.real, pytest.mark.endurance]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path / "keys.json")


@pytest.fixture
def collector(tmp_path: Path, keys: Keys) -> Iterator[Collector]:
    """One that is not started yet; killed at the end if it still runs."""
    made = Collector(tmp_path, tmp_path / "lake", keys)
    yield made
    made.kill()


# --- at random points -------------------------------------------------------------------------------------------------

COLLECTORS = 3
KILLS = {"everything": 65, "worker": 15, "drain": 15, "parent": 5}
# A collector whose worker or drain ends at once five times in a row gives up, as it should.
MOST_OF_A_PART = 4


def torment(collector: Collector, rounds: int, chance: random.Random) -> None:
    """Kill it, or a part of it, at random points, and start it again as a service manager would."""
    killed: Counter[str] = Counter()
    for _ in range(rounds):
        if collector.process is None:
            collector.start()
            killed.clear()
        # Often before it serves; often enough after the drain has begun to write the lake.
        time.sleep(chance.uniform(0, 1) if chance.random() < 0.6 else chance.uniform(0.5, 4))
        (what,) = chance.choices(list(KILLS), list(KILLS.values()))
        killed[what] += 1
        if what == "worker" and killed[what] <= MOST_OF_A_PART:
            kill_one(collector, lambda: next(iter(collector.worker_pids()), None))
        elif what == "drain" and killed[what] <= MOST_OF_A_PART:
            kill_one(collector, collector.drain_pid)
        elif what == "parent":
            # Before that its drain does not end: a test of its own, below.
            collector.wait_until_up()
            wait_for(collector.holds_inbox, "the drain")
            collector.kill_parent()
        else:
            collector.kill()
        assert collector.process is None or not collector.has_ended(), f"it gave up: {collector.said()[-3000:]}"


def kill_one(collector: Collector, find: Callable[[], int | None]) -> int:
    """Kill a part of it, once it is there; who that was."""
    found = wait_for(lambda: -1 if collector.has_ended() else find(), "a process to kill")
    assert found > 0, f"it gave up: {collector.said()[-3000:]}"
    with suppress(ProcessLookupError):
        os.kill(found, signal.SIGKILL)
    return found


def wait_for_another(find: Callable[[], int | None], killed: int) -> None:
    """Wait until there is one, and it is not the one that was killed."""
    wait_for(lambda: find() not in {None, killed}, f"another process than {killed}")


def test_kill_9_at_random_points_loses_nothing_that_was_acknowledged(tmp_path: Path, keys: Keys) -> None:
    """200 kills with requests in flight, and then every cluster's row is the newest that was acknowledged, or newer.

    Three collectors, each with an inbox of its own (--inbox), write one lake at the same time and are killed
    independently, 67 times each. Of 100 kills about 65 are of all processes of a collector at once, 15 of its worker, 15
    of its drain and 5 of its parent, whose worker and drain then have to end by themselves. Each is started again at
    once, over what the kill left. Senders go from cluster to cluster, so that hundreds of clusters reported for the last
    time just before a kill: a loss in any round is seen at the end.
    """
    rounds = int(os.environ.get("LAYERCENSUS_KILL_ROUNDS", "200"))
    seed = int(os.environ.get("LAYERCENSUS_KILL_SEED") or secrets.randbelow(1_000_000))
    collectors = [
        Collector(tmp_path, tmp_path / "lake", keys, f"c{number}", tmp_path / f"inbox{number}")
        for number in range(COLLECTORS)
    ]
    failed: list[BaseException] = []

    def run(collector: Collector, count: int) -> None:
        try:
            torment(collector, count, random.Random(f"{seed} {collector.name}"))
        except BaseException as error:  # noqa: BLE001 - the test fails by it below
            failed.append(error)

    shares = [rounds // COLLECTORS + (number < rounds % COLLECTORS) for number in range(COLLECTORS)]
    with ExitStack() as stack:
        for collector in collectors:
            stack.callback(collector.kill)
        traffic = stack.enter_context(Traffic(seed))
        for collector in collectors:
            traffic.start(collector, threads=2)
        threads = [threading.Thread(target=run, args=pair) for pair in zip(collectors, shares, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == [], f"seed {seed}"
        for collector in collectors:
            if collector.process is None:
                collector.start()
            collector.wait_until_up()
        traffic.wait_for_more()
        traffic.stop()
        # What the last kill left is not looked at before the drains are there to be told to end.
        for collector in collectors:
            wait_for(collector.holds_inbox, "the drain")
        assert [collector.stop() for collector in collectors] == [0] * COLLECTORS, f"seed {seed}"
    faults = traffic.journal.faults(read_rows(tmp_path / "lake"))
    assert faults == [], f"seed {seed}: {len(faults)} faults"
    # It did happen: requests were under way when their collector was killed.
    print(f"{traffic.journal.count()} snapshots acknowledged, {traffic.broken} connections broken, seed {seed}")
    assert traffic.broken > rounds // 10
    assert traffic.journal.count() > rounds


def start_until_up(collector: Collector) -> None:
    """Start it as a service manager does: again, while another collector empties its inbox and it is refused."""

    def is_up() -> bool:
        if collector.process is not None and collector.has_ended():
            assert collector.process.returncode == 2, collector.said()[-3000:]
            collector.wait_until_gone()
        if collector.process is None:
            collector.start()
        return collector.get("/healthz").status == 200

    wait_for(is_up, f"the start of {collector.name}")


def test_collectors_that_take_over_from_each_other_lose_nothing(tmp_path: Path, keys: Keys) -> None:
    """8 kills of all processes of one of two collectors before one folder of inboxes: the other finds what it left."""
    seed = int(os.environ.get("LAYERCENSUS_KILL_SEED") or secrets.randbelow(1_000_000))
    chance = random.Random(seed)
    both = [Collector(tmp_path, tmp_path / "lake", keys, name) for name in ("one", "two")]
    with ExitStack() as stack:
        for collector in both:
            stack.callback(collector.kill)
            start_until_up(collector)
        traffic = stack.enter_context(Traffic(seed, split=0))
        traffic.start(*both, threads=4)
        for _ in range(8):
            victim = chance.choice(both)
            # The other looks for inboxes each few seconds.
            time.sleep(chance.uniform(0, 4))
            victim.kill()
            time.sleep(chance.uniform(0, 4))
            start_until_up(victim)
        traffic.wait_for_more()
        traffic.stop()
        for collector in both:
            wait_for(collector.holds_inbox, "the drain")
        assert [collector.stop() for collector in both] == [0, 0], f"seed {seed}"
    assert traffic.journal.faults(read_rows(tmp_path / "lake")) == [], f"seed {seed}"


# --- a part of it dies ------------------------------------------------------------------------------------------------


def test_a_drain_that_dies_is_started_again_and_rows_go_on(collector: Collector) -> None:
    with running(collector), Traffic(7, split=0) as traffic:
        traffic.start(collector, threads=2)
        for _ in range(3):
            traffic.wait_for_more(100)
            wait_for_another(collector.drain_pid, kill_one(collector, collector.drain_pid))
        traffic.wait_for_more(100)
        traffic.stop()
        # Without a hand: no end of the collector is needed for it.
        wait_for(lambda: traffic.journal.faults(read_rows(collector.lake)) == [], "rows of all that was acknowledged")
        assert collector.get("/readyz").status == 200
        assert collector.stop() == 0
        assert collector.reports() == []
    assert traffic.journal.faults(read_rows(collector.lake)) == []


def test_a_worker_that_dies_is_replaced_and_its_open_file_is_adopted(collector: Collector) -> None:
    chance, journal = random.Random("worker"), Journal()
    with running(collector):
        with collector.client() as client:
            for _ in range(20):
                answer = deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms()))
                assert answer.status == 204
        left = collector.reports()
        assert left != []
        (worker,) = collector.worker_pids()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: collector.worker_pids() not in ([], [worker]), "another worker")
        collector.wait_until_up()
        with collector.client() as client:
            answer = deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms()))
            assert answer.status == 204
        wait_for(lambda: journal.faults(read_rows(collector.lake)) == [], "rows of all that was acknowledged")
        wait_for(lambda: not set(left) & set(collector.reports()), "the end of the dead worker's file")
        assert collector.stop() == 0
        assert collector.reports() == []
    assert journal.faults(read_rows(collector.lake)) == []


def test_one_of_several_workers_that_dies_takes_nothing_of_the_others_along(collector: Collector) -> None:
    collector.workers = 3
    with running(collector), Traffic(8, split=0) as traffic:
        traffic.start(collector, threads=6)
        for _ in range(3):
            traffic.wait_for_more(100)
            killed = kill_one(collector, lambda: collector.worker_pids()[0])
            wait_for_another(lambda: None if len(collector.worker_pids()) < 3 else collector.worker_pids()[0], killed)
        traffic.wait_for_more(100)
        traffic.stop()
        assert collector.stop() == 0
        assert collector.reports() == []
    assert traffic.journal.faults(read_rows(collector.lake)) == []


def test_a_sigterm_right_after_the_drain_died_still_drains(collector: Collector) -> None:
    chance, journal = random.Random("no drain"), Journal()
    with running(collector):
        with collector.client() as client:
            answer = deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms()))
            assert answer.status == 204
        kill_one(collector, collector.drain_pid)
        assert collector.stop() == 0
        assert collector.reports() == []
    assert journal.faults(read_rows(collector.lake)) == []


def test_a_sigterm_while_the_next_drain_starts_still_drains(collector: Collector) -> None:
    """The drain has died a moment ago, and the next one has done nothing yet."""
    chance, journal = random.Random("starting"), Journal()
    with running(collector):
        drain = wait_for(collector.drain_pid, "the drain")
        with collector.client() as client:
            answer = deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms()))
            assert answer.status == 204
        wait_for_another(collector.drain_pid, kill_one(collector, lambda: drain))
        assert collector.stop() == 0
        assert collector.reports() == []
    assert journal.faults(read_rows(collector.lake)) == []


def test_a_parent_that_is_killed_while_its_parts_start_takes_them_along(collector: Collector) -> None:
    """What stays would hold the port and the inbox, and no collector could be started after it."""
    collector.start()
    wait_for(collector.drain_pid, "the drain's process")
    collector.kill_parent()
    with running(collector):
        assert collector.stop() == 0


# --- what a dead writer, or a bad disk, left --------------------------------------------------------------------------


HALF_A_RECORD = struct.pack("<II", 1000, 0x1234567) + b"R" + bytes(100)
HEAD = b"layercensus-inbox/1\n"


def framed(content: bytes) -> bytes:
    """A record whose length and checksum are right (`fleet/segment.py`)."""
    return struct.pack("<II", len(content), zlib.crc32(content)) + content


GARBAGE = {
    "1-1-0.sealed": random.Random("garbage").randbytes(5000),
    "1-2-0.open": random.Random("more garbage").randbytes(70_000),
    "1-3-0.sealed": b"",
    "1-4-0.open": HEAD[:7],
    "1-5-0.sealed": HEAD + random.Random("garbage behind a head").randbytes(500),
    "1-6-0.sealed": HEAD + bytes(4096),
    # As another version of the program could have left them.
    "1-7-0.sealed": HEAD + framed(b"X another sort of record"),
    "1-8-0.sealed": HEAD + framed(b"K\0\0\0\0" + b'["no such fact", [], "", ""]'),
    "1-9-0.open": HEAD + framed(b"R" + bytes(16) + struct.pack("<qI", now_ms(), 3)),
}


def test_half_a_record_at_the_end_of_a_dead_writers_file_costs_nothing_that_is_whole(collector: Collector) -> None:
    chance, journal = random.Random("torn"), Journal()
    with running(collector):
        with collector.client() as client:
            for _ in range(30):
                answer = deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms()))
                assert answer.status == 204
        collector.kill()
    left = collector.reports()
    assert left != []
    for path in left:
        with path.open("ab") as stream:
            stream.write(HALF_A_RECORD)
    with running(collector):
        wait_for(lambda: journal.faults(read_rows(collector.lake)) == [], "rows of what is whole")
        wait_for(lambda: collector.metric("inbox_torn_files_total") == len(left), "the count of torn files")
        wait_for(lambda: collector.reports() == [], "an empty inbox")
        assert collector.stop() == 0
    assert journal.faults(read_rows(collector.lake)) == []


def test_garbage_in_the_inbox_is_counted_and_keeps_nothing_else_from_the_lake(collector: Collector) -> None:
    chance, journal = random.Random("garbage"), Journal()
    with running(collector):
        with collector.client() as client:
            for _ in range(10):
                assert deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms())).status == 204
        collector.kill()
    for name, content in GARBAGE.items():
        (collector.inbox / name).write_bytes(content)
    with running(collector):
        with collector.client() as client:
            for _ in range(10):
                assert deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms())).status == 204
        wait_for(lambda: journal.faults(read_rows(collector.lake)) == [], "rows")
        wait_for(lambda: collector.metric("inbox_torn_files_total") == len(GARBAGE), "the count of torn files")
        wait_for(lambda: collector.reports() == [], "an empty inbox")
        assert collector.drain_pid() is not None
        assert collector.stop() == 0
        assert "Traceback" not in collector.said()
        assert "process_ended" not in collector.said()
    assert journal.faults(read_rows(collector.lake)) == []
