"""Every command's `--help` ends in an example, and the example works as it stands there.

All are run. `scan` runs a stand-in in the place of `oc`, since there is no cluster; `agent --preview` reads the host that
the test runs on, whatever that is; `collect` is told to end once it is ready.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from layercensus.options import build_parser

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "src" / "layercensus" / "data" / "demo"
COMMANDS = re.findall(r"^    (\w+)\s", build_parser().format_help().partition("COMMAND\n")[2], re.MULTILINE)
# What each is to say, in a word.
SAYS = {
    "inspect": '"layercensus/census/v1"', "import": "lake", "report": "CoreOS machines", "scan": "LAYERING", "agent": "What would leave the cluster",
    "manifests": "kit", "plan": "image mode", "token": ".", "simulate": "made-up", "tidy": "", "demo": "report.html",
}  # fmt: skip


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "PATH": f"{folder / 'programs'}{os.pathsep}{os.environ['PATH']}",
        "STAND_IN_OC": str(folder / "cluster"),
    }


def help_of(command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "layercensus", command, "--help"],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "COLUMNS": "80"},
    )  # fmt: skip
    return done.stdout


def example_of(command: str) -> list[str]:
    """The program's arguments, from the end of the help."""
    match = re.search(r"\nexample:\n  layercensus (.+)\n\Z", help_of(command))
    assert match, "no example at the end"
    return [sys.executable, "-m", "layercensus", *shlex.split(match[1])]


def run(command: str, folder: Path) -> str:
    done = subprocess.run(
        example_of(command),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    # A host that cannot be read, as in a container, is unknown: that is 1 (design, part 5).
    assert done.returncode in ({0, 1} if command == "agent" else {0}), done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures of clusters, a stand-in for oc with one node, and what the examples of `import` and `token` make."""
    place = tmp_path_factory.mktemp("examples")
    # One of the clusters that come with the program, of which every machine can be read.
    shutil.copytree(DEMO / "whimbrel", place / "captures" / "my-cluster")
    (place / "programs").mkdir()
    oc = place / "programs" / "oc"
    oc.write_text(
        f'#!/bin/sh\nexec {sys.executable} {ROOT / "tests" / "cluster" / "stand_in_oc.py"} "$@"\n', encoding="utf-8"
    )
    oc.chmod(0o755)
    make_cluster(place / "cluster", (DEMO / "avocet" / "worker-0.json").read_text(encoding="utf-8"))
    for command in ("import", "token"):
        run(command, place)
    return place


def make_cluster(folder: Path, status: str) -> None:
    (folder / "nodes").mkdir(parents=True)
    for made in ("pods", "namespaces"):
        (folder / made).mkdir()
    node = {
        "metadata": {"name": "worker-0", "labels": {"node-role.kubernetes.io/worker": ""}},
        "status": {
            "nodeInfo": {"osImage": "Red Hat Enterprise Linux CoreOS 414.92.1-0 (Plow)", "kubeletVersion": "v1.27.6"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    (folder / "nodes.json").write_text(json.dumps({"items": [node]}), encoding="utf-8")
    (folder / "nodes" / "worker-0.json").write_text(json.dumps({"prints": status}), encoding="utf-8")


def test_every_command_is_listed_here() -> None:
    assert {*SAYS, "collect"} == set(COMMANDS), "each command has a word in SAYS that its example says"


@pytest.mark.parametrize("command", SAYS)
def test_the_example_works(command: str, folder: Path) -> None:
    assert SAYS[command] in run(command, folder)


def test_the_example_of_collect_is_ready_and_ends_when_it_is_told(folder: Path) -> None:
    process = subprocess.Popen(
        example_of("collect"),
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said + rest
    assert time.monotonic() - started < 30
    assert "9465" in said + rest
