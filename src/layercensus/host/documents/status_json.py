"""`rpm-ostree status --json` to deployments, of any rpm-ostree since 2016. Pure.

What was asked for (`requested-*`) and what is there (`packages`, `base-*`) are compared: asked and not there is an
inactive change. Key by key after `docs/formats.md` and rpm-ostree's `rust/src/daemon.rs`. Sample::

    {"deployments": [{"booted": true, "origin": "fedora:fedora/x86_64/coreos/stable", "version": "38.20231014.3.0",
                      "packages": ["tailscale"], "requested-packages": ["tailscale"], "base-removals": [], …}],
     "transaction": null}
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from layercensus.errors import HostDocumentError
from layercensus.host.documents.image_config import image_arch
from layercensus.host.documents.json_changes import changes_of
from layercensus.host.documents.json_entry import Entry, as_list
from layercensus.host.os_identity import is_image_layered
from layercensus.host.reading import Reading
from layercensus.model import Deployment, Unlocked

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
    entries = as_list(document["deployments"], "deployments")
    parsed = [_parse_deployment(entry, f"deployments[{index}]") for index, entry in enumerate(entries)]
    return Reading(
        deployments=tuple(deployment for deployment, _ in parsed),
        problems=tuple(chain.from_iterable(problems for _, problems in parsed)),
        arch=next(filter(None, (image_arch(entry) for entry in entries)), None),
    )


def _parse_deployment(value: object, where: str) -> tuple[Deployment, list[str]]:
    if not isinstance(value, Mapping):
        raise HostDocumentError(f"{where} is no object")
    entry = Entry(value, where)
    booted = entry.flag("booted")
    missing = _missing_keys(entry.keys)
    if missing:
        entry.problems.append(f"{where} lacks {', '.join(missing)}: what is layered there cannot be told")
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
        changes=changes_of(entry),
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


def _unlocked(entry: Entry) -> Unlocked | None:
    value = entry.text("unlocked")
    if value is None:
        return None
    try:
        return Unlocked(value)
    except ValueError:
        entry.problems.append(f"{entry.where}.unlocked is {value!r}, which is no state that ostree has")
        return None


def _initramfs(entry: Entry) -> bool | None:
    if "regenerate-initramfs" not in entry.keys:
        return None
    return entry.flag("regenerate-initramfs") or bool(entry.strings("initramfs-etc") or entry.strings("initramfs-args"))


def _bootc_incompatible(entry: Entry, missing: list[str]) -> bool | None:
    """Bootc refuses an origin with a group rpmostree, packages, overrides or modules (its `utils.rs`)."""
    asked = any(values for key, values in entry.keys.items() if key.startswith("requested-") and values)
    if asked or _initramfs(entry) or entry.flag("cliwrap"):
        return True
    return None if missing else False
