"""What was read of one deployment of a live host, put together: origin, commits, package lists, run state. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from layercensus.host.documents.image_config import image_arch
from layercensus.host.documents.origin import Origin, as_deployment
from layercensus.host.live.booted import DeploymentId
from layercensus.host.live.layered import LIVE_KEY, changes_in_effect, dependencies_of, layered_packages
from layercensus.host.live.node_image import is_image_changed
from layercensus.host.live.ostree_commit import Commit, LayerFacts
from layercensus.host.nevra import Nevra
from layercensus.model import Change, Deployment, Unlocked

_IMAGE_CONFIG = "ostree.container.image-config"


@dataclass(frozen=True, slots=True)
class Tree:
    """One commit as far as layering goes. `packages` and `base` (those of the image below) are None if not read."""

    commit: Commit
    facts: LayerFacts
    packages: frozenset[Nevra] | None
    base: frozenset[Nevra] | None


@dataclass(frozen=True, slots=True)
class RunState:
    """What `/run/ostree` says of a deployment; every field is None where it is not seen.

    `live_interrupted`: a live update was begun and not ended.
    """

    unlocked: Unlocked | None = None
    live_applied: bool | None = None
    live_interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Deployed:
    """Everything read of one deployment. `origin` is None where there is no such file.

    `live` is the tree that was applied over the running one, with the requests of the deployment it comes from.
    """

    id: DeploymentId
    origin: Origin | None
    tree: Tree
    version: str | None = None
    node_image: frozenset[Nevra] | None = None
    state: RunState = RunState()
    live: Tree | None = None
    live_requests: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """A deployment, and NEVRAs that came in with its installs (None where that can't be told)."""

    deployment: Deployment
    dependencies: tuple[str, ...] | None
    problems: tuple[str, ...] = ()


def describe(deployed: Deployed, *, booted: bool = False, staged: bool = False) -> Described:
    """One deployment in the model's words. What is live counts, where something else than the deployment is."""
    tree = deployed.live or deployed.tree
    changes = _changes(deployed)
    problems: list[str] = []
    dependencies = _dependencies(tree, changes)
    cut = _is_cut(deployed, changes, dependencies, problems)
    shown = as_deployment(deployed.origin) if deployed.origin else Deployment()
    deployment = replace(
        shown,
        booted=booted,
        staged=staged,
        cut=cut,
        checksum=deployed.id.checksum,
        base_checksum=deployed.tree.commit.parent if deployed.tree.facts.client_layer else None,
        osname=deployed.id.osname,
        version=deployed.version,
        changes=changes,
        unlocked=deployed.state.unlocked,
        live_applied=deployed.state.live_applied,
        image_layered=is_image_changed(deployed.tree.base, deployed.node_image, by_name=shown.image_layered),
    )
    return Described(deployment, dependencies, tuple(problems))


def arch_of(tree: Tree) -> str | None:
    """Architecture that most packages have; without a package list that of the container image."""
    arches = Counter(package.arch for package in tree.packages or () if package.arch not in {None, "noarch"})
    if arches:
        return arches.most_common(1)[0][0]
    return image_arch({"base-commit-meta": {_IMAGE_CONFIG: tree.commit.text(_IMAGE_CONFIG)}})


def _changes(deployed: Deployed) -> tuple[Change, ...]:
    requests = deployed.origin.requests if deployed.origin else ()
    if deployed.live is None:
        return changes_in_effect(requests, deployed.tree.facts, _present(deployed.tree))
    present = _present(deployed.live)
    own = changes_in_effect(requests, deployed.live.facts, present, key=LIVE_KEY)
    known = {(change.kind, change.requested, change.repository) for change in own}
    settled = changes_in_effect(deployed.live_requests, deployed.live.facts, present, key=LIVE_KEY)
    return own + tuple(
        replace(change, origin_key=LIVE_KEY)
        for change in settled
        if change.active and (change.kind, change.requested, change.repository) not in known
    )


def _present(tree: Tree) -> frozenset[Nevra] | None:
    """Packages for telling whether a local one is there: without a client layer none can be but the image's own."""
    return tree.packages if tree.facts.client_layer else tree.packages or frozenset()


def _dependencies(tree: Tree, changes: Iterable[Change]) -> tuple[str, ...] | None:
    if not tree.facts.client_layer:
        return ()
    if tree.packages is None or tree.base is None:
        return None
    return dependencies_of(layered_packages(tree.packages, tree.base), changes)


def _is_cut(
    deployed: Deployed, changes: tuple[Change, ...], dependencies: tuple[str, ...] | None, problems: list[str]
) -> bool:
    """Whether there may be more than is shown, and why."""
    tree = deployed.live or deployed.tree
    reasons = []
    if deployed.origin is None and tree.facts.client_layer:
        reasons.append("it has a client layer and no origin file, so its local packages are not named")
    if deployed.origin is not None and deployed.origin.cut:
        reasons.append("its origin file ends without a line end, so it was not written whole")
    if deployed.state.live_interrupted:
        reasons.append("a live update was interrupted, so that what runs is in between")
    if dependencies and not any(change.active and change.kind.installs for change in changes):
        reasons.append(f"no request explains packages that its base has not: {_few(dependencies)}")
    problems += [f"deployment {_short(deployed.id)} is known in part: {reason}" for reason in reasons]
    return bool(reasons)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _short(deployment: DeploymentId) -> str:
    return f"{deployment.osname} {deployment.checksum[:12]}.{deployment.serial}"
