"""⇄ DuckDB as the embedded engine. Opens a lake for reading and answers questions by name; writes nothing.

    with read_engine(Path("lake")) as engine:
        engine.ask("population", signal="capture", as_of="2026-03-01")

What the questions mean is not known here; they are data.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from layercensus.errors import Fault, LakeError
from layercensus.lake.cluster_lists import ClusterLists
from layercensus.lake.folder import Lake, lake_for_reading
from layercensus.lake.population import attach_population, damaged_beside
from layercensus.lake.questions import asked_question, dollar_style, plain_answer
from layercensus.lake.storage import attach_rows, connect, damaged_file
from layercensus.lake.units import list_tables, list_views


@dataclass(slots=True)
class Engine:
    """A lake held open for questions; its rows stay the same from the first question to the last.

    `through`: the last day of which the population is known here.
    """

    connection: duckdb.DuckDBPyConnection
    lake: Lake
    through: date

    def ask(self, question: str, **parameters: str) -> list[dict[str, object]]:
        """Answer a question: one dict a row in the question's order, days and instants as ISO text, unknown as None.

        Raises `LakeError`: a damaged file by its name; an unknown question or other parameters than it has (our fault).
        """
        asked = asked_question(question, parameters)
        self._reach(parameters.get("as_of"))
        try:
            answer = self.connection.execute(dollar_style(asked.sql), parameters)
            rows = answer.fetchall()
        except duckdb.Error as error:
            raise self._damage() or _refused(question, error) from error
        return plain_answer(asked, rows)

    def _damage(self) -> LakeError | None:
        return damaged_file(self.connection, self.lake) or damaged_beside(self.connection, self.lake)

    def _reach(self, as_of: str | None) -> None:
        """Know the population of a day after the last that has rows."""
        day = self.through
        with suppress(ValueError):  # what is no day the engine refuses
            day = date.fromisoformat(as_of) if as_of else self.through
        if day > self.through:
            attach_population(self.connection, self.lake, day)
            self.through = day


@contextmanager
def read_engine(lake: Path, lists: ClusterLists | None = None) -> Iterator[Engine]:
    """Open a lake for questions; writers wait until the block ends. `lists`: what is known of clusters beside it.

    Raises `NothingToDoError` where no lake is there, `LakeError` where it cannot be read.
    """
    with lake_for_reading(lake) as opened, connect() as connection:
        attach_rows(connection, opened)
        attach_population(connection, opened)
        _attach_lists(connection, lists or ClusterLists())
        yield Engine(connection, opened, max(opened.days(), default=date.min))


def _attach_lists(connection: duckdb.DuckDBPyConnection, lists: ClusterLists) -> None:
    """Show what is known of clusters as tables, and the population as they make it."""
    for table, (columns, rows) in list_tables(lists).items():
        declared = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE TEMP TABLE {table} ({declared})")
        if rows:
            values = [list(column) for column in zip(*rows, strict=True)]
            unnested = ", ".join("unnest(?)" for _ in columns)
            connection.execute(f"INSERT INTO {table} SELECT {unnested}", values)
    for view, text in list_views().items():
        connection.execute(f"CREATE VIEW {view} AS {text}")


def _refused(question: str, error: duckdb.Error) -> LakeError:
    first_line = str(error).partition("\n")[0]
    return LakeError(f"the engine refused the question: {first_line}", where=question, fault=Fault.US)
