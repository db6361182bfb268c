"""The wheel as a user gets it: the same bytes however it is built, and at work on every Python from 3.11 that is here.

Pythons are looked for on the PATH and where pyenv keeps them. The extra `report` is installed by the lock, which needs
the package index that `make` needs too.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "tests" / "machines" / "agent-by-local-rpm-416" / "status.json"
OLDEST = (3, 11)


def pythons() -> dict[str, str]:
    """A program for each version from the oldest on that is installed, by its version."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [*sorted(map(str, kept.glob("*/bin/python3"))), sys.executable, "python3"]
    candidates += [f"python3.{minor}" for minor in range(OLDEST[1], 30)]
    found: dict[str, str] = {}
    for program in candidates:
        if path := shutil.which(program):
            command = [path, "-c", "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            version = done.stdout.strip()
            if done.returncode == 0 and tuple(map(int, version.split("."))) >= OLDEST:
                found.setdefault(version, path)
    return found


PYTHONS = pythons()


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pip_of(folder: Path) -> list[str]:
    """The command that installs into the environment in a folder."""
    return [str(folder / "venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built twice, from two places and with two umasks, by what compares them."""
    folder = tmp_path_factory.mktemp("dist")
    said = run(sys.executable, ROOT / "support" / "wheel.py", folder, cwd=folder)
    (found,) = folder.glob("*.whl")
    assert re.fullmatch(rf"[0-9a-f]{{64}}  {re.escape(str(found))}\n", said)
    return found


@pytest.fixture(scope="module", params=PYTHONS)
def installed(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment with the wheel and nothing else, no index asked."""
    folder = tmp_path_factory.mktemp(f"python{request.param}")
    run(PYTHONS[request.param], "-m", "venv", folder / "venv", cwd=folder)
    run(*pip_of(folder), "--no-index", wheel, cwd=folder)
    return folder / "venv" / "bin"


def test_each_version_that_the_package_names_is_one_that_it_was_seen_on() -> None:
    """A classifier is a claim; where a version is not installed here, its claim is not looked at, and that is said."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    claimed = set(re.findall(r"Python :: (3\.\d+)", text))
    assert f"{OLDEST[0]}.{OLDEST[1]}" in claimed
    print(f"claimed: {sorted(claimed)}; here: {sorted(PYTHONS)}")


def test_it_says_what_it_can(installed: Path, tmp_path: Path) -> None:
    assert "usage: layercensus" in run(installed / "layercensus", "--help", cwd=tmp_path)
    assert run(installed / "layercensus", "--version", cwd=tmp_path).startswith("layercensus ")


def test_it_reads_a_document(installed: Path, tmp_path: Path) -> None:
    said = json.loads(run(installed / "layercensus", "inspect", DOCUMENT, "--format", "json", cwd=tmp_path))
    golden = json.loads((DOCUMENT.parent / "census.json").read_text(encoding="utf-8"))
    (machine,) = said["machines"]
    assert (machine["layering"], machine["changes"]) == (golden["layering"], golden["changes"])


def test_it_writes_manifests_and_a_plan(installed: Path, tmp_path: Path) -> None:
    run(installed / "layercensus", "manifests", "--release", "4.14", "--output", "kit", cwd=tmp_path)
    assert (tmp_path / "kit" / "README.md").exists()
    said = run(installed / "layercensus", "plan", DOCUMENT, "--pool", "worker", cwd=tmp_path)
    golden = (DOCUMENT.parent / "plan.txt").read_text(encoding="utf-8")
    assert said.splitlines()[0] == golden.splitlines()[0]


def test_it_imports_the_standard_library_and_itself_alone(installed: Path, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from layercensus.cli import main\n"
        "for command in (['inspect', sys.argv[1]], ['agent', '--root', '.', '--self-check'], ['manifests', '--release', '4.14']):\n"
        "    main(command)\n"
        "foreign = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)\n"
        "sys.exit(f'imported: {foreign}' if foreign - {'layercensus', '__main__', '__mp_main__'} else 0)"
    )
    run(installed / "python", "-I", "-c", program, DOCUMENT, cwd=tmp_path)


def test_without_an_extra_a_command_says_which_it_needs(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "layercensus", "report", "--lake", "x"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install '.[report]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_with_the_extra_report_the_demo_runs(wheel: Path, tmp_path: Path) -> None:
    run(PYTHONS["3.11"], "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    run(*pip_of(tmp_path), "--require-hashes", "-r", ROOT / "locks" / "all.txt", cwd=tmp_path)
    run(*pip_of(tmp_path), "--no-index", f"{wheel}[report]", cwd=tmp_path)
    run(tmp_path / "venv" / "bin" / "layercensus", "demo", "there", cwd=tmp_path)
    assert list((tmp_path / "there").iterdir())
