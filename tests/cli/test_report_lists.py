"""`layercensus report` with lists of accounts, of known clusters and of a known population, and for publication."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from layercensus.lake.storage import write_rows
from layercensus.model import Row

SOURCE = Path(__file__).parents[2] / "src"


def cluster_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def row(number: int) -> Row:
    """The first ten are of 4.14, and two others of 4.16; one machine in five carries packages."""
    nodes = {"clean": 4, "extensions": 0, "overrides": 0, "packages": 1, "unknown": 0}
    release = "4.14" if number < 10 else "4.16"
    return Row("2026-03-07", cluster_id(number), "capture", release, None, "AWS", nodes)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a lake of twelve clusters and the three lists."""
    write_rows(tmp_path / "lake", [row(number) for number in range(12)])
    accounts = [f"{cluster_id(number)},owner {number // 2},{number == 11}," for number in range(12)]
    known = [f"{cluster_id(number)},{number}" for number in range(20)]
    for name, lines in {
        "accounts.csv": ["cluster_id,account,internal,class", *accounts],
        "known.csv": ["cluster_id,machines", *known],
        "weights.csv": ["release,clusters", "4.14,100", "4.16,50", "4.18,7"],
        "by_class.csv": ["class,clusters", "customer,100"],
        "spoiled.csv": ["cluster_id,account", f"{cluster_id(1)},a", f"{cluster_id(2)},\u202eb,c"],
    }.items():
        (tmp_path / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
    return tmp_path


def report(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "layercensus", "report", "--lake", "lake", *arguments]
    surroundings = os.environ | {"PYTHONPATH": str(SOURCE)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=here, env=surroundings, timeout=120)


def test_lists_reach_the_report(here: Path) -> None:
    lists = ("--accounts", "accounts.csv", "--known-clusters", "known.csv", "--weights", "weights.csv")
    done = report(here, *lists, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["unit"] == "account"
    assert found["headline"]["units"] == 6
    assert found["accounts"]["internal"]["clusters"]["reporting"] == 1
    # Silent are 12 to 19, as large as their number: 12 + 13 + … + 19.
    assert (found["known_clusters"]["silent"], found["known_clusters"]["silent_machines"]) == (8, 124)
    assert found["weighted"]["share"] == pytest.approx(0.2)
    assert found["weighted"]["unrepresented"] == 7
    assert found["published"] is None


@pytest.mark.parametrize("form", ["text", "csv", "html", "json"])
def test_what_is_published_names_no_small_group(here: Path, form: str) -> None:
    done = report(here, "--publish", "--min-clusters", "5", "--format", form, "--by", "release")
    assert (done.returncode, done.stderr) == (0, "")
    assert "00000000-0000-4000-8000" not in done.stdout
    if form == "json":
        found = json.loads(done.stdout)
        assert found["published"]["min_clusters"] == 5
        assert found["by"]["release"] == []


def test_the_page_can_be_written_to_a_file(here: Path) -> None:
    done = report(here, "--accounts", "accounts.csv", "--publish", "--format", "html", "-o", "page.html")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "Made to be published" in (here / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--min-clusters", "5"), "--min-clusters: is for what is published; add --publish"),
        (("--by", "account_class"), "--by account_class: nothing says the class of an account; add --accounts FILE"),
        (
            ("--by", "age", "--publish"),
            "--by age: is not published: it would tell who is new; leave out --publish",
        ),
        (
            ("--weights", "by_class.csv"),
            "by_class.csv: has a column class, and nothing says the class; add --accounts FILE",
        ),
    ],
)
def test_what_says_nothing_without_another_option_is_wrong_usage(
    here: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = report(here, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"layercensus: {said}\n")


@pytest.mark.parametrize("number", ["1", "0", "-1", "ten", "10000"])
def test_too_few_clusters_to_hide_among_are_wrong_usage(here: Path, number: str) -> None:
    done = report(here, "--publish", "--min-clusters", number)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--min-clusters" in done.stderr


@pytest.mark.parametrize("option", ["--accounts", "--known-clusters", "--weights"])
@pytest.mark.parametrize("file", ["none.csv", "lake"])
def test_a_list_that_cannot_be_read_is_an_unreadable_input(here: Path, option: str, file: str) -> None:
    done = report(here, option, file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"layercensus: {file}: cannot be read: ")
    assert done.stderr.count("\n") == 1


def test_a_list_that_is_spoiled_is_one_line_that_names_its_line(here: Path) -> None:
    done = report(here, "--accounts", "spoiled.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "layercensus: spoiled.csv, line 3: has 3 values and not 2\n"


def test_a_list_is_looked_at_before_the_lake(here: Path) -> None:
    done = report(here, "--accounts", "spoiled.csv", "--lake", "none")
    assert done.stderr.startswith("layercensus: spoiled.csv, line 3")


def test_a_day_after_the_newest_row_is_said(here: Path) -> None:
    later = report(here, "--as-of", "2026-03-08")
    assert (later.returncode, later.stdout[:6]) == (0, "20.0 %")
    assert later.stderr == "layercensus: report: 2026-03-08 is after the newest row, which is of 2026-03-07\n"
    assert report(here, "--as-of", "2026-03-07").stderr == ""
