"""⇄ A lake of an older version of the row contract becomes one of this program's: its columns are added, empty.

A contract grows by nullable columns alone. Each day's file is replaced as a whole and the head last, so that after a
crash the same is done again; what follows from the rows is made anew.
"""

from collections.abc import Callable
from pathlib import Path

import duckdb

from layercensus.errors import Fault, LakeError
from layercensus.lake.contract import RowContract, row_contract
from layercensus.lake.folder import Lake, lake_for_upkeep, replace_file, write_head
from layercensus.lake.storage import connect, copy_sorted, read_files


def migrate(lake: Path, tick: Callable[[int, int], None] | None = None) -> int:
    """Return how many days were rewritten; 0 for a lake of this version. Raises `LakeError`."""
    contract = row_contract()
    with connect() as connection, lake_for_upkeep(lake) as opened:
        if opened.version == contract.version:
            return 0
        files = opened.day_files()
        for number, file in enumerate(files, 1):
            _rewrite(connection, file, contract)
            if tick:
                tick(number, len(files))
        (opened.path / "derived.json").unlink(missing_ok=True)
        write_head(Lake(opened.path, contract.version, opened.made_by))
    return len(files)


def _rewrite(connection: duckdb.DuckDBPyConnection, file: Path, contract: RowContract) -> None:
    try:
        old = read_files(connection, [file])
        there = set(old.columns)
        columns = [
            column.name if column.name in there else f"CAST(NULL AS {column.type}) AS {column.name}"
            for column in contract.columns
        ]
        old.create_view("old_rows", replace=True)
        connection.execute(f"CREATE OR REPLACE VIEW new_rows AS SELECT {', '.join(columns)} FROM old_rows")  # noqa: S608
        replace_file(file, lambda temporary: copy_sorted(connection, "new_rows", contract, temporary))
    except duckdb.Error as error:
        what = f"it cannot be rewritten: {str(error).partition(chr(10))[0]}"
        raise LakeError(what, str(file), Fault.HOST, "restore the file from a copy, or move it away") from error
