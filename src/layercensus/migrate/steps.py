"""The steps of a pool in their order, each with its commands, why, and how to go back. Pure.

The order follows from what the code of rpm-ostree and of the machine config daemon does:

- A rebase fails where the new image holds the exact NEVRA that is layered as a local RPM ("is already in the base",
  rpm-ostree `rpmostree-sysroot-upgrader.cxx`, rpm-ostree#4805). A replacement from a repository stays in effect as long
  as the base has the name (`finalize_replacement_overrides`), and needs its repository at each rebase, as any request
  does that the image does not hold. Only repository installs and removals that the image holds turn inactive. So:
  those wait until the node has moved, all else goes before.
- The daemon throws a pending deployment away before it rebases (`applyLayeredOSChanges`, `rpm-ostree cleanup -p`). So
  what is dropped takes effect only with a reboot of its own.
- It runs `rpm-ostree cleanup -r` after each update: no rollback deployment is left to go back to.
- A build on the cluster runs while the pool is paused; only the rollout waits (openshift-docs, pause snippet).
"""

from layercensus.migrate.advising import with_advice
from layercensus.migrate.build_steps import build_steps, config_name, health_checks, pool_word
from layercensus.migrate.node_steps import (
    CONTROL_PLANES,
    first_drops,
    is_unsettled,
    last_drops,
    node_commands,
    on_cluster,
)
from layercensus.migrate.plan import Advice, Answer, PoolPlan, Step, Way
from layercensus.migrate.words import word
from layercensus.model import Verdict
from layercensus.text import visible

_EACH = "each node, one at a time"
_FIRST_WHY = (
    "a node that has a local RPM as a layer cannot move to an image that holds the same one: its rebase fails "
    "(rpm-ostree#4805). Replacements do not turn inactive by the move, and a request that no repository answers any "
    "more fails the rebase and degrades the pool. The daemon discards a change that has not been booted, so the node "
    "reboots, and is without them until it has moved"
)
_CONTROL_PLANE = (
    ". Nodes of the control plane one at a time, etcd healthy before each; --force is for the guard pods, and deletes "
    "pods of yours that have no controller, too. The only node of a cluster cannot be drained: leave that line out "
    "there, and expect the API to be away"
)
_WITHOUT = "the nodes reboot into the release's own image, without what this one adds"
_DEGRADED = '{.status.conditions[?(@.type=="Degraded")].status}'
_BACK_ON = "# were health checks paused? oc -n openshift-machine-api annotate mhc/NAME cluster.x-k8s.io/paused-"
_STOPPED = "if it stops: on the node, `rpm-ostree cleanup -p` throws away what was not booted; oc adm uncordon $NODE"
_NOT_SETTLED = (
    "the pool moves as a whole: a node that was not read may hold what its move fails on, and degrades the pool; what "
    "waits for the next boot of another is neither reviewed nor in this plan, and what rpm-ostree drops it drops from "
    "that. Go on with a plan that names none of them"
)
_NOT_SETTLED_MACHINE = (
    "what waits for the next boot of a machine is neither reviewed nor in this plan, and rpm-ostree goes on from that. "
    "Go on with a plan that names none of them"
)


def steps_of(plan: PoolPlan) -> tuple[Step, ...]:
    """Steps of a pool, all of them; empty where nothing is to be done."""
    refusing = [machine for machine in plan.machines if machine.answer is Answer.REFUSES]
    if not refusing or plan.way is None:
        return ()
    steps = [*_settle(plan), *_asked_for(plan), *_elsewhere(plan), *(build_steps(plan) if plan.builds else [])]
    if plan.way is Way.MACHINE:
        return (*steps, *_machine_steps(plan))
    if plan.builds:
        steps += [*_drop_first(plan), _move(plan)]
    rest = node_commands(plan, last_drops)
    if rest:
        steps.append(_drop_rest(plan, rest))
    return (*steps, _look(plan)) if len(steps) > len(_settle(plan)) else tuple(steps)


def _settle(plan: PoolPlan) -> list[Step]:
    """Machines of which this plan does not know enough, before anything is done to the pool that they are in."""
    lines = [f"# {visible(each.name)}: was not read" for each in plan.machines if each.answer is Answer.UNKNOWN]
    lines += [
        f"# {visible(each.name)}: has something else for its next boot; find out whose it is, then reboot it"
        for each in plan.machines
        if is_unsettled(each)
    ]
    why = _NOT_SETTLED_MACHINE if plan.way is Way.MACHINE else _NOT_SETTLED
    return [Step("Settle what is open, and plan again", "workstation", tuple(lines), why)] if lines else []


def _asked_for(plan: PoolPlan) -> list[Step]:
    """What the operator puts into its images is what MachineConfigs ask for, whoever layered it on the node."""
    items = [item for item in with_advice(plan.items, Advice.MCO) if item.judged.judgement.managed is not True]
    if not items or not on_cluster(plan):
        return []
    pool = pool_word(plan)
    extensions = dict.fromkeys(item.judged.judgement.extension for item in items if item.judged.judgement.extension)
    is_kernel = any(item.judged.judgement.verdict is Verdict.KERNEL_TYPE for item in items)
    wanted = [*(["a kernelType that is not default"] if is_kernel else []), *filter(None, extensions)]
    named = () if "$" not in pool else ("# the pool of these nodes", "POOL=NAME")
    shown = f"oc get mc/$(oc get mcp/{pool} -o jsonpath='{{.spec.configuration.name}}') \\\n"
    shown += "  -o jsonpath='{.spec.kernelType} {.spec.extensions}{\"\\n\"}'"
    commands = (*named, f"# has to name {', '.join(wanted)}", shown)
    why = (
        "the cluster builds in what MachineConfigs ask for. What somebody layered by hand is not among it, and the "
        "last drop takes it from the node: put it into one first"
    )
    return [Step("See that MachineConfigs ask for what is left to the operator", "workstation", commands, why)]


def _elsewhere(plan: PoolPlan) -> list[Step]:
    """What has a better place than the image goes there before its layer goes."""
    found = with_advice(plan.items, Advice.OPERATOR, Advice.MACHINE_CONFIG)
    if not found:
        return []
    commands = tuple(f"# {visible(item.judged.change.requested)}: {item.instead}" for item in found)
    why = "else nothing does its work once its layer is gone; --everything moves it into the image instead"
    return [Step("Deliver from elsewhere what has a better place", "workstation", commands, why)]


def _drop_first(plan: PoolPlan) -> list[Step]:
    """What the move does not survive, or does not make inactive."""
    commands = node_commands(plan, first_drops)
    if not commands:
        return []
    back = (
        "oc debug node/$NODE -- chroot /host sh -c 'cat > /var/tmp/FILE.rpm' < FILE.rpm; then there rpm-ostree install "
        "/var/tmp/FILE.rpm (override replace for a replacement; install NAME for one of a repository), and a reboot"
    )
    back = f"{back}; {_STOPPED}"
    return [Step("Drop what cannot move along", _EACH, commands, _FIRST_WHY + _control_plane(plan), back)]


def _control_plane(plan: PoolPlan) -> str:
    return _CONTROL_PLANE if plan.name in CONTROL_PLANES else ""


def _move(plan: PoolPlan) -> Step:
    pool = pool_word(plan)
    unpause = f'oc patch mcp/{pool} --type merge -p \'{{"spec":{{"paused":false}}}}\''
    # A pool says Updated until it begins. Its size and drains decide how long it takes; a degraded one stands still.
    moved = (
        f"{unpause}\n  oc wait mcp/{pool} --for=condition=Updating --timeout=10m\n"
        f"  until oc wait mcp/{pool} --for=condition=Updated --timeout=5m; do\n"
        f"    IS=$(oc get mcp/{pool} -o jsonpath='{_DEGRADED}' || true)\n"
        f"    test \"$IS\" != True || {{ echo 'degraded: oc describe mcp/{pool}' >&2; exit 1; }}\n"
        "    sleep 10\n  done"
    )
    if plan.way is Way.OFF_CLUSTER:
        back = f"oc delete machineconfig {config_name(plan)}: {_WITHOUT}"
        why = (
            "the daemon rebases and reboots each node. From here on the image is yours: an upgrade of the cluster does "
            "not touch the OS of this pool, nor its kubelet, until you build and name a new image"
        )
        if any(item.judged.judgement.verdict is Verdict.EXTENSION for item in plan.items):
            why += ". A custom image beside extensions has broken pools (openshift-docs#57245): try one node first"
        moved = f"oc apply -f machineconfig.yaml\n  {moved}\n  {_runs_the_image(pool)}"
        return Step("Move the pool", "workstation", (f"( set -e\n  {moved} )",), why, back)
    back = (
        f"oc delete machineosconfig {pool}: the nodes reboot into the release's own image, without what this one adds"
    )
    why = "the operator rolls the built image out, and builds again with each upgrade of the cluster"
    return Step("Move the pool", "workstation", (f"( set -e\n  {moved} )",), why, back)


def _runs_the_image(pool: str) -> str:
    """Command that fails where the pool was updated to something else: of several osImageURL the last by name holds."""
    config = f"$(oc get mcp/{pool} -o jsonpath='{{.status.configuration.name}}')"
    return (
        f"RUNS=$(oc get mc/{config} -o jsonpath='{{.spec.osImageURL}}')\n"
        '  grep -qF "\\"$RUNS\\"" machineconfig.yaml \\\n'
        "    || { echo 'the pool runs another image, go no further: oc get mc' >&2; exit 1; }"
    )


def _drop_rest(plan: PoolPlan, commands: tuple[str, ...]) -> Step:
    """Everything that is left in the origin; what the operator manages stays where it still installs it itself."""
    why = "bootc refuses a machine as long as these stand in its origin"
    if plan.builds:
        why = f"the image holds it now, so these requests are not in effect any more; but {why}"
    if with_advice(plan.items, Advice.MCO) and not on_cluster(plan):
        why += (
            ". What the operator installs stays: without a build on the cluster it layers extensions and kernel types "
            "on each node, and bootc goes on refusing those"
        )
    title = "Drop what is left of the layer" if plan.builds else "Drop the layer"
    commands = commands if plan.builds else (*health_checks(), *commands)
    back = _STOPPED if plan.builds else f"rpm-ostree install, or override, brings an entry back; {_STOPPED}"
    return Step(title, _EACH, commands, why + _control_plane(plan), back)


def _look(plan: PoolPlan) -> Step:
    commands = [_BACK_ON, "layercensus scan", "oc debug node/$NODE -- chroot /host rpm-ostree status"]
    if plan.recipe.install:
        commands.append(f"oc debug node/$NODE -- chroot /host rpm -q {' '.join(map(word, plan.recipe.install[:3]))}")
    why = "a machine that image mode accepts shows no request and no override"
    return Step("Look", "workstation", tuple(commands), why)


def _machine_steps(plan: PoolPlan) -> list[Step]:
    """A machine of its own, no node of a cluster."""
    why = (
        "a machine accepts an image by bootc only when nothing is layered on it. After the reboot it is without: have "
        "a console where something of the layer is what it is reached by, a VPN for one"
    )
    own_initramfs = any(
        machine.census.machine.booted and machine.census.machine.booted.initramfs for machine in plan.machines
    )
    drop = "rpm-ostree reset --overlays --overrides" if own_initramfs else "rpm-ostree reset"
    back = "rpm-ostree rollback, and a reboot"
    reset = Step("Drop the layer", "each machine", (f"{drop} && systemctl reboot",), why, back)
    if not plan.builds:
        return [reset]
    move = Step(
        "Move the machine",
        "each machine",
        ("IMAGE=REGISTRY/NAME", 'bootc switch "$IMAGE:latest" && systemctl reboot'),
        "the image holds what the layer held; between the two reboots the machine is without it",
        "bootc rollback, and a reboot",
    )
    return [reset, move]
