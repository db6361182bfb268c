"""⇄ HTTP in: a worker of the collector, in RSGI, which granian serves. Reads bodies within limits, answers when kept.

POST /api/v1/write    remote write 1.0 -> 204 once it is on the disk
GET  /metrics  /healthz  /readyz
"""

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layercensus.errors import FleetError
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
_TEXT = [("content-type", "text/plain; charset=utf-8")]
_EXPOSITION = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker needs to know; it travels to processes that are started anew."""

    keys: Path
    inbox: Path
    pseudonymous: bool = False
    body_seconds: float = 10.0


def make_worker(settings: Settings) -> "Worker":
    """The worker of this process. Raises `FleetError` where its keys cannot be read."""
    return Worker(settings, Desk(read_keys(settings.keys), pseudonymous=settings.pseudonymous))


@dataclass(eq=False)
class Worker:
    """One process. Its parent's end is its own: see `_tick`."""

    settings: Settings
    desk: Desk
    counts: Counts = field(default_factory=Counts)
    parent: int = field(default_factory=os.getppid)
    _commit: GroupCommit = field(init=False)
    _bodies: dict[asyncio.Task[Any], float] = field(default_factory=dict)
    _ticking: asyncio.Task[None] | None = None
    _is_kept: bool = True
    _warned: dict[str, float] = field(default_factory=dict)
    _keys_mark: tuple[int, int] = (0, 0)
    _commit_seconds: list[float] = field(default_factory=list)
    _tokens_due: float = 0.0

    def __post_init__(self) -> None:
        """Name the files of this process by its number."""
        writer = InboxWriter(self.settings.inbox, str(os.getpid()), _milliseconds)
        self._commit = GroupCommit(writer, self._committed, time.perf_counter)
        self._keys_mark = _mark(self.settings.keys)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin."""
        self._ticking = loop.create_task(self._tick())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End: what was kept goes to the drain."""
        if self._ticking is not None:
            self._ticking.cancel()
        with contextlib.suppress(OSError):
            self._commit.close()
        self._hand_over_counts()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Answer one request."""
        if scope.proto != "http":
            protocol.close(400)
        elif scope.path == "/api/v1/write":
            await self._write(scope, protocol)
        elif scope.method not in {"GET", "HEAD"}:
            protocol.response_str(Status.METHOD_NOT_ALLOWED, [*_TEXT, ("allow", "GET, HEAD")], "only GET here\n")
        elif scope.path == "/metrics":
            protocol.response_bytes(200, _EXPOSITION, exposition())
        elif scope.path == "/healthz":
            protocol.response_str(200, _TEXT, "ok\n")
        elif scope.path == "/readyz":
            status, text = (200, "ok\n") if self._is_kept else (503, "the inbox cannot be written\n")
            protocol.response_str(status, _TEXT, text)
        else:
            protocol.response_str(404, _TEXT, "nothing is here\n")

    async def _write(self, scope: Any, protocol: Any) -> None:
        try:
            await self._take(scope, protocol)
        except Refusal as refusal:
            self.counts.add("refused_total", refusal.reason)
            self._answer(protocol, refusal.status, refusal.detail)
        except OSError:
            self._answer(protocol, Status.UNAVAILABLE, "it could not be kept; send it again")
        except asyncio.CancelledError:
            self.counts.add("refused_total", "slow")
            self._answer(protocol, Status.REQUEST_TIMEOUT, "the body took too long")
        else:
            self.counts.add("requests_total", "204")
            protocol.response_empty(204, [])

    async def _take(self, scope: Any, protocol: Any) -> None:
        """Take a request in. Raises `Refusal`, `OSError` where it could not be kept."""
        if scope.method != "POST":
            raise Refusal(Status.METHOD_NOT_ALLOWED, "method", "only POST here")
        now = time.time()
        sender = self.desk.greet(scope.headers, now)
        body = await self._body(protocol, self.desk.check_length(scope.headers.get("content-length", "")))
        await self._keep(sender, body, now)

    async def _keep(self, sender: Sender, body: bytes, now: float) -> None:
        admitted = self.desk.admit(sender, body, now)
        if admitted.dropped:
            self.counts.add_each("samples_dropped_total", admitted.dropped)
        if admitted.kinds:
            entry = Entry(sender.kept_as, int(now * 1000), admitted.kinds, admitted.timestamps, admitted.values)
            await self._commit.keep(entry)
            self.counts.add("samples_admitted_total", amount=len(admitted.kinds))

    async def _body(self, protocol: Any, has_length: bool) -> bytes:
        """The body, read within its limit and its time. Raises `Refusal`; cancelled by `_tick` when it is too slow."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a request runs in a task
        self._bodies[task] = time.monotonic()
        try:
            if has_length:
                return bytes(await protocol())
            parts: list[bytes] = []
            left = self.desk.limits.body_bytes
            async for part in protocol:
                left -= len(part)
                if left < 0:
                    raise self.desk.too_long()
                parts.append(bytes(part))
            return b"".join(parts)
        finally:
            del self._bodies[task]

    def _answer(self, protocol: Any, status: Status, text: str) -> None:
        self.counts.add("requests_total", str(int(status)))
        headers = [*_TEXT, ("retry-after", "5")] if status in {Status.TOO_MANY, Status.UNAVAILABLE} else _TEXT
        protocol.response_str(int(status), headers, f"{text}\n")

    def _committed(self, seconds: float, held: bool) -> None:
        self._is_kept = held
        self._commit_seconds.append(seconds)
        if not held:
            self.counts.add("commits_failed_total")

    async def _tick(self) -> None:
        """Each second: whether the parent lives, slow bodies, the age of the file, keys, tokens that expire soon."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if os.getppid() != self.parent:
                os._exit(1)
            now = time.monotonic()
            for task in [task for task, began in self._bodies.items() if now - began > self.settings.body_seconds]:
                task.cancel()
            with contextlib.suppress(OSError):
                await self._commit.seal_after(_SEAL_MS)
            self._reload_keys()
            if now >= self._tokens_due:
                self._tokens_due = now + _TOKENS_SECONDS
                self._look_at_tokens()
            self._hand_over_counts()

    def _hand_over_counts(self) -> None:
        self.counts.observe("commit_seconds", self._commit_seconds)
        self._commit_seconds.clear()
        self.counts.flush()

    def _reload_keys(self) -> None:
        mark = _mark(self.settings.keys)
        if mark == self._keys_mark:
            return
        self._keys_mark = mark
        try:
            self.desk.take_keys(read_keys(self.settings.keys))
        except FleetError as error:
            log("keys_not_read", error=str(error), next="the last good ones stay in use")

    def _look_at_tokens(self) -> None:
        now = time.time()
        expiring = self.desk.expiring(now, _EXPIRY_DAYS)
        self.counts.set("tokens_expiring", len(expiring))
        for bearer in expiring:
            if now - self._warned.get(bearer.cluster_id, 0.0) > _WARN_EVERY_SECONDS:
                self._warned[bearer.cluster_id] = now
                days = max(0, int((bearer.expires - now) / 86400))
                log("token_expires", cluster_id=bearer.cluster_id, days=days, next="issue a new one: layercensus token")


def _mark(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)


def _milliseconds() -> int:
    return int(time.time() * 1000)
