"""Every question has one answer on DuckDB and on a real standalone Spark: values, types and order."""

import random
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

sys.path.append(str(Path(__file__).parents[2]))
from tests.lake.test_population import SIGNALS, around, some_days, some_row
from tests.questions.cases import CASES, case_id, read_case
from tests.spark.standalone import Standalone

from layercensus.errors import LakeError
from layercensus.lake.cluster_lists import Account, ClusterLists, ListedCluster
from layercensus.lake.engine import read_engine
from layercensus.lake.folder import lake_for_reading
from layercensus.lake.population import refresh
from layercensus.lake.questions import find_question, question_names
from layercensus.lake.spark_engine import attach_lake
from layercensus.lake.storage import write_rows

DIMENSIONS = ("all", "release", "platform", "cell", "age", "account_class", "internal")
Answers = dict[tuple[str, ...], list[list[tuple[str, object, type]]]]


def random_lake(lake: Path, seed: object, rows: int = 60) -> list[date]:
    chance = random.Random(f"spark {seed}")
    days = some_days(chance, 8)
    write_rows(lake, [some_row(chance, chance.choice(days)) for _ in range(rows)])
    refresh(lake)
    return days


def some_lists(seed: object) -> ClusterLists:
    """Lists of the clusters that `some_row` makes, and of others: some are internal, some of no account or class."""
    chance = random.Random(f"lists {seed}")
    ids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(16)]
    accounts = [
        Account(
            one, chance.choice([None, "acme", "umbrella", "größe"]), number % 5 == 0, chance.choice([None, "customer"])
        )
        for number, one in enumerate(chance.sample(ids, 11))
    ]
    return ClusterLists(accounts, [ListedCluster(one, chance.choice([None, 0, 7])) for one in chance.sample(ids, 12)])


def asked_of(question: str, signal: str, day: date) -> Iterator[dict[str, str]]:
    """Values of a question's parameters: for `by_unit` one for each dimension."""
    values = {
        "signal": signal,
        "as_of": day.isoformat(),
        "before": (day - timedelta(days=7)).isoformat(),
        "numerator": "every",
    }
    parameters = find_question(question).parameters
    for dimension in DIMENSIONS if "dimension" in parameters else ("",):
        every = values | {"dimension": dimension}
        yield {name: every[name] for name in sorted(parameters)}


def answers(engine: Any, signals: tuple[str, ...], days: list[date]) -> Answers:
    """Answers of all questions; each cell with its column and its type."""
    found: Answers = {}
    for signal in signals:
        for day in days:
            for name in question_names():
                for asked in asked_of(name, signal, day):
                    rows = engine.ask(name, **asked)
                    found[name, *asked.values()] = [
                        [(key, cell, type(cell)) for key, cell in row.items()] for row in rows
                    ]
    return found


def assert_same_answers(
    session: SparkSession, lake: Path, signals: tuple[str, ...], days: list[date], lists: ClusterLists | None = None
) -> None:
    with lake_for_reading(lake) as opened, read_engine(lake, lists) as engine:
        assert answers(attach_lake(session, opened, lists), signals, days) == answers(engine, signals, days)


@pytest.mark.parametrize("file", CASES, ids=case_id)
def test_answer_is_the_one_counted_by_hand(session: SparkSession, file: Path, tmp_path: Path) -> None:
    """The same values, of the same types as DuckDB's."""
    case, lake = read_case(file), tmp_path / "lake"
    write_rows(lake, case.rows)
    refresh(lake)
    with lake_for_reading(lake) as opened, read_engine(lake, case.lists) as engine:
        answer = attach_lake(session, opened, case.lists).ask(case.question, **case.parameters)
        expected = engine.ask(case.question, **case.parameters)
    assert case.looked_at(answer) == case.answer
    assert [list(map(type, row.values())) for row in answer] == [list(map(type, row.values())) for row in expected]


@pytest.mark.parametrize("seed", range(3))
def test_answers_equal_those_of_duckdb(session: SparkSession, tmp_path: Path, seed: int) -> None:
    """Of days before the first and after the last row too, in any order."""
    days = around(random_lake(tmp_path / "lake", seed))
    chosen = [days[-1], random.Random(seed).choice(days[:-1])]
    assert_same_answers(session, tmp_path / "lake", (SIGNALS[seed],), chosen)


@pytest.mark.parametrize("seed", range(3))
def test_answers_with_lists_equal_those_of_duckdb(session: SparkSession, tmp_path: Path, seed: int) -> None:
    days = random_lake(tmp_path / "lake", f"lists {seed}")
    late = days[-1] + timedelta(days=3)
    assert_same_answers(session, tmp_path / "lake", (SIGNALS[seed],), [(days[-2], late)[seed % 2]], some_lists(seed))


def test_a_late_day_hides_no_other(session: SparkSession, tmp_path: Path) -> None:
    last = random_lake(tmp_path / "lake", "late")[-1]
    late = [last + number * timedelta(days=1) for number in (3, 0, 6)]
    assert_same_answers(session, tmp_path / "lake", ("capture",), late)


def test_a_lake_without_rows_has_the_same_answers(session: SparkSession, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    days = random_lake(lake, "none", rows=1)
    for file in lake.glob("rows/*/*.parquet"):
        file.unlink()
    refresh(lake)
    assert_same_answers(session, lake, ("capture",), days[:1])


@pytest.mark.parametrize("name", ["a b%41 #1", "[x]{y}*?", "day=2026-01-01", ".hidden/_too", "host:1", "größe 湖"])
def test_any_name_of_a_folder_is_taken_as_it_is(session: SparkSession, tmp_path: Path, name: str) -> None:
    days = random_lake(tmp_path / name / "lake", name, rows=20)
    assert_same_answers(session, tmp_path / name / "lake", ("capture",), [days[-1]])


def test_a_value_is_never_part_of_the_text(session: SparkSession, tmp_path: Path) -> None:
    random_lake(tmp_path / "lake", "quote")
    with lake_for_reading(tmp_path / "lake") as opened:
        engine = attach_lake(session, opened)
        assert engine.ask("trend", signal="capture' OR '1' = '1", as_of="2026-12-31") == []
        with pytest.raises(LakeError, match="cannot be cast"):
            engine.ask("trend", signal="capture", as_of="2026-03-01' OR '1' = '1")


def test_what_is_not_of_these_rows_is_refused(session: SparkSession, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    days = random_lake(lake, "stale")
    chance = random.Random("more")
    write_rows(lake, [some_row(chance, days[2])])
    with pytest.raises(LakeError, match="layercensus tidy --lake DIR"), lake_for_reading(lake) as opened:
        attach_lake(session, opened)
    refresh(lake)
    assert_same_answers(session, lake, ("capture",), [days[-1]])


@pytest.mark.parametrize("file", ["day_sums.parquet", "rows/day=*/rows.parquet"])
def test_a_damaged_file_is_an_error(session: SparkSession, tmp_path: Path, file: str) -> None:
    lake = tmp_path / "lake"
    random_lake(lake, "damage")
    with lake_for_reading(lake) as opened:
        engine = attach_lake(session, opened)
        max(lake.glob(file)).write_bytes(b"no parquet")
        with pytest.raises(LakeError, match="a file cannot be read") as caught:
            answers(engine, ("capture",), [opened.days()[-1]])
    assert "layercensus tidy --lake DIR --anew" in str(caught.value)


def test_a_file_that_a_worker_does_not_see_is_an_error(session: SparkSession, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    random_lake(lake, "gone")
    with lake_for_reading(lake) as opened:
        engine = attach_lake(session, opened)
        last = opened.days()[-1]
        opened.day_file(last).unlink()
        with pytest.raises(LakeError, match="every worker must see the lake at the same path"):
            engine.ask("concentration", signal="capture", as_of=last.isoformat())


def test_a_worker_that_is_killed_changes_no_answer(session: SparkSession, cluster: Standalone, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    days = random_lake(lake, "kill", rows=300)
    with lake_for_reading(lake) as opened, read_engine(lake) as duckdb_engine:
        engine = attach_lake(session, opened)
        expected = answers(duckdb_engine, ("capture",), days[-3:])
        killing = threading.Timer(0.5, cluster.kill, [cluster.running[-1]])
        killing.start()
        assert answers(engine, ("capture",), days[-3:]) == expected
        assert killing.finished.is_set()
        killing.join()
        cluster.start_worker()
        assert answers(engine, ("capture",), days[-1:]).items() <= expected.items()
