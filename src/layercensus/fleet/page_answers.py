"""⇄ The report page as a worker answers it: read when the file changes, then from memory, plain or gzip, or 304.

A stranger who asks for it costs a reference to the same bytes, and the connection sends them piece by piece.
"""

import gzip
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from layercensus.fleet.exchange import Request, format_answer
from layercensus.fleet.page_maker import PAGE
from layercensus.fleet.rotation import Marks

_NOTHING = "default-src 'none'"
_HTML = "text/html; charset=utf-8"
_NO_SNIFFING = "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
_NONE_YET = (
    b'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Layer Census</title>'
    b'<meta name="viewport" content="width=device-width, initial-scale=1">'
    b'<meta name="color-scheme" content="light dark"></head>\n'
    b"<body><main><h1>No report yet</h1><p>There are no rows yet, or the first report is being made. It is here within"
    b" some minutes after the first clusters have reported.</p></main></body></html>\n"
)


@dataclass(eq=False)
class PageAnswers:
    """Answers for `/` from the folder that the page's maker writes to; None: there is no maker."""

    folder: Path | None
    _marks: Marks = field(default_factory=Marks)
    _tag: bytes = b""
    _plain: bytes = b""
    _packed: bytes = b""
    _unchanged: bytes = b""

    def look(self) -> None:
        """Read the page if there is another; one that cannot be read leaves the last."""
        if self.folder is None or not self._marks.has_changed(self.folder / PAGE):
            return
        with suppress(OSError, ValueError, KeyError):
            head, _, packed = (self.folder / PAGE).read_bytes().partition(b"\n")
            self._take(gzip.decompress(packed), packed, json.loads(head)["policy"])

    def answer(self, request: Request) -> bytes:
        """The page, or that it is the one that is known, or that there is none yet."""
        if not self._plain:
            headers = f"{_NO_SNIFFING}Cache-Control: no-store\r\nRetry-After: 30\r\n{_guard(_NOTHING)}"
            return format_answer(503, _NONE_YET, _HTML, headers)
        known = request.headers.get(b"if-none-match", b"")
        if known == b"*" or self._tag in {one.strip().removeprefix(b"W/") for one in known.split(b",")}:
            return self._unchanged
        return self._packed if _takes_gzip(request.headers.get(b"accept-encoding", b"")) else self._plain

    def _take(self, plain: bytes, packed: bytes, policy: str) -> None:
        tag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
        headers = f"{_NO_SNIFFING}Cache-Control: no-cache\r\nVary: Accept-Encoding\r\nETag: {tag}\r\n{_guard(policy)}"
        self._tag = tag.encode()
        self._plain = format_answer(200, plain, _HTML, headers)
        self._packed = format_answer(200, packed, _HTML, f"{headers}Content-Encoding: gzip\r\n")
        # Of a 304 the length would be that of the page, so there is none.
        self._unchanged = f"HTTP/1.1 304 Not Modified\r\n{headers}\r\n".encode()


def _guard(policy: str) -> str:
    """The policy as a header, with what only a header can say: no other page shows this one in a frame."""
    return f"Content-Security-Policy: {policy}; frame-ancestors 'none'\r\n"


def _takes_gzip(accepted: bytes) -> bool:
    """Whether `Accept-Encoding` names gzip, and not with weight nought (RFC 9110, 12.5.3)."""
    for one in accepted.lower().split(b","):
        name, _, weight = one.partition(b";")
        if name.strip() == b"gzip":
            digits = weight.strip().removeprefix(b"q=")
            return not digits or digits.strip(b"0.") != b""
    return False
