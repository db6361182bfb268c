"""A release to a folder of manifests: relative path -> text. Pure.

Files at the top, and the rules of the agent's kit in `rules/`, are what `oc apply -k` applies. Files in `optional/` are
applied by hand and by nothing else: without consent that includes every alert, since the platform forwards firing ones.
"""

import json
import textwrap
from collections.abc import Mapping, Sequence

from layercensus.cluster import access, dashboards, scrape, workload
from layercensus.cluster.certificates import certificate_requests
from layercensus.cluster.contract import Component, read_contract
from layercensus.cluster.kit import NAME, Kit, Platform, make_kit, metadata
from layercensus.cluster.readme import file_meaning, render_kit_readme, render_mcd_readme
from layercensus.cluster.releases import check_release, has_mcd_gauge, lost_mcd_series
from layercensus.cluster.remote_write import remote_write_setting
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

# Dashboards of Kubernetes are those of the oldest release: no panel of it speaks of the machine config daemon.
_DASHBOARD_WITHOUT_RELEASE = "4.12"
_REMOTE_WRITE = "optional/remote-write-setting.txt"
_CONSOLE_NAMESPACE = "openshift-config-managed"


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
    rules |= _extra_rules(release, Component.MCD, telemetry=telemetry)
    files = {"namespace.yaml": format_yaml(_namespace_of_rules()), **rules}
    files[_REMOTE_WRITE] = _remote_write("mcd", Component.MCD, telemetry=telemetry)
    files["kustomization.yaml"] = _kustomization([name for name in files if not name.startswith("optional/")])
    return {"README.md": render_mcd_readme(release, tuple(files), telemetry=telemetry), **files}


def render_agent(release: str, telemetry: bool, image: str | None = None) -> Mapping[str, str]:
    """Folder of mode agent for OpenShift: agent, access, scrape, rules, dashboard.

    Raises `ClusterError` for a release without catalog.
    """
    check_release(release)
    kit = make_kit(Platform.OPENSHIFT, release, image, telemetry=telemetry)
    applied: dict[str, Sequence[Value]] = {
        "namespace.yaml": [access.namespace(kit)],
        "service-account.yaml": [workload.service_account(kit)],
        "scc.yaml": [access.security_context_constraints(), *access.use_of_constraints(kit)],
        "client-ca.yaml": [access.reading_of_client_ca(kit)],
        "daemonset.yaml": [workload.priority_class(), workload.daemon_set(kit)],
        "service.yaml": [scrape.service(kit)],
        "prometheus.yaml": [*access.discovery_by_prometheus(kit), scrape.service_monitor(kit)],
        "network-policy.yaml": [access.network_policy(kit)],
        "console-dashboard.yaml": [_console_dashboard(kit, release)],
    }
    grafana = json.dumps(dashboards.grafana_dashboard(release, telemetry=telemetry), indent=2) + "\n"
    setting = _remote_write(kit.platform, Component.AGENT, telemetry=telemetry)
    return _kit_folder(kit, applied, {"optional/grafana-dashboard.json": grafana, _REMOTE_WRITE: setting})


def render_kubernetes(image: str | None = None) -> Mapping[str, str]:
    """Folder of mode agent for Kubernetes on Fedora CoreOS; nothing leaves such a cluster, so it needs no consent."""
    kit = make_kit(Platform.KUBERNETES, None, image, telemetry=False)
    applied: dict[str, Sequence[Value]] = {
        "namespace.yaml": [access.namespace(kit)],
        "service-account.yaml": [workload.service_account(kit)],
        "daemonset.yaml": [workload.priority_class(), workload.daemon_set(kit)],
        "service.yaml": [scrape.service(kit)],
        "prometheus.yaml": [scrape.service_monitor(kit)],
        "network-policy.yaml": [access.network_policy(kit)],
        "grafana-dashboard.yaml": [_grafana_dashboard(kit)],
    }
    certificates = _documents(kit, "optional/certificates.yaml", certificate_requests(kit))
    return _kit_folder(kit, applied, {"optional/certificates.yaml": certificates})


def render_agent_rules(release: str | None, telemetry: bool) -> Mapping[str, str]:
    """Rules and alerts over the agent's metrics, without namespace, README and kustomization.

    The rules join on a label `node` that the scrape has to set from the name of the pod's node. No release: those for
    Kubernetes.
    """
    if release is not None:
        check_release(release)
    rules = {
        "prometheusrule-agent.yaml": _prometheus_rule("layercensus-agent", agent_group(release, telemetry=telemetry))
    }
    return {**rules, **_extra_rules(release, Component.AGENT, telemetry=telemetry)}


def _kit_folder(kit: Kit, applied: Mapping[str, Sequence[Value]], aside: Mapping[str, str]) -> Mapping[str, str]:
    rules = render_agent_rules(kit.release, telemetry=kit.telemetry)
    within = {(name if name.startswith("optional/") else f"rules/{name}"): text for name, text in rules.items()}
    files = {name: _documents(kit, name, objects) for name, objects in applied.items()}
    files |= within
    files["rules/kustomization.yaml"] = _kustomization(
        [name.partition("/")[2] for name in within if name.startswith("rules/")]
    )
    files |= aside
    files["optional/self-check.yaml"] = _documents(kit, "self-check.yaml", [workload.self_check_job(kit)])
    files["kustomization.yaml"] = _kustomization([*applied, "rules"])
    return {"README.md": render_kit_readme(kit, tuple(files)), **files}


def _documents(kit: Kit, name: str, objects: Sequence[Value]) -> str:
    """A file's text: what it is for, then its objects."""
    head = _head(name, kit.platform, telemetry=kit.telemetry)
    return head + "---\n".join(format_yaml(each) for each in objects)


def _remote_write(platform: str, component: Component, *, telemetry: bool) -> str:
    return _head(_REMOTE_WRITE, platform, telemetry=telemetry) + remote_write_setting(component, telemetry=telemetry)


def _head(name: str, platform: str, *, telemetry: bool) -> str:
    """What a file is for, as a comment."""
    meaning = textwrap.wrap(f"{file_meaning(name, platform, telemetry=telemetry)}.", 100)
    return "".join(f"# {line}\n" for line in meaning)


def _extra_rules(release: str | None, component: Component, *, telemetry: bool) -> Mapping[str, str]:
    """Alerts, and the platform's lost series; in `optional/` where they are not applied by default."""
    files: dict[str, str] = {}
    alerts = alert_group(release, component, telemetry=telemetry, applied="with --telemetry")
    files[f"{'' if telemetry else 'optional/'}prometheusrule-alerts.yaml"] = _prometheus_rule(
        "layercensus-alerts", alerts
    )
    by_hand = alert_group(release, component, telemetry=telemetry, applied="by hand")
    # They ask whether the platform has an update, which only OpenShift says.
    if by_hand.rules and release is not None:
        files["optional/prometheusrule-upgrade-alerts.yaml"] = _prometheus_rule("layercensus-upgrade-alerts", by_hand)
    if release is not None and lost_mcd_series(release):
        upstream = upstream_group(telemetry=telemetry)
        files["optional/prometheusrule-mcd-upstream.yaml"] = _prometheus_rule("layercensus-mcd-upstream", upstream)
    return files


def _namespace_of_rules() -> Value:
    labels = {"app.kubernetes.io/name": NAME, "openshift.io/cluster-monitoring": "true"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": read_contract().namespace, "labels": labels}}


def _kustomization(resources: Sequence[str]) -> str:
    return format_yaml(
        {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(resources)}
    )


def _console_dashboard(kit: Kit, release: str) -> Value:
    labels = {"app.kubernetes.io/name": NAME, "console.openshift.io/dashboard": "true"}
    dashboard = dashboards.console_dashboard(release, telemetry=kit.telemetry)
    return _config_map(metadata(kit, f"{NAME}-dashboard", namespace=_CONSOLE_NAMESPACE, labels=labels), dashboard)


def _grafana_dashboard(kit: Kit) -> Value:
    labels = {"app.kubernetes.io/name": NAME, "grafana_dashboard": "1"}
    dashboard = dashboards.grafana_dashboard(_DASHBOARD_WITHOUT_RELEASE, telemetry=False)
    return _config_map(metadata(kit, f"{NAME}-dashboard", labels=labels), dashboard)


def _config_map(about: Mapping[str, Value], dashboard: Mapping[str, Value]) -> Value:
    text = json.dumps(dashboard, indent=2)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {f"{NAME}.json": text}}


def _prometheus_rule(name: str, group: RuleGroup) -> str:
    rules: list[Value] = [_rule(rule) for rule in group.rules]
    about: Value = {
        "name": name,
        "namespace": read_contract().namespace,
        "labels": {"app.kubernetes.io/name": NAME},
    }
    return format_yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": about,
            "spec": {"groups": [{"name": group.name, "rules": rules}]},
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
