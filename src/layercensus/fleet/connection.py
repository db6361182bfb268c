"""⇄ One connection in HTTP/1.1: heads by httptools, bodies within their limit, answers in the order of their requests.

No coroutine, no task and no queue for a request: the parser calls back, a body that is whole goes to the worker, and
the commit that holds it writes the answer. What takes too long is closed by `sweep`, which the worker calls.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import httptools

from layercensus.fleet.refusal import Refusal, Status

_MOST_HEAD_BYTES = 16 * 1024
_MOST_WAITING = 64
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# What is asked of a head; each may come once.
_HEADERS = frozenset({b"authorization", b"content-encoding", b"content-length", b"content-type", b"expect"})
_PHRASES = {
    200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 413: "Content Too Large", 415: "Unsupported Media Type",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 503: "Service Unavailable",
}  # fmt: skip
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that a head and a body may take, and that a connection may rest between two requests."""

    head: float = 10.0
    body: float = 10.0
    rest: float = 120.0


@dataclass(slots=True)
class Request:
    """A request as far as it was read. `visitor` is what the worker made of its head."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes]
    visitor: Any = None
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    refusal: Refusal | None = None


class Taker(Protocol):
    """Who takes requests: judges a head, is told a whole body, and answers through `reply`, at once or later."""

    @property
    def most_body_bytes(self) -> int:
        """How long a body may be."""

    @property
    def most_connections(self) -> int:
        """How many connections are taken."""

    def greet(self, request: Request) -> Any:
        """Judge a head; what comes back is kept in `visitor`. Raises `Refusal`."""

    def take(self, request: Request, body: bytes, reply: Callable[[bytes], None]) -> None:
        """Take a request that is whole. Raises `Refusal`."""

    def refuse(self, refusal: Refusal) -> bytes:
        """The answer to a request that is refused."""


def format_answer(
    status: int, body: bytes = b"", content_type: str = "text/plain; charset=utf-8", headers: str = ""
) -> bytes:
    """An answer's bytes. `headers`: more of them, each with its line's end."""
    head = f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One connection; `all_open` is the worker's set of them."""

    __slots__ = (
        "_answers", "_closing", "_head_bytes", "_headers", "_parser", "_request", "_target", "all_open", "since",
        "state", "taker", "transport",
    )  # fmt: skip

    def __init__(self, taker: Taker, all_open: "set[Connection]") -> None:
        self.taker = taker
        self.all_open = all_open
        self.transport: Any = None
        self.since = time.monotonic()
        self.state = "rest"
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._headers: dict[bytes, bytes] = {}
        self._target = b""
        self._head_bytes = 0
        self._answers: deque[list[bytes | None]] = deque()
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self.transport = transport
        self.all_open.add(self)
        if len(self.all_open) > self.taker.most_connections:
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        """It has ended: answers that come later go nowhere."""
        self.all_open.discard(self)
        self._closing = True

    def data_received(self, data: bytes) -> None:
        """Bytes came; the parser calls back."""
        if self._closing:
            return
        if self.state in {"rest", "head"}:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end(Refusal(Status.BAD_REQUEST, "http", "nothing to upgrade to here"))
        except httptools.HttpParserError:
            self._end(Refusal(Status.BAD_REQUEST, "http", "this is no HTTP/1.1 request"))
        if self.state == "head" and self._head_bytes > _MOST_HEAD_BYTES:
            self._end(Refusal(Status.HEAD_TOO_LARGE, "head", f"a head may have {_MOST_HEAD_BYTES} bytes at most"))

    def eof_received(self) -> bool:
        """The other side sends no more; what it asked is still answered."""
        return bool(self._answers)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._headers, self._target = {}, b""
        self._go_to("head")

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        name = name.lower()
        if name in _HEADERS:
            # One that comes twice could mean either; an empty name is asked for by nobody.
            self._headers[b"" if name in self._headers else name] = value

    def on_headers_complete(self) -> None:
        """The head is whole: judge it before its body is read."""
        request = self._request = Request(self._parser.get_method(), self._target, self._headers)
        self._head_bytes = 0
        self._go_to("body")
        if b"" in request.headers:
            request.refusal = Refusal(Status.BAD_REQUEST, "http", "a header comes twice")
            return
        try:
            request.visitor = self.taker.greet(request)
        except Refusal as refusal:
            request.refusal = refusal
            return
        if request.headers.get(b"expect", b"").lower() == b"100-continue" and not self._answers:
            self.transport.write(_CONTINUE)

    def on_body(self, part: bytes) -> None:
        """A part of the body; of one that is refused nothing is kept."""
        request = self._request
        if request is None:
            return
        request.size += len(part)
        if request.size > self.taker.most_body_bytes:
            limit = self.taker.most_body_bytes
            self._end(Refusal(Status.TOO_LARGE, "body", f"a body may have {limit} bytes at most"))
        elif request.refusal is None:
            request.parts.append(part)

    def on_message_complete(self) -> None:
        """The request is whole."""
        request, self._request = self._request, None
        if request is None or self._closing:
            return
        self._go_to("rest")
        slot: list[bytes | None] = [None]
        self._answers.append(slot)
        keeps = self._parser.should_keep_alive()
        if len(self._answers) > _MOST_WAITING:
            self._end(Refusal(Status.BAD_REQUEST, "http", "too many requests at once on one connection"))
            return
        try:
            if request.refusal is not None:
                self._reply(slot, self.taker.refuse(request.refusal), keeps=keeps)
                return
            body = request.parts[0] if len(request.parts) == 1 else b"".join(request.parts)
            self.taker.take(request, body, lambda answer: self._reply(slot, answer, keeps=keeps))
        except Refusal as refusal:
            self._reply(slot, self.taker.refuse(refusal), keeps=keeps)

    def sweep(self, now: float, times: Times) -> None:
        """Close it if it takes too long; one that waits for its answer does not."""
        spent = now - self.since
        if self.state == "body" and spent > times.body:
            self._end(Refusal(Status.REQUEST_TIMEOUT, "slow", "the body took too long"))
        elif (self.state == "head" and spent > times.head) or (
            self.state == "rest" and not self._answers and spent > times.rest
        ):
            self.transport.close()

    def close_at_rest(self) -> None:
        """End it as soon as nothing is under way."""
        if self.state == "rest" and not self._answers:
            self.transport.close()

    def _go_to(self, state: str) -> None:
        self.state, self.since = state, time.monotonic()

    def _reply(self, slot: list[bytes | None], answer: bytes, *, keeps: bool) -> None:
        """Answer one request; it is sent when those before it are."""
        slot[0] = answer
        while self._answers and (first := self._answers[0][0]) is not None:
            self._answers.popleft()
            if not self._closing:
                self.transport.write(first)
        if not keeps and not self._answers and not self._closing:
            self._closing = True
            self.transport.close()

    def _end(self, refusal: Refusal) -> None:
        """Refuse and close: what follows on this connection cannot be told apart."""
        if not self._closing:
            self._closing = True
            self._request = None
            self.transport.write(self.taker.refuse(refusal))
            self.transport.close()
