"""A running collector's connections at their ends, and what must go on in a worker whatever it is shown.

Beside `test_collector_http.py` and `test_collector_attacks.py`: half-closed connections, a worker without free files, an
expensive page that nobody reads, and keys that no parser expects.
"""

import json
import resource
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.http_collector import (
    DEADLINE_SECONDS,
    HEADERS,
    MIB,
    Cluster,
    Collector,
    collector,
    compress,
    grows_less_than,
    open_files,
    run_program,
    wait_for,
)

# A connection that should be closed at once, and rests for two minutes if it is not.
CLOSE_SECONDS = 15.0
# The keys are looked at each second.
FOLLOWED_SECONDS = 20.0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Collector]:
    with collector(tmp_path / "collector") as found:
        yield found


@pytest.fixture
def honest(running: Collector) -> Cluster:
    return running.new_cluster()


def head(cluster: Cluster, *lines: str) -> bytes:
    all_lines = [
        "POST /api/v1/write HTTP/1.1", "Host: a", *(f"{name}: {value}" for name, value in HEADERS.items()),
        f"Authorization: Bearer {cluster.token}", *lines,
    ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in [*all_lines, ""]).encode()


def connect(running: Collector, seconds: float = DEADLINE_SECONDS) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), seconds)


def read_all(connection: socket.socket) -> bytes:
    """What is answered until it closes. Raises `TimeoutError` if it does not."""
    found = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            found += part
    return found


def status_of(answer: bytes) -> int | None:
    """Of the first answer; None where there is none."""
    return int(answer.split(b" ")[1]) if answer else None


# --- ends


def test_who_sends_no_more_is_answered_and_closed(running: Collector, honest: Cluster) -> None:
    body = honest.body()
    with connect(running, CLOSE_SECONDS) as connection:
        connection.sendall(head(honest, f"Content-Length: {len(body)}") + body)
        connection.shutdown(socket.SHUT_WR)
        assert status_of(read_all(connection)) == 204


def test_who_goes_away_before_the_answer_leaves_no_connection(running: Collector, honest: Cluster) -> None:
    """The answer waits for the disk, and the sender may be gone by then."""
    (worker,) = running.workers()
    assert running.status(honest.body(), honest.token) == 204
    before = len(open_files(worker))
    body = honest.body()
    for _ in range(50):
        with connect(running) as connection:
            connection.sendall(head(honest, f"Content-Length: {len(body)}") + body)
    until = time.monotonic() + CLOSE_SECONDS
    while (left := len(open_files(worker)) - before) > 2:
        assert time.monotonic() < until, f"{left} connections of senders that are gone"
        time.sleep(0.2)


def test_a_body_that_says_it_is_too_long_is_refused_before_it_comes(running: Collector, honest: Cluster) -> None:
    """Also where the sender does not ask first: it is told 413 and not, ten seconds later, that it was slow."""
    with connect(running) as connection:
        connection.sendall(head(honest, f"Content-Length: {MIB + 1}") + b"x" * 100)
        assert status_of(connection.recv(65536)) == 413


def test_a_refusal_for_want_of_a_token_says_which_scheme_is_wanted(running: Collector, honest: Cluster) -> None:
    """RFC 9110, 15.5.2: who answers 401 must say how to authenticate."""
    for token in (None, "none"):
        answer = running.write(honest.body(), token)
        assert answer.status == 401
        assert answer.headers.get("www-authenticate", "").lower().startswith("bearer")


# --- what costs more than it is worth


def test_a_page_that_is_asked_for_again_and_again_and_never_read_takes_neither_memory_nor_the_worker(
    running: Collector, honest: Cluster
) -> None:
    """`/metrics` needs no token, and takes a thousand times what it costs to ask for it."""
    (worker,) = running.workers()
    asked = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 500
    with grows_less_than(worker, 64 * MIB), connect(running, 5.0) as connection:
        sent = 0
        with suppress(OSError):
            while sent < MIB // 2:
                sent += connection.send(asked)
        # Answered within the deadline: half a MiB of these is 14,000 pages.
        assert running.status(honest.body(), honest.token) == 204


def test_a_body_that_came_in_time_is_not_slow_because_another_s_was_read(running: Collector, honest: Cluster) -> None:
    other = running.new_cluster()
    heavy = compress(b"\x1a\x00" * (4 * MIB - 1000))
    body = honest.body()
    with ThreadPoolExecutor(4) as pool, connect(running) as waiting:
        waiting.sendall(head(honest, "Connection: close", f"Content-Length: {len(body)}"))
        time.sleep(0.5)
        busy = [pool.submit(running.status, heavy, other.token) for _ in range(4)]
        time.sleep(0.5)
        waiting.sendall(body)
        assert status_of(read_all(waiting)) == 204
        assert {found.result() for found in busy} <= {204, 400, 413, 429}


def test_a_worker_without_free_files_comes_back(running: Collector, honest: Cluster) -> None:
    (worker,) = running.workers()
    most = resource.prlimit(worker, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (len(open_files(worker)) + 20, most))
    connections = [connect(running) for _ in range(200)]
    time.sleep(2)
    for connection in connections:
        connection.close()

    def is_served() -> bool | None:
        # Until the closed ones are noticed, a new one is taken and closed at once.
        with suppress(OSError, HTTPException):
            return running.status(honest.body(), honest.token) == 204 or None
        return None

    wait_for(is_served, "an answer once files are free")
    assert running.workers() == [worker]
    # A line for each connection that was not taken would fill a disk.
    assert len(running.said) < 20_000


# --- keys


def damaged(good: str, cluster_id: str) -> dict[str, str]:
    value = json.loads(good)
    return {
        "endless revocation": json.dumps({**value, "revoked": {cluster_id: float("inf")}}),
        "nothing is a number": json.dumps({**value, "revoked": {cluster_id: float("nan")}}),
        "deep": "[" * 200_000,
        "a long number": '{"schema": ' + "1" * 10_000 + "}",
        "newest is a list": json.dumps({**value, "newest": ["k1"]}),
    }


@pytest.mark.parametrize("name", sorted(damaged('{"schema": ""}', "")))
def test_no_file_of_keys_keeps_a_worker_from_following_the_next(running: Collector, honest: Cluster, name: str) -> None:
    """What a worker does each second must go on: or no revocation, no limit of time and no file for the drain follows."""
    good = running.keys.read_text()
    beside = running.folder / "keys.beside"
    for text in (damaged(good, honest.id)[name], good):
        beside.write_text(text)
        beside.chmod(0o600)
        beside.replace(running.keys)
        time.sleep(2.5)
        assert running.status(honest.body(), honest.token) == 204
    assert run_program("token", "--keys", running.keys, "--revoke", honest.id).returncode == 0
    until = time.monotonic() + FOLLOWED_SECONDS
    while running.status(b"", honest.token) != 401:
        assert time.monotonic() < until, "a token that was revoked still holds"
        time.sleep(0.5)


# --- counts


def test_counts_of_a_process_that_has_just_begun_do_not_hide_those_of_all_others(
    running: Collector, honest: Cluster
) -> None:
    """prometheus_client makes a file and gives it its size after that; a process may be asked, or killed, in between."""
    assert running.status(honest.body(), honest.token) == 204
    (worker,) = running.workers()
    pairs = (pair.partition(b"=") for pair in Path(f"/proc/{worker}/environ").read_bytes().split(b"\0"))
    (folder,) = (value.decode() for name, _, value in pairs if name == b"PROMETHEUS_MULTIPROC_DIR")
    Path(folder, "counter_1.db").touch()
    answer = running.ask("GET", "/metrics")
    assert (answer.status, b"samples_admitted_total" in answer.body) == (200, True), answer
