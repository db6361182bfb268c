"""A census for people: who, layering, release, what and why, problems; readable at 80 columns. Pure.

::

    packages        4.14     clusters/alpha/worker-3.json
        + falcon-sensor-7.14.0-16703.el9.x86_64  local RPM, no extension
          (third-party-agent)
        kernel type realtime: 4 packages installed, 5 of the base removed
        ! 2 deployments say that they are booted: which one is cannot be told
"""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from layercensus.model import (
    Census,
    JudgedChange,
    JudgedDeployment,
    KernelType,
    Kind,
    Layering,
    Skipped,
    Unlocked,
    Verdict,
)
from layercensus.text import visible

WIDTH = 80
_HEAD = f"{'LAYERING':<15} {'RELEASE':<10} MACHINE\n"
_SIGNS = {Kind.REMOVE: "-", Kind.REPLACE_LOCAL: "~", Kind.REPLACE_REMOTE: "~"}
_WORDS = {
    Kind.INSTALL: "from a repository",
    Kind.INSTALL_LOCAL: "local RPM",
    Kind.INSTALL_LOCAL_FORCE: "local RPM over other files",
    Kind.REMOVE: "removed from the base",
    Kind.REPLACE_LOCAL: "replaced by a local RPM",
    Kind.REPLACE_REMOTE: "replaced from a repository",
    Kind.MODULE: "module",
}


def format_census_table(censuses: Iterable[Census], skipped: list[Skipped]) -> Iterator[str]:
    """Chunks of the table; a machine is written as it comes, `skipped` is read once they are through."""
    counts: Counter[Layering] = Counter()
    for census in censuses:
        if not counts:
            yield _HEAD
        counts[census.booted.layering] += 1
        yield "".join(_machine_lines(census))
    if counts:
        yield "\n" + _summary(counts)
    yield from _lost_words(sum(item.may_be_machine for item in skipped))
    for item in skipped:
        yield from _wrapped(f"skipped {item.input}: {item.reason}", indent=0)


def _machine_lines(census: Census) -> Iterator[str]:
    booted = census.booted
    yield f"{booted.layering:<15} {_release_words(booted):<10} {_who(census)}\n"
    yield from _change_lines(booted)
    flags = list(_flag_words(census))
    if flags:
        yield from _wrapped(", ".join(flags), indent=4)
    if census.staged is not None:
        yield from _wrapped(f"next boot: {census.staged.layering}{_staged_words(census.staged)}", indent=4)
    for problem in census.problems:
        yield from _wrapped(f"! {problem}", indent=4)


def _who(census: Census) -> str:
    """The node's name where it is known, and where that was read."""
    node, name = census.machine.node, visible(census.machine.input)
    return name if node in {None, census.machine.input} else f"{visible(node or '')} ({name})"


def _release_words(judged: JudgedDeployment) -> str:
    """`4.14`, `4.19-4.21` where several fit, `-` where nothing is known or no release applies."""
    if judged.release:
        return judged.release
    candidates = judged.release_candidates
    known = 0 < len(candidates) < 10
    return f"{candidates[0]}-{candidates[-1]}" if known else "-"


def _change_lines(booted: JudgedDeployment) -> Iterator[str]:
    active = [judged for judged in booted.changes if judged.change.active is not False]
    for judged in active:
        if judged.judgement.verdict in {Verdict.NON_EXTENSION, Verdict.UNDETERMINED}:
            yield from _wrapped(_change_words(judged), indent=4)
    yield from _grouped_lines(active, booted.kernel_type or KernelType.DEFAULT)
    inactive = [judged.change.requested for judged in booted.changes if judged.change.active is False]
    if inactive:
        yield from _wrapped(f"asked for and not in effect: {', '.join(inactive)}", indent=4)


def _change_words(judged: JudgedChange) -> str:
    change, judgement = judged.change, judged.judgement
    sign = _SIGNS.get(change.kind, "+")
    what = _WORDS[change.kind] + (f" {change.repository}" if change.repository else "")
    if change.active is None:
        what += ", in effect or not"
    undetermined = judgement.verdict is Verdict.UNDETERMINED
    why = "undetermined" if undetermined else "no extension" if change.kind.installs else "override"
    category = f" ({judgement.category})" if judgement.category else ""
    return f"{sign} {change.requested}  {what}, {why}{category}"


def _grouped_lines(active: Sequence[JudgedChange], kernel_type: KernelType) -> Iterator[str]:
    """One line for the kernel type, one for each extension: nobody asked for their packages one by one."""
    kernel = [judged.change for judged in active if judged.judgement.verdict is Verdict.KERNEL_TYPE]
    if kernel:
        removed = sum(change.kind is Kind.REMOVE for change in kernel)
        counts = f"{len(kernel) - removed} packages installed, {removed} of the base removed"
        yield from _wrapped(f"kernel type {kernel_type}: {counts}", indent=4)
    extensions: dict[str, list[str]] = {}
    for judged in active:
        if judged.judgement.verdict is Verdict.EXTENSION:
            extensions.setdefault(judged.judgement.extension or "", []).append(judged.change.requested)
    for name, requests in extensions.items():
        yield from _wrapped(f"extension {name}: {', '.join(requests)}", indent=4)


def _flag_words(census: Census) -> Iterator[str]:
    deployment = census.machine.booted
    if deployment is None:
        return
    if census.machine.os.openshift is False:
        os = census.machine.os
        name = f"{os.id} {os.variant or 'system'}" if os.id else os.variant or "this system"
        yield f"{name}: has no extensions"
    if deployment.image_layered:
        yield "custom OS image"
    if deployment.initramfs:
        yield "own initramfs"
    if deployment.live_applied:
        yield "live changes"
    if deployment.unlocked not in {None, Unlocked.NONE}:
        yield f"unlocked: {deployment.unlocked}"


def _staged_words(staged: JudgedDeployment) -> str:
    requests = [
        judged.change.requested
        for judged in staged.changes
        if judged.change.active is not False and judged.judgement.verdict is Verdict.NON_EXTENSION
    ]
    return f" ({', '.join(requests)})" if requests else ""


def _summary(counts: Counter[Layering]) -> str:
    total = counts.total()
    parts = ", ".join(f"{counts[layering]} {layering}" for layering in Layering if counts[layering])
    return "".join(_wrapped(f"{total} machine{'s' if total != 1 else ''}: {parts}", indent=0))


def _lost_words(count: int) -> Iterator[str]:
    """Say that the count of machines may be short."""
    if count:
        what, who = ("1 file", "it may be a node") if count == 1 else (f"{count} files", "they may be nodes")
        how = "it as" if count == 1 else "each as"
        yield from _wrapped(
            f"! {what} could not be taken: {who} that did not answer (import counts {how} unknown)", indent=0
        )


def _wrapped(text: str, *, indent: int) -> Iterator[str]:
    lines = textwrap.wrap(
        visible(text),
        width=WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return (f"{line}\n" for line in lines)
