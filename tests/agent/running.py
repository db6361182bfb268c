"""Real agents in processes of their own, on the standard library only, for the tests of this folder and of `real`."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

SOURCE = Path(__file__).parents[2] / "src"
DEADLINE_SECONDS = 60.0
Found = TypeVar("Found")
OPTIONS: Mapping[str, Any] = {
    "root": "/nowhere", "listen": None, "textfile": None, "package_metrics": False, "self_check": False,
    "preview": False, "tls_cert": None, "tls_key": None, "client_ca": None, "client_cn": None,
}  # fmt: skip

PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from argparse import Namespace
from datetime import UTC, datetime
from layercensus.agent.state import Schedule
from layercensus.commands import Surroundings
from layercensus.commands.agent import run

def warn(line):
    print(line, file=sys.stderr, flush=True)

if sys.argv[4]:
    from dataclasses import replace
    from pathlib import Path
    from layercensus.agent import client_ca
    api = client_ca.find_api()
    client_ca.find_api = lambda: replace(api, account=Path(sys.argv[4]))

surroundings = Surroundings(sys.stdin.buffer, datetime.now(tz=UTC), False, lambda done, total: None, warn, warn)
output = run(Namespace(**json.loads(sys.argv[2])), surroundings, Schedule(**json.loads(sys.argv[3])))
try:
    while True:
        sys.stdout.write(next(output))
except StopIteration as stop:
    foreign = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"layercensus", "__main__"}
    if foreign:
        warn(f"imported: {sorted(foreign)}")
    sys.exit(99 if foreign else stop.value)
"""


def command(options: Mapping[str, Any], schedule: Mapping[str, float], account: Path | None = None) -> list[str]:
    return [
        sys.executable, "-S", "-I", "-c", PROGRAM, str(SOURCE),
        json.dumps({**OPTIONS, **options}, default=str), json.dumps(schedule), str(account or ""),
    ]  # fmt: skip


def run_to_end(**options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(options, {}), capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS)


@dataclass
class Running:
    """An agent that runs; `lines` is what it said."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        said = wait_for(lambda: next((line for line in self.lines if "serving" in line), None))
        found = re.search(r":(\d+)/metrics", said)
        assert found is not None
        return int(found[1])

    def ask(self, path: str = "/metrics") -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """Series by name and labels, once the machine was read."""
        return parse(wait_for(lambda: next((text for status, text in [self.ask()] if status == 200), None)))

    def wait_until(self, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        return wait_for(lambda: next((found for found in [self.metrics()] if holds(found)), None))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_SECONDS)


def parse(text: str) -> dict[str, float]:
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, value in pairs}


def class_in(metrics: Mapping[str, float]) -> str:
    (found,) = (
        series.partition('layering="')[2].rstrip('"}')
        for series, value in metrics.items()
        if series.startswith("layercensus_machine_layering") and value == 1
    )
    return found


def wait_for(find: Callable[[], Found | None]) -> Found:
    """What `find` gives once it gives something; the deadline is far above what it takes."""
    until = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < until:
        found = find()
        if found is not None:
            return found
        time.sleep(0.05)
    raise TimeoutError("nothing came of it")


@contextmanager
def agent(
    schedule: Mapping[str, float] | None = None,
    *,
    account: Path | None = None,
    wrapped: Callable[[list[str]], list[str]] = list,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Running]:
    """An agent that is killed at the end, if it was not stopped. `account`: the folder of a pod's account.

    `wrapped` makes another command of the agent's.
    """
    process = subprocess.Popen(
        wrapped(command({"listen": "127.0.0.1:0", **options}, schedule or {}, account)),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    running = Running(process)

    def follow() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            running.lines.append(line)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        thread.join(DEADLINE_SECONDS)
        if process.stderr is not None:
            process.stderr.close()


def package_mode_host(folder: Path) -> Path:
    """The root of a host without ostree: read in an instant, and never unknown."""
    (folder / "usr/lib").mkdir(parents=True)
    (folder / "usr/lib/os-release").write_text('ID="rhel"\nVERSION_ID="9.4"\n')
    return folder
