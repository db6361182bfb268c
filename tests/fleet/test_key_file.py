"""The file of keys: whatever is in it or in its place is said in one line, and who changes it at once loses nothing."""

import base64
import errno
import json
import math
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import A, B

from layercensus.cli import main
from layercensus.errors import Fault, FleetError
from layercensus.fleet.key_file import change_keys, read_keys, read_or_make_keys, with_new_key
from layercensus.fleet.tokens import Keys, check_bearer, issue_token, read_token, revoke_tokens

SOURCE = Path(__file__).parents[2] / "src"
AT = 1_764_072_000
KEY, OTHER, SECRET = (base64.b64encode(bytes([byte]) * 32).decode() for byte in b"kop")
DOCUMENT: Mapping[str, Any] = {
    "schema": "layercensus/keys/v1",
    "newest": "k2",
    "keys": {"k1": KEY, "k2": OTHER},
    "pseudonym_key": SECRET,
    "revoked": {A: AT},
}
KEYS = Keys({"k1": b"k" * 32, "k2": b"o" * 32}, "k2", b"p" * 32, {A: AT})


def file_of(folder: Path, content: object) -> Path:
    """A file of keys with this in it: bytes, or what becomes JSON."""
    path = folder / "keys.json"
    path.unlink(missing_ok=True)
    path.touch(0o600)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in DOCUMENT.items() if key != name}


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """What `layercensus token` exits with and prints."""
    status = main(["token", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


# What is in it


def test_a_file_of_keys_is_read(tmp_path: Path) -> None:
    assert read_keys(file_of(tmp_path, DOCUMENT)) == KEYS


def test_what_was_made_is_read_and_changed(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made, is_new = read_or_make_keys(path)
    assert is_new
    assert read_or_make_keys(path) == (made, False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (list(made.keys), made.newest, len(made.keys["k1"]), len(made.pseudonym_key)) == (["k1"], "k1", 32, 32)
    assert made.keys["k1"] != made.pseudonym_key
    changed = change_keys(path, with_new_key)
    assert read_keys(path) == changed
    assert (list(changed.keys), changed.newest, changed.keys["k1"]) == (["k1", "k2"], "k2", made.keys["k1"])
    assert names_in(tmp_path) == [".keys.json.lock", "keys.json"]


def numbered(text: str) -> bytes:
    """The document with this in place of the time of a revocation."""
    return json.dumps(DOCUMENT).replace(str(AT), text).encode()


DAMAGED: Mapping[str, object] = {
    "nothing": b"",
    "no JSON": b"{",
    "a null": b"null",
    "a number": b"7",
    "a word": b'"x"',
    "a list": [DOCUMENT],
    "an object": {},
    "more than one": json.dumps(DOCUMENT).encode() * 2,
    "no ASCII": json.dumps({**DOCUMENT, "x": "é"}, ensure_ascii=False).encode(),
    "UTF-16": json.dumps(DOCUMENT).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(DOCUMENT).encode(),
    "NUL": b"\0" * 100,
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"keys":' * 100_000,
    "deep inside": json.dumps({**DOCUMENT, "revoked": 7})[:-2].encode() + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "17 MiB": json.dumps(DOCUMENT).encode() + b" " * 17 * 1024 * 1024,
    **{f"no {name}": without(name) for name in DOCUMENT},
    **{f"{name} is {value!r}": {**DOCUMENT, name: value} for name in DOCUMENT for value in (
        None, True, 7, 1.5, "x", "", [], ["k2"], [["k2", KEY]], {"k2": 1}, {"k2": [KEY]}, {"k2": None},
    )},
    "another version": {**DOCUMENT, "schema": "layercensus/keys/v2"},
    "no keys in it": {**DOCUMENT, "keys": {}},
    "the newest is none of them": {**DOCUMENT, "newest": "k3"},
    "a key that is no base64": {**DOCUMENT, "keys": {"k2": "!" * 44}},
    "a key that is no ASCII": {**DOCUMENT, "keys": {"k2": "é" * 44}},
    "a key of 31 bytes": {**DOCUMENT, "keys": {"k2": base64.b64encode(b"k" * 31).decode()}},
    "an older key of 31 bytes": {**DOCUMENT, "keys": {"k2": KEY, "k1": base64.b64encode(b"k" * 31).decode()}},
    "an older key that is a list": {**DOCUMENT, "keys": {"k2": KEY, "k1": [KEY]}},
    "an id without a letter": {**DOCUMENT, "keys": {"k2": KEY, "": KEY}},
    "an id that is no ASCII": {**DOCUMENT, "keys": {"k2": KEY, "k\u00b2": KEY}},
    "an id of 65 letters": {**DOCUMENT, "keys": {"k2": KEY, "k" * 65: KEY}},
    "an id of 5000 digits": {**DOCUMENT, "keys": {"k2": KEY, "k" + "9" * 5000: KEY}},
    "a pseudonym key of 31 bytes": {**DOCUMENT, "pseudonym_key": base64.b64encode(b"k" * 31).decode()},
    "what was revoked is no cluster": {**DOCUMENT, "revoked": {"cluster-1": AT}},
    "a cluster that was revoked twice": {**DOCUMENT, "revoked": {A: AT, A.upper(): 1}},
    **{f"revoked at {text}": numbered(text) for text in (
        "Infinity", "-Infinity", "NaN", "1e999", "1.5", "17e8", "true", "false", "null", '"1764072000"', "[]", "{}", "-1",
        "9223372036854775808", "9" * 4300, "9" * 5000,
    )},
}  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_file_of_keys_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object
) -> None:
    path = file_of(tmp_path, content)
    before = path.read_bytes()
    with pytest.raises(FleetError) as caught:
        read_keys(path)
    assert caught.value.fault is Fault.INPUT
    line = f"layercensus: {path}: this is no file of keys; name the file that token made\n"
    for arguments in (["--cluster-id", A], ["--cluster-id", A, "--new-key"], ["--revoke", A]):
        assert said(capsys, "--keys", path, *arguments) == (1, "", line)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["keys.json"]


@pytest.mark.parametrize("text", ["0", "1764072001", "9223372036854775806"])
def test_a_time_of_a_revocation_is_a_whole_number(tmp_path: Path, text: str) -> None:
    path = file_of(tmp_path, numbered(text))
    assert read_keys(path).revoked == {A: int(text)}
    later = change_keys(path, lambda keys: revoke_tokens(keys, UUID(A), AT))
    assert read_keys(path) == later
    assert later.revoked[A] == max(AT, int(text) + 1)


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    path = file_of(tmp_path, numbered("9223372036854775807"))
    before = path.read_bytes()
    with pytest.raises(FleetError):
        change_keys(path, lambda keys: revoke_tokens(keys, UUID(A), AT))
    assert path.read_bytes() == before


# What any document may be

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
    | st.sampled_from([math.inf, math.nan, 10**400, KEY, A, B, "k1", "k2", "layercensus/keys/v1"])
)  # fmt: skip
NAMES = st.sampled_from([*DOCUMENT, "k1", "k2", "k\u00b2", "k" + "9" * 60, A, B, A.upper(), "urn:uuid:" + A]) | st.text(
    max_size=4
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


def places_of(value: object) -> list[list[Any]]:
    """Ways to everything in a document, as keys and indexes."""
    found: list[list[Any]] = [[]]
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += [[key, *rest] for rest in places_of(inner)]
    return found


@st.composite
def all_keys(draw: st.DrawFn) -> Keys:
    """Any keys that a file may hold."""
    secrets = st.binary(min_size=32, max_size=40)
    ids = st.from_regex(r"k[0-9]{1,3}", fullmatch=True) | st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64
    )
    keys = draw(st.dictionaries(ids, secrets, min_size=1, max_size=3))
    revoked = draw(st.dictionaries(st.uuids().map(str), st.integers(0, 2**63 - 1), max_size=3))
    return Keys(keys, draw(st.sampled_from(sorted(keys))), draw(secrets), revoked)


def document_of(keys: Keys) -> dict[str, Any]:
    return {
        "schema": "layercensus/keys/v1",
        "newest": keys.newest,
        "keys": {name: base64.b64encode(key).decode() for name, key in keys.keys.items()},
        "pseudonym_key": base64.b64encode(keys.pseudonym_key).decode(),
        "revoked": dict(keys.revoked),
    }


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A file of keys after some changes of what is in it, and perhaps of its bytes."""
    found: Any = document_of(draw(all_keys()))
    for _ in range(draw(st.integers(0, 3))):
        way = draw(st.sampled_from(places_of(found)))
        if not way:
            found = draw(st.just(found) | VALUES)
            continue
        inside = found
        for key in way[:-1]:
            inside = inside[key]
        change = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if change == "remove":
            del inside[way[-1]]
        elif change == "add" and isinstance(inside, dict):
            inside[draw(NAMES)] = draw(VALUES | st.just(inside[way[-1]]))
        else:
            inside[way[-1]] = draw(VALUES)
    data = json.dumps(found, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    return data


def read_or_refused(path: Path) -> Keys | None:
    try:
        return read_keys(path)
    except FleetError as error:
        found = error
    assert (found.where, found.fault) == (str(path), Fault.INPUT)
    return None


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(all_keys())
def test_any_keys_are_read_as_they_are(tmp_path: Path, keys: Keys) -> None:
    assert read_keys(file_of(tmp_path, document_of(keys))) == keys


@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(documents())
def test_any_document_is_keys_that_can_be_used_or_it_is_refused(tmp_path: Path, data: bytes) -> None:
    path = file_of(tmp_path, data)
    keys = read_or_refused(path)
    if keys is None:
        return
    assert all(type(name) is str and type(key) is bytes and len(key) >= 32 for name, key in keys.keys.items())
    assert type(keys.pseudonym_key) is bytes
    assert len(keys.pseudonym_key) >= 32
    assert all(str(UUID(cluster)) == cluster and type(when) is int for cluster, when in keys.revoked.items())
    bearer = read_token(issue_token(keys, UUID(B), AT, 1), keys)
    check_bearer(bearer, keys, AT)
    assert bearer.cluster_id == B
    for change in (with_new_key, lambda keys: revoke_tokens(keys, UUID(A), AT)):
        before = path.read_bytes()
        try:
            changed = change_keys(path, change)
        except FleetError:
            # A name or a time that is the last of all.
            assert path.read_bytes() == before
        else:
            assert read_keys(path) == changed


# What is in its place


def no_keys(path: Path) -> str:
    return f"layercensus: {path}: no keys are there; make them: layercensus token --keys FILE --cluster-id UUID\n"


def not_written(path: Path, why: str) -> str:
    return f"layercensus: {path}: cannot be written: {why}; check the folder, its permissions and the free space\n"


def no_file(path: Path) -> str:
    return f"layercensus: {path}: this is no file of keys; name the file that token made\n"


def not_read(path: Path, why: str) -> str:
    return f"layercensus: {path}: cannot be read: {why}; name a file that this user may read: --keys\n"


def assert_said(
    capsys: pytest.CaptureFixture[str], path: Path, make: tuple[int, str], change: tuple[int, str] | None = None
) -> None:
    """What is said where keys are to be read or made, and where they are to be changed."""
    for arguments in (["--cluster-id", A], ["--cluster-id", A, "--new-key"]):
        assert said(capsys, "--keys", path, *arguments) == (make[0], "", make[1])
    status, line = change or make
    assert said(capsys, "--keys", path, "--revoke", A) == (status, "", line)


def test_below_what_is_no_folder_there_are_no_keys_and_none_can_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("/dev/null/keys.json")
    assert_said(capsys, path, (1, not_written(path, "Not a directory")), (2, no_keys(path)))


def test_in_a_folder_that_is_not_there_no_keys_are_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none" / "keys.json"
    assert_said(capsys, path, (1, not_written(path, "No such file or directory")), (2, no_keys(path)))
    assert names_in(tmp_path) == []


def test_a_name_may_be_too_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / ("k" * 250)
    why = "File name too long"
    assert_said(capsys, path, (1, not_written(path, why)), (2, no_keys(path)))
    path = tmp_path / ("k" * 300)
    assert_said(capsys, path, (1, not_written(path, why)), (1, not_read(path, why)))


def test_a_folder_or_a_device_is_no_file_of_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (tmp_path, Path("/"), Path(), Path(".."), Path("/dev/null"), Path("/dev/zero")):
        assert_said(capsys, path, (1, no_file(path)))
    assert names_in(tmp_path) == []


def test_a_pipe_is_no_file_of_keys_and_nobody_is_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    done = subprocess.run(
        [sys.executable, "-m", "layercensus", "token", "--keys", str(pipe), "--cluster-id", A],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (1, "", no_file(pipe))


def test_a_link_that_leads_nowhere_is_not_followed_nor_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it should lead to may be on a disk that is not there yet: other keys in its place would be none of ours."""
    path = tmp_path / "keys.json"
    path.symlink_to(tmp_path / "gone")
    line = f"layercensus: {path}: no keys are there: this is a link that leads nowhere; name the file itself\n"
    assert_said(capsys, path, (2, line))
    assert names_in(tmp_path) == ["keys.json"]


def test_a_link_to_itself_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys.json"
    path.symlink_to(path)
    assert_said(capsys, path, (1, not_read(path, "Too many levels of symbolic links")))


def test_keys_behind_a_link_are_changed_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    path, link = file_of(tmp_path / "real", DOCUMENT), tmp_path / "links" / "keys"
    link.symlink_to("../real/keys.json")
    changed = change_keys(link, with_new_key)
    assert link.is_symlink()
    assert read_keys(path) == read_keys(link) == changed
    assert names_in(tmp_path / "links") == ["keys"]


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o620, 0o660, 0o777])
def test_keys_that_others_may_read_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: int) -> None:
    path = file_of(tmp_path, DOCUMENT)
    path.chmod(mode)
    line = f"layercensus: {path}: others may read the keys, or the group write them; chmod 600 {path}\n"
    assert_said(capsys, path, (1, line))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_who_could_read_the_keys_still_can(tmp_path: Path, mode: int) -> None:
    path = file_of(tmp_path, DOCUMENT)
    path.chmod(mode)
    for _ in range(2):
        change_keys(path, with_new_key)
        assert stat.S_IMODE(path.stat().st_mode) == mode | 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_keys_that_root_changes_stay_their_owners(tmp_path: Path) -> None:
    path = file_of(tmp_path, DOCUMENT)
    os.chown(path, 65534, 65533)
    change_keys(path, with_new_key)
    for one in (path, tmp_path / ".keys.json.lock"):
        assert (one.stat().st_uid, one.stat().st_gid, stat.S_IMODE(one.stat().st_mode)) == (65534, 65533, 0o600)


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path: Path) -> None:
    path = file_of(tmp_path, DOCUMENT)
    (tmp_path / ".keys.json.writing").write_text("half of")
    (tmp_path / ".keys.json.lock").touch()
    assert read_keys(path) == KEYS
    changed = change_keys(path, with_new_key)
    assert read_keys(path) == changed
    assert names_in(tmp_path) == [".keys.json.lock", "keys.json"]


def test_on_a_full_disk_the_keys_stay_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, DOCUMENT)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    line = not_written(path, "No space left on device")
    assert said(capsys, "--keys", path, "--revoke", A) == (1, "", line)
    assert said(capsys, "--keys", path, "--cluster-id", A, "--new-key") == (1, "", line)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == [".keys.json.lock", "keys.json"]


def nobody(warm: Path, *runs: Sequence[object]) -> list[tuple[int, str]]:
    """What `layercensus token` exits with and says on standard error in a process without privilege, run by run."""
    # The first run loads every module: the interpreter itself may be in a folder that is closed to others.
    code = (
        "import contextlib, io, json, os, sys; from layercensus.cli import main;"
        f"main(['token', '--keys', {str(warm)!r}, '--cluster-id', {A!r}]);"
        "os.geteuid() or (os.setgid(65534), os.setuid(65534));"
        "found = [];\n"
        "for run in json.loads(sys.argv[1]):\n"
        "    with contextlib.redirect_stderr(io.StringIO()) as said:\n"
        "        found.append((main(['token', *run]), said.getvalue()))\n"
        "print(json.dumps(found))"
    )
    runs_of = [[str(argument) for argument in run] for run in runs]
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(runs_of)],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    return [(status, text) for status, text in json.loads(done.stdout.splitlines()[-1])]


def test_without_permission_it_is_said_and_a_folder_that_is_read_only_is_enough_for_a_token() -> None:
    """As a secret is shown to a pod."""
    with tempfile.TemporaryDirectory() as name:
        shut, seen, closed = (Path(name, one) for one in ("shut", "seen", "closed"))
        for folder in (shut, seen, closed):
            folder.mkdir()
            file_of(folder, DOCUMENT)
        if os.geteuid() == 0:
            os.chown(seen / "keys.json", 65534, 65534)
        (shut / "keys.json").chmod(0)
        for folder, mode in ((Path(name), 0o755), (seen, 0o555), (closed, 0)):
            folder.chmod(mode)
        try:
            found = nobody(
                Path(name, "warm"),
                *(["--keys", folder / "keys.json", *arguments]
                  for folder in (shut, seen, closed) for arguments in (["--cluster-id", A], ["--revoke", A])),
                ["--keys", seen / "others.json", "--cluster-id", A],
            )  # fmt: skip
        finally:
            for folder in (seen, closed):
                folder.chmod(0o755)
        assert names_in(seen) == ["keys.json"]
    denied = "Permission denied"
    unread = [not_read(folder / "keys.json", denied) for folder in (shut, closed)]
    assert found == [
        (1, unread[0]),
        (1, unread[0]),
        (0, ""),
        (1, not_written(seen / "keys.json", denied)),
        (1, not_written(closed / "keys.json", denied)),
        (1, unread[1]),
        (1, not_written(seen / "others.json", denied)),
    ]


# Several at once


def run_together(folder: Path, scripts: Sequence[Sequence[Sequence[str]]], look: Callable[[], object]) -> list[Any]:
    """Real processes that each run `layercensus token` some times, all from the same instant; what they printed."""
    go = folder / "go"
    code = (
        "import json, os, sys, time; from layercensus.cli import main; import layercensus.commands.token\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.0005)\n"
        "for run in json.loads(sys.argv[2]):\n"
        "    if status := main(['token', *run]): sys.exit(status)"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(go), json.dumps(script)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )
        for script in scripts
    ]  # fmt: skip
    for process in running:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
    go.touch()
    while any(process.poll() is None for process in running):
        look()
        time.sleep(0.001)
    printed = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * len(running), printed
    return printed


def test_of_several_that_change_the_keys_at_once_none_is_lost(tmp_path: Path) -> None:
    """Four revoke, four make new keys, each ten times, by two names of the file; and it can be read at any time."""
    path, link = tmp_path / "keys.json", tmp_path / "link"
    first, _ = read_or_make_keys(path)
    link.symlink_to(path)
    ids = [str(uuid5(UUID(A), f"{number}")) for number in range(80)]
    revoking = [
        [["--keys", str(name), "--revoke", one] for one in ids[start : start + 10]]
        for start, name in zip(range(0, 40, 10), (path, link, path, link), strict=True)
    ]
    making = [
        [["--keys", str(name), "--cluster-id", one, "--new-key"] for one in ids[start : start + 10]]
        for start, name in zip(range(40, 80, 10), (path, link, path, link), strict=True)
    ]
    printed = run_together(tmp_path, [*revoking, *making], lambda: read_keys(path))
    keys = read_keys(path)
    assert keys.revoked.keys() == set(ids[:40])
    assert keys.keys.keys() == {f"k{number}" for number in range(1, 42)}
    assert (keys.newest, keys.keys["k1"], keys.pseudonym_key) == ("k41", first.keys["k1"], first.pseudonym_key)
    tokens = [token for out, _ in printed for token in out.splitlines()]
    assert [read_token(token, keys).cluster_id for token in tokens] == ids[40:]
    assert link.is_symlink()


@pytest.mark.parametrize("options", [[], ["--new-key"]])
def test_of_several_that_make_the_file_at_once_one_makes_it(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "keys.json"
    ids = [str(uuid5(UUID(A), f"{number}")) for number in range(8)]
    printed = run_together(
        tmp_path, [[["--keys", str(path), "--cluster-id", one, *options]] for one in ids], lambda: None
    )
    keys = read_keys(path)
    assert len(keys.keys) == (8 if options else 1)
    assert sum("was made" in error for _, error in printed) == 1
    assert [read_token(out.strip(), keys).cluster_id for out, _ in printed] == ids
