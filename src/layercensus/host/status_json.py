"""`rpm-ostree status --json` to deployments, of any rpm-ostree since 2016. Pure.

What was asked for (`requested-*`) and what is there (`packages`, `base-*`) are compared: asked and not there is an
inactive change. Key by key after `docs/formats.md` and rpm-ostree's `rust/src/daemon.rs`. Sample::

    {"deployments": [{"booted": true, "origin": "fedora:fedora/x86_64/coreos/stable", "version": "38.20231014.3.0",
                      "packages": ["tailscale"], "requested-packages": ["tailscale"], "base-removals": [], …}],
     "transaction": null}
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from layercensus.errors import HostDocumentError, NevraError
from layercensus.host.image_config import image_arch
from layercensus.host.nevra import parse_nevra, parse_request, strip_sha256
from layercensus.host.os_identity import is_image_layered
from layercensus.host.reading import Reading
from layercensus.model import Change, Deployment, Form, Kind, Unlocked

# Keys that every deployment has had since that release (`requested-*`: every one with an origin); a document that is
# that young and lacks one was edited, and what the key would have said is not known.
_ALWAYS_SINCE: Mapping[str, tuple[int, int]] = {
    "packages": (2016, 4),
    "requested-packages": (2017, 3),
    "requested-local-packages": (2017, 4),
    "base-removals": (2017, 7),
    "requested-base-removals": (2017, 7),
    "base-local-replacements": (2017, 7),
    "requested-base-local-replacements": (2017, 7),
    "requested-local-fileoverride-packages": (2021, 13),
    "base-remote-replacements": (2022, 11),
}
# Keys whose mere presence tells the writer's age.
_AGE_EVIDENCE: Mapping[str, tuple[int, int]] = {
    **_ALWAYS_SINCE,
    "pinned": (2018, 4),
    "initramfs-etc": (2020, 6),
    "container-image-reference": (2021, 7),
    "requested-modules": (2021, 9),
    "requested-modules-enabled": (2022, 11),
}
_STAGED_ALWAYS_SINCE = (2021, 5)


def parse_status(document: object) -> Reading:
    """Deployments of a decoded status document. Raises `HostDocumentError` where a value has the wrong type."""
    if not isinstance(document, Mapping) or "deployments" not in document:
        raise HostDocumentError("is JSON, but has no key 'deployments': no output of rpm-ostree status --json")
    entries = _as_list(document["deployments"], "deployments")
    parsed = [_parse_deployment(entry, f"deployments[{index}]") for index, entry in enumerate(entries)]
    return Reading(
        deployments=tuple(deployment for deployment, _ in parsed),
        problems=tuple(chain.from_iterable(problems for _, problems in parsed)),
        arch=next(filter(None, (image_arch(entry) for entry in entries)), None),
    )


@dataclass
class _Entry:
    """One element of `deployments`, with typed access to its keys; `problems` grows as keys are read."""

    keys: Mapping[str, Any]
    where: str
    problems: list[str] = field(default_factory=list)

    def strings(self, *names: str) -> list[str]:
        """The list of strings under the first of these keys that is there; empty if none is."""
        for name in names:
            if name in self.keys:
                values = _as_list(self.keys[name], f"{self.where}.{name}")
                return list(dict.fromkeys(_as_text(value, f"{self.where}.{name}") for value in values))
        return []

    def text(self, name: str) -> str | None:
        value = self.keys.get(name)
        return None if value is None else _as_text(value, f"{self.where}.{name}")

    def flag(self, name: str) -> bool:
        value = self.keys.get(name, False)
        if not isinstance(value, bool):
            raise HostDocumentError(f"{self.where}.{name} is neither true nor false")
        return value


def _parse_deployment(value: object, where: str) -> tuple[Deployment, list[str]]:
    if not isinstance(value, Mapping):
        raise HostDocumentError(f"{where} is no object")
    entry = _Entry(value, where)
    booted = entry.flag("booted")
    missing = _missing_keys(entry.keys)
    if missing:
        entry.problems.append(f"{where} lacks {', '.join(missing)}: what is layered there cannot be told")
    changes = tuple(
        chain(_installs(entry), _local_installs(entry), _removals(entry), _replacements(entry), _modules(entry))
    )
    custom = entry.strings("custom-origin")
    deployment = Deployment(
        booted=booted,
        staged=entry.flag("staged"),
        pinned=entry.flag("pinned"),
        cut=bool(missing),
        checksum=entry.text("checksum"),
        base_checksum=entry.text("base-checksum"),
        image=entry.text("container-image-reference"),
        origin=custom[0] if custom else entry.text("origin"),
        custom_origin=(custom[0], custom[1]) if len(custom) > 1 else None,
        osname=entry.text("osname"),
        version=entry.text("version"),
        changes=changes,
        unlocked=_unlocked(entry),
        live_applied=entry.text("live-replaced") is not None or entry.text("live-inprogress") is not None,
        initramfs=_initramfs(entry),
        image_layered=is_image_layered(entry.text("container-image-reference"), *custom),
        bootc_incompatible=_bootc_incompatible(entry, missing),
    )
    # Of a rollback it matters to nobody that a key is missing: only what boots is judged.
    return deployment, entry.problems if booted or deployment.staged else []


def _missing_keys(keys: Mapping[str, Any]) -> list[str]:
    """Keys that a document of this age must have and this one lacks; all requests at once may be gone (no origin)."""
    age = max((since for key, since in _AGE_EVIDENCE.items() if key in keys), default=(2016, 4))
    if keys.get("staged") is False:
        age = max(age, _STAGED_ALWAYS_SINCE)
    without_origin = not any(key.startswith("requested-") for key in keys) and not keys.get("base-checksum")
    return [
        key
        for key, since in _ALWAYS_SINCE.items()
        if since <= age and key not in keys and not (without_origin and key.startswith("requested-"))
    ]


def _installs(entry: _Entry) -> list[Change]:
    """Repository requests: active if `packages` has them; before 2017.3 `packages` were the requests themselves."""
    requested = entry.strings("requested-packages")
    layered = entry.strings("packages")
    known = "packages" in entry.keys
    changes = [_install(text, "requested-packages", active=(text in layered) if known else None) for text in requested]
    return changes + [_install(text, "packages", active=True) for text in layered if text not in requested]


def _install(text: str, key: str, *, active: bool | None) -> Change:
    form, name, nevra = parse_request(text)
    return Change(
        kind=Kind.INSTALL,
        form=form,
        requested=text,
        name=name,
        origin_key=key,
        active=active,
        nevra=str(nevra) if nevra else None,
    )


def _local_installs(entry: _Entry) -> list[Change]:
    """Local RPMs have no list of facts: what the origin lists is in the deployment, or it could not have been made."""
    kinds = {
        "requested-local-packages": Kind.INSTALL_LOCAL,
        "requested-local-fileoverride-packages": Kind.INSTALL_LOCAL_FORCE,
    }
    return [local_change(kind, text, key) for key, kind in kinds.items() for text in entry.strings(key)]


def local_change(kind: Kind, text: str, key: str, *, active: bool | None = True) -> Change:
    """Build a change from a local package's NEVRA (a sha256 in front is dropped)."""
    text = strip_sha256(text)
    name, nevra = _name_and_nevra(text)
    form = Form.NEVRA if nevra else Form.NAME
    return Change(kind=kind, form=form, requested=text, name=name, origin_key=key, active=active, nevra=nevra)


def _name_and_nevra(text: str) -> tuple[str, str | None]:
    try:
        return parse_nevra(text).name, text
    except NevraError:
        return text, None


def _removals(entry: _Entry) -> list[Change]:
    key, fact_key = "requested-base-removals", "base-removals"
    facts = {fact.name: fact.nevra for fact in (_fact(value, entry, fact_key) for value in _facts(entry, fact_key))}
    requested = entry.strings(key)
    known = fact_key in entry.keys
    changes = [_removal(name, key, facts.get(name), active=(name in facts) if known else None) for name in requested]
    extra = [_removal(name, fact_key, nevra, active=True) for name, nevra in facts.items() if name not in requested]
    return changes + extra


def _removal(name: str, key: str, nevra: str | None, *, active: bool | None) -> Change:
    return Change(
        kind=Kind.REMOVE, form=Form.NAME, requested=name, name=name, origin_key=key, active=active, nevra=nevra
    )


def _replacements(entry: _Entry) -> list[Change]:
    return _local_replacements(entry) + _remote_replacements(entry)


def _local_replacements(entry: _Entry) -> list[Change]:
    key, fact_key = "requested-base-local-replacements", "base-local-replacements"
    pairs = [_pair(value, entry, fact_key) for value in _facts(entry, fact_key)]
    old_by_new = {_normal(new.nevra): old.nevra for new, old in pairs}
    known = fact_key in entry.keys
    requested = entry.strings(key)
    changes = [
        _replacement(
            text, key, active=_normal(text) in old_by_new if known else None, old=old_by_new.get(_normal(text))
        )
        for text in requested
    ]
    asked = {_normal(text) for text in requested}
    extra = [
        _replacement(new.nevra, fact_key, active=True, old=old.nevra)
        for new, old in pairs
        if _normal(new.nevra) not in asked
    ]
    return changes + extra


def _replacement(text: str, key: str, *, active: bool | None, old: str | None) -> Change:
    name, nevra = _name_and_nevra(text)
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


def _remote_replacements(entry: _Entry) -> list[Change]:
    key, fact_key = "requested-base-remote-replacements", "base-remote-replacements"
    facts: dict[tuple[str, str], tuple[_Fact, _Fact]] = {}
    for source, values in _as_mapping(entry.keys.get(fact_key, {}), f"{entry.where}.{fact_key}").items():
        for value in _as_list(values, f"{entry.where}.{fact_key}"):
            new, old = _pair(value, entry, fact_key)
            facts[(source, new.name)] = (new, old)
    known = fact_key in entry.keys
    requested = list(dict.fromkeys(_remote_requests(entry, key)))
    changes = []
    for source, name in requested:
        pair = facts.get((source, name))
        changes.append(_remote(source, name, key, pair, active=(pair is not None) if known else None))
    extra = [_remote(*where, fact_key, pair, active=True) for where, pair in facts.items() if where not in requested]
    return changes + extra


def _remote_requests(entry: _Entry, key: str) -> list[tuple[str, str]]:
    where = f"{entry.where}.{key}"
    pairs = []
    for value in _as_list(entry.keys.get(key, []), where):
        source_and_names = _as_list(value, where)
        if len(source_and_names) != 2:
            raise HostDocumentError(f"{where} has an element that is no pair of source and names")
        source = _as_text(source_and_names[0], where)
        pairs += [(source, _as_text(name, where)) for name in _as_list(source_and_names[1], where)]
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


def _modules(entry: _Entry) -> list[Change]:
    """Modules (v2021.9 to v2024.6). `modules` lists the installed ones; an enabled one changes no package by itself."""
    layered = entry.strings("modules")
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


def module_change(text: str, key: str, *, active: bool | None) -> Change:
    """Build a change from a module request, `name:stream[/profile]`; it has no RPM name."""
    return Change(kind=Kind.MODULE, form=Form.NAME, requested=text, name=None, origin_key=key, active=active)


@dataclass(frozen=True, slots=True)
class _Fact:
    """A package of the `base-*` lists: `[nevra, name, epoch, version, release, arch]`, in 2017 a NEVRA alone."""

    nevra: str
    name: str


def _facts(entry: _Entry, key: str) -> list[Any]:
    return _as_list(entry.keys.get(key, []), f"{entry.where}.{key}")


def _fact(value: object, entry: _Entry, key: str) -> _Fact:
    where = f"{entry.where}.{key}"
    if isinstance(value, str):
        return _Fact(nevra=value, name=_name_and_nevra(value)[0])
    parts = _as_list(value, where)
    if len(parts) < 2:
        raise HostDocumentError(f"{where} has a package without a name")
    return _Fact(nevra=_as_text(parts[0], where), name=_as_text(parts[1], where))


def _pair(value: object, entry: _Entry, key: str) -> tuple[_Fact, _Fact]:
    pair = _as_list(value, f"{entry.where}.{key}")
    if len(pair) != 2:
        raise HostDocumentError(f"{entry.where}.{key} has a replacement that is no pair of new and old")
    return _fact(pair[0], entry, key), _fact(pair[1], entry, key)


def _normal(text: str) -> str:
    """One spelling for `foo-0:1-2.noarch` and `foo-1-2.noarch`."""
    try:
        return str(parse_nevra(text))
    except NevraError:
        return text


def _unlocked(entry: _Entry) -> Unlocked | None:
    value = entry.text("unlocked")
    if value is None:
        return None
    try:
        return Unlocked(value)
    except ValueError:
        entry.problems.append(f"{entry.where}.unlocked is {value!r}, which is no state that ostree has")
        return None


def _initramfs(entry: _Entry) -> bool | None:
    if "regenerate-initramfs" not in entry.keys:
        return None
    return entry.flag("regenerate-initramfs") or bool(entry.strings("initramfs-etc") or entry.strings("initramfs-args"))


def _bootc_incompatible(entry: _Entry, missing: list[str]) -> bool | None:
    """Bootc refuses an origin with a group rpmostree, packages, overrides or modules (its `utils.rs`)."""
    asked = any(values for key, values in entry.keys.items() if key.startswith("requested-") and values)
    if asked or _initramfs(entry) or entry.flag("cliwrap"):
        return True
    return None if missing else False


def _as_list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise HostDocumentError(f"{where} is no list")
    return value


def _as_mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise HostDocumentError(f"{where} is no object")
    return value


def _as_text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise HostDocumentError(f"{where} has a value that is no text")
    return value
