"""Nothing that names a package, a host, a node or a person can leave: every document of the contract is composed and read.

Three things are held to words written here by hand: what the contract can express, alerts included; what the rendered
rules of every release and mode are called and labelled; and what the rendered `remoteWrite` setting makes of hostile series. That the
rules give no other labels over hostile input promtool says (tests/rules/test_contract_labels.py); that a collector
stores nothing else, tests/fleet/test_admission.py and tests/fleet/test_collector_identity.py. The server: tests/real/test_preview_federated.py.
"""

import copy
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

sys.path.append(str(Path(__file__).parents[2]))
from tests.cluster.relabelling import relabelled
from tests.contract.documents import Document, OpenLabelError, alert_documents, series_documents, spelled_out

from layercensus.cluster.manifests import render_agent, render_kubernetes, render_mcd
from layercensus.cluster.releases import known_releases, release_key

DATA = Path(__file__).parents[2] / "src" / "layercensus" / "data"
# By hand: what may leave is called, and the words that a label may say.
NODES, NEEDS, STATES = "local_layering_nodes:count", "local_layering_nodes_by_need:count", "mcd_unsupported_nodes:count"
SENT = {
    f"cluster:usage:{NODES}": 5, f"cluster:usage:{NEEDS}": 5, f"cluster:usage:{STATES}": 3,
    "cluster:mcd_nodes_with_unsupported_packages:count": 1, "cluster:mcd_total_unsupported_packages:sum": 1,
}  # fmt: skip
JOINED = {"cluster_version", "cluster_infrastructure_provider", "cluster:node_instance_type_count:sum"}
ALERTS = {
    "LayerCensusAgentCannotRead": 1, "LayerCensusStale": 1, "LayerCensusSignalDark": 3,
    "LayerCensusPackagesBeforeUpgrade": 1, "LayerCensusOverridesBeforeUpgrade": 1,
}  # fmt: skip
TWINS = {f"layercensus:{name.removeprefix('cluster:').removeprefix('usage:')}" for name in SENT}
WORDS = {
    "__name__": {"ALERTS", *SENT, *TWINS, *JOINED},
    "alertname": set(ALERTS),
    "severity": {"warning", "info"},
    "namespace": {"layercensus"},
    "signal": {"layering", "mcd", "mcd_upstream"},
    "layering": {"clean", "extensions", "overrides", "packages", "unknown"},
    "need": {"agent", "driver", "tool", "override", "other"},
    "state": {"none", "unsupported", "unknown"},
    "label_kubernetes_io_arch": {"", "amd64", "arm64", "ppc64le", "s390x"},
    "label_node_openshift_io_os_id": {"", "centos", "fedora", "rhcos", "rhel", "scos", "Windows"},
    "type": {
        "current", "AlibabaCloud", "AWS", "Azure", "BareMetal", "EquinixMetal", "External", "GCP", "IBMCloud", "KubeVirt",
        "Libvirt", "None", "Nutanix", "OpenStack", "oVirt", "PowerVS", "VSphere",
    },
}  # fmt: skip
# Words of a version beside its numbers: streams and architectures of builds.
IN_VERSIONS = {
    "arm64", "ci", "ec", "fc", "hotfix", "konflux", "multi", "nightly", "okd", "ppc64le", "priv", "rc", "s390x", "scos",
}  # fmt: skip
# What the platform adds on the way (docs/telemetry.md); its own alert about our targets is of these labels too.
BY_THE_PLATFORM = {"_id", "prometheus", "prometheus_replica"}
TARGET_DOWN = {"alertname": "TargetDown", "namespace": "layercensus", "job": "layercensus", "service": "layercensus"}
# Beside what the collector is sent of the contract.
FOR_THE_COLLECTOR = {"cluster_id", "part", "prometheus", "prometheus_replica"}
NAMING = {
    "container", "endpoint", "exported_node", "host", "hostname", "image", "instance", "job", "machine", "name", "node",
    "nodename", "package", "path", "pod", "provider_id", "region", "requested", "service", "user", "username", "vendor",
}  # fmt: skip
HOSTILE = {
    "db1", "db1.example.com", "ip-10-0-131-7.ec2.internal", "10.128.3.77:9464", "2001:db8::1", "jane", "jane.doe@example.com",
    "customer-payments", "htop", "falcon-sensor", "falcon-sensor-7.16.0-16903.el9.x86_64", "strange-tool", "usbguard", "openshift",
    "{{ $labels.node }}", "a", "z9", "clean;db1", "clean|db1", "clean\n", "",
}  # fmt: skip
FOLDERS = [
    pytest.param(render, release, telemetry, id=f"{render.__name__} {release} telemetry={telemetry}")
    for render in (render_agent, render_mcd)
    for release in known_releases()
    if render is render_agent or release_key(release) >= (4, 14)
    for telemetry in (True, False)
]
Mutation = Callable[[Any], Any]


def contract() -> Any:
    return json.loads((DATA / "contract" / "telemetry.json").read_text(encoding="utf-8"))


@cache
def package_patterns() -> frozenset[str]:
    """Globs of known packages, names of every catalog's extensions and of their packages."""
    known = json.loads((DATA / "known_packages.json").read_text(encoding="utf-8"))["packages"]
    found = {str(entry["package_glob"]) for entry in known}
    for path in (DATA / "catalogs").glob("*.json"):
        catalog = json.loads(path.read_text(encoding="utf-8"))
        for name, packages in catalog["mco_extensions"].items():
            found |= {name, *packages}
        for entry in catalog["kernel_types"].values():
            found |= {*entry["install"], *entry["base_removals"]}
    return frozenset(found)


def names_something(text: str) -> bool:
    """A package or an extension that we know, a NEVRA, a host, an address, a person, a template."""
    return (
        any(fnmatchcase(text, pattern) for pattern in package_patterns())
        or re.search(r"-[^-]+-[^-]+\.(x86_64|aarch64|noarch|ppc64le|s390x)$", text) is not None
        or re.fullmatch(r"[a-zA-Z][\w-]*(\.[\w-]+)+", text) is not None
        or re.search(r"\d+\.\d+\.\d+\.\d+|::|[@{}$/\s]", text) is not None
    )


def is_written_here(label: str, value: str) -> bool:
    if label == "version":
        return re.match(r"0+\.0+\.0+(?![\d.])", value) is not None and set(re.findall(r"[^\d.-]+\d*", value)) <= {
            word for text in IN_VERSIONS for word in re.findall(r"[^\d.-]+\d*", text)
        }
    return value in WORDS.get(label, ())


def faults_of(document: Document) -> Iterator[str]:
    yield from (f"label {label} names something" for label in document if label in NAMING)
    for label, value in document.items():
        if not is_written_here(label, value):
            yield f"{label}={value!r} is not written here"
        if names_something(value):
            yield f"{label}={value!r} names something"


def faults(of_contract: Any) -> list[str]:
    """Everything in what the contract can express that may name something; nothing, if it is as it should be."""
    try:
        documents = [*series_documents(of_contract), *alert_documents(of_contract)]
    except OpenLabelError as error:
        return [f"open: {error}"]
    return [fault for document in documents for fault in faults_of(document)]


def test_no_document_of_the_contract_can_name_anything() -> None:
    assert faults(contract()) == []
    assert not set(WORDS) & NAMING


def test_what_the_platform_adds_names_nothing_and_the_page_says_it() -> None:
    page = (DATA.parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert not BY_THE_PLATFORM & NAMING
    assert not [value for value in TARGET_DOWN.values() if names_something(value)]
    assert not [word for word in {*BY_THE_PLATFORM, *TARGET_DOWN, *TARGET_DOWN.values()} if f"`{word}`" not in page]


def test_the_documents_are_all_that_there_are() -> None:
    """Counted by hand: classes, needs, states; an alert for each signal; platforms; architectures times systems."""
    series = [document["__name__"] for document in series_documents(contract())]
    mcd = {"cluster:mcd_nodes_with_unsupported_packages:count", "cluster:mcd_total_unsupported_packages:sum"}
    for name, count in SENT.items():
        assert series.count(name) == count + (name in mcd)  # these two are recorded again and joined too
    assert sum(name in TWINS for name in series) == 15
    assert series.count("cluster_infrastructure_provider") == 16
    assert series.count("cluster:node_instance_type_count:sum") == 5 * 7
    # Plain and multi; three kinds of candidates; three of OKD; six streams on five kinds of architecture, private or not.
    assert series.count("cluster_version") == 2 + 3 + 3 + 6 * 5 * 2
    alerts = [document["alertname"] for document in alert_documents(contract())]
    assert {name: alerts.count(name) for name in alerts} == ALERTS


def test_no_hostile_value_is_let_through_by_itself_or_around_one_that_is() -> None:
    known = contract()
    rules = [rule for entry in known["joined"] for rule in entry["labels"].values() if isinstance(rule, dict)]
    assert len(rules) == 3
    hostile = {*HOSTILE, *(pattern.strip("*") for pattern in package_patterns())} - {""}
    for rule in rules:
        values = [value for value in spelled_out(rule) if value]
        assert all(re.fullmatch(rule["pattern"], value) for value in values)
        for text in hostile:
            for value in ("", *values[:12]):
                for made in (
                    f"{value}{text}",
                    f"{text}{value}",
                    f"{value}-{text}",
                    f"{value}.{text}",
                    f"{value}+{text}",
                ):
                    assert not re.fullmatch(rule["pattern"], made), made


@pytest.mark.parametrize(
    "rule", ["^.*$", "^[a-z]+$", "^a*$", "^[0-9]+$", "^\\w$", "a", "^(a$", "^?$", "^[0-9A-Za-z.+-]{1,64}$", "^a)$"]
)
def test_what_leaves_letters_open_cannot_be_composed(rule: str) -> None:
    with pytest.raises(OpenLabelError):
        spelled_out({"pattern": rule})


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("^(a|bc)?$", ["", "a", "bc"]), ("^x(-(a|b)\\.[0-9]{1,3})?y$", ["xy", "x-a.000y", "x-b.000y"]),
        ("^[0-9]{2}-$", ["00-"]), ("^a|b$", ["a", "b"]), ("^((a|b)c|d)(e|)$", ["ace", "ac", "bce", "bc", "de", "d"]),
    ],
)  # fmt: skip
def test_a_grammar_is_spelled_out(rule: str, values: list[str]) -> None:
    assert spelled_out({"pattern": rule}) == values


def change(*path: str | int, to: Any) -> Mutation:
    """A contract in which what stands at a place is another, or is there at all."""

    def mutate(value: Any) -> Any:
        changed = copy.deepcopy(value)
        inner = changed
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to
        return changed

    return mutate


LEAKS = {
    "a label node": (change("recorded", 0, "labels", "node", to=["clean"]), "label node names something"),
    "a value that is a package": (change("recorded", 1, "labels", "need", 0, to="falcon-sensor"), "falcon-sensor"),
    "a value that nobody wrote down": (change("recorded", 2, "labels", "state", 0, to="elsewhere"), "elsewhere"),
    "an open value": (change("recorded", 0, "labels", "layering", to={"pattern": "^[a-z]{1,9}$"}), "open: "),
    "a series named after a package": (change("recorded", 3, "name", to="cluster:usage:htop:count"), "htop"),
    "a version that may say anything": (
        change("joined", 0, "labels", "version", "pattern", to="^4\\.[0-9]{1,2}(-[0-9A-Za-z.]{1,64})?$"), "open: ",
    ),
    "a version with a host in it": (
        change("joined", 0, "labels", "version", "pattern", to="^[0-9]{1}\\.[0-9]{1}\\.[0-9]{1}(-db1)?$"), "db1",
    ),
    "a platform that may say anything": (change("joined", 1, "labels", "type", to={"pattern": "^.*$"}), "open: "),
    "the region": (change("joined", 1, "labels", "region", to=["eu"]), "label region names something"),
    "an alert with a label node": (change("alerts", 0, "labels", "node", to=["clean"]), "label node names something"),
    "an alert with a template": (change("alerts", 2, "labels", "signal", 0, to="{{ $labels.node }}"), "$labels.node"),
    "an alert in a namespace of others": (change("alerts", 1, "labels", "namespace", 0, to="payments"), "payments"),
    "an alert with an open label": (change("alerts", 1, "labels", "pool", to={"pattern": "^[a-z]*$"}), "open: "),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAKS)
def test_a_contract_that_leaks_is_caught(name: str) -> None:
    mutate, found = LEAKS[name]
    assert any(found in fault for fault in faults(mutate(contract()))), faults(mutate(contract()))


@pytest.mark.parametrize("name", [name for name in LEAKS if "open" in name or "may say anything" in name])
def test_the_schema_refuses_a_contract_with_an_open_label_too(name: str) -> None:
    schema = json.loads((DATA / "schemas" / "telemetry-contract-v1.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)
    assert validator.is_valid(contract())
    assert not validator.is_valid(LEAKS[name][0](contract()))


# --- what is rendered


def rule_faults(files: Mapping[str, str]) -> list[str]:
    """What the rendered rules may send that no document is. A rule's own labels are templates, so they are read as they are."""
    known = contract()
    names = {document["__name__"] for document in series_documents(known)}
    alerts = list(alert_documents(known))
    found = []
    for name, text in files.items():
        if "prometheusrule" not in name:
            continue
        for rule in (rule for group in yaml.safe_load(text)["spec"]["groups"] for rule in group["rules"]):
            if "alert" in rule:
                said = {"__name__": "ALERTS", "alertname": rule["alert"], **rule.get("labels", {})}
                if not any(said.items() <= document.items() for document in alerts):
                    found.append(f"{said} is no document")
            elif not rule["record"].startswith("layercensus:") and rule["record"] not in names:
                found.append(f"{rule['record']} is no document")
            elif rule.get("labels"):
                found.append(f"{rule['record']} is given {rule['labels']}")
    return found


@pytest.mark.parametrize(("render", "release", "telemetry"), FOLDERS)
def test_rules_of_every_release_and_mode_say_documents_of_the_contract(
    render: Any, release: str, telemetry: bool
) -> None:
    assert rule_faults(render(release, telemetry)) == []


def test_rules_for_kubernetes_say_documents_of_the_contract() -> None:
    files = render_kubernetes()
    assert [name for name in files if "prometheusrule" in name]
    assert rule_faults(files) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("severity: warning", 'severity: warning\n        node: "{{ $labels.node }}"', "$labels.node"),
        (
            "namespace: layercensus\n      annotations",
            'namespace: "{{ $labels.node }}"\n      annotations',
            "$labels.node",
        ),
        ("record: cluster:usage:local_layering_nodes:count", "record: cluster:usage:htop:count", "htop"),
        (
            "record: cluster:usage:local_layering_nodes:count",
            "labels: {node: db1}\n      record: cluster:usage:local_layering_nodes:count",
            "db1",
        ),
    ],
)
def test_rendered_rules_that_leak_are_caught(old: str, new: str, found: str) -> None:
    files = {name: text.replace(old, new) for name, text in render_agent("4.18", telemetry=True).items()}
    assert files != dict(render_agent("4.18", telemetry=True))
    assert any(found in fault for fault in rule_faults(files))


# --- what the rendered remoteWrite setting sends


def setting(files: Mapping[str, str]) -> list[Mapping[str, Any]]:
    text = files["optional/remote-write-setting.txt"]
    (target,) = yaml.safe_load(text)["prometheusK8s"]["remoteWrite"]
    return list(target["writeRelabelConfigs"])


def hostile_series() -> Iterator[dict[str, str]]:
    """Each document as it is, then with each of its labels, and its name, made hostile; all with labels that name something."""
    others = dict.fromkeys(NAMING, "db1.example.com") | {
        "label_node_role_kubernetes_io": "db1",
        "from_version": "4.13.9",
    }
    others |= {
        "__tmp_openshift_cluster_id__": "6f2a7f0e-93b5-4d52-9d0a-0f5a7e8f3a11",
        "prometheus_replica": "prometheus-k8s-0",
    }
    for document in series_documents(contract()):
        yield {**others, **document}
        for label in document:
            for text in HOSTILE:
                yield {**others, **document, label: text}
        for label in WORDS.keys() - document.keys() - {"__name__"}:
            yield {**others, **document, label: "db1"}


def sent_outside(rules: list[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What is sent of hostile series and is no document of the contract."""
    documents = [{name: value for name, value in one.items() if value} for one in series_documents(contract())]
    found = []
    for series in hostile_series():
        sent = relabelled(series, rules)
        if sent is None:
            continue
        if not re.fullmatch(r"\d+", sent.get("part", "0")):
            found.append(sent)
        if {name: value for name, value in sent.items() if name not in FOR_THE_COLLECTOR} not in documents:
            found.append(sent)
    return found


@pytest.mark.parametrize(
    ("render", "telemetry"),
    [(render_agent, True), (render_agent, False), (render_mcd, True), (render_mcd, False)],
)
def test_of_hostile_series_a_collector_is_sent_documents_of_the_contract(render: Any, telemetry: bool) -> None:
    releases = [release for release in known_releases() if release_key(release) >= (4, 14) or render is render_agent]
    (rules,) = {json.dumps(setting(render(release, telemetry))) for release in releases}  # the same for every release
    parsed = json.loads(rules)
    assert sent_outside(parsed) == []
    sent = [series for one in series_documents(contract()) if (series := relabelled(one, parsed))]
    layer = 10 if render is render_agent else 3
    # The platform's two counts stand twice among the documents; a series and its twin are never sent together.
    assert len(sent) == layer + 4 + 16 + 35 + 68


def test_a_remote_write_setting_that_leaks_is_caught() -> None:
    rules = setting(render_agent("4.18", telemetry=True))
    by_name = {"sourceLabels": ["__name__"], "regex": "cluster.*", "action": "keep"}
    assert any("db1" in sent.values() for sent in sent_outside([by_name, *rules[1:]]))
    (keep_labels,) = (rule for rule in rules if rule["action"] == "labelkeep")
    loose = [rule for rule in rules if rule is not keep_labels]
    assert any("node" in sent for sent in sent_outside([*loose, {**keep_labels, "regex": ".*"}]))
