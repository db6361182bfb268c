"""The telemetry contract: its schema, the platform's limits, and that rules and contract say the same."""

import re
from datetime import date
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from layercensus.cluster.contract import Component, read_contract
from layercensus.cluster.manifests import render_agent, render_mcd
from layercensus.cluster.releases import known_releases, release_key
from layercensus.data import read_json
from layercensus.errors import ClusterError
from layercensus.model import Layering, Need

RENDERS = {Component.AGENT: render_agent, Component.MCD: render_mcd}
# What the platform's review tool holds for sensitive (openshift/cluster-monitoring-operator hack/telemetry_report), an extract.
SENSITIVE = {
    "instance",
    "node",
    "nodename",
    "hostname",
    "provider_id",
    "namespace",
    "pod",
    "container",
    "image",
    "path",
    "username",
}


def rules_of(files: Any) -> list[dict[str, Any]]:
    texts = [text for name, text in files.items() if "prometheusrule" in name]
    return [rule for text in texts for group in yaml.safe_load(text)["spec"]["groups"] for rule in group["rules"]]


def test_contract_fits_its_schema() -> None:
    schema = read_json("schemas/telemetry-contract-v1.schema.json")
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    assert [error.message for error in validator.iter_errors(read_json("contract/telemetry.json"))] == []


@pytest.mark.parametrize("component", [Component.AGENT, Component.MCD])
def test_each_mode_stays_within_three_metrics_and_ten_series(component: Component) -> None:
    series = [entry for entry in read_contract().recorded if entry.component is component]
    assert len(series) <= 3
    assert sum(entry.max_series for entry in series) <= 10
    for entry in series:
        assert entry.max_series == len(next(iter(entry.labels.values())))


def test_no_label_that_leaves_is_sensitive_and_values_are_sorted_for_a_selector() -> None:
    for entry in read_contract().recorded:
        assert not SENSITIVE & entry.labels.keys()
        for values in entry.labels.values():
            assert list(values) == sorted(values)
    for alert in read_contract().alerts:
        assert alert.labels["namespace"] == ("layercensus",)
        assert not (SENSITIVE - {"namespace"}) & alert.labels.keys()


def test_closed_values_are_those_of_the_model() -> None:
    contract = read_contract()
    layering = contract.series("cluster:usage:local_layering_nodes:count").labels["layering"]
    assert set(layering) == {entry.value for entry in Layering} - {"not_applicable"}
    assert set(contract.series("cluster:usage:local_layering_nodes_by_need:count").labels["need"]) == {
        entry.value for entry in Need
    }


def test_names_follow_the_platform_and_twins_are_on_no_allow_list() -> None:
    for entry in read_contract().recorded:
        suffix = entry.name.rpartition(":")[2]
        assert suffix in {"count", "sum"}
        assert entry.twin == f"layercensus:{entry.name.split(':')[-2]}:{suffix}"
        assert not re.match(r"cluster:", entry.twin)
        assert entry.expires > date(2026, 11, 22)


@pytest.mark.parametrize("release", known_releases())
@pytest.mark.parametrize("component", [Component.AGENT, Component.MCD])
def test_rules_with_consent_record_what_the_contract_says_and_nothing_more(component: Component, release: str) -> None:
    contract = read_contract()
    if component is Component.MCD and release_key(release) < (4, 14):
        with pytest.raises(ClusterError, match="no gauge"):
            render_mcd(release, telemetry=True)
        return
    recorded = {rule["record"] for rule in rules_of(RENDERS[component](release, telemetry=True)) if "record" in rule}
    assert {name for name in recorded if not name.startswith("layercensus:")} == {
        entry.name
        for entry in contract.recorded
        if entry.component in {component, Component.MCD_UPSTREAM}
        and release_key(release) >= release_key(entry.release_from)
    }
    assert {name for name in recorded if name.startswith("layercensus:")} <= {e.name for e in contract.in_cluster}


@pytest.mark.parametrize("release", known_releases())
@pytest.mark.parametrize("component", [Component.AGENT, Component.MCD])
def test_without_consent_nothing_is_recorded_that_any_allow_list_names(component: Component, release: str) -> None:
    if component is Component.MCD and release_key(release) < (4, 14):
        return
    contract = read_contract()
    files = RENDERS[component](release, telemetry=False)
    recorded = {rule["record"] for rule in rules_of(files) if "record" in rule}
    assert all(name.startswith("layercensus:") for name in recorded)
    assert recorded <= {e.name for e in contract.in_cluster} | {e.twin for e in contract.recorded}
    applied = {name: text for name, text in files.items() if not name.startswith("optional/")}
    assert not [rule for rule in rules_of(applied) if "alert" in rule]


@pytest.mark.parametrize("telemetry", [True, False])
def test_alerts_carry_severity_namespace_and_nothing_else_by_rule(telemetry: bool) -> None:
    severities = {alert.name: alert.severity for alert in read_contract().alerts}
    alerts = [rule for rule in rules_of(render_agent("5.0", telemetry)) if "alert" in rule]
    assert {rule["alert"] for rule in alerts} == severities.keys()
    for rule in alerts:
        assert rule["labels"] == {"severity": severities[rule["alert"]], "namespace": "layercensus"}


def test_each_series_is_recorded_by_one_expression() -> None:
    for release in known_releases():
        names = [rule["record"] for rule in rules_of(render_agent(release, telemetry=True)) if "record" in rule]
        assert len(names) == len(set(names))


def test_an_unknown_series_is_our_own_fault() -> None:
    with pytest.raises(ClusterError, match="not in the telemetry contract"):
        read_contract().series("cluster:usage:anything:count")


def test_patterns_of_joined_series_admit_what_clusters_send_and_no_more() -> None:
    joined = {entry.name: entry.labels for entry in read_contract().joined}
    version = joined["cluster_version"]["version"]
    for text in ("4.14.37", "5.0.0-ec.3", "4.18.0-0.nightly-2026-08-01-120000", "4.20.0-okd-scos.ec.1"):
        assert re.fullmatch(version, text)
    for text in ("4.14", "node-1.example.com", "4.14.1-node-1.example.com", "4.14.1-htop"):
        assert not re.fullmatch(version, text)
    provider = joined["cluster_infrastructure_provider"]["type"]
    assert re.fullmatch(provider, "VSphere")
    assert not re.fullmatch(provider, "htop")
    assert re.fullmatch(joined["cluster_version"]["type"], "current")
    assert not re.fullmatch(joined["cluster_version"]["type"], "completed")
    assert not re.fullmatch(
        joined["cluster:node_instance_type_count:sum"]["label_node_openshift_io_os_id"], "my-own-os"
    )
