"""TLS of a real agent with certificates of a real openssl: who is let in, and what rotates."""

import os
import socket
import ssl
import sys
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.certificates import MISSING, OPENSSL, Authority
from tests.agent.running import DEADLINE_SECONDS, Running, agent, package_mode_host, run_to_end, wait_for

SCRAPER = "system:serviceaccount:openshift-monitoring:prometheus-k8s"
REFUSED = (ssl.SSLError, ConnectionError)


@pytest.fixture(autouse=True)
def _openssl() -> None:
    if OPENSSL is None:
        pytest.fail(MISSING) if os.environ.get("CI") else pytest.skip(MISSING)


@pytest.fixture
def old(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "old")


@pytest.fixture
def serving(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "serving")


@pytest.fixture
def served(tmp_path: Path, old: Authority, serving: Authority) -> Iterator[Running]:
    certificate, key = serving.issue("server", "server")
    trusted = tmp_path / "client-ca.crt"
    trusted.write_text(old.certificate.read_text())
    root = package_mode_host(tmp_path / "host")
    with agent(
        root=root, tls_cert=certificate, tls_key=key, client_ca=trusted, client_cn=["another", SCRAPER]
    ) as running:
        yield running


def client(serving: Authority, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=serving.certificate)
    if pair:
        context.load_cert_chain(*pair)
    return context


def status_for(running: Running, context: ssl.SSLContext, path: str = "/metrics") -> int:
    connection = HTTPSConnection("127.0.0.1", running.port, timeout=DEADLINE_SECONDS, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def replace_file(path: Path, text: str) -> None:
    """As a mounted secret changes: at once."""
    beside = path.with_suffix(".beside")
    beside.write_text(text)
    beside.replace(path)


def test_the_named_client_is_served(served: Running, old: Authority, serving: Authority) -> None:
    context = client(serving, old.issue("scraper", SCRAPER))
    wait_for(lambda: status_for(served, context) == 200 or None)
    assert status_for(served, context, "/healthz") == 200


def test_a_client_without_a_certificate_is_refused(served: Running, serving: Authority) -> None:
    with pytest.raises(REFUSED):
        status_for(served, client(serving))


def test_a_client_of_another_authority_is_refused(served: Running, serving: Authority, tmp_path: Path) -> None:
    with pytest.raises(REFUSED):
        status_for(served, client(serving, Authority(tmp_path, "foreign").issue("foreigner", SCRAPER)))


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/x"])
def test_a_client_of_another_name_is_refused(served: Running, old: Authority, serving: Authority, path: str) -> None:
    assert status_for(served, client(serving, old.issue("other", "system:node:worker-0")), path) == 403


def test_plain_http_is_refused(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE_SECONDS) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        try:
            answer = connection.recv(4096)
        except ConnectionError:
            answer = b""
        assert b"layercensus_" not in answer
        assert b"HTTP/1.1" not in answer


def test_tls_1_1_is_refused(served: Running, old: Authority, serving: Authority) -> None:
    context = client(serving, old.issue("scraper", SCRAPER))
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(REFUSED):
        status_for(served, context)


def test_silent_clients_keep_no_honest_scrape_out(served: Running, old: Authority, serving: Authority) -> None:
    context = client(serving, old.issue("scraper", SCRAPER))
    silent = [socket.create_connection(("127.0.0.1", served.port), DEADLINE_SECONDS) for _ in range(200)]
    try:
        wait_for(lambda: status_for(served, context) == 200 or None)
    finally:
        for connection in silent:
            connection.close()


def test_authorities_rotate_old_and_new_then_new_only(
    served: Running, old: Authority, serving: Authority, tmp_path: Path
) -> None:
    new = Authority(tmp_path, "new")
    by_old, by_new = client(serving, old.issue("a", SCRAPER)), client(serving, new.issue("b", SCRAPER))
    trusted = tmp_path / "client-ca.crt"
    assert status_for(served, by_old, "/healthz") == 200
    with pytest.raises(REFUSED):
        status_for(served, by_new)
    replace_file(trusted, old.certificate.read_text() + new.certificate.read_text())
    assert status_for(served, by_old, "/healthz") == 200
    assert status_for(served, by_new, "/healthz") == 200
    resting = HTTPSConnection("127.0.0.1", served.port, timeout=DEADLINE_SECONDS, context=by_old)
    resting.request("GET", "/healthz")
    resting.getresponse().read()
    replace_file(trusted, new.certificate.read_text())
    assert status_for(served, by_new, "/healthz") == 200
    with pytest.raises(REFUSED):
        status_for(served, by_old)
    # Whom the old authority let in is not served any longer either.
    connected = resting.sock
    assert connected is not None
    assert connected.recv(1) == b""
    resting.close()


def test_half_a_rotation_changes_nothing(served: Running, old: Authority, serving: Authority, tmp_path: Path) -> None:
    context = client(serving, old.issue("scraper", SCRAPER))
    assert status_for(served, context, "/healthz") == 200
    trusted, key = tmp_path / "client-ca.crt", tmp_path / "server.key"
    replace_file(trusted, "-----BEGIN CERTIFICATE-----\nMIIB")
    assert status_for(served, context, "/healthz") == 200
    replace_file(trusted, "")
    assert status_for(served, context, "/healthz") == 200
    key.unlink()
    assert status_for(served, context, "/healthz") == 200
    assert any("certificates cannot be loaded" in line for line in served.lines)


def test_the_serving_certificate_rotates(served: Running, old: Authority, serving: Authority, tmp_path: Path) -> None:
    pair = old.issue("scraper", SCRAPER)
    assert status_for(served, client(serving, pair), "/healthz") == 200
    another = Authority(tmp_path, "another-serving")
    certificate, key = another.issue("server-2", "server")
    replace_file(tmp_path / "server.key", key.read_text())
    # The certificate does not fit the key for a moment: the last good pair serves.
    assert status_for(served, client(serving, pair), "/healthz") == 200
    replace_file(tmp_path / "server.crt", certificate.read_text())
    assert status_for(served, client(another, pair), "/healthz") == 200


def test_an_intermediate_authority_is_trusted_as_it_stands(served: Running, serving: Authority, tmp_path: Path) -> None:
    intermediate = Authority(tmp_path, "intermediate", signed_by=Authority(tmp_path, "top"))
    replace_file(tmp_path / "client-ca.crt", intermediate.certificate.read_text())
    assert status_for(served, client(serving, intermediate.issue("scraper", SCRAPER)), "/healthz") == 200


@pytest.mark.parametrize("left_out", ["tls_cert", "tls_key", "client_cn"])
def test_half_of_tls_is_a_wrong_command(tmp_path: Path, left_out: str) -> None:
    options = {"tls_cert": "a", "tls_key": "b", "client_cn": ["c"], "client_ca": "d"}
    del options[left_out]
    assert "TLS needs" in run_to_end(root=tmp_path, **options).stderr
