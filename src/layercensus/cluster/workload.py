"""What runs: the DaemonSet of the agent, its priority, and the Job of the self-check. Pure.

Both have the same pod, which sees two paths of its host, read-only, as a user without privileges. Neither path is ever
made: on a host without ostree the pod does not start.
"""

from collections.abc import Mapping, Sequence

from layercensus.cluster.kit import EXCLUDE_LABEL, NAME, PORT, SELECTOR, SERVING_SECRET, Kit, Platform
from layercensus.cluster.kit import cluster_metadata as _cluster_metadata
from layercensus.cluster.kit import metadata as _metadata
from layercensus.cluster.yaml_text import Value

NOBODY = 65534
# Files of ostree carry labels that container_t may not read (not yet verified on a real node).
SELINUX_TYPE = "spc_t"
_NOBODY_WITHIN: Mapping[str, Value] = {
    "runAsNonRoot": True,
    "runAsUser": NOBODY,
    "runAsGroup": NOBODY,
    "fsGroup": NOBODY,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CERTIFICATES = "/etc/layercensus/tls"
_MANAGEMENT = '{"effect": "PreferredDuringScheduling"}'


def priority_class() -> Value:
    """Above what asks for no priority, below the platform, and it evicts nobody: the census changes no cluster."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": _cluster_metadata(),
        "value": 1000000,
        "preemptionPolicy": "Never",
        "globalDefault": False,
        "description": "The census agent: first in the queue, and no pod is evicted for it.",
    }


def service_account(kit: Kit) -> Value:
    """Who the agent is; its token is mounted only where it asks the API."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(kit),
        "automountServiceAccountToken": False,
    }


def daemon_set(kit: Kit) -> Value:
    """The agent on every Linux node, tainted ones too."""
    tls = ["--tls-cert", f"{_CERTIFICATES}/tls.crt", "--tls-key", f"{_CERTIFICATES}/tls.key"]
    authorities = [] if kit.asks_api else ["--client-ca", f"{_CERTIFICATES}/ca.crt"]
    # In brackets an address of either family is read.
    listen = ["--listen", f"[$(POD_IP)]:{PORT}"]
    arguments = ["agent", "--root", "/host", *listen, *tls, *authorities, "--client-cn", kit.client_name]
    address: Value = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    container: dict[str, Value] = {
        "env": [address],
        "ports": [{"name": "metrics", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": "metrics"}, "periodSeconds": 30},
    }
    certificates: Value = {"name": "serving", "secret": {"secretName": SERVING_SECRET, "defaultMode": 0o440}}
    mount: Value = {"name": "serving", "mountPath": _CERTIFICATES, "readOnly": True}
    pod = _pod(kit, arguments, container, volumes=[certificates], mounts=[mount])
    annotations = {**_annotations(kit), "cluster-autoscaler.kubernetes.io/enable-ds-eviction": "false"}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(kit),
        "spec": {
            "selector": {"matchLabels": SELECTOR},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {"metadata": {"labels": SELECTOR, "annotations": annotations}, "spec": pod},
        },
    }


def self_check_job(kit: Kit) -> Value:
    """One look at one node, whichever takes it: what the agent takes for granted, line by line, in the pod's log."""
    pod = _pod(kit, ["agent", "--root", "/host", "--self-check"], {}, volumes=[], mounts=[])
    labels = {**SELECTOR, "app.kubernetes.io/component": "self-check"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(kit, f"{NAME}-self-check"),
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 86400,
            "template": {
                "metadata": {"labels": labels, "annotations": _annotations(kit)},
                "spec": {**pod, "restartPolicy": "Never"},
            },
        },
    }


def _annotations(kit: Kit) -> dict[str, Value]:
    """On OpenShift: the one SCC that fits, and that its CPU is the platform's where a node keeps cores for that."""
    if kit.platform is Platform.KUBERNETES:
        return {}
    return {"openshift.io/required-scc": NAME, "target.workload.openshift.io/management": _MANAGEMENT}


def _pod(
    kit: Kit,
    arguments: Sequence[Value],
    container: Mapping[str, Value],
    *,
    volumes: Sequence[Value],
    mounts: Sequence[Value],
) -> dict[str, Value]:
    """A pod with one container, which runs the program with these arguments; `container` is what it has beyond that."""
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": kit.asks_api,
        "priorityClassName": NAME,
        "terminationGracePeriodSeconds": 10,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _not_excluded()}},
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {**_NOBODY_WITHIN, **_selinux(kit)},
        "containers": [{"name": "agent", "image": kit.image, "args": arguments, **container, **_bounds(kit, mounts)}],
        "volumes": [
            {"name": "ostree", "hostPath": {"path": "/sysroot/ostree", "type": "Directory"}},
            {"name": "machine-id", "hostPath": {"path": "/etc/machine-id", "type": "File"}},
            {"name": "masked", "emptyDir": {"sizeLimit": "1Mi"}},
            *volumes,
        ],
    }


def _selinux(kit: Kit) -> dict[str, Value]:
    """On OpenShift the SCC gives type and level; a pod that says its type and no level is refused by that very SCC."""
    return {} if kit.platform is Platform.OPENSHIFT else {"seLinuxOptions": {"type": SELINUX_TYPE}}


def _bounds(kit: Kit, mounts: Sequence[Value]) -> dict[str, Value]:
    """What a container may take, and what it sees of its host: all of it read-only."""
    masked = f"/host/sysroot/ostree/deploy/{kit.stateroot}/var"
    return {
        "resources": {"requests": {"cpu": "1m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "ostree", "mountPath": "/host/sysroot/ostree", "readOnly": True},
            {"name": "machine-id", "mountPath": "/host/etc/machine-id", "readOnly": True},
            {"name": "masked", "mountPath": masked, "readOnly": True},
            *mounts,
        ],
    }


def _not_excluded() -> Value:
    expression: Value = {"key": EXCLUDE_LABEL, "operator": "DoesNotExist"}
    return {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
