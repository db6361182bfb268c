"""⇄ Rows into and out of the Parquet files of a lake. All storage statements live here; what they mean does not.

`write_rows` checks every row against the contract, merges each day with what is there and swaps the day's file in as a
whole; `write_day` does so with a whole day that an engine made; `attach_rows` shows all days to a connection as the
table of the row contract.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from itertools import islice
from pathlib import Path

import duckdb

from layercensus.errors import Fault, LakeError, NothingToDoError
from layercensus.lake.contract import RowContract, row_contract
from layercensus.lake.folder import Lake, lake_for_writing, open_lake, replace_file, sync_names
from layercensus.lake.row_checks import misfit_query
from layercensus.lake.rows import columns_from_row
from layercensus.model import Row

__all__ = ["Lake", "attach_rows", "connect", "damaged_file", "open_lake", "write_day", "write_rows"]

_BATCH_ROWS = 10_000
_SORT = "signal, release NULLS LAST, platform NULLS LAST, cluster_id"
_INTERRUPTED = "Query interrupted"
_RESTORE = "restore the file from a copy, or move it away and import that day again"


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an engine in memory that fetches no extension from anywhere.

    Raises `KeyboardInterrupt` where the engine was interrupted in a statement, which it tells as an error of its own.
    """
    with duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    ) as connection:
        try:
            yield connection
        except RuntimeError as error:
            if str(error) != _INTERRUPTED:
                raise
            raise KeyboardInterrupt from error


def write_rows(lake: Path, rows: Iterable[Row]) -> int:
    """Merge rows into the lake, which is made if there is none, and return how many rows came.

    All rows are checked before the first is written. Of several rows with one key (day, cluster, signal) the one
    observed latest stays, at a tie the one received latest, at another the one that came last, so that the same import
    done twice changes nothing. Each day is on the disk as a whole or not at all. Raises `LakeError`.
    """
    contract = row_contract()
    with connect() as connection:
        count = _take_in(connection, rows, contract)
        if count:
            with lake_for_writing(lake) as opened:
                days = connection.execute("SELECT DISTINCT day FROM incoming ORDER BY day").fetchall()
                for (day,) in days:
                    _merge_day(connection, opened, day, contract)
                # Who made the lake may have been killed before it did so.
                sync_names(opened)
    return count


def write_day(connection: duckdb.DuckDBPyConnection, lake: Lake, day: date, table: str) -> int:
    """Make the rows of a table of this connection those of a day that has none, and return how many they are.

    The table has the contract's columns, and may have others; all rows are checked before one is written. Callers hold
    the lake alone. Raises `LakeError`.
    """
    contract = row_contract()
    target = lake.day_file(day)
    if target.exists():
        raise LakeError("the day has rows already", str(target), Fault.US)
    try:
        count = _count_checked(connection, table, day, contract)
        replace_file(target, lambda temporary: copy_sorted(connection, table, contract, temporary))
    except duckdb.Error as error:
        raise _broken_day(connection, lake, target, error) from error
    return count


def count_known_rows(lake: Path, rows: Iterable[Row]) -> int:
    """Count the rows whose key (day, cluster, signal) the lake holds already; 0 where there is no lake yet."""
    try:
        opened = open_lake(lake)
    except NothingToDoError:
        return 0
    keys = {(date.fromisoformat(row.day), row.cluster_id, row.signal) for row in rows}
    with connect() as connection:
        attach_rows(connection, opened)
        table = row_contract().table
        known = connection.execute(f"SELECT day, CAST(cluster_id AS VARCHAR), signal FROM {table}")  # noqa: S608 - ours
        return sum(1 for key in known.fetchall() if key in keys)


def attach_rows(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Show the rows of all days as the contract's table; an empty table where the lake has none.

    Reads no row yet. Raises `LakeError` that names a file which is no Parquet file of these rows.
    """
    contract = row_contract()
    files = lake.day_files()
    if not files:
        connection.execute(f"CREATE TABLE {contract.table} ({_columns(contract)})")
        return
    try:
        read_files(connection, files).create_view(contract.table)
    except duckdb.Error as error:
        raise damaged_file(connection, lake) or _broken_engine(error) from error


def read_files(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> duckdb.DuckDBPyRelation:
    """Parquet files of one form as one relation; their folders' names say nothing. Raises `duckdb.Error`."""
    return connection.read_parquet([_literally(file) for file in files], hive_partitioning=False)


def damaged_file(connection: duckdb.DuckDBPyConnection, lake: Lake) -> LakeError | None:
    """Read every file to its end and return an error that names the first one which is not as it should be."""
    contract = row_contract()
    expected = [(column.name, column.type.value) for column in contract.columns]
    every_value = ", ".join(column.name for column in contract.columns)
    for file in lake.day_files():
        try:
            relation = read_files(connection, [file])
            found = list(zip(relation.columns, map(str, relation.types), strict=True))
            if found != expected:
                return LakeError("its columns are not those of the row contract", str(file), next_step=_RESTORE)
            relation.aggregate(f"bit_xor(hash({every_value}))").fetchall()
        except duckdb.Error:
            return LakeError("the file is damaged or cannot be read", str(file), next_step=_RESTORE)
    return None


def _take_in(connection: duckdb.DuckDBPyConnection, rows: Iterable[Row], contract: RowContract) -> int:
    """Check all rows and hold them in the table `incoming`, numbered as they came."""
    connection.execute(f"CREATE TABLE incoming ({_columns(contract)}, arrival BIGINT)")
    # One list a column is an order of magnitude faster than one statement a row.
    insert = f"INSERT INTO incoming SELECT {', '.join('unnest(?)' for _ in contract.columns)}, unnest(?)"
    pending = iter(rows)
    count = 0
    while batch := [columns_from_row(row, contract) for row in islice(pending, _BATCH_ROWS)]:
        arrivals = list(range(count, count + len(batch)))
        connection.execute(insert, [*(list(values) for values in zip(*batch, strict=True)), arrivals])
        count += len(batch)
    return count


def _merge_day(connection: duckdb.DuckDBPyConnection, lake: Lake, day: date, contract: RowContract) -> None:
    target = lake.day_file(day)
    names = ", ".join(column.name for column in contract.columns)
    candidates = f"SELECT {names}, arrival FROM incoming WHERE day = $day"  # noqa: S608 - names of our contract
    parameters: dict[str, object] = {"day": day}
    if target.exists():
        candidates += f" UNION ALL SELECT {names}, -1 FROM read_parquet($old, hive_partitioning = false)"  # noqa: S608 - same
        parameters |= {"old": _literally(target)}
    # COPY binds no parameter inside its query, so the merged day is put down first.
    merged = f"""
        CREATE OR REPLACE TEMP TABLE merged AS SELECT {names} FROM ({candidates})
        QUALIFY ROW_NUMBER() OVER (
            PARTITION BY {", ".join(contract.key)}
            ORDER BY observed_at DESC NULLS LAST, received_at DESC NULLS LAST, arrival DESC
        ) = 1"""  # noqa: S608 - same

    try:
        connection.execute(merged, parameters)
        replace_file(target, lambda temporary: copy_sorted(connection, "merged", contract, temporary))
    except duckdb.Error as error:
        raise _broken_day(connection, lake, target, error) from error


def _count_checked(connection: duckdb.DuckDBPyConnection, table: str, day: date, contract: RowContract) -> int:
    """Count the rows of a table. Raises `LakeError` that says what of them does not fit the contract or the day."""
    checks, query = misfit_query(table, contract)
    count, *misfits = connection.execute(query, {"day": day}).fetchall()[0]
    for check, rows in zip(checks, misfits, strict=True):
        if rows:
            raise LakeError(f"{rows} rows of {day} do not fit the row contract", check, Fault.US)
    return int(count)


def copy_sorted(connection: duckdb.DuckDBPyConnection, table: str, contract: RowContract, file: Path) -> None:
    """Write the rows of a table as a day's file has them. Raises `duckdb.Error`."""
    names = ", ".join(column.name for column in contract.columns)
    rows = f"SELECT {names} FROM {table} ORDER BY {_SORT}"  # noqa: S608 - names of our contract and tables
    connection.execute(f"COPY ({rows}) TO $new (FORMAT parquet, COMPRESSION zstd)", {"new": str(file)})


def _broken_day(connection: duckdb.DuckDBPyConnection, lake: Lake, target: Path, error: duckdb.Error) -> LakeError:
    with suppress(duckdb.Error):
        if (damage := damaged_file(connection, lake)) is not None:
            return damage
    if isinstance(error, duckdb.IOException):
        return LakeError("the file cannot be written", str(target), Fault.HOST, "check permissions and free space")
    return _broken_engine(error)


def _broken_engine(error: duckdb.Error) -> LakeError:
    first_line = str(error).partition("\n")[0]
    return LakeError(f"the engine refused our own statement: {first_line}", fault=Fault.US)


def _columns(contract: RowContract) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in contract.columns)


def _literally(file: Path) -> str:
    """Path that the engine reads as this one file: it would take `*`, `?` and `[` as a pattern over others."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(file))
