"""`promtool check metrics` on what `inspect --format prometheus` says of the demo's machines, and of hostile ones."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.real


def find_promtool() -> str:
    found = shutil.which("promtool")
    missing = "no promtool (Debian package prometheus): the exposition was not checked by it"
    if found is None and os.environ.get("CI"):
        pytest.fail(missing)
    return found or pytest.skip(missing)


def check_metrics(exposition: bytes) -> None:
    promtool = find_promtool()
    done = subprocess.run([promtool, "check", "metrics"], input=exposition, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def expose(*paths: Path) -> bytes:
    command = [sys.executable, "-m", "layercensus", "inspect", *map(str, paths), "--format", "prometheus"]
    exposition = subprocess.run(command, capture_output=True, check=False).stdout
    assert exposition
    return exposition


def test_the_demos_machines_together() -> None:
    with as_file(files("layercensus").joinpath("data/demo")) as demo:
        assert len(list(demo.rglob("*.json"))) >= 24
        check_metrics(expose(demo))


def test_one_machine_alone() -> None:
    with as_file(files("layercensus").joinpath("data/demo")) as demo:
        check_metrics(expose(min(demo.rglob("*.json"))))


@pytest.mark.parametrize(
    "name", ['q"uote', "back\\slash", "line\nend", "b\u00e4h", "\x1bescape", "\u202ebidi"], ids=ascii
)
def test_machines_with_hostile_names(
    name: str, tmp_path: Path, deployment: Callable[..., dict[str, Any]], status: Callable[..., str]
) -> None:
    for each in (name, "plain"):
        (tmp_path / each).write_text(status(deployment(version=f"414.92.{name}")), encoding="utf-8")
    check_metrics(expose(tmp_path))


def test_a_missing_file_and_an_unreadable_one(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    check_metrics(expose(tmp_path / "missing", tmp_path / "empty"))
