"""What is admitted of a request: the contract and nothing else, and of the sender's own cluster and no other.

The tables are typed from design.md, parts 7 and 8; what a random request should give is found from protobuf's own reading.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import (
    HOUR,
    LAYERING,
    NEED,
    NODES,
    NOW,
    PROMETHEUS,
    STALE,
    A,
    B,
    Labels,
    body,
    compress,
    delimited,
    double_of,
    outcome,
    request,
    series,
)

from layercensus.fleet.admission import Admission, Limits
from layercensus.fleet.refusal import Refusal, Status

ARCH, OS_ID = "label_kubernetes_io_arch", "label_node_openshift_io_os_id"
VERSION, PLATFORM = "cluster_version", "cluster_infrastructure_provider"
MCD_NODES, MCD_PACKAGES = (
    "cluster:mcd_nodes_with_unsupported_packages:count",
    "cluster:mcd_total_unsupported_packages:sum",
)
# Name and twin -> the label and its values.
RECORDED: Mapping[tuple[str, str], tuple[str, Sequence[str]]] = {
    (LAYERING, "layercensus:local_layering_nodes:count"): (
        "layering", ("clean", "extensions", "overrides", "packages", "unknown"),
    ),
    (NEED, "layercensus:local_layering_nodes_by_need:count"): ("need", ("agent", "driver", "other", "override", "tool")),
    ("cluster:usage:mcd_unsupported_nodes:count", "layercensus:mcd_unsupported_nodes:count"): (
        "state", ("none", "unknown", "unsupported"),
    ),
}  # fmt: skip
UNLABELLED = {
    MCD_NODES: MCD_NODES,
    MCD_PACKAGES: MCD_PACKAGES,
    "layercensus:mcd_nodes_with_unsupported_packages:count": MCD_NODES,
    "layercensus:mcd_total_unsupported_packages:sum": MCD_PACKAGES,
}
JOINED: Sequence[tuple[str, Mapping[str, str]]] = [
    *((VERSION, {"type": "current", "version": version}) for version in (
        "4.14.30", "4.9.0", "5.0.0", "10.100.1000", "4.15.0-0.okd-2024-03-10-010116", "4.19.0-okd-scos.1", "4.18.0-rc.10",
        "4.21.0-0.nightly-2025-10-06-120000", "4.19.0-okd-scos.ec.12", "4.20.0-ec.3", "4.9.0-fc.0", "4.11.0-multi",
        "4.18.0-0.konflux-nightly-arm64-priv-2025-01-02-030405", "4.16.0-0.ci-2024-05-06-070809",
    )),
    *((PLATFORM, {"type": kind}) for kind in (
        "AlibabaCloud", "AWS", "Azure", "BareMetal", "EquinixMetal", "External", "GCP", "IBMCloud", "KubeVirt", "Libvirt", "None",
        "Nutanix", "OpenStack", "oVirt", "PowerVS", "VSphere",
    )),
    *((NODES, {ARCH: arch, OS_ID: "rhcos"}) for arch in ("amd64", "arm64", "ppc64le", "s390x", "")),
    *((NODES, {ARCH: "amd64", OS_ID: os_id}) for os_id in ("centos", "fedora", "rhcos", "rhel", "scos", "Windows", "")),
]  # fmt: skip
OUTSIDE: Sequence[tuple[str, Mapping[str, str]]] = [
    *((names[0], {label: value}) for names, (label, values) in RECORDED.items() for value in (
        "", "Clean", values[0].upper(), f"{values[0]}\n", f"\n{values[0]}", f" {values[0]}", f"{values[0]}|{values[1]}",
        "not_applicable", f"{values[0]}{values[1]}", values[0][:-1], ".*",
    )),
    *((VERSION, {"type": "current", "version": version}) for version in (
        "", "4.14", "4", "v4.14.30", "4.14.30\n", "\n4.14.30", "4.14.30-", "4.14.30-a b", "4.14.30 ", "114.14.30", "4.1000.1",
        "4.14.10000", "4.14.30.1", "4.14.30-a", "4.14.30+abc", "4.14.30-db1.example.com", "4.14.30-rc.1.db1", "4.14.30-rc.htop",
        "4.14.30-0.nightly-2025-10-06-120000-db1", "4.14.30-0.jane-2025-10-06-120000", "4.14.30-10.128.3.77", "4.14.٣", "4.14.30-é", "4.14.30-a\n", "4,14,30",
    )),
    *((VERSION, {"type": kind, "version": "4.14.30"}) for kind in ("", "Current", "completed", "desired", "current\n")),
    *((PLATFORM, {"type": kind}) for kind in (
        "", "aws", "AWSAzure", "db1", "htop", "AWS\n", "A-B", "É", "AWS|Azure", "eu-west-1", "A_B",
    )),
    *((NODES, {ARCH: arch, OS_ID: "rhcos"}) for arch in ("AMD64", "amd64\n", "x86_64", "amd64arm64", "\n")),
    *((NODES, {ARCH: "amd64", OS_ID: os_id}) for os_id in ("rhcos\n", "windows", "RHEL", "ubuntu", "rhcosrhel", "\n", "rhel ")),
]  # fmt: skip
NOT_LISTED = [
    "up", "ALERTS", "cluster", "cluster:usage:local_layering_nodes", "cluster:usage:local_layering_nodes:count ",
    "Cluster:usage:local_layering_nodes:count", "cluster:usage:local_layering_nodes:count\n", "layercensus_package_info",
    "layercensus:node_layering:group", "layercensus:mcd_disagreement_nodes:count", "layercensus_machine_layering",
    "layercensus:cluster_version", "__name__", "machine_config_daemon_unsupported",
]  # fmt: skip
LAYERED = {"__name__": LAYERING, "layering": "packages"}
PACKAGES = series({**LAYERED, "cluster_id": A}, (NOW, 3.0))


def admit(*many: Any, cluster: str = A, limits: Limits | None = None) -> Any:
    """What is kept as (fact, labels, time, value), and what was dropped; or status and reason of a refusal."""
    admission = Admission(limits or Limits())
    return outcome(admission, body(*many), cluster)


def one(labels: Labels, value: float = 3.0, at: int = NOW) -> Any:
    return admit(series(labels, (at, value)))


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("names", RECORDED)
def test_each_recorded_series_is_admitted_by_name_and_twin_and_means_the_same(
    names: tuple[str, str], position: int
) -> None:
    label, values = RECORDED[names]
    for value in values:
        kept, dropped = one({"__name__": names[position], "cluster_id": A, label: value, "namespace": "x"})
        assert kept == [(names[0], ((label, value),), NOW, 3.0)]
        assert dropped == {}


@pytest.mark.parametrize("name", UNLABELLED)
def test_the_platforms_own_counts_are_admitted(name: str) -> None:
    assert one({"__name__": name, "_id": A, "region": "x"}) == ([(UNLABELLED[name], (), NOW, 3.0)], {})


@pytest.mark.parametrize(("name", "labels"), JOINED)
def test_each_join_series_is_admitted_with_the_labels_that_are_kept(name: str, labels: Mapping[str, str]) -> None:
    more = {"__name__": name, "cluster_id": A, "region": "eu-west-1", "instance": "10.0.0.1:9090"}
    assert one({**more, **labels}) == ([(name, tuple(sorted(labels.items())), NOW, 3.0)], {})
    there = {label: value for label, value in labels.items() if value}
    assert one({**more, **there}) == ([(name, tuple(sorted(labels.items())), NOW, 3.0)], {})


@pytest.mark.parametrize(("name", "labels"), OUTSIDE)
def test_a_value_just_outside_of_the_contract_is_dropped(name: str, labels: Mapping[str, str]) -> None:
    assert one({"__name__": name, "cluster_id": A, **labels}) == ([], {"label_value": 1})


@pytest.mark.parametrize("name", NOT_LISTED)
def test_a_name_that_the_contract_does_not_list_is_dropped(name: str) -> None:
    assert one({"__name__": name, "cluster_id": A, "layering": "packages"}) == ([], {"not_in_contract": 1})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.0, ""), (-0.0, ""), (1.0, ""), (2.0**31, ""), (2.0**31 + 1, "no_count"), (1e300, "no_count"), (2.5, "no_count"),
        (-1.0, "no_count"), (5e-324, "no_count"), (float("inf"), "no_count"), (float("-inf"), "no_count"),
        (float("nan"), "nan"), (double_of(0x7FF8000000000001), "nan"), (double_of(0x7FF0000000000003), "nan"),
        (double_of(STALE), "stale"),
    ],
)  # fmt: skip
def test_a_count_is_a_whole_number(value: float, reason: str) -> None:
    kept, dropped = one({**LAYERED, "cluster_id": A}, value)
    assert dropped == ({reason: 1} if reason else {})
    assert len(kept) == (not reason)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(1.0, ""), (0.0, ""), (1_764_064_800.5, ""), (-1.0, ""), (double_of(STALE), "stale"), (float("nan"), "nan")],
)
def test_of_what_a_cluster_says_of_itself_the_value_says_nothing(value: float, reason: str) -> None:
    kept, dropped = one({"__name__": VERSION, "cluster_id": A, "type": "current", "version": "4.14.30"}, value)
    assert (len(kept), dropped) == ((0, {reason: 1}) if reason else (1, {}))


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (NOW - 25 * HOUR, ""), (NOW - 25 * HOUR - 1, "old"), (0, "old"), (-1, "old"), (-(2**63), "old"),
        (NOW + 25 * HOUR, ""), (NOW + 25 * HOUR + 1, "future"), (2**63 - 1, "future"),
    ],
)  # fmt: skip
def test_what_is_more_than_twenty_five_hours_off_is_dropped(at: int, reason: str) -> None:
    kept, dropped = one({**LAYERED, "cluster_id": A}, at=at)
    assert (len(kept), dropped) == ((0, {reason: 1}) if reason else (1, {}))


def test_every_sample_that_is_dropped_is_counted_by_its_reason() -> None:
    mixed = series(
        {**LAYERED, "cluster_id": A}, (NOW, 1.0), (NOW + 1, 2.5), (0, 1.0), (NOW + 2, double_of(STALE)), (NOW + 3, 2.0)
    )
    foreign = series({"__name__": "up", "cluster_id": A}, (NOW, 1.0), (0, float("nan")))
    without = series({"__name__": "up", "cluster_id": A})
    without.exemplars.add(value=1.0, timestamp=NOW)
    without.histograms.add(sum=1.0, timestamp=NOW)
    kept, dropped = admit(mixed, foreign, without)
    assert [(at, value) for _, _, at, value in kept] == [(NOW, 1.0), (NOW + 3, 2.0)]
    assert dropped == {"no_count": 1, "old": 1, "stale": 1, "not_in_contract": 2, "no_sample": 2}


@pytest.mark.parametrize("data", [b"", delimited(3, delimited(2, b"up"))], ids=["nothing", "metadata"])
def test_a_request_without_series_is_taken(data: bytes) -> None:
    assert outcome(Admission(), compress(data), A) == ([], {})


CLUSTERS: Sequence[tuple[Labels, int]] = [
    ({"cluster_id": A}, 200),
    ({"_id": A}, 200),
    ({"cluster_id": A, "_id": A}, 200),
    ({}, 403),
    ({"cluster_id": ""}, 403),
    ({"cluster_id": B}, 403),
    ({"_id": B}, 403),
    ({"cluster_id": B, "_id": B}, 403),
    ({"cluster_id": A, "_id": B}, 403),
    ({"cluster_id": B, "_id": A}, 403),
    ({"Cluster_ID": A}, 403),
    ({"CLUSTER_ID": A}, 403),
    ({"_ID": A}, 403),
    ({"cluster_id ": A}, 403),
    ({"id": A, "cluster": A}, 403),
    ({"cluster_id": B, "CLUSTER_ID": A}, 403),
    ({"cluster_id": A.upper()}, 403),
    ({"cluster_id": A.replace("-", "")}, 403),
    ({"cluster_id": f"{{{A}}}"}, 403),
    ({"cluster_id": f" {A}"}, 403),
    ({"cluster_id": f"{A}\n"}, 403),
    ({"cluster_id": f"{A}{A}"}, 403),
    ({"cluster_id": f"{A},{B}"}, 403),
    ([("cluster_id", A), ("cluster_id", A)], 400),
    ([("cluster_id", A), ("cluster_id", B)], 400),
    ([("_id", A), ("cluster_id", A), ("_id", A)], 400),
]


@pytest.mark.parametrize("name", [LAYERING, "up"])
@pytest.mark.parametrize(("labels", "status"), CLUSTERS)
def test_a_series_says_the_cluster_of_the_token(labels: Labels, status: int, name: str) -> None:
    pairs = [*(labels.items() if isinstance(labels, Mapping) else labels), ("__name__", name), ("layering", "packages")]
    found = one(sorted(pairs))
    assert (status == 200) == isinstance(found[1], dict)
    if status != 200:
        assert found[0] == status


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("samples", [[(NOW, 3.0)], []])
@pytest.mark.parametrize("name", [LAYERING, "up"])
def test_one_series_of_another_cluster_refuses_the_whole_request(
    name: str, samples: list[tuple[int, float]], position: int
) -> None:
    many = [PACKAGES, PACKAGES]
    many.insert(position, series({**LAYERED, "__name__": name, "cluster_id": B}, *samples))
    assert admit(*many) == (403, "other_cluster")


def test_a_series_with_more_than_sixty_four_labels_refuses_the_request() -> None:
    more = {f"l{index}": "" for index in range(61)}
    assert len(one({**LAYERED, "cluster_id": A, **more})[0]) == 1
    assert one({**LAYERED, "cluster_id": A, **more, "m": ""}) == (400, "labels")


def test_limits_are_those_given() -> None:
    limits = Limits(series=2, held_bytes=len(request(PACKAGES, PACKAGES)))
    assert len(admit(PACKAGES, PACKAGES, limits=limits)[0]) == 2
    assert admit(PACKAGES, PACKAGES, PACKAGES, limits=limits)[0] == 413
    assert admit(*[series({})] * 3, limits=limits) == (400, "series")


def label_bytes(cluster: str) -> str:
    """The bytes of a label `cluster_id`, which are text too and so may stand in the value of another label."""
    return delimited(1, delimited(1, b"cluster_id") + delimited(2, cluster.encode())).decode("ascii")


PIECES = st.sampled_from([A, B, label_bytes(A), label_bytes(B), "\n", "x", "cluster_id", "packages", ""])
TEXTS = st.lists(PIECES, max_size=3).map("".join)
NAMES = st.sampled_from(["cluster_id", "_id", "layering", "x", "y", label_bytes(A), A])
VALUES = st.sampled_from([A, B, "packages"]) | TEXTS


def expected(labels: Mapping[str, str], cluster: str) -> int:
    """The status by the specification: every id is the token's, and there is one."""
    return 204 if {labels[name] for name in ("cluster_id", "_id") if name in labels} == {cluster} else 403


@settings(max_examples=300)
@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=5), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_no_place_of_an_id_forges_a_cluster(many: list[dict[str, str]], random: Any) -> None:
    """Long-lived: what was seen of one cluster must not let another in. Labels in any order, ids and label bytes anywhere."""
    admission = Admission()
    for labels in [{"cluster_id": A, "layering": "packages"}, *many, *many]:
        for cluster in (A, B):
            pairs = [*labels.items(), ("__name__", LAYERING)]
            random.shuffle(pairs)
            found = outcome(admission, body(series(pairs, (NOW, 3.0))), cluster)
            if isinstance(found[0], list):
                assert expected(labels, cluster) == 204
                kept = found[0]
                assert [labels for _, labels, _, _ in kept] == (
                    [(("layering", "packages"),)] if labels.get("layering") == "packages" else []
                )
            else:
                assert found == (403, "other_cluster")
                assert expected(labels, cluster) == 403


@pytest.mark.parametrize("cluster", [A, B])
def test_label_bytes_in_a_field_that_is_not_known_say_nothing(cluster: str) -> None:
    admission = Admission()
    outcome(admission, body(PACKAGES), A)
    hidden = delimited(1, delimited(1, b"x") + delimited(2, b"y") + delimited(3, label_bytes(cluster).encode()))
    labels = bytes(series({**LAYERED, "cluster_id": B}).SerializeToString()) + hidden
    sample = delimited(2, bytes(PROMETHEUS["Sample"](value=3.0, timestamp=NOW).SerializeToString()))
    assert outcome(admission, compress(delimited(1, labels + sample)), A) == (403, "other_cluster")
    assert len(outcome(admission, compress(delimited(1, labels + sample)), B)[0]) == 1


def test_what_is_not_compressed_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        Admission().admit(request(PACKAGES), A, NOW)
    assert caught.value.status in {Status.BAD_REQUEST, Status.TOO_LARGE}


def test_the_series_of_a_request_stay_in_their_order() -> None:
    values: dict[str, float] = {}
    many = []
    for number, layering in enumerate(RECORDED[LAYERING, "layercensus:local_layering_nodes:count"][1]):
        values[layering] = float(number)
        many.append(
            series({"__name__": LAYERING, "_id": A, "layering": layering}, (NOW, float(number)), (NOW + 1, 9.0))
        )
    kept, _ = admit(*many)
    assert [(dict(labels)["layering"], value) for _, labels, at, value in kept if at == NOW] == list(values.items())


# What is remembered of series


def with_role(role: str, *samples: tuple[int, float]) -> Any:
    """A series with a label that is not kept."""
    return series({"__name__": LAYERING, "cluster_id": A, "layering": "clean", "role": role}, *samples)


def test_ten_thousand_series_are_remembered_and_all_are_read() -> None:
    admission = Admission()
    for first in range(0, 24_000, 4_000):
        kept, dropped = outcome(admission, body(*(with_role(f"{first + at}", (NOW, 3.0)) for at in range(4_000))), A)
        assert (len(kept), dropped) == (4_000, {})
        assert 0 < len(admission._names) <= 10_000


def test_a_series_with_labels_of_more_than_two_kibibytes_is_read_each_time() -> None:
    def beside_the_id(length: int) -> int:
        return len(with_role("y" * length).SerializeToString()) - len(series({"cluster_id": A}).SerializeToString())

    longest = next(length for length in range(2048) if beside_the_id(length) == 2048)
    for length, remembered in ((longest, 1), (longest + 1, 0)):
        sent = body(with_role("y" * length, (NOW, 3.0)), with_role("y" * length, (NOW + 1, 4.0)))
        admission = Admission()
        kept, dropped = outcome(admission, sent, A)
        assert [(at, value) for _, _, at, value in kept] == [(NOW, 3.0), (NOW + 1, 4.0)]
        assert dropped == {}
        assert len(admission._names) == remembered
