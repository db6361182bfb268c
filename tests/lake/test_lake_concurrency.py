"""Several processes at one lake: two that write, one that keeps up what follows from the rows and is killed, readers."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from layercensus.lake.engine import read_engine
from layercensus.lake.folder import open_lake
from layercensus.lake.population import is_up_to_date, refresh
from layercensus.lake.storage import write_rows
from layercensus.model import Row

ROUNDS = 12
CLUSTERS = 30
# Each writer has clusters of its own; each round reports one day more, and again the day before.
WRITER = """
import sys
from datetime import date, timedelta
from pathlib import Path
from layercensus.lake.storage import write_rows
from layercensus.model import Row
lake, writer, rounds, clusters = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
for number in range(rounds):
    rows = []
    for back in (1, 0):
        day = (date(2026, 3, 1) + timedelta(days=max(0, number - back))).isoformat()
        for cluster in range(clusters):
            nodes = dict(clean=writer, extensions=0, overrides=0, packages=1, unknown=0)
            rows.append(Row(day, f"00000000-0000-4000-800{writer}-{cluster:012x}", "capture", None, None, None, nodes,
                            observed_at=f"{day}T12:00:00+00:00"))
    write_rows(lake, rows)
"""
REFRESHER = """
import sys
from pathlib import Path
from layercensus.lake.population import refresh
while True:
    refresh(Path(sys.argv[1]), anew=len(sys.argv) > 2)
"""


@contextmanager
def program(text: str, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", text, *arguments], stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)
        if process.stderr:
            process.stderr.close()


def first_row(lake: Path) -> None:
    nodes = {"clean": 3, "extensions": 0, "overrides": 0, "packages": 1, "unknown": 0}
    write_rows(lake, [Row("2026-03-01", "00000000-0000-4000-8003-000000000000", "capture", None, None, None, nodes)])


def test_no_row_is_lost_and_none_is_twice_whoever_works_at_the_same_time(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    first_row(lake)
    writers = [program(WRITER, str(lake), str(number), str(ROUNDS), str(CLUSTERS)) for number in (1, 2)]
    seen = 0
    with writers[0] as one, writers[1] as two:
        while one.poll() is None or two.poll() is None:
            with program(REFRESHER, str(lake), *(["anew"] if seen % 2 else [])) as refresher:
                seen += 1
                check_a_reader(lake)
                # It is killed wherever it is.
                time.sleep(0.05 * (seen % 7))
                assert refresher.poll() is None, refresher.stderr
        assert (one.returncode, two.returncode) == (0, 0)
    assert seen > 2
    check_the_end(lake)
    refresh(lake)
    assert is_up_to_date(open_lake(lake))
    check_the_end(lake)


def check_a_reader(lake: Path) -> None:
    """All answers of one report are of the same rows, and no half of a write is among them."""
    with read_engine(lake) as engine:
        (newest,) = engine.connection.execute("SELECT MAX(day) FROM cluster_days").fetchall()[0]
        rows = engine.connection.execute(
            "SELECT COUNT(*), COUNT(DISTINCT (day, cluster_id, signal)) FROM cluster_days"
        ).fetchall()[0]
        assert rows[0] == rows[1]
        # Of each writer all clusters or none, on every day.
        counts = engine.connection.execute("SELECT DISTINCT COUNT(*) - 1 FROM active_days GROUP BY on_day").fetchall()
        assert {count for (count,) in counts} <= {-1, 0, CLUSTERS - 1, CLUSTERS, 2 * CLUSTERS - 1, 2 * CLUSTERS}
        trend = engine.ask("trend", signal="capture", as_of=newest.isoformat())
        alive = engine.connection.execute("SELECT COUNT(*) FROM active_days WHERE on_day = ?", [newest]).fetchall()
        assert trend[-1]["clusters"] == alive[0][0]


def check_the_end(lake: Path) -> None:
    """Counted by a plain engine from the files, and by hand."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT COUNT(*), COUNT(DISTINCT (day, cluster_id)), SUM(nodes_clean) FROM read_parquet($files)",
            {"files": [str(file) for file in open_lake(lake).day_files()]},
        ).fetchall()[0]
    rows = ROUNDS * CLUSTERS * 2 + 1
    assert found == (rows, rows, ROUNDS * CLUSTERS * (1 + 2) + 3)
    with read_engine(lake) as engine:
        trend = engine.ask("trend", signal="capture", as_of=f"2026-03-{ROUNDS:02}")
    # The first row counts for seven days.
    assert [point["clusters"] for point in trend] == [2 * CLUSTERS + (day < 7) for day in range(ROUNDS)]
