"""The human text of `bootc status`, 2024 and since, to deployments. Pure.

It never says whether a deployment was changed client-side, so none of it reads as clean. Samples, of today and 2024::

    ● Booted image: quay.io/centos-bootc/centos-bootc:stream9
            Digest: sha256:47e5… (arm64)
           Version: stream9.20240807.0

      Rollback ostree
            Commit: 8207…

    No staged image present
    Current booted image: localhost/bootc:latest
        Image version: stream9.20241108.0 (2024-11-09 22:42:18.512463512 UTC)
        Image digest: sha256:7e12…

Source: bootc-dev/bootc `crates/lib/src/status.rs` (`human_render_slot`), and its text of version 1.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from layercensus.host.documents.image_config import rpm_arch
from layercensus.host.os_identity import is_image_layered
from layercensus.host.reading import Reading
from layercensus.model import Deployment, Readability, Unlocked

# Go's names of architectures that RPM calls otherwise (OCI image specification, "architecture").

_SLOT = re.compile(r"^\W{0,8}(Booted|Staged|Rollback|Other) (image|ostree|composefs)(?:: (\S+))?\s*$")
_OLD_SLOT = re.compile(r"^\s*Current (booted|staged|rollback) (?:image: (\S+)|state is (native ostree|unknown))\s*$")
_ROW = re.compile(r"^\s*(?:Image )?([A-Za-z/][\w/ -]*): (.+)$")
_NOT_BOOTC = re.compile(r"^System is not deployed via bootc|^No booted image present", re.MULTILINE)
_FAILURE = re.compile(r"^[^\w\n]{0,40}(?:ERROR|error): ?(.{1,200})", re.MULTILINE)
_ARCH = re.compile(r"\((\w+)\)$")
_OVERLAYS: Mapping[str, Unlocked] = {
    "transient, read/write": Unlocked.DEVELOPMENT,
    "persistent, read/write": Unlocked.HOTFIX,
    "transient, read-only": Unlocked.TRANSIENT,
}
_IMAGE_ONLY = (
    "the text of bootc status never says whether the machine was changed client-side: bootc status --json or "
    "rpm-ostree status does"
)
_NO_IMAGE = (
    "bootc shows no image: a plain ostree commit, or a deployment that was changed client-side; the text does not tell "
    "which, rpm-ostree status does"
)


@dataclass
class _Slot:
    name: str
    image: str | None
    rows: dict[str, str] = field(default_factory=dict)


def parse_bootc_text(text: str) -> Reading:
    """Deployments of a human text; unknown with its reason where it shows no booted one. Never raises."""
    slots: list[_Slot] = []
    for line in text.splitlines():
        if slot := _slot(line):
            slots.append(slot)
        elif slots and (row := _ROW.match(line.rstrip())):
            slots[-1].rows.setdefault(row[1].lower(), row[2])
    booted = next((slot for slot in slots if slot.name == "booted"), None)
    if booted is None:
        return Reading(readability=Readability.UNKNOWN, problems=(_why_none(text),))
    arch = _ARCH.search(booted.rows.get("digest", ""))
    return Reading(
        deployments=tuple(map(_deployment, slots)),
        problems=(_IMAGE_ONLY if booted.image else _NO_IMAGE,),
        arch=rpm_arch(arch[1]) if arch else None,
    )


def _slot(line: str) -> _Slot | None:
    if match := _SLOT.match(line):
        return _Slot(match[1].lower(), match[3])
    if match := _OLD_SLOT.match(line):
        return _Slot(match[1], match[2])
    return None


def _deployment(slot: _Slot) -> Deployment:
    version = slot.rows.get("version", "").split()
    return Deployment(
        booted=slot.name == "booted",
        staged=slot.name == "staged",
        pinned=slot.rows.get("pinned") == "yes",
        cut=True,
        checksum=slot.rows.get("commit"),
        image=slot.image,
        osname=slot.rows.get("stateroot"),
        version=version[0] if version else None,
        unlocked=_OVERLAYS.get(slot.rows.get("/usr overlay", "")),
        image_layered=is_image_layered(slot.image),
    )


def _why_none(text: str) -> str:
    if failure := _FAILURE.search(text):
        return f"bootc status failed: {failure[1].strip()}"
    if _NOT_BOOTC.search(text):
        return "the system is not deployed through bootc: rpm-ostree status may know more"
    return "is no output of bootc status that we know"
