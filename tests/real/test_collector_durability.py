"""What a collector acknowledged is in the lake, once: it is ended, it was down for two hours, it is one of two.

Requests, tokens and rows are made and read without any code of the collector's (`tests/fleet/running.py`). What is
killed is in `test_collector_crashes.py`, what fails below it in `test_collector_disk.py`, its system calls in
`test_collector_sync.py`.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.running import (
    DEADLINE_SECONDS,
    STOP_SECONDS,
    Client,
    Collector,
    Journal,
    Keys,
    Snapshot,
    Traffic,
    deliver,
    encode_body,
    halves,
    make_keys,
    now_ms,
    read_rows,
    running,
    series_of,
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


def wait_for_rows(lake: Path, journal: Journal, *others: Collector) -> None:
    """Wait until all that was acknowledged is in the lake, while these collectors run."""

    def are_right() -> bool:
        for one in others:
            assert not one.has_ended(), f"{one.name} ended by itself: {one.said()[-3000:]}"
        return journal.faults(read_rows(lake)) == []

    wait_for(are_right, "rows of all that was acknowledged")


def wait_for_more(journal: Journal, count: int) -> None:
    before = journal.count()
    wait_for(lambda: journal.count() > before + count, "more that is acknowledged")


def send_one(collector: Collector, journal: Journal, chance: random.Random) -> None:
    with collector.client() as client:
        answer = deliver(client, journal, some_snapshot(chance, some_cluster(chance), now_ms()))
        assert answer.status == 204


# --- it is ended ------------------------------------------------------------------------------------------------------


def test_sigterm_under_load_puts_all_that_was_acknowledged_into_the_lake(collector: Collector) -> None:
    collector.workers = 2
    with running(collector), Traffic(1, split=0) as traffic:
        traffic.start(collector, threads=4)
        traffic.wait_for_more(300)
        assert collector.stop() == 0
        traffic.stop()
        assert collector.reports() == []
    assert traffic.journal.faults(read_rows(collector.lake)) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_its_processes_at_once_does_the_same(collector: Collector, number: signal.Signals) -> None:
    """As systemd ends a unit (KillMode=control-group, its default), and a terminal by Ctrl-C."""
    collector.workers = 2
    with running(collector), Traffic(2, split=0) as traffic:
        traffic.start(collector, threads=4)
        traffic.wait_for_more(300)
        assert collector.process is not None
        os.killpg(collector.pid, number)
        assert collector.process.wait(STOP_SECONDS) == 0
        collector.wait_until_gone()
        traffic.stop()
        assert collector.reports() == []
    assert traffic.journal.faults(read_rows(collector.lake)) == []


def test_sigterm_right_after_the_first_answer_loses_nothing(collector: Collector) -> None:
    chance, journal = random.Random("at once"), Journal()
    for _ in range(5):
        with running(collector):
            send_one(collector, journal, chance)
            assert collector.stop() == 0
        assert collector.reports() == []
        assert journal.faults(read_rows(collector.lake)) == []


def test_an_incomplete_snapshot_outlives_the_end_and_is_completed_after_the_next_start(collector: Collector) -> None:
    chance, journal = random.Random("halves"), Journal()
    snapshot = some_snapshot(chance, some_cluster(chance), now_ms())
    first, second = halves(snapshot)
    journal.will_send(snapshot)
    with running(collector):
        with collector.client() as client:
            assert client.send(snapshot.cluster, first).status == 204
        wait_for(collector.holds_inbox, "the drain")
        assert collector.stop() == 0
    assert read_rows(collector.lake) == []
    with running(collector):
        with collector.client() as client:
            assert client.send(snapshot.cluster, second).status == 204
        journal.was_acknowledged(snapshot)
        wait_for(collector.holds_inbox, "the drain")
        assert collector.stop() == 0
        assert collector.reports() == []
    assert journal.faults(read_rows(collector.lake)) == []


@pytest.mark.parametrize("way", ["waits", "is-ended"])
def test_needs_that_a_slow_shard_sends_after_the_classes_come_into_the_row(collector: Collector, way: str) -> None:
    """A shard whose request failed is late by its sender's backoff, or by the time in which a collector is exchanged."""
    chance, journal = random.Random("needs"), Journal()
    snapshot = some_snapshot(chance, some_cluster(chance), now_ms())
    series = series_of(snapshot)
    needs = [one for one in series if b"nodes_by_need" in one]
    journal.will_send(snapshot)
    with running(collector):
        with collector.client() as client:
            others = encode_body(one for one in series if one not in needs)
            assert client.send(snapshot.cluster, others).status == 204
        if way == "waits":
            wait_for(lambda: collector.metric("reports_drained_total") > 0, "that the classes were read")
            # Longer than other parts of a snapshot are waited for.
            time.sleep(10)
        else:
            wait_for(collector.holds_inbox, "the drain")
            assert collector.stop() == 0
            collector.start()
            collector.wait_until_up()
        with collector.client() as client:
            assert client.send(snapshot.cluster, encode_body(needs)).status == 204
        journal.was_acknowledged(snapshot)
        wait_for_rows(collector.lake, journal, collector)
        assert collector.stop() == 0
        assert collector.reports() == []
    assert journal.faults(read_rows(collector.lake)) == []


# --- it was down ------------------------------------------------------------------------------------------------------


# What a Prometheus could not send it loses after that time: its write-ahead log is compacted each two hours.
KEPT_MS = 2 * 3_600_000
SCRAPE_MS = 30_000


class Queued(NamedTuple):
    """A sample in a sender's queue."""

    snapshot: Snapshot
    series: bytes


@dataclass
class Backlog:
    """What one cluster's Prometheus has to send: a queue for each shard of each replica, oldest first."""

    journal: Journal
    chance: random.Random
    queues: list[list[Queued]] = field(default_factory=list)
    missing: Counter[int] = field(default_factory=Counter)

    def fill(self, cluster: str, first: int, replica: str, shards: int) -> None:
        """Two hours from `first` on, a sample each 30 seconds; a series keeps its shard."""
        shard_of = [self.chance.randrange(shards) for _ in range(12)]
        queues: list[list[Queued]] = [[] for _ in range(shards)]
        for at in range(first, first + KEPT_MS, SCRAPE_MS):
            snapshot = some_snapshot(self.chance, cluster, at)
            self.journal.will_send(snapshot)
            for shard, series in zip(shard_of, series_of(snapshot, replica), strict=True):
                queues[shard].append(Queued(snapshot, series))
                self.missing[snapshot.at] += 1
        self.queues += queues

    def send(self, clients: Sequence[Client], stopping: threading.Event) -> None:
        """Until all is acknowledged, as Prometheus does: a batch stays in front until it is taken, with backoff."""
        while not stopping.is_set() and any(self.queues):
            queue, client = self.chance.choice([pair for pair in zip(self.queues, clients, strict=True) if pair[0]])
            batch = queue[: self.chance.randrange(20, 50)]
            body = encode_body(one.series for one in batch)
            wait_seconds = 0.03
            while not stopping.is_set() and not self._is_taken(client, batch[0].snapshot.cluster, body):
                stopping.wait(wait_seconds)
                wait_seconds = min(5.0, 2 * wait_seconds)
            del queue[: len(batch)]
            for one in batch:
                self.missing[one.snapshot.at] -= 1
                if not self.missing[one.snapshot.at]:
                    self.journal.was_acknowledged(one.snapshot)

    def _is_taken(self, client: Client, cluster: str, body: bytes) -> bool:
        try:
            status = client.send(cluster, body).status
        except (OSError, HTTPException):
            return False
        assert status in {204, 429} or status >= 500, status
        return status == 204


def test_two_hours_of_two_replicas_and_two_shards_comes_after_a_time_down_without_gap_or_double(
    collector: Collector,
) -> None:
    journal, stopping, failed = Journal(), threading.Event(), []
    clusters = [some_cluster(random.Random(f"hours {number}")) for number in range(10)]
    start = now_ms() - KEPT_MS

    def send(number: int) -> None:
        backlog = Backlog(journal, random.Random(f"backlog {number}"))
        for replica, offset in (("prometheus-k8s-0", 0), ("prometheus-k8s-1", 7_000)):
            backlog.fill(clusters[number], start + offset + number, replica, shards=2)
        try:
            with ExitStack() as stack:
                clients = [stack.enter_context(collector.client()) for _ in backlog.queues]
                backlog.send(clients, stopping)
        except BaseException as error:  # noqa: BLE001 - the test fails by it below
            failed.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(clusters))]
    try:
        # They begin while it is down, and it goes down again, in both ways.
        for thread in threads:
            thread.start()
        for end in (collector.stop, collector.kill):
            with running(collector):
                wait_for_more(journal, 300)
                assert end() in {0, None}
        with running(collector):
            for thread in threads:
                thread.join(DEADLINE_SECONDS)
            assert [thread for thread in threads if thread.is_alive()] == []
            assert failed == []
            assert journal.count() == len(clusters) * 2 * (KEPT_MS // SCRAPE_MS)
            assert collector.stop() == 0
            assert collector.reports() == []
    finally:
        stopping.set()
    rows = read_rows(collector.lake)
    assert journal.faults(rows) == []
    newest = {cluster: max(journal.sent[cluster]) for cluster in clusters}
    assert {row.cluster: row.observed_ms for row in sorted(rows)} == newest


# --- it is one of two -------------------------------------------------------------------------------------------------


def test_a_second_collector_of_the_same_name_refuses_to_start(collector: Collector) -> None:
    with running(collector):
        wait_for(collector.holds_inbox, "the inbox")
        second = replace(collector, process=None)
        second.port += 1
        done = subprocess.run(second.command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert str(collector.inbox) in done.stderr
        assert "Traceback" not in done.stderr
        # The first one does not notice.
        assert collector.get("/readyz").status == 200
        send_one(collector, journal := Journal(), random.Random("same name"))
        assert collector.stop() == 0
    assert journal.faults(read_rows(collector.lake)) == []


def test_of_two_of_the_same_name_that_start_at_the_same_time_one_refuses_and_the_other_serves(
    collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "second").mkdir()
    second = replace(collector, folder=tmp_path / "second", port=collector.port + 1)
    journal, chance = Journal(), random.Random("at the same time")
    for _ in range(3):
        both = [collector, second]
        with ExitStack() as stack:
            for one in both:
                stack.callback(one.kill)
                one.start()
            wait_for(lambda: collector.has_ended() or second.has_ended(), "one that refuses")
            (loser,) = (one for one in both if one.has_ended())
            assert loser.process is not None
            assert loser.process.returncode == 2, loser.said()
            (winner,) = (one for one in both if one is not loser)
            winner.wait_until_up()
            send_one(winner, journal, chance)
            assert winner.stop() == 0
            assert "Traceback" not in winner.said() + loser.said()
    assert journal.faults(read_rows(collector.lake)) == []


@pytest.fixture
def pair(tmp_path: Path, keys: Keys) -> Iterator[list[Collector]]:
    """Two that run, of different names, before one lake with one folder of inboxes."""
    both = [Collector(tmp_path, tmp_path / "lake", keys, name) for name in ("one", "two")]
    with ExitStack() as stack:
        for one in both:
            stack.enter_context(running(one))
            wait_for(one.holds_inbox, "the inbox")
        yield both


def test_two_collectors_that_hear_of_the_same_clusters_make_one_row_of_each(pair: list[Collector]) -> None:
    lake = pair[0].lake
    with Traffic(2, split=0) as traffic:
        traffic.start(*pair, threads=4)
        traffic.wait_for_more(500)
        # One of them drains for both.
        wait_for(lambda: sum(one.metric("rows_written_total") for one in pair) > 200, "rows")
        assert sorted(one.metric("drains") for one in pair) == [0, 1]
        traffic.wait_for_more(500)
        traffic.stop()
    wait_for_rows(lake, traffic.journal, *pair)
    assert [one.stop() for one in pair] == [0, 0]
    assert traffic.journal.faults(read_rows(lake)) == []


def test_what_one_collector_leaves_for_ever_another_takes_up(pair: list[Collector]) -> None:
    one, two = pair
    with Traffic(3, split=0) as traffic:
        traffic.start(one, two, threads=4)
        traffic.wait_for_more(500)
        one.kill()
        wait_for(lambda: not one.inbox.exists() or one.reports() == [], "the end of what it left")
        traffic.wait_for_more(100)
        traffic.stop()
    wait_for_rows(two.lake, traffic.journal, two)
    # It was not for ever: the one that took its inbox up does not keep it.
    one.start()
    one.wait_until_up()
    send_one(one, traffic.journal, random.Random("again"))
    wait_for_rows(two.lake, traffic.journal, one, two)
    assert [one.stop(), two.stop()] == [0, 0]
    assert traffic.journal.faults(read_rows(two.lake)) == []


def test_a_collector_whose_drain_is_away_for_a_while_keeps_its_inbox_or_gets_it_back(pair: list[Collector]) -> None:
    """A drain died, and a slow machine has not started another yet, when the other collector looks for free inboxes."""
    one, two = pair
    chance, journal = random.Random("slow"), Journal()
    os.kill(one.pid, signal.SIGSTOP)
    try:
        drain = one.drain_pid()
        assert drain is not None
        os.kill(drain, signal.SIGKILL)
        send_one(two, journal, chance)
        # A row of the other: it has looked around more than once.
        wait_for_rows(two.lake, journal, two)
    finally:
        os.kill(one.pid, signal.SIGCONT)
    for collector in (one, two, one):
        send_one(collector, journal, chance)
        wait_for_rows(two.lake, journal, one, two)
    assert [one.stop(), two.stop()] == [0, 0]
    assert journal.faults(read_rows(two.lake)) == []


def test_a_snapshot_whose_two_shards_reach_different_collectors_becomes_a_row(pair: list[Collector]) -> None:
    """A load balancer gives each connection to another collector, and each shard of a sender has a connection."""
    one, two = pair
    chance, journal = random.Random("shards"), Journal()
    with one.client() as first, two.client() as second:
        for _ in range(5):
            snapshot = some_snapshot(chance, some_cluster(chance), now_ms())
            journal.will_send(snapshot)
            for client, body in zip((first, second), halves(snapshot), strict=True):
                assert client.send(snapshot.cluster, body).status == 204
            journal.was_acknowledged(snapshot)
    wait_for_rows(one.lake, journal, one, two)
    assert [one.stop(), two.stop()] == [0, 0]
    assert journal.faults(read_rows(one.lake)) == []
