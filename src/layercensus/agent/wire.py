"""⇄ A connection's bytes, plain or through TLS (`tls`): each step that cannot go on says what it waits for."""

import selectors
import socket
from enum import Enum
from typing import Protocol


class UntrustedError(OSError):
    """A client showed a certificate that no authority we know has signed."""


class Want(Enum):
    """What a wire waits for."""

    READ = selectors.EVENT_READ
    WRITE = selectors.EVENT_WRITE


class Wire(Protocol):
    """A connection's bytes, plain or through TLS; each step that cannot go on says what it waits for."""

    def fileno(self) -> int:
        """Number that a selector waits on."""

    def greet(self) -> Want | None:
        """Agree on how to talk; None once that is done. Raises `UntrustedError`, `OSError`."""

    def is_admitted(self) -> bool:
        """Whether this client may ask."""

    def client(self) -> str:
        """Who this client says it is, for the log."""

    def receive(self, limit: int) -> bytes | Want:
        """Bytes, none at the end."""

    def send(self, data: memoryview) -> int | Want:
        """How many bytes went."""

    def finish(self) -> None:
        """Say that no more comes."""

    def close(self) -> None:
        """Close it."""


class PlainWire:
    """A TCP connection as it is."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.fileno = connected.fileno
        self.close = connected.close

    def greet(self) -> Want | None:
        """Nothing to agree on."""
        return None

    def is_admitted(self) -> bool:
        """Whoever reaches the address, which is a loopback one."""
        return True

    def client(self) -> str:
        """Nobody says who they are."""
        return "a client"

    def receive(self, limit: int) -> bytes | Want:
        """Bytes, none at the end."""
        try:
            return self.socket.recv(limit)
        except BlockingIOError:
            return Want.READ

    def send(self, data: memoryview) -> int | Want:
        """How many bytes went."""
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return Want.WRITE

    def finish(self) -> None:
        """Say that no more comes."""
        self.socket.shutdown(socket.SHUT_WR)
