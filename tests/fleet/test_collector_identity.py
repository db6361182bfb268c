"""A running collector: who may say what, what of it reaches a disk or a log, TLS, and the tokens that clusters are given."""

import base64
import hmac
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.certificates import MISSING, OPENSSL, Authority
from tests.fleet.http_collector import (
    DEADLINE_SECONDS,
    LAYERING,
    Cluster,
    Collector,
    claims_for,
    collector,
    compress,
    encode_exemplar,
    encode_metadata,
    encode_part,
    encode_sample,
    encode_series,
    files_with,
    issue,
    many_files,
    now_ms,
    run_program,
    sign,
    wait_for,
)

REFUSED = (ssl.SSLError, ConnectionError)
HS256 = {"alg": "HS256", "kid": "k1", "typ": "JWT"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collector(tmp_path_factory.mktemp("identity")) as found:
        yield found


@pytest.fixture
def cluster(running: Collector) -> Cluster:
    return running.new_cluster()


def key_of(keys: Path, name: str = "k1") -> bytes:
    return base64.b64decode(json.loads(keys.read_text())["keys"][name])


def wait_for_status(running: Collector, cluster: Cluster, status: int) -> None:
    """What changes takes effect within seconds."""
    began = time.monotonic()
    wait_for(lambda: running.status(cluster.body(), cluster.token) == status or None, f"status {status}")
    assert time.monotonic() - began < 20


def traces_of(folder: Path, cluster_id: str) -> list[str]:
    """Files in which a cluster's id stands, as text or as its bytes."""
    raw = UUID(cluster_id).bytes
    found = [f"{path.name}: bytes" for path in folder.rglob("*") if path.is_file() and raw in path.read_bytes()]
    return [*found, *files_with(folder, cluster_id, cluster_id.upper(), UUID(cluster_id).hex)]


# --- a series that says another cluster


def told(cluster_id: str | None, name: str = "cluster_id", **others: str) -> bytes:
    """One good series."""
    labels = {"__name__": LAYERING, "layering": "clean", **others}
    return encode_series(labels if cluster_id is None else {**labels, name: cluster_id}, encode_sample(1, now_ms()))


@pytest.mark.parametrize(
    ("series", "status"),
    [
        (lambda own, _: told(own), 204),
        (lambda own, _: told(own, "_id"), 204),
        (lambda own, _: told(own, _id=own), 204),
        (lambda _, other: told(other), 403),
        (lambda _, other: told(other, "_id"), 403),
        (lambda own, other: told(own, _id=other), 403),
        (lambda own, other: told(other, _id=own), 403),
        (lambda own, other: told(own) + told(other), 403),
        (lambda own, other: told(other) + told(own), 403),
        (lambda own, _: told(own) + told(None), 403),
        (lambda own, _: told(None), 403),
        (lambda own, _: told(""), 403),
        (lambda own, _: told(own, _id=""), 403),
        (lambda own, _: told(own.upper()), 403),
        (lambda own, _: told(own + " "), 403),
        (lambda own, _: told(UUID(own).hex), 403),
        (lambda own, _: told(None, Cluster_ID=own), 403),
        (lambda own, _: told(None, CLUSTER_ID=own), 403),
        (lambda own, _: told(None, **{"cluster_id ": own}), 403),
        (lambda own, other: told(own, Cluster_ID=other), 204),
        (lambda own, other: encode_series([("__name__", "a"), ("cluster_id", own), ("cluster_id", other)]), 400),
        (lambda own, other: encode_series([("__name__", "a"), ("cluster_id", other), ("cluster_id", own)]), 400),
        (lambda own, other: encode_series([("__name__", "junk"), ("cluster_id", other)]), 403),
        (lambda own, other: encode_series([("cluster_id", own), ("__name__", "a"), ("x", other)]), 204),
    ],
)
def test_every_series_says_the_cluster_of_the_token(
    running: Collector, cluster: Cluster, series: Callable[[str, str], bytes], status: int
) -> None:
    assert running.status(compress(series(cluster.id, str(uuid4()))), cluster.token) == status


@pytest.mark.parametrize("seen_before", [False, True])
@pytest.mark.parametrize("place", ["alone", "first", "last"])
def test_nothing_is_kept_of_a_request_that_speaks_for_another(tmp_path: Path, place: str, seen_before: bool) -> None:
    """Also where requests of that kind were seen and taken before."""
    with collector(tmp_path) as found:
        one, other, third = (found.new_cluster() for _ in range(3))
        if seen_before:
            for _ in range(3):
                assert found.status(third.body(), third.token) == 204
        for cluster in (one, other):
            good = cluster.series()
            bad = told((other if cluster is one else one).id)
            data = {"alone": (other if cluster is one else one).series(), "first": bad + good, "last": good + bad}[
                place
            ]
            assert found.status(compress(data), cluster.token) == 403
        assert traces_of(found.lake, one.id) == traces_of(found.lake, other.id) == []
        assert found.stop() == 0
        assert [row["cluster_id"] for row in found.rows()] == ([third.id] if seen_before else [])
        assert traces_of(found.lake, one.id) == traces_of(found.lake, other.id) == []


# --- tokens


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": None}, {"exp": 0}, {"exp": int(time.time()) - 1}, {"exp": -1}, {"exp": "x"}, {"exp": [1]}, {"exp": True},
        {"iat": None}, {"iat": "x"}, {"sub": None}, {"sub": ""}, {"sub": "x"}, {"sub": 1}, {"sub": ["a"]}, {"sub": "*"},
        {"aud": None}, {"aud": "another"}, {"aud": []}, {"aud": {"layercensus": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_claims_that_do_not_hold_are_refused_whoever_signed_them(
    running: Collector, cluster: Cluster, claims: Mapping[str, Any]
) -> None:
    token = sign(HS256, claims_for(cluster.id, **claims), key_of(running.keys))
    assert running.status(cluster.body(), token) == 401


def test_a_token_signed_by_hand_is_one(running: Collector, cluster: Cluster) -> None:
    """So that the refusals beside this are about what they say."""
    key = key_of(running.keys)
    for claims in ({}, {"more": "claims"}, {"aud": ["layercensus"]}, {"sub": cluster.id.upper()}):
        assert running.status(cluster.body(), sign(HS256, claims_for(cluster.id, **claims), key)) == 204


@pytest.mark.parametrize(
    ("header", "digest"),
    [
        ({**HS256, "alg": "none"}, "sha256"), ({**HS256, "alg": "None"}, "sha256"), ({**HS256, "alg": "HS512"}, "sha512"),
        ({**HS256, "alg": "HS384"}, "sha384"), ({**HS256, "alg": "RS256"}, "sha256"), ({**HS256, "alg": ""}, "sha256"),
        ({**HS256, "alg": None}, "sha256"), ({"typ": "JWT", "kid": "k1"}, "sha256"), ({"alg": "HS256"}, "sha256"),
        ({**HS256, "kid": "k2"}, "sha256"), ({**HS256, "kid": ""}, "sha256"), ({**HS256, "kid": None}, "sha256"),
        ({**HS256, "kid": ["k1"]}, "sha256"), ({**HS256, "kid": {"k1": 1}}, "sha256"), ({**HS256, "kid": "../keys.json"}, "sha256"),
        (["HS256"], "sha256"), ("HS256", "sha256"), (None, "sha256"), (1, "sha256"), (b"{", "sha256"), (b"\xff", "sha256"),
        (b"[" * 5000 + b"]" * 5000, "sha256"), (b'{"kid":' * 1000 + b"1" + b"}" * 1000, "sha256"), (b"9" * 5000, "sha256"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_headers_that_are_not_ours_are_refused_even_if_our_key_signed_them(
    running: Collector, cluster: Cluster, header: object, digest: str
) -> None:
    token = sign(header, claims_for(cluster.id), key_of(running.keys), digest)
    assert running.status(cluster.body(), token) == 401
    unsigned = f"{token.rpartition('.')[0]}."
    assert running.status(cluster.body(), unsigned) == 401


@pytest.mark.parametrize(
    "claims", [b"{", b"[]", b"null", b"1", b"\xff\xfe", b"", b"[" * 4000 + b"]" * 4000, b'{"exp":1e999}']
)
def test_claims_that_are_none_are_refused(running: Collector, cluster: Cluster, claims: bytes) -> None:
    assert running.status(cluster.body(), sign(HS256, claims, key_of(running.keys))) == 401


def test_a_token_that_was_changed_is_refused(running: Collector, cluster: Cluster) -> None:
    assert running.status(cluster.body(), cluster.token) == 204
    head, claims, signature = cluster.token.split(".")
    other = encode_part(claims_for(str(uuid4())))
    longer = encode_part({**claims_for(cluster.id), "exp": 2**40})
    broken = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
    for token in (
        f"{head}.{claims}.{broken}", f"{head}.{claims}.", f"{head}.{claims}.{signature[:-4]}", f"{head}.{other}.{signature}",
        f"{head}.{longer}.{signature}", f"{head}.{claims}.{signature}.{signature}", f"{claims}.{head}.{signature}",
    ):  # fmt: skip
        assert running.status(cluster.body(), token) == 401


def test_a_token_of_another_file_of_keys_is_refused(running: Collector, cluster: Cluster, tmp_path: Path) -> None:
    assert running.status(cluster.body(), issue(tmp_path / "others.json", cluster.id)) == 401
    # Both files name their key k1.
    assert running.status(cluster.body(), sign(HS256, claims_for(cluster.id), b"\x00" * 32)) == 401


def test_a_token_expires_while_it_is_in_use(running: Collector, cluster: Cluster) -> None:
    ends = int(time.time()) + 4
    short = Cluster(cluster.id, sign(HS256, claims_for(cluster.id, exp=ends), key_of(running.keys)))
    assert running.status(short.body(), short.token) == 204
    wait_for_status(running, short, 401)
    assert time.time() >= ends
    assert running.status(cluster.body(), cluster.token) == 204


def test_a_cluster_is_revoked_while_it_sends_and_let_in_with_a_new_token(tmp_path: Path) -> None:
    with collector(tmp_path) as found:
        one, other = found.new_cluster(), found.new_cluster()
        second = found.new_token(one.id, 7)
        for token in (one.token, second):
            assert found.status(one.body(), token) == 204
        done = run_program("token", "--keys", found.keys, "--revoke", one.id)
        assert (done.returncode, done.stdout) == (0, "")
        wait_for_status(found, one, 401)
        assert found.status(one.body(), second) == 401
        assert found.status(other.body(), other.token) == 204
        wait_for_status(found, Cluster(one.id, issue(found.keys, one.id)), 204)
        assert found.status(one.body(), one.token) == 401
        wait_for(lambda: found.metrics().get('refused_total{reason="revoked"}', 0) >= 2 or None, "the count")


def test_keys_rotate_and_old_tokens_hold(tmp_path: Path) -> None:
    with collector(tmp_path) as found:
        one = found.new_cluster()
        assert found.status(one.body(), one.token) == 204
        new = Cluster(one.id, issue(found.keys, one.id, "--new-key"))
        assert json.loads(base64.urlsafe_b64decode(new.token.partition(".")[0] + "=="))["kid"] == "k2"
        wait_for_status(found, new, 204)
        assert found.status(one.body(), one.token) == 204
        # The old key is taken out by hand: what it signed ends.
        value = json.loads(found.keys.read_text())
        del value["keys"]["k1"]
        replace_file(found.keys, json.dumps(value), 0o600)
        wait_for_status(found, one, 401)
        assert found.status(one.body(), new.token) == 204


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "layercensus/keys/v1"}', "\x00" * 100])
def test_keys_that_are_damaged_while_it_runs_change_nothing_and_are_said(tmp_path: Path, text: str) -> None:
    with collector(tmp_path) as found:
        one = found.new_cluster()
        good = found.keys.read_text()
        replace_file(found.keys, text, 0o600)
        wait_for(lambda: "keys_not_read" in found.said or None, "the log")
        assert found.status(one.body(), one.token) == 204
        replace_file(found.keys, good, 0o600)
        issue(found.keys, one.id, "--new-key")
        wait_for_status(found, Cluster(one.id, issue(found.keys, one.id)), 204)


def replace_file(path: Path, text: str, mode: int = 0o644) -> None:
    """As a mounted secret changes: at once."""
    beside = path.with_suffix(".beside")
    beside.write_text(text)
    beside.chmod(mode)
    beside.replace(path)


def test_no_secret_is_in_the_log(tmp_path: Path) -> None:
    with collector(tmp_path) as found:
        one, other = found.new_cluster(), found.new_cluster("--days", "3")
        tokens = [
            one.token, other.token, sign({**HS256, "alg": "none"}, claims_for(one.id), b""), sign(HS256, b"{", key_of(found.keys)),
            "a-secret-that-is-no-token", f"{one.token}x", "\x1b[31mred", "Bearer " + one.token,
        ]  # fmt: skip
        for token in tokens:
            for body in (one.body(), other.body(), one.series(), one.body()[:-5], b"a-secret-body" * 10):
                found.write(body, token)
        found.talk(b"a-secret-method / HTTP/1.1\r\nCookie: a-secret-cookie\r\n\r\n", 20)
        found.talk(b"GET /a-secret-path HTTP/1.1\r\nHost: a-secret-host\r\nConnection: close\r\n\r\n", 20)
        replace_file(found.keys, found.keys.read_text().replace('"k1": "', '"k1": "*'), 0o600)
        wait_for(lambda: "keys_not_read" in found.said or None, "the log")
        wait_for(lambda: "token_expires" in found.said or None, "a token that expires soon")
        found.stop()
        said = found.said
        for line in said.splitlines():
            assert isinstance(json.loads(line), dict)
        secrets = [part for token in (one.token, other.token) for part in token.split(".")[1:]]
        value = json.loads(found.keys.read_text())
        secrets += [value["keys"]["k1"].strip("*"), value["pseudonym_key"], "a-secret"]
        for body in found.bodies:
            secrets += [
                body.hex()[:40],
                base64.b64encode(body).decode()[:30],
                repr(body)[2:30],
                body.decode("latin-1")[:20],
            ]
        assert [secret for secret in secrets if secret in said] == []


# --- what reaches a disk

FORBIDDEN = {
    "pod": "layercensus-agent-x7k2p", "node": "ip-10-0-131-7.ec2.internal", "namespace": "customer-payments-prod",
    "package": "falcon-sensor-7.16.0-16903.el9.x86_64", "instance": "10.128.3.77:9464", "user": "jane.doe@customer.example",
    "password": "hunter2-correct-horse", "region": "eu-secret-99",
}  # fmt: skip


@pytest.mark.parametrize("options", [(), ("--pseudonymous",)])
def test_what_the_contract_does_not_list_is_on_no_disk_and_in_no_count(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    words = (*FORBIDDEN.values(), "forbidden-name", "forbidden-help", "forbidden-trace", "prometheus-k8s-0")
    with collector(tmp_path, *options) as found:
        one = found.new_cluster()
        at = now_ms()
        junk = encode_series(
            {"__name__": "forbidden-name", "cluster_id": one.id, **FORBIDDEN},
            encode_sample(1, at), encode_exemplar({"trace_id": "forbidden-trace"}, 1, at),
        )  # fmt: skip
        # Labels beside those that are kept, and values that the contract does not list.
        odd = b"".join(
            encode_series({**labels, "cluster_id": one.id}, encode_sample(1, at))
            for labels in (
                {"__name__": LAYERING, "layering": FORBIDDEN["node"]},
                {"__name__": "cluster_version", "type": "current", "version": FORBIDDEN["package"]},
                {"__name__": "cluster_version", "type": FORBIDDEN["namespace"], "version": "4.14.30"},
                {"__name__": "cluster_infrastructure_provider", "type": FORBIDDEN["password"]},
                {
                    "__name__": "cluster:node_instance_type_count:sum",
                    "label_node_openshift_io_os_id": FORBIDDEN["user"],
                },
            )
        )
        data = junk + one.series(extra=FORBIDDEN, timestamp=at) + odd + encode_metadata(1, "a", "forbidden-help", "b")
        assert found.status(compress(data), one.token) == 204
        assert found.status(compress(data), one.token) == 204
        assert files_with(found.lake, *words) == []
        found.wait_for_counts({'samples_dropped_total{reason="label_value"}': 10, "samples_admitted_total": 24})
        assert not [word for word in words if word.encode() in found.ask("GET", "/metrics").body]
        assert found.stop() == 0
        (row,) = found.rows()
        assert (row["nodes_clean"], row["version"], row["platform"]) == (5, "4.14.30", "AWS")
        assert files_with(found.lake, *words) == []
        assert not [word for word in words if word in found.said]


def test_a_pseudonym_stands_for_a_cluster_on_the_disk_and_is_the_same_after_a_restart(tmp_path: Path) -> None:
    stands_for = []
    one: Cluster | None = None
    for turn in range(3):
        with collector(tmp_path, "--pseudonymous") as found:
            one = one or found.new_cluster()
            counts = (turn + 1, 0, 0, 0, 0)
            assert found.status(one.body(counts=counts), one.token) == 204
            assert traces_of(found.lake, one.id) == []
            assert one.id.encode() not in found.ask("GET", "/metrics").body
            assert found.stop() == 0
            (row,) = found.rows()
            assert row["nodes_clean"] == turn + 1
            stands_for.append(row["cluster_id"])
            assert traces_of(found.lake, one.id) == []
        # Keys rotate between the starts; what stands for a cluster does not.
        issue(tmp_path / "keys.json", str(uuid4()), "--new-key")
    assert len(set(stands_for)) == 1
    assert one is not None
    assert UUID(stands_for[0]).version == 8
    assert stands_for[0] != one.id


def test_a_pseudonym_is_another_with_another_file_of_keys(tmp_path: Path) -> None:
    cluster_id = str(uuid4())
    found_ids = set()
    for name in ("a", "b"):
        with collector(tmp_path / name, "--pseudonymous") as found:
            token = issue(found.keys, cluster_id)
            assert found.status(Cluster(cluster_id, token).body(), token) == 204
            assert found.stop() == 0
            (row,) = found.rows()
            found_ids.add(row["cluster_id"])
    assert len(found_ids) == 2


# --- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    if OPENSSL is None:
        pytest.fail(MISSING) if os.environ.get("CI") else pytest.skip(MISSING)
    return Authority(tmp_path, "serving")


@pytest.fixture
def secured(tmp_path: Path, authority: Authority) -> Iterator[Collector]:
    certificate, key = authority.issue("server", "server")
    trusted = ssl.create_default_context(cafile=authority.certificate)
    with collector(tmp_path / "run", "--tls-cert", certificate, "--tls-key", key, tls=trusted) as found:
        yield found


def serial_of(running: Collector) -> int:
    """The serial number of the certificate that is served, whoever signed it."""
    shown = ssl.create_default_context()
    shown.check_hostname = False
    shown.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", running.port), DEADLINE_SECONDS) as plain,
        shown.wrap_socket(plain) as connection,
    ):
        served = connection.getpeercert(binary_form=True)
    assert served is not None
    return serial_in(ssl.DER_cert_to_PEM_cert(served))


def serial_in(text: str) -> int:
    done = subprocess.run(
        [str(OPENSSL), "x509", "-noout", "-serial"], input=text, capture_output=True, text=True, check=True
    )
    return int(done.stdout.strip().partition("=")[2], 16)


def test_reports_are_taken_over_tls(secured: Collector) -> None:
    one = secured.new_cluster()
    assert secured.status(one.body(), one.token) == 204
    assert secured.ask("GET", "/readyz").status == 200
    assert secured.stop() == 0
    assert secured.row_of(one.id) is not None


def test_plain_http_is_refused(secured: Collector) -> None:
    one = secured.new_cluster()
    for data in (
        b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /api/v1/write HTTP/1.1\r\n\r\n" + one.body(),
        b"\x00" * 1000,
    ):
        assert b"HTTP/1.1" not in secured.talk(data, 20)
    assert secured.status(one.body(), one.token) == 204


def test_tls_1_1_is_refused_and_later_ones_are_taken(secured: Collector) -> None:
    assert secured.tls is not None
    secured.tls.set_ciphers("ALL:@SECLEVEL=0")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        secured.tls.maximum_version = version
        assert secured.ask("GET", "/healthz").status == 200
    secured.tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        secured.tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(REFUSED):
        secured.ask("GET", "/healthz")


@pytest.mark.parametrize("first", ["key", "certificate", "both"])
def test_the_certificate_rotates_while_reports_come_and_none_that_was_acknowledged_is_lost(
    secured: Collector, authority: Authority, tmp_path: Path, first: str
) -> None:
    """Certificate and key change one after the other, in either order; meanwhile the last good pair serves."""
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    new_certificate, new_key = authority.issue("server-2", "server")
    old, new = serial_in(certificate.read_text()), serial_in(new_certificate.read_text())
    one = secured.new_cluster()
    acknowledged = [0]
    failures: list[str] = []
    ending = threading.Event()

    def send() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            try:
                status = secured.status(one.body(counts=(number, 0, 0, 0, 0)), one.token)
            except (OSError, HTTPException) as error:
                failures.append(repr(error))
            else:
                if status == 204:
                    acknowledged.append(number)
                else:
                    failures.append(str(status))
            # Less than its rate.
            ending.wait(0.15)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        wait_for(lambda: len(acknowledged) > 3 or None, "reports")
        changes = [(key, new_key), (certificate, new_certificate)]
        if first == "certificate":
            changes.reverse()
        for number, (path, source) in enumerate(changes):
            replace_file(path, source.read_text())
            if number == 0 and first != "both":
                # It looks each second.
                until = time.monotonic() + 4
                while time.monotonic() < until:
                    assert serial_of(secured) == old
                    time.sleep(0.2)
        wait_for(lambda: serial_of(secured) == new or None, "the new certificate")
        many = len(acknowledged)
        wait_for(lambda: len(acknowledged) > many + 3 or None, "reports")
    finally:
        ending.set()
        sender.join(DEADLINE_SECONDS)
    assert failures == []
    assert secured.stop() == 0
    row = secured.row_of(one.id)
    assert row is not None
    assert row["nodes_clean"] == acknowledged[-1]


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMIIB", "nothing"])
def test_a_certificate_that_is_broken_while_it_runs_changes_nothing(
    secured: Collector, tmp_path: Path, text: str
) -> None:
    old = serial_of(secured)
    replace_file(tmp_path / "server.crt", text)
    wait_for(lambda: "certificate_not_read" in secured.said or None, "the log")
    assert serial_of(secured) == old
    assert "PRIVATE KEY" not in secured.said


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_handshakes_that_never_end_keep_no_honest_sender_out(secured: Collector, data: bytes) -> None:
    one = secured.new_cluster()
    with many_files(), ExitStack() as stack:
        silent = []
        for _ in range(500):
            silent.append(stack.enter_context(socket.create_connection(("127.0.0.1", secured.port), DEADLINE_SECONDS)))
            silent[-1].sendall(data)
        for _ in range(5):
            began = time.monotonic()
            assert secured.status(one.body(), one.token) == 204
            assert time.monotonic() - began < 10
        for connection in silent:
            with suppress(ConnectionError):
                while connection.recv(4096):
                    pass


# --- layercensus token


def test_keys_are_made_for_their_owner_only_and_the_token_is_all_that_is_printed(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    before = os.umask(0)
    try:
        done = run_program("token", "--keys", keys, "--cluster-id", str(uuid4()))
    finally:
        os.umask(before)
    assert done.returncode == 0
    assert keys.stat().st_mode & 0o7777 == 0o600
    token, end = done.stdout[:-1], done.stdout[-1]
    assert end == "\n"
    assert len(token.split(".")) == 3
    assert not token.split(".")[0].isspace()
    assert done.stderr.count("\n") == 1
    assert json.loads(keys.read_text())["keys"]["k1"] not in done.stderr
    again = run_program("token", "--keys", keys, "--cluster-id", str(uuid4()))
    assert (again.returncode, again.stderr, again.stdout.count("\n")) == (0, "", 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keys.json.lock", "keys.json"]


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o660, 0o666, 0o601])
def test_keys_that_others_may_read_are_refused(tmp_path: Path, mode: int) -> None:
    keys = tmp_path / "keys.json"
    issue(keys, str(uuid4()))
    before = keys.read_text()
    keys.chmod(mode)
    for options in (
        ("--cluster-id", str(uuid4())),
        ("--revoke", str(uuid4())),
        ("--cluster-id", str(uuid4()), "--new-key"),
    ):
        done = run_program("token", "--keys", keys, *options)
        assert done.returncode != 0
        assert done.stdout == ""
        assert_one_line(done.stderr)
        assert f"chmod 600 {keys}" in done.stderr
    assert keys.read_text() == before


def test_a_group_may_read_keys(tmp_path: Path) -> None:
    issue(tmp_path / "keys.json", str(uuid4()))
    (tmp_path / "keys.json").chmod(0o640)
    assert issue(tmp_path / "keys.json", str(uuid4()))


@pytest.mark.parametrize(
    "options",
    [
        (), ("--cluster-id", "x"), ("--cluster-id", ""), ("--cluster-id", "6f2a7f0e"), ("--revoke", "x"), ("--revoke", ""),
        ("--cluster-id", "6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b6g"), ("--cluster-id", "../../etc/passwd"), ("--new-key",),
        ("--cluster-id", "6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b60", "--days", "0"), ("--nothing",),
        ("--cluster-id", "6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b60", "--days", "-1"),
        ("--cluster-id", "6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b60", "--days", "1000000000000"),
    ],
)  # fmt: skip
def test_wrong_options_are_a_wrong_command_and_make_no_keys(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run_program("token", "--keys", tmp_path / "keys.json", *options)
    assert done.returncode == 2
    assert done.stdout == ""
    assert_one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_an_id_is_the_same_in_either_case(tmp_path: Path) -> None:
    cluster_id = str(uuid4())
    claims = issue(tmp_path / "keys.json", cluster_id.upper()).split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"] == cluster_id


def assert_one_line(text: str) -> None:
    assert text.startswith("layercensus: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text


GOOD: dict[str, Any] = {
    "schema": "layercensus/keys/v1", "newest": "k1", "keys": {"k1": "A" * 43 + "="}, "pseudonym_key": "A" * 43 + "=",
    "revoked": {},
}  # fmt: skip


DAMAGES: list[dict[str, Any]] = [
    {"schema": "another"}, {"schema": None}, {"newest": "k2"}, {"newest": None}, {"newest": ["k1"]}, {"newest": {}},
    {"keys": {}}, {"keys": []}, {"keys": None}, {"keys": {"k1": ""}}, {"keys": {"k1": "*"}}, {"keys": {"k1": 1}},
    {"keys": {"k1": "AAAA"}}, {"keys": {"k1": "é" * 44}}, {"pseudonym_key": ""}, {"pseudonym_key": None},
    {"revoked": None}, {"revoked": []}, {"revoked": {"x": 1}}, {"revoked": {str(UUID(int=1)): "x"}},
    {"revoked": {str(UUID(int=1)): float("inf")}}, {"revoked": {str(UUID(int=1)): None}},
]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"1", b'"a"', b"\xff\xfe\x00", b"\x00" * 64, b"[" * 100_000, b"{}",
        *(json.dumps(GOOD | change).encode() for change in DAMAGES),
        *(json.dumps({name: value for name, value in GOOD.items() if name != left_out}).encode() for left_out in GOOD),
    ],
    ids=lambda content: repr(content[-70:]),
)  # fmt: skip
def test_damaged_keys_are_said_in_a_line_and_left_as_they_are(tmp_path: Path, content: bytes) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(content)
    keys.chmod(0o600)
    for command in (
        ("token", "--cluster-id", str(uuid4())),
        ("token", "--revoke", str(uuid4())),
        ("collect", "--lake", tmp_path / "lake"),
    ):
        done = run_program(*command, "--keys", keys)
        # 70 would say that it is a bug of ours.
        assert done.returncode in {1, 2}
        assert done.stdout == ""
        assert_one_line(done.stderr)
        assert str(keys) in done.stderr
    assert keys.read_bytes() == content


def test_keys_that_cannot_be_are_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    for keys in (
        tmp_path / "folder",
        tmp_path / "nothing/keys.json",
        Path("/proc/keys.json"),
        Path("/dev/null/keys.json"),
    ):
        done = run_program("token", "--keys", keys, "--cluster-id", str(uuid4()))
        assert done.returncode in {1, 2}
        assert done.stdout == ""
        assert_one_line(done.stderr)


def test_revoking_needs_keys(tmp_path: Path) -> None:
    done = run_program("token", "--keys", tmp_path / "keys.json", "--revoke", str(uuid4()))
    assert done.returncode in {1, 2}
    assert_one_line(done.stderr)
    assert list(tmp_path.iterdir()) == []


def at_once(*commands: tuple[str | Path, ...]) -> list[str]:
    """Run commands at the same time; what each prints."""
    processes = [
        subprocess.Popen([sys.executable, "-m", "layercensus", *map(str, command)], stdout=subprocess.PIPE, text=True)
        for command in commands
    ]
    found = [process.communicate(timeout=DEADLINE_SECONDS)[0] for process in processes]
    assert {process.returncode for process in processes} == {0}
    return found


def test_clusters_that_are_revoked_at_the_same_time_are_all_revoked(tmp_path: Path) -> None:
    """As `xargs -P` does: a revocation that is lost lets a leaked token live."""
    keys = tmp_path / "keys.json"
    issue(keys, str(uuid4()))
    clusters = [str(uuid4()) for _ in range(12)]
    at_once(*(("token", "--keys", keys, "--revoke", cluster_id) for cluster_id in clusters))
    assert set(json.loads(keys.read_text())["revoked"]) == set(clusters)


def test_tokens_that_are_issued_at_the_same_time_are_all_of_one_file_of_keys(tmp_path: Path) -> None:
    for turn in range(5):
        keys = tmp_path / f"{turn}.json"
        tokens = at_once(*(("token", "--keys", keys, "--cluster-id", str(uuid4())) for _ in range(8)))
        for token in tokens:
            head, claims, signature = token.strip().split(".")
            digest = hmac.digest(key_of(keys), f"{head}.{claims}".encode(), "sha256")
            assert signature == encode_part(digest)
