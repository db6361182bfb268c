"""⇄ A worker of the collector: one process, one event loop. Takes requests, keeps them, answers when they are kept.

POST /api/v1/write    remote write 1.0 -> 204 once it is on the disk
GET  /  /metrics  /healthz  /readyz
"""

import asyncio
import os
import resource
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from layercensus.errors import FleetError
from layercensus.fleet.children import Leash, Word
from layercensus.fleet.connection import Connection
from layercensus.fleet.counts import Counts, exposition
from layercensus.fleet.desk import Desk, Sender
from layercensus.fleet.event_log import log
from layercensus.fleet.exchange import NO_CONTENT, Request, Times, format_answer, path_of
from layercensus.fleet.group_commit import GroupCommit
from layercensus.fleet.inbox import Entry, InboxWriter
from layercensus.fleet.key_file import read_keys
from layercensus.fleet.page_answers import PageAnswers
from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.rotation import Marks, exchange_certificate, make_context

_TICK_SECONDS = 1.0
_SEAL_MS = 2_000
_EXPIRY_DAYS = 30
_TOKENS_SECONDS = 3600.0
_WARN_EVERY_SECONDS = 86_400.0
_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
# A page that needs no token and takes a while to make is made once in so many seconds.
_PAGE_SECONDS = 1.0
_WRITE = b"/api/v1/write"
_PAGES = frozenset({b"/", b"/metrics", b"/healthz", b"/readyz"})
_HEADERS = {
    Status.METHOD_NOT_ALLOWED: "Allow: POST\r\n",
    Status.UNAUTHORIZED: "WWW-Authenticate: Bearer\r\n",
    Status.TOO_MANY: "Retry-After: 5\r\n",
    Status.UNAVAILABLE: "Retry-After: 5\r\n",
}
_CLOSE_SECONDS = 5.0
_REFUSED_SECONDS = 3600.0
_MOST_REFUSED = 10_000
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
    page: Path | None = None


def run_worker(settings: Settings, listener: socket.socket, leash: Leash) -> None:
    """In a process of its own: serve until told to end. Raises `FleetError` where keys or certificate are unusable."""
    import uvloop

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
    worker = Worker(settings, Desk(read_keys(settings.keys), pseudonymous=settings.pseudonymous))
    uvloop.run(worker.serve(listener, leash))


@dataclass(eq=False)
class Worker:
    """Takes requests and answers them. See `connection.Taker`."""

    settings: Settings
    desk: Desk
    counts: Counts = field(default_factory=Counts)
    _commit: GroupCommit = field(init=False)
    _open: set[Connection] = field(default_factory=set)
    _context: ssl.SSLContext | None = None
    _is_kept: bool = True
    _page: tuple[float, bytes] = (-_PAGE_SECONDS, b"")
    _refused: dict[tuple[str, str], float] = field(default_factory=dict)
    _expiring: set[tuple[str, int]] = field(default_factory=set)
    _warned: dict[str, float] = field(default_factory=dict)
    _marks: Marks = field(default_factory=Marks)
    _tokens_due: float = 0.0
    _report: PageAnswers = field(init=False)

    def __post_init__(self) -> None:
        """Name the files of this process by its number."""
        writer = InboxWriter(self.settings.inbox, str(os.getpid()), _milliseconds)
        self._commit = GroupCommit(writer, self._committed, time.perf_counter)
        self._marks.has_changed(self.settings.keys)
        self._report = PageAnswers(self.settings.page)

    @property
    def most_body_bytes(self) -> int:
        """How long a body may be."""
        return self.desk.limits.body_bytes

    @property
    def most_connections(self) -> int:
        """How many connections are taken."""
        return self.settings.connections

    async def serve(self, listener: socket.socket, leash: Leash) -> None:
        """Until told to end; then what is under way is answered and the inbox file let go."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()

        def hear() -> None:
            if leash.listen(0) is Word.ALONE:
                # What was acknowledged is on the disk; who stays would hold the port.
                os._exit(1)
            stopping.set()
            loop.remove_reader(leash.connection.fileno())

        loop.add_reader(leash.connection.fileno(), hear)
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
        stopped = loop.create_task(stopping.wait())
        await asyncio.wait({stopped, ticking}, return_when=asyncio.FIRST_COMPLETED)
        if ticking.done():
            # A worker that does not look after itself is worse than another start.
            ticking.result()
        ticking.cancel()
        server.close()
        until = time.monotonic() + _CLOSE_SECONDS
        while self._open and time.monotonic() < until:
            for connection in tuple(self._open):
                connection.close_at_rest()
            await asyncio.sleep(0.05)
        self._commit.close()
        self.counts.flush()

    def greet(self, request: Request) -> Sender | bytes:
        """Who sends a report, or the path of the page that is asked for. Raises `Refusal`."""
        # Nearly all are this.
        path = _WRITE if request.target == _WRITE else path_of(request.target)
        if path != _WRITE:
            return path
        if request.method != b"POST":
            raise Refusal(Status.METHOD_NOT_ALLOWED, "method", "only POST here")
        headers = request.headers
        self.desk.check_content(headers.get(b"content-type", b""), headers.get(b"content-encoding", b""))
        self.desk.check_length(headers.get(b"content-length", b""))
        return self.desk.greet(headers.get(b"authorization", b""), time.time())

    def take(self, request: Request, body: bytes, reply: Callable[[bytes], None]) -> None:
        """Take a request that is whole. Raises `Refusal`."""
        sender = request.visitor
        if not isinstance(sender, Sender):
            reply(self._look_up(request, sender))
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
        self._say_refused(refusal)
        return self._answer(refusal.status, refusal.detail)

    def _say_refused(self, refusal: Refusal) -> None:
        """Say which cluster loses data and why, once an hour: what is refused, a sender drops without a word."""
        now, key = time.monotonic(), (refusal.cluster_id, refusal.reason)
        if refusal.cluster_id and now - self._refused.get(key, -_REFUSED_SECONDS) >= _REFUSED_SECONDS:
            if len(self._refused) >= _MOST_REFUSED:
                self._refused.clear()
            self._refused[key] = now
            log("request_refused", cluster_id=refusal.cluster_id, status=int(refusal.status), error=refusal.detail)

    def _answer(self, status: Status, text: str) -> bytes:
        self.counts.add("requests_total", str(int(status)))
        return format_answer(int(status), f"{text}\n".encode(), headers=_HEADERS.get(status, ""))

    def _look_up(self, request: Request, path: bytes) -> bytes:
        """What is asked for by GET."""
        if path not in _PAGES or (path == b"/" and self.settings.page is None):
            return format_answer(404, b"nothing is here\n")
        if request.method not in {b"GET", b"HEAD"}:
            return format_answer(405, b"only GET here\n", headers="Allow: GET, HEAD\r\n")
        if path == b"/":
            return self._report.answer(request)
        if path == b"/metrics":
            return format_answer(200, self._exposition(), _EXPOSITION)
        if path == b"/readyz" and not self._is_kept:
            return format_answer(503, b"the inbox is not written\n")
        return format_answer(200, b"ok\n")

    def _exposition(self) -> bytes:
        now = time.monotonic()
        if now - self._page[0] >= _PAGE_SECONDS:
            self._page = (now, exposition())
        return self._page[1]

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
        """Each second: slow connections, the inbox, keys, certificate, tokens, counts."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            for connection in tuple(self._open):
                connection.sweep(now, self.settings.times)
            self._commit.seal_after(_SEAL_MS)
            if not self._is_kept:
                # Who routes by /readyz sends nothing until the disk is known to work again.
                self._commit.probe()
            self._reload()
            self._report.look()
            self._look_at_tokens()
            self.counts.flush()

    def _reload(self) -> None:
        """Keys and certificate, if their files changed; the last good ones stay in use."""
        if self._marks.has_changed(self.settings.keys):
            try:
                self.desk.take_keys(read_keys(self.settings.keys))
            except FleetError as error:
                log("keys_not_read", error=str(error), next="the last good ones stay in use")
        certificate, key = self.settings.certificate, self.settings.key
        if self._context and certificate and key and self._marks.has_changed(certificate, key):
            try:
                exchange_certificate(self._context, certificate, key)
            except FleetError as error:
                log("certificate_not_read", error=str(error), next="the last good one stays in use")

    def _make_context(self) -> ssl.SSLContext | None:
        if self.settings.certificate is None or self.settings.key is None:
            return None
        self._marks.has_changed(self.settings.certificate, self.settings.key)
        return make_context(self.settings.certificate, self.settings.key)

    def _look_at_tokens(self) -> None:
        """Warn of those that are new at once, and of all in use again each day."""
        now = time.time()
        if now >= self._tokens_due:
            self._tokens_due = now + _TOKENS_SECONDS
            found = self.desk.expiring(now, _EXPIRY_DAYS)
            self._expiring.clear()
        else:
            found = self.desk.expiring_newcomers(now, _EXPIRY_DAYS)
        self._expiring.update(found)
        self.counts.set("tokens_expiring", len(self._expiring))
        for cluster_id, expires in found:
            if now - self._warned.get(cluster_id, 0.0) > _WARN_EVERY_SECONDS:
                self._warned[cluster_id] = now
                days = max(0, int((expires - now) / 86400))
                log("token_expires", cluster_id=cluster_id, days=days, next="issue a new one: layercensus token")


def _milliseconds() -> int:
    return int(time.time() * 1000)
