"""The collector beside Prometheus and VictoriaMetrics as remote-write receivers, on one core each, in one run.

One request is one cluster's report: its version and ten series, one sample each, snappy, with a token of its own; times
advance. wrk
sends requests made beforehand from another core; how busy it was is printed. Every server has core 0 for all of its
processes. Ours answers after a sync to the disk, with every check on, and its figure is sustained: the drain into the
lake has ended, and its CPU is counted. The peers neither sync before they answer nor know who sends. Needs Debian's
prometheus, victoria-metrics and wrk.

LAYERCENSUS_BENCH_ROUNDS, _CLUSTERS (of which the memory of each is told), _SECONDS (of one load): sizes.
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen
from uuid import UUID, uuid4

import cramjam
import duckdb

sys.path.append(str(Path(__file__).parents[1]))
from bench.figures import end_unmeasured, fleet_size, growing, rounds, tell, tell_growth
from tests.agent.running import SOURCE

from layercensus.fleet.key_file import read_or_make_keys
from layercensus.fleet.tokens import issue_token

ROUNDS = rounds(3)
# Loads that follow one another before the drain is waited for: a day is written each 15 seconds.
PARTS = 3
SECONDS = int(os.environ.get("LAYERCENSUS_BENCH_SECONDS", "6"))
CONNECTIONS = (64, 256)
MEMORY_CLUSTERS = fleet_size(100_000)
SENDERS = MEMORY_CLUSTERS // 2
DEADLINE_SECONDS = 300.0
PROGRAMS = {"prometheus": "prometheus", "victoria-metrics": "victoria-metrics", "wrk": "wrk"}
CLASSES = ("clean", "extensions", "overrides", "packages", "unknown")
NEEDS = ("agent", "driver", "other", "override", "tool")
# Requests follow one another with their sizes before them, so that Lua has nothing to compute.
SCRIPT = """
local file = io.open(os.getenv("REQUESTS"), "rb")
local requests, count = {}, 0
while true do
  local head = file:read(4)
  if not head then break end
  local a, b, c, d = head:byte(1, 4)
  count = count + 1
  requests[count] = file:read(a + b * 256 + c * 65536 + d * 16777216)
end
file:close()
local next, once = 0, os.getenv("ONCE")
request = function()
  next = next + 1
  if next > count then
    next = 1
    if once then wrk.thread:stop() end
  end
  return requests[next]
end
"""


def varint(number: int) -> bytes:
    """As protobuf writes it."""
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def delimited(number: int, content: bytes) -> bytes:
    """A field with a length."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def series(labels: dict[str, str], value: float, timestamp: int) -> bytes:
    """One TimeSeries with one sample."""
    pairs = (delimited(1, name.encode()) + delimited(2, text.encode()) for name, text in sorted(labels.items()))
    sample = b"\x09" + struct.pack("<d", value) + b"\x10" + varint(timestamp)
    return delimited(1, b"".join(delimited(1, pair) for pair in pairs) + delimited(2, sample))


def report(cluster: str, timestamp: int) -> bytes:
    """What one cluster sends: its version, and ten series."""
    common = {"cluster_id": cluster, "prometheus": "openshift-monitoring/k8s", "prometheus_replica": "prometheus-k8s-0"}
    recorded = "cluster:usage:local_layering_nodes"
    parts = [series({**common, "__name__": f"{recorded}:count", "layering": one}, 3.0, timestamp) for one in CLASSES]
    needs = [series({**common, "__name__": f"{recorded}_by_need:count", "need": one}, 1.0, timestamp) for one in NEEDS]
    version = {**common, "__name__": "cluster_version", "type": "current", "version": "4.14.30"}
    return b"".join([series(version, 1.0, timestamp), *parts, *needs])


def request(body: bytes, token: str) -> bytes:
    """An HTTP request with its size before it."""
    held = bytes(cramjam.snappy.compress_raw(body))
    head = (
        "POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: snappy\r\n"
        "Content-Type: application/x-protobuf\r\nUser-Agent: Prometheus/2.42.0\r\n"
        "X-Prometheus-Remote-Write-Version: 0.1.0\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(held)}\r\n\r\n"
    )
    whole = head.encode() + held
    return struct.pack("<I", len(whole)) + whole


@dataclass
class Senders:
    """Clusters with tokens; writes files of requests whose times go on from file to file."""

    ids: list[UUID]
    tokens: list[str]
    timestamp: int

    def write(self, path: Path, requests: int) -> None:
        """So many requests, cluster after cluster, 15 seconds between two of one cluster."""
        with path.open("wb") as file:
            for number in range(requests):
                if number % len(self.ids) == 0:
                    self.timestamp += 15_000
                index = number % len(self.ids)
                file.write(request(report(str(self.ids[index]), self.timestamp), self.tokens[index]))


@dataclass
class Receiver:
    """A server under load: its processes, and what was measured of it for each number of connections."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    per_second: dict[int, list[float]] = field(default_factory=dict)
    per_core_second: dict[int, list[float]] = field(default_factory=dict)
    resident_mib: float = 0.0

    def pids(self) -> list[int]:
        """The server's process and all below it."""
        found = [self.process.pid]
        for pid in found:
            children = Path(f"/proc/{pid}/task/{pid}/children")
            found += map(int, children.read_text().split()) if children.exists() else []
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all its processes."""
        total = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Resident memory of all its processes, shared pages counted in each."""
        return (
            sum(
                int(line.split()[1])
                for pid in self.pids()
                for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("VmRSS")
            )
            / 1024
        )


def free_port() -> int:
    """A port on loopback that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def receiver(name: str, command: list[str], port: int, health: str, folder: Path) -> Iterator[Receiver]:
    """A server on core 0, which is ended by its id."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "GOMAXPROCS": "1"}
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(["taskset", "-c", "0", *command], stdout=log, stderr=log, env=environment)
    try:
        until = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}{health}", timeout=5):
                    break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.2)
        yield Receiver(name, port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_SECONDS)


class Load(NamedTuple):
    """Requests that were answered, over how many seconds, and how busy the generator was."""

    requests: int
    seconds: float
    busy: float


def load(  # noqa: PLR0913 - what wrk is told
    target: Receiver, requests: Path, connections: int, seconds: int, script: Path, *, once: bool = False
) -> Load:
    """Load a server; after the last request come the same or, `once`, none. What is not answered 2xx is printed."""
    command = [
        *("taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}"),
        *("-s", str(script), f"http://127.0.0.1:{target.port}/"),
    ]
    told = {"REQUESTS": str(requests)} | ({"ONCE": "1"} if once else {})
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **told})
    output = process.stdout.read() if process.stdout else ""
    _, _, usage = os.wait4(process.pid, 0)
    line = next(line for line in output.splitlines() if "requests in" in line).split()
    if "Non-2xx" in output:
        print(f"  {target.name}: {next(line for line in output.splitlines() if 'Non-2xx' in line).strip()}")
    took = float(line[3].rstrip("s,"))
    return Load(int(line[0]), took, (usage.ru_utime + usage.ru_stime) / took)


def seconds_of(requests: int) -> int:
    """In which every server here has taken so many: wrk waits for the end of its time in any case."""
    return 2 + requests // 5_000


def measure(targets: list[Receiver], lake: Path, senders: Senders, folder: Path, script: Path) -> None:
    """Rounds in turn; every file of requests goes to all, so that all get the same."""
    files = [folder / f"requests-{number}" for number in range(PARTS)]
    senders.write(files[0], len(senders.ids))
    for target in targets:
        load(target, files[0], 64, seconds_of(len(senders.ids)), script, once=True)
    for _ in range(ROUNDS):
        for connections in CONNECTIONS:
            for file in files:
                senders.write(file, 40_000 * SECONDS)
            for target in targets:
                before = target.cpu_seconds()
                loads = [load(target, file, connections, SECONDS, script) for file in files]
                if target.name == "ours":
                    await_drained(lake)
                spent = target.cpu_seconds() - before
                count, took = sum(one.requests for one in loads), sum(one.seconds for one in loads)
                target.per_second.setdefault(connections, []).append(count / took)
                target.per_core_second.setdefault(connections, []).append(count / spent)
                target.resident_mib = max(target.resident_mib, target.memory_mib())
                busy = max(one.busy for one in loads)
                print(f"  {target.name:16} {connections:4} connections {count / took:8.0f}/s, wrk {busy:4.0%} busy")


def await_drained(lake: Path) -> None:
    """Wait until no report is left in the inbox."""
    until = time.monotonic() + DEADLINE_SECONDS
    while any(path.suffix in {".open", ".sealed"} for path in lake.glob("inbox/*/*")):
        if time.monotonic() > until:
            raise TimeoutError("the inbox was not drained")
        time.sleep(0.2)


def show(targets: list[Receiver]) -> None:
    """Ours beside each peer."""
    ours, *peers = targets
    for peer in peers:
        for connections in CONNECTIONS:
            what = f"reports taken, a second of one core, {connections} connections"
            tell(what, "a core second", ours.per_core_second[connections], peer.name, peer.per_core_second[connections])
        what = "resident memory, all processes"
        tell(what, "MiB", [ours.resident_mib], peer.name, [peer.resident_mib])


def memory_per_cluster(keys: Path, folder: Path, script: Path) -> None:
    """What a cluster costs that is known: one report of each, more and more of them, memory after each is drained."""
    lake, port = folder / "many", free_port()
    sizes = growing(MEMORY_CLUSTERS)
    senders = make_senders(keys, MEMORY_CLUSTERS)
    found = []
    with receiver("ours-many", ours(lake, keys, port), port, "/healthz", folder) as target:
        for size in sizes:
            requests = folder / "requests"
            senders.write(requests, size)
            load(target, requests, 64, seconds_of(size), script, once=True)
            await_drained(lake)
            time.sleep(8)
            found.append(target.memory_mib())
            tell_growth("resident memory, all processes", "MiB", "known clusters", size, found[-1])
        rows = duckdb.connect().read_parquet(f"{lake}/rows/*/*.parquet").aggregate("count(*)").fetchall()[0][0]
    per = (found[-1] - found[0]) * 1024 / (rows - sizes[0])
    tell("memory for each known cluster", "KiB", [per], goal="at most 1")


def ours(lake: Path, keys: Path, port: int) -> list[str]:
    """The collector's command line."""
    program = [sys.executable, "-m", "layercensus", "collect"]
    return [*program, "--lake", str(lake), "--keys", str(keys), "--listen", f"127.0.0.1:{port}"]


def make_senders(keys: Path, count: int) -> Senders:
    """Clusters with tokens; times begin an hour ago."""
    found, _ = read_or_make_keys(keys)
    now = int(time.time())
    ids = [uuid4() for _ in range(count)]
    return Senders(ids, [issue_token(found, one, now, 400) for one in ids], (now - 3600) * 1000)


def main() -> None:
    """Start the three, load them in turn, print."""
    missing = [
        f"{program} (Debian package: {package})" for program, package in PROGRAMS.items() if not shutil.which(program)
    ]
    if missing:
        end_unmeasured(", ".join(missing))
    with tempfile.TemporaryDirectory(prefix="layercensus-bench-") as name:
        folder = Path(name)
        script, keys, lake = folder / "replay.lua", folder / "keys", folder / "lake"
        script.write_text(SCRIPT)
        senders = make_senders(keys, SENDERS)
        ports = [free_port() for _ in range(3)]
        prometheus = [
            *("prometheus", f"--storage.tsdb.path={folder}/prometheus", f"--web.listen-address=127.0.0.1:{ports[1]}"),
            *("--web.enable-remote-write-receiver", f"--config.file={folder}/prometheus.yml", "--log.level=error"),
        ]
        (folder / "prometheus.yml").write_text("{}")
        victoria = [
            "victoria-metrics", f"-storageDataPath={folder}/victoria", f"-httpListenAddr=127.0.0.1:{ports[2]}",
        ]  # fmt: skip
        with (
            receiver("ours", ours(lake, keys, ports[0]), ports[0], "/healthz", folder) as one,
            receiver("prometheus", prometheus, ports[1], "/-/ready", folder) as two,
            receiver("victoria-metrics", victoria, ports[2], "/health", folder) as three,
        ):
            measure([one, two, three], lake, senders, folder, script)
            show([one, two, three])
        memory_per_cluster(keys, folder, script)


if __name__ == "__main__":
    main()
