"""Machines of about twenty situations and their golden census, metrics and plan, read by hand before they were accepted.

Goldens change through `.venv/bin/python tests/machines/accept.py` only.
"""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

ACCEPT: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("accept.py")))
SITUATIONS: list[Path] = list(ACCEPT["situations"]())
# The class of each, by the design's table and written before the first golden was.
LAYERINGS = {
    "agent-by-local-rpm-416": "packages",
    "clean-414": "clean",
    "custom-image-417": "clean",
    "daemon-timeout": "unknown",
    "every-extension-418": "extensions",
    "fedora-coreos-tailscale": "packages",
    "inactive-only-420": "clean",
    "initramfs-only-415": "clean",
    "live-applied-and-unlocked-413": "extensions",
    "modules-412": "overrides",
    "moves-of-every-kind-420": "packages",
    "okd-fcos-names-413": "unknown",
    "overrides-of-three-kinds-415": "overrides",
    "package-mode-rhel": "not_applicable",
    "pages-64k-with-agent-418": "packages",
    "pending-cowsay-booted-zsh-418": "packages",
    "provide-and-path-414": "unknown",
    "realtime-410-text": "extensions",
    "realtime-414": "extensions",
    "staged-only-417": "clean",
    "truncated-414": "unknown",
    "upgraded-leftovers-422": "extensions",
}

# What image mode says of those that it does not refuse; written down before the first plan was.
ANSWERS = {
    "clean-414": "accepts",
    "custom-image-417": "accepts",
    "daemon-timeout": "unknown",
    "package-mode-rhel": "not_applicable",
    "truncated-414": "unknown",
}


def test_every_situation_has_its_class_written_down() -> None:
    assert [path.name for path in SITUATIONS] == sorted(LAYERINGS)


def test_a_name_of_no_situation_is_refused_and_nothing_written(capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.stat().st_mtime_ns for situation in SITUATIONS for file in situation.iterdir()}
    assert ACCEPT["main"](["clean-414", "claen-414"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("no such situation: claen-414; there are agent-by-local-rpm-416, clean-414, ")
    assert {file: file.stat().st_mtime_ns for situation in SITUATIONS for file in situation.iterdir()} == before


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda path: path.name)
def test_the_golden_census_has_the_class_that_was_written_down(situation: Path) -> None:
    golden = json.loads((situation / "census.json").read_text(encoding="utf-8"))
    assert golden["layering"] == LAYERINGS[situation.name]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda path: path.name)
def test_a_machine_is_as_its_goldens_say(situation: Path) -> None:
    goldens = {
        path.name: path.read_text(encoding="utf-8") for path in situation.iterdir() if path.name in ACCEPT["GOLDENS"]
    }
    assert ACCEPT["render"](situation) == goldens


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda path: path.name)
def test_a_plan_gives_each_machine_the_answer_that_was_written_down(situation: Path) -> None:
    answer = (situation / "plan.txt").read_text(encoding="utf-8").splitlines()
    shown = next(line.split()[0] for line in answer if line.startswith("  "))
    assert shown == ANSWERS.get(situation.name, "refuses")
