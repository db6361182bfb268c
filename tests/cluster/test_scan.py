"""`layercensus scan` against a stand-in `oc`: no test asks a cluster, and none says what a real one would do."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layercensus.cluster import oc_runs
from layercensus.cluster.nodes import Node, complaint_of, leavings_of, parse_cluster_id, parse_nodes
from layercensus.cluster.scan import read_nodes, scan_nodes
from layercensus.commands import EXIT_DONE, EXIT_INTERRUPTED, EXIT_PARTIAL, Surroundings, scan
from layercensus.data import read_json
from layercensus.errors import ClusterError, NothingToDoError

STAND_IN = Path(__file__).with_name("stand_in_oc.py")
CLUSTER_ID = "6f2a7f0e-93b5-4d52-9d0a-0f5a7e8f3a11"
RHCOS = "Red Hat Enterprise Linux CoreOS 414.92.202405282322-0 (Plow)"


def node_object(name: object, *, roles: tuple[str, ...] = ("worker",), os_image: str = RHCOS, kubelet: str = "v1.27.13+401bb48",
                ready: str = "True", system: str = "linux", arch: str = "amd64") -> dict[str, Any]:  # fmt: skip
    """A node as `oc get nodes -o json` prints it, as far as we read it."""
    labels = {f"node-role.kubernetes.io/{role}": "" for role in roles} | {"kubernetes.io/os": system}
    info = {"osImage": os_image, "kubeletVersion": kubelet, "operatingSystem": system, "architecture": arch}
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"nodeInfo": info, "conditions": [{"type": "MemoryPressure", "status": "False"}, condition]},
    }


@dataclass
class Cluster:
    """The folder that the stand-in reads, and what it left there."""

    folder: Path
    oc: Path
    nodes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: object, *, node: dict[str, Any] | None = None, **behaviour: Any) -> None:
        """A node and how its debug session goes."""
        self.nodes.append(node or node_object(name))
        self.say("nodes.json", {"kind": "List", "items": self.nodes})
        if isinstance(name, str) and "/" not in name and "\0" not in name:
            self.say(f"nodes/{name or '_'}.json", behaviour)

    def say(self, path: str, value: dict[str, Any]) -> None:
        (self.folder / path).write_text(json.dumps(value), encoding="utf-8")

    @property
    def calls(self) -> list[list[str]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def debugged(self) -> list[str]:
        return sorted(call[1] for call in self.calls if call[0] == "debug")

    @property
    def left(self) -> list[str]:
        return sorted(path.name for part in ("pods", "namespaces") for path in (self.folder / part).iterdir())


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    folder, oc = tmp_path / "cluster", tmp_path / "bin" / "oc"
    for path in (folder / "nodes", folder / "pods", folder / "namespaces", oc.parent):
        path.mkdir(parents=True)
    oc.write_text(f"#!{sys.executable}\n{STAND_IN.read_text(encoding='utf-8')}", encoding="utf-8")
    oc.chmod(0o755)
    monkeypatch.setenv("STAND_IN_OC", str(folder))
    made = Cluster(folder, oc)
    made.say("cluster.json", {"id": CLUSTER_ID})
    return made


@dataclass
class Seen:
    """What a run gave."""

    text: str = ""
    status: int = -1
    ticks: list[tuple[int, int | None]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def machines(self) -> dict[str, dict[str, Any]]:
        return {machine["node"]: machine for machine in json.loads(self.text)["machines"]}


def scanned(
    cluster: Cluster, *, form: str = "json", selector: str | None = None, timeout: float = 20, at_once: int = 3
) -> Seen:
    seen = Seen()
    surroundings = Surroundings(
        stdin=BytesIO(),
        now=datetime(2026, 11, 22, 9, 0, tzinfo=UTC),
        shows_progress=True,
        tick=lambda done, total: seen.ticks.append((done, total)),
        say=seen.warnings.append,
        warn=seen.warnings.append,
    )
    options = Namespace(oc=str(cluster.oc), selector=selector, format=form, timeout=timeout, at_once=at_once)
    output = scan.run(options, surroundings)
    try:
        while True:
            seen.text += next(output)
    except StopIteration as stop:
        seen.status = stop.value
    return seen


Build = Callable[..., Any]


def test_every_node_is_asked_and_answers_in_name_order(cluster: Cluster, deployment: Build, status: Build) -> None:
    cluster.add("worker-2", prints=status(deployment(repo=["htop"])), seconds=0.1)
    cluster.add(
        "master-0",
        node=node_object("master-0", roles=("master", "control-plane")),
        prints=status(deployment()),
        seconds=0.6,
    )
    cluster.add("worker-1", prints=status(deployment(repo=["usbguard"])))
    seen = scanned(cluster)
    assert list(seen.machines) == ["master-0", "worker-1", "worker-2"]
    assert [machine["layering"] for machine in seen.machines.values()] == ["clean", "extensions", "packages"]
    first = seen.machines["master-0"]
    assert (first["input"], first["roles"], first["pool"]) == ("master-0", ["control-plane", "master"], None)
    assert (first["cluster_id"], first["release"]) == (CLUSTER_ID, "4.14")
    assert (first["source"], first["observed_at"]) == ("rpm_ostree_json", "2026-11-22T09:00:00+00:00")
    assert seen.status == EXIT_DONE
    assert seen.warnings == []
    assert cluster.left == []
    jsonschema.validate(json.loads(seen.text), read_json("schemas/census-v1.schema.json"))


def test_nothing_is_run_but_what_the_page_says(cluster: Cluster, deployment: Build, status: Build) -> None:
    cluster.add("worker-0", prints=status(deployment()))
    scanned(cluster)
    assert cluster.calls == [
        ["get", "nodes", "--output=json"],
        ["get", "clusterversion", "version", "--output=jsonpath={.spec.clusterID}"],
        ["debug", "node/worker-0", "--", "chroot", "/host", "rpm-ostree", "status", "--json"],
    ]


def test_a_selector_goes_to_oc_as_one_argument(cluster: Cluster, deployment: Build, status: Build) -> None:
    cluster.add("worker-0", prints=status(deployment()))
    cluster.add("windows-0", node=node_object("windows-0", system="windows"))
    assert list(scanned(cluster, selector="kubernetes.io/os=linux").machines) == ["worker-0"]
    with pytest.raises(NothingToDoError):
        scanned(cluster, selector="--kubeconfig=/tmp/x; touch /tmp/y")
    assert cluster.calls[-1] == ["get", "nodes", "--output=json", "--selector=--kubeconfig=/tmp/x; touch /tmp/y"]


def test_the_table_and_the_metrics_are_those_of_inspect(cluster: Cluster, deployment: Build, status: Build) -> None:
    cluster.add("worker-0", prints=status(deployment(repo=["htop"])))
    cluster.add("worker-1", prints=status(deployment()))
    table = scanned(cluster, form="table").text
    assert "packages        4.14       worker-0\n    + htop" in table
    assert "2 machines: 1 packages, 1 clean" in table
    metrics = scanned(cluster, form="prometheus").text
    assert 'layercensus_machine_layering{layering="packages",machine="worker-0"} 1' in metrics


def test_few_debug_pods_are_there_at_a_time_and_progress_is_shown(
    cluster: Cluster, deployment: Build, status: Build
) -> None:
    for number in range(7):
        cluster.add(f"worker-{number}", prints=status(deployment()), seconds=0.3)
    seen = scanned(cluster, at_once=2)
    together = [int(line) for line in (cluster.folder / "together").read_text().split()]
    assert max(together) == 2
    assert len(together) == 7
    assert seen.ticks[-1] == (7, 7)
    assert [done for done, _ in seen.ticks] == sorted(done for done, _ in seen.ticks)


NOISE = [
    'Warning: would violate PodSecurity "restricted:latest": host namespaces (hostNetwork=true, hostPID=true)',
    "W0722 08:59:48.056755    3820 warnings.go:70] metadata.name: this is used in the Pod's hostname",
]


def test_noise_does_not_matter(cluster: Cluster, deployment: Build, status: Build) -> None:
    text = status(deployment(repo=["htop"]))
    cluster.add("a", prints=text, says=NOISE)
    cluster.add(
        "b", prints="warning: Failed to query journal: couldn't find current boot\n" + text + "\n\n", says=NOISE
    )
    cluster.add("c", prints=text, status=1)
    assert {machine["layering"] for machine in scanned(cluster).machines.values()} == {"packages"}


@pytest.mark.parametrize(
    ("behaviour", "layering", "problem"),
    [
        ({"refused": 'Error from server (Forbidden): pods is forbidden: User "x" cannot create resource "pods"'}, "unknown", "Error from server (Forbidden)"),
        ({"prints": "", "status": 1}, "unknown", "error: non-zero exit code from debug container"),
        ({"prints": ""}, "unknown", "oc debug printed nothing and ended with status 0"),
        ({"prints": "error: Timeout was reached\n", "status": 1}, "unknown", "the rpm-ostree daemon did not start in time"),
        ({"prints": "error: This system was not booted via libostree.\n", "status": 1}, "not_applicable", "no rpm-ostree host"),
        ({"prints": "chroot: failed to run command 'rpm-ostree': No such file or directory\n", "status": 127}, "unknown", "failed to run command"),
        ({"prints": '{"deployments": [{"booted": true, "pack'}, "unknown", "cut off"),
        ({"prints": "\x00\xff\x1b[31m"}, "unknown", "the node answered"),
        ({"prints": '{"deployments": []}\n{"deployments": []}\n'}, "unknown", "2 machines"),
    ],
)  # fmt: skip
def test_a_node_that_fails_is_unknown_and_stops_nobody(
    cluster: Cluster, deployment: Build, status: Build, *, behaviour: dict[str, Any], layering: str, problem: str
) -> None:
    cluster.add("bad", **behaviour)
    cluster.add("good", prints=status(deployment()))
    seen = scanned(cluster)
    assert [machine["layering"] for machine in seen.machines.values()] == [layering, "clean"]
    assert problem in " ".join(seen.machines["bad"]["problems"])
    assert seen.status == (EXIT_PARTIAL if layering == "unknown" else EXIT_DONE)
    assert cluster.left == []


@pytest.mark.parametrize("namespace", [True, False])
def test_a_node_that_hangs_is_unknown_and_leaves_nothing(
    cluster: Cluster, deployment: Build, status: Build, *, namespace: bool
) -> None:
    cluster.add(
        "hangs",
        hangs=True,
        namespace=namespace,
        says=["warning: Container container-00 is unable to start due to an error: no such image"],
    )
    cluster.add("works", prints=status(deployment()))
    seen = scanned(cluster, timeout=3)
    assert seen.machines["hangs"]["layering"] == "unknown"
    assert seen.machines["hangs"]["problems"] == [
        "gave no answer within 3 s (warning: Container container-00 is unable to start due to an error: no such image)"
    ]
    assert seen.machines["works"]["layering"] == "clean"
    assert cluster.left == []
    assert seen.warnings == []


def test_what_a_node_printed_before_it_hung_counts(cluster: Cluster, deployment: Build, status: Build) -> None:
    cluster.add("hangs", prints=status(deployment(repo=["htop"])), hangs=True)
    assert scanned(cluster, timeout=3).machines["hangs"]["layering"] == "packages"


def test_an_oc_that_does_not_stop_is_killed_and_what_it_left_is_removed_or_named(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "Limits", lambda **given: oc_runs.Limits(**given, removal_seconds=1))
    cluster.add("with-namespace", hangs=True, ignores_signals=True)
    cluster.add("without", hangs=True, ignores_signals=True, namespace=False)
    seen = scanned(cluster, timeout=1)
    assert seen.status == EXIT_PARTIAL
    (pod,) = cluster.left
    assert pod.startswith("default.without-debug-")
    assert seen.warnings == [f"layercensus: debug pod {pod[8:]} may be left: oc delete pod {pod[8:]}"]


def test_a_namespace_that_cannot_be_removed_is_named(cluster: Cluster) -> None:
    cluster.say("cluster.json", {"id": CLUSTER_ID, "delete_fails": True})
    cluster.add("hangs", hangs=True)
    seen = scanned(cluster, timeout=1)
    (namespace,) = cluster.left
    assert any(namespace in line for line in seen.warnings)


def test_output_is_bounded_and_oc_still_removes_its_pod(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "Limits", lambda **given: oc_runs.Limits(**given, output_bytes=2 * 1024 * 1024))
    cluster.add("floods", floods=True, prints='{"deployments": [')
    seen = scanned(cluster)
    assert seen.machines["floods"]["layering"] == "unknown"
    assert "printed more than 2 MiB" in " ".join(seen.machines["floods"]["problems"])
    assert cluster.left == []


@pytest.mark.parametrize(
    ("node", "layering", "problem"),
    [
        (node_object("n", system="windows", os_image="Windows Server 2022 Datacenter"), "not_applicable", "Windows Server 2022"),
        (node_object("n", os_image="Red Hat Enterprise Linux 8.8 (Ootpa)"), "not_applicable", "8.8 (Ootpa) is no rpm-ostree"),
        (node_object("n", os_image="Red Hat Enterprise Linux Server 7.9 (Maipo)"), "not_applicable", "7.9"),
        (node_object("n", ready="Unknown"), "unknown", "not ready: Kubelet stopped posting node status."),
        (node_object("n", ready="False"), "unknown", "not ready"),
        ({"metadata": {"name": "n"}}, "unknown", "never reported"),
    ],
)  # fmt: skip
def test_some_nodes_get_no_debug_pod(cluster: Cluster, node: dict[str, Any], layering: str, problem: str) -> None:
    cluster.add("n", node=node)
    seen = scanned(cluster)
    assert cluster.debugged == []
    assert seen.machines["n"]["layering"] == layering
    assert problem in " ".join(seen.machines["n"]["problems"])
    assert seen.status == (EXIT_PARTIAL if layering == "unknown" else EXIT_DONE)


def test_a_node_that_could_not_be_asked_still_says_its_release(cluster: Cluster) -> None:
    cluster.add("n", node=node_object("n", ready="Unknown", arch="arm64"))
    machine = scanned(cluster).machines["n"]
    assert machine["release"] == "4.14"
    assert machine["os"]["version"] == "414.92.202405282322-0"
    assert machine["os"]["arch"] == "aarch64"
    assert machine["observed_at"] is None


@pytest.mark.parametrize(
    "name",
    ["", "-n", "--kubeconfig=/x", "a=b", "a/b", "../../x", "a b", "a;reboot", "$(reboot)", "a\nb", "a\x1b[2J", "UPPER", "ä", "x" * 254, "a\0b"],
)  # fmt: skip
def test_a_name_that_no_node_can_have_never_reaches_oc(
    cluster: Cluster, deployment: Build, status: Build, name: str
) -> None:
    cluster.add(None, node=node_object(name))
    cluster.add("good", prints=status(deployment()))
    seen = scanned(cluster)
    assert cluster.debugged == ["node/good"]
    assert seen.machines[name]["layering"] == "unknown"
    assert "its name is none that a node can have" in seen.machines[name]["problems"][0]


def test_a_cluster_that_is_no_openshift_has_no_id_and_no_release(
    cluster: Cluster, deployment: Build, status: Build
) -> None:
    cluster.say("cluster.json", {})
    plain = deployment(
        version="38.20231014.3.0",
        origin="fedora:fedora/x86_64/coreos/stable",
        container_image_reference=None,
        osname="fedora-coreos",
    )
    cluster.add("n", node=node_object("n", os_image="Fedora CoreOS 38.20231014.3.0"), prints=status(plain))
    machine = scanned(cluster).machines["n"]
    assert (machine["cluster_id"], machine["release"], machine["layering"]) == (None, None, "clean")


def test_the_kubelet_tells_the_release_where_the_os_version_is_shared(
    cluster: Cluster, deployment: Build, status: Build
) -> None:
    cluster.add(
        "n",
        node=node_object("n", kubelet="v1.33.5", os_image="Red Hat Enterprise Linux CoreOS 9.6.20251015-1 (Plow)"),
        prints=status(deployment(version="9.6.20251015-1")),
    )
    assert scanned(cluster).machines["n"]["release"] == "4.20"


@pytest.mark.parametrize(
    ("cluster_says", "what"),
    [
        ({"get_fails": "error: You must be logged in to the server (Unauthorized)"}, "You must be logged in"),
        ({"nodes_text": "I am not JSON"}, "printed no list of nodes"),
        ({"nodes_text": '{"items": [{"metadata": {}}]}'}, "printed no list of nodes"),
        ({"nodes_text": '{"items": {"a": 1}}'}, "printed no list of nodes"),
        ({"nodes_text": "[" * 100_000}, "printed no list of nodes"),
        ({"get_hangs": True}, "gave no answer within 3 s"),
    ],
)
def test_a_list_that_cannot_be_had_is_said_and_nothing_is_made(
    cluster: Cluster, cluster_says: dict[str, Any], what: str
) -> None:
    cluster.say("cluster.json", cluster_says)
    with pytest.raises(ClusterError) as caught:
        scanned(cluster, timeout=3)
    assert what in str(caught.value)
    assert cluster.debugged == []


@pytest.mark.parametrize("program", ["nowhere/oc", "bin", "bin/script"])
def test_an_oc_that_cannot_be_run_is_said(cluster: Cluster, tmp_path: Path, program: str) -> None:
    script = tmp_path / "bin" / "script"
    script.write_text("not a program")
    script.chmod(0o755)
    cluster.oc = tmp_path / program
    with pytest.raises(ClusterError, match="cannot be run"):
        scanned(cluster)


# --- interrupted: as a process of its own, through the command line's own main ---

SCAN_OPTIONS = ("--at-once", "3", "--format", "json")


def started(cluster: Cluster, *, sessions: int, timeout: float = 60) -> subprocess.Popen[str]:
    """The program, once so many debug sessions run."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "layercensus",
            "scan",
            "--oc",
            str(cluster.oc),
            "--timeout",
            str(timeout),
            *SCAN_OPTIONS,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "STAND_IN_OC": str(cluster.folder)},
    )
    until = time.monotonic() + 20
    together = cluster.folder / "together"
    while sessions and not (together.exists() and len(together.read_text().split()) >= sessions):
        assert time.monotonic() < until, "the sessions did not start"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def oc_processes(cluster: Cluster) -> list[int]:
    """Processes of the stand-in that run, by their ids."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if str(cluster.oc) in words and "layercensus" not in words:
            found.append(int(entry.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_no_debug_pod(cluster: Cluster, number: signal.Signals) -> None:
    for name in ("a", "b", "c", "d", "e"):
        cluster.add(name, hangs=True, removal_seconds=0.5, namespace=name != "b")
    process = started(cluster, sessions=3)
    assert len(cluster.left) == 5
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EXIT_INTERRUPTED
    assert cluster.left == []
    assert len(cluster.debugged) == 3
    assert oc_processes(cluster) == []
    assert "waiting until oc has removed 3 debug pods" in errors
    assert errors.endswith("layercensus: oc has removed its debug pods\n")
    assert "Traceback" not in errors


def test_a_second_interrupt_ends_the_waiting_and_not_the_removing(cluster: Cluster) -> None:
    cluster.add("slow", hangs=True, removal_seconds=6, namespace=False)
    process = started(cluster, sessions=1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.7)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=4)
    assert process.returncode == EXIT_INTERRUPTED
    assert "not waited for: 1 oc" in errors
    until = time.monotonic() + 20
    while cluster.left and time.monotonic() < until:
        time.sleep(0.1)
    assert cluster.left == []


def test_an_interrupt_while_the_nodes_are_listed_leaves_no_oc(cluster: Cluster) -> None:
    cluster.say("cluster.json", {"get_hangs": True})
    cluster.add("a")
    process = started(cluster, sessions=0)
    until = time.monotonic() + 20
    while not cluster.calls:
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EXIT_INTERRUPTED
    assert "Traceback" not in errors
    assert oc_processes(cluster) == []


def test_signals_are_handled_as_before_once_it_is_over(cluster: Cluster, deployment: Build, status: Build) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    cluster.add("a", prints=status(deployment()))
    scanned(cluster)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_slow_reader_does_not_make_a_node_late(cluster: Cluster, deployment: Build, status: Build) -> None:
    """An answer longer than a pipe waits in `oc` while nobody reads; that is not the node's delay."""
    cluster.add("a", prints=status(deployment()))
    cluster.add("b", prints=status(deployment(repo=["htop"], note="x" * 500_000)), seconds=0.5)
    limits = oc_runs.Limits(node_seconds=3)
    nodes = read_nodes(str(cluster.oc), None, limits)
    layered = []
    for answer in scan_nodes(str(cluster.oc), nodes, limits, tick=lambda done, total: None, warn=pytest.fail):
        layered.append(answer.reason)
        if answer.node.name == "a":
            time.sleep(4)
    assert layered == [None, None]


def test_a_reader_that_goes_away_leaves_no_debug_pod(cluster: Cluster, deployment: Build, status: Build) -> None:
    cluster.add("a", prints=status(deployment()), seconds=0.5)
    cluster.add("b", hangs=True)
    cluster.add("c", hangs=True)
    process = started(cluster, sessions=3)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert "oc has removed its debug pods" in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=30)
    assert cluster.left == []
    assert oc_processes(cluster) == []


def test_an_interrupt_at_the_terminal_reaches_oc_through_us_alone(cluster: Cluster) -> None:
    """A Ctrl-C goes to the whole foreground group; `oc` is not in it, so it hears it once and cleans up in peace."""
    cluster.add("a", hangs=True, removal_seconds=0.5)
    process = started(cluster, sessions=1)
    (oc,) = oc_processes(cluster)
    assert os.getsid(oc) == oc
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EXIT_INTERRUPTED
    assert cluster.left == []
    assert errors.endswith("oc has removed its debug pods\n")


# --- the words of oc ---

SAID = textwrap.dedent("""\
    Temporary namespace openshift-debug-x7k2q is created for debugging node...
    Starting pod/worker-0-debug-f4n8z ...
    To use host binaries, run `chroot /host`. Instead, if you need to access host namespaces, run `nsenter -a -t 1`.
    """)


@pytest.mark.parametrize(
    ("said", "pod", "namespace"),
    [
        ("", None, None),
        (SAID, "worker-0-debug-f4n8z", "openshift-debug-x7k2q"),
        (SAID + "\nRemoving debug pod ...\n", None, "openshift-debug-x7k2q"),
        (SAID + "\nRemoving debug pod ...\nTemporary namespace openshift-debug-x7k2q was removed.\n", None, None),
        (SAID + '\nRemoving debug pod ...\nerror: unable to delete the debug pod "x": no\n', "worker-0-debug-f4n8z", "openshift-debug-x7k2q"),
        ("Starting pod/worker-0-debug, command was: /bin/sh\n", "worker-0-debug", None),
        ("Temporary namespace kube-system is created for debugging node...\n", None, None),
        ("Temporary namespace openshift-debug-x --all is created for debugging node...\n", None, None),
        ("warning: Temporary namespace openshift-debug-x is created\n", None, None),
    ],
)  # fmt: skip
def test_what_oc_left_is_read_from_its_own_words(said: str, pod: str | None, namespace: str | None) -> None:
    left = leavings_of(said)
    assert (left.pod, left.namespace) == (pod, namespace)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("", None),
        (SAID, None),
        ("error: first\nerror: last\n" + SAID, "error: last"),
        (SAID + "something odd\n", "something odd"),
        (SAID + "error: why\nsomething after\nRemoving debug pod ...\n", "error: why"),
        ("error: " + "x" * 5000, "error: " + "x" * 293),
    ],
)
def test_a_complaint_is_the_last_error(said: str, complaint: str | None) -> None:
    assert complaint_of(said) == complaint


@pytest.mark.parametrize(
    ("kubelet", "release"),
    [("v1.27.13+401bb48", "4.14"), ("v1.19.0", "4.6"), ("v1.35.1", "4.22"), ("v1.36.0", None), ("v1.18.3", None), ("", None), ("1.27", None), ("v1.99999999999", None)],
)  # fmt: skip
def test_the_release_of_a_kubelet(kubelet: str, release: str | None) -> None:
    assert Node("n", kubelet_version=kubelet).release == release


@pytest.mark.parametrize(
    ("image", "is_coreos"),
    [
        (RHCOS, True),
        ("Red Hat Enterprise Linux CoreOS 9.6.20250916-0 (Plow)", True),
        ("Fedora CoreOS 39.20231101.3.0", True),
        ("CentOS Stream CoreOS 9.0.20250510-0", True),
        ("", True),
        ("Red Hat Enterprise Linux 9.4 (Plow)", False),
        ("Red Hat Enterprise Linux Server 7.9 (Maipo)", False),
        ("Windows Server 2019 Datacenter", False),
    ],
)
def test_which_nodes_are_coreos(image: str, is_coreos: bool) -> None:
    assert Node("n", os_image=image).is_coreos is is_coreos


@pytest.mark.parametrize(("kubelet", "asked"), [("v1.31.4", False), ("v1.32.1", True), ("", False)])
def test_from_4_19_on_a_rhel_is_asked_what_it_is(kubelet: str, asked: bool) -> None:
    """`rhel` is a RHEL worker up to 4.18 and CoreOS from 4.19; a name alone is no proof then."""
    assert Node("n", os_image="Red Hat Enterprise Linux 9.6 (Plow)", kubelet_version=kubelet).is_coreos is asked


def test_nodes_of_an_empty_list() -> None:
    assert parse_nodes('{"items": []}') == ()


@pytest.mark.parametrize("text", ["", "null", "6f2a", "<html>", "6f2a7f0e-93b5-4d52-9d0a-0f5a7e8f3a1g"])
def test_what_is_no_cluster_id(text: str) -> None:
    assert parse_cluster_id(text) is None


SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["items", "metadata", "name", "labels", "status", "nodeInfo", "conditions", "type", "osImage"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(SCRAPS)
def test_any_json_gives_nodes_or_our_error(scrap: Any) -> None:
    for value in (scrap, {"items": scrap}, {"items": [scrap, {"metadata": {"name": "n"}, "status": scrap}]}):
        with contextlib.suppress(ClusterError):
            for node in parse_nodes(json.dumps(value)):
                assert isinstance(node.is_named and node.is_coreos, bool)
