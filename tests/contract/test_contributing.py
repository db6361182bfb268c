"""CONTRIBUTING.md and ARCHITECTURE.md name files and folders that are there, and leave no folder out."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "layercensus"
PATH = re.compile(r"`([\w.*/-]+)`")
# What a contributor writes anew.
TO_BE_WRITTEN = {"question.sql", "question.json", "status.json"}
PLACEHOLDER = re.compile(r"[A-Z]{4}[./-]")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def paths_in(text: str) -> set[str]:
    """What has a slash, or ends like a file, and no placeholder in capitals."""
    found = {path for path in PATH.findall(text) if "/" in path or path.endswith((".py", ".md", ".json", ".sql"))}
    return {path for path in found - TO_BE_WRITTEN if not PLACEHOLDER.search(path.removesuffix(".md"))}


def missing(text: str) -> set[str]:
    return {path for path in paths_in(text) if not any(list(base.glob(path)) for base in (ROOT, PACKAGE))}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_each_path_that_is_named_is_there(page: str) -> None:
    paths = paths_in(text_of(page))
    assert len(paths) > 20
    assert missing(text_of(page)) == set()


def test_a_path_that_is_not_there_is_found() -> None:
    assert missing("`classify/rules.py`, `support/no_such.py`, `model.py`, `tests/machines/*/`") == {
        "support/no_such.py"
    }


def test_each_command_that_proves_a_section_runs_folders_that_are_there() -> None:
    folders = {
        folder
        for command in re.findall(r"`\.venv/bin/pytest ([^`]+)`", text_of("CONTRIBUTING.md"))
        for folder in command.split()
        if folder != "tests/ROOM"
    }
    assert folders
    assert all((ROOT / folder).exists() for folder in folders)


def test_each_folder_at_the_top_and_of_the_tests_has_its_words() -> None:
    text = text_of("ARCHITECTURE.md")
    rows = dict(re.findall(r"^\| `([\w.]+)/` \| (.+) \|$", text, re.MULTILINE))
    ignored = {line.strip("/") for line in text_of(".gitignore").splitlines()} | {".git"}
    assert {path.name for path in ROOT.iterdir() if path.is_dir()} - ignored == set(rows)
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    of_tests = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "._"}
    assert of_tests - rooms == set(re.findall(r"`(\w+)`", rows["tests"]))
