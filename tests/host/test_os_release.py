"""os-release to the operating system: releases from 4.12 to 5.0, OKD, others; shell quoting."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.errors import HostDocumentError
from layercensus.host.os_release import operating_system, parse_os_release
from layercensus.model import Deployment, OperatingSystem

# openshift/os packages-openshift.yaml; kubernetes-sigs/blob-csi-driver#2192; openshift/enhancements#1755.
RHCOS_414 = """NAME="Red Hat Enterprise Linux CoreOS"
ID="rhcos"
ID_LIKE="rhel fedora"
VERSION="414.92.202405282322-0"
VERSION_ID="4.14"
VARIANT="CoreOS"
VARIANT_ID=coreos
PLATFORM_ID="platform:el9"
OPENSHIFT_VERSION="4.14"
RHEL_VERSION="9.2"
OSTREE_VERSION="414.92.202405282322-0"
"""
RHEL_COREOS_419 = """NAME="Red Hat Enterprise Linux CoreOS"
VERSION="9.6.20250916-0 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.6"
VARIANT="CoreOS"
VARIANT_ID=coreos
OSTREE_VERSION='9.6.20250916-0'
OPENSHIFT_VERSION="4.20"
"""
SCOS = (
    'ID="scos"\nVERSION_ID="4.16"\nVARIANT_ID=coreos\nOPENSHIFT_VERSION="4.16"\nOSTREE_VERSION=416.9.202405282322-0\n'
)
CENTOS_COREOS = (
    'ID="centos"\nVERSION_ID="10"\nVARIANT_ID=coreos\nOPENSHIFT_VERSION="4.21"\nOSTREE_VERSION="10.0.20260401-0"\n'
)
FEDORA_COREOS = 'ID=fedora\nVERSION_ID=39\nVARIANT_ID=coreos\nOSTREE_VERSION="39.20240210.3.0"\n'
RHEL_8 = 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="8.10"\n'
RHEL_EDGE = 'ID="rhel"\nVERSION_ID="9.4"\nVARIANT_ID=edge\n'
OKD_IMAGE = "ostree-unverified-registry:quay.io/openshift/okd-content@sha256:1"

# os-release, deployment: id, variant, version, OPENSHIFT_VERSION, openshift.
CASES = {
    "RHCOS": (RHCOS_414, Deployment(), ("rhcos", "coreos", "414.92.202405282322-0", "4.14", True)),
    "the commit's version goes first": (
        RHCOS_414,
        Deployment(version="414.92.202406010000-0"),
        ("rhcos", "coreos", "414.92.202406010000-0", "4.14", True),
    ),
    "from 4.19 on": (RHEL_COREOS_419, Deployment(), ("rhel", "coreos", "9.6.20250916-0", "4.20", True)),
    "SCOS": (SCOS, Deployment(), ("scos", "coreos", "416.9.202405282322-0", "4.16", True)),
    "CentOS Stream CoreOS": (CENTOS_COREOS, Deployment(), ("centos", "coreos", "10.0.20260401-0", "4.21", True)),
    "Fedora CoreOS": (
        FEDORA_COREOS,
        Deployment(origin="fedora:fedora/x86_64/coreos/stable"),
        ("fedora", "coreos", "39.20240210.3.0", None, False),
    ),
    "Fedora CoreOS of OKD by its image": (
        FEDORA_COREOS,
        Deployment(image=OKD_IMAGE, osname="fedora-coreos"),
        ("fedora", "coreos", "39.20240210.3.0", None, True),
    ),
    "Fedora CoreOS of OKD by its custom origin": (
        FEDORA_COREOS,
        Deployment(origin="pivot://quay.io/openshift/okd-content@sha256:1"),
        ("fedora", "coreos", "39.20240210.3.0", None, True),
    ),
    "Fedora CoreOS in a stateroot of another name": (
        FEDORA_COREOS, Deployment(osname="rhcos"), ("fedora", "coreos", "39.20240210.3.0", None, False),
    ),
    "package-mode RHEL": (RHEL_8, Deployment(), ("rhel", None, "8.10", None, False)),
    "RHEL for Edge": (RHEL_EDGE, Deployment(origin="rhel/9/x86_64/edge"), ("rhel", "edge", "9.4", None, False)),
    "a desktop": ("ID=fedora\nVARIANT_ID=silverblue\nVERSION_ID=40\n", Deployment(), ("fedora", "silverblue", "40", None, False)),
}  # fmt: skip


@pytest.mark.parametrize(("text", "deployment", "expected"), CASES.values(), ids=CASES)
def test_the_operating_system(
    text: str, deployment: Deployment, expected: tuple[str | None, str | None, str, str | None, bool]
) -> None:
    system = operating_system(parse_os_release(text), deployment, "x86_64")
    ident, variant, version, release, openshift = expected
    assert system == OperatingSystem(ident, variant, version, "x86_64", release, openshift)


def test_a_rhel_coreos_that_was_just_installed_names_no_release() -> None:
    text = 'ID="rhel"\nVARIANT_ID=coreos\nOSTREE_VERSION="9.6.20250916-0"\n'
    system = operating_system(parse_os_release(text), Deployment(version="9.6.20250916-0"), None)
    assert (system.openshift_version, system.openshift) == (None, True)
    assert operating_system(parse_os_release(text), Deployment(), None).openshift is None


# os-release(5): values are quoted as in a shell.
QUOTING = {
    "plain": ("A=b", "b"),
    "double": ('A="b c"', "b c"),
    "single": ("A='b \"c\"'", 'b "c"'),
    "escaped dollar": (r'A="\$b"', "$b"),
    "escaped quote": (r'A="b\"c"', 'b"c'),
    "empty": ("A=", ""),
    "empty quoted": ('A=""', ""),
    "trailing blank": ("A=b  ", "b"),
    "hash in a value": ('A="#1"', "#1"),
    "carriage return": ("A=b\r", "b"),
    "leading blank": ("  A=b", "b"),
    "the last one stands": ("A=a\nA=b", "b"),
    "what was appended": ('A="x"\n# comment\n\nB=1\nA="b"', "b"),
}


@pytest.mark.parametrize(("text", "value"), QUOTING.values(), ids=QUOTING)
def test_quoting(text: str, value: str) -> None:
    assert parse_os_release(text + "\n")["A"] == value


@pytest.mark.parametrize("text", ["", "# nothing\n", "no assignment\n", '"A"=b\n', "A='open\n", "\0\0\0\0"])
def test_a_file_that_assigns_nothing_is_an_error(text: str) -> None:
    with pytest.raises(HostDocumentError):
        parse_os_release(text)


def test_lines_that_make_no_sense_do_not_hide_the_others() -> None:
    assert parse_os_release("X='open\nID=rhcos\nwhat is this\n") == {"ID": "rhcos"}


@pytest.mark.skipif(not Path("/usr/lib/os-release").exists(), reason="this machine has no os-release")
def test_this_machines_own() -> None:
    assert parse_os_release(Path("/usr/lib/os-release").read_text(encoding="utf-8"))["ID"]


@given(st.text() | st.lists(st.sampled_from(["A", "=", "'", '"', "\\", "\n", "b", " "])).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(HostDocumentError):
        assert parse_os_release(text)
