"""Realtime and 64k-pages nodes of every release: a kernel type is no layered package.

The lists are those of facts (upstream.md 2c), typed in: what MCO installs and removes on a node of each release.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from layercensus.model import Census, KernelType, Layering, Verdict

REMOVED_4 = ("kernel", "kernel-core", "kernel-modules", "kernel-modules-extra")
REMOVED_5 = (*REMOVED_4, "kernel-modules-core")
RT_4 = ("kernel-rt-core", "kernel-rt-modules", "kernel-rt-modules-extra", "kernel-rt-kvm")
RT_3 = ("kernel-rt-core", "kernel-rt-modules", "kernel-rt-modules-extra")
PAGES_64K = ("kernel-64k-core", "kernel-64k-modules", "kernel-64k-modules-core", "kernel-64k-modules-extra")
SENSOR = "falcon-sensor-7.14.0-16703.el9.x86_64"


@dataclass(frozen=True)
class Node:
    release: str
    version: str
    kernel_type: KernelType
    removed: tuple[str, ...]
    installed: tuple[str, ...]

    @property
    def keys(self) -> dict[str, Any]:
        """For `judge`; the release is named, since from 4.19 on the version alone does not say it."""
        arch = "aarch64" if self.kernel_type is KernelType.PAGES_64K else "x86_64"
        return {"version": self.version, "arch": arch, "removed": self.removed, "repo": self.installed}


def realtime(release: str, version: str, removed: tuple[str, ...], installed: tuple[str, ...]) -> Node:
    return Node(release, version, KernelType.REALTIME, removed, installed)


def pages_64k(release: str, version: str) -> Node:
    return Node(release, version, KernelType.PAGES_64K, REMOVED_5, PAGES_64K)


NODES = [
    realtime("4.12", "412.86.202406041028-0", REMOVED_4, RT_4),
    realtime("4.13", "413.92.202406041028-0", REMOVED_5, RT_4),
    realtime("4.14", "414.92.202406041028-0", REMOVED_5, RT_4),
    realtime("4.15", "415.92.202406041028-0", REMOVED_5, RT_4),
    realtime("4.16", "416.94.202411041028-0", REMOVED_5, RT_4),
    realtime("4.17", "417.94.202411041028-0", REMOVED_5, RT_4),
    realtime("4.18", "418.94.202508060022-0", REMOVED_5, RT_4),
    realtime("4.19", "9.6.20250916-0", REMOVED_5, RT_4),
    realtime("4.20", "9.6.20251015-0", REMOVED_5, RT_4),
    realtime("4.20", "10.1.20251015-0", REMOVED_5, RT_3),
    realtime("4.21", "9.6.20260115-0", REMOVED_5, RT_4),
    realtime("4.21", "10.2.20260115-0", REMOVED_5, RT_3),
    realtime("4.22", "9.8.20260501-0", REMOVED_5, RT_3),
    realtime("4.22", "10.2.20260501-0", REMOVED_5, RT_3),
    realtime("4.23", "9.8.20260817-0", REMOVED_5, RT_3),
    realtime("4.23", "10.2.20260817-0", REMOVED_5, RT_3),
    realtime("5.0", "9.8.20260817-0", REMOVED_5, RT_3),
    realtime("5.0", "10.2.20260817-0", REMOVED_5, RT_3),
    realtime("5.1", "10.2.20261001-0", REMOVED_5, RT_3),
    realtime("5.2", "10.2.20261101-0", REMOVED_5, RT_3),
    pages_64k("4.15", "415.92.202406041028-0"),
    pages_64k("4.16", "416.94.202411041028-0"),
    pages_64k("4.17", "417.94.202411041028-0"),
    pages_64k("4.18", "418.94.202508060022-0"),
    pages_64k("4.19", "9.6.20250916-0"),
    pages_64k("4.20", "9.6.20251015-0"),
    pages_64k("4.21", "9.6.20260115-0"),
    pages_64k("4.21", "10.2.20260115-0"),
    pages_64k("4.22", "9.8.20260501-0"),
    pages_64k("4.23", "9.8.20260817-0"),
    pages_64k("5.0", "9.8.20260817-0"),
    pages_64k("5.0", "10.2.20260817-0"),
    pages_64k("5.1", "10.2.20261001-0"),
    pages_64k("5.2", "10.2.20261101-0"),
]
every_node = pytest.mark.parametrize("node", NODES, ids=lambda n: f"{n.release}-{n.kernel_type}-{n.version[:6]}")


def verdicts(census: Census) -> dict[str, str]:
    return {judged.change.requested: judged.judgement.verdict for judged in census.booted.changes}


def rules(census: Census) -> dict[str, str]:
    return {judged.change.requested: judged.judgement.rule for judged in census.booted.changes}


@every_node
def test_a_switched_kernel_is_extensions_with_every_change_of_the_kernel_type(
    node: Node, judge: Callable[..., Census]
) -> None:
    census = judge(release=node.release, **node.keys)
    assert census.booted.layering is Layering.EXTENSIONS
    assert census.booted.release == node.release
    assert census.booted.kernel_type is node.kernel_type
    assert verdicts(census) == dict.fromkeys([*node.installed, *node.removed], "kernel_type")
    assert census.problems == ()


@every_node
def test_with_one_third_party_package_more_only_that_package_counts(node: Node, judge: Callable[..., Census]) -> None:
    census = judge(release=node.release, local=[SENSOR], **node.keys)
    assert census.booted.layering is Layering.PACKAGES
    foreign = [name for name, verdict in verdicts(census).items() if verdict == Verdict.NON_EXTENSION]
    assert foreign == [SENSOR]


@every_node
def test_a_removed_kernel_without_the_other_kernels_core_is_an_override(
    node: Node, judge: Callable[..., Census]
) -> None:
    census = judge(release=node.release, **node.keys | {"repo": []})
    assert census.booted.layering is Layering.OVERRIDES
    assert verdicts(census) == dict.fromkeys(node.removed, "non_extension")


@every_node
def test_a_core_that_is_asked_for_and_not_in_effect_switches_nothing(node: Node, judge: Callable[..., Census]) -> None:
    census = judge(release=node.release, **node.keys | {"repo": [], "inactive": node.installed})
    assert census.booted.layering is Layering.OVERRIDES
    assert census.booted.kernel_type is KernelType.DEFAULT
    assert all(verdicts(census)[name] == "non_extension" for name in node.removed)


@pytest.mark.parametrize("version", ["9.6.20250916-0", "9.8.20260817-0", "10.2.20260817-0"])
def test_the_kernel_type_is_told_where_several_releases_share_a_version(
    version: str, judge: Callable[..., Census]
) -> None:
    census = judge(version=version, repo=RT_3, removed=REMOVED_5)
    assert census.booted.layering is Layering.EXTENSIONS
    assert census.booted.kernel_type is KernelType.REALTIME
    assert census.booted.release is None


def test_local_rpms_of_the_realtime_kernel_are_its_kernel_type(judge: Callable[..., Census]) -> None:
    local = [f"{name}-5.14.0-284.66.1.rt14.351.el9_2.x86_64" for name in RT_4]
    census = judge(version="414.92.202406041028-0", local=local, removed=REMOVED_5)
    assert census.booted.layering is Layering.EXTENSIONS
    assert census.booted.kernel_type is KernelType.REALTIME


@pytest.mark.parametrize(("release", "version"), [("4.22", "9.8.20260501-0"), ("5.0", "10.2.20260817-0")])
def test_the_previous_releases_list_on_an_upgraded_node_is_kernel_type_by_the_retired_rule(
    release: str, version: str, judge: Callable[..., Census]
) -> None:
    census = judge(release=release, version=version, repo=RT_4, removed=REMOVED_5)
    assert census.booted.layering is Layering.EXTENSIONS
    assert rules(census)["kernel-rt-kvm"] == "kernel_type.retired"
    assert rules(census)["kernel-rt-core"] == "kernel_type.install"
    assert verdicts(census)["kernel-rt-kvm"] == "kernel_type"


def test_kernel_rt_kvm_on_el10_of_421_is_retired_too(judge: Callable[..., Census]) -> None:
    census = judge(release="4.21", version="10.2.20260115-0", repo=RT_4, removed=REMOVED_5)
    assert verdicts(census)["kernel-rt-kvm"] == "kernel_type"


@pytest.mark.parametrize(
    ("version", "arch"), [("414.92.202406041028-0", "aarch64"), ("418.94.202508060022-0", "x86_64")]
)
def test_64k_packages_where_no_64k_kernel_type_exists_are_packages(
    version: str, arch: str, judge: Callable[..., Census]
) -> None:
    """64k-pages came with 4.15, on aarch64 only."""
    census = judge(version=version, arch=arch, repo=PAGES_64K, removed=REMOVED_5)
    assert census.booted.layering is Layering.PACKAGES
    assert set(verdicts(census).values()) == {"non_extension"}


def test_a_removed_package_beside_the_kernels_stays_an_override(judge: Callable[..., Census]) -> None:
    census = judge(repo=RT_4, removed=[*REMOVED_5, "moby-engine"])
    assert census.booted.layering is Layering.OVERRIDES
    assert verdicts(census)["moby-engine"] == "non_extension"


def test_a_replaced_kernel_is_an_override(judge: Callable[..., Census]) -> None:
    pair = ("kernel-core-5.14.0-284.99.1.el9_2.x86_64", "kernel-core-5.14.0-284.66.1.el9_2.x86_64")
    assert judge(replaced=[pair]).booted.layering is Layering.OVERRIDES


def test_a_plain_node_has_the_default_kernel(judge: Callable[..., Census]) -> None:
    assert judge().booted.kernel_type is KernelType.DEFAULT
