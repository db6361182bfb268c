"""What a deployment's JSON asks for against what is there: `requested-*` against `packages` and `base-*`. Pure.

Asked for and there is active; asked for and not there is inactive; there and not asked for is active too, since what is
there counts. Where the list of facts is missing, whether a request is active is not known.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

from layercensus.errors import HostDocumentError
from layercensus.host.changes import install_change, local_change, module_change, name_and_nevra, normal_nevra
from layercensus.host.documents.json_entry import Entry, as_list, as_mapping, as_text
from layercensus.model import Change, Form, Kind


def changes_of(entry: Entry) -> tuple[Change, ...]:
    """All changes of one element of `deployments`, active or not."""
    groups = (_installs, _local_installs, _removals, _local_replacements, _remote_replacements, _modules)
    return tuple(chain.from_iterable(group(entry) for group in groups))


def _installs(entry: Entry) -> list[Change]:
    """Repository requests: active if `packages` has them; before 2017.3 `packages` were the requests themselves."""
    requested = dict.fromkeys(entry.strings("requested-packages"))
    layered = dict.fromkeys(entry.strings("packages"))
    known = "packages" in entry.keys
    changes = [
        install_change(text, "requested-packages", active=(text in layered) if known else None) for text in requested
    ]
    return changes + [install_change(text, "packages", active=True) for text in layered if text not in requested]


def _local_installs(entry: Entry) -> list[Change]:
    """Local RPMs have no list of facts: what the origin lists is in the deployment, or it could not have been made."""
    kinds = {
        "requested-local-packages": Kind.INSTALL_LOCAL,
        "requested-local-fileoverride-packages": Kind.INSTALL_LOCAL_FORCE,
    }
    return [local_change(kind, text, key) for key, kind in kinds.items() for text in entry.strings(key)]


def _removals(entry: Entry) -> list[Change]:
    key, fact_key = "requested-base-removals", "base-removals"
    facts = {fact.name: fact.nevra for fact in (_fact(value, entry, fact_key) for value in _facts(entry, fact_key))}
    requested = dict.fromkeys(entry.strings(key))
    known = fact_key in entry.keys
    changes = [_removal(name, key, facts.get(name), active=(name in facts) if known else None) for name in requested]
    extra = [_removal(name, fact_key, nevra, active=True) for name, nevra in facts.items() if name not in requested]
    return changes + extra


def _removal(name: str, key: str, nevra: str | None, *, active: bool | None) -> Change:
    return Change(
        kind=Kind.REMOVE, form=Form.NAME, requested=name, name=name, origin_key=key, active=active, nevra=nevra
    )


def _local_replacements(entry: Entry) -> list[Change]:
    key, fact_key = "requested-base-local-replacements", "base-local-replacements"
    pairs = [_pair(value, entry, fact_key) for value in _facts(entry, fact_key)]
    old_by_new = {normal_nevra(new.nevra): old.nevra for new, old in pairs}
    known = fact_key in entry.keys
    requested = entry.strings(key)
    changes = [
        _replacement(
            text,
            key,
            active=normal_nevra(text) in old_by_new if known else None,
            old=old_by_new.get(normal_nevra(text)),
        )
        for text in requested
    ]
    asked = {normal_nevra(text) for text in requested}
    extra = [
        _replacement(new.nevra, fact_key, active=True, old=old.nevra)
        for new, old in pairs
        if normal_nevra(new.nevra) not in asked
    ]
    return changes + extra


def _replacement(text: str, key: str, *, active: bool | None, old: str | None) -> Change:
    name, nevra = name_and_nevra(text)
    return Change(
        kind=Kind.REPLACE_LOCAL,
        form=Form.NEVRA if nevra else Form.NAME,
        requested=text,
        name=name,
        origin_key=key,
        active=active,
        nevra=nevra,
        replaces=old,
    )


def _remote_replacements(entry: Entry) -> list[Change]:
    key, fact_key = "requested-base-remote-replacements", "base-remote-replacements"
    facts: dict[tuple[str, str], tuple[_Fact, _Fact]] = {}
    for source, values in as_mapping(entry.keys.get(fact_key, {}), f"{entry.where}.{fact_key}").items():
        for value in as_list(values, f"{entry.where}.{fact_key}"):
            new, old = _pair(value, entry, fact_key)
            facts[(source, new.name)] = (new, old)
    known = fact_key in entry.keys
    requested = dict.fromkeys(_remote_requests(entry, key))
    changes = []
    for source, name in requested:
        pair = facts.get((source, name))
        changes.append(_remote(source, name, key, pair, active=(pair is not None) if known else None))
    extra = [_remote(*where, fact_key, pair, active=True) for where, pair in facts.items() if where not in requested]
    return changes + extra


def _remote_requests(entry: Entry, key: str) -> list[tuple[str, str]]:
    where = f"{entry.where}.{key}"
    pairs = []
    for value in as_list(entry.keys.get(key, []), where):
        source_and_names = as_list(value, where)
        if len(source_and_names) != 2:
            raise HostDocumentError(f"{where} has an element that is no pair of source and names")
        source = as_text(source_and_names[0], where)
        pairs += [(source, as_text(name, where)) for name in as_list(source_and_names[1], where)]
    return pairs


def _remote(source: str, name: str, key: str, pair: "tuple[_Fact, _Fact] | None", *, active: bool | None) -> Change:
    return Change(
        kind=Kind.REPLACE_REMOTE,
        form=Form.NAME,
        requested=name,
        name=name,
        origin_key=key,
        active=active,
        nevra=pair[0].nevra if pair else None,
        replaces=pair[1].nevra if pair else None,
        repository=source.removeprefix("repo="),
    )


def _modules(entry: Entry) -> list[Change]:
    """Modules (v2021.9 to v2024.6). `modules` lists the installed ones; an enabled one changes no package by itself."""
    layered = dict.fromkeys(entry.strings("modules"))
    known = "modules" in entry.keys
    changes = [
        module_change(text, "requested-modules", active=(text in layered) if known else None)
        for text in entry.strings("requested-modules")
    ]
    enabled = "requested-modules-enabled" if "requested-modules-enabled" in entry.keys else "modules-enabled"
    changes += [
        module_change(text, enabled, active=True if text in layered else None) for text in entry.strings(enabled)
    ]
    asked = {change.requested for change in changes}
    return changes + [module_change(text, "modules", active=True) for text in layered if text not in asked]


@dataclass(frozen=True, slots=True)
class _Fact:
    """A package of the `base-*` lists: `[nevra, name, epoch, version, release, arch]`, in 2017 a NEVRA alone."""

    nevra: str
    name: str


def _facts(entry: Entry, key: str) -> list[Any]:
    return as_list(entry.keys.get(key, []), f"{entry.where}.{key}")


def _fact(value: object, entry: Entry, key: str) -> _Fact:
    where = f"{entry.where}.{key}"
    if isinstance(value, str):
        return _Fact(nevra=value, name=name_and_nevra(value)[0])
    parts = as_list(value, where)
    if len(parts) < 2:
        raise HostDocumentError(f"{where} has a package without a name")
    return _Fact(nevra=as_text(parts[0], where), name=as_text(parts[1], where))


def _pair(value: object, entry: Entry, key: str) -> tuple[_Fact, _Fact]:
    pair = as_list(value, f"{entry.where}.{key}")
    if len(pair) != 2:
        raise HostDocumentError(f"{entry.where}.{key} has a replacement that is no pair of new and old")
    return _fact(pair[0], entry, key), _fact(pair[1], entry, key)
