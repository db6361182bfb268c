r"""Dashboards for the OpenShift web console and for Grafana, both from one source. Pure; it makes no ConfigMap.

The source is `data/dashboards/census.json`: panels, PromQL in which `<<names>>` are filled here, and how each format
says a kind of panel. Sample of a panel of the source, then of the console's and of Grafana's form of it::

    {"title": "Unknown nodes", "kind": "number", "unit": "count", "width": 3, "warn_above_zero": true,
     "queries": [{"expr": ["max(<<layering_series>>{layering=\"unknown\"})"]}], …}
    {"id": "4", "title": "Unknown nodes", "span": 3, "type": "singlestat", "targets": [{"expr": "max(…)", …}], …}
    {"id": 5, "title": "Unknown nodes", "gridPos": {"h": 4, "w": 6, …}, "type": "stat", "targets": […], …}
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any

from layercensus.cluster.contract import read_contract
from layercensus.cluster.releases import check_release, has_mcd_gauge
from layercensus.cluster.rules import LAYERING, NEED
from layercensus.cluster.yaml_text import Value
from layercensus.data import read_json
from layercensus.errors import ClusterError, Fault

_SOURCE = "dashboards/census.json"
_PLACEHOLDER = re.compile(r"<<([a-z_]+)>>")
_LINE_WIDTH = 12
_GRAFANA_FINER = 2  # Grafana's grid has 24 columns
_VALUE = "Value"  # what both formats call the value in a table


class Kind(StrEnum):
    """What a panel is: one value, lines over time, or rows of labels."""

    NUMBER = "number"
    TREND = "trend"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Unit:
    """What each format calls a unit, and the digits after the point."""

    console: str
    grafana: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL with its names filled; `legend` names the lines of a trend, `{{label}}` standing for a label's value."""

    ref: str
    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a label, or `Value`."""

    title: str
    field: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel. `width` is of twelve; a number and a table have one query, a table has columns."""

    title: str
    description: str
    kind: Kind
    unit: Unit
    width: int
    queries: tuple[Query, ...]
    columns: tuple[Column, ...]
    warn_above_zero: bool


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one title, in lines that are twelve wide."""

    title: str
    panels: tuple[Panel, ...]


def console_dashboard(release: str, *, telemetry: bool) -> Mapping[str, Value]:
    """JSON value for Observe > Dashboards: the form of Grafana 5, of which the console reads a part, and no newer form.

    It is to be the only key of a ConfigMap in namespace `openshift-config-managed` that is labelled
    `console.openshift.io/dashboard: "true"`. Facts: openshift/console, release-4.12 to 4.17, cmd/bridge/main.go and
    frontend/public/components/monitoring/dashboards (types.ts, index.tsx, single-stat.tsx, table.tsx); the same code
    went on in openshift/monitoring-plugin, in release-5.2 as web/src/features/legacy-dashboards.
    Raises `ClusterError` for a release without catalog.
    """
    source, ids = read_json(_SOURCE), count(1)
    rows: list[Value] = [
        {"title": row.title, "showTitle": True, "panels": [_console_panel(panel, next(ids)) for panel in row.panels]}
        for row in _rows(release, telemetry=telemetry)
    ]
    return {"title": source["title"], "tags": source["tags"], **source["console"]["dashboard"], "rows": rows}


def grafana_dashboard(release: str, *, telemetry: bool) -> Mapping[str, Value]:
    """JSON value to import into Grafana 9.0 or newer as it is; its data source is a variable, at first the default one.

    Facts: grafana/grafana, kinds/dashboard/dashboard_kind.cue, packages/grafana-schema for options of panels, and
    packages/grafana-prometheus/src/result_transformer.ts for the names of a table's fields.
    Raises `ClusterError` for a release without catalog.
    """
    source = read_json(_SOURCE)
    return {
        "uid": source["uid"],
        "title": source["title"],
        "tags": source["tags"],
        **source["grafana"]["dashboard"],
        "panels": list(_grafana_panels(_rows(release, telemetry=telemetry))),
    }


def _rows(release: str, *, telemetry: bool) -> tuple[Row, ...]:
    """What both renderings show."""
    check_release(release)
    contract, source = read_contract(), read_json(_SOURCE)
    units = {name: Unit(**entry) for name, entry in source["units"].items()}
    names = {
        "layering_series": contract.series(LAYERING).recorded_name(telemetry=telemetry),
        "need_series": contract.series(NEED).recorded_name(telemetry=telemetry),
    }
    return tuple(
        Row(row["title"], tuple(_panel(panel, units, names) for panel in row["panels"]))
        for row in source["rows"]
        if has_mcd_gauge(release) or not row.get("needs_mcd_gauge", False)
    )


def _panel(entry: Mapping[str, Any], units: Mapping[str, Unit], names: Mapping[str, str]) -> Panel:
    queries = enumerate(entry["queries"])
    return Panel(
        title=entry["title"],
        description=entry["description"],
        kind=Kind(entry["kind"]),
        unit=units[entry["unit"]],
        width=entry["width"],
        queries=tuple(
            Query(chr(ord("A") + number), _filled(query["expr"], names), query.get("legend", ""))
            for number, query in queries
        ),
        columns=tuple(Column(column["title"], column.get("label", _VALUE)) for column in entry.get("columns", ())),
        warn_above_zero=entry.get("warn_above_zero", False),
    )


def _filled(lines: Sequence[str], names: Mapping[str, str]) -> str:
    """An expression's lines with their `<<names>>` filled. Raises `ClusterError` if one is not known."""

    def fill(match: re.Match[str]) -> str:
        if match[1] not in names:
            raise ClusterError(f"has no value for <<{match[1]}>>", where=_SOURCE, fault=Fault.US)
        return names[match[1]]

    return _PLACEHOLDER.sub(fill, "\n".join(lines))


def _console_panel(panel: Panel, number: int) -> Value:
    form = read_json(_SOURCE)["console"]
    targets = [{"refId": query.ref, "expr": query.expr, "legendFormat": query.legend} for query in panel.queries]
    shown: dict[str, Value] = {"id": str(number), "title": panel.title, "span": panel.width, "targets": targets}
    shown |= form[panel.kind]
    if panel.kind is Kind.NUMBER:
        shown |= {"format": panel.unit.console, "decimals": panel.unit.decimals}
    elif panel.kind is Kind.TREND:
        shown["yaxes"] = [{"format": panel.unit.console}]
    else:
        shown["styles"] = [_console_style(column, panel.unit) for column in panel.columns]
    return shown | form["warn_above_zero"] if panel.warn_above_zero else shown


def _console_style(column: Column, unit: Unit) -> Value:
    style = {"alias": column.title, "pattern": column.field}
    if column.field == _VALUE:
        return {**style, "type": "number", "unit": unit.console, "decimals": unit.decimals}
    return {**style, "type": "string"}


def _grafana_panels(rows: Sequence[Row]) -> Iterator[Value]:
    """Rows and panels in one list, each at its place: `top` and `left` grow as it fills."""
    ids, top = count(1), 0
    for row in rows:
        place = {"h": 1, "w": _LINE_WIDTH * _GRAFANA_FINER, "x": 0, "y": top}
        yield {"id": next(ids), "title": row.title, "gridPos": place, "type": "row", "collapsed": False, "panels": []}
        top += 1
        for line in _lines(row.panels):
            height, left = 4 if all(panel.kind is Kind.NUMBER for panel in line) else 8, 0
            for panel in line:
                width = panel.width * _GRAFANA_FINER
                yield _grafana_panel(panel, next(ids), {"h": height, "w": width, "x": left, "y": top})
                left += width
            top += height


def _lines(panels: Sequence[Panel]) -> Iterator[Sequence[Panel]]:
    """Panels that stand beside one another, twelve wide together."""
    start = 0
    for end in range(1, len(panels) + 1):
        if sum(panel.width for panel in panels[start:end]) >= _LINE_WIDTH or end == len(panels):
            yield panels[start:end]
            start = end


def _grafana_panel(panel: Panel, number: int, place: Mapping[str, int]) -> Value:
    form = read_json(_SOURCE)["grafana"]
    kind, datasource = form[panel.kind], form["datasource"]
    targets: list[Value] = [
        {"refId": query.ref, "datasource": datasource, "expr": query.expr, "legendFormat": query.legend}
        | kind["target"]
        for query in panel.queries
    ]
    field = {"unit": panel.unit.grafana, "decimals": panel.unit.decimals, **kind["field"]}
    if panel.warn_above_zero:
        field |= form["warn_above_zero"]
    shown: dict[str, Value] = {
        "id": number,
        "title": panel.title,
        "description": panel.description,
        "gridPos": place,
        **kind["panel"],
        "pluginVersion": form["plugin_version"],
        "datasource": datasource,
        "targets": targets,
        "fieldConfig": {"defaults": field, "overrides": []},
    }
    if panel.kind is Kind.TABLE:
        shown["transformations"] = [{"id": "organize", "options": _organized(panel.columns)}]
    return shown


def _organized(columns: Sequence[Column]) -> Mapping[str, Value]:
    """Columns in their order and under their titles; time, and a value that says nothing, left out."""
    shown = [column.field for column in columns]
    return {
        "excludeByName": {field: True for field in ("Time", _VALUE) if field not in shown},
        "indexByName": {field: index for index, field in enumerate(shown)},
        "renameByName": {column.field: column.title for column in columns},
    }
