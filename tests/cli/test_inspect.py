"""`python -m layercensus inspect`: exit codes of the design (part 5), one-line errors, inputs of every sort, hostile names."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from layercensus.cli import main

DONE, PARTIAL, USAGE, LAYERED = 0, 1, 2, 3
TEXT = "State: idle\nDeployments:\n* fedora:fedora/x86_64/coreos/stable\n                  Version: 38.1.1 (2023-10-30T00:00:00Z)\n"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def machines(self) -> dict[str, str]:
        """Layering by input, of a JSON output."""
        return {machine["input"]: machine["layering"] for machine in json.loads(self.out)["machines"]}

    @property
    def skipped(self) -> dict[str, str]:
        return {item["input"]: item["reason"] for item in json.loads(self.out)["skipped"]}


def inspect(*arguments: str | Path) -> Ran:
    """In this process: fast."""
    shown, said = io.BytesIO(), io.BytesIO()
    out, err = io.TextIOWrapper(shown, "utf-8"), io.TextIOWrapper(said, "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["inspect", *map(str, arguments)])
    out.flush()
    err.flush()
    return Ran(code, shown.getvalue().decode(), said.getvalue().decode())


def run(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, **environment: str) -> Ran:
    """The real program, with standard input, folder and environment of its own."""
    command = [sys.executable, "-m", "layercensus", "inspect", *map(str, arguments)]
    done = subprocess.run(
        command, input=stdin, capture_output=True, timeout=30, check=False, cwd=cwd, env=os.environ | environment
    )
    ran = Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    assert "Traceback" not in ran.err
    return ran


@pytest.fixture
def captures(tmp_path: Path, deployment: Callable[..., dict[str, Any]], status: Callable[..., str]) -> Path:
    folder = tmp_path / "captures"
    folder.mkdir()
    documents: dict[str, dict[str, Any]] = {
        "clean": {},
        "extensions": {"repo": ["usbguard"]},
        "overrides": {"removed": ["git-core"]},
        "packages": {"repo": ["htop"]},
        "unknown": {"booted": False},
    }
    for name, keys in documents.items():
        (folder / f"{name}.json").write_text(status(deployment(**keys)), encoding="utf-8")
    return folder


EXITS: list[tuple[Sequence[str], Sequence[str], int]] = [
    (["clean"], [], DONE),
    (["extensions"], [], DONE),
    (["packages"], [], DONE),
    (["overrides", "clean"], [], DONE),
    (["unknown"], [], PARTIAL),
    (["clean", "unknown"], [], PARTIAL),
    (["clean", "missing"], [], PARTIAL),
    (["clean", "extensions"], ["--exit-code"], DONE),
    (["packages"], ["--exit-code"], LAYERED),
    (["overrides"], ["--exit-code"], LAYERED),
    (["unknown"], ["--exit-code"], PARTIAL),
    (["packages", "unknown"], ["--exit-code"], LAYERED),
    (["missing", "overrides"], ["--exit-code"], LAYERED),
]


@pytest.mark.parametrize(("names", "options", "code"), EXITS, ids=str)
def test_exit_code(names: Sequence[str], options: Sequence[str], code: int, captures: Path) -> None:
    assert inspect(*(captures / f"{name}.json" for name in names), *options).code == code


@pytest.mark.parametrize("form", ["table", "json", "prometheus"])
def test_exit_code_is_that_of_every_format(form: str, captures: Path) -> None:
    assert inspect(captures, "--format", form).code == PARTIAL
    assert inspect(captures, "--format", form, "--exit-code").code == LAYERED
    assert inspect(captures / "clean.json", "--format", form).code == DONE


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["--format", "yaml"],
        ["--release", "414"],
        ["--release", "four.fourteen"],
        ["--release", "4.¹⁴"],
        ["--release"],
        ["--exit-code=3"],
    ],
    ids=str,
)
def test_wrong_usage_is_one_line_that_says_what_to_do(arguments: list[str], captures: Path) -> None:
    ran = inspect(captures / "clean.json", *arguments)
    assert ran.code == USAGE
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("layercensus")


def test_no_command_is_wrong_usage() -> None:
    done = subprocess.run([sys.executable, "-m", "layercensus"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (USAGE, b"", 1)


def assert_one_unknown(ran: Ran, path: str | Path) -> None:
    assert ran.code == PARTIAL
    assert ran.machines == {str(path): "unknown"}
    assert json.loads(ran.out)["machines"][0]["problems"]


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"notes of mine", b"\x00\x01\x02\xff", b"\x1f\x8b\x08\x00gzip", b"PK\x03\x04zip"]
)
def test_a_file_given_by_name_that_is_no_status_is_an_unknown_machine(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(content)
    assert_one_unknown(inspect(path, "--format", "json"), path)


def test_a_missing_file_is_an_unknown_machine(tmp_path: Path) -> None:
    assert_one_unknown(inspect(tmp_path / "missing.json", "--format", "json"), tmp_path / "missing.json")


@pytest.mark.parametrize("form", ["table", "json", "prometheus"])
@pytest.mark.parametrize(("name", "reason"), [("missing", "not exist"), ("unknown", "booted")])
def test_the_reason_of_an_unknown_machine_stands_in_every_format(
    name: str, reason: str, form: str, captures: Path
) -> None:
    """In the answer, or in one line on standard error where the format has no place for it (house rule 6)."""
    ran = inspect(captures / f"{name}.json", "--format", form)
    assert ran.code == PARTIAL
    assert reason in (ran.err if form == "prometheus" else ran.out + ran.err)
    assert ran.err.count("\n") <= 1


@pytest.mark.parametrize("form", ["table", "json", "prometheus"])
def test_an_empty_folder_is_said_in_one_line_on_standard_error(form: str, tmp_path: Path) -> None:
    ran = inspect(tmp_path, "--format", form)
    assert ran.code == PARTIAL
    assert ran.err.count("\n") == 1
    assert str(tmp_path) in ran.err


@pytest.mark.parametrize("path", ["/proc/self/mem", "below-a-file", "loop"])
def test_what_cannot_be_read_is_an_unknown_machine(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    named = {"below-a-file": tmp_path / "file" / "x", "loop": tmp_path / "loop"}.get(path, Path(path))
    assert_one_unknown(inspect(named, "--format", "json"), named)


def test_a_name_too_long_for_the_file_system_is_an_unknown_machine() -> None:
    name = "x" * 300
    assert_one_unknown(inspect(name, "--format", "json"), name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_behind_a_closed_folder_is_an_unknown_machine(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "status.json").write_text("{}", encoding="utf-8")
    warm = tmp_path / "warm.txt"
    warm.write_text(TEXT, encoding="utf-8")
    closed.chmod(0)
    path = closed / "status.json"
    # The first run, as root, loads every module: the interpreter itself may be in a folder that is closed to others.
    code = (
        f"import os, sys; from layercensus.cli import main; main(['inspect', {str(warm)!r}]); sys.stdout.flush(); "
        f"os.setgid(65534); os.setuid(65534); sys.exit(main(['inspect', {str(path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == PARTIAL, done.stderr
    assert b"bug" not in done.stderr
    assert str(path).encode() in done.stdout


def test_no_path_without_a_host_to_read_is_unknown_never_clean(tmp_path: Path) -> None:
    ran = run("--format", "json", cwd=tmp_path)
    assert ran.machines.keys() == {"/"}
    assert "clean" not in ran.machines.values()


def test_a_folder_reads_files_by_content_and_skips_the_rest_with_reasons(captures: Path) -> None:
    (captures / "sub").mkdir()
    (captures / "sub" / "no-suffix").write_text(TEXT, encoding="utf-8")
    (captures / "README.md").write_text("# captures", encoding="utf-8")
    (captures / "image.json").write_bytes(b"\x89PNG\x00\x00")
    (captures / "link.json").symlink_to(captures / "packages.json")
    (captures / "up").symlink_to(captures)
    os.mkfifo(captures / "pipe")
    ran = inspect(captures, "--format", "json")
    expected = {f"{captures}/{name}.json": name for name in "clean extensions overrides packages unknown".split()}
    assert ran.machines == expected | {f"{captures}/sub/no-suffix": "clean"}
    assert set(ran.skipped) == {f"{captures}/{name}" for name in ("README.md", "image.json", "link.json", "up", "pipe")}
    assert all(ran.skipped.values())
    assert "link" in ran.skipped[f"{captures}/link.json"]


def test_a_folder_without_a_host_document_is_nothing_to_do(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# captures", encoding="utf-8")
    ran = inspect(tmp_path, "--format", "json")
    assert ran.machines == {}
    assert ran.code == PARTIAL


def test_a_link_given_by_name_is_followed(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(captures / "packages.json")
    assert inspect(tmp_path / "link", "--format", "json").machines == {str(tmp_path / "link"): "packages"}


def test_a_pipe_given_by_name_is_read(captures: Path) -> None:
    """`inspect <(oc debug …)`: the shell gives a pipe."""
    command = f"{sys.executable} -m layercensus inspect <(cat {captures}/packages.json) --format json"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=30)
    assert [machine["layering"] for machine in json.loads(done.stdout)["machines"]] == ["packages"]


def test_standard_input(captures: Path) -> None:
    ran = run("-", "--format", "json", stdin=(captures / "packages.json").read_bytes())
    assert ran.machines == {"-": "packages"}
    assert_one_unknown(run("-", "--format", "json"), "-")


def test_several_hosts_in_one_input_are_numbered(captures: Path) -> None:
    both = (captures / "clean.json").read_bytes() + (captures / "packages.json").read_bytes()
    ran = run("-", "--format", "json", stdin=both)
    assert ran.machines == {"-#1": "clean", "-#2": "packages"}
    (captures / "both.txt").write_text(TEXT + TEXT, encoding="utf-8")
    ran = inspect(captures / "both.txt", "--format", "json")
    assert list(ran.machines) == [f"{captures}/both.txt#1", f"{captures}/both.txt#2"]


def test_inputs_keep_the_order_and_the_spelling_they_were_given(captures: Path) -> None:
    ran = run("packages.json", "./clean.json", "sub/../unknown.json", "--format", "json", cwd=captures)
    assert list(ran.machines)[:2] == ["packages.json", "./clean.json"]


def test_release_reaches_the_verdict(
    captures: Path, deployment: Callable[..., dict[str, Any]], status: Callable[..., str]
) -> None:
    path = captures / "nothing-said.json"
    path.write_text(status(deployment(version=None, repo=["sysstat"])), encoding="utf-8")
    assert inspect(path, "--format", "json").machines == {str(path): "unknown"}
    assert inspect(path, "--format", "json", "--release", "4.18").machines == {str(path): "extensions"}
    assert inspect(path, "--format", "json", "--release", "4.14").machines == {str(path): "packages"}


def test_table_says_who_layering_release_what_and_why(captures: Path) -> None:
    out = inspect(captures).out
    for words in (["packages", "4.14", "packages.json"], ["htop"], ["overrides"], ["git-core"], ["usbguard"]):
        assert any(all(word in line for word in words) for line in out.splitlines()), words
    assert "booted" in out  # the reason of the unknown one


def test_one_machine_has_no_machine_label_and_several_have(captures: Path) -> None:
    assert 'machine="' not in inspect(captures / "clean.json", "--format", "prometheus").out
    out = inspect(captures, "--format", "prometheus").out
    samples = [line for line in out.splitlines() if not line.startswith("#")]
    assert samples
    assert all('machine="' in line for line in samples)


def test_the_same_path_twice_gives_no_series_twice(captures: Path) -> None:
    path = captures / "clean.json"
    lines = inspect(path, path, "--format", "prometheus").out.splitlines()
    assert len(lines) == len(set(lines))


def test_a_reader_that_goes_away_is_no_error(captures: Path) -> None:
    for number in range(300):
        (captures / f"more-{number}.json").write_bytes((captures / "packages.json").read_bytes())
    command = f"{sys.executable} -m layercensus inspect {captures} --format json | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=30)
    assert done.stderr == b""
    assert len(done.stdout) == 10


def test_a_full_disk_is_one_line_and_not_our_bug(captures: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "layercensus", "inspect", captures / "clean.json"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == PARTIAL
    assert done.stderr.count(b"\n") == 1
    assert b"bug" not in done.stderr


def test_a_closed_standard_output_is_no_traceback(captures: Path) -> None:
    command = f"{sys.executable} -m layercensus inspect {captures}/clean.json >&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=30)
    assert b"Traceback" not in done.stderr
    assert done.returncode in {DONE, PARTIAL}


EVIL = [
    "\x1b[2Jgone",
    "a\x07b",
    "\u202etxt.evil",
    "\u2066hidden\u2069",
    "a\rclean",
    "zero\u200bwidth",
    "\u2028line",
    "c1\x9bm",
]


@pytest.mark.parametrize("name", EVIL, ids=ascii)
@pytest.mark.parametrize("where", ["package", "file", "version"])
def test_signs_that_a_terminal_would_obey_are_inert_in_the_table(
    name: str, where: str, tmp_path: Path, deployment: Callable[..., dict[str, Any]], status: Callable[..., str]
) -> None:
    documents: dict[str, dict[str, Any]] = {
        "package": {"repo": [name]},
        "version": {"version": name, "repo": ["htop"]},
        "file": {},
    }
    path = tmp_path / (name if where == "file" else "status.json")
    path.write_text(status(deployment(**documents[where])), encoding="utf-8")
    ran = inspect(path)
    for sign in set(name):
        if not sign.isprintable():
            assert sign not in ran.out
            assert sign not in ran.err


@pytest.mark.parametrize("where", ["package", "file"])
def test_a_line_end_in_a_name_makes_no_line_of_the_table(
    where: str, tmp_path: Path, deployment: Callable[..., dict[str, Any]], status: Callable[..., str]
) -> None:
    name = "x\nclean           4.14       forged.json"
    path = tmp_path / (name if where == "file" else "status.json")
    path.write_text(status(deployment(repo=[name if where == "package" else "htop"])), encoding="utf-8")
    lines = inspect(path).out.splitlines()
    assert not any(line.startswith("clean") for line in lines)


@pytest.mark.parametrize("name", ["\x1bx", "\u202ex", 'q"uote', "back\\slash", "line\nend"], ids=ascii)
def test_hostile_file_names_come_back_whole_from_json_and_leave_the_exposition_valid(name: str, captures: Path) -> None:
    path = captures / name
    path.write_bytes((captures / "clean.json").read_bytes())
    assert str(path) in inspect(captures, "--format", "json").machines
    out = inspect(captures, "--format", "prometheus").out
    for line in out.splitlines():
        value = line.partition('machine="')[2]
        rest = value.replace("\\\\", "").replace('\\"', "").replace("\\n", "")
        assert "\\" not in rest, line
        assert rest.count('"') == (0 if line.startswith("#") else 1), line


def test_a_file_name_that_is_no_utf8(captures: Path) -> None:
    path = os.fsencode(captures) + b"/caf\xe9.json"
    Path(os.fsdecode(path)).write_bytes((captures / "packages.json").read_bytes())
    for form in ("table", "json", "prometheus"):
        ran = inspect(captures, "--format", form)
        assert ran.code == PARTIAL
        assert "bug" not in ran.err
        assert "caf" in ran.out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_of_another_encoding_stops_nothing(encoding: str, captures: Path) -> None:
    ran = run(captures / "clean.json", captures / "prüfung.json", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert ran.code == PARTIAL
    assert "bug" not in ran.err


def test_nothing_but_the_answer_when_piped(captures: Path) -> None:
    assert inspect(captures / "clean.json").err == ""


def test_the_console_script_is_the_same_program(captures: Path) -> None:
    script = Path(sys.executable).with_name("layercensus")
    if not script.exists():
        pytest.skip("the package is not installed in this environment")
    done = subprocess.run(
        [script, "inspect", captures / "packages.json", "--exit-code"], capture_output=True, check=False
    )
    assert done.returncode == LAYERED


@pytest.mark.parametrize("path", ["/", "//", "/usr/..", "link"])
def test_the_root_of_a_host_is_no_folder_of_captures(path: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    ran = run(path, cwd=tmp_path)
    assert (ran.code, ran.out) == (USAGE, "")
    assert "/ is a host, not a folder of captures; leave PATH out, or give --root /" in ran.err
    assert ran.err.count("\n") == 1


LOST = "! 1 file could not be taken: it may be a node that did not answer (import counts it as unknown)"


def test_a_file_that_may_be_a_node_is_said_below_the_count(captures: Path) -> None:
    folder = captures / "one"
    folder.mkdir()
    (folder / "good.json").write_bytes((captures / "clean.json").read_bytes())
    assert "could not be taken" not in inspect(folder).out
    (folder / "empty.json").write_text("", encoding="utf-8")
    ran = inspect(folder)
    assert ran.code == PARTIAL
    assert f"1 machine: 1 clean {LOST} skipped" in " ".join(ran.out.split())
    (folder / "empty-too.json").write_text("\n", encoding="utf-8")
    both = "! 2 files could not be taken: they may be nodes that did not answer (import counts each as unknown)"
    assert f"1 machine: 1 clean {both} skipped" in " ".join(inspect(folder).out.split())


def test_json_marks_the_files_that_may_be_a_node(captures: Path) -> None:
    folder = captures / "one"
    folder.mkdir()
    (folder / "empty.json").write_text("", encoding="utf-8")
    (folder / "README.md").write_text("# captures", encoding="utf-8")
    skipped = json.loads(inspect(folder, "--format", "json").out)["skipped"]
    assert {item["input"]: item.get("lost") for item in skipped} == {
        f"{folder}/empty.json": True,
        f"{folder}/README.md": None,
    }


def test_an_empty_folder_beside_a_machine_is_no_file_that_could_not_be_taken(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = inspect(captures / "clean.json", tmp_path / "empty")
    assert ran.code == PARTIAL
    assert "is an empty folder" in " ".join(ran.out.split())
    assert "could not be taken" not in ran.out


def test_a_folder_given_by_name_that_holds_no_document_is_not_passed_over(captures: Path, tmp_path: Path) -> None:
    """Part 5 of the design: 1 is for an empty input too, and nothing that was named goes without a word."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "README.md").write_text("# captures", encoding="utf-8")
    ran = inspect(captures / "clean.json", notes, "--format", "json")
    assert ran.code == PARTIAL
    assert ran.skipped[str(notes)] == "holds no host document"
    assert not any("lost" in item for item in json.loads(ran.out)["skipped"])
    assert inspect(captures, "--format", "json").skipped == {}


def test_metrics_have_no_place_for_a_release_that_does_not_hold_so_it_stands_beside_them(captures: Path) -> None:
    ran = inspect(captures / "clean.json", "--release", "4.18", "--format", "prometheus")  # says 4.14
    assert (ran.code, ran.err) == (
        DONE,
        "layercensus: --release 4.18: 1 machine says another release, which was taken\n",
    )
