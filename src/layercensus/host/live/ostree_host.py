"""⇄ The deployments of an ostree host: which there are, which one runs, which one boots next.

Which one runs is told by evidence that must agree (decision 0010); which one boots next by `/run/ostree`, then by boot
links, then by the boot loader's entries, and last by age, which is said (decision 0012).
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from layercensus.errors import HostDocumentError
from layercensus.host.live.booted import (
    DeploymentId,
    Evidence,
    agree,
    deployment_in,
    parse_backing_root,
    parse_boot_entry,
    parse_directory,
    parse_mounts,
    parse_staged,
    path_in_file_system,
)
from layercensus.host.live.gvariant import GVariantError
from layercensus.host.live.host_files import (
    inode_of,
    is_folder,
    list_folder,
    read_file,
    read_text_file,
    real_path,
    status_of,
)

MACHINE_ID = Path("etc/machine-id")


@dataclass(frozen=True, slots=True)
class Next:
    """The deployment that boots next, whether it is staged, and what is to be said of how that was told."""

    id: DeploymentId
    staged: bool = False
    note: str | None = None


@dataclass(frozen=True, slots=True)
class OstreeHost:
    """A host seen at `root`, its ostree folder, and the proc file system of this process."""

    root: Path
    ostree: Path
    proc: Path

    def folder_of(self, deployment: DeploymentId) -> Path:
        """Folder of a deployment's tree."""
        return self.ostree / "deploy" / deployment.osname / "deploy" / deployment.directory

    def origin_of(self, deployment: DeploymentId) -> Path:
        """Origin file of a deployment, beside its folder."""
        return self.folder_of(deployment).with_name(f"{deployment.directory}.origin")

    def deployments(self) -> Iterator[DeploymentId]:
        """All deployments, staged ones too, in the order of their names."""
        for osname in list_folder(self.ostree / "deploy"):
            for entry in list_folder(self.ostree / "deploy" / osname / "deploy"):
                found = parse_directory(osname, entry)
                if found is not None and is_folder(self.folder_of(found)):
                    yield found

    def sees_run(self) -> bool:
        """Whether the host's `/run` is seen, so that what is not in it is not there.

        A single file of it mounted here shows nothing of the rest: that file is on another device than its folder.
        """
        if status_of(self.root / "run/ostree") is not None:
            return True
        flag, folder = status_of(self.root / "run/ostree-booted"), status_of(self.root / "run")
        return flag is not None and folder is not None and flag.st_dev == folder.st_dev

    def find_booted(self) -> DeploymentId | str:
        """The booted deployment, or why it can't be told."""
        seen = inode_of(self.root / MACHINE_ID)
        mounts = parse_mounts(read_text_file(self.proc / "self/mountinfo") or "")
        path = path_in_file_system(mounts, str(self.root / MACHINE_ID)) if seen else None
        mounted = deployment_in(path) if path else None
        if mounted and inode_of(self.folder_of(mounted) / MACHINE_ID) != seen:
            return f"etc/machine-id is mounted from {mounted.directory}, and the file there is another"
        evidence = [Evidence("the mount of etc/machine-id", mounted)] if mounted else []
        evidence += self._same_inodes(seen)
        found = agree(evidence)
        if found is not None:
            return found
        if evidence:
            return "; ".join(f"{piece.way} says {piece.found.directory}" for piece in evidence)
        if seen is None:
            return f"etc/machine-id is not seen below {self.root}: mount the host's /etc/machine-id there"
        return f"{self.root / MACHINE_ID} is mounted from no deployment, nor is it the file of any"

    def find_next(self, booted: DeploymentId) -> Next | None:
        """The deployment that boots next, if it is another than the booted one. Raises `HostDocumentError`."""
        data = read_file(self.root / "run/ostree/staged-deployment")
        if data is not None:
            return Next(parse_staged(data, byte_order=sys.byteorder), staged=True)
        newer = self._newer_than(booted)
        linked = self._linked()
        unlinked = [deployment for deployment in newer if deployment not in linked]
        if unlinked and not self.sees_run():
            # Its boot link is made when it is finalised, at shutdown.
            return Next(unlinked[-1], staged=True)
        first = self._first_of_boot_loader()
        if first is not None:
            return None if first == booted else Next(first)
        if not newer:
            return None
        return Next(newer[-1], note="boot/loader is not seen: the newest deployment was taken for the next to boot")

    def _same_inodes(self, machine_id: tuple[int, int] | None) -> Iterator[Evidence]:
        """Deployments that have the very file, that are the root itself, or that lie behind a composefs root."""
        root = inode_of(self.root)
        flag = read_file(self.root / "run/ostree-booted")
        behind = _backing_root(flag)
        for deployment in self.deployments():
            folder = self.folder_of(deployment)
            inode = inode_of(folder)
            if machine_id is not None and inode_of(folder / MACHINE_ID) == machine_id:
                yield Evidence("the inode of etc/machine-id", deployment)
            if inode is not None and inode == root:
                yield Evidence("the inode of the root", deployment)
            if inode is not None and inode == behind:
                yield Evidence("the root behind composefs", deployment)

    def _newer_than(self, booted: DeploymentId) -> list[DeploymentId]:
        """Deployments made after the booted one, oldest first: a tree's root is not touched once it is deployed."""
        found = {deployment: status_of(self.folder_of(deployment)) for deployment in self.deployments()}
        ages = {deployment: status.st_mtime_ns for deployment, status in found.items() if status is not None}
        since = ages.get(booted, 0)
        return sorted((deployment for deployment in ages if ages[deployment] > since), key=lambda one: ages[one])

    def _linked(self) -> set[DeploymentId]:
        """Deployments that the boot loader can reach: `boot.N/OSNAME/BOOTCSUM/SERIAL` are links to them."""
        found = set()
        for boot in ("boot.0", "boot.1"):
            for osname in list_folder(self.ostree / boot):
                for checksum in list_folder(self.ostree / boot / osname):
                    folder = self.ostree / boot / osname / checksum
                    found |= {deployment_in(real_path(folder / serial)) for serial in list_folder(folder)}
        return {deployment for deployment in found if deployment is not None}

    def _first_of_boot_loader(self) -> DeploymentId | None:
        """What boots next by the boot loader's entries; None where they are not seen."""
        entries = self.root / "boot/loader/entries"
        try:
            texts = [read_text_file(entries / name) or "" for name in list_folder(entries) if name.endswith(".conf")]
        except HostDocumentError:
            return None
        ranked = sorted(entry for entry in map(parse_boot_entry, texts) if entry is not None)
        return deployment_in(real_path(self.ostree / ranked[-1][1])) if ranked else None


def _backing_root(flag: bytes | None) -> tuple[int, int] | None:
    """Device and inode behind a composefs root; None where the flag file says none: it is one sign of several."""
    try:
        return parse_backing_root(flag, byte_order=sys.byteorder) if flag else None
    except GVariantError:
        return None
