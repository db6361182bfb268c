"""From censuses to plans, a pool each: answer, advice, base, recipe, texts, steps, and what is not known. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from layercensus.migrate.advising import items_of, with_advice
from layercensus.migrate.base_image import base_of
from layercensus.migrate.containerfile import render_containerfile, render_on_cluster, without_comments
from layercensus.migrate.facts import OnCluster, build_tools, on_cluster, on_cluster_since, release_key
from layercensus.migrate.machine_os_config import is_too_long, render_machine_os_config
from layercensus.migrate.node_steps import is_unsettled
from layercensus.migrate.one_image import arches_of, for_one_image
from layercensus.migrate.plan import Advice, Answer, BaseImage, Item, PoolPlan, Recipe, Trap, Way, Wishes, Withheld
from layercensus.migrate.pools import Pool, pool_name, pools_of
from layercensus.migrate.recipe import recipe_of
from layercensus.migrate.refusal import answer_for
from layercensus.migrate.steps import steps_of
from layercensus.migrate.words import is_object_name
from layercensus.model import Census, OperatingSystem, Unlocked

_CONTAINERFILE = "Containerfile"
_CONFIG = "MachineOSConfig"
_BASE = "base image"
_NOTHING = "no command can be made of what is left"
_INITRAMFS = (
    "makes an initramfs of its own, and what is in it no document says; a node that needs it to find its disks does "
    "not boot without. Have dracut make it in the Containerfile, then `rpm-ostree initramfs --disable` (where it is "
    "`initramfs-etc` only: `rpm-ostree initramfs-etc --untrack-all`), one node first"
)
_UNLOCKED = (
    "its /usr is unlocked ({unlocked}): what somebody put there by hand stands in no list and in no image, and is gone "
    "{when}. Save it before any step: in the folder that `findmnt -o OPTIONS /usr` calls upperdir"
)
# Traps that the lines of the Containerfile do not get past as they are.
_STUCK = {
    Trap.OPT: "what it puts below /opt no image brings to a node: see TRAP, and put the lines of the comment in",
    Trap.USR_LOCAL: "what it puts below /usr/local no image brings to a node: see TRAP in the Containerfile",
    Trap.SCRIPTLET: "its install in a build is known to fail: see TRAP, and try the build first",
    Trap.SANDBOX: "its install in a build is known to fail: see TRAP, and try the build first",
}
_PREVIEW_ARCH = "x86_64"


def make_plans(censuses: Sequence[Census], wishes: Wishes) -> tuple[PoolPlan, ...]:
    """Plans of all pools among these machines, in the order in which they show."""
    machines = [answer_for(census) for census in censuses]
    return tuple(_plan(pool, wishes) for pool in pools_of(machines, pool=wishes.pool))


def _plan(pool: Pool, wishes: Wishes) -> PoolPlan:
    releases = _releases(pool)
    release = releases[0] if releases else None
    is_openshift = bool(release) or _os(pool).openshift is True
    items = items_of(pool.machines, everything=wishes.everything, on_openshift=is_openshift)
    items = for_one_image(items, pool.machines)
    recipe = recipe_of(items, build_tools(release, _os(pool)))
    base = base_of(pool.machines, release)
    way = _way(pool, release, base, recipe, wishes)
    plan = PoolPlan(
        label=pool.label, name=pool.name, releases=releases, machines=pool.machines, items=items, base=base,
        recipe=recipe, way=way, containerfile=None, machine_os_config=None, steps=(), withheld=(),
        unknowns=tuple(_unknowns(pool, items, wishes)), wishes=wishes,
    )  # fmt: skip
    containerfile, no_file = _containerfile(plan, release)
    config, no_config = _config(plan, release, wishes)
    plan = replace(plan, containerfile=containerfile, machine_os_config=config)
    no_base = Withheld(_BASE, base.why_not or "") if containerfile and not base.reference else None
    plan = replace(plan, withheld=tuple(part for part in (no_base, no_file, no_config) if part))
    return replace(plan, steps=steps_of(plan))


def _releases(pool: Pool) -> tuple[str, ...]:
    """OpenShift releases that these machines may be of, oldest first; none outside OpenShift or where nothing tells."""
    found: set[str] = set()
    for census in (machine.census for machine in pool.machines):
        if census.booted.release:
            found.add(census.booted.release)
        elif census.machine.os.openshift is not False and census.machine.os.version:
            found |= set(census.booted.release_candidates)
    return tuple(sorted(found, key=release_key))


def _os(pool: Pool) -> OperatingSystem:
    known = [machine.census.machine.os for machine in pool.machines if machine.census.machine.booted is not None]
    return known[0] if known else pool.machines[0].census.machine.os


def _way(pool: Pool, release: str | None, base: BaseImage, recipe: Recipe, wishes: Wishes) -> Way | None:
    """On the cluster where that is available or wished for, and possible; else off it; None where neither is."""
    if not any(machine.answer is Answer.REFUSES for machine in pool.machines):
        return None
    if release is None:
        is_no_node = _os(pool).openshift is False
        return Way.MACHINE if is_no_node and (base.reference or recipe.is_empty) else None
    offered = on_cluster(release)
    possible = not recipe.rpms or wishes.rpm_image is not None
    if offered and possible and not offered.tech_preview:
        return Way.ON_CLUSTER
    if offered and possible and wishes.tech_preview and not _is_foreign(pool):
        return Way.ON_CLUSTER_PREVIEW
    return Way.OFF_CLUSTER if base.reference or base.several or recipe.is_empty else None


def _is_foreign(pool: Pool | PoolPlan) -> bool:
    """Whether builds on the cluster, as a preview, are for another architecture only."""
    return any(arch != _PREVIEW_ARCH for arch in arches_of(pool.machines))


def _containerfile(plan: PoolPlan, release: str | None) -> tuple[str | None, Withheld | None]:
    """Text for a build outside the cluster, or why there is none."""
    if not any(machine.answer is Answer.REFUSES for machine in plan.machines):
        return None, None
    if plan.recipe.is_empty:
        return None, Withheld(_CONTAINERFILE, _NOTHING) if plan.items and _is_open(plan.items) else None
    if plan.base.reference is None and not plan.base.several:
        return None, Withheld(_CONTAINERFILE, plan.base.why_not or "")
    system = f" of OpenShift {_span(plan.releases)}" if release else ""
    title = f"What {'pool ' if plan.name else ''}{plan.label}{system} layers, as an image. Made by layercensus plan."
    return render_containerfile(title, plan.base, plan.recipe, plan.items), None


def _is_open(items: Sequence[Item]) -> bool:
    return bool(with_advice(items, Advice.BY_HAND))


def _config(plan: PoolPlan, release: str | None, wishes: Wishes) -> tuple[str | None, Withheld | None]:
    """The MachineOSConfig, or why there is none; neither where nothing asks for one."""
    if release is None or plan.count(Answer.REFUSES) == 0 or not plan.builds:
        return None, None
    offered = on_cluster(release)
    why = _why_no_config(plan, release, offered, wishes)
    if why or offered is None or plan.name is None:
        return None, Withheld(_CONFIG, why or "")
    if plan.recipe.is_empty:
        return render_machine_os_config(offered.api, plan.name, None, wishes), None
    content = render_on_cluster(plan.recipe, plan.items, wishes.rpm_image).rstrip("\n")
    if is_too_long(offered.api, content):
        content = without_comments(content).rstrip("\n")
    if is_too_long(offered.api, content):
        return None, Withheld(_CONFIG, f"the Containerfile has {len(content)} signs, more than one may hold")
    return render_machine_os_config(offered.api, plan.name, content, wishes), None


def _why_no_config(plan: PoolPlan, release: str, offered: OnCluster | None, wishes: Wishes) -> str | None:
    if offered is None:
        return f"{release} has none; it is generally available from {on_cluster_since()} on"
    if offered.tech_preview and not wishes.tech_preview:
        return (
            f"in {release} it is a technology preview, which costs the cluster its upgrades; --allow-tech-preview "
            f"shows it; it is generally available from {on_cluster_since()} on"
        )
    if offered.tech_preview and _is_foreign(plan):
        return (
            f"as a preview it builds for {_PREVIEW_ARCH} only; these machines are {', '.join(arches_of(plan.machines))}"
        )
    if plan.name is None:
        return "no document says which pool these machines are in; --pool NAME does"
    if not is_object_name(plan.name):
        return "the pool's name is none that Kubernetes takes"
    if plan.recipe.rpms and wishes.rpm_image is None:
        return (
            "a build on the cluster has no folder to take RPM files from: put them into /rpms of an image, and name "
            "that with --rpm-image"
        )
    return None


def _unknowns(pool: Pool, items: Sequence[Item], wishes: Wishes) -> Iterator[str]:
    """What these documents cannot say, and what of it matters here."""
    for item in with_advice(items, Advice.BY_HAND):
        yield f"{item.judged.change.requested}: {item.why}"
    for item in with_advice(items, Advice.IMAGE):
        for why in dict.fromkeys(_STUCK[trap.trap] for trap in item.traps if trap.trap in _STUCK):
            yield f"{item.judged.change.requested}: {why}"
    refused = any(machine.answer is Answer.REFUSES for machine in pool.machines)
    if refused and len(arches := arches_of(pool.machines)) > 1:
        yield f"which image each of these machines is to run: they are {', '.join(arches)}, and one pool"
    if refused and _os(pool).openshift is not False and not _releases(pool):
        yield "which release of OpenShift these machines run, if any; there are no steps without it; --release tells"
    for machine in pool.machines:
        census = machine.census
        own = pool_name(census)
        if wishes.pool and own not in {None, wishes.pool}:
            yield f"{machine.name}: its document says that it is of pool {own}, and --pool says {wishes.pool}"
        if machine.answer is Answer.UNKNOWN:
            yield f"{machine.name}: {machine.why}"
        if is_unsettled(machine):
            yield f"{machine.name}: its next boot has other changes than this one; reboot it, then plan again"
        booted = census.machine.booted
        if booted is not None and booted.initramfs:
            yield f"{machine.name}: {_INITRAMFS}"
        if booted is not None and booted.unlocked not in {None, Unlocked.NONE}:
            when = "with the next deployment" if booted.unlocked is Unlocked.HOTFIX else "after a reboot"
            yield f"{machine.name}: {_UNLOCKED.format(unlocked=booted.unlocked, when=when)}"


def _span(releases: Sequence[str]) -> str:
    return releases[0] if len(releases) == 1 else f"{releases[0]} to {releases[-1]}"
