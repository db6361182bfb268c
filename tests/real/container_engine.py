"""buildah and podman for tests, below a folder of their own, and the Debian that their images start from.

Made once a run and shared: debootstrap takes half a minute. No registry is asked for anything.
"""

import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from tests.real.agent_hosts import scratch_folder

# A machine that is itself a container may raise no limit of a process, and has no systemd to ask for cgroups.
SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
runtime = "runc"
static_dir = "{folder}/graph/libpod"
tmp_dir = "{folder}/state"
volume_path = "{folder}/graph/volumes"
[network]
network_config_dir = "{folder}/networks"
"""
STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""
# What the programs leave in places that no setting names.
LEFT_ELSEWHERE = ("/run/runc", "/var/lib/containers/cache", "/sys/fs/cgroup/*/libpod_parent")


def skip(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Engine:
    """buildah and podman, and all that they keep, below one folder."""

    folder: Path

    def start(self) -> None:
        for name, text in {"containers.conf": SETTINGS, "storage.conf": STORAGE}.items():
            (self.folder / name).write_text(text.format(folder=self.folder))
        (self.folder / "home").mkdir()

    def attempt(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
        settings = {
            "CONTAINERS_CONF": self.folder / "containers.conf", "CONTAINERS_STORAGE_CONF": self.folder / "storage.conf",
            "HOME": self.folder / "home", "TMPDIR": self.folder / "home",
        }  # fmt: skip
        environment = {**kept, **{key: str(path) for key, path in settings.items()}}
        command = list(map(str, arguments))
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=self.folder)

    def run(self, *arguments: str | Path) -> str:
        """What a program prints, or an error that shows what it said."""
        done = self.attempt(*arguments)
        if done.returncode:
            raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def python(self, image: str, code: str, *options: str) -> str:
        """What a piece of Python prints in a container of an image."""
        return self.run("podman", "run", "--rm", *options, "--entrypoint", "python3", image, "-I", "-c", code)

    def files(self, image: str) -> dict[str, tuple[object, ...]]:
        """All files of an image by path: mode, owner, and what is in them."""
        top = Path(self.run("podman", "image", "mount", image).strip())
        found: dict[str, tuple[object, ...]] = {}
        for path in top.rglob("*"):
            facts = path.lstat()
            content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            digest = hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
            found[f"/{path.relative_to(top)}"] = (facts.st_mode, facts.st_uid, facts.st_gid, digest)
        return found

    def stop(self) -> None:
        self.attempt("podman", "rm", "--all", "--force", "--time", "0")
        self.attempt("podman", "image", "unmount", "--all")


def unmount_below(folder: Path) -> None:
    """What a program that was stopped half-way has left mounted there."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if Path(point).is_relative_to(folder):
            subprocess.run(["umount", "--lazy", point], check=True)


def left_elsewhere() -> set[Path]:
    return {path for pattern in LEFT_ELSEWHERE for path in Path("/").glob(pattern.removeprefix("/"))}


def remove_unused(path: Path) -> None:
    """A cache goes; of other folders those that nobody has begun to use."""
    if path.name == "cache":
        shutil.rmtree(path)
        return
    for folder in sorted((found for found in [path, *path.rglob("*")] if found.is_dir()), reverse=True):
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def engine_scratch() -> Iterator[Path]:
    """A folder for engines, and nothing left of them elsewhere."""
    before = left_elsewhere()
    with scratch_folder() as folder:
        try:
            yield folder
        finally:
            unmount_below(folder)
    for path in left_elsewhere() - before:
        remove_unused(path)


def unpack_debian(top: Path, loudly: str) -> Path:
    """A minimal Debian with Python in a folder; skips with `loudly` where none can be made."""
    archive = _debian()
    if isinstance(archive, str):
        skip(f"{loudly}, {archive}")
    top.mkdir()
    subprocess.run(["tar", "-C", str(top), "-xf", str(archive)], check=True)
    return top


@cache
def _debian() -> Path | str:
    """Archive of a Debian of the release and from the mirror of this machine's own apt, or why there is none."""
    asked = ["apt-get", "indextargets", "--format", "$(RELEASE) $(SITE)", "Identifier: Packages"]
    sources = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    said = ["sh", "-c", '. /etc/os-release && echo "$VERSION_CODENAME"']
    release = subprocess.run(said, capture_output=True, text=True, check=True).stdout.strip()
    mirror = next((site for name, site in map(str.split, sources.splitlines()) if name == release), "")
    if not mirror:
        return f"apt has no source of {release}"
    folder = Path(tempfile.mkdtemp(prefix="layercensus-debian-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = ["debootstrap", "--variant=minbase", "--include=python3", release, str(folder / "root"), mirror]
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"debootstrap: {(done.stdout + done.stderr)[-2000:]}"
    subprocess.run(["tar", "-C", str(folder / "root"), "-cf", str(folder / "debian.tar"), "."], check=True)
    shutil.rmtree(folder / "root")
    return folder / "debian.tar"
