"""A machine explained: where each change was read, why it was judged so, and what bootc will do, by which entry."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from layercensus.classify.census import classify
from layercensus.classify.rules import RULES
from layercensus.commands.censuses import explain_census
from layercensus.data import list_tree, read_text
from layercensus.host.documents.document import parse_document
from layercensus.metrics.explain import explain_lines
from layercensus.model import (
    Census,
    Change,
    Deployment,
    Form,
    JudgedChange,
    JudgedDeployment,
    Judgement,
    KernelType,
    Kind,
    Layering,
    Machine,
    Need,
    Readability,
    Source,
    Unlocked,
    Verdict,
)

Judge = Callable[..., Census]


def text_of(census: Census) -> str:
    """The explanation, with the wrapping taken out."""
    return " ".join("".join(explain_census(census)).split())


def one_change(kind: Kind = Kind.INSTALL, **given: Any) -> Census:
    """A census of one change; `given` goes to the change, the judgement, the deployment or the machine."""
    change = Change(
        kind=kind, form=Form.NAME, requested="htop", name="htop", origin_key="[packages] requested", active=True
    )
    judgement = Judgement(Verdict.NON_EXTENSION, "non_extension.package", need=Need.TOOL)
    deployment = Deployment(booted=True, version="414.92.1", bootc_incompatible=True)
    machine = Machine("m", Source.SYSROOT, Readability.READ)
    parts: list[Any] = []
    for part in (change, judgement, deployment, machine):
        mine = {key: value for key, value in given.items() if hasattr(part, key)}
        parts.append(replace(part, **mine))
    change, judgement, deployment, machine = parts
    judged = JudgedDeployment(
        Layering.PACKAGES, "4.14", ("4.14",), KernelType.DEFAULT, (JudgedChange(change, judgement),)
    )
    return Census(replace(machine, booted=deployment), judged, None, machine.problems)


def test_an_explanation_says_all_of_a_machine(judge: Judge) -> None:
    census = judge(repo=["htop", "usbguard"], inactive=["strace"], removed=["nfs-utils"], regenerate_initramfs=True)
    assert (
        "".join(explain_census(census))
        == """\
status: packages
  a package that is no extension was installed
  release 4.14, read from the JSON of rpm-ostree status
  + htop
      what it does   installs a package from a repository
      read from      requested-packages, a request
      in effect      yes
      judged         non_extension by rule non_extension.package: A package of
                     no extension.
      category       debug-tool
      need           tool
  + strace
      what it does   installs a package from a repository
      read from      requested-packages, a request
      in effect      no: asked for, and the deployment does not have it
      judged         non_extension by rule non_extension.package: A package of
                     no extension.
      category       debug-tool
      need           tool
  + usbguard
      what it does   installs a package from a repository
      read from      requested-packages, a request
      in effect      yes
      judged         extension by rule extension.mco: A package of an extension
                     that MCO of this release installs by that name.
      extension      usbguard
  - nfs-utils
      what it does   removes a base package
      package        nfs-utils-1.0-1.el9.x86_64
      read from      requested-base-removals, a request
      in effect      yes
      judged         non_extension by rule non_extension.override: A removal,
                     replacement or module that belongs to no extension and no
                     kernel type.
      category       storage-driver
      need           override
  not read       whether the rendered MachineConfig asks for it, vendors, which
                 packages came in as dependencies
  unlocked       no
  live changes   no
  own initramfs  yes
  custom image   no
  bootc          will refuse to update this machine: its origin has [packages]
                 (htop, strace, usbguard), [overrides] (nfs-utils), [rpmostree]
                 (initramfs)
"""
    )


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        (Kind.INSTALL, "[packages] (htop)"),
        (Kind.INSTALL_LOCAL, "[packages] (htop)"),
        (Kind.INSTALL_LOCAL_FORCE, "[packages] (htop)"),
        (Kind.REMOVE, "[overrides] (htop)"),
        (Kind.REPLACE_LOCAL, "[overrides] (htop)"),
        (Kind.REPLACE_REMOTE, "[overrides] (htop)"),
        (Kind.MODULE, "[modules] (htop)"),
    ],
)
def test_bootc_refuses_by_the_group_of_each_change(kind: Kind, group: str) -> None:
    assert f"its origin has {group}" in text_of(one_change(kind))


def test_an_inactive_request_is_an_entry_too_and_a_bare_fact_is_none() -> None:
    assert "its origin has [packages] (htop)" in text_of(one_change(active=False))
    fact = text_of(one_change(Kind.REMOVE, origin_key="base-removals"))
    assert "base-removals, which is in the deployment and which nothing asks for" in fact
    assert "its origin has an entry that this source does not name" in fact


@pytest.mark.parametrize(
    ("incompatible", "initramfs", "words"),
    [
        (True, True, "its origin has [rpmostree] (initramfs)"),
        (True, None, "an entry that this source does not name"),
        (False, False, "will not refuse this machine"),
        (None, None, "whether it will refuse this machine is not known"),
    ],
)
def test_a_machine_without_changes_may_be_refused_too(
    *, incompatible: bool | None, initramfs: bool | None, words: str
) -> None:
    census = one_change(bootc_incompatible=incompatible, initramfs=initramfs)
    assert words in text_of(replace(census, booted=replace(census.booted, changes=())))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"active": None}, "in effect not known from this source, so it counts"),
        ({"managed": True}, "managed yes, the rendered MachineConfig asks for it"),
        ({"managed": False}, "managed no, the rendered MachineConfig does not ask for it"),
        ({"vendor": "redhat", "rpm_vendors": {"htop": "Red Hat, Inc."}}, 'vendor redhat, by its own word "Red Hat, Inc."'),
        ({"vendor": "none", "rpm_vendors": {"htop": ""}}, "vendor none"),
        ({"dependencies": ()}, "dependencies 0 came in with the installs not read"),
        ({"dependencies": ("a-1-1.noarch", "b-1-1.noarch")}, "2 came in with the installs: a-1-1.noarch, b-1-1.noarch"),
        ({"unlocked": Unlocked.HOTFIX}, "unlocked yes, hotfix"),
        ({"live_applied": True}, "live changes yes"),
        ({"image_layered": True}, "custom image yes"),
        ({"problems": ("odd",)}, "! odd"),
        ({"rule": "no.such_rule"}, "by rule no.such_rule need"),
        ({"repository": "baseos"}, "from a repository baseos"),
        ({"replaces": "htop-1-1.noarch"}, "replaces htop-1-1.noarch"),
    ],
)  # fmt: skip
def test_each_fact_is_said(given: dict[str, Any], words: str) -> None:
    assert words in text_of(one_change(**given))


def test_what_was_not_read_is_said_once(judge: Judge) -> None:
    text = text_of(judge(repo=["htop", "strace"]))
    assert text.count("not read") == 1
    assert "not read whether the rendered MachineConfig asks for it, vendors" in text


def test_the_next_boot_is_explained_and_takes_no_vendor_from_the_booted_one(
    status: Judge, deployment: Judge, machine_of: Judge
) -> None:
    staged = deployment(booted=False, staged=True, repo=["htop"])
    machine: Machine = machine_of(status(staged, deployment()))  # type: ignore[assignment]
    text = text_of(classify(replace(machine, rpm_vendors={"htop": "Red Hat, Inc."})))
    head, _, tail = text.partition("next boot: packages")
    assert "htop" not in head
    assert "+ htop" in tail
    assert "Red Hat" not in tail
    assert "its origin has [packages] (htop)" in tail


def test_an_unknown_machine_has_its_reason_and_no_flags() -> None:
    (machine,) = parse_document('{"deployments": [{"booted": tr', "cut.json")
    assert "".join(explain_census(classify(machine))) == (
        "cut.json: unknown\n  what is layered on it could not be determined\n"
        "  release not known, read from the JSON of rpm-ostree status\n"
        "  ! is no valid JSON: Expecting value at line 1, column 29\n"
    )


def test_a_release_that_is_shared_or_not_known_is_said(judge: Judge) -> None:
    assert "release not known, judged by 4.19 to" in text_of(judge(version="9.6.20250916-0"))
    assert "release 6.0, judged by 5.2" in text_of(judge(release="6.0", version=None))
    plain = {
        "container_image_reference": None,
        "origin": "fedora:fedora/x86_64/coreos/stable",
        "osname": "fedora-coreos",
    }
    assert "no release of OpenShift" in text_of(judge(version="38.20231014.3.0", **plain))


def test_what_a_machine_says_of_itself_makes_no_line_of_its_own() -> None:
    """Vendors, requests and reasons are other people's text: they stay within their place."""
    census = one_change(
        vendor="other",
        rpm_vendors={"htop": "x\n  bootc          will not refuse"},
        requested="a\n+ b",
        problems=("p\nq",),
    )
    lines = "".join(explain_census(census)).splitlines()
    assert sum(line.lstrip().startswith("bootc") for line in lines) == 1
    assert sum(line.startswith("  + ") for line in lines) == 1
    assert "q" not in lines


@pytest.mark.parametrize("name", list_tree("demo"))
def test_every_line_fits_a_terminal_and_every_rule_has_its_meaning(name: str) -> None:
    for machine in parse_document(read_text(f"demo/{name}"), name):
        census = classify(machine)
        text = "".join(explain_census(census))
        assert text.endswith("\n")
        assert all(len(line) <= 80 or " " not in line.strip() for line in text.splitlines())
        assert all(f"by rule {item.judgement.rule}:" in " ".join(text.split()) for item in census.booted.changes)


@pytest.mark.parametrize("source", Source)
def test_every_source_has_its_words(source: Source) -> None:
    machine = Machine("m", source, Readability.UNKNOWN)
    assert "read from" in text_of(classify(machine)), "words for it in _SOURCES of metrics/explain.py"


def test_every_rule_has_a_meaning() -> None:
    assert all(rule.__doc__ for _, rule in RULES)
    assert "rule undetermined.release: Releases that" in text_of(
        one_change(verdict=Verdict.UNDETERMINED, rule="undetermined.release")
    )


def test_meanings_are_an_argument() -> None:
    text = "".join(explain_lines(one_change(), {"non_extension.package": "because"}))
    assert "non_extension by rule non_extension.package: because" in " ".join(text.split())
