"""⇄ Where the exposition goes: a server, plain or with TLS, and a text file. Joins doors to the loop."""

import socket
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from layercensus.agent.exchange import Request
from layercensus.agent.loop import Agent
from layercensus.agent.node_files import write_text_file
from layercensus.agent.server import Server, open_listener
from layercensus.agent.state import Instant
from layercensus.agent.wire import PlainWire
from layercensus.errors import Fault, LayerCensusError, UsageError

_TIMEOUT_SECONDS = 30.0
_FILES_SECONDS = 60.0
_MOST_SAID = 16


def open_server(
    agent: Agent, address: tuple[str, int], answer: Callable[[Request], bytes], options: Namespace
) -> Callable[[], None]:
    """Serve `answer` in the agent's loop; what closes it. Raises `LayerCensusError` if the address can't be had."""
    where = f"{address[0]}:{address[1]}"
    try:
        listener = open_listener(*address)
    except OSError as error:
        next_step = "give another address or port: --listen"
        raise LayerCensusError(f"cannot listen: {error.strerror}", where, Fault.HOST, next_step) from error
    server = Server(listener, agent.selector, agent.seconds, answer)
    if options.tls_cert:
        _add_tls(agent, server, options)
    server.open()
    agent.add_timer(lambda _: server.expire())
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"
    scheme = "http" if server.wrap is PlainWire else "https"
    agent.warn(f"layercensus: agent: serving {scheme}://{shown}/metrics")
    return server.close


def _add_tls(agent: Agent, server: Server, options: Namespace) -> None:
    from layercensus.agent.tls import Tls

    tls = Tls(
        certificate=Path(options.tls_cert),
        key=Path(options.tls_key),
        names=frozenset(options.client_cn),
        warn=agent.warn,
        client_ca=Path(options.client_ca) if options.client_ca else None,
        rotated=server.close_resting,
    )
    server.wrap = tls.wrap
    server.say = _each_once(agent.warn)
    if options.client_ca:
        tls.reload()
        agent.add_timer(lambda now: _reload(tls.reload, now))
        return
    asking = AskApi(agent, tls.take_client_ca)
    server.refused = asking.hasten
    agent.add_timer(asking.tick)


def _each_once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Say each thing once, and no more than some things: who is refused comes again and again."""
    said: set[str] = set()

    def say(text: str) -> None:
        if text not in said and len(said) < _MOST_SAID:
            said.add(text)
            warn(f"layercensus: agent: {text}")

    return say


def _reload(reload: Callable[[], object], now: Instant) -> float:
    reload()
    return now.seconds + _FILES_SECONDS


class AskApi:
    """Asks the cluster's API for the client authorities: each hour, and soon after it failed or a client was refused.

    Not more often than each minute, whatever clients do. The last good answer stays.
    """

    def __init__(self, agent: Agent, take: Callable[[str], None]) -> None:
        from layercensus.agent.client_ca import find_api

        api = find_api()
        if api is None:
            next_step = "give --client-ca FILE"
            raise UsageError("this is no pod, so no API tells whom to trust", "--client-cn", Fault.USAGE, next_step)
        self.api = api
        self.agent = agent
        self.take = take
        self.has_list = False
        self.said = ""
        self.due = self.asked = float("-inf")
        self.task = agent.add_task(self._ask, self._answered, _TIMEOUT_SECONDS)

    def hasten(self) -> None:
        """Ask again soon."""
        self.due = min(self.due, self.asked + self.agent.schedule.client_ca_retry_seconds)

    def tick(self, now: Instant) -> float:
        """Ask if it is due; when it is next."""
        if now.seconds >= self.due:
            self.asked, self.due = now.seconds, now.seconds + self.agent.schedule.client_ca_retry_seconds
            self.agent.start(self.task)
        return self.due

    def _ask(self) -> bytes:
        """In the child."""
        from layercensus.agent.client_ca import read_client_ca

        try:
            return b"+" + read_client_ca(self.api).encode("ascii")
        except LayerCensusError as error:
            return f"-{error}".encode()

    def _answered(self, answer: bytes | None) -> None:
        if answer is not None and answer.startswith(b"+"):
            self.take(answer[1:].decode("ascii"))
            if self.said:
                self.agent.warn("layercensus: agent: the client authorities can be read again")
            self.has_list, self.said = True, ""
            self.due = self.asked + self.agent.schedule.client_ca_seconds
            return
        said = "no answer" if not answer else answer[1:].decode("utf-8", "replace")
        effect = "the last good list stays in use" if self.has_list else "nobody is let in before there is one"
        if said != self.said:
            self.said = said
            self.agent.warn(f"layercensus: agent: {said}; {effect}")


def write_each_to(agent: Agent, path: Path) -> None:
    """Write each exposition to a file, in a child: that disk may stop too. What failed is written again."""
    wrong = _wrong_text_file(path)
    if wrong:
        raise UsageError(
            wrong, where="--textfile", fault=Fault.USAGE, next_step="name a file in a folder that is there"
        )
    if path.suffix != ".prom":
        agent.warn(f"layercensus: agent: {path}: node_exporter reads only files that end in .prom")
    writing = _Writing(agent, path)
    agent.published = writing.take
    agent.add_timer(writing.tick)


def _wrong_text_file(path: Path) -> str | None:
    """What is wrong with a place for a text file. A device or a link that is there would be replaced by a file."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return f"{path} is a folder" if path.is_dir() else f"{path} is there and no regular file"
    return None if path.parent.is_dir() else f"there is no folder {path.parent}"


class _Writing:
    def __init__(self, agent: Agent, path: Path) -> None:
        self.agent = agent
        self.path = path
        self.body = b""
        self.written: bytes | None = b""
        self.due = float("-inf")
        self.task = agent.add_task(self._write, self._wrote, _TIMEOUT_SECONDS)
        self.sent = b""
        self.said = ""

    def take(self, body: bytes) -> None:
        self.body = body

    def tick(self, now: Instant) -> float:
        if self.body == self.written or now.seconds < self.due:
            return max(self.due, now.seconds + _TIMEOUT_SECONDS)
        self.sent, self.due = self.body, now.seconds + 1.0
        self.agent.start(self.task)
        return self.due

    def _write(self) -> bytes:
        """In the child."""
        try:
            write_text_file(self.path, self.sent)
        except OSError as error:
            return f"{self.path} cannot be written: {error.strerror}".encode()
        return b"written"

    def _wrote(self, answer: bytes | None) -> None:
        if answer == b"written":
            self.written = self.sent
            self.said = ""
            return
        self.due = self.agent.seconds() + _TIMEOUT_SECONDS
        said = f"{self.path} was not written in time" if not answer else answer.decode("utf-8", "replace")
        if said != self.said:
            self.said = said
            self.agent.warn(f"layercensus: agent: {said}")
