"""⇄ TLS with a required client certificate and a list of common names; certificates are read again when they rotate.

A rotation makes a new context: one that were changed in place would go on taking tickets of sessions that the old
authority let in. What cannot be loaded (half of a rotation, say) leaves the last good context in use.
"""

import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layercensus.agent.wire import UntrustedError, Want

_Marks = tuple[tuple[int, int, int], ...]


@dataclass(eq=False)
class Tls:
    """Contexts for a server. `client_ca`: a file of authorities; None: `client_ca_text` comes from elsewhere.

    `rotated` is called after a new context is in use; `warn` once for each state of the files that cannot be loaded.
    """

    certificate: Path
    key: Path
    names: frozenset[str]
    warn: Callable[[str], None]
    client_ca: Path | None = None
    rotated: Callable[[], None] = lambda: None
    _ca_text: str | None = None
    _context: ssl.SSLContext | None = None
    _loaded: tuple[_Marks, str | None] | None = None
    _failed: tuple[_Marks, str | None] | None = field(default=None)

    def take_client_ca(self, text: str) -> None:
        """Authorities as the API gives them; they are in use from the next connection on."""
        self._ca_text = text

    def reload(self) -> ssl.SSLContext | None:
        """The context in use, made anew if a file or the authorities changed; None if there never was a good one."""
        try:
            wanted = (self._marks(), self._ca_text)
            if wanted == self._loaded:
                return self._context
            ca_text = self._ca_text if self.client_ca is None else self.client_ca.read_text(encoding="ascii")
            if ca_text is None:
                return self._context
            context = make_context(self.certificate, self.key, ca_text)
        except (OSError, ValueError) as error:
            self._say(error)
            return self._context
        if self._failed is not None:
            self._failed = None
            self.warn("layercensus: agent: certificates are loaded again")
        first, self._context, self._loaded = self._context is None, context, wanted
        if not first:
            self.rotated()
        return context

    def wrap(self, connected: socket.socket) -> "TlsWire | None":
        """A wire for a new connection; None as long as nothing tells whom to let in."""
        context = self.reload()
        if context is None:
            return None
        wrapped = context.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
        return TlsWire(wrapped, self.names)

    def _marks(self) -> _Marks:
        files = [self.certificate, self.key, *([self.client_ca] if self.client_ca else [])]
        return tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in (file.stat() for file in files))

    def _say(self, error: Exception) -> None:
        try:
            state = (self._marks(), self._ca_text)
        except OSError:
            state = ((), None)
        if state != self._failed:
            self._failed = state
            files = ", ".join(str(file) for file in (self.certificate, self.key, self.client_ca) if file)
            self.warn(f"layercensus: agent: certificates cannot be loaded: {error} ({files})")


def make_context(certificate: Path, key: Path, ca_text: str) -> ssl.SSLContext:
    """A server's context that asks every client for a certificate of these authorities. Raises `OSError`, `ValueError`.

    An intermediate authority in the list is trusted as it stands, as Go's servers do it: the cluster's own list has
    such.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.num_tickets = 0
    context.load_cert_chain(certificate, key, password=_no_password)
    context.load_verify_locations(cadata=ca_text)
    return context


def _no_password() -> str:
    """Never ask a terminal for one."""
    raise ValueError("the key has a password")


class TlsWire:
    """A TCP connection through TLS."""

    def __init__(self, wrapped: ssl.SSLSocket, names: frozenset[str]) -> None:
        self.socket = wrapped
        self.names = names
        self.fileno = wrapped.fileno
        self.close = wrapped.close

    def greet(self) -> Want | None:
        """Shake hands. Raises `UntrustedError` for a certificate that is not trusted, `ssl.SSLError` for none."""
        try:
            self.socket.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise UntrustedError(f"its certificate is not trusted: {error.verify_message}") from error
        except ssl.SSLWantReadError:
            return Want.READ
        except ssl.SSLWantWriteError:
            return Want.WRITE
        return None

    def is_admitted(self) -> bool:
        """Whether the client's one common name is on the list."""
        found = self._names()
        return len(found) == 1 and found[0] in self.names

    def client(self) -> str:
        """The common name of its certificate."""
        return repr(" ".join(self._names()))

    def _names(self) -> list[str]:
        certificate: dict[str, Any] = self.socket.getpeercert() or {}
        return [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]

    def receive(self, limit: int) -> bytes | Want:
        """Bytes, none at the end."""
        try:
            return self.socket.recv(limit)
        except ssl.SSLWantReadError:
            return Want.READ
        except ssl.SSLWantWriteError:
            return Want.WRITE

    def send(self, data: memoryview) -> int | Want:
        """How many bytes went."""
        try:
            return self.socket.send(data)
        except ssl.SSLWantReadError:
            return Want.READ
        except ssl.SSLWantWriteError:
            return Want.WRITE

    def finish(self) -> None:
        """Say that no more comes."""
        self.socket.shutdown(socket.SHUT_WR)
