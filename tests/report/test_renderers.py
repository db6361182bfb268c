"""What people read: the sentence in every case, text at 80 columns, and CSV. The page: `test_page`."""

import csv
import io
from dataclasses import replace

import pytest

from layercensus.errors import UsageError
from layercensus.report.estimator import Sums, estimate, wilson
from layercensus.report.figures import Clusters, Group, Headline, Machines, NeedGroup, Part
from layercensus.report.format_csv import format_report_csv
from layercensus.report.format_text import format_report_text
from layercensus.report.sentence import fleet_sentence
from layercensus.report.shape import (
    DIMENSIONS,
    By,
    Concentration,
    Quality,
    Report,
    TrendBy,
    TrendDay,
    WhatIfBlocked,
)
from layercensus.report.wording import percent, percent_range
from layercensus.text import visible

HOSTILE = '"><script>alert(1)</script>\u202egnp.exe\x1b[31m\x00\n=cmd'


def headline(*clusters: tuple[int, int, int], reporting: int | None = None) -> Headline:
    """Figures of clusters given as (classified, with packages, unknown)."""
    sums = Sums()
    for x, y, unknown in clusters:
        u = unknown
        sums += Sums(int(x > 0), int(y > 0), x, y, x * x, x * y, y * y, u, x * u, y * u, u * u, int(x + u > 0), x)
    found = estimate(sums)
    classified, hits, unknown = round(sums.x), round(sums.y), round(sums.unknown)
    return Headline(
        share=found.share,
        share_any=found.share,
        ci95=found.ci95,
        ci95_any=found.ci95,
        bounds=found.bounds,
        bounds_ci95=found.bounds_ci95,
        machines=Machines(classified - hits, 0, 0, hits, unknown, classified, classified + unknown),
        clusters=Clusters(
            len(clusters) if reporting is None else reporting,
            sums.units,
            sums.units_with,
            sums.units_with / sums.units if sums.units else None,
            wilson(sums.units_with, sums.units),
        ),
        units=sums.units,
        design_effect=found.design_effect,
        effective_machines=found.effective_machines,
        cautions=(),
    )


def report(figures: Headline, signal: str = "capture", key: str = "4.14", days: int = 1) -> Report:
    part = Part(figures.share, figures.ci95, figures.bounds, figures.machines.packages, figures.clusters.with_packages)
    population = {
        "capture": "these captures",
        "layercensus": "clusters that chose to report",
        "mcd": "clusters whose MCD gauge was recorded",
    }
    return Report(
        as_of="2026-03-07",
        signal=signal,
        population=population[signal],
        unit="cluster",
        headline=figures,
        by=By((Group(key, figures),), (Group(key, figures),), (), (), (NeedGroup("agent", part),)),
        cells=(),
        trend=tuple(
            TrendDay(f"2026-03-{day + 1:02}", figures.share, figures.ci95, figures.bounds, 3, 2, 1, 3)
            for day in range(days)
        ),
        trend_by=TrendBy((), ()),
        changes=(),
        concentration=Concentration(0.5, 0.5, 1.0, ((0.0, 0.0), (1.0, 1.0)), 0.5, 0.1, 0.2),
        what_if_blocked=WhatIfBlocked(part, part),
        weighted=None,
        known_clusters=None,
        proxy=None,
        accounts=None,
        published=None,
        quality=Quality(2, (), 0, None, None, None, None, figures.machines.unknown, None, 0, 0),
    )


SENTENCES = [
    (
        headline((10, 4, 1), (20, 2, 4)),
        (
            "20.0 % of the 30 CoreOS machines that could be read carry locally layered packages that are "
            "not CoreOS extensions (95 % interval less than 0.1 to more than 99.9 %; between 17.1 and 31.4 % if the 5 machines "
            "that could not be read are counted either way), in 2 clusters (of these captures)."
        ),
    ),
    (
        headline(*[(100, 0, 0)] * 14),
        (
            "None of the 1,400 CoreOS machines that could be read carries locally layered packages that "
            "are not CoreOS extensions (95 % interval 0 to 19.3 %; every machine could be read), in 14 clusters (of these captures)."
        ),
    ),
    (
        headline((2, 2, 0), (3, 3, 1)),
        (
            "All 5 CoreOS machines that could be read carry locally layered packages that are not CoreOS "
            "extensions (95 % interval 22.4 to 100 %; between 83.3 and 100 % if the 1 machine that could not be read is "
            "counted either way), in 2 clusters (of these captures)."
        ),
    ),
    (
        headline((3, 1, 0)),
        (
            "33.3 % of the 3 CoreOS machines that could be read carry locally layered packages that are "
            "not CoreOS extensions (no interval: a single cluster that could be read shows nothing of how clusters differ; "
            "every machine could be read), in 1 cluster (of these captures)."
        ),
    ),
    (
        headline((1, 0, 0)),
        (
            "The one CoreOS machine that could be read carries no locally layered packages that are not "
            "CoreOS extensions (no interval: a single cluster that could be read shows nothing of how clusters differ; "
            "every machine could be read), in 1 cluster (of these captures)."
        ),
    ),
    (
        headline((0, 0, 3), (0, 0, 4)),
        (
            "None of the 7 CoreOS machines in 2 clusters (of these captures) could be read, so the share that carries locally "
            "layered packages that are not CoreOS extensions is not known: anything from 0 to 100 %."
        ),
    ),
    (
        headline((0, 0, 1)),
        (
            "The one CoreOS machine in 1 cluster (of these captures) could not be read, so the share that carries locally "
            "layered packages that are not CoreOS extensions is not known: anything from 0 to 100 %."
        ),
    ),
    (
        headline(),
        (
            "No cluster reported in the 7 days to 2026-03-07 (of these captures) and no CoreOS machine was seen, so the share "
            "that carries locally layered packages that are not CoreOS extensions is not known."
        ),
    ),
    (
        headline((0, 0, 0)),
        (
            "1 cluster reported in the 7 days to 2026-03-07 (of these captures) and no CoreOS machine was seen, so the share "
            "that carries locally layered packages that are not CoreOS extensions is not known."
        ),
    ),
]


@pytest.mark.parametrize(("figures", "sentence"), SENTENCES)
def test_the_sentence_is_right_in_every_case(figures: Headline, sentence: str) -> None:
    assert fleet_sentence(report(figures)) == sentence


def test_the_sentence_names_its_population_and_its_proxy() -> None:
    figures = headline((10, 4, 1), (20, 2, 4))
    assert fleet_sentence(report(figures, "layercensus")).startswith("20.0 % of the 30")
    assert fleet_sentence(report(figures, "layercensus")).endswith("in 2 clusters (of clusters that chose to report).")
    assert "calls unsupported (a proxy" in fleet_sentence(report(figures, "mcd"))
    assert "not CoreOS extensions" not in fleet_sentence(report(figures, "mcd"))
    unseen = replace(report(figures), quality=replace(report(figures).quality, unseen_machines=3))
    assert "that could not be read or seen are counted" in fleet_sentence(unseen)


@pytest.mark.parametrize(
    ("fraction", "written"),
    [(0, "0 %"), (1e-9, "less than 0.1 %"), (0.00099, "less than 0.1 %"), (0.001, "0.1 %"), (0.2437, "24.4 %"),
     (0.999, "99.9 %"), (0.99901, "more than 99.9 %"), (1, "100 %"), (None, "not known")],
)  # fmt: skip
def test_nothing_small_is_written_as_nought(fraction: float | None, written: str) -> None:
    assert percent(fraction) == written


def test_ranges() -> None:
    assert percent_range((0, 0.1926)) == "0 to 19.3 %"
    assert percent_range((1e-6, 0.9999)) == "less than 0.1 to more than 99.9 %"
    assert percent_range((0.5, 0.5)) == "50.0 %"
    assert percent_range(None) == "not known"


def test_unsafe_characters_are_shown() -> None:
    assert visible("a\u202eb\x00c\nd\u2028e\ud800") == "a<U+202E>b<U+0000>c<U+000A>d<U+2028>e<U+D800>"
    assert visible("größe 雪 é") == "größe 雪 é"


@pytest.mark.parametrize("by", [None, *DIMENSIONS])
@pytest.mark.parametrize("figures", [figures for figures, _ in SENTENCES])
def test_text_begins_with_the_sentence_and_fits(figures: Headline, by: str | None) -> None:
    text = format_report_text(report(figures), by)
    assert " ".join(text.split("\n\n")[0].split()) == fleet_sentence(report(figures))
    assert max(map(len, text.splitlines())) <= 80
    assert "What is not known:" in text
    assert "Silent for seven days or more, so not counted: 2 clusters." in text
    assert "None" not in text.replace("None of the", "")


def test_text_table_of_a_dimension() -> None:
    text = format_report_text(report(headline((10, 4, 1), (20, 2, 4))), "release")
    assert text.split("\n\n")[1] == f"Day {report(headline()).as_of}, signal capture, unit cluster."
    assert text.split("\n\n")[2].splitlines() == [
        "release   share  95 % interval       bounds  read  unknown  clusters",
        "4.14     20.0 %        too few  17.1–31.4 %    30        5         2",
    ]


def test_a_narrow_terminal_has_columns_that_do_not_fit_below_the_others() -> None:
    text = format_report_text(report(headline((10, 4, 1), (20, 2, 4))), "release", 50)
    assert "\n".join(text.split("\n\n")[2:4]).splitlines() == [
        "release   share  95 % interval       bounds  read",
        "4.14     20.0 %        too few  17.1–31.4 %    30",
        "release  unknown  clusters",
        "4.14           5         2",
    ]
    assert max(map(len, text.splitlines())) == 50


@pytest.mark.parametrize("by", [None, *DIMENSIONS])
@pytest.mark.parametrize("columns", [60, 79, 80, 300])
def test_text_fits_its_terminal(columns: int, by: str | None) -> None:
    text = format_report_text(report(headline((10, 4, 1), (20, 2, 4))), by, columns)
    assert max(map(len, text.splitlines())) <= min(columns, 80)
    assert not [line for line in text.splitlines() if line.lstrip().startswith("%")]
    assert text == format_report_text(report(headline((10, 4, 1), (20, 2, 4))), by) or columns < 80


def test_an_unknown_dimension_is_wrong_usage() -> None:
    for render in (format_report_text, format_report_csv):
        with pytest.raises(UsageError, match="release, platform, age, account_class, need"):
            render(report(headline()), "colour")


def test_csv_has_one_line_a_key_and_empty_cells_for_what_is_not_known() -> None:
    found = list(csv.DictReader(io.StringIO(format_report_csv(report(headline((3, 1, 1))), None))))
    assert [(row["dimension"], row["key"]) for row in found] == [("all", "all")]
    assert (found[0]["ci95_low"], found[0]["design_effect"]) == ("", "")
    assert (float(found[0]["share"]), float(found[0]["bounds_high"])) == (1 / 3, 0.5)
    assert (found[0]["machines_hit"], found[0]["machines_classified"], found[0]["machines_unknown"]) == ("1", "3", "1")
    needs = list(csv.DictReader(io.StringIO(format_report_csv(report(headline((3, 1, 1))), "need"))))
    assert [(row["key"], row["machines_hit"], row["machines_total"]) for row in needs] == [("agent", "1", "")]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_runs_no_formula(start: str) -> None:
    text = format_report_csv(report(headline((3, 1, 1)), key=f"{start}cmd()"), "platform")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["key"].startswith("'")


def test_foreign_words_stay_words() -> None:
    text = format_report_text(report(headline((3, 1, 1)), key=HOSTILE), "release")
    assert not set("\u202e\x1b\x00") & set(text)
