"""How the members of a sosreport or must-gather become machines: preference, contradictions, nodes without evidence."""

import json
from collections.abc import Mapping

import pytest

from layercensus.classify.census import classify
from layercensus.host.bundles.support_bundle import Bundles, find_wanted
from layercensus.host.documents.mcd_log import LogScan
from layercensus.model import Layering, Machine, Readability, Source

SOS = "sosreport-worker-1-2024-05-01-abcdefg"
GATHER = "must-gather.local.5/quay-io-openshift-release-dev-ocp-v4-0-art-dev-sha256-57"
PODS = f"{GATHER}/namespaces/openshift-machine-config-operator/pods"
CLUSTER_ID = "a5b2c7de-1111-2222-3333-444455556666"
VERSION = "416.94.202405010000-0"


def deployment(*packages: str, booted: bool = True, version: str = VERSION) -> dict[str, object]:
    empty: dict[str, object] = {
        key: []
        for key in (
            "requested-local-packages base-removals requested-base-removals base-local-replacements "
            "requested-base-local-replacements requested-local-fileoverride-packages"
        ).split()
    }
    return {
        **empty,
        "booted": booted,
        "staged": False,
        "version": version,
        "osname": "rhcos",
        "container-image-reference": "ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:57",
        "packages": list(packages),
        "requested-packages": list(packages),
        "regenerate-initramfs": False,
    }


def status_json(*packages: str) -> str:
    return json.dumps({"deployments": [deployment(*packages)], "transaction": None})


def status_text(*packages: str, version: str = VERSION) -> str:
    layered = [f"          LayeredPackages: {' '.join(packages)}"] if packages else []
    lines = [
        "State: idle",
        "Deployments:",
        "* ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:57",
        f"                  Version: {version} (2024-05-01T08:00:00Z)",
        *layered,
    ]
    return "\n".join(lines) + "\n"


def daemon_log(node: str, *packages: str, version: str = VERSION, minute: int = 0) -> str:
    def klog(message: str) -> str:
        return f"2024-05-01T10:{minute:02}:01.1Z I0501 10:{minute:02}:01.123456    3820 daemon.go:1] {message}\n"

    state, *rest = status_text(*packages, version=version).splitlines()
    body = "".join(f"2024-05-01T10:{minute:02}:01.1Z {line}\n" for line in rest)
    return klog(f'"Starting to manage node: {node}"') + klog(state) + body + klog("CoreOS aleph version: x")


def bootc_yaml(*, incompatible: bool) -> str:
    entry = f"    image: null\n    incompatible: {str(incompatible).lower()}\n    ostree:\n      checksum: aa\n"
    return f"apiVersion: org.containers.bootc/v1\nkind: BootcHost\nstatus:\n  booted:\n{entry}  rollback: null\n"


def node_yaml(
    name: str,
    *,
    role: str = "worker",
    image: str = f"Red Hat Enterprise Linux CoreOS {VERSION} (Plow)",
    kubelet: str = "v1.29.5+aba1e8d",
    system: str = "linux",
) -> str:
    return f"""\
---
apiVersion: v1
kind: Node
metadata:
  annotations:
    machineconfiguration.openshift.io/currentConfig: rendered-{role}-{"0a" * 16}
  labels:
    kubernetes.io/hostname: {name}
    node-role.kubernetes.io/{role}: ""
  name: {name}
status:
  nodeInfo:
    architecture: arm64
    kubeletVersion: {kubelet}
    operatingSystem: {system}
    osImage: {image}
"""


OS_RELEASE = 'ID="rhcos"\nVARIANT_ID=coreos\nOPENSHIFT_VERSION="4.16"\nOSTREE_VERSION="416.94.202405010000-0"\n'
CLUSTER_VERSION = (
    f"apiVersion: config.openshift.io/v1\nitems:\n- kind: ClusterVersion\n  spec:\n    clusterID: {CLUSTER_ID}\n"
)


def read(members: Mapping[str, str], *, cut: str = "", lost: str | None = None) -> list[Machine]:
    bundles = Bundles("bundle.tar", "!")
    for path, text in members.items():
        wanted = bundles.wants(path)
        if wanted is None or not wanted.is_read:
            continue
        if wanted.is_log:
            scan = LogScan()
            for line in text.splitlines():
                scan.feed(line)
            bundles.take_log(wanted, scan, cut=path == cut)
        else:
            bundles.take_text(wanted, text, cut=path == cut)
    return list(bundles.machines(lost))


def layering(machine: Machine) -> Layering:
    return classify(machine).booted.layering


@pytest.mark.parametrize(
    ("path", "role", "root"),
    [
        (f"{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json", "status_json", f"{SOS}/"),
        (f"{SOS}/sos_commands/rpmostree/rpm-ostree_status", "status_text", f"{SOS}/"),
        ("sos_commands/bootc/bootc_status", "bootc", ""),
        (f"{SOS}/usr/lib/os-release", "os_release", f"{SOS}/"),
        ("x/data/insights_commands/rpm-ostree_status_--json", "status_json", "x/data/"),
        (
            f"{PODS}/machine-config-daemon-x/machine-config-daemon/machine-config-daemon/logs/current.log",
            "current_log",
            f"{GATHER}/",
        ),
        (f"{PODS}/machine-config-daemon-x/machine-config-daemon/logs/previous.log", "previous_log", f"{GATHER}/"),
        (f"{GATHER}/cluster-scoped-resources/core/nodes/worker-1.yaml", "node", f"{GATHER}/"),
        (
            f"{GATHER}/cluster-scoped-resources/config.openshift.io/clusterversions.yaml",
            "cluster_version",
            f"{GATHER}/",
        ),
        ("x/sosreport-a-b.tar.xz", "archive", "x/"),
    ],
)
def test_a_member_on_the_list(path: str, role: str, root: str) -> None:
    wanted = find_wanted(path)
    assert wanted is not None
    assert (wanted.role, wanted.root) == (role, root)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "etc/shadow",
        f"{SOS}/sos_commands/rpmostree/rpm-ostree_db_list",
        f"{SOS}/etc/os-release.bak",
        "xsos_commands/bootc/bootc_status",
        f"{PODS}/machine-config-daemon-x/kube-rbac-proxy/kube-rbac-proxy/logs/current.log",
        f"{PODS}/machine-config-controller-x/machine-config-controller/logs/current.log",
        f"{GATHER}/cluster-scoped-resources/core/nodes/worker-1.yaml\n",
    ],
)
def test_any_other_member_is_not_read(path: str) -> None:
    assert find_wanted(path) is None


def test_a_sosreport_is_its_status_json_with_what_else_is_known() -> None:
    (machine,) = read(
        {
            f"{SOS}/sos_commands/bootc/bootc_status": bootc_yaml(incompatible=True).replace("aa", "''"),
            f"{SOS}/sos_commands/rpmostree/rpm-ostree_status": status_text("htop"),
            f"{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json": status_json("htop"),
            f"{SOS}/sos_commands/rpm/package-data": (
                "bash-5.1-1.el9.x86_64\tdate\t1\tRed Hat, Inc.\thost\nhtop-3.2.1-1.el9.x86_64\tdate\t1\tFedora Project\th\n"
            ),
            f"{SOS}/etc/os-release": OS_RELEASE,
            f"{SOS}/etc/hostname": "worker-1\n",
        }
    )
    assert machine.input == f"bundle.tar!{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json"
    assert machine.source is Source.RPM_OSTREE_JSON
    assert machine.node == "worker-1"
    assert machine.os.openshift_version == "4.16"
    assert machine.os.openshift is True
    assert dict(machine.rpm_vendors) == {"htop": "Fedora Project"}
    assert machine.problems == ()
    assert layering(machine) is Layering.PACKAGES


@pytest.mark.parametrize("order", [1, -1])
def test_where_documents_disagree_a_problem_says_so(order: int) -> None:
    members = {
        f"{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json": status_json(),
        f"{SOS}/sos_commands/rpmostree/rpm-ostree_status": status_text("htop"),
        f"{SOS}/sos_commands/bootc/bootc_status": bootc_yaml(incompatible=True),
    }
    (machine,) = read(dict(list(members.items())[::order]))
    # Nothing is known to be layered, and two of three documents deny that nothing is: unknown, never clean.
    assert layering(machine) is Layering.UNKNOWN
    assert [problem.partition(" does not say the same: ")[2] for problem in machine.problems] == [
        "active changes differ in htop",
        "changed client-side",
    ]


def test_a_status_that_failed_gives_way_to_the_next() -> None:
    (machine,) = read(
        {
            f"{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json": "error: Timeout was reached\n",
            f"{SOS}/sos_commands/rpmostree/rpm-ostree_status": status_text("htop"),
        }
    )
    assert machine.source is Source.RPM_OSTREE_TEXT
    assert layering(machine) is Layering.PACKAGES
    assert "Timeout was reached" in machine.problems[0]


def test_bootc_alone_says_whether_and_not_what() -> None:
    path = f"{SOS}/sos_commands/bootc/bootc_status"
    assert layering(read({path: bootc_yaml(incompatible=False)})[0]) is Layering.CLEAN
    (changed,) = read({path: bootc_yaml(incompatible=True)})
    assert layering(changed) is Layering.UNKNOWN
    assert changed.source is Source.BOOTC


def test_a_sosreport_without_a_status_is_unknown_and_a_root_file_system_is_no_sosreport() -> None:
    (machine,) = read({f"{SOS}/sos_commands/rpm/package-data": "", f"{SOS}/etc/os-release": OS_RELEASE})
    assert machine.input == f"bundle.tar!{SOS}"
    assert machine.readability is Readability.UNKNOWN
    assert machine.problems == ("the sosreport has no rpm-ostree status",)
    assert read({"rootfs/etc/os-release": OS_RELEASE, "rootfs/etc/hostname": "x"}) == []


def test_a_status_whose_end_is_cut_off_is_never_clean() -> None:
    for path, text in {
        f"{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json": status_json(),
        f"{SOS}/sos_commands/rpmostree/rpm-ostree_status": status_text(),
        f"{SOS}/sos_commands/bootc/bootc_status": bootc_yaml(incompatible=False),
    }.items():
        (machine,) = read({path: text}, cut=path, lost="is cut off")
        assert layering(machine) is Layering.UNKNOWN
        assert machine.problems[-1] == "the archive is cut off: evidence may be missing"


def must_gather(**logs: str) -> dict[str, str]:
    members = {f"{GATHER}/cluster-scoped-resources/config.openshift.io/clusterversions.yaml": CLUSTER_VERSION}
    for pod, text in logs.items():
        base = f"{PODS}/machine-config-daemon-{pod}"
        members[f"{base}/machine-config-daemon/machine-config-daemon/logs/current.log"] = text
    return members


def node_path(name: str) -> str:
    return f"{GATHER}/cluster-scoped-resources/core/nodes/{name}.yaml"


def test_a_must_gather_gives_every_node() -> None:
    members = must_gather(a=daemon_log("worker-1", "htop"), b=daemon_log("master-0"))
    members |= {node_path(name): node_yaml(name) for name in ("worker-1", "worker-2")}
    members[node_path("master-0")] = node_yaml("master-0", role="master")
    members[node_path("win-1")] = node_yaml("win-1", system="windows", image="Windows Server 2022")
    members[node_path("rhel-1")] = node_yaml("rhel-1", image="Red Hat Enterprise Linux 8.10 (Ootpa)")
    machines = {machine.node: machine for machine in read(members)}
    assert {node: layering(machine) for node, machine in machines.items()} == {
        "master-0": Layering.CLEAN,
        "worker-1": Layering.PACKAGES,
        "worker-2": Layering.UNKNOWN,
        "rhel-1": Layering.NOT_APPLICABLE,
        "win-1": Layering.NOT_APPLICABLE,
    }
    worker = machines["worker-1"]
    assert (worker.roles, worker.pool, worker.cluster_id) == (("worker",), "worker", CLUSTER_ID)
    assert worker.input.endswith("logs/current.log")
    assert worker.os.arch == "aarch64"
    assert worker.observed_at == "2024-05-01T10:00:01Z"
    assert machines["master-0"].roles == ("master",)
    silent = machines["worker-2"]
    assert silent.problems == ("the must-gather has no log of this node's machine-config-daemon",)
    assert silent.input.endswith("nodes/worker-2.yaml")
    assert classify(silent).booted.release == "4.16"


def test_the_log_of_the_container_before_is_taken_where_the_present_one_shows_nothing() -> None:
    members = must_gather(a="2024-05-01T11:00:00.1Z I0501 11:00:00.123456    3820 daemon.go:9] nothing\n")
    logs = f"{PODS}/machine-config-daemon-a/machine-config-daemon/machine-config-daemon/logs"
    members[f"{logs}/previous.log"] = daemon_log("worker-1")
    (machine,) = read(members)
    assert layering(machine) is Layering.CLEAN
    assert machine.input.endswith("previous.log")
    assert "that of the container before was taken" in machine.problems[0]
    del members[f"{logs}/current.log"]
    assert layering(read(members)[0]) is Layering.CLEAN
    assert layering(read(members, lost="is cut off")[0]) is Layering.UNKNOWN


def test_a_status_of_another_os_version_than_the_node_runs_says_nothing() -> None:
    members = must_gather(a=daemon_log("worker-1", "htop", version="415.92.202401010000-0"))
    members[node_path("worker-1")] = node_yaml("worker-1")
    (machine,) = read(members)
    assert layering(machine) is Layering.UNKNOWN
    assert "runs 416.94.202405010000-0 by now and the status is of 415.92.202401010000-0" in machine.problems[-1]


def test_the_kubelet_tells_the_release_that_the_os_version_does_not() -> None:
    version = "9.6.20250916-0"
    members = must_gather(a=daemon_log("worker-1", "htop", version=version))
    members[node_path("worker-1")] = node_yaml(
        "worker-1", image=f"Red Hat Enterprise Linux CoreOS {version} (Plow)", kubelet="v1.33.4"
    )
    (machine,) = read(members)
    assert classify(machine).booted.release == "4.20"


def test_a_pod_object_tells_the_node_of_a_log_that_does_not() -> None:
    members = must_gather(a="I0501 11:00:00.123456    3820 daemon.go:9] nothing\n")
    members[f"{PODS}/machine-config-daemon-a/machine-config-daemon-a.yaml"] = (
        "kind: Pod\nspec:\n  containers:\n  - name: machine-config-daemon\n  nodeName: worker-9\n"
    )
    (machine,) = read(members)
    assert machine.node == "worker-9"
    assert "shows no rpm-ostree status" in machine.problems[0]


def test_a_log_of_nobody_is_still_a_machine() -> None:
    (machine,) = read(must_gather(a="I0501 11:00:00.123456    3820 daemon.go:9] nothing\n"))
    assert machine.node is None
    assert machine.cluster_id == CLUSTER_ID


def test_two_daemons_of_one_node_are_one_machine_the_newest() -> None:
    members = must_gather(a=daemon_log("worker-1", "htop"), b=daemon_log("worker-1", minute=9))
    (machine,) = read(members)
    assert layering(machine) is Layering.CLEAN
    assert "2 daemons logged on this node" in machine.problems[-1]


def test_another_images_gathering_on_the_same_cluster_adds_no_machine() -> None:
    members = must_gather(a=daemon_log("worker-1"))
    members[node_path("worker-1")] = node_yaml("worker-1")
    other = GATHER.replace("quay-io", "registry-logging")
    members |= {path.replace(GATHER, other): text for path, text in members.items() if "nodes/" in path}
    (machine,) = read(members)
    assert layering(machine) is Layering.CLEAN
    elsewhere = {path.replace(GATHER, "other/cluster"): text for path, text in members.items() if other not in path}
    assert len(read(members | elsewhere)) == 2


def test_a_cut_log_may_miss_a_newer_start() -> None:
    members = must_gather(a=daemon_log("worker-1"))
    path = next(path for path in members if path.endswith(".log"))
    (machine,) = read(members, cut=path, lost="is cut off")
    assert layering(machine) is Layering.UNKNOWN
    assert "a newer start of the daemon may be missing" in machine.problems[-2]


def test_the_first_of_two_members_with_one_path_counts() -> None:
    bundles = Bundles("bundle.tar", "!")
    path = f"{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json"
    wanted = bundles.wants(path)
    assert wanted is not None
    bundles.take_text(wanted, status_json("htop"), cut=False)
    for _ in range(1000):
        assert bundles.wants(path) is None
    (machine,) = bundles.machines(None)
    assert layering(machine) is Layering.PACKAGES
    assert machine.problems == (f"{path} is there more than once: the first was read",)


def test_what_is_kept_is_bounded() -> None:
    bundles = Bundles("bundle.tar", "!")
    text = status_json(*(f"package{number}" for number in range(4000)))
    for number in range(100):
        wanted = bundles.wants(f"{number}/sos_commands/rpmostree/rpm-ostree_status_--json")
        if wanted is None:
            break
        bundles.take_text(wanted, text, cut=False)
    assert number < 20
    assert bundles.problems == ["holds more evidence than any cluster has: the rest was not read"]


def test_more_changes_than_any_machine_has_are_unknown() -> None:
    (machine,) = read({f"{SOS}/sos_commands/x/rpm-ostree_status_--json": status_json(*map(str, range(6000)))})
    assert layering(machine) is Layering.UNKNOWN
    assert "which none has" in machine.problems[0]
