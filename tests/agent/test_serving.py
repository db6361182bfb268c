"""Agents in processes of their own: serving within limits, the text file, what is refused, how it ends."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import (  # it lies beside this file, and test folders are no packages
    DEADLINE_SECONDS,
    Running,
    agent,
    class_in,
    package_mode_host,
    parse,
    run_to_end,
    wait_for,
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with agent(root=package_mode_host(tmp_path)) as running:
        yield running


def talk(port: int, request: bytes) -> bytes:
    """All that is answered until the end."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def test_metrics_and_health_are_served_and_nothing_else(served: Running) -> None:
    assert class_in(served.metrics()) == "not_applicable"
    assert served.ask("/healthz") == (200, "ok\n")
    assert served.ask("/")[0] == 404
    assert served.ask("/metrics/")[0] == 404


def test_a_connection_serves_many_requests(served: Running) -> None:
    served.metrics()
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE_SECONDS) as connection:
        stream = connection.makefile("rb")
        for _ in range(50):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            while stream.readline() != b"\r\n":
                pass
            assert stream.read(3) == b"ok\n"
        stream.close()


def test_a_request_in_pieces_is_one(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE_SECONDS) as connection:
        for byte in b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert connection.makefile("rb").read().endswith(b"\r\n\r\nok\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nA: " + b"x" * 100_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"x" * 100_000, b"431"),
        (b"A: b\r\n" * 20_000, b"431"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"GET /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"400"),
        (b"\x16\x03\x01\x00\x05\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_scrape_is_refused(served: Running, request_bytes: bytes, status: bytes) -> None:
    assert talk(served.port, request_bytes).split(b" ")[1] == status
    assert served.ask("/healthz")[0] == 200


def test_two_requests_at_once_get_one_answer(served: Running) -> None:
    answer = talk(served.port, b"GET /healthz HTTP/1.1\r\n\r\n" * 2)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"Connection: close" in answer


def test_slow_clients_by_the_hundred_keep_no_honest_scrape_out(served: Running) -> None:
    served.metrics()
    slow = []
    try:
        for number in range(300):
            slow.append(socket.create_connection(("127.0.0.1", served.port), DEADLINE_SECONDS))
            slow[-1].sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
            if number % 50 == 0:
                assert served.ask()[0] == 200
        assert served.ask()[0] == 200
        files = sum(1 for _ in Path(f"/proc/{served.process.pid}/fd").iterdir())
        assert files < 64 + 16
    finally:
        for connection in slow:
            connection.close()


def test_a_slow_client_is_closed_at_its_deadline(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE_SECONDS) as connection:
        connection.sendall(b"GET /metrics")
        assert connection.recv(1) == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_it_is_told_to(served: Running, number: signal.Signals) -> None:
    served.metrics()
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE_SECONDS):
        served.process.send_signal(number)
        assert served.process.wait(DEADLINE_SECONDS) == 0


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.7:9464"])
def test_an_open_address_without_tls_is_refused(tmp_path: Path, listen: str) -> None:
    done = run_to_end(root=tmp_path, listen=listen)
    assert "is open to others" in done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize(
    "listen", ["9464", "localhost", "127.0.0.1:x", "127.0.0.1:70000", "example.com:9464", ":1", "[::1]", "::1:9464"]
)
def test_what_is_no_address_is_refused(tmp_path: Path, listen: str) -> None:
    assert "is no address and port" in run_to_end(root=tmp_path, listen=listen).stderr


def test_an_address_in_use_is_said(served: Running, tmp_path: Path) -> None:
    assert "cannot listen" in run_to_end(root=tmp_path, listen=f"127.0.0.1:{served.port}").stderr


def test_the_text_file_is_whole_readable_and_replaced(tmp_path: Path) -> None:
    root = package_mode_host(tmp_path / "host")
    file = tmp_path / "layercensus.prom"
    before = os.umask(0o077)
    try:
        with agent({"read_seconds": 0.1, "look_seconds": 0.1}, root=root, listen=None, textfile=file) as running:
            text = wait_for(lambda: file.read_text() if file.exists() else None)
            assert class_in(parse(text)) == "not_applicable"
            assert file.stat().st_mode & 0o7777 == 0o644
            first = file.stat().st_ino
            wait_for(lambda: file.stat().st_ino != first or None)
            assert class_in(parse(file.read_text())) == "not_applicable"
            assert running.stop() == 0
            assert not any("serving" in line for line in running.lines)
    finally:
        os.umask(before)
    assert [path.suffix for path in tmp_path.iterdir() if path.is_file()] == [".prom"]


def test_a_text_file_that_cannot_be_written_is_said_and_nothing_stops(tmp_path: Path) -> None:
    folder = tmp_path / "collector"
    folder.mkdir()
    root = package_mode_host(tmp_path / "host")
    schedule = {"look_seconds": 0.1, "read_seconds": 0.1}
    with agent(schedule, root=root, textfile=folder / "layercensus.prom") as running:
        assert class_in(running.metrics()) == "not_applicable"
        folder.rename(tmp_path / "gone")
        wait_for(lambda: any("cannot be written" in line for line in running.lines) or None)
        assert running.ask()[0] == 200


def test_a_folder_in_place_of_the_text_file_is_a_wrong_command(tmp_path: Path) -> None:
    done = run_to_end(root=tmp_path, listen=None, textfile=tmp_path)
    assert "is a folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["device", "link", "dangling link"])
def test_what_is_no_regular_file_is_not_replaced_by_the_text_file(tmp_path: Path, what: str) -> None:
    place = tmp_path / "x.prom"
    place.symlink_to(tmp_path / ("y" if what == "link" else "gone"))
    (tmp_path / "y").write_text("kept")
    done = run_to_end(root=tmp_path, listen=None, textfile=Path("/dev/full") if what == "device" else place)
    assert "no regular file" in done.stderr
    assert Path("/dev/full").is_char_device()
    assert place.is_symlink()
    assert (tmp_path / "y").read_text() == "kept"


def test_a_name_that_no_collector_reads_is_said(tmp_path: Path) -> None:
    with agent({}, root=package_mode_host(tmp_path / "host"), listen=None, textfile=tmp_path / "a.txt") as running:
        wait_for(lambda: any(".prom" in line for line in running.lines) or None)


def test_tls_without_serving_is_a_wrong_command(tmp_path: Path) -> None:
    tls = {"tls_cert": "a", "tls_key": "b", "client_cn": ["c"]}
    assert "TLS is for serving" in run_to_end(root=tmp_path, listen=None, textfile=tmp_path / "x.prom", **tls).stderr


def test_a_machine_that_could_never_be_read_is_unknown_and_says_why(tmp_path: Path) -> None:
    with agent({"look_seconds": 0.1}, root=tmp_path) as running:
        metrics = running.wait_until(lambda found: found['layercensus_read_errors_total{reason="not_found"}'] > 2)
        assert class_in(metrics) == "unknown"
        assert metrics["layercensus_read_success"] == 0
        assert str(metrics["layercensus_read_timestamp_seconds"]) == "nan"
        counts = [value for series, value in metrics.items() if series.startswith("layercensus_changes")]
        assert counts
        assert all(str(value) == "nan" for value in counts)
        assert sum("mount the host's root there" in line for line in running.lines) == 1


def test_facts_are_kept_while_reads_fail_and_are_unknown_once_too_old(tmp_path: Path) -> None:
    root = package_mode_host(tmp_path)
    with agent({"look_seconds": 0.1, "read_seconds": 0.1, "hold_seconds": 6}, root=root) as running:
        good = running.metrics()
        (root / "usr/lib/os-release").rename(root / "gone")
        failing = running.wait_until(lambda found: found["layercensus_read_success"] == 0)
        assert class_in(failing) == "not_applicable"
        assert failing["layercensus_read_timestamp_seconds"] >= good["layercensus_read_timestamp_seconds"]
        kept = failing["layercensus_read_timestamp_seconds"]
        old = running.wait_until(lambda found: class_in(found) == "unknown")
        assert old["layercensus_read_timestamp_seconds"] == kept
        (root / "gone").rename(root / "usr/lib/os-release")
        healed = running.wait_until(lambda found: found["layercensus_read_success"] == 1)
        assert class_in(healed) == "not_applicable"
        assert healed['layercensus_read_errors_total{reason="not_found"}'] > 0
        wait_for(lambda: any("can be read again" in line for line in running.lines) or None)


def test_self_check_says_of_each_assumption_how_it_is(tmp_path: Path) -> None:
    done = run_to_end(root=tmp_path, self_check=True)
    assert done.returncode == 1
    outcomes = {line[:8].strip() for line in done.stdout.splitlines()}
    assert outcomes == {"fails", "unknown", "holds"}
    assert len(done.stdout.splitlines()) == 10


def test_a_preview_of_a_machine_that_is_unknown_says_so(tmp_path: Path) -> None:
    done = run_to_end(root=tmp_path, preview=True)
    assert done.returncode == 1
    assert 'cluster:usage:local_layering_nodes:count{layering="unknown"} is one higher' in done.stdout
