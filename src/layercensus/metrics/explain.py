"""A census explained: for each change where it was read, which rule judged it and what it means for bootc. Pure.

::

    clusters/alpha/worker-3.json: packages
      a package that is no extension was installed
      release 4.14, read from the JSON of rpm-ostree status
      + htop
          what it does   installs a package from a repository
          read from      requested-packages, a request
          in effect      yes
          judged         non_extension by rule non_extension.package: …
          …
      bootc          will refuse to update this machine: its origin has
                     [packages] (htop)

What bootc refuses: a deployment whose origin has one of the groups `rpmostree`, `packages`, `overrides`, `modules`, and
be it empty (bootc `crates/lib/src/utils.rs`, `origin_has_rpmostree_stuff`).
"""

import textwrap
from collections.abc import Iterator, Mapping

from layercensus.metrics.census_table import WIDTH
from layercensus.model import (
    Census,
    Change,
    Deployment,
    JudgedChange,
    JudgedDeployment,
    Kind,
    Layering,
    Source,
    Unlocked,
)

_LABEL_WIDTH = 14
_LAYERING = {
    Layering.NOT_APPLICABLE: "it is no rpm-ostree machine",
    Layering.UNKNOWN: "what is layered on it could not be determined",
    Layering.PACKAGES: "a package that is no extension was installed",
    Layering.OVERRIDES: "a base package was removed or replaced, and nothing but extensions was installed",
    Layering.EXTENSIONS: "nothing but extensions and kernel types was installed",
    Layering.CLEAN: "nothing is layered on its base image",
}
_SOURCES = {
    Source.RPM_OSTREE_JSON: "the JSON of rpm-ostree status",
    Source.RPM_OSTREE_TEXT: "the text of rpm-ostree status",
    Source.ORIGIN: "an origin file",
    Source.SYSROOT: "the host's own files",
    Source.BOOTC: "bootc status",
    Source.MCD_LOG: "a log of the machine config daemon",
}
_SIGNS = {Kind.REMOVE: "-", Kind.REPLACE_LOCAL: "~", Kind.REPLACE_REMOTE: "~"}
_KINDS = {
    Kind.INSTALL: "installs a package from a repository",
    Kind.INSTALL_LOCAL: "installs a local RPM",
    Kind.INSTALL_LOCAL_FORCE: "installs a local RPM over files of others",
    Kind.REMOVE: "removes a base package",
    Kind.REPLACE_LOCAL: "replaces a base package by a local RPM",
    Kind.REPLACE_REMOTE: "replaces a base package from a repository",
    Kind.MODULE: "enables or installs a module",
}
_ACTIVE = {
    True: "yes",
    False: "no: asked for, and the deployment does not have it",
    None: "not known from this source, so it counts",
}
_MANAGED = {
    True: "yes, the rendered MachineConfig asks for it",
    False: "no, the rendered MachineConfig does not ask for it",
}
_FLAG = {True: "yes", False: "no", None: "not known"}


def explain_lines(census: Census, meanings: Mapping[str, str]) -> Iterator[str]:
    """Lines of one machine's explanation. `meanings`: id of a rule -> what it holds for (`docs/rules.md`)."""
    machine, booted = census.machine, census.booted
    yield from _wrapped(f"{machine.input}: {booted.layering}", indent=0)
    yield from _wrapped(_LAYERING[booted.layering], indent=2)
    source = _SOURCES[machine.source] if machine.source else "nothing that could be read"
    yield from _wrapped(f"{_release_words(census)}, read from {source}", indent=2)
    yield from _explained(booted, census, meanings)
    yield from _unread_lines(census)
    if machine.booted is not None:
        yield from _flag_lines(machine.booted)
        yield from _labelled("bootc", _bootc_words(machine.booted, booted), indent=2)
    if census.staged is not None and machine.staged is not None:
        yield from _wrapped(f"next boot: {census.staged.layering}", indent=2)
        yield from _wrapped(_LAYERING[census.staged.layering], indent=4)
        yield from _explained(census.staged, census, meanings, is_booted=False)
        yield from _labelled("bootc", _bootc_words(machine.staged, census.staged), indent=4)
    for problem in census.problems:
        yield from _wrapped(f"! {problem}", indent=2)


def _explained(
    judged: JudgedDeployment, census: Census, meanings: Mapping[str, str], *, is_booted: bool = True
) -> Iterator[str]:
    # Vendors were read in the booted deployment: of the next one they say nothing.
    vendors = census.machine.rpm_vendors if is_booted else {}
    for item in judged.changes:
        yield from _change_lines(item, vendors, meanings, indent=2 if is_booted else 4)


def _release_words(census: Census) -> str:
    booted, candidates = census.booted, census.booted.release_candidates
    if booted.release:
        judged_by = f", judged by {candidates[0]}" if candidates and booted.release not in candidates else ""
        return f"release {booted.release}{judged_by}"
    if census.machine.os.openshift is False or booted.layering is Layering.NOT_APPLICABLE:
        return "no release of OpenShift, so it has no extensions"
    return f"release not known, judged by {candidates[0]} to {candidates[-1]}" if candidates else "release not known"


def _change_lines(
    judged: JudgedChange, vendors: Mapping[str, str], meanings: Mapping[str, str], *, indent: int
) -> Iterator[str]:
    change, judgement = judged.change, judged.judgement
    yield from _wrapped(f"{_SIGNS.get(change.kind, '+')} {change.requested}", indent=indent)
    meaning = meanings.get(judgement.rule)
    rule = f"{judgement.verdict} by rule {judgement.rule}" + (f": {meaning}" if meaning else "")
    facts = {
        "what it does": _KINDS[change.kind] + (f" {change.repository}" if change.repository else ""),
        "package": change.nevra if change.nevra != change.requested else None,
        "replaces": change.replaces,
        "read from": _origin_words(change),
        "in effect": _ACTIVE[change.active],
        "judged": rule,
        "extension": judgement.extension,
        "managed": None if judgement.managed is None else _MANAGED[judgement.managed],
        "category": judgement.category,
        "need": judgement.need,
        "vendor": _vendor_words(judged, vendors),
    }
    for label, value in facts.items():
        if value is not None:
            yield from _labelled(label, value, indent=indent + 4)


def _origin_words(change: Change) -> str:
    what = "which is in the deployment and which nothing asks for" if _is_fact(change) else "a request"
    return f"{change.origin_key}, {what}"


def _is_fact(change: Change) -> bool:
    """Whether it stands only among what is there (`base-removals`, …): then the origin has no entry for it."""
    return change.origin_key.startswith("base-")


def _vendor_words(judged: JudgedChange, vendors: Mapping[str, str]) -> str | None:
    """Label, and the vendor's own words for the administrator's screen."""
    label = judged.judgement.vendor
    said = vendors.get(judged.change.name or "")
    return f'{label}, by its own word "{said}"' if label and said else label


def _unread_lines(census: Census) -> Iterator[str]:
    """Dependencies, and what this source says of none of the changes: once, not with each of them."""
    changes, dependencies = census.booted.changes, census.machine.dependencies
    if dependencies is not None:
        names = f": {', '.join(dependencies)}" if dependencies else ""
        yield from _labelled("dependencies", f"{len(dependencies)} came in with the installs{names}", indent=2)
    unread = []
    if changes and census.machine.rendered_config is None and all(c.judgement.managed is None for c in changes):
        unread.append("whether the rendered MachineConfig asks for it")
    if changes and all(item.judgement.vendor is None for item in changes):
        unread.append("vendors")
    if dependencies is None and any(item.change.kind.installs for item in changes):
        unread.append("which packages came in as dependencies")
    if unread:
        yield from _labelled("not read", ", ".join(unread), indent=2)


def _flag_lines(deployment: Deployment) -> Iterator[str]:
    unlocked = deployment.unlocked
    flags = {
        "unlocked": "not known" if unlocked is None else "no" if unlocked is Unlocked.NONE else f"yes, {unlocked}",
        "live changes": _FLAG[deployment.live_applied],
        "own initramfs": _FLAG[deployment.initramfs],
        "custom image": _FLAG[deployment.image_layered],
    }
    for label, value in flags.items():
        yield from _labelled(label, value, indent=2)


def _bootc_words(deployment: Deployment, judged: JudgedDeployment) -> str:
    entries = ", ".join(
        f"[{group}] ({', '.join(names)})" for group, names in _origin_groups(deployment, judged).items()
    )
    if deployment.bootc_incompatible is None and not entries:
        return "whether it will refuse this machine is not known from this source"
    if deployment.bootc_incompatible is False:
        return "will not refuse this machine: its origin has no entry of rpm-ostree's"
    return f"will refuse to update this machine: its origin has {entries or 'an entry that this source does not name'}"


def _origin_groups(deployment: Deployment, judged: JudgedDeployment) -> dict[str, list[str]]:
    """Group of the origin file -> its entries, in effect or not: bootc looks at what is asked for."""
    groups: dict[str, list[str]] = {}
    for change in (item.change for item in judged.changes):
        if not _is_fact(change):
            group = "packages" if change.kind.installs else "modules" if change.kind is Kind.MODULE else "overrides"
            groups.setdefault(group, []).append(change.requested)
    if deployment.initramfs:
        groups["rpmostree"] = ["initramfs"]
    return groups


def _labelled(label: str, text: str, *, indent: int) -> Iterator[str]:
    column = indent + _LABEL_WIDTH
    lines = textwrap.wrap(text, width=max(WIDTH - column - 1, 20), break_long_words=False, break_on_hyphens=False) or [
        ""
    ]
    for number, line in enumerate(lines):
        head = label if number == 0 else ""
        yield f"{' ' * indent}{head:<{_LABEL_WIDTH}} {line}\n"


def _wrapped(text: str, *, indent: int) -> Iterator[str]:
    lines = textwrap.wrap(
        text,
        width=WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return (f"{line}\n" for line in lines)
