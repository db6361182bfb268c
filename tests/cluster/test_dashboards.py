"""Dashboards of every release and consent: one source, two formats that say the same, nothing but what is recorded."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import layercensus.data
from layercensus.cluster.contract import read_contract
from layercensus.cluster.dashboards import console_dashboard, grafana_dashboard
from layercensus.cluster.releases import has_mcd_gauge, known_releases
from layercensus.errors import ClusterError

DATA = Path(layercensus.data.__file__).parent
SOURCE = json.loads((DATA / "dashboards" / "census.json").read_text(encoding="utf-8"))
CASES = [
    pytest.param(release, telemetry, id=f"{release} telemetry={telemetry}")
    for release in known_releases()
    for telemetry in (False, True)
]

# What the console reads, by hand from its types.ts and components, 4.12 to 5.2. Of other widths the console of 4.12 makes
# a full line, and later ones make nothing narrower than 3.
CONSOLE_BOARD = {"title", "tags", "templating", "rows"}
CONSOLE_ROW = {"title", "showTitle", "panels"}
CONSOLE_PANEL = {"id", "title", "type", "span", "targets"}
CONSOLE_KINDS = {
    "singlestat": {"format", "decimals", "valueMaps", "options"},
    "graph": {"stack", "legend", "yaxes"},
    "table": {"styles"},
}
CONSOLE_TARGET = {"refId", "expr", "legendFormat"}
CONSOLE_STYLE = {"alias", "pattern", "type", "unit", "decimals"}
CONSOLE_UNITS = {"percentunit", "bytes", "Bps", "pps", "ms", "s", "short"}
CONSOLE_SPANS = {3, 4, 6, 12}

# What the expressions may use: functions and operators that Prometheus 2.39 has, by its documentation.
PROMQL_WORDS = {
    *("sum", "max", "count", "group", "topk", "label_replace", "increase", "time"),
    *("by", "on", "and", "or", "unless", "Inf"),
}


def console_panels(board: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for row in board["rows"]:
        yield from row["panels"]


def grafana_panels(board: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries(panels: Any) -> list[tuple[str, list[tuple[str, str, str]]]]:
    return [
        (panel["title"], [(target["refId"], target["expr"], target["legendFormat"]) for target in panel["targets"]])
        for panel in panels
    ]


def words_of(expression: str) -> set[str]:
    """Names of series, functions and operators in PromQL, labels and texts left out."""
    bare = re.sub(r'"(\\.|[^"\\])*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)
    bare = re.sub(r"\b(by|on)\s*\([a-z_, ]*\)", r"\1", bare)
    return set(re.findall(r"[A-Za-z_:][A-Za-z0-9_:]*", bare))


def known_series(*, telemetry: bool) -> set[str]:
    metrics = json.loads((DATA / "contract" / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    contract = read_contract()
    recorded = {series.recorded_name(telemetry=telemetry) for series in contract.recorded}
    return {entry["name"] for entry in metrics} | {entry.name for entry in contract.in_cluster} | recorded


@pytest.mark.parametrize(("release", "telemetry"), CASES)
def test_both_formats_show_the_same_panels_and_ask_the_same(release: str, telemetry: bool) -> None:
    console: Any = console_dashboard(release, telemetry=telemetry)
    grafana: Any = grafana_dashboard(release, telemetry=telemetry)
    titles = [panel["title"] for row in SOURCE["rows"] for panel in row["panels"]]
    shown = queries(console_panels(console))
    assert shown == queries(grafana_panels(grafana))
    assert [title for title, _ in shown] == [title for title in titles if title in dict(shown)]
    assert len(dict(shown)) == len(shown)
    rows = [panel["title"] for panel in grafana["panels"] if panel["type"] == "row"]
    assert rows == [row["title"] for row in console["rows"]]


@pytest.mark.parametrize(("release", "telemetry"), CASES)
def test_every_expression_asks_for_series_of_the_contract_only(release: str, telemetry: bool) -> None:
    allowed = known_series(telemetry=telemetry) | {"kube_node_info"}
    for _, targets in queries(console_panels(console_dashboard(release, telemetry=telemetry))):
        for _, expression, _ in targets:
            words = words_of(expression)
            assert words - PROMQL_WORDS <= allowed
            assert words & allowed
            assert expression.count("(") == expression.count(")")


def test_every_value_that_is_asked_for_is_one_of_the_contract() -> None:
    """A value that the contract does not list would be a panel that is empty for ever."""
    closed: dict[str, set[str]] = {"found_by": {"agent", "mcd"}}
    metrics = json.loads((DATA / "contract" / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    for labels in (*(entry["labels"] for entry in metrics), *(series.labels for series in read_contract().recorded)):
        for label, values in labels.items():
            closed.setdefault(label, set()).update(values)
    asked = [
        (label, value)
        for _, targets in queries(console_panels(console_dashboard("5.2", telemetry=False)))
        for _, expression, _ in targets
        for label, values in re.findall(r'([a-z_]+)(?:=|!=|=~|!~)"([^"]*)"', expression)
        for value in values.split("|")
    ]
    assert len(asked) > 20
    assert [(label, value) for label, value in asked if value not in closed[label]] == []


@pytest.mark.parametrize(("release", "telemetry"), CASES)
def test_what_stays_in_the_cluster_is_asked_for_by_its_own_name(release: str, telemetry: bool) -> None:
    for board in (console_dashboard(release, telemetry=telemetry), grafana_dashboard(release, telemetry=telemetry)):
        text = json.dumps(board)
        assert "<<" not in text
        assert ("cluster:usage:" in text) is telemetry
        assert ("layercensus:local_layering_nodes" in text) is not telemetry


@pytest.mark.parametrize(("release", "telemetry"), CASES)
def test_the_daemon_is_compared_where_it_has_a_gauge(release: str, telemetry: bool) -> None:
    for board in (console_dashboard(release, telemetry=telemetry), grafana_dashboard(release, telemetry=telemetry)):
        text = json.dumps(board)
        assert ("mcd_disagreement" in text) is has_mcd_gauge(release)
        assert ("daemon" in text) is has_mcd_gauge(release)


@pytest.mark.parametrize(("release", "telemetry"), CASES)
def test_the_console_gets_nothing_that_it_does_not_read(release: str, telemetry: bool) -> None:
    board: Any = console_dashboard(release, telemetry=telemetry)
    assert set(board) == CONSOLE_BOARD
    assert board["templating"] == {"list": []}
    panels = list(console_panels(board))
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(set(row) == CONSOLE_ROW for row in board["rows"])
    for panel in panels:
        own = CONSOLE_KINDS[panel["type"]]
        assert set(panel) - CONSOLE_PANEL <= own
        assert set(panel) >= CONSOLE_PANEL | own - {"options"}
        assert panel["span"] in CONSOLE_SPANS
        assert all(set(target) == CONSOLE_TARGET for target in panel["targets"])
        assert {panel.get("format", "short"), *(axis["format"] for axis in panel.get("yaxes", ()))} <= CONSOLE_UNITS
        # What the console would take for a variable of its own.
        assert not any(re.search(r"\$[A-Za-z_]", target["expr"]) for target in panel["targets"])


def test_a_console_table_shows_labels_first_and_tells_rows_apart_by_the_first() -> None:
    """Up to 4.13 rows are keyed by the first label alone, later by all values: both do."""
    tables = [panel for panel in console_panels(console_dashboard("5.2", telemetry=False)) if panel["type"] == "table"]
    assert len(tables) == 7
    for panel in tables:
        (target,) = panel["targets"]
        assert all(set(style) <= CONSOLE_STYLE for style in panel["styles"])
        labels = [style["pattern"] for style in panel["styles"] if style["type"] == "string"]
        numbers = [style["pattern"] for style in panel["styles"] if style["type"] == "number"]
        assert numbers in ([], ["Value"])
        assert labels == sorted(labels)
        assert labels[0] in {"node", "need", "verdict"}
        assert f"by ({', '.join(labels)})" in target["expr"]


@pytest.mark.parametrize(("release", "telemetry"), CASES)
def test_grafana_imports_it_as_it_is(release: str, telemetry: bool) -> None:
    board: Any = grafana_dashboard(release, telemetry=telemetry)
    assert board["schemaVersion"] >= 36
    assert re.fullmatch(r"[a-zA-Z0-9_-]{8,40}", board["uid"])
    assert "__inputs" not in board
    (variable,) = board["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in grafana_panels(board):
        assert panel["type"] in {"stat", "timeseries", "table"}
        assert panel["description"].endswith(".")
        for owner in (panel, *panel["targets"]):
            assert owner["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize(("release", "telemetry"), CASES)
def test_grafanas_panels_cover_the_grid_and_one_another_nowhere(release: str, telemetry: bool) -> None:
    board: Any = grafana_dashboard(release, telemetry=telemetry)
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        own = {
            (column, row)
            for column in range(place["x"], place["x"] + place["w"])
            for row in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells
        cells |= own
    height = max(row for _, row in cells) + 1
    assert cells == {(column, row) for column in range(24) for row in range(height)}


@pytest.mark.parametrize("release", ["4.12", "5.2"])
def test_what_has_no_answer_now_shows_none(release: str) -> None:
    """A number asks for this instant, says that there is no data, and no line is stacked or drawn over a gap."""
    for panel in console_panels(console_dashboard(release, telemetry=False)):
        if panel["type"] == "singlestat":
            assert panel["valueMaps"] == [{"op": "=", "value": "null", "text": "no data"}]
        assert panel.get("stack", False) is False
    for panel in grafana_panels(grafana_dashboard(release, telemetry=False)):
        now = panel["type"] != "timeseries"
        assert all((target["instant"], target["range"]) == (now, not now) for target in panel["targets"])
        field = panel["fieldConfig"]["defaults"]
        if panel["type"] == "stat":
            assert field["noValue"] == "no data"
        if panel["type"] == "timeseries":
            assert field["custom"]["spanNulls"] is False
            assert field["custom"]["stacking"]["mode"] == "none"


def test_unknown_stands_out_in_both() -> None:
    """The console colours what is above a threshold, Grafana what reaches it."""
    (console,) = [
        panel
        for panel in console_panels(console_dashboard("4.14", telemetry=False))
        if panel["title"] == "Unknown nodes"
    ]
    (grafana,) = [
        panel
        for panel in grafana_panels(grafana_dashboard("4.14", telemetry=False))
        if panel["title"] == "Unknown nodes"
    ]
    assert console["options"] == {"fieldOptions": {"thresholds": [{"value": 0, "color": "orange"}]}}
    steps = grafana["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert steps == [{"value": 0, "color": "text"}, {"value": 1, "color": "orange"}]


def test_a_trend_names_its_lines_and_a_number_is_one_value() -> None:
    for row in SOURCE["rows"]:
        for panel in row["panels"]:
            legends = [query.get("legend") for query in panel["queries"]]
            assert all(legends) if panel["kind"] == "trend" else legends == [None]
            assert ("columns" in panel) is (panel["kind"] == "table")


def test_all_five_classes_have_a_number() -> None:
    asked = [
        expression
        for _, targets in queries(console_panels(console_dashboard("4.14", telemetry=False)))
        for _, expression, _ in targets
    ]
    for layering in read_contract().recorded[0].labels["layering"]:
        assert f'max(layercensus:local_layering_nodes:count{{layering="{layering}"}})' in asked


def test_a_release_without_catalog_has_no_dashboard() -> None:
    for render in (console_dashboard, grafana_dashboard):
        with pytest.raises(ClusterError, match="no rules are known"):
            render("4.11", telemetry=False)
