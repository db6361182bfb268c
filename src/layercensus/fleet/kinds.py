r"""What a series is: its labels, without the cluster's id, to a `Kind` that is admitted or a reason to drop it. Pure.

Label bytes are protobuf `Label` messages (`write_request`). The cluster's id stands in one of them, or in two; the rest
is the same for many clusters, so that what it means is found once and kept::

    cluster_id="6f2a…", layering="packages", prometheus_replica="prometheus-k8s-0", …
                        └ kind: 3 nodes of class packages, as replica prometheus-k8s-0 has it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from layercensus.fleet.contract import Fact, admissions
from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.write_request import MalformedError, parse_fields, parse_message

CLUSTER_LABELS = frozenset({"cluster_id", "_id"})
REPLICA_LABELS = frozenset({"prometheus_replica", "replica", "__replica__"})
_NAME = "__name__"


@dataclass(frozen=True, slots=True)
class LabelLimits:
    """How many labels a series may have, and how long a name and a value may be, in characters."""

    count: int = 64
    name: int = 256
    value: int = 2048


@dataclass(frozen=True, slots=True)
class Kind:
    """An admitted series, whatever cluster it is of.

    `labels` are those kept. `identity` tells series apart that keep the same labels (8 bytes of a hash over all labels
    but the cluster's id and the replica), `replica` who sent it (a hash, since the name is not kept).
    """

    fact: Fact
    labels: tuple[tuple[str, str], ...]
    identity: bytes
    replica: bytes

    def __hash__(self) -> int:
        """Of what tells it apart: kinds are looked up for every sample."""
        return hash(self.identity)


@dataclass(frozen=True, slots=True)
class Named:
    """What label bytes say: the ids of clusters in it, and the kind, or why the series is dropped."""

    cluster_ids: frozenset[str]
    kind: Kind | None
    dropped: str = ""


def parse_labels(data: bytes, limits: LabelLimits) -> dict[str, str]:
    """Labels by name. Raises `Refusal` (400) for bytes that are no set of labels."""
    found: dict[str, str] = {}
    try:
        for entry in parse_fields(data, 0, len(data)):
            if len(found) == limits.count:
                raise Refusal(Status.BAD_REQUEST, "labels", f"a series has more than {limits.count} labels")
            name, value = _label(data, entry.at)
            if len(name) > limits.name or len(value) > limits.value:
                raise Refusal(Status.BAD_REQUEST, "labels", "the name or value of a label is too long")
            if not name or name in found:
                raise Refusal(Status.BAD_REQUEST, "labels", "a label has no name, or its name comes twice")
            found[name] = value
    except (MalformedError, UnicodeDecodeError) as error:
        raise Refusal(Status.BAD_REQUEST, "protobuf", "a series has no labels that can be read") from error
    return found


def name_series(labels: Mapping[str, str]) -> Named:
    """Who and what a series is, by the public contract. Raises `Refusal` (400) for one without a name."""
    if not labels.get(_NAME):
        raise Refusal(Status.BAD_REQUEST, "labels", "a series has no name")
    ids = frozenset(value for name, value in labels.items() if name in CLUSTER_LABELS)
    admission = admissions().get(labels[_NAME])
    if admission is None:
        return Named(ids, None, "not_in_contract")
    # A label that is empty is one that is not there, as Prometheus has it.
    kept = tuple(sorted((name, labels.get(name, "")) for name in admission.labels))
    if not all(admission.labels[name].fullmatch(value) for name, value in kept):
        return Named(ids, None, "label_value")
    there = sorted(item for item in labels.items() if item[1])
    rest = [item for item in there if item[0] not in CLUSTER_LABELS | REPLICA_LABELS | {_NAME}]
    replica = [item for item in there if item[0] in REPLICA_LABELS]
    return Named(ids, Kind(admission.fact, kept, _hash(rest), _hash(replica)))


def _label(data: bytes, at: slice) -> tuple[str, str]:
    name = value = ""
    for field in parse_message(data, at):
        if field.number not in {1, 2}:
            # Of a later minor version, which may add what is not needed.
            continue
        if field.wire_type != 2:
            raise MalformedError
        text = data[field.at].decode()
        name, value = (text, value) if field.number == 1 else (name, text)
    return name, value


def _hash(pairs: list[tuple[str, str]]) -> bytes:
    digest = blake2b(digest_size=8)
    for name, value in pairs:
        for text in (name, value):
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(4, "little") + encoded)
    return digest.digest()
