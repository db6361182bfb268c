"""A case of every rule: one deployment of which some change is judged by it. A rule without a case fails here."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from layercensus.classify.census import classify
from layercensus.classify.rules import RULES
from layercensus.model import Census, Machine, RenderedConfig

FCOS = {"osname": "fedora-coreos", "container_image_reference": None, "origin": "fedora:fedora/x86_64/coreos/stable"}
OKD = {
    "osname": "fedora-coreos",
    "version": "413.37.202303160000-0",
    "container_image_reference": "ostree-unverified-registry:quay.io/openshift/okd-content@sha256:" + "a" * 64,
}
V422 = "9.8.20260501-0"
# Where the version alone does not say the release, the case says it.
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("extension.machine_config", "htop", OKD | {"repo": ["htop"], "asks_for": ("htop",)}),
    ("undetermined.machine_config", "htop", OKD | {"repo": ["htop"]}),
    ("non_extension.no_catalog", "usbguard", FCOS | {"repo": ["usbguard"], "version": "38.20231014.3.0"}),
    ("kernel_type.install", "kernel-rt-core", {"repo": ["kernel-rt-core"]}),
    ("kernel_type.removal", "kernel-core", {"repo": ["kernel-rt-core"], "removed": ["kernel-core"]}),
    ("extension.mco", "usbguard", {"repo": ["usbguard"]}),
    ("extension.os", "kernel-rt-devel", {"repo": ["kernel-rt-devel"]}),
    ("extension.module", "virt:rhel", {"requested_modules": ["virt:rhel"], "modules": ["virt:rhel"], "version": "411.86.202208031059-0"}),
    ("kernel_type.retired", "kernel-rt-kvm", {"repo": ["kernel-rt-core", "kernel-rt-kvm"], "version": V422, "release": "4.22"}),
    ("extension.retired", "crun-wasm", {"repo": ["crun-wasm"], "version": V422, "release": "4.22"}),
    ("undetermined.glob", "usb*", {"repo": ["usb*"]}),
    ("undetermined.provide", "/usr/bin/virsh", {"repo": ["/usr/bin/virsh"]}),
    ("undetermined.release", "sysstat", {"repo": ["sysstat"], "version": None}),
    ("non_extension.package", "htop", {"repo": ["htop"]}),
    ("non_extension.override", "git-core", {"removed": ["git-core"]}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "requested", "keys"), CASES, ids=[case[0] for case in CASES])
def test_a_change_is_judged_by_the_rule(
    *,
    rule: str,
    requested: str,
    keys: dict[str, Any],
    deployment: Callable[..., dict[str, Any]],
    status: Callable[..., str],
    machine_of: Callable[..., Machine],
) -> None:
    keys = dict(keys)
    release, asks_for = keys.pop("release", None), keys.pop("asks_for", None)
    machine = machine_of(status(deployment(**keys)))
    if asks_for is not None:
        machine = replace(machine, rendered_config=RenderedConfig(extensions=asks_for))
    assert rules_of(classify(machine, release=release))[requested] == rule


def rules_of(census: Census) -> dict[str, str]:
    return {judged.change.requested: judged.judgement.rule for judged in census.booted.changes}


def test_every_rule_has_a_case() -> None:
    without = {rule for rule, _ in RULES} - {rule for rule, _, _ in CASES}
    assert not without, f"add a case to CASES for {', '.join(sorted(without))}"
