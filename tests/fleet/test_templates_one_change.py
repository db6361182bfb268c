"""One thing changed in a request that was learned, at each place: the answer is that of one who has learned nothing."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import (
    HOUR,
    LAYERING,
    NEED,
    NOW,
    PROMETHEUS,
    STALE,
    A,
    B,
    C,
    answer_of,
    compress,
    delimited,
    double_of,
    refusal_of,
    request,
    series,
    varint,
)

from layercensus.fleet.admission import Admission
from layercensus.fleet.refusal import Refusal

# The last time that takes five bytes as a varint; a window around it holds times of five and of six.
SHORT = 2**35 - 1
NAN = double_of(0x7FF8000000000001)
VALUES = [
    0.0, -0.0, 1.0, 4095.0, 4096.0, 5000.0, 2.0**31, 2.0**31 + 1, 0.5, -1.0, 5e-324, 1e300, float("inf"), float("-inf"), NAN,
    double_of(STALE), double_of(0xFFF0000000000002),
]  # fmt: skip
TIMES = [
    NOW, NOW + 1, NOW - 25 * HOUR, NOW - 25 * HOUR - 1, NOW + 25 * HOUR, NOW + 25 * HOUR + 1, 0, 1, 127, 128, SHORT,
    SHORT + 1, 2**42, 2**63 - 1, -1, -(2**63), NOW * 1000,
]  # fmt: skip
Pairs = Sequence[tuple[str, str]]
CLEAN: Pairs = [("__name__", LAYERING), ("layering", "clean")]
UP: Pairs = [("__name__", "up"), ("job", "kubelet")]
# What a shard sends: some that is admitted, some that is not.
SORTS: Sequence[Pairs] = [
    [("__name__", LAYERING), ("layering", "packages")],
    UP,
    CLEAN,
    [("__name__", "cluster_version"), ("type", "current"), ("version", "4.14.30")],
    [("__name__", LAYERING), ("layering", "none of it")],
    [("__name__", NEED), ("need", "agent")],
    UP,
]


def of_cluster(sort: Pairs, cluster: str, *samples: tuple[int, float]) -> Any:
    return series(sorted([*sort, ("cluster_id", cluster)]), *samples)


def typical(cluster: str, timestamp: int, values: Sequence[float] = (3.0,)) -> bytes:
    return request(
        *(of_cluster(sort, cluster, (timestamp, values[index % len(values)])) for index, sort in enumerate(SORTS))
    )


def message_of(cluster: str) -> Any:
    return PROMETHEUS["WriteRequest"].FromString(typical(cluster, NOW))


def answer(admission: Admission, data: bytes, cluster: str, now: int = NOW) -> tuple[object, ...]:
    try:
        return answer_of(admission.admit(compress(data), cluster, now))
    except Refusal as refusal:
        return refusal_of(refusal)


def learned(*seen: tuple[bytes, str], now: int = NOW) -> Admission:
    admission = Admission()
    for data, cluster in seen:
        answer(admission, data, cluster, now)
    return admission


def learned_typical() -> Admission:
    return learned((typical(A, NOW), A), (typical(B, NOW + 30_000, (7.0, 0.0)), B), (typical(A, NOW + 1), A))


def assert_same(admission: Admission, data: bytes, cluster: str, now: int = NOW) -> None:
    assert answer(admission, data, cluster, now) == answer(Admission(), data, cluster, now)


@pytest.mark.parametrize("cluster", [A, B, C, A.upper(), A[:-1]])
@pytest.mark.parametrize("sender", [A, B, C])
def test_another_id(cluster: str, sender: str) -> None:
    assert_same(learned_typical(), typical(cluster, NOW), sender)


@pytest.mark.parametrize("place", range(7))
def test_another_id_in_one_of_the_series(place: int) -> None:
    message = message_of(A)
    (label,) = (label for label in message.timeseries[place].labels if label.name == "cluster_id")
    label.value = B
    for sender in (A, B):
        assert_same(learned_typical(), message.SerializeToString(), sender)


@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("place", range(7))
def test_another_value_in_one_of_the_series(value: float, place: int) -> None:
    values = [3.0] * 7
    values[place] = value
    data = typical(A, NOW, values)
    assert_same(learned_typical(), data, A)
    # And the other way round: what is plain, after what is not.
    assert_same(learned((data, A)), typical(B, NOW), B)


@pytest.mark.parametrize("timestamp", TIMES)
def test_another_time(timestamp: int) -> None:
    data = typical(A, timestamp)
    assert_same(learned_typical(), data, A)
    assert_same(learned((data, A)), typical(A, NOW), A)
    assert_same(learned((data, A)), typical(B, timestamp), B)


@pytest.mark.parametrize("timestamp", TIMES)
@pytest.mark.parametrize("place", range(7))
def test_another_time_in_one_of_the_series(timestamp: int, place: int) -> None:
    message = message_of(A)
    message.timeseries[place].samples[0].timestamp = timestamp
    assert_same(learned_typical(), message.SerializeToString(), A)


@pytest.mark.parametrize("first", [SHORT, SHORT + 1])
@pytest.mark.parametrize("timestamp", range(SHORT - 2, SHORT + 4))
def test_a_time_within_the_window_that_takes_another_number_of_bytes(first: int, timestamp: int) -> None:
    assert_same(learned((typical(A, first), A), now=SHORT), typical(A, timestamp), A, SHORT)


def test_the_receivers_clock_moves_the_window() -> None:
    admission = learned_typical()
    for now in (NOW - 25 * HOUR - 1, NOW - 25 * HOUR, NOW, NOW + 25 * HOUR, NOW + 25 * HOUR + 1, 0):
        assert_same(admission, typical(A, NOW), A, now)


def test_a_time_of_a_dropped_series_that_is_no_number_is_refused_all_the_same() -> None:
    """The smallest of its kind: the last byte of a varint says that another follows, and none does."""

    def both(time: bytes) -> bytes:
        kept = of_cluster(CLEAN, A, (NOW, 3.0))
        dropped = of_cluster(UP, A).SerializeToString() + delimited(2, b"\x09" + bytes(8) + b"\x10" + time)
        return request(kept) + delimited(1, dropped)

    plain, broken = both(varint(NOW)), both(varint(NOW)[:-1] + b"\x80")
    assert answer(Admission(), broken, A)[:2] == (400, "protobuf")
    assert answer(learned((plain, A)), broken, A)[:2] == (400, "protobuf")


def test_a_byte_more_or_less_at_any_place() -> None:
    data = typical(A, NOW)
    admission = learned_typical()
    for at in range(len(data)):
        assert_same(admission, data[:at] + data[at + 1 :], A)
        assert_same(admission, data[:at] + b"\x00" + data[at:], A)


def test_any_two_series_in_each_others_place() -> None:
    message = PROMETHEUS["WriteRequest"].FromString(typical(A, NOW, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]))
    many = list(message.timeseries)
    admission = learned_typical()
    for first in range(7):
        for second in range(first):
            swapped = list(many)
            swapped[first], swapped[second] = swapped[second], swapped[first]
            assert_same(admission, request(*swapped), A)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.labels.add(name="z", value=A),
        lambda one: one.labels.add(name=A, value="z"),
        lambda one: one.labels.add(name="_id", value=A),
        lambda one: one.labels.add(name="_id", value=B),
        lambda one: one.labels.add(name="z", value=A + A),
        lambda one: one.labels.add(name="z", value=f"\x0a\x34\x0a\x0acluster_id\x12\x24{A}"),
        lambda one: one.labels.add(name="z", value=f"\x0a\x34\x0a\x0acluster_id\x12\x24{B}"),
        lambda one: one.exemplars.add(value=1.0, timestamp=NOW),
        lambda one: one.histograms.add(sum=1.0, timestamp=NOW),
        lambda one: one.samples.add(value=1.0, timestamp=NOW),
        lambda one: one.samples.pop(),
        lambda one: one.labels.pop(),
    ],
    ids=[
        "id in a value", "id in a name", "id twice", "another id beside it", "id three times", "the label in a value",
        "another's label in a value", "an exemplar", "a histogram", "two samples", "no sample", "a label less",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_series_that_is_not_plain(change: Callable[[Any], object], place: int) -> None:
    def changed(cluster: str) -> bytes:
        message = message_of(cluster)
        change(message.timeseries[place])
        return bytes(message.SerializeToString())

    for data, cluster in ((changed(A), A), (changed(B), A), (changed(B), B), (typical(B, NOW), B)):
        assert_same(learned_typical(), data, cluster)
        assert_same(learned((changed(A), A), (changed(B), B)), data, cluster)


@pytest.mark.parametrize(
    "samples",
    [
        [(NOW, 1.0), (NOW + 1, 2.0), (NOW + 2, 3.0)],
        [(NOW, 1.0), (NOW, 1.0), (NOW, 1.0)],
        [(NOW + 2, 1.0), (NOW + 1, NAN), (NOW, 3.0)],
        [(NOW - 26 * HOUR, 1.0), (NOW, 2.0), (NOW + 26 * HOUR, 3.0)],
        [(NOW, 0.0), (0, 1.0), (NOW, 3.0)],
        [(NOW, 1.0)],
        [],
    ],
)
def test_three_samples_of_a_series(samples: list[tuple[int, float]]) -> None:
    def three(cluster: str, *of_each: tuple[int, float]) -> bytes:
        return request(*(of_cluster(sort, cluster, *of_each) for sort in (CLEAN, UP, SORTS[0])))

    plain = [(NOW, 1.0), (NOW + 1, 1.0), (NOW + 2, 1.0)]
    assert_same(learned((three(A, *plain), A), (three(B, *plain), B)), three(A, *samples), A)
    assert_same(learned((three(A, *samples), A)), three(B, *plain), B)


def test_what_is_beside_the_series() -> None:
    message = message_of(A)
    message.metadata.add(type=1, metric_family_name=A, help=B)
    beside = bytes(message.SerializeToString())
    other = beside.replace(B.encode(), C.encode())
    swapped = beside.replace(A.encode(), b"?" * 36).replace(B.encode(), A.encode()).replace(b"?" * 36, B.encode())
    for data in (beside, other, swapped, beside + b"\x18\x05", beside + b"\x18\x06", b"\x18\x05" + beside):
        for cluster in (A, B):
            assert_same(learned((beside, A), (beside + b"\x18\x05", A)), data, cluster)


def test_a_time_and_a_value_in_another_order_or_written_twice_or_long() -> None:
    def one(sample: bytes) -> bytes:
        return delimited(1, of_cluster(CLEAN, A).SerializeToString() + delimited(2, sample))

    three, more = b"\x09" + bytes(6) + b"\x08\x40", b"\x09" + bytes(6) + b"\xf8\x7f"
    time = b"\x10" + varint(NOW)
    samples = [
        three + time, time + three, three + more + time, more + three + time, three + time + time, time + three + time,
        three + time + b"\x10\x01", three + b"\x10\x01" + time, three + b"\x10" + varint(NOW, 7),
        three + b"\x10" + varint(NOW, 10), three + time + b"\x18\x01", three + time + b"\x18\x02", three, time, b"",
    ]  # fmt: skip
    for first in samples:
        admission = learned((one(first), A))
        for sample in samples:
            assert_same(admission, one(sample), A)
            assert_same(admission, one(sample.replace(varint(NOW), varint(NOW + 1))), A)


def test_more_kinds_of_requests_than_are_remembered() -> None:
    admission = Admission()
    for length in range(30):
        for letter in "abcdefghij":
            data = request(of_cluster([*CLEAN, ("z", letter * length)], A, (NOW, 3.0)))
            for cluster in (A, A, B):
                assert_same(admission, data, cluster)
