"""Mounts, inodes and boot files: what names a deployment and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.host.live.booted import (
    DeploymentId,
    Evidence,
    agree,
    composefs_deployment_in,
    deployment_in,
    mount_of,
    parse_boot_entry,
    parse_directory,
    parse_mounts,
    parse_staged,
    path_in_file_system,
)
from layercensus.host.live.gvariant import GVariantError

SUM = "0a1b" * 16
HERE = DeploymentId("rhcos", SUM, 0)
# proc(5), "/proc/pid/mountinfo": a pod's view, with an optional field, and a blank in a path.
POD = f"""594 500 0:30 / / rw,relatime - overlay overlay rw,lowerdir=/x
600 594 0:31 / /proc rw shared:3 - proc proc rw
611 594 8:4 /ostree/deploy/rhcos/deploy/{SUM}.0/etc/machine-id /host/etc/machine-id ro,relatime master:1 - xfs /dev/sda4 rw
612 594 8:4 /ostree /host/sysroot/ostree ro,relatime - xfs /dev/sda4 rw
613 594 8:5 / /with\\040blank rw - ext4 /dev/sdb rw
"""


def test_a_pods_mount_of_machine_id_names_the_deployment() -> None:
    path = path_in_file_system(parse_mounts(POD), "/host/etc/machine-id")
    assert path == f"/ostree/deploy/rhcos/deploy/{SUM}.0/etc/machine-id"
    assert deployment_in(path) == HERE


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (f"27 1 8:4 /ostree/deploy/rhcos/deploy/{SUM}.0 / rw - xfs /dev/sda4 rw", "/etc/machine-id"),
        (f"27 1 0:40 /root/ostree/deploy/rhcos/deploy/{SUM}.0 / rw - btrfs /dev/sda4 rw", "/etc/machine-id"),
        (f"27 1 8:4 /ostree/deploy/rhcos/deploy/{SUM}.0/etc /etc rw - xfs /dev/sda4 rw", "/etc/machine-id"),
        (f"27 1 8:4 /ostree/deploy/rhcos/deploy/{SUM}.0 /host rw - xfs /dev/sda4 rw", "/host/etc/machine-id"),
    ],
)
def test_a_root_an_etc_or_a_whole_host_name_it_too(line: str, path: str) -> None:
    assert deployment_in(path_in_file_system(parse_mounts(f"{line}\n"), path) or "") == HERE


def test_the_mount_on_top_counts() -> None:
    mounts = parse_mounts(
        "1 0 8:4 /below /a rw - xfs d rw\n2 1 8:4 /above /a rw - xfs d rw\n3 0 8:4 / / rw - xfs d rw\n"
    )
    assert path_in_file_system(mounts, "/a/b") == "/above/b"
    assert path_in_file_system(mounts, "/ab") == "/ab"


def test_blanks_are_escaped_and_lines_that_are_none_are_passed_over() -> None:
    mounts = parse_mounts(f"garbage\n{POD}1 2 3\n")
    assert len(mounts) == 5
    mount = mount_of(mounts, "/with blank/x")
    assert mount is not None
    assert mount.kind == "ext4"
    assert path_in_file_system((), "/etc/machine-id") is None


@pytest.mark.parametrize(
    "path",
    ["/", "/ostree/deploy/rhcos/deploy", f"/ostree/deploy/rhcos/deploy/{SUM}", f"/ostree/deploy/rhcos/{SUM}.0/etc",
     "/ostree/deploy/rhcos/deploy/abc.0/etc", f"/ostree/deploy/rhcos/deploy/{SUM}.0.origin"],
)  # fmt: skip
def test_other_paths_name_none(path: str) -> None:
    assert deployment_in(path) is None


def test_composefs_of_bootc_has_its_own_place() -> None:
    assert composefs_deployment_in(f"/state/deploy/{SUM}{SUM}/etc/machine-id") == SUM + SUM
    assert composefs_deployment_in(f"/ostree/deploy/rhcos/deploy/{SUM}.0/etc/machine-id") is None


def test_a_folder_of_a_deployment() -> None:
    assert parse_directory("rhcos", f"{SUM}.12") == DeploymentId("rhcos", SUM, 12)
    assert parse_directory("rhcos", f"{SUM}.0.origin") is None


def test_evidence_must_agree() -> None:
    other = DeploymentId("rhcos", SUM, 1)
    assert agree([Evidence("a", HERE), Evidence("b", HERE)]) == HERE
    assert agree([Evidence("a", HERE), Evidence("b", other)]) is None
    assert agree([]) is None


def test_a_boot_loader_entry() -> None:
    text = (
        "title RHCOS\nversion 2\noptions root=UUID=1 ostree=/ostree/boot.1/rhcos/ab12/0 rw\nlinux /ostree/x/vmlinuz\n"
    )
    assert parse_boot_entry(text) == (2, "boot.1/rhcos/ab12/0")
    assert parse_boot_entry("title Fedora\nversion 6.1\noptions root=UUID=1\n") is None


@given(st.binary(max_size=200))
def test_a_staged_deployment_is_read_or_refused(data: bytes) -> None:
    with pytest.raises(GVariantError):
        parse_staged(data, byte_order="little")


@given(st.text())
def test_any_list_of_mounts_is_read(text: str) -> None:
    path_in_file_system(parse_mounts(text), "/etc/machine-id")
