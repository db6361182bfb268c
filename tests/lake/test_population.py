"""What follows from the rows equals what the rows say: each question beside its answer from all rows by window functions.

The statements in `from_rows/` apply the population rule to the table of rows for one day at a time, as the questions did
before anything was kept beside the rows; they share nothing with `lake/population.py`.
"""

import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from layercensus.errors import LakeError
from layercensus.lake.engine import read_engine
from layercensus.lake.folder import open_lake
from layercensus.lake.population import carried_file, is_up_to_date, refresh
from layercensus.lake.questions import dollar_style
from layercensus.lake.storage import attach_rows, connect, write_rows
from layercensus.model import Row

FROM_ROWS = {file.stem: file.read_text() for file in sorted((Path(__file__).parent / "from_rows").glob("*.sql"))}
FIRST = date(2026, 3, 1)
SIGNALS = ("layercensus", "mcd", "capture")


def some_row(chance: random.Random, day: date) -> Row:
    signal = chance.choice(SIGNALS)
    cluster = f"00000000-0000-4000-8000-{chance.randrange(12):012x}"
    known = signal != "mcd"
    names = ("clean", "extensions", "overrides", "packages", "unknown")
    needs = ("agent", "driver", "tool", "override", "other")
    return Row(
        day=day.isoformat(),
        cluster_id=cluster,
        signal=signal,
        release=chance.choice([None, "4.14", "4.18"]),
        version=None,
        platform=chance.choice([None, "AWS", "BareMetal"]),
        nodes={name: chance.randrange(4) for name in names} if known else {},
        needs={name: chance.randrange(3) for name in needs} if known and chance.random() < 0.7 else {},
        proxy={} if known else {name: chance.randrange(4) for name in ("none", "unsupported", "unknown")},
        nodes_expected=chance.choice([None, 3, 9, 15]),
        skew_seconds=chance.choice([None, 0.0, 700.0, -700.0]) if known else None,
        observed_at=f"{day.isoformat()}T{chance.randrange(24):02}:00:00+00:00",
    )


def some_days(chance: random.Random, count: int) -> list[date]:
    """Days with gaps, some of them longer than the seven days of the population rule."""
    days, day = [], FIRST
    for _ in range(count):
        days.append(day)
        day += timedelta(days=chance.choice([1, 1, 1, 2, 3, 6, 7, 8, 10]))
    return days


def answer_from_rows(
    connection: duckdb.DuckDBPyConnection, name: str, signal: str, as_of: date
) -> list[dict[str, object]]:
    cursor = connection.execute(dollar_style(FROM_ROWS[name]), {"signal": signal, "as_of": as_of.isoformat()})
    columns = [column[0] for column in cursor.description or ()]
    return [
        {column: str(cell) if isinstance(cell, date) else cell for column, cell in zip(columns, row, strict=True)}
        for row in cursor.fetchall()
    ]


def assert_equal(lake: Path, days: list[date]) -> None:
    """Every question, signal and day, before the first and after the last too."""
    with read_engine(lake) as engine, connect() as connection:
        attach_rows(connection, open_lake(lake))
        connection.execute("CREATE TEMP TABLE kept AS FROM cluster_days")
        connection.execute("CREATE OR REPLACE VIEW cluster_days AS FROM kept")
        for signal in SIGNALS:
            for day in days:
                for name in FROM_ROWS:
                    expected = answer_from_rows(connection, name, signal, day)
                    assert engine.ask(name, signal=signal, as_of=day.isoformat()) == expected, (name, signal, day)


def around(days: list[date]) -> list[date]:
    return [FIRST - timedelta(days=1), *days, *(days[-1] + timedelta(days=number) for number in (1, 6, 7, 30))]


@pytest.mark.parametrize("seed", range(4))
def test_answers_equal_those_from_rows_however_they_came(tmp_path: Path, seed: int) -> None:
    """In any order, refreshed at times, written again, and late."""
    chance, lake = random.Random(seed), tmp_path / "lake"
    days = some_days(chance, 8)
    for _ in range(4):
        write_rows(lake, [some_row(chance, chance.choice(days)) for _ in range(chance.randrange(1, 25))])
        if chance.random() < 0.6:
            refresh(lake)
    assert_equal(lake, chance.sample(around(days), 5))
    refresh(lake)
    assert is_up_to_date(open_lake(lake))
    assert_equal(lake, around(days))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_made_anew_equals_what_was_kept_up_to_date(tmp_path: Path, seed: int) -> None:
    chance, lake = random.Random(f"anew {seed}"), tmp_path / "lake"
    days = some_days(chance, 8)
    for _ in range(6):
        write_rows(lake, [some_row(chance, chance.choice(days)) for _ in range(10)])
        refresh(lake)
    before = everything(lake)
    assert refresh(lake) == 0
    assert refresh(lake, anew=True) > 0
    assert everything(lake) == before


def everything(lake: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that lies beside the rows, read by a plain engine."""
    files = [*lake.glob("carried/*/*.parquet"), lake / "day_sums.parquet", lake / "known_clusters.parquet"]
    with duckdb.connect() as connection:
        return {
            str(file.relative_to(lake)): connection.execute(
                "FROM read_parquet($file, hive_partitioning = false) ORDER BY ALL", {"file": str(file)}
            ).fetchall()
            for file in sorted(files)
        }


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda lake: (lake / "derived.json").unlink(), id="no record"),
        pytest.param(lambda lake: (lake / "derived.json").write_text("{"), id="half a record"),
        pytest.param(lambda lake: (lake / "derived.json").write_text('{"schema": "other"}'), id="another record"),
        pytest.param(lambda lake: remove_day(lake, 0), id="first day gone"),
        pytest.param(lambda lake: remove_day(lake, -1), id="last day gone"),
        pytest.param(lambda lake: refresh(remove_day(lake, 3)), id="a day gone, and refreshed"),
        pytest.param(lambda lake: refresh(remove_day(remove_day(lake, -1), -1)), id="two days gone"),
    ],
)
def test_what_is_not_of_these_rows_is_not_shown(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    chance, lake = random.Random("harm"), tmp_path / "lake"
    days = some_days(chance, 6)
    for day in days:
        write_rows(lake, [some_row(chance, day) for _ in range(8)])
    refresh(lake)
    harm(lake)
    assert_equal(lake, around(days)[::2])
    refresh(lake)
    assert_equal(lake, around(days)[1::2])


def remove_day(lake: Path, place: int) -> Path:
    open_lake(lake).day_files()[place].unlink()
    return lake


def test_only_what_changed_is_made_again(tmp_path: Path) -> None:
    chance, lake = random.Random("few"), tmp_path / "lake"
    write_rows(lake, [some_row(chance, FIRST + timedelta(days=number)) for number in range(30) for _ in range(5)])
    assert refresh(lake) == 30
    write_rows(lake, [some_row(chance, FIRST + timedelta(days=29))])
    assert refresh(lake) == 1
    write_rows(lake, [some_row(chance, FIRST + timedelta(days=30))])
    assert refresh(lake) == 1
    write_rows(lake, [some_row(chance, FIRST + timedelta(days=10))])
    assert refresh(lake) == 7
    assert refresh(lake) == 0


def test_a_refresh_that_is_cut_off_is_done_again(tmp_path: Path) -> None:
    chance, lake = random.Random("cut"), tmp_path / "lake"
    days = [FIRST + timedelta(days=number) for number in range(12)]
    write_rows(lake, [some_row(chance, day) for day in days for _ in range(4)])
    refresh(lake)
    write_rows(lake, [some_row(chance, day) for day in days for _ in range(4)])

    def stop(done: int, _total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(lake, stop)
    assert_equal(lake, days)
    refresh(lake)
    assert_equal(lake, days)


def test_a_reader_of_a_lake_that_it_may_not_write_makes_it_in_memory(tmp_path: Path) -> None:
    chance, lake = random.Random("read only"), tmp_path / "lake"
    write_rows(lake, [some_row(chance, FIRST + timedelta(days=number % 9)) for number in range(40)])
    before = {file: file.stat().st_mtime_ns for file in lake.rglob("*")}
    assert_equal(lake, [FIRST, FIRST + timedelta(days=8)])
    assert {file: file.stat().st_mtime_ns for file in lake.rglob("*")} == before


def test_a_damaged_file_beside_the_rows_is_an_error_and_made_anew_by_one_command(tmp_path: Path) -> None:
    chance, lake = random.Random("damage"), tmp_path / "lake"
    write_rows(lake, [some_row(chance, FIRST + timedelta(days=number % 9)) for number in range(40)])
    refresh(lake)
    (lake / "day_sums.parquet").write_bytes(b"no parquet")
    with pytest.raises(LakeError), read_engine(lake) as engine:
        engine.ask("trend", signal="capture", as_of="2026-03-09")
    refresh(lake, anew=True)
    assert_equal(lake, [FIRST + timedelta(days=8)])


def test_a_record_names_files_and_days(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    chance = random.Random("record")
    write_rows(lake, [some_row(chance, FIRST), some_row(chance, FIRST + timedelta(days=2))])
    refresh(lake)
    record = json.loads((lake / "derived.json").read_text())
    assert (record["schema"], record["through"]) == ("layercensus/derived/v2", "2026-03-03")
    assert list(record["rows"]) == ["2026-03-01", "2026-03-03"]
    # On the day between, the cluster of the first day counts with its row.
    assert carried_file(open_lake(lake), FIRST + timedelta(days=1)).exists()
