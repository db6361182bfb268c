"""Where releases are listed, the same ones are; and the script that writes their catalogs says what it lacks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.classify.test_extensions import VERSIONS

from layercensus.classify.catalog import known_releases
from layercensus.data import read_json

ROOT = Path(__file__).parents[2]
SOURCES: dict[str, Any] = json.loads((ROOT / "support" / "releases.json").read_text(encoding="utf-8"))["releases"]


def test_each_catalog_comes_from_an_entry_and_each_entry_has_its_catalog() -> None:
    assert list(SOURCES) == list(known_releases()), "support/releases.json and data/catalogs, oldest first"


@pytest.mark.parametrize("release", SOURCES)
def test_a_catalog_is_what_its_entry_asks_for(release: str) -> None:
    catalog, entry = read_json(f"catalogs/{release}.json"), SOURCES[release]
    assert catalog["release"] == release
    assert {key: catalog[key] for key in ("version_prefixes", "default_stream")} == {
        key: entry[key] for key in ("version_prefixes", "default_stream")
    }
    files = {stream: value["source"] for stream, value in catalog["os_streams"].items() if value["source"]}
    assert files == entry["os_files"], "run support/catalogs.py"


def test_every_release_has_its_os_version_in_the_cases_of_extensions() -> None:
    assert list(VERSIONS) == list(SOURCES), "VERSIONS in tests/classify/test_extensions.py"
    for release, version in VERSIONS.items():
        assert any(version.startswith(f"{prefix}.") for prefix in SOURCES[release]["version_prefixes"]), release


def releases_in(value: object) -> set[str]:
    """Releases that facts begin or end with: under `oldest`, `platform_records`, `*since` and `*until`, at any depth."""
    if isinstance(value, list):
        return set().union(*map(releases_in, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for key, inner in value.items():
        named = key in {"oldest", "platform_records"} or key.endswith(("since", "until"))
        found |= ({inner} if isinstance(inner, str) else set(inner)) if named else releases_in(inner)
    return found


@pytest.mark.parametrize("name", ["migrate/releases.json", "rules/releases.json"])
def test_what_releases_ask_for_is_of_releases_that_have_a_catalog(name: str) -> None:
    # Fedora counts for itself, from its own first release on.
    facts = {key: value for key, value in read_json(name).items() if key not in {"_provenance", "fedora_tools"}}
    found = releases_in(facts)
    assert found
    assert found <= set(SOURCES)


def run_catalogs(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script with a git that knows no branch."""
    git = folder / "git"
    git.write_text("#!/bin/sh\necho \"fatal: invalid object name 'release-4.6'.\" >&2\nexit 128\n", encoding="utf-8")
    git.chmod(0o755)
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, str(ROOT / "support" / "catalogs.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("arguments", [[], ["one"], ["one", "two", "three"]])
def test_catalogs_without_two_repositories_says_its_usage(tmp_path: Path, arguments: list[str]) -> None:
    done = run_catalogs(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr == "usage: support/catalogs.py MACHINE_CONFIG_OPERATOR_REPO OS_REPO\n"


def test_catalogs_of_a_repository_without_the_branches_says_what_git_says(tmp_path: Path) -> None:
    done = run_catalogs(tmp_path, "mco", "os")
    assert done.returncode == 1
    assert done.stderr.startswith("mco: fatal: invalid object name 'release-4.6'.\nclone with all release branches")
