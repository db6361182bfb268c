"""What is dropped on which node, and the commands that do it and end at the first that fails. Pure.

Nodes of a pool that drop the same go together, for rpm-ostree refuses an uninstall or a reset as a whole when one name
in it was not asked for on that node. What one node drops is one transaction, as in MCO's `queueRevertKernelSwap`: each
half alone may not resolve, and an uninstall beside a replacement from a repository asks that repository (rpm-ostree
`rpmostree-core.cxx`, "Ignoring pkgcache-only request").

All commands of a node stand in a subshell with `set -e`: a drain or an uninstall that fails is never followed by the
reboot, and the node that stays cordoned is named. A node is ready until it goes down, so the end of a reboot is another
boot. Guard pods of the control plane have no controller, so a drain fails there without `--force` (openshift/library-go
#1238).
"""

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence

from layercensus.migrate.plan import Advice, Answer, Item, MachinePlan, PoolPlan, Way
from layercensus.migrate.refusal import is_fact
from layercensus.migrate.words import is_object_name, is_package, word
from layercensus.model import Kind

# Pools whose nodes hold etcd; two nodes and an arbiter do from 4.20 on (MCO `IsCustomPool`).
CONTROL_PLANES = frozenset({"master", "arbiter"})
_CHROOT = "oc debug node/$NODE -- chroot /host"
_OVERRIDES = {Kind.REMOVE, Kind.REPLACE_LOCAL, Kind.REPLACE_REMOTE}
# What a rebase onto an image that holds the same leaves inactive: it may wait until the node has moved.
_WAITS = {Kind.INSTALL, Kind.REMOVE}
_BOOT = "oc get node/$NODE -o jsonpath='{.status.nodeInfo.bootID}'"
_INPUT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*\Z")
_STOPPED = "trap 'test $? = 0 || echo stopped: $NODE may still be cordoned >&2' EXIT"
_ETCD = "oc wait clusteroperator/etcd --for=condition=Degraded=False --timeout=20m"


def on_cluster(plan: PoolPlan) -> bool:
    """Whether the cluster builds the image, which then holds what the operator installs, too."""
    return plan.builds and plan.way in {Way.ON_CLUSTER, Way.ON_CLUSTER_PREVIEW}


def first_drops(plan: PoolPlan, machine: MachinePlan) -> tuple[str, ...]:
    """What must be gone before this node moves, as commands of rpm-ostree."""
    return _entries(item for item in _ours(plan, machine) if _goes_first(item))


def last_drops(plan: PoolPlan, machine: MachinePlan) -> tuple[str, ...]:
    """What is left: `reset` where nothing of it is the operator's or open, else each entry by its name."""
    items = [item for item in plan.items if machine.name in item.machines]
    ours = _ours(plan, machine)
    left = [item for item in ours if not (plan.builds and _goes_first(item))]
    if len(ours) < len(items):
        return _entries(left)
    own_initramfs = ("rpmostree", ("initramfs",)) in machine.refused_by
    if items and not left:
        return ()
    if own_initramfs:
        # A node may need its own initramfs to find its disks: that one goes by hand.
        return ("reset --overlays --overrides",) if items else ()
    return ("reset",)


def node_commands(plan: PoolPlan, drops: Callable[[PoolPlan, MachinePlan], tuple[str, ...]]) -> tuple[str, ...]:
    """Commands for all nodes that have something to drop, a group of the same drops after the other."""
    groups: dict[tuple[str, ...], list[MachinePlan]] = {}
    for machine in plan.machines:
        found = drops(plan, machine) if machine.answer is Answer.REFUSES and not is_unsettled(machine) else ()
        if found:
            groups.setdefault(found, []).append(machine)
    return tuple(line for found, machines in groups.items() for line in _group(plan, found, machines))


def is_unsettled(machine: MachinePlan) -> bool:
    """Whether its next boot has other changes: rpm-ostree would go on from those, and not from what is planned here."""
    census = machine.census
    booted, pending = census.machine.booted, census.machine.staged
    if booted is None or pending is None or census.staged is None:
        return False
    return census.staged.changes != census.booted.changes or bool(pending.initramfs) != bool(booted.initramfs)


def _ours(plan: PoolPlan, machine: MachinePlan) -> list[Item]:
    """Changes of this machine that a step may drop: none that is open, none that the operator installs again."""
    kept = {Advice.BY_HAND} if on_cluster(plan) else {Advice.BY_HAND, Advice.MCO}
    return [item for item in plan.items if machine.name in item.machines and item.advice not in kept]


def _goes_first(item: Item) -> bool:
    return not (item.advice in {Advice.IMAGE, Advice.MCO} and item.judged.change.kind in _WAITS)


def _entries(items: Iterable[Item]) -> tuple[str, ...]:
    """Only what was asked for on the node: rpm-ostree drops nothing at all beside a name that was not."""
    changes = [item.judged.change for item in items if not is_fact(item.judged.change)]
    installs = dict.fromkeys(change.requested for change in changes if change.kind.installs)
    overrides = dict.fromkeys(change.name or "" for change in changes if change.kind in _OVERRIDES)
    gone, back = ([word(text) for text in texts if is_package(text)] for texts in (installs, overrides))
    if not back:
        return (f"uninstall {' '.join(gone)}",) if gone else ()
    return (" ".join(["override reset", *back, *(f"--uninstall {name}" for name in gone)]),)


def _group(plan: PoolPlan, drops: Sequence[str], machines: Sequence[MachinePlan]) -> Iterator[str]:
    """Who is meant in comments, then the first of them, then what is done on each."""
    names = [machine.census.machine.node or "" for machine in machines]
    if all(map(is_object_name, names)):
        yield from _comment(f"on {', '.join(names)}" + (": one after the other" if len(names) > 1 else ""))
        yield f"NODE={names[0]}"
    else:
        inputs = [name for name in (machine.census.machine.input for machine in machines) if _INPUT.match(name)]
        yield from _comment(f"on each node of {', '.join(inputs) or 'this pool'}")
        yield "NODE=NAME"
    yield rebooted(*drops, is_control_plane=plan.name in CONTROL_PLANES)


def _comment(text: str) -> Iterator[str]:
    yield from (f"# {line}" for line in textwrap.wrap(text, 70, break_long_words=False, break_on_hyphens=False))


def rebooted(*drops: str, is_control_plane: bool = False) -> str:
    """One command: drain, drop, reboot, wait for the next boot, uncordon; it ends at the first that fails."""
    force = " --force" if is_control_plane else ""
    lines = [
        _STOPPED,
        *([_ETCD] if is_control_plane else []),
        f"BOOT=$({_BOOT})",
        'test -n "$BOOT"',
        f"oc adm drain $NODE --ignore-daemonsets --delete-emptydir-data --timeout=10m{force}",
        *(f"{_CHROOT} rpm-ostree {drop}" for drop in drops),
        f"{_CHROOT} systemctl reboot || true",
        f"until NOW=$({_BOOT} 2>/dev/null) \\",
        '  && test -n "$NOW" && test "$NOW" != "$BOOT"; do sleep 10; done',
        "oc wait node/$NODE --for=condition=Ready --timeout=20m",
        "oc adm uncordon $NODE",
    ]
    return "( set -e\n  " + "\n  ".join(lines) + " )"
