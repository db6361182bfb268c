"""Clusters, their senders, and a collector, for nine days of an hour each; everything follows from a seed.

Each cluster has two replicas with two shards. Requests are lost, answered and not heard, sent again, held back while the
network is parted, and replayed; others forge them. The collector's worker dies in the middle of a write, its drain before
and after it wrote the lake. What the collector does is the collector's own code, on a real disk, without its sockets.
"""

import os
import random
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock
from uuid import UUID

from tests.fleet.wire import LAYERING, NEED, NODES, PLATFORM, VERSION, body, series
from tests.whole.cluster import CLASSES, HOUR, NEEDS, Cluster, Recorded
from tests.whole.oracle import Acknowledged

from layercensus.fleet import inbox
from layercensus.fleet.desk import Desk
from layercensus.fleet.drain import Drain
from layercensus.fleet.inbox import Entry, InboxWriter, has_reports
from layercensus.fleet.refusal import Refusal
from layercensus.fleet.shared_folders import LOCK, lock_file
from layercensus.fleet.tokens import Keys, issue_token
from layercensus.lake.storage import write_rows
from layercensus.model import Row

# 2026-11-16T00:00:00Z.
START = 1_794_787_200_000
DAYS = 9
MINUTE = 60_000
# A Prometheus keeps what it could not send for two hours.
KEPT = 2 * HOUR
REPLICAS = ("prometheus-0", "prometheus-1")
SHARDS = (CLASSES[:3], CLASSES[3:])


class DeathError(Exception):
    """A process ends here, without another step."""


@dataclass(frozen=True, slots=True)
class Request:
    """One shard's part of a snapshot, as bytes; what of it counts when it is acknowledged."""

    cluster: Cluster
    replica: str
    recorded: Recorded
    classes: tuple[str, ...]
    body: bytes


@dataclass(slots=True)
class Sender:
    """One replica of a cluster: what it has still to send, oldest first."""

    cluster: Cluster
    replica: str
    token: bytes
    queue: list[Request] = field(default_factory=list)
    parted_until: int = 0
    stuck: tuple[str, ...] = ()
    stuck_until: int = 0


class World:
    """All of it. `run` lets the nine days pass; then `acknowledged`, `clusters` and the lake can be compared."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.now = START
        self.lake = folder / "lake"
        self.inboxes = folder / "inboxes"
        (self.inboxes / "own").mkdir(parents=True)
        # As the parent of worker and drain does, which outlives them.
        self.lock = lock_file(self.inboxes / "own" / LOCK)
        self.keys = Keys({"k1": secrets.token_bytes(32)}, "k1", secrets.token_bytes(32))
        self.acknowledged = Acknowledged()
        self.recorded: list[tuple[Cluster, Recorded, int]] = []
        self.clusters = [self._cluster() for _ in range(self.chance.randint(2, 4))]
        self.senders = [
            Sender(cluster, replica, issue_token(self.keys, UUID(cluster.cluster_id), START // 1000, 400).encode())
            for cluster in self.clusters
            for replica in REPLICAS
        ]
        self.sent: list[tuple[Sender, Request]] = []
        self.deaths = 0
        self._start_worker()
        self._start_drain()

    def run(self) -> None:
        """Let the days pass, and end the collector as a SIGTERM does."""
        for _ in range(DAYS * 24):
            self.now += HOUR
            for cluster in self.clusters:
                recorded = cluster.step(self.now)
                if recorded:
                    self.recorded.append((cluster, recorded, self.now))
                    for sender in self.senders:
                        if sender.cluster is cluster:
                            seen = self._seen(recorded) if sender.replica == REPLICAS[1] else recorded
                            sender.queue += list(_requests(cluster, sender.replica, seen))
            self._send_all()
            self._misbehave()
            for minutes in (7, 20, 20):
                self.now += minutes * MINUTE
                self._drain_once()
            self.now -= 47 * MINUTE
        self.now += HOUR
        self.writer.seal()
        while has_reports(self.inboxes / "own"):
            self._finish()
        os.close(self.lock)

    def _finish(self) -> None:
        """The last round; a drain that dies in it is started again."""
        try:
            self.drain.finish(self.inboxes / "own")
        except DeathError:
            self.deaths += 1
        self.drain.close()
        self._start_drain()

    def _cluster(self) -> Cluster:
        draw = self.chance
        cluster = Cluster(
            str(UUID(int=draw.getrandbits(128), version=4)),
            draw.choice(("AWS", "BareMetal")),
            draw.choice((0, 0, 0, 20 * MINUTE, -40 * MINUTE)),
            draw,
        )
        for _ in range(draw.randint(1, 7)):
            cluster.add(START)
        return cluster

    def _seen(self, recorded: Recorded) -> Recorded:
        """What the other replica recorded: now and then it missed a scrape, and has one more unknown node."""
        classes = [place for place, count in enumerate(recorded.counts[:-1]) if count]
        if not classes or self.chance.random() > 0.2:
            return recorded
        missed = self.chance.choice(classes)
        counts = [count - (place == missed) for place, count in enumerate(recorded.counts)]
        return replace(recorded, counts=(*counts[:-1], counts[-1] + 1))

    def _send_all(self) -> None:
        """What there is to send is sent, in the first minutes of the hour; shards do not wait for each other."""
        began = self.now
        for sender in self.senders:
            if self.chance.random() < 0.02:
                sender.parted_until = began + self.chance.randint(1, 5) * HOUR
            if self.chance.random() < 0.03:
                sender.stuck = self.chance.choice(SHARDS)
                sender.stuck_until = began + self.chance.randint(1, 5) * HOUR
            waiting = [one for one in sender.queue if began + sender.cluster.skew - one.recorded.at < KEPT]
            sender.queue = []
            for request in waiting:
                # One shard alone that is stuck leaves halves behind: the others come late or never.
                if began < sender.parted_until or (began < sender.stuck_until and request.classes == sender.stuck):
                    sender.queue.append(request)
                    continue
                self.now = began + self.chance.randrange(5 * MINUTE)
                if not self._deliver(sender, request):
                    sender.queue.append(request)
        self.now = began

    def _deliver(self, sender: Sender, request: Request) -> bool:
        """Send a request until it is answered, four times at most; whether the sender heard that it was taken."""
        for _ in range(4):
            fate = self.chance.random()
            if fate < 0.04:
                continue
            taken = self._take(sender.token, request)
            if taken:
                self.sent.append((sender, request))
                if fate > 0.96:
                    continue
                return True
        return False

    def _take(self, token: bytes, request: Request) -> bool:
        """What the collector does with a request; whether it answered 204."""
        try:
            sender = self.desk.greet(b"Bearer " + token, self.now / 1000)
            admitted = self.desk.admit(sender, request.body, self.now / 1000)
        except Refusal:
            return False
        entry = Entry(sender.kept_as, self.now, admitted.kinds, admitted.timestamps, admitted.values)
        try:
            with self._dying_write():
                self.writer.commit([entry])
        except DeathError:
            self._worker_dies()
            return False
        self.acknowledged.take(request.cluster.cluster_id, request.replica, request.recorded, request.classes, self.now)
        return True

    def _misbehave(self) -> None:
        """What was sent within a day is sent again, and one cluster speaks for another."""
        recent = [one for one in self.sent[-60:] if self.now - one[1].recorded.at < 20 * HOUR]
        for sender, request in self.chance.sample(recent, min(3, len(recent))):
            assert self._take(sender.token, request) in {True, False}
        if len(self.clusters) > 1 and recent:
            _, request = self.chance.choice(recent)
            other = next(one for one in self.senders if one.cluster is not request.cluster)
            forged = Request(request.cluster, "forged", request.recorded, request.classes, request.body)
            assert not self._take(other.token, forged)

    @contextmanager
    def _dying_write(self) -> Iterator[None]:
        """Now and then the worker dies when a part of the record is written, or when all is and nothing is synced."""
        if self.chance.random() > 0.01:
            yield
            return
        part = self.chance.random()

        def write(descriptor: int, data: bytes) -> None:
            os.write(descriptor, bytes(data)[: int(len(data) * part)])
            raise DeathError

        with mock.patch.object(inbox, "_write_all", write):
            yield

    def _worker_dies(self) -> None:
        self.deaths += 1
        segment = self.writer._segment
        if segment is not None:
            os.close(segment.descriptor)
        self._start_worker()

    def _start_worker(self) -> None:
        self.desk = Desk(self.keys)
        self.writer = InboxWriter(self.inboxes / "own", f"w{self.chance.getrandbits(32)}", lambda: self.now)

    def _start_drain(self) -> None:
        self.drain = Drain(self.inboxes, self._write_rows, lambda: self.now, write_ms=6 * HOUR)

    def _drain_once(self) -> None:
        """The worker lets its file go, and the drain makes a round; it may be away, or die in it."""
        if self.writer.age_ms() > 5_000:
            self.writer.seal()
        if self.chance.random() < 0.1:
            return
        try:
            self.drain.run_once()
        except DeathError:
            self.deaths += 1
            self.drain.close()
            self._start_drain()
        else:
            if self.chance.random() < 0.01:
                self.drain.close()
                self._start_drain()

    def _write_rows(self, rows: Iterable[Row]) -> int:
        fate = self.chance.random()
        if fate < 0.1:
            raise DeathError
        if fate < 0.2:
            raise OSError(28, "No space left on device")
        count = write_rows(self.lake, rows)
        if fate > 0.9:
            raise DeathError
        return count


def _requests(cluster: Cluster, replica: str, recorded: Recorded) -> Iterator[Request]:
    """A request a shard. What tells of the cluster goes with the first, needs with the second."""
    common = {"cluster_id": cluster.cluster_id, "prometheus_replica": replica}

    def one(name: str, value: float, **labels: str) -> object:
        return series({"__name__": name, **common, **labels}, (recorded.at, value))

    beside: list[Callable[[], list[object]]] = [
        lambda: [
            one(VERSION, 1, type="current", version=recorded.version),
            one(PLATFORM, 1, type=cluster.platform),
            one(NODES, recorded.nodes, label_node_openshift_io_os_id="rhcos"),
        ],
        lambda: [one(NEED, count, need=name) for name, count in zip(NEEDS, recorded.needs, strict=True)],
    ]
    counts = dict(zip(CLASSES, recorded.counts, strict=True))
    for classes, others in zip(SHARDS, beside, strict=True):
        parts = [one(LAYERING, counts[name], layering=name) for name in classes]
        yield Request(cluster, replica, recorded, classes, body(*parts, *others()))
