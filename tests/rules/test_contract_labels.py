"""No label outside the contract leaves: every alert and every telemetry series is evaluated over hostile input.

All input series carry labels that name hosts, users and packages. promtool compares whole label sets, so a rule that
lets one through fails; the last test makes a rule leak on purpose and sees promtool say so.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from layercensus.cluster.contract import read_contract
from layercensus.cluster.manifests import render_agent, render_mcd
from layercensus.cluster.releases import known_releases, release_key

WITH_GAUGE = [release for release in known_releases() if release_key(release) >= (4, 14)]

HOSTILE = 'pod="p-db1",host="db1.example.com",user="jane",package="htop",instance="10.0.0.1:9001",os_image="Red Hat Enterprise Linux CoreOS 9.6",kernel_version="5.14"'
NODE = f'node="db1.example.com",{HOSTILE}'
# Every alert of both modes fires over this: an agent that cannot read, a stale census, changes before an upgrade, a
# platform series that nobody records; and, without kube_node_info, our own series dark.
SERIES = {
    f'layercensus_machine_layering{{layering="packages",{NODE}}}': "1x200",
    f'layercensus_machine_layering{{layering="overrides",{NODE.replace("db1", "db2")}}}': "1x200",
    f'layercensus_non_extension_need{{need="agent",{NODE}}}': "1x200",
    f"layercensus_read_success{{{NODE}}}": "0x200",
    f"layercensus_read_timestamp_seconds{{{NODE}}}": "0x200",
    f"mcd_local_unsupported_packages{{{NODE}}}": "1x200",
    f"cluster_version_available_updates{{{HOSTILE}}}": "1x200",
}
NODES = {
    f"kube_node_info{{{NODE}}}": "1x200",
    f"kube_node_info{{{NODE.replace('db1', 'db2')}}}": "1x200",
}


def rules_files(files: Mapping[str, str], folder: Path, spec_of: Any) -> list[str]:
    names = [name for name in files if "prometheusrule" in name]
    for name in names:
        (folder / name.rpartition("/")[2]).write_text(yaml.safe_dump(spec_of(files[name])))
    return [name.rpartition("/")[2] for name in names]


def run(promtool: Any, folder: Path, rules: list[str], series: Mapping[str, str], checks: Mapping[str, Any]) -> Any:
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    tests = [{"interval": "5m", "input_series": inputs, **checks}]
    (folder / "t.yaml").write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": "5m", "tests": tests}))
    return promtool("test", "rules", str(folder / "t.yaml"))


def label_sets(alert: Any, signals: list[str]) -> list[dict[str, str]]:
    fixed = {"severity": alert.severity, "namespace": "layercensus"}
    return [{**fixed, "signal": signal} for signal in signals] if "signal" in alert.labels else [fixed]


def samples(expected: Mapping[str, int]) -> Any:
    return [{"labels": text, "value": value} for text, value in expected.items()]


@pytest.mark.parametrize("release", known_releases())
def test_alerts_of_the_agents_rules_carry_contract_labels_only(
    release: str, promtool: Any, spec_of: Any, tmp_path: Path
) -> None:
    files = {n: t for n, t in render_agent(release, telemetry=True).items() if "mcd-upstream" not in n}
    rules = rules_files(files, tmp_path, spec_of)
    templates = {
        rule["alert"]: rule["annotations"]
        for name in rules
        for rule in yaml.safe_load((tmp_path / name).read_text())["groups"][0]["rules"]
        if "alert" in rule
    }
    assert templates.keys() == {alert.name for alert in read_contract().alerts}
    for name in rules:  # annotations stay in the cluster; without them promtool compares labels alone
        document = yaml.safe_load((tmp_path / name).read_text())
        for rule in document["groups"][0]["rules"]:
            rule.pop("annotations", None)
        (tmp_path / name).write_text(yaml.safe_dump(document))
    upstream = ["mcd_upstream"] if release_key(release) >= (4, 16) else []
    for nodes, signals in ((NODES, upstream), ({}, ["layering", *upstream])):
        checks = [
            {
                "alertname": alert.name,
                "eval_time": "10h",
                "exp_alerts": [{"exp_labels": labels} for labels in label_sets(alert, signals)],
            }
            for alert in read_contract().alerts
            if nodes or "signal" in alert.labels
        ]
        result = run(promtool, tmp_path, rules, {**SERIES, **nodes}, {"alert_rule_test": checks})
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("release", WITH_GAUGE)
def test_the_watchdog_without_an_agent_carries_contract_labels_only(
    release: str, promtool: Any, spec_of: Any, tmp_path: Path
) -> None:
    files = {n: t for n, t in render_mcd(release, telemetry=True).items() if "mcd-upstream" not in n}
    rules = rules_files(files, tmp_path, spec_of)
    for name in rules:
        document = yaml.safe_load((tmp_path / name).read_text())
        for rule in document["groups"][0]["rules"]:
            rule.pop("annotations", None)
        (tmp_path / name).write_text(yaml.safe_dump(document))
    (watchdog,) = (alert for alert in read_contract().alerts if "signal" in alert.labels)
    upstream = ["mcd_upstream"] if release_key(release) >= (4, 16) else []
    for nodes, signals in ((NODES, upstream), ({}, ["mcd", *upstream])):
        expected = [{"exp_labels": labels} for labels in label_sets(watchdog, signals)]
        check = {"alertname": watchdog.name, "eval_time": "10h", "exp_alerts": expected}
        result = run(promtool, tmp_path, rules, {**SERIES, **nodes}, {"alert_rule_test": [check]})
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("release", known_releases())
def test_telemetry_series_carry_contract_labels_only(release: str, promtool: Any, spec_of: Any, tmp_path: Path) -> None:
    expected = {
        "agent": {
            'cluster:usage:local_layering_nodes:count{layering="clean"}': 0,
            'cluster:usage:local_layering_nodes:count{layering="extensions"}': 0,
            'cluster:usage:local_layering_nodes:count{layering="overrides"}': 1,
            'cluster:usage:local_layering_nodes:count{layering="packages"}': 1,
            'cluster:usage:local_layering_nodes:count{layering="unknown"}': 0,
            'cluster:usage:local_layering_nodes_by_need:count{need="agent"}': 1,
            'cluster:usage:local_layering_nodes_by_need:count{need="driver"}': 0,
            'cluster:usage:local_layering_nodes_by_need:count{need="other"}': 0,
            'cluster:usage:local_layering_nodes_by_need:count{need="override"}': 0,
            'cluster:usage:local_layering_nodes_by_need:count{need="tool"}': 0,
        },
        "mcd": {
            'cluster:usage:mcd_unsupported_nodes:count{state="none"}': 0,
            'cluster:usage:mcd_unsupported_nodes:count{state="unknown"}': 1,
            'cluster:usage:mcd_unsupported_nodes:count{state="unsupported"}': 1,
        },
    }
    relit = {"cluster:mcd_nodes_with_unsupported_packages:count": 1, "cluster:mcd_total_unsupported_packages:sum": 1}
    for mode, render in (("agent", render_agent), ("mcd", render_mcd)):
        if render is render_mcd and release not in WITH_GAUGE:
            continue
        rules = rules_files(render(release, telemetry=True), tmp_path, spec_of)
        whole = expected[mode] | (relit if release_key(release) >= (4, 21) else {})
        check = {"expr": '{__name__=~"cluster:.*"}', "eval_time": "10h", "exp_samples": samples(whole)}
        result = run(promtool, tmp_path, rules, {**SERIES, **NODES}, {"promql_expr_test": [check]})
        assert result.returncode == 0, result.stdout


def test_a_rule_that_leaks_a_node_name_is_caught(promtool: Any, spec_of: Any, tmp_path: Path) -> None:
    files = dict(render_mcd("4.14", telemetry=True))
    leaking = "count by (state) (layercensus:node_mcd_state:group)"
    assert leaking in files["prometheusrule-mcd.yaml"]
    files["prometheusrule-mcd.yaml"] = files["prometheusrule-mcd.yaml"].replace(
        leaking, leaking.replace("(state)", "(state, node)")
    )
    rules = rules_files(files, tmp_path, spec_of)
    expected = {
        'cluster:usage:mcd_unsupported_nodes:count{state="none"}': 0,
        'cluster:usage:mcd_unsupported_nodes:count{state="unknown"}': 1,
        'cluster:usage:mcd_unsupported_nodes:count{state="unsupported"}': 1,
    }
    check = {"expr": '{__name__=~"cluster:.*"}', "eval_time": "10h", "exp_samples": samples(expected)}
    result = run(promtool, tmp_path, rules, {**SERIES, **NODES}, {"promql_expr_test": [check]})
    assert result.returncode != 0
    assert "db1.example.com" in result.stdout + result.stderr
