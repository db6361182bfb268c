"""The report page in a real Chromium, from its file and with no network: it shows the sentence and asks for nothing."""

import os
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@pytest.fixture(scope="module")
def chromium() -> str:
    program = shutil.which("chromium")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed, and in CI nothing may be skipped")
        pytest.skip("Chromium is not installed: the page was not looked at")
    return program


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    subprocess.run([sys.executable, "-m", "layercensus", "demo"], cwd=folder, check=True, capture_output=True)
    return folder / "layercensus-demo" / "report.html"


def open_page(chromium: str, page: Path, profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [chromium, *FLAGS, f"--user-data-dir={profile}", *arguments, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def test_the_page_shows_the_sentence_and_no_script_fails(chromium: str, page: Path, tmp_path: Path) -> None:
    done = open_page(chromium, page, tmp_path, "--dump-dom")
    assert "13.5\u00a0% of the 52" in done.stdout.replace("&nbsp;", "\u00a0")
    assert "CONSOLE" not in done.stderr


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_screen(chromium: str, page: Path, tmp_path: Path, width: int) -> None:
    """The document's own width is measured in a frame as wide as the screen; a page wider than that would scroll."""
    probe = tmp_path / "probe.html"
    measure = "r.textContent = 'width ' + f.contentDocument.documentElement.scrollWidth"
    probe.write_text(
        f'<p id="r"></p><iframe id="f" style="width:{width}px;height:800px;border:0" onload="{measure}" '
        f'srcdoc="{escape(page.read_text(encoding="utf-8"))}"></iframe>',
        encoding="utf-8",
    )
    done = open_page(chromium, probe, tmp_path / "profile", "--virtual-time-budget=4000", "--dump-dom")
    measured = re.search(r'id="r">width (\d+)<', done.stdout)
    assert measured is not None, done.stdout[:200]
    assert int(measured[1]) <= width
