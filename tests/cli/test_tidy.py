"""`layercensus tidy`: what lies beside the rows, made again or dropped, from outside."""

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from layercensus.lake.folder import open_lake
from layercensus.lake.storage import write_rows
from layercensus.model import Row

FIRST = date(2026, 3, 1)
NODES = {"clean": 5, "extensions": 0, "overrides": 0, "packages": 1, "unknown": 0}


def tidy(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "layercensus", "tidy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def row(number: int) -> Row:
    day = (FIRST + timedelta(days=number)).isoformat()
    return Row(day, f"00000000-0000-4000-8000-{number:012x}", "capture", "4.14", None, "AWS", NODES)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Twenty days, a cluster each."""
    write_rows(tmp_path / "lake", [row(number) for number in range(20)])
    return tmp_path / "lake"


def clusters_of(lake: Path, day: date) -> int:
    """Clusters that count on a day, by a plain engine: each speaks once and counts for seven days."""
    with duckdb.connect() as connection:
        query = (
            "SELECT SUM(clusters) FROM read_parquet($file) WHERE on_day = $day AND numerator = 'packages'"
            " AND signal = 'capture'"
        )
        (found,) = connection.execute(query, {"file": str(lake / "day_sums.parquet"), "day": day}).fetchall()[0]
    return int(found or 0)


def test_it_makes_what_is_missing_and_then_nothing(lake: Path) -> None:
    done = tidy("--lake", str(lake))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("20 days with rows, 2026-03-01 to 2026-03-20\nmade the populations and sums of 20 days\n")
    assert [clusters_of(lake, FIRST + timedelta(days=number)) for number in (0, 3, 6, 19)] == [1, 4, 7, 7]
    assert tidy("--lake", str(lake)).stdout.endswith("made the populations and sums of 0 days\n")
    assert tidy("--lake", str(lake), "--anew").stdout.endswith("made the populations and sums of 20 days\n")


def test_days_before_those_that_are_kept_go_and_count_no_longer(lake: Path) -> None:
    tidy("--lake", str(lake))
    done = tidy("--lake", str(lake), "--keep-days", "8")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "removed 12 days, 2026-03-01 to 2026-03-12\n8 days with rows, 2026-03-13 to 2026-03-20\n"
    )
    assert open_lake(lake).days() == [FIRST + timedelta(days=number) for number in range(12, 20)]
    assert [clusters_of(lake, FIRST + timedelta(days=number)) for number in (11, 12, 19)] == [0, 1, 7]
    assert min(path.name for path in (lake / "rows").iterdir()) == "day=2026-03-13"
    assert tidy("--lake", str(lake), "--keep-days", "8").stdout.startswith("8 days with rows")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--lake", "nowhere"], 1, "no lake is there"),
        (["--lake", "{lake}", "--keep-days", "6"], 2, "--keep-days"),
        (["--lake", "{lake}", "--keep-days", "many"], 2, "--keep-days"),
        (["--anew"], 2, "--lake"),
    ],
)
def test_what_cannot_be_is_one_line(lake: Path, arguments: list[str], status: int, says: str) -> None:
    before = {file: file.read_bytes() for file in lake.rglob("*.parquet")}
    done = tidy(*(argument.format(lake=lake) for argument in arguments))
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert {file: file.read_bytes() for file in lake.rglob("*.parquet")} == before
