"""⇄ A worker of the collector: one process, one event loop. Takes requests, keeps them, answers when they are kept.

POST /api/v1/write    remote write 1.0 -> 204 once it is on the disk
GET  /metrics  /healthz  /readyz
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from layercensus.errors import FleetError
from layercensus.fleet.connection import NO_CONTENT, Connection, Request, Times, format_answer
from layercensus.fleet.counts import Counts, exposition
from layercensus.fleet.desk import Desk, Sender
from layercensus.fleet.event_log import log
from layercensus.fleet.group_commit import GroupCommit
from layercensus.fleet.inbox import Entry, InboxWriter
from layercensus.fleet.key_file import read_keys
from layercensus.fleet.refusal import Refusal, Status

_TICK_SECONDS = 1.0
_SEAL_MS = 2_000
_EXPIRY_DAYS = 30
_TOKENS_SECONDS = 3600.0
_WARN_EVERY_SECONDS = 86_400.0
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
_WRITE = b"/api/v1/write"
_CLOSE_SECONDS = 5.0
_OTHER_FILES = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker needs to know; it travels to processes that are started anew."""

    keys: Path
    inbox: Path
    pseudonymous: bool = False
    certificate: Path | None = None
    key: Path | None = None
    connections: int = 20_000
    times: Times = field(default_factory=Times)


def run_worker(settings: Settings, listener: socket.socket) -> None:
    """In a process of its own: serve until SIGTERM. Raises `FleetError` where keys or certificate cannot be read."""
    import uvloop

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
    worker = Worker(settings, Desk(read_keys(settings.keys), pseudonymous=settings.pseudonymous))
    uvloop.run(worker.serve(listener))


@dataclass(eq=False)
class Worker:
    """Takes requests and answers them. See `connection.Taker`."""

    settings: Settings
    desk: Desk
    counts: Counts = field(default_factory=Counts)
    parent: int = field(default_factory=os.getppid)
    _commit: GroupCommit = field(init=False)
    _open: set[Connection] = field(default_factory=set)
    _context: ssl.SSLContext | None = None
    _is_kept: bool = True
    _warned: dict[str, float] = field(default_factory=dict)
    _marks: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _tokens_due: float = 0.0

    def __post_init__(self) -> None:
        """Name the files of this process by its number."""
        writer = InboxWriter(self.settings.inbox, str(os.getpid()), _milliseconds)
        self._commit = GroupCommit(writer, self._committed, time.perf_counter)
        self._has_changed(self.settings.keys)

    @property
    def most_body_bytes(self) -> int:
        """How long a body may be."""
        return self.desk.limits.body_bytes

    @property
    def most_connections(self) -> int:
        """How many connections are taken."""
        return self.settings.connections

    async def serve(self, listener: socket.socket) -> None:
        """Until SIGTERM; then what is under way is answered and the inbox file let go."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stopping.set)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        self._context = self._make_context()
        self._commit.begin(loop)
        server = await loop.create_server(
            lambda: Connection(self, self._open),
            sock=listener,
            ssl=self._context,
            backlog=4096,
            ssl_handshake_timeout=self.settings.times.head if self._context else None,
        )
        ticking = loop.create_task(self._tick())
        await stopping.wait()
        ticking.cancel()
        server.close()
        until = time.monotonic() + _CLOSE_SECONDS
        while self._open and time.monotonic() < until:
            for connection in tuple(self._open):
                connection.close_at_rest()
            await asyncio.sleep(0.05)
        self._commit.close()
        self._hand_over_counts()

    def greet(self, request: Request) -> Sender | None:
        """Judge a head. Raises `Refusal`."""
        if request.target.partition(b"?")[0] != _WRITE:
            return None
        if request.method != b"POST":
            raise Refusal(Status.METHOD_NOT_ALLOWED, "method", "only POST here")
        headers = request.headers
        self.desk.check_content(headers.get(b"content-type", b""), headers.get(b"content-encoding", b""))
        self.desk.check_length(headers.get(b"content-length", b""))
        return self.desk.greet(headers.get(b"authorization", b""), time.time())

    def take(self, request: Request, body: bytes, reply: Callable[[bytes], None]) -> None:
        """Take a request that is whole. Raises `Refusal`."""
        sender = request.visitor
        if sender is None:
            reply(self._look_up(request))
            return
        now = time.time()
        admitted = self.desk.admit(sender, body, now)
        if admitted.dropped:
            self.counts.add_each("samples_dropped_total", admitted.dropped)
        if not admitted.kinds:
            self.counts.add("requests_total", "204")
            reply(NO_CONTENT)
            return
        entry = Entry(sender.kept_as, int(now * 1000), admitted.kinds, admitted.timestamps, admitted.values)
        self._commit.keep(entry, reply)

    def refuse(self, refusal: Refusal) -> bytes:
        """The answer to a request that is refused."""
        self.counts.add("refused_total", refusal.reason)
        return self._answer(refusal.status, refusal.detail)

    def _answer(self, status: Status, text: str) -> bytes:
        self.counts.add("requests_total", str(int(status)))
        headers = "Retry-After: 5\r\n" if status in {Status.TOO_MANY, Status.UNAVAILABLE} else ""
        if status is Status.METHOD_NOT_ALLOWED:
            headers = "Allow: POST\r\n"
        return format_answer(int(status), f"{text}\n".encode(), headers=headers)

    def _look_up(self, request: Request) -> bytes:
        """What is asked for by GET."""
        path = request.target.partition(b"?")[0]
        if request.method not in {b"GET", b"HEAD"}:
            answer = format_answer(405, b"only GET here\n", headers="Allow: GET, HEAD\r\n")
        elif path == b"/metrics":
            answer = format_answer(200, exposition(), _EXPOSITION)
        elif path == b"/healthz":
            answer = format_answer(200, b"ok\n")
        elif path == b"/readyz":
            answer = format_answer(200, b"ok\n") if self._is_kept else format_answer(503, b"the inbox is not written\n")
        else:
            answer = format_answer(404, b"nothing is here\n")
        return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.method == b"HEAD" else answer

    def _committed(self, replies: list[Callable[[bytes], None]], samples: int, seconds: float, *, held: bool) -> None:
        """A commit has ended: answer all of its requests."""
        self._is_kept = held
        self.counts.observe_later("commit_seconds", seconds)
        if held:
            self.counts.add("requests_total", "204", len(replies))
            self.counts.add("samples_admitted_total", amount=samples)
            answer = NO_CONTENT
        else:
            self.counts.add("commits_failed_total")
            answer = format_answer(503, b"it could not be kept; send it again\n", headers="Retry-After: 5\r\n")
            self.counts.add("requests_total", "503", len(replies))
        for reply in replies:
            reply(answer)

    async def _tick(self) -> None:
        """Each second: whether the parent lives, slow connections, the age of the file, keys, certificate, tokens."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if os.getppid() != self.parent:
                os._exit(1)
            now = time.monotonic()
            for connection in tuple(self._open):
                connection.sweep(now, self.settings.times)
            self._commit.seal_after(_SEAL_MS)
            self._reload()
            if now >= self._tokens_due:
                self._tokens_due = now + _TOKENS_SECONDS
                self._look_at_tokens()
            self._hand_over_counts()

    def _hand_over_counts(self) -> None:
        self.counts.flush()

    def _reload(self) -> None:
        """Keys and certificate, if their files changed; the last good ones stay in use."""
        if self._has_changed(self.settings.keys):
            try:
                self.desk.take_keys(read_keys(self.settings.keys))
            except FleetError as error:
                log("keys_not_read", error=str(error), next="the last good ones stay in use")
        certificate, key = self.settings.certificate, self.settings.key
        if self._context and certificate and key and self._has_changed(certificate):
            try:
                # Connections from now on; those that are open go on with the old one.
                self._context.load_cert_chain(certificate, key)
            except (OSError, ValueError) as error:
                # A pair that does not fit yet is half of a rotation.
                self._marks.pop(certificate, None)
                log("certificate_not_read", error=str(error), next="the last good one stays in use")

    def _make_context(self) -> ssl.SSLContext | None:
        if self.settings.certificate is None or self.settings.key is None:
            return None
        self._has_changed(self.settings.certificate)
        return make_context(self.settings.certificate, self.settings.key)

    def _look_at_tokens(self) -> None:
        now = time.time()
        expiring = self.desk.expiring(now, _EXPIRY_DAYS)
        self.counts.set("tokens_expiring", len(expiring))
        for cluster_id, expires in expiring:
            if now - self._warned.get(cluster_id, 0.0) > _WARN_EVERY_SECONDS:
                self._warned[cluster_id] = now
                days = max(0, int((expires - now) / 86400))
                log("token_expires", cluster_id=cluster_id, days=days, next="issue a new one: layercensus token")

    def _has_changed(self, path: Path) -> bool:
        """Whether a file is another than when it was looked at last."""
        with contextlib.suppress(OSError):
            found = path.stat()
            mark = (found.st_ino, found.st_mtime_ns)
            before, self._marks[path] = self._marks.get(path), mark
            return mark != before
        return False


def make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context. Raises `FleetError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise FleetError(f"the certificate cannot be used: {error}", where=str(certificate)) from error
    return context


def _no_password() -> str:
    """Never ask a terminal for one."""
    raise ValueError("the key has a password")


def _milliseconds() -> int:
    return int(time.time() * 1000)
