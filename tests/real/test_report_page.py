"""The report page in a real Chromium, with no network: numbers, filters, keyboard, colours, paper, small screens, axe.

From its file here, from the collector in `test_collector_page`.
"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.real.browser import Opened, chromium, opened
from tests.report.made_reports import HOSTILE, draw, hostile, made_report, proxied, published, with_context
from tests.report.page_reading import evaluate, read_page

from layercensus.report.format_html import render_report_html
from layercensus.report.format_json import format_report_json
from layercensus.report.shape import Report
from layercensus.text import visible

pytestmark = pytest.mark.real

STATES: dict[str, Callable[[], Report]] = {
    "whole": lambda: with_context(made_report(days=120)),
    "hostile": hostile,
    "gauge": lambda: proxied(made_report(draw(300), days=40)),
    "published": lambda: published(draw(1200), days=90),
    "nobody": lambda: made_report([]),
    "few": lambda: made_report(draw(25), days=40),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Report]]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for name, make in STATES.items():
        report = make()
        (folder / f"{name}.html").write_text(render_report_html(report), encoding="utf-8")
        found[name] = (folder / f"{name}.html", report)
    return found


def numbers(open_page: Opened) -> list[dict[str, Any]]:
    """Every number that the page holds now."""
    script = """() => [...document.querySelectorAll('[data-kind]')].map(one => ({
        exact: one.getAttribute('value') ?? one.dataset.value, path: one.dataset.path ?? '', kind: one.dataset.kind,
        text: one.textContent, is_added: one.closest('#week-words, #from-words') !== null}))"""
    found: list[dict[str, Any]] = open_page.page.evaluate(script)
    return found


def assert_true(open_page: Opened, report: Report) -> None:
    """Numbers equal the JSON report, no script failed, and nothing was asked for but the page."""
    plain = json.loads(format_report_json(report))
    for one in numbers(open_page):
        if one["path"]:
            assert evaluate(one["path"], plain) == json.loads(one["exact"]), one
        else:
            assert one["kind"] == "axis" or one["exact"] == "null", one
    assert open_page.failures == []
    assert len(open_page.requests) == 1


@pytest.mark.parametrize("state", STATES)
def test_numbers_are_those_of_the_json_report_and_read_the_same_without_the_script(
    browser: Browser, pages: dict[str, tuple[Path, Report]], state: str
) -> None:
    path, report = pages[state]
    static = read_page(path.read_text(encoding="utf-8"))
    with opened(browser, path) as shown:
        assert_true(shown, report)
        texts = [one["text"] for one in numbers(shown) if not one["is_added"]]
        assert texts == [one.text for one in static.numbers]
    with opened(browser, path, java_script_enabled=False) as plain:
        assert plain.page.locator("h1").is_visible()
        assert not plain.page.locator("#choose").is_visible()
        assert plain.requests == [path.as_uri()]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(
    browser: Browser, pages: dict[str, tuple[Path, Report]], state: str, width: int
) -> None:
    with opened(browser, pages[state][0], width=width) as shown:
        shown.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    ("state", "scheme"),
    [("whole", "light"), ("whole", "dark"), ("hostile", "light"), ("gauge", "dark"), ("published", "light"),
     ("nobody", "light"), ("few", "dark")],
)  # fmt: skip
def test_axe_finds_nothing_wrong(
    browser: Browser, pages: dict[str, tuple[Path, Report]], state: str, scheme: Any
) -> None:
    # With a policy that allows our own script only, axe has to be let in by the test.
    with opened(browser, pages[state][0], color_scheme=scheme, bypass_csp=True) as shown:
        # Tables of one cell a week and key are all alike, and take axe a while.
        shown.page.evaluate(
            "document.querySelectorAll('.numbers:not(.long) details').forEach(one => { one.open = true; })"
        )
        assert shown.violations() == []


def test_axe_finds_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "wrong.html").write_text('<html lang="en"><title>x</title><main><h1>x</h1><input></main>')
    with opened(browser, tmp_path / "wrong.html") as shown:
        assert [one.partition(":")[0] for one in shown.violations()] == ["label"]


def test_filters_show_what_the_json_report_says(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    path, report = pages["whole"]
    plain = json.loads(format_report_json(report))
    with opened(browser, path) as shown:
        page = shown.page
        page.select_option("#choose-release", label="4.14")
        assert shown.text("#chosen-name") == "4.14, all platforms"
        index = [group["key"] for group in plain["by"]["release"]].index("4.14")
        share = page.locator("#chosen .big data")
        assert share.get_attribute("data-path") == f"by.release.{index}.share"
        page.select_option("#choose-platform", label="GCP")
        cells = [cell for cell in plain["cells"] if (cell["release"], cell["platform"]) == ("4.14", "GCP")]
        assert json.loads(share.get_attribute("value") or "") == cells[0]["share"]
        assert_true(shown, report)
        assert page.locator(".smalls li.chosen strong").all_inner_texts() == ["4.14", "GCP"]
        page.get_by_role("button", name="Show all").click()
        page.locator("#chosen-name", has_text="All releases, all platforms").wait_for()
        assert json.loads(share.get_attribute("value") or "") == plain["headline"]["share"]
        assert_true(shown, report)


def test_a_choice_can_be_sent_and_gone_back_to(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    path, report = pages["whole"]
    with opened(browser, path) as shown:
        page = shown.page
        page.select_option("#choose-release", label="4.14")
        page.select_option("#choose-platform", label="GCP")
        page.select_option("#from", label="4.16")
        assert page.url == f"{path.as_uri()}#release=4.14&platform=GCP&from=4.16"
        page.locator(".contents a", has_text="Trend").click()
        assert shown.text("#chosen-name") == "4.14, GCP"
        sent = page.url.replace("#trend-title", "#release=4.14&platform=GCP&from=4.16")
        page.go_back()
        page.go_back()
        page.go_back()
        assert shown.text("#chosen-name") == "4.14, all platforms"
        assert shown.text("#from-words").startswith("If upgrades to 4.20 and later")
        page.go_back()
        assert page.url == path.as_uri()
        assert shown.text("#chosen-name") == "All releases, all platforms"
        assert_true(shown, report)
    with opened(browser, sent) as other:
        assert other.text("#chosen-name") == "4.14, GCP"
        assert other.text("#from-words").startswith("If upgrades to 4.16 and later")
        assert other.page.evaluate("scrollY") > 0
        other.page.get_by_role("button", name="Show all").click()
        other.page.locator("#chosen-name", has_text="All releases, all platforms").wait_for()
        assert other.page.url == f"{path.as_uri()}#from=4.16"
    with opened(browser, f"{path.as_uri()}#release=9.99&platform=<b>&x=1") as wrong:
        assert wrong.text("#chosen-name") == "All releases, all platforms"
        assert_true(wrong, report)


def test_a_share_beyond_the_axis_is_not_drawn_on_it(browser: Browser, tmp_path: Path) -> None:
    rest = [one for one in draw(300) if (one.release, one.platform) != ("4.14", "GCP")]
    full = [replace(one, release="4.14", platform="GCP", clean=0, packages=4) for one in draw(2)]
    (tmp_path / "full.html").write_text(render_report_html(made_report([*rest, *full], days=1)), encoding="utf-8")
    with opened(browser, tmp_path / "full.html") as shown:
        shown.page.select_option("#choose-platform", label="GCP")
        row = "#by-release ~ figure .rows li:nth-of-type(3)"
        assert shown.text(f"{row} .value") == "100 %"
        assert shown.page.locator(f"{row} circle.share").get_attribute("visibility") == "hidden"
        assert shown.page.locator(f"{row} .cut").get_attribute("visibility") == "visible"


def test_a_table_in_the_order_of_a_column(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    path, report = pages["whole"]
    known = [group for group in report.by.release if group.figures.share is not None]
    with opened(browser, path) as shown:
        page = shown.page
        page.locator("#by-release ~ .numbers summary").click()
        keys = page.locator("#by-release ~ .numbers tbody th")
        page.locator("#by-release ~ .numbers thead th").nth(1).get_by_role("button", name="share").focus()
        for descending in (True, False):
            page.keyboard.press("Enter")
            wanted = sorted(known, key=lambda group: group.figures.share or 0.0, reverse=descending)
            assert keys.all_inner_texts() == [group.key for group in wanted]
        page.locator("#by-release ~ .numbers thead th").first.get_by_role("button").click()
        assert keys.all_inner_texts() == [group.key for group in report.by.release]
        page.select_option("#from", label="4.14")
        page.locator("#from-title ~ .numbers summary").click()
        page.locator("#from-title ~ .numbers thead button").nth(1).click()
        page.select_option("#from", label="4.16")
        assert shown.text("#from-words").startswith("If upgrades to 4.16 and later")
        assert_true(shown, report)


def test_a_part_without_a_cluster_says_so(browser: Browser, tmp_path: Path) -> None:
    clusters = [one for one in draw(300) if (one.release, one.platform) != ("4.14", "GCP")]
    (tmp_path / "part.html").write_text(render_report_html(made_report(clusters, days=1)), encoding="utf-8")
    with opened(browser, tmp_path / "part.html") as shown:
        assert shown.page.locator("#by-release ~ figure [data-marks]").is_visible()
        shown.page.select_option("#choose-platform", label="GCP")
        assert shown.text('[data-filtered="release"]').startswith("The chart below shows GCP only")
        row = "#by-release ~ figure .rows li:nth-of-type(3)"
        assert shown.text(row) == "4.14 no cluster"
        assert shown.page.locator(f"{row} title").text_content() == "4.14: no cluster"
        shown.page.select_option("#choose-release", label="4.14")
        assert shown.text("#chosen-name") == "4.14, GCP: no cluster of it reports"


def test_what_is_not_published_is_said(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    path, report = pages["published"]
    with opened(browser, path) as shown:
        shown.page.select_option("#choose-release", label="4.13")
        shown.page.select_option("#choose-platform", label="AWS")
        assert shown.text("#chosen-name") == "4.13, AWS: not published for a release and a platform at once"
        assert "All of them: this report is not published" in shown.text('[data-filtered="release"]')
        assert_true(shown, report)


def test_everything_works_from_the_keyboard(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    with opened(browser, pages["whole"][0]) as shown:
        page = shown.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        reached = set()
        for _ in range(80):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none" or page.evaluate("document.activeElement === document.body")
        assert {"theme", "choose-release", "choose-platform", "week", "from", "SUMMARY", "A", "BUTTON"} <= reached
        page.focus("#choose-release")
        page.keyboard.press("ArrowDown")
        assert shown.text("#chosen-name") == "4.12, all platforms"
        page.focus("#week")
        before = shown.text("#week-words")
        page.keyboard.press("ArrowLeft")
        assert shown.text("#week-words") != before
        page.focus("#from")
        page.keyboard.press("ArrowUp")
        assert shown.text("#from-words").startswith("If upgrades to 4.19 and later refused packages, ")
        page.focus("summary >> nth=0")
        page.keyboard.press("Enter")
        assert page.locator("details").first.get_attribute("open") is not None


def test_a_week_reads_its_own_day(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    path, report = pages["whole"]
    with opened(browser, path) as shown:
        shown.page.focus("#week")
        shown.page.keyboard.press("Home")
        first = next(day for day in report.trend if day.share is not None)
        value = shown.page.locator("#week-words data").first.get_attribute("value")
        # The last day of the first week: a Sunday.
        until = date.fromisoformat(first.day)
        until += timedelta(6 - until.weekday())
        assert json.loads(value or "") == next(day.share for day in report.trend if day.day == until.isoformat())
        assert_true(shown, report)


def test_what_a_gauge_cannot_tell_is_left_out_of_the_sentence(
    browser: Browser, pages: dict[str, tuple[Path, Report]]
) -> None:
    with opened(browser, pages["gauge"][0]) as shown:
        said = r"If upgrades to 4\.20 and later refused unsupported changes, [\d,]+ of [\d,]+ machines read on older "
        said += r"releases would be stuck, [\d.]+ % \(bounds [\d.]+ to [\d.]+ %\)\."
        assert re.fullmatch(said, shown.text("#from-words"))
        assert_true(shown, pages["gauge"][1])


def test_numbers_in_the_readers_locale(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    path, report = pages["whole"]
    with opened(browser, path, locale="de-DE") as shown:
        assert re.match(r"3,2 % of CoreOS machines", shown.text("h1"))
        assert "13.536 CoreOS machines" in shown.text(".sentence")
        assert "2,4 to 4,2 %" in shown.text(".sentence")
        assert "95 % interval" in shown.text(".sentence")
        assert_true(shown, report)
    with opened(browser, path, locale="fr-FR") as shown:
        assert "13 536" in shown.text(".sentence").replace("\u202f", " ")


def test_light_dark_and_the_readers_choice(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, pages["few"][0], color_scheme="light") as light:
        white = light.page.evaluate(ground)
        with opened(browser, pages["few"][0], color_scheme="dark") as dark:
            black = dark.page.evaluate(ground)
            assert white != black
            dark.page.select_option("#theme", "light")
            assert dark.page.evaluate(ground) == white
            light.page.select_option("#theme", "dark")
            assert light.page.evaluate(ground) == black


@pytest.mark.parametrize("scripts", [True, False])
def test_on_paper(browser: Browser, pages: dict[str, tuple[Path, Report]], scripts: bool) -> None:
    with opened(browser, pages["few"][0], java_script_enabled=scripts, color_scheme="dark") as shown:
        shown.page.emulate_media(media="print")
        assert not shown.page.locator("#choose").is_visible()
        assert not shown.page.locator(".theme").is_visible()
        assert shown.page.pdf(format="A4").startswith(b"%PDF")
        if scripts:
            assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("state", ["whole", "hostile"])
def test_no_column_is_cut_off_on_paper(browser: Browser, pages: dict[str, tuple[Path, Report]], state: str) -> None:
    """A4 with margins of 12 mm is 703 pixels wide; what is wider would be cut off, or make all letters smaller."""
    with opened(browser, pages[state][0], width=703) as shown:
        shown.page.emulate_media(media="print")
        shown.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        wide = "[...document.querySelectorAll('table')].filter(one => one.getBoundingClientRect().right > 703)"
        assert shown.page.evaluate(f"{wide}.map(one => one.caption.textContent)") == []
        assert shown.page.evaluate("document.documentElement.scrollWidth") == 703


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_figure_runs_into_its_neighbour(browser: Browser, tmp_path: Path, width: int) -> None:
    """Shares and intervals below 0.1 % are written as short as the others in their columns."""
    few = [replace(one, packages=0, overrides=0, clean=one.clean + one.packages) for one in draw(3000)]
    few[5] = replace(few[5], packages=1, need="driver")
    (tmp_path / "rare.html").write_text(render_report_html(made_report(few, days=30)), encoding="utf-8")
    with opened(browser, tmp_path / "rare.html", width=width) as shown:
        assert shown.text("#by-need ~ figure li:nth-of-type(2) .value") == "<0.1 %"
        figures = "[...document.querySelectorAll('.rows .value, .rows .sure, .rows .count')]"
        wide = f"{figures}.filter(one => one.scrollWidth > one.clientWidth || one.clientHeight > 30)"
        assert shown.page.evaluate(f"{wide}.map(one => one.textContent)") == []
        panel = "[...document.querySelectorAll('.chosen-figures > p > span')]"
        over = f"{panel}.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
        assert shown.page.evaluate(over) == []


LABELS = """() => [...document.querySelectorAll('svg.chart')].flatMap((chart) => {
    const box = (one) => one.getBoundingClientRect(), room = box(chart.parentElement.closest('figure'));
    const texts = [...chart.querySelectorAll('text')].filter((one) => box(one).width > 0);
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom - 3 && b.top < a.bottom - 3;
    const met = texts.flatMap((one, at) => texts.slice(at + 1).filter((other) => meet(box(one), box(other)))
        .map((other) => `${one.textContent} on ${other.textContent}`));
    const beyond = texts.filter((one) => box(one).right > room.right + 1 || box(one).left < room.left - 1);
    return [...met, ...beyond.map((one) => `${one.textContent} beyond`)];
})"""


# The paper is A4, as above.
@pytest.mark.parametrize(("width", "media"), [(360, "screen"), (768, "screen"), (1280, "screen"), (703, "print")])
@pytest.mark.parametrize("days", [20, 97, 120, 150, 365])
def test_no_label_of_a_chart_stands_on_another(
    browser: Browser, tmp_path: Path, width: int, media: Any, days: int
) -> None:
    clusters = draw(120)
    clusters[0] = replace(clusters[0], clean=4000, packages=900, unknown=40)
    (tmp_path / "labels.html").write_text(render_report_html(made_report(clusters, days=days)), encoding="utf-8")
    with opened(browser, tmp_path / "labels.html", width=width) as shown:
        shown.page.emulate_media(media=media)
        assert shown.page.evaluate(LABELS) == []


def test_a_year_is_small_and_painted_at_once(browser: Browser, tmp_path: Path) -> None:
    """As many releases, platforms and weeks as there are; how many clusters they have makes no page larger."""
    platforms = [f"Platform{number}" for number in range(12)]
    html = render_report_html(made_report(draw(4000, platforms=platforms)))
    assert len(html.encode()) < 2_000_000
    (tmp_path / "year.html").write_text(html, encoding="utf-8")
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    found = []
    for _ in range(3):
        with opened(browser, tmp_path / "year.html") as shown:
            shown.page.wait_for_timeout(500)
            found.append(shown.page.evaluate(paint))
    assert min(found) < 1000


def test_hostile_names_are_inert(browser: Browser, pages: dict[str, tuple[Path, Report]], tmp_path: Path) -> None:
    path, report = pages["hostile"]
    with opened(browser, path) as shown:
        shown.page.on("dialog", lambda dialog: shown.failures.append(dialog.message))
        shown.page.select_option("#choose-platform", label=visible(HOSTILE))
        shown.page.select_option("#choose-release", label="=cmd()|x")
        assert shown.text("#chosen-name").startswith("=cmd()|x, ")
        assert visible(HOSTILE) in shown.text("#chosen-name")
        assert shown.page.locator("script").count() == 2
        assert_true(shown, report)
        with shown.page.expect_download() as waiting:
            shown.page.locator('a[download="layercensus-by-platform.csv"]').click()
        waiting.value.save_as(tmp_path / "platform.csv")
    with (tmp_path / "platform.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert visible(HOSTILE) in [row[0] for row in rows]


def test_the_policy_lets_no_other_script_run(browser: Browser, pages: dict[str, tuple[Path, Report]]) -> None:
    with opened(browser, pages["few"][0]) as shown:
        shown.page.evaluate(
            "() => { const one = document.createElement('script'); one.textContent = 'window.ran = 1';"
            " document.body.append(one); }"
        )
        assert shown.page.evaluate("window.ran") is None
        assert any("Content Security Policy" in one for one in shown.failures)


def test_the_demo_writes_a_page_that_opens(browser: Browser, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "layercensus", "demo"], cwd=tmp_path, check=True, capture_output=True)
    with opened(browser, tmp_path / "layercensus-demo" / "report.html") as shown:
        assert shown.text(".sentence").startswith("13.5 % of the 52")
        assert shown.failures == []
        assert len(shown.requests) == 1
