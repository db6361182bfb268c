"""promtool, situations, and what turns a situation into series: shared by the tests of this folder."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
CLASSES = ("not_applicable", "unknown", "packages", "overrides", "extensions", "clean")
NEEDS = ("agent", "driver", "tool", "override", "other")

Promtool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    program = shutil.which("promtool")
    if program is None:
        reason = "promtool is not installed, so NO RULE WAS EVALUATED (Debian package: prometheus)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return lambda *arguments: subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def spec_of() -> Callable[[str], Mapping[str, Any]]:
    """A rendered PrometheusRule to what Prometheus itself reads."""
    return lambda text: yaml.safe_load(text)["spec"]


@pytest.fixture(scope="session")
def input_series() -> Callable[..., list[dict[str, str]]]:
    """A situation to promtool's input series, constant over 80 intervals."""
    return _input_series


def _input_series(situation: Mapping[str, Any], release: str) -> list[dict[str, str]]:
    facts = yaml.safe_load((HERE / "releases.yaml").read_text())[release]
    series: dict[str, str] = {}
    for replica in ("1", "2")[: 2 if situation.get("second_kube_state_metrics") else 1]:
        for node, kind in situation.get("nodes", {}).items():
            series |= _node_series(node, kind, facts, f'job="kube-state-metrics",pod="ksm-{replica}"')
    for node, value in (situation.get("gauge") or {}).items():
        pod = f'namespace="openshift-machine-config-operator",pod="machine-config-daemon-{node}"'
        labels = f'node="{node}",exported_node="{node}",{pod}'
        series[f"mcd_local_unsupported_packages{{{labels}}}"] = f"{_gauge(value, facts)}x80"
    series |= _agent_series(situation.get("agent", {}), situation.get("needs", {}), "layercensus")
    series |= _agent_series(situation.get("second_agent", {}), situation.get("second_needs", {}), "layercensus-second")
    series |= _alert_series(situation)
    series |= situation.get("series", {})
    return [{"series": name, "values": str(values)} for name, values in series.items()]


def _node_series(node: str, kind: str, facts: Mapping[str, Any], labels: str) -> dict[str, str]:
    other = {
        "windows": {"os_image": "Windows Server 2022 Datacenter", "kernel_version": "10.0.20348.2527"},
        "windows_by_label": {"os_image": "", "kernel_version": ""},
        "nothing_known": {"os_image": "", "kernel_version": ""},
        "rhel_worker": {
            "os_image": "Red Hat Enterprise Linux 8.10 (Ootpa)",
            "kernel_version": "4.18.0-553.el8_10.x86_64",
        },
        "rhel_server_worker": {
            "os_image": "Red Hat Enterprise Linux Server 7.9 (Maipo)",
            "kernel_version": "3.10.0-1160.el7.x86_64",
        },
    }
    info = other.get(kind) or facts[kind]
    os_id = "rhel" if kind.startswith("rhel") else "Windows" if kind.startswith("windows") else facts["os_id"]
    system = "windows" if kind.startswith("windows") else "linux"
    shown = ",".join(f'{name}="{value}"' for name, value in info.items())
    return {
        f'kube_node_info{{node="{node}",{shown},{labels}}}': "1x80",
        f'kube_node_labels{{node="{node}",label_node_openshift_io_os_id="{os_id}",label_kubernetes_io_os="{system}",{labels}}}': "1x80",
    }


def _gauge(value: int | str, facts: Mapping[str, Any]) -> int:
    if isinstance(value, int):
        return value
    name, _, more = value.partition(" + ")
    return int(facts[name]) + int(more or 0)


def _agent_series(agents: Mapping[str, str], needs: Mapping[str, list[str]], pod: str) -> dict[str, str]:
    series: dict[str, str] = {}
    for node, layering in agents.items():
        labels = f'node="{node}",namespace="layercensus",pod="{pod}-{node}"'
        for name in CLASSES:
            series[f'layercensus_machine_layering{{layering="{name}",{labels}}}'] = f"{int(name == layering)}x80"
        for name in NEEDS:
            value = int(name in needs.get(node, []))
            series[f'layercensus_non_extension_need{{need="{name}",{labels}}}'] = f"{value}x80"
    return series


def _alert_series(situation: Mapping[str, Any]) -> dict[str, str]:
    series: dict[str, str] = {}
    stale = situation.get("stale", [])
    for node, value in situation.get("read", {}).items():
        series[f'layercensus_read_success{{node="{node}",pod="layercensus-{node}"}}'] = f"{value}x80"
    for node in {*situation.get("read", {}), *stale}:
        values = "0x80" if node in stale else "0+300x80"
        series[f'layercensus_read_timestamp_seconds{{node="{node}",pod="layercensus-{node}"}}'] = values
    if situation.get("platform_series"):
        series["cluster:mcd_total_unsupported_packages:sum"] = "0x80"
    if "updates" in situation:
        series['cluster_version_available_updates{channel="stable",upstream="u"}'] = f"{situation['updates']}x80"
    return series
