"""Heads of requests and bytes of answers."""

import pytest

from layercensus.agent.exchange import Request, format_answer, parse_head, split_head


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: a", Request("/metrics", wants_body=True, keep_alive=True)),
        (b"GET /metrics?a=b HTTP/1.1", Request("/metrics", wants_body=True, keep_alive=True)),
        (b"GET /metrics HTTP/1.1\r\nConnection: Close", Request("/metrics", wants_body=True, keep_alive=False)),
        (b"HEAD /healthz HTTP/1.0", Request("/healthz", wants_body=False, keep_alive=False)),
        (b"GET / HTTP/1.1\r\nContent-Length: 0", Request("/", wants_body=True, keep_alive=True)),
        (b"POST /metrics HTTP/1.1", 405),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: 7", 400),
        (b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked", 400),
        (b"GET /metrics HTTP/1.1\r\n folded: a", 400),
        (b"GET /metrics HTTP/1.1\r\nHost : a", 400),
        (b"GET /metrics HTTP/1.1\r\nnothing", 400),
        (b"GET http://a/metrics HTTP/1.1", 400),
        (b"GET /metrics HTTP/2.0", 400),
        (b"GET /metrics", 400),
        (b"GET  /metrics HTTP/1.1", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"", 400),
    ],
)
def test_a_head_is_a_request_or_the_status_that_refuses_it(head: bytes, expected: Request | int) -> None:
    assert parse_head(head) == expected


def test_a_head_ends_at_the_first_empty_line() -> None:
    assert split_head(b"GET / HTTP/1.1\r\n") is None
    assert split_head(b"a\r\n\r\nb\r\n\r\nc") == (b"a", b"b\r\n\r\nc")


def test_an_answer_says_its_length_and_whether_the_connection_stays() -> None:
    stays = format_answer(200, b"ok\n", request=Request("/", wants_body=True, keep_alive=True))
    assert stays.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 3\r\n" in stays
    assert b"Connection" not in stays
    assert stays.endswith(b"\r\n\r\nok\n")
    goes = format_answer(405)
    assert b"Connection: close\r\n" in goes
    assert b"Allow: GET, HEAD\r\n" in goes


def test_the_answer_to_head_has_no_body_but_its_length() -> None:
    answer = format_answer(200, b"ok\n", request=Request("/", wants_body=False, keep_alive=True))
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 3\r\n" in answer
