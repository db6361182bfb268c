"""Which rules fit a release, and what its kernel types weigh in the gauge of the machine config daemon. Pure.

Facts are data: `data/rules/releases.json`, `data/rules/patterns.json` and the extension catalogs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from layercensus.data import list_names, read_json
from layercensus.errors import ClusterError, Fault

# A kubelet may lag three releases behind the control plane; one more, since 4.23 and 5.0 are twins.
_RELEASES_BEHIND = 4


@dataclass(frozen=True, slots=True)
class KernelRow:
    """Packages that a kernel type adds and removes: `count`, on nodes whose kernel and OS match.

    `kernel_version` is a PromQL pattern for `kube_node_info{kernel_version}`; `os_versions` are patterns of the start
    of an OS version such as `412[.]86`, none for every other OS version.
    """

    kernel_version: str
    os_versions: tuple[str, ...]
    count: int


def release_key(release: str) -> tuple[int, int]:
    """Sort key of a release such as `4.14`. Raises `ClusterError` if it has not that form."""
    major, dot, minor = release.partition(".")
    if not (dot and major.isdigit() and minor.isdigit()):
        raise ClusterError("is no release", where=release, fault=Fault.USAGE, next_step="write it like 4.14")
    return int(major), int(minor)


@cache
def known_releases() -> tuple[str, ...]:
    """Releases with a catalog for which rules can be rendered, oldest first."""
    names = [name.removesuffix(".json") for name in list_names("catalogs")]
    oldest = release_key(_facts()["oldest"])
    return tuple(sorted((name for name in names if release_key(name) >= oldest), key=release_key))


def check_release(release: str) -> None:
    """Raise `ClusterError` if no rules can be rendered for this release."""
    release_key(release)
    if release not in known_releases():
        first, last = known_releases()[0], known_releases()[-1]
        raise ClusterError(
            f"no rules are known for release {release}",
            where="--release",
            fault=Fault.USAGE,
            next_step=f"name a release from {first} to {last}",
        )


def has_mcd_gauge(release: str) -> bool:
    """Whether the machine config daemon of this release exposes `mcd_local_unsupported_packages`."""
    return release_key(release) >= release_key(_facts()["mcd_gauge_since"])


def allows_mcd_series(release: str) -> bool:
    """Whether the platform of this release lets the two `cluster:mcd_…` series leave."""
    return release_key(release) >= release_key(_facts()["platform_allows_since"])


def lost_mcd_series(release: str) -> bool:
    """Whether the platform allows the two `cluster:mcd_…` series and records neither."""
    return allows_mcd_series(release) and release not in _facts()["platform_records"]


def has_scrape_class(release: str) -> bool:
    """Whether the platform's Prometheus of this release has a class of scrapes with its client certificate."""
    return release_key(release) >= release_key(_facts()["scrape_class_since"])


def has_endpoint_slices(release: str) -> bool:
    """Whether the Prometheus of this release, or of the next, finds pods by endpoint slices."""
    return release_key(release) >= release_key(_facts()["endpoint_slices_since"])


def has_package_mode_workers(release: str) -> bool:
    """Whether workers of this release may be package-mode RHEL, which has no ostree."""
    return release_key(release) <= release_key(_facts()["package_mode_until"])


def kernel_rows(release: str) -> tuple[KernelRow, ...]:
    """Kernel types of this release, for each the OS versions that differ first, then every other OS version.

    A node that still boots an earlier release's OS is judged by that one (decision 0007).
    """
    rows: list[KernelRow] = []
    for name, entry in _catalog(release)["kernel_types"].items():
        pattern = kernel_version_patterns()[name]
        usual = max(_counts(entry).values())
        by_os = _counts_by_os(release, name)
        for count in sorted(set(by_os.values()) - {usual}):
            versions = tuple(sorted(version for version, value in by_os.items() if value == count))
            rows.append(KernelRow(pattern, versions, count))
        rows.append(KernelRow(pattern, (), usual))
    return tuple(rows)


def kernel_version_patterns() -> Mapping[str, str]:
    """Kernel type -> PromQL pattern of the kernel version that shows it."""
    patterns: Mapping[str, str] = read_json("rules/patterns.json")["kernel_version"]
    return patterns


def _counts_by_os(release: str, kernel_type: str) -> dict[str, int]:
    """OS version -> count, for the OS versions of this release and of those a paused pool may still run."""
    counts: dict[str, int] = {}
    for earlier in _releases_until(release):
        entry = _catalog(earlier)["kernel_types"].get(kernel_type)
        if entry:
            counts |= dict(_version_counts(earlier, _counts(entry)))
    return counts


def _version_counts(release: str, by_stream: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    # Where EL 10 differs, all of EL 10 does: it may be a preview whose OS version the catalog does not name.
    if by_stream["el10"] != by_stream["any"]:
        yield "10[.][0-9]+", by_stream["el10"]
    for prefix in _catalog(release)["version_prefixes"]:
        if by_stream["el10"] == by_stream["any"] or not prefix.startswith("10."):
            yield prefix.replace(".", "[.]"), by_stream["any"]


def _counts(entry: Mapping[str, Any]) -> dict[str, int]:
    removals = len(entry["base_removals"])
    installs = entry["install"]
    return {"any": removals + len(installs), "el10": removals + len(entry.get("install_el10", installs))}


def _releases_until(release: str) -> tuple[str, ...]:
    names = sorted((name.removesuffix(".json") for name in list_names("catalogs")), key=release_key)
    index = names.index(release)
    return tuple(names[max(0, index - _RELEASES_BEHIND) : index + 1])


def _catalog(release: str) -> Mapping[str, Any]:
    catalog: Mapping[str, Any] = read_json(f"catalogs/{release}.json")
    return catalog


@cache
def _facts() -> Mapping[str, Any]:
    facts: Mapping[str, Any] = read_json("rules/releases.json")
    return facts
