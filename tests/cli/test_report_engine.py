"""`layercensus report --engine`, as far as it goes where Spark is not installed."""

import contextlib
import io
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from layercensus import cli
from layercensus.cli import main
from layercensus.lake.engine import read_engine

SOURCE = Path(__file__).parents[2] / "src"


def report(*arguments: str, path: str = str(SOURCE)) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "layercensus", "report", "--lake", "lake", *arguments]
    surroundings = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings)


def test_without_pyspark_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pyspark.py").write_text("raise ModuleNotFoundError(name='pyspark')\n")
    done = report("--engine", "spark", path=f"{tmp_path}{os.pathsep}{SOURCE}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("layercensus: --engine spark: it needs the library pyspark,")
    assert done.stderr.endswith("which is in an extra of its own; in its checkout: pip install '.[spark]'\n")


def test_master_is_for_spark_only() -> None:
    done = report("--master", "local")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "layercensus: --master: is for Spark; add --engine spark\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake, and in place of Spark the engine that is always there: what is shown on the way is not Spark's."""
    stands_in = types.ModuleType("layercensus.lake.spark_engine")
    stands_in.read_spark_engine = lambda lake, master, lists: read_engine(lake, lists)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "layercensus.lake.spark_engine", stands_in)
    made = tmp_path / "lake"
    assert main(["simulate", "--clusters", "5", "--days", "1", "--seed", "1", "--lake", str(made)]) == 0
    return made


@pytest.mark.parametrize("more", [[], ["--output"]])
def test_a_terminal_is_told_that_spark_starts_and_what_it_is_asked(lake: Path, more: list[str], tmp_path: Path) -> None:
    shown, said = io.TextIOWrapper(io.BytesIO(), "utf-8"), Terminal()
    output = [*more, str(tmp_path / "report.txt")] if more else []
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        assert main(["report", "--lake", str(lake), "--engine", "spark", "--master", "local[2]", *output]) == 0
    lines = said.getvalue().split("\r\x1b[K")
    assert lines[1] == "starting Spark (local[2])"
    assert "asking Spark: population" in lines
    assert lines[-1] == ""  # and it is taken away


def test_nothing_is_told_where_nobody_looks(lake: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--lake", str(lake), "--engine", "spark"]) == 0
    assert capfd.readouterr().err == ""


def test_a_warning_does_not_run_into_what_is_shown(lake: Path) -> None:
    shown, said = io.TextIOWrapper(io.BytesIO(), "utf-8"), Terminal()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        assert main(["report", "--lake", str(lake), "--engine", "spark", "--as-of", "2026-06-30"]) == 0
    assert all(line.startswith(("layercensus: ", "\r\x1b[K")) for line in said.getvalue().split("\n") if line)


@pytest.mark.parametrize("command", ["report", "plan"])
def test_questions_of_a_large_lake_are_counted_on_a_terminal(
    lake: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part 5 of the design: progress on a terminal after one second; here after none."""
    monkeypatch.setattr(cli, "_PROGRESS_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(cli, "_PROGRESS_EVERY_SECONDS", 0.0)
    shown, said = io.TextIOWrapper(io.BytesIO(), "utf-8"), Terminal()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        assert main([command, "--lake", str(lake)]) == 0
    assert said.getvalue().split("\r\x1b[K")[1:4] == ["0", "1", "2"]
