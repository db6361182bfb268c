"""A tar archive, plain or compressed with gzip, xz or bzip2, read once from front to end in bounded memory. Pure.

It reads a stream that is handed in and nothing else: no member becomes a file. Python's `tarfile` is not used, for it
keeps every member it saw, reads extended headers of any size whole, and in this Python searches them in quadratic time
(CVE-2024-6232); decision 0015. Read are names, sizes and the contents of regular files. What goes wrong is kept in
`problem`, with what was read up to there; nothing raises.

Sources: POSIX.1-2017 pax, "pax Interchange Format" and "ustar"; GNU tar manual, "Basic Tar Format" (types L, K, S).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from layercensus.host.bundles.byte_stream import CUT_OFF, Budget, ByteStream

_BLOCK = 512
# Members of bundles have up to 300.
_MAX_NAME_CHARACTERS = 1024
# Extended attributes stand in these headers, 64 KiB each.
_MAX_HEADER_BYTES = 1024 * 1024


class _StopError(Exception):
    """Why there are no more members."""


class Form(StrEnum):
    """What a member is, as far as it matters here."""

    FILE = "a regular file"
    LINK = "a link, which is not followed"
    SPARSE = "stored sparse, which is not read"
    SPECIAL = "a device or pipe"


@dataclass(frozen=True, slots=True)
class TarMember:
    """One member that is no folder. `name` is relative and has no `..`."""

    name: str
    size: int
    form: Form


class TarReader:
    """Members in order; the contents of each can be read until the next is asked for."""

    def __init__(self, stream: ByteStream, budget: Budget) -> None:
        self.problem: str | None = None
        self.refused_names = 0
        self.count = 0
        self._stream = stream
        self._budget = budget
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[TarMember]:
        """Members that are no folders; `problem` says why there are no more, None at the end of the archive."""
        try:
            yield from self._members()
        except _StopError as stop:
            self.problem = str(stop)

    def _members(self) -> Iterator[TarMember]:
        extended: dict[str, str] = {}
        while (header := self._next_header()) is not None:
            kind, name, size = header
            if kind in "xgLK":
                extended |= self._read_extended(kind, size)
                continue
            if "size" in extended:
                size = int(extended["size"])
            self._expect(0 if kind in "123456" else size)
            member = _member(kind, extended.get("path", name), size, sparse=kind == "S" or "sparse" in extended)
            extended = {}
            self.count += 1
            if member is not None and member.name:
                yield member
            elif member is not None:
                self.refused_names += 1

    @property
    def is_whole(self) -> bool:
        """Whether the contents of the present member were read to their end."""
        return self._left == 0

    def read(self, size: int, /) -> bytes:
        """The next bytes of the present member's contents."""
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data

    def _expect(self, size: int) -> None:
        self._left, self._padding = size, -size % _BLOCK

    def _next_header(self) -> tuple[str, str, int] | None:
        """Type, name and size of the next header; None at the end."""
        if not self._stream.skip(self._left + self._padding):
            raise _StopError(self._stream.problem or CUT_OFF)
        self._expect(0)
        block = self._stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise _StopError(self._stream.problem or CUT_OFF)
        if not block.strip(b"\x00"):
            # What follows is padding; a compressed stream's checksum stands behind it.
            self._stream.skip(_MAX_HEADER_BYTES)
            self.problem = self._stream.problem
            return None
        self._budget.members -= 1
        if self._budget.members < 0:
            raise _StopError("has more members than are read of one archive")
        size = _number(block[124:136])
        if size is None or not _checksum_fits(block):
            raise _StopError("is damaged (a header does not fit its checksum)" if self.count else "is no tar archive")
        if block[156:157] == b"S" and not self._skip_sparse_headers(block):
            raise _StopError(self._stream.problem or CUT_OFF)
        return chr(block[156]), _name_of(block), size

    def _skip_sparse_headers(self, block: bytes) -> bool:
        more = block[482] != 0
        while more:
            block = self._stream.read(_BLOCK)
            if len(block) < _BLOCK:
                return False
            more = block[504] != 0
        return True

    def _read_extended(self, kind: str, size: int) -> dict[str, str]:
        """What a header of a header says of the member behind it; a global one says nothing that matters here."""
        if size > _MAX_HEADER_BYTES:
            raise _StopError(f"has a header of {size} bytes, which is not read, nor what lies behind it")
        self._expect(size)
        content = self.read(size)
        if len(content) < size or kind in "gK":
            return {}
        if kind == "L":
            return {"path": _text(content.rstrip(b"\x00"))}
        values = _pax_values(content)
        if values is None:
            raise _StopError("is damaged (an extended header is not one)")
        return values


def _member(kind: str, raw_name: str, size: int, *, sparse: bool) -> TarMember | None:
    """The member, with an empty name if its own is not to be trusted; None for folders and labels."""
    if kind in "5DVMN" or (kind in "\x000" and raw_name.endswith("/")):
        return None
    form = Form.LINK if kind in "12" else Form.SPECIAL if kind in "346" else Form.FILE
    return TarMember(clean_name(raw_name), size, Form.SPARSE if sparse else form)


def clean_name(raw: str) -> str:
    """The name without `./` and doubled slashes; empty if it is absolute, too long, or leads upwards."""
    parts = [part for part in raw.split("/") if part not in {"", "."}]
    unsafe = raw.startswith("/") or ".." in parts or "\x00" in raw or len(raw) > _MAX_NAME_CHARACTERS
    return "" if unsafe else "/".join(parts)


def _name_of(block: bytes) -> str:
    name = block[0:100].partition(b"\x00")[0]
    prefix = block[345:500].partition(b"\x00")[0] if block[257:263] == b"ustar\x00" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def _checksum_fits(block: bytes) -> bool:
    """The sum of a header's bytes, its own field read as blanks; old writers took the bytes as signed."""
    said = _number(block[148:156])
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    return said in {unsigned, unsigned - 256 * sum(byte > 127 for byte in rest)}


def _number(raw: bytes) -> int | None:
    """An octal number, or GNU's base 256; None if it is neither, or negative."""
    if raw[0] & 0x80:
        return None if raw[0] == 0xFF else int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big")
    digits = raw.partition(b"\x00")[0].strip()
    try:
        return int(digits, 8) if digits.isdigit() else None if digits else 0
    except ValueError:
        return None


def _pax_values(content: bytes) -> dict[str, str] | None:
    """Path, size and whether it is sparse, of lines `LENGTH KEY=VALUE`; None if they are not that."""
    values: dict[str, str] = {}
    position = 0
    while position < len(content) and content[position]:
        blank = content.find(b" ", position, position + 20)
        digits = content[position:blank] if blank > 0 else b""
        if not digits.isdigit() or int(digits) <= len(digits) + 1:
            return None
        end = position + int(digits)
        key, _, value = content[blank + 1 : end - 1].partition(b"=")
        if key in {b"path", b"GNU.sparse.name"}:
            values["path"] = _text(value)
        elif key == b"size" and value.isdigit() and len(value) < 20:
            values["size"] = value.decode("ascii")
        if key.startswith(b"GNU.sparse."):
            values["sparse"] = "yes"
        position = end
    return values
