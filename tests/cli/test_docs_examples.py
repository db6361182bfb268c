"""What pages for readers show of the program is what it prints."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

from layercensus.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "reading-the-number.md").read_text(encoding="utf-8")


def test_the_report_that_is_explained_is_that_of_the_fleet_it_names(tmp_path: Path) -> None:
    command = re.search(r"`layercensus (simulate .+) --lake made/`", PAGE)
    block = re.search(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert command
    assert block
    lake, printed = str(tmp_path / "made"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(printed):
        assert main([*command[1].split(), "--lake", lake]) == 0
    shown = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(shown):
        assert main(["report", "--lake", lake]) == 0
    shown.seek(0)
    lines = shown.read().splitlines()
    table = [line.split() for line in lines]  # columns are as wide as the longest line, and some lines are left out
    missing = [line for line in block[1].splitlines() if not line.startswith("(") and line.split() not in table]
    assert missing == []
