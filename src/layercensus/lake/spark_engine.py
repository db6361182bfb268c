"""⇄ Spark as the engine beyond one machine. Opens a lake for reading, answers what DuckDB answers, and writes nothing.

    with read_spark_engine(Path("lake"), "spark://10.0.0.5:7077") as engine:
        engine.ask("population", signal="capture", as_of="2026-03-01")

Driver and workers see the lake's folder at one path. What follows from the rows is read and not derived here, so it
must be up to date. How Spark is started, and what it says while it runs, is in `spark_session`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from layercensus.data import read_text
from layercensus.errors import LakeError
from layercensus.lake.cluster_lists import ClusterLists
from layercensus.lake.contract import ColumnType, row_contract
from layercensus.lake.derivation import WINDOW_DAYS
from layercensus.lake.folder import Lake, lake_for_reading
from layercensus.lake.population import is_up_to_date, population_files, table_columns
from layercensus.lake.questions import asked_question, plain_answer
from layercensus.lake.spark_session import SPARK_ERRORS, refused_by_spark, spark_session
from layercensus.lake.units import list_tables, list_views

_SPARK_TYPES: dict[str, str] = {ColumnType.VARCHAR: "STRING", ColumnType.TIMESTAMP: "TIMESTAMP_NTZ"}
_TIDY = "bring it up to date first: layercensus tidy --lake DIR"


@dataclass(slots=True)
class SparkEngine:
    """A lake held open for questions; its rows stay the same from the first question to the last.

    `through`: the last day that has rows; `shown`: the day after it of which the population is shown too, if any.
    """

    session: SparkSession
    lake: Lake
    through: date
    shown: date | None = None

    def ask(self, question: str, **parameters: str) -> list[dict[str, object]]:
        """Answer a question: one dict a row in the question's order, days and instants as ISO text, unknown as None.

        Raises `LakeError`: a file that cannot be read, a cluster that fails; an unknown question or other parameters
        than it has (our fault).
        """
        asked = asked_question(question, parameters)
        try:
            self._reach(parameters.get("as_of"))
            rows = self.session.sql(asked.sql, args=dict(parameters)).collect()
        except SPARK_ERRORS as error:
            raise refused_by_spark(error, question) from error
        return plain_answer(asked, rows)

    def _reach(self, as_of: str | None) -> None:
        """Show the population of a day after the last that has rows: who counted then, and spoke not too long ago."""
        day = self.through
        with suppress(ValueError):  # what is no day the engine refuses
            day = date.fromisoformat(as_of) if as_of else self.through
        if day <= self.through or day == self.shown:
            return
        late = self.session.sql(
            f"""
            SELECT CAST(:on_day AS DATE) AS on_day, {_row_names()} FROM kept_days
            WHERE kept_days.on_day = CAST(:through AS DATE) AND kept_days.day >= CAST(:oldest AS DATE)
            """,  # noqa: S608 - names of our contract
            args={
                "on_day": day.isoformat(),
                "through": self.through.isoformat(),
                "oldest": (day - timedelta(days=WINDOW_DAYS - 1)).isoformat(),
            },
        )
        late.createOrReplaceTempView("active")
        sums = self.session.sql(read_text("lake/day_sums.sql"))
        self.session.table("kept_days").unionByName(late).createOrReplaceTempView("active_days")
        self.session.table("kept_sums").unionByName(sums).createOrReplaceTempView("day_sums")
        _see_units(self.session)
        self.shown = day


@contextmanager
def read_spark_engine(lake: Path, master: str, lists: ClusterLists | None = None) -> Iterator[SparkEngine]:
    """Open a lake for questions on the Spark of this master (`local[*]`, `spark://HOST:PORT`); writers wait.

    Raises `NothingToDoError` where no lake is there, `LakeError` where it cannot be read, what lies beside its rows is
    not of these rows, or Spark does not start.
    """
    with lake_for_reading(lake) as opened:
        _check(opened)
        with spark_session(master) as session:
            yield attach_lake(session, opened, lists)


def attach_lake(session: SparkSession, lake: Lake, lists: ClusterLists | None = None) -> SparkEngine:
    """Show a lake, which the caller holds, to a session as the tables of the questions. Raises `LakeError`."""
    _check(lake)
    files = population_files(lake)
    try:
        _see(session, lake.day_files(), "cluster_days", lake.path / "rows")
        _see(session, files["carried"], "carried", lake.path / "carried")
        for name in ("day_sums", "heard_clusters"):
            _see(session, [file for file in files[name] if file.exists()], name, lake.path)
        kept = session.sql(f"""
            SELECT day AS on_day, {_row_names()} FROM {row_contract().table}
            UNION ALL SELECT on_day, {_row_names()} FROM carried
        """)  # noqa: S608 - names of our contract
        for name, table in (("days", kept), ("sums", session.table("day_sums"))):
            table.createOrReplaceTempView(f"kept_{name}")
        kept.createOrReplaceTempView("active_days")
        for table, (columns, rows) in list_tables(lists or ClusterLists()).items():
            declared = ", ".join(f"{name} {_SPARK_TYPES.get(kind, kind)}" for name, kind in columns.items())
            session.createDataFrame(rows, declared).createOrReplaceTempView(table)
        _see_units(session)
    except SPARK_ERRORS as error:
        raise refused_by_spark(error, str(lake.path)) from error
    return SparkEngine(session, lake, max(lake.days(), default=date.min))


def _see_units(session: SparkSession) -> None:
    for view, text in list_views().items():
        session.sql(text).createOrReplaceTempView(view)


def _check(lake: Lake) -> None:
    if not is_up_to_date(lake):
        what = "what lies beside the rows is not of these rows, and Spark reads it as it is"
        raise LakeError(what, str(lake.path), next_step=_TIDY)


def _see(session: SparkSession, files: Sequence[Path], table: str, base: Path) -> None:
    """Show files as a view; an empty one where there is none. What their folders say below `base` prunes days."""
    columns = [(name, _SPARK_TYPES.get(kind, kind)) for name, kind in table_columns(table).items()]
    seen: DataFrame
    if files:
        schema = ", ".join(f"{name} {kind}" for name, kind in columns)
        reader = session.read.schema(schema).option("basePath", f"file:{base}")
        seen = reader.parquet(*map(_literally, files))
    else:
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns)
        seen = session.sql(f"SELECT {nothing} WHERE 1 = 0")
    seen.createOrReplaceTempView(table)


def _literally(file: Path) -> str:
    """Path that Spark reads as this one local file: it would take some letters as a pattern over others."""
    return "file:" + "".join(f"\\{letter}" if letter in "*?[]{}\\" else letter for letter in str(file))


def _row_names() -> str:
    return ", ".join(column.name for column in row_contract().columns)
