"""Segments of the inbox: what was written comes back, and of what was cut or damaged nothing that was not written."""

import struct
import sys
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import LAYERING, NEED, NODES, NOW, STALE, A, B, bits_of, double_of, kind_of, report_of

from layercensus.fleet.contract import Fact
from layercensus.fleet.kinds import Kind
from layercensus.fleet.segment import HEAD, DamagedError, Report, TornError, format_kind, format_report, parse_segment

CLEAN = kind_of(LAYERING, {"layering": "clean"})
PACKAGES = kind_of(LAYERING, {"layering": "packages"}, "b")
AGENT = kind_of(NEED, {"need": "agent"})
RHCOS = kind_of(NODES, {"label_node_openshift_io_os_id": "rhcos"})
OLD_VERSION = kind_of("cluster_version", {"type": "current", "version": "4.14.30"})

kinds = st.builds(
    Kind,
    st.sampled_from(Fact),
    st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3).map(tuple),
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=8, max_size=8),
)
times = st.integers(-(2**63), 2**63 - 1)
values = st.integers(0, 2**64 - 1).map(double_of)


def read(data: bytes) -> tuple[list[Report], type[Exception] | None, int]:
    """Reports; and, where not all of the file is read, whether it is torn or damaged, and behind which byte."""
    found = []
    try:
        for report in parse_segment(data):
            found.append(report)  # noqa: PERF402 - what came before the tear counts
    except (TornError, DamagedError) as error:
        return found, type(error), error.at
    return found, None, len(data)


def comparable(reports: Sequence[Report]) -> list[tuple[object, ...]]:
    return [(*report[:4], tuple(map(bits_of, report.values))) for report in reports]


def framed(content: bytes) -> bytes:
    """Length, CRC-32, content, as the module's head says."""
    return struct.pack("<II", len(content), zlib.crc32(content)) + content


def report_bytes(report: Report, number: Callable[[Kind], int]) -> bytes:
    return format_report(
        report.cluster, report.received_ms, tuple(map(number, report.kinds)), report.timestamps, report.values
    )


def file_of(*reports: Report) -> list[bytes]:
    """Head and records: each kind is defined before the first report that names it."""
    records = [HEAD]
    known: list[Kind] = []
    for report in reports:
        for kind in report.kinds:
            if kind not in known:
                records.append(format_kind(len(known), kind))
                known.append(kind)
        records.append(report_bytes(report, known.index))
    return records


REPORTS = [
    report_of(NOW, (CLEAN, NOW, 5.0), (PACKAGES, NOW, 1.0)),
    report_of(NOW + 1, (AGENT, NOW - 1, 1.0), cluster=B),
    report_of(NOW + 2, (CLEAN, NOW, 0.0), (RHCOS, NOW, 6.0), (OLD_VERSION, NOW, 1.0)),
    report_of(NOW + 3, (CLEAN, NOW + 1, -0.0), (PACKAGES, NOW + 1, double_of(STALE))),
]


def ends_of(records: Sequence[bytes]) -> list[int]:
    return [sum(map(len, records[: index + 1])) for index in range(len(records))]


@given(st.data())
def test_what_was_written_comes_back_bit_by_bit(data: st.DataObject) -> None:
    pool = data.draw(st.lists(kinds, min_size=1, max_size=4))
    samples = st.lists(st.tuples(st.sampled_from(pool), times, values), max_size=6)
    reports = [
        report_of(data.draw(times), *data.draw(samples), cluster=data.draw(st.sampled_from([A, B])))
        for _ in range(data.draw(st.integers(0, 4)))
    ]
    found, failure, _ = read(b"".join(file_of(*reports)))
    assert comparable(found) == comparable(reports)
    assert failure is None


def test_a_file_that_holds_its_head_alone_is_whole_and_empty() -> None:
    assert read(HEAD) == ([], None, len(HEAD))


@pytest.mark.parametrize("stop", range(len(HEAD)))
def test_a_file_that_ends_in_its_head_is_torn(stop: int) -> None:
    assert read(HEAD[:stop]) == ([], TornError, 0)


@pytest.mark.parametrize("data", [b"layercensus-inbox/2\n", HEAD.upper(), bytes(100), b"x"], ids=range(4))
def test_a_file_with_another_head_is_damaged(data: bytes) -> None:
    assert read(data) == ([], DamagedError, 0)


def test_a_file_cut_anywhere_gives_what_is_whole_and_is_torn_where_that_ends() -> None:
    records = file_of(*REPORTS)
    data, ends = b"".join(records), ends_of(records)
    for stop in range(len(HEAD), len(data) + 1):
        found, failure, at = read(data[:stop])
        assert at == max(end for end in ends if end <= stop)
        assert failure is (None if stop in ends else TornError)
        # R is the first letter of a report's content, after length and CRC-32.
        number = sum(record[8:9] == b"R" for record, end in zip(records[1:], ends[1:], strict=True) if end <= stop)
        assert comparable(found) == comparable(REPORTS[:number])


def test_a_bit_that_flipped_anywhere_ends_the_file_where_it_stands() -> None:
    records = file_of(*REPORTS)
    data, ends = b"".join(records), ends_of(records)
    for position in range(len(HEAD), len(data)):
        for bit in (0, 3, 7):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            found, failure, at = read(bytes(damaged))
            assert at == max(end for end in ends if end <= position)
            assert comparable(found) == comparable(REPORTS[: len(found)])
            # A length that says more than there is cannot be told from a write that did not end.
            in_length = position - at < 4
            assert failure is DamagedError or (in_length and failure is TornError)


@pytest.mark.parametrize(
    ("tail", "failure"),
    [
        (bytes(1), TornError),
        (bytes(7), TornError),
        (bytes(8), DamagedError),
        (bytes(4096), DamagedError),
        (b"\xff" * 4096, DamagedError),
        (HEAD, DamagedError),
    ],
    ids=range(6),
)
def test_what_follows_and_is_no_record_ends_the_file(tail: bytes, failure: type[Exception]) -> None:
    """A file system may give zeros or an old block where a write did not end."""
    data = b"".join(file_of(*REPORTS))
    found, how, at = read(data + tail)
    assert comparable(found) == comparable(REPORTS)
    assert (how, at) == (failure, len(data))


@settings(max_examples=300)
@given(st.binary(min_size=1, max_size=80))
def test_any_bytes_after_the_head_hold_no_report(tail: bytes) -> None:
    found, failure, at = read(HEAD + tail)
    assert (found, at) == ([], len(HEAD))
    assert failure is not None


def test_two_kinds_that_differ_in_one_thing_stay_two() -> None:
    same = [CLEAN, *(kind_of(LAYERING, labels, replica) for labels, replica in (
        ({"layering": "clean"}, "b"), ({"layering": "clean", "x": "y"}, "a"), ({"layering": "unknown"}, "a"),
    ))]  # fmt: skip
    report = report_of(NOW, *((kind, NOW, 1.0) for kind in same))
    assert read(b"".join(file_of(report)))[:2] == ([report], None)
    assert len(set(same)) == 4


def test_a_kind_may_be_defined_twice() -> None:
    report = report_of(NOW, (CLEAN, NOW, 1.0))
    records = [report_bytes(report, {CLEAN: number}.__getitem__) for number in (0, 7)]
    for twice in (
        [HEAD, format_kind(0, CLEAN), format_kind(7, CLEAN), *records],
        [HEAD, format_kind(0, CLEAN), records[0], format_kind(0, CLEAN), records[0]],
    ):
        assert read(b"".join(twice))[:2] == ([report, report], None)


def test_of_a_number_that_is_defined_again_the_definition_before_a_report_counts() -> None:
    """The format: a kind is defined in the file before a report names it."""
    reports = [report_of(NOW, (kind, NOW, 1.0)) for kind in (CLEAN, PACKAGES)]
    records = [HEAD]
    for report in reports:
        records += [format_kind(0, report.kinds[0]), report_bytes(report, lambda _: 0)]
    assert read(b"".join(records))[:2] == (reports, None)


REPORT = report_bytes(REPORTS[0], [CLEAN, PACKAGES].index)


@pytest.mark.parametrize(
    "content",
    [
        REPORT[8:],
        b"X" + REPORT[9:],
        b"R",
        REPORT[8:-1],
        b"K",
        b"K\x00\x00\x00\x00",
        b"K\x00\x00\x00\x00{}",
        b"K\x00\x00\x00\x00[]",
        b"K\x00\x00\x00\x00\xff",
        b"K\x00\x00\x00\x00" + b"[" * 100_000,
        b'K\x00\x00\x00\x00["of_a_later_version", [], "00", "00"]',
    ],
    ids=[
        "kinds that were not defined", "another letter", "a report without content", "a report that is short", "a kind without number",
        "a kind without JSON", "a kind that is an object", "an empty kind", "no UTF-8",
        "a kind deeper than a stack", "a series of a later version",
    ],
)  # fmt: skip
def test_a_whole_record_that_means_nothing_is_damage(content: bytes) -> None:
    """Of a writer of another version, or of a fault of ours: what came before counts, and nothing else is raised."""
    data = b"".join(file_of(REPORTS[1]))
    found, failure, at = read(data + framed(content))
    assert comparable(found) == comparable(REPORTS[1:2])
    assert (failure, at) == (DamagedError, len(data))


def test_reports_of_the_same_kinds_share_one_tuple() -> None:
    """Reports are many: what is the same for all of a sender is one object."""
    found, _, _ = read(b"".join(file_of(REPORTS[0], REPORTS[3])))
    assert found[0].kinds is found[1].kinds
