"""What `agent --preview` says of a machine is what a real Prometheus federates of it: machine by machine, the difference.

Real agents read real sysroots; a real Prometheus scrapes them and evaluates the kit's rules as rendered with consent. A cluster grows by a node
at a time, and each time `/federate`, asked as the platform's telemetry asks, has to change by what that node's preview said:
the same series, labels and values. kube-state-metrics is a page of ours; class and needs are typed by hand from what was deployed.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import SOURCE, agent, package_mode_host, wait_for
from tests.contract.documents import alert_documents, series_documents
from tests.real.agent_hosts import (
    BASE,
    ORIGIN,
    Host,
    clean_host,
    extension_host,
    layered_host,
    realtime_host,
    row,
    scratch_folder,
)
from tests.real.prometheus_server import Prometheus, prometheus, require
from tests.real.sysroots import client_layer, missing_programs
from tests.real.test_prometheus_rules import Cluster, alert, federated

from layercensus.cluster.manifests import render_agent
from layercensus.data import read_json

pytestmark = pytest.mark.real

RELEASE = "4.14"
CLASS, NEED = "cluster:usage:local_layering_nodes:count", "cluster:usage:local_layering_nodes_by_need:count"
COREOS = "Red Hat Enterprise Linux CoreOS 414.92.202405282322-0 (Plow)"
NOTHING = {
    **{f'{CLASS}{{layering="{name}"}}': 0.0 for name in ("clean", "extensions", "overrides", "packages", "unknown")},
    **{f'{NEED}{{need="{name}"}}': 0.0 for name in ("agent", "driver", "other", "override", "tool")},
}
# By hand, from what `machines` deploys: class and needs that leave, and how `--preview` ends.
EXPECTED: Mapping[str, tuple[str, set[str], int]] = {
    "clean": ("clean", set(), 0),
    "layered": ("packages", {"other"}, 0),
    "unreadable": ("unknown", set(), 1),
    "extension": ("extensions", set(), 0),
    "realtime": ("extensions", set(), 0),
    "overridden": ("overrides", {"override"}, 0),
    "everything": ("packages", {"agent", "override", "tool"}, 0),
    "undetermined": ("unknown", set(), 1),
    "nowhere": ("unknown", set(), 1),
    "package-mode": ("not_applicable", set(), 0),
}
ALERTS = {
    alert("LayerCensusAgentCannotRead", "warning"): 1.0,
    alert("LayerCensusPackagesBeforeUpgrade", "info"): 1.0,
    alert("LayerCensusOverridesBeforeUpgrade", "info"): 1.0,
}


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    require("prometheus")
    if missing := missing_programs():
        reason = f"NO PREVIEW WAS COMPARED, missing: {missing}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


def overridden(folder: Path, name: str, *packages: str, requested: str) -> Host:
    """Packages layered, and one of the base image removed."""
    origin = f"{ORIGIN}\n[packages]\nrequested={requested}\n\n[overrides]\nremove=bash;\n"
    host = Host(folder, name)
    return host.boot(host.layer(*packages, removed=("bash",)), origin)


def undetermined(folder: Path) -> Host:
    """A path, which says no package, and a removal: the machine is unknown, and the removal must not leave as a need."""
    host = Host(folder, "undetermined")
    rows = [*(one for one in BASE if one[0] != "bash"), row("strange-tool")]
    gone = [one for one in BASE if one[0] == "bash"]
    layer = client_layer(rows, packages=["/usr/bin/strange-tool"], removed=gone)
    origin = f"{ORIGIN}\n[packages]\nrequested=/usr/bin/strange-tool;\n\n[overrides]\nremove=bash;\n"
    return host.boot(host.sysroot.commit(layer, parent=host.base), origin)


def machines(folder: Path) -> dict[str, Path]:
    """Roots below which agents look."""
    broken = clean_host(folder, "broken")
    broken.origin.write_text("[origin]\nrefsp")
    everything = overridden(
        folder, "all", "falcon-sensor", "htop", "usbguard", requested="falcon-sensor;htop;usbguard;"
    )
    return {
        "clean": clean_host(folder).root,
        "layered": layered_host(folder).root,
        "unreadable": broken.root,
        "extension": extension_host(folder).root,
        "realtime": realtime_host(folder).root,
        "overridden": overridden(folder, "overridden", requested="").root,
        "everything": everything.root,
        "undetermined": undetermined(folder).root,
        "nowhere": folder / "nowhere",
        "package-mode": package_mode_host(folder / "package-mode"),
    }


def preview(root: Path) -> tuple[int, dict[str, float], set[str]]:
    """Exit status, what is one higher, and which alerts it names, of the command itself."""
    program = [sys.executable, "-m", "layercensus", "agent", "--root", str(root), "--preview"]
    done = subprocess.run(
        program, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(SOURCE)}
    )
    leaves, said, _ = done.stdout.partition("What stays")
    assert said, done.stderr
    higher = re.findall(r"^  (\S+\{\w+=\"\w+\"\}) is one higher$", leaves, re.MULTILINE)
    assert len(higher) == leaves.count("one higher")
    return done.returncode, dict.fromkeys(higher, 1.0), set(re.findall(r"^  (LayerCensus\w+) \(", leaves, re.MULTILINE))


def node_of(name: str) -> str:
    return f"node-{name}.example.com"


class Growing(Cluster):
    """kube-state-metrics of a cluster that grows; the version operator says that an update is there."""

    def __init__(self) -> None:
        self.nodes: list[str] = []
        self.pages = {}

    def add(self, name: str) -> None:
        self.nodes.append(name)
        images = {"package-mode": "Red Hat Enterprise Linux 9.4 (Plow)"}
        lines = [
            f'kube_node_info{{node="{node_of(one)}",os_image="{images.get(one, COREOS)}",kernel_version="5.14.0"}} 1'
            for one in self.nodes
        ]
        self.pages["/ksm"] = "\n".join([*lines, 'cluster_version_available_updates{channel="stable"} 1', ""])


@contextmanager
def watched(
    scratch: Path, roots: Mapping[str, Path], cluster: Growing, files: Mapping[str, str]
) -> Iterator[Prometheus]:
    """Agents at work, and a Prometheus that scrapes them and the page, waits of alerts cut to none."""
    folder = scratch / "prometheus"
    folder.mkdir()
    names = [name for name in files if "prometheusrule" in name]
    for name in names:
        spec = yaml.safe_load(files[name])["spec"]
        for rule in (rule for group in spec["groups"] for rule in group["rules"]):
            rule.pop("for", None)
        (folder / name.rpartition("/")[2]).write_text(yaml.safe_dump(spec))
    with ExitStack() as stack:
        port = stack.enter_context(cluster.served())
        ksm: dict[str, Any] = {"job_name": "ksm", "metrics_path": "/ksm", "honor_labels": True}
        jobs = [{**ksm, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
        for name, root in roots.items():
            running = stack.enter_context(agent({"look_seconds": 0.5}, root=root, package_metrics=True))
            running.metrics()
            labels = {"node": node_of(name), "pod": f"layercensus-{name}"}
            targets = [{"targets": [f"127.0.0.1:{running.port}"], "labels": labels}]
            jobs.append({"job_name": f"agent-{name}", "static_configs": targets})
        times = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        rules = [name.rpartition("/")[2] for name in names]
        yield stack.enter_context(prometheus(folder, {"global": times, "rule_files": rules, "scrape_configs": jobs}))


def grow(server: Prometheus, cluster: Growing, name: str, layering: str) -> dict[str, float]:
    """What is federated once the node is in the cluster and its class is recorded: two evaluations later, all of it."""
    cluster.add(name)
    seen = f'layercensus:node_layering:group{{node="{node_of(name)}",layering="{layering}"}}'
    wait_for(lambda: server.query(seen) or None)

    def evaluated() -> float:
        return max((value for _, value in server.query(f"timestamp({CLASS})")), default=0.0)

    before = wait_for(lambda: evaluated() or None)
    wait_for(lambda: evaluated() >= before + 2 or None)
    return federated(server)


def test_what_each_preview_says_is_what_prometheus_federates_of_the_machine(scratch: Path) -> None:
    roots, cluster = machines(scratch), Growing()
    assert roots.keys() == EXPECTED.keys()
    known = read_json("contract/telemetry.json")
    with watched(scratch, roots, cluster, render_agent(RELEASE, telemetry=True)) as server:
        before = NOTHING
        for name, root in roots.items():
            layering, needs, status = EXPECTED[name]
            code, higher, named = preview(root)
            by_hand = {f'{CLASS}{{layering="{layering}"}}': 1.0} if layering != "not_applicable" else {}
            assert (code, higher) == (status, by_hand | {f'{NEED}{{need="{need}"}}': 1.0 for need in needs}), name

            found = grow(server, cluster, name, layering)
            alerts = {series: value for series, value in found.items() if series.startswith("ALERTS")}
            counts = {series: value for series, value in found.items() if series not in alerts}
            assert counts == {series: value + higher.get(series, 0.0) for series, value in before.items()}, name
            assert {alertname for series in alerts for alertname in re.findall(r'alertname="(\w+)"', series)} <= named
            before = counts
        assert alerts == ALERTS

        # What the page for a security officer says to ask gives all of it.
        page = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
        assert federated(server, re.findall(r"--data-urlencode 'match\[\]=(.+)'", page)) == found

        text = server.get("/federate", ("match[]", '{__name__=~"cluster:.*|ALERTS"}'))
        # The server does have the names; none of them is in what is federated.
        assert server.query('layercensus_package_info{package="falcon-sensor"}')
        for word in (
            "example.com",
            "node-",
            "layercensus-",
            "falcon",
            "htop",
            "strange",
            "usbguard",
            "bash",
            "127.0.0.1",
        ):
            assert word not in text
        expressible = [{**one, "alertstate": "firing"} for one in alert_documents(known)] + list(
            series_documents(known)
        )
        for series in found:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', series)) | {"__name__": series.partition("{")[0]}
            assert labels in expressible


def test_a_rule_that_takes_more_of_a_machine_than_its_preview_says_is_seen(scratch: Path) -> None:
    """The same comparison over rules that count needs of every node, unknown ones too: it has to fail."""
    files = dict(render_agent(RELEASE, telemetry=True))
    (rules,) = (name for name, text in files.items() if f"record: {NEED}" in text)
    document = yaml.safe_load(files[rules])
    for rule in (rule for group in document["spec"]["groups"] for rule in group["rules"]):
        if rule.get("record") == NEED:
            whole = rule["expr"]
            rule["expr"] = whole.replace(
                'layercensus:node_layering:group{layering=~"overrides|packages"}', "kube_node_info"
            )
            assert rule["expr"] != whole
    files[rules] = yaml.safe_dump(document)
    roots = {"undetermined": undetermined(scratch).root}
    cluster = Growing()
    with watched(scratch, roots, cluster, files) as server:
        _, higher, _ = preview(roots["undetermined"])
        found = grow(server, cluster, "undetermined", "unknown")
        counts = {series: value for series, value in found.items() if not series.startswith("ALERTS")}
        assert counts == {**NOTHING, **higher, f'{NEED}{{need="override"}}': 1.0}
        assert counts != {**NOTHING, **higher}
