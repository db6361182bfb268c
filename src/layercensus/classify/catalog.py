"""What is an extension, and what belongs to a kernel type, per release: catalog data to `Catalog`. Pure.

One file per release, `data/catalogs/4.14.json`, with MCO's own list and the OS repository's extension files by OS
stream and architecture. Both lists count: where they differ, decision 0003 says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from layercensus.data import list_names, read_json
from layercensus.errors import CatalogError
from layercensus.model import KernelType


@dataclass(frozen=True, slots=True)
class Listing:
    """Where a catalog lists a name: the extension, and whether MCO's list has it or the OS repository alone."""

    extension: str
    by_mco: bool


@dataclass(frozen=True, slots=True)
class Catalog:
    """The catalog of one release for one OS stream and architecture.

    `extensions`: RPM name -> listing. `kernel_installs`: RPM name -> the kernel type it belongs to; `kernel_cores`:
    the same of the kernel itself. `base_removals`: packages of the default kernel, which MCO removes. `modules`:
    `name:stream` -> extension.
    """

    release: str
    extensions: Mapping[str, Listing]
    kernel_installs: Mapping[str, KernelType]
    kernel_cores: Mapping[str, KernelType]
    base_removals: frozenset[str]
    modules: Mapping[str, str]


def release_key(release: str) -> tuple[int, int]:
    """Sort key of a release such as `4.14`. Raises `CatalogError` if it has not that form."""
    major, dot, minor = release.partition(".")
    if not (dot and major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
        raise CatalogError("is no release: it should look like 4.14", where=release)
    return int(major), int(minor)


@cache
def known_releases() -> tuple[str, ...]:
    """Releases with a catalog, oldest first."""
    names = (name.removesuffix(".json") for name in list_names("catalogs"))
    return tuple(sorted(names, key=release_key))


@cache
def version_prefixes() -> Mapping[str, tuple[str, ...]]:
    """OS version prefix (`414.92`, `9.6`) -> the releases whose payloads have it, oldest first."""
    table: dict[str, tuple[str, ...]] = {}
    for release in known_releases():
        for prefix in prefixes_of(release):
            table[prefix] = (*table.get(prefix, ()), release)
    return table


def prefixes_of(release: str) -> list[str]:
    """OS version prefixes of a known release's payloads."""
    prefixes: list[str] = _file(release)["version_prefixes"]
    return prefixes


@cache
def load_catalog(release: str, stream: str | None, arch: str | None) -> Catalog:
    """Load the catalog of a known release; `stream` (`rhel-9`) and `arch` narrow it where they are known."""
    data = _file(release)
    default = data["os_streams"][data["default_stream"]]
    os_extensions = data["os_streams"].get(stream or "", default)["extensions"]
    extensions: dict[str, Listing] = {}
    for name, entry in os_extensions.items():
        if _fits(entry, arch):
            extensions |= {package["name"]: Listing(name, by_mco=False) for package in entry["packages"]}
    for name, packages in data["mco_extensions"].items():
        if _fits(os_extensions.get(name) or default["extensions"].get(name, {}), arch):
            extensions |= {package: Listing(name, by_mco=True) for package in packages}
    kernel_types = {KernelType(name): entry for name, entry in data["kernel_types"].items() if _fits(entry, arch)}
    kernel_installs = {name: kind for kind, entry in kernel_types.items() for name in _installs(entry, stream)}
    return Catalog(
        release=release,
        extensions={name: listing for name, listing in extensions.items() if name not in kernel_installs},
        kernel_installs=kernel_installs,
        kernel_cores={entry["core"]: kind for kind, entry in kernel_types.items()},
        base_removals=_base_kernel() if kernel_types else frozenset(),
        modules={module: name for name, entry in os_extensions.items() for module in entry.get("modules", [])},
    )


@cache
def earlier_catalogs(release: str, arch: str | None) -> tuple[Catalog, ...]:
    """Load the catalogs of all known releases before this one, newest first."""
    releases = known_releases()
    return tuple(load_catalog(earlier, None, arch) for earlier in reversed(releases[: releases.index(release)]))


def _file(release: str) -> Mapping[str, Any]:
    data: Mapping[str, Any] = read_json(f"catalogs/{release}.json")
    return data


@cache
def _base_kernel() -> frozenset[str]:
    """Packages of the default kernel, of any release: what a base does not have cannot be removed from it."""
    types = [entry for release in known_releases() for entry in _file(release)["kernel_types"].values()]
    return frozenset(name for entry in types for name in entry["base_removals"])


def _fits(entry: Mapping[str, Any], arch: str | None) -> bool:
    arches = entry.get("arches")
    return not arches or arch is None or arch in arches


def _installs(entry: Mapping[str, Any], stream: str | None) -> list[str]:
    names: list[str] = entry["install_el10"] if stream == "rhel-10" and "install_el10" in entry else entry["install"]
    return names
