r"""A remote-write 1.0 request as protobuf to its series: label bytes and samples. Bytes in, values out. Pure.

The messages, of prometheus/prometheus `prompb/remote.proto` and `types.proto`, as far as a receiver needs them::

    WriteRequest { repeated TimeSeries timeseries = 1; repeated MetricMetadata metadata = 3; }
    TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; exemplars = 3; histograms = 4; }
    Label        { string name = 1; string value = 2; }
    Sample       { double value = 1; int64 timestamp = 2; }      milliseconds since 1970

A series' labels stay the bytes that they are: what they mean is found once for each kind of series (`kinds`) and not
once for each request. Where a sample stands is kept for `templates`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from layercensus.fleet.refusal import Refusal, Status

_DOUBLE = struct.Struct("<d")
_MOST_VARINT_BYTES = 10
# A label and a sample have two; a later version may have some more.
_MOST_FIELDS = 16
_VARINT, _EIGHT, _DELIMITED, _FOUR = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Sample:
    """A value at a time, in milliseconds since 1970; and where the two stand in the request, None where they do not."""

    timestamp: int
    value: float
    timestamp_at: slice | None
    value_at: slice | None


@dataclass(frozen=True, slots=True)
class Series:
    """Labels as bytes, and where they stand; samples. `others` counts exemplars, histograms and unknown fields."""

    labels: bytes
    labels_at: slice
    samples: tuple[Sample, ...]
    others: int


class MalformedError(Exception):
    """The bytes are no such message."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: its number, its wire type, and where its content stands."""

    number: int
    wire_type: int
    at: slice


def parse_write_request(data: bytes, most: int, most_labels: int = 64) -> list[Series]:
    """Series of a request, in its order. Raises `Refusal` (400) for other bytes, and for too many of anything.

    There may be `most` series, `most` of all that is no label (samples, metadata and so on), `most_labels` in a series.
    """
    found: list[Series] = []
    left = most
    try:
        for field in parse_fields(data, 0, len(data)):
            if field.number != 1:
                left = _take(left, 1)
                continue
            if len(found) == most:
                raise Refusal(Status.BAD_REQUEST, "series", f"more than {most} series in one request")
            one = _series(data, field, left, most_labels)
            left = _take(left, len(one.samples) + one.others)
            found.append(one)
    except MalformedError as error:
        raise Refusal(Status.BAD_REQUEST, "protobuf", "the body is no remote-write 1.0 request") from error
    return found


def parse_message(data: bytes, at: slice) -> Iterator[Field]:
    """Fields of a small message, a label or a sample. Raises `MalformedError`, also for more than any has."""
    for number, field in enumerate(parse_fields(data, at.start, at.stop)):
        if number == _MOST_FIELDS:
            raise MalformedError
        yield field


def parse_fields(data: bytes, position: int, stop: int) -> Iterator[Field]:
    """Fields of a message between two positions. Raises `MalformedError`."""
    while position < stop:
        tag, position = _varint(data, position, stop)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise MalformedError
        start = position
        if wire_type == _DELIMITED:
            size, start = _varint(data, position, stop)
            position = start + size
        elif wire_type == _EIGHT:
            position += 8
        elif wire_type == _FOUR:
            position += 4
        elif wire_type == _VARINT:
            _, position = _varint(data, position, stop)
        else:
            raise MalformedError
        if position > stop:
            raise MalformedError
        yield Field(number, wire_type, slice(start, position))


def parse_varint(data: bytes) -> int:
    """The number that these bytes are, all of them. Raises `MalformedError`."""
    number, position = _varint(data, 0, len(data))
    if position != len(data):
        raise MalformedError
    return number


def _take(left: int, number: int) -> int:
    """What is left of what a request may hold. Raises `Refusal`."""
    if number > left:
        raise Refusal(Status.BAD_REQUEST, "samples", "too many samples in one request: lower max_samples_per_send")
    return left - number


def _series(data: bytes, message: Field, left: int, most_labels: int) -> Series:
    """A series. Labels after anything else are refused: no sender writes so, and a template could not hold it."""
    if message.wire_type != _DELIMITED:
        raise MalformedError
    samples: list[Sample] = []
    others = labels = 0
    labels_stop = message.at.start
    for field in parse_fields(data, message.at.start, message.at.stop):
        if field.number == 1:
            if field.wire_type != _DELIMITED or samples or others:
                raise MalformedError
            labels += 1
            if labels > most_labels:
                raise Refusal(Status.BAD_REQUEST, "labels", f"a series has more than {most_labels} labels")
            labels_stop = field.at.stop
        elif field.number == 2:
            if field.wire_type != _DELIMITED:
                raise MalformedError
            left = _take(left, 1)
            samples.append(_sample(data, field.at))
        else:
            left = _take(left, 1)
            others += 1
    labels_at = slice(message.at.start, labels_stop)
    return Series(data[labels_at], labels_at, tuple(samples), others)


def _sample(data: bytes, at: slice) -> Sample:
    """A sample; what is left out is zero, as protobuf has it, and what comes twice is the last."""
    timestamp, value = 0, 0.0
    timestamp_at: slice | None = None
    value_at: slice | None = None
    for field in parse_message(data, at):
        if field.number == 1 and field.wire_type == _EIGHT:
            (value,) = _DOUBLE.unpack_from(data, field.at.start)
            value_at = field.at
        elif field.number == 2 and field.wire_type == _VARINT:
            number, _ = _varint(data, field.at.start, field.at.stop)
            timestamp = number - 2**64 if number >= 2**63 else number
            timestamp_at = field.at
        elif field.number in {1, 2}:
            raise MalformedError
    return Sample(timestamp, value, timestamp_at, value_at)


def _varint(data: bytes, position: int, stop: int) -> tuple[int, int]:
    """A number and where it ends. Raises `MalformedError` where it does not end, or does not fit 64 bits."""
    number = 0
    for index in range(_MOST_VARINT_BYTES):
        if position + index >= stop:
            raise MalformedError
        byte = data[position + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if number >= 2**64:
                raise MalformedError
            return number, position + index + 1
    raise MalformedError
