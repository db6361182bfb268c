"""A running collector as a peer in HTTP/1.1: what is answered to what, what it says of itself, and how it is started wrongly."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.certificates import MISSING, OPENSSL, Authority
from tests.fleet.http_collector import (
    DEADLINE_SECONDS,
    MIB,
    Cluster,
    Collector,
    collector,
    compress,
    junk,
    run_program,
    start,
    wait_for,
)
from tests.real.prometheus_server import require

# A connection that should be closed at once, and rests for two minutes if it is not.
CLOSE_SECONDS = 15.0
LAST = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SERIES_OF_A_BODY = 12


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collector(tmp_path_factory.mktemp("http")) as found:
        yield found


@pytest.fixture
def cluster(running: Collector) -> Cluster:
    return running.new_cluster()


# --- bytes


def head(
    cluster: Cluster, *more: str, target: str = "/api/v1/write", version: str = "1.1", method: str = "POST"
) -> bytes:
    lines = [
        f"{method} {target} HTTP/{version}", "Host: a", "Content-Type: application/x-protobuf", "Content-Encoding: snappy",
        f"Authorization: Bearer {cluster.token}", *more,
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def whole(cluster: Cluster, *more: str, **options: str) -> bytes:
    """A good request with its length."""
    body = cluster.body()
    return head(cluster, f"Content-Length: {len(body)}", *more, **options) + body


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + end


def answers(data: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer; fails if they cannot be told apart. None of them answers HEAD."""
    found = []
    while data:
        top, _, data = data.partition(b"\r\n\r\n")
        first, *lines = top.split(b"\r\n")
        assert re.fullmatch(rb"HTTP/1\.1 [1-5][0-9]{2} [A-Za-z ]+", first), first
        status = int(first.split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if status in {100, 204}:
            assert b"content-length" not in headers
        length = int(headers.get(b"content-length", b"0"))
        assert len(data) >= length
        found.append((status, data[:length]))
        data = data[length:]
    return found


def statuses(running: Collector, data: bytes, seconds: float = CLOSE_SECONDS) -> list[int]:
    """Of all answers until it closes."""
    return [status for status, _ in answers(running.talk(data, seconds))]


# --- methods and paths


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/healthz", 200, None),
        ("GET", "/readyz", 200, None),
        ("GET", "/metrics", 200, None),
        ("GET", "/metrics?name=a", 200, None),
        ("GET", "/", 503, None),
        ("POST", "/", 405, "GET, HEAD"),
        ("GET", "/metrics/", 404, None),
        ("GET", "/healthz/../metrics", 404, None),
        ("GET", "//metrics", 404, None),
        ("GET", "/api/v1", 404, None),
        ("GET", "/api/v1/write/", 404, None),
        ("GET", "/API/V1/WRITE", 404, None),
        ("GET", "/%6detrics", 404, None),
        ("GET", "/api/v1/write", 405, "POST"),
        ("PUT", "/api/v1/write", 405, "POST"),
        ("DELETE", "/api/v1/write", 405, "POST"),
        ("PATCH", "/api/v1/write", 405, "POST"),
        ("OPTIONS", "/api/v1/write", 405, "POST"),
        ("POST", "/metrics", 405, "GET, HEAD"),
        ("DELETE", "/healthz", 405, "GET, HEAD"),
        ("PUT", "/readyz", 405, "GET, HEAD"),
    ],
)
def test_methods_and_paths(running: Collector, method: str, path: str, status: int, allow: str | None) -> None:
    answer = running.ask(method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)


@pytest.mark.parametrize("path", ["/x", "/api/v1/receive", "/api/v1/write/", "/api/v2/write"])
def test_what_is_posted_elsewhere_is_answered_that_nothing_is_there(
    running: Collector, cluster: Cluster, path: str
) -> None:
    assert statuses(running, whole(cluster, target=path) + LAST) == [404, 200]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/api/v1/write"])
def test_head_is_get_without_a_body(running: Collector, path: str) -> None:
    expected = running.ask("GET", path)
    found = running.ask("HEAD", path)
    assert (found.status, found.body) == (expected.status, b"")
    assert found.headers["content-type"] == expected.headers["content-type"]
    # What follows on the connection must be the next answer.
    both = running.talk(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + LAST, CLOSE_SECONDS)
    top, _, rest = both.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 %d " % expected.status)
    assert [status for status, _ in answers(rest)] == [200]


def test_metrics_say_what_they_are(running: Collector) -> None:
    answer = running.ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"# TYPE layercensus_collector_samples_admitted_total counter" in answer.body


# --- what a request says of its body


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/x-protobuf", 204),
        ("application/x-protobuf;proto=prometheus.WriteRequest", 204),
        ("application/x-protobuf; proto=prometheus.WriteRequest", 204),
        ('application/x-protobuf; proto="prometheus.WriteRequest"', 204),
        ("application/x-protobuf; charset=utf-8; PROTO=prometheus.WriteRequest", 204),
        ("Application/X-Protobuf", 204),
        (None, 204),
        ("application/x-protobuf;proto=io.prometheus.write.v2.Request", 415),
        ("application/x-protobuf; Proto=io.prometheus.write.v2.Request", 415),
        ("application/x-protobuf;proto=prometheus.WriteRequest;proto=io.prometheus.write.v2.Request", 415),
        ("application/x-protobuf;proto=", 415),
        ("application/x-protobuf;proto=PROMETHEUS.WRITEREQUEST", 415),
        ("application/protobuf", 415),
        ("application/json", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/x-protobuf, application/json", 415),
        ("\xff\xfe", 415),
    ],
)
def test_content_types(running: Collector, cluster: Cluster, content_type: str | None, status: int) -> None:
    assert running.status(cluster.body(), cluster.token, {"Content-Type": content_type}) == status


@pytest.mark.parametrize(
    ("encoding", "status"),
    [
        ("snappy", 204), ("Snappy", 204), (" snappy ", 204), (None, 204),
        ("gzip", 415), ("zstd", 415), ("identity", 415), ("snappy, gzip", 415), ("snappy;q=1", 415), ("x-snappy-framed", 415),
    ],
)  # fmt: skip
def test_content_encodings(running: Collector, cluster: Cluster, encoding: str | None, status: int) -> None:
    assert running.status(cluster.body(), cluster.token, {"Content-Encoding": encoding}) == status


@pytest.mark.parametrize("version", [None, "0.1.0", "1.0.0", "2.0.0", "x"])
def test_the_content_type_says_the_protocol_and_no_other_header(
    running: Collector, cluster: Cluster, version: str | None
) -> None:
    headers = {"X-Prometheus-Remote-Write-Version": version, "User-Agent": None}
    assert running.status(cluster.body(), cluster.token, headers) == 204


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer ", "bearer", "Basic YTpi", "Token a.b.c", "a.b.c", "Bearer a", "Bearer a.b", "Bearer a.b.c",
        "Bearer ..", "Bearer a.b.c.d", "Bearer \xff\xfe.\xfd.\xfc", "Bearer " + "a" * 8000, "Bearer " + "." * 8000,
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(running: Collector, cluster: Cluster, authorization: str | None) -> None:
    answer = running.write(cluster.body(), None, {"Authorization": authorization})
    assert answer.status == 401
    assert len(answer.body) < 100


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "  Bearer {}  "])
def test_a_scheme_has_no_case_and_blanks_around_a_token_say_nothing(
    running: Collector, cluster: Cluster, form: str
) -> None:
    assert running.status(cluster.body(), None, {"Authorization": form.format(cluster.token)}) == 204


@pytest.mark.parametrize("before", ["", " ", ","])
def test_a_token_with_anything_more_is_none(running: Collector, cluster: Cluster, before: str) -> None:
    headers = {"Authorization": f"Bearer {cluster.token}{before}{cluster.token}"}
    assert running.status(cluster.body(), None, headers) == 401


def test_an_empty_body_is_no_request_and_a_request_of_nothing_is_one(running: Collector, cluster: Cluster) -> None:
    assert running.status(b"", cluster.token) == 400
    assert running.status(compress(b""), cluster.token) == 204


def test_refusals_say_why_in_a_line_and_when_to_come_back_only_where_it_helps(
    running: Collector, cluster: Cluster
) -> None:
    for body, token in [(b"", cluster.token), (cluster.body(), None), (b"\xff" * 20, cluster.token)]:
        answer = running.write(body, token)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.body.count(b"\n") == 1
        assert "retry-after" not in answer.headers


# --- HTTP/1.1


def test_a_connection_takes_many_requests(running: Collector, cluster: Cluster) -> None:
    connection = running.connect()
    try:
        for _ in range(50):
            connection.request("POST", "/api/v1/write", cluster.body(), headers_of(cluster))
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (204, b"")
    finally:
        connection.close()


def headers_of(cluster: Cluster) -> Mapping[str, str]:
    return {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "Authorization": f"Bearer {cluster.token}",
    }


def test_http_1_0_is_answered_and_closed(running: Collector, cluster: Cluster) -> None:
    assert statuses(running, whole(cluster, version="1.0")) == [204]
    assert statuses(running, b"GET /healthz HTTP/1.0\r\n\r\n") == [200]


def test_a_request_in_pieces_is_one(running: Collector, cluster: Cluster) -> None:
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in whole(cluster, "Connection: close"):
            connection.sendall(bytes([byte]))
        assert [status for status, _ in answers(connection.makefile("rb").read())] == [204]


def test_expect_100_continue(running: Collector, cluster: Cluster) -> None:
    body = cluster.body()
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE_SECONDS) as connection:
        stream = connection.makefile("rb")
        more = ("Expect: 100-continue", f"Content-Length: {len(body)}", "Connection: close")
        connection.sendall(head(cluster, *more))
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        connection.sendall(body)
        assert [status for status, _ in answers(stream.read())] == [204]
        stream.close()


@pytest.mark.parametrize(
    ("more", "status"),
    [(("Authorization: x",), 400), (("Content-Type: text/plain",), 400), (("Content-Length: 2000000",), 413)],
)
def test_who_expects_to_be_told_first_is_told_at_once(
    running: Collector, cluster: Cluster, more: tuple[str, ...], status: int
) -> None:
    """A sender that waits for leave to send its body must not wait for the end of the time that a body may take."""
    length = () if status == 413 else ("Content-Length: 1000",)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE_SECONDS) as connection:
        connection.sendall(head(cluster, "Expect: 100-continue", *more, *length))
        line = connection.makefile("rb").readline()
    assert line.startswith(b"HTTP/1.1 %d " % status)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("target", ["http://collector.example/api/v1/write", "HTTP://127.0.0.1:9465/api/v1/write?a=b"])
def test_a_target_in_absolute_form_is_that_path(running: Collector, cluster: Cluster, target: str) -> None:
    """RFC 9112, 3.2.2: a server must accept it."""
    assert statuses(running, whole(cluster, target=target) + LAST) == [204, 200]
    health = f"GET {target.partition('/api')[0]}/healthz HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    assert statuses(running, health + LAST) == [200, 200]


@pytest.mark.parametrize("parts", [1, 3])
def test_chunked_bodies(running: Collector, cluster: Cluster, parts: int) -> None:
    body = cluster.body()
    size = -(-len(body) // parts)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    top = head(cluster, "Transfer-Encoding: chunked", "Connection: close")
    assert statuses(running, top + chunked(*pieces)) == [204]
    assert statuses(running, top + chunked(*pieces, end=b"0\r\nX: a trailer\r\n\r\n")) == [204]
    extended = b"%x;name=value\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert statuses(running, top + extended) == [204]


@pytest.mark.parametrize(
    "wrong",
    [
        b"x\r\nabc\r\n0\r\n\r\n",
        b"-1\r\n\r\n",
        b"3\r\nabcdef\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n",
        b"3 \x00\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_chunk_is_refused_and_closed(running: Collector, cluster: Cluster, wrong: bytes) -> None:
    assert statuses(running, head(cluster, "Transfer-Encoding: chunked") + wrong + LAST) == [400]


SMUGGLED = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Content-Length: 5"),
        ("Content-Length: 5, 5",),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
        ("Transfer-Encoding: chunked", "content-length: 49"),
        ("Content-Length : 5",),
        ("Transfer-Encoding : chunked",),
        ("Content-Length: +5",),
        ("Content-Length: -5",),
        ("Content-Length: 0x5",),
        ("Content-Length: 5 5",),
        ("Content-Length: 99999999999999999999999",),
        ("Content-Length:",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: \x0bchunked",),
        ("Transfer-Encoding:\n chunked",),
        ("X: a\rContent-Length: 5",),
        ("X: a\x00b", "Content-Length: 5"),
        (" Content-Length: 5",),
    ],
)
def test_a_request_whose_end_could_be_read_in_two_ways_is_refused_and_closed(
    running: Collector, cluster: Cluster, lines: tuple[str, ...]
) -> None:
    found = statuses(running, head(cluster, *lines) + SMUGGLED + LAST)
    # Nothing behind it is taken for a request.
    assert len(found) == 1
    assert found[0] in {400, 413, 501}


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked"])
def test_another_transfer_coding_is_refused(running: Collector, cluster: Cluster, coding: str) -> None:
    """RFC 9112, 6.1: what cannot be decoded is answered 501, or at least not taken for the body."""
    top = head(cluster, f"Transfer-Encoding: {coding}", "Connection: close")
    assert statuses(running, top + chunked(cluster.body()))[0] in {400, 501}


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer a.b.c",
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
        "Content-Type: application/x-protobuf",
    ],
)
def test_a_header_that_comes_twice_and_could_mean_either_is_refused(
    running: Collector, cluster: Cluster, line: str
) -> None:
    assert statuses(running, whole(cluster, line) + LAST)[0] == 400


def test_requests_sent_at_once_are_answered_in_their_order(running: Collector, cluster: Cluster) -> None:
    other = Cluster(cluster.id, "none")
    many = [
        whole(cluster),
        whole(other),
        b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        whole(cluster),
        b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE_SECONDS) as connection:
        connection.sendall(b"".join(many))
        found = b""
        while found.count(b"HTTP/1.1 ") < len(many) or not found.endswith(b"ok\n"):
            found += connection.recv(65536)
    assert [status for status, _ in answers(found)] == [204, 401, 404, 204, 200]


def test_a_request_that_says_close_is_the_last_whatever_is_under_way(running: Collector, cluster: Cluster) -> None:
    found = running.talk(whole(cluster) + LAST, CLOSE_SECONDS)
    assert [status for status, _ in answers(found)] == [204, 200]
    assert statuses(running, whole(cluster) + LAST + whole(cluster)) == [204, 200]


def test_more_requests_at_once_than_are_taken_lose_nothing_that_was_answered(
    running: Collector, cluster: Cluster
) -> None:
    found = statuses(running, whole(cluster) * 100 + LAST)
    assert set(found) <= {204, 400, 200}
    assert found == sorted(found, key=lambda status: status == 400)


@pytest.mark.parametrize(
    "garbage", [b"\x00\x01\x02\r\n\r\n", b"garbage\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\xff" * 100]
)
def test_what_follows_a_good_request_is_refused_after_its_answer(
    running: Collector, cluster: Cluster, garbage: bytes
) -> None:
    """A sender that reads 400 as the answer to a report drops it, and here it was kept."""
    assert statuses(running, whole(cluster) + garbage) == [204, 400]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 64, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"POST\r\n\r\n",
        b"GET /healthz HTTP/3.0\r\n\r\n", b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n", b"GET /healthz HTTP/1.1\r\n: a\r\n\r\n",
        b"GET /hea lthz HTTP/1.1\r\n\r\n", b"get /healthz HTTP/1.1\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nA\xe9: b\r\n\r\n", b"GET \x00 HTTP/1.1\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused_and_closed(running: Collector, data: bytes) -> None:
    assert statuses(running, data) == [400]


@pytest.mark.parametrize(
    ("data", "first"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", {200, 400}),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", {400, 404, 405, 501}),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", {200, 204, 400, 404, 405}),
        (b"TRACE /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: secret\r\n\r\n", {405, 501}),
    ],
)
def test_other_uses_of_http_are_answered_and_closed(running: Collector, data: bytes, first: set[int]) -> None:
    found = running.talk(data, CLOSE_SECONDS)
    assert answers(found)[0][0] in first
    assert b"secret" not in found


@pytest.mark.parametrize(
    "data",
    [
        b"GET /healthz HTTP/1.1\r\nA: " + b"x" * MIB + b"\r\n\r\n",
        b"GET /" + b"x" * MIB + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"A" * MIB + b": b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 200_000 + b"\r\n",
    ],
)
def test_a_head_of_a_mebibyte_is_refused_or_closed(running: Collector, data: bytes) -> None:
    assert set(statuses(running, data + LAST)) <= {431}
    assert running.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize("size", [17 * 1024, 64 * 1024, 200 * 1024])
@pytest.mark.parametrize("pause_seconds", [0.0, 0.3])
def test_the_limit_of_a_head_is_the_same_however_it_comes(running: Collector, size: int, pause_seconds: float) -> None:
    """16 KiB are what the refusal says; a head that comes in one piece is no other."""
    data = b"GET /healthz HTTP/1.1\r\nHost: a\r\nA: " + b"x" * size + b"\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), DEADLINE_SECONDS) as connection:
        try:
            for at in (0, size // 2):
                connection.sendall(data[at : at + size // 2] if at == 0 else data[at:])
                time.sleep(pause_seconds)
            found = connection.makefile("rb").read()
        except ConnectionError:
            found = b""
    assert [status for status, _ in answers(found)] in ([431], [])


def test_a_thousand_headers_are_refused_by_their_size_and_not_by_chance(running: Collector) -> None:
    small = b"".join(b"A%d: b\r\n" % number for number in range(1000))
    assert len(small) < 16 * 1024
    one = b"GET /healthz HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n"
    assert statuses(running, one % small) == [200]
    large = b"".join(b"Header-%d: with a value\r\n" % number for number in range(1000))
    assert set(statuses(running, one % large)) <= {431}


# --- what it says of itself


@pytest.mark.real
def test_metrics_pass_promtool_and_count_what_was_sent_over_two_workers(tmp_path: Path) -> None:
    promtool = require("promtool")
    with collector(tmp_path, "--workers", "2") as found:
        assert len(found.workers()) == 2
        one = found.new_cluster()
        for _ in range(60):
            assert found.status(one.body(), one.token) == 204
        assert found.status(compress(junk(one.id, 0, 25)), one.token) == 204
        assert found.status(one.body(timestamp=1), one.token) == 204
        for _ in range(7):
            assert found.status(one.body(), None) == 401
        for _ in range(5):
            assert found.status(b"", one.token) == 400
        for _ in range(3):
            assert found.status(found.new_cluster().body(), one.token) == 403
        assert found.status(one.body(), one.token, {"Content-Encoding": "gzip"}) == 415
        found.wait_for_counts(
            {
                "samples_admitted_total": 60 * SERIES_OF_A_BODY,
                'samples_dropped_total{reason="not_in_contract"}': 25,
                'samples_dropped_total{reason="old"}': SERIES_OF_A_BODY,
                'requests_total{status="204"}': 62,
                'requests_total{status="401"}': 7,
                'requests_total{status="400"}': 5,
                'requests_total{status="403"}': 3,
                'requests_total{status="415"}': 1,
                'refused_total{reason="no_token"}': 7,
                'refused_total{reason="snappy"}': 5,
                'refused_total{reason="other_cluster"}': 3,
                'refused_total{reason="content_encoding"}': 1,
                "commits_failed_total": 0,
            }
        )
        text = found.ask("GET", "/metrics").body
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        # A cluster's id is no label: that would be a series for each.
        assert one.id.encode() not in text
        assert found.stop() == 0
        row = found.row_of(one.id)
        assert row is not None
        assert row["nodes_clean"] == 5


def test_a_worker_that_is_killed_is_started_again_and_counts_stay(tmp_path: Path) -> None:
    with collector(tmp_path, "--workers", "2") as found:
        one = found.new_cluster()
        assert found.status(one.body(), one.token) == 204
        found.wait_for_counts({"samples_admitted_total": SERIES_OF_A_BODY})
        before = found.workers()
        subprocess.run(["kill", "-KILL", str(before[0])], check=True)
        wait_for(lambda: len(set(found.workers()) - set(before)) == 1 or None, "another worker")
        wait_for(lambda: len(found.workers()) == 2 or None, "two workers")
        assert found.status(one.body(), one.token) == 204
        found.wait_for_counts({"samples_admitted_total": 2 * SERIES_OF_A_BODY})


def test_what_was_acknowledged_right_after_the_start_is_in_the_lake_at_the_end(tmp_path: Path) -> None:
    """A worker answers before the other processes are there; SIGTERM drains all the same."""
    for turn in range(6):
        with collector(tmp_path / f"{turn}", is_whole=False) as found:
            one = found.new_cluster()
            assert found.status(one.body(), one.token) == 204
            assert found.stop() == 0
            assert found.row_of(one.id) is not None


# --- started wrongly


def refused(folder: Path, *options: str | Path) -> tuple[int, str]:
    """Exit status and the one line of a collector that does not start."""
    process = start(folder, 0, *options)
    try:
        status = process.wait(DEADLINE_SECONDS)
    finally:
        process.kill()
    said = (folder / "stderr").read_text()
    assert said.count("\n") == 1, said
    assert "Traceback" not in said
    assert (folder / "stdout").read_text() == ""
    return status, said


def keys_in(folder: Path) -> Path:
    done = run_program("token", "--keys", folder / "keys.json", "--cluster-id", "6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b60")
    assert done.returncode == 0
    return folder / "keys.json"


def test_keys_that_are_missing_are_said(tmp_path: Path) -> None:
    status, said = refused(tmp_path)
    assert status != 0
    assert "keys" in said
    assert "layercensus token" in said


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    keys_in(tmp_path).chmod(0o644)
    status, said = refused(tmp_path)
    assert status != 0
    assert "chmod 600" in said


def test_a_lake_that_is_a_file_is_refused(tmp_path: Path) -> None:
    keys_in(tmp_path)
    (tmp_path / "lake").write_text("no lake")
    status, _ = refused(tmp_path)
    assert status != 0
    assert (tmp_path / "lake").read_text() == "no lake"


def test_a_folder_with_other_things_is_no_lake(tmp_path: Path) -> None:
    keys_in(tmp_path)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake/thesis.txt").write_text("mine")
    status, _ = refused(tmp_path)
    assert status != 0
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["thesis.txt"]


def test_a_port_in_use_is_said(running: Collector, tmp_path: Path) -> None:
    keys_in(tmp_path)
    status, said = refused(tmp_path, "--listen", f"127.0.0.1:{running.port}")
    assert status != 0
    assert "cannot listen" in said


def test_an_inbox_that_another_holds_is_said(running: Collector, tmp_path: Path) -> None:
    keys_in(tmp_path)
    status, said = refused(tmp_path, "--inbox", running.lake / "inbox")
    assert status == 2
    assert "--name" in said


@pytest.mark.parametrize("option", ["--tls-cert", "--tls-key"])
def test_half_of_tls_is_a_wrong_command(tmp_path: Path, option: str) -> None:
    keys_in(tmp_path)
    status, said = refused(tmp_path, option, "a")
    assert status == 2
    assert "TLS needs" in said


@pytest.mark.parametrize("wrong", ["missing", "empty", "of another key", "swapped"])
def test_a_certificate_that_cannot_be_used_is_said(tmp_path: Path, wrong: str) -> None:
    if OPENSSL is None:
        pytest.fail(MISSING) if os.environ.get("CI") else pytest.skip(MISSING)
    keys_in(tmp_path)
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("server", "server")
    if wrong == "missing":
        certificate = tmp_path / "nothing.crt"
    elif wrong == "empty":
        certificate.write_text("")
    elif wrong == "of another key":
        _, key = authority.issue("another", "another")
    else:
        certificate, key = key, certificate
    status, said = refused(tmp_path, "--tls-cert", certificate, "--tls-key", key)
    assert status != 0
    assert "certificate" in said
    assert str(certificate) in said


@pytest.mark.parametrize(
    "options",
    [
        ("--listen", "127.0.0.1"), ("--listen", "127.0.0.1:x"), ("--listen", "example.com:9465"), ("--workers", "0"),
        ("--workers", "x"), ("--name", "../x"), ("--name", ""), ("--nothing",),
    ],
)  # fmt: skip
def test_wrong_options_are_a_wrong_command(tmp_path: Path, options: tuple[str, ...]) -> None:
    keys_in(tmp_path)
    done = run_program("collect", "--lake", tmp_path / "lake", "--keys", tmp_path / "keys.json", *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("left_out", ["--lake", "--keys"])
def test_lake_and_keys_must_be_named(tmp_path: Path, left_out: str) -> None:
    options = {"--lake": tmp_path / "lake", "--keys": tmp_path / "keys.json"}
    del options[left_out]
    done = run_program("collect", *(str(part) for pair in options.items() for part in pair))
    assert done.returncode == 2
    assert left_out in done.stderr
