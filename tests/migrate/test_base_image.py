"""The image that a build starts from: every form of `docs/formats.md`; where none is named, none is made up."""

from collections.abc import Callable

import pytest

from layercensus.migrate.base_image import base_of
from layercensus.migrate.facts import image_name
from layercensus.migrate.refusal import answer_for
from layercensus.model import Census, OperatingSystem

Judge = Callable[..., Census]
DIGEST = "@sha256:" + "a" * 64
PAYLOAD = f"quay.io/openshift-release-dev/ocp-v4.0-art-dev{DIGEST}"


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        (f"ostree-unverified-registry:{PAYLOAD}", PAYLOAD),
        ("ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable", "quay.io/fedora/fedora-coreos:stable"),
        ("ostree-unverified-image:docker://registry.example.com:5000/os:1", "registry.example.com:5000/os:1"),
        ("ostree-unverified-image:registry:registry.example.com/os:1", "registry.example.com/os:1"),
        ("ostree-remote-registry:fedora:quay.io/fedora/fedora-coreos:stable", "quay.io/fedora/fedora-coreos:stable"),
        ("ostree-remote-image:fedora:docker://quay.io/x/y:1", "quay.io/x/y:1"),
        ("ostree-unverified-image:containers-storage:localhost/os:1", None),
        ("ostree-unverified-image:oci:/var/os", None),
        ("ostree-unverified-registry:localhost/os:1", None),
        ("ostree-unverified-registry:quay.io/x/y$(reboot)", None),
        ("ostree-unverified-registry:quay.io/x/y\nRUN reboot", None),
        ("ostree-unverified-registry:quay.io/x/${y}", None),
    ],
)
def test_forms_of_references(judge: Judge, reference: str, image: str | None) -> None:
    found = base_of([answer_for(judge(container_image_reference=reference))], "4.14")
    assert found.reference == image
    assert bool(found.why_not) == (image is None)


def test_a_refspec_is_no_image(judge: Judge) -> None:
    keys = {"container_image_reference": None, "container_image_reference_digest": None}
    census = judge(**keys, origin="fedora:fedora/x86_64/coreos/stable", version="43.20251119.1")
    found = base_of([answer_for(census)], None)
    assert found.reference is None
    assert "ref or commit of ostree" in (found.why_not or "")


def test_an_image_of_before_4_12_cannot_be_built_upon(judge: Judge) -> None:
    found = base_of([answer_for(judge(version="411.86.202208112011-0"))], "4.11")
    assert found.reference is None
    assert "4.12" in (found.why_not or "")


def test_several_images_are_no_base_and_are_shown(judge: Judge) -> None:
    others = [judge(container_image_reference=f"ostree-unverified-registry:quay.io/x/y:{tag}") for tag in (1, 2)]
    found = base_of([answer_for(census) for census in others], "4.14")
    assert found.reference is None
    assert found.several == ("quay.io/x/y:1", "quay.io/x/y:2")


@pytest.mark.parametrize(
    ("version", "release", "name"),
    [
        ("412.86.202301061548-0", "4.12", "rhel-coreos-8"),
        ("413.92.202305021736-0", "4.13", "rhel-coreos"),
        ("9.6.20251015-1", "4.20", "rhel-coreos"),
        ("10.2.20260817-0", "5.0", "rhel-coreos-10"),
    ],
)
def test_how_the_payload_calls_it(judge: Judge, version: str, release: str, name: str) -> None:
    assert base_of([answer_for(judge(version=version, release=release))], release).name_in_payload == name


def test_a_custom_image_is_said_to_be_one(judge: Judge) -> None:
    own = "ostree-unverified-registry:registry.example/openshift-machine-config-operator/os-image:1"
    assert base_of([answer_for(judge(container_image_reference=own))], "4.14").is_custom


@pytest.mark.parametrize(
    ("os_id", "version", "release", "name"),
    [
        ("fedora", "39.20240210.3.0", "4.15", "fedora-coreos"),
        ("scos", "415.9.202402130836-0", "4.15", "centos-stream-coreos-9"),
        ("scos", "418.9.202502130836-0", "4.18", "stream-coreos"),
        ("centos", "9.0.20251015-0", "4.20", "stream-coreos"),
        ("centos", "10.0.20260614-0", "5.0", "stream-coreos"),
        ("rhcos", "415.92.202402130836-0", "4.15", "rhel-coreos"),
    ],
)
def test_how_the_payload_of_okd_calls_it(os_id: str, version: str, release: str, name: str) -> None:
    """MCO `Dockerfile`: what replaces `rhel-coreos` in the manifests where TAGS is fcos or scos, branch by branch."""
    assert image_name(release, OperatingSystem(id=os_id, version=version, openshift=True)) == name
