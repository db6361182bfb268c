"""The page of what things cost: its figures counted by hand, and no bench forgotten."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))
from bench.figures import Figure, Growth, growing, ratio_spread, spread  # noqa: E402 - found by the line before
from bench.run import BENCHES, END, format_page  # noqa: E402 - same

PAGE = (ROOT / "docs/performance.md").read_text(encoding="utf-8")


def test_every_bench_is_run_and_has_a_section() -> None:
    helpers = {"figures", "layered_sysroot", "run"}
    assert set(BENCHES) == {path.stem for path in (ROOT / "bench").glob("*.py")} - helpers
    assert [line[4:] for line in PAGE.splitlines() if line.startswith("### ")] == list(BENCHES.values())
    assert END in PAGE


def test_ratios_are_of_rounds_and_not_of_extremes() -> None:
    # 1/2, 4/2, 9/3: never 1/3 or 9/2.
    figure = Figure("lake", "trend", "ms", [1.0, 4.0, 9.0], "prometheus", [2.0, 2.0, 3.0], goal="1 : 100")
    page = format_page([figure], ["lake"], 1)
    assert "| trend | 1 / 4 / 9 ms | prometheus 2 / 2 / 3 ms | 0.5 / 2 / 3 | 1 : 100 |" in page


def test_a_measure_without_a_peer_has_no_ratio() -> None:
    page = format_page([Figure("agent", "idle", "s", [0.25], goal="0.36")], ["agent"], 1)
    assert "| idle | 0.25 s |  |  | 0.36 |" in page


@pytest.mark.parametrize(
    ("ratios", "said"),
    [([0.01], "1 : 100"), ([0.2, 0.004, 0.005], "1 : 250 / 1 : 200 / 1 : 5"), ([0.05, 0.5, 1.0], "0.05 / 0.5 / 1")],
)
def test_small_ratios_are_told_as_one_to_so_many(ratios: list[float], said: str) -> None:
    assert ratio_spread(ratios) == said


@pytest.mark.parametrize(("value", "said"), [(1234.5, "1,234"), (99.94, "99.9"), (3.14159, "3.14"), (0.0224, "0.0224")])
def test_three_digits_count(value: float, said: str) -> None:
    assert spread([value]) == said


def test_growth_has_a_column_for_each_size_and_says_how_often_the_first_goes_into_the_last() -> None:
    found = [Growth("page", "size", "MB", "clusters", size, value) for size, value in ((100, 0.2), (10_000, 0.8))]
    found.append(Growth("page", "paint", "ms", "clusters", 10_000, 50.0))
    page = format_page(found, ["page"], 1)
    assert "| clusters | 100 | 10,000 | 100x costs |" in page
    assert "| size | 0.2 MB | 0.8 MB | 4x |" in page
    assert "| paint | | 50.0 ms |  |" in page


def test_sizes_are_a_hundredth_a_tenth_and_the_whole() -> None:
    assert growing(20_000) == [200, 2_000, 20_000]
    assert growing(500, least=100) == [100, 500]
