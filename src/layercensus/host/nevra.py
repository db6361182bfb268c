"""RPM names as people and rpm-ostree write them: NEVRA, name, name.arch, provide, path, glob. Pure.

Samples of what a request looks like (`docs/glossary.md` has the words)::

    htop                                        name
    java-1.8.0-openjdk.x86_64                   name.arch
    NetworkManager-ovs-1:1.44.0-3.el9.aarch64   NEVRA, epoch between name and version (rpm-ostree)
    1:NetworkManager-ovs-1.44.0-3.el9.aarch64   NEVRA, epoch in front (yum)
    libreswan-4.6-3.el9_0.3                     NEVR
    libc.so.6()(64bit)   perl(Error)            provide
    /usr/bin/virsh                              path
    gstreamer1-*                                glob

Local packages are always NEVRAs (`parse_nevra`). A repository request may be anything (`parse_request`), and there
`foo-1-2` can be a name or a NEVR: see `_looks_like_nevr`.
"""

import re
from dataclasses import dataclass

from layercensus.errors import NevraError
from layercensus.model import Form

# rpm's own canonical architectures (rpm's rpmrc, `arch_canon`, and the two that are no machine), those Fedora,
# CentOS and RHEL build for or built for since 2015.
ARCHES = frozenset(
    "aarch64 armv5tel armv6hl armv7hl armv7hnl athlon geode i386 i486 i586 i686 ia64 loongarch64 mips64el mipsel "
    "noarch nosrc ppc ppc64 ppc64le riscv64 s390 s390x src x86_64 x86_64_v2 x86_64_v3 x86_64_v4".split()
)

_SHA256_PREFIX = re.compile(r"^[0-9a-f]{64}:", re.IGNORECASE)
_EPOCH = re.compile(r"^(\d{1,10}):(.+)$", re.DOTALL)
# Characters that rpm allows in a name, and in version and release (rpm-spec(7), "Name" and "Version").
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._+-]*$")
_VERSION = re.compile(r"^[A-Za-z0-9._+~^]+$")
_SONAME = re.compile(r"\.so(\.\d+)*$")


@dataclass(frozen=True, slots=True)
class Nevra:
    """Name, epoch, version, release, architecture. `arch` is None for a NEVR; an epoch that is not written is 0."""

    name: str
    version: str
    release: str
    epoch: int = 0
    arch: str | None = None

    def __str__(self) -> str:
        """`name-[epoch:]version-release[.arch]`, the epoch only where it is not 0, as rpm-ostree writes it."""
        epoch, arch = f"{self.epoch}:" if self.epoch else "", f".{self.arch}" if self.arch else ""
        return f"{self.name}-{epoch}{self.version}-{self.release}{arch}"


def strip_sha256(text: str) -> str:
    """Drop the `SHA256:` that origin files write before a local package: split at the first colon only."""
    return _SHA256_PREFIX.sub("", text, count=1)


def parse_nevra(text: str) -> Nevra:
    """Parse a NEVRA or NEVR: `[epoch:]name-[epoch:]version-release[.arch]`, with or without a sha256 in front.

    Release, then version are taken from the right, as rpm does; what is left is the name, whatever dashes and digits
    it has. Raises `NevraError` where a part is missing or has a character that rpm refuses.
    """
    body = strip_sha256(text)
    body, arch = split_arch(body)
    parts = body.rsplit("-", 2)
    if len(parts) != 3 or not all(parts):
        raise NevraError("is no name-version-release", where=text)
    name, version, release = parts
    epoch = 0
    if (match := _EPOCH.fullmatch(version)) is not None:
        epoch, version = int(match[1]), match[2]
    elif (match := _EPOCH.fullmatch(name)) is not None:
        epoch, name = int(match[1]), match[2]
    if not (_NAME.fullmatch(name) and _VERSION.fullmatch(version) and _VERSION.fullmatch(release)):
        raise NevraError("has a character that no RPM name, version or release has", where=text)
    return Nevra(name=name, version=version, release=release, epoch=epoch, arch=arch)


def split_arch(text: str) -> tuple[str, str | None]:
    """Split `.arch` off the end, only if it is an architecture that rpm knows (`openjdk.x86_64`, not `foo.el9`)."""
    body, dot, arch = text.rpartition(".")
    return (body, arch) if dot and body and arch in ARCHES else (text, None)


def parse_request(text: str) -> tuple[Form, str | None, Nevra | None]:
    """Say what form a repository request has, its RPM name (None for provide, path, glob) and its NEVRA if it is one.

    Never raises: what rpm could not have as a name is a provide, since rpm-ostree hands it to the solver as one.
    """
    if text.startswith("/"):
        return Form.PATH, None, None
    if any(sign in text for sign in "*?["):
        return Form.GLOB, None, None
    body, arch = split_arch(text)
    if _is_nevra(text, body, arch):
        nevra = parse_nevra(text)
        return Form.NEVRA, nevra.name, nevra
    if _SONAME.search(text) or not _NAME.fullmatch(body):
        return Form.PROVIDE, None, None
    return (Form.NAME_ARCH if arch else Form.NAME), body, None


def _is_nevra(text: str, body: str, arch: str | None) -> bool:
    try:
        nevra = parse_nevra(text)
    except NevraError:
        return False
    return ":" in body or _looks_like_nevr(nevra, has_arch=arch is not None)


def _looks_like_nevr(nevra: Nevra, *, has_arch: bool) -> bool:
    """Tell `libreswan-4.6-3.el9_0.3` from names that end alike: `java-1.8.0-openjdk`, `kpatch-patch-5_14_0-284_30_1`.

    Versions and releases begin with a digit (Fedora packaging guidelines, Versioning). Without an architecture one of
    the two must also have a dot, or two numbers at the end of a name would be taken for them.
    """
    if not (nevra.version[0].isdigit() and nevra.release[0].isdigit()):
        return False
    return has_arch or "." in nevra.version or "." in nevra.release
