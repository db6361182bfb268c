"""From a lake to a report: which signal and day, every figure by hand, what is not known as null."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from layercensus.data import read_json
from layercensus.errors import NothingToDoError, ReportError, UsageError
from layercensus.lake.engine import read_engine
from layercensus.lake.storage import write_rows
from layercensus.model import Row
from layercensus.report.answers import POPULATIONS, build_report
from layercensus.report.format_json import format_report_json
from layercensus.report.shape import SIMULATED, Report

DAY = "2026-03-07"
CLASSES = ("clean", "extensions", "overrides", "packages", "unknown")
NEEDS = ("agent", "driver", "tool", "override", "other")


def row(number: int, nodes: tuple[int, ...], needs: tuple[int, ...] | None = None, **other: Any) -> Row:
    plain = Row(
        day=DAY,
        cluster_id=f"00000000-0000-4000-8000-{number:012x}",
        signal="capture",
        release="4.14",
        version=None,
        platform="AWS",
        nodes=dict(zip(CLASSES, nodes, strict=True)),
        needs=dict(zip(NEEDS, needs, strict=True)) if needs else {},
    )
    return replace(plain, **other)


def gauge(number: int, none: int, unsupported: int, unknown: int, **other: Any) -> Row:
    proxy = {"none": none, "unsupported": unsupported, "unknown": unknown}
    return replace(row(number, (0,) * 5, signal="mcd", proxy=proxy, **other), nodes={})


def report_of(lake: Path, rows: list[Row], as_of: str | None = None, signal: str | None = None) -> Report:
    write_rows(lake, rows)
    with read_engine(lake) as engine:
        return build_report(engine, as_of=as_of, signal=signal)


def json_of(report: Report) -> Any:
    """The JSON report, held to the published schema on the way."""
    document = json.loads(format_report_json(report))
    Draft202012Validator(read_json("schemas/report-v1.schema.json")).validate(document)
    return document


def test_every_figure_by_hand(tmp_path: Path) -> None:
    found = json_of(
        report_of(
            tmp_path / "lake",
            [
                row(1, (4, 1, 1, 4, 1), (4, 0, 0, 1, 0), release="4.9"),
                row(2, (15, 3, 0, 2, 0), (1, 1, 0, 0, 0), release="4.14", platform=None, nodes_expected=21),
                row(3, (0, 0, 0, 0, 3), (0, 0, 0, 0, 0), release=None),
            ],
        )
    )
    assert (found["as_of"], found["signal"], found["population"], found["unit"]) == (
        DAY,
        "capture",
        "these captures",
        "cluster",
    )
    headline = found["headline"]
    assert headline["share"] == 6 / 30
    assert headline["share_any"] == 7 / 30
    assert headline["bounds"] == [6 / 35, 11 / 35]
    assert headline["design_effect"] == pytest.approx(10 / 3)
    assert headline["effective_machines"] == pytest.approx(9)
    assert headline["ci95"][0] < 0.2 < headline["ci95"][1]
    assert headline["machines"] == {
        "clean": 19, "extensions": 4, "overrides": 1, "packages": 6, "unknown": 5, "classified": 30, "total": 35,
    }  # fmt: skip
    clusters = headline["clusters"]
    assert (clusters["reporting"], clusters["classified"], clusters["with_packages"], clusters["share"]) == (
        3,
        2,
        2,
        1.0,
    )
    assert clusters["ci95"] == pytest.approx([0.342380, 1.0], abs=1e-6)
    assert [group["key"] for group in found["by"]["release"]] == ["4.9", "4.14", "unknown"]
    assert [group["key"] for group in found["by"]["platform"]] == ["AWS", "unknown"]
    assert [group["share"] for group in found["by"]["release"]] == [0.4, 0.1, None]
    assert [group["bounds"] for group in found["by"]["release"]] == [[4 / 11, 5 / 11], [2 / 21, 3 / 21], [0, 1]]
    needs = {group["key"]: (group["machines"], group["clusters"]) for group in found["by"]["need"]}
    assert needs == {"agent": (5, 2), "driver": (1, 1), "tool": (0, 0), "override": (1, 1), "other": (0, 0)}
    blocked = found["what_if_blocked"]
    assert blocked["refuse_packages"]["share"] == headline["share"]
    assert blocked["refuse_any_local_change"]["share"] == 11 / 30
    assert (blocked["refuse_any_local_change"]["machines"], blocked["refuse_any_local_change"]["clusters"]) == (11, 2)
    assert found["concentration"] == {
        "top1_percent_share": 4 / 6, "largest_share": 4 / 6, "top5_share": 1, "curve": [[0, 0], [0.5, 4 / 6], [1, 1]],
        "largest_size": 20 / 30, "influence": pytest.approx(0.4 - 0.2), "share_without": 4 / 10,
    }  # fmt: skip
    assert headline["units"] == 2
    assert headline["cautions"] == ["few_units", "few_with_packages", "large_unit"]
    assert [(cell["release"], cell["platform"], cell["share"]) for cell in found["cells"]] == [
        ("4.9", "AWS", 0.4), ("4.14", "unknown", 0.1), ("unknown", "AWS", None),
    ]  # fmt: skip
    assert [(group["key"], group["share"]) for group in found["by"]["age"]] == [("young", 0.2)]
    (day,) = found["trend"]
    assert day == {
        "day": DAY, "share": 0.2, "ci95": headline["ci95"], "bounds": headline["bounds"],
        "classified": 30, "packages": 6, "unknown": 5, "clusters": 3,
    }  # fmt: skip
    assert [(one["key"], len(one["days"])) for one in found["trend_by"]["release"]] == [
        ("4.9", 1), ("4.14", 1), ("unknown", 1),
    ]  # fmt: skip
    assert found["changes"] == []
    assert found["quality"] == {
        "silent": 0, "silent_clusters": [], "stale": 0, "incomplete": None, "skewed": None, "suspected_clones": None,
        "dark_releases": None, "unread_machines": 4, "unseen_machines": 1, "unread_clusters": 1, "unknown_release": 1,
        "other_signals": [],
    }  # fmt: skip


def test_mcd_is_named_a_proxy_and_tells_only_what_it_can(tmp_path: Path) -> None:
    found = json_of(report_of(tmp_path / "lake", [gauge(1, 6, 2, 1), gauge(2, 4, 0, 0)]))
    assert found["population"] == POPULATIONS["mcd"]
    assert found["headline"]["share"] == 2 / 12
    assert found["headline"]["share_any"] is None
    assert found["headline"]["machines"] == {
        "clean": None, "extensions": None, "overrides": None, "packages": 2, "unknown": 1, "classified": 12, "total": 13,
    }  # fmt: skip
    for part in (found["what_if_blocked"]["refuse_any_local_change"], *found["by"]["need"]):
        assert (part["share"], part["ci95"], part["bounds"], part["machines"], part["clusters"]) == (
            None,
            None,
            [0, 1],
            None,
            None,
        )


def test_default_signal_and_day(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    capture = row(1, (1, 0, 0, 0, 0), day="2026-03-09")
    assert report_of(lake, [capture]).signal == "capture"
    assert report_of(lake, [gauge(1, 1, 0, 0, day="2026-03-08")]).signal == "mcd"
    agent = replace(capture, signal="layercensus")
    chosen = report_of(lake, [agent, replace(agent, day=DAY)])
    assert (chosen.signal, chosen.as_of, chosen.population) == (
        "layercensus",
        "2026-03-09",
        "clusters that chose to report",
    )
    assert report_of(lake, [], signal="mcd").as_of == "2026-03-08"
    assert chosen.quality.other_signals == ("mcd", "capture")
    assert report_of(lake, [], as_of="2026-03-08").signal == "layercensus"
    assert report_of(lake, [], as_of="2026-12-31", signal="capture").quality.silent == 1


def test_nothing_by_then_says_when_it_begins(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with pytest.raises(NothingToDoError, match="the first day is 2026-03-07"):
        report_of(lake, [row(1, (1, 0, 0, 0, 0))], as_of="2026-03-06")
    with pytest.raises(NothingToDoError, match="signal mcd"):
        report_of(lake, [], signal="mcd")


def test_an_empty_lake_is_nothing_to_do(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    write_rows(lake, [row(1, (1, 0, 0, 0, 0))])
    (lake / "rows" / f"day={DAY}" / "rows.parquet").unlink()
    with pytest.raises(NothingToDoError, match="import"):
        report_of(lake, [])


@pytest.mark.parametrize(
    ("as_of", "signal"), [("yesterday", None), ("2026-02-30", None), ("20260307", None), (None, "guess")]
)
def test_what_is_no_day_or_signal_is_wrong_usage(tmp_path: Path, as_of: str | None, signal: str | None) -> None:
    with pytest.raises(UsageError):
        report_of(tmp_path / "lake", [row(1, (1, 0, 0, 0, 0))], as_of=as_of, signal=signal)


def test_silent_clusters_are_listed_and_not_counted(tmp_path: Path) -> None:
    report = report_of(tmp_path / "lake", [row(1, (1, 0, 0, 1, 0)), row(2, (0, 0, 0, 9, 0), day="2026-02-20")])
    assert report.headline.share == 0.5
    assert report.quality.silent == 1
    assert [(one.cluster_id[-1], one.last_day) for one in report.quality.silent_clusters] == [("2", "2026-02-20")]


def test_the_curve_stays_small(tmp_path: Path) -> None:
    rows = [row(number, (1, 0, 0, number % 7, 0)) for number in range(1000)]
    concentration = report_of(tmp_path / "lake", rows).concentration
    assert len(concentration.curve) == 101
    assert concentration.curve[-1] == (1.0, 1.0)
    assert concentration.top1_percent_share == pytest.approx(10 * 6 / sum(number % 7 for number in range(1000)))
    assert list(concentration.curve) == sorted(concentration.curve)


def test_the_schema_knows_every_key_and_no_other(tmp_path: Path) -> None:
    """Each object of the schema is closed and asks for all its keys, so a report that validates has them all."""

    def closed(node: object) -> None:
        if isinstance(node, dict):
            if "properties" in node:
                assert node["additionalProperties"] is False
                assert node["required"] == list(node["properties"])
                assert all(
                    one.get("description") or "$ref" in one or "const" in one for one in node["properties"].values()
                )
            for value in node.values():
                closed(value)
        elif isinstance(node, list):
            for value in node:
                closed(value)

    schema = read_json("schemas/report-v1.schema.json")
    Draft202012Validator.check_schema(schema)
    closed(schema)
    found = json_of(report_of(tmp_path / "lake", [row(1, (1, 0, 0, 1, 0))]))
    assert list(found) == list(schema["properties"])
    assert list(schema["properties"]["population"]["enum"]) == [*POPULATIONS.values(), SIMULATED]


class WrongEngine:
    """An engine that answers with other columns than the question has."""

    def ask(self, question: str, **parameters: str) -> list[dict[str, object]]:
        answers: Mapping[str, list[dict[str, object]]] = {
            "days": [{"signal": "capture", "on_day": DAY, "clusters_heard": 1}]
        }
        return answers.get(question, [{"dimension": "all"}])


def test_an_engine_that_answers_nonsense_is_no_zero() -> None:
    with pytest.raises(ReportError, match="column group_key"):
        build_report(WrongEngine(), as_of=None, signal=None)
