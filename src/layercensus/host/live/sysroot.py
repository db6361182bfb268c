"""⇄ This machine, read below a root from `/ostree` and the mount of a file of `/etc`: lists, reads, looks at inodes.

No daemon, no privilege, no lock, nothing written, and the kernel command line is never looked at (decision 0010). What
is read is put together in `deployed`; what can't be read or told makes the machine `unknown`, with the reason. Seen
below the root::

    etc/machine-id               any file of the host's /etc: the mount that shows it names the deployment
    sysroot/ostree or ostree     repo, deploy/OSNAME/deploy/CHECKSUM.SERIAL and its .origin
    run/ostree, run/ostree-booted, boot/loader/entries      if there: staged, unlocked, live; what boots next
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from layercensus.errors import HostDocumentError
from layercensus.host.changes import name_and_nevra
from layercensus.host.documents.origin import read_origin
from layercensus.host.live.booted import DeploymentId
from layercensus.host.live.deployed import Deployed, Described, RunState, arch_of, describe
from layercensus.host.live.host_files import is_folder, list_folder, read_text_file, real_path
from layercensus.host.live.node_image import parse_node_image
from layercensus.host.live.ostree_host import OstreeHost
from layercensus.host.live.ostree_repo import OstreeRepo
from layercensus.host.live.rpmdb import read_vendors
from layercensus.host.live.without_ostree import read_without_ostree
from layercensus.host.machine_config import parse_machine_config
from layercensus.host.os_release import operating_system, parse_os_release
from layercensus.host.reading import unreadable
from layercensus.model import (
    Change,
    Deployment,
    Machine,
    OperatingSystem,
    Readability,
    RenderedConfig,
    Source,
    Unlocked,
)

_OS_RELEASE = Path("usr/lib/os-release")
_NODE_IMAGE = Path("usr/share/openshift/base/meta.json")
# On a hosted cluster's node the first is there and empty (MCO `pkg/daemon/daemon.go`, syncNodeHypershift).
_RENDERED_CONFIGS = (Path("etc/machine-config-daemon/currentconfig"), Path("etc/mcd-currentconfig.json"))
_LIVE_REF = "rpmostree/live-apply"
# An origin is some lines; one of a million requests would take longer and more memory than an agent has.
_MAX_ORIGIN_BYTES = 256 * 1024
Parsed = TypeVar("Parsed")


def read_sysroot(root: Path, *, name: str = "/", proc: Path = Path("/proc")) -> Machine:
    """The machine whose `/` is seen at `root`. Never raises for what a host may be like: it is `unknown` and says why.

    `name` is the machine's `input`; `proc` is where this process's own list of mounts is.
    """
    root = Path(real_path(root))
    try:
        ostree = next((path for path in (root / "sysroot/ostree", root / "ostree") if _is_ostree(path)), None)
        if ostree is None:
            return read_without_ostree(root, name=name, proc=proc)
        host = OstreeHost(root, ostree, proc)
        booted = host.find_booted()
        if isinstance(booted, str):
            return unreadable(name, f"which deployment is booted cannot be told: {booted}", source=Source.SYSROOT)
        return _Reader(host, OstreeRepo(ostree / "repo")).read_machine(booted, name)
    except HostDocumentError as error:
        return unreadable(name, str(error), source=Source.SYSROOT)


def _is_ostree(path: Path) -> bool:
    return is_folder(path / "repo") and is_folder(path / "deploy")


@dataclass
class _Reader:
    """Reads the deployments of a host; `problems` grows on the way."""

    host: OstreeHost
    repo: OstreeRepo
    problems: list[str] = field(default_factory=list)

    def read_machine(self, booted: DeploymentId, name: str) -> Machine:
        deployed = self.read_deployed(booted, booted=True)
        described = describe(deployed, booted=True)
        self.problems += described.problems
        system = self._operating_system(booted, deployed, described.deployment)
        return Machine(
            input=name,
            source=Source.SYSROOT,
            readability=Readability.READ,
            booted=described.deployment,
            staged=self._next(booted),
            os=system,
            dependencies=described.dependencies,
            rpm_vendors=self._vendors(deployed, described),
            rendered_config=self._rendered_config(booted),
            problems=tuple(dict.fromkeys(self.problems)),
        )

    def read_deployed(self, deployment: DeploymentId, *, booted: bool) -> Deployed:
        """Origin, commits, node image and run state. Raises `HostDocumentError` where origin or commit can't be had."""
        folder = self.host.folder_of(deployment)
        origin_file = self.host.origin_of(deployment)
        text = read_text_file(origin_file, limit=_MAX_ORIGIN_BYTES)
        try:
            origin = None if text is None else read_origin(text)
        except HostDocumentError as error:
            raise replace(error, where=f"{origin_file} {error.where}".strip()) from error
        node_image = self._optional(folder / _NODE_IMAGE, parse_node_image)
        tree = self.repo.read_tree(deployment.checksum, with_packages=node_image is not None, problems=self.problems)
        release = self._optional(folder / _OS_RELEASE, parse_os_release) or {}
        deployed = Deployed(
            id=deployment,
            origin=origin,
            tree=tree,
            version=tree.commit.text("version") or release.get("OSTREE_VERSION"),
            node_image=node_image,
        )
        return self._with_run_state(deployed) if booted else deployed

    def _with_run_state(self, deployed: Deployed) -> Deployed:
        """What only the running system knows, in its `/run`, if that is seen."""
        by_origin = deployed.origin.unlocked if deployed.origin else None
        applied = self.repo.read_ref(_LIVE_REF)
        if not self.host.sees_run():
            hotfix = by_origin if by_origin is Unlocked.HOTFIX else None
            return replace(deployed, state=RunState(hotfix, live_applied=None if applied else False))
        folder = self.host.root / "run/ostree/deployment-state" / deployed.id.directory
        flags = set(list_folder(folder))
        stamped = "rpmostree-is-live.stamp" in flags
        interrupted = stamped and self.repo.read_ref(f"{_LIVE_REF}-inprogress") is not None
        state = RunState(
            unlocked=_unlocked(flags, by_origin),
            live_applied=interrupted or (stamped and applied is not None),
            live_interrupted=interrupted,
        )
        if stamped and applied is None:
            self.problems.append("a live change is marked and what was applied is not in the repository")
            return replace(deployed, state=replace(state, live_applied=True))
        if not stamped or applied is None:
            return replace(deployed, state=state)
        return replace(
            deployed,
            state=state,
            live=self.repo.read_tree(applied, with_packages=False, problems=self.problems),
            live_requests=tuple(self._requests_of(applied)),
        )

    def _requests_of(self, checksum: str) -> Iterable[Change]:
        """What the deployment that was applied live asks for: its local packages are named nowhere else."""
        for deployment in self.host.deployments():
            if deployment.checksum == checksum:
                text = read_text_file(self.host.origin_of(deployment), limit=_MAX_ORIGIN_BYTES)
                return read_origin(text).requests if text is not None else ()
        return ()

    def _next(self, booted: DeploymentId) -> Deployment | None:
        """The deployment that boots next; where it can't be read there is one, and nothing is known of it."""
        try:
            found = self.host.find_next(booted)
            if found is None:
                return None
            if found.note:
                self.problems.append(found.note)
            described = describe(self.read_deployed(found.id, booted=False), staged=found.staged)
        except HostDocumentError as error:
            self.problems.append(f"the next deployment cannot be read: {error}")
            return Deployment(cut=True)
        self.problems += described.problems
        return described.deployment

    def _operating_system(self, booted: DeploymentId, deployed: Deployed, shown: Deployment) -> OperatingSystem:
        values = self._optional(self.host.folder_of(booted) / _OS_RELEASE, parse_os_release) or {}
        return operating_system(values, shown, arch_of(deployed.tree))

    def _vendors(self, deployed: Deployed, described: Described) -> dict[str, str]:
        """Vendors of what was layered, from the database of the tree that is judged; no reason for `unknown`."""
        names = {change.name for change in described.deployment.changes if change.active and change.name}
        names |= {name_and_nevra(nevra)[0] for nevra in described.dependencies or ()}
        if not names:
            return {}
        try:
            database = self.repo.find_database((deployed.live or deployed.tree).commit)
            return read_vendors(database, sorted(names)) if database else {}
        except HostDocumentError as error:
            self.problems.append(f"vendors are unknown: {error}")
            return {}

    def _rendered_config(self, booted: DeploymentId) -> RenderedConfig | None:
        """The rendered MachineConfig, which not every reader may open; an empty file is none."""
        for base in (self.host.folder_of(booted), self.host.root):
            for path in _RENDERED_CONFIGS:
                found = self._optional(base / path, lambda text: parse_machine_config(text) if text.strip() else None)
                if found is not None:
                    return found
        return None

    def _optional(self, path: Path, parse: Callable[[str], Parsed]) -> Parsed | None:
        """A file that helps and is not needed: None with a problem line where it can't be read."""
        try:
            text = read_text_file(path)
            return None if text is None else parse(text)
        except HostDocumentError as error:
            self.problems.append(str(replace(error, where=str(path))))
            return None


def _unlocked(flags: set[str], by_origin: Unlocked | None) -> Unlocked:
    """In ostree's own order: `ostree-sysroot.c`, parse_deployment; of the origin only a hotfix counts."""
    for state in (Unlocked.DEVELOPMENT, Unlocked.TRANSIENT):
        if f"unlocked-{state}" in flags:
            return state
    return Unlocked.HOTFIX if by_origin is Unlocked.HOTFIX else Unlocked.NONE
