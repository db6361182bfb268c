"""A whole day that an engine made: checked as rows are that came through Python, written once, refused by name."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from layercensus.errors import Fault, LakeError
from layercensus.lake.contract import row_contract
from layercensus.lake.folder import lake_for_writing, open_lake
from layercensus.lake.rows import row_from_columns
from layercensus.lake.storage import connect, write_day, write_rows
from layercensus.model import Row

CONTRACT = row_contract()
DAY = date(2026, 3, 1)
ROW: dict[str, Any] = {
    "day": DAY,
    "cluster_id": "00000000-0000-4000-8000-00000000000a",
    "signal": "layercensus",
    "release": "4.14",
    "version": "4.14.3",
    "platform": "AWS",
    **dict.fromkeys(CONTRACT.counts_of("nodes").values(), 2),
    **dict.fromkeys(CONTRACT.counts_of("needs").values(), 1),
    "skew_seconds": 0.5,
}
PROXY = dict.fromkeys(CONTRACT.counts_of("proxy").values(), 1)
NO_NODES = dict.fromkeys(CONTRACT.counts_of("nodes").values())
NO_NEEDS = dict.fromkeys(CONTRACT.counts_of("needs").values())


def table_of(connection: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], **types: str) -> str:
    columns = ", ".join(f"{column.name} {types.get(column.name, column.type)}" for column in CONTRACT.columns)
    connection.execute(f"CREATE TABLE made ({columns}, truth VARCHAR)")
    for row in rows:
        marks = ", ".join("?" for _ in CONTRACT.columns)
        connection.execute(
            f"INSERT INTO made SELECT {marks}, 'x'", [row.get(column.name) for column in CONTRACT.columns]
        )
    return "made"


def write(lake: Path, rows: list[dict[str, Any]], **types: str) -> int:
    with lake_for_writing(lake) as opened, connect() as connection:
        return write_day(connection, opened, DAY, table_of(connection, rows, **types))


def test_a_day_is_what_write_rows_would_have_written(tmp_path: Path) -> None:
    many = [
        ROW | {"cluster_id": f"00000000-0000-4000-8000-{number:012x}", "platform": "AWS" if number % 2 else None}
        for number in range(50)
    ]
    assert write(tmp_path / "made", many) == 50
    rows = [row_from_columns([one.get(column.name) for column in CONTRACT.columns], CONTRACT) for one in many]
    write_rows(tmp_path / "came", reversed(rows))
    made, came = (open_lake(tmp_path / name).day_file(DAY).read_bytes() for name in ("made", "came"))
    assert made == came


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"release": None, "version": None, "platform": None, "skew_seconds": None},
        NO_NEEDS,
        {"release": "4.19-4.21"},
        {"signal": "mcd"} | NO_NODES | NO_NEEDS | PROXY,
        {"signal": "guess"},
        {"signal": None},
        {"cluster_id": None},
        {"cluster_id": ROW["cluster_id"].upper()},
        {"cluster_id": ROW["cluster_id"] + "\n"},
        {"release": "4"},
        {"release": "4.14 or so"},
        {"version": "4.14;drop"},
        {"platform": ""},
        {"nodes_packages": -1},
        {"nodes_packages": None},
        {"need_agent": None},
        NO_NODES,
        PROXY,
        {"signal": "mcd"},
        {"signal": "mcd"} | NO_NODES | NO_NEEDS,
        {"nodes_expected": -1},
        {"skew_seconds": float("nan")},
        {"skew_seconds": float("inf")},
    ],
    ids=str,
)
def test_sql_and_python_agree_on_what_fits(tmp_path: Path, change: dict[str, Any]) -> None:
    row = ROW | change
    try:
        row_from_columns([row.get(column.name) for column in CONTRACT.columns], CONTRACT)
    except LakeError:
        with pytest.raises(LakeError, match="1 rows of 2026-03-01 do not fit"):
            write(tmp_path / "lake", [row])
        assert open_lake(tmp_path / "lake").day_files() == []
    else:
        assert write(tmp_path / "lake", [row]) == 1


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    twice = [ROW, ROW]
    other_day = [ROW | {"day": date(2026, 3, 2)}]
    for rows, where in ((twice, "key"), (other_day, "day"), ([ROW | NO_NODES], "column nodes_clean")):
        with pytest.raises(LakeError) as caught:
            write(tmp_path / "lake", rows)
        assert (caught.value.where, caught.value.fault) == (where, Fault.US)
    with pytest.raises(LakeError, match="column nodes_clean"):
        write(tmp_path / "lake", [ROW], nodes_clean="DOUBLE")
    with pytest.raises(LakeError, match="columns of needs"):
        write(tmp_path / "lake", [ROW | {"need_tool": None}])


def test_a_day_is_not_written_twice(tmp_path: Path) -> None:
    write(tmp_path / "lake", [ROW])
    before = open_lake(tmp_path / "lake").day_file(DAY).read_bytes()
    with pytest.raises(LakeError, match="has rows already"):
        write(tmp_path / "lake", [ROW])
    assert open_lake(tmp_path / "lake").day_file(DAY).read_bytes() == before


def test_a_made_up_lake_is_new_and_takes_no_other_row(tmp_path: Path) -> None:
    real, made = tmp_path / "real", tmp_path / "made"
    row = Row(
        "2026-03-01", ROW["cluster_id"], "capture", None, None, None, dict.fromkeys(CONTRACT.counts_of("nodes"), 1)
    )
    write_rows(real, [row])
    with pytest.raises(LakeError, match="a lake is there already") as caught, lake_for_writing(real, "simulate"):
        pass
    assert caught.value.fault is Fault.USAGE
    assert open_lake(real).made_by is None
    with lake_for_writing(made, "simulate") as opened:
        assert opened.made_by == "simulate"
    with pytest.raises(LakeError, match="made up by simulate") as caught:
        write_rows(made, [row])
    assert caught.value.fault is Fault.USAGE
    with pytest.raises(LakeError, match="already"), lake_for_writing(made, "simulate"):
        pass
    (made / "lake.json").write_text('{"schema": "layercensus/lake", "version": 1, "made_by": []}')
    with pytest.raises(LakeError, match="damaged"):
        open_lake(made)
