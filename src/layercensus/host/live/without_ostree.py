"""⇄ A root without an ostree repository: bootc's composefs backend, a host of another kind, or no host at all.

That nothing is seen is no proof that nothing is there: only where a host's own root is seen, and it is no container's,
and its os-release says nothing of ostree, the machine is `not_applicable` (decision 0013).
"""

from collections.abc import Mapping
from pathlib import Path

from layercensus.errors import HostDocumentError
from layercensus.host.live.booted import Mount, composefs_deployment_in, mount_of, parse_mounts, path_in_file_system
from layercensus.host.live.host_files import list_folder, read_text_file, status_of
from layercensus.host.os_release import operating_system, parse_os_release
from layercensus.host.reading import unreadable
from layercensus.model import Deployment, Machine, Readability, Source

# What container engines leave in a container's root (podman, Docker, the kubelet).
_CONTAINER_MARKS = ("run/.containerenv", ".dockerenv", "var/run/secrets/kubernetes.io", "run/secrets/kubernetes.io")
_COMPOSEFS = (
    "bootc's composefs backend: there is no ostree repository, so rpm-ostree cannot layer packages on this machine"
)
_NO_OSTREE = "there is no ostree repository on this machine, so it is no rpm-ostree machine"


def read_without_ostree(root: Path, *, name: str, proc: Path) -> Machine:
    """The machine at a root where no ostree repository is. Raises `HostDocumentError` where the root is closed."""
    mounts = parse_mounts(read_text_file(proc / "self/mountinfo") or "")
    deployments = [entry for entry in list_folder(root / "sysroot/state/deploy") if not entry.startswith(".")]
    if deployments:
        return _composefs(root, name, deployments, mounts)
    if status_of(root / "usr/lib/os-release") is None and status_of(root / "etc/os-release") is None:
        problem = f"neither sysroot/ostree nor the os-release of a host is below {root}: mount the host's root there"
        return unreadable(name, problem, source=Source.SYSROOT)
    container = _container_mark(root, mounts)
    if container is not None:
        problem = f"{root} is the root of a container ({container}), which says nothing of its host"
        return unreadable(name, problem, source=Source.SYSROOT)
    values = _os_release(root)
    if not values:
        problem = f"the os-release below {root} cannot be read, so nothing says what kind of host this is"
        return unreadable(name, problem, source=Source.SYSROOT)
    if values.get("OSTREE_VERSION"):
        problem = (
            f"the os-release is of an ostree commit, but no repository is below {root}: mount /sysroot/ostree there"
        )
        return unreadable(name, problem, source=Source.SYSROOT)
    return Machine(
        input=name,
        source=Source.SYSROOT,
        readability=Readability.NOT_APPLICABLE,
        os=operating_system(values, Deployment(), None),
        problems=(_NO_OSTREE,),
    )


def _composefs(root: Path, name: str, deployments: list[str], mounts: tuple[Mount, ...]) -> Machine:
    """No deployment of that backend can have layers, so which one is booted does not matter."""
    path = path_in_file_system(mounts, str(root / "etc/machine-id")) or ""
    checksum = composefs_deployment_in(path) or (deployments[0] if len(deployments) == 1 else None)
    booted = Deployment(booted=True, checksum=checksum, live_applied=False, initramfs=False, bootc_incompatible=False)
    return Machine(
        input=name,
        source=Source.SYSROOT,
        readability=Readability.READ,
        booted=booted,
        os=operating_system(_os_release(root), booted, None),
        problems=(_COMPOSEFS,),
    )


def _container_mark(root: Path, mounts: tuple[Mount, ...]) -> str | None:
    mark = next((mark for mark in _CONTAINER_MARKS if status_of(root / mark) is not None), None)
    if mark is not None:
        return mark
    mount = mount_of(mounts, str(root))
    return "its file system is an overlay" if mount and mount.kind == "overlay" else None


def _os_release(root: Path) -> Mapping[str, str]:
    """Its values; none where it cannot be read."""
    for path in (root / "usr/lib/os-release", root / "etc/os-release"):
        try:
            text = read_text_file(path)
            if text is not None:
                return parse_os_release(text)
        except HostDocumentError:
            continue
    return {}
