"""Every extension of every release, typed in from MCO's list and openshift/os (facts, upstream.md 2a and 2b)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from layercensus.classify.census import classify
from layercensus.model import Census, Layering, Machine

VERSIONS = {
    "4.6": "46.82.202101131942-0",
    "4.7": "47.84.202102090044-0",
    "4.8": "48.84.202106091622-0",
    "4.9": "49.84.202109241334-0",
    "4.10": "410.84.202203081640-0",
    "4.11": "411.86.202208031059-0",
    "4.12": "412.86.202301061548-0",
    "4.13": "413.92.202305021736-0",
    "4.14": "414.92.202310270216-0",
    "4.15": "415.92.202402130021-0",
    "4.16": "416.94.202406172220-0",
    "4.17": "417.94.202409121747-0",
    "4.18": "418.94.202502100215-0",
    "4.19": "9.6.20250523-0",
    "4.20": "9.6.20251015-0",
    "4.21": "9.6.20260120-0",
    "4.22": "9.8.20260501-0",
    "4.23": "9.8.20260817-0",
    "5.0": "10.2.20260817-0",
    "5.1": "10.2.20260901-0",
    "5.2": "10.2.20261001-0",
}
RELEASES = list(VERSIONS)

# package, extension, first release, last release of MCO's list (None: still in it)
MCO_LIST = [
    ("usbguard", "usbguard", "4.6", None),
    ("kernel-devel", "kernel-devel", "4.6", None),
    ("kernel-headers", "kernel-devel", "4.6", None),
    ("kata-containers", "sandboxed-containers", "4.8", None),
    ("krb5-workstation", "kerberos", "4.11", None),
    ("libkadm5", "kerberos", "4.11", None),
    ("NetworkManager-libreswan", "ipsec", "4.14", None),
    ("libreswan", "ipsec", "4.14", None),
    ("crun-wasm", "wasm", "4.14", "4.21"),
    ("sysstat", "sysstat", "4.18", None),
    ("pacemaker", "two-node-ha", "4.19", None),
    ("pcs", "two-node-ha", "4.19", None),
    ("fence-agents-all", "two-node-ha", "4.19", None),
]
CASES = [(release, *row) for release in RELEASES for row in MCO_LIST]


def facts(census: Census) -> list[tuple[str, str, str | None]]:
    return [(j.judgement.verdict, j.judgement.rule, j.judgement.extension) for j in census.booted.changes]


def expected_facts(
    release: str, extension: str, first: str, last: str | None
) -> tuple[Layering, tuple[str, str, str | None]]:
    at = RELEASES.index(release)
    if at < RELEASES.index(first):
        return Layering.PACKAGES, ("non_extension", "non_extension.package", None)
    if last is not None and at > RELEASES.index(last):
        return Layering.EXTENSIONS, ("extension", "extension.retired", extension)
    return Layering.EXTENSIONS, ("extension", "extension.mco", extension)


@pytest.mark.parametrize(("release", "package", "extension", "first", "last"), CASES)
def test_package_before_while_and_after_it_is_an_extension(
    *, release: str, package: str, extension: str, first: str, last: str | None, judge: Callable[..., Census]
) -> None:
    census = judge(repo=[package], version=VERSIONS[release], release=release)
    layering, fact = expected_facts(release, extension, first, last)
    assert census.booted.release == release
    assert facts(census) == [fact]
    assert census.booted.layering is layering
    assert census.problems == ()


@pytest.mark.parametrize("release", RELEASES)
def test_openvswitch_ipsec_follows_the_os_repository_before_mco_has_it(
    release: str, judge: Callable[..., Census]
) -> None:
    at = RELEASES.index(release)
    if at < RELEASES.index("4.19"):
        expected: tuple[str, str, str | None] = ("non_extension", "non_extension.package", None)
    elif at < RELEASES.index("4.23"):
        expected = ("extension", "extension.os", "ipsec")
    else:
        expected = ("extension", "extension.mco", "ipsec")
    census = judge(repo=["openvswitch3.5-ipsec"], version=VERSIONS[release], release=release)
    assert facts(census) == [expected]


@pytest.mark.parametrize(
    ("release", "arch", "verdict"),
    [
        ("4.13", "x86_64", "extension"),
        ("4.13", "s390x", "non_extension"),
        ("4.14", "s390x", "extension"),
        ("4.14", "aarch64", "non_extension"),
        ("4.14", "ppc64le", "non_extension"),
        ("4.18", "aarch64", "non_extension"),
        ("4.22", "s390x", "extension"),
        ("5.0", "aarch64", "non_extension"),
    ],
)
def test_kata_containers_only_where_it_is_shipped(
    release: str, arch: str, verdict: str, judge: Callable[..., Census]
) -> None:
    census = judge(repo=["kata-containers"], arch=arch, version=VERSIONS[release], release=release)
    assert [fact[0] for fact in facts(census)] == [verdict]


@pytest.mark.parametrize(
    ("release", "arch", "verdict"),
    [("4.14", "aarch64", "extension"), ("4.14", "s390x", "non_extension"), ("4.22", "ppc64le", "non_extension")],
)
def test_wasm_only_where_it_is_shipped(release: str, arch: str, verdict: str, judge: Callable[..., Census]) -> None:
    census = judge(repo=["crun-wasm"], arch=arch, version=VERSIONS[release], release=release)
    assert [fact[0] for fact in facts(census)] == [verdict]


@pytest.mark.parametrize(
    "keys",
    [
        {"repo": ["libreswan-4.6-3.el9_0.3"]},
        {"repo": ["libreswan-4.6-3.el9_0.3.x86_64"]},
        {"repo": ["libreswan-0:4.6-3.el9_0.3.x86_64"]},
        {"repo": ["0:libreswan-4.6-3.el9_0.3.x86_64"]},
        {"repo": ["libreswan.x86_64"]},
        {"repo": ["libreswan"]},
        {"local": ["libreswan-4.6-3.el9_0.3.x86_64"]},
        {"local": ["libreswan-1:4.6-3.el9_0.3.x86_64"]},
        {"local": ["a" * 64 + ":libreswan-4.6-3.el9_0.3.x86_64"]},
        {"forced": ["libreswan-4.6-3.el9_0.3.x86_64"]},
    ],
    ids=str,
)
def test_an_extension_is_recognised_in_every_form_of_its_name(
    keys: dict[str, Any], judge: Callable[..., Census]
) -> None:
    census = judge(**keys)
    assert facts(census) == [("extension", "extension.mco", "ipsec")]
    assert census.booted.layering is Layering.EXTENSIONS
    assert "a" * 64 not in census.booted.changes[0].change.requested


@pytest.mark.parametrize(
    "package",
    [
        "libreswan-debuginfo",
        "usbguard-notifier",
        "kernel-devel-matched",
        "usbguard.el9",
        "Usbguard",
        "usb",
        "sandboxed-containers",  # the extension's name is no package
        "kernel-core",  # kind development: never to be layered
        "kernel",
        "kernel-modules-extra",
    ],
)
def test_a_name_that_resembles_an_extension_is_none(package: str, judge: Callable[..., Census]) -> None:
    census = judge(repo=[package])
    assert [fact[0] for fact in facts(census)] == ["non_extension"]
    assert census.booted.layering is Layering.PACKAGES


def test_the_realtime_kernels_devel_package_is_of_the_os_repository(judge: Callable[..., Census]) -> None:
    assert facts(judge(repo=["kernel-rt-devel"])) == [("extension", "extension.os", "kernel-rt")]


@pytest.mark.parametrize("kind", ["removed", "replaced", "remote"])
def test_an_override_of_an_extensions_package_is_an_override(kind: str, judge: Callable[..., Census]) -> None:
    new, old = "libreswan-4.9-1.el9.x86_64", "libreswan-4.6-3.el9.x86_64"
    keys: dict[str, Any] = {"removed": ["libreswan"], "replaced": [(new, old)], "remote": [("appstream", new, old)]}
    census = judge(**{kind: keys[kind]})
    assert census.booted.layering is Layering.OVERRIDES


@pytest.mark.parametrize(
    ("request_", "verdict"),
    [("usbguard*", "undetermined"), ("kernel-rt-*", "undetermined"), ("gstreamer1-*", "non_extension")],
)
def test_a_glob_is_judged_by_whether_an_extension_fits_it(
    request_: str, verdict: str, judge: Callable[..., Census]
) -> None:
    assert [fact[0] for fact in facts(judge(repo=[request_]))] == [verdict]


@pytest.mark.parametrize("request_", ["/usr/bin/virsh", "libusbguard.so.1()(64bit)", "perl(Error)"])
def test_a_provide_or_path_is_undetermined_and_the_machine_unknown(request_: str, judge: Callable[..., Census]) -> None:
    census = judge(repo=[request_])
    assert [fact[0] for fact in facts(census)] == ["undetermined"]
    assert census.booted.layering is Layering.UNKNOWN
    assert any(request_ in problem for problem in census.problems)


def test_what_openshift_version_says_decides(judge: Callable[..., Census]) -> None:
    machine = judge(repo=["crun-wasm"], version="9.6.20250523-0").machine
    for said, release in (("4.19", "4.19"), ("4.20", "4.20"), ("4.21.3", "4.21")):
        told = replace(machine, os=replace(machine.os, openshift_version=said))
        census = classify(told)
        assert census.booted.release == release
        assert census.booted.release_candidates == (release,)


@pytest.mark.parametrize(
    ("version", "candidates"),
    [
        ("9.6.20250523-0", ("4.19", "4.20", "4.21")),
        ("414.92.202310270216-0", ("4.14",)),
        ("47.83.202103251640-0", ("4.7",)),
    ],
)
def test_candidates_by_version(version: str, candidates: tuple[str, ...], judge: Callable[..., Census]) -> None:
    booted = judge(version=version).booted
    assert booted.release_candidates == candidates
    assert booted.release == (candidates[0] if len(candidates) == 1 else None)


def test_releases_that_share_a_version_agree_on_what_all_of_them_have(judge: Callable[..., Census]) -> None:
    census = judge(version="9.6.20250523-0", repo=["usbguard", "pacemaker", "openvswitch3.5-ipsec"])
    assert [fact[0] for fact in facts(census)] == ["extension"] * 3
    assert census.booted.layering is Layering.EXTENSIONS


def test_candidates_that_disagree_leave_the_machine_unknown(judge: Callable[..., Census]) -> None:
    """A document of a CoreOS machine without version: sysstat is an extension from 4.18 on."""
    census = judge(version=None, repo=["sysstat"])
    assert [fact[0] for fact in facts(census)] == ["undetermined"]
    assert census.booted.layering is Layering.UNKNOWN
    assert any("sysstat" in problem and "--release" in problem for problem in census.problems)


def test_candidates_that_disagree_do_not_hide_a_package(judge: Callable[..., Census]) -> None:
    assert judge(version=None, repo=["sysstat", "htop"]).booted.layering is Layering.PACKAGES


@pytest.mark.parametrize(("release", "layering"), [("4.17", "packages"), ("4.18", "extensions")])
def test_release_decides_where_the_document_says_nothing(
    release: str, layering: str, judge: Callable[..., Census]
) -> None:
    census = judge(version=None, repo=["sysstat"], release=release)
    assert census.booted.layering == layering
    assert census.booted.release == release
    assert census.problems == ()


def test_release_chooses_among_candidates(judge: Callable[..., Census]) -> None:
    census = judge(version="9.6.20250523-0", repo=["usbguard"], release="4.20")
    assert census.booted.release == "4.20"
    assert census.problems == ()


@pytest.mark.parametrize(
    ("version", "asked", "release"), [("414.92.202310270216-0", "4.18", "4.14"), ("9.6.20250523-0", "4.14", None)]
)
def test_a_release_that_conflicts_is_a_problem_and_the_document_holds(
    version: str, asked: str, release: str | None, judge: Callable[..., Census]
) -> None:
    census = judge(version=version, release=asked)
    assert census.booted.release == release
    assert any(asked in problem for problem in census.problems)


def test_newer_than_the_newest_is_judged_by_the_newest_and_says_so(judge: Callable[..., Census]) -> None:
    census = judge(version=None, repo=["pacemaker"], release="6.1")
    assert census.booted.layering is Layering.EXTENSIONS
    assert any("6.1" in problem and "5.2" in problem for problem in census.problems)


@pytest.mark.parametrize("version", ["10.9.20280101-0", "11.0.20290101-0", "12.2.20310101-0"])
def test_a_rhel_newer_than_every_known_one_is_judged_by_the_newest_and_says_so(
    version: str, judge: Callable[..., Census]
) -> None:
    census = judge(version=version, repo=["pacemaker"])
    assert census.booted.release_candidates == ("5.2",)
    assert any("5.2" in problem for problem in census.problems)


def test_older_than_the_oldest_is_judged_by_the_oldest_and_says_so(judge: Callable[..., Census]) -> None:
    census = judge(version="45.82.202007062333-0", repo=["usbguard"])
    assert census.booted.layering is Layering.EXTENSIONS
    assert census.booted.release == "4.5"
    assert any("4.5" in problem and "4.6" in problem for problem in census.problems)


@pytest.mark.parametrize("version", ["413.37.202303160000-0", "48.34.202109241334-0"])
def test_names_on_okds_fedora_coreos_are_undetermined_without_the_machine_config(
    version: str, judge: Callable[..., Census]
) -> None:
    image = "ostree-unverified-registry:quay.io/openshift/okd-content@sha256:" + "a" * 64
    census = judge(version=version, repo=["htop"], container_image_reference=image, osname="fedora-coreos")
    assert (census.machine.os.id, census.machine.os.variant) == ("fedora", "coreos")
    assert [fact[0] for fact in facts(census)] == ["undetermined"]
    assert census.booted.layering is Layering.UNKNOWN


def test_an_extension_on_scos_is_one(judge: Callable[..., Census]) -> None:
    census = judge(version="414.9.202310270216-0", repo=["usbguard"], container_image_reference=None, origin="scos:x")
    assert census.machine.os.id == "scos"
    assert census.booted.layering is Layering.EXTENSIONS


NO_CATALOG = [
    ("fedora-coreos", "fedora:fedora/x86_64/coreos/stable", "38.20231014.3.0", "coreos"),
    ("fedora", "fedora:fedora/40/x86_64/silverblue", "40.20240601.0", "silverblue"),
    ("fedora", "fedora:fedora/40/x86_64/kinoite", "40.20240601.0", "kinoite"),
    ("fedora-iot", "fedora-iot:fedora/stable/x86_64/iot", "38.20231101.0", "iot"),
    ("rhel", "edge:rhel/8/x86_64/edge", "8.5", "edge"),
    ("rhel", "edge:rhel/9/x86_64/edge", "9.1", "edge"),
]


@pytest.mark.parametrize(("osname", "origin", "version", "variant"), NO_CATALOG)
def test_systems_outside_openshift_have_no_catalog(
    osname: str, origin: str, version: str, variant: str, judge: Callable[..., Census]
) -> None:
    keys = {"osname": osname, "origin": origin, "version": version, "container_image_reference": None}
    census = judge(repo=["usbguard"], release="4.14", **keys)
    assert census.machine.os.variant == variant
    assert census.booted.layering is Layering.PACKAGES
    assert census.booted.release is None
    assert census.booted.release_candidates == ()
    assert judge(**keys).booted.layering is Layering.CLEAN


def test_staged_is_judged_by_the_release_of_the_staged_deployment(
    deployment: Callable[..., dict[str, Any]], status: Callable[..., str], census_of: Callable[..., Census]
) -> None:
    """sysstat: no extension of 4.17, one of 4.18."""
    staged = deployment(version=VERSIONS["4.18"], booted=False, repo=["sysstat"]) | {"staged": True}
    census = census_of(status(staged, deployment(version=VERSIONS["4.17"], repo=["sysstat"])))
    assert census.booted.layering is Layering.PACKAGES
    assert census.staged is not None
    assert (census.staged.release, census.staged.layering) == ("4.18", "extensions")


@pytest.mark.parametrize(
    ("keys", "need"),
    [
        ({"local": ["falcon-sensor-7.14.0-16703.el9.x86_64"]}, "agent"),
        ({"repo": ["kmod-nvidia"]}, "driver"),
        ({"repo": ["open-vm-tools"]}, "driver"),
        ({"repo": ["htop"]}, "tool"),
        ({"repo": ["epel-release"]}, "tool"),
        ({"repo": ["no-such-thing-known"]}, "other"),
        ({"removed": ["htop"]}, "override"),
        ({"remote": [("r", "htop-2-1.el9.x86_64", "htop-1-1.el9.x86_64")]}, "override"),
        ({"requested_modules": ["cri-o:1.22"], "modules": ["cri-o:1.22"]}, "override"),
    ],
    ids=str,
)
def test_need_of_a_non_extension(keys: dict[str, Any], need: str, judge: Callable[..., Census]) -> None:
    assert [judged.judgement.need for judged in judge(**keys).booted.changes] == [need]


def test_an_extension_has_no_need(judge: Callable[..., Census]) -> None:
    assert judge(repo=["usbguard"]).booted.changes[0].judgement.need is None


def test_conftest_reads_one_machine(machine_of: Callable[..., Machine], status: Callable[..., str]) -> None:
    assert machine_of(status()).booted is None
