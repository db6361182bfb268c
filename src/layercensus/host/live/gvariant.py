"""GVariant bytes to Python values: the part of the format that ostree's objects and state files are written in. Pure.

Framing offsets are always little-endian; numbers are in the byte order of the machine that wrote them, so the caller
says which (GVariant specification, "Serialised data"; GLib `glib/gvariant-serialiser.c`). Only the normal form is
read: where GLib would put a default value for bytes that make no sense, `GVariantError` is raised. Sample, an `a{sv}`
with one entry, `{"a": <true>}`::

    61 00 00 00 00 00 00 00   01 00 62   02   0c
    key, padded to eight      true, "b"  end of the key in the entry, end of the entry in the array

A value in a `v` comes as `Variant` and is read when asked for: of a commit's metadata few are of use, and some are
large.
"""

import struct
from dataclasses import dataclass, field
from typing import Literal

from layercensus.errors import HostDocumentError
from layercensus.host.live.gvariant_type import GVariantTypeError, VariantType, parse_type

ByteOrder = Literal["little", "big"]
Value = object

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 32
# A package list of 5,000 packages is 30,000 values.
MAX_VALUES = 500_000
_MAX_SIGNATURE = 255
_SIGNED = frozenset("nixh")
# An empty container has no room for offsets: GLib reads each as 0, so that all members of a tuple are empty.
_OFFSET_SIZES = ((0, 0), (0xFF, 1), (0xFFFF, 2), (0xFFFFFFFF, 4))


class GVariantError(HostDocumentError):
    """Bytes are no GVariant of the type that they should be, or one beyond the limits."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A value with its type, not read yet."""

    signature: str
    data: bytes = field(repr=False)
    byte_order: ByteOrder
    depth: int = 0

    def unpack(self) -> Value:
        """Read the value; variants in it stay `Variant`. Raises `GVariantError`."""
        return unpack(self.signature, self.data, byte_order=self.byte_order, depth=self.depth)


def unpack(signature: str, data: bytes, *, byte_order: ByteOrder, depth: int = 0) -> Value:
    """Read bytes as a value of a type, given as GVariant spells it (`a{sv}`).

    Gives bool, int, float, str, bytes (`ay`), list, dict (`a{…}`), tuple, None or the value (`m…`), and `Variant`.
    `depth`: how deep the value lies in others. Raises `GVariantError`.
    """
    if len(data) > MAX_BYTES:
        raise GVariantError(f"is larger than {MAX_BYTES >> 20} MiB, which no object that we read is")
    return _Reader(data, byte_order).read(_type_of(signature), 0, len(data), depth)


def _type_of(signature: str) -> VariantType:
    try:
        return parse_type(signature)
    except GVariantTypeError as error:
        raise GVariantError(f"has a type that is none: {error}") from error


class _Reader:
    """One buffer; `left` counts down the values that may still be read."""

    def __init__(self, data: bytes, byte_order: ByteOrder) -> None:
        self.data = data
        self.byte_order = byte_order
        self.left = MAX_VALUES

    def read(self, kind: VariantType, start: int, end: int, depth: int) -> Value:
        """Read the value of a type that fills exactly `start` to `end`."""
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            raise GVariantError("holds more values, or deeper ones, than any object that we read")
        if kind.size is not None and end - start != kind.size:
            raise GVariantError(f"has {end - start} bytes where type {kind.signature} takes {kind.size}")
        code = kind.signature[0]
        if code in "sog":
            return self._text(start, end)
        if code == "a":
            return self._array(kind, start, end, depth)
        if code in "({":
            return self._tuple(kind, start, end, depth)
        if code == "v":
            return self._variant(start, end, depth)
        if code == "m":
            return self._maybe(kind.members[0], start, end, depth)
        return self._number(code, start, end)

    def _number(self, code: str, start: int, end: int) -> Value:
        if code == "b":
            if self.data[start] > 1:
                raise GVariantError("has a truth value that is neither true nor false")
            return self.data[start] == 1
        if code == "d":
            return struct.unpack("<d" if self.byte_order == "little" else ">d", self.data[start:end])[0]
        return int.from_bytes(self.data[start:end], self.byte_order, signed=code in _SIGNED)

    def _text(self, start: int, end: int) -> str:
        if end <= start or self.data.find(0, start, end) != end - 1:
            raise GVariantError("has a text that does not end with its only NUL")
        try:
            return self.data[start : end - 1].decode("utf-8")
        except UnicodeDecodeError as error:
            raise GVariantError("has a text that is not UTF-8") from error

    def _variant(self, start: int, end: int, depth: int) -> Variant:
        split = self.data.rfind(0, start, end)
        if split < 0 or end - split - 1 > _MAX_SIGNATURE:
            raise GVariantError("has a variant without a type")
        try:
            signature = self.data[split + 1 : end].decode("ascii")
        except UnicodeDecodeError as error:
            raise GVariantError("has a variant whose type is no text") from error
        _type_of(signature)
        return Variant(signature, self.data[start:split], self.byte_order, depth + 1)

    def _maybe(self, inner: VariantType, start: int, end: int, depth: int) -> Value:
        if start == end:
            return None
        if inner.size is None:
            end -= 1
            if self.data[end] != 0:
                raise GVariantError("has an optional value without its mark")
        return self.read(inner, start, end, depth + 1)

    def _array(self, kind: VariantType, start: int, end: int, depth: int) -> Value:
        element = kind.members[0]
        if element.signature == "y":
            return self.data[start:end]
        spans = self._fixed_spans(element, start, end) if element.size else self._spans(element, start, end)
        values = [self.read(element, first, last, depth + 1) for first, last in spans]
        if element.signature[0] == "{":
            return dict(values)  # type: ignore[arg-type]  # entries are pairs, `_tuple` made them
        return values

    def _fixed_spans(self, element: VariantType, start: int, end: int) -> list[tuple[int, int]]:
        size = element.size or 1
        count, rest = divmod(end - start, size)
        if rest or count > self.left:
            raise GVariantError(f"has an array of {element.signature} that is not a whole number of them")
        return [(start + index * size, start + (index + 1) * size) for index in range(count)]

    def _spans(self, element: VariantType, start: int, end: int) -> list[tuple[int, int]]:
        """Where the elements of an array lie: the offsets at its end say where each element ends."""
        if start == end:
            return []
        size = _offset_size(end - start)
        ends_at = start + self._offset(end - size, size)
        count, rest = divmod(end - ends_at, size)
        if rest or ends_at >= end or count > self.left:
            raise GVariantError("has an array whose offsets do not fit it")
        spans: list[tuple[int, int]] = []
        position = start
        for index in range(count):
            first = _align(position, start, element.alignment)
            position = start + self._offset(ends_at + index * size, size)
            if not first <= position <= ends_at:
                raise GVariantError("has an array whose elements overlap")
            spans.append((first, position))
        return spans

    def _tuple(self, kind: VariantType, start: int, end: int, depth: int) -> Value:
        if not kind.members:
            return ()
        size = _offset_size(end - start)
        last = end - size * kind.offsets
        offset_at = end
        values: list[Value] = []
        position = start
        for index, member in enumerate(kind.members):
            first = _align(position, start, member.alignment)
            if member.size is not None:
                position = first + member.size
            elif index == len(kind.members) - 1:
                position = last
            else:
                offset_at -= size
                if offset_at < start:
                    raise GVariantError(f"ends inside a tuple {kind.signature}")
                position = start + self._offset(offset_at, size)
            if not first <= position <= last:
                raise GVariantError(f"has a tuple {kind.signature} whose members do not fit it")
            values.append(self.read(member, first, position, depth + 1))
        if kind.size is None and position != last:
            raise GVariantError(f"has bytes behind a tuple {kind.signature}")
        return tuple(values)

    def _offset(self, at: int, size: int) -> int:
        return int.from_bytes(self.data[at : at + size], "little")


def _offset_size(length: int) -> int:
    """Bytes of one framing offset in a container of that length."""
    return next(size for limit, size in _OFFSET_SIZES if length <= limit)


def _align(position: int, start: int, alignment: int) -> int:
    return start + -(-(position - start) // alignment) * alignment
