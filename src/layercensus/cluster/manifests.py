"""A release to a folder of manifests: relative path -> text. Pure.

Files at the top are what `oc apply -k` applies. Files in `optional/` are applied by hand and by nothing else: without
consent that includes every alert, since the platform forwards firing alerts.
"""

from collections.abc import Mapping

from layercensus.cluster.contract import Component, read_contract
from layercensus.cluster.readme import render_readme
from layercensus.cluster.releases import check_release, has_mcd_gauge, lost_mcd_series
from layercensus.cluster.rules import (
    AlertRule,
    RecordingRule,
    RuleGroup,
    agent_group,
    alert_group,
    mcd_group,
    upstream_group,
)
from layercensus.cluster.yaml_text import Value, format_yaml
from layercensus.errors import ClusterError, Fault


def render_mcd(release: str, telemetry: bool) -> Mapping[str, str]:
    """Folder of mode mcd: rules over the gauge of the machine config daemon, nothing on a node.

    Raises `ClusterError` for a release without catalog and for one without the gauge (4.12, 4.13).
    """
    check_release(release)
    if not has_mcd_gauge(release):
        raise ClusterError(
            f"the machine config daemon of {release} has no gauge of unsupported packages",
            where="--mode mcd",
            fault=Fault.USAGE,
            next_step="use --mode agent, which needs no gauge, or a release from 4.14 on",
        )
    rules = {"prometheusrule-mcd.yaml": _prometheus_rule("layercensus-mcd", mcd_group(release, telemetry=telemetry))}
    extra = _extra_rules(release, Component.MCD, telemetry=telemetry)
    return _folder(Component.MCD, release, {**rules, **extra}, telemetry=telemetry)


def render_agent(release: str, telemetry: bool) -> Mapping[str, str]:
    """Folder of mode agent, without the agent itself. Raises `ClusterError` for a release without catalog."""
    return _folder(Component.AGENT, release, render_agent_rules(release, telemetry=telemetry), telemetry=telemetry)


def render_agent_rules(release: str, telemetry: bool) -> Mapping[str, str]:
    """Rules and alerts over the agent's metrics, without namespace, README and kustomization.

    The rules join on a label `node` that the scrape has to set from the name of the pod's node.
    """
    check_release(release)
    rules = {
        "prometheusrule-agent.yaml": _prometheus_rule("layercensus-agent", agent_group(release, telemetry=telemetry))
    }
    return {**rules, **_extra_rules(release, Component.AGENT, telemetry=telemetry)}


def _extra_rules(release: str, component: Component, *, telemetry: bool) -> Mapping[str, str]:
    """Alerts, and the platform's lost series; in `optional/` where they are not applied by default."""
    files: dict[str, str] = {}
    alerts = alert_group(release, component, telemetry=telemetry, applied="with --telemetry")
    files[f"{'' if telemetry else 'optional/'}prometheusrule-alerts.yaml"] = _prometheus_rule(
        "layercensus-alerts", alerts
    )
    by_hand = alert_group(release, component, telemetry=telemetry, applied="by hand")
    if by_hand.rules:
        files["optional/prometheusrule-upgrade-alerts.yaml"] = _prometheus_rule("layercensus-upgrade-alerts", by_hand)
    if lost_mcd_series(release):
        upstream = upstream_group(telemetry=telemetry)
        files["optional/prometheusrule-mcd-upstream.yaml"] = _prometheus_rule("layercensus-mcd-upstream", upstream)
    return files


def _folder(component: Component, release: str, rules: Mapping[str, str], *, telemetry: bool) -> Mapping[str, str]:
    files = {"namespace.yaml": format_yaml(_namespace()), **rules}
    files["kustomization.yaml"] = format_yaml(_kustomization(files))
    return {"README.md": render_readme(component, release, tuple(files), telemetry=telemetry), **files}


def _namespace() -> Value:
    name = read_contract().namespace
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": "layercensus", "openshift.io/cluster-monitoring": "true"},
        },
    }


def _kustomization(files: Mapping[str, str]) -> Value:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [name for name in files if not name.startswith("optional/")],
    }


def _prometheus_rule(name: str, group: RuleGroup) -> str:
    return format_yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": name,
                "namespace": read_contract().namespace,
                "labels": {"app.kubernetes.io/name": "layercensus"},
            },
            "spec": {"groups": [{"name": group.name, "rules": [_rule(rule) for rule in group.rules]}]},
        }
    )


def _rule(rule: RecordingRule | AlertRule) -> Value:
    if isinstance(rule, RecordingRule):
        return {"record": rule.record, "expr": rule.expr}
    return {
        "alert": rule.alert,
        "expr": rule.expr,
        "for": rule.wait,
        "labels": rule.labels,
        "annotations": rule.annotations,
    }
