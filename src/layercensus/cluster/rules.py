"""Recording rules and alerts for a release, as values. Pure; expressions are PromQL files in `data/rules`.

A rule file holds `<<names>>` that are filled here: closed label values, the zeros that keep a series from being empty
on a clean cluster, and what a kernel type weighs. All recording rules of a file stand in one group, so that they are
evaluated in order and at one timestamp.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from layercensus.cluster.contract import Component, ContractAlert, RecordedSeries, read_contract
from layercensus.cluster.releases import (
    KernelRow,
    allows_mcd_series,
    has_mcd_gauge,
    kernel_rows,
    kernel_version_patterns,
)
from layercensus.data import read_json, read_text
from layercensus.errors import ClusterError, Fault

LAYERING = "cluster:usage:local_layering_nodes:count"
NEED = "cluster:usage:local_layering_nodes_by_need:count"
MCD = "cluster:usage:mcd_unsupported_nodes:count"
MCD_NODES = "cluster:mcd_nodes_with_unsupported_packages:count"
MCD_PACKAGES = "cluster:mcd_total_unsupported_packages:sum"

_GROUP = "telemetry.rules"
_ALERT_GROUP = "layercensus.alerts"
_PLACEHOLDER = re.compile(r"<<([a-z_]+)>>")
_NODES_KNOWN = "group(kube_node_info)"


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A recording rule: series name and PromQL expression."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alert. `wait` is the `for` of Prometheus; only labels leave the cluster, annotations do not."""

    alert: str
    expr: str
    wait: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated in order, at one timestamp."""

    name: str
    rules: tuple[RecordingRule | AlertRule, ...] = field(default=())


def mcd_group(release: str, *, telemetry: bool) -> RuleGroup:
    """Rules over the gauge of the machine config daemon, for a cluster without the agent."""
    series = read_contract().series(MCD)
    counted = RecordingRule(
        series.recorded_name(telemetry=telemetry),
        _expression("mcd_unsupported_nodes.promql", zeros=_zeros(series, _NODES_KNOWN)),
    )
    return RuleGroup(_GROUP, (_node_coreos(release), *_node_mcd_state(release), counted))


def agent_group(release: str | None, *, telemetry: bool) -> RuleGroup:
    """Rules over the agent's metrics; where the release has the gauge, also where the two disagree.

    No release: Kubernetes without OpenShift.
    """
    contract = read_contract()
    layering, need = contract.series(LAYERING), contract.series(NEED)
    classes = "|".join(sorted((*layering.labels["layering"], "not_applicable")))
    rules = [
        _node_coreos(release),
        RecordingRule("layercensus:node_layering:group", _expression("node_layering.promql", classes=classes)),
        *(_counted(series, telemetry=telemetry) for series in (layering, need)),
    ]
    if release is not None and has_mcd_gauge(release):
        rules += [*_node_mcd_state(release), _disagreement()]
    return RuleGroup(_GROUP, tuple(rules))


def upstream_group(*, telemetry: bool) -> RuleGroup:
    """Rules that record again what the platform allows and, from 4.21 on, no rule of its own records."""
    contract = read_contract()
    return RuleGroup(
        _GROUP,
        tuple(
            RecordingRule(contract.series(name).recorded_name(telemetry=telemetry), _expression(file))
            for name, file in (
                (MCD_NODES, "mcd_nodes_with_unsupported_packages.promql"),
                (MCD_PACKAGES, "mcd_total_unsupported_packages.promql"),
            )
        ),
    )


def alert_group(release: str | None, component: Component, *, telemetry: bool, applied: str) -> RuleGroup:
    """Alerts of a component's rules that the contract says are `applied` so: `with --telemetry` or `by hand`."""
    contract = read_contract()
    names = {series.name: series.recorded_name(telemetry=telemetry) for series in contract.recorded}
    entries = {entry["alert"]: entry for entry in read_json("rules/alerts.json")["alerts"]}
    rules = tuple(
        _alert(
            alert,
            entries[alert.name],
            _alert_expression(entries[alert.name], release, component, names, telemetry=telemetry),
            watches_upstream=_watches_upstream(release, telemetry=telemetry),
        )
        for alert in contract.alerts
        if alert.applied == applied and alert.component in {component, Component.ANY}
    )
    return RuleGroup(_ALERT_GROUP, rules)


def _node_coreos(release: str | None) -> RecordingRule:
    """Nodes that are counted: on OpenShift all but what is known to be no CoreOS, elsewhere what says that it is."""
    patterns = read_json("rules/patterns.json")
    if release is None:
        expr = _expression("node_coreos_only.promql", coreos_os_image=patterns["coreos_os_image"])
    else:
        expr = _expression("node_coreos.promql", other_os_image=patterns["other_os_image"])
    return RecordingRule("layercensus:node_coreos:group", expr)


def _node_mcd_state(release: str) -> Sequence[RecordingRule]:
    rows = "\n".join(
        f"or\n  {row.count} * group by (node) (kube_node_info{{{_kernel_matchers(row)}}})"
        for row in kernel_rows(release)
    )
    types = read_json(f"catalogs/{release}.json")["kernel_types"]
    any_type = "|".join(kernel_version_patterns()[name] for name in types)
    packages = _expression("node_kernel_packages.promql", any_kernel_type=any_type, kernel_rows=rows)
    return (
        RecordingRule("layercensus:node_kernel_packages:max", packages),
        RecordingRule("layercensus:node_mcd_state:group", _expression("node_mcd_state.promql")),
    )


def _kernel_matchers(row: KernelRow) -> str:
    matchers = f'kernel_version=~"{row.kernel_version}"'
    return f'{matchers},os_image=~".*CoreOS ({"|".join(row.os_versions)})[.].*"' if row.os_versions else matchers


def _counted(series: RecordedSeries, *, telemetry: bool) -> RecordingRule:
    values = "|".join(next(iter(series.labels.values())))
    file = f"{series.name.split(':')[-2]}.promql"
    expr = _expression(file, values=values, zeros=_zeros(series, _NODES_KNOWN))
    return RecordingRule(series.recorded_name(telemetry=telemetry), expr)


def _disagreement() -> RecordingRule:
    both_known = f"({_NODES_KNOWN} and group(mcd_local_unsupported_packages))"
    zeros = "\n".join(_zero("found_by", value, both_known) for value in ("agent", "mcd"))
    return RecordingRule(
        "layercensus:mcd_disagreement_nodes:count", _expression("mcd_disagreement_nodes.promql", zeros=zeros)
    )


def _zeros(series: RecordedSeries, witness: str) -> str:
    """Lines that give every closed value a zero where nothing counted, as long as the witness speaks."""
    return "\n".join(_zero(label, value, witness) for label, values in series.labels.items() for value in values)


def _zero(label: str, value: str, witness: str) -> str:
    return f'or label_replace(0 * {witness}, "{label}", "{value}", "", "")'


def _alert(alert: ContractAlert, entry: Mapping[str, Any], expr: str, *, watches_upstream: bool) -> AlertRule:
    labels = {"severity": alert.severity, "namespace": read_contract().namespace}
    description = entry["description"] + (entry.get("upstream", "") if watches_upstream else "")
    annotations = {"summary": entry["summary"], "description": description}
    if "runbook" in entry:
        annotations["runbook"] = entry["runbook"]
    return AlertRule(alert.name, expr, entry["for"], labels, annotations)


def _alert_expression(
    entry: Mapping[str, Any], release: str | None, component: Component, names: Mapping[str, str], *, telemetry: bool
) -> str:
    if entry["expr"] == "signal_dark":
        return _signal_dark(release, component, names, telemetry=telemetry)
    return _expression(entry["expr"], layering_series=names[LAYERING], **{"class": entry.get("class", "")})


def _signal_dark(release: str | None, component: Component, names: Mapping[str, str], *, telemetry: bool) -> str:
    """Without consent the platform's own series are none of ours to watch: nothing rendered then could light them."""
    own = _expression(
        f"signal_dark_{component}.promql",
        layering_series=names[LAYERING],
        need_series=names[NEED],
        mcd_series=names[MCD],
    )
    return (
        f"{own}\n{_expression('signal_dark_upstream.promql')}"
        if _watches_upstream(release, telemetry=telemetry)
        else own
    )


def _watches_upstream(release: str | None, *, telemetry: bool) -> bool:
    return telemetry and release is not None and allows_mcd_series(release)


def _expression(file: str, **values: str) -> str:
    """Text of a rule file with its `<<names>>` filled. Raises `ClusterError` if one is not given."""

    def fill(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ClusterError(f"has no value for <<{match[1]}>>", where=f"rules/{file}", fault=Fault.US)
        return values[match[1]]

    return _PLACEHOLDER.sub(fill, read_text(f"rules/{file}")).strip()
