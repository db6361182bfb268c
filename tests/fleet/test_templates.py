"""A template decides nothing: an `Admission` that has seen much and one that has seen nothing give the same answer."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import (
    DAY,
    HOUR,
    LAYERING,
    NEED,
    NODES,
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
    outcome,
    refusal_of,
    request,
    series,
    varint,
)

from layercensus.fleet.admission import Admission
from layercensus.fleet.refusal import Refusal
from layercensus.fleet.samples import Window

CLASSES = ("clean", "extensions", "overrides", "packages", "unknown")
WINDOW = Window(NOW - HOUR, NOW + HOUR)
# An id that begins and ends with the same letter can stand in a text twice and share that letter.
D = "abcdefab-cdef-4abc-8def-abcdefabcdea"
# Of each series: labels beside the cluster's, how the cluster is said, and what else stands in it.
LABELS: Sequence[tuple[tuple[str, str], ...]] = (
    *((("__name__", LAYERING), ("layering", layering)) for layering in CLASSES),
    (("__name__", NEED), ("need", "agent"), ("prometheus_replica", "prometheus-k8s-0")),
    (("__name__", "cluster_version"), ("type", "current"), ("version", "4.14.30")),
    (("__name__", "cluster_infrastructure_provider"), ("region", "x"), ("type", "AWS")),
    (("__name__", NODES), ("label_node_openshift_io_os_id", "rhcos"), ("role", "master")),
    (("__name__", LAYERING), ("layering", "Packages")),
    (("__name__", "up"), ("instance", "10.0.0.1:9090")),
)  # fmt: skip
SAYS = ("cluster_id",) * 6 + ("_id", "both", "twice", "shared", "of_b", "other", "none")
TIMES = (NOW, NOW, NOW - 1, NOW + 30_000, NOW - DAY, NOW + 2 * DAY, 0, 1, 127, 128, -1, 2**63 - 1, -(2**63), 2**35)
VALUES = (
    0.0, 1.0, 3.0, 4095.0, 4096.0, 2.0**31, 2.0**31 + 1, -0.0, -1.0, 2.5, 1e300, float("inf"), float("-inf"), float("nan"),
    double_of(STALE), double_of(0x7FF8000000000001), 5e-324,
)  # fmt: skip
SAID: dict[str, Callable[[str], tuple[tuple[str, str], ...]]] = {
    "cluster_id": lambda cluster: (("cluster_id", cluster),),
    "_id": lambda cluster: (("_id", cluster),),
    "both": lambda cluster: (("_id", cluster), ("cluster_id", cluster)),
    "twice": lambda cluster: (("cluster_id", cluster), ("x", f"of {cluster}")),
    "shared": lambda cluster: (("cluster_id", cluster), ("x", cluster + cluster[1:])),
    "of_b": lambda cluster: (("cluster_id", cluster), ("x", B)),
    "other": lambda _: (("cluster_id", C),),
    "none": lambda _: (),
}


@dataclass(frozen=True)
class Part:
    """One series: which labels, how it says its cluster, samples (time, value), and whether an exemplar is with them."""

    labels: tuple[tuple[str, str], ...]
    says: str
    samples: tuple[tuple[int, float], ...]
    has_exemplar: bool = False

    def series(self, cluster: str) -> Any:
        made = series(dict([*self.labels, *SAID[self.says](cluster)]), *self.samples)
        if self.has_exemplar:
            made.exemplars.add(value=1.0, timestamp=NOW)
        return made


samples = st.tuples(st.sampled_from(TIMES), st.sampled_from(VALUES))
usual = st.just((NOW, 3.0))
parts = st.builds(
    Part, st.sampled_from(LABELS), st.sampled_from(SAYS), st.lists(usual | samples, max_size=3).map(tuple),
    st.sampled_from([False] * 9 + [True]),
)  # fmt: skip
clusters = st.sampled_from([A, A, B, C, D])


def answer(admission: Admission, data: bytes, cluster: str) -> tuple[object, ...]:
    try:
        return answer_of(admission.admit(compress(data), cluster, NOW))
    except Refusal as refusal:
        return refusal_of(refusal)


def warmed(*seen: tuple[bytes, str]) -> Admission:
    admission = Admission()
    for data, cluster in seen:
        answer(admission, data, cluster)
    return admission


def render(many: Sequence[Part], cluster: str) -> bytes:
    return request(*(part.series(cluster) for part in many))


def retold(draw: st.DrawFn, many: Sequence[Part]) -> list[Part]:
    """The same series with other times and values, some of them."""
    found = []
    for part in many:
        told = tuple(
            (draw(st.sampled_from([at, at, NOW + 5, *TIMES])), draw(st.sampled_from([value, 7.0, *VALUES])))
            for at, value in part.samples
        )
        found.append(Part(part.labels, part.says, told, part.has_exemplar))
    return found


def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    if not data or draw(st.booleans()):
        return data
    at = draw(st.integers(0, len(data) - 1))
    change = draw(st.binary(min_size=1, max_size=8))[: len(data) - at]
    return data[:at] + change + data[at + len(change) :]


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[tuple[bytes, str]], list[tuple[bytes, str]]]:
    """Requests that an `Admission` has seen, and others like them that come next."""
    many = draw(st.lists(parts, min_size=1, max_size=6))
    seen = [
        (render(retold(draw, many), cluster), cluster) for cluster in draw(st.lists(clusters, min_size=1, max_size=3))
    ]
    coming = []
    for cluster in draw(st.lists(clusters, min_size=1, max_size=4)):
        again = retold(draw, many)
        if draw(st.booleans()):
            again = draw(st.permutations(again))
        coming.append((mutated(draw, render(again, draw(st.sampled_from([cluster, cluster, A])))), cluster))
    return seen, coming


@settings(max_examples=800)
@given(lives())
def test_what_was_seen_before_changes_no_answer(life: tuple[list[tuple[bytes, str]], list[tuple[bytes, str]]]) -> None:
    seen, coming = life
    admission = warmed(*seen)
    for data, cluster in coming:
        assert answer(admission, data, cluster) == answer(Admission(), data, cluster)


def test_a_long_life_changes_no_answer() -> None:
    random = Random(20261125)
    shapes = [
        [Part(random.choice(LABELS), random.choice(SAYS), tuple((NOW, 3.0) for _ in range(random.choice([0, 1, 1, 1, 3]))))
         for _ in range(random.randint(1, 5))]
        for _ in range(40)
    ]  # fmt: skip
    admission = Admission()
    for _ in range(3000):
        cluster = random.choice([A, B, C, D])
        told = [
            Part(part.labels, part.says, tuple(
                (random.choice([NOW, NOW - 9, random.choice(TIMES)]), random.choice([5.0, 6.0, random.choice(VALUES)]))
                for _ in part.samples
            ))
            for part in random.choice(shapes)
        ]  # fmt: skip
        data = bytearray(render(told, random.choice([cluster, cluster, cluster, B])))
        if random.random() < 0.3:
            data[random.randrange(len(data))] = random.randrange(256)
        assert answer(admission, bytes(data), cluster) == answer(Admission(), bytes(data), cluster)


WHOLE = [Part(labels, "cluster_id", ((NOW, 3.0),)) for labels in LABELS[:9]]
MIXED = [
    Part(LABELS[3], "cluster_id", ((NOW, 3.0), (NOW + 1, 4.0))),
    Part(LABELS[10], "cluster_id", ((NOW, 1.0),)),
    Part(LABELS[6], "_id", ((NOW, 1.0),)),
    Part(LABELS[9], "cluster_id", ((NOW, 1.0),)),
]


@pytest.mark.parametrize("many", [WHOLE[5:7], MIXED], ids=["admitted", "mixed"])
def test_no_byte_may_be_another_unseen(many: Sequence[Part]) -> None:
    """Each byte of a request that was seen, changed to several others: the answer is that of a full reading."""
    data = render(many, A)
    admission = warmed((data, A), (render(many, B), B))
    for at in range(len(data)):
        for byte in {0x00, 0x01, 0x08, 0x10, 0x12, 0x7F, 0x80, 0xFF, data[at] ^ 1, data[at] ^ 0x20, data[at] ^ 0x80}:
            other = data[:at] + bytes([byte]) + data[at + 1 :]
            assert answer(admission, other, A) == answer(Admission(), other, A), (at, data[at : at + 1], bytes([byte]))


@pytest.mark.parametrize("size", [2, 3, 6, 10])
@pytest.mark.parametrize("many", [WHOLE[3:4], MIXED], ids=["admitted", "mixed"])
def test_no_two_series_may_change_places_unseen(many: Sequence[Part], size: int) -> None:
    data = render(many, A)
    admission = warmed((data, A))
    for at in range(len(data) - size):
        other = data[:at] + data[at : at + size][::-1] + data[at + size :]
        assert answer(admission, other, A) == answer(Admission(), other, A), at


def by_hand(name: str, sample: bytes, cluster: str = A) -> bytes:
    """A series whose sample is these bytes."""
    labels = {"__name__": name, "cluster_id": cluster, "layering": "packages"}
    return delimited(1, bytes(series(labels).SerializeToString()) + delimited(2, sample))


VALUE = b"\x09" + b"\x00\x00\x00\x00\x00\x00\x08\x40"
PLAIN = VALUE + b"\x10" + varint(NOW)


@pytest.mark.parametrize(
    "sample",
    [
        VALUE + b"\x10" + b"\xff" * 6,
        VALUE + b"\x10" + b"\x80" * 6,
        VALUE + b"\x10" + b"\x05" + b"\x00" * 5,
        VALUE + b"\x10" + b"\x05" + b"\x18\x07" + b"\x20\x81\x01",
        VALUE + b"\x10" + b"\x80" * 5 + b"\x00",
        VALUE + b"\x10" + b"\xff" * 5 + b"\x7f",
        VALUE + b"\x18" + varint(NOW),
        b"\x11" + VALUE[1:] + b"\x10" + varint(NOW),
        b"\x10" + varint(NOW) + VALUE,
        b"\x09" + b"\xff" * 8 + b"\x10" + varint(NOW),
    ],
    ids=[
        "time does not end", "time does not end, zeros", "time ends early, then nothing known", "time ends early, then other fields",
        "time written long", "time far ahead", "no time", "value of another field", "time first", "NaN",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", [LAYERING, "up"], ids=["admitted", "dropped"])
def test_a_sample_of_the_same_length_is_read_as_if_it_were_the_first(name: str, sample: bytes) -> None:
    """Also in a series that is dropped: bytes that are no request are refused, whatever was seen before."""
    assert len(sample) == len(PLAIN)
    beside = by_hand(LAYERING, PLAIN)
    admission = warmed((beside + by_hand(name, PLAIN), A))
    other = beside + by_hand(name, sample)
    assert answer(admission, other, A) == answer(Admission(), other, A)


@pytest.mark.parametrize("length", [6, 7, 9, 10])
def test_a_time_written_long_is_the_same_time(length: int) -> None:
    data = by_hand(LAYERING, VALUE + b"\x10" + varint(NOW, length))
    fresh = answer(Admission(), data, A)
    assert fresh == answer(Admission(), by_hand(LAYERING, PLAIN), A)
    assert answer(warmed((data, A)), data, A) == fresh


@pytest.mark.parametrize("says", ["both", "twice", "shared", "of_b"])
def test_an_id_that_stands_elsewhere_too_stays_what_it_is(says: str) -> None:
    """A label that holds the id is a part of the kind: for another cluster it is another."""
    part = Part(LABELS[3], says, ((NOW, 3.0),))
    for first in (A, B, D):
        for second in (A, B, C, D):
            data = render([part], second)
            admission = warmed((render([part], first), first))
            assert answer(admission, data, second) == answer(Admission(), data, second)
            for said in (A, B, C, D):
                mixed = request(series(dict([*part.labels, *SAID[says](first), ("cluster_id", said)]), (NOW, 3.0)))
                assert answer(admission, mixed, second) == answer(Admission(), mixed, second)


def test_a_request_like_one_that_was_seen_is_read_in_one_step() -> None:
    """What these tests are about does happen."""
    admission = Admission()
    assert admission.templates.match(render(WHOLE, A), A.encode(), WINDOW) is None
    answer(admission, render(WHOLE, A), A)
    told = [Part(part.labels, part.says, ((NOW + 1, 9.0),)) for part in WHOLE]
    found = admission.templates.match(render(told, B), B.encode(), WINDOW)
    assert found is not None
    assert found.values == (9.0,) * len(WHOLE)
    assert found.timestamps == (NOW + 1,) * len(WHOLE)
    assert admission.templates.match(render(told, B), A.encode(), WINDOW) is None


def kept_by_protobuf(data: bytes) -> list[tuple[int, float]]:
    found = PROMETHEUS["WriteRequest"].FromString(data)
    return [(sample.timestamp, sample.value) for one in found.timeseries for sample in one.samples]


@given(st.lists(st.tuples(st.integers(NOW - DAY, NOW + DAY), st.integers(0, 5000)), min_size=9, max_size=9), clusters)
def test_times_and_values_are_those_that_protobuf_reads(told: list[tuple[int, int]], cluster: str) -> None:
    many = [Part(part.labels, part.says, ((at, float(value)),)) for part, (at, value) in zip(WHOLE, told, strict=True)]
    data = render(many, cluster)
    for _ in range(2):
        kept, dropped = outcome(warmed((render(WHOLE, A), A)), compress(data), cluster)
        assert [(at, value) for _, _, at, value in kept] == kept_by_protobuf(data)
        assert dropped == {}


# How much is learned


def of_length(length: int, letter: str = "y") -> bytes:
    """A request of so many bytes, filled up with labels that are not kept."""

    def filled(last: int) -> bytes:
        fill = {f"x{number:02}": letter * 1500 for number in range((length - 600) // 1510)}
        return request(
            series({"__name__": LAYERING, "cluster_id": A, "layering": "clean", **fill, "z": letter * last}, (NOW, 3.0))
        )

    data = filled(1000 + length - len(filled(1000)))
    assert len(data) == length
    return data


def is_learned(admission: Admission, data: bytes) -> bool:
    return admission.templates.match(data, A.encode(), WINDOW) is not None


@pytest.mark.parametrize(("length", "expected"), [(65_536, True), (65_537, False)])
def test_a_request_of_more_than_64_kibibytes_is_read_in_full_each_time(length: int, expected: bool) -> None:
    data = of_length(length)
    admission = warmed((data, A))
    assert is_learned(admission, data) is expected
    assert answer(admission, data, A) == answer(Admission(), data, A)


@pytest.mark.parametrize(("number", "expected"), [(256, True), (257, False)])
def test_a_request_of_many_samples_is_read_in_full_each_time(number: int, expected: bool) -> None:
    """However few its series are: a place takes more than its bytes."""
    labels = {"__name__": LAYERING, "cluster_id": A, "layering": "clean"}
    few, many = [(NOW, 3.0)] * (number - 3), [(NOW, 3.0)] * 3
    data = request(series(labels, *few), series({**labels, "layering": "packages"}, *many))
    admission = warmed((data, A))
    assert is_learned(admission, data) is expected
    assert answer(admission, data, A) == answer(Admission(), data, A)


def test_what_was_learned_is_forgotten_before_it_takes_more_than_16_mebibytes() -> None:
    many = [of_length(60_000 + at // 8, "abcdefgh"[at % 8]) for at in range(300)]
    admission = Admission()
    for at, data in enumerate(many):
        assert answer(admission, data, A) == answer(Admission(), data, A)
        assert is_learned(admission, data)
        # 16,777,216 bytes: 279 of these, and somewhat fewer with what they take beside.
        assert is_learned(admission, many[0]) or at >= 250
        assert sum(is_learned(admission, one) for one in many[: at + 1]) < 280
    assert not is_learned(admission, many[0])
    assert all(is_learned(admission, data) for data in many[280:])
    assert answer(admission, many[0], A) == answer(Admission(), many[0], A)


def test_of_requests_two_thousand_are_learned() -> None:
    many = [of_length(700 + at // 8, "abcdefgh"[at % 8]) for at in range(2_010)]
    admission = warmed(*((data, A) for data in many[:2_000]))
    assert all(is_learned(admission, data) for data in many[:2_000])
    for data in many[2_000:]:
        answer(admission, data, A)
    assert [is_learned(admission, data) for data in many] == [False] * 2_000 + [True] * 10


def test_what_a_template_takes_for_its_places_counts_too() -> None:
    """256 samples are 4 KiB on the wire, and some 80 KiB of places once they are learned."""
    labels = {"__name__": LAYERING, "cluster_id": A, "layering": "clean"}
    many = [request(series({**labels, "x": "y" * at}, *[(NOW, 3.0)] * 256)) for at in range(300)]
    admission = warmed(*((data, A) for data in many))
    assert 0 < sum(is_learned(admission, data) for data in many) < 16 * 1024 / 80
