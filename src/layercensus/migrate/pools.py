"""Which machines should run one image, what their pool is called, and which of them differ from the rest. Pure.

A pool is what the document says (`pool`, else the node's roles); where nothing says it, machines of one folder and
release are taken for one, and the plan says so. Machines of two clusters are never one pool.
"""

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from layercensus.migrate.plan import MachinePlan
from layercensus.model import Census, Change, JudgedDeployment, Kind, Verdict

_SIGNS = {Kind.REMOVE: "removal of ", Kind.REPLACE_LOCAL: "replacement ", Kind.REPLACE_REMOTE: "replacement "}
_CONTROL_PLANE = "master"
_CONTROL_PLANE_ROLES = frozenset({"master", "control-plane"})
_WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Pool:
    """Machines that should run one image. `name` is None where nothing says it; `label` is for people."""

    label: str
    name: str | None
    machines: tuple[MachinePlan, ...]


def pools_of(machines: Sequence[MachinePlan], *, pool: str | None = None) -> tuple[Pool, ...]:
    """Machines by pool, in the order in which pools first show. `pool`: its name, where the administrator gave it."""
    groups: dict[tuple[str, ...], list[MachinePlan]] = {}
    for machine in machines:
        groups.setdefault(_key(machine.census, pool), []).append(machine)
    clusters = {key[0] for key in groups}
    return tuple(_pool(key, found, pool, several=len(clusters) > 1) for key, found in groups.items())


def pool_name(census: Census) -> str | None:
    """Name of a machine's pool: as the document says, else by its roles (MCO: a custom pool goes before `worker`)."""
    machine = census.machine
    if machine.pool:
        return machine.pool
    roles = set(machine.roles)
    if roles & _CONTROL_PLANE_ROLES:
        return _CONTROL_PLANE
    custom = sorted(roles - {_WORKER})
    return custom[0] if len(custom) == 1 else _WORKER if roles == {_WORKER} else None


def _key(census: Census, pool: str | None) -> tuple[str, ...]:
    folder = _folder(census)
    cluster = census.machine.cluster_id or folder
    name = pool or pool_name(census)
    if name:
        return (cluster, name)
    os = census.machine.os
    # Outside OpenShift a folder may hold anything.
    of_system = (os.id or "", os.variant or "") if os.openshift is False else ()
    return (cluster, "", folder, _release_words(census.booted), (os.version or "").partition(".")[0], *of_system)


def _pool(key: tuple[str, ...], machines: list[MachinePlan], pool: str | None, *, several: bool) -> Pool:
    census = machines[0].census
    name = pool or pool_name(census)
    folder = _folder(census)
    if name:
        return Pool(f"{name} of {key[0] or 'this folder'}" if several else name, name, _with_skew(machines))
    if len(machines) == 1:
        return Pool(machines[0].name, None, _with_skew(machines))
    return Pool(f"folder {folder}" if folder else "machines of no named pool", None, _with_skew(machines))


def _folder(census: Census) -> str:
    return posixpath.dirname(census.machine.found_in or census.machine.input)


def _release_words(judged: JudgedDeployment) -> str:
    return judged.release or "-".join(judged.release_candidates)


def _with_skew(machines: Sequence[MachinePlan]) -> tuple[MachinePlan, ...]:
    """Each machine with what it has and lacks beside most of the others; alone it differs from nobody."""
    known = [machine for machine in machines if machine.census.machine.booted is not None]
    if len(known) < 2:
        return tuple(machines)
    counts = Counter(line for machine in known for line in _lines(machine))
    usual = {line for line, count in counts.items() if 2 * count > len(known)}
    return tuple(replace(machine, differs=_difference(machine, usual)) for machine in machines)


def _difference(machine: MachinePlan, usual: set[str]) -> tuple[str, ...]:
    if machine.census.machine.booted is None:
        return ()
    lines = set(_lines(machine))
    return (*(f"+ {line}" for line in sorted(lines - usual)), *(f"- {line}" for line in sorted(usual - lines)))


def _lines(machine: MachinePlan) -> Iterable[str]:
    """What can differ between machines of a pool: each change in effect, the kernel type, the initramfs, the image."""
    census = machine.census
    for judged in census.booted.changes:
        # A kernel type is one line below, not nine.
        if judged.change.active is not False and judged.judgement.verdict is not Verdict.KERNEL_TYPE:
            yield _words(judged.change)
    if census.booted.kernel_type is not None:
        yield f"kernel type {census.booted.kernel_type}"
    booted = census.machine.booted
    if booted is not None:
        if booted.initramfs:
            yield "an initramfs of its own"
        if booted.version:
            yield f"OS version {booted.version}"


def _words(change: Change) -> str:
    where = f" from {change.repository}" if change.repository else ""
    return f"{_SIGNS.get(change.kind, '')}{change.requested}{where}"
