"""What the locks name: hashed, listed with its licence, asked for advisories; and that a failed question is never an answer."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
SBOM: dict[str, Any] = json.loads((ROOT / "docs" / "sbom" / "layercensus.cdx.json").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_line_of_a_lock_is_one_version_with_its_hashes_and_says_no_place(lock: Path) -> None:
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    pins = [line for line in lines if not line.startswith(" ") and line]
    assert pins
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+ \\", pin) for pin in pins)
    others = [line for line in lines if line.startswith(" ")]
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line) for line in others)
    assert "://" not in lock.read_text(encoding="utf-8")


@pytest.mark.parametrize("adds", ["spark", "fuzz", "survey"])
def test_a_lock_that_adds_to_the_tests_environment_changes_nothing_in_it(adds: str) -> None:
    def versions(name: str) -> dict[str, str]:
        text = (ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
        return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))

    dev = versions("dev")
    assert {name: dev.get(name, version) for name, version in versions(adds).items()} == versions(adds)


def test_the_base_depends_on_nothing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == []


def test_the_sbom_holds_what_extras_install_and_no_tool() -> None:
    """What the extras name themselves is there; what only tests and builds is not."""
    names = {component["name"] for component in SBOM["components"]}
    named = {re.split(r"[><=\[]", text)[0] for extra in ("report", "fleet", "spark") for text in EXTRAS[extra]}
    assert named - {"layercensus"} <= names
    assert names & {"pytest", "mypy", "ruff", "hatchling", "pip-audit", "atheris"} == set()


def test_each_component_has_its_hashes_and_its_licence() -> None:
    for component in SBOM["components"]:
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        assert component["hashes"]
        assert component["licenses"][0]["expression"]


NOTHING_KNOWN = """echo '{"dependencies": [{"name": "a", "version": "1", "vulns": []}], "fixes": []}'"""
ANSWERS = {
    "nothing known": (NOTHING_KNOWN, 0, "0 known weaknesses", ""),
    # pip-audit itself exits 1 then.
    "a weakness": (
        """echo '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}]}]}'; exit 1""",
        1,
        "WEAK: a 1: PYSEC-1",
        "",
    ),
    "no network": (
        "echo 'ERROR:pip_audit._cli: Could not connect to PyPI' >&2; exit 1",
        0,
        "",
        "NOT AUDITED: no source of advisories answers (pypi, osv)",
    ),
    "a mirror without advisories": (
        """echo '{"dependencies": [{"name": "a", "skip_reason": "Dependency not found on PyPI"}]}'""",
        0,
        "",
        "NOT AUDITED: no source of advisories answers (pypi, osv): Dependency not found",
    ),
    "one source of two": (
        f'case "$*" in *osv*) {NOTHING_KNOWN};; *) echo "Connection error" >&2; exit 1;; esac',
        0,
        "against osv: 0 known weaknesses",
        "",
    ),
    "a package that is not known": (
        """echo '{"dependencies": [{"name": "a", "version": "1"}, {"name": "b", "skip_reason": "b is not there"}]}'""",
        0,
        "0 known weaknesses",
        "NOT AUDITED: b is not there",
    ),
    "a lock that cannot be read": (
        "echo 'ERROR: duplicate requirements' >&2; exit 1",
        1,
        "",
        "pip-audit failed: ERROR: duplicate",
    ),
    "nothing at all": ("exit 0", 1, "", "pip-audit failed: it said nothing"),
}


@pytest.mark.parametrize(("answer", "code", "out", "err"), ANSWERS.values(), ids=ANSWERS)
def test_what_an_audit_says(tmp_path: Path, answer: str, code: int, out: str, err: str) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, str(ROOT / "support" / "audit.py"), "--pip-audit", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert out in done.stdout
    assert err in done.stderr
    assert ("NOT AUDITED" in done.stderr) == err.startswith("NOT AUDITED")
