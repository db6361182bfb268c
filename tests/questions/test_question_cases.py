"""Every question on every case: input rows, parameters, the answer counted by hand, through a real lake and engine."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.questions.cases import CASES, case_id, read_case

from layercensus.data import read_json, read_text
from layercensus.lake.contract import row_contract
from layercensus.lake.engine import read_engine
from layercensus.lake.questions import dollar_style, find_question, parameters_in, question_names
from layercensus.lake.storage import write_rows
from layercensus.model import Row


@pytest.mark.parametrize("file", CASES, ids=case_id)
def test_answer_is_the_one_counted_by_hand(file: Path, tmp_path: Path) -> None:
    case = read_case(file)
    write_rows(tmp_path / "lake", case.rows)
    with read_engine(tmp_path / "lake", case.lists) as engine:
        answer = engine.ask(case.question, **case.parameters)
    assert case.looked_at(answer) == case.answer


@pytest.mark.parametrize("name", question_names())
def test_description_agrees_with_the_sql(name: str) -> None:
    question = find_question(name)
    described = read_json(f"questions/{name}/question.json")
    assert described["name"] == name
    assert described["description"]
    assert described["checks"], "what every answer must fulfil, in words: at least one"
    assert {"owner", "status", "since"} <= set(described)
    assert parameters_in(question.sql) == question.parameters
    assert "::" not in question.sql
    assert "$" not in question.sql


@pytest.mark.parametrize("name", question_names())
def test_columns_are_those_described_and_none_hides_a_source_column(name: str, tmp_path: Path) -> None:
    question = find_question(name)
    write_rows(tmp_path / "lake", [Row("2026-03-01", "00000000-0000-4000-8000-00000000000a", "capture", None, None, None,
                                       dict.fromkeys(("clean", "extensions", "overrides", "packages", "unknown"), 1))])  # fmt: skip
    with read_engine(tmp_path / "lake") as engine:
        parameters = dict.fromkeys(question.parameters, "2026-03-01")
        cursor = engine.connection.execute(dollar_style(question.sql), parameters)
        assert tuple(column[0] for column in cursor.description or ()) == question.columns
    aliases = {line.rpartition(" AS ")[2].rstrip(",") for line in question.sql.splitlines() if " AS " in line}
    assert not aliases & {column.name for column in row_contract().columns}


def test_what_is_counted_has_one_wording() -> None:
    """The classes of a row, and the numerators, as the sums take them, in what asks single clusters too."""
    sums = read_text("lake/day_sums.sql")
    units = read_text("lake/views/counted_days.sql")
    for start, end in (("    CASE\n      WHEN signal", "AS with_packages"), ("WHEN nodes_expected", "AS unseen")):
        wordings = {re.sub(r"\s+", " ", text[text.index(start) : text.index(end)]) for text in (sums, units)}
        assert len(wordings) == 1
    by_unit = find_question("by_unit").sql
    for start, end in (
        ("numerators AS (", "hits AS ("),
        ("CASE numerator", "AS hit"),
        ("SELECT\n    hits", "FROM hits"),
    ):
        assert len({text[text.index(start) : text.index(end)] for text in (sums, by_unit)}) == 1


def test_population_of_parts_adds_up(tmp_path: Path) -> None:
    case = read_case(Path(__file__).parent / "population/machines_not_seen_are_unknown/case.json")
    write_rows(tmp_path / "lake", [replace(row, release=f"4.{14 + place}") for place, row in enumerate(case.rows)])
    with read_engine(tmp_path / "lake") as engine:
        answer = engine.ask("population", signal="capture", as_of="2026-03-07")
    sums = [
        column
        for column in find_question("population").columns
        if column.startswith(("sum_", "units", "clusters", "reporters"))
    ]
    for numerator in {row["numerator"] for row in answer}:
        rows = [row for row in answer if row["numerator"] == numerator]
        whole = next(row for row in rows if row["dimension"] == "all")
        for dimension in ("release", "platform"):
            parts = [row for row in rows if row["dimension"] == dimension]
            for column in sums:
                assert sum(float(str(part[column])) for part in parts) == whole[column]


def test_trend_ends_in_the_headline(tmp_path: Path) -> None:
    file = Path(__file__).parent / "population/last_row_of_seven_days/case.json"
    case = read_case(file)
    write_rows(tmp_path / "lake", case.rows)
    with read_engine(tmp_path / "lake") as engine:
        trend = engine.ask("trend", **case.parameters)
    (headline,) = case.answer
    assert trend[-1] == {"on_day": "2026-03-07"} | {key: headline[key] for key in trend[-1] if key != "on_day"}
