"""The agent's kit of every release and platform: valid objects, what they may do, what they never do.

Schemas are Kubernetes' own of each release (kubernetes-validate, strict), and the CRDs as published where the folder
`shared` is there. What is expected is typed by hand.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator

from layercensus.cli import main
from layercensus.cluster.manifests import render_agent, render_kubernetes
from layercensus.cluster.releases import known_releases

CRDS = Path(__file__).parents[2].parent / "shared" / "facts" / "crds"
# OpenShift's own release notes, 4.12 to 4.22; of 5.x what is newest.
KUBERNETES = {
    "4.12": "1.25", "4.13": "1.26", "4.14": "1.27", "4.15": "1.28", "4.16": "1.29", "4.17": "1.30", "4.18": "1.31",
    "4.19": "1.32", "4.20": "1.33", "4.21": "1.34", "4.22": "1.35", "4.23": "1.36", "5.0": "1.36", "5.1": "1.37",
    "5.2": "1.37",
}  # fmt: skip
# Kinds that Kubernetes itself has no schema of; those with a published CRD are held to it below.
FOREIGN = {"ServiceMonitor", "PrometheusRule", "SecurityContextConstraints", "Issuer", "Certificate", "Kustomization"}
MONITORS = {"4.12": "4.12", "4.13": "4.12", "4.14": "4.14", "4.15": "4.14", "4.16": "4.16", "4.17": "4.16",
            "4.18": "4.18", "4.19": "4.18", "4.20": "4.20", "4.21": "main"}  # fmt: skip
KITS = [
    pytest.param(release, telemetry, id=f"{release} telemetry={telemetry}")
    for release in known_releases()
    for telemetry in (False, True)
]
RELEASES = known_releases()


def objects(files: dict[str, str]) -> Iterator[dict[str, Any]]:
    for name, text in files.items():
        if name.endswith(".yaml"):
            yield from yaml.safe_load_all(text)


def find(files: dict[str, str], kind: str, name: str | None = None) -> dict[str, Any]:
    (found,) = (one for one in objects(files) if one["kind"] == kind and name in {None, one["metadata"]["name"]})
    return found


def pod_specs(files: dict[str, str]) -> Iterator[dict[str, Any]]:
    for one in objects(files):
        if one["kind"] in {"DaemonSet", "Job"}:
            yield one["spec"]["template"]["spec"]


@pytest.mark.parametrize("release", RELEASES)
def test_every_object_is_valid_on_the_kubernetes_of_its_release(release: str) -> None:
    """Consent changes rules and dashboards only, which Kubernetes has no schema of."""
    kinds = set()
    for one in objects(dict(render_agent(release, telemetry=False))):
        kinds.add(one["kind"])
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, KUBERNETES[release], strict=True)
    assert kinds >= {
        *("Namespace", "ServiceAccount", "SecurityContextConstraints", "Role", "RoleBinding", "PriorityClass", "Job"),
        *("DaemonSet", "Service", "ServiceMonitor", "NetworkPolicy", "ConfigMap", "PrometheusRule", "Kustomization"),
    }


@pytest.mark.parametrize("version", sorted(set(KUBERNETES.values())))
def test_the_kit_for_kubernetes_is_valid_on_each_of_its_releases(version: str) -> None:
    for one in objects(dict(render_kubernetes())):
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)


def test_without_an_scc_the_pod_says_its_selinux_type_itself() -> None:
    for spec in pod_specs(dict(render_kubernetes())):
        assert spec["securityContext"]["seLinuxOptions"] == {"type": "spc_t"}


def test_a_misspelt_field_would_be_seen() -> None:
    wrong = find(dict(render_agent("4.14", telemetry=False)), "DaemonSet")
    wrong["spec"]["template"]["spec"]["hostpid"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.27", strict=True)


def closed(schema: Any) -> Any:
    """The schema with unknown fields refused; metadata stays open, it is Kubernetes' own."""
    if isinstance(schema, list):
        return [closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items() if key != "pattern" or "(?i)" not in str(value)}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def schema_of(file: str) -> Any:
    path = CRDS / file
    if not path.exists():
        pytest.skip(f"NO SCHEMA WAS CHECKED: {path} is not there")
    crd = yaml.safe_load(path.read_text())
    return closed(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


@pytest.mark.parametrize("release", RELEASES)
def test_the_monitor_fits_the_schema_of_its_release(release: str) -> None:
    schema = schema_of(f"servicemonitor-{MONITORS.get(release, 'main')}.yaml")
    monitor = find(dict(render_agent(release, telemetry=False)), "ServiceMonitor")
    assert [error.message for error in Draft202012Validator(schema).iter_errors(monitor)] == []


def test_the_monitor_of_kubernetes_fits_every_schema() -> None:
    for version in ("4.12", "4.14", "4.16", "4.18", "4.20", "main"):
        monitor = find(dict(render_kubernetes()), "ServiceMonitor")
        validator = Draft202012Validator(schema_of(f"servicemonitor-{version}.yaml"))
        assert [error.message for error in validator.iter_errors(monitor)] == []


@pytest.mark.parametrize("release", RELEASES)
def test_the_constraints_fit_their_schema(release: str) -> None:
    schema = schema_of("securitycontextconstraints-main.yaml")
    constraints = find(dict(render_agent(release, telemetry=False)), "SecurityContextConstraints")
    assert [error.message for error in Draft202012Validator(schema).iter_errors(constraints)] == []


@pytest.mark.parametrize(("release", "telemetry"), KITS)
def test_a_pod_is_nobody_without_capabilities_on_a_read_only_root(release: str, telemetry: bool) -> None:
    specs = list(pod_specs(dict(render_agent(release, telemetry))))
    assert len(specs) == 2
    for spec in specs:
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(spec)
        assert spec["securityContext"]["runAsUser"] == 65534
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        # The SCC fills in type and level. A type of the pod's own, without the level, would be refused by it.
        assert "seLinuxOptions" not in spec["securityContext"]
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert container["resources"]["limits"] == {"memory": "128Mi"}
        assert all(mount["readOnly"] is True for mount in container["volumeMounts"])


@pytest.mark.parametrize("files", [render_agent("4.14", telemetry=True), render_kubernetes()], ids=["openshift", "k8s"])
def test_no_path_of_a_host_is_ever_made_and_var_is_masked(files: dict[str, str]) -> None:
    for spec in pod_specs(files):
        paths = {volume["name"]: volume["hostPath"] for volume in spec["volumes"] if "hostPath" in volume}
        assert paths == {
            "ostree": {"path": "/sysroot/ostree", "type": "Directory"},
            "machine-id": {"path": "/etc/machine-id", "type": "File"},
        }
        mounts = {mount["mountPath"]: mount["name"] for mount in spec["containers"][0]["volumeMounts"]}
        (stateroot,) = (path for path in mounts if path.endswith("/var"))
        assert stateroot.startswith("/host/sysroot/ostree/deploy/")
        masked = next(volume for volume in spec["volumes"] if volume["name"] == mounts[stateroot])
        assert set(masked) == {"name", "emptyDir"}


@pytest.mark.parametrize(("release", "telemetry"), KITS)
def test_the_constraints_allow_the_pod_and_no_more(release: str, telemetry: bool) -> None:
    files = dict(render_agent(release, telemetry))
    constraints = find(files, "SecurityContextConstraints")
    allowed = {name for name, value in constraints.items() if name.startswith("allow") and value is True}
    assert allowed == {"allowHostDirVolumePlugin"}
    assert constraints["requiredDropCapabilities"] == ["ALL"]
    assert constraints["allowedCapabilities"] == constraints["defaultAddCapabilities"] == []
    assert constraints["readOnlyRootFilesystem"] is True
    assert constraints["seLinuxContext"] == {"type": "MustRunAs", "seLinuxOptions": {"type": "spc_t"}}
    assert (constraints["users"], constraints["groups"]) == ([], [])
    used = {next(key for key in volume if key != "name") for spec in pod_specs(files) for volume in spec["volumes"]}
    # A projected volume is what a service account's token comes in.
    assert set(constraints["volumes"]) == used | {"projected"}
    for spec in pod_specs(files):
        security = spec["securityContext"]
        assert security["runAsUser"] == constraints["runAsUser"]["uid"]
        assert constraints["fsGroup"]["ranges"] == [{"min": security["fsGroup"], "max": security["fsGroup"]}]
    annotation = find(files, "DaemonSet")["spec"]["template"]["metadata"]["annotations"]["openshift.io/required-scc"]
    role = find(files, "Role", "layercensus-scc")
    assert role["rules"] == [
        {
            "apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
            "resourceNames": [annotation], "verbs": ["use"],
        }
    ]  # fmt: skip
    assert annotation == constraints["metadata"]["name"]


@pytest.mark.parametrize("release", RELEASES)
def test_a_pod_comes_to_every_linux_node_but_those_that_someone_excluded(release: str) -> None:
    spec = find(dict(render_agent(release, telemetry=False)), "DaemonSet")["spec"]["template"]["spec"]
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchExpressions": [{"key": "layercensus.io/exclude", "operator": "DoesNotExist"}]}
    # The label changes its meaning with 4.19; whoever selects by it loses all nodes of an upgrade, or gains RHEL.
    assert "os_id" not in json.dumps(spec)


@pytest.mark.parametrize(
    ("release", "said"), [("4.12", True), ("4.18", True), ("4.19", False), ("4.21", False), ("5.0", False)]
)
def test_the_readme_speaks_of_package_mode_workers_where_there_may_be_some(release: str, said: bool) -> None:
    readme = render_agent(release, telemetry=False)["README.md"]
    assert ("oc label node --selector node.openshift.io/os_id=rhel layercensus.io/exclude=" in readme) is said


def test_the_priority_evicts_nobody() -> None:
    files = dict(render_agent("4.14", telemetry=False))
    priority = find(files, "PriorityClass")
    assert (priority["preemptionPolicy"], priority["globalDefault"]) == ("Never", False)
    assert find(files, "DaemonSet")["spec"]["template"]["spec"]["priorityClassName"] == priority["metadata"]["name"]


@pytest.mark.parametrize("release", RELEASES)
def test_prometheus_shows_its_certificate_in_the_form_of_the_release(release: str) -> None:
    monitor = find(dict(render_agent(release, telemetry=False)), "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"]["serverName"] == "layercensus.layercensus.svc"
    late = RELEASES.index(release) >= RELEASES.index("4.19")
    assert (monitor["spec"].get("scrapeClass") == "tls-client-certificate-auth") is late
    assert ("certFile" in endpoint["tlsConfig"]) is not late
    assert not {"bearerTokenFile", "authorization", "bearerTokenSecret"} & set(endpoint)
    (relabeling,) = endpoint["relabelings"]
    assert (relabeling["sourceLabels"], relabeling["targetLabel"]) == (["__meta_kubernetes_pod_node_name"], "node")


@pytest.mark.parametrize(("release", "telemetry"), KITS)
def test_what_is_made_outside_of_the_namespace_carries_the_label_that_removal_looks_for(
    release: str, telemetry: bool
) -> None:
    files = dict(render_agent(release, telemetry))
    outside = [
        one
        for one in objects(files)
        if one["kind"] != "Kustomization" and one["metadata"].get("namespace") != "layercensus"
    ]
    places = {(one["kind"], one["metadata"].get("namespace")) for one in outside}
    assert places == {
        ("Namespace", None), ("PriorityClass", None), ("SecurityContextConstraints", None),
        ("RoleBinding", "kube-system"), ("ConfigMap", "openshift-config-managed"),
    }  # fmt: skip
    assert all(one["metadata"]["labels"]["app.kubernetes.io/name"] == "layercensus" for one in outside)
    readme = files["README.md"].replace("\n", " ")
    for kind in ("namespace", "priorityclass", "securitycontextconstraints", "rolebinding", "configmap"):
        assert kind in readme[readme.index("## Remove") :]


def test_only_the_first_document_of_a_file_says_what_it_is_for() -> None:
    for files in (render_agent("4.14", telemetry=False), render_kubernetes()):
        for name, text in files.items():
            if (
                name.endswith(".yaml")
                and "rules/" not in name
                and "prometheusrule" not in name
                and "kustom" not in name
            ):
                assert text.startswith("# ")


@pytest.mark.parametrize("files", [render_agent("4.21", telemetry=True), render_kubernetes()], ids=["openshift", "k8s"])
def test_the_readme_names_every_file_and_says_what_one_should_see(files: dict[str, str]) -> None:
    readme = files["README.md"]
    for name in files:
        assert name == "README.md" or f"| `{name}` |" in readme
    for words in ("You should now see", "## Upgrade", "## Remove", "apply -k .", "delete -k ."):
        assert words in readme
    assert "<<" not in "".join(files.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--release: is missing"),
        (["--platform", "kubernetes", "--release", "4.14"], "leave it out"),
        (["--platform", "kubernetes", "--telemetry"], "only OpenShift sends telemetry"),
        (["--platform", "kubernetes", "--mode", "mcd"], "no machine config daemon"),
        (["--mode", "mcd", "--release", "4.14", "--image", "x/y:z"], "runs no image"),
        (["--release", "4.14", "--image", "x y"], "is no image"),
        (["--release", "4.14", "--image", "a\nb"], "is no image"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(arguments: list[str], words: str, capsys: Any) -> None:
    assert main(["manifests", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_the_image_is_the_one_that_was_named(tmp_path: Path, capsys: Any) -> None:
    reference = "registry.example.com:5000/census/agent@sha256:" + "a" * 64
    folder = tmp_path / "kit"
    assert main(["manifests", "--release", "4.12", "--image", reference, "--output", str(folder)]) == 0
    assert "build the image" not in capsys.readouterr().out
    for spec in pod_specs({path.name: path.read_text() for path in folder.rglob("*.yaml")}):
        assert spec["containers"][0]["image"] == reference
