"""`layercensus report --engine`, as far as it goes where Spark is not installed."""

import os
import subprocess
import sys
from pathlib import Path

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
