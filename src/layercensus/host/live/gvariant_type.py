"""GVariant type strings: `a{sv}` to what a reader must know of it. Pure.

The grammar, alignments and fixed sizes are those of the GVariant specification ("Types", "Serialised data"). A type
is a tree; the fixed size of a tuple is that of its members, each aligned, rounded up to the tuple's own alignment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

MAX_NESTING = 32
# Code -> alignment, fixed size (None: it varies).
_BASIC: Mapping[str, tuple[int, int | None]] = {
    **dict.fromkeys("by", (1, 1)),
    **dict.fromkeys("nq", (2, 2)),
    **dict.fromkeys("iuh", (4, 4)),
    **dict.fromkeys("xtd", (8, 8)),
    **dict.fromkeys("sog", (1, None)),
    "v": (8, None),
}
_KEYS = frozenset("bynqiuhxtdsog")


class GVariantTypeError(ValueError):
    """A text is no single complete type."""


@dataclass(frozen=True, slots=True)
class VariantType:
    """A type. `offsets`: how many framing offsets a tuple of it has, one for each varying member but the last."""

    signature: str
    alignment: int
    size: int | None
    members: tuple["VariantType", ...] = ()
    offsets: int = 0


@lru_cache(maxsize=256)
def parse_type(signature: str) -> VariantType:
    """One complete type. Raises `GVariantTypeError`."""
    kind, rest = _parse(signature, 0, 0)
    if rest != len(signature):
        raise GVariantTypeError(f"{signature!r} goes on behind a complete type")
    return kind


def _parse(text: str, start: int, nesting: int) -> tuple[VariantType, int]:
    code = text[start : start + 1]
    if nesting > MAX_NESTING:
        raise GVariantTypeError("is nested too deep")
    if code in _BASIC:
        alignment, size = _BASIC[code]
        return VariantType(code, alignment, size), start + 1
    if code in {"a", "m"}:
        inner, end = _parse(text, start + 1, nesting + 1)
        return VariantType(text[start:end], inner.alignment, None, (inner,)), end
    if code not in {"(", "{"}:
        raise GVariantTypeError(f"{code!r} in {text!r} begins no type")
    members: list[VariantType] = []
    position = start + 1
    closing = ")" if code == "(" else "}"
    while text[position : position + 1] != closing:
        member, position = _parse(text, position, nesting + 1)
        members.append(member)
    position += 1
    if code == "{" and (len(members) != 2 or members[0].signature not in _KEYS):
        raise GVariantTypeError(f"{text[start:position]!r} is no dictionary entry")
    return _tuple_type(text[start:position], tuple(members)), position


def _tuple_type(signature: str, members: tuple[VariantType, ...]) -> VariantType:
    alignment = max((member.alignment for member in members), default=1)
    varying = sum(member.size is None for member in members[:-1])
    size: int | None = None
    if all(member.size is not None for member in members):
        length = 0
        for member in members:
            length = -(-length // member.alignment) * member.alignment + (member.size or 0)
        size = max(-(-length // alignment) * alignment, 1)
    return VariantType(signature, alignment, size, members, varying)
