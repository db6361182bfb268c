"""Whole documents: what is recognised, several hosts in one, and the bytes that files and pipes bring."""

import json
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from layercensus.classify.census import classify
from layercensus.host.captures import read_captures
from layercensus.host.documents.document import parse_document
from layercensus.model import Census, Layering, Machine, Readability, Skipped

Deployment = Callable[..., dict[str, Any]]
Status = Callable[..., str]


def layerings(text: str) -> list[str]:
    return [classify(machine).booted.layering.value for machine in parse_document(text, "paste")]


@pytest.mark.parametrize(
    "text", ["", "\n", "hello", "{}", "[]", "null", "{", "deployments", "\x00", "State:", "●", "* "]
)
def test_what_is_no_status_is_one_unknown_machine_with_the_reason(text: str) -> None:
    machines = list(parse_document(text, "x"))
    assert len(machines) == 1
    assert machines[0].input == "x"
    assert machines[0].readability is Readability.UNKNOWN
    assert machines[0].problems


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda text: text.rstrip()[:-1], "cut"),
        (lambda text: text[: len(text) // 2], "cut"),
        (lambda text: text.replace('"pinned": false,', '"pinned": false,,'), "JSON"),
        (lambda text: text.replace("[]", "[,]"), "JSON"),
        (lambda text: text.replace('"transaction": null', '"transaction": null,}'), "JSON"),
        (lambda text: text.replace('"serial": 0', '"serial": ' + "9" * 5000), "number"),
    ],
)
def test_json_that_is_none_says_what_is_wrong(
    damage: Callable[[str], str], word: str, deployment: Deployment, status: Status, census_of: Callable[..., Census]
) -> None:
    census = census_of(damage(status(deployment())))
    assert census.booted.layering is Layering.UNKNOWN
    assert any(word in problem for problem in census.problems)


@pytest.mark.parametrize("depth", [500, 100_000])
def test_nesting_without_end_is_no_crash(depth: int) -> None:
    text = '{"deployments": ' + "[" * depth + "]" * depth + "}"
    machines = list(parse_document(text, "x"))
    assert [machine.readability for machine in machines] == [Readability.UNKNOWN]


@pytest.mark.parametrize(
    "tail", ["", "\n", "sh-4.4# ", "\n[core@node ~]$ exit\n", " trailing garbage", "\n\nreal\t0m0.05s\n"]
)
@pytest.mark.parametrize("head", ["", "[core@node ~]$ rpm-ostree status --json\n", "Starting pod/x-debug ...\n\n"])
def test_prompts_and_chatter_around_json(head: str, tail: str, deployment: Deployment, status: Status) -> None:
    text = status(deployment(repo=["htop"])).rstrip("\n")
    assert layerings(f"{head}{text}{tail}") == ["packages"]


@pytest.mark.parametrize("between", ["\n", "", " ", "\n# node-2\n", "\n\n"])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_of_several_hosts_behind_one_another(
    between: str, indent: int | None, deployment: Deployment, status: Status
) -> None:
    """`cat` of files without a final newline puts `}{` on one line."""
    first = status(deployment(), indent=indent).rstrip("\n")
    second = status(deployment(repo=["htop"]), indent=indent)
    machines = list(parse_document(first + between + second, "all"))
    assert [machine.input for machine in machines] == ["all#1", "all#2"]
    assert layerings(first + between + second) == ["clean", "packages"]


def test_a_host_as_json_and_one_as_text_in_one_paste(deployment: Deployment, status: Status) -> None:
    text = (
        "State: idle\nDeployments:\n● fedora:fedora/x86_64/coreos/stable\n"
        "                  Version: 38.20231014.3.0 (2023-10-30T00:00:00Z)\n          LayeredPackages: htop\n"
    )
    assert sorted(layerings(f"{status(deployment())}\n{text}")) == ["clean", "packages"]


def test_a_broken_document_does_not_hide_the_next_host(deployment: Deployment, status: Status) -> None:
    broken = status(deployment()).replace('"staged": false,', '"staged": false,,')
    assert layerings(f"{broken}{status(deployment(repo=['htop']))}") == ["unknown", "packages"]


def test_an_answer_of_jsonpath_in_an_array_is_read_or_unknown(deployment: Deployment, status: Status) -> None:
    """`rpm-ostree status -J '$'` wraps the document in an array."""
    text = json.dumps([json.loads(status(deployment(repo=["htop"])))], indent=2)
    assert set(layerings(text)) <= {"packages", "unknown"}


def test_the_order_of_keys_means_nothing(deployment: Deployment, status: Status) -> None:
    entry = deployment(repo=["htop"], removed=["git-core"])
    backwards = dict(reversed(entry.items()))
    one, other = (next(parse_document(status(e), "x")) for e in (entry, backwards))
    assert one == other


ENCODINGS = {
    "UTF-8": lambda text: text.encode(),
    "UTF-8 with BOM": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16 as PowerShell writes it": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "UTF-16 big-endian": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "UTF-8 with a byte that is none": lambda text: text.encode() + b"\xe9\n",
}
TEXT = (
    "State: idle\nDeployments:\n● fedora:fedora/x86_64/coreos/stable\n"
    "                  Version: 38.20231014.3.0 (2023-10-30T00:00:00Z)\n          LayeredPackages: htop\n"
)


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("form", ["json", "text"])
def test_bytes_of_a_file_and_of_standard_input(
    encode: Callable[[str], bytes], form: str, tmp_path: Path, deployment: Deployment, status: Status
) -> None:
    content = encode(status(deployment(repo=["htop"])) if form == "json" else TEXT)
    path = tmp_path / "capture"
    path.write_bytes(content)
    for source in (str(path), "-"):
        (machine,) = read_captures([source], BytesIO(content))
        assert isinstance(machine, Machine)
        assert machine.input == source
        assert classify(machine).booted.layering is Layering.PACKAGES


def test_a_folder_is_read_in_name_order_and_the_rest_is_skipped_with_a_reason(
    tmp_path: Path, deployment: Deployment, status: Status
) -> None:
    for name in ("b.json", "a.json", "sub/c.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(status(deployment()), encoding="utf-8")
    (tmp_path / "notes.txt").write_text("what I did", encoding="utf-8")
    items = list(read_captures([str(tmp_path)], BytesIO()))
    machines = [item.input for item in items if isinstance(item, Machine)]
    skipped = [(item.input, bool(item.reason)) for item in items if isinstance(item, Skipped)]
    assert machines == [f"{tmp_path}/{name}" for name in ("a.json", "b.json", "sub/c.json")]
    assert skipped == [(f"{tmp_path}/notes.txt", True)]


def test_one_path_always_yields_a_machine(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("what I did", encoding="utf-8")
    (tmp_path / "empty").touch()
    for name in ("notes.txt", "empty", "missing", "notes.txt/below"):
        (machine,) = read_captures([str(tmp_path / name)], BytesIO())
        assert isinstance(machine, Machine)
        assert machine.readability is Readability.UNKNOWN
        assert machine.problems


LONG_SURROUNDINGS = {
    "chatter of 10,000 lines": "some log line\n" * 10_000,
    "3,000 lines blotted out": "...\n" * 3_000,
    "10,000 marks": "● x\n" * 10_000,
}


@pytest.mark.parametrize("surroundings", LONG_SURROUNDINGS.values(), ids=LONG_SURROUNDINGS)
def test_time_grows_with_the_length_of_a_paste_and_not_with_its_square(surroundings: str) -> None:
    """A must-gather's log has 100,000 lines and more; a second is ten times what a linear reader needs for these."""
    started = time.process_time()
    list(parse_document(f"{TEXT}\n{surroundings}", "log"))
    assert time.process_time() - started < 1.0


def test_time_grows_with_the_number_of_broken_objects_and_the_rest_is_said_to_be_unread(
    deployment: Deployment, status: Status
) -> None:
    """Each is looked for from the beginning to say its line; a host behind very many of them is none that is clean."""
    started = time.process_time()
    machines = list(parse_document('"deployments":\n' + "{\n" * 100_000 + status(deployment()), "paste"))
    assert time.process_time() - started < 1.0
    assert len(machines) == 1001
    assert {machine.readability for machine in machines} == {Readability.UNKNOWN}
    assert "what follows was not read" in machines[-1].problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "Permission denied\n",
        "bash: /usr/bin/rpm-ostree: Permission denied\n",
        "core@worker-3: Permission denied (publickey,gssapi-keyex,gssapi-with-mic).\n",
        "Permission denied, please try again.\ncore@10.0.0.7: Permission denied (publickey).\n",
        "Host key verification failed.\n",
        "ssh: connect to host worker-3 port 22: No route to host\n",
        "sudo: a password is required\n",
        "Starting pod/worker-3-debug ...\nPermission denied",
    ],
)
def test_a_command_that_was_not_let_in_is_an_unknown_machine_of_a_folder(text: str, tmp_path: Path) -> None:
    (tmp_path / "worker-3.json").write_text(text, encoding="utf-8")
    (machine,) = read_captures([str(tmp_path)], BytesIO())
    assert isinstance(machine, Machine)
    assert classify(machine).booted.layering is Layering.UNKNOWN
    assert "not let in" in machine.problems[0] or "could not be run" in machine.problems[0]


def test_a_long_text_that_speaks_of_it_is_no_machine(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("Permission denied\nmeans that …\n" + "words\n" * 1000, encoding="utf-8")
    item, folder = read_captures([str(tmp_path)], BytesIO())
    assert isinstance(item, Skipped)
    assert folder == Skipped(str(tmp_path), "holds no host document", lost=True)


def test_words_of_a_shell_below_a_status_make_no_second_machine(deployment: Deployment, status: Status) -> None:
    assert layerings(f"{status(deployment())}\nPermission denied\n") == ["clean"]
    assert len(layerings(f"{TEXT}\nPermission denied\n")) == 1
