"""What a must-gather says of every node of its cluster. Pure.

Evidence is in the logs of the machine-config-daemon, one pod a node; node objects give the rest of the list, so that a
node without evidence is `unknown` and not missing. A status is as old as the daemon's start that printed it: where the
node object has another OS version by now, it says nothing of what is booted. Members::

    cluster-scoped-resources/core/nodes/worker-1.yaml
    namespaces/openshift-machine-config-operator/pods/machine-config-daemon-x2x2x/machine-config-daemon-x2x2x.yaml
    …/machine-config-daemon-x2x2x/machine-config-daemon/machine-config-daemon/logs/current.log

Sources: openshift/must-gather `collection-scripts/gather`; openshift/oc `pkg/cli/admin/inspect`; kubernetes/api
`core/v1`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from layercensus.data import read_json
from layercensus.host.bundles.evidence import as_cut, bounded, weight_of
from layercensus.host.documents.image_config import rpm_arch
from layercensus.host.documents.mcd_log import LogScan, machine_of_log
from layercensus.host.documents.yaml_subset import YamlNode, mapping_at, node_at, parse_yaml_subset, text_at
from layercensus.host.reading import unreadable
from layercensus.model import Machine, OperatingSystem, Readability

_ROLE_LABEL = "node-role.kubernetes.io/"
_CONFIG_ANNOTATION = "machineconfiguration.openshift.io/currentConfig"
_RENDERED = re.compile(r"^rendered-(.+)-[0-9a-f]{32}$")
_UUID = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_KUBELET = re.compile(r"^v1\.(\d+)\.")
_MAX_NAME_CHARACTERS = 253
_MAX_ROLES = 16
# About what is kept of one object.
_OBJECT_BYTES = 4000
_LAYERED_VERSION = re.compile(r"^4\d{1,2}\.\d\d\.\d{12}")
_NO_LOG = "the must-gather has no log of this node's machine-config-daemon"
_CUT_LOG = "the archive ends inside this log: a newer start of the daemon may be missing"
_ONLY_PREVIOUS = "the present log shows no status, that of the container before was taken"
_STALE = "the node runs {now} by now and the status is of {then}: what is booted is not known"


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a node object says that matters here."""

    member: str
    roles: tuple[str, ...]
    pool: str | None
    os: OperatingSystem
    not_coreos: str | None


@dataclass
class MustGather:
    """The evidence of one must-gather as its members come by, in any order. Logs stand by pod, then role."""

    nodes: dict[str, NodeFacts] = field(default_factory=dict)
    logs: dict[str, dict[str, Machine]] = field(default_factory=dict)
    pods: dict[str, str] = field(default_factory=dict)
    cluster_id: str | None = None
    problems: list[str] = field(default_factory=list)

    def take(self, role: str, subject: str, member: str, text: str, *, cut: bool) -> int:
        """Take one object's YAML; `cut`: it ends too early. Returns what is kept of it weighs."""
        document = parse_yaml_subset(text[: text.rfind("\n") + 1] if cut else text)
        if role == "node":
            self.nodes.setdefault(subject, _node_facts(document, member))
        elif role == "pod" and (node := text_at(document, "spec", "nodeName")):
            self.pods.setdefault(subject, node[:_MAX_NAME_CHARACTERS])
        elif role == "cluster_version":
            items = node_at(document, "items")
            first = items[0] if isinstance(items, list) and items else document
            cluster_id = text_at(first, "spec", "clusterID")
            if cluster_id and _UUID.match(cluster_id):
                self.cluster_id = self.cluster_id or cluster_id
        return _OBJECT_BYTES

    def take_log(self, role: str, pod: str, member: str, scan: LogScan, *, cut: bool) -> int:
        """Take one log whose lines were all fed. Returns what is kept of it weighs."""
        machine = bounded(machine_of_log(scan, member))
        machine = as_cut(machine, _CUT_LOG) if cut else machine
        self.logs.setdefault(pod, {}).setdefault(role, machine)
        return weight_of(machine)

    def is_part_of(self, other: "MustGather") -> bool:
        """Whether this is another image's gathering on the same cluster, with nothing that the other does not have."""
        if self.cluster_id and other.cluster_id:
            return self.cluster_id == other.cluster_id and not self.logs and bool(other.logs)
        return not self.logs and bool(other.logs) and self.nodes.keys() <= other.nodes.keys()

    def machines(self, *, lost: bool) -> Iterator[Machine]:
        """One machine for every node, by name, then for every log whose node is not known."""
        by_node: dict[str, list[Machine]] = {}
        for pod, logs in sorted(self.logs.items()):
            machine = _newest(logs, lost=lost)
            node = next((log.node for log in (machine, *logs.values()) if log.node), self.pods.get(pod))
            by_node.setdefault(node or "", []).append(replace(machine, node=node))
        homeless = by_node.pop("", [])
        for node in sorted(self.nodes.keys() | by_node.keys()):
            yield self._joined(node, by_node.get(node, []))
        for machine in homeless:
            yield replace(machine, cluster_id=self.cluster_id, problems=(*machine.problems, *self.problems))

    def _joined(self, node: str, machines: list[Machine]) -> Machine:
        facts = self.nodes.get(node)
        best = max(machines, key=_rank, default=None)
        if best is None:
            best = unreadable(facts.member if facts else node, _NO_LOG)
        if facts:
            best = _with_facts(best, facts)
        more = [f"{len(machines)} daemons logged on this node: {best.input} was taken"] if len(machines) > 1 else []
        problems = (*best.problems, *more, *self.problems)
        return replace(best, node=node, cluster_id=self.cluster_id, problems=problems)


def _newest(logs: Mapping[str, Machine], *, lost: bool) -> Machine:
    """The machine of the present log, or of the one before it, where only that shows a status."""
    current, previous = logs.get("current_log"), logs.get("previous_log")
    if previous is None or (current is not None and current.booted is not None):
        return current or unreadable("", _NO_LOG)
    if previous.booted is None:
        return current or previous
    # Where the archive is cut, the present log, or the rest of it, may lie behind the cut.
    if lost:
        return as_cut(previous, _ONLY_PREVIOUS)
    return replace(previous, problems=(*previous.problems, _ONLY_PREVIOUS))


def _rank(machine: Machine) -> tuple[bool, str]:
    return machine.booted is not None, machine.observed_at or ""


def _node_facts(root: dict[str, YamlNode], member: str) -> NodeFacts:
    info = mapping_at(root, "status", "nodeInfo")
    labels = mapping_at(root, "metadata", "labels")
    roles = sorted(key.removeprefix(_ROLE_LABEL)[:63] for key in labels if key.startswith(_ROLE_LABEL))[:_MAX_ROLES]
    rendered = _RENDERED.match(text_at(root, "metadata", "annotations", _CONFIG_ANNOTATION) or "")
    arch = text_at(info, "architecture")
    version = re.search(_table()["os_version"], text_at(info, "osImage") or "")
    kubelet = _KUBELET.match(text_at(info, "kubeletVersion") or "")
    return NodeFacts(
        member=member,
        roles=tuple(roles),
        pool=rendered[1][:_MAX_NAME_CHARACTERS] if rendered else None,
        os=OperatingSystem(
            version=version[1] if version else None,
            arch=rpm_arch(arch) if arch else None,
            openshift_version=_table()["releases"].get(kubelet[1]) if kubelet else None,
            openshift=True,
        ),
        not_coreos=_not_coreos(info, int(kubelet[1]) if kubelet else None),
    )


def _not_coreos(info: dict[str, YamlNode], kubelet: int | None) -> str | None:
    """What a node is that is no rpm-ostree host; None where it may be one."""
    for entry in _table()["not_coreos"]:
        until = entry.get("until_kubelet")
        in_time = until is None or (kubelet is not None and kubelet <= until)
        if in_time and re.search(entry["pattern"], text_at(info, entry["field"]) or ""):
            return str(entry["meaning"])
    return None


def _with_facts(machine: Machine, facts: NodeFacts) -> Machine:
    """Add what the node object says; it is of the time of the gathering, the log may be older."""
    machine = replace(machine, roles=facts.roles, pool=facts.pool)
    if machine.booted is None:
        readability = Readability.NOT_APPLICABLE if facts.not_coreos else machine.readability
        problems = (f"is {facts.not_coreos}",) if facts.not_coreos else machine.problems
        return replace(machine, os=facts.os, readability=readability, problems=problems)
    then, now = machine.os.version, facts.os.version
    stale = then is not None and now is not None and then != now
    # Up to 4.18 a version names the release itself; the kubelet's says it where it does not.
    layered = bool(_LAYERED_VERSION.match(then or ""))
    release = None if layered or stale else facts.os.openshift_version
    system = replace(machine.os, arch=machine.os.arch or facts.os.arch, openshift_version=release, openshift=True)
    if not stale:
        return replace(machine, os=system)
    return replace(
        machine,
        readability=Readability.UNKNOWN,
        booted=None,
        staged=None,
        os=facts.os,
        problems=(*machine.problems, _STALE.format(now=now, then=then)),
    )


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = read_json("bundle_members.json")["nodes"]
    return table
