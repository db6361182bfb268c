"""What somebody would send who knows how requests are read: forged ids in raw bytes, floods, half a text."""

import json
import sys
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import HOUR, LAYERING, NOW, A, B, body, compress, delimited, request, series

from layercensus.fleet.admission import Admission, Limits
from layercensus.fleet.contract import admissions
from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.samples import Admitted

CONTRACT = Path(__file__).parents[2] / "src" / "layercensus" / "data" / "contract" / "telemetry.json"
NAME = delimited(1, b"__name__") + delimited(2, LAYERING.encode())
CLASS = delimited(1, b"layering") + delimited(2, b"packages")
SAMPLE = bytes(series([], (NOW, 3.0)).SerializeToString())
Pairs = Sequence[tuple[str, str]]


def says(name: str, value: str) -> bytes:
    """The content of a label."""
    return delimited(1, name.encode()) + delimited(2, value.encode())


def raw(*labels: bytes) -> bytes:
    """A request of one series with these labels."""
    return compress(delimited(1, b"".join(delimited(1, label) for label in labels) + SAMPLE))


def of(pairs: Pairs, name: str = LAYERING) -> bytes:
    return body(series([("__name__", name), *pairs, ("layering", "packages")], (NOW, 3.0)))


def warmed() -> Admission:
    """An admission that has seen plain requests of two clusters, in several forms."""
    admission = Admission()
    for cluster in (A, B, A):
        for pairs in ([("cluster_id", cluster)], [("_id", cluster)], [("cluster_id", cluster), ("hint", "x")]):
            for name in (LAYERING, "up"):
                admission.admit(of(pairs, name), cluster, NOW)
    return admission


def taken(admission: Admission, data: bytes) -> tuple[int, Admitted | None]:
    """The status by which a body is answered, and what is kept of it."""
    try:
        return 204, admission.admit(data, A, NOW)
    except Refusal as refusal:
        return int(refusal.status), None


def refused(data: bytes, admission: Admission) -> Refusal:
    with pytest.raises(Refusal) as caught:
        admission.admit(data, A, NOW)
    return caught.value


def test_the_contract_is_all_that_is_admitted() -> None:
    listed = json.loads(CONTRACT.read_text(encoding="utf-8"))
    names = {name for entry in listed["recorded"] for name in (entry["name"], entry["twin"])}
    assert set(admissions()) == names | {entry["name"] for entry in listed["joined"]}
    alone = {entry["name"] for kind in ("alerts", "in_cluster") for entry in listed[kind]}
    assert alone
    assert not alone & set(admissions())


FOREIGN: Mapping[str, Pairs] = {
    "another": [("cluster_id", B)],
    "none": [],
    "a NUL behind": [("cluster_id", A + "\x00")],
    "a URN": [("cluster_id", "urn:uuid:" + A)],
    "own id in another label": [("cluster_id", B), ("hint", A)],
    "own label in another label": [("cluster_id", B), ("hint", delimited(1, says("cluster_id", A)).decode())],
    "own label in an earlier one": [("a_hint", delimited(1, says("cluster_id", A)).decode()), ("cluster_id", B)],
    "own label in another, none else": [("hint", delimited(1, says("cluster_id", A)).decode())],
    "own label in a name": [(delimited(1, says("cluster_id", A)).decode(), "x"), ("cluster_id", B)],
    "own label amid a text": [("hint", "x" + delimited(1, says("cluster_id", A)).decode() + "y"), ("_id", B)],
}


@pytest.mark.parametrize("pairs", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("name", [LAYERING, "up"])
def test_what_was_seen_before_opens_no_door(pairs: Pairs, name: str) -> None:
    admission = warmed()
    for _ in range(2):
        refusal = refused(of(pairs, name), admission)
        assert (refusal.status, refusal.reason) == (Status.FORBIDDEN, "other_cluster")
        assert A not in refusal.detail
        assert B not in refusal.detail
    assert admission.admit(of([("cluster_id", A)], name), A, NOW) == Admission().admit(
        of([("cluster_id", A)], name), A, NOW
    )


@pytest.mark.parametrize(
    "label",
    [
        says("cluster_id", A) + delimited(2, B.encode()),
        says("cluster_id", A) + delimited(1, b"hint"),
        says("hint", B) + delimited(1, b"cluster_id"),
        delimited(2, B.encode()) + delimited(1, b"cluster_id"),
        delimited(3, says("cluster_id", A)),
        says("hint", "x") + delimited(3, delimited(1, says("cluster_id", A))),
        says("cluster_id", A) + delimited(2, b""),
    ],
    ids=[
        "another value last", "another name last", "a name last", "value before name", "in an unknown field", "whole in one",
        "an empty value last",
    ],
)  # fmt: skip
def test_a_label_that_is_written_strangely_is_read_as_protobuf_reads_it(label: bytes) -> None:
    """Of a field that comes twice the last counts, so that none of these says A."""
    for admission in (Admission(), warmed()):
        assert refused(raw(NAME, label, CLASS), admission).status in {Status.BAD_REQUEST, Status.FORBIDDEN}


def test_the_id_may_stand_before_its_name() -> None:
    label = delimited(2, A.encode()) + delimited(1, b"cluster_id")
    for admission in (Admission(), warmed()):
        assert admission.admit(raw(NAME, label, CLASS), A, NOW).values == (3.0,)


@pytest.mark.parametrize("text", [b"\xff", b"\xc3", b"\xed\xa0\x80"])
def test_half_a_text_is_refused_also_in_a_label_that_is_not_kept(text: bytes) -> None:
    strange = delimited(1, b"hint") + delimited(2, text)
    for name in (NAME, says("__name__", "up")):
        for admission in (Admission(), warmed()):
            assert refused(raw(name, says("cluster_id", A), CLASS, strange), admission).status is Status.BAD_REQUEST


def test_labels_after_samples_are_refused() -> None:
    one = series([("__name__", LAYERING), ("cluster_id", A), ("layering", "packages")], (NOW, 3.0)).SerializeToString()
    late = delimited(1, says("cluster_id", B))
    for admission in (Admission(), warmed()):
        assert refused(compress(delimited(1, one + late)), admission).status is Status.BAD_REQUEST


@pytest.mark.parametrize("sample", [b"", SAMPLE[2:]], ids=["empty", "kept"])
def test_a_flood_of_samples_takes_no_more_memory_than_is_planned_for_one_request(sample: bytes) -> None:
    """64 MiB at most, whatever comes in (shared/facts/peers.md, part 5, check 10): here for a sixteenth of a request."""
    one = delimited(2, sample)
    labels = delimited(1, NAME) + delimited(1, says("cluster_id", A)) + delimited(1, CLASS)
    sent = compress(delimited(1, labels + one * (Limits().held_bytes // 16 // len(one))))
    admission = Admission()
    tracemalloc.start()
    status, _ = taken(admission, sent)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status in {204, 400, 413}
    # What does not grow with the request may be as large as a request.
    assert peak <= 64 * 1024 * 1024 / 16 + Limits().held_bytes


@settings(max_examples=300)
@given(
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 3), st.binary(max_size=5)), min_size=1, max_size=3)
)
def test_mutated_requests_are_refused_or_hold_only_what_is_admitted(changes: list[tuple[int, int, bytes]]) -> None:
    data = request(
        *(
            series({"__name__": LAYERING, name: A, "layering": "packages"}, (NOW, 3.0))
            for name in ("cluster_id", "_id")
        ),
        series({"__name__": "up", "cluster_id": A}, (NOW, 1.0)),
    )
    for place, deleted, inserted in changes:
        at = place % (len(data) + 1)
        data = data[:at] + inserted + data[at + deleted :]
    for admission in (Admission(), warmed()):
        status, found = taken(admission, compress(data))
        assert status in {204, 400, 403}
        if found is not None:
            assert len(found.kinds) == len(found.timestamps) == len(found.values)
            assert all(abs(timestamp - NOW) <= 25 * HOUR for timestamp in found.timestamps)


@given(st.binary(max_size=80))
def test_any_body_is_taken_or_refused(data: bytes) -> None:
    for sent in (data, compress(data)):
        assert taken(Admission(), sent)[0] in {204, 400, 403, 413}
