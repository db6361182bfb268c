"""A request as far as it was read, who takes it, and an answer's bytes. Pure; `connection` reads and writes them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import httptools

from layercensus.fleet.refusal import Refusal, Status

_PHRASES = {
    200: "OK", 204: "No Content", 304: "Not Modified",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    408: "Request Timeout", 413: "Content Too Large", 415: "Unsupported Media Type", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
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


def path_of(target: bytes) -> bytes:
    """Path of a target in origin form or absolute form. Raises `Refusal` (400)."""
    try:
        return bytes(httptools.parse_url(target).path or b"")
    except httptools.HttpParserInvalidURLError:
        raise Refusal(Status.BAD_REQUEST, "http", "the target is none") from None


def format_answer(
    status: int, body: bytes = b"", content_type: str = "text/plain; charset=utf-8", headers: str = ""
) -> bytes:
    """An answer's bytes. `headers`: more of them, each with its line's end."""
    head = f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}\r\n".encode() + body


def head_of(answer: bytes) -> bytes:
    """An answer without its body: what HEAD is answered."""
    return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
