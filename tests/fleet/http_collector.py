"""A real collector in processes of its own, and bytes to send it that do not come from our own parser.

Messages are encoded by hand as prometheus/prometheus `prompb/types.proto` has them, tokens signed by hand as RFC 7519
and RFC 7515 have them; snappy is cramjam's. The collector is started, asked and ended as an administrator would.
"""

import base64
import hashlib
import hmac
import json
import os
import random
import resource
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import cramjam
import duckdb

# Far above what anything takes: nothing here measures time.
DEADLINE_SECONDS = 90.0
MIB = 1024 * 1024
BODY_BYTES = MIB
LAYERING = "cluster:usage:local_layering_nodes:count"
NEED = "cluster:usage:local_layering_nodes_by_need:count"
CLASSES = ("clean", "extensions", "overrides", "packages", "unknown")
NEEDS = ("agent", "driver", "other", "override", "tool")
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "User-Agent": "a-sender/1",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
Found = TypeVar("Found")
Labels = Mapping[str, str]


# --- remote write 1.0, by hand


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def delimited(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def encode_label(name: str | bytes, value: str | bytes) -> bytes:
    texts = (text.encode() if isinstance(text, str) else text for text in (name, value))
    return delimited(1, b"".join(delimited(number, text) for number, text in enumerate(texts, 1)))


def encode_sample(value: float, timestamp: int) -> bytes:
    return delimited(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(timestamp))


def encode_exemplar(labels: Labels, value: float, timestamp: int) -> bytes:
    inside = b"".join(encode_label(*pair) for pair in labels.items())
    return delimited(3, inside + b"\x11" + struct.pack("<d", value) + b"\x18" + varint(timestamp))


def encode_histogram(count: int, total: float, timestamp: int, *rest: bytes) -> bytes:
    """`rest`: buckets, schema and so on, encoded."""
    return delimited(
        4, b"\x08" + varint(count) + b"\x19" + struct.pack("<d", total) + b"".join(rest) + b"\x78" + varint(timestamp)
    )


def encode_metadata(kind: int, name: str, text: str, unit: str) -> bytes:
    texts = delimited(2, name.encode()) + delimited(4, text.encode()) + delimited(5, unit.encode())
    return delimited(3, b"\x08" + varint(kind) + texts)


def encode_series(labels: Labels | Iterable[tuple[str, str]], *content: bytes) -> bytes:
    """Labels sorted where they are a mapping, as senders do; then samples and the rest, encoded."""
    pairs = sorted(labels.items()) if isinstance(labels, Mapping) else labels
    return delimited(1, b"".join(encode_label(*pair) for pair in pairs) + b"".join(content))


def compress(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def now_ms() -> int:
    return int(time.time() * 1000)


def snapshot(
    cluster_id: str,
    *,
    counts: Sequence[int] = (5, 1, 0, 2, 0),
    timestamp: int | None = None,
    extra: Labels | None = None,
    id_label: str = "cluster_id",
) -> bytes:
    """The series of one cluster as the kit's Prometheus sends them, not yet compressed."""
    at = now_ms() if timestamp is None else timestamp
    shared = {id_label: cluster_id, "prometheus_replica": "prometheus-k8s-0", **(extra or {})}
    rows = [
        *(({"__name__": LAYERING, "layering": name}, count) for name, count in zip(CLASSES, counts, strict=True)),
        *(({"__name__": NEED, "need": name}, 1) for name in NEEDS),
        ({"__name__": "cluster_version", "type": "current", "version": "4.14.30"}, 1),
        ({"__name__": "cluster_infrastructure_provider", "type": "AWS", "region": "eu-west-1"}, 1),
    ]
    return b"".join(encode_series({**labels, **shared}, encode_sample(value, at)) for labels, value in rows)


def junk(cluster_id: str, first: int, count: int) -> bytes:
    """Series that no contract lists, each another."""
    sample = encode_sample(1, now_ms())
    return b"".join(
        encode_series({"__name__": "junk", "cluster_id": cluster_id, "number": str(number)}, sample)
        for number in range(first, first + count)
    )


# --- tokens, by hand


def encode_part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header: object, claims: object, key: bytes, digest: str = "sha256") -> str:
    """A token; header and claims are JSON, or bytes as they are."""
    head = f"{encode_part(header)}.{encode_part(claims)}"
    return f"{head}.{encode_part(hmac.new(key, head.encode(), digest).digest())}"


def claims_for(cluster_id: str, **others: object) -> dict[str, Any]:
    """What `layercensus token` claims; others replace it, None takes away."""
    now = int(time.time())
    claims = {"sub": cluster_id, "iat": now, "exp": now + 3600, "aud": "layercensus", **others}
    return {name: value for name, value in claims.items() if value is not None}


def thumb(data: bytes) -> str:
    """Something short that stands for bytes, for messages."""
    return hashlib.sha256(data).hexdigest()[:8]


# --- a collector


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Cluster:
    """One that may send."""

    id: str
    token: str

    def series(self, **options: Any) -> bytes:
        """As `snapshot`."""
        return snapshot(self.id, **options)

    def body(self, **options: Any) -> bytes:
        """The same as it is sent."""
        return compress(self.series(**options))


def run_program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "layercensus", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS,
    )  # fmt: skip


def issue(keys: Path, cluster_id: str, *options: str) -> str:
    done = run_program("token", "--keys", keys, "--cluster-id", cluster_id, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def new_cluster(keys: Path, *options: str) -> Cluster:
    cluster_id = str(uuid4())
    return Cluster(cluster_id, issue(keys, cluster_id, *options))


def free_port() -> int:
    """A port of loopback that nobody had a moment ago, and that no connection of a client takes meanwhile."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(low, 20_000))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def file_limit(soft: int) -> Iterator[None]:
    """So many open files at most, for this process and for those that it starts meanwhile."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, most), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@contextmanager
def many_files() -> Iterator[None]:
    """As many open files as this process may have."""
    with file_limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        yield


def wait_for(find: Callable[[], Found | None], what: str) -> Found:
    until = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < until:
        found = find()
        if found is not None:
            return found
        time.sleep(0.05)
    raise TimeoutError(what)


@dataclass(eq=False)
class Collector:
    """One that runs. `folder` holds `keys.json`, `lake` and what it says."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    tls: ssl.SSLContext | None = None
    bodies: list[bytes] = field(default_factory=list)

    @property
    def keys(self) -> Path:
        return self.folder / "keys.json"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def said(self) -> str:
        return "".join((self.folder / name).read_text(errors="replace") for name in ("stdout", "stderr"))

    def new_cluster(self, *options: str) -> Cluster:
        return new_cluster(self.keys, *options)

    def new_token(self, cluster_id: str, days: int) -> str:
        """Another token for a cluster; those of other `days` are others."""
        return issue(self.keys, cluster_id, "--days", str(days))

    def connect(self) -> HTTPConnection:
        if self.tls is not None:
            return HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS, context=self.tls)
        return HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request on a connection of its own. A body that is no bytes is sent in chunks."""
        connection = self.connect()
        try:
            chunked = body is not None and not isinstance(body, bytes)
            more = {"Transfer-Encoding": "chunked"} if chunked else {}
            connection.request(method, path, body, {**(headers or {}), **more}, encode_chunked=chunked)
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def write(
        self,
        body: bytes | Iterable[bytes],
        token: str | None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Send to `/api/v1/write` as a sender of 1.0 does; `headers` are added or replaced, None takes one away."""
        authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        all_headers = {**HEADERS, **authorization, **(headers or {})}
        if isinstance(body, bytes):
            self.bodies.append(body)
        return self.ask(
            "POST", "/api/v1/write", body, {name: value for name, value in all_headers.items() if value is not None}
        )

    def status(
        self, body: bytes | Iterable[bytes], token: str | None, headers: Mapping[str, str | None] | None = None
    ) -> int:
        return self.write(body, token, headers).status

    def talk(self, data: bytes, seconds: float = DEADLINE_SECONDS) -> bytes:
        """All that is answered to raw bytes, until it closes; plain HTTP. What breaks off ends it too.

        Raises `TimeoutError` if it says nothing for so many seconds and does not close.
        """
        with socket.create_connection(("127.0.0.1", self.port), seconds) as connection:
            with suppress(ConnectionError):
                connection.sendall(data)
            answer = b""
            with suppress(ConnectionError):
                while chunk := connection.recv(65536):
                    answer += chunk
            return answer

    def metrics(self) -> dict[str, float]:
        """Its counts, without the prefix that all of them have."""
        text = self.ask("GET", "/metrics").body.decode()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {series.removeprefix("layercensus_collector_"): float(value) for series, value in pairs}

    def wait_for_counts(self, expected: Mapping[str, float]) -> None:
        """Counts reach /metrics once a second: wait until these are there, or fail and show those that are."""
        found: dict[str, float] = {}

        def look() -> bool | None:
            found.clear()
            found.update(self.metrics())
            return all(found.get(name, 0.0) == value for name, value in expected.items()) or None

        try:
            wait_for(look, "the counts")
        except TimeoutError:
            assert {name: found.get(name, 0.0) for name in expected} == dict(expected)

    def workers(self) -> list[int]:
        """Processes that listen on its port, but for its parent."""
        wanted = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            cells = line.split()
            if cells[3] == "0A" and int(cells[1].rpartition(":")[2], 16) == self.port:
                wanted.add(f"socket:[{cells[9]}]")
        return sorted(process for process in self.children() if wanted & set(open_files(process)))

    def drain(self) -> int:
        """The process that holds the turn to empty the inboxes."""
        turn = str(self.lake / "inbox" / ".drain")
        (found,) = (process for process in self.children() if turn in open_files(process))
        return found

    def children(self) -> list[int]:
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                status = read_process(int(folder.name), "stat").rpartition(b")")[2].split()
                if status[1:2] == [str(self.process.pid).encode()]:
                    found.append(int(folder.name))
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the lake, as another program reads them."""
        files = sorted(map(str, (self.lake / "rows").glob("day=*/rows.parquet")))
        if not files:
            return []
        with duckdb.connect() as connection:
            relation = connection.read_parquet(files)
            return [dict(zip(relation.columns, map(plain, row), strict=True)) for row in relation.fetchall()]

    def row_of(self, cluster_id: str) -> dict[str, Any] | None:
        found = [row for row in self.rows() if row["cluster_id"] == cluster_id]
        assert len(found) <= 1
        return found[0] if found else None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)


def plain(value: object) -> object:
    return value if isinstance(value, int | float | None) else str(value)


def read_process(process: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{file}").read_bytes()
    except OSError:
        return b""


def open_files(process: int) -> list[str]:
    found = []
    try:
        for path in Path(f"/proc/{process}/fd").iterdir():
            try:
                found.append(str(path.readlink()))
            except OSError:
                continue
    except OSError:
        pass
    return found


def memory_bytes(process: int, line: str = "VmRSS") -> int:
    """What a process holds in memory; `VmHWM` is the most it ever held since `forget_peak`."""
    for text in read_process(process, "status").decode().splitlines():
        if text.startswith(f"{line}:"):
            return int(text.split()[1]) * 1024
    raise ProcessLookupError(process)


def forget_peak(process: int) -> int:
    """Begin to watch the peak anew; what is held now."""
    Path(f"/proc/{process}/clear_refs").write_text("5")
    return memory_bytes(process)


@contextmanager
def grows_less_than(process: int, most_bytes: int) -> Iterator[None]:
    """The peak of a process' memory during the block, against what it held before."""
    before = forget_peak(process)
    yield
    grown = memory_bytes(process, "VmHWM") - before
    assert grown < most_bytes, f"{grown / MIB:.0f} MiB more, {most_bytes / MIB:.0f} MiB are the most"


def bytes_below(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder with what is in it."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def files_with(folder: Path, *words: str) -> list[str]:
    """Files below a folder in which one of these words stands, or that are named by one."""
    return [
        f"{path.relative_to(folder)}: {word}"
        for path, content in bytes_below(folder).items()
        for word in words
        if word.encode() in content or word in str(path.relative_to(folder))
    ]


def start(folder: Path, port: int, *options: str | Path) -> subprocess.Popen[bytes]:
    """The command, in a session of its own, with the soft limit of open files that services usually have."""
    with (folder / "stdout").open("ab") as out, (folder / "stderr").open("ab") as errors, file_limit(1024):
        return subprocess.Popen(
            [
                sys.executable, "-m", "layercensus", "collect", "--lake", str(folder / "lake"),
                "--keys", str(folder / "keys.json"), "--listen", f"127.0.0.1:{port}", *map(str, options),
            ],
            stdout=out, stderr=errors, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


def is_healthy(running: Collector) -> bool | None:
    assert running.process.poll() is None, running.said
    try:
        return running.ask("GET", "/healthz").status == 200 or None
    except (OSError, HTTPException):
        return None


@contextmanager
def collector(
    folder: Path, *options: str | Path, tls: ssl.SSLContext | None = None, is_whole: bool = True
) -> Iterator[Collector]:
    """A collector over `folder`, whose keys are made if there are none; whatever is left of it at the end is killed.

    `is_whole`: wait for all of its processes, not just for a worker that answers.
    """
    folder.mkdir(exist_ok=True)
    if not (folder / "keys.json").exists():
        issue(folder / "keys.json", str(uuid4()))
    port = free_port()
    running = Collector(folder, port, start(folder, port, *options), tls)
    try:
        wait_for(lambda: is_healthy(running), "it does not start")
        if is_whole:
            # The drain says so in its first round.
            wait_for(lambda: "clusters" in running.metrics() or None, "the drain")
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(DEADLINE_SECONDS)
        # Its session is its group: none of it outlives the test.
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        running.process.wait(DEADLINE_SECONDS)
