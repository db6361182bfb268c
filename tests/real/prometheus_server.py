"""A real Prometheus on loopback, for tests: started with a configuration, asked through its API, ended by its id."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

DEADLINE_SECONDS = 90.0


def require(program: str, package: str = "prometheus") -> str:
    """Path of a program; where it is not installed the test is skipped, and fails in CI."""
    path = shutil.which(program)
    if path is not None:
        return path
    reason = f"NOT CHECKED FOR REAL, missing: {program} (Debian package: {package})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A port on loopback that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass(frozen=True)
class Prometheus:
    """A server that runs; `log` is what it says."""

    url: str
    log: Path

    def get(self, path: str, *parameters: tuple[str, str]) -> str:
        """The answer's text. Raises `OSError` while it does not answer."""
        with urlopen(f"{self.url}{path}?{urlencode(parameters)}", timeout=DEADLINE_SECONDS) as answer:
            return str(answer.read().decode())

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each sample of an instant query; none while it does not answer."""
        try:
            result: list[Any] = json.loads(self.get("/api/v1/query", ("query", expression)))["data"]["result"]
        except OSError:
            return []
        return [(sample["metric"], float(sample["value"][1])) for sample in result]

    def series(self, expression: str, *without: str) -> dict[str, float]:
        """The same as an exposition has it, labels sorted: `name{label="value"}`; some labels left out."""
        found = {}
        for labels, value in self.query(expression):
            shown = {key: text for key, text in labels.items() if key not in {*without, "__name__"}}
            found[format_series(labels.get("__name__", ""), shown)] = value
        return found


def format_series(name: str, labels: Mapping[str, str]) -> str:
    """`name{a="1",b="2"}`, labels sorted, those without a value left out, as Prometheus does."""
    inside = ",".join(f"{key}={json.dumps(value)}" for key, value in sorted(labels.items()) if value)
    return f"{name}{{{inside}}}" if inside else name


@contextmanager
def prometheus(
    folder: Path, configuration: Mapping[str, Any], *options: str, retention: str = "1h"
) -> Iterator[Prometheus]:
    """Run it over `folder`, which is made; what rule files it names lie there already or elsewhere."""
    program = require("prometheus")
    folder.mkdir(exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(configuration)))
    listen = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={listen}", f"--storage.tsdb.retention.time={retention}", *options,
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield Prometheus(f"http://{listen}", folder / "log")
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


def wait_for_series(server: Prometheus, expression: str, expected: Mapping[str, float], *without: str) -> None:
    """Poll until the answer is the expected one, whole; fail with the last answer at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    found: dict[str, float] = {}
    while time.monotonic() < deadline:
        found = server.series(expression, *without)
        if found == expected:
            return
        time.sleep(0.3)
    print(server.log.read_text()[-4000:])
    assert found == expected, found
