"""Snappy's block format by its description (google/snappy, format_description.txt): blocks composed by hand."""

import sys
from pathlib import Path

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import compress, varint

from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.snappy_block import declared_size, decompress

MOST = 1_000_000


def literal(data: bytes) -> bytes:
    """A literal of up to 60 bytes: the length less one in the upper six bits of its tag."""
    return bytes([len(data) - 1 << 2]) + data


def refused(body: bytes, most: int = MOST) -> Refusal:
    with pytest.raises(Refusal) as caught:
        decompress(body, most)
    return caught.value


@pytest.mark.parametrize(
    ("body", "held"),
    [
        (b"\x00", b""),
        (b"\x05" + literal(b"hello"), b"hello"),
        (b"\x07" + literal(b"xab") + b"\x01\x02", b"xababab"),
        (b"\x07" + literal(b"xab") + b"\x0e\x02\x00", b"xababab"),
        (b"\x07" + literal(b"xab") + b"\x0f\x02\x00\x00\x00", b"xababab"),
        (b"\x0a" + literal(b"hello") + literal(b"world"), b"helloworld"),
        (b"\x3d\xf0\x3c" + b"a" * 61, b"a" * 61),
        (b"\xac\x02\xf4\x2b\x01" + b"b" * 300, b"b" * 300),
        (b"\x85\x00" + literal(b"hello"), b"hello"),
        (b"\x85\x80\x80\x80\x00" + literal(b"hello"), b"hello"),
    ],
    ids=[
        "nothing", "a literal", "copy, offset of one byte", "copy, of two", "copy, of four", "two literals",
        "length of one byte", "length of two bytes", "size written long", "size of five bytes",
    ],
)  # fmt: skip
def test_a_block_holds_what_the_description_says(body: bytes, held: bytes) -> None:
    assert decompress(body, MOST) == held


@given(st.binary(max_size=2000))
def test_what_was_compressed_comes_back(data: bytes) -> None:
    assert decompress(compress(data), MOST) == data


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b"\x40", 64),
        (b"\xfe\xff\x7f", 2_097_150),
        (b"\xff\xff\xff\xff\x0f", 2**32 - 1),
        (b"\x80\x80\x80\x80\x10", 2**32),
        (b"\x00rest", 0),
    ],
)
def test_the_size_is_what_stands_at_the_beginning(body: bytes, size: int) -> None:
    assert declared_size(body) == size


@pytest.mark.parametrize("body", [b"", b"\x80", b"\xff" * 4, b"\xff" * 5, b"\x80" * 5 + b"\x01", b"\xff" * 100])
def test_a_size_that_does_not_end_in_five_bytes_is_none(body: bytes) -> None:
    refusal = refused(body)
    assert (refusal.status, refusal.reason) == (Status.BAD_REQUEST, "snappy")


@pytest.mark.parametrize(
    "body", [b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x10", b"\xff\xff\xff\xff\x7f", b"\xff\xff\xff\xff\x0f\x00a"]
)
def test_gigabytes_declared_in_five_bytes_are_refused_before_they_are_allocated(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(_: object) -> bytes:
        pytest.fail("it was looked into")

    monkeypatch.setattr(cramjam.snappy, "decompress_raw", allocate)
    assert refused(body).status is Status.TOO_LARGE


def test_the_limit_is_what_is_held_and_the_last_that_is_taken() -> None:
    data = bytes(1000)
    assert decompress(compress(data), 1000) == data
    refusal = refused(compress(data), 999)
    assert (refusal.status, refusal.reason) == (Status.TOO_LARGE, "size")


@pytest.mark.parametrize(
    "body",
    [
        b"\x04" + literal(b"hello"),
        b"\x06" + literal(b"hello"),
        b"\x05",
        b"\x05\x10hell",
        b"\x00" + literal(b"a"),
        b"\x05" + literal(b"hello") + b"\x00",
        b"\x05\x01\x01",
        b"\x07" + literal(b"xab") + b"\x01\x00",
        b"\x07" + literal(b"xab") + b"\x01\x04",
        b"\x07" + literal(b"xab") + b"\x05\x02",
        b"\x05\xfc\xff\xff\xff\xffhello",
        b"\x05hello",
    ],
    ids=[
        "says less", "says more", "no elements", "cut literal", "says nothing", "a tag too many", "begins with a copy",
        "offset zero", "offset before the start", "copy beyond the end", "literal of 4 GiB", "no tags",
    ],
)  # fmt: skip
def test_a_block_that_lies_is_a_bad_request(body: bytes) -> None:
    refusal = refused(body)
    assert (refusal.status, refusal.reason) == (Status.BAD_REQUEST, "snappy")


@pytest.mark.parametrize("data", [b"", b"hello", bytes(100_000)])
def test_the_framed_format_is_refused(data: bytes) -> None:
    identifier = b"\xff\x06\x00\x00sNaPpY"
    framed = bytes(cramjam.snappy.compress(data)) or identifier
    assert framed.startswith(identifier)
    assert refused(framed).status is Status.BAD_REQUEST


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08\x00" + bytes(20), b"(\xb5/\xfd\x04\x00", b'{"a": 1}', b"<html>"])
def test_other_formats_are_refused(body: bytes) -> None:
    assert refused(body).status in {Status.BAD_REQUEST, Status.TOO_LARGE}


@given(st.binary(max_size=100), st.booleans())
def test_any_bytes_are_refused_or_hold_what_they_say(body: bytes, is_prefixed: bool) -> None:
    if is_prefixed:
        body = varint(len(body)) + body
    try:
        held = decompress(body, MOST)
    except Refusal as refusal:
        found = refusal.status
    else:
        assert len(held) == declared_size(body) <= MOST
        return
    assert found in {Status.BAD_REQUEST, Status.TOO_LARGE}


def test_a_block_cut_anywhere_is_refused() -> None:
    body = compress(b"layering " * 20 + bytes(range(200)))
    for stop in range(len(body)):
        assert refused(body[:stop]).status is Status.BAD_REQUEST
