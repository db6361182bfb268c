"""What `oc` says of a cluster's nodes and of its debug pods: text to values. Pure.

`oc get nodes -o json` is a `v1.List` of nodes. `oc debug node/NAME -- COMMAND` prints the command's output, standard
error in it too, on standard output (it follows the container's log), and its own words on standard error (openshift/oc
`pkg/cli/debug/debug.go`; with `--quiet` it would also keep to itself that it could not delete its pod)::

    Temporary namespace openshift-debug-x7k2q is created for debugging node...
    Starting pod/worker-0-debug-f4n8z ...
    To use host binaries, run `chroot /host`

    Removing debug pod ...
    Temporary namespace openshift-debug-x7k2q was removed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from layercensus.data import read_json
from layercensus.errors import ClusterError, Fault

_ROLE_LABEL = "node-role.kubernetes.io/"
# A node's name is an RFC 1123 subdomain; anything else could be read as an option or an assignment.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_COREOS_VERSION = re.compile(r"CoreOS (\d[\w.-]*)")
_KUBELET = re.compile(r"v1\.(\d{1,3})\.")
# Release 4.N has Kubernetes 1.(N+13), from 4.6 to 4.22; what comes after is not known to keep to it.
_KUBERNETES_AHEAD = 13
_RELEASES_IN_STEP = range(6, 23)
_NO_WORKERS_FROM = 19
# Go's names for what RPM calls otherwise (`runtime.GOARCH`).
_RPM_ARCHES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x"}
_CHATTER = re.compile(
    r"^(Temporary namespace |Creating debug namespace|Removing debug |Starting pod/|To use host binaries|Pod IP:|"
    r"Warning: |W\d{4} |If you don't see a command prompt)"
)
_COMPLAINT = re.compile(r"^(error:|Error from server|The connection to the server|Unable to connect)", re.IGNORECASE)
_REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Node:
    """One node as its Kubernetes object has it. `not_ready`: why it is not, None if it is. `arch` in RPM's words."""

    name: str
    roles: tuple[str, ...] = ()
    os_image: str = ""
    kubelet_version: str = ""
    windows: bool = False
    arch: str | None = None
    not_ready: str | None = None

    @property
    def os_version(self) -> str | None:
        """Version of a CoreOS, out of its full name; None of anything else."""
        match = _COREOS_VERSION.search(self.os_image)
        return match[1] if match else None

    @property
    def release(self) -> str | None:
        """OpenShift release of the node, from its kubelet, which comes with its OS image; None where that can't tell.

        A cluster's own version does not tell: a node of a paused pool, or one that waits its turn, is behind.
        """
        minor = self._minor
        return f"4.{minor}" if minor in _RELEASES_IN_STEP else None

    @property
    def _minor(self) -> int:
        """Minor of the OpenShift 4 that this kubelet came with; 0 where it can't be told."""
        match = _KUBELET.match(self.kubelet_version)
        return int(match[1]) - _KUBERNETES_AHEAD if match else 0

    @property
    def is_coreos(self) -> bool:
        """False for Windows and for package-mode RHEL, by its full name and never by `os_id` (decision 0009).

        From 4.19 on there are no package-mode workers, so such a name is no proof: the node itself is asked.
        """
        other = read_json("rules/patterns.json")["other_os_image"]
        named_otherwise = re.fullmatch(other, self.os_image) is not None
        return not self.windows and (not named_otherwise or self._minor >= _NO_WORKERS_FROM)

    @property
    def is_named(self) -> bool:
        """Whether its name is one that a node can have."""
        return _NAME.fullmatch(self.name) is not None


@dataclass(frozen=True, slots=True)
class Leavings:
    """What `oc debug` made and, by its own words, did not take away again."""

    pod: str | None = None
    namespace: str | None = None


def parse_nodes(text: str) -> tuple[Node, ...]:
    """Nodes in name order. Raises `ClusterError` if the text is no list of nodes."""
    try:
        items = json.loads(text)["items"]
        nodes = [_node(item) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ClusterError(
            f"printed no list of nodes ({type(error).__name__})",
            where="oc get nodes",
            fault=Fault.HOST,
            next_step="see what oc get nodes --output=json prints; --oc names another program",
        ) from error
    return tuple(sorted(nodes, key=lambda node: node.name))


def parse_cluster_id(text: str) -> str | None:
    """Id of a cluster; None where the text is none (a cluster that is no OpenShift has no version object)."""
    try:
        return str(UUID(text.strip()))
    except ValueError:
        return None


def complaint_of(said: str) -> str | None:
    """What `oc` complains of: its last error, else the last of its words that is not about its own doing."""
    lines = [line.strip() for line in said.splitlines()]
    kept = [line for line in lines if line and not _CHATTER.match(line)]
    errors = [line for line in kept if _COMPLAINT.match(line)]
    chosen = errors or kept
    return chosen[-1][:_REASON_LENGTH] if chosen else None


def leavings_of(said: str) -> Leavings:
    """What is left of a debug session. `oc` removes the pod when it is interrupted, and never its own namespace."""
    started = re.search(r"^Starting pod/([a-z0-9.-]+)", said, re.MULTILINE)
    removed = "Removing debug pod" in said and "unable to delete the debug pod" not in said
    made = re.search(r"^Temporary namespace (openshift-debug-[a-z0-9]+) is created", said, re.MULTILINE)
    gone = made and f"Temporary namespace {made[1]} was removed" in said
    return Leavings(
        pod=started[1] if started and not removed else None, namespace=made[1] if made and not gone else None
    )


def _node(item: Mapping[str, Any]) -> Node:
    metadata, status = item["metadata"], item.get("status") or {}
    info = status.get("nodeInfo") or {}
    labels = metadata.get("labels") or {}
    name = metadata["name"]
    if not isinstance(name, str):
        raise TypeError("a name that is no text")
    return Node(
        name=name,
        roles=tuple(sorted(label[len(_ROLE_LABEL) :] for label in labels if label.startswith(_ROLE_LABEL))),
        os_image=str(info.get("osImage") or ""),
        kubelet_version=str(info.get("kubeletVersion") or ""),
        windows="windows" in {labels.get("kubernetes.io/os"), info.get("operatingSystem")},
        arch=_RPM_ARCHES.get(str(info.get("architecture"))),
        not_ready=_why_not_ready(status.get("conditions") or []),
    )


def _why_not_ready(conditions: list[Mapping[str, Any]]) -> str | None:
    """Why the kubelet can't start a pod; the condition `Ready` is `Unknown` when the node stopped reporting."""
    for condition in conditions:
        if condition.get("type") == "Ready":
            if condition.get("status") == "True":
                return None
            return str(condition.get("message") or condition.get("reason") or "no reason given")[:_REASON_LENGTH]
    return "the node has never reported"
