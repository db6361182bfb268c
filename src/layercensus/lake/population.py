"""⇄ What follows from the rows, kept beside them: who counts on each day, the sums of that, and who was ever heard of.

    LAKE/carried/on_day=2026-03-04/carried.parquet    rows of earlier days whose clusters count on that day
    LAKE/day_sums.parquet                             additive sums of each day, signal, release, platform and numerator
    LAKE/known_clusters.parquet                       first and last day of each cluster and signal
    LAKE/derived.json                                 of which files of rows all this is, and through which day

It can be made anew from the rows alone at any time. `refresh` makes only what is missing: a day's population depends on
the rows of seven days, so one that changed makes that of seven days change. `attach_population` shows it as the tables
`active_days`, `day_sums` and `heard_clusters`; what is not up to date it makes in memory, and writes nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import duckdb

from layercensus.data import read_text
from layercensus.errors import Fault, LakeError
from layercensus.lake.contract import ColumnType, row_contract
from layercensus.lake.derivation import Plan, Record, make_plan, read_record, write_record
from layercensus.lake.folder import Lake, lake_for_upkeep, open_lake, replace_file
from layercensus.lake.storage import connect, damaged_file, read_files

_DAY = timedelta(days=1)
_KNOWN = "signal VARCHAR, cluster_id VARCHAR, first_day DATE, last_day DATE"
_SUMS = (
    "on_day DATE, signal VARCHAR, release VARCHAR, platform VARCHAR, numerator VARCHAR, clusters BIGINT, fresh BIGINT,"
    " units BIGINT, units_with BIGINT, sum_x DOUBLE, sum_y DOUBLE, sum_xx DOUBLE, sum_xy DOUBLE, sum_yy DOUBLE,"
    " sum_unknown DOUBLE, sum_xu DOUBLE, sum_yu DOUBLE, sum_uu DOUBLE, reporters BIGINT, max_x DOUBLE,"
    " clean BIGINT, extensions BIGINT, overrides BIGINT"
)
Tick = Callable[[int, int], None]


def refresh(lake: Path, tick: Tick | None = None, *, anew: bool = False) -> int:
    """Bring what follows from the rows up to date, or make all of it anew; how many days' populations were made.

    A crash in between leaves the record as it was, so that the same is done again. Raises `LakeError`.
    """
    open_lake(lake)
    with connect() as connection, lake_for_upkeep(lake) as opened:
        plan = make_plan(opened, Record() if anew else read_record(opened))
        if plan.is_up_to_date:
            return 0
        try:
            _write_all(connection, opened, plan, tick)
        except duckdb.Error as error:
            raise _failed(connection, opened, error) from error
        through = max(plan.found, default=None)
        _remove_leftovers(opened, plan, through)
        write_record(opened, Record(plan.found, through))
        return sum(1 for day in plan.days if plan.has_population(day))


def attach_population(connection: duckdb.DuckDBPyConnection, lake: Lake, through: date | None = None) -> None:
    """Show the tables; `through`: a day up to which there should be populations even if it has no rows.

    Raises `LakeError`.
    """
    plan = make_plan(lake, read_record(lake), through)
    try:
        _make_tables(connection)
        _see_carried(connection, lake, plan)
        for _ in _derive(connection, lake, plan.days):
            connection.execute("INSERT INTO late_carried SELECT * FROM carried_today")
            connection.execute("INSERT INTO late_sums SELECT * FROM sums_today")
        _see_tables(connection, lake, plan)
    except duckdb.Error as error:
        raise _failed(connection, lake, error) from error


def is_up_to_date(lake: Lake) -> bool:
    """Whether what lies beside the rows is of these rows."""
    return make_plan(lake, read_record(lake)).is_up_to_date


def population_files(lake: Lake) -> dict[str, list[Path]]:
    """Files of each table, for an engine that reads files; of `active_days` those beside the rows."""
    return {
        "carried": sorted((lake.path / "carried").glob("on_day=*/carried.parquet")),
        "day_sums": [_sums_file(lake)],
        "heard_clusters": [_known_file(lake)],
    }


def table_columns(table: str) -> dict[str, ColumnType]:
    """Columns in their order of `cluster_days` and of the tables of `population_files`, for an engine that is told."""
    words = {"carried": f"on_day DATE, {_rows()}", "day_sums": _SUMS, "heard_clusters": _KNOWN}.get(table, _rows())
    return {name: ColumnType(kind) for name, kind in map(str.split, words.split(", "))}


def _derive(connection: duckdb.DuckDBPyConnection, lake: Lake, days: Iterable[date]) -> Iterator[date]:
    """For each day, in order, make the tables `carried_today` and `sums_today`."""
    carried, sums = read_text("lake/carried.sql"), read_text("lake/day_sums.sql")
    names = ", ".join(column.name for column in row_contract().columns)
    made: date | None = None
    for day in days:
        if made == day - _DAY:
            connection.execute("CREATE OR REPLACE TEMP TABLE carried_before AS FROM carried_today")
        else:
            _see(connection, "carried_kept", [carried_file(lake, day - _DAY)], f"on_day DATE, {_rows()}")
            connection.execute("CREATE OR REPLACE TEMP TABLE carried_before AS FROM carried_kept")
        _see(connection, "rows_before", [lake.day_file(day - _DAY)], _rows())
        _see(connection, "rows_today", [lake.day_file(day)], _rows())
        connection.execute(f"CREATE OR REPLACE TEMP TABLE carried_today AS {carried}", {"on_day": day})
        connection.execute(f"""
            CREATE OR REPLACE VIEW active AS
            SELECT day AS on_day, {names} FROM rows_today UNION ALL SELECT on_day, {names} FROM carried_today
        """)  # noqa: S608 - names of our contract
        connection.execute(f"CREATE OR REPLACE TEMP TABLE sums_today AS {sums}")
        made = day
        yield day


def _write_all(connection: duckdb.DuckDBPyConnection, lake: Lake, plan: Plan, tick: Tick | None) -> None:
    _make_tables(connection)
    for done, day in enumerate(_derive(connection, lake, plan.days)):
        connection.execute("INSERT INTO late_sums SELECT * FROM sums_today")
        (count,) = connection.execute("SELECT COUNT(*) FROM carried_today").fetchall()[0]
        target = carried_file(lake, day)
        if count:
            _replace(connection, target, "FROM carried_today ORDER BY signal, release, platform, cluster_id")
        else:
            _remove(target)
        if tick:
            tick(done + 1, len(plan.days))
    _see_tables(connection, lake, plan)
    _replace(connection, _sums_file(lake), "FROM day_sums ORDER BY signal, numerator, on_day, release, platform")
    _replace(connection, _known_file(lake), "FROM heard_clusters ORDER BY signal, cluster_id")


def _remove_leftovers(lake: Lake, plan: Plan, through: date | None) -> None:
    """Remove carried rows of days that have no population any more."""
    for file in population_files(lake)["carried"]:
        is_made = _day_of(file) in plan.days or plan.record.rows
        if not is_made or through is None or _day_of(file) > through:
            _remove(file)


def _remove(carried: Path) -> None:
    carried.unlink(missing_ok=True)
    with suppress(OSError):
        carried.parent.rmdir()


def _make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE late_carried (on_day DATE, {_rows()})")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE late_sums ({_SUMS})")


def _see_carried(connection: duckdb.DuckDBPyConnection, lake: Lake, plan: Plan) -> None:
    """Show carried rows and rows of all days as `active_days`; those of late days are in memory."""
    late, through = set(plan.days), plan.record.through or date.min
    files = [
        file for file in population_files(lake)["carried"] if _day_of(file) not in late and _day_of(file) <= through
    ]
    _see(connection, "kept_carried", files, f"on_day DATE, {_rows()}")
    names = ", ".join(column.name for column in row_contract().columns)
    connection.execute(f"""
        CREATE OR REPLACE VIEW active_days AS
        SELECT day AS on_day, {names} FROM {row_contract().table}
        UNION ALL SELECT on_day, {names} FROM kept_carried
        UNION ALL SELECT on_day, {names} FROM late_carried
    """)  # noqa: S608 - names of our contract


def _see_tables(connection: duckdb.DuckDBPyConnection, lake: Lake, plan: Plan) -> None:
    """Show `day_sums` and `heard_clusters`: what is kept, and in its place what is late."""
    connection.execute("CREATE OR REPLACE TEMP TABLE late_days AS SELECT unnest($1) AS on_day", [list(plan.days)])
    # What is kept is of the rows in the record; without one it is of nothing.
    kept = bool(plan.record.rows)
    _see(connection, "kept_sums", [_sums_file(lake)] if kept else [], _SUMS)
    connection.execute("""
        CREATE OR REPLACE VIEW day_sums AS
        SELECT * FROM kept_sums WHERE NOT EXISTS (SELECT 1 FROM late_days WHERE late_days.on_day = kept_sums.on_day)
        UNION ALL SELECT * FROM late_sums
    """)
    # A row that is gone takes its day along, so then all is looked at anew.
    _see(connection, "kept_known", [_known_file(lake)] if kept and not plan.gone else [], _KNOWN)
    changed = plan.found if plan.gone else plan.changed
    _see(connection, "changed_rows", [lake.day_file(day) for day in changed], _rows())
    connection.execute("""
        CREATE OR REPLACE VIEW heard_clusters AS
        SELECT signal, cluster_id, MIN(first_day) AS first_day, MAX(last_day) AS last_day
        FROM (
          SELECT signal, cluster_id, first_day, last_day FROM kept_known
          UNION ALL SELECT signal, cluster_id, day, day FROM changed_rows
        )
        GROUP BY signal, cluster_id
    """)


def _see(connection: duckdb.DuckDBPyConnection, name: str, files: Iterable[Path], columns: str) -> None:
    """Show files as a view of that name; an empty one where there is none."""
    there = [file for file in files if file.exists()]
    if there:
        read_files(connection, there).create_view(name, replace=True)
    else:
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {column}" for column, kind in map(str.split, columns.split(", ")))
        connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {nothing} WHERE false")


def _replace(connection: duckdb.DuckDBPyConnection, target: Path, query: str) -> None:
    def write(temporary: Path) -> None:
        connection.execute(f"COPY ({query}) TO $new (FORMAT parquet, COMPRESSION zstd)", {"new": str(temporary)})

    replace_file(target, write)


def _rows() -> str:
    return ", ".join(f"{column.name} {column.type}" for column in row_contract().columns)


def carried_file(lake: Lake, day: date) -> Path:
    """Where rows of earlier days are whose clusters count on that day, if there are any."""
    return lake.path / "carried" / f"on_day={day.isoformat()}" / "carried.parquet"


def _day_of(file: Path) -> date:
    return date.fromisoformat(file.parent.name.partition("=")[2])


def _sums_file(lake: Lake) -> Path:
    return lake.path / "day_sums.parquet"


def _known_file(lake: Lake) -> Path:
    return lake.path / "known_clusters.parquet"


def damaged_beside(connection: duckdb.DuckDBPyConnection, lake: Lake) -> LakeError | None:
    """Read what lies beside the rows to its end; an error that names the first file which cannot be."""
    for file in (file for files in population_files(lake).values() for file in files if file.exists()):
        try:
            read_files(connection, [file]).aggregate("bit_xor(hash(COLUMNS(*)))").fetchall()
        except duckdb.Error:
            return LakeError("the file is damaged", str(file), next_step=f"layercensus tidy --lake {lake.path} --anew")
    return None


def _failed(connection: duckdb.DuckDBPyConnection, lake: Lake, error: duckdb.Error) -> LakeError:
    with suppress(duckdb.Error):
        if (damage := damaged_file(connection, lake) or damaged_beside(connection, lake)) is not None:
            return damage
    first_line = str(error).partition("\n")[0]
    if isinstance(error, duckdb.IOException):
        next_step = "check the free space, or make it anew: layercensus tidy --lake DIR --anew"
        return LakeError(f"cannot be read or written: {first_line}", str(lake.path), Fault.HOST, next_step)
    return LakeError(f"the engine refused our own statement: {first_line}", str(lake.path), Fault.US)
