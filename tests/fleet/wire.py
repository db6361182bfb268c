"""Remote-write 1.0 requests by protobuf's own library, and kinds and reports made from them, for the tests of this folder.

The messages are those of prometheus/prometheus, prompb/remote.proto and prompb/types.proto, typed from there; nothing here
comes from our own reader. `Future…` are the same messages with fields that nobody has thought of yet.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from layercensus.fleet.admission import Admission
from layercensus.fleet.kinds import Kind, name_series
from layercensus.fleet.refusal import Refusal
from layercensus.fleet.samples import Admitted
from layercensus.fleet.segment import Report

A = "6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b60"
B = "c01dcafe-5a5a-4e4e-8f8f-0123456789ab"
C = "00000000-0000-4000-8000-000000000000"
# 2026-11-25T12:00:00Z, in milliseconds.
NOW = 1_795_608_000_000
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

LAYERING = "cluster:usage:local_layering_nodes:count"
NEED = "cluster:usage:local_layering_nodes_by_need:count"
MCD = "cluster:usage:mcd_unsupported_nodes:count"
NODES = "cluster:node_instance_type_count:sum"
VERSION, PLATFORM = "cluster_version", "cluster_infrastructure_provider"
CLASSES = ("clean", "extensions", "overrides", "packages", "unknown")
NEEDS = ("agent", "driver", "other", "override", "tool")
STATES = ("none", "unknown", "unsupported")
STALE = 0x7FF0000000000002

Labels = Mapping[str, str] | Sequence[tuple[str, str]]
# Kind, time, value.
Samples = list[tuple[Kind, int, float]]

_Field = descriptor_pb2.FieldDescriptorProto
_MESSAGES: Mapping[str, Sequence[tuple[str, int, str, bool]]] = {
    "WriteRequest": [("timeseries", 1, "TimeSeries", True), ("metadata", 3, "MetricMetadata", True)],
    "TimeSeries": [
        ("labels", 1, "Label", True), ("samples", 2, "Sample", True), ("exemplars", 3, "Exemplar", True),
        ("histograms", 4, "Histogram", True),
    ],
    "Label": [("name", 1, "string", False), ("value", 2, "string", False)],
    "Labels": [("labels", 1, "Label", True)],
    "Sample": [("value", 1, "double", False), ("timestamp", 2, "int64", False)],
    "Exemplar": [("labels", 1, "Label", True), ("value", 2, "double", False), ("timestamp", 3, "int64", False)],
    "MetricMetadata": [
        ("type", 1, "int32", False), ("metric_family_name", 2, "string", False), ("help", 4, "string", False),
        ("unit", 5, "string", False),
    ],
    "BucketSpan": [("offset", 1, "sint32", False), ("length", 2, "uint32", False)],
    "Histogram": [
        ("count_int", 1, "uint64", False), ("count_float", 2, "double", False), ("sum", 3, "double", False),
        ("schema", 4, "sint32", False), ("zero_threshold", 5, "double", False), ("zero_count_int", 6, "uint64", False),
        ("zero_count_float", 7, "double", False), ("negative_spans", 8, "BucketSpan", True),
        ("negative_deltas", 9, "sint64", True), ("negative_counts", 10, "double", True),
        ("positive_spans", 11, "BucketSpan", True), ("positive_deltas", 12, "sint64", True),
        ("positive_counts", 13, "double", True), ("reset_hint", 14, "int32", False), ("timestamp", 15, "int64", False),
        ("custom_values", 16, "double", True),
    ],
}  # fmt: skip
_UNTHOUGHT_OF = [
    ("later_text", 101, "string", False), ("later_number", 102, "int64", False), ("later_word", 103, "fixed32", False),
    ("later_double", 104, "double", False), ("later_label", 2_000_000, "Label", True),
]  # fmt: skip
_GROWING = {"WriteRequest", "TimeSeries", "Sample"}


def _messages(package: str, growing: Iterable[str]) -> Mapping[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind, is_repeated in [*fields, *(_UNTHOUGHT_OF if message in growing else [])]:
            field = described.field.add(name=name, number=number)
            field.label = _Field.LABEL_REPEATED if is_repeated else _Field.LABEL_OPTIONAL
            if kind in _MESSAGES:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = _Field.Type.Value(f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in _MESSAGES
    }


PROMETHEUS = _messages("prometheus", ())
FUTURE = _messages("future", _GROWING)


def pairs(labels: Labels) -> list[tuple[str, str]]:
    """Labels as a sender sends them: sorted by name. A sequence stays in its order."""
    return sorted(labels.items()) if isinstance(labels, Mapping) else list(labels)


def series(labels: Labels, *samples: tuple[int, float]) -> Any:
    """A time series with samples (time, value)."""
    made = PROMETHEUS["TimeSeries"]()
    for name, value in pairs(labels):
        made.labels.add(name=name, value=value)
    for timestamp, number in samples:
        made.samples.add(timestamp=timestamp, value=number)
    return made


def request(*many: Any) -> bytes:
    """A request of series, as protobuf."""
    made = PROMETHEUS["WriteRequest"]()
    made.timeseries.extend(many)
    return bytes(made.SerializeToString())


def compress(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


def body(*many: Any) -> bytes:
    """A request of series, as it is sent."""
    return compress(request(*many))


def delimited(number: int, content: bytes) -> bytes:
    """A field of wire type 2, by hand: tag, length, content (protobuf.dev, Encoding)."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int, length: int = 0) -> bytes:
    """Seven bits a byte, lowest first; padded with bytes that say nothing, up to a length."""
    found = bytearray()
    while number >= 0x80 or len(found) + 1 < length:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def bits_of(value: float) -> int:
    """A double as its 64 bits, so that NaN and -0.0 can be told."""
    (found,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(found)


def double_of(bits: int) -> float:
    (found,) = struct.unpack("<d", struct.pack("<Q", bits))
    return float(found)


def answer_of(admitted: Admitted) -> tuple[object, ...]:
    """What was admitted, comparable also where values are NaN. A reason for which nothing was dropped is none."""
    kept = tuple(zip(admitted.kinds, admitted.timestamps, map(bits_of, admitted.values), strict=True))
    return kept, {reason: number for reason, number in admitted.dropped.items() if number}


def refusal_of(refusal: Refusal) -> tuple[object, ...]:
    return int(refusal.status), refusal.reason, refusal.detail


def outcome(admission: Admission, sent: bytes, cluster: str, now: int = NOW) -> tuple[Any, ...]:
    """Of a body: what is kept, as (fact, labels, time, value), and what was dropped; or a refusal's status and reason."""
    try:
        found = admission.admit(sent, cluster, now)
    except Refusal as refusal:
        return int(refusal.status), refusal.reason
    columns = zip(found.kinds, found.timestamps, found.values, strict=True)
    kept = [(kind.fact.value, kind.labels, timestamp, value) for kind, timestamp, value in columns]
    return kept, {reason: number for reason, number in found.dropped.items() if number}


def kind_of(name: str, labels: Mapping[str, str], replica: str = "a") -> Kind:
    """The kind of a series that the contract admits."""
    named = name_series({"__name__": name, "cluster_id": A, "prometheus_replica": replica, **labels})
    assert named.kind is not None, labels
    return named.kind


def report_of(received: int, *samples: tuple[Kind, int, float], cluster: str = A) -> Report:
    """A report of samples (kind, time, value)."""
    return Report(
        bytes.fromhex(cluster.replace("-", "")),
        received,
        tuple(kind for kind, _, _ in samples),
        tuple(timestamp for _, timestamp, _ in samples),
        tuple(value for _, _, value in samples),
    )


def _counts(name: str, label: str, values: Sequence[str], at: int, counts: Sequence[int], *, replica: str) -> Samples:
    filled = (*counts, *(0 for _ in values[len(counts) :]))
    return [
        (kind_of(name, {label: value}, replica), at, float(count)) for value, count in zip(values, filled, strict=True)
    ]


def layering(at: int, *counts: int, replica: str = "a") -> Samples:
    """The five classes, in the order of `CLASSES`; what is not given is 0."""
    return _counts(LAYERING, "layering", CLASSES, at, counts, replica=replica)


def needs(at: int, *counts: int, replica: str = "a") -> Samples:
    return _counts(NEED, "need", NEEDS, at, counts, replica=replica)


def mcd(at: int, *counts: int, replica: str = "a") -> Samples:
    return _counts(MCD, "state", STATES, at, counts, replica=replica)


def version(text: str, at: int, replica: str = "a") -> Samples:
    return [(kind_of(VERSION, {"type": "current", "version": text}, replica), at, 1.0)]


def platform(text: str, at: int, replica: str = "a") -> Samples:
    return [(kind_of(PLATFORM, {"type": text}, replica), at, 1.0)]


def nodes(at: int, *groups: tuple[str, str, int], replica: str = "a") -> Samples:
    """Nodes by os_id and by a label that is not kept: (os_id, role, nodes)."""
    return [
        (kind_of(NODES, {"label_node_openshift_io_os_id": os_id, "role": role}, replica), at, float(count))
        for os_id, role, count in groups
    ]
