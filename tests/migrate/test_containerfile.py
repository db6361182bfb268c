"""Containerfiles by release and kind of change, written out by hand; and names that try to break out of a line."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.migrate.reading_back import commands, instructions

from layercensus.classify.census import classify
from layercensus.host.documents.document import parse_document
from layercensus.migrate.plan import PoolPlan, Wishes
from layercensus.migrate.planning import make_plans
from layercensus.model import Census

Judge = Callable[..., Census]
PAYLOAD = "quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "5" * 64
EVERY_KIND: dict[str, Any] = {
    "repo": ["autofs", "tool-1:2.0~rc1-1.el9.x86_64"],
    "local": ["agent-7.16.0-1.el9.x86_64"],
    "forced": ["fonts-1-1.noarch"],
    "removed": ["git-core"],
    "replaced": [("nano-7.2-1.el9.x86_64", "nano-5.6-6.el9.x86_64")],
    "remote": [("copr:copr.example.org:me:vim", "vim-minimal-2:8.2-21.el9.x86_64", "vim-minimal-2:8.2-20.el9.x86_64")],
}
FILES = "/tmp/layercensus"


def plan_of(census: Census, **wishes: Any) -> PoolPlan:
    (plan,) = make_plans([census], Wishes(**wishes))
    return plan


def test_every_kind_of_change_with_rpm_ostree(judge: Judge) -> None:
    text = plan_of(judge(**EVERY_KIND)).containerfile or ""
    assert [(found.name, found.rest) for found in instructions(text) if found.name != "RUN"] == [
        ("ARG", f"BASE={PAYLOAD}"),
        ("FROM", "${BASE}"),
        ("COPY", "repos/ /etc/yum.repos.d/"),
        ("COPY", "keys/ /etc/pki/rpm-gpg/"),
        ("COPY", f"rpms/nano-7.2-1.el9.x86_64.rpm {FILES}/"),
        ("COPY", f"rpms/agent-7.16.0-1.el9.x86_64.rpm {FILES}/"),
        ("COPY", f"rpms/fonts-1-1.noarch.rpm {FILES}/"),
    ]
    assert commands(text) == [
        ["rpm-ostree", "override", "remove", "git-core"],
        ["rpm-ostree", "override", "replace", f"{FILES}/nano-7.2-1.el9.x86_64.rpm"],
        ["rpm-ostree", "override", "replace", "--experimental", "--from", "repo=copr:copr.example.org:me:vim",
         "vim-minimal"],
        ["rpm-ostree", "install", "autofs", "tool-1:2.0~rc1-1.el9.x86_64", f"{FILES}/agent-7.16.0-1.el9.x86_64.rpm"],
        ["rpm", "-U", "--replacefiles", f"{FILES}/fonts-1-1.noarch.rpm"],
        ["rpm-ostree", "cleanup", "-m"],
        ["rm", "-rf", FILES],
        ["ostree", "container", "commit"],
    ]  # fmt: skip


def test_every_kind_of_change_with_dnf(judge: Judge) -> None:
    text = plan_of(judge(**EVERY_KIND, version="9.6.20251015-1", release="4.20")).containerfile or ""
    assert commands(text) == [
        ["rpm", "-e", "git-core"],
        ["dnf", "-y", "install", f"{FILES}/nano-7.2-1.el9.x86_64.rpm"],
        ["dnf", "-y", "distro-sync", "--disablerepo=*", "--enablerepo=copr:copr.example.org:me:vim", "vim-minimal"],
        ["dnf", "-y", "install", "autofs", "tool-1:2.0~rc1-1.el9.x86_64", f"{FILES}/agent-7.16.0-1.el9.x86_64.rpm"],
        ["rpm", "-U", "--replacefiles", f"{FILES}/fonts-1-1.noarch.rpm"],
        ["dnf", "clean", "all"],
        ["rm", "-rf", FILES],
        ["ostree", "container", "commit"],
    ]


def test_a_kernel_is_replaced_and_not_put_beside_the_other(judge: Judge) -> None:
    kernel = [("kernel-core-5.14.0-2.el9.x86_64", "kernel-core-5.14.0-1.el9.x86_64")]
    old = commands(plan_of(judge(replaced=kernel)).containerfile or "")
    new = commands(plan_of(judge(replaced=kernel, version="9.6.20251015-1", release="4.20")).containerfile or "")
    assert old[0] == ["rpm-ostree", "cliwrap", "install-to-root", "/"]
    assert new[0][:4] == ["rpm", "-U", "--oldpackage", "--replacepkgs"]


@pytest.mark.parametrize(("version", "last"), [("40.20240101.1", "ostree"), ("43.20251119.1", "bootc")])
def test_a_fedora_ends_its_build_as_its_version_wants_it(judge: Judge, version: str, last: str) -> None:
    census = judge(
        repo=["autofs"], version=version, osname="fedora-coreos",
        container_image_reference="ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable",
    )  # fmt: skip
    assert commands(plan_of(census).containerfile or "")[-1][0] == last


def test_an_epoch_is_in_no_file_name(judge: Judge) -> None:
    text = plan_of(judge(local=["ovs-1:1.44.0-3.el9.aarch64"], arch="aarch64")).containerfile or ""
    assert f"COPY rpms/ovs-1.44.0-3.el9.aarch64.rpm {FILES}/" in text


def test_what_is_not_moved_stands_in_comments_only(judge: Judge) -> None:
    text = plan_of(judge(repo=["htop", "autofs", "usbguard", "/usr/bin/virsh"])).containerfile or ""
    assert commands(text)[0] == ["rpm-ostree", "install", "autofs"]
    for name in ("htop", "usbguard", "/usr/bin/virsh"):
        assert f"#   {name}: " in text


def test_a_folder_below_opt_comes_with_its_way_out(judge: Judge) -> None:
    text = plan_of(judge(local=["NessusAgent-10.4.0-es9.x86_64"])).containerfile or ""
    assert "# TRAP NessusAgent-10.4.0-es9.x86_64: /opt is a link to /var/opt" in text
    assert "mv /var/opt/nessus_agent /usr/lib/nessus_agent" in text


def test_without_one_image_the_base_is_an_argument_without_a_value(judge: Judge) -> None:
    censuses = [
        judge(repo=["autofs"], container_image_reference=f"ostree-unverified-registry:quay.io/x/y:{n}") for n in (1, 2)
    ]
    (plan,) = make_plans(censuses, Wishes(pool="worker"))
    found = [(each.name, each.rest) for each in instructions(plan.containerfile or "")][:2]
    assert found == [("ARG", "BASE"), ("FROM", "${BASE}")]
    assert [part.what for part in plan.withheld if part.what == "base image"]


HOSTILE = [
    "htop\nRUN reboot", "htop && reboot", "htop; reboot", "$(reboot)", "`reboot`", "${BASE}", "-y", "--setopt=x", "@core",
    "htop \\", "<<EOF", "htop|reboot", "../../etc/passwd", "file:///x.rpm", "http://example.com/x.rpm", "a'b", 'a"b',
    "htop\r\nRUN reboot", "\u202ehtop", "htop\u2028RUN reboot", "#", "# escape=`", "a*", "a?", "[a]", "{a,b}", "~root",
    "htop\x00", " ", "&", "%{name}", "!htop",
]  # fmt: skip
ANY_TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=40))
# Words of ours that a request may be, too: what it asks for then stands in a comment all the same.
OURS = {"-y", "-e", "-U", "-m", "-rf"}
HEADS = {"rpm-ostree", "rpm", "dnf", "rm", "ostree", "bootc"}


def machines_of(
    requests: list[str], local: list[str], removed: list[str], remote: list[tuple[str, str]], node: str
) -> Any:
    deployment = {
        "id": "rhcos-c.0", "osname": "rhcos", "checksum": "c" * 64, "serial": 0, "timestamp": 1716938572, "booted": True,
        "staged": False, "pinned": False, "unlocked": "none", "version": "9.6.20251015-1",
        "container-image-reference": f"ostree-unverified-registry:{PAYLOAD}", "packages": requests,
        "container-image-reference-digest": "sha256:" + "5" * 64,
        "base-removals": [], "base-local-replacements": [], "base-remote-replacements": {},
        "requested-packages": requests, "requested-local-packages": local, "requested-local-fileoverride-packages": [],
        "requested-base-removals": removed, "requested-base-local-replacements": local,
        "requested-base-remote-replacements": [[f"repo={repo}", [name]] for repo, name in remote],
        "regenerate-initramfs": False, "base-commit-meta": {"ostree.importer.version": "0.14.5"},
    }  # fmt: skip
    return list(parse_document(json.dumps({"deployments": [deployment], "transaction": None}), node))


@given(
    requests=st.lists(ANY_TEXT, max_size=3), local=st.lists(ANY_TEXT, max_size=2), removed=st.lists(ANY_TEXT, max_size=2),
    remote=st.lists(st.tuples(ANY_TEXT, ANY_TEXT), max_size=2), node=ANY_TEXT,
)  # fmt: skip
def test_no_request_breaks_out_of_a_line(
    requests: list[str], local: list[str], removed: list[str], remote: list[tuple[str, str]], node: str
) -> None:
    censuses = [classify(machine, release="4.20") for machine in machines_of(requests, local, removed, remote, node)]
    wishes = Wishes(pool="worker", everything=True, rpm_image="registry.example.com/rpms:1")
    for plan in make_plans(censuses, wishes):
        given_texts = {*requests, *local, *removed, *(text for pair in remote for text in pair)} - OURS
        for text in filter(None, [plan.containerfile, plan.machine_os_config and _content(plan.machine_os_config)]):
            assert {found.name for found in instructions(text)} <= {"ARG", "FROM", "COPY", "RUN"}
            assert sum(found.name == "RUN" for found in instructions(text)) == 1
            for command in commands(text):
                assert command[0] in HEADS
                assert not [word for word in command[1:] if word in given_texts and not _is_plain(word)]
        for step in plan.steps:
            for command_line in step.commands:
                code = "\n".join(line for line in command_line.splitlines() if not line.startswith("#"))
                assert not [text for text in given_texts if not _is_plain(text) and len(text) > 3 and text in code]
                shlex.split(command_line, comments=True)


@pytest.mark.parametrize("option", sorted(OURS))
def test_a_request_that_is_an_option_is_none(judge: Judge, option: str) -> None:
    with_it, without = (plan_of(judge(repo=["autofs", *more])).containerfile or "" for more in ([option], []))
    assert commands(with_it) == commands(without)
    assert f"#   {option}: " in with_it


def _is_plain(text: str) -> bool:
    """What no shell, no dnf and no rpm-ostree takes for anything but a package."""
    ordinary = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-~^:"
    return all(letter in ordinary for letter in text) and not text.startswith(tuple("-.+~^:"))


def _content(config: str) -> str:
    import yaml

    files = yaml.safe_load(config)["spec"].get("containerFile", [])
    return files[0]["content"] if files else ""
