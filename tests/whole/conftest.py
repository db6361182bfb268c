"""With LAYERCENSUS_SOAK_WRITE=1, as `make soak` has it, what came of the seeds is put into docs/soak.md."""

import os
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "soak.md"
BEGIN, END = "<!-- Written by `make soak`; do not edit. -->\n", "<!-- End of what `make soak` writes. -->\n"
STARTED = time.monotonic()
OUTCOMES: dict[int, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Put down what came of a seed; what fails before or after the test itself counts too."""
    if (seed := re.search(r"test_the_report_is_what_the_events_say\[(\d+)\]$", report.nodeid)) is None:
        return
    if report.when == "call" or report.failed:
        OUTCOMES[int(seed[1])] = report.outcome


def pytest_sessionfinish() -> None:
    """Write the page, of a run that was asked to."""
    if os.environ.get("LAYERCENSUS_SOAK_WRITE") and OUTCOMES:
        write_page(PAGE, OUTCOMES, time.monotonic() - STARTED, datetime.now(tz=UTC))


def write_page(page: Path, outcomes: dict[int, str], seconds: float, now: datetime) -> None:
    """Replace what stands between the marks."""
    failed = sorted(seed for seed, outcome in outcomes.items() if outcome != "passed")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    said = (
        f"\nLast run: {now:%Y-%m-%d}, Python {python}, {seconds / 60:.0f} minutes. "
        f"Seeds {min(outcomes)} to {max(outcomes)}: {len(outcomes):,} worlds, {len(failed)} in which the report was not "
        f"what the events say{': ' + ', '.join(map(str, failed)) if failed else ''}.\n\n"
    )
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{head}{BEGIN}{said}{END}{rest.partition(END)[2]}", encoding="utf-8")
