"""Requests against protobuf's own library: the same labels and samples, and 400 for whatever is no request."""

import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import FUTURE, PROMETHEUS, STALE, bits_of, delimited, double_of, request, series, varint

from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.write_request import MalformedError, Series, parse_varint, parse_write_request

MOST = 20_000
LABELS = [("__name__", "up"), ("cluster_id", "x")]
TYPICAL = request(
    series(LABELS, (1_795_608_000_000, 3.0), (-1, -0.0)),
    series([("__name__", "é"), ("", "")], (0, 0.0)),
    series([]),
    series(LABELS, (2**63 - 1, float("inf")), (-(2**63), double_of(STALE)), (127, 1e300)),
)

int64s = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, -1, 127, 128, 2**35, 2**63 - 1, -(2**63)])
doubles = st.integers(0, 2**64 - 1).map(double_of) | st.sampled_from(
    [
        0.0,
        -0.0,
        1.0,
        float("inf"),
        float("-inf"),
        double_of(STALE),
        double_of(0x7FF8000000000001),
        double_of(2**63 + STALE),
    ]
)
texts = st.text(max_size=6)
labels_of = st.lists(st.tuples(texts, texts), max_size=5)
samples_of = st.lists(st.tuples(int64s, doubles), max_size=4)


@st.composite
def requests(draw: st.DrawFn, messages: Any = PROMETHEUS) -> Any:
    made = messages["WriteRequest"]()
    for labels, samples in draw(st.lists(st.tuples(labels_of, samples_of), max_size=4)):
        one = made.timeseries.add()
        for name, value in labels:
            one.labels.add(name=name, value=value)
        for timestamp, number in samples:
            one.samples.add(timestamp=timestamp, value=number)
        for number in draw(st.lists(doubles, max_size=2)):
            exemplar = one.exemplars.add(value=number, timestamp=draw(int64s))
            exemplar.labels.add(name="trace_id", value=draw(texts))
        for total in draw(st.lists(doubles, max_size=2)):
            histogram = one.histograms.add(sum=total, schema=-4, timestamp=draw(int64s), count_int=7)
            histogram.positive_spans.add(offset=-3, length=2)
            histogram.positive_deltas.extend([1, -1])
    for text in draw(st.lists(texts, max_size=2)):
        made.metadata.add(type=1, metric_family_name=text, help=text, unit=text)
    return made


def by_protobuf(message: Any) -> list[tuple[list[tuple[str, str]], list[tuple[int, int]]]]:
    return [
        (
            [(label.name, label.value) for label in one.labels],
            [(sample.timestamp, bits_of(sample.value)) for sample in one.samples],
        )
        for one in message.timeseries
    ]


def by_us(found: Sequence[Series]) -> list[tuple[list[tuple[str, str]], list[tuple[int, int]]]]:
    return [
        (
            [(label.name, label.value) for label in PROMETHEUS["Labels"].FromString(one.labels).labels],
            [(sample.timestamp, bits_of(sample.value)) for sample in one.samples],
        )
        for one in found
    ]


def read_or_refused(data: bytes) -> list[Series] | Refusal:
    try:
        return parse_write_request(data, MOST)
    except Refusal as refusal:
        return refusal


def refused(data: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse_write_request(data, MOST)
    return caught.value


@settings(max_examples=300)
@given(requests())
def test_labels_and_samples_are_those_that_protobuf_reads(message: Any) -> None:
    data = message.SerializeToString()
    found = parse_write_request(data, MOST)
    assert by_us(found) == by_protobuf(PROMETHEUS["WriteRequest"].FromString(data))
    assert [one.others for one in found] == [len(one.exemplars) + len(one.histograms) for one in message.timeseries]


@given(requests())
def test_where_labels_and_samples_stand_is_where_they_stand(message: Any) -> None:
    data = message.SerializeToString()
    for one in parse_write_request(data, MOST):
        assert data[one.labels_at] == one.labels
        for sample in one.samples:
            if sample.value_at is None:
                assert bits_of(sample.value) == 0
            else:
                assert data[sample.value_at] == struct.pack("<d", sample.value)
            if sample.timestamp_at is None:
                assert sample.timestamp == 0
            else:
                assert data[sample.timestamp_at] == varint(sample.timestamp % 2**64)


@given(data=st.data())
def test_fields_that_are_not_known_yet_change_nothing(data: st.DataObject) -> None:
    message = data.draw(requests(messages=FUTURE))
    for part in (message, *message.timeseries, *(sample for one in message.timeseries for sample in one.samples)):
        part.later_text = data.draw(texts)
        part.later_number = data.draw(int64s)
        part.later_word = data.draw(st.integers(0, 2**32 - 1))
        part.later_double = data.draw(doubles)
        part.later_label.add(name="__name__", value="other")
    found = parse_write_request(message.SerializeToString(), MOST)
    assert by_us(found) == by_protobuf(message)


@pytest.mark.parametrize(
    ("timestamp", "bits"),
    [
        (0, 0),
        (1, bits_of(-0.0)),
        (-1, bits_of(1.0)),
        (2**63 - 1, bits_of(float("inf"))),
        (-(2**63), bits_of(float("-inf"))),
        (1_795_608_000_000, STALE),
        (1_795_608_000_000, 0x7FF8000000000001),
        (1_795_608_000_000, 0xFFF8000000000123),
        (2**53 + 1, bits_of(5e-324)),
    ],
    ids=["omitted", "-0.0", "negative time", "inf", "-inf", "stale marker", "NaN", "NaN with a payload", "subnormal"],
)
def test_a_sample_keeps_every_bit(timestamp: int, bits: int) -> None:
    content = b"\x09" + bits.to_bytes(8, "little") + b"\x10" + varint(timestamp % 2**64)
    (found,) = parse_write_request(delimited(1, delimited(2, content)), MOST)
    (sample,) = found.samples
    assert (sample.timestamp, bits_of(sample.value)) == (timestamp, bits)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (0, 0.0)),
        (b"\x10\x05", (5, 0.0)),
        (b"\x09" + struct.pack("<d", 2.0), (0, 2.0)),
        (b"\x10\x05\x09" + struct.pack("<d", 2.0), (5, 2.0)),
        (b"\x10\x05\x10\x06", (6, 0.0)),
        (b"\x09" + struct.pack("<d", 2.0) + b"\x09" + struct.pack("<d", 3.0), (0, 3.0)),
        (b"\x10" + varint(5, 10), (5, 0.0)),
        (b"\x90\x00\x05", (5, 0.0)),
        (b"\x18\x07\x10\x05\x22\x01x\x2d1234\x311234abcd", (5, 0.0)),
    ],
    ids=[
        "nothing", "no value", "no time", "time first", "time twice", "value twice", "time of ten bytes", "tag of two bytes",
        "fields of another",
    ],
)  # fmt: skip
def test_a_sample_is_read_as_protobuf_has_it(content: bytes, expected: tuple[int, float]) -> None:
    oracle = PROMETHEUS["Sample"].FromString(content)
    assert (oracle.timestamp, oracle.value) == expected
    (found,) = parse_write_request(delimited(1, delimited(2, content)), MOST)
    assert [(sample.timestamp, sample.value) for sample in found.samples] == [expected]


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x01",
        b"\x0a\x80",
        b"\x0a" + b"\x80" * 10 + b"\x01",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\xff\xff\xff\xff\x07",
        b"\x00\x00",
        b"\x02\x00",
        b"\x0e",
        b"\x0f",
        b"\x0c",
        b"\x09\x00\x00\x00\x00\x00\x00\x00",
        b"\x1d\x00\x00\x00",
        b"\x18",
        b"\x18\x80",
        b"\x18" + b"\xff" * 10,
        b"\x18" + b"\xff" * 9 + b"\x02",
        b"\x80",
        b"\x80" * 11,
        delimited(1, b"\x12\x01\x10"),
        delimited(1, delimited(2, b"\x09\x00\x00")),
        delimited(1, delimited(2, b"\x10\x80")),
        delimited(1, delimited(2, b"\x10" + b"\xff" * 9 + b"\x02")),
        delimited(1, b"\x0a\x05abc"),
        delimited(1, delimited(3, b"")) + b"\xff",
    ],
)
def test_what_is_no_message_is_a_bad_request(data: bytes) -> None:
    refusal = refused(data)
    assert refusal.status is Status.BAD_REQUEST
    assert refusal.reason == "protobuf"


@pytest.mark.parametrize("first", [delimited(2, b""), delimited(3, b""), delimited(4, b"")])
def test_labels_after_anything_else_of_a_series_are_refused(first: bytes) -> None:
    label = delimited(1, delimited(1, b"a") + delimited(2, b"b"))
    assert refused(delimited(1, label + first + label)).status is Status.BAD_REQUEST
    assert refused(delimited(1, first + label)).status is Status.BAD_REQUEST


@pytest.mark.parametrize("data", [b"", delimited(3, b""), delimited(3, b"\xff\xff"), delimited(2, b"x"), b"\x10\x01"])
def test_a_request_may_hold_no_series(data: bytes) -> None:
    assert parse_write_request(data, MOST) == []


def test_series_may_be_empty() -> None:
    found = parse_write_request(b"\x0a\x00\x0a\x00", MOST)
    assert [(one.labels, one.samples, one.others) for one in found] == [(b"", (), 0)] * 2


@pytest.mark.parametrize(("number", "is_taken"), [(0, True), (3, True), (4, False), (5, False)])
def test_series_are_counted_before_they_are_kept(number: int, is_taken: bool) -> None:
    data = b"\x0a\x00" * number
    if is_taken:
        assert len(parse_write_request(data, 3)) == number
        return
    with pytest.raises(Refusal) as caught:
        parse_write_request(data, 3)
    assert (caught.value.status, caught.value.reason) == (Status.BAD_REQUEST, "series")


def test_a_request_cut_anywhere_is_refused_unless_what_is_left_is_whole() -> None:
    for stop in range(len(TYPICAL) + 1):
        data = TYPICAL[:stop]
        try:
            expected = by_protobuf(PROMETHEUS["WriteRequest"].FromString(data))
        except DecodeError:
            assert refused(data).status is Status.BAD_REQUEST
        else:
            assert by_us(parse_write_request(data, MOST)) == expected


def is_the_same_or_refused(data: bytes) -> None:
    """Nothing but `Refusal` is raised; and what both read, both read alike."""
    found = read_or_refused(data)
    if isinstance(found, Refusal):
        assert found.status is Status.BAD_REQUEST
        return
    try:
        expected = PROMETHEUS["WriteRequest"].FromString(data)
    except DecodeError:
        return
    assert by_us(found) == by_protobuf(expected)


@settings(max_examples=500)
@given(
    message=requests(),
    changes=st.lists(
        st.tuples(st.integers(0, 2**16), st.integers(0, 2), st.binary(max_size=11)), min_size=1, max_size=3
    ),
)
def test_mutated_bytes_are_refused_or_read_as_protobuf_reads_them(
    message: Any, changes: list[tuple[int, int, bytes]]
) -> None:
    data = message.SerializeToString() or TYPICAL
    for place, deleted, inserted in changes:
        at = place % (len(data) + 1)
        data = data[:at] + inserted + data[at + deleted :]
    is_the_same_or_refused(data)


def test_each_byte_of_a_request_may_be_any_other() -> None:
    for at in range(len(TYPICAL)):
        for byte in (0x00, 0x01, 0x7F, 0x80, 0xFF, TYPICAL[at] ^ 0x01, TYPICAL[at] ^ 0x80):
            is_the_same_or_refused(TYPICAL[:at] + bytes([byte]) + TYPICAL[at + 1 :])


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_read_as_protobuf_reads_them(data: bytes) -> None:
    is_the_same_or_refused(data)


@given(st.integers(0, 2**64 - 1), st.integers(0, 10))
def test_a_varint_may_be_written_long(number: int, length: int) -> None:
    assert parse_varint(varint(number, length)) == number


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x01\x00", b"\x80" * 10, b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x00"]
)
def test_what_is_no_number_or_more_than_one_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_varint(data)
