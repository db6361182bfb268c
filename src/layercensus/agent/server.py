"""⇄ A small HTTP server in one thread: bytes that are ready, to few connections, each with little time.

It never waits for a client. Who is slow is closed at its deadline; where all places are taken, the connection that has
asked for nothing the longest makes way, so that an honest scrape finds a place.
"""

import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from layercensus.agent.exchange import MAX_HEAD_BYTES, Request, format_answer, parse_head, split_head
from layercensus.agent.wire import PlainWire, UntrustedError, Want, Wire

_CHUNK_BYTES = 4096
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections, how long a request may take, how long a connection may rest between requests."""

    connections: int = 64
    request_seconds: float = 10.0
    rest_seconds: float = 150.0
    drain_seconds: float = 2.0


@dataclass(eq=False)
class _Connection:
    wire: Wire
    deadline: float
    greeted: bool = False
    served: int = 0
    inbox: bytes = b""
    outbox: memoryview = field(default_factory=lambda: memoryview(b""))
    closing: bool = False
    draining: bool = False
    waits_for: int = 0

    @property
    def rests(self) -> bool:
        return self.served > 0 and not self.inbox and not self.outbox


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket that never blocks. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 (its only form)
    except OSError:
        listener.close()
        raise
    return listener


@dataclass(eq=False)
class Server:
    """Connections of one listener. `answer` gives bytes for a request; `wrap` makes a wire, None to refuse.

    `refused` is called when a client's certificate is not trusted, as it may be newer than the authorities we know. A
    client that only connects, as a probe does, asks for nothing new. `say` is told who is refused, and why.
    """

    listener: socket.socket
    selector: selectors.BaseSelector
    seconds: Callable[[], float]
    answer: Callable[[Request], bytes]
    wrap: Callable[[socket.socket], Wire | None] = PlainWire
    refused: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _: None
    limits: Limits = field(default_factory=Limits)
    _connections: list[_Connection] = field(default_factory=list)

    def open(self) -> None:
        """Begin to accept."""
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Close everything."""
        for connection in tuple(self._connections):
            self._drop(connection)
        self.selector.unregister(self.listener)
        self.listener.close()

    def close_resting(self) -> None:
        """Close connections between two requests: who they are was judged by what no longer holds."""
        for connection in tuple(self._connections):
            connection.closing = True
            if connection.rests:
                self._drop(connection)

    def expire(self) -> float:
        """Close what is over its time; the next deadline."""
        now = self.seconds()
        for connection in tuple(self._connections):
            if connection.deadline <= now:
                self._drop(connection)
        return min((connection.deadline for connection in self._connections), default=now + self.limits.rest_seconds)

    def _accept(self, _: int) -> None:
        try:
            connected, _address = self.listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # Out of files: give one back, and try again when the selector says so.
            self._make_way()
            return
        if len(self._connections) >= self.limits.connections:
            self._make_way()
        try:
            connected.setblocking(False)  # noqa: FBT003 (its only form)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = self.wrap(connected)
        except OSError:
            wire = None
        if wire is None:
            connected.close()
            self.refused()
            return
        connection = _Connection(wire, self.seconds() + self.limits.request_seconds)
        self._connections.append(connection)
        self._advance(connection)

    def _make_way(self) -> None:
        """Drop the oldest that never asked, else the oldest at rest, else the oldest."""
        order = sorted(self._connections, key=lambda connection: (connection.served > 0, connection.deadline))
        if order:
            self._drop(order[0])

    def _drop(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        if connection.waits_for:
            self.selector.unregister(connection.wire.fileno())
        with suppress(OSError):
            connection.wire.close()

    def _advance(self, connection: _Connection) -> None:
        """Go as far as it goes without waiting."""
        try:
            while True:
                want = self._step(connection)
                if want is not None:
                    self._wait(connection, want)
                    return
        except EOFError:
            self._drop(connection)
        except UntrustedError as error:
            self.say(f"a client is refused: {error}")
            self.refused()
            self._drop(connection)
        except OSError:
            self._drop(connection)

    def _wait(self, connection: _Connection, want: Want) -> None:
        if connection.waits_for == want.value:
            return
        change = self.selector.modify if connection.waits_for else self.selector.register
        connection.waits_for = want.value
        change(connection.wire.fileno(), want.value, lambda _: self._advance(connection))

    def _step(self, connection: _Connection) -> Want | None:
        """One step of an exchange; what it waits for, or None. Raises `EOFError` at the end, `OSError`."""
        if not connection.greeted:
            want = connection.wire.greet()
            connection.greeted = want is None
            return want
        if connection.outbox:
            return self._send(connection)
        data = connection.wire.receive(_CHUNK_BYTES)
        if isinstance(data, Want):
            return data
        if not data:
            raise EOFError
        if connection.draining:
            return None
        if connection.rests:
            connection.deadline = self.seconds() + self.limits.request_seconds
        connection.inbox += data
        self._answer(connection)
        return None

    def _send(self, connection: _Connection) -> Want | None:
        sent = connection.wire.send(connection.outbox)
        if isinstance(sent, Want):
            return sent
        connection.outbox = connection.outbox[sent:]
        if connection.outbox:
            return None
        now = self.seconds()
        connection.deadline = now + self.limits.rest_seconds
        if connection.closing:
            # What the client still sends is read for a moment: a reset could take the answer from it.
            connection.wire.finish()
            connection.draining = True
            connection.deadline = now + self.limits.drain_seconds
        return None

    def _answer(self, connection: _Connection) -> None:
        found = split_head(connection.inbox)
        if found is None and len(connection.inbox) <= MAX_HEAD_BYTES:
            return
        if found is None or len(found[0]) > MAX_HEAD_BYTES:
            answer, connection.closing = format_answer(431), True
        else:
            request = parse_head(found[0])
            if isinstance(request, int):
                answer, connection.closing = format_answer(request), True
            elif not connection.wire.is_admitted():
                self.say(f"a client is refused: {connection.wire.client()} is not on the list of names")
                answer, connection.closing = format_answer(403), True
            else:
                # A request that comes with another behind it is no scrape: it is answered, and that is all.
                request = request if not found[1] else Request(request.path, request.wants_body, keep_alive=False)
                answer = self.answer(request)
                connection.closing = connection.closing or not request.keep_alive
                connection.served += 1
        connection.inbox = b""
        connection.outbox = memoryview(answer)
