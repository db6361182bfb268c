"""The steps of a pool in their order, each with its commands, why, and how to go back. Pure.

The order follows from what the code of rpm-ostree and of the machine config daemon does:

- A rebase fails where the new image holds the exact NEVRA that is layered as a local RPM ("is already in the base",
  rpm-ostree `rpmostree-sysroot-upgrader.cxx`, rpm-ostree#4805). What was installed from a repository, removed or
  replaced becomes inactive instead. So: local RPMs go before a node moves, all else after it.
- The daemon throws a pending deployment away before it rebases (`applyLayeredOSChanges`, `rpm-ostree cleanup -p`). So
  what is dropped takes effect only with a reboot of its own.
- It runs `rpm-ostree cleanup -r` after each update: no rollback deployment is left to go back to.
- A build on the cluster runs while the pool is paused; only the rollout waits (openshift-docs, pause snippet).
"""

from collections.abc import Collection, Iterable, Sequence

from layercensus.migrate.advising import with_advice
from layercensus.migrate.build_steps import build_steps
from layercensus.migrate.plan import Advice, Answer, Item, PoolPlan, Step, Way
from layercensus.migrate.refusal import is_fact
from layercensus.migrate.words import is_object_name, is_package, word
from layercensus.model import Kind, Verdict
from layercensus.text import visible

_EACH = "each node, one at a time"
_OVERRIDES = {Kind.REMOVE, Kind.REPLACE_LOCAL, Kind.REPLACE_REMOTE}
_LOCAL = {Kind.INSTALL_LOCAL, Kind.INSTALL_LOCAL_FORCE}
_LOCAL_WHY = (
    "a node that has one of these RPMs as a local layer cannot move to an image that holds the same one: its rebase "
    "fails (rpm-ostree#4805). The daemon discards a change that has not been booted, so the node reboots, and is "
    "without them until it has moved"
)


def steps_of(plan: PoolPlan) -> tuple[Step, ...]:
    """Steps of a pool, all of them; empty where nothing is to be done."""
    refusing = [machine for machine in plan.machines if machine.answer is Answer.REFUSES]
    if not refusing or plan.way is None:
        return ()
    steps = _elsewhere(plan) + (build_steps(plan) if plan.builds else [])
    if plan.way is Way.MACHINE:
        return (*steps, *_machine_steps(plan))
    if plan.builds:
        steps += [*_drop_first(plan), _move(plan)]
    rest = _rest_commands(plan)
    if rest:
        steps.append(_drop_rest(plan, rest))
    return (*steps, _look(plan)) if steps else ()


def _elsewhere(plan: PoolPlan) -> list[Step]:
    """What has a better place than the image goes there before its layer goes."""
    found = with_advice(plan.items, Advice.OPERATOR, Advice.MACHINE_CONFIG)
    if not found:
        return []
    commands = tuple(f"# {visible(item.judged.change.requested)}: {item.instead}" for item in found)
    why = "else nothing does its work once its layer is gone; --everything moves it into the image instead"
    return [Step("Deliver from elsewhere what has a better place", "workstation", commands, why)]


def _drop_first(plan: PoolPlan) -> list[Step]:
    """Local RPMs that the image holds too."""
    names = [item.judged.change.requested for item in plan.items if _is_local(item)]
    names = [name for name in names if is_package(name)]
    if not names:
        return []
    drop = f"oc debug node/$NODE -- chroot /host rpm-ostree uninstall {' '.join(map(word, names))}"
    holders = {machine for item in plan.items if _is_local(item) for machine in item.machines}
    commands = (_for_nodes(plan, holders), *_drained(drop))
    back = "oc debug node/$NODE -- chroot /host rpm-ostree install FILE.rpm, and a reboot"
    return [Step("Drop the local RPMs that the image holds", _EACH, commands, _LOCAL_WHY, back)]


def _is_local(item: Item) -> bool:
    return item.judged.change.kind in _LOCAL and item.advice is Advice.IMAGE and item.judged.change.active is not False


def _move(plan: PoolPlan) -> Step:
    pool = pool_word(plan)
    unpause = f'oc patch mcp/{pool} --type merge -p \'{{"spec":{{"paused":false}}}}\''
    wait = f"oc wait mcp/{pool} --for=condition=Updated --timeout=2h"
    if plan.way is Way.OFF_CLUSTER:
        back = f"oc delete machineconfig 99-{pool}-layered-image: the nodes reboot into the release's own image"
        why = (
            "the daemon rebases and reboots each node. From here on the image is yours: an upgrade of the cluster does "
            "not touch the OS of this pool until you build and name a new image"
        )
        if any(item.judged.judgement.verdict is Verdict.EXTENSION for item in plan.items):
            why += ". A custom image beside extensions has broken pools (openshift-docs#57245): try one node first"
        return Step("Move the pool", "workstation", ("oc apply -f machineconfig.yaml", unpause, wait), why, back)
    back = f"oc delete machineosconfig {pool}: the nodes reboot into the release's own image"
    why = "the operator rolls the built image out, and builds again with each upgrade of the cluster"
    return Step("Move the pool", "workstation", (unpause, wait), why, back)


def _drop_rest(plan: PoolPlan, drops: Sequence[str]) -> Step:
    """Everything that is left in the origin; what the operator manages stays where it still installs it itself."""
    why = "bootc refuses a machine as long as these stand in its origin"
    if plan.builds:
        why = f"the image holds it now, so these requests are not in effect any more; but {why}"
    if with_advice(plan.items, Advice.MCO) and not _on_cluster(plan):
        why += (
            ". What the operator installs stays: without a build on the cluster it layers extensions and kernel types "
            "on each node, and bootc goes on refusing those"
        )
    title = "Drop what is left of the layer" if plan.builds else "Drop the layer"
    back = "rpm-ostree install, or override, brings an entry back" if not plan.builds else None
    refused = {machine.name for machine in plan.machines if machine.answer is Answer.REFUSES}
    return Step(title, _EACH, (_for_nodes(plan, refused), *_drained(*drops)), why, back)


def _on_cluster(plan: PoolPlan) -> bool:
    return plan.builds and plan.way in {Way.ON_CLUSTER, Way.ON_CLUSTER_PREVIEW}


def _rest_commands(plan: PoolPlan) -> list[str]:
    """`reset` where nothing of it is the operator's or open, else each entry by its name."""
    chroot = "oc debug node/$NODE -- chroot /host rpm-ostree"
    managed = with_advice(plan.items, Advice.MCO) and not _on_cluster(plan)
    own_initramfs = any(("rpmostree", ("initramfs",)) in machine.refused_by for machine in plan.machines)
    if not managed and not with_advice(plan.items, Advice.BY_HAND):
        # A node may need its own initramfs to find its disks: that one goes by hand.
        only_packages = [f"{chroot} reset --overlays --overrides"] if plan.items else []
        return only_packages if own_initramfs else [f"{chroot} reset"]
    gone = [item for item in plan.items if item.advice not in {Advice.MCO, Advice.BY_HAND}]
    commands = []
    installs = _requests(item for item in gone if item.judged.change.kind.installs and not _went_first(plan, item))
    if installs:
        commands.append(f"{chroot} uninstall {' '.join(map(word, installs))}")
    overrides = [item.judged.change for item in gone if item.judged.change.kind in _OVERRIDES]
    names = list(dict.fromkeys(change.name for change in overrides if change.name and is_package(change.name)))
    if names:
        commands.append(f"{chroot} override reset {' '.join(map(word, names))}")
    return commands


def _went_first(plan: PoolPlan, item: Item) -> bool:
    return _is_local(item) and plan.builds


def _requests(items: Iterable[Item]) -> list[str]:
    changes = [item.judged.change for item in items]
    asked = (change.requested for change in changes if not is_fact(change))
    return list(dict.fromkeys(text for text in asked if is_package(text)))


def _look(plan: PoolPlan) -> Step:
    commands = ["layercensus scan", "oc debug node/$NODE -- chroot /host rpm-ostree status"]
    if plan.recipe.install:
        commands.append(f"oc debug node/$NODE -- chroot /host rpm -q {' '.join(map(word, plan.recipe.install[:3]))}")
    why = "a machine that image mode accepts shows no request and no override"
    return Step("Look", "workstation", tuple(commands), why)


def _machine_steps(plan: PoolPlan) -> list[Step]:
    """A machine of its own, no node of a cluster."""
    why = "a machine accepts an image by bootc only when nothing is layered on it"
    own_initramfs = any(
        machine.census.machine.booted and machine.census.machine.booted.initramfs for machine in plan.machines
    )
    drop = "rpm-ostree reset --overlays --overrides" if own_initramfs else "rpm-ostree reset"
    reset = Step("Drop the layer", "each machine", (drop, "systemctl reboot"), why, "rpm-ostree rollback")
    if not plan.builds:
        return [reset]
    move = Step(
        "Move the machine",
        "each machine",
        ('bootc switch "$IMAGE"', "systemctl reboot"),
        "the image holds what the layer held; between the two reboots the machine is without it",
        "bootc rollback, and a reboot",
    )
    return [reset, move]


def _for_nodes(plan: PoolPlan, wanted: Collection[str]) -> str:
    """Command that names the first of the nodes to go through, and says the others; by hand where one has no name."""
    names = [machine.census.machine.node or "" for machine in plan.machines if machine.name in wanted]
    known = [name for name in names if is_object_name(name)]
    if not known or len(known) < len(names):
        return "NODE=NAME    # a node of this pool"
    return f"NODE={known[0]}" + (f"    # then {', '.join(known[1:])}" if known[1:] else "")


def _drained(*commands: str) -> Sequence[str]:
    return (
        "oc adm drain $NODE --ignore-daemonsets --delete-emptydir-data",
        *commands,
        "oc debug node/$NODE -- chroot /host systemctl reboot",
        "oc wait node/$NODE --for=condition=Ready --timeout=20m",
        "oc adm uncordon $NODE",
    )


def pool_word(plan: PoolPlan) -> str:
    """Name of the pool in a command; `$POOL` where nothing says it."""
    return plan.name if plan.name and is_object_name(plan.name) else "$POOL"
