"""Which days of a store are in a lake: put down after their rows, each store by itself."""

from datetime import date
from pathlib import Path

import pytest

from layercensus.errors import LakeError
from layercensus.lake.import_record import Source, add_day, make_lake, read_days
from layercensus.lake.storage import write_rows
from layercensus.model import Row

DAY, NEXT = date(2026, 11, 24), date(2026, 11, 25)
SOURCE = Source("https://store.example.com", "cluster_id", None)
NODES = {"clean": 1, "extensions": 0, "overrides": 0, "packages": 0, "unknown": 0}


def fill(lake: Path, *days: date) -> None:
    write_rows(
        lake,
        [Row(str(day), "6f2a7f0e-93b5-4d52-9d0a-0f5a7e8f3a11", "layercensus", None, None, None, NODES) for day in days],
    )


def test_a_day_that_was_put_down_is_known(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    make_lake(lake)
    assert read_days(lake, SOURCE) == {}
    fill(lake, DAY, NEXT)
    add_day(lake, SOURCE, NEXT, 2)
    add_day(lake, SOURCE, DAY, 1)
    assert read_days(lake, SOURCE) == {DAY: 1, NEXT: 2}
    (record,) = (lake / "imports").iterdir()
    assert '"2026-11-24": 1' in record.read_text()


def test_each_store_label_and_cluster_has_days_of_its_own(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, DAY)
    others = [
        Source("https://other.example.com", "cluster_id", None),
        Source(SOURCE.store, "_id", None),
        Source(SOURCE.store, "cluster_id", "6f2a7f0e-93b5-4d52-9d0a-0f5a7e8f3a11"),
    ]
    add_day(lake, SOURCE, DAY, 1)
    assert [read_days(lake, other) for other in others] == [{}, {}, {}]


def test_a_day_whose_rows_are_gone_is_not_there(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, DAY, NEXT)
    add_day(lake, SOURCE, DAY, 1)
    add_day(lake, SOURCE, NEXT, 1)
    (lake / "rows" / f"day={DAY}" / "rows.parquet").unlink()
    assert read_days(lake, SOURCE) == {NEXT: 1}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "other", "days": {}}', '{"schema": "layercensus/import/v1", "days": {"x": 1}}']
)
def test_a_damaged_record_is_said(text: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    fill(lake, DAY)
    add_day(lake, SOURCE, DAY, 1)
    (record,) = (lake / "imports").iterdir()
    record.write_text(text)
    with pytest.raises(LakeError, match="no record of an import") as caught:
        read_days(lake, SOURCE)
    assert caught.value.where == str(record)
    with pytest.raises(LakeError):
        add_day(lake, SOURCE, NEXT, 1)


def test_a_folder_with_other_things_is_no_lake(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(LakeError, match="other things"):
        make_lake(tmp_path)
