"""The 14 scenarios of upstream's tests and threads: what its gauge says of them, and what is right.

`upstream_gauge` is MCO's algorithm as facts (upstream.md part 1) describe it, so that each document is shown to be the
scenario it claims to be: it must give upstream's value.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from layercensus.model import Census, Layering, Verdict

V418 = "418.94.202508060022-0"
V422 = "9.8.20260301-0"
UPSTREAM_MAP = set(
    "usbguard kernel-devel kernel-headers kata-containers krb5-workstation libkadm5 NetworkManager-libreswan libreswan "
    "crun-wasm sysstat".split()
)
KEYS = (
    "requested-packages requested-local-packages requested-local-fileoverride-packages requested-base-removals "
    "requested-base-local-replacements"
).split()
EPEL = "epel-release-9-8.el9.noarch"
NANO = ("nano-7.2-1.el9.x86_64", "nano-5.6.1-6.el9.x86_64")
RPMFUSION = "rpmfusion-free-release-9-1.noarch"
ALL_FIVE: dict[str, Any] = {
    "repo": ["man-db"],
    "local": [EPEL],
    "removed": ["git-core"],
    "replaced": [NANO],
    "forced": [RPMFUSION],
}
KERNEL = ["kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra"]
RT3 = ["kernel-rt-core", "kernel-rt-modules", "kernel-rt-modules-extra"]
K64 = ["kernel-64k-core", "kernel-64k-modules", "kernel-64k-modules-core", "kernel-64k-modules-extra"]


def upstream_gauge(document: str) -> int:
    booted = next(entry for entry in json.loads(document)["deployments"] if entry["booted"])
    return sum(entry not in UPSTREAM_MAP for key in KEYS for entry in booted[key])


@dataclass(frozen=True)
class Scenario:
    number: str
    upstream: int
    layering: str
    ours: int
    keys: dict[str, Any] = field(default_factory=dict)
    staged: dict[str, Any] | None = None
    release: str | None = None

    @property
    def name(self) -> str:
        return self.number.replace(" ", "-")


SCENARIOS = [
    Scenario("1 fresh node", 0, "clean", 0),
    Scenario("2 repo install of man-db", 1, "packages", 1, {"repo": ["man-db"]}),
    Scenario("3 local rpm of epel-release", 1, "packages", 1, {"local": [EPEL]}),
    Scenario("4 override remove git-core", 1, "overrides", 1, {"removed": ["git-core"]}),
    Scenario("5 override replace nano", 1, "overrides", 1, {"replaced": [NANO]}),
    Scenario("6 force-replacefiles rpmfusion", 1, "packages", 1, {"forced": [RPMFUSION]}),
    Scenario("7 all five staged, before reboot", 0, "clean", 0, staged=ALL_FIVE),
    Scenario("8 all five after reboot", 5, "packages", 5, ALL_FIVE),
    Scenario("8 without nano", 4, "packages", 4, {k: v for k, v in ALL_FIVE.items() if k != "replaced"}),
    Scenario("9 after rpm-ostree reset and reboot", 0, "clean", 0),
    Scenario("10 every extension", 0, "extensions", 0, {"repo": sorted(UPSTREAM_MAP)}),
    Scenario(
        "11 cowsay staged on a booted local zsh",
        1,
        "packages",
        1,
        {"local": ["zsh-5.8-9.el9.x86_64"]},
        staged={"repo": ["cowsay"]},
    ),
    Scenario(
        "13 remote replacement of vim-minimal",
        0,  # should be 1
        "overrides",
        1,
        {"remote": [("baseos", "vim-minimal-2:8.2.2637-21.el9.x86_64", "vim-minimal-2:8.2.2637-20.el9.x86_64")]},
    ),
    Scenario(
        "14 realtime kernel",
        9,  # should be 0
        "extensions",
        0,
        {"removed": KERNEL, "repo": [*RT3, "kernel-rt-kvm"]},
    ),
    Scenario(
        "14 64k kernel",
        9,  # should be 0
        "extensions",
        0,
        {"removed": KERNEL, "repo": K64, "arch": "aarch64"},
    ),
    Scenario(
        "14 realtime kernel of 4.22",
        8,  # should be 0
        "extensions",
        0,
        {"removed": KERNEL, "repo": RT3, "version": V422},
        release="4.22",
    ),
    Scenario("inactive request", 1, "clean", 0, {"inactive": ["htop"]}),  # upstream should say 0
    Scenario("local rpm of an extension", 1, "extensions", 0, {"local": ["usbguard-1.0.0-15.el9.x86_64"]}),
    Scenario("pinned extension", 1, "extensions", 0, {"repo": ["libreswan-4.6-3.el9_0.3"]}),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_scenario(
    scenario: Scenario,
    deployment: Callable[..., dict[str, Any]],
    status: Callable[..., str],
    census_of: Callable[..., Census],
) -> None:
    entries = [deployment(**{"version": V418} | scenario.keys)]
    if scenario.staged is not None:
        entries.insert(0, deployment(version=V418, booted=False, **scenario.staged) | {"staged": True})
    document = status(*entries)
    assert upstream_gauge(document) == scenario.upstream
    census = census_of(document, release=scenario.release)
    assert census.booted.layering == scenario.layering
    assert non_extensions(census) == scenario.ours
    assert census.problems == ()


def non_extensions(census: Census) -> int:
    return sum(
        judged.judgement.verdict is Verdict.NON_EXTENSION and judged.change.active is not False
        for judged in census.booted.changes
    )


def test_scenario_7_staged_changes_are_reported_apart(
    deployment: Callable[..., dict[str, Any]], status: Callable[..., str], census_of: Callable[..., Census]
) -> None:
    staged = deployment(version=V418, booted=False, **ALL_FIVE) | {"staged": True}
    census = census_of(status(staged, deployment(version=V418)))
    assert census.booted.changes == ()
    assert census.staged is not None
    assert census.staged.layering is Layering.PACKAGES
    assert len(census.staged.changes) == 5


def test_scenario_11_only_the_booted_package_counts(
    deployment: Callable[..., dict[str, Any]], status: Callable[..., str], census_of: Callable[..., Census]
) -> None:
    staged = deployment(version=V418, booted=False, repo=["cowsay"]) | {"staged": True}
    census = census_of(status(staged, deployment(version=V418, local=["zsh-5.8-9.el9.x86_64"])))
    assert [judged.change.name for judged in census.booted.changes] == ["zsh"]


@pytest.mark.parametrize("prompt", ["", "[root@rhel-worker ~]# rpm-ostree status\n"])
def test_scenario_12_a_rhel_worker_is_not_applicable_and_no_zero(census_of: Callable[..., Census], prompt: str) -> None:
    # Upstream: 0, a node counted as clean.
    census = census_of(
        f"{prompt}error: This system was not booted via libostree.\n"
        "Currently, most rpm-ostree commands only work on ostree-based host systems.\n"
    )
    assert census.booted.layering is Layering.NOT_APPLICABLE


def test_the_same_error_from_inside_a_container_says_nothing_of_the_host(census_of: Callable[..., Census]) -> None:
    census = census_of(
        "error: This system was not booted via libostree; found container=oci environment variable.\n"
        "Currently, most rpm-ostree commands only work on ostree-based host systems.\n"
    )
    assert census.booted.layering is Layering.UNKNOWN
    assert census.problems
