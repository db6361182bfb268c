"""The lake's folder and files: merges, atomic days, several writers, hostile paths, damage told by name."""

import errno
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest

from layercensus.errors import Fault, LakeError, NothingToDoError
from layercensus.lake.contract import row_contract
from layercensus.lake.engine import read_engine
from layercensus.lake.rows import columns_from_row
from layercensus.lake.storage import connect, count_known_rows, open_lake, write_rows
from layercensus.model import Row

DAY = "2026-03-01"
NODES = {"clean": 3, "extensions": 0, "overrides": 1, "packages": 2, "unknown": 4}


def cluster(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def row(number: int = 1, packages: int = 2, received_at: str | None = "2026-03-01T12:00:00Z", day: str = DAY) -> Row:
    return Row(
        day, cluster(number), "capture", "4.14", None, "AWS", NODES | {"packages": packages}, received_at=received_at
    )


def stored(lake: Path, day: str = DAY) -> list[tuple[str, int]]:
    """Cluster and packages of a day, read by a plain engine that knows nothing of ours, in file order.

    From a copy: the engine opens a file more than once, and a writer may put another in its place between.
    """
    file = open_lake(lake).day_file(date.fromisoformat(day))
    with duckdb.connect() as connection, TemporaryDirectory() as still:
        copy = Path(still, "rows.parquet")
        copy.write_bytes(file.read_bytes())
        found = connection.execute("SELECT cluster_id, nodes_packages FROM read_parquet($file)", {"file": str(copy)})
        return [(str(one), int(number)) for one, number in found.fetchall()]


def test_a_first_write_makes_the_lake(tmp_path: Path) -> None:
    lake = tmp_path / "new" / "lake"
    assert write_rows(lake, [row(2), row(1)]) == 2
    assert json.loads((lake / "lake.json").read_text()) == {"schema": "layercensus/lake", "version": 1}
    assert stored(lake) == [(cluster(1), 2), (cluster(2), 2)]
    assert {path.relative_to(lake).as_posix() for path in lake.rglob("*") if path.is_file()} == {
        ".lock",
        "lake.json",
        f"rows/day={DAY}/rows.parquet",
    }


def test_no_row_makes_no_lake(tmp_path: Path) -> None:
    assert write_rows(tmp_path / "lake", []) == 0
    assert not (tmp_path / "lake").exists()


def test_the_file_is_the_contract_sorted_and_zstd(tmp_path: Path) -> None:
    many = [
        replace(row(number), release=f"4.{14 + number % 3}", platform="AWS" if number % 2 else None)
        for number in range(9)
    ]
    write_rows(tmp_path / "lake", many)
    file = str(open_lake(tmp_path / "lake").day_files()[0])
    with duckdb.connect() as connection:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet($file)", {"file": file}).fetchall()
        compression = connection.execute(
            "SELECT DISTINCT compression FROM parquet_metadata($file)", {"file": file}
        ).fetchall()
        keys = connection.execute(
            "SELECT release, platform, cluster_id FROM read_parquet($file)", {"file": file}
        ).fetchall()
    assert [(name, kind) for name, kind, *_ in described] == [
        (column.name, column.type.value) for column in row_contract().columns
    ]
    assert compression == [("ZSTD",)]
    assert keys == sorted(keys, key=lambda key: (key[0], key[1] is None, key[1] or "", key[2]))


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (row(packages=1), row(packages=2, received_at="2026-03-01T13:00:00Z"), 2),
        (row(packages=1, received_at="2026-03-01T13:00:00Z"), row(packages=2), 1),
        (row(packages=1), row(packages=2), 2),
        (row(packages=1, received_at=None), row(packages=2), 2),
        (row(packages=1), row(packages=2, received_at=None), 1),
        (row(packages=1, received_at=None), row(packages=2, received_at=None), 2),
    ],
)
def test_the_latest_received_stays(tmp_path: Path, first: Row, second: Row, kept: int) -> None:
    write_rows(tmp_path / "apart", [first])
    write_rows(tmp_path / "apart", [second])
    write_rows(tmp_path / "together", [first, second])
    assert stored(tmp_path / "apart") == stored(tmp_path / "together") == [(cluster(1), kept)]


def test_signals_and_days_stand_apart(tmp_path: Path) -> None:
    gauge = replace(row(), signal="mcd", nodes={}, proxy={"none": 1, "unsupported": 0, "unknown": 0})
    write_rows(tmp_path / "lake", [row(), gauge, row(day="2026-03-02", packages=5)])
    assert stored(tmp_path / "lake", "2026-03-02") == [(cluster(1), 5)]
    with read_engine(tmp_path / "lake") as engine:
        found = [(one["signal"], one["on_day"], one["clusters_heard"]) for one in engine.ask("days")]
    assert found == [("capture", DAY, 1), ("capture", "2026-03-02", 1), ("mcd", DAY, 1)]


def test_the_same_import_twice_changes_no_byte(tmp_path: Path) -> None:
    rows = [row(number) for number in range(50)]
    write_rows(tmp_path / "lake", rows)
    (file,) = open_lake(tmp_path / "lake").day_files()
    before = file.read_bytes()
    write_rows(tmp_path / "lake", reversed(rows))
    assert file.read_bytes() == before


def test_a_bad_row_leaves_all_as_it_was(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with pytest.raises(LakeError):
        write_rows(lake, [row(1), replace(row(2), cluster_id="nonsense")])
    assert not lake.exists()


@pytest.mark.parametrize(
    "name", ["it's", 'a "b"', "two  words", "ünï çødé 雪", "a[1]", "what?*", "k=v {x,y}", "semi;--", "back\\slash", "~"]
)
def test_any_folder_name_works_and_reads_no_neighbour(tmp_path: Path, name: str) -> None:
    write_rows(tmp_path / "a1", [row(9, packages=9)])
    write_rows(tmp_path / "what1234", [row(9, packages=9)])
    write_rows(tmp_path / name, [row(1)])
    write_rows(tmp_path / name, [row(2)])
    with read_engine(tmp_path / name) as engine:
        assert engine.ask("days") == [{"signal": "capture", "on_day": DAY, "clusters_heard": 2}]


def test_no_lake_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(NothingToDoError) as caught:
            open_lake(place)
        assert caught.value.next_step
        assert str(place) in str(caught.value)


def test_a_folder_with_other_things_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not touch")
    with pytest.raises(LakeError, match="holds other things"):
        write_rows(tmp_path, [row()])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ('{"schema": "layercensus/lake", "version": 2}', "version 2"),
        ('{"schema": "layercensus/lake", "version": "1"}', "damaged"),
        ('{"schema": "layercensus/lake", "version": 0}', "damaged"),
        ('{"schema": "other", "version": 1}', "not the head"),
        ("[]", "not the head"),
        ("{", "damaged"),
        ("\udcff", "damaged"),
    ],
)
def test_a_head_that_is_not_ours_is_told(tmp_path: Path, head: str, says: str) -> None:
    lake = tmp_path / "lake"
    write_rows(lake, [row()])
    (lake / "lake.json").write_bytes(head.encode("utf-8", "surrogateescape"))
    with pytest.raises(LakeError, match=says):
        open_lake(lake)
    with pytest.raises(LakeError, match=says):
        write_rows(lake, [row()])


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped", "stranger"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    lake = tmp_path / "lake"
    write_rows(lake, [row(number) for number in range(500)])
    write_rows(lake, [row(day="2026-03-02")])
    file = open_lake(lake).day_files()[0]
    whole = file.read_bytes()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "text":
            file.write_text("no parquet")
        case "cut":
            file.write_bytes(whole[: len(whole) // 2])
        case "flipped":
            # Inside the data pages: the foot stays readable, so only a question meets it.
            file.write_bytes(whole[:4] + bytes(255 - byte for byte in whole[4:3000]) + whole[3000:])
        case "stranger":
            with duckdb.connect() as connection:
                connection.execute("COPY (SELECT 1 AS one) TO $file (FORMAT parquet)", {"file": str(file)})
    with pytest.raises(LakeError) as caught, read_engine(lake) as engine:
        engine.ask("population", signal="capture", as_of=DAY)
    assert caught.value.where == str(file)
    assert caught.value.fault is Fault.INPUT
    damaged = file.read_bytes()
    with pytest.raises(LakeError) as caught:
        write_rows(lake, [row(2)])
    assert caught.value.where == str(file)
    assert file.read_bytes() == damaged


def test_a_full_disk_leaves_the_day_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = tmp_path / "lake"
    write_rows(lake, [row(1)])
    (file,) = open_lake(lake).day_files()
    before = file.read_bytes()

    def full(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LakeError) as caught:
        write_rows(lake, [row(2)])
    assert caught.value.fault is Fault.HOST
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["rows.parquet"]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """What is synced in the test."""
    found: set[Path] = set()
    sync = os.fsync

    def note(descriptor: int) -> None:
        sync(descriptor)
        found.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", note)
    return found


@pytest.mark.parametrize("made", ["nothing", "the folder", "the day"])
def test_names_of_the_lake_and_of_all_above_it_are_on_the_disk_whoever_made_them(
    tmp_path: Path, synced: set[Path], made: str
) -> None:
    """A writer that was killed may have made a folder, and not come to the sync of its name."""
    lake = tmp_path / "srv" / "fleet" / "lake"
    if made == "the folder":
        lake.mkdir(parents=True)
    elif made == "the day":
        write_rows(lake, [row(1)])
        synced.clear()
    write_rows(lake, [row(2)])
    assert synced >= {tmp_path, lake.parent.parent, lake.parent, lake / "rows", lake / "rows" / f"day={DAY}"}
    assert (lake in synced) == (made != "the day")


WRITER = f"""
import sys
from pathlib import Path
from layercensus.lake.storage import write_rows
from layercensus.model import Row
first, times = int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + times):
    cluster = f"00000000-0000-4000-8000-{{number:012x}}"
    write_rows(Path(sys.argv[1]), [Row({DAY!r}, cluster, "capture", "4.14", None, "AWS", {NODES!r})])
"""


def start_writer(lake: Path, first: int, times: int) -> "subprocess.Popen[bytes]":
    """Write so many clusters from a process of its own, one write each."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(lake), str(first), str(times)])


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path / "lake", place * 100, 15) for place in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    expected = sorted(cluster(place * 100 + number) for place in range(3) for number in range(15))
    assert [one for one, _ in stored(tmp_path / "lake")] == expected


def test_a_killed_writer_leaves_whole_days(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    write_rows(lake, [row(0)])
    for pause in (0.0, 0.004, 0.011, 0.019):
        count = len(stored(lake))
        writer = start_writer(lake, count, 10_000)
        try:
            # On a busy machine it may be done before this sees its first day; then there is nothing to kill.
            while len(stored(lake)) == count and writer.poll() is None:
                time.sleep(0.005)
            time.sleep(pause)
        finally:
            writer.kill()
            writer.wait(60)
        after = stored(lake)
        assert [one for one, _ in after] == [cluster(number) for number in range(len(after))]
    write_rows(lake, [row(1)])
    (file,) = open_lake(lake).day_files()
    assert [path.name for path in file.parent.iterdir()] == ["rows.parquet"]


def test_an_interrupted_statement_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), connect():
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="else"), connect():
        raise RuntimeError("something else")


@pytest.fixture
def read_only_lake(tmp_path: Path) -> Iterator[Path]:
    lake = tmp_path / "lake"
    write_rows(lake, [row(1)])
    (lake / ".lock").unlink()
    folders = [lake, *(path for path in lake.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    yield lake
    for path in folders:
        path.chmod(0o755)


def test_a_read_only_folder_is_read_and_left_alone(read_only_lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, so what counts is that nothing is there afterwards that was not before.
    monkeypatch.chdir(read_only_lake)
    before = {path: path.stat().st_mtime_ns for path in [read_only_lake, *read_only_lake.rglob("*")]}
    with read_engine(read_only_lake) as engine:
        assert engine.ask("days") == [{"signal": "capture", "on_day": DAY, "clusters_heard": 1}]
    assert {path: path.stat().st_mtime_ns for path in [read_only_lake, *read_only_lake.rglob("*")]} == before


def test_a_writer_waits_for_a_reader(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    write_rows(lake, [row(1)])
    with read_engine(lake) as engine:
        writer = start_writer(lake, 2, 1)
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(1.5)
        assert engine.ask("days") == [{"signal": "capture", "on_day": DAY, "clusters_heard": 1}]
    assert writer.wait(60) == 0
    assert len(stored(lake)) == 2


def test_more_rows_than_a_batch(tmp_path: Path) -> None:
    assert write_rows(tmp_path / "lake", (row(number) for number in range(20_001))) == 20_001
    assert len(stored(tmp_path / "lake")) == 20_001
    assert columns_from_row(row(1), row_contract())


def test_a_file_is_no_lake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LakeError, match="is no folder, and a lake is one; name a new or an empty folder"):
            write_rows(path, [row()])


def test_a_folder_that_may_not_be_looked_into_is_an_error_of_the_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(LakeError, match="Permission denied; check the path, its permissions"):
        count_known_rows(tmp_path / "lake", [])
