"""One RPM header, as rpmdb.sqlite stores it: bytes to name, epoch, version, release, arch, vendor, install time. Pure.

Neither signatures nor digests are checked: what stands in it is what the package says of itself. The blob has no magic;
all numbers are big-endian on every architecture (rpm `lib/header.c`, `headerExport`; LSB 5.0, "Package File Format")::

    0000002a 00000278                      42 index entries, 632 bytes of data
    0000003f 00000007 000001d5 00000010    tag 63 (the region that was signed), type 7 (binary), offset, count
    000003e8 00000006 00000002 00000001    tag 1000 (name), type 6 (string), offset 2 in the data, count 1
    …
    "C", NUL, "htop", NUL, …               the data
"""

import struct
from dataclasses import dataclass

from layercensus.errors import HostDocumentError
from layercensus.host.nevra import Nevra

# librpm's own limits are 65,535 entries and 256 MiB (`lib/header_internal.h`); the largest packages stay below 8 MiB.
MAX_ENTRIES = 0xFFFF
MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_TEXT_BYTES = 64 * 1024

_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_INSTALL_TIME, _VENDOR, _ARCH = 1008, 1011, 1022
_STRINGS = frozenset({_NAME, _VERSION, _RELEASE, _VENDOR, _ARCH})
_NUMBERS = frozenset({_EPOCH, _INSTALL_TIME})
_TYPE_INT32, _TYPE_STRING = 4, 6
_COUNTS = struct.Struct(">II")
_ENTRY = struct.Struct(">IIiI")
_NUMBER = struct.Struct(">I")


class RpmHeaderError(HostDocumentError):
    """A blob is no RPM header."""


@dataclass(frozen=True, slots=True)
class RpmPackage:
    """A package as it is installed. `vendor` is what its maker wrote, any text; None where the package has none.

    `arch` is None for what is no package proper (an imported key). `installed_at` is Unix time in seconds.
    """

    nevra: Nevra
    vendor: str | None = None
    installed_at: int | None = None


def parse_rpm_header(blob: bytes) -> RpmPackage:
    """Read the few tags we need. Raises `RpmHeaderError` for anything that does not fit within the blob.

    A tag that was added at install time stands behind the signed region and wins over one in it, as in librpm.
    """
    values = _read_tags(blob)
    name, version, release = (_required(values, tag) for tag in (_NAME, _VERSION, _RELEASE))
    arch, vendor = values.get(_ARCH), values.get(_VENDOR)
    epoch, installed_at = values.get(_EPOCH), values.get(_INSTALL_TIME)
    return RpmPackage(
        nevra=Nevra(
            name=name,
            version=version,
            release=release,
            epoch=epoch if isinstance(epoch, int) else 0,
            arch=arch if isinstance(arch, str) else None,
        ),
        vendor=vendor if isinstance(vendor, str) else None,
        installed_at=installed_at if isinstance(installed_at, int) else None,
    )


def _read_tags(blob: bytes) -> dict[int, str | int]:
    """Values of our tags. Only a tag's last entry is read: there may be many, and each may be long."""
    start, end = _data_range(blob)
    last: dict[int, tuple[int, int, int]] = {}
    for tag, kind, offset, count in _ENTRY.iter_unpack(blob[_COUNTS.size : start]):
        if tag in _STRINGS or tag in _NUMBERS:
            last[tag] = (kind, offset, count)
    values: dict[int, str | int] = {}
    for tag, (kind, offset, count) in last.items():
        read, expected = (_string, _TYPE_STRING) if tag in _STRINGS else (_number, _TYPE_INT32)
        if kind != expected or count != 1:
            raise RpmHeaderError(f"tag {tag} has type {kind} and count {count}: no RPM header has that")
        values[tag] = read(blob, tag, start, start + offset, end)
    return values


def _data_range(blob: bytes) -> tuple[int, int]:
    """Where the data begins and ends; the counts at the front must account for every byte."""
    if len(blob) < _COUNTS.size:
        raise RpmHeaderError(f"has {len(blob)} bytes, which is no RPM header")
    if len(blob) > MAX_HEADER_BYTES:
        raise RpmHeaderError(f"is larger than {MAX_HEADER_BYTES >> 20} MiB, which no RPM header is")
    entries, data_bytes = _COUNTS.unpack_from(blob)
    if entries > MAX_ENTRIES:
        raise RpmHeaderError(f"claims {entries} entries, more than an RPM header may have")
    start = _COUNTS.size + entries * _ENTRY.size
    if start + data_bytes != len(blob):
        raise RpmHeaderError(f"claims {start + data_bytes} bytes and has {len(blob)}")
    return start, len(blob)


def _string(blob: bytes, tag: int, start: int, begin: int, end: int) -> str:
    """Text up to its NUL. Old packages are not all UTF-8: what can't be decoded is replaced."""
    if not start <= begin < end:
        raise RpmHeaderError(f"tag {tag} points outside of the header")
    stop = blob.find(b"\0", begin, min(end, begin + MAX_TEXT_BYTES))
    if stop < 0:
        raise RpmHeaderError(f"tag {tag} has no end within {MAX_TEXT_BYTES >> 10} KiB")
    return blob[begin:stop].decode("utf-8", errors="replace")


def _number(blob: bytes, tag: int, start: int, begin: int, end: int) -> int:
    if not (start <= begin and begin + _NUMBER.size <= end):
        raise RpmHeaderError(f"tag {tag} points outside of the header")
    number: int = _NUMBER.unpack_from(blob, begin)[0]
    return number


def _required(values: dict[int, str | int], tag: int) -> str:
    value = values.get(tag)
    if not isinstance(value, str) or not value:
        raise RpmHeaderError(f"has no tag {tag}, which every package has")
    return value
