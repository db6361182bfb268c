"""`layercensus plan`: exit codes of the design (part 5), formats, every published document, hostile names, what it imports."""

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tests.conftest import build_deployment, build_status

from layercensus.cli import main
from layercensus.data import read_json
from layercensus.lake.storage import write_rows
from layercensus.model import Row

DONE, PARTIAL, USAGE = 0, 1, 2
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
DOCUMENTS = sorted(path for path in CORPUS.rglob("*") if path.is_file() and path.parent != CORPUS)
MACHINES = Path(__file__).parents[1] / "machines"
SITUATIONS = sorted(path for path in MACHINES.glob("*/status.*"))
SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def plan(*arguments: str | Path) -> Ran:
    shown, said = io.BytesIO(), io.BytesIO()
    out, err = io.TextIOWrapper(shown, "utf-8"), io.TextIOWrapper(said, "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["plan", *map(str, arguments)])
    out.flush()
    err.flush()
    return Ran(code, shown.getvalue().decode(), said.getvalue().decode())


def machine(folder: Path, name: str = "worker-0.json", **keys: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(build_status(build_deployment(**keys)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"repo": ["autofs"]}, DONE),
        ({"repo": ["htop"]}, DONE),
        ({}, PARTIAL),  # nothing to do
        ({"repo": ["/usr/bin/virsh"]}, PARTIAL),  # not all is known
        ({"repo": ["autofs"], "container_image_reference": None, "origin": "x:rhcos"}, PARTIAL),  # no base
    ],
)
def test_exit_codes_of_a_machine(tmp_path: Path, keys: dict[str, Any], code: int) -> None:
    assert plan(machine(tmp_path, **keys)).code == code


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], USAGE, "neither PATH nor --lake is given"),
        (["x", "--lake", "y"], USAGE, "both PATH and --lake are given"),
        (["--lake", "y", "--pool", "worker"], USAGE, "--pool: goes with PATH"),
        (["--lake", "y", "--format", "containerfile"], USAGE, "a fleet has none"),
        (["--lake", "no-such-lake"], PARTIAL, "no lake"),
        (["/"], USAGE, "/ is a host, not a folder of captures; name the folder that they are in"),
        (["x", "--pool", "a b"], USAGE, "is no name"),
        (["x", "--rpm-image", "a b"], USAGE, "no image"),
        (["x", "--rpm-image", "registry.example.com/rpms@sha256:" + "1" * 64], USAGE, "host and tag"),
        (["x", "--rpm-image", "registry.example.com/rpms:1@sha256:" + "1" * 64], USAGE, "host and tag"),
        (["x", "--rpm-image", "registry.example.com/rpms"], USAGE, "host and tag"),
        (["x", "--push-to", "foo"], USAGE, "host and tag"),
        (["x", "--push-to", "foo:1"], USAGE, "host and tag"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], code: int, words: str) -> None:
    ran = plan(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_a_missing_file_is_a_machine_that_is_not_known(tmp_path: Path) -> None:
    ran = plan(tmp_path / "nothing.json")
    assert ran.code == PARTIAL
    assert "unknown" in ran.out


def test_a_node_that_did_not_answer_is_said_before_all_else(tmp_path: Path) -> None:
    machine(tmp_path, "w0.json")
    (tmp_path / "w1.json").write_text("", encoding="utf-8")
    ran = plan(tmp_path, "--pool", "worker")
    assert ran.code == PARTIAL
    assert ran.out.startswith("! 1 file could not be taken")
    assert "nothing to do" not in ran.out
    document = json.loads(plan(tmp_path, "--pool", "worker", "--format", "json").out)
    assert document["skipped"] == [{"input": f"{tmp_path}/w1.json", "reason": "is empty", "lost": True}]


def test_a_folder_that_holds_no_machine_is_no_file_that_could_not_be_taken(tmp_path: Path) -> None:
    known, empty = machine(tmp_path / "known"), tmp_path / "empty"
    empty.mkdir()
    ran = plan(known, empty)
    assert ran.code == PARTIAL
    assert "could not be taken" not in ran.out
    assert "skipped" in ran.out
    assert "1 input gave no machine" in ran.err
    document = json.loads(plan(known, empty, "--format", "json").out)
    assert document["skipped"] == [{"input": str(empty), "reason": "is an empty folder"}]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, "nothing to do: image mode refuses none of these machines"),
        (
            {"repo": ["usbguard"]},
            "nothing to do today: all that image mode refuses is left to the machine config operator",
        ),
        (
            {"repo": ["/usr/bin/virsh"]},
            "no Containerfile: no command can be made of what is left; /usr/bin/virsh: a path",
        ),
        ({"booted": False}, "1 of 1 machine of worker is unknown"),
        ({"repo": ["autofs"], "container_image_reference": None, "origin": "x:rhcos"}, "worker: no Containerfile: "),
    ],
)
def test_status_1_says_why_in_one_line(tmp_path: Path, keys: dict[str, Any], says: str) -> None:
    ran = plan(machine(tmp_path, **keys), "--pool", "worker", "--format", "json")
    assert ran.code == PARTIAL
    assert ran.err.startswith("layercensus: plan: status 1: ")
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_status_0_says_nothing_beside_the_plan(tmp_path: Path) -> None:
    assert plan(machine(tmp_path, repo=["autofs"])).err == ""


def test_an_empty_folder_is_nothing_to_do(tmp_path: Path) -> None:
    ran = plan(tmp_path)
    assert ran.code == PARTIAL
    assert "no host document was found" in ran.err


def test_a_refspec_gives_no_containerfile_and_says_why() -> None:
    situation = MACHINES / "fedora-coreos-tailscale" / "status.json"
    ran = plan(situation, "--format", "containerfile")
    assert (ran.code, ran.out) == (PARTIAL, "")
    assert "names a ref or commit of ostree and no image" in ran.err


def test_a_pool_of_three_gives_one_containerfile(tmp_path: Path) -> None:
    machine(tmp_path, "w0.json", repo=["autofs"])
    machine(tmp_path, "w1.json", repo=["autofs", "strange-agent"])
    machine(tmp_path, "w2.json")
    ran = plan(tmp_path, "--pool", "worker", "--format", "containerfile")
    assert ran.code == DONE
    assert "      autofs \\\n      strange-agent && \\\n" in ran.out
    text = plan(tmp_path, "--pool", "worker").out
    assert "unlike most of its pool: + strange-agent" in text
    assert "strange-agent  from a repository, 1 of 3 machines" in text


def test_two_pools_have_no_one_containerfile_and_two_configs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        machine(tmp_path, f"{name}/w.json", repo=["autofs"], version="9.6.20251015-1")
    ran = plan(tmp_path, "--release", "4.20", "--format", "containerfile")
    assert ran.code == USAGE
    assert "2 pools have one" in ran.err
    configs = plan(tmp_path, "--release", "4.20", "--pool", "worker", "--format", "machineosconfig")
    assert configs.code == DONE
    assert len(list(yaml.safe_load_all(configs.out))) == 2


@pytest.mark.parametrize("path", SITUATIONS, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("form", ["text", "json", "containerfile", "machineosconfig"])
def test_every_situation_yields_a_plan_or_says_why_not(path: Path, form: str) -> None:
    assert_plan_or_reason(path, form)


@pytest.mark.skipif(not DOCUMENTS, reason="the corpus of published documents is not beside the checkout")
@pytest.mark.parametrize("form", ["text", "json", "containerfile", "machineosconfig"])
@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_published_document_yields_a_plan_or_says_why_not(path: Path, form: str) -> None:
    assert_plan_or_reason(path, form)


def assert_plan_or_reason(path: Path, form: str) -> None:
    ran = plan(path, "--format", form, "--pool", "worker", "--allow-tech-preview")
    assert ran.code in {DONE, PARTIAL}
    assert "a bug of ours" not in ran.err
    assert "Traceback" not in ran.err
    if form == "json":
        jsonschema.validate(json.loads(ran.out), read_json("schemas/plan-v1.schema.json"))
    elif form != "text":
        assert ran.out or "layercensus: " in ran.err
    if ran.code == PARTIAL and form == "text":
        assert any(
            word in ran.out
            for word in ("!", "No Containerfile", "nothing to do", "operator", "No base", "no rpm-ostree")
        )


@pytest.mark.parametrize("name", ["a\nFROM evil", "a b.json", "$(reboot).json", "'; reboot; '.json", "x\u202e.json"])
def test_a_hostile_file_name_stays_in_comments(tmp_path: Path, name: str) -> None:
    path = machine(tmp_path, name, repo=["autofs"])
    ran = plan(path, "--format", "containerfile")
    lines = [line for line in ran.out.splitlines() if not line.startswith("#")]
    assert ran.code == DONE
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["ARG", "FROM", "COPY", "COPY", "RUN"]
    assert not any("reboot" in line or "evil" in line for line in lines)


def test_text_of_no_command_is_wider_than_a_terminal(tmp_path: Path) -> None:
    out = plan(machine(tmp_path, repo=["autofs", "htop", "usbguard"], local=["falcon-sensor-7.14.0-1.el9.x86_64"])).out
    wide = [line for line in out.splitlines() if len(line) > 80 and not line.startswith("       ")]
    assert not [line for line in wide if "@sha256:" not in line and str(tmp_path) not in line]


def test_a_plan_needs_the_standard_library_and_ours_only() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from layercensus.cli import main; main(['plan', sys.argv[2]]);"
        "foreign = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'layercensus', '__main__'};"
        "sys.exit(f'imported: {sorted(foreign)}' if foreign else 0)"
    )
    arguments = [sys.executable, "-S", "-I", "-c", program, str(SOURCE), str(SITUATIONS[0])]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_fleet_is_told_by_need(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    assert main(["simulate", "--clusters", "40", "--days", "1", "--seed", "3", "--lake", str(lake)]) == 0
    text, fleet = plan("--lake", lake), json.loads(plan("--lake", lake, "--format", "json").out)
    jsonschema.validate(fleet, read_json("schemas/plan-v1.schema.json"))
    report = io.StringIO()
    with contextlib.redirect_stdout(report):
        assert main(["report", "--lake", str(lake), "--format", "json"]) == 0
    needs = {group["key"]: group for group in json.loads(report.getvalue())["by"]["need"]}
    found = {row["need"]: row for row in fleet["fleet"]["by_need"]}
    assert {need: row["machines"] for need, row in found.items()} == {
        key: row["machines"] for key, row in needs.items()
    }
    assert {need: row["ci95"] for need, row in found.items()} == {key: row["ci95"] for key, row in needs.items()}
    assert "may have several needs" in " ".join(text.out.split())
    assert text.code == DONE


@pytest.mark.parametrize(
    ("situation", "says"),
    [
        ("every-extension-418", "Nothing to do today; from 4.19 on"),
        ("realtime-410-text", "Text hides requests that are not in effect"),
    ],
)
def test_what_a_plan_without_steps_tells_to_do(situation: str, says: str) -> None:
    (path,) = (MACHINES / situation).glob("status.*")
    assert says in plan(path, "--pool", "worker").out


def test_a_machine_on_a_ref_of_ostree_is_not_called_one_that_image_mode_takes(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"container_image_reference": None, "origin": "fedora:fedora/x86_64/coreos/stable"}
    text = plan(machine(tmp_path, **keys)).out
    assert "ref or commit of ostree and not an image" in " ".join(text.split())
    assert "takes these machines as they are" not in text


def test_a_deployment_that_nothing_marks_as_booted_is_not_told_to_reboot(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.json"
    staged = build_deployment(booted=False, staged=True, repo=["autofs"])
    path.write_text(build_status(staged, build_deployment(booted=False)), encoding="utf-8")
    assert "reboot it" not in plan(path).out


def test_a_release_that_does_not_hold_is_said(tmp_path: Path) -> None:
    """Part 4 of the design: `--release` chooses among candidates or where the document says nothing; else it is said."""
    says_414 = machine(tmp_path, repo=["autofs"])
    ran = plan(says_414, "--release", "4.18")
    assert ran.err == "layercensus: plan: --release 4.18: 1 machine says another release, which was taken\n"
    assert plan(says_414, "--release", "4.14").err == ""


@pytest.mark.parametrize(
    "option",
    [
        ["--push-to", "registry.example.com/name:1"],
        ["--push-secret", "push"],
        ["--rpm-image", "registry.example.com/rpms:1"],
        ["--allow-tech-preview"],
    ],
)
def test_an_option_of_builds_on_the_cluster_is_not_ignored_without_a_word(tmp_path: Path, option: list[str]) -> None:
    before, since = machine(tmp_path, "a.json", repo=["autofs"]), tmp_path / "since"
    ran = plan(before, "--pool", "worker", *option)  # 4.14
    assert ran.err == f"layercensus: plan: {option[0]}: changes nothing: these machines get no MachineOSConfig\n"
    node = machine(since, repo=["autofs"], version="9.6.20251015-1")
    assert plan(node, "--pool", "worker", "--release", "4.20", *option).err == ""


def test_the_last_row_of_a_fleet_holds_extensions_too_and_says_so(tmp_path: Path) -> None:
    """Part 8 of the design: `refuse_any_local_change` is bootc of today, which refuses what the platform layers as well."""
    lake, ids = tmp_path / "lake", ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
    nodes = {"clean": 4, "extensions": 3, "overrides": 0, "packages": 1, "unknown": 0}
    needs = dict.fromkeys(("agent", "driver", "override", "other"), 0) | {"tool": 1}
    untold = {"clean": 0, "extensions": 0, "overrides": 0, "packages": 2, "unknown": 0}
    at = "2026-05-31T12:00:00+00:00"
    rows = [
        Row("2026-05-31", ids[0], "capture", "4.14", None, None, nodes, needs, received_at=at),
        Row("2026-05-31", ids[1], "capture", "4.14", None, None, untold, received_at=at),
    ]
    write_rows(lake, rows)
    text = plan("--lake", lake).out
    (last,) = (line.split() for line in text.splitlines() if line.startswith("any "))
    assert last[:7] == ["any", "stuck", "now,", "extensions", "too", "6", "2"]  # 3 and 1 of the one, 2 of the other
    assert "are in the last row only" in " ".join(text.split())
    assert "Not known of 2 more" in text
    found = json.loads(plan("--lake", lake, "--format", "json").out)["fleet"]
    assert {row["need"]: row["machines"] for row in found["by_need"]}["tool"] == 1
    assert {tuple(row["bounds"]) for row in found["by_need"] if row["need"] == "tool"} == {(0.1, 0.3)}  # of 10 machines
