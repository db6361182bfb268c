"""Which OpenShift releases a machine may be of, from what its source shows of its OS. Pure.

Up to 4.18 the OS version begins with the release (`414.92.202405…`). From 4.19 on it is RHEL's (`9.6.20250916-0`),
shared by several releases: all of them are candidates, and `OPENSHIFT_VERSION` of os-release tells which
(openshift/os `packages-openshift.yaml`; openshift/enhancements#1755).
"""

import re
from dataclasses import dataclass

from layercensus.classify.catalog import known_releases, prefixes_of, release_key, version_prefixes
from layercensus.model import OperatingSystem

_BY_RELEASE = re.compile(r"^4(\d{1,2})\.(\d{1,2})\.\d{12}")
_BY_RHEL = re.compile(r"^(\d+)\.(\d+)\.\d{8}-\d+$")
_OPENSHIFT_VERSION = re.compile(r"^(\d+\.\d+)\b")
_RHEL_VERSIONS_FROM = "4.19"


@dataclass(frozen=True, slots=True)
class ReleaseChoice:
    """`candidates`: releases whose catalogs judge, oldest first; none = no catalog applies. `release`: the one it is.

    `release` may be newer or older than every known one, and is None while several candidates are left. `stream` is
    the OS stream (`rhel-9`).
    """

    candidates: tuple[str, ...]
    release: str | None
    stream: str | None
    problems: tuple[str, ...] = ()


def choose_releases(os: OperatingSystem, asked: str | None) -> ReleaseChoice:
    """Choose by the document; `asked` (by the user) only among candidates or where the document says nothing."""
    if os.openshift is False:
        return ReleaseChoice((), None, None)
    problems: list[str] = []
    said = _said(os, problems)
    stream = _stream(os)
    if asked is not None:
        if said and asked not in said:
            problems.append(f"release {asked} was asked for, but the machine says {_words(said)}: that was taken")
        else:
            said = (asked,)
    if not said:
        return ReleaseChoice(known_releases(), None, stream, tuple(problems))
    judged_by = tuple(dict.fromkeys(_nearest(release, problems) for release in said))
    return ReleaseChoice(judged_by, said[0] if len(said) == 1 else None, stream, tuple(problems))


def _said(os: OperatingSystem, problems: list[str]) -> tuple[str, ...]:
    """Releases that the document allows; empty if it says nothing."""
    if os.openshift_version and (match := _OPENSHIFT_VERSION.match(os.openshift_version)):
        return (match[1],)
    version = os.version or ""
    if match := _BY_RELEASE.match(version):
        return (f"4.{int(match[1])}",)
    if match := _BY_RHEL.match(version):
        prefix = f"{match[1]}.{match[2]}"
        return version_prefixes().get(prefix) or _of_unknown_prefix(prefix, problems)
    return ()


def _of_unknown_prefix(prefix: str, problems: list[str]) -> tuple[str, ...]:
    """Releases of a RHEL version that no catalog knows: the newest if it is newer than all, else any that has such."""
    newest = known_releases()[-1]
    if release_key(prefix) > max(release_key(known) for known in prefixes_of(newest)):
        problems.append(f"an OS of RHEL {prefix} is newer than the catalogs: judged by {newest}")
        return (newest,)
    return tuple(known for known in known_releases() if release_key(known) >= release_key(_RHEL_VERSIONS_FROM))


def _stream(os: OperatingSystem) -> str | None:
    version = os.version or ""
    if match := _BY_RHEL.match(version):
        return f"{'centos' if os.id == 'centos' else 'rhel'}-{match[1]}"
    if os.id == "scos":
        return "centos-9"
    match = _BY_RELEASE.match(version)
    return f"rhel-{match[2][0]}" if match and len(match[2]) == 2 else None


def _nearest(release: str, problems: list[str]) -> str:
    """Pick the known release that judges: itself, the newest for a newer one, the oldest for an older one."""
    known = known_releases()
    if release in known:
        return release
    nearest = next((name for name in known if release_key(name) > release_key(release)), known[-1])
    problems.append(f"there is no catalog of release {release}: judged by {nearest}, the nearest")
    return nearest


def _words(releases: tuple[str, ...]) -> str:
    return " or ".join(releases)
