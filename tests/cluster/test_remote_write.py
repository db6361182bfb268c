"""The `remoteWrite` setting: it keeps the contract's series and labels, and no label that could name anything."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2]))
from tests.cluster.relabelling import relabelled

from layercensus.cluster.contract import read_contract
from layercensus.cluster.manifests import render_agent, render_mcd

NAME = "optional/remote-write-setting.txt"
FOLDERS = [
    pytest.param(render, telemetry, id=f"{render.__name__} telemetry={telemetry}")
    for render in (render_agent, render_mcd)
    for telemetry in (False, True)
]
# Labels that the platform's series and their targets carry, and that must not be sent.
NAMING = (
    "pod", "node", "instance", "namespace", "container", "endpoint", "job", "service", "image", "from_version", "region",
    "exported_node", "hostname", "label_beta_kubernetes_io_instance_type", "label_node_role_kubernetes_io",
)  # fmt: skip


def setting(render: Any, telemetry: bool) -> dict[str, Any]:
    (target,) = yaml.safe_load(render("4.14", telemetry)[NAME])["prometheusK8s"]["remoteWrite"]
    return dict(target)


def relabeling(target: dict[str, Any], action: str) -> dict[str, Any]:
    (found,) = (one for one in target["writeRelabelConfigs"] if one["action"] == action)
    return dict(found)


@pytest.mark.parametrize(("render", "telemetry"), FOLDERS)
def test_series_of_the_contract_are_kept_and_no_other(render: Any, telemetry: bool) -> None:
    rules = setting(render, telemetry)["writeRelabelConfigs"]
    component = "agent" if render is render_agent else "mcd"
    contract = read_contract()
    for entry in contract.recorded:
        labels = {label: values[0] for label, values in entry.labels.items()}
        for name, recorded in ((entry.name, telemetry), (entry.twin, not telemetry)):
            joined = name in {one.name for one in contract.joined}
            sent = relabelled({"__name__": name, **labels}, rules)
            assert (sent is not None) is ((entry.component == component and recorded) or joined), name
    current = {"type": "current", "version": "4.14.30"}
    nodes = {"label_kubernetes_io_arch": "amd64", "label_node_openshift_io_os_id": "rhcos"}
    for name, labels, kept in (
        ("cluster_version", current, True), ("cluster_version", {**current, "type": "initial"}, False),
        ("cluster_version", {}, False), ("cluster_version", {**current, "version": "4.14.30-db1"}, False),
        ("cluster_infrastructure_provider", {"type": "AWS"}, True),
        ("cluster_infrastructure_provider", {"type": "AWS", "region": "eu"}, True),
        ("cluster_infrastructure_provider", {"type": "db1"}, False),
        ("cluster:node_instance_type_count:sum", {}, True), ("cluster:node_instance_type_count:sum", nodes, True),
        # Whoever may label nodes may write anything there.
        ("cluster:node_instance_type_count:sum", {**nodes, "label_node_openshift_io_os_id": "db1.example.com"}, False),
        ("layercensus_package_info", {}, False), ("layercensus:node_layering:group", {"layering": "clean"}, False),
        ("kube_node_info", {}, False), ("up", {}, False),
    ):  # fmt: skip
        assert (relabelled({"__name__": name, **labels}, rules) is not None) is kept, (name, labels)


@pytest.mark.parametrize(("render", "telemetry"), FOLDERS)
def test_labels_that_name_something_are_dropped_and_the_replica_is_kept(render: Any, telemetry: bool) -> None:
    pattern = re.compile(f"^(?:{relabeling(setting(render, telemetry), 'labelkeep')['regex']})$")
    assert [label for label in NAMING if pattern.match(label)] == []
    kept = {"__name__", "cluster_id", "prometheus_replica", "part", "version", "type", "label_kubernetes_io_arch"}
    assert all(map(pattern.match, kept))
    labels = {label for entry in read_contract().joined for label in entry.labels}
    assert all(map(pattern.match, labels))


@pytest.mark.parametrize(("render", "telemetry"), FOLDERS)
def test_credentials_come_from_a_secret_and_the_id_from_the_platform(render: Any, telemetry: bool) -> None:
    target = setting(render, telemetry)
    assert target["authorization"] == {
        "type": "Bearer", "credentials": {"name": "layercensus-collector", "key": "token"},
    }  # fmt: skip
    assert target["url"].startswith("https://")
    replace = relabeling(target, "replace")
    assert (replace["sourceLabels"], replace["targetLabel"]) == (["__tmp_openshift_cluster_id__"], "cluster_id")
    # Labels that tell node counts apart go as a hash, and before they are dropped.
    actions = [one["action"] for one in target["writeRelabelConfigs"]]
    assert actions == ["keep", "replace", "hashmod", "labelkeep"]
