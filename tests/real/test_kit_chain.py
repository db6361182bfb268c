"""The whole chain on loopback: the kit's own agents, scrape and rules, a real Prometheus, ten series.

Agents are run by the DaemonSet's own arguments, as nobody on read-only mounts, each on an address of its own. They ask
a stand-in API that allows what the kit's roles grant; a real Prometheus scrapes them as the kit's ServiceMonitor says. Seven nodes: six with agents (one cannot read), one without, and a Windows node that no series has.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.certificates import MISSING, OPENSSL, Authority
from tests.agent.running import wait_for
from tests.real.agent_hosts import (
    Host,
    clean_host,
    extension_host,
    layered_host,
    realtime_host,
    scratch_folder,
)
from tests.real.prometheus_server import Prometheus, free_port, prometheus, require, wait_for_series
from tests.real.stand_in_api import Api, stand_in_api
from tests.real.sysroots import NOBODY, SOURCE, missing_programs

from layercensus.cluster.kit import PORT
from layercensus.cluster.manifests import render_agent

pytestmark = pytest.mark.real

AGENT = "layercensus:layercensus"
PROMETHEUS = "openshift-monitoring:prometheus-k8s"
SCRAPER = "system:serviceaccount:openshift-monitoring:prometheus-k8s"
COREOS = "Red Hat Enterprise Linux CoreOS 414.92.202405282322-0 (Plow)"
LABELS = {"app.kubernetes.io/name": "layercensus", "app.kubernetes.io/component": "agent"}
EVERYTHING = '{__name__=~"cluster:usage:.+"}'
CLASS = "cluster:usage:local_layering_nodes:count"
NEED = "cluster:usage:local_layering_nodes_by_need:count"
# By hand: what was deployed on the six, and the node without an agent.
CLASSES = {"clean": 2.0, "extensions": 2.0, "overrides": 0.0, "packages": 1.0, "unknown": 2.0}
NEEDS = {"agent": 0.0, "driver": 0.0, "other": 1.0, "override": 0.0, "tool": 0.0}

# As the cluster version operator and the platform's rules say it, with labels that must not leave; seven CoreOS nodes.
OF_THE_CLUSTER = [
    'cluster_version{type="current",version="4.14.30",image="quay.io/secret/image",from_version="4.13.9"} 1732500000',
    'cluster_version{type="initial",version="4.12.1",image="quay.io/secret/image"} 1700000000',
    'cluster_infrastructure_provider{type="AWS",region="eu-secret-1"} 1',
    *(
        "cluster:node_instance_type_count:sum{"
        f'label_beta_kubernetes_io_instance_type="{kind}",label_node_role_kubernetes_io="{role}",'
        f'label_kubernetes_io_arch="amd64",label_node_openshift_io_os_id="{os_id}"}} {count}'
        for kind, role, os_id, count in (
            ("secret.xlarge", "master", "rhcos", 1), ("secret.xlarge", "", "rhcos", 2), ("secret.large", "", "rhcos", 4),
            ("secret.large", "", "Windows", 1), ("secret.large", "", "rhel", 3),
            # Whoever may label nodes may write anything there.
            ("secret.large", "", "db1.secret.example", 2),
        )
    ),
]  # fmt: skip
# A pod's view: arguments are the token, the API's authority, and the command.
AS_A_POD = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
printf %s "$TOKEN" > /run/secrets/kubernetes.io/serviceaccount/token
cp "$API_CA" /run/secrets/kubernetes.io/serviceaccount/ca.crt
mkdir -p /mnt/host/sysroot/ostree /mnt/host/etc /mnt/python /mnt/source /mnt/tls
mount --bind "$SYSROOT/ostree" /mnt/host/sysroot/ostree
mount -o remount,ro,bind /mnt/host/sysroot/ostree
mount -t tmpfs -o ro tmpfs /mnt/host/sysroot/ostree/deploy/rhcos/var
touch /mnt/host/etc/machine-id
mount --bind "$DEPLOYMENT/etc/machine-id" /mnt/host/etc/machine-id
mount -o remount,ro,bind /mnt/host/etc/machine-id
cp "$TLS"/tls.crt "$TLS"/tls.key /mnt/tls/
chown 65534:65534 /mnt/tls/tls.key
mount --bind "$PYTHON" /mnt/python
mount --bind "$SOURCE" /mnt/source
cd /
exec setpriv --no-new-privs "$@"
"""


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    missing = missing_programs() or (None if OPENSSL else MISSING)
    if missing:
        reason = f"THE CHAIN WAS NOT RUN, missing: {missing}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


def objects(files: Mapping[str, str]) -> list[dict[str, Any]]:
    return [one for name, text in files.items() if name.endswith(".yaml") for one in yaml.safe_load_all(text)]


def find(files: Mapping[str, str], kind: str) -> dict[str, Any]:
    (found,) = (one for one in objects(files) if one["kind"] == kind)
    return found


@dataclass
class Node:
    """A node, its host if an agent runs there, and the loopback address of its pod."""

    name: str
    address: str
    host: Host | None
    os_image: str = COREOS


def make_nodes(scratch: Path) -> list[Node]:
    broken = clean_host(scratch, "broken")
    broken.origin.write_text("[origin]\nrefsp")
    hosts = {
        "master-0": clean_host(scratch), "worker-0": extension_host(scratch), "worker-1": layered_host(scratch),
        "worker-2": realtime_host(scratch), "worker-3": broken, "worker-4": clean_host(scratch, "other"),
    }  # fmt: skip
    nodes = [Node(name, f"127.0.7.{number}", host) for number, (name, host) in enumerate(hosts.items(), start=10)]
    windows = Node("windows-0", "127.0.7.31", None, os_image="Windows Server 2022 Datacenter")
    return [*nodes, Node("worker-5", "127.0.7.30", None), windows]


@contextmanager
def pod(files: Mapping[str, str], node: Node, tls: Path, api: Api, api_ca: Path) -> Iterator[Any]:
    """The agent of a node, started by what the DaemonSet says."""
    assert node.host is not None
    (container,) = find(files, "DaemonSet")["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in container["env"]] == ["POD_IP"]
    places = {"/host": "/mnt/host", "/etc/layercensus/tls/tls.crt": "/mnt/tls/tls.crt"}
    places["/etc/layercensus/tls/tls.key"] = "/mnt/tls/tls.key"
    arguments = [places.get(word, word).replace("$(POD_IP)", node.address) for word in container["args"]]
    python = f"/mnt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    environment = {
        "SYSROOT": str(node.host.sysroot.path), "DEPLOYMENT": str(node.host.folder), "PYTHON": sys.base_prefix,
        "SOURCE": str(SOURCE), "LD_LIBRARY_PATH": "/mnt/python/lib", "PYTHONPATH": "/mnt/source", "TLS": str(tls),
        "TOKEN": "agent-token", "API_CA": str(api_ca), "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(api.port), "PATH": os.environ["PATH"],
    }  # fmt: skip
    with (tls / f"{node.name}.log").open("w") as log:
        process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", AS_A_POD, "sh", *NOBODY, python, "-B", "-m", "layercensus", *arguments],
            env=environment, stderr=log, stdout=log,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def listed(nodes: list[Node]) -> dict[str, list[dict[str, Any]]]:
    """Service, endpoints, slices and pods, as the API of a cluster with these agents has them."""
    with_agent = [node for node in nodes if node.host is not None]

    def about(name: str) -> dict[str, Any]:
        return {"name": name, "namespace": "layercensus", "labels": LABELS, "resourceVersion": "1", "uid": name}

    def reference(node: Node) -> dict[str, str]:
        return {"kind": "Pod", "name": f"layercensus-{node.name}", "namespace": "layercensus"}

    addresses = [{"ip": node.address, "nodeName": node.name, "targetRef": reference(node)} for node in with_agent]
    ports = [{"name": "metrics", "port": PORT, "protocol": "TCP"}]
    slices = [
        {
            "addresses": [node.address],
            "nodeName": node.name,
            "targetRef": reference(node),
            "conditions": {"ready": True},
        }
        for node in with_agent
    ]
    slice_metadata = about("layercensus-abcde")
    slice_metadata["labels"] = {**LABELS, "kubernetes.io/service-name": "layercensus"}
    return {
        "services": [{"metadata": about("layercensus"), "spec": {"clusterIP": "None", "ports": ports}}],
        "endpoints": [{"metadata": about("layercensus"), "subsets": [{"addresses": addresses, "ports": ports}]}],
        "endpointslices": [
            {"metadata": slice_metadata, "addressType": "IPv4", "ports": ports, "endpoints": slices}
        ],
        "pods": [
            {
                "metadata": about(f"layercensus-{node.name}"),
                "spec": {"nodeName": node.name, "containers": [{"name": "agent", "ports": [{"containerPort": PORT, "name": "metrics"}]}]},
                "status": {"podIP": node.address, "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            }
            for node in with_agent
        ],
    }  # fmt: skip


@contextmanager
def kube_state_metrics(nodes: list[Node]) -> Iterator[int]:
    """kube-state-metrics, as far as the rules read it, and what the platform says of the cluster."""
    lines = [
        f'kube_node_info{{node="{node.name}",os_image="{node.os_image}",kernel_version="5.14.0-284.el9.x86_64"}} 1'
        for node in nodes
    ]
    lines += OF_THE_CLUSTER
    text = ("\n".join(lines) + "\n").encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def scrape_config(monitor: Mapping[str, Any], discovery: Mapping[str, Any], files: Path, kind: str) -> dict[str, Any]:
    """What the Prometheus operator makes of the monitor (pkg/prometheus/promcfg.go), as far as ours goes.

    `kind`: endpoint or endpointslice, as the labels of its discovery are called.
    """
    spec = monitor["spec"]
    (endpoint,) = spec["endpoints"]
    keep = [
        {"action": "keep", "source_labels": [f"__meta_kubernetes_service_label_{meta(key)}"], "regex": value}
        for key, value in spec["selector"]["matchLabels"].items()
    ]
    keep.append({"action": "keep", "source_labels": [f"__meta_kubernetes_{kind}_port_name"], "regex": endpoint["port"]})
    usual = [
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "service"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    ]
    names = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    ours = [{names.get(key, key): value for key, value in one.items()} for one in endpoint["relabelings"]]
    tls = {"ca_file": "service-ca.crt", "cert_file": "client.crt", "key_file": "client.key"}
    # Where the platform keeps them, by the monitor's own paths or by the class of scrape.
    if "scrapeClass" in spec:
        assert spec["scrapeClass"] == "tls-client-certificate-auth"
    else:
        said = [Path(endpoint["tlsConfig"][key]).name for key in ("caFile", "certFile", "keyFile")]
        assert said == ["service-ca.crt", "tls.crt", "tls.key"]
    return {
        "job_name": "layercensus", "scheme": endpoint["scheme"], "scrape_interval": "1s", **discovery,
        "tls_config": {"server_name": endpoint["tlsConfig"]["serverName"]} | {key: str(files / name) for key, name in tls.items()},
        "relabel_configs": [*keep, *usual, *ours],
    }  # fmt: skip


def meta(label: str) -> str:
    return label.replace(".", "_").replace("/", "_")


def discovered(nodes: list[Node]) -> list[dict[str, Any]]:
    """What discovery by endpoints would find of these objects: Debian's Prometheus is built without that."""
    labels = {f"__meta_kubernetes_service_label_{meta(key)}": value for key, value in LABELS.items()}
    labels |= {"__meta_kubernetes_namespace": "layercensus", "__meta_kubernetes_service_name": "layercensus"}
    labels["__meta_kubernetes_endpoint_port_name"] = "metrics"
    return [
        {
            "targets": [f"{node.address}:{PORT}"],
            "labels": {
                **labels,
                "__meta_kubernetes_pod_name": f"layercensus-{node.name}",
                "__meta_kubernetes_pod_node_name": node.name,
            },
        }
        for node in nodes
        if node.host is not None
    ]


@dataclass
class Agents:
    """Agents that run, the API that they ask, and where their certificates are."""

    files: Mapping[str, str]
    nodes: list[Node]
    api: Api
    api_ca: Path
    tls: Path
    pods: dict[str, Any]


@contextmanager
def agents(scratch: Path, release: str, *, without: str = "") -> Iterator[Agents]:
    """Run those of the kit; the RoleBinding named `without` is not applied."""
    files = render_agent(release, telemetry=True)
    nodes = make_nodes(scratch)
    tls = scratch / "tls"
    tls.mkdir()
    clients, service_ca = Authority(tls, "clients"), Authority(tls, "service-ca")
    service_ca.issue("tls", "layercensus.layercensus.svc", "DNS:layercensus.layercensus.svc")
    clients.issue("client", SCRAPER)
    api = Api(listed(nodes), {"agent-token": AGENT, "prometheus-token": PROMETHEUS}, clients.certificate.read_text())
    api.take_roles(one for one in objects(files) if one.get("metadata", {}).get("name") != without)
    with ExitStack() as stack:
        api_ca = stack.enter_context(stand_in_api(tls, api))
        pods = {
            node.name: stack.enter_context(pod(files, node, tls, api, api_ca))
            for node in nodes
            if node.host is not None
        }
        yield Agents(files, nodes, api, api_ca, tls, pods)


@contextmanager
def chain(scratch: Path, running: Agents, name: str = "prometheus", **more: Any) -> Iterator[Prometheus]:
    """A Prometheus that scrapes them as the kit's monitor says and evaluates the kit's rules.

    `more` is added to its configuration; `global` to what is there.
    """
    folder = scratch / name
    folder.mkdir()
    rules = [rule for rule in running.files if rule.startswith("rules/prometheusrule")]
    for rule in rules:
        (folder / Path(rule).name).write_text(yaml.safe_dump(yaml.safe_load(running.files[rule])["spec"]))
    (folder / "targets.json").write_text(json.dumps(discovered(running.nodes)))
    discovery = {"file_sd_configs": [{"files": ["targets.json"]}]}
    ours = scrape_config(find(running.files, "ServiceMonitor"), discovery, running.tls, "endpoint")
    with kube_state_metrics(running.nodes) as port:
        ksm = {"job_name": "ksm", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        configuration = {
            "rule_files": [Path(rule).name for rule in rules],
            "scrape_configs": [ours, ksm],
            **more,
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s", **more.get("global", {})},
        }
        with prometheus(folder, configuration) as server:
            yield server


def ten_series(classes: Mapping[str, float], needs: Mapping[str, float]) -> dict[str, float]:
    found = {f'{CLASS}{{layering="{name}"}}': value for name, value in classes.items()}
    return found | {f'{NEED}{{need="{name}"}}': value for name, value in needs.items()}


@pytest.mark.parametrize("release", ["4.12", "4.14", "4.21"])
def test_ten_series_are_right_and_an_agent_that_stopped_is_unknown(scratch: Path, release: str) -> None:
    with agents(scratch, release) as running, chain(scratch, running) as server:
        wait_for_series(server, EVERYTHING, ten_series(CLASSES, NEEDS))
        running.pods["master-0"].terminate()
        assert running.pods["master-0"].wait(30) == 0
        wait_for_series(server, EVERYTHING, ten_series({**CLASSES, "clean": 1.0, "unknown": 3.0}, NEEDS))


def test_without_the_binding_to_the_client_ca_nobody_is_let_in_and_every_node_is_unknown(scratch: Path) -> None:
    with agents(scratch, "4.14", without="layercensus-client-ca") as running, chain(scratch, running) as server:
        nothing = dict.fromkeys(CLASSES, 0.0) | {"unknown": 7.0}
        wait_for_series(server, EVERYTHING, ten_series(nothing, dict.fromkeys(NEEDS, 0.0)))
        # Prometheus did ask the agents and was not let in: it is no accident that all is unknown.
        wait_for(lambda: len(server.query('up{job="layercensus"} == 0')) == 6 or None)
        assert {one.allowed for one in running.api.asked if one.account == AGENT} == {False}


@pytest.mark.parametrize(
    ("release", "role"), [("4.14", "endpoints"), ("4.21", "endpoints"), ("4.21", "endpointslices")]
)
def test_what_the_roles_grant_is_what_discovery_and_agents_use(scratch: Path, release: str, role: str) -> None:
    """Discovery by VictoriaMetrics, which asks the API as Prometheus does: Debian's Prometheus is built without it."""
    with agents(scratch, release) as running, discovering(scratch, running, role) as up:
        wait_for(lambda: up() == 6 or None)
        # Nobody was refused, and what was asked for is what is granted.
        assert [one for one in running.api.asked if not one.allowed] == []
        used = {(one.account, one.group, one.resource, one.verb) for one in running.api.asked}
        by_role = {"endpoints": ("", "endpoints"), "endpointslices": ("discovery.k8s.io", "endpointslices")}
        resources = {("", "services"), ("", "pods"), by_role[role]}
        discovery = {(PROMETHEUS, *resource, verb) for resource in resources for verb in ("list", "watch")}
        assert used == {(AGENT, "", "configmaps", "get")} | discovery
        # From 4.20 on a Prometheus may be told to use either of the two; each is seen used here.
        other = by_role["endpoints" if role == "endpointslices" else "endpointslices"]
        either = {(PROMETHEUS, *other, verb) for verb in ("list", "watch")} if release == "4.21" else set()
        assert granted(running.files) == discovery | either


def test_without_the_role_of_prometheus_no_agent_is_found(scratch: Path) -> None:
    with (
        agents(scratch, "4.14", without="layercensus-prometheus") as running,
        discovering(scratch, running, "endpoints") as up,
    ):
        wait_for(lambda: [one for one in running.api.asked if one.account == PROMETHEUS] or None)
        assert up() == 0
        assert {one.allowed for one in running.api.asked if one.account == PROMETHEUS} == {False}


@contextmanager
def discovering(scratch: Path, running: Agents, role: str) -> Iterator[Callable[[], int]]:
    """A VictoriaMetrics that finds the agents by the API; what is yielded counts those that it could scrape."""
    program = require("victoria-metrics", "victoria-metrics")
    access = {
        "role": role, "api_server": f"https://127.0.0.1:{running.api.port}",
        "tls_config": {"ca_file": str(running.api_ca)}, "bearer_token": "prometheus-token",
        "namespaces": {"names": [find(running.files, "ServiceMonitor")["metadata"]["namespace"]]},
    }  # fmt: skip
    kind = "endpoint" if role == "endpoints" else "endpointslice"
    monitor = find(running.files, "ServiceMonitor")
    ours = scrape_config(monitor, {"kubernetes_sd_configs": [access]}, running.tls, kind)
    settings = scratch / "scrape.yml"
    settings.write_text(yaml.safe_dump({"scrape_configs": [ours]}))
    port = free_port()
    with (scratch / "victoria.log").open("w") as log:
        process = subprocess.Popen(
            [
                program, f"-httpListenAddr=127.0.0.1:{port}", f"-promscrape.config={settings}",
                f"-storageDataPath={scratch}/victoria",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip

    def up() -> int:
        try:
            with urlopen(f"http://127.0.0.1:{port}/api/v1/targets", timeout=30) as answer:
                targets = json.load(answer)["data"]["activeTargets"]
        except OSError:
            return 0
        return sum(1 for one in targets if one["health"] == "up" and one["labels"]["node"])

    try:
        yield up
    finally:
        process.terminate()
        process.wait(30)


def granted(files: Mapping[str, str]) -> set[tuple[str, str, str, str]]:
    """What the kit's own roles grant, the use of the SCC apart, which admission asks for."""
    return {
        (PROMETHEUS, group, resource, verb)
        for role in objects(files)
        if role["kind"] == "Role"
        for rule in role["rules"]
        if rule["verbs"] != ["use"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
