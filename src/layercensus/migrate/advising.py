"""What should become of each change: into the image, dropped, left to an operator or to the platform. Pure.

Advice, with its source; the administrator decides. `everything` moves into the image what would be dropped or replaced.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from layercensus.migrate.facts import KnownAdvice, advice_for, traps_of
from layercensus.migrate.plan import Advice, Item, MachinePlan
from layercensus.migrate.words import is_package, is_repository
from layercensus.model import Change, Form, JudgedChange, Kind, Verdict

_NAME_VERSION = re.compile(r"^(?P<name>.+)-\d[^-]*$")
_INACTIVE = "asked for and not in effect: the base image has it already, or lacks what it would change"
_RETIRED = "of an extension or kernel type of an earlier release, left from an upgrade; this release has no such"
_FORMS = {
    Form.PROVIDE: "a provide: which package it brought in, the request does not say",
    Form.PATH: "a path: which package it brought in, the request does not say",
    Form.GLOB: "a glob: which packages it brought in, the request does not say",
}
_MODULE = "a module stream: a build on RHEL 9 or later knows none; name the packages that came from it"
_ODD = "fits no grammar of RPM names, so no command is made of it"
_OPEN = "which of the releases this machine runs decides whether it is an extension; --release tells"
_OPEN_CONFIG = "only the rendered MachineConfig tells whether it is an extension on this OKD node"
_INSTEAD = "has a better place than the image"
_DROPPED = "is a tool that does not need to be on the host"


def items_of(
    machines: Sequence[MachinePlan], *, everything: bool = False, on_openshift: bool = True
) -> tuple[Item, ...]:
    """Every change of these machines once, in the order in which they were found, with the names of its machines."""
    items: dict[tuple[str, ...], Item] = {}
    holders: dict[tuple[str, ...], list[str]] = {}
    for machine in machines:
        for judged in machine.census.booted.changes:
            key = _key(judged.change)
            item = advise(judged, everything=everything, on_openshift=on_openshift)
            # Where machines differ on what it is, the one that is less sure holds.
            if key not in items or item.advice is Advice.BY_HAND:
                items[key] = item
            names = holders.setdefault(key, [])
            if machine.name not in names[-1:]:
                names.append(machine.name)
    return tuple(replace(item, machines=tuple(holders[key])) for key, item in items.items())


def advise(judged: JudgedChange, *, everything: bool = False, on_openshift: bool = True) -> Item:
    """What should become of one change. `on_openshift`: its machine is a node, where operators can deliver things."""
    change, verdict = judged.change, judged.judgement.verdict
    names = names_of(change)
    traps = traps_of(names) if change.kind.installs else ()
    if change.active is False:
        return Item(judged, Advice.DROP, _INACTIVE)
    if judged.judgement.rule.endswith(".retired"):
        return Item(judged, Advice.DROP, _RETIRED)
    if verdict in {Verdict.EXTENSION, Verdict.KERNEL_TYPE}:
        return Item(judged, Advice.MCO, _managed_words(judged))
    if verdict is Verdict.UNDETERMINED and change.form not in _FORMS:
        return Item(judged, Advice.BY_HAND, _OPEN_CONFIG if judged.judgement.rule.endswith("_config") else _OPEN)
    if why := _by_hand(change):
        return Item(judged, Advice.BY_HAND, why)
    plain = Item(judged, Advice.IMAGE, "", traps=traps)
    if not change.kind.installs:
        return plain
    known = advice_for(names, judged.judgement.category, on_openshift=on_openshift)
    return _known_item(plain, known, everything=everything) if known else plain


def names_of(change: Change) -> tuple[str, ...]:
    """RPM names that the request may mean: for `libreswan-4.6` also the name before a version."""
    if change.name is None:
        return ()
    match = _NAME_VERSION.match(change.name) if change.form is Form.NAME else None
    return (change.name, match["name"]) if match else (change.name,)


def _known_item(plain: Item, known: KnownAdvice, *, everything: bool) -> Item:
    """The item of a package that can go into the image and of which something better may be known."""
    words = known.note or ""
    if known.advice is Advice.IMAGE or everything:
        return replace(plain, why=words, source=known.source if words else None)
    why = words or (_DROPPED if known.advice is Advice.DROP else _INSTEAD)
    return replace(plain, advice=known.advice, why=why, instead=known.instead, source=known.source)


def _by_hand(change: Change) -> str | None:
    """Why no command can be made of a request, if so."""
    if change.form in _FORMS and change.kind.installs:
        return _FORMS[change.form]
    if change.kind is Kind.MODULE:
        return _MODULE
    texts = [change.requested, *([change.nevra] if change.nevra else [])]
    fits = all(map(is_package, texts)) and (change.repository is None or is_repository(change.repository))
    return None if fits else _ODD


def _managed_words(judged: JudgedChange) -> str:
    is_kernel = judged.judgement.verdict is Verdict.KERNEL_TYPE
    what = "kernelType" if is_kernel else f"extension {judged.judgement.extension} in spec.extensions"
    match judged.judgement.managed:
        case True:
            return f"a MachineConfig asks for it ({what}); the operator installs it"
        case False:
            return f"no MachineConfig asks for it: put {what} into one, and the operator installs it"
        case None:
            return f"the operator installs it if a MachineConfig asks for it ({what}); check that one does"


def _key(change: Change) -> tuple[str, ...]:
    return (change.kind, change.requested, change.repository or "", str(change.active is False))


def with_advice(items: Iterable[Item], *advices: Advice) -> tuple[Item, ...]:
    """Items of these kinds of advice, in their order."""
    return tuple(item for item in items if item.advice in advices)
