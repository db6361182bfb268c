"""The report page of a collector: when it is made, what becomes of what fails, and how it is answered."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from layercensus.cli import main as run_command
from layercensus.commands.page import PageOfLake, page_day
from layercensus.errors import LakeError
from layercensus.fleet.connection import Connection
from layercensus.fleet.counts import shared_counts
from layercensus.fleet.exchange import Request, Times
from layercensus.fleet.health import Health, History
from layercensus.fleet.page_answers import PageAnswers
from layercensus.fleet.page_maker import MadePage, PageDoor, PageMaker
from layercensus.fleet.refusal import Refusal
from layercensus.lake.engine import Engine, read_engine

NOON = 1_772_625_600.0


class StubCounts:
    """Counts in plain numbers."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()

    def add(self, name: str, label: str = "", amount: int = 1) -> None:
        self.counted[name] += amount

    def set(self, name: str, value: float) -> None:
        self.counted[name] = int(value)

    def flush(self) -> None:
        pass


class StubLake:
    """A lake whose page says how often it was made; `fails` and `changed_at` are set by the test."""

    def __init__(self) -> None:
        self.made: list[Health] = []
        self.fails: Exception | None = None
        self.changed_at: float | None = None

    def make(self, health: Health) -> MadePage | None:
        if self.fails:
            raise self.fails
        if self.changed_at is None:
            return None
        self.made.append(health)
        return MadePage(f"page {len(self.made)}", "default-src 'none'")

    def rows_changed_at(self) -> float | None:
        return self.changed_at


@pytest.fixture
def folder() -> Iterator[Path]:
    with shared_counts() as found:
        yield found


@pytest.fixture
def lake() -> StubLake:
    return StubLake()


@pytest.fixture
def maker(folder: Path, lake: StubLake, tmp_path: Path) -> PageMaker:
    counts = StubCounts()
    found = PageMaker(PageDoor(lake.make, lake.rows_changed_at), tmp_path, folder, counts)  # type: ignore[arg-type]
    found.begin()
    return found


def counted(maker: PageMaker) -> dict[str, int]:
    return dict(maker.counts.counted)  # type: ignore[attr-defined]


def shown(folder: Path) -> str | None:
    try:
        return gzip.decompress((folder / "page").read_bytes().partition(b"\n")[2]).decode()
    except FileNotFoundError:
        return None


def test_the_first_page_comes_with_the_first_rows_and_others_in_turn(
    maker: PageMaker, lake: StubLake, folder: Path
) -> None:
    maker.look(NOON)
    assert shown(folder) is None
    lake.changed_at = NOON + 1
    maker.look(NOON + 2)
    assert shown(folder) == "page 1"
    maker.look(NOON + 4)
    lake.changed_at = NOON + 5
    maker.look(NOON + 6)
    assert shown(folder) == "page 1"
    maker.look(NOON + 33)
    assert shown(folder) == "page 2"
    # Nothing changed: still one each five minutes, which says how old the rows are.
    maker.look(NOON + 200)
    assert shown(folder) == "page 2"
    maker.look(NOON + 334)
    assert shown(folder) == "page 3"
    assert lake.made[-1].newest_row_seconds == 329
    assert counted(maker)["pages_made_total"] == 3


def test_what_fails_leaves_the_last_page_and_is_said_once(
    maker: PageMaker, lake: StubLake, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake.changed_at = NOON
    maker.look(NOON)
    lake.fails = LakeError("this file is damaged", "rows.parquet")
    for minutes in (6, 12, 18):
        maker.look(NOON + minutes * 60)
    assert shown(folder) == "page 1"
    lake.fails = None
    maker.look(NOON + 24 * 60)
    assert shown(folder) == "page 2"
    assert counted(maker)["pages_failed_total"] == 3
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["page_not_made", "page_made_again"]


def test_a_bug_that_ends_the_process_is_counted_by_the_next(
    maker: PageMaker, lake: StubLake, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake.changed_at, lake.fails = NOON, ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        maker.look(NOON)
    again = PageMaker(maker.door, tmp_path, folder, StubCounts())  # type: ignore[arg-type]
    again.begin()
    assert counted(again)["pages_failed_total"] == 1
    assert json.loads(capsys.readouterr().err)["event"] == "page_not_made"


def test_health_is_of_the_last_hour() -> None:
    history = History()
    taken, refused = ("requests_total", "204"), ("refused_total", "token")

    def look(minutes: int, count: float, more: float) -> Health:
        totals = {taken: count, refused: more, ("drains", ""): 1.0, ("lake_lag_seconds", ""): 4.0}
        return history.health(totals, NOON + minutes * 60, waiting_files=2, rows_changed_at=NOON)

    assert (look(0, 10, 1).accepted, look(30, 25, 1).accepted) == (0, 15)
    last = look(80, 100, 4)
    assert (last.accepted, last.refused, last.period_seconds) == (75, (("token", 3),), 3000.0)
    assert (last.waiting_files, last.drain_seconds, last.newest_row_seconds) == (2, 4.0, 4800.0)
    assert History().health({}, NOON, waiting_files=None, rows_changed_at=None).drain_seconds is None


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        # 2026-03-08 is a Sunday.
        ([], None),
        (["2026-03-03", "2026-03-11"], "2026-03-08"),
        # A Sunday that is not over, and no row of a week before.
        (["2026-03-03", "2026-03-08"], "2026-03-08"),
        (["2026-02-27", "2026-03-08"], "2026-03-01"),
        (["2026-03-08", "2026-03-09"], "2026-03-08"),
        (["2026-03-10", "2026-03-12"], "2026-03-12"),
    ],
)
def test_weeks_are_published_once_they_are_over(days: list[str], expected: str | None) -> None:
    assert page_day(days) == expected


def write_page(folder: Path, html: str) -> None:
    (folder / "page").write_bytes(b'{"policy": "default-src \'none\'"}\n' + gzip.compress(html.encode()))


def ask(answers: PageAnswers, **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    head, _, body = answers.answer(Request(b"GET", b"/", named)).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def test_a_page_is_answered_plain_packed_or_not_again(tmp_path: Path) -> None:
    answers = PageAnswers(tmp_path)
    answers.look()
    status, headers, body = ask(answers)
    assert (status, headers["cache-control"]) == (503, "no-store")
    assert b"No report yet" in body
    write_page(tmp_path, "<p>ä</p>")
    answers.look()
    status, headers, body = ask(answers)
    assert (status, body.decode()) == (200, "<p>ä</p>")
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-cache")
    tag = headers["etag"]
    status, headers, body = ask(answers, accept_encoding="br, gzip;q=0.5")
    assert (status, gzip.decompress(body).decode(), headers["content-encoding"]) == (200, "<p>ä</p>", "gzip")
    assert "content-encoding" not in ask(answers, accept_encoding="gzip;q=0")[1]
    for known in (tag, f'"other", W/{tag}', "*"):
        status, headers, body = ask(answers, if_none_match=known)
        assert (status, body) == (304, b"")
        assert "content-length" not in headers
    assert ask(answers, if_none_match='"other"')[0] == 200
    # Half a file is no page: the last one stays.
    (tmp_path / "page").write_bytes(b"{}")
    answers.look()
    assert ask(answers)[2].decode() == "<p>ä</p>"


class SlowTransport:
    """Takes bytes into a buffer, and tells the connection to pause as asyncio does."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.buffer = b""
        self.most = 0
        self.is_open = True

    def write(self, data: bytes) -> None:
        self.buffer += bytes(data)
        self.most = max(self.most, len(self.buffer))
        if len(self.buffer) >= 65536:
            self.connection.pause_writing()

    def take(self) -> bytes:
        taken, self.buffer = self.buffer, b""
        self.connection.resume_writing()
        return taken

    def get_write_buffer_size(self) -> int:
        return len(self.buffer)

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        self.is_open = False

    def abort(self) -> None:
        self.is_open = False


class BigTaker:
    """Answers everything with two megabytes."""

    most_body_bytes = 0
    most_connections = 10

    def greet(self, request: Request) -> bytes:
        return request.target

    def take(self, request: Request, body: bytes, reply: object) -> None:
        reply(b"x" * 2_000_000 + request.target)  # type: ignore[operator]

    def refuse(self, refusal: Refusal) -> bytes:
        return refusal.detail.encode()


def test_who_reads_slowly_is_sent_a_page_piece_by_piece() -> None:
    connection = Connection(BigTaker(), set())
    transport = SlowTransport(connection)
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.data_received(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    assert transport.is_open
    found = b""
    while part := transport.take():
        connection.sweep(connection.since + 1, Times())
        found += part
    assert found == b"x" * 2_000_000 + b"/1" + b"x" * 2_000_000 + b"/2"
    assert transport.most < 3 * 65536
    assert not transport.is_open


def test_a_published_page_asks_the_lake_once_while_its_days_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["simulate", "--clusters", "200", "--days", "20", "--seed", "4", "--lake", str(tmp_path / "made")]
    assert run_command(arguments) == 0
    asked = []

    def count_and_read(lake: Path) -> AbstractContextManager[Engine]:
        asked.append(lake)
        return read_engine(lake)

    monkeypatch.setattr("layercensus.lake.engine.read_engine", count_and_read)
    make = PageOfLake(tmp_path / "made", 10)
    health = History().health({}, NOON, waiting_files=0, rows_changed_at=None)
    first, again = make(health), make(health)
    assert first is not None
    assert (first, len(asked)) == (again, 1)
    newest = max((tmp_path / "made" / "rows").glob("day=*/rows.parquet"))
    newest.touch()
    make(health)
    assert len(asked) == 1
    # One of the week that is shown.
    min((tmp_path / "made" / "rows").glob("day=*/rows.parquet")).touch()
    make(health)
    assert len(asked) == 2
    assert make(health) is not None
    whole = PageOfLake(tmp_path / "made", None)(health)
    assert whole is not None
    assert "Made to be published" in first.html
    assert "Made to be published" not in whole.html
    assert PageOfLake(tmp_path / "nothing", 10)(health) is None
