"""The report page: every number on it is that of the JSON report, and nothing on it can do anything or ask for it."""

import base64
import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.report.made_reports import (
    HOSTILE,
    draw,
    hostile,
    made_report,
    proxied,
    published,
    with_context,
)
from tests.report.page_reading import Page, evaluate, read_page

from layercensus.data import read_text
from layercensus.report.figures import Part
from layercensus.report.format_html import content_policy, render_report_html
from layercensus.report.format_json import format_report_json
from layercensus.report.format_text import format_report_text
from layercensus.report.notes import METHOD, unknowns
from layercensus.report.page.health import Health
from layercensus.report.sentence import fleet_sentence
from layercensus.report.shape import Report
from layercensus.report.wording import percent
from layercensus.text import visible


def all_needs_held_back() -> Report:
    report = published(draw(40), days=1)
    needs = tuple(replace(row, figures=Part(None, None, None, None, None, suppressed=True)) for row in report.by.need)
    return replace(report, by=replace(report.by, need=needs))


REPORTS: dict[str, Callable[[], Report]] = {
    "a year": lambda: with_context(made_report()),
    "gauge": lambda: proxied(made_report(draw(300), days=40)),
    "published": lambda: published(draw(1200)),
    "hostile": hostile,
    "nobody": lambda: made_report([]),
    "one cluster": lambda: made_report(draw(1), days=1),
    "all held back": all_needs_held_back,
    "none layered": lambda: made_report([replace(one, packages=0, overrides=0) for one in draw(40)], days=21),
    "nothing read": lambda: made_report(
        [replace(one, clean=0, extensions=0, overrides=0, packages=0, unknown=2) for one in draw(12)], days=10
    ),
    "made up": lambda: made_report(draw(50), days=8, population="simulated clusters"),
}
# Digits that are words: of an interval, of a place in the order, of a schema's name.
WORDS = re.compile(r"95\s%|top 1\s%|layercensus/report/v1")
HEALTH = Health("2026-03-09T12:00:00Z", 130.0, 4821, (("token", 12),), 3600.0, 2, 4.0, 300.0)


@pytest.fixture(scope="module", params=REPORTS)
def shown(request: pytest.FixtureRequest) -> tuple[Report, Page, dict[str, Any]]:
    report = REPORTS[request.param]()
    return report, read_page(render_report_html(report)), json.loads(format_report_json(report))


def test_every_number_equals_the_json_report(shown: tuple[Report, Page, dict[str, Any]]) -> None:
    _, page, report = shown
    for number in page.numbers:
        if number.path:
            assert evaluate(number.path, report) == number.value, number
        else:
            # A tick of an axis, or a week of which nothing is known.
            assert number.kind == "axis" or number.value is None, number


def test_no_number_stands_without_its_place(shown: tuple[Report, Page, dict[str, Any]]) -> None:
    _, page, _ = shown
    for text in page.loose:
        assert not re.search(r"\d", WORDS.sub("", text)), text


def test_what_is_read_is_what_is_meant(shown: tuple[Report, Page, dict[str, Any]]) -> None:
    _, page, _ = shown
    for number in page.numbers:
        value, text = number.value, number.text.replace("\u00a0", " ")
        if value is None:
            assert text == "not known"
        elif number.kind == "percent":
            assert text == percent(value)
        elif number.kind == "bare-percent":
            assert f"{text} %" == percent(value)
        elif number.kind == "narrow-percent":
            assert text == percent(value).replace("less than ", "<").replace("more than ", ">")
        elif number.kind == "narrow-bare-percent":
            assert f"{text} %" == percent(value).replace("less than ", "<").replace("more than ", ">")
        elif number.kind == "count":
            assert text == f"{value:,.0f}"
        elif number.kind == "axis":
            assert float(text.removesuffix(" %")) == pytest.approx(value * 100)


def test_sentences_are_those_of_the_report(shown: tuple[Report, Page, dict[str, Any]]) -> None:
    report, page, _ = shown
    prose = " ".join(page.prose).replace("\u00a0", " ")
    for sentence in (fleet_sentence(report), *unknowns(report), *METHOD):
        assert visible(sentence) in prose


def test_headline_numbers_of_the_json_report_are_all_there(shown: tuple[Report, Page, dict[str, Any]]) -> None:
    """And of every group, of every week's trend, of the spread: whatever the JSON has but cluster ids and cells."""
    _, page, report = shown
    paths = {number.path for number in page.numbers}

    def leaves(value: Any, path: str) -> list[str]:
        if isinstance(value, dict):
            return [leaf for key, one in value.items() for leaf in leaves(one, f"{path}.{key}" if path else key)]
        if isinstance(value, list):
            return [leaf for index, one in enumerate(value) for leaf in leaves(one, f"{path}.{index}")]
        return [path] if isinstance(value, int | float) and not isinstance(value, bool) else []

    for part in ("headline", "by", "changes", "what_if_blocked", "quality", "weighted", "known_clusters"):
        for leaf in leaves(report.get(part), part):
            one_end = re.sub(r"\.0$", ".1", leaf)
            assert leaf in paths or one_end in paths, leaf


def test_the_page_asks_for_nothing(shown: tuple[Report, Page, dict[str, Any]]) -> None:
    _, page, _ = shown
    assert not {tag for tag, _ in page.tags} & {"iframe", "img", "object", "embed", "base", "image", "use", "audio"}
    for tag, link in page.links:
        assert link.startswith(("data:text/csv;", "#")) or (tag, link) == ("link", "data:,")
    (policy,) = (one["content"] for tag, one in page.tags if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_the_policy_names_the_style_and_the_script_that_are_there() -> None:
    html = render_report_html(made_report(draw(30), days=10))
    for element in ("style", "script"):
        (text,) = re.findall(rf"<{element}>(.*?)</{element}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in content_policy()
    for name in ("page.css", "page.js"):
        assert not re.search(r"https?:|url\(|@import|eval\(|innerHTML|</", read_text(f"templates/report/{name}"))


def test_foreign_words_stay_words() -> None:
    report = hostile()
    html = render_report_html(report)
    assert not {"\x00", "\x1b", "\u202e"} & set(html)
    page = read_page(html)
    # Two scripts: the data and our own.
    assert [attributes.get("type", "") for tag, attributes in page.tags if tag == "script"] == ["application/json", ""]
    assert visible(HOSTILE) in page.keys
    assert not re.search(r"[<>&]", page.scripts[0])
    json.loads(page.scripts[0])


def tables_of(page: Page) -> dict[str, list[list[str]]]:
    found = {}
    for tag, attributes in page.tags:
        if tag == "a" and "download" in attributes:
            text = base64.b64decode(attributes["href"].partition("base64,")[2]).decode()
            found[attributes["download"]] = list(csv.reader(io.StringIO(text)))
    return found


def test_csv_has_the_numbers_of_the_json_report() -> None:
    report = made_report(draw(400), days=70)
    plain = json.loads(format_report_json(report))
    tables = tables_of(read_page(render_report_html(report)))
    head, *rows = tables["layercensus-by-release.csv"]
    assert [row[0] for row in rows] == [group["key"] for group in plain["by"]["release"]]
    for row, group in zip(rows, plain["by"]["release"], strict=True):
        cells = dict(zip(head, row, strict=True))
        assert float(cells["share"]) == group["share"]
        assert [float(cells["ci95_low"]), float(cells["ci95_high"])] == group["ci95"]
        assert int(cells["machines_packages"]) == group["machines"]["packages"]
        assert int(cells["clusters_reporting"]) == group["clusters"]["reporting"]
    head, *rows = tables["layercensus-trend.csv"]
    assert len(rows) == len(plain["trend"]) == 70
    assert [float(row[head.index("share")]) for row in rows] == [day["share"] for day in plain["trend"]]
    assert len(tables["layercensus-concentration.csv"]) == len(plain["concentration"]["curve"]) + 1


def test_csv_runs_no_formula() -> None:
    for name, table in tables_of(read_page(render_report_html(hostile()))).items():
        assert not set("\x00\x1b\u202e") & set("".join(cell for row in table for cell in row)), name
        for row in table:
            for cell in row:
                assert not cell.startswith(("=", "+", "@", "\t", "\r")), (name, cell)
                assert not cell.startswith("-") or float(cell), (name, cell)


def test_who_would_be_stuck_counted_by_hand() -> None:
    """Of machines on older releases those with packages; and with extensions, overrides or packages."""
    clusters = draw(500)
    page = read_page(render_report_html(made_report(clusters, days=1)))
    head, *rows = tables_of(page)["layercensus-what-if.csv"]
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        older = [one for one in clusters if one.release < cells["refused_from"]]
        packages = sum(one.packages for one in older)
        anything = sum(one.packages + one.overrides + one.extensions for one in older)
        read, unknown = sum(one.classified for one in older), sum(one.unknown for one in older)
        assert (int(cells["packages_machines"]), int(cells["any_change_machines"])) == (packages, anything)
        assert float(cells["packages_share"]) == packages / read
        assert float(cells["any_change_bounds_low"]) == anything / (read + unknown)
        assert float(cells["any_change_bounds_high"]) == (anything + unknown) / (read + unknown)
    assert [row[0] for row in rows] == ["4.13", "4.14", "4.15", "4.16", "4.17", "4.18", "4.19", "4.20"]


def test_releases_that_are_added_up_are_in_no_row_of_who_would_be_stuck() -> None:
    page = read_page(render_report_html(published(draw(1200))))
    _, *rows = tables_of(page)["layercensus-what-if.csv"]
    assert [row[0] for row in rows] == ["4.13", "4.14", "4.15", "4.16", "4.17"]
    assert "on releases that are not known or not named; they are in none of these." in page.text


def test_a_share_is_said_to_change_only_where_its_interval_allows_it() -> None:
    report = made_report(draw(600))
    first, second = report.changes
    still = replace(first, difference=-0.001, ci95=(-0.004, 0.002))
    down = replace(second, difference=-0.01, ci95=(-0.02, -0.001))
    up = replace(second, difference=0.01, ci95=(0.001, 0.02))
    text = read_page(render_report_html(replace(report, changes=(still, down, up)))).text
    assert text.count("no change beyond chance") == 1
    assert (text.count(": a fall from"), text.count("the share rose from")) == (1, 1)
    alone = read_page(render_report_html(replace(report, changes=(still,)))).text
    assert "the share did not change beyond chance: it went from" in alone
    assert "−0.10 percentage points, 95\u00a0% interval −0.40 to +0.20" in text


def test_a_gauge_that_cannot_tell_packages_says_nothing_of_packages_that_are_stuck() -> None:
    report = proxied(made_report(draw(300), days=1))
    page = read_page(render_report_html(report))
    stuck = page.text.partition("If upgrades refused these machines")[2].partition("What this says")[0]
    assert f"{report.headline.machines.packages} machines would be stuck if unsupported changes were refused." in stuck
    assert "How many would be stuck if any local change were refused is not known." in stuck
    assert "with unsupported changes" in stuck
    assert "packages" not in stuck
    text = format_report_text(report, None)
    assert "stuck, if upgrades refused what MCD calls unsupported" in text
    assert "refused packages" not in text
    assert "any local change" not in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("nobody", "There is no share to be sure of: no machine was seen."),
        ("nobody", "How many would be stuck is not known: no machine was seen."),
        ("nobody", "It is not known how many CoreOS machines carry locally layered packages"),
        ("nobody", "What such packages are there for is not known."),
        ("gauge", "What such packages are there for is not known."),
        ("none layered", "No machine that could be read has such packages."),
        ("all held back", "Needs are held back: of too few clusters."),
        ("nothing read", "It is not known how many CoreOS machines carry locally layered packages"),
    ],
)
def test_what_is_not_there_is_said_in_words_and_not_drawn(state: str, words: str) -> None:
    page = read_page(render_report_html(REPORTS[state]()))
    assert words in page.text
    if "What such packages" in words:
        drawn = [attributes for tag, attributes in page.tags if tag == "ul" and attributes.get("class") == "rows"]
        assert page.text.count("share of the machines read") == len(drawn) - (state == "gauge")


def test_one_machine_of_thousands_is_told_in_good_english() -> None:
    few = [replace(one, packages=0, overrides=0) for one in draw(900)]
    few[5] = replace(few[5], packages=1, need="tool")
    text = read_page(render_report_html(made_report(few, days=1))).text.replace("\u00a0", " ")
    assert "The commonest need: tool, on 1 machine, less than 0.1 % of those whose needs are told." in text
    assert "1 machine would be stuck if packages were refused" in text
    assert "The top 1 % of clusters hold 100 % of these machines. The largest" in text


def test_each_chart_that_is_copied_says_where_it_is_from() -> None:
    for name, told in (
        ("made up", "50 clusters (of simulated clusters): made up"),
        ("a year", "1,200 clusters (of cl"),
    ):
        page = read_page(render_report_html(REPORTS[name]()))
        tables = [attributes for tag, attributes in page.tags if attributes.get("class", "").startswith("numbers")]
        assert len(tables) > 8
        assert page.text.count("Source: Layer Census, 8\u00a0Mar\u00a02026, " + told) == len(tables)


def test_words_that_only_we_use_are_explained() -> None:
    clusters = [replace(one, age="young" if at % 9 == 0 else "established") for at, one in enumerate(draw(90))]
    text = read_page(render_report_html(made_report(clusters, days=1))).text
    for words in (
        "young until seven days after",
        "None is a platform too",
        "Driver: storage,",
        "Layer Census agent reads",
    ):
        assert words in text
    assert "machine config daemon (MCD)" in read_page(render_report_html(REPORTS["gauge"]())).text


def test_cautions_stand_beside_their_interval_and_silent_clusters_have_no_name() -> None:
    report = made_report(draw(25), days=1)
    page = read_page(render_report_html(report))
    assert page.text.count("(few clusters to go by") >= 2
    assert "Made up." not in page.text
    assert "Made up." in read_page(render_report_html(REPORTS["made up"]())).text


def test_a_curve_of_its_ends_alone_is_not_drawn() -> None:
    """Published, it may have nothing in between, and a straight line would look like an even spread."""
    report = made_report(draw(100), days=1)
    spread = replace(report.concentration, curve=((0.0, 0.0), (1.0, 1.0)), top1_percent_share=None)
    page = read_page(render_report_html(replace(report, concentration=spread)))
    assert "if spread evenly" not in page.text
    assert "How such machines are spread is not known" in page.text


def test_every_drawing_has_words(shown: tuple[Report, Page, dict[str, Any]]) -> None:
    _, page, _ = shown
    html = [(tag, attributes) for tag, attributes in page.tags if tag in {"svg", "title", "div"}]
    for (tag, attributes), following in zip(html, [*html[1:], ("", {})], strict=True):
        if tag == "svg" and attributes.get("role") == "img":
            assert following[0] == "title"


def test_the_collector_says_how_it_is() -> None:
    page = read_page(render_report_html(made_report(draw(30), days=1), HEALTH))
    for words in ("2026-03-09 12:00:00 UTC", "2 minutes before", "4,821", "token 12", "2 files", "4 seconds"):
        assert words in page.text
    assert "The collector itself" not in read_page(render_report_html(made_report(draw(30), days=1))).text
