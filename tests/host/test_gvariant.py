"""GVariant bytes: the specification's own examples, both byte orders, limits, and damage of any kind."""

import contextlib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.errors import HostDocumentError
from layercensus.host.live.gvariant import MAX_BYTES, MAX_DEPTH, ByteOrder, GVariantError, Variant, unpack

# "GVariant Specification" (Ryan Lortie), section 2.5.3 "Examples": type, bytes, value.
SPECIFICATION = {
    "string": ("s", b"hello world\0", "hello world"),
    "maybe string": ("ms", b"Hello world\0\0", "Hello world"),
    "array of booleans": ("ab", b"\x01\0\0\x01\x01", [True, False, False, True, True]),
    "structure": ("(si)", b"foo\0\xff\xff\xff\xff\x04", ("foo", -1)),
    "structure array": (
        "a(si)",
        b"hi\0\0\xfe\xff\xff\xff\x03\0\0\0bye\0\xff\xff\xff\xff\x04\x09\x15",
        [("hi", -2), ("bye", -1)],
    ),
    "string array": ("as", b"i\0can\0has\0strings?\0\x02\x06\x0a\x13", ["i", "can", "has", "strings?"]),
    "nested structure": ("((ys)as)", b"ican\0has\0strings?\0\x04\x0d\x05", ((ord("i"), "can"), ["has", "strings?"])),
    "simple structure": ("(yy)", b"\x70\x80", (0x70, 0x80)),
    "padded structure": ("(iy)", b"\x60\0\0\0\x70\0\0\0", (96, 0x70)),
    "array of structures": ("a(iy)", b"\x60\0\0\0\x70\0\0\0\x88\x02\0\0\xf7\0\0\0", [(96, 0x70), (648, 0xF7)]),
    "array of bytes": ("ay", b"\x04\x05\x06\x07", b"\x04\x05\x06\x07"),
    "array of integers": ("ai", b"\x04\0\0\0\x02\x01\0\0", [4, 258]),
    "dictionary entry": ("{si}", b"a key\0\0\0\x02\x02\0\0\x06", ("a key", 514)),
}


@pytest.mark.parametrize(("signature", "data", "value"), SPECIFICATION.values(), ids=SPECIFICATION)
def test_the_examples_of_the_specification(signature: str, data: bytes, value: object) -> None:
    assert unpack(signature, data, byte_order="little") == value


def test_numbers_follow_the_writer_and_offsets_do_not() -> None:
    assert unpack("(su)", b"ab\0\0\0\0\x01\x02\x03", byte_order="big") == ("ab", 0x102)
    assert unpack("(su)", b"ab\0\0\x02\x01\0\0\x03", byte_order="little") == ("ab", 0x102)
    # 300 one-letter strings: offsets of two bytes, the same on every machine.
    texts = b"a\0" * 300
    offsets = b"".join((2 * number).to_bytes(2, "little") for number in range(1, 301))
    for order in get_args(ByteOrder):
        assert unpack("as", texts + offsets, byte_order=order) == ["a"] * 300


def test_a_variant_is_read_when_asked_for() -> None:
    values = unpack("a{sv}", b"a\0\0\0\0\0\0\0\x01\0b\x02\x0c", byte_order="little")
    assert isinstance(values, dict)
    assert values["a"].signature == "b"
    assert values["a"].unpack() is True


def test_one_bad_value_does_not_hide_the_others() -> None:
    # The same bytes with the truth value 7.
    values = unpack("a{sv}", b"a\0\0\0\0\0\0\0\x07\0b\x02\x0c", byte_order="little")
    assert isinstance(values, dict)
    with pytest.raises(GVariantError, match="neither true nor false"):
        values["a"].unpack()


REFUSED = {
    "no type": ("", b""),
    "two types": ("ss", b"a\0"),
    "unknown type": ("z", b""),
    "open bracket": ("(s", b"a\0"),
    "bracket that nothing opened": ("s)", b"a\0"),
    "entry with a container for a key": ("a{asv}", b""),
    "a boolean of two": ("b", b"\x02"),
    "a number cut off": ("u", b"\0\0\0"),
    "a string without its end": ("s", b"abc"),
    "a string with two ends": ("s", b"a\0b\0"),
    "an empty string": ("s", b""),
    "no UTF-8": ("s", b"\xff\xfe\0"),
    "an offset beyond the end": ("as", b"a\0\x09"),
    "offsets that run back": ("as", b"a\0b\0\x04\x02\x04"),
    "a tuple that is cut": ("(ss)", b"a\0"),
    "bytes behind a tuple": ("(si)", b"foo\0\xff\xff\xff\xff\0\0\0\0\x04"),
    "half an element": ("ai", b"\0\0\0\0\0"),
    "a variant without a type": ("v", b"abc"),
    "a variant of no type": ("v", b"abc\0z"),
    "a variant whose type is no text": ("v", b"abc\0\xff"),
    "a mark of a maybe that is none": ("ms", b"a\0b"),
}


@pytest.mark.parametrize(("signature", "data"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_is_an_error_and_no_default_value(signature: str, data: bytes) -> None:
    with pytest.raises(GVariantError):
        unpack(signature, data, byte_order="little")


def test_the_error_is_one_of_a_host_document() -> None:
    assert issubclass(GVariantError, HostDocumentError)


def test_size_depth_and_number_of_values_are_bounded() -> None:
    with pytest.raises(GVariantError, match="larger than"):
        unpack("ay", bytes(MAX_BYTES + 1), byte_order="little")
    with pytest.raises(GVariantError, match="too deep"):
        unpack("a" * 200 + "s", b"", byte_order="little")
    with pytest.raises(GVariantError):
        unpack("ab", bytes(2_000_000), byte_order="little")


def test_variants_in_variants_end() -> None:
    data = b"x\0s"
    for _ in range(MAX_DEPTH + 5):
        data += b"\0v"
    with pytest.raises(GVariantError, match="deeper"):
        walk(Variant("v", data[:-2], "little"))


def walk(value: object) -> int:
    """Read every variant in a value; the number of values seen."""
    if isinstance(value, Variant):
        return 1 + walk(value.unpack())
    if isinstance(value, dict):
        return sum(walk(item) for pair in value.items() for item in pair) + 1
    if isinstance(value, list | tuple):
        return sum(walk(item) for item in value) + 1
    return 1


# A commit's metadata in small: a package list, a flag, a tuple in a variant.
METADATA = (
    b"a\0\0\0\0\0\0\0\x01\0b\x02\0\0\0\0"
    b"l\0\0\0\0\0\0\0a\x000\x001\x001\0x\0\x08\x06\x04\x02\x0e\0a(sssss)\x02\x0c1"
)  # fmt: skip


@given(
    st.sampled_from(["a{sv}", "(a{sv}aya(say)sstayay)", "a(sssss)", "as", "av", "v", "a(vv)", "(sstsss)"]),
    st.binary(max_size=300),
)
def test_any_bytes_give_a_value_or_our_own_error(signature: str, data: bytes) -> None:
    with contextlib.suppress(GVariantError):
        walk(unpack(signature, data, byte_order="little"))


def test_metadata_in_small_reads() -> None:
    metadata = unpack("a{sv}", METADATA, byte_order="big")
    assert isinstance(metadata, dict)
    assert {key: value.unpack() for key, value in metadata.items()} == {"a": True, "l": [("a", "0", "1", "1", "x")]}


@given(st.lists(st.tuples(st.integers(0, len(METADATA) - 1), st.integers(0, 255)), max_size=5), st.integers(0, 60))
def test_damaged_metadata_gives_a_value_or_our_own_error(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(METADATA)
    for place, byte in changes:
        data[place] = byte
    with contextlib.suppress(GVariantError):
        walk(unpack("a{sv}", bytes(data[: len(data) - cut]), byte_order="big"))


@given(st.text(alphabet="abynqiuxtdhsogvm(){}r*?", max_size=40), st.binary(max_size=40))
def test_any_type_is_read_or_refused(signature: str, data: bytes) -> None:
    with contextlib.suppress(GVariantError):
        walk(unpack(signature, data, byte_order="little"))
