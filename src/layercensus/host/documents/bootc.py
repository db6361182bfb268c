"""`bootc status` as JSON, YAML or human text to deployments. Pure.

The document answers whether a machine was changed client-side, never what was changed: `incompatible: true` says that
the origin has a group rpmostree, packages, overrides or modules, and hides the image. That is unknown with its reason;
`incompatible: false` is clean; human text never shows it and is unknown. Sample::

    apiVersion: org.containers.bootc/v1
    kind: BootcHost
    status:
      staged: null
      booted:
        image: {image: {image: quay.io/centos-bootc/centos-bootc:stream9, …}, version: …, architecture: arm64}
        incompatible: false
        ostree: {checksum: 439f…, deploySerial: 0, stateroot: default}
      rollback: null
      usrOverlay: null

Sources: bootc-dev/bootc `crates/lib/src/spec.rs`, `status.rs`, `utils.rs` (`origin_has_rpmostree_stuff`).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from layercensus.host.documents.bootc_text import parse_bootc_text
from layercensus.host.documents.image_config import rpm_arch
from layercensus.host.documents.yaml_subset import YamlNode, mapping_at, node_at, parse_yaml_subset, text_at
from layercensus.host.os_identity import is_image_layered
from layercensus.host.reading import Reading
from layercensus.model import Deployment, Readability, Unlocked

_MARK = re.compile(r"^.{0,80}?\"?apiVersion\"?\s*:\s*\"?org\.containers\.bootc/", re.MULTILINE)
_TEXT_MARK = re.compile(
    r"^[^\w\n]{0,8}(?:Current booted (?:image: |state is )|Booted (?:image: |ostree[ \t]*$|composefs[ \t]*$))"
    r"|^System is not deployed via bootc|^No booted image present",
    re.MULTILINE,
)
_HOST_START = re.compile(r"^apiVersion: |\{\s{0,20}\"apiVersion\"", re.MULTILINE)
_JSON_START = re.compile(r"^[ \t]*\{", re.MULTILINE)
_BOOLEANS: Mapping[str | None, bool] = {"true": True, "false": False}
# `spec.rs` makes an overlay of ostree's unlocked state; this is the way back.
_OVERLAYS: Mapping[tuple[str | None, str | None], Unlocked] = {
    ("readWrite", "transient"): Unlocked.DEVELOPMENT,
    ("readWrite", "persistent"): Unlocked.HOTFIX,
    ("readOnly", "transient"): Unlocked.TRANSIENT,
}
_CHANGED = (
    "the {which} deployment was changed client-side, what is not in the document (a package, an override, a module or "
    "only an initramfs setting): rpm-ostree status tells"
)
_UNSAID = "the document does not say whether the {which} deployment was changed client-side"
_NO_BOOTED = "no deployment is booted: not deployed through bootc or ostree, for example run in a container"
_ENDS_EARLY = "the document ends early: what stands before its end was taken"


def is_bootc_status(text: str) -> bool:
    """Whether a text is `bootc status` in any of its forms."""
    return bool(_MARK.search(text) or _TEXT_MARK.search(text))


def split_bootc(text: str) -> list[str]:
    """Part a text by host: each JSON object or YAML document that says it is bootc's; one part where there is one."""
    starts = [match.start() for match in _HOST_START.finditer(text)]
    if len(starts) < 2:
        return [text]
    return [text[start:end] for start, end in zip([0, *starts[1:]], [*starts[1:], len(text)], strict=True)]


def parse_bootc(text: str) -> Reading:
    """Deployments of `bootc status` in any of its forms; unknown with its reason where there is none. Never raises."""
    mark = _MARK.search(text)
    if mark is None:
        return parse_bootc_text(text)
    start = _JSON_START.search(text)
    if start is None or start.start() > mark.start():
        return _read_host(parse_yaml_subset(text[mark.start() :]))
    try:
        document, _ = json.JSONDecoder().raw_decode(text, start.end() - 1)
        return _read_host(_as_node(document))
    except json.JSONDecodeError as error:
        reason = f"is no valid JSON: {error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"
    except (RecursionError, ValueError):
        reason = "is JSON that no status is: too deep, or a number too long"
    return Reading(readability=Readability.UNKNOWN, problems=(reason,))


def _as_node(value: Any) -> YamlNode:
    """A decoded JSON value with its scalars as YAML would write them."""
    if isinstance(value, dict):
        return {key: _as_node(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_node(inner) for inner in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _read_host(host: YamlNode) -> Reading:
    status = mapping_at(host, "status")
    booted = mapping_at(status, "booted")
    if not booted:
        cut = "booted" not in status
        reason = "the document ends before the booted deployment" if cut else _NO_BOOTED
        return Reading(readability=Readability.UNKNOWN, problems=(reason,))
    # Every version writes the key `rollback`, behind the deployments that boot.
    problems = [] if "rollback" in status else [_ENDS_EARLY]
    deployments = [_deployment(booted, problems, which="booted", unlocked=_unlocked(status))]
    if staged := mapping_at(status, "staged"):
        deployments.insert(0, _deployment(staged, problems, which="staged"))
    if rollback := mapping_at(status, "rollback"):
        queued = text_at(status, "rollbackQueued") == "true"
        deployments.insert(0 if queued else len(deployments), _deployment(rollback, [], which="rollback"))
    others = node_at(status, "otherDeployments")
    entries = others if isinstance(others, list) else []
    deployments += [_deployment(other, [], which="other") for other in entries if isinstance(other, dict)]
    return Reading(tuple(deployments), tuple(problems), arch=_arch(booted))


def _deployment(
    entry: Mapping[str, YamlNode], problems: list[str], *, which: str, unlocked: Unlocked | None = None
) -> Deployment:
    """One BootEntry. Without a group that rpm-ostree writes, it has neither changes nor an initramfs setting."""
    node = dict(entry)
    incompatible = _BOOLEANS.get(text_at(node, "incompatible"))
    if incompatible is not False:
        problems.append((_CHANGED if incompatible else _UNSAID).format(which=which))
    image = text_at(node, "image", "image", "image")
    return Deployment(
        booted=which == "booted",
        staged=which == "staged",
        pinned=text_at(node, "pinned") == "true",
        cut=incompatible is not False,
        checksum=text_at(node, "ostree", "checksum"),
        image=image,
        osname=text_at(node, "ostree", "stateroot"),
        version=text_at(node, "image", "version"),
        unlocked=unlocked,
        initramfs=False if incompatible is False else None,
        image_layered=is_image_layered(image),
        bootc_incompatible=incompatible,
    )


def _unlocked(status: Mapping[str, YamlNode]) -> Unlocked | None:
    """State of the overlay on /usr; None where the key is not there: bootc did not always write it."""
    overlay = status.get("usrOverlay", "")
    if overlay is None:
        return Unlocked.NONE
    return _OVERLAYS.get((text_at(overlay, "accessMode"), text_at(overlay, "persistence")))


def _arch(booted: Mapping[str, YamlNode]) -> str | None:
    arch = text_at(dict(booted), "image", "architecture")
    return None if arch is None else rpm_arch(arch)
