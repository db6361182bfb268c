"""What an upgrade to image mode says of a machine as it is: refused or not, by which entry of its origin. Pure.

bootc refuses a deployment whose origin has one of the groups `rpmostree`, `packages`, `overrides`, `modules`, even an
empty one (bootc `crates/lib/src/utils.rs`, `origin_has_rpmostree_stuff`). Extensions and kernel types
are entries like any other. What is staged for the next boot counts as well: `bootc upgrade` goes by the image of the
staged deployment, and one with such a group has none for it (bootc `crates/lib/src/cli.rs`, `upgrade`).
"""

from collections.abc import Iterable

from layercensus.migrate.plan import Answer, MachinePlan
from layercensus.model import Census, Change, JudgedChange, Kind, Layering

_NO_MACHINE = "it is no rpm-ostree machine: there is nothing to move"
_NOT_SHOWN = "its source does not show which deployment is booted"
_NOT_SAID = "its source does not say whether the origin has an entry"
_CUT = "its source shows the deployment in part: an entry may not be shown"
_NONE = "its origin has no entry of rpm-ostree's"
_STAGED = "what is staged for its next boot has an entry, and bootc goes by that: {entries}"
_UNNAMED = "its origin has an entry, which this source does not name"
# Keys of facts, by the reader that found them: in the deployment, and nothing asks for it.
_FACTS = ("base-", "rpmostree.")


def answer_for(census: Census) -> MachinePlan:
    """The answer for one machine, by its booted deployment."""
    booted = census.machine.booted
    if census.booted.layering is Layering.NOT_APPLICABLE:
        return MachinePlan(census, Answer.NOT_APPLICABLE, (), _NO_MACHINE)
    if booted is None:
        why = census.problems[0] if census.problems else _NOT_SHOWN
        return MachinePlan(census, Answer.UNKNOWN, (), why)
    groups = _groups(census.booted.changes, initramfs=booted.initramfs is True)
    if groups or booted.bootc_incompatible:
        entries = sum(len(names) for _, names in groups)
        why = f"its origin has {entries} entr{'y' if entries == 1 else 'ies'}" if groups else _UNNAMED
        return MachinePlan(census, Answer.REFUSES, groups, why)
    if staged := _staged_entries(census):
        return MachinePlan(census, Answer.REFUSES, (), _STAGED.format(entries=", ".join(staged)))
    if booted.cut:
        return MachinePlan(census, Answer.UNKNOWN, (), _CUT)
    if booted.bootc_incompatible is None:
        return MachinePlan(census, Answer.UNKNOWN, (), _NOT_SAID)
    return MachinePlan(census, Answer.ACCEPTS, (), _NONE)


def is_fact(change: Change) -> bool:
    """Whether it stands only among what is there: then the origin has no entry for it."""
    return change.origin_key.startswith(_FACTS)


def _staged_entries(census: Census) -> tuple[str, ...]:
    """Entries of the origin of what is staged, the initramfs too."""
    staged = census.machine.staged
    if census.staged is None or staged is None or not staged.staged:
        return ()
    groups = _groups(census.staged.changes, initramfs=staged.initramfs is True)
    return tuple(name for _, names in groups for name in names)


def _groups(changes: Iterable[JudgedChange], *, initramfs: bool) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Group of the origin -> its entries, in effect or not: bootc looks at what is asked for."""
    groups: dict[str, list[str]] = {}
    for change in (item.change for item in changes):
        if not is_fact(change):
            group = "packages" if change.kind.installs else "modules" if change.kind is Kind.MODULE else "overrides"
            groups.setdefault(group, []).append(change.requested)
    if initramfs:
        groups["rpmostree"] = ["initramfs"]
    return tuple((group, tuple(names)) for group, names in groups.items())
