"""Build the wheel twice, from copies in two places, and compare: the same bytes, or exit 1 with what differs.

    python support/wheel.py FOLDER      the wheel goes there; its SHA-256 is printed

Times in it are those of the last commit (SOURCE_DATE_EPOCH, where that is not given).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PARTS = ("src", "pyproject.toml", "README.md", "LICENSE")


def main(folder: Path) -> int:
    """Build, compare, keep one."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory(prefix="another-place-") as second:
        one, other = build(Path(first), umask=0o022), build(Path(second), umask=0o077)
        if one.read_bytes() != other.read_bytes():
            print(
                f"two builds differ: {', '.join(differences(one, other)) or 'in the order of their files'}",
                file=sys.stderr,
            )
            return 1
        folder.mkdir(parents=True, exist_ok=True)
        kept = Path(shutil.copy(one, folder))
    print(f"{sha256(kept.read_bytes()).hexdigest()}  {kept}")
    return 0


def build(place: Path, *, umask: int) -> Path:
    """The wheel of a copy of the sources, made as a user with this umask would."""
    source = place / "source"
    source.mkdir()
    before = os.umask(umask)
    try:
        for part in _PARTS:
            path = ROOT / part
            if path.is_dir():
                shutil.copytree(
                    path,
                    source / part,
                    copy_function=shutil.copyfile,
                    ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
                )
            else:
                shutil.copyfile(path, source / part)
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place / "made")]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH") or last_commit()}
        subprocess.run(command, cwd=source, env=environment, check=True, capture_output=True)
    finally:
        os.umask(before)
    (found,) = (place / "made").glob("*.whl")
    return found


def last_commit() -> str:
    """When the last commit was made, in seconds since 1970; without history when 1980 began, as in zip."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "315532800"
    return done.stdout.strip() or "315532800"


def differences(one: Path, other: Path) -> list[str]:
    """Names of files that are in one alone, or not the same in both."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        names = {*first.namelist(), *second.namelist()}
        both = set(first.namelist()) & set(second.namelist())
        same = {name for name in both if first.read(name) == second.read(name)}
        modes = {name for name in both if first.getinfo(name).external_attr != second.getinfo(name).external_attr}
    return sorted((names - same) | modes)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
