"""Every key of `rpm-ostree status --json` and what it says, after facts (status-schema.md, section 3). Composed by hand:

of several keys no public document was found (`requested-base-remote-replacements`, forced local packages, modules).
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from layercensus.model import Census, Change, Form, Kind, Layering, Machine, Readability, Source, Unlocked

PODMAN = ["podman-5:4.5.1-1.fc38.x86_64", "podman", 5, "4.5.1", "1.fc38", "x86_64"]
PODMAN_OLD = ["podman-5:4.5.0-1.fc38.x86_64", "podman", 5, "4.5.0", "1.fc38", "x86_64"]
RPMO = ["rpm-ostree-2021.1-2.fc33.x86_64", "rpm-ostree", 0, "2021.1", "2.fc33", "x86_64"]
RPMO_OLD = ["rpm-ostree-2021.1-3.fc33.x86_64", "rpm-ostree", 0, "2021.1", "3.fc33", "x86_64"]
MOBY = ["moby-engine-20.10.22-1.fc37.x86_64", "moby-engine", 0, "20.10.22", "1.fc37", "x86_64"]

Deployment = Callable[..., dict[str, Any]]
Status = Callable[..., str]
MachineOf = Callable[..., Machine]


def said(change: Change) -> tuple[str, str, str, str | None, bool | None]:
    return change.kind.value, change.form.value, change.requested, change.name, change.active


CHANGES: list[tuple[str, dict[str, Any], list[tuple[str, str, str, str | None, bool | None]]]] = [
    (
        "repo install in effect",
        {"packages": ["htop"], "requested-packages": ["htop"]},
        [("install", "name", "htop", "htop", True)],
    ),
    (
        "repo install not in effect",
        {"packages": [], "requested-packages": ["htop"]},
        [("install", "name", "htop", "htop", False)],
    ),
    (
        "there and not asked for counts",
        {"packages": ["htop"], "requested-packages": []},
        [("install", "name", "htop", "htop", True)],
    ),
    (
        "patterns of every form",
        {
            "packages": ["/usr/bin/virsh", "gcc-c++", "java-1.8.0-openjdk.x86_64", "libc.so.6()(64bit)"],
            "requested-packages": ["/usr/bin/virsh", "gcc-c++", "java-1.8.0-openjdk.x86_64", "libc.so.6()(64bit)"],
        },
        [
            ("install", "path", "/usr/bin/virsh", None, True),
            ("install", "name", "gcc-c++", "gcc-c++", True),
            ("install", "name_arch", "java-1.8.0-openjdk.x86_64", "java-1.8.0-openjdk", True),
            ("install", "provide", "libc.so.6()(64bit)", None, True),
        ],
    ),
    (
        "local rpm",
        {"requested-local-packages": ["foo-1.2-3.x86_64"]},
        [("install_local", "nevra", "foo-1.2-3.x86_64", "foo", True)],
    ),
    (
        "local rpm with an epoch",
        {"requested-local-packages": ["NetworkManager-ovs-1:1.44.0-3.el9.aarch64"]},
        [("install_local", "nevra", "NetworkManager-ovs-1:1.44.0-3.el9.aarch64", "NetworkManager-ovs", True)],
    ),
    (
        "forced local rpm",
        {"requested-local-fileoverride-packages": ["rpmfusion-free-release-9-1.noarch"]},
        [("install_local_force", "nevra", "rpmfusion-free-release-9-1.noarch", "rpmfusion-free-release", True)],
    ),
    (
        "removal in effect",
        {"requested-base-removals": ["moby-engine"], "base-removals": [MOBY]},
        [("remove", "name", "moby-engine", "moby-engine", True)],
    ),
    (
        "removal of what the base does not have",
        {"requested-base-removals": ["moby-engine"], "base-removals": []},
        [("remove", "name", "moby-engine", "moby-engine", False)],
    ),
    (
        "local replacement in effect",
        {"requested-base-local-replacements": [RPMO[0]], "base-local-replacements": [[RPMO, RPMO_OLD]]},
        [("replace_local", "nevra", "rpm-ostree-2021.1-2.fc33.x86_64", "rpm-ostree", True)],
    ),
    (
        "local replacement not in effect",
        {"requested-base-local-replacements": ["openvswitch3.5-3.5.0-32.el9fdp.x86_64"], "base-local-replacements": []},
        [("replace_local", "nevra", "openvswitch3.5-3.5.0-32.el9fdp.x86_64", "openvswitch3.5", False)],
    ),
    (
        "remote replacement in effect",
        {
            "requested-base-remote-replacements": [["repo=updates", ["podman"]]],
            "base-remote-replacements": {"repo=updates": [[PODMAN, PODMAN_OLD]]},
        },
        [("replace_remote", "name", "podman", "podman", True)],
    ),
    (
        "remote replacement not in effect",
        {"requested-base-remote-replacements": [["repo=updates", ["podman", "crun"]]], "base-remote-replacements": {}},
        [("replace_remote", "name", "podman", "podman", False), ("replace_remote", "name", "crun", "crun", False)],
    ),
    (
        "remote replacement of another repository is another",
        {
            "requested-base-remote-replacements": [["repo=copr:copr.fedorainfracloud.org:a:b", ["podman"]]],
            "base-remote-replacements": {"repo=updates": [[PODMAN, PODMAN_OLD]]},
        },
        [("replace_remote", "name", "podman", "podman", False), ("replace_remote", "name", "podman", "podman", True)],
    ),
    (
        "module install in effect",
        {"requested-modules": ["cri-o:1.22/default"], "modules": ["cri-o:1.22/default"]},
        [("module", "name", "cri-o:1.22/default", None, True)],
    ),
    (
        "module install not in effect",
        {"requested-modules": ["cri-o:1.22"], "modules": []},
        [("module", "name", "cri-o:1.22", None, False)],
    ),
    (
        "module enabled, name since v2022.11",
        {"requested-modules-enabled": ["cri-o:1.22"], "requested-modules": [], "modules": []},
        [("module", "name", "cri-o:1.22", None, None)],
    ),
    (
        "module enabled, name of v2021.9",
        {"modules-enabled": ["cri-o:1.22"], "requested-modules": [], "modules": []},
        [("module", "name", "cri-o:1.22", None, None)],
    ),
    (
        "asked for twice is one (PR #2863)",
        {"packages": ["htop"], "requested-packages": ["htop", "htop"]},
        [("install", "name", "htop", "htop", True)],
    ),
]


@pytest.mark.parametrize(("keys", "expected"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_keys_to_changes(
    keys: dict[str, Any],
    expected: list[tuple[str, str, str, str | None, bool | None]],
    deployment: Deployment,
    status: Status,
    machine_of: MachineOf,
) -> None:
    machine = machine_of(status(deployment() | keys))
    assert machine.booted is not None
    assert list(map(said, machine.booted.changes)) == expected
    assert machine.problems == ()
    assert machine.source is Source.RPM_OSTREE_JSON


def test_replacements_say_what_they_replace_and_from_where(
    deployment: Deployment, status: Status, machine_of: MachineOf
) -> None:
    keys = {
        "requested-base-local-replacements": [RPMO[0]],
        "base-local-replacements": [[RPMO, RPMO_OLD]],
        "requested-base-remote-replacements": [["repo=updates", ["podman"]]],
        "base-remote-replacements": {"repo=updates": [[PODMAN, PODMAN_OLD]]},
    }
    booted = machine_of(status(deployment() | keys)).booted
    assert booted is not None
    local, remote = booted.changes
    assert (local.nevra, local.replaces, local.repository) == (RPMO[0], RPMO_OLD[0], None)
    assert (remote.nevra, remote.replaces, remote.repository) == (PODMAN[0], PODMAN_OLD[0], "updates")
    assert (local.origin_key, remote.origin_key) == (
        "requested-base-local-replacements",
        "requested-base-remote-replacements",
    )


def test_a_request_keeps_the_key_it_was_read_from(
    deployment: Deployment, status: Status, machine_of: MachineOf
) -> None:
    booted = machine_of(status(deployment(repo=["htop"], local=["zsh-5.8-9.el9.x86_64"]))).booted
    assert booted is not None
    assert [change.origin_key for change in booted.changes] == ["requested-packages", "requested-local-packages"]


@pytest.mark.parametrize(
    ("keys", "attribute", "expected"),
    [
        ({"unlocked": "none"}, "unlocked", Unlocked.NONE),
        ({"unlocked": "development"}, "unlocked", Unlocked.DEVELOPMENT),
        ({"unlocked": "hotfix"}, "unlocked", Unlocked.HOTFIX),
        ({"unlocked": "transient"}, "unlocked", Unlocked.TRANSIENT),
        ({"unlocked": None}, "unlocked", None),
        ({}, "live_applied", False),
        ({"live-replaced": "d" * 64}, "live_applied", True),
        ({"live-inprogress": "d" * 64}, "live_applied", True),
        ({}, "initramfs", False),
        ({"regenerate-initramfs": True}, "initramfs", True),
        ({"initramfs-etc": ["/etc/vconsole.conf"]}, "initramfs", True),
        ({"initramfs-etc": []}, "initramfs", False),
        ({"regenerate-initramfs": True, "initramfs-args": ["-I", "/etc/x"]}, "initramfs", True),
        ({"pinned": True}, "pinned", True),
        ({"base-checksum": "b" * 64}, "base_checksum", "b" * 64),
        ({}, "image_layered", False),
        (
            {
                "container-image-reference": "ostree-unverified-registry:image-registry.openshift-image-registry.svc:5000"
                "/openshift-machine-config-operator/os-image@sha256:" + "e" * 64
            },
            "image_layered",
            True,
        ),
        ({"container-image-reference": "ostree-unverified-registry:mirror.example/x:1"}, "image_layered", None),
        ({}, "bootc_incompatible", False),
        ({"regenerate-initramfs": True}, "bootc_incompatible", True),
        ({"cliwrap": True}, "bootc_incompatible", True),
        ({"requested-packages": ["htop"]}, "bootc_incompatible", True),
    ],
    ids=str,
)
def test_flags(
    *,
    keys: dict[str, Any],
    attribute: str,
    expected: object,
    deployment: Deployment,
    status: Status,
    machine_of: MachineOf,
) -> None:
    entry = {key: value for key, value in (deployment() | keys).items() if value is not None}
    booted = machine_of(status(entry)).booted
    assert booted is not None
    assert getattr(booted, attribute) == expected


def test_an_initramfs_of_its_own_is_no_package(
    deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    census = census_of(status(deployment(base_checksum="b" * 64, regenerate_initramfs=True)))
    assert census.booted.layering is Layering.CLEAN


def test_the_booted_deployment_is_the_one_that_says_so(
    deployment: Deployment, status: Status, machine_of: MachineOf
) -> None:
    machine = machine_of(
        status(
            deployment(booted=False, repo=["cowsay"], staged=True, finalization_locked=True),
            deployment(repo=["zsh"]),
            deployment(booted=False, repo=["htop"], pinned=True),
        )
    )
    assert machine.booted is not None
    assert machine.staged is not None
    assert [change.name for change in machine.booted.changes] == ["zsh"]
    assert [change.name for change in machine.staged.changes] == ["cowsay"]


def test_pending_is_what_stands_before_the_booted_one_and_rollback_what_stands_after(
    deployment: Deployment, status: Status, machine_of: MachineOf
) -> None:
    pending = machine_of(status(deployment(booted=False, repo=["cowsay"]), deployment()))
    rollback = machine_of(status(deployment(), deployment(booted=False, repo=["cowsay"])))
    assert pending.staged is not None
    assert [change.name for change in pending.staged.changes] == ["cowsay"]
    assert rollback.staged is None


@pytest.mark.parametrize("booted", [0, 2])
def test_none_or_two_booted_deployments_are_unknown_with_the_reason(
    booted: int, deployment: Deployment, status: Status, machine_of: MachineOf
) -> None:
    machine = machine_of(status(deployment(booted=booted > 0), deployment(booted=booted > 1)))
    assert machine.readability is Readability.UNKNOWN
    assert any("booted" in problem for problem in machine.problems)


def test_no_deployments_are_unknown(status: Status, census_of: Callable[..., Census]) -> None:
    census = census_of(status())
    assert census.booted.layering is Layering.UNKNOWN
    assert census.problems


def test_a_transaction_and_a_cached_update_change_nothing(
    deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    update = {"version": "415.92.202402130021-0", "rpm-diff": {"added": [["htop", 0]]}, "deployment": deployment()}
    census = census_of(
        status(
            deployment(),
            transaction=["upgrade", "cli", "/org/projectatomic/rpmostree1/x"],
            cached_update=update,
            update_driver={"driver-name": "Zincati", "driver-sd-unit": "zincati.service"},
        )
    )
    assert census.booted.layering is Layering.CLEAN
    assert census.staged is None


def test_odd_values_beside_the_matter_do_no_harm(
    deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    odd = {
        "timestamp": -9223372036854775808,
        "base-timestamp": 18446744073709551615,
        "serial": 10**40,
        "signatures": [[False, False, True, None, "6A51", -1, {}, 2.5e300]],
        "base-commit-meta": {"rpmostree.rpmmd-repos": [{"id": "x", "timestamp": -6868321231890}], "deep": [[[[[]]]]]},
        "a-key-of-the-future": {"packages": ["htop"]},
    }
    assert census_of(status(deployment() | odd)).booted.layering is Layering.CLEAN


@pytest.mark.parametrize("form", ["[]", "[\n      ]", "[ ]"])
def test_empty_lists_in_every_spelling(
    form: str, deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    text = status(deployment()).replace("[]", form).replace("{}", "{      }")
    assert census_of(text).booted.layering is Layering.CLEAN


def test_one_line_and_pretty_printed_read_alike(deployment: Deployment, status: Status, machine_of: MachineOf) -> None:
    entry = deployment(repo=["htop"], removed=["moby-engine"])
    assert machine_of(status(entry, indent=None)) == machine_of(status(entry, indent=2))


# Section 3.1 "since"; a document of the age shown must be read, with the changes that it shows.
AGES: list[tuple[str, dict[str, Any], str]] = [
    ("2016, packages are the requests", {"packages": ["emacs"]}, "packages"),
    ("2016, nothing layered", {"packages": []}, "clean"),
    ("v2017.3", {"packages": ["emacs"], "requested-packages": ["emacs", "vim"]}, "packages"),
    ("v2017.4", {"packages": [], "requested-packages": [], "requested-local-packages": ["a-1-1.x86_64"]}, "packages"),
    (
        "v2017.7",
        {
            "packages": [],
            "base-removals": [],
            "base-local-replacements": [],
            "requested-packages": [],
            "requested-local-packages": [],
            "requested-base-removals": [],
            "requested-base-local-replacements": [],
        },
        "clean",
    ),
    (
        "v2018.9",
        {
            "pinned": False,
            "packages": [],
            "base-removals": [MOBY],
            "base-local-replacements": [],
            "requested-packages": [],
            "requested-local-packages": [],
            "requested-base-removals": ["moby-engine"],
            "requested-base-local-replacements": [],
        },
        "overrides",
    ),
    (
        "a deployment without an origin has no requests",
        {
            "pinned": False,
            "staged": False,
            "packages": [],
            "base-removals": [],
            "base-local-replacements": [],
            "base-remote-replacements": {},
        },
        "clean",
    ),
]


@pytest.mark.parametrize(("keys", "layering"), [case[1:] for case in AGES], ids=[case[0] for case in AGES])
def test_documents_of_every_age(
    keys: dict[str, Any], layering: str, status: Status, census_of: Callable[..., Census]
) -> None:
    head = {
        "booted": True,
        "osname": "fedora-atomic",
        "checksum": "c" * 64,
        "origin": "fedora-atomic:fedora-atomic/25/x86_64/docker-host",
        "version": "25.80",
        "unlocked": "none",
    }
    census = census_of(status(head | keys))
    assert census.booted.layering == layering
    assert census.problems == ()


@pytest.mark.parametrize(
    "key",
    [
        "packages",
        "base-removals",
        "base-local-replacements",
        "requested-packages",
        "requested-local-packages",
        "requested-local-fileoverride-packages",
        "requested-base-removals",
        "requested-base-local-replacements",
    ],
)
def test_a_young_document_that_lacks_a_key_is_unknown_and_says_which(
    key: str, deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    entry = deployment()
    del entry[key]
    census = census_of(status(entry))
    assert census.booted.layering is Layering.UNKNOWN
    assert any(key in problem for problem in census.problems)


def test_without_any_booted_key_nothing_is_booted(
    deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    entry = deployment()
    del entry["booted"]
    assert census_of(status(entry)).booted.layering is Layering.UNKNOWN


WRONG_TYPES: list[tuple[str, object]] = [
    ("booted", "yes"),
    ("booted", 1),
    ("packages", "htop"),
    ("packages", {"htop": True}),
    ("packages", [["htop"]]),
    ("packages", [None]),
    ("requested-packages", 7),
    ("requested-local-packages", [1]),
    ("base-removals", [[]]),
    ("base-removals", [[1, 2]]),
    ("base-local-replacements", [[RPMO]]),
    ("base-remote-replacements", {"repo=x": 1}),
    ("base-remote-replacements", "repo=x"),
    ("requested-base-remote-replacements", [["repo=x"]]),
    ("requested-base-remote-replacements", {"repo=x": ["y"]}),
    ("requested-modules", "cri-o:1.22"),
]


@pytest.mark.parametrize(("key", "value"), WRONG_TYPES, ids=str)
def test_a_value_of_the_wrong_type_is_unknown_and_names_the_key(
    key: str, value: object, deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    census = census_of(status(deployment() | {key: value}))
    assert census.booted.layering is Layering.UNKNOWN
    assert any(key in problem for problem in census.problems)


@pytest.mark.parametrize("value", [None, {}, "x", [1], ["x"], [None], [[]], True])
def test_deployments_that_are_no_list_of_objects_are_unknown(value: object, census_of: Callable[..., Census]) -> None:
    census = census_of(json.dumps({"deployments": value}, indent=1))
    assert census.booted.layering is Layering.UNKNOWN
    assert census.problems


def test_an_unlocked_state_that_nobody_knows_is_a_problem_and_no_class(
    deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    census = census_of(status(deployment(unlocked="sideways")))
    assert census.machine.booted is not None
    assert census.machine.booted.unlocked is None
    assert any("sideways" in problem for problem in census.problems)


def test_a_pivot_origin_with_a_description(deployment: Deployment, status: Status, machine_of: MachineOf) -> None:
    url = "pivot://quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "f" * 64
    entry = deployment(
        container_image_reference=None,
        container_image_reference_digest=None,
        origin="c" * 64,
        custom_origin=[url, "Managed by machine-config-operator"],
    )
    booted = machine_of(status(entry)).booted
    assert booted is not None
    assert booted.custom_origin == (url, "Managed by machine-config-operator")
    assert booted.image_layered is False


def test_kinds_that_install_are_three() -> None:
    assert {kind for kind in Kind if kind.installs} == {Kind.INSTALL, Kind.INSTALL_LOCAL, Kind.INSTALL_LOCAL_FORCE}
    assert len(Form) == 6
