"""The embedded engine: parameters are bound, never pasted; an unknown question is our fault; an empty lake answers."""

from pathlib import Path

import pytest

from layercensus.errors import Fault, LakeError, NothingToDoError
from layercensus.lake.engine import read_engine
from layercensus.lake.questions import dollar_style, parameters_in
from layercensus.lake.storage import write_rows
from layercensus.model import Row

A = "00000000-0000-4000-8000-00000000000a"
NODES = {"clean": 3, "extensions": 0, "overrides": 1, "packages": 2, "unknown": 4}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    write_rows(tmp_path / "lake", [Row("2026-03-01", A, "capture", None, None, None, NODES)])
    return tmp_path / "lake"


def test_values_are_bound(lake: Path) -> None:
    with read_engine(lake) as engine:
        assert engine.ask("silent", signal="capture' OR '1' = '1", as_of="2026-03-20") == []
        assert engine.ask("silent", signal="capture", as_of="2026-03-20") == [
            {"cluster_id": A, "last_day": "2026-03-01"}
        ]


@pytest.mark.parametrize(
    ("question", "parameters"),
    [
        ("what", {}),
        ("../lake", {}),
        ("days", {"as_of": "2026-03-01"}),
        ("silent", {"signal": "capture"}),
        ("silent", {"signal": "capture", "as_of": "soon"}),
    ],
)
def test_an_unknown_question_or_parameter_is_our_fault(lake: Path, question: str, parameters: dict[str, str]) -> None:
    with read_engine(lake) as engine, pytest.raises(LakeError) as caught:
        engine.ask(question, **parameters)
    assert caught.value.fault is Fault.US


def test_a_lake_without_days_answers_nothing(lake: Path) -> None:
    (lake / "rows" / "day=2026-03-01" / "rows.parquet").unlink()
    with read_engine(lake) as engine:
        assert engine.ask("days") == []
        assert engine.ask("population", signal="capture", as_of="2026-03-01") == []


def test_no_lake(tmp_path: Path) -> None:
    with pytest.raises(NothingToDoError), read_engine(tmp_path / "absent"):
        pass


def test_only_parameters_are_rewritten() -> None:
    sql = "SELECT ':a', \":b\", x::date, ':it''s :c', :d -- :e\n/* :f\n */ FROM t WHERE y = :d AND z = :g_1"
    assert dollar_style(sql) == sql.replace(":d ", "$d ").replace(":g_1", "$g_1")
    assert parameters_in(sql) == {"d", "g_1"}
