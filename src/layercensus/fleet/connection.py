"""⇄ One connection in HTTP/1.1: heads by httptools, bodies within their limit, answers in the order of their requests.

No coroutine, no task and no queue for a request: the parser calls back, a body that is whole goes to the worker, and
the commit that holds it writes the answer. What takes too long is closed by `sweep`, which the worker calls.

Everything that a stranger can make grow is bounded: heads, framing and trailers of bodies, answers that nobody reads.
"""

import asyncio
import time
from collections import deque
from typing import Any

import httptools

from layercensus.fleet.event_log import log
from layercensus.fleet.exchange import Request, Taker, Times, head_of
from layercensus.fleet.refusal import Refusal, Status

# Of a head; and of all that is read of a request beside its body, with an eighth of that: framing, trailers.
_MOST_HEAD_BYTES = 16 * 1024
_MOST_WAITING = 64
_MOST_UNSENT_BYTES = 256 * 1024
# A page is longer than that: what is sent at once while the other side reads.
_PIECE_BYTES = 64 * 1024
# A closed connection may still be sent what was written to it, for so long; and of one that was cut off so much is read
# and thrown away, or the system would tell the other side of a reset before it has read why.
_CLOSING_SECONDS = 5.0
_MOST_THROWN_BYTES = 4 * 1024 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# What is asked of a head; each may come once.
_HEADERS = frozenset(
    {
        *(b"accept-encoding", b"authorization", b"content-encoding", b"content-length", b"content-type", b"expect"),
        *(b"host", b"if-none-match", b"transfer-encoding"),
    }
)


class Connection(asyncio.Protocol):
    """One connection; `all_open` is the worker's set of them. `_loose`: bytes read of a request that are no body."""

    __slots__ = (
        "_answers", "_head_bytes", "_headers", "_is_cut_off", "_is_gone", "_is_last", "_loose", "_parser", "_request",
        "_stalled", "_target", "all_open", "since", "state", "taker", "transport",
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
        self._head_bytes = self._loose = 0
        self._answers: deque[list[bytes | memoryview | None]] = deque()
        # No request is read after this one; more is sent than is read; nothing can be sent any more.
        self._is_last = self._is_cut_off = self._is_gone = False
        self._stalled: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self.transport = transport
        self.all_open.add(self)
        if len(self.all_open) > self.taker.most_connections:
            self._abort()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        """It has ended: answers that come later go nowhere."""
        self.all_open.discard(self)
        self._is_last = self._is_gone = True

    def pause_writing(self) -> None:
        """The other side does not read: read nothing more of it."""
        self._stalled = time.monotonic()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._stalled = None
        self.transport.resume_reading()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes came; the parser calls back."""
        self._loose += len(data)
        if self._is_last:
            if self._loose > _MOST_THROWN_BYTES:
                self._abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end(Refusal(Status.BAD_REQUEST, "http", "nothing to upgrade to here"))
        except httptools.HttpParserCallbackError as error:
            log("request_failed", error=repr(error.__context__), next="a bug of ours: report it")
            self._end(Refusal(Status.INTERNAL, "internal", "this could not be taken; send it again"))
        except httptools.HttpParserError:
            self._end(Refusal(Status.BAD_REQUEST, "http", "this is no HTTP/1.1 request"))
        if self._loose > _MOST_HEAD_BYTES + (self._request.size >> 3 if self._request else 0):
            self._end(_head_too_large() if self.state == "head" else _too_much_around())

    def eof_received(self) -> bool:
        """The other side sends no more; what it asked is still answered."""
        self._is_last = True
        self._is_cut_off = False
        if not self._answers:
            self._go_to("closing")
        return bool(self._answers)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._headers, self._target, self._head_bytes = {}, b"", 0
        self._go_to("head")

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        self._target += url
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._head_bytes += len(name) + len(value) + 4
        name = name.lower()
        if name in _HEADERS:
            # One that comes twice could mean either; an empty name is asked for by nobody.
            self._headers[b"" if name in self._headers else name] = value

    def on_headers_complete(self) -> None:
        """The head is whole: judge it before its body is read."""
        if self._is_last:
            return
        request = self._request = Request(self._parser.get_method(), self._target, self._headers)
        self._go_to("body")
        expects = request.headers.get(b"expect", b"").lower() == b"100-continue"
        try:
            if self._head_bytes > _MOST_HEAD_BYTES:
                raise _head_too_large()
            self._check_head(request.headers)
            request.visitor = self.taker.greet(request)
        except Refusal as refusal:
            request.refusal = refusal
            if expects or refusal.status in {Status.HEAD_TOO_LARGE, Status.TOO_LARGE}:
                # It waits for a word before it sends the body, or there is no sense in reading that.
                self._end(refusal)
            return
        if expects and not self._answers:
            self.transport.write(_CONTINUE)

    def on_body(self, part: bytes) -> None:
        """A part of the body; of one that is refused nothing is kept."""
        request = self._request
        if request is None:
            return
        self._loose -= len(part)
        request.size += len(part)
        if request.size > self.taker.most_body_bytes:
            limit = self.taker.most_body_bytes
            self._end(Refusal(Status.TOO_LARGE, "body", f"a body may have {limit} bytes at most"))
        elif request.refusal is None:
            request.parts.append(part)

    def on_message_complete(self) -> None:
        """The request is whole."""
        request, self._request = self._request, None
        if request is None or self._is_last:
            return
        self._go_to("rest")
        self._loose = 0
        if len(self._answers) == _MOST_WAITING:
            self._end(Refusal(Status.BAD_REQUEST, "http", "too many requests at once on one connection"))
            return
        slot: list[bytes | memoryview | None] = [None]
        self._answers.append(slot)
        self._is_last = not self._parser.should_keep_alive()
        try:
            if request.refusal is not None:
                raise request.refusal
            body = request.parts[0] if len(request.parts) == 1 else b"".join(request.parts)
            if request.method == b"HEAD":
                self.taker.take(request, body, lambda answer: self._reply(slot, head_of(answer)))
            else:
                self.taker.take(request, body, lambda answer: self._reply(slot, answer))
        except Refusal as refusal:
            answer = self.taker.refuse(refusal)
            self._reply(slot, head_of(answer) if request.method == b"HEAD" else answer)

    def sweep(self, now: float, times: Times) -> None:
        """Close it if it takes too long; one that waits for its answer does not."""
        spent = now - self.since
        if self.state == "closing":
            if spent > _CLOSING_SECONDS:
                self._abort()
        elif self._stalled is not None:
            if now - self._stalled > times.body:
                self._abort()
        elif self.state == "body" and spent > times.body:
            self._end(Refusal(Status.REQUEST_TIMEOUT, "slow", "the body took too long"))
        elif self.state == "head" and spent > times.head:
            self._close()
        elif spent > times.rest:
            self.close_at_rest()

    def close_at_rest(self) -> None:
        """End it as soon as nothing is under way."""
        if self.state == "rest" and not self._answers:
            self._close()

    def _check_head(self, headers: dict[bytes, bytes]) -> None:
        """Raise `Refusal` (400) for a head that could mean several things."""
        if b"" in headers:
            raise Refusal(Status.BAD_REQUEST, "http", "a header comes twice")
        if b"host" not in headers and self._parser.get_http_version() == "1.1":
            raise Refusal(Status.BAD_REQUEST, "http", "a request names its host")
        if headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            raise Refusal(Status.BAD_REQUEST, "http", "the only transfer encoding here is chunked")

    def _go_to(self, state: str) -> None:
        self.state, self.since = state, time.monotonic()

    def _reply(self, slot: list[bytes | memoryview | None], answer: bytes) -> None:
        """Answer one request; it is sent when those before it are."""
        slot[0] = answer
        self._flush()

    def _flush(self) -> None:
        """Send the answers whose turn it is; close after the last."""
        if self._is_gone:
            return
        while self._answers and (first := self._answers[0][0]) is not None:
            if len(first) > _PIECE_BYTES:
                if self._stalled is not None:
                    # The rest goes when this much was read.
                    return
                self._answers[0][0] = memoryview(first)[_PIECE_BYTES:]
                self.transport.write(first[:_PIECE_BYTES])
                continue
            self._answers.popleft()
            self.transport.write(first)
        if self._is_last and not self._answers:
            if self._is_cut_off:
                self._linger()
            else:
                self._close()
        elif self.transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            self._abort()

    def _end(self, refusal: Refusal) -> None:
        """Refuse, and close once it is sent: what follows on this connection cannot be told apart."""
        if not self._is_last:
            self._is_last = self._is_cut_off = True
            self._request = None
            self._loose = 0
            self._answers.append([self.taker.refuse(refusal)])
            self._flush()

    def _linger(self) -> None:
        """Close as far as sending goes, and wait for the other side to do so."""
        self._go_to("closing")
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _close(self) -> None:
        self._is_last = True
        self._go_to("closing")
        self.transport.close()

    def _abort(self) -> None:
        self._is_last = self._is_gone = True
        self.transport.abort()


def _head_too_large() -> Refusal:
    return Refusal(Status.HEAD_TOO_LARGE, "head", f"a head may have {_MOST_HEAD_BYTES} bytes at most")


def _too_much_around() -> Refusal:
    return Refusal(
        Status.TOO_LARGE, "body", "there is too much around the body: chunks that are too small, or trailers"
    )
