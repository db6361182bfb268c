r"""What a segment of the inbox holds, as bytes: kinds of series, and reports of clusters that refer to them. Pure.

A file is a head line, then records: length, CRC-32, content. A kind is defined in the file before a report names it::

    layercensus-inbox/1\n
    K number, JSON of the kind
    R cluster (16 bytes of its UUID), received (ms), n, then n numbers of kinds, n times (ms), n values

A record is whole or it is not there: what is cut off at the end of a file was acknowledged to nobody.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from layercensus.fleet.contract import Fact
from layercensus.fleet.kinds import Kind

HEAD = b"layercensus-inbox/1\n"
_FRAME = struct.Struct("<II")
_REPORT = struct.Struct("<c16sqI")
_KIND = struct.Struct("<cI")
_MOST_RECORD_BYTES = 64 * 1024 * 1024


class Report(NamedTuple):
    """Admitted samples of one request, in columns of equal length; times in milliseconds since 1970.

    `cluster`: the 16 bytes of its UUID. A tuple, since one is made for each request.
    """

    cluster: bytes
    received_ms: int
    kinds: tuple[Kind, ...]
    timestamps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass
class TornError(Exception):
    """The file ends inside a record: its writer was killed. `at` is where the last whole record ends."""

    at: int


@dataclass
class DamagedError(Exception):
    """What follows at `at` is no record of ours, though it is there: a disk, or another version of this program."""

    at: int


def format_kind(number: int, kind: Kind) -> bytes:
    """The record that defines a kind."""
    value = [kind.fact.value, kind.labels, kind.identity.hex(), kind.replica.hex()]
    return _framed(_KIND.pack(b"K", number) + json.dumps(value).encode())


def format_report(
    cluster: bytes, received_ms: int, numbers: tuple[int, ...], timestamps: tuple[int, ...], values: tuple[float, ...]
) -> bytes:
    """The record of a report; `cluster` is the 16 bytes of its UUID, `numbers` are those of kinds defined before."""
    count = len(numbers)
    return _framed(
        _REPORT.pack(b"R", cluster, received_ms, count) + _columns(count).pack(*numbers, *timestamps, *values)
    )


def parse_segment(data: bytes) -> Iterator[Report]:
    """Reports of a file, oldest first. Raises `TornError` or `DamagedError` after the last one that is whole."""
    if not data.startswith(HEAD):
        raise TornError(0) if HEAD.startswith(data) else DamagedError(0)
    position = len(HEAD)
    kinds: dict[int, Kind] = {}
    tuples: dict[tuple[int, ...], tuple[Kind, ...]] = {}
    while position < len(data):
        content = _content(data, position)
        try:
            report = None
            if content[:1] == b"K":
                kinds |= _defined(content)
                tuples.clear()
            else:
                report = _report(content, kinds, tuples)
        except (KeyError, ValueError, TypeError, RecursionError, struct.error) as error:
            raise DamagedError(position) from error
        if report is not None:
            yield report
        position += _FRAME.size + len(content)


def _framed(content: bytes) -> bytes:
    return _FRAME.pack(len(content), zlib.crc32(content)) + content


def _content(data: bytes, position: int) -> bytes:
    """The record at a position. Raises `TornError`, `DamagedError`."""
    start = position + _FRAME.size
    if start > len(data):
        raise TornError(position)
    length, checksum = _FRAME.unpack_from(data, position)
    if not 0 < length <= _MOST_RECORD_BYTES:
        raise DamagedError(position)
    if start + length > len(data):
        raise TornError(position)
    content = data[start : start + length]
    if zlib.crc32(content) != checksum:
        raise DamagedError(position)
    return content


def _defined(content: bytes) -> dict[int, Kind]:
    _, number = _KIND.unpack_from(content)
    fact, labels, identity, replica = json.loads(content[_KIND.size :])
    kept = tuple((name, value) for name, value in labels)
    return {number: Kind(Fact(fact), kept, bytes.fromhex(identity), bytes.fromhex(replica))}


def _report(content: bytes, kinds: dict[int, Kind], tuples: dict[tuple[int, ...], tuple[Kind, ...]]) -> Report:
    """A report. Its tuple of kinds is one object for all reports of the file that have the same."""
    _, cluster, received, count = _REPORT.unpack_from(content)
    cells = _columns(count).unpack_from(content, _REPORT.size)
    numbers = cells[:count]
    found = tuples.get(numbers)
    if found is None:
        found = tuples[numbers] = tuple(kinds[number] for number in numbers)
    return Report(cluster, received, found, cells[count : 2 * count], cells[2 * count :])


@cache
def _columns(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}I{count}q{count}d")
