"""The agent beside Debian's node_exporter, scraped, and by itself, over a real layered sysroot, in one run.

Ours runs with /usr/bin/python3, plain and through TLS with client certificates; so does node_exporter, with its default
collectors. Each round puts 1,000 scrapes, two at a time over connections that stay, to each in turn. Resident memory is
after the first round. CPU is what the scheduler counted for the server alone. Latency is the client's, which shares the
two cores. Needs root and Debian's prometheus-node-exporter, openssl and what `layered_sysroot` needs.
"""

import json
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from bench.figures import end_unmeasured, rounds, tell
from bench.layered_sysroot import layered_sysroot
from tests.agent.certificates import OPENSSL, Authority
from tests.agent.running import SOURCE, command
from tests.real.sysroots import missing_programs

from layercensus.agent.state import Schedule

NODE_EXPORTER = "prometheus-node-exporter"
PYTHON = "/usr/bin/python3"
CLIENT = "system:serviceaccount:openshift-monitoring:prometheus-k8s"
ROUNDS = rounds(5)
SCRAPES = 1000
AT_ONCE = 2
IDLE_SECONDS = 10.0
DEADLINE_SECONDS = 30.0


@dataclass
class Server:
    """A server under load, and what was measured of it."""

    pid: int
    port: int
    tls: ssl.SSLContext | None
    resident_mib: float = 0.0
    cpu_ms: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)

    def connect(self) -> HTTPConnection:
        """A connection that stays."""
        if self.tls is None:
            return HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        return HTTPSConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS, context=self.tls)

    def scrape(self, count: int) -> list[float]:
        """Milliseconds that each of `count` scrapes took, one after another."""
        connection, found = self.connect(), []
        for _ in range(count):
            before = time.perf_counter()
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            body = answer.read()
            found.append((time.perf_counter() - before) * 1000)
            assert answer.status == 200
            assert body
        connection.close()
        return found

    def measure(self) -> None:
        """One round."""
        before = cpu_milliseconds(self.pid)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for found in pool.map(self.scrape, [SCRAPES // AT_ONCE] * AT_ONCE):
                self.latencies_ms += found
        self.cpu_ms.append((cpu_milliseconds(self.pid) - before) / SCRAPES)
        self.resident_mib = self.resident_mib or resident_mib(self.pid)


def cpu_milliseconds(pid: int) -> float:
    """What the threads of a process ran, as the scheduler counts it, in nanoseconds."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


def cpu_with_children_seconds(pid: int) -> float:
    """User and system time of a process and of its children that ended, in ticks of the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Resident memory now."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def free_port() -> int:
    """A port on loopback that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def running(arguments: list[str], port: int, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that answers; it is ended by its id."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = Server(process.pid, port, tls)
        until = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                server.scrape(1)
                break
            except (OSError, AssertionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def agent_command(root: Path, port: int, *options: str | Path) -> list[str]:
    """Our agent as its users run it, by the system's own interpreter."""
    program = ["env", f"PYTHONPATH={SOURCE}", PYTHON, "-S", "-m", "layercensus", "agent"]
    return [*program, "--root", str(root), "--listen", f"127.0.0.1:{port}", *map(str, options)]


def hurried_agent_command(root: Path, port: int, schedule: Mapping[str, float]) -> list[str]:
    """Our agent with a schedule of its own, which the command line has no option for."""
    return [PYTHON, *command({"root": root, "listen": f"127.0.0.1:{port}"}, schedule)[1:]]


def idle_seconds_an_hour(root: Path) -> float:
    """CPU of an hour in which nothing happens: its looks and its reads, each kind counted at a faster pace."""
    costs = {}
    for name, schedule, each in (
        ("look", {"look_seconds": 0.05}, 0.05),
        ("read", {"look_seconds": 0.5, "read_seconds": 0.5}, 0.5),
    ):
        port = free_port()
        with running(hurried_agent_command(root, port, schedule), port) as server:
            before = cpu_with_children_seconds(server.pid)
            time.sleep(IDLE_SECONDS)
            costs[name] = (cpu_with_children_seconds(server.pid) - before) / (IDLE_SECONDS / each)
    print(f"a look takes {costs['look'] * 1000:.1f} ms CPU, a read {costs['read'] * 1000:.1f} ms, children counted in")
    usual = Schedule()
    return costs["look"] * 3600 / usual.look_seconds + costs["read"] * 3600 / usual.read_seconds


def bench(root: Path, folder: Path) -> None:
    """Print the table."""
    clients, serving = Authority(folder, "clients"), Authority(folder, "serving")
    certificate, key = serving.issue("server", "server")
    context = ssl.create_default_context(cafile=serving.certificate)
    context.load_cert_chain(*clients.issue("scraper", CLIENT))
    tls: list[str | Path] = [
        "--tls-cert",
        certificate,
        "--tls-key",
        key,
        "--client-ca",
        clients.certificate,
        "--client-cn",
        CLIENT,
    ]
    web = folder / "web.yml"
    settings = {"cert_file": certificate, "key_file": key, "client_ca_file": clients.certificate}
    required = {"client_auth_type": "RequireAndVerifyClientCert"}
    web.write_text(json.dumps({"tls_server_config": {**{k: str(v) for k, v in settings.items()}, **required}}))
    ports = [free_port() for _ in range(4)]
    peer = [str(shutil.which(NODE_EXPORTER)), "--log.level=error"]
    with ExitStack() as stack:
        servers = {
            "ours": running(agent_command(root, ports[0]), ports[0]),
            "ours, TLS": running(agent_command(root, ports[1], *tls), ports[1], context),
            "node_exporter": running([*peer, f"--web.listen-address=127.0.0.1:{ports[2]}"], ports[2]),
            "node_exporter, TLS": running(
                [*peer, f"--web.listen-address=127.0.0.1:{ports[3]}", f"--web.config.file={web}"], ports[3], context
            ),
        }
        started = {name: stack.enter_context(server) for name, server in servers.items()}
        for _ in range(ROUNDS):
            for server in started.values():
                server.measure()
        report(started)
    tell("idle, CPU of an hour", "s", [idle_seconds_an_hour(root)], goal="0.36, which is 0.01 % of a core")


def report(started: Mapping[str, Server]) -> None:
    """Ours beside the peer; through TLS beside the peer through TLS, and as the goal has it, beside the plain peer."""
    print(f"{SCRAPES} scrapes a round, {ROUNDS} rounds in turn")
    for name, peer, goal in (
        ("ours", "node_exporter", "at most 1.25"),
        ("ours, TLS", "node_exporter", "at most 1.35"),
        ("ours, TLS", "node_exporter, TLS", ""),
    ):
        own, other = started[name], started[peer]
        through = " through TLS" if own.tls else ""
        what = f"resident memory{through}, after {SCRAPES:,} scrapes"
        tell(what, "MiB", [own.resident_mib], peer, [other.resident_mib], goal=goal)
        tell(f"a scrape{through}, CPU", "ms", own.cpu_ms, peer, other.cpu_ms, goal=goal and "at most 0.05")
        for percentile in (50, 99):
            at_client = [[statistics.quantiles(one.latencies_ms, n=100)[percentile - 1]] for one in (own, other)]
            tell(f"a scrape{through}, p{percentile} at the client", "ms", at_client[0], peer, at_client[1])


def main() -> None:
    """Make the sysroot and the certificates, then measure."""
    missing = missing_programs()
    for program in (NODE_EXPORTER, "openssl"):
        if shutil.which(program) is None:
            missing = f"{missing + ', ' if missing else ''}{program} (Debian package: {program})"
    if missing is not None or OPENSSL is None:
        end_unmeasured(str(missing))
    with layered_sysroot() as (sysroot, deployment), tempfile.TemporaryDirectory() as folder:
        root = sysroot.path.with_name("root")
        (root / "etc").mkdir(parents=True)
        (root / "sysroot").symlink_to(sysroot.path)
        # The very file, as a mount would show it.
        (root / "etc/machine-id").hardlink_to(deployment / "etc/machine-id")
        bench(root, Path(folder))


if __name__ == "__main__":
    main()
