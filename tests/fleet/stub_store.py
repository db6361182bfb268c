"""A server on loopback that answers as it is told, for what a real store cannot be made to do."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fleet.stored import Memory

from layercensus.fleet.store_answers import TooLargeError

JSON = {"Content-Type": "application/json"}


@dataclass
class Reply:
    """An answer; `claims`: the length that it says it has, where that is another."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    claims: int | None = None


def success(data: Any, **more: Any) -> Reply:
    return Reply(body=json.dumps({"status": "success", "data": data, **more}).encode())


def failure(status: int, word: str = "", said: str = "it cannot", **headers: str) -> Reply:
    body = {"status": "error", "errorType": word, "error": said}
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, json.dumps(body).encode(), {**JSON, **names})


@dataclass
class Stub:
    """The server: where it is, and the path and headers of each request that it saw."""

    url: str
    asked: list[tuple[str, Mapping[str, str]]]


Answering = Callable[[str, dict[str, str]], Reply | Callable[[Any], None]]


@contextmanager
def stub_store(answer: Answering) -> Iterator[Stub]:
    """Serve `answer(path, parameters)`: a reply, or a function that is given the handler."""
    asked: list[tuple[str, Mapping[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers.items())))
            parts = urlsplit(self.path)
            reply = answer(parts.path, dict(parse_qsl(parts.query)))
            if not isinstance(reply, Reply):
                reply(self)
                return
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Length", str(len(reply.body) if reply.claims is None else reply.claims))
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Stub(f"http://127.0.0.1:{server.server_address[1]}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def replies_of(store: Memory) -> Answering:
    """A store in memory over HTTP."""

    def answer(path: str, parameters: dict[str, str]) -> Reply:
        try:
            found = store.ask(path.removeprefix("/"), tuple(parameters.items()))
        except TooLargeError as error:
            return failure(422, "execution", error.what)
        return success(found.data, **({"warnings": list(found.warnings)} if found.warnings else {}))

    return answer
