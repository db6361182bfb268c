"""Which operating system a deployment is of, from its version, origin, image and stateroot. Pure; the table is data.

An os-release file says it better; a status document has none, so the names in it have to do
(`data/os_identities.json`).
"""

import re
from functools import cache
from typing import Any

from layercensus.data import read_json
from layercensus.model import Deployment, OperatingSystem

_ARCH = re.compile(r"(?:^|[/:_-])(x86_64|aarch64|ppc64le|s390x|riscv64|armhfp)(?:/|$)")


def identify(deployment: Deployment) -> OperatingSystem:
    """Id, variant, version and architecture of a deployment's OS; None where nothing in it tells."""
    entry = _entry_of(deployment)
    match = _ARCH.search(deployment.origin or "")
    return OperatingSystem(
        id=entry.get("id"),
        variant=entry.get("variant"),
        version=deployment.version,
        arch=match[1] if match else None,
        openshift=entry.get("openshift"),
    )


def is_image_layered(*references: str | None) -> bool | None:
    """Whether a reference is of a custom OS image: False for a payload's own, None where it can't be told."""
    for entry in read_json("os_identities.json")["release_images"]["patterns"]:
        if any(re.search(entry["pattern"], reference) for reference in references if reference):
            return bool(entry["image_layered"])
    return None


def _entry_of(deployment: Deployment) -> dict[str, Any]:
    values = {
        "version": deployment.version,
        "origin": deployment.origin,
        "image": deployment.image,
        "osname": deployment.osname,
    }
    for field, pattern, entry in _patterns():
        if pattern.search(values[field] or ""):
            return entry
    return {}


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], dict[str, Any]], ...]:
    entries = read_json("os_identities.json")["identities"]
    return tuple((entry["field"], re.compile(entry["pattern"]), entry) for entry in entries)
