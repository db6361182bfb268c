"""A store over HTTP: what is tried again, what is not, and that the token goes nowhere else."""

import gzip
import json
import os
import ssl
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.certificates import MISSING, OPENSSL, Authority
from tests.fleet.stub_store import JSON, Reply, Stub, failure, stub_store, success

from layercensus.errors import Fault, FleetError
from layercensus.fleet.store import Access, Store, is_private
from layercensus.fleet.store_answers import Answer, TooLargeError

TOKEN = "eyJhbGciOi.secret-of-mine"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def ask(stub: Stub, **access: Any) -> Answer:
    return store_of(stub, **access).ask("api/v1/query", (("query", 'a{b="ä"}[5ms]'),))


def store_of(stub: Stub, **access: Any) -> Store:
    return Store(Access(stub.url, waits_seconds=(0.0, 0.0), **access))


def in_turn(*replies: Reply) -> Callable[[str, dict[str, str]], Reply]:
    left = iter(replies)
    return lambda path, parameters: next(left)


def test_an_answer_is_asked_for_below_the_address(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with stub_store(lambda path, parameters: success([path, parameters])) as stub:
        access = Access(f"{stub.url}/select/0/prometheus/", token_file=tmp_path / "token")
        answer = Store(access).ask("api/v1/query", (("query", 'a{b="ä"}[5ms]'), ("time", "1.002")))
        assert answer.data == ["/select/0/prometheus/api/v1/query", {"query": 'a{b="ä"}[5ms]', "time": "1.002"}]
        ((path, headers),) = stub.asked
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Accept-Encoding"] == "gzip"
    assert TOKEN not in path


def test_an_answer_may_be_compressed() -> None:
    whole = success(list(range(1000))).body
    headers = {**JSON, "Content-Encoding": "gzip"}
    with stub_store(lambda *_: Reply(body=gzip.compress(whole), headers=headers)) as stub:
        assert ask(stub).data == list(range(1000))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_fails_for_a_moment_is_tried_again(status: int) -> None:
    with stub_store(in_turn(success(1), failure(status), failure(status), success(2))) as stub:
        store = store_of(stub)
        assert [store.ask("x", ()).data, store.ask("x", ()).data] == [1, 2]
        assert len(stub.asked) == 4


def test_what_goes_on_failing_is_said_with_the_stores_own_words() -> None:
    with stub_store(in_turn(success(1), *[failure(503, "unavailable", "store is\nstarting")] * 3)) as stub:
        store = store_of(stub)
        store.ask("x", ())
        with pytest.raises(FleetError, match="answers 503: store is") as caught:
            store.ask("x", ())
        assert caught.value.where == f"{stub.url}/x"
        assert len(stub.asked) == 4


def test_a_store_that_never_answered_is_not_waited_for() -> None:
    with stub_store(lambda *_: failure(503)) as stub:
        with pytest.raises(FleetError, match="503"):
            ask(stub)
        assert len(stub.asked) == 1
    with pytest.raises(FleetError, match="cannot be reached: Connection refused"):
        ask(stub)


def test_how_long_to_wait_may_be_told() -> None:
    with stub_store(in_turn(success(1), failure(429, Retry_After="1"), success(2))) as stub:
        store = store_of(stub)
        store.ask("x", ())
        started = time.monotonic()
        store.ask("x", ())
        assert time.monotonic() - started >= 1


@pytest.mark.parametrize(("status", "word"), [(422, "execution"), (503, "timeout"), (504, ""), (413, ""), (414, "")])
def test_what_the_store_cannot_answer_is_too_large(status: int, word: str) -> None:
    with stub_store(in_turn(success(1), failure(status, word, "too many samples"))) as stub:
        store = store_of(stub)
        store.ask("x", ())
        with pytest.raises(TooLargeError) as caught:
            store.ask("x", ())
        assert not caught.value.ours


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 451])
def test_other_failures_are_said_at_once(status: int) -> None:
    with stub_store(in_turn(success(1), failure(status, "", "no"))) as stub:
        store = store_of(stub)
        store.ask("x", ())
        with pytest.raises(FleetError, match=f"answers {status}: no"):
            store.ask("x", ())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with stub_store(lambda *_: success(1)) as elsewhere:
        reply = Reply(status, headers={"Location": f"{elsewhere.url}/login"})
        with (
            stub_store(lambda *_: reply) as stub,
            pytest.raises(FleetError, match=f"sends on to {elsewhere.url}/login"),
        ):
            ask(stub, token_file=tmp_path / "token")
        assert elsewhere.asked == []


@pytest.mark.parametrize("is_compressed", [False, True])
def test_an_answer_that_was_cut_is_asked_for_again(is_compressed: bool) -> None:
    whole = success(list(range(1000))).body
    body = gzip.compress(whole) if is_compressed else whole
    headers = {**JSON, "Content-Encoding": "gzip"} if is_compressed else JSON
    cut = [
        Reply(body=body[: len(body) // 2], headers=headers),
        Reply(body=body[:-9], headers=headers, claims=len(body)),
    ]
    with stub_store(in_turn(success(1), *cut, Reply(body=body, headers=headers))) as stub:
        store = store_of(stub)
        store.ask("x", ())
        assert store.ask("x", ()).data == list(range(1000))


def test_an_answer_that_is_always_cut_is_said() -> None:
    with stub_store(in_turn(success(1), *[Reply(body=b'{"status":"succ')] * 3)) as stub:
        store = store_of(stub)
        store.ask("x", ())
        with pytest.raises(FleetError, match="ends before it is whole"):
            store.ask("x", ())


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_long_answer_is_not_read_to_its_end(is_compressed: bool) -> None:
    """A gigabyte, or what unpacks to one: the memory of a page is bounded."""
    written = []
    chunk = b" " * 1024 * 1024

    def endless(handler: Any) -> None:
        deflate = zlib.compressobj(wbits=31)
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip" if is_compressed else "identity")
        handler.end_headers()
        try:
            for _ in range(1024):
                part = deflate.compress(chunk) + deflate.flush(zlib.Z_SYNC_FLUSH) if is_compressed else chunk
                handler.wfile.write(part)
                written.append(len(part))
        except OSError:
            pass
        handler.close_connection = True

    with stub_store(lambda *_: endless) as stub:
        with pytest.raises(TooLargeError, match="longer than 3000000 bytes") as caught:
            ask(stub, most_bytes=3_000_000)
        assert caught.value.ours
        assert len(written) < 1000


def test_a_store_that_sends_a_byte_now_and_then_takes_too_long() -> None:
    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b" ")
                time.sleep(0.1)
        except OSError:
            pass
        handler.close_connection = True

    with stub_store(lambda path, _: success(1) if path == "/first" else drip) as stub:
        store = store_of(stub, timeout_seconds=1.0)
        store.ask("first", ())
        started = time.monotonic()
        with pytest.raises(TooLargeError, match="too long"):
            store.ask("x", ())
        assert time.monotonic() - started < 10


def test_a_store_that_says_nothing_takes_too_long() -> None:
    with stub_store(lambda path, _: success(1) if path == "/first" else lambda _: time.sleep(5)) as stub:
        with pytest.raises(FleetError, match="takes too long"):
            ask(stub, timeout_seconds=0.3)
        store = store_of(stub, timeout_seconds=0.3)
        store.ask("first", ())
        with pytest.raises(TooLargeError, match="takes too long"):
            store.ask("x", ())


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><title>Log in</title>", b"", b"OK"])
def test_a_page_for_people_is_none_of_the_api(body: bytes) -> None:
    with stub_store(lambda *_: Reply(body=body, headers={"Content-Type": "text/html"})) as stub:
        with pytest.raises(FleetError, match="none of the API of Prometheus") as caught:
            ask(stub)
        assert caught.value.where == f"{stub.url}/api/v1/query"
        assert len(stub.asked) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("prometheus:9090", "no address"), ("ftp://host/", "no address"), ("https://", "no address"), ("file:///etc/passwd", "no address"),
        ("http://host:99999", "no address"), ("http://ho st", "no address"), ("http://host/\r\nX: y", "no address"), ("http://[::1", "no address"),
        ("https://me:secret@host", "name or password"), ("https://host/?x=1", "question"), ("https://host/#x", "question"),
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_wrong_usage(url: str, says: str) -> None:
    with pytest.raises(FleetError, match=says) as caught:
        Store(Access(url))
    assert caught.value.fault is Fault.USAGE
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"two words", b"a\nb", "tokén".encode(), b"\xff", b"a\x00b"])
def test_a_file_without_a_token_is_said_and_nothing_of_it(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with stub_store(lambda *_: success(1)) as stub:
        with pytest.raises(FleetError) as caught:
            ask(stub, token_file=tmp_path / "token")
        assert stub.asked == []
    assert caught.value.where == str(tmp_path / "token")
    assert caught.value.fault is Fault.USAGE
    assert "words" not in str(caught.value)


def test_the_token_is_read_for_each_request(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one")
    with stub_store(lambda *_: success(1)) as stub:
        store = store_of(stub, token_file=tmp_path / "token")
        store.ask("x", ())
        (tmp_path / "token").write_text("two")
        store.ask("x", ())
        assert [headers["Authorization"] for _, headers in stub.asked] == ["Bearer one", "Bearer two"]


@contextmanager
def with_tls(data: Any, folder: Path) -> Iterator[str]:
    """The address of a stub that serves with the certificate of the folder."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Handler(BaseHTTPRequestHandler):
        headers: HTTPMessage

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": "success", "data": data}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "store.crt", folder / "store.key")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    if OPENSSL is None:
        pytest.fail(MISSING) if os.environ.get("CI") else pytest.skip(MISSING)
    authority = Authority(tmp_path, "authority")
    authority.issue("store", "store", "IP:127.0.0.1")
    other = Authority(tmp_path, "other")
    with with_tls([1], tmp_path) as url:
        assert Store(Access(url, ca_file=authority.certificate)).ask("x", ()).data == [1]
        for ca_file in (None, other.certificate):
            with pytest.raises(FleetError, match=r"certificate does not hold.*--ca-file"):
                Store(Access(url, ca_file=ca_file)).ask("x", ())
        with pytest.raises(FleetError, match="certificate does not hold"):
            Store(Access(url.replace("127.0.0.1", "localhost"), ca_file=authority.certificate)).ask("x", ())


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_without_an_authority_is_wrong_usage(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "ca").write_bytes(content)
    with pytest.raises(FleetError, match="cannot be read") as caught:
        Store(Access("https://host", ca_file=tmp_path / "ca"))
    assert (caught.value.where, caught.value.fault) == (str(tmp_path / "ca"), Fault.USAGE)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host", True), ("http://host", False), ("http://127.0.0.1:9090", True), ("http://[::1]:9090", True),
        ("http://localhost", True), ("http://10.0.0.1", False), ("http://127.0.0.1.evil.example", False),
    ],
)  # fmt: skip
def test_where_a_token_would_travel_in_the_clear(url: str, expected: bool) -> None:
    assert is_private(url) is expected
