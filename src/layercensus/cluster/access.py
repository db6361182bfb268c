"""Who may do what: namespace, SCC, roles, network policy. Pure.

A role holds only what a test sees used (`tests/real/test_kit_chain.py`).
"""

from layercensus.cluster.kit import NAME, PORT, SELECTOR, Kit, Platform
from layercensus.cluster.kit import cluster_metadata as _cluster_metadata
from layercensus.cluster.kit import metadata as _metadata
from layercensus.cluster.releases import has_endpoint_slices
from layercensus.cluster.workload import NOBODY, SELINUX_TYPE
from layercensus.cluster.yaml_text import Value

_RBAC = "rbac.authorization.k8s.io"
_PRIVILEGED = {f"pod-security.kubernetes.io/{mode}": "privileged" for mode in ("enforce", "audit", "warn")}


def namespace(kit: Kit) -> Value:
    """The namespace of the kit. Paths of the host need pod security `privileged`, and nothing more of it is used."""
    openshift = kit.platform is Platform.OPENSHIFT
    watched = {"openshift.io/cluster-monitoring": "true", "security.openshift.io/scc.podSecurityLabelSync": "false"}
    annotations: Value = {"openshift.io/node-selector": "", "workload.openshift.io/allowed": "management"}
    labels = {"app.kubernetes.io/name": NAME, **(watched if openshift else {}), **_PRIVILEGED}
    about: dict[str, Value] = {"name": kit.namespace, "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {**about, "annotations": annotations} if openshift else about,
    }


def security_context_constraints() -> Value:
    """What the agent's pod may ask for: paths of the host, and otherwise less than `restricted`.

    It gives the pod its SELinux type, and the level of the namespace with it.
    """
    return {
        "apiVersion": "security.openshift.io/v1",
        "kind": "SecurityContextConstraints",
        "metadata": _cluster_metadata(
            annotations={"kubernetes.io/description": "The census agent: two paths of the host, read-only, as nobody."}
        ),
        # As much as none, which the schema wants said.
        "priority": 0,
        "allowHostDirVolumePlugin": True,
        "allowHostIPC": False,
        "allowHostNetwork": False,
        "allowHostPID": False,
        "allowHostPorts": False,
        "allowPrivilegeEscalation": False,
        "allowPrivilegedContainer": False,
        "allowedCapabilities": [],
        "defaultAddCapabilities": [],
        "requiredDropCapabilities": ["ALL"],
        "readOnlyRootFilesystem": True,
        "runAsUser": {"type": "MustRunAs", "uid": NOBODY},
        "seLinuxContext": {"type": "MustRunAs", "seLinuxOptions": {"type": SELINUX_TYPE}},
        "fsGroup": {"type": "MustRunAs", "ranges": [{"min": NOBODY, "max": NOBODY}]},
        "supplementalGroups": {"type": "MustRunAs", "ranges": [{"min": NOBODY, "max": NOBODY}]},
        "seccompProfiles": ["runtime/default"],
        "volumes": ["emptyDir", "hostPath", "projected", "secret"],
        "users": [],
        "groups": [],
    }


def use_of_constraints(kit: Kit) -> list[Value]:
    """The agent's account may use that SCC, in its own namespace."""
    rule: Value = {
        "apiGroups": ["security.openshift.io"],
        "resources": ["securitycontextconstraints"],
        "resourceNames": [NAME],
        "verbs": ["use"],
    }
    return _role_for(kit, f"{NAME}-scc", [rule], subject=_account(kit, NAME, kit.namespace))


def reading_of_client_ca(kit: Kit) -> Value:
    """The agent may read whose client certificates the cluster trusts: by a role of Kubernetes itself."""
    return _binding(
        {"name": f"{NAME}-client-ca", "namespace": "kube-system", "labels": {"app.kubernetes.io/name": NAME}},
        role="extension-apiserver-authentication-reader",
        subject=_account(kit, NAME, kit.namespace),
    )


def discovery_by_prometheus(kit: Kit) -> list[Value]:
    """The platform's Prometheus may find the agent's pods: it lists and watches, and gets nothing one by one."""
    verbs = ["list", "watch"]
    rules: list[Value] = [{"apiGroups": [""], "resources": ["services", "endpoints", "pods"], "verbs": verbs}]
    if kit.release is None or has_endpoint_slices(kit.release):
        rules.append({"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": verbs})
    subject = _account(kit, "prometheus-k8s", kit.monitoring_namespace)
    return _role_for(kit, f"{NAME}-prometheus", rules, subject=subject)


def network_policy(kit: Kit) -> Value:
    """Only Prometheus comes in; only the API is reached, where the agent asks it, else nothing."""
    prometheus: dict[str, Value] = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}
    names: dict[str, Value] = (
        {"matchLabels": {"kubernetes.io/metadata.name": kit.monitoring_namespace}} if kit.monitoring_namespace else {}
    )
    api: list[Value] = [{"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(kit),
        "spec": {
            "podSelector": {"matchLabels": SELECTOR},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {
                    "from": [{"namespaceSelector": names, **prometheus}],
                    "ports": [{"protocol": "TCP", "port": PORT}],
                }
            ],
            "egress": api if kit.asks_api else [],
        },
    }


def _role_for(kit: Kit, name: str, rules: list[Value], *, subject: Value) -> list[Value]:
    role: Value = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": _metadata(kit, name), "rules": rules}
    return [role, _binding(_metadata(kit, name), role=name, subject=subject)]


def _binding(about: dict[str, Value], *, role: str, subject: Value) -> Value:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": about,
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": role},
        "subjects": [subject],
    }


def _account(kit: Kit, name: str, where: str) -> Value:
    return {"kind": "ServiceAccount", "name": name, "namespace": where or kit.namespace}
