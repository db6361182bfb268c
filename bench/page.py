"""The report page of a large fleet: how long its questions and its drawing take, its size, and its first paint.

A simulated fleet, whole and published. First paint is Chromium's own `first-contentful-paint`, of a page opened from
its file in a window that was not there before, beside that of a page with one word.

LAYERCENSUS_BENCH_CLUSTERS, _DAYS, _ROUNDS: sizes. LAYERCENSUS_BENCH_LAKE: a simulated lake that is there, only read.
"""

import gzip
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.append(str(Path(__file__).parents[1]))
from bench.figures import end_unmeasured, fleet_size, growing, rounds, tell, tell_growth

from layercensus.cli import main as run_command
from layercensus.lake.engine import read_engine
from layercensus.report.answers import Asked, build_report
from layercensus.report.format_html import render_report_html

CLUSTERS = fleet_size(20_000)
DAYS = int(os.environ.get("LAYERCENSUS_BENCH_DAYS", "365"))
ROUNDS = rounds(7)
READY_LAKE = os.environ.get("LAYERCENSUS_BENCH_LAKE")
MEGABYTE = 1_000_000
# A fleet as small as can be simulated.
LEAST = 100
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def paint_milliseconds(*pages: Path) -> list[list[float]]:
    """First paints of each page, in windows of their own, in turn."""
    found: list[list[float]] = [[] for _ in pages]
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        # A first round that is not counted.
        for _ in range(1 + ROUNDS):
            for number, page in enumerate(pages):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                window = context.new_page()
                window.goto(page.as_uri())
                while (painted := window.evaluate(PAINT)) is None:
                    window.wait_for_timeout(20)
                found[number].append(painted)
                context.close()
        browser.close()
    return [paints[1:] for paints in found]


def look(lake: Path, size: int, page: Path, least: int | None) -> None:
    """Make one page of a lake of `size` clusters and tell what it took."""
    started = time.perf_counter()
    with read_engine(lake) as engine:
        asked = Asked(is_simulated=True, min_clusters=least)
        report = build_report(engine, as_of=None, signal=None, asked=asked)
    answered = time.perf_counter()
    html = render_report_html(report).encode()
    drawn = time.perf_counter()
    page.write_bytes(html)
    name = f"{'published' if least else 'whole'} page"
    tell_growth(f"{name}, questions", "s", "clusters", size, answered - started)
    tell_growth(f"{name}, drawing", "s", "clusters", size, drawn - answered)
    tell_growth(f"{name}, size", "MB", "clusters", size, len(html) / MEGABYTE)
    tell_growth(f"{name}, size gzipped", "MB", "clusters", size, len(gzip.compress(html)) / MEGABYTE)


def main() -> int:
    """Make lakes if none is there, and both pages of each; the largest are painted."""
    if shutil.which("chromium") is None:
        end_unmeasured("chromium (Debian package: chromium)")
    with tempfile.TemporaryDirectory() as folder:
        word, page = Path(folder) / "word.html", Path(folder) / "page.html"
        word.write_text("<!doctype html><title>word</title>word", encoding="utf-8")
        for number in [CLUSTERS] if READY_LAKE else growing(CLUSTERS, LEAST):
            lake = Path(READY_LAKE) if READY_LAKE else Path(folder) / f"lake-{number}"
            if not READY_LAKE:
                sizes = ["--clusters", str(number), "--days", str(DAYS), "--seed", "1"]
                if code := run_command(["simulate", *sizes, "--lake", str(lake)]):
                    return code
            for least in (10, None):
                look(lake, number, page, least)
        ours, least_paint = paint_milliseconds(page, word)
        tell(f"first paint, {CLUSTERS:,} clusters", "ms", ours, "a page with one word", least_paint, limit=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
