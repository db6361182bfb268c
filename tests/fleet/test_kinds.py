"""Label bytes to labels within limits, and labels to kinds: what tells two series apart, and what does not."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import LAYERING, NODES, A, B, delimited, series

from layercensus.fleet.kinds import Kind, LabelLimits, name_series, parse_labels
from layercensus.fleet.refusal import Refusal, Status

LIMITS = LabelLimits()
PACKAGES = {"__name__": LAYERING, "cluster_id": A, "layering": "packages"}

names = st.text(min_size=1, max_size=8)
values = st.text(max_size=8)


def refused(data: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        parse_labels(data, LIMITS)
    return caught.value


def kind(**labels: str) -> Kind:
    found = name_series({**PACKAGES, **labels}).kind
    assert found is not None
    return found


@given(st.dictionaries(names, values, max_size=6))
def test_labels_are_those_that_protobuf_wrote(labels: dict[str, str]) -> None:
    assert parse_labels(bytes(series(labels).SerializeToString()), LIMITS) == labels


def test_a_label_without_a_value_is_empty() -> None:
    assert parse_labels(delimited(1, delimited(1, b"a")), LIMITS) == {"a": ""}


def test_of_a_field_that_comes_twice_in_a_label_the_last_counts() -> None:
    label = delimited(1, b"x") + delimited(2, b"y") + delimited(1, b"a") + delimited(2, b"b")
    assert parse_labels(delimited(1, label), LIMITS) == {"a": "b"}


@pytest.mark.parametrize(
    "unknown",
    [delimited(3, b"\xff"), b"\x18\x07", b"\x1d1234", b"\x1912345678"],
    ids=["text", "number", "four bytes", "eight bytes"],
)
def test_fields_of_a_label_that_are_not_known_yet_change_nothing(unknown: bytes) -> None:
    """A later 1.x may add optional fields, and a receiver of 1.x must be able to read it (the specification of 1.0)."""
    label = delimited(1, b"a") + delimited(2, b"b") + unknown
    assert parse_labels(delimited(1, label), LIMITS) == {"a": "b"}


@pytest.mark.parametrize("number", [1, 63, 64])
def test_sixty_four_labels_are_taken(number: int) -> None:
    labels = {f"l{index}": "" for index in range(number)}
    assert parse_labels(bytes(series(labels).SerializeToString()), LIMITS) == labels


@pytest.mark.parametrize("number", [65, 1000])
def test_more_labels_are_refused(number: int) -> None:
    refusal = refused(bytes(series({f"l{index}": "" for index in range(number)}).SerializeToString()))
    assert (refusal.status, refusal.reason) == (Status.BAD_REQUEST, "labels")


@pytest.mark.parametrize("letter", ["n", "é", "𝕏"])
def test_names_and_values_are_measured_in_characters(letter: str) -> None:
    longest = {letter * 256: letter * 2048}
    assert parse_labels(bytes(series(longest).SerializeToString()), LIMITS) == longest
    for labels in ({letter * 257: ""}, {"a": letter * 2049}):
        refusal = refused(bytes(series(labels).SerializeToString()))
        assert (refusal.status, refusal.reason) == (Status.BAD_REQUEST, "labels")


@pytest.mark.parametrize(
    "labels",
    [
        [("", "a")],
        [("", "")],
        [("a", "x"), ("a", "x")],
        [("a", "x"), ("b", "y"), ("a", "z")],
        [("cluster_id", A), ("cluster_id", A)],
    ],
)
def test_a_name_is_there_and_once(labels: list[tuple[str, str]]) -> None:
    refusal = refused(bytes(series(labels).SerializeToString()))
    assert (refusal.status, refusal.reason) == (Status.BAD_REQUEST, "labels")


@pytest.mark.parametrize(
    "text",
    [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80"],
    ids=["no start", "cut", "NUL written long", "surrogate", "beyond Unicode", "no start later"],
)
def test_what_is_no_utf_8_is_refused(text: bytes) -> None:
    for label in (delimited(1, text) + delimited(2, b"v"), delimited(1, b"n") + delimited(2, text)):
        assert refused(delimited(1, label)).status is Status.BAD_REQUEST


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x05",
        b"\x0a\x02\x0a\x05",
        b"\x0a\x01\x0a",
        b"\x0a\x02\x08\x01",
        b"\xff",
        b"\x0a\x01\x00",
        b"\x0b\x0c",
    ],
)
def test_what_is_no_label_is_refused(data: bytes) -> None:
    assert refused(data).status is Status.BAD_REQUEST


@given(st.binary(max_size=40))
def test_any_bytes_are_labels_or_refused(data: bytes) -> None:
    try:
        labels = parse_labels(data, LIMITS)
    except Refusal as refusal:
        found = refusal.status
    else:
        assert "" not in labels
        return
    assert found is Status.BAD_REQUEST


@pytest.mark.parametrize(
    "labels", [{}, {"cluster_id": A}, {"cluster_id": A, "__name__": ""}, {"cluster_id": A, "name": LAYERING}]
)
def test_a_series_has_a_name(labels: dict[str, str]) -> None:
    with pytest.raises(Refusal) as caught:
        name_series(labels)
    assert (caught.value.status, caught.value.reason) == (Status.BAD_REQUEST, "labels")


def test_the_ids_of_clusters_are_found_also_where_the_series_is_dropped() -> None:
    assert name_series({"__name__": "up", "cluster_id": A, "_id": B}).cluster_ids == {A, B}
    assert name_series({**PACKAGES, "layering": "x", "_id": B}).cluster_ids == {A, B}
    assert name_series({"__name__": "up", "id": A, "clusterID": A, "cluster": A}).cluster_ids == frozenset()


def test_the_cluster_is_no_part_of_the_kind() -> None:
    one, other = kind(), kind(cluster_id=B)
    assert one == other
    assert hash(one) == hash(other)
    without = {"__name__": LAYERING, "_id": B, "layering": "packages"}
    assert name_series(without).kind == one


def test_a_replica_has_kinds_of_its_own_and_is_not_kept_by_name() -> None:
    one, other = kind(prometheus_replica="prometheus-k8s-0"), kind(prometheus_replica="prometheus-k8s-1")
    assert one != other
    assert (one.identity, one.fact, one.labels) == (other.identity, other.fact, other.labels)
    assert len(one.replica) == 8
    assert b"prometheus" not in one.replica


@pytest.mark.parametrize("name", ["prometheus_replica", "replica", "__replica__"])
def test_each_name_of_a_replica_label_tells_replicas_apart(name: str) -> None:
    assert kind(**{name: "0"}).replica != kind(**{name: "1"}).replica
    assert kind(**{name: "0"}).identity == kind(**{name: "1"}).identity


def test_labels_that_are_not_kept_tell_series_apart_and_are_not_kept() -> None:
    nodes = {"__name__": NODES, "cluster_id": A, "label_node_openshift_io_os_id": "rhcos"}
    one = name_series({**nodes, "label_node_role_kubernetes_io": "master"}).kind
    other = name_series({**nodes, "label_node_role_kubernetes_io": "worker"}).kind
    assert one is not None
    assert other is not None
    assert one.labels == other.labels == (("label_kubernetes_io_arch", ""), ("label_node_openshift_io_os_id", "rhcos"))
    assert one.identity != other.identity


def test_neither_the_order_of_labels_nor_where_one_ends_can_be_mistaken() -> None:
    assert kind(a="1", b="2") == kind(b="2", a="1")
    found = [kind(a="bcd"), kind(ab="cd"), kind(abc="d"), kind(a="b", c="d")]
    assert len({one.identity for one in found}) == 4


@pytest.mark.parametrize("name", ["region", "prometheus_replica"])
def test_a_label_that_is_empty_is_one_that_is_not_there(name: str) -> None:
    """Prometheus, data model: a label with an empty value is considered equivalent to one that does not exist."""
    assert kind(**{name: ""}) == kind()


@given(st.dictionaries(names, st.text(min_size=9, max_size=20), max_size=4))
def test_nothing_is_kept_but_what_the_contract_lists(labels: dict[str, str]) -> None:
    found = name_series({**labels, **PACKAGES}).kind
    assert found is not None
    assert found.labels == (("layering", "packages"),)
    assert (len(found.identity), len(found.replica)) == (8, 8)
