"""The receiver's part of the public compliance tests, case by case over HTTP, and the page that lists our answers.

The cases are those of prometheus/compliance, `remotewrite/receiver`, at 67b8327: their names, levels and what they ask, as
requests of remote write 1.0 written here. What 1.0 cannot say (created timestamps) is sent as 2.0. A case that stands
there for several values or headers is one here and sends them all.
"""

import math
import shutil
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.http_collector import (
    LAYERING,
    Cluster,
    Collector,
    Labels,
    collector,
    compress,
    delimited,
    encode_exemplar,
    encode_histogram,
    encode_metadata,
    encode_sample,
    encode_series,
    junk,
    now_ms,
    varint,
    wait_for,
)

PAGE = Path(__file__).parents[2] / "docs/compliance.md"
MUST, SHOULD, BOTH, MAY = "MUST", "SHOULD", "MUST, SHOULD 204", "MAY"
V2 = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
VALUES = (1.0, STALE, math.nan, math.inf, -math.inf)
HOUR_MS = 3_600_000
COUNTER, GAUGE, HISTOGRAM, GAUGE_HISTOGRAM, SUMMARY, INFO, STATE_SET = range(1, 8)
UP = {"__name__": "up", "job": "testjob", "instance": "localhost:9090"}
Bodies = Callable[[str], Sequence[bytes]]


@dataclass(frozen=True)
class Case:
    """A case: what it asks (`wanted` is its answer there), the bodies that we send for it, and our answer."""

    name: str
    level: str
    asks: str
    bodies: Bodies
    status: int = 204
    wanted: str = "2xx"
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def row(self) -> tuple[str, str, str, str]:
        """As the page shows it."""
        answer = f"{self.status}" if self.is_met else f"{self.status}, not {self.wanted}"
        return f"`{self.name}`", self.level, self.asks, answer

    @property
    def is_met(self) -> bool:
        return self.wanted in {f"{self.status}", f"{self.status // 100}xx"}


# --- requests


def labelled(labels: Labels, cluster_id: str) -> dict[str, str]:
    return {**labels, "cluster_id": cluster_id}


def requests(*many: Callable[[str], bytes]) -> Bodies:
    """Bodies of requests, each made with the id of the cluster that sends it."""
    return lambda cluster_id: [compress(make(cluster_id)) for make in many]


def samples(*labels: Labels, value: float = 1.0, offset_ms: int = 0, extra: bytes = b"") -> Callable[[str], bytes]:
    """One sample for each set of labels; `extra` are fields of each series after it."""
    return lambda cluster_id: b"".join(
        encode_series(labelled(one, cluster_id), encode_sample(value, now_ms() + offset_ms), extra) for one in labels
    )


def exemplars(labels: Labels, *each: Labels, value: float = 1.0, offset_ms: int = 0) -> Callable[[str], bytes]:
    """A sample, and exemplars with these labels."""
    at = now_ms() + offset_ms
    return samples(
        labels, value=value, offset_ms=offset_ms, extra=b"".join(encode_exemplar(one, value, at) for one in each)
    )


def metadata(*kinds: tuple[int, str, str, str]) -> Callable[[str], bytes]:
    """Metadata of families: type, name, help, unit. In 1.0 they stand beside the series."""
    return lambda _: b"".join(encode_metadata(*kind) for kind in kinds)


def together(*parts: Callable[[str], bytes]) -> Callable[[str], bytes]:
    return lambda cluster_id: b"".join(part(cluster_id) for part in parts)


def zigzag(*numbers: int) -> bytes:
    return b"".join(varint(number << 1 if number >= 0 else -number * 2 - 1) for number in numbers)


def spans(number: int, *pairs: tuple[int, int]) -> bytes:
    return b"".join(delimited(number, b"\x08" + zigzag(offset) + b"\x10" + varint(length)) for offset, length in pairs)


POSITIVE = spans(11, (0, 3), (2, 2)) + delimited(12, zigzag(1, 2, 1, 3, 1))
NEGATIVE = spans(8, (0, 2)) + delimited(9, zigzag(1, 1))
ZERO = b"\x30\x01"
CUSTOM = (
    b"\x20" + zigzag(-53) + spans(11, (0, 6)) + delimited(12, zigzag(2, 1, 2, 3, -1, -2))
    + delimited(16, struct.pack("<6d", 0.1, 0.5, 1.0, 2.5, 5.0, 10.0))
)  # fmt: skip


def histograms(
    *labels: Labels, count: int = 27, parts: bytes = POSITIVE + NEGATIVE + ZERO, extra: bytes = b""
) -> Callable[[str], bytes]:
    """One native histogram for each set of labels; the count is that of the buckets in `parts`."""
    return lambda cluster_id: b"".join(
        encode_series(labelled(one, cluster_id), encode_histogram(count, 1.5, now_ms(), parts), extra) for one in labels
    )


def trace(number: int = 1) -> bytes:
    return encode_exemplar({"trace_id": f"trace_{number}", "span_id": "span.with-dots_äöü"}, 1.0, now_ms())


def second_protocol(cluster_id: str) -> bytes:
    """A request of 2.0 with a series that has a created timestamp (prompb/io/prometheus/write/v2/types.proto)."""
    texts = ("", "__name__", "http_requests_total", "cluster_id", cluster_id)
    symbols = b"".join(delimited(4, text.encode()) for text in texts)
    created = b"\x30" + varint(now_ms() - HOUR_MS)
    return symbols + delimited(5, delimited(1, bytes([1, 2, 3, 4])) + encode_sample(100, now_ms()) + created)


def broken(cluster_id: str) -> Sequence[bytes]:
    """A body whose first byte is another: it does not hold what it says."""
    return [b"0" + compress(samples(UP)(cluster_id))[1:]]


def for_each_value(*labels: Labels) -> Bodies:
    return requests(*(samples(*labels, value=value) for value in VALUES))


def named(name: str, **labels: str) -> dict[str, str]:
    return {"__name__": name, **labels}


UPS = tuple(named("up", job="testjob", instance=f"localhost:909{number}") for number in range(4))
NAMELESS = tuple({"job": "testjob", "instance": f"localhost:909{number}"} for number in range(4))
ONCE_V2 = requests(second_protocol)
CPU = named("cpu_usage", instance="server1")
MEMORY = named("memory_usage", instance="server1")

CASES = [
    # combined_test.go
    Case("TestSamplesWithMetadataAndExemplars", BOTH, "a sample with metadata and an exemplar",
         requests(together(samples(UP, extra=trace()), metadata((COUNTER, "up", "Requests", "requests"))))),
    Case("TestHistogramsWithMetadataAndExemplars", BOTH, "a histogram with metadata and an exemplar",
         requests(together(histograms(UP, extra=trace()), metadata((HISTOGRAM, "up", "Seconds", "seconds"))))),
    Case("TestComplexSamplesRequest", BOTH, "two samples, metadata of both, an exemplar of one",
         requests(together(samples(CPU, value=0.85, extra=trace()), samples(MEMORY, value=8589934592),
                           metadata((GAUGE, "cpu_usage", "CPU", "ratio"), (GAUGE, "memory_usage", "Memory", "bytes"))))),
    Case("TestComplexHistogramsRequest", BOTH, "two histograms, metadata of both, an exemplar of one",
         requests(together(histograms(CPU, count=24, parts=POSITIVE + ZERO, extra=trace()),
                           histograms(MEMORY, count=4, parts=NEGATIVE + ZERO),
                           metadata((HISTOGRAM, "cpu_usage", "a", "seconds"), (HISTOGRAM, "memory_usage", "b", "bytes"))))),
    Case("TestMultipleMetricFamiliesSamples", BOTH, "samples of two families of other types",
         requests(together(samples(named("http_requests_total", status="200"), value=1000, extra=trace()),
                           samples(named("temperature_celsius", location="a"), value=23.5),
                           metadata((COUNTER, "http_requests_total", "a", "b"), (GAUGE, "temperature_celsius", "c", "d"))))),
    Case("TestMultipleMetricFamiliesHistograms", BOTH, "a histogram of a family with metadata and an exemplar",
         requests(together(histograms(UP, count=24, parts=POSITIVE + ZERO, extra=trace()),
                           metadata((HISTOGRAM, "up", "a", "seconds"))))),
    Case("TestEdgeCaseCombinations/metadata_without_data", SHOULD, "metadata and no series",
         requests(metadata((COUNTER, "orphan_metric", "Orphaned", "count")))),
    Case("TestEdgeCaseCombinations/exemplars_without_data", SHOULD, "a series that has an exemplar and no sample",
         requests(lambda cluster_id: encode_series(labelled(named("orphan_metric"), cluster_id), trace()))),
    Case("TestEdgeCaseCombinations/mixed_timestamp_data", SHOULD, "samples of now and of an hour ago, an exemplar between",
         requests(together(samples(named("old_metric"), offset_ms=-HOUR_MS,
                                   extra=encode_exemplar({"trace_id": "old"}, 1.0, now_ms() - HOUR_MS // 2)),
                           samples(named("new_metric"), value=2.0)))),
    Case("TestManySamples", BOTH, "50 samples with metadata and exemplars",
         requests(together(*(together(samples(named(f"counter_{number}", series=f"s{number}"), extra=trace(number)),
                                      metadata((COUNTER, f"counter_{number}", f"Number {number}", "count")))
                             for number in range(50))))),
    Case("TestManyHistograms", BOTH, "50 histograms with metadata and exemplars",
         requests(together(*(together(histograms(named(f"histogram_{number}"), extra=trace(number)),
                                      metadata((HISTOGRAM, f"histogram_{number}", f"Number {number}", "seconds")))
                             for number in range(50))))),
    Case("TestSpecialCharactersCombined", BOTH, "characters beyond ASCII, line ends and quotes in labels and metadata",
         requests(together(samples(named("test_metric", job="test-job_with.special@chars", environment="test🚀"), extra=trace()),
                           metadata((GAUGE, "test_metric", 'äöü, lines\nand "quotes"', "special/units"))))),
    Case("TestCustomBucketsHistogramWithExemplar", BOTH, "a histogram of custom buckets with an exemplar",
         requests(histograms(UP, count=30, parts=CUSTOM, extra=trace()))),
    # exemplar_test.go
    Case("TestExemplars/basic_exemplar", BOTH, "an exemplar with a trace id",
         requests(exemplars(UP, {"trace_id": "abc123def456"}))),
    Case("TestExemplars/exemplar_with_span_id", BOTH, "an exemplar with ids of trace and span",
         requests(exemplars(UP, {"trace_id": "xyz789", "span_id": "span123"}, value=0.125))),
    Case("TestExemplars/exemplar_without_trace_id", BOTH, "an exemplar with another label",
         requests(exemplars(CPU, {"user_id": "user123"}, value=0.85))),
    Case("TestExemplars/exemplar_with_multiple_labels", BOTH, "an exemplar with three labels",
         requests(exemplars(UP, {"trace_id": "t", "user": "admin", "endpoint": "/login"}))),
    Case("TestExemplars/exemplar_no_labels", BOTH, "an exemplar without labels",
         requests(exemplars(named("simple_counter"), {}))),
    Case("TestExemplars/exemplar_with_special_chars", BOTH, "punctuation in an exemplar's label",
         requests(exemplars(named("test_metric"), {"trace_id": "with-dashes_and_underscores.123"}, value=42))),
    Case("TestExemplars/exemplar_with_unicode", BOTH, "characters beyond ASCII in an exemplar's label",
         requests(exemplars(named("unicode_test", region="🌍"), {"trace_id": "unicode_trace_测试"}, value=100))),
    Case("TestExemplarWithCreatedTimestamp", BOTH, "a created timestamp, which 1.0 cannot say", ONCE_V2, 415, headers=V2),
    Case("TestMultipleExemplars", BOTH, "three samples with an exemplar each",
         requests(together(*(exemplars(one, {"trace_id": "t"}) for one in UPS[:3])))),
    Case("TestExemplarTimestamps", BOTH, "three samples and exemplars of the last hour",
         requests(together(*(exemplars(one, {"trace_id": "t"}, offset_ms=offset)
                             for one, offset in zip(UPS, (-HOUR_MS, -60_000, 0), strict=False))))),
    Case("TestExemplarValidation/exemplar_without_name_label", SHOULD, "an exemplar of a series without a name",
         requests(exemplars({"job": "test"}, {"trace_id": "t"})), 400, "400"),
    Case("TestExemplarValidation/exemplar_with_empty_name", SHOULD, "an exemplar of a series whose name is empty",
         requests(exemplars(named(""), {"trace_id": "t"})), 400, "400"),
    Case("TestExemplarValidation/exemplar_with_valid_name", SHOULD, "an exemplar of a series with a name",
         requests(exemplars(named("valid_metric"), {"trace_id": "t"}))),
    Case("TestExemplarSpecialValues", BOTH, "exemplars of value 0, below 0, large, small, NaN and infinite",
         requests(*(exemplars(named("test_metric"), {"trace_id": "t"}, value=value)
                    for value in (0.0, -123.456, 1e10, 1e-10, math.nan, math.inf, -math.inf)))),
    # histograms_test.go
    Case("TestHistograms/basic_histogram", BOTH, "a native histogram", requests(histograms(UP))),
    Case("TestHistograms/custom_buckets_histogram", BOTH, "one of custom buckets",
         requests(histograms(UP, count=30, parts=CUSTOM))),
    Case("TestHistograms/positive_only_histogram", BOTH, "one of positive buckets and zero",
         requests(histograms(UP, count=24, parts=POSITIVE + ZERO))),
    Case("TestHistograms/negative_only_histogram", BOTH, "one of negative buckets and zero",
         requests(histograms(UP, count=4, parts=NEGATIVE + ZERO))),
    Case("TestHistograms/minimal_histogram", BOTH, "one of the zero bucket", requests(histograms(UP, count=1, parts=ZERO))),
    Case("TestHistograms/bad_count_histogram", MUST, "one whose count is not that of its buckets is refused",
         requests(histograms(UP, count=99, parts=POSITIVE)), 204, "400"),
    Case("TestHistogramWithCreatedTimestamp", BOTH, "a created timestamp, which 1.0 cannot say", ONCE_V2, 415, headers=V2),
    Case("TestMultipleHistograms", BOTH, "two histograms",
         requests(together(histograms(CPU, count=24, parts=POSITIVE + ZERO), histograms(MEMORY, count=4, parts=NEGATIVE + ZERO)))),
    Case("TestEmptyHistogram", BOTH, "a histogram without buckets", requests(histograms(UP, count=0, parts=b""))),
    Case("TestHistogramWithMetadata", BOTH, "a histogram with metadata",
         requests(together(histograms(UP), metadata((HISTOGRAM, "up", "a", "seconds"))))),
    Case("TestHistogramWithExemplar", BOTH, "a histogram with an exemplar", requests(histograms(UP, extra=trace()))),
    Case("TestHistogramWithMetadataAndExemplar", BOTH, "a histogram with both",
         requests(together(histograms(UP, extra=trace()), metadata((HISTOGRAM, "up", "a", "bytes"))))),
    Case("TestMultipleHistogramsWithMetadata", BOTH, "two histograms, each with metadata",
         requests(together(histograms(CPU, MEMORY),
                           metadata((HISTOGRAM, "cpu_usage", "a", "ratio"), (HISTOGRAM, "memory_usage", "b", "bytes"))))),
    # metadata_test.go
    *(
        Case(f"TestMetadata/{name}", BOTH, asks, requests(together(series, metadata((kind, family, text, unit)))))
        for name, asks, kind, family, text, unit, series in [
            ("counter_metadata", "metadata of a counter", COUNTER, "up", "Requests", "requests", samples(UP)),
            ("gauge_metadata", "metadata of a gauge", GAUGE, "up", "Percentage", "percent", samples(UP)),
            ("histogram_metadata", "metadata of a histogram", HISTOGRAM, "up", "Seconds", "seconds", histograms(UP)),
            ("metadata_no_help_no_unit", "metadata without help and unit", COUNTER, "up", "", "", samples(UP)),
            ("metadata_with_special_chars", "line ends and quotes in help", GAUGE, "up", 'a\nb "c"', "bytes/sec", samples(UP)),
            ("unspecified_metadata_type", "metadata without a type", 0, "up", "Unknown", "", samples(UP)),
            ("info_metadata_type", "metadata of an info", INFO, "build_info", "Build", "", samples(named("build_info"))),
            ("stateset_metadata_type", "metadata of a state set", STATE_SET, "up", "State", "", samples(UP)),
            ("summary_metadata_type", "metadata of a summary", SUMMARY, "up", "Latency", "seconds", samples(UP)),
            ("gauge_histogram_metadata_type", "metadata of a gauge histogram", GAUGE_HISTOGRAM, "up", "T", "c", samples(UP)),
        ]
    ),
    Case("TestCounterMetadataWithCreatedTimestamp", BOTH, "a created timestamp, which 1.0 cannot say", ONCE_V2, 415, headers=V2),
    Case("TestMetadataWithSamples", BOTH, "metadata with a sample",
         requests(together(samples(UP, value=42), metadata((COUNTER, "up", "Requests", "requests"))))),
    Case("TestMultipleMetadata", BOTH, "three samples with metadata",
         requests(together(samples(CPU, MEMORY, named("disk_usage", device="sda1")),
                           metadata((GAUGE, "cpu_usage", "a", "percent"), (GAUGE, "memory_usage", "b", "bytes"),
                                    (GAUGE, "disk_usage", "c", "percent"))))),
    Case("TestMetadataWithComplexLabels", BOTH, "metadata of a histogram with six labels",
         requests(together(histograms({**UP, "method": "GET", "status": "200", "endpoint": "/api/v1/users"}),
                           metadata((HISTOGRAM, "up", "a", "seconds"))))),
    Case("TestMetadataValidation/metadata_without_name_label", SHOULD, "metadata and a sample without a name",
         requests(together(samples({"job": "test"}), metadata((COUNTER, "", "Test help", "unit")))), 400, "400"),
    Case("TestMetadataValidation/metadata_with_empty_name", SHOULD, "metadata and a sample whose name is empty",
         requests(together(samples(named("")), metadata((GAUGE, "", "Test help", "unit")))), 400, "400"),
    Case("TestMetadataValidation/metadata_with_valid_name", SHOULD, "metadata and a sample with a name",
         requests(together(samples(named("valid_metric_name")), metadata((COUNTER, "valid_metric_name", "a", "b"))))),
    # metric_test.go; each with the values 1, stale, NaN, and both infinities
    Case("TestSingleMetric/*/simple_metric", BOTH, "a sample", for_each_value(named("up"))),
    Case("TestSingleMetric/*/simple_metric_with_multiple_labels", BOTH, "one with labels", for_each_value(UP)),
    Case("TestSingleMetric/*/simple_metric_with_newlines", BOTH, "one with line ends in a label",
         for_each_value({**UP, "job": "test\njob\n"})),
    Case("TestSingleMetric/*/simple_metric_with_dots", BOTH, "one with dots in names",
         for_each_value({"__name__": "resource.cpu.usage", "job.name": "testjob"})),
    Case("TestSingleMetric/*/simple_metric_with_spaces", BOTH, "one with spaces in names",
         for_each_value({"__name__": "resource cpu usage", "job name": "testjob"})),
    Case("TestSingleMetric/*/simple_metric_without_name_label", MUST, "one without a name", for_each_value(NAMELESS[0]), 400, "400"),
    Case("TestSingleMetric/*/empty_metric", MUST, "one without labels", for_each_value({}), 400, "400"),
    Case("TestCounterWithCreatedTimestamp", BOTH, "a created timestamp, which 1.0 cannot say", ONCE_V2, 415, headers=V2),
    Case("TestMultipleMetrics/*/multiple_metrics", BOTH, "four samples", for_each_value(*UPS)),
    Case("TestMultipleMetrics/*/multiple_metrics,_without_name_label", MUST, "four without a name", for_each_value(*NAMELESS), 400, "400"),
    Case("TestMultipleMetrics/*/multiple_metrics,_1_without_name_label", MUST, "four, one of them without a name",
         for_each_value(NAMELESS[0], *UPS[1:]), 400, "400"),
    # request_test.go
    Case("TestBadContentTypes/application_json", MUST, "another content type", broken, 415, "415",
         {"Content-Type": "application/json"}),
    Case("TestBadContentTypes/image_png", MUST, "another content type", broken, 415, "415", {"Content-Type": "image/png"}),
    Case("TestBadContentEncodings/gzip", MUST, "another content encoding", broken, 415, "415", {"Content-Encoding": "gzip"}),
    Case("TestBadContentEncodings/deflate", MUST, "another content encoding", broken, 415, "415", {"Content-Encoding": "deflate"}),
    Case("TestCorruptRequestBody", MUST, "a body with another first byte", broken, 400, "400"),
    # rw1_compat_test.go
    Case("TestRW1BasicCompatibility", MAY, "a request of 1.0 with two samples",
         requests(samples(UP, named("http_requests_total")))),
    Case("TestRW1ErrorHandling", MAY, "a request of 1.0 that is no snappy block",
         lambda cluster_id: [b"\xff" + compress(samples(UP)(cluster_id))[1:]], 400, "400"),
]  # fmt: skip


# --- the sender's rules


@dataclass(frozen=True)
class Rule:
    """A rule for senders, and when we give the answer that it is about. `answer`: what such a request gets."""

    name: str
    level: str
    rule: str
    when: str
    answer: Callable[[Collector, Cluster], int]
    status: int

    @property
    def row(self) -> tuple[str, str, str, str]:
        return f"`{self.name}`", self.level, self.rule, f"{self.status}: {self.when}"


def unauthorized(running: Collector, cluster: Cluster) -> int:
    return running.status(cluster.body(), None)


def forbidden(running: Collector, cluster: Cluster) -> int:
    return running.status(running.new_cluster().body(), cluster.token)


def malformed(running: Collector, cluster: Cluster) -> int:
    return running.status(b"", cluster.token)


def elsewhere(running: Collector, cluster: Cluster) -> int:
    return running.ask("POST", "/api/v1/receive", cluster.body()).status


def too_large(running: Collector, cluster: Cluster) -> int:
    return running.status(varint(2**32 - 1), cluster.token)


def second(running: Collector, cluster: Cluster) -> int:
    return running.status(compress(second_protocol(cluster.id)), cluster.token, V2)


def too_many(running: Collector, cluster: Cluster) -> int:
    """The first answer that is not 204, which says when to come back."""
    body = cluster.body()
    answer = running.write(body, cluster.token)
    while answer.status == 204:
        answer = running.write(body, cluster.token)
    assert int(answer.headers["retry-after"]) > 0
    return answer.status


def not_kept(running: Collector, cluster: Cluster) -> int:
    """The inbox is gone; then it is there again, and the same request is taken."""
    (inbox,) = (path for path in (running.lake / "inbox").iterdir() if path.is_dir())
    assert running.status(cluster.body(), cluster.token) == 204
    # The file that is open is let go after some seconds.
    wait_for(lambda: not list(inbox.glob("*.open")) or None, "no file is open")
    aside = running.folder / "aside"
    inbox.rename(aside)
    try:
        answer = running.write(cluster.body(), cluster.token)
        assert int(answer.headers["retry-after"]) > 0
        assert running.ask("GET", "/readyz").status == 503
    finally:
        shutil.rmtree(inbox, ignore_errors=True)
        aside.rename(inbox)
    assert running.status(cluster.body(), cluster.token) == 204
    assert running.ask("GET", "/readyz").status == 200
    return answer.status


RULES = [
    Rule("TestRetryBehavior/no_retry_on_400", MUST, "is not sent again", "it cannot be read, or a series has no name", malformed, 400),
    Rule("TestRetryBehavior/no_retry_on_401", MUST, "is not sent again", "no token, none of ours, expired, revoked", unauthorized, 401),
    Rule("no other 4xx", MUST, "is not sent again", "a series says another cluster, or none", forbidden, 403),
    Rule("TestRetryBehavior/no_retry_on_404", MUST, "is not sent again", "another path", elsewhere, 404),
    Rule("TestRetryBehavior/no_retry_on_413", SHOULD, "is not sent again", "the body is too long, as it comes or decompressed", too_large, 413),
    Rule("TestFallbackBehavior", SHOULD, "1.0 is tried", "it is of 2.0", second, 415),
    Rule("TestRetryBehavior/may_retry_on_429", MAY, "is sent again after `Retry-After`", "the cluster is above its rate", too_many, 429),
    Rule("TestRetryBehavior/retry_on_503", MUST, "is sent again, slower each time", "it could not be kept", not_kept, 503),
]  # fmt: skip


# --- tests


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collector(tmp_path_factory.mktemp("compliance")) as found:
        yield found


@pytest.fixture
def cluster(running: Collector) -> Cluster:
    return running.new_cluster()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_of_the_compliance_tests_is_answered_as_the_page_says(
    running: Collector, cluster: Cluster, case: Case
) -> None:
    for body in case.bodies(cluster.id):
        answer = running.write(body, cluster.token, case.headers)
        assert answer.status == case.status, answer.body
        # What was written is said by receivers of 2.0 alone.
        assert not [name for name in answer.headers if name.startswith("x-prometheus-remote-write")]


@pytest.mark.parametrize("case", [case for case in CASES if not case.is_met], ids=lambda case: case.name)
def test_where_we_answer_otherwise_the_page_says_it(case: Case) -> None:
    assert case.headers == V2 or case.name == "TestHistograms/bad_count_histogram"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_status_is_given_when_the_page_says(running: Collector, cluster: Cluster, rule: Rule) -> None:
    assert rule.answer(running, cluster) == rule.status


def test_what_the_contract_does_not_list_is_dropped_and_counted_and_the_rest_kept(tmp_path: Path) -> None:
    with collector(tmp_path) as found:
        one = found.new_cluster()
        mixed = junk(one.id, 0, 7) + samples(named("up"))(one.id)
        assert found.status(compress(mixed), one.token) == 204
        assert found.status(one.body(), one.token) == 204
        found.wait_for_counts({'samples_dropped_total{reason="not_in_contract"}': 8, "samples_admitted_total": 12})


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_request_is_refused_as_a_whole(tmp_path: Path, place: str) -> None:
    with collector(tmp_path) as found:
        one = found.new_cluster()
        for bad, status in [
            ({"job": "a", "cluster_id": one.id}, 400),
            ({"__name__": LAYERING, "layering": "clean"}, 403),
        ]:
            series = encode_series(bad, encode_sample(1, now_ms()))
            good = one.series()
            assert found.status(compress(series + good if place == "first" else good + series), one.token) == status
        assert found.stop() == 0
        assert found.rows() == []


def test_the_page_has_the_cases_and_no_others() -> None:
    assert rows_below("## Receiver") == [case.row for case in CASES]


def test_the_page_has_the_rules_and_no_others() -> None:
    assert rows_below("## Sender") == [rule.row for rule in RULES]


def rows_below(heading: str) -> list[tuple[str, ...]]:
    """Rows of the table of a part of the page."""
    part = PAGE.read_text(encoding="utf-8").partition(f"{heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]
