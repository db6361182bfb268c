"""Real collectors in processes of their own, senders, and what the lake holds, for the tests of this folder and of `real`.

Nothing here comes from the collector's own code: requests are protobuf written by hand from the messages' definition,
tokens are JWTs written by hand from RFC 7519, rows are read by DuckDB from the files themselves.
"""

import base64
import hmac
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self, TypeVar
from uuid import UUID

import cramjam
import duckdb

# Far above what anything takes: a busy machine is no failure.
DEADLINE_SECONDS = 120.0
# What the design promises for SIGTERM.
STOP_SECONDS = 30.0
LAYERING = ("clean", "extensions", "overrides", "packages", "unknown")
NEEDS = ("agent", "driver", "other", "override", "tool")
VERSION = "4.14.30"
PLATFORM = "AWS"
Found = TypeVar("Found")


def wait_for(find: Callable[[], Found | None], what: str = "what was waited for") -> Found:
    """What `find` gives once it gives something that is true; it may raise `OSError` until then."""
    until = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < until:
        with suppress(OSError, HTTPException):
            found = find()
            if found:
                return found
        time.sleep(0.02)
    raise TimeoutError(f"{what}: nothing came of it")


def free_port() -> int:
    """A port of loopback that nobody had a moment ago, and that no connection of a client takes meanwhile."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(low, 20_000))
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


# --- what is sent -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a cluster says at one time (ms): machines by class, machines by need, in the order of the contract."""

    cluster: str
    at: int
    counts: tuple[int, ...]
    needs: tuple[int, ...]


def some_snapshot(chance: random.Random, cluster: str, at: int) -> Snapshot:
    """Numbers that hardly come twice, so that a mixture of two snapshots is none of them."""
    counts = tuple(chance.randrange(4000) for _ in LAYERING)
    return Snapshot(cluster, at, counts, tuple(chance.randrange(4000) for _ in NEEDS))


def some_cluster(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def series_of(snapshot: Snapshot, replica: str = "prometheus-k8s-0") -> list[bytes]:
    """Twelve series: five classes, five needs, version, platform."""
    cluster, at = snapshot.cluster, snapshot.at
    common = {"cluster_id": cluster, "prometheus": "openshift-monitoring/k8s", "prometheus_replica": replica}
    name = "cluster:usage:local_layering_nodes:count"
    found = [
        encode_series({**common, "__name__": name, "layering": label}, [(value, at)])
        for label, value in zip(LAYERING, snapshot.counts, strict=True)
    ]
    name = "cluster:usage:local_layering_nodes_by_need:count"
    found += [
        encode_series({**common, "__name__": name, "need": label}, [(value, at)])
        for label, value in zip(NEEDS, snapshot.needs, strict=True)
    ]
    version = {**common, "__name__": "cluster_version", "type": "current", "version": VERSION}
    platform = {**common, "__name__": "cluster_infrastructure_provider", "type": PLATFORM}
    return [*found, encode_series(version, [(1, at)]), encode_series(platform, [(1, at)])]


def encode_series(labels: Mapping[str, str], samples: Iterable[tuple[float, int]]) -> bytes:
    """A field `timeseries` of prometheus.WriteRequest (prompb/remote.proto, prompb/types.proto)."""
    content = b"".join(
        _delimited(1, _delimited(1, name.encode()) + _delimited(2, value.encode()))
        for name, value in sorted(labels.items())
    )
    for value, timestamp in samples:
        content += _delimited(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(timestamp))
    return _delimited(1, content)


def encode_body(series: Iterable[bytes]) -> bytes:
    return bytes(cramjam.snappy.compress_raw(b"".join(series)))


def whole(snapshot: Snapshot, replica: str = "prometheus-k8s-0") -> bytes:
    """A body with all series of a snapshot."""
    return encode_body(series_of(snapshot, replica))


def halves(snapshot: Snapshot) -> tuple[bytes, bytes]:
    """Two bodies, as two shards send them: neither has all classes."""
    series = series_of(snapshot)
    return encode_body(series[::2]), encode_body(series[1::2])


def _delimited(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


@dataclass(frozen=True)
class Keys:
    """A file of keys that `layercensus token` made, and tokens signed with its key."""

    path: Path
    name: str
    key: bytes

    def token(self, cluster: str) -> str:
        """As `layercensus token` prints it (RFC 7515, RFC 7519, HS256)."""
        now = int(time.time())
        claims = {"sub": cluster, "iat": now, "exp": now + 40 * 86400, "aud": "layercensus"}
        head = {"alg": "HS256", "kid": self.name, "typ": "JWT"}
        signed = b".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        return (signed + b"." + _base64(hmac.digest(self.key, signed, "sha256"))).decode()


def make_keys(path: Path) -> Keys:
    arguments = [*_PROGRAM, "token", "--keys", str(path), "--cluster-id", str(UUID(int=1))]
    subprocess.run(arguments, check=True, capture_output=True, timeout=DEADLINE_SECONDS)
    value = json.loads(path.read_text())
    return Keys(path, value["newest"], base64.b64decode(value["keys"][value["newest"]]))


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


# --- the collector ----------------------------------------------------------------------------------------------------

_PROGRAM = (sys.executable, "-m", "layercensus")


class Answer(NamedTuple):
    """What a request was answered with; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str


class Client:
    """One connection that is kept open, as senders do. Raises `OSError` or `HTTPException` where no answer comes."""

    def __init__(self, port: int, keys: Keys) -> None:
        self._keys = keys
        self._connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
        self._tokens: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def own_port(self) -> int:
        """Of this end of the connection."""
        if self._connection.sock is None:
            self._connection.connect()
        return int(self._connection.sock.getsockname()[1])

    def send(self, cluster: str, body: bytes) -> Answer:
        """One request to write. After a failure the next one makes another connection."""
        token = self._tokens.get(cluster)
        if token is None:
            token = self._tokens[cluster] = self._keys.token(cluster)
        headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "User-Agent": "Prometheus/2.46.0",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
            "Authorization": f"Bearer {token}",
        }
        return self.ask("POST", "/api/v1/write", body, headers)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path, None, {})

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            self._connection.request(method, path, body, dict(headers))
            answer = self._connection.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException):
            self._connection.close()
            raise
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)


@dataclass
class Collector:
    """A collector that can be started, ended and started again over the same folders. `folder` keeps what it says.

    `inboxes` is the folder of all inboxes, `wrapped` makes another command of the collector's.
    """

    folder: Path
    lake: Path
    keys: Keys
    name: str = "one"
    inboxes: Path | None = None
    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    wrapped: Callable[[list[str]], list[str]] = list
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def command(self) -> list[str]:
        arguments = [
            *_PROGRAM, "collect", "--lake", str(self.lake), "--keys", str(self.keys.path), "--name", self.name,
            "--listen", f"127.0.0.1:{self.port}", "--workers", str(self.workers),
        ]  # fmt: skip
        return [*arguments, "--inbox", str(self.inboxes)] if self.inboxes else arguments

    @property
    def inbox(self) -> Path:
        return (self.inboxes or self.lake / "inbox") / self.name

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it and wait for nothing."""
        assert self.process is None
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.wrapped(self.command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment}, start_new_session=True,
            )  # fmt: skip

    def said(self) -> str:
        return (self.folder / f"{self.name}.log").read_text()

    def wait_until_up(self) -> None:
        """Wait until it answers. Fails at once if it has ended."""
        wait_for(lambda: self.has_ended() or self.get("/healthz").status == 200, "the collector's start")
        assert not self.has_ended(), f"it ended by itself: {self.said()[-2000:]}"

    def has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def get(self, path: str) -> Answer:
        with Client(self.port, self.keys) as client:
            return client.get(path)

    def client(self) -> Client:
        return Client(self.port, self.keys)

    def metrics(self) -> dict[str, float]:
        """Series by name and labels."""
        lines = (line for line in self.get("/metrics").text.splitlines() if not line.startswith("#"))
        return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in lines)}

    def metric(self, name: str) -> float:
        """One number that a collector says of itself; 0 while it says nothing of it."""
        return self.metrics().get(f"layercensus_collector_{name}", 0.0)

    def reports(self) -> list[Path]:
        """Files of the inbox that hold, or may hold, reports which are not in the lake."""
        return sorted(path for path in self.inbox.iterdir() if path.suffix in {".open", ".sealed"})

    def worker_pids(self) -> list[int]:
        """Children that listen."""
        sockets = _listening(self.port)
        return [pid for pid in children_of(self.pid) if sockets & set(opened_by(pid))]

    def drain_pid(self) -> int | None:
        """The child of our own code that does not listen."""
        sockets = _listening(self.port)
        return next((pid for pid in children_of(self.pid) if _is_ours(pid) and not sockets & set(opened_by(pid))), None)

    def holds_inbox(self) -> bool:
        """Whether any of its processes has the lock of its inbox open: its start is behind it."""
        lock = str(self.inbox / ".lock")
        return any(lock in opened_by(pid) for pid in group_of(self.pid))

    def stop(self) -> int:
        """SIGTERM to its parent; the exit status, within the time that is promised."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_SECONDS)
        self.wait_until_gone()
        return status

    def kill(self) -> None:
        """kill -9 of all its processes at once."""
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_SECONDS)
        self.wait_until_gone()

    def kill_parent(self) -> None:
        """kill -9 of the one that watches over the others; they are to end by themselves."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)
        self.wait_until_gone()

    def wait_until_gone(self) -> None:
        assert self.process is not None
        wait_for(lambda: not group_of(self.pid), f"the end of processes {group_of(self.pid)}")
        self.process = None


@contextmanager
def running(collector: Collector) -> Iterator[Collector]:
    """A collector that answers; killed at the end if it still runs."""
    try:
        collector.start()
        collector.wait_until_up()
        yield collector
    finally:
        collector.kill()


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on: state, parent, group; none if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _processes() -> Iterator[tuple[int, list[str]]]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (found := _stat(int(path.name))) and found[0] not in "ZX":
            yield int(path.name), found


def children_of(pid: int) -> list[int]:
    return [child for child, found in _processes() if int(found[1]) == pid]


def group_of(pid: int) -> list[int]:
    return [member for member, found in _processes() if int(found[2]) == pid]


def opened_by(pid: int) -> list[str]:
    """What /proc/PID/fd shows; nothing of a process that is gone."""
    found = []
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.append(str(path.readlink()))
    return found


def _is_ours(pid: int) -> bool:
    """Whether a child is a worker or the drain, and not what Python itself starts beside them."""
    with suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _listening(port: int) -> set[str]:
    """Sockets that listen on a port, as /proc/PID/fd shows them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and int(line[1].partition(":")[2], 16) == port}


# --- what was acknowledged, and what the lake holds -------------------------------------------------------------------


class Row(NamedTuple):
    """A row of the lake as its file has it."""

    day: str
    cluster: str
    signal: str
    observed_ms: int
    counts: tuple[int | None, ...]
    needs: tuple[int | None, ...]
    release: str | None
    platform: str | None


def read_rows(lake: Path) -> list[Row]:
    """All rows, by DuckDB from the files: nothing of ours reads them. Of files as they were when this began."""
    counts = ", ".join(f"nodes_{name}" for name in LAYERING)
    needs = ", ".join(f"need_{name}" for name in NEEDS)
    question = (
        f"SELECT CAST(day AS VARCHAR), cluster_id, signal, epoch_ms(observed_at), release, platform, {counts}, {needs}"
        " FROM read_parquet(?, hive_partitioning = false)"
    )
    with TemporaryDirectory() as still, duckdb.connect(":memory:") as connection:
        files: list[str] = []
        for path in sorted(lake.glob("rows/day=*/rows.parquet")):
            # The engine opens a file more than once, and the collector swaps it.
            copy = Path(still, f"{len(files)}.parquet")
            copy.write_bytes(path.read_bytes())
            files.append(str(copy))
        cells = connection.execute(question, [files]).fetchall() if files else []
    return [
        Row(day, cluster, kind, observed, tuple(numbers[:5]), tuple(numbers[5:]), release, platform)
        for day, cluster, kind, observed, release, platform, *numbers in cells
    ]


@dataclass
class Journal:
    """What was sent and what of it was acknowledged, by cluster and time. For several threads."""

    sent: dict[str, dict[int, Snapshot]] = field(default_factory=dict)
    acknowledged: dict[str, set[int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def will_send(self, snapshot: Snapshot) -> None:
        """Say so before the last byte of it goes out."""
        with self._lock:
            self.sent.setdefault(snapshot.cluster, {})[snapshot.at] = snapshot

    def was_acknowledged(self, snapshot: Snapshot) -> None:
        """All of it was answered by 2xx."""
        with self._lock:
            self.acknowledged.setdefault(snapshot.cluster, set()).add(snapshot.at)

    def count(self) -> int:
        with self._lock:
            return sum(map(len, self.acknowledged.values()))

    def faults(self, rows: Sequence[Row]) -> list[str]:
        """What is wrong with the lake; nothing is right.

        Of every cluster with anything acknowledged there is a row, the newest acknowledged or a newer one that was sent
        (an answer may have been lost on its way), with the numbers that were sent with that time; one row for each
        cluster, day and signal.
        """
        found = []
        newest: dict[str, Row] = {}
        keys: set[tuple[str, str, str]] = set()
        for row in rows:
            if row[:3] in keys:
                found.append(f"twice: {row}")
            keys.add(row[:3])
            found += self._row_faults(row)
            if row.cluster not in newest or row.observed_ms > newest[row.cluster].observed_ms:
                newest[row.cluster] = row
        for cluster, times in self.acknowledged.items():
            if cluster not in newest:
                found.append(f"{cluster}: acknowledged {len(times)} times, the last {max(times)}, and no row is there")
            elif newest[cluster].observed_ms < max(times):
                behind = max(times) - newest[cluster].observed_ms
                found.append(f"{cluster}: {max(times)} was acknowledged, the row is {behind} ms older")
        return found

    def _row_faults(self, row: Row) -> Iterator[str]:
        snapshot = self.sent.get(row.cluster, {}).get(row.observed_ms)
        if row.signal != "layercensus":
            yield f"signal: {row}"
        if snapshot is None:
            yield f"never sent: {row}"
        elif (row.counts, row.needs) != (snapshot.counts, snapshot.needs):
            yield f"other numbers than sent: {row}, {snapshot}"


class Seen(NamedTuple):
    """An answer, and when the request was begun, by the monotonic clock."""

    began: float
    status: int
    retry_after: str | None


class Traffic:
    """Senders in threads that send until they are stopped, each to one of its collectors, and keep a journal.

    They go from cluster to cluster, send what failed again, at times not, and at times send a snapshot in two requests,
    as two shards do. `broken` counts requests whose connection broke after they were on their way.
    """

    def __init__(self, seed: int, *, split: float = 0.3, pace_seconds: float = 0.004) -> None:
        self.journal = Journal()
        self.seen: list[Seen] = []
        self.broken = 0
        self._seed, self._split, self._pace_seconds = seed, split, pace_seconds
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failed: list[BaseException] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def start(self, *collectors: Collector, threads: int = 1) -> None:
        for _ in range(threads):
            chance = random.Random(f"{self._seed} {len(self._threads)}")
            thread = threading.Thread(target=self._run, args=(collectors, chance))
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop all, and fail if one of them failed by itself."""
        self._end()
        assert not any(thread.is_alive() for thread in self._threads)
        if self._failed:
            raise self._failed[0]

    def wait_for_more(self, count: int = 30) -> None:
        """Wait until so many more snapshots were acknowledged."""
        before = self.journal.count()
        wait_for(lambda: self.journal.count() >= before + count, "more that is acknowledged")

    def next_answers(self, count: int) -> list[Seen]:
        """At least so many answers, all to requests that are sent from now on."""
        began = time.monotonic()

        def find() -> list[Seen]:
            return [seen for seen in tuple(self.seen) if seen.began >= began]

        wait_for(lambda: len(find()) >= count, "more answers")
        return find()

    def _end(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(DEADLINE_SECONDS)

    def _run(self, collectors: Sequence[Collector], chance: random.Random) -> None:
        clients = [collector.client() for collector in collectors]
        try:
            self._send_all(clients, chance)
        except BaseException as error:  # noqa: BLE001 - `stop` raises it
            self._failed.append(error)
        finally:
            for client in clients:
                client.close()

    def _send_all(self, clients: Sequence[Client], chance: random.Random) -> None:
        cluster, left, at = "", 0, 0
        while not self._stopping.is_set():
            if not left:
                cluster, left = some_cluster(chance), chance.randrange(3, 30)
            left -= 1
            at = max(at + 1, now_ms())
            snapshot = some_snapshot(chance, cluster, at)
            bodies = halves(snapshot) if chance.random() < self._split else (whole(snapshot),)
            while not self._stopping.is_set() and not self._deliver(chance.choice(clients), snapshot, bodies):
                self._stopping.wait(0.02)
                if chance.random() < 0.3:
                    break
            self._stopping.wait(self._pace_seconds)

    def _deliver(self, client: Client, snapshot: Snapshot, bodies: Sequence[bytes]) -> bool:
        for body in bodies:
            self.journal.will_send(snapshot)
            began = time.monotonic()
            try:
                answer = client.send(snapshot.cluster, body)
            except ConnectionRefusedError:
                return False
            except (OSError, HTTPException):
                self.broken += 1
                return False
            self.seen.append(Seen(began, answer.status, answer.headers.get("retry-after")))
            if answer.status // 100 != 2:
                return False
        self.journal.was_acknowledged(snapshot)
        return True


def deliver(client: Client, journal: Journal, snapshot: Snapshot, *bodies: bytes) -> Answer:
    """Send a snapshot whole, or in the bodies given; the last answer. Stops at the first that is no 2xx."""
    for body in bodies or (whole(snapshot),):
        journal.will_send(snapshot)
        answer = client.send(snapshot.cluster, body)
        if answer.status // 100 != 2:
            return answer
    journal.was_acknowledged(snapshot)
    return answer
