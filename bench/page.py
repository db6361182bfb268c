"""The report page of a large fleet: how long its questions and its drawing take, its size, and its first paint.

A simulated fleet, whole and published. First paint is Chromium's own `first-contentful-paint`, of a page opened from
its file in a window that was not there before: minimum / median / maximum of rounds.

LAYERCENSUS_BENCH_CLUSTERS, _DAYS, _ROUNDS: sizes. LAYERCENSUS_BENCH_LAKE: a simulated lake that is there, only read.
"""

import gzip
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from layercensus.cli import main as run_command
from layercensus.lake.engine import read_engine
from layercensus.report.answers import Asked, build_report
from layercensus.report.format_html import render_report_html

CLUSTERS = int(os.environ.get("LAYERCENSUS_BENCH_CLUSTERS", "20000"))
DAYS = int(os.environ.get("LAYERCENSUS_BENCH_DAYS", "365"))
ROUNDS = int(os.environ.get("LAYERCENSUS_BENCH_ROUNDS", "7"))
READY_LAKE = os.environ.get("LAYERCENSUS_BENCH_LAKE")
MEGABYTE = 1_000_000
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def paint_seconds(page: Path) -> list[float]:
    """First paints, in windows of their own."""
    found: list[float] = []
    with sync_playwright() as playwright:
        program = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(ROUNDS):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            window = context.new_page()
            window.goto(page.as_uri())
            while (painted := window.evaluate(PAINT)) is None:
                window.wait_for_timeout(20)
            found.append(painted / 1000)
            context.close()
        browser.close()
    return found


def look(lake: Path, page: Path, least: int | None) -> None:
    """Make one page and print what it took."""
    started = time.perf_counter()
    with read_engine(lake) as engine:
        asked = Asked(is_simulated=True, min_clusters=least)
        report = build_report(engine, as_of=None, signal=None, asked=asked)
    answered = time.perf_counter()
    html = render_report_html(report).encode()
    drawn = time.perf_counter()
    page.write_bytes(html)
    paints = paint_seconds(page)
    clusters = report.headline.clusters.reporting
    print(f"{'published' if least else 'whole'}: {clusters:,} clusters, {len(report.trend)} days")
    print(f"  questions {answered - started:.2f} s, drawing {drawn - answered:.2f} s")
    print(f"  size {len(html) / MEGABYTE:.2f} MB, packed {len(gzip.compress(html)) / MEGABYTE:.2f} MB")
    print(f"  first paint {min(paints):.2f} / {statistics.median(paints):.2f} / {max(paints):.2f} s of {ROUNDS} rounds")


def main() -> int:
    """Make the lake if none is there, and both pages."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(READY_LAKE) if READY_LAKE else Path(folder) / "lake"
        if not READY_LAKE:
            sizes = ["--clusters", str(CLUSTERS), "--days", str(DAYS), "--seed", "1"]
            made = run_command(["simulate", *sizes, "--lake", str(lake)])
            if made:
                return made
        for least in (None, 10):
            look(lake, Path(folder) / "page.html", least)
    return 0


if __name__ == "__main__":
    sys.exit(main())
