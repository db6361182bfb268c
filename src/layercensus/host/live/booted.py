"""Which deployment a machine runs, told by the mount of its `/etc` and by device and inode. Pure.

Never by the kernel command line: `ostree=/ostree/boot.N/…` names a link that each write of deployments makes anew, so
that after a clean-up it leads nowhere and after the next update to another deployment (decision 0010). The kernel's
own list of mounts can't be wrong in that way. Sample line of `/proc/self/mountinfo`, a file mounted into a container::

    611 594 8:4 /ostree/deploy/rhcos/deploy/0a1b….0/etc/machine-id /host/etc/machine-id ro,relatime - xfs /dev/sda4 rw

Fields after proc(5): number, parent, device, path in the file system, mount point, options, `-`, type, source.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from layercensus.host.live.gvariant import ByteOrder, GVariantError, Variant, unpack

_IN_DEPLOYMENT = re.compile(r"/ostree/deploy/([^/]+)/deploy/([0-9a-f]{64})\.(\d{1,6})(?:/|$)")
_DIRECTORY = re.compile(r"^([0-9a-f]{64})\.(\d{1,6})$")
_COMPOSEFS = re.compile(r"/state/deploy/([0-9a-f]{64,128})(?:/|$)")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, order=True)
class DeploymentId:
    """Stateroot, commit and serial: what a deployment's folder is called by."""

    osname: str
    checksum: str
    serial: int

    @property
    def directory(self) -> str:
        """Name of the deployment's folder."""
        return f"{self.checksum}.{self.serial}"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: the path within its file system, where it is mounted, the file system's type."""

    path: str
    mount_point: str
    kind: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One way to tell the booted deployment: what it is called in messages, and what it found."""

    way: str
    found: DeploymentId


def parse_directory(osname: str, name: str) -> DeploymentId | None:
    """The deployment of a folder's name; None if it is called otherwise."""
    match = _DIRECTORY.match(name)
    return DeploymentId(osname, match[1], int(match[2])) if match else None


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """Mounts of `/proc/self/mountinfo`, in order; lines that are none are passed over."""
    mounts = []
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        words, kind = fields.split(" "), rest.split(" ")
        if len(words) >= 6 and kind[0]:
            mounts.append(Mount(_unescape(words[3]), _unescape(words[4]), kind[0]))
    return tuple(mounts)


def mount_of(mounts: Sequence[Mount], path: str) -> Mount | None:
    """The mount that shows an absolute path: the longest mount point, of several on one the last, which is on top."""
    target = PurePosixPath(path)
    best: Mount | None = None
    for mount in mounts:
        covers = target.is_relative_to(mount.mount_point)
        if covers and (best is None or len(mount.mount_point) >= len(best.mount_point)):
            best = mount
    return best


def path_in_file_system(mounts: Sequence[Mount], path: str) -> str | None:
    """Where an absolute path lies in the file system that holds it."""
    mount = mount_of(mounts, path)
    if mount is None:
        return None
    inside = PurePosixPath(path).relative_to(mount.mount_point)
    return str(PurePosixPath(mount.path) / inside)


def deployment_in(path: str) -> DeploymentId | None:
    """The deployment whose folder a path goes through; None if it goes through none."""
    match = _IN_DEPLOYMENT.search(path)
    return DeploymentId(match[1], match[2], int(match[3])) if match else None


def composefs_deployment_in(path: str) -> str | None:
    """Id of bootc's composefs deployment that a path goes through (bootc `crates/lib/src/composefs_consts.rs`)."""
    match = _COMPOSEFS.search(path)
    return match[1] if match else None


def agree(evidence: Iterable[Evidence]) -> DeploymentId | None:
    """The one deployment that all evidence names; None where there is no evidence or it disagrees."""
    found = {piece.found for piece in evidence}
    return found.pop() if len(found) == 1 else None


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def parse_staged(data: bytes, *, byte_order: ByteOrder) -> DeploymentId:
    """The deployment that `/run/ostree/staged-deployment` names: `a{sv}`, its `target` again with `name`, `osname`.

    Source: ostree `ostree-sysroot-deploy.c`, serialize_deployment_to_variant. Raises `GVariantError`.
    """
    target = _entry(unpack("a{sv}", data, byte_order=byte_order), "target")
    name, osname = _entry(target, "name"), _entry(target, "osname")
    found = parse_directory(osname, name) if isinstance(name, str) and isinstance(osname, str) else None
    if found is None:
        raise GVariantError("names no staged deployment")
    return found


def parse_backing_root(data: bytes, *, byte_order: ByteOrder) -> tuple[int, int] | None:
    """Device and inode of the deployment behind a composefs root, from `/run/ostree-booted` (ostree 2024.3 and later).

    None where an older ostree left the file empty. Raises `GVariantError`.
    """
    if not data:
        return None
    pair = _entry(unpack("a{sv}", data, byte_order=byte_order), "backing-root-device-inode")
    match pair:
        case (int(device), int(inode)):
            return device, inode
        case _:
            return None


def parse_boot_entry(text: str) -> tuple[int, str] | None:
    """Rank and boot link of a loader entry: `version 2`, `options … ostree=/ostree/boot.1/rhcos/…/0`; higher is first.

    This is the order of the next boots, as the boot loader has it; it says nothing of what runs.
    """
    rank = re.search(r"^version (\d{1,9})$", text, re.MULTILINE)
    link = re.search(r"^options .*?\bostree=/ostree/(boot\.[01]/[\w.+/-]+)", text, re.MULTILINE)
    return (int(rank[1]), link[1]) if rank and link else None


def _entry(values: object, key: str) -> object:
    boxed = values.get(key) if isinstance(values, dict) else None
    return boxed.unpack() if isinstance(boxed, Variant) else None
