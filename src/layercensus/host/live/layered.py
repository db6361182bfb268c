"""Requests of an origin against the facts of a commit: what is in effect, what came in with it. Pure.

The rules are those by which rpm-ostree tells an inactive request (`src/app/rpmostree-builtin-status.cxx`); the names
of requests in the answer are the origin's keys, of facts that nobody asks for the commit's keys.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from layercensus.errors import NevraError
from layercensus.host.changes import install_change, local_change, module_change, normal_nevra
from layercensus.host.live.ostree_commit import LayerFacts
from layercensus.host.nevra import Nevra, parse_nevra
from layercensus.model import Change, Form, Kind

# What a live update brought in, in place of the key that asked for it.
LIVE_KEY = "live-apply"


def changes_in_effect(
    requests: Iterable[Change], facts: LayerFacts, packages: frozenset[Nevra] | None, *, key: str | None = None
) -> tuple[Change, ...]:
    """Each request with whether it is in effect, then what is in effect and was not asked for.

    `packages`: all of the deployment, None where they could not be read; a local package is in effect if it is among
    them, and else was asked for, which is all that rpm-ostree itself says. `key`: origin key of what nobody asked for.
    """
    asked = tuple(_settled(change, facts, packages) for change in requests)
    return asked + tuple(_unasked(asked, facts, key))


def layered_packages(packages: frozenset[Nevra], base: frozenset[Nevra]) -> tuple[Nevra, ...]:
    """Packages of a deployment that its base has not, in order of their names."""
    return tuple(sorted(packages - base, key=str))


def dependencies_of(added: Iterable[Nevra], changes: Iterable[Change]) -> tuple[str, ...]:
    """NEVRAs of the added packages that no change in effect names: they came in with the others.

    What a provide or a path brought in is not told by its name, so it stays among them.
    """
    named = tuple(change for change in changes if change.active is not False and change.kind is not Kind.REMOVE)
    return tuple(str(package) for package in added if not any(_names(change, package) for change in named))


def _settled(change: Change, facts: LayerFacts, packages: frozenset[Nevra] | None) -> Change:
    match change.kind:
        case Kind.INSTALL:
            return replace(change, active=change.requested in facts.packages)
        case Kind.INSTALL_LOCAL | Kind.INSTALL_LOCAL_FORCE:
            return replace(change, active=packages is None or _is_there(change, packages))
        case Kind.REMOVE:
            nevra = facts.removed.get(change.requested)
            return replace(change, active=nevra is not None, nevra=nevra)
        case Kind.REPLACE_LOCAL:
            old = _old_of(facts, change)
            return replace(change, active=old is not None, replaces=old)
        case Kind.REPLACE_REMOTE:
            new, gone = facts.replaced_remote.get((f"repo={change.repository}", change.requested), (None, None))
            return replace(change, active=new is not None, nevra=new, replaces=gone)
        case Kind.MODULE:
            in_effect = change.requested in facts.modules
            # To enable a module changes no package by itself: not in the list says nothing.
            only_enabled = change.origin_key.endswith("enable")
            return replace(change, active=True if in_effect else None if only_enabled else False)


def _is_there(change: Change, packages: frozenset[Nevra]) -> bool:
    try:
        return parse_nevra(change.requested) in packages
    except NevraError:
        return any(package.name == change.name for package in packages)


def _old_of(facts: LayerFacts, change: Change) -> str | None:
    wanted = normal_nevra(change.requested)
    return next((old for new, old in facts.replaced.items() if normal_nevra(new) == wanted), None)


def _unasked(asked: tuple[Change, ...], facts: LayerFacts, key: str | None) -> Iterator[Change]:
    """Facts without a request: an origin that was edited or is older than the commit does not hide them."""
    known = {(change.kind, change.repository, normal_nevra(change.requested)) for change in asked}
    for text in facts.packages:
        if (Kind.INSTALL, None, normal_nevra(text)) not in known:
            yield install_change(text, key or "rpmostree.packages", active=True)
    for name, nevra in facts.removed.items():
        if (Kind.REMOVE, None, name) not in known:
            yield Change(
                Kind.REMOVE, Form.NAME, name, name, key or "rpmostree.removed-base-packages", active=True, nevra=nevra
            )
    for new, old in facts.replaced.items():
        if (Kind.REPLACE_LOCAL, None, normal_nevra(new)) not in known:
            where = key or "rpmostree.replaced-base-packages"
            yield replace(local_change(Kind.REPLACE_LOCAL, new, where), replaces=old)
    for (source, name), (new, old) in facts.replaced_remote.items():
        repository = source.removeprefix("repo=")
        if (Kind.REPLACE_REMOTE, repository, name) not in known:
            where = key or "rpmostree.replaced-base-remote-packages"
            found = Change(Kind.REPLACE_REMOTE, Form.NAME, name, name, where, active=True, repository=repository)
            yield replace(found, nevra=new, replaces=old)
    for text in facts.modules:
        if not any(change.kind is Kind.MODULE and change.requested == text for change in asked):
            yield module_change(text, key or "rpmostree.modules", active=True)


def _names(change: Change, package: Nevra) -> bool:
    """Whether a change in effect is this package."""
    if change.form is Form.GLOB:
        return fnmatchcase(package.name, change.requested)
    if change.nevra is not None:
        return _same(change.nevra, package)
    if change.form is Form.NAME_ARCH:
        return change.requested == f"{package.name}.{package.arch}"
    versioned = f"{package.name}-{package.version}"
    return change.requested in {package.name, versioned, f"{versioned}-{package.release}"}


def _same(nevra: str, package: Nevra) -> bool:
    """Whether a NEVRA, or a NEVR without architecture, is this package."""
    try:
        parsed = parse_nevra(nevra)
    except NevraError:
        return False
    return replace(package, arch=parsed.arch) == parsed if parsed.arch is None else parsed == package
