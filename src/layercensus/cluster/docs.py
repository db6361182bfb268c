"""The contract files to Markdown: docs/telemetry.md, docs/metrics.md, tables of docs/privacy.md. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from layercensus.cluster.contract import Component, ContractAlert, RecordedSeries, TelemetryContract, read_contract
from layercensus.data import read_json

_TELEMETRY_HEAD = """\
# Telemetry: what may leave a cluster

Made from `src/layercensus/data/contract/telemetry.json` by one command; do not edit. Nothing leaves a cluster but what
stands here, and that only from rules rendered with `--telemetry`. Without it the same numbers are recorded under the
second name, which is on no allow-list. Numbers are counts of nodes under closed labels: no package, host, node or user
name can be expressed. The platform adds the cluster's id (`_id`) on the way.
"""

_JOINED_HEAD = """\
## Series of the platform that a fleet collector admits beside them

Labels that are not listed are dropped; a series whose label does not match is not admitted, and the kit's `remoteWrite`
setting does not send it. Every letter that a value may have is spelled out; digits alone are open.
"""

_METRICS_HEAD = """\
# Metrics of one machine

Made from `src/layercensus/data/contract/metrics.json` by one command; do not edit. These metrics stay in the cluster.
Every value of a closed label is always exposed, zeros included; NaN where it is not known, and no zero then. What
leaves a cluster is in [telemetry.md](telemetry.md). `inspect --format prometheus` of several machines adds a label
`machine` with the name of the input.
"""


def format_telemetry_docs() -> str:
    """Text of docs/telemetry.md."""
    contract = read_contract()
    parts = [
        _TELEMETRY_HEAD,
        "## Recorded series\n",
        *(_recorded_section(series) for series in contract.recorded),
        _ALERTS,
        _table(("alert", "severity", "labels", "applied", "when", "owner", "status, since"), _alert_rows(contract)),
        _JOINED_HEAD,
        _table(("series", "labels kept", "values merge by", "what it says"), _joined_rows(contract)),
        "## Recorded beside them, in the cluster only\n",
        _table(
            ("series", "labels", "what it says"),
            ((f"`{entry.name}`", _codes(entry.labels), entry.meaning) for entry in contract.in_cluster),
        ),
    ]
    return "\n".join(parts)


_ALERTS = """## Alerts

The platform forwards an alert with all its labels when it fires. Annotations stay. Its own alert `TargetDown` fires for
the agents too, if over a tenth of them cannot be scraped for 15 minutes, with `namespace`, `job` and `service`
`layercensus`.
"""


def format_privacy_tables() -> str:
    """The tables of docs/privacy.md: each series with its question, owner and expiry, and each alert."""
    contract = read_contract()
    series = (
        (
            f"`{entry.name}`",
            "; ".join(f"`{name}`: {', '.join(values)}" for name, values in entry.labels.items()) or "none",
            entry.question,
            _SWITCHES[entry.component],
            entry.owner,
            entry.expires.isoformat(),
        )
        for entry in contract.recorded
    )
    alerts = (
        (
            f"`{alert.name}`",
            "; ".join(f"`{name}`: {', '.join(values)}" for name, values in _all_labels(alert).items()),
            alert.meaning,
            alert.applied,
            alert.owner,
        )
        for alert in contract.alerts
    )
    return "\n".join(
        [
            _table(
                ("series", "labels", "the question it answers", "rules", "owner", "removed, unless renewed"), series
            ),
            _table(("alert", "labels beside its name", "fires when", "applied", "owner"), alerts),
        ]
    )


_SWITCHES = {
    Component.AGENT: "`--mode agent`",
    Component.MCD: "`--mode mcd`",
    Component.MCD_UPSTREAM: "a file of `optional/`",
}


def _all_labels(alert: ContractAlert) -> Mapping[str, Sequence[str]]:
    return {"severity": (alert.severity,), **alert.labels}


def format_metrics_docs() -> str:
    """Text of docs/metrics.md."""
    data: Mapping[str, Any] = read_json("contract/metrics.json")
    owner = data["_meta"]["owner"]
    rows = ("metric", "type", "labels", "what it says", "exposed", "status, since")
    table = _table(rows, (_metric_row(metric) for metric in data["metrics"]))
    return "\n".join([_METRICS_HEAD, f"Owner: {owner}.\n", table])


def _recorded_section(series: RecordedSeries) -> str:
    labels = "; ".join(f"`{name}` = {_codes(values)}" for name, values in series.labels.items()) or "none"
    return f"""\
### `{series.name}`

{series.meaning}

| | |
|---|---|
| question it answers | {_cell(series.question)} |
| labels | {labels} |
| series at most | {series.max_series} |
| without `--telemetry` | `{series.twin}` |
| recorded by | rules of `{series.component}`, release {series.release_from} and later |
| owner | {series.owner} |
| consumers | {", ".join(series.consumers)} |
| status, since | {series.status}, {series.since} |
| expires | {series.expires.isoformat()}: removed then, unless renewed in review |
"""


def _alert_rows(contract: TelemetryContract) -> Iterable[Sequence[str]]:
    return (
        (
            f"`{alert.name}`",
            alert.severity,
            _label_list(alert),
            alert.applied,
            alert.meaning,
            alert.owner,
            f"{alert.status}, {alert.since}",
        )
        for alert in contract.alerts
    )


def _label_list(alert: ContractAlert) -> str:
    fixed = ["`alertname`", "`severity`"]
    return "; ".join(fixed + [f"`{name}` = {_codes(values)}" for name, values in alert.labels.items()])


def _joined_rows(contract: TelemetryContract) -> Iterable[Sequence[str]]:
    return (
        (
            f"`{series.name}`",
            "; ".join(f"`{name}` like `{pattern}`" for name, pattern in series.labels.items()) or "none",
            series.merge,
            series.meaning,
        )
        for series in contract.joined
    )


def _metric_row(metric: Mapping[str, Any]) -> Sequence[str]:
    labels = "; ".join(
        f"`{name}` = {_codes(rule)}" if isinstance(rule, list) else f"`{name}` like `{rule['pattern']}`"
        for name, rule in metric["labels"].items()
    )
    optional = metric.get("optional")
    exposed = {None: "always", "agent": "by the agent"}.get(optional, f"with `{optional}`")
    status = f"{metric['status']}, {metric['since']}"
    return f"`{metric['name']}`", metric["type"], labels or "none", metric["help"], exposed, status


def _codes(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
