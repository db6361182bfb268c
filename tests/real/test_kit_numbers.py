"""`layercensus scan` through a stand-in `oc` and the kit's dashboards over real agents name the same numbers.

The agents read real sysroots; the scan reads the status that rpm-ostree would print on such machines, composed by hand.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import wait_for
from tests.cluster.test_scan import CLUSTER_ID, STAND_IN, Cluster, node_object, scanned
from tests.conftest import build_deployment, build_status
from tests.real.agent_hosts import REALTIME_INSTALLS, REALTIME_REMOVALS, scratch_folder
from tests.real.prometheus_server import Prometheus
from tests.real.test_kit_chain import _programs, agents, chain, objects

pytestmark = pytest.mark.real
__all__ = ["_programs"]

PANELS = {
    "Nodes with packages": "packages", "Nodes with overrides": "overrides", "Nodes with extensions only": "extensions",
    "Clean nodes": "clean", "Unknown nodes": "unknown",
}  # fmt: skip


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The nodes of the chain as an administrator's `oc` sees them."""
    folder, oc = tmp_path / "cluster", tmp_path / "bin" / "oc"
    for path in (folder / "nodes", folder / "pods", folder / "namespaces", oc.parent):
        path.mkdir(parents=True)
    oc.write_text(f"#!{sys.executable}\n{STAND_IN.read_text(encoding='utf-8')}", encoding="utf-8")
    oc.chmod(0o755)
    monkeypatch.setenv("STAND_IN_OC", str(folder))
    made = Cluster(folder, oc)
    made.say("cluster.json", {"id": CLUSTER_ID})
    deployments: dict[str, dict[str, Any]] = {
        "master-0": {}, "worker-0": {"repo": ["usbguard"]}, "worker-1": {"repo": ["strange-tool", "usbguard"]},
        "worker-2": {"repo": REALTIME_INSTALLS, "removed": REALTIME_REMOVALS}, "worker-4": {},
    }  # fmt: skip
    for name, changes in deployments.items():
        made.add(name, prints=build_status(build_deployment(**changes)))
    made.add("worker-3", prints=build_status(build_deployment())[:200])
    made.add("worker-5", refused="Error from server (Forbidden): pods is forbidden")
    windows = node_object("windows-0", os_image="Windows Server 2022 Datacenter", system="windows")
    made.add("windows-0", node=windows)
    return made


def numbers(dashboard: Mapping[str, Any], server: Prometheus) -> dict[str, float]:
    """What the number panels of a dashboard show, by title; one that has no value is left out."""
    panels = [panel for row in dashboard["rows"] for panel in row["panels"] if panel["type"] == "singlestat"]
    found = {panel["title"]: server.query(panel["targets"][0]["expr"]) for panel in panels}
    return {title: samples[0][1] for title, samples in found.items() if samples}


def test_scan_and_the_dashboard_name_the_same_numbers(scratch: Path, cluster: Cluster) -> None:
    machines = scanned(cluster).machines
    counted = Counter(machine["layering"] for machine in machines.values())
    assert counted == {"clean": 2, "extensions": 2, "packages": 1, "unknown": 2, "not_applicable": 1}
    with agents(scratch, "4.14") as running, chain(scratch, running) as server:
        (text,) = (
            one["data"]["layercensus.json"]
            for one in objects(running.files)
            if one["kind"] == "ConfigMap" and one["metadata"]["namespace"] == "openshift-config-managed"
        )
        dashboard = json.loads(text)
        expected = {title: float(counted[layering]) for title, layering in PANELS.items()}
        # A node is unknown before its agent is scraped, and after it said that it cannot read.
        expected |= {"Nodes without an agent": 1.0, "Nodes whose agent cannot read": 1.0}

        def shown() -> dict[str, float] | None:
            found = numbers(dashboard, server)
            return found if {title: found.get(title) for title in expected} == expected else None

        found = wait_for(shown)
        assert found["Share of nodes with packages"] == pytest.approx(1 / 5)
        assert found["Share if unknown nodes are clean"] == pytest.approx(1 / 7)
        assert found["Share if unknown nodes have packages"] == pytest.approx(3 / 7)
        (table,) = (
            panel["targets"][0]["expr"]
            for row in dashboard["rows"]
            for panel in row["panels"]
            if panel["title"] == "Nodes with packages or overrides"
        )
        named = {labels["node"]: labels["what"] for labels, _ in server.query(table)}
        assert named == {
            name: one["layering"] for name, one in machines.items() if one["layering"] in {"packages", "overrides"}
        }
