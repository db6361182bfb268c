"""`layercensus import --prometheus` as a program: exit codes, what it says, and stores that real ones cannot be made into."""

import contextlib
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.stored import Memory, Stored, counts, version
from tests.fleet.stub_store import Answering, Reply, failure, replies_of, stub_store, success
from tests.fleet.wire import DAY, HOUR, LAYERING, MINUTE, A, B

from layercensus.cli import main

DONE, PARTIAL, USAGE = 0, 1, 2
# The program's clock stands still here: no midnight comes between two commands of a test.
NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)
TODAY = NOW.date()
# The first instant of today, in milliseconds.
MIDNIGHT = int(datetime.combine(TODAY, datetime.min.time(), UTC).timestamp()) * 1000
TOKEN = "eyJhbGciOi.secret-of-mine"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def run(*arguments: str | Path) -> Ran:
    shown, said = io.BytesIO(), io.BytesIO()
    out, err = io.TextIOWrapper(shown, "utf-8"), io.TextIOWrapper(said, "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["import", *map(str, arguments)])
    out.flush()
    err.flush()
    assert "bug" not in said.getvalue().decode()
    return Ran(code, shown.getvalue().decode(), said.getvalue().decode())


class StoppedClock(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(NOW.timestamp(), tz)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layercensus.cli.datetime", StoppedClock)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("layercensus.fleet.store.time.sleep", lambda _: None)


def import_from(url: str, lake: Path, *options: str) -> Ran:
    return run("--prometheus", url, "--lake", lake, *options)


def import_answers(answer: Answering, lake: Path, *options: str) -> Ran:
    with stub_store(answer) as stub:
        return import_from(stub.url, lake, *options)


def rows(lake: Path) -> list[dict[str, Any]]:
    files = sorted(str(path) for path in lake.glob("rows/*/rows.parquet"))
    if not files:
        return []
    relation = duckdb.connect().read_parquet(files)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def steady(days: int, who: str = A) -> list[Stored]:
    """A cluster with one snapshot at noon of each of the last whole days; as many clean nodes as the day is back."""
    return [
        one
        for back in range(1, days + 1)
        for one in (
            *counts(LAYERING, who, MIDNIGHT - back * DAY + 12 * HOUR, back, 0, 0, 1, 0),
            version(who, MIDNIGHT - back * DAY + 12 * HOUR - MINUTE, "4.14.30"),
        )
    ]


def test_thirty_whole_days_are_the_default(tmp_path: Path) -> None:
    ran = import_answers(replies_of(Memory(steady(40))), tmp_path / "lake")
    assert (ran.code, ran.err) == (DONE, "")
    found = rows(tmp_path / "lake")
    assert [row["nodes_clean"] for row in found] == list(range(30, 0, -1))
    assert found[-1]["day"] == TODAY - timedelta(days=1)
    assert ran.out.startswith(f"1 cluster, 30 rows (30 layercensus) into {tmp_path}/lake, days {found[0]['day']} to ")
    assert "in UTC, by the cluster's own clock" in ran.out


def test_since_and_until_are_days_of_utc_both_ends_included(tmp_path: Path) -> None:
    since, until = TODAY - timedelta(days=6), TODAY - timedelta(days=4)
    memory = Memory(steady(10))
    ran = import_answers(replies_of(memory), tmp_path / "lake", "--since", str(since), "--until", str(until))
    assert ran.code == DONE
    assert [row["nodes_clean"] for row in rows(tmp_path / "lake")] == [6, 5, 4]


def test_today_is_partial_said_and_asked_for_again(tmp_path: Path) -> None:
    now = int(NOW.timestamp() * 1000)
    memory = Memory(
        [*steady(1), *counts(LAYERING, A, now - 1000, 7, 0, 0, 0, 0), *counts(LAYERING, A, now + HOUR, 9, 0, 0, 0, 0)]
    )
    options = ("--since", str(TODAY - timedelta(days=1)), "--until", str(TODAY))
    with stub_store(replies_of(memory)) as stub:
        ran = import_from(stub.url, tmp_path / "lake", *options)
        assert ran.code == DONE
        assert [row["nodes_clean"] for row in rows(tmp_path / "lake")] == [1, 7]
        assert re.search(rf"not over, or for less than three hours: .*{TODAY}, asked for again next time", ran.out)
        memory.samples += counts(LAYERING, A, now - 1, 8, 0, 0, 0, 0)
        assert import_from(stub.url, tmp_path / "lake", *options).code == DONE
        assert [row["nodes_clean"] for row in rows(tmp_path / "lake")] == [1, 8]


def test_a_day_that_is_in_the_lake_is_not_asked_for_again_unless_told(tmp_path: Path) -> None:
    memory = Memory(steady(5))
    options = ("--since", str(TODAY - timedelta(days=5)))
    until = str(TODAY - timedelta(days=3))
    with stub_store(replies_of(memory)) as stub:
        assert import_from(stub.url, tmp_path / "lake", *options, "--until", until).code == DONE
        before = rows(tmp_path / "lake")
        # Late samples of a day that is in the lake.
        memory.samples += counts(LAYERING, A, MIDNIGHT - 4 * DAY - MINUTE, 99, 0, 0, 0, 0)
        ran = import_from(f"{stub.url}/", tmp_path / "lake", *options, "--until", str(TODAY - timedelta(days=2)))
        assert "in the lake already: 3 days, not asked for again (--again does)\n" in ran.out
        assert rows(tmp_path / "lake")[:3] == before
        assert import_from(stub.url, tmp_path / "lake", *options, "--again").code == DONE
        assert [row["nodes_clean"] for row in rows(tmp_path / "lake")][:1] == [99]


def test_an_import_beside_a_collector_changes_no_row_of_the_same_instant(tmp_path: Path) -> None:
    """The same snapshot, once received and once stored: the one that says when it was received stays."""
    from layercensus.lake.storage import write_rows
    from layercensus.model import Row

    day, at = TODAY - timedelta(days=1), MIDNIGHT - DAY + 12 * HOUR
    instant = datetime.fromtimestamp(at / 1000, tz=UTC).isoformat()
    nodes = {"clean": 1, "extensions": 0, "overrides": 0, "packages": 1, "unknown": 0}
    received = Row(
        str(day),
        A,
        "layercensus",
        "4.14",
        "4.14.30",
        "AWS",
        nodes,
        skew_seconds=1.5,
        observed_at=instant,
        received_at=instant,
    )
    write_rows(tmp_path / "lake", [received])
    before = rows(tmp_path / "lake")
    assert import_answers(replies_of(Memory(steady(1))), tmp_path / "lake").code == DONE
    assert rows(tmp_path / "lake") == before


def test_a_warning_is_shown_and_the_day_is_asked_for_again(tmp_path: Path) -> None:
    memory = Memory(steady(2), warnings=("receive series from Addr: store-1 LabelSets:\nrow", "and \u202e more"))
    with stub_store(replies_of(memory)) as stub:
        ran = import_from(stub.url, tmp_path / "lake", "--since", str(TODAY - timedelta(days=2)))
        assert ran.code == PARTIAL
        assert ran.err.count("a part may be missing: receive series from Addr: store-1 LabelSets: row\n") == 1
        assert "and <U+202E> more" in ran.err
        assert len(rows(tmp_path / "lake")) == 2
        memory.warnings = ()
        ran = import_from(stub.url, tmp_path / "lake", "--since", str(TODAY - timedelta(days=2)))
        assert (ran.code, "already" in ran.out) == (DONE, False)


def test_many_warnings_are_counted(tmp_path: Path) -> None:
    memory = Memory(steady(1), warnings=tuple(f"store {number} is down" for number in range(9)))
    ran = import_answers(replies_of(memory), tmp_path / "lake")
    assert ran.err.count("the store warns") == 5
    assert "and 4 other warnings\n" in ran.err


def test_no_partial_answer_is_asked_for(tmp_path: Path) -> None:
    memory = Memory(steady(1))
    import_answers(replies_of(memory), tmp_path / "lake")
    assert memory.asked
    for _, parameters in memory.asked:
        assert parameters["partial_response"] == "false"
        assert parameters["deny_partial_response"] == "1"
        assert parameters["max_source_resolution"] == "0s"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply(body=b"<html>Log in</html>", headers={"Content-Type": "text/html"}), "none of the API of Prometheus"),
        (Reply(302, headers={"Location": "https://login.example.com/"}), "sends on to https://login.example.com/"),
        (failure(401), "--bearer-token-file"),
        (failure(403), "may not read"),
        (failure(404), "base address"),
        (failure(500, "internal", "disk"), "answers 500: disk"),
        (failure(422, "execution", "too many"), "answers 422: too many"),
        (success({"resultType": "matrix", "result": []}), "gives no list of values"),
        (Reply(body=b'{"status":"success","data":["6f'), "ends before it is whole"),
    ],
)  # fmt: skip
def test_a_store_that_does_not_answer_leaves_an_empty_lake(reply: Reply, says: str, tmp_path: Path) -> None:
    ran = import_answers(lambda *_: reply, tmp_path / "lake")
    assert (ran.code, ran.out) == (PARTIAL, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert rows(tmp_path / "lake") == []
    assert not (tmp_path / "lake" / "imports").exists()


def test_nothing_found_is_no_success(tmp_path: Path) -> None:
    ran = import_answers(replies_of(Memory()), tmp_path / "lake")
    assert (ran.code, ran.out) == (PARTIAL, "")
    assert "no complete snapshot of a cluster was found" in ran.err
    # A day without rows is not put down: the store may have been asked in the wrong way.
    assert not (tmp_path / "lake" / "imports").exists()


def after(number: int, answer: Answering, then: Reply) -> Answering:
    """The first requests are answered; the others get a reply that is always the same."""
    asked = iter(range(10**6))
    return lambda path, parameters: answer(path, parameters) if next(asked) < number else then


@pytest.mark.parametrize(
    "then", [failure(500), failure(422, "execution"), Reply(body=b"<html>"), Reply(body=b'{"status"')]
)
@pytest.mark.parametrize("number", [7, 30, 44])
def test_an_import_that_stops_goes_on_and_ends_in_the_same_rows(number: int, then: Reply, tmp_path: Path) -> None:
    memory = Memory([*steady(5), *steady(5, B)])
    options = ("--since", str(TODAY - timedelta(days=5)))
    with stub_store(replies_of(memory)) as stub:
        import_from(stub.url, tmp_path / "whole", *options)
    answers = [after(number, replies_of(memory), then)]

    def answer(path: str, parameters: dict[str, str]) -> Reply | Callable[[Any], None]:
        return answers[0](path, parameters)

    with stub_store(answer) as stub:
        ran = import_from(stub.url, tmp_path / "lake", *options)
        assert ran.code == PARTIAL
        assert len(rows(tmp_path / "lake")) in {0, 2, 4, 6, 8}
        answers[0] = replies_of(memory)
        assert import_from(stub.url, tmp_path / "lake", *options).code == DONE
    assert rows(tmp_path / "lake") == rows(tmp_path / "whole")
    assert len(rows(tmp_path / "whole")) == 10


def test_what_strangers_wrote_is_shown_and_breaks_no_line(tmp_path: Path) -> None:
    hostile = "\n1 cluster, 99 rows\x1b[2J"
    ran = import_answers(
        replies_of(Memory([*steady(1), *counts(LAYERING, hostile, MIDNIGHT - HOUR, 1, 0, 0, 0, 0)])), tmp_path / "lake"
    )
    assert ran.code == DONE
    assert "1 value of cluster_id, no id of a cluster: <U+000A>1 cluster, 99 rows<U+001B>[2J\n" in ran.out


def test_the_token_is_in_no_output_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    headers: list[str] = []
    with stub_store(replies_of(Memory(steady(1)))) as stub:
        ran = import_from(stub.url, tmp_path / "lake", "--bearer-token-file", str(tmp_path / "token"))
        headers += [found["Authorization"] for _, found in stub.asked]
    assert set(headers) == {f"Bearer {TOKEN}"}
    failed = import_answers(lambda *_: failure(403), tmp_path / "other", "--bearer-token-file", str(tmp_path / "token"))
    for text in (ran.out, ran.err, failed.out, failed.err):
        assert TOKEN not in text
    assert not [
        path for path in (tmp_path / "lake").rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]


def test_a_token_in_the_clear_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setattr("layercensus.commands.import_prometheus.is_private", lambda _: False)
    ran = import_answers(
        replies_of(Memory(steady(1))), tmp_path / "lake", "--bearer-token-file", str(tmp_path / "token")
    )
    assert "no https: the token travels in the clear" in ran.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "neither PATH nor --prometheus"),
        (["captures", "--prometheus", "http://x"], "both PATH and --prometheus"),
        (["--prometheus", "http://x", "--release", "4.14"], "--release: goes with PATH"),
        (["captures", "--since", "2026-01-01"], "--since: goes with --prometheus"),
        (["captures", "--until", "2026-01-01"], "--until: goes with --prometheus"),
        (["captures", "--cluster-label", "_id"], "--cluster-label: goes with --prometheus"),
        (["captures", "--ca-file", "x"], "--ca-file: goes with --prometheus"),
        (["captures", "--bearer-token-file", "x"], "--bearer-token-file: goes with --prometheus"),
        (["captures", "--again"], "--again: goes with --prometheus"),
        (["--prometheus", ""], "is empty"),
        (["--prometheus", "host:9090"], "is no address"),
        (["--prometheus", "http://x", "--cluster-label", "a-b"], "no name of a label"),
        (["--prometheus", "http://x", "--cluster-label", 'a"b'], "no name of a label"),
        (["--prometheus", "http://x", "--cluster-id", "1"], "no UUID"),
        (["--prometheus", "http://x", "--since", "yesterday"], "no day"),
        (["--prometheus", "http://x", "--since", "2026-01-02", "--until", "2026-01-01"], "is after"),
        (["--prometheus", "http://x", "--until", "2999-01-01"], "has not begun"),
        (["--prometheus", "http://x", "--ca-file", "/nowhere"], "cannot be read"),
    ],
)  # fmt: skip
def test_wrong_usage_is_said_before_anything_is_made(options: list[str], says: str, tmp_path: Path) -> None:
    ran = run(*options, "--lake", tmp_path / "lake")
    assert (ran.code, ran.out) == (USAGE, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "lake").exists()


def test_the_record_says_what_it_is_of(tmp_path: Path) -> None:
    with stub_store(replies_of(Memory(steady(1)))) as stub:
        import_from(stub.url, tmp_path / "lake", "--cluster-id", B)
        (record,) = (tmp_path / "lake" / "imports").iterdir()
        value = json.loads(record.read_text())
        assert value == {
            "schema": "layercensus/import/v1", "store": stub.url, "cluster_label": "cluster_id", "cluster_id": B,
            "days": {str(TODAY - timedelta(days=1)): 1},
        }  # fmt: skip
