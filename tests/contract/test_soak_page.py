"""What `make soak` writes of its seeds."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))
from tests.whole.conftest import BEGIN, END, write_page  # noqa: E402 - found by the line before


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({1: "passed", 2: "passed"}, "Seeds 1 to 2: 2 worlds, 0 in which the report was not what the events say."),
        ({8: "passed", 9: "failed"}, "Seeds 8 to 9: 2 worlds, 1 in which the report was not what the events say: 9."),
        ({8: "skipped"}, "Seeds 8 to 8: 1 worlds, 1 in which the report was not what the events say: 8."),
    ],
)
def test_what_did_not_pass_is_named(tmp_path: Path, outcomes: dict[int, str], said: str) -> None:
    page = tmp_path / "soak.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n", encoding="utf-8")
    write_page(page, outcomes, 90, datetime(2026, 11, 25, tzinfo=UTC))
    text = page.read_text(encoding="utf-8")
    assert said in text
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}after\n")
    assert "old" not in text


def test_the_page_has_a_result() -> None:
    assert "Last run: " in (ROOT / "docs/soak.md").read_text(encoding="utf-8")
