"""The report page that a collector serves, in a real Chromium: made from what clusters sent, published, and its health."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.fleet.http_collector import Collector, collector, wait_for
from tests.real.browser import chromium, opened

pytestmark = pytest.mark.real

CLUSTERS = 12


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that twelve clusters have sent to: 40 machines each, of which 3 carry packages and 1 is unknown."""
    with collector(tmp_path_factory.mktemp("page")) as found:
        assert found.ask("GET", "/").status == 503
        for _ in range(CLUSTERS):
            cluster = found.new_cluster()
            assert found.status(cluster.body(counts=(30, 4, 2, 3, 1)), cluster.token) == 204
        # Refused, and so to be told on the page.
        assert found.status(found.new_cluster().body(), "no token") == 401
        wait_for(lambda: shown_clusters(found) == CLUSTERS or None, "a page of all clusters")
        yield found


def shown_clusters(running: Collector) -> int:
    answer = running.ask("GET", "/")
    marker = 'data-path="headline.clusters.reporting"'
    before, found, _ = answer.body.decode().partition(marker)
    return int(before.rpartition('value="')[2].partition('"')[0]) if found else 0


def test_the_page_says_what_clusters_sent_and_how_the_collector_is(running: Collector, browser: Browser) -> None:
    with opened(browser, f"http://127.0.0.1:{running.port}/") as shown:
        assert shown.text(".sentence").startswith("7.7 % of the 468 CoreOS machines that could be read")
        assert "nothing is told of fewer than 10" in shown.text(".notes >> nth=0")
        health = shown.text(".health")
        for words in ("Page made", "Newest row written", "Requests taken in", "Waiting in the inbox"):
            assert words in health
        assert not shown.page.locator("#old").is_visible()
        shown.page.select_option("#choose-platform", index=1)
        assert shown.text("#chosen-name").startswith("All releases, ")
        assert shown.failures == []
        assert {address.partition("?")[0] for address in shown.requests} == {f"http://127.0.0.1:{running.port}/"}


def test_an_old_page_says_so(running: Collector, browser: Browser) -> None:
    with opened(browser, f"http://127.0.0.1:{running.port}/") as shown:
        shown.page.clock.install(time=time.time() + 3600)
        shown.page.reload()
        assert shown.page.locator("#old").is_visible()


def test_axe_finds_nothing_wrong(running: Collector, browser: Browser) -> None:
    with opened(browser, f"http://127.0.0.1:{running.port}/", bypass_csp=True) as shown:
        assert shown.violations() == []


def test_it_is_asked_for_again_and_not_sent_again(running: Collector) -> None:
    first = running.ask("GET", "/", headers={"Accept-Encoding": "gzip"})
    assert (first.status, first.headers["content-encoding"]) == (200, "gzip")
    again = running.ask("GET", "/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert running.ask("HEAD", "/").headers["content-length"] == str(len(running.ask("GET", "/").body))
    # A connection goes on after a 304.
    connection = HTTPConnection("127.0.0.1", running.port, timeout=30)
    for _ in range(3):
        connection.request("GET", "/", headers={"If-None-Match": first.headers["etag"]})
        assert connection.getresponse().read() == b""
    connection.close()


def test_no_cluster_is_named(running: Collector) -> None:
    page = running.ask("GET", "/").body.decode()
    assert len(running.rows()) == CLUSTERS
    for row in running.rows():
        assert row["cluster_id"] not in page


def test_a_lake_that_is_damaged_takes_nothing_from_senders(tmp_path: Path) -> None:
    with collector(tmp_path / "one", "--page", "whole") as found:
        cluster = found.new_cluster()
        assert found.status(cluster.body(), cluster.token) == 204
        wait_for(lambda: found.ask("GET", "/").status == 200 or None, "a page")
        made = found.ask("GET", "/").body
        (rows,) = (found.lake / "rows").glob("day=*/rows.parquet")
        beside = rows.with_name("whole")
        shutil.copyfile(rows, beside)
        rows.write_bytes(b"this is no Parquet file")
        wait_for(lambda: found.metrics().get("pages_failed_total") or None, "a page that fails")
        assert found.ask("GET", "/").body == made
        assert found.said.count('"page_not_made"') == 1
        assert found.status(cluster.body(), cluster.token) == 204
        beside.replace(rows)


def test_without_a_page_nothing_is_there(tmp_path: Path) -> None:
    with collector(tmp_path / "none", "--page", "none") as found:
        assert found.ask("GET", "/").status == 404


def test_what_can_not_be_asked_for(tmp_path: Path) -> None:
    arguments = ["collect", "--lake", "l", "--keys", "k", "--page", "whole", "--min-clusters", "5"]
    done = subprocess.run(
        [sys.executable, "-m", "layercensus", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "--min-clusters" in done.stderr) == (2, True)
