"""A real Chromium, driven by Playwright, and what a page did in it: script errors, requests, what it says.

Debian's Chromium is driven, so that nothing else has to be installed; axe looks at what people who see, hear or reach
differently would meet.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

# What WCAG 2.2 asks at A and AA, and what axe thinks good practice.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@dataclass
class Opened:
    """A page that is open, and what happened in it that should not."""

    page: Page
    failures: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        """What people read, with plain spaces."""
        return " ".join(self.page.locator(selector).inner_text().replace("\u00a0", " ").split())

    def violations(self) -> list[str]:
        """What axe finds wrong, one line each."""
        found: list[dict[str, Any]] = Axe().run(self.page, options=RULES).response["violations"]
        return [f"{one['id']}: {node['html'][:150]}" for one in found for node in one["nodes"]]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, or a loud skip; in CI nothing may be skipped."""
    program = shutil.which("chromium")
    if program is None:
        reason = "THE PAGE WAS NOT LOOKED AT, missing: chromium (Debian package of that name)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, page: Path | str, *, width: int = 1280, **options: Any) -> Iterator[Opened]:
    """A page from its file, or from an address; `options` as `Browser.new_context` takes them."""
    address = page.as_uri() if isinstance(page, Path) else page
    context = browser.new_context(viewport={"width": width, "height": 900}, **{"locale": "en-US", **options})
    try:
        found = Opened(context.new_page())
        found.page.on("pageerror", lambda error: found.failures.append(str(error)))
        found.page.on("console", lambda message: found.failures.append(message.text))
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.goto(address)
        yield found
    finally:
        context.close()
