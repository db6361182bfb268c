"""A plan for people: the answer per machine, what becomes of each change, the steps; readable at 80 columns. Pure.

::

    Pool worker, OpenShift 4.16: image mode refuses 2 of 3 machines.

      refuses   worker-3
                [packages] usbguard, falcon-sensor-7.14.0-16703.el9.x86_64
                + falcon-sensor-7.14.0-16703.el9.x86_64, unlike most of its pool
"""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

from layercensus.migrate.facts import on_cluster_since
from layercensus.migrate.node_steps import CONTROL_PLANES
from layercensus.migrate.plan import Advice, Answer, Item, MachinePlan, PoolPlan, Step, Way
from layercensus.migrate.words import rpm_file
from layercensus.model import Kind, Skipped, Source
from layercensus.text import visible

WIDTH = 80
_SHOWN_MACHINES = 40
_HEADS = {
    Advice.IMAGE: "Into the image",
    Advice.DROP: "To be dropped, not moved",
    Advice.OPERATOR: "Better delivered by something else",
    Advice.MACHINE_CONFIG: "Better done by a MachineConfig",
    Advice.MCO: "Left to the machine config operator",
    Advice.BY_HAND: "Not known, so by hand",
}
_KINDS = {
    Kind.INSTALL: "from a repository",
    Kind.INSTALL_LOCAL: "local RPM",
    Kind.INSTALL_LOCAL_FORCE: "local RPM over other files",
    Kind.REMOVE: "removed from the base",
    Kind.REPLACE_LOCAL: "replaced by a local RPM",
    Kind.REPLACE_REMOTE: "replaced from a repository",
    Kind.MODULE: "module",
}
_WAYS = {
    Way.ON_CLUSTER: "The cluster builds the image (MachineOSConfig).",
    Way.ON_CLUSTER_PREVIEW: "The cluster builds the image (MachineOSConfig), as a technology preview.",
    Way.OFF_CLUSTER: "The image is built outside the cluster (Containerfile, osImageURL).",
    Way.MACHINE: "The image is built and each machine switched to it by hand.",
}
_OPERATORS = (
    "The operator layers its extensions and kernel types on each node, and bootc refuses those as well. They are in "
    "the image of a pool that the cluster builds images for."
)
_UNTRIED = "No step was tried on a real node yet. A pool moves as a whole: take one node first, in a pool of its own."
_UNTRIED_MASTER = (
    "No step was tried on a real node yet, and no node of the control plane can be in a pool of its own: take workers "
    "first."
)
_UNTRIED_MACHINE = "No step was tried on a real machine yet: take one of them first."
_ALL_GOOD = "Image mode takes these machines as they are: nothing to do."
_NO_IMAGE = (
    "No entry of these machines makes image mode refuse, so about layers there is nothing to do; but what they run is "
    "a ref or commit of ostree and not an image."
)
_TAKEN_ONLY = "Image mode takes the machines above as they are; of the files that could not be taken nothing is known."
_HIDES = "Text hides requests that are not in effect, which bootc refuses as well: give rpm-ostree status --json."
_LATER = "Nothing to do today; from {since} on the cluster builds such an image from a MachineOSConfig."


def plan_lines(plans: Sequence[PoolPlan], skipped: Sequence[Skipped]) -> Iterator[str]:
    """Lines of all plans, a pool after the other."""
    lost = sum(item.may_be_machine for item in skipped)
    if lost:
        head = (
            "1 file could not be taken: it may be a node"
            if lost == 1
            else f"{lost} files could not be taken: they may be nodes"
        )
        yield from _wrapped(f"! {head} that did not answer; named at the end.", indent=0)
        yield "\n"
    for number, plan in enumerate(plans):
        if number:
            yield "\n" + "-" * WIDTH + "\n\n"
        yield from _pool_lines(plan, lost=bool(lost))
    for item in skipped:
        yield from _wrapped(f"skipped {item.input}: {item.reason}", indent=0)


def _pool_lines(plan: PoolPlan, *, lost: bool) -> Iterator[str]:
    yield from _wrapped(_headline(plan), indent=0)
    yield "\n"
    yield from _machine_lines(plan.machines)
    read = [machine.census.machine for machine in plan.machines if machine.census.machine.booted is not None]
    if any(machine.source is Source.RPM_OSTREE_TEXT for machine in read):
        yield from _wrapped(_HIDES, indent=2)
    yield from _advice_lines(plan)
    if plan.count(Answer.REFUSES):
        yield from _text_lines(plan)
    if plan.unknowns:
        yield "\nNot known from these documents\n"
        for line in plan.unknowns:
            yield from _wrapped(f"! {line}", indent=2)
    if plan.steps:
        yield "\nSteps\n"
        for number, step in enumerate(plan.steps, 1):
            yield from _step_lines(number, step)
        yield from _wrapped(_untried(plan), indent=2)
    elif plan.count(Answer.ACCEPTS) == len(plan.machines) and not plan.unknowns:
        yield "\n"
        yield from _wrapped(_good_words(plan, lost=lost), indent=0)


def _untried(plan: PoolPlan) -> str:
    if plan.way is Way.MACHINE:
        return _UNTRIED_MACHINE
    return _UNTRIED_MASTER if plan.name in CONTROL_PLANES else _UNTRIED


def _good_words(plan: PoolPlan, *, lost: bool) -> str:
    booted = [machine.census.machine.booted for machine in plan.machines]
    if any(deployment is not None and deployment.image is None for deployment in booted):
        return _NO_IMAGE
    return _TAKEN_ONLY if lost else _ALL_GOOD


def _headline(plan: PoolPlan) -> str:
    who = f"Pool {plan.label}" if plan.name else plan.label[:1].upper() + plan.label[1:]
    if len(plan.machines) == 1 and not plan.name:
        who = plan.label
    system = ""
    if plan.releases:
        span = plan.releases[0] if len(plan.releases) == 1 else f"{plan.releases[0]} to {plan.releases[-1]}"
        system = f", OpenShift {span}"
    total, refused, unknown = len(plan.machines), plan.count(Answer.REFUSES), plan.count(Answer.UNKNOWN)
    noun = "machine" if total == 1 else "machines"
    said = f"image mode refuses {refused} of {total} {noun}"
    return f"{who}{system}: {said}{f', {unknown} not known' if unknown else ''}."


def _machine_lines(machines: Sequence[MachinePlan]) -> Iterator[str]:
    """Machines that say the same thing together, those that are refused first."""
    order = list(Answer)
    for machine in sorted(machines, key=lambda found: order.index(found.answer))[:_SHOWN_MACHINES]:
        name = machine.census.machine.input
        where = f" ({name})" if machine.name != name else ""
        yield f"  {machine.answer:<15} {visible(machine.name)}{visible(where)}\n"
        for group, names in machine.refused_by:
            yield from _wrapped(f"[{group}] {', '.join(names)}", indent=18)
        if not machine.refused_by and machine.answer is not Answer.ACCEPTS:
            yield from _wrapped(machine.why, indent=18)
        if machine.differs:
            yield from _wrapped(f"unlike most of its pool: {', '.join(machine.differs)}", indent=18)
    if len(machines) > _SHOWN_MACHINES:
        counts = Counter(machine.answer for machine in machines)
        words = ", ".join(f"{count} {answer.replace('_', ' ')}" for answer, count in counts.items())
        yield f"  and {len(machines) - _SHOWN_MACHINES} more ({words}); --format json has all\n"


def _advice_lines(plan: PoolPlan) -> Iterator[str]:
    for advice, head in _HEADS.items():
        found = [item for item in plan.items if item.advice is advice]
        if found:
            yield f"\n{head}\n"
            for same in _alike(found):
                yield from _item_lines(same, len(plan.machines))


def _alike(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Items of which the same is said, together: the nine packages of a kernel type are one thing to read."""
    groups: dict[tuple[object, ...], list[Item]] = {}
    for item in items:
        change = item.judged.change
        of_operator = item.advice is Advice.MCO
        own = () if of_operator else (change.requested, change.kind, change.repository)
        groups.setdefault((item.why, item.instead, item.machines, *own), []).append(item)
    return iter(groups.values())


def _item_lines(items: Sequence[Item], machines: int) -> Iterator[str]:
    item = items[0]
    change = item.judged.change
    kinds = {each.judged.change.kind for each in items}
    where = f" {change.repository}" if change.repository else ""
    count = f", {len(item.machines)} of {machines} machines" if machines > 1 else ""
    names = ", ".join(dict.fromkeys(each.judged.change.requested for each in items))
    words = "installed and removed" if len(kinds) > 1 else f"{_KINDS[change.kind]}{where}"
    yield from _wrapped(f"{names}  {words}{count}", indent=2)
    local = change.kind in {Kind.INSTALL_LOCAL, Kind.INSTALL_LOCAL_FORCE, Kind.REPLACE_LOCAL}
    if item.advice is Advice.IMAGE and len(item.machines) < machines:
        yield from _wrapped(
            f"{'taken from' if change.kind is Kind.REMOVE else 'on'} all {machines} by the image", indent=6
        )
    if item.advice is Advice.IMAGE and local:
        digest = f"; sha256 of its header: {change.header_sha256}" if change.header_sha256 else ""
        yield from _wrapped(f"needs the file {rpm_file(change.requested)}{digest}", indent=6)
    if item.why:
        source = f" [{item.source}]" if item.source else ""
        yield from _wrapped(f"{item.why}{source}", indent=6)
    if item.instead:
        yield from _wrapped(f"instead: {item.instead}", indent=6)
    for trap in item.traps if item.advice is Advice.IMAGE else ():
        yield from _wrapped(f"TRAP: {trap.words}", indent=6)


def _text_lines(plan: PoolPlan) -> Iterator[str]:
    """Which texts there are, and why not those that are not."""
    yield "\nHow\n"
    if plan.way is not None and plan.builds:
        yield from _wrapped(_WAYS[plan.way], indent=2)
    if plan.base.reference and plan.builds:
        yield from _wrapped(f"Base image: {plan.base.reference}", indent=2)
    if plan.containerfile:
        yield from _wrapped("Containerfile: layercensus plan PATH --format containerfile", indent=2)
    if plan.machine_os_config:
        yield from _wrapped("MachineOSConfig: layercensus plan PATH --format machineosconfig", indent=2)
    for part in plan.withheld:
        yield from _wrapped(f"No {part.what}: {part.why}.", indent=2)
    if not plan.builds and not plan.withheld:
        yield from _wrapped("Nothing goes into an image.", indent=2)
    if not plan.builds and any(item.advice is Advice.MCO for item in plan.items):
        yield from _wrapped(_OPERATORS, indent=2)
        if not plan.steps and all(item.advice is Advice.MCO for item in plan.items):
            yield from _wrapped(_LATER.format(since=on_cluster_since()), indent=2)


def _step_lines(number: int, step: Step) -> Iterator[str]:
    yield f"  {number}. {step.title} ({step.where})\n"
    for command in step.commands:
        for line in command.split("\n"):
            yield f"       {visible(line)}\n"
    yield from _wrapped(f"Why: {step.why.rstrip('.')}.", indent=5)
    if step.undo:
        yield from _wrapped(f"Back: {step.undo}.", indent=5)


def _wrapped(text: str, *, indent: int) -> Iterator[str]:
    lines = textwrap.wrap(
        visible(text), WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return (f"{line}\n" for line in lines)
