"""What a release, an OS and a known package ask of a plan: data to values. Pure.

Facts are data with their sources: `data/migrate/releases.json`, `data/migrate/advice.json`, `data/known_packages.json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from layercensus.data import read_json
from layercensus.migrate.plan import Advice, BuildTools, KnownTrap, Trap
from layercensus.model import OperatingSystem

_EL10 = "10."


@dataclass(frozen=True, slots=True)
class OnCluster:
    """On-cluster layering of a release: the API version of MachineOSConfig and whether it is a preview only."""

    api: str
    tech_preview: bool


@dataclass(frozen=True, slots=True)
class KnownAdvice:
    """What the data says of a package: what to do with it, what takes its place, the note and its source."""

    advice: Advice
    instead: str | None
    note: str | None
    source: str | None


def release_key(release: str) -> tuple[int, ...]:
    """Sort key of `4.14`, or of a Fedora's `41`."""
    return tuple(int(part) if part.isdecimal() else 0 for part in release.split("."))


def has_layering(release: str) -> bool:
    """Whether the OS image of this release can be built upon."""
    since: str = _releases()["layering_since"]
    return release_key(release) >= release_key(since)


def layering_since() -> str:
    """First release whose OS image can be built upon."""
    since: str = _releases()["layering_since"]
    return since


def image_name(release: str, os: OperatingSystem) -> str | None:
    """Name of the OS image in a release's payload, as `oc adm release info --image-for` takes it."""
    okd = _releases()["okd_image_names"].get(os.id or "")
    if okd is None and (os.version or "").startswith(_EL10):
        return str(_releases()["image_name_of_rhel_10"])
    entry = _newest(okd or _releases()["image_names"], release)
    return entry["name"] if entry else None


def on_cluster(release: str) -> OnCluster | None:
    """On-cluster layering of a release; None where it has none."""
    entry = _newest(_releases()["on_cluster"], release)
    return OnCluster(entry["api"], entry["tech_preview"]) if entry else None


def on_cluster_since() -> str:
    """First release in which on-cluster layering is generally available."""
    return str(next(entry["since"] for entry in _releases()["on_cluster"] if not entry["tech_preview"]))


def on_cluster_limits() -> str:
    """Where on-cluster layering does not go, a sentence."""
    return str(_releases()["on_cluster_limits"])


def content_limit(api: str) -> int | None:
    """Most characters of a Containerfile in a MachineOSConfig; None where the schema sets no limit."""
    limit: int | None = _releases()["content_limit"].get(api)
    return limit


def build_tools(release: str | None, os: OperatingSystem) -> BuildTools:
    """What installs packages in a build for this OS and what ends the build."""
    data, entry = _releases(), None
    if release is not None:
        entry = _newest(data["openshift_tools"], release)
    elif os.id == "fedora":
        entry = _newest(data["fedora_tools"], (os.version or "0").partition(".")[0])
    entry = entry or data["other_tools"]
    return BuildTools(entry["tool"], tuple(entry["finish"]))


def needs_cliwrap(name: str) -> bool:
    """Whether rpm-ostree must wrap the kernel's scripts before it replaces this package in a build."""
    return any(fnmatchcase(name, glob) for glob in _releases()["cliwrap_globs"])


def advice_for(names: tuple[str, ...], category: str | None, *, on_openshift: bool) -> KnownAdvice | None:
    """What the data says of a package by the names it may have; None where it says nothing.

    An entry of its own wins over that of its category, but for machines outside OpenShift, which have no operators.
    Without either a note alone gives `image`.
    """
    known = _known(names)
    note, source = (known.get("image_mode_note"), known.get("source")) if known else (None, None)
    for entry in _advice()["of_package"]:
        if on_openshift and any(fnmatchcase(name, entry["glob"]) for name in names):
            return KnownAdvice(Advice(entry["advice"]), entry["instead"], note, source)
    entry = _advice()["of_category"].get(category or "")
    if entry:
        instead = entry["instead" if on_openshift else "outside"]
        return KnownAdvice(Advice(entry["advice"]), instead, note, source)
    return KnownAdvice(Advice.IMAGE, None, note, source) if note else None


def traps_of(names: tuple[str, ...]) -> tuple[KnownTrap, ...]:
    """What breaks when this package is put into an image."""
    words: Mapping[str, str] = _advice()["trap_words"]
    return tuple(
        KnownTrap(Trap(entry["trap"]), words[entry["trap"]], entry["below"])
        for entry in _advice()["traps"]
        if any(fnmatchcase(name, entry["glob"]) for name in names)
    )


def _known(names: tuple[str, ...]) -> Mapping[str, Any] | None:
    for entry in read_json("known_packages.json")["packages"]:
        if any(fnmatchcase(name, entry["package_glob"]) for name in names):
            found: Mapping[str, Any] = entry
            return found
    return None


def _newest(entries: list[Mapping[str, Any]], release: str) -> Mapping[str, Any] | None:
    """Last entry that holds since this release or an earlier one."""
    fitting = [entry for entry in entries if release_key(entry["since"]) <= release_key(release)]
    return fitting[-1] if fitting else None


@cache
def _releases() -> Mapping[str, Any]:
    data: Mapping[str, Any] = read_json("migrate/releases.json")
    return data


@cache
def _advice() -> Mapping[str, Any]:
    data: Mapping[str, Any] = read_json("migrate/advice.json")
    return data
