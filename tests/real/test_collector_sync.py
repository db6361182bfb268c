"""The system calls of a collector, as strace sees them: what is synced before an answer, what before a file is removed.

What is checked is that every sync stands where it must for a power loss not to matter; what one would leave of the disk
is tried in `test_collector_power_loss.py`.
"""

import re
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.running import (
    Collector,
    Journal,
    deliver,
    make_keys,
    now_ms,
    read_rows,
    running,
    some_cluster,
    some_snapshot,
    wait_for,
)
from tests.real.prometheus_server import require
from tests.real.system_calls import (
    NO_CONTENT,
    RENAMES,
    SYNCS,
    WRITES,
    Call,
    answers_by_port,
    parse_trace,
    traced_command,
)

pytestmark = [pytest.mark.real, pytest.mark.endurance]


def unkept_answers(calls: Sequence[Call], requests: Mapping[int, Sequence[tuple[bytes, ...]]]) -> list[str]:
    """What is wrong with 204s, nothing is right: each is to follow the sync of what it acknowledges.

    `requests`: port of a sender -> for each of its requests, in order, byte strings that its record holds, one after
    another. All of them were answered by 204.
    """
    found = []
    answers = answers_by_port(calls)
    for port, keys in requests.items():
        seen = answers.get(port, [])
        if len(seen) != len(keys):
            found.append(f"{port}: {len(keys)} requests, {len(seen)} answers were seen")
        found += [
            f"{port}, request {number}, line {answer.began + 1}: {why}"
            for number, (answer, key) in enumerate(zip(seen, keys, strict=False))
            if (why := _why_unkept(calls, answer, key))
        ]
    return found


def _why_unkept(calls: Sequence[Call], answer: Call, key: tuple[bytes, ...]) -> str:
    """What is missing before an answer; empty if nothing is."""
    pattern = re.compile(b".*?".join(map(re.escape, key)), re.DOTALL)
    before = [call for call in calls if call.ended < answer.began and call.held]
    records = [c for c in before if c.name in WRITES and c.opened.startswith("/") and pattern.search(c.data)]
    if not records:
        return "its record was not written before"
    record = records[0]
    syncs = [call for call in before if call.name in SYNCS]
    if not any(
        (call.descriptor, _stem(call.opened)) == (record.descriptor, _stem(record.opened)) and call.began > record.ended
        for call in syncs
    ):
        return f"no sync of {record.opened} after the write"
    # The file's name, the last one it was given before the record went into it.
    named = [call.ended for call in before if call.ended < record.began and _names(call, _stem(record.opened))]
    if not named:
        return f"{record.opened} was not seen to be made"
    folder = str(Path(record.opened).parent)
    if not any(call.opened == folder and call.began > max(named) for call in syncs):
        return f"no sync of the folder of {record.opened}"
    return ""


def _names(call: Call, stem: str) -> bool:
    """Whether a call makes a file, or gives it another name."""
    makes = call.name == "openat" and "O_CREAT" in call.arguments
    return (makes or call.name in RENAMES) and _stem(call.strings[-1].decode()) == stem


def _stem(path: str) -> str:
    """A file of the inbox whatever its name says of its state: the path without what follows the last dot."""
    return path.rpartition(".")[0]


def unsynced_folders(calls: Sequence[Call], inbox: Path) -> list[str]:
    """The inbox and those above it, as far as they were made, whose own name was not synced before the first 204."""
    first = min(call.began for call in calls if call.name in WRITES and call.data.startswith(NO_CONTENT))
    made = {
        call.strings[0].decode(): call.ended
        for call in calls
        if call.name in {"mkdir", "mkdirat"} and call.held and call.ended < first
    }
    syncs = [call for call in calls if call.name in SYNCS and call.held and call.ended < first]
    return [
        str(folder)
        for folder in (inbox, *inbox.parents)
        if str(folder) in made
        and not any(call.opened == str(folder.parent) and made[str(folder)] < call.began for call in syncs)
    ]


def removed_too_early(calls: Sequence[Call]) -> list[str]:
    """Files of the inbox that were removed before a day of the lake was swapped in, after their end, and synced."""
    found = []
    swaps = [call for call in calls if call.held and _renamed(call)[1].endswith("/rows.parquet")]
    for removal in calls:
        path = removal.strings[-1].decode() if removal.name in {"unlink", "unlinkat"} and removal.held else ""
        if not path.endswith(".sealed"):
            continue
        end = max((call.ended for call in calls if _renamed(call)[1] == path), default=-1)
        if not any(
            end < swap.began and swap.ended < removal.began and _is_synced(calls, swap, removal) for swap in swaps
        ):
            found.append(f"line {removal.began + 1}: {path}")
    return found


def _renamed(call: Call) -> tuple[str, str]:
    if call.name not in RENAMES:
        return "", ""
    old, new = (text.decode() for text in call.strings)
    return old, new


def _is_synced(calls: Sequence[Call], swap: Call, removal: Call) -> bool:
    """Whether the new file was synced after its last write, before the swap; the folder between swap and removal."""
    old, new = _renamed(swap)
    writes = [call.ended for call in calls if call.name in WRITES and call.opened == old and call.ended < swap.began]
    syncs = [call for call in calls if call.name in SYNCS and call.held]
    content = any(call.opened == old and max(writes) < call.began and call.ended < swap.began for call in syncs)
    folder = str(Path(new).parent)
    return content and any(
        call.opened == folder and swap.ended < call.began and call.ended < removal.began for call in syncs
    )


# --- the checkers themselves ------------------------------------------------------------------------------------------

TRACE = r"""
7 openat(AT_FDCWD, "/in/7-1.creating", O_WRONLY|O_CREAT|O_EXCL|O_APPEND, 0600) = 5</in/7-1.creating>
7 write(5</in/7-1.creating>, "head", 4) = 4
7 rename("/in/7-1.creating", "/in/7-1.open") = 0
7 openat(AT_FDCWD, "/in", O_RDONLY|O_DIRECTORY) = 6</in>
7 fsync(6</in>)                     = 0
7 close(6</in>)                     = 0
7 write(5</in/7-1.open>, "\x00\x01ONE..at1,TWO..at1", 19) = 19
8 writev(9<TCP:[127.0.0.1:80->127.0.0.1:4003]>, [{iov_base="HTTP/1.1 400 Bad\r\n", iov_len=18}], 1) = 18
7 fdatasync(5</in/7-1.open> <unfinished ...>
8 writev(9<TCP:[127.0.0.1:80->127.0.0.1:4003]>, [{iov_base="HTTP/1.1 503 No\r\n", iov_len=17}], 1 <unfinished ...>
7 <... fdatasync resumed>)          = 0
8 <... writev resumed>)             = 17
8 writev(9<TCP:[127.0.0.1:80->127.0.0.1:4001]>, [{iov_base="\x48TTP/1.1 204 No\r\n", iov_len=17}], 1) = 17
8 writev(9<TCP:[127.0.0.1:80->127.0.0.1:4002]>, [{iov_base="HTTP/1.1 204 No\r\n", iov_len=17}], 1) = 17
7 write(5</in/7-1.open>, "TWO..at2", 8) = 8
7 fdatasync(5</in/7-1.open>)        = 0
8 writev(9<TCP:[127.0.0.1:80->127.0.0.1:4002]>, [{iov_base="HTTP/1.1 204 No\r\n", iov_len=17}], 1) = 17
8 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER} ---
8 close(9<TCP:[127.0.0.1:80]>)      = ?
8 +++ exited with 0 +++
"""
TRACED_REQUESTS = {4001: [(b"ONE", b"at1")], 4002: [(b"TWO", b"at1"), (b"TWO", b"at2")]}
FIRST_SYNC = "7 fdatasync(5</in/7-1.open> <unfinished ...>"
FIRST_SYNCED = "7 <... fdatasync resumed>)          = 0"
FIRST_ANSWER = "8 writev(9<TCP:[127.0.0.1:80->127.0.0.1:4001]>"


def test_the_checker_takes_a_trace_in_which_every_answer_follows_its_sync() -> None:
    assert unkept_answers(parse_trace(TRACE), TRACED_REQUESTS) == []


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        pytest.param(f"{FIRST_SYNC}\n", "", "no sync of /in/7-1.open", id="no-sync"),
        pytest.param(FIRST_SYNCED, f"{FIRST_SYNCED[:-1]}-1 EIO (Input/output error)", "no sync", id="sync-failed"),
        pytest.param(FIRST_SYNCED, f"{FIRST_SYNCED[:-1]}?", "no sync", id="sync-did-not-return"),
        pytest.param(FIRST_SYNC, "7 fdatasync(4</in/7-0.open> <unfinished ...>", "no sync", id="another-file"),
        pytest.param(FIRST_SYNC, "7 fdatasync(6</in/7-1.open> <unfinished ...>", "no sync", id="another-descriptor"),
        pytest.param("7 fdatasync(5</in/7-1.open>)        = 0\n", "", "no sync", id="only-an-older-sync"),
        pytest.param("ONE..at1,", "ANY..at1,", "its record was not written", id="another-record"),
        pytest.param('at1", 19) = 19', 'at1", 19) = 9', "its record was not written", id="a-short-write"),
        pytest.param("7 fsync(6</in>)                     = 0\n", "", "no sync of the folder", id="folder-not-synced"),
        pytest.param("7 fsync(6</in>)", "7 fsync(6</>)", "no sync of the folder", id="another-folder"),
        pytest.param(FIRST_ANSWER, FIRST_ANSWER.replace("writev", "read"), "0 answers", id="no-answer"),
    ],
)
def test_the_checker_rejects_a_trace_in_which_a_sync_is_missing(old: str, new: str, why: str) -> None:
    assert TRACE.count(old) == 1
    trace = TRACE.replace(old, new)
    if FIRST_SYNC not in trace and "fdatasync(4" not in trace and "fdatasync(6" not in trace:
        trace = trace.replace(f"{FIRST_SYNCED}\n", "")
    assert why in " ".join(unkept_answers(parse_trace(trace), TRACED_REQUESTS))


def test_the_checker_rejects_an_answer_between_the_begin_and_the_end_of_its_sync() -> None:
    lines = TRACE.splitlines()
    answer = next(line for line in lines if line.startswith(FIRST_ANSWER))
    lines.remove(answer)
    lines.insert(lines.index(FIRST_SYNC) + 1, answer)
    assert "4001, request 0" in " ".join(unkept_answers(parse_trace("\n".join(lines)), TRACED_REQUESTS))


def test_the_checker_rejects_a_folder_that_was_synced_before_the_file_had_its_name() -> None:
    lines = TRACE.splitlines()
    rename = next(line for line in lines if line.startswith("7 rename"))
    lines.remove(rename)
    lines.insert(next(at for at, line in enumerate(lines) if line.startswith("7 close(6")) + 1, rename)
    assert "no sync of the folder" in " ".join(unkept_answers(parse_trace("\n".join(lines)), TRACED_REQUESTS))


def test_the_checker_rejects_a_folder_that_was_made_and_whose_name_was_not_synced() -> None:
    made = '7 mkdir("/in", 0777) = 0\n'
    calls = parse_trace(made + TRACE)
    assert unsynced_folders(calls, Path("/in")) == ["/in"]
    synced = made + "7 fsync(4</>) = 0\n"
    assert unsynced_folders(parse_trace(synced + TRACE), Path("/in")) == []


REMOVAL = """
7 rename("/in/7-1.open", "/in/7-1.sealed") = 0
9 write(3</lake/.new>, "rows", 4) = 4
9 fsync(4</lake/.new>) = 0
9 rename("/lake/.new", "/lake/rows.parquet") = 0
9 fsync(4</lake>) = 0
9 unlink("/in/7-1.sealed") = 0
"""


def test_the_checker_rejects_a_file_that_is_removed_before_the_lake_is_synced() -> None:
    assert removed_too_early(parse_trace(REMOVAL)) == []
    lines = REMOVAL.strip().splitlines()
    for missing in (2, 3, 4):
        trace = "\n".join(line for number, line in enumerate(lines) if number != missing)
        assert len(removed_too_early(parse_trace(trace))) == 1, trace
    early = [*lines[1:5], lines[0], lines[5]]
    assert len(removed_too_early(parse_trace("\n".join(early)))) == 1


# --- the collector ----------------------------------------------------------------------------------------------------


@dataclass
class Traced:
    """What strace saw of a collector from its start to its end, and what was sent meanwhile."""

    calls: list[Call]
    requests: dict[int, list[tuple[bytes, ...]]]
    collector: Collector
    journal: Journal


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """Five senders, 40 requests each, one after another on one connection each; SIGTERM."""
    folder = tmp_path_factory.mktemp("traced")
    strace, trace = require("strace", "strace"), folder / "trace"

    collector = Collector(
        folder,
        folder / "lake",
        make_keys(folder / "keys.json"),
        wrapped=lambda command: traced_command(command, strace, trace),
    )
    requests: dict[int, list[tuple[bytes, ...]]] = {}
    journal = Journal()
    failed: list[str] = []
    start = now_ms()

    def send(number: int) -> None:
        chance = Random(f"traced {number}")
        cluster = some_cluster(chance)
        with collector.client() as client:
            port = client.own_port
            for count in range(40):
                # No time comes twice, so that none is taken for that of another record.
                snapshot = some_snapshot(chance, cluster, start + number * 1000 + count)
                # A record holds the 16 bytes of the id and times in milliseconds (`fleet/segment.py`).
                key = UUID(cluster).bytes, struct.pack("<q", snapshot.at)
                if deliver(client, journal, snapshot).status == 204:
                    requests.setdefault(port, []).append(key)
                else:
                    failed.append(f"{port}: not taken")
            if client.own_port != port:
                failed.append(f"{port}: not one connection")

    with running(collector):
        threads = [threading.Thread(target=send, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # It has drained at least once, so that files are removed while it runs.
        wait_for(lambda: read_rows(collector.lake), "a row")
        # The tracer is of the same group, so that it has ended too.
        assert collector.stop() == 0
    assert failed == []
    return Traced(parse_trace(trace.read_text()), requests, collector, journal)


def test_every_204_follows_the_sync_of_its_record_and_of_the_folder(traced: Traced) -> None:
    assert sum(map(len, traced.requests.values())) == 200
    assert unkept_answers(traced.calls, traced.requests) == []
    # Many requests shared a sync, so that the order was put to the test.
    syncs = [call for call in traced.calls if call.name in SYNCS and str(traced.collector.inbox) in call.opened]
    assert 0 < len(syncs) < 200


def test_the_same_trace_without_one_sync_is_rejected(traced: Traced) -> None:
    inbox = str(traced.collector.inbox)
    synced = [call for call in traced.calls if call.name in SYNCS and call.opened.startswith(f"{inbox}/")]
    for one in (synced[0], synced[len(synced) // 2], synced[-1]):
        # A file that is synced again later would excuse its earlier requests if the order were not looked at.
        assert unkept_answers([call for call in traced.calls if call is not one], traced.requests) != []


def test_every_folder_made_for_the_inbox_has_its_own_name_synced_before_the_first_204(traced: Traced) -> None:
    assert unsynced_folders(traced.calls, traced.collector.inbox) == []


def test_a_file_of_the_inbox_is_removed_only_after_the_lake_was_synced(traced: Traced) -> None:
    removals = [call for call in traced.calls if "unlink" in call.name and call.strings[-1].endswith(b".sealed")]
    assert removals != []
    assert removed_too_early(traced.calls) == []
    assert traced.journal.faults(read_rows(traced.collector.lake)) == []
