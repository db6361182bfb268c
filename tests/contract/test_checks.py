"""The page of checks names tests that are there, and leaves no check out."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| ?(.*?) ?\|$", PAGE, re.MULTILINE)


def test_all_twenty_two_checks_have_a_row_each() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 23))


def test_what_is_called_held_names_a_test_and_what_is_not_says_so() -> None:
    for _, _, state, shown_by in ROWS:
        assert state.startswith(("held", "in part: ", "not yet: "))
        assert bool(shown_by) != state.startswith("not yet")


def test_each_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) == len(re.findall(r"`tests/", PAGE))
    for file, test in named:
        assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), (file, test)
