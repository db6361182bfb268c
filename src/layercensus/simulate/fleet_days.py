"""⇄ DuckDB makes the days of a simulated fleet from its clusters, and counts what is true. Writes no file.

The statements are `data/simulation/*.sql`, on a connection that the caller opens in memory:

    hold_fleet(connection, clusters, newest_releases(process, 30), tick)
    make_day(connection, 1, date(2026, 5, 2))      the table `today`: the rows of the day, and what is true beside them
    count_truth(connection, days)                  (Machines(…), Quality(…))
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import islice

import duckdb

from layercensus.data import read_text
from layercensus.simulate.calendar import Newest
from layercensus.simulate.clusters import Cluster
from layercensus.simulate.truth import Machines, Quality

TODAY = "today"
_BATCH_ROWS = 10_000
# As the report has it: a cluster counts with its last row of so many days.
_ACTIVE_DAYS = 7


def hold_fleet(
    connection: duckdb.DuckDBPyConnection,
    clusters: Iterable[Cluster],
    newest: Iterable[Newest],
    tick: Callable[[int], None],
) -> None:
    """Put clusters and releases into tables. `tick` is told how many clusters there are, now and then."""
    connection.execute(read_text("simulation/tables.sql"))
    _insert(connection, "newest", Newest._fields, list(newest))
    pending, count = iter(clusters), 0
    while batch := list(islice(pending, _BATCH_ROWS)):
        _insert(connection, "clusters", Cluster._fields, batch)
        count += len(batch)
        tick(count)


def make_day(connection: duckdb.DuckDBPyConnection, number: int, day: date) -> None:
    """Make the table `today` of one day, the `number`-th from 1 on."""
    connection.execute(read_text("simulation/day.sql"), {"day": number, "date": day})


def count_truth(connection: duckdb.DuckDBPyConnection, days: Sequence[date]) -> tuple[Machines, Quality]:
    """Count what is true on the last of these days, which are all days of the fleet."""
    numbered = list(enumerate(days, 1))
    for number, day in reversed(numbered[-_ACTIVE_DAYS:]):
        make_day(connection, number, day)
        connection.execute(read_text("simulation/latest.sql"))
    (counts,) = connection.execute(read_text("simulation/truth.sql")).fetchall()
    clean, extensions, overrides, packages, unknown, reporting, silent, skewed, clone_pairs = map(int, counts)
    classifiable = clean + extensions + overrides + packages
    machines = Machines(clean, extensions, overrides, packages, classifiable, unknown)
    return machines, Quality(reporting, silent, skewed, clone_pairs)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]
) -> None:
    # One list a column is an order of magnitude faster than one statement a row.
    values = ", ".join("unnest(?)" for _ in columns)
    statement = f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values}"
    connection.execute(statement, [list(column) for column in zip(*rows, strict=True)])
