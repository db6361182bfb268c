"""What we say was verified on real nodes is what lies in docs/verified, and each result is whole."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "verified"
RESULTS = sorted(path.name for path in FOLDER.iterdir() if path.name != "README.md")
HEADS = ("release", "architecture", "platform", "seen on", "layercensus")


def test_the_page_lists_the_results_that_are_there() -> None:
    (said,) = re.findall(r"^Results filed: (.*)\.$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert said == (", ".join(f"`{name}`" for name in RESULTS) or "none")


def test_the_readme_claims_no_more_than_that() -> None:
    words = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert ("no result has been filed" in words) == (not RESULTS)


def test_every_result_is_whole() -> None:
    for name in RESULTS:
        lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
        assert re.fullmatch(r"\d+\.\d+-[a-z0-9_]+\.txt", name)
        assert [line[2:].partition(":")[0] for line in lines if line.startswith("# ")] == list(HEADS)
        assert all(re.match(r"(holds|fails|unknown) ", line) for line in lines if not line.startswith("# "))
