"""A running collector under attack: bodies, heads and floods that want its memory, its time or its connections.

Memory is the peak of the worker's own, time its own CPU seconds; honest senders are asked meanwhile. What is sent here is
bounded by what the attacker pays: a connection, or a token of one cluster.
"""

import resource
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random

import cramjam
import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.http_collector import (
    BODY_BYTES,
    DEADLINE_SECONDS,
    LAYERING,
    MIB,
    Cluster,
    Collector,
    collector,
    compress,
    delimited,
    encode_label,
    encode_sample,
    encode_series,
    grows_less_than,
    junk,
    many_files,
    now_ms,
    open_files,
    read_process,
    varint,
    wait_for,
)

pytestmark = pytest.mark.endurance

HELD_BYTES = 8 * MIB
MOST_GROWTH = 64 * MIB
# Seconds that a head and a body may take, and the second in which it is noticed, on a busy machine.
CUT_OFF_SECONDS = 10.0 + 20.0
# What an honest sender waits at most, on a busy machine; Prometheus waits 30.
HONEST_SECONDS = 10.0
# CPU seconds that one body may cost. It holds all other senders of the worker up for as long.
MOST_CPU_SECONDS = 2.0
TICKS = 100.0
IDLE, OTHER_FILES = 10_000, 200
NODES = "cluster:node_instance_type_count:sum"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collector(tmp_path_factory.mktemp("attacks")) as found:
        yield found


@pytest.fixture
def cluster(running: Collector) -> Cluster:
    return running.new_cluster()


@pytest.fixture
def honest(running: Collector) -> Cluster:
    return running.new_cluster()


@pytest.fixture
def worker(running: Collector) -> int:
    (found,) = running.workers()
    return found


def head(cluster: Cluster | None, *more: str) -> bytes:
    lines = [
        "POST /api/v1/write HTTP/1.1",
        "Host: a",
        "Content-Type: application/x-protobuf",
        "Content-Encoding: snappy",
    ]
    token = [] if cluster is None else [f"Authorization: Bearer {cluster.token}"]
    return "".join(f"{line}\r\n" for line in [*lines, *token, *more, ""]).encode()


def connect(running: Collector, seconds: float = DEADLINE_SECONDS) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.port), seconds)


def send_until_cut_off(
    running: Collector, data: bytes, endless: bytes, seconds: float = CUT_OFF_SECONDS
) -> tuple[int, bytes]:
    """Send `data` and then `endless` again and again, until the other side has closed; bytes sent, and what it said."""
    until = time.monotonic() + seconds
    sent = 0
    with connect(running, seconds) as connection:
        try:
            connection.sendall(data)
            while time.monotonic() < until:
                connection.sendall(endless)
                sent += len(endless)
            pytest.fail(f"it takes {sent / MIB:.0f} MiB in {seconds} seconds and does not close")
        except ConnectionError:
            pass
        said = b""
        with suppress(ConnectionError):
            while chunk := connection.recv(65536):
                said += chunk
    return sent, said


def status_of(said: bytes) -> int | None:
    return int(said.split(b" ", 2)[1]) if said else None


def cpu_seconds(process: int) -> float:
    cells = read_process(process, "stat").rpartition(b")")[2].split()
    return (int(cells[11]) + int(cells[12])) / TICKS


def ask_honestly(running: Collector, honest: Cluster) -> float:
    """A report of an honest cluster on a connection of its own, and its answer; seconds that it took."""
    began = time.monotonic()
    assert running.status(honest.body(), honest.token) == 204
    took = time.monotonic() - began
    assert took < HONEST_SECONDS
    return took


# --- bodies that say one thing and are another


@pytest.mark.parametrize("size", [HELD_BYTES + 1, 2**28, 2**31, 2**32 - 1])
def test_five_bytes_that_declare_gigabytes_allocate_nothing(
    running: Collector, cluster: Cluster, worker: int, size: int
) -> None:
    ask_honestly(running, cluster)
    with grows_less_than(worker, 4 * MIB):
        for _ in range(20):
            assert running.status(varint(size), cluster.token) == 413


@pytest.mark.parametrize(
    "body", [b"\xff" * 5, b"\xff" * 4 + b"\x7f", b"\xff" * 10, b"\x80" * 5 + b"\x01", b"\x80", b"\x05"]
)
def test_a_size_that_is_none_is_refused(running: Collector, cluster: Cluster, body: bytes) -> None:
    assert running.status(body, cluster.token) in {400, 413}


@pytest.mark.parametrize("size", [0, HELD_BYTES - 1, HELD_BYTES, 100])
def test_a_body_that_does_not_hold_what_it_says_is_refused(running: Collector, cluster: Cluster, size: int) -> None:
    _, _, rest = split_size(cluster.body())
    assert running.status(varint(size) + rest, cluster.token) == 400


def split_size(body: bytes) -> tuple[int, int, bytes]:
    """What a block says it holds, where that ends, and the rest."""
    size = 0
    for index, byte in enumerate(body):
        size |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return size, index + 1, body[index + 1 :]
    raise AssertionError


def test_a_bomb_is_refused_above_the_limit_and_bounded_up_to_it(
    running: Collector, cluster: Cluster, worker: int
) -> None:
    with grows_less_than(worker, MOST_GROWTH):
        for size, status in [(HELD_BYTES, 400), (HELD_BYTES + 1, 413), (64 * MIB, 413)]:
            body = compress(bytes(size))
            assert len(body) < 4 * MIB
            found = running.status(body, cluster.token)
            assert found == (413 if len(body) > BODY_BYTES else status)


def test_snappy_of_streams_is_refused(running: Collector, cluster: Cluster) -> None:
    for body in (
        bytes(cramjam.snappy.compress(cluster.series())),
        cluster.series(),
        bytes(cramjam.gzip.compress(cluster.series())),
    ):
        assert running.status(body, cluster.token) in {400, 413}


def padded(cluster: Cluster, size: int) -> bytes:
    """A good body of exactly that many bytes: what it is padded with is a field that nobody knows."""
    noise = Random(1).randbytes(size)
    length = size - 4096
    while True:
        body = compress(cluster.series() + delimited(15, noise[:length]))
        if len(body) == size:
            return body
        length += size - len(body)


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(running: Collector, cluster: Cluster) -> None:
    body = padded(cluster, BODY_BYTES)
    assert running.status(body, cluster.token) == 204
    assert running.status(iter([body[:1000], body[1000:]]), cluster.token) == 204
    over = padded(cluster, BODY_BYTES + 1)
    assert running.status(over, cluster.token) == 413
    with suppress(ConnectionError):
        assert running.status(iter([over]), cluster.token) == 413


@pytest.mark.parametrize("with_token", [True, False])
def test_a_body_with_its_length_is_cut_off_at_the_limit(
    running: Collector, cluster: Cluster, worker: int, with_token: bool
) -> None:
    with grows_less_than(worker, MOST_GROWTH):
        top = head(cluster if with_token else None, f"Content-Length: {2**40}")
        sent, said = send_until_cut_off(running, top, bytes(65536))
    assert status_of(said) in {413, None}
    assert sent < 64 * MIB


@pytest.mark.parametrize("with_token", [True, False])
@pytest.mark.parametrize("size", [1, 1000, 65536])
def test_chunks_without_end_are_cut_off_at_the_limit(
    running: Collector, cluster: Cluster, worker: int, size: int, with_token: bool
) -> None:
    one = b"%x\r\n%s\r\n" % (size, bytes(size))
    with grows_less_than(worker, MOST_GROWTH):
        top = head(cluster if with_token else None, "Transfer-Encoding: chunked")
        sent, said = send_until_cut_off(running, top, one * (65536 // size))
    assert status_of(said) in {413, None}
    assert sent < 64 * MIB


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (b"0\r\nX: ", b"a" * 65536),
        (b"0\r\nX", b"a" * 65536),
        (b"0\r\n", b"X: a value\r\n" * 5000),
        (b"5;name=", b"a" * 65536),
    ],
    ids=["trailer", "name of a trailer", "trailers", "extension"],
)
def test_what_stands_around_chunks_is_bounded(running: Collector, worker: int, start: bytes, endless: bytes) -> None:
    """It needs no token: a request whose head is refused is read on to its end."""
    with grows_less_than(worker, MOST_GROWTH):
        _, said = send_until_cut_off(running, head(None, "Transfer-Encoding: chunked") + start, endless)
    assert status_of(said) in {400, 401, 408, 413, 431, None}


@pytest.mark.parametrize(
    ("data", "endless"),
    [
        (b"GET /", b"a" * 65536),
        (b"GET / HTTP/1.1\r\nA: ", b"a" * 65536),
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n" * 10_000),
        (b"", b"a" * 65536),
    ],
    ids=["target", "header", "headers", "method"],
)
def test_a_head_without_end_is_cut_off(running: Collector, worker: int, data: bytes, endless: bytes) -> None:
    with grows_less_than(worker, MOST_GROWTH):
        sent, said = send_until_cut_off(running, data, endless)
    assert status_of(said) in {400, 431, None}
    assert sent < 64 * MIB


def test_a_body_that_is_shorter_than_it_says_is_cut_off_in_time(running: Collector, cluster: Cluster) -> None:
    body = cluster.body()
    began = time.monotonic()
    said = running.talk(head(cluster, f"Content-Length: {len(body) + 1}") + body, CUT_OFF_SECONDS)
    assert status_of(said) == 408
    assert time.monotonic() - began > 5


def test_a_body_that_is_longer_than_it_says_is_refused_with_what_follows(running: Collector, cluster: Cluster) -> None:
    body = cluster.body()
    said = running.talk(head(cluster, f"Content-Length: {len(body) - 20}") + body, CUT_OFF_SECONDS)
    assert status_of(said) == 400
    assert b"204" not in said


def test_a_sender_that_goes_away_in_the_middle_leaves_nothing(
    running: Collector, cluster: Cluster, honest: Cluster, worker: int
) -> None:
    body = cluster.body()
    before = len(open_files(worker))
    for at in range(0, len(body), 40):
        with connect(running) as connection:
            connection.sendall(head(cluster, f"Content-Length: {len(body)}") + body[:at])
    ask_honestly(running, honest)
    wait_for(lambda: len(open_files(worker)) <= before + 2 or None, "connections that are gone")


# --- protobuf


def test_a_request_cut_off_at_any_byte_is_refused_unless_it_ends_with_a_series(running: Collector) -> None:
    one = running.new_cluster()
    data = one.series()
    ends = {0}
    at = 0
    while at < len(data):
        size, start, _ = split_size(data[at + 1 :])
        at += 1 + start + size
        ends.add(at)
    assert len(ends) == 13
    # Fewer than a cluster may send at once.
    cut = sorted({*ends, *range(1, len(data), len(data) // 150)})
    assert len(cut) < 190
    for stop in cut:
        assert running.status(compress(data[:stop]), one.token) == (204 if stop in ends else 400), stop


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a" + b"\xff" * 9 + b"\x01",
        b"\x0a" + b"\xff" * 10 + b"\x01",
        b"\x0a" + b"\x80" * 10 + b"\x00",
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\xff" * 100,
        b"\x80" * 100,
        b"\x0b" * 100_000,
        b"\x0b" * 50_000 + b"\x0c" * 50_000,
        b"\x0c",
        b"\x00\x00",
        b"\x07\x00",
        b"\x08\x01",
        delimited(1, b"\x08\x01"),
        delimited(1, delimited(2, b"\x08\x01")),
        delimited(1, delimited(2, b"\x10" + b"\xff" * 10 + b"\x01")),
        delimited(1, encode_label(b"\xff\xfe", "a")),
        delimited(1, encode_label("__name__", b"\xff\xfe")),
        delimited(1, encode_label("__name__", b"\xed\xa0\x80")),
        delimited(1, encode_label("", "a")),
        delimited(1, encode_label("__name__", "a") * 2),
    ],
)
def test_what_is_no_request_is_refused(running: Collector, cluster: Cluster, data: bytes) -> None:
    answer = running.write(compress(data), cluster.token)
    assert answer.status == 400, answer.body


def test_labels_nested_a_hundred_thousand_deep_are_a_label(running: Collector, cluster: Cluster) -> None:
    data = b""
    for _ in range(1000):
        data = delimited(1, data)
    assert running.status(compress(data), cluster.token) in {400, 403}


def labels(cluster: Cluster, count: int) -> bytes:
    return delimited(
        1, b"".join([*own_labels(cluster, "junk"), *(encode_label(f"l{number}", "") for number in range(count))])
    )


def own_labels(cluster: Cluster, name: str) -> tuple[bytes, bytes]:
    return encode_label("__name__", name), encode_label("cluster_id", cluster.id)


def many_labels(cluster: Cluster) -> bytes:
    return labels(cluster, 200_000)


def millions_of_labels(cluster: Cluster) -> bytes:
    return delimited(1, b"\x0a\x00" * (4 * MIB - 100))


def series_of_nothing(cluster: Cluster) -> bytes:
    return b"\x0a\x00" * (4 * MIB - 100)


def a_million_series(cluster: Cluster) -> bytes:
    return delimited(1, b"".join(own_labels(cluster, "a"))) * (HELD_BYTES // 70)


def a_name_of_a_mebibyte(cluster: Cluster) -> bytes:
    return encode_series({"__name__": "a" * MIB, "cluster_id": cluster.id}, encode_sample(1, now_ms()))


def a_value_of_a_mebibyte(cluster: Cluster) -> bytes:
    return encode_series({"__name__": "junk", "a": "a" * MIB, "cluster_id": cluster.id}, encode_sample(1, now_ms()))


def fields_that_nobody_knows(cluster: Cluster) -> bytes:
    return b"\x78\x00" * (4 * MIB - 100)


def fields_of_a_series_that_nobody_knows(cluster: Cluster) -> bytes:
    return delimited(1, b"".join(own_labels(cluster, "junk")) + b"\x78\x00" * (4 * MIB - 200))


def exemplars_of_nothing(cluster: Cluster) -> bytes:
    return delimited(1, b"".join(own_labels(cluster, "junk")) + b"\x1a\x00" * (4 * MIB - 200))


def samples_of_nothing(cluster: Cluster) -> bytes:
    return delimited(1, b"".join(own_labels(cluster, "junk")) + b"\x12\x00" * (4 * MIB - 200))


def samples_of_one_series(cluster: Cluster) -> bytes:
    layering = b"".join([*own_labels(cluster, LAYERING), encode_label("layering", "clean")])
    return delimited(1, layering + encode_sample(1, now_ms()) * 400_000)


def the_most_series_that_are_taken(cluster: Cluster) -> bytes:
    one = b"".join(encode_label(f"label_{number}", "a value") for number in range(10))
    sample = encode_sample(1, now_ms())
    return b"".join(
        delimited(1, b"".join(own_labels(cluster, f"j{number}")) + one + sample) for number in range(20_000)
    )


@pytest.mark.parametrize(
    "make",
    [
        many_labels, millions_of_labels, series_of_nothing, a_million_series, a_name_of_a_mebibyte,
        a_value_of_a_mebibyte, fields_that_nobody_knows, fields_of_a_series_that_nobody_knows, exemplars_of_nothing,
        samples_of_nothing, samples_of_one_series, the_most_series_that_are_taken,
    ],
)  # fmt: skip
def test_a_body_within_the_limits_costs_bounded_memory_and_time(
    running: Collector, cluster: Cluster, worker: int, make: Callable[[Cluster], bytes]
) -> None:
    data = make(cluster)
    body = compress(data)
    assert len(data) <= HELD_BYTES
    assert len(body) <= BODY_BYTES
    before = cpu_seconds(worker)
    with grows_less_than(worker, MOST_GROWTH):
        assert running.status(body, cluster.token) in {204, 400, 413}
    assert cpu_seconds(worker) - before < MOST_CPU_SECONDS


@pytest.mark.parametrize("make", [a_million_series, many_labels, a_name_of_a_mebibyte, a_value_of_a_mebibyte])
def test_what_is_beyond_the_limits_of_a_series_is_refused(
    running: Collector, cluster: Cluster, make: Callable[[Cluster], bytes]
) -> None:
    answer = running.write(compress(make(cluster)), cluster.token)
    assert answer.status == 400
    # What it says repeats nothing of the request.
    assert len(answer.body) < 100


def test_a_body_that_takes_all_it_may_holds_no_honest_sender_up(
    running: Collector, cluster: Cluster, honest: Cluster
) -> None:
    body = compress(fields_that_nobody_knows(cluster))
    threads = [threading.Thread(target=running.status, args=(body, cluster.token)) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        ask_honestly(running, honest)
    finally:
        for thread in threads:
            thread.join(DEADLINE_SECONDS)


# --- senders by the thousand


@contextmanager
def crowd(running: Collector, count: int, data: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this, and go on with nothing."""
    with many_files(), ExitStack() as stack:
        found = []
        for _ in range(count):
            found.append(stack.enter_context(connect(running)))
            if data:
                found[-1].sendall(data)
        yield found


def dribble(connections: list[socket.socket], byte: bytes, running: Collector, honest: Cluster) -> float:
    """Send a byte on each now and then, and ask honestly meanwhile, until all are closed; seconds that it took."""
    began = time.monotonic()
    with selectors.DefaultSelector() as watched:
        for connection in connections:
            connection.settimeout(0)
            watched.register(connection, selectors.EVENT_READ)
        until = began + CUT_OFF_SECONDS + DEADLINE_SECONDS
        while watched.get_map() and time.monotonic() < until:
            ask_honestly(running, honest)
            for key, _ in watched.select(0):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                try:
                    closed = not sock.recv(4096)
                except BlockingIOError:
                    closed = False
                except ConnectionError:
                    closed = True
                if closed:
                    watched.unregister(sock)
            for left in list(watched.get_map().values()):
                assert isinstance(left.fileobj, socket.socket)
                with suppress(OSError):
                    left.fileobj.send(byte)
            time.sleep(1)
        assert not watched.get_map()
    return time.monotonic() - began


def test_a_thousand_slow_bodies_are_closed_in_time_and_keep_no_honest_sender_out(
    running: Collector, cluster: Cluster, honest: Cluster, worker: int
) -> None:
    with grows_less_than(worker, MOST_GROWTH), crowd(running, 1000, head(cluster, "Content-Length: 1000")) as slow:
        dribble(slow, b"a", running, honest)


def test_a_thousand_slow_heads_are_closed_in_time_and_keep_no_honest_sender_out(
    running: Collector, honest: Cluster, worker: int
) -> None:
    with grows_less_than(worker, MOST_GROWTH), crowd(running, 1000, b"POST /api/v1/write HTTP/1.1\r\nA: ") as slow:
        dribble(slow, b"a", running, honest)


def test_a_thousand_slow_bodies_without_a_token_are_closed_in_time(
    running: Collector, honest: Cluster, worker: int
) -> None:
    with grows_less_than(worker, MOST_GROWTH), crowd(running, 1000, head(None, "Content-Length: 1000")) as slow:
        dribble(slow, b"a", running, honest)


def test_ten_thousand_idle_connections_keep_no_honest_sender_out(
    running: Collector, cluster: Cluster, honest: Cluster, worker: int
) -> None:
    """The collector was started with the usual soft limit of 1024 open files: it raises it by itself."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < IDLE + OTHER_FILES:
        pytest.skip(f"NOT CHECKED: the hard limit of open files is below {IDLE + OTHER_FILES}")
    assert soft_limit(running.process.pid) == 1024
    assert soft_limit(worker) > IDLE
    with grows_less_than(worker, MOST_GROWTH), crowd(running, IDLE, b"") as idle:
        wait_for(lambda: len(open_files(worker)) >= IDLE or None, "all of them")
        for _ in range(5):
            ask_honestly(running, honest)
        # They are taken still.
        body = cluster.body()
        for connection in (idle[0], idle[IDLE // 2], idle[-1]):
            connection.sendall(head(cluster, f"Content-Length: {len(body)}") + body)
            assert status_of(connection.recv(4096)) == 204
    wait_for(lambda: len(open_files(worker)) < 100 or None, "connections that are gone")


def soft_limit(process: int) -> int:
    (line,) = (
        line for line in read_process(process, "limits").decode().splitlines() if line.startswith("Max open files")
    )
    return int(line.split()[3])


def test_it_ends_in_time_however_many_are_connected(tmp_path: Path) -> None:
    with collector(tmp_path) as found:
        one = found.new_cluster()
        with crowd(found, 500, b"POST /api/v1/write HTTP/1.1\r\n"), crowd(found, 500, b""):
            ask_honestly(found, one)
            began = time.monotonic()
            assert found.stop() == 0
            assert time.monotonic() - began < 30
        assert found.row_of(one.id) is not None


# --- senders that do not listen


def test_answers_that_nobody_reads_are_bounded(running: Collector, honest: Cluster, worker: int) -> None:
    """It needs no token, and an answer is longer than what asks for it."""
    many = memoryview(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * 4000)
    with grows_less_than(worker, MOST_GROWTH), connect(running) as connection:
        connection.settimeout(0)
        until = time.monotonic() + 10
        at = 0
        while time.monotonic() < until:
            try:
                at = (at + connection.send(many[at:])) % len(many)
            except BlockingIOError:
                time.sleep(0.001)
            except ConnectionError:
                break
    ask_honestly(running, honest)


def test_a_connection_of_one_who_does_not_read_ends_all_the_same(tmp_path: Path) -> None:
    """It is closed with answers that wait to be read: the end of a connection must not wait for that."""
    with collector(tmp_path) as found:
        (process,) = found.workers()
        # What was asked at the start is gone by then.
        time.sleep(1)
        before = len(open_files(process))
        with connect(found, 5) as connection:
            wait_for(lambda: len(open_files(process)) == before + 1 or None, "the connection")
            with suppress(OSError):
                for _ in range(50):
                    connection.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * 5000)
                # This is no HTTP, and closes it.
                connection.sendall(b"\x00" * 64)
            wait_for(lambda: len(open_files(process)) <= before or None, "its end")


# --- floods of one cluster


def test_junk_series_are_dropped_and_counted_in_bounded_memory(tmp_path: Path) -> None:
    with collector(tmp_path) as found:
        one, other = found.new_cluster(), found.new_cluster()
        (process,) = found.workers()
        ask_honestly(found, other)
        with grows_less_than(process, MOST_GROWTH), grows_less_than(found.drain(), MOST_GROWTH):
            for first in range(0, 100_000, 10_000):
                assert found.status(compress(junk(one.id, first, 10_000)), one.token) == 204
                ask_honestly(found, other)
        found.wait_for_counts({'samples_dropped_total{reason="not_in_contract"}': 100_000})


def long_junk(cluster: Cluster, series: int, turn: str = "") -> bytes:
    """Series that no contract lists, each with 120 KiB of labels."""
    long = {f"label_{number}": "x" * 2040 for number in range(58)}
    sample = encode_sample(1, now_ms())
    return b"".join(
        encode_series({"__name__": "junk", "cluster_id": cluster.id, "a": f"{turn} {number}", **long}, sample)
        for number in range(series)
    )


@pytest.mark.parametrize("form", ["junk alone", "beside good series"])
def test_what_is_remembered_of_series_and_requests_is_bounded_by_its_bytes(tmp_path: Path, form: str) -> None:
    """Of thirty clusters, since a large body counts for many requests of one."""
    with collector(tmp_path) as found:
        other = found.new_cluster()
        clusters = [found.new_cluster() for _ in range(30)]
        (process,) = found.workers()
        ask_honestly(found, other)
        # The drain holds a whole file of the inbox while it reads it.
        with grows_less_than(process, MOST_GROWTH), grows_less_than(found.drain(), 2 * MOST_GROWTH):
            for turn, cluster in enumerate(clusters):
                if form == "junk alone":
                    data = long_junk(cluster, 65, f"{turn}")
                else:
                    # The same junk each time, and a request of another kind.
                    odd = encode_series(
                        {"__name__": "k" * (turn + 1), "cluster_id": cluster.id}, encode_sample(1, now_ms())
                    )
                    data = long_junk(cluster, 60) + cluster.series() + odd
                assert len(data) <= HELD_BYTES
                assert found.status(compress(data), cluster.token) == 204
        ask_honestly(found, other)


def test_series_of_the_contract_that_are_told_apart_by_other_labels_are_bounded(tmp_path: Path) -> None:
    """Counts of nodes are summed over labels that are not kept: nobody has so many."""
    with collector(tmp_path) as found:
        one, other = found.new_cluster(), found.new_cluster()
        (process,) = found.workers()
        # The drain holds a whole file of the inbox while it reads it.
        with grows_less_than(process, MOST_GROWTH), grows_less_than(found.drain(), 2 * MOST_GROWTH):
            for turn in range(12):
                series = (
                    encode_series(
                        {
                            "__name__": NODES,
                            "cluster_id": one.id,
                            "label_node_openshift_io_os_id": "rhcos",
                            "a": f"{turn} {number}",
                        },
                        encode_sample(1, now_ms()),
                    )
                    for number in range(10_000)
                )
                assert found.status(compress(b"".join(series)), one.token) in {204, 400, 413, 429}
            ask_honestly(found, other)
            # The drain looks each three seconds.
            time.sleep(6)
        assert found.stop() == 0
        assert found.row_of(other.id) is not None


def test_who_floods_is_told_to_come_back_and_others_are_served(
    running: Collector, cluster: Cluster, honest: Cluster
) -> None:
    body = cluster.body()
    connection = running.connect()
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "Authorization": f"Bearer {cluster.token}",
    }
    found: list[int] = []
    try:
        while 429 not in found and len(found) < 20_000:
            connection.request("POST", "/api/v1/write", body, headers)
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        connection.close()
    assert set(found) == {204, 429}
    assert found.count(204) >= 100
    ask_honestly(running, honest)

    def again() -> bool | None:
        return running.status(body, cluster.token) == 204 or None

    # It is taken again once it has waited.
    wait_for(again, "its turn")


def test_what_is_refused_for_its_rate_is_counted(tmp_path: Path) -> None:
    with collector(tmp_path) as found:
        one = found.new_cluster()
        assert 429 in {found.status(b"", one.token) for _ in range(400)}
        wait_for(lambda: found.metrics().get('refused_total{reason="rate"}', 0) >= 1 or None, "the count")


@pytest.mark.parametrize("by", ["tokens", "blanks", "letters"])
def test_a_cluster_has_one_rate_however_it_says_who_it_is(
    running: Collector, cluster: Cluster, worker: int, by: str
) -> None:
    """As many tokens as it was given, and as many ways as there are to write one of them."""
    if by == "tokens":
        many = [
            f"Bearer {token}"
            for token in (cluster.token, *(running.new_token(cluster.id, days) for days in range(1, 10)))
        ]
    elif by == "blanks":
        many = [f"Bearer{' ' * number}{cluster.token}" for number in range(1, 200)]
    else:
        many = [
            f"{word}{' ' * blanks}{cluster.token}" for word in ("Bearer", "bearer", "BEARER") for blanks in (1, 2, 3)
        ]
    found = {running.status(b"", None, {"Authorization": many[number % len(many)]}) for number in range(1500)}
    assert 429 in found
