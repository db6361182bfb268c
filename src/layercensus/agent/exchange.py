r"""One HTTP exchange: the head of a request to what it asks for, an answer to bytes. No socket. Pure.

Just what a scrape and a probe need (RFC 9112): GET and HEAD, no body, keep-alive::

    GET /metrics HTTP/1.1\r\nHost: 10.0.0.1:9464\r\n\r\n
"""

from dataclasses import dataclass

MAX_HEAD_BYTES = 8 * 1024
_METHODS = frozenset({b"GET", b"HEAD"})
_VERSIONS = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
_PHRASES = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: a path without its query. `wants_body` is false for HEAD."""

    path: str
    wants_body: bool
    keep_alive: bool


def split_head(data: bytes) -> tuple[bytes, bytes] | None:
    """Head and what follows it; None if the head is not whole yet."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return (head, rest) if end else None


def parse_head(head: bytes) -> Request | int:
    """A request; or the status that refuses it."""
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or words[2] not in _VERSIONS or not words[1].startswith(b"/"):
        return 400
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or any(byte < 33 or byte > 126 for byte in name):
            return 400
        headers[name.lower()] = value.strip().lower()
    if words[0] not in _METHODS:
        return 405
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        return 400
    keep_alive = words[2] == b"HTTP/1.1" and headers.get(b"connection") != b"close"
    path = words[1].partition(b"?")[0].decode("latin-1")
    return Request(path, wants_body=words[0] == b"GET", keep_alive=keep_alive)


def format_answer(
    status: int, body: bytes = b"", *, content_type: str = "text/plain; charset=utf-8", request: Request | None = None
) -> bytes:
    """An answer's bytes; without a request, which could not be read, the connection is closed after it."""
    body = body or f"{_PHRASES[status].lower()}\n".encode()
    close = "" if request is not None and request.keep_alive else "Connection: close\r\n"
    allow = "Allow: GET, HEAD\r\n" if status == 405 else ""
    head = (
        f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n{allow}{close}\r\n"
    )
    return head.encode() + (body if request is None or request.wants_body else b"")
