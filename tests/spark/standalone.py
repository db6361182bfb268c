"""A real standalone Spark on loopback: a master and two workers of one core each, ended by their process ids.

Each is the leader of a process group of its own, so that a worker's executors end with it.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyspark

HOME = Path(pyspark.__file__).parent
DEADLINE_SECONDS = 90.0
# Names of this host need not resolve.
ENVIRONMENT = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "512m"}


@dataclass
class Standalone:
    """A cluster: where its master is, and what runs."""

    folder: Path
    url: str = ""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: int = 0

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Start a worker and wait until the master has it."""
        log = self._start("worker", "--cores", "1", "--memory", "1g", "--work-dir", str(self.folder / "work"), self.url)
        _wait_for("Successfully registered with master", log)
        return self.running[-1]

    def start_master(self) -> None:
        """Start the master; which port it has it says."""
        self.url = _wait_for(r"Starting Spark master at (spark://127\.0\.0\.1:[0-9]+)", self._start("master"))[1]

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process and all that it started, as a power cut would."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.running.remove(process)

    def _start(self, kind: str, *arguments: str) -> Path:
        self.started += 1
        log = self.folder / f"{kind}-{self.started}.log"
        program = f"org.apache.spark.deploy.{kind}.{kind.title()}"
        own = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        command = [str(HOME / "bin" / "spark-class"), program, *own, *arguments]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | ENVIRONMENT,
            )
        self.running.append(process)
        return log


@contextmanager
def standalone(folder: Path) -> Iterator[Standalone]:
    """A master and two workers, until the block ends."""
    cluster = Standalone(folder)
    try:
        cluster.start_master()
        cluster.start_worker()
        cluster.start_worker()
        yield cluster
    finally:
        for process in reversed(cluster.running[:]):
            cluster.kill(process)


def _wait_for(pattern: str, log: Path) -> re.Match[str]:
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        text = log.read_text(errors="replace")
        if found := re.search(pattern, text):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{pattern} is not in {log}:\n{text}")
