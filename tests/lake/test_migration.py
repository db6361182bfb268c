"""A lake of an older version: refused, brought up by `tidy`, complete after a crash in between."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from layercensus.data import read_json
from layercensus.errors import LakeError
from layercensus.lake import contract as contract_module
from layercensus.lake.contract import row_contract
from layercensus.lake.engine import read_engine
from layercensus.lake.folder import open_lake
from layercensus.lake.migration import migrate
from layercensus.lake.population import refresh
from layercensus.lake.storage import write_rows
from layercensus.model import Row

NODES = {"clean": 5, "extensions": 0, "overrides": 0, "packages": 1, "unknown": 0}
DAYS = ("2026-03-01", "2026-03-02", "2026-03-05")


@pytest.fixture
def old_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A lake of version 1, and from now on a program whose contract has one column more, in the middle."""
    lake = tmp_path / "lake"
    write_rows(
        lake, [Row(day, "00000000-0000-4000-8000-000000000001", "capture", "4.14", None, None, NODES) for day in DAYS]
    )
    refresh(lake)
    document: dict[str, Any] = json.loads(json.dumps(read_json("lake/row-v1.json")))
    document["lake_version"] = 2
    added = {"name": "channel", "type": "VARCHAR", "nullable": True, "pattern": "[a-z]+", "meaning": "new"}
    document["columns"].insert(5, added)
    monkeypatch.setattr(contract_module, "read_json", lambda _: document)
    row_contract.cache_clear()
    yield lake
    row_contract.cache_clear()


def columns_of(lake: Path) -> list[list[str]]:
    with duckdb.connect() as connection:
        return [connection.read_parquet(str(file)).columns for file in open_lake(lake, may_be_older=True).day_files()]


def test_it_is_refused_until_it_is_brought_up_and_then_read_and_written(old_lake: Path) -> None:
    with pytest.raises(LakeError, match="version 1, this program needs 2") as caught, read_engine(old_lake):
        pass
    assert "layercensus tidy" in str(caught.value.next_step)
    with pytest.raises(LakeError, match="version 1"):
        refresh(old_lake)
    before = rows_of(old_lake)
    assert migrate(old_lake) == 3
    assert json.loads((old_lake / "lake.json").read_text())["version"] == 2
    assert columns_of(old_lake) == [[column.name for column in row_contract().columns]] * 3
    assert rows_of(old_lake) == before
    assert migrate(old_lake) == 0
    assert refresh(old_lake) == 5
    with read_engine(old_lake) as engine:
        assert [point["clusters"] for point in engine.ask("trend", signal="capture", as_of="2026-03-05")] == [1, 1, 1]
        assert engine.connection.execute("SELECT DISTINCT channel FROM active_days").fetchall() == [(None,)]


def rows_of(lake: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        files = [str(file) for file in open_lake(lake, may_be_older=True).day_files()]
        query = "SELECT day, cluster_id, release, nodes_clean, nodes_packages FROM read_parquet($files) ORDER BY ALL"
        return connection.execute(query, {"files": files}).fetchall()


def test_what_was_cut_off_is_completed(old_lake: Path) -> None:
    def stop(done: int, _of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(old_lake, stop)
    assert [len(columns) for columns in columns_of(old_lake)] == [24, 24, 23]
    with pytest.raises(LakeError, match="version 1"):
        open_lake(old_lake)
    assert migrate(old_lake) == 3
    assert [len(columns) for columns in columns_of(old_lake)] == [24, 24, 24]


def test_a_file_that_cannot_be_read_is_named_and_the_lake_stays_old(old_lake: Path) -> None:
    file = open_lake(old_lake, may_be_older=True).day_files()[1]
    file.write_bytes(b"no parquet")
    with pytest.raises(LakeError) as caught:
        migrate(old_lake)
    assert caught.value.where == str(file)
    assert json.loads((old_lake / "lake.json").read_text())["version"] == 1
