"""The client authorities from a stand-in API on loopback: what is asked, what is refused, and how an agent follows it."""

import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.certificates import MISSING, OPENSSL, Authority
from tests.agent.running import DEADLINE_SECONDS, agent, package_mode_host, wait_for
from tests.agent.test_tls import REFUSED, SCRAPER, client, status_for

from layercensus.agent.client_ca import Api, find_api, read_client_ca
from layercensus.errors import LayerCensusError

ASKED = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"


@dataclass
class StandIn:
    """An API that gives one answer, and remembers what it was asked."""

    address: str
    account: Path
    status: int = 200
    body: bytes = b""
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def tells(self, *authorities: Authority) -> None:
        text = "".join(authority.certificate.read_text() for authority in authorities)
        self.body = json.dumps({"kind": "ConfigMap", "data": {"client-ca-file": text}}).encode()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[StandIn]:
    if OPENSSL is None:
        pytest.fail(MISSING) if os.environ.get("CI") else pytest.skip(MISSING)
    authority = Authority(tmp_path, "cluster")
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("the-token\n")
    (account / "ca.crt").write_text(authority.certificate.read_text())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stand_in.asked.append((self.path, self.headers["Authorization"]))
            self.send_response(stand_in.status)
            self.send_header("Content-Length", str(len(stand_in.body)))
            self.end_headers()
            self.wfile.write(stand_in.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("api", "api"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    stand_in = StandIn(f"https://127.0.0.1:{server.server_address[1]}", account)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield stand_in
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_list_is_asked_for_with_the_pods_token(api: StandIn, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "clients")
    api.tells(authority)
    assert read_client_ca(Api(api.address, api.account)) == authority.certificate.read_text()
    assert api.asked == [(ASKED, "Bearer the-token")]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, b'{"kind": "Status"}'),
        (404, b""),
        (200, b"no JSON"),
        (200, b"[]"),
        (200, b'{"data": {}}'),
        (200, b'{"data": null}'),
        (200, b'{"data": {"client-ca-file": ""}}'),
        (200, b'{"data": {"client-ca-file": 7}}'),
        (200, b'{"data": {"client-ca-file": "' + b"x" * 2_000_000 + b'"}}'),
    ],
)
def test_an_api_that_tells_nothing_is_an_error(api: StandIn, status: int, body: bytes) -> None:
    api.status, api.body = status, body
    with pytest.raises(LayerCensusError):
        read_client_ca(Api(api.address, api.account))


def test_an_api_of_another_authority_never_sees_the_token(api: StandIn, tmp_path: Path) -> None:
    (api.account / "ca.crt").write_text(Authority(tmp_path, "foreign").certificate.read_text())
    with pytest.raises(LayerCensusError):
        read_client_ca(Api(api.address, api.account))
    assert api.asked == []


def test_without_a_token_there_is_no_question(api: StandIn) -> None:
    (api.account / "token").unlink()
    with pytest.raises(LayerCensusError):
        read_client_ca(Api(api.address, api.account))


@pytest.mark.parametrize(
    ("host", "address"),
    [("172.30.0.1", "https://172.30.0.1:6443"), ("fd00::1", "https://[fd00::1]:6443"), ("", None)],
)
def test_the_api_is_where_the_pods_environment_says(
    monkeypatch: pytest.MonkeyPatch, host: str, address: str | None
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    found = find_api()
    assert (found.address if found else None) == address


def test_an_agent_follows_the_api(api: StandIn, tmp_path: Path) -> None:
    old, new, serving = (Authority(tmp_path, name) for name in ("old", "new", "serving"))
    by_old, by_new = client(serving, old.issue("a", SCRAPER)), client(serving, new.issue("b", SCRAPER))
    certificate, key = serving.issue("server", "server")
    port = api.address.rpartition(":")[2]
    root = package_mode_host(tmp_path / "host")
    api.status = 503
    with agent(
        {"client_ca_retry_seconds": 0.2},
        account=api.account, environment={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port},
        root=root, tls_cert=certificate, tls_key=key, client_cn=[SCRAPER],
    ) as running:  # fmt: skip
        wait_for(lambda: len(api.asked) > 1 or None)
        # As long as nothing tells whom to let in, nobody is.
        with pytest.raises(REFUSED):
            status_for(running, by_old)
        api.tells(old)
        api.status = 200
        wait_for(lambda: admits(running, by_old))
        asked = len(api.asked)
        # A probe that connects and goes is no client that was refused.
        for _ in range(5):
            socket.create_connection(("127.0.0.1", running.port), DEADLINE_SECONDS).close()
            time.sleep(0.2)
        assert len(api.asked) == asked
        # Once it is known the next question is due in an hour, but a client that is refused hastens it.
        api.tells(new)
        with pytest.raises(REFUSED):
            status_for(running, by_new)
        wait_for(lambda: admits(running, by_new))
        assert len(api.asked) > asked
        with pytest.raises(REFUSED):
            status_for(running, by_old)
        # The last good list stays in use while the API gives none.
        api.status = 500
        asked = len(api.asked)
        wait_for(lambda: len(api.asked) > asked or None)
        assert admits(running, by_new)
        assert any("the last good list stays in use" in line for line in running.lines)
        assert running.stop() == 0


def admits(running: Any, context: ssl.SSLContext) -> bool | None:
    try:
        return status_for(running, context, "/healthz") == 200 or None
    except REFUSED:
        return None
