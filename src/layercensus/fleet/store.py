"""⇄ A store of series, asked over HTTP: one request at a time, its answer bounded in bytes and in time.

What fails for a moment is tried again; what the store cannot answer as it is asked is a `TooLargeError`, and whoever
asks takes a smaller page. A redirect is not followed: the token is for this address. No error says anything of the
token.
"""

import ssl
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage, HTTPResponse, IncompleteRead
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from layercensus.errors import Fault, FleetError
from layercensus.fleet.store_answers import (
    Answer,
    CutError,
    Failure,
    Remedy,
    TooLargeError,
    parse_answer,
    parse_failure,
)
from layercensus.fleet.store_queries import Parameters

_CHUNK_BYTES = 64 * 1024
_FAILURE_BYTES = 64 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_LONGEST_WAIT_SECONDS = 60.0
_LOOK = "look at the address, the port, and whether a proxy is in between"


@dataclass(frozen=True, slots=True)
class Access:
    """How a store is reached. `most_bytes`: of an answer, once decompressed. `waits_seconds`: before each new try."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
    most_bytes: int = 8 * 1024 * 1024
    timeout_seconds: float = 120.0
    waits_seconds: tuple[float, ...] = (1.0, 3.0, 9.0)


class _NoRedirect(HTTPRedirectHandler):
    """A redirect is an answer like others that are no success."""

    def redirect_request(  # noqa: PLR0913, PLR0917 - urllib's signature
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """No request: nothing is followed."""


@dataclass(eq=False)
class Store:
    """A store. Before it has answered once, what fails is not tried again: more likely the address is wrong."""

    access: Access
    _opener: OpenerDirector = field(init=False)
    _has_answered: bool = False

    def __post_init__(self) -> None:
        """Check the address and read the authorities. Raises `FleetError`."""
        _check_address(self.access.url)
        self._opener = build_opener(HTTPSHandler(context=_trust(self.access.ca_file)), _NoRedirect())

    def ask(self, path: str, parameters: Parameters) -> Answer:
        """The answer to a request below the address. Raises `TooLargeError`, `FleetError`."""
        address = f"{self.access.url.rstrip('/')}/{path}"
        waits = iter(self.access.waits_seconds if self._has_answered else ())
        while True:
            try:
                answer = parse_answer(self._read(f"{address}?{urlencode(parameters)}"))
            except (CutError, IncompleteRead):
                failure, wait = Failure("the answer ends before it is whole", Remedy.AGAIN), 0.0
            except HTTPError as error:
                failure, wait = _refused(error)
            except TimeoutError:
                failure, wait = Failure("the store takes too long", Remedy.SMALLER), 0.0
            except (URLError, HTTPException, OSError, zlib.error) as error:
                failure, wait = _unreachable(error), 0.0
            except FleetError as error:
                error.where = error.where or address
                raise
            else:
                self._has_answered = True
                return answer
            if failure.remedy is Remedy.SMALLER and self._has_answered:
                raise TooLargeError(failure.what)
            planned = next(waits, None)
            if failure.remedy is not Remedy.AGAIN or planned is None:
                raise FleetError(failure.what, where=address, next_step=failure.next_step)
            time.sleep(min(max(planned, wait), _LONGEST_WAIT_SECONDS))

    def _read(self, address: str) -> bytes:
        """The body of an answer. Raises `TooLargeError` for one that is too long, and what urllib raises."""
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "layercensus"}
        if self.access.token_file is not None:
            headers["Authorization"] = f"Bearer {_read_token(self.access.token_file)}"
        request = Request(address, headers=headers)  # noqa: S310 - the scheme is checked
        with self._opener.open(request, timeout=self.access.timeout_seconds) as response:
            return _body(response, self.access.most_bytes, time.monotonic() + self.access.timeout_seconds)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent there: https, or this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        is_here = ip_address("127.0.0.1" if host == "localhost" else host).is_loopback
    except ValueError:
        is_here = False
    return parts.scheme == "https" or is_here


def _check_address(url: str) -> None:
    """Raises `FleetError` (usage) for what is no plain address of http or https."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        what, next_step = "is no address", "it should look like https://prometheus.example.com"
    elif "@" in parts.netloc:
        what, next_step = "has a name or password in it", "give a token in a file: --bearer-token-file"
        url = "--prometheus"
    elif parts.query or parts.fragment:
        what, next_step = "has a question in it", "give the base address, without ? and #"
    else:
        return
    raise FleetError(what, where=url, fault=Fault.USAGE, next_step=next_step)


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError as error:
        raise FleetError(f"cannot be read: {error.strerror}", where=str(ca_file), fault=Fault.USAGE) from error


def _read_token(path: Path) -> str:
    """The token, read for each request: it may be replaced meanwhile. Raises `FleetError` that does not repeat it."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise FleetError(f"cannot be read: {error.strerror}", where=str(path), fault=Fault.USAGE) from None
    except ValueError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise FleetError("holds no token", where=str(path), fault=Fault.USAGE, next_step="one line, the token alone")
    return token


def _body(response: HTTPResponse, most: int, deadline: float) -> bytes:
    """The body, decompressed. Raises `TooLargeError`, `TimeoutError`, `CutError`."""
    inflate = zlib.decompressobj(_GZIP_WINDOW) if response.headers.get("Content-Encoding") == "gzip" else None
    body = bytearray()
    for chunk in _chunks(response, deadline):
        body += inflate.decompress(chunk, most + 1 - len(body)) if inflate else chunk
        if len(body) > most:
            raise TooLargeError(f"an answer is longer than {most} bytes", ours=True)
    if inflate and not inflate.eof:
        raise CutError
    return bytes(body)


def _chunks(response: HTTPResponse, deadline: float) -> Iterator[bytes]:
    """What comes, as it comes: a server that sends a byte now and then is told from one that sends."""
    while chunk := response.read1(_CHUNK_BYTES):
        yield chunk
        if time.monotonic() > deadline:
            raise TimeoutError


def _refused(error: HTTPError) -> tuple[Failure, float]:
    """What an answer without success means, and how long it asks to wait."""
    with error:
        if error.code in range(300, 400):
            where = error.headers.get("Location", "nowhere")[:300]
            return Failure(f"the store sends on to {where}", Remedy.NONE, "give the address that it means"), 0.0
        try:
            body: Any = error.read(_FAILURE_BYTES)
        except (OSError, HTTPException):
            body = b""
        wait = error.headers.get("Retry-After", "")
    return parse_failure(error.code, body), float(wait) if wait.isdecimal() and len(wait) < 5 else 0.0


def _unreachable(error: Exception) -> Failure:
    """What it means that there is no answer at all."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return Failure("the store cannot be reached in time", Remedy.AGAIN, _LOOK)
    if isinstance(reason, ssl.SSLCertVerificationError):
        what = f"its certificate does not hold: {reason.verify_message}"
        return Failure(what, Remedy.NONE, "name the authority that signed it: --ca-file FILE")
    said = getattr(reason, "strerror", None) or type(reason).__name__
    return Failure(f"the store cannot be reached: {said}", Remedy.AGAIN, _LOOK)
