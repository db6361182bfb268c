"""The folder of every release: valid objects, what is applied and what is not, and words that fit."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from layercensus.cluster.manifests import render_agent, render_agent_rules, render_mcd
from layercensus.cluster.releases import has_mcd_gauge, kernel_rows, known_releases
from layercensus.errors import ClusterError, Fault

CRDS = Path(__file__).parents[2].parent / "shared" / "facts" / "crds"
FOLDERS = [
    pytest.param(render, release, telemetry, id=f"{render.__name__} {release} telemetry={telemetry}")
    for render in (render_agent, render_mcd)
    for release in known_releases()
    if render is render_agent or has_mcd_gauge(release)
    for telemetry in (False, True)
]


def test_releases_go_from_4_12_to_the_newest_catalog() -> None:
    assert known_releases() == (
        *("4.12", "4.13", "4.14", "4.15", "4.16", "4.17", "4.18", "4.19", "4.20", "4.21", "4.22", "4.23"),
        *("5.0", "5.1", "5.2"),
    )


@pytest.mark.parametrize(("render", "release", "telemetry"), FOLDERS)
def test_every_prometheus_rule_fits_the_published_schemas(render: Any, release: str, telemetry: bool) -> None:
    files = sorted(CRDS.glob("prometheusrule-*.yaml"))
    if not files:
        pytest.skip(f"NO SCHEMA WAS CHECKED: {CRDS} is not there")
    rules = {
        name: yaml.safe_load(text) for name, text in render(release, telemetry).items() if "prometheusrule" in name
    }
    for file in files:
        crd = yaml.safe_load(file.read_text())
        schema = _closed(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        for name, rule in rules.items():
            errors = [error.message for error in Draft202012Validator(schema).iter_errors(rule)]
            assert errors == [], f"{name} against {file.name}"


def _closed(schema: Any) -> Any:
    """The schema with unknown fields refused, as `oc apply` warns of them; metadata stays open, it is Kubernetes' own."""
    if isinstance(schema, list):
        return [_closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items() if key != "pattern" or "(?i)" not in str(value)}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


@pytest.mark.parametrize(("render", "release", "telemetry"), FOLDERS)
def test_a_folder_applies_what_its_kustomization_lists_and_keeps_the_rest_aside(
    render: Any, release: str, telemetry: bool
) -> None:
    files = render(release, telemetry)
    kustomization = yaml.safe_load(files["kustomization.yaml"])
    top = {name for name in files if "/" not in name} - {"README.md", "kustomization.yaml"}
    rules = {name for name in files if name.startswith("rules/")} - {"rules/kustomization.yaml"}
    assert set(kustomization["resources"]) == top | ({"rules"} if rules else set())
    assert kustomization["resources"][0] == "namespace.yaml"
    if rules:
        listed = yaml.safe_load(files["rules/kustomization.yaml"])["resources"]
        assert {f"rules/{name}" for name in listed} == rules
    applied = {name.rpartition("/")[2] for name in top | rules}
    assert ("prometheusrule-alerts.yaml" in applied) is telemetry
    namespace = yaml.safe_load(files["namespace.yaml"])["metadata"]
    assert not namespace["name"].startswith("openshift-")
    assert namespace["labels"]["openshift.io/cluster-monitoring"] == "true"
    for name in files:
        if "prometheusrule" in name:
            assert yaml.safe_load(files[name])["metadata"]["namespace"] == namespace["name"]


@pytest.mark.parametrize(("render", "release", "telemetry"), FOLDERS)
def test_the_readme_names_every_file_every_series_and_the_consent(render: Any, release: str, telemetry: bool) -> None:
    files = render(release, telemetry)
    readme = files["README.md"]
    assert "<<" not in "".join(files.values())
    for name in files:
        assert name == "README.md" or f"`{name}`" in readme
    words = " ".join(readme.split())
    number = "ten" if render is render_agent else "three"
    for sentence in ("not a supported configuration", "not for managed OpenShift", "oc apply -k .", "oc delete -k ."):
        assert sentence in words
    if telemetry:
        assert f"{number} numbers go to Red Hat with the cluster's telemetry" in words
        assert "telemetry review, which is still owed" in words
        assert "`cluster:usage:" in words
    else:
        assert "Nothing leaves the cluster." in words
        assert "query=layercensus:" in words


@pytest.mark.parametrize(("render", "release", "telemetry"), FOLDERS)
def test_recording_rules_stand_in_the_platforms_dedicated_group(render: Any, release: str, telemetry: bool) -> None:
    for name, text in render(release, telemetry).items():
        if "prometheusrule" in name:
            (group,) = yaml.safe_load(text)["spec"]["groups"]
            kinds = {"record" in rule for rule in group["rules"]}
            assert kinds == {group["name"] == "telemetry.rules"}


def test_mode_mcd_without_consent_is_one_prometheus_rule() -> None:
    files = render_mcd("4.14", telemetry=False)
    assert [name for name in files if "/" not in name] == [
        *("README.md", "namespace.yaml", "prometheusrule-mcd.yaml", "kustomization.yaml"),
    ]


@pytest.mark.parametrize("release", known_releases())
def test_lost_series_come_back_from_4_21_on_and_only_by_hand(release: str) -> None:
    name = "optional/prometheusrule-mcd-upstream.yaml"
    late = known_releases().index(release) >= known_releases().index("4.21")
    assert (name in render_agent_rules(release, telemetry=True)) is late


def test_agent_rules_of_releases_without_the_gauge_do_not_speak_of_it() -> None:
    for release in ("4.12", "4.13"):
        assert "mcd_local" not in "".join(render_agent_rules(release, telemetry=True).values())


@pytest.mark.parametrize(
    ("release", "words"),
    [("4.12", "no gauge"), ("4.13", "no gauge"), ("4.11", "no rules"), ("9.9", "no rules"), ("latest", "no release")],
)
def test_a_release_without_rules_is_the_users_error_and_says_what_next(release: str, words: str) -> None:
    with pytest.raises(ClusterError, match=words) as caught:
        render_mcd(release, telemetry=False)
    assert caught.value.fault is Fault.USAGE
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        # by hand, from the table of kernel types in docs/upstream.md: removals + installs
        ("4.14", {("realtime", ("410[.]84", "411[.]86", "412[.]86")): 8, ("realtime", ()): 9}),
        ("4.18", {("64k", ()): 9, ("realtime", ()): 9}),
        ("4.20", {("64k", ()): 9, ("realtime", ("10[.][0-9]+",)): 8, ("realtime", ()): 9}),
        ("4.21", {("64k", ()): 9, ("realtime", ("10[.][0-9]+",)): 8, ("realtime", ()): 9}),
        ("4.22", {("64k", ()): 9, ("realtime", ("418[.]94", "9[.]6")): 9, ("realtime", ()): 8}),
        ("5.0", {("64k", ()): 9, ("realtime", ("9[.]6",)): 9, ("realtime", ()): 8}),
    ],
)
def test_kernel_types_weigh_what_the_nodes_own_os_says(release: str, expected: Any) -> None:
    rows = {
        ("64k" if "64k" in row.kernel_version else "realtime", row.os_versions): row.count
        for row in kernel_rows(release)
    }
    assert rows == expected


def test_the_series_of_the_platform_are_watched_with_consent_only() -> None:
    """Without consent nothing that is rendered could record them, so the alert would fire for ever."""
    with_consent = render_mcd("5.0", telemetry=True)["prometheusrule-alerts.yaml"]
    without = render_mcd("5.0", telemetry=False)["optional/prometheusrule-alerts.yaml"]
    assert "cluster:mcd_total_unsupported_packages:sum" in with_consent
    assert "cluster:mcd_" not in without


def test_the_readme_says_how_consent_is_withdrawn_and_what_the_gauge_hides() -> None:
    readme = render_mcd("4.21", telemetry=True)["README.md"]
    withdraw = readme[readme.index("To withdraw") :].split("\n\n")[0]
    assert "oc delete -k ." in withdraw
    assert "looks like `none`" in readme
