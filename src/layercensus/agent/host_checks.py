"""⇄ What the agent takes for granted of a host, looked at one by one: holds, fails or unknown, and what was seen.

Nothing here decides a number: it is for the person who installs the agent, and for the record of which real releases
were looked at. Each check stands alone, so that one which fails hides no other.
"""

import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from layercensus.agent.node_files import read_stamp

_META = Path("usr/share/openshift/base/meta.json")
_DATABASES = (Path("usr/share/rpm/rpmdb.sqlite"), Path("usr/lib/sysimage/rpm/rpmdb.sqlite"))
_CONFIGS = (Path("etc/machine-config-daemon/currentconfig"), Path("etc/mcd-currentconfig.json"))
_MAX_CONFIG_BYTES = 16 * 1024 * 1024


class Outcome(StrEnum):
    """Whether an assumption holds; unknown where it cannot be told here."""

    HOLDS = "holds"
    FAILS = "fails"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """An assumption, how it is with it, and what was seen."""

    assumption: str
    outcome: Outcome
    seen: str


def check_host(root: Path, proc: Path, booted: Path | str) -> Iterator[Check]:
    """All checks of a host seen at `root`. `booted`: the folder of the booted deployment, or why it is not known."""
    folder = booted if isinstance(booted, Path) else None
    yield Check(
        "one deployment is told to be booted",
        _outcome(holds=folder is not None),
        folder.name if folder else str(booted),
    )
    yield _mount(root, proc, folder)
    yield _inode(root, folder)
    stamp = read_stamp(root)
    seen = "ostree/deploy: " + ("not seen" if stamp is None else "seen")
    yield Check("the stamp of deployments can be seen", _outcome(holds=stamp is not None), seen)
    yield _origin(folder, proc)
    yield _node_image(folder)
    yield _database(folder)
    little = True if sys.byteorder == "little" else None
    yield Check("metadata is in little byte order", _outcome(holds=little), f"this machine is {sys.byteorder}")
    yield _config(root, folder)


def format_checks(checks: Iterator[Check]) -> Iterator[str]:
    """One line for each check."""
    for check in checks:
        yield f"{check.outcome.value:8} {check.assumption}: {check.seen}\n"


def _outcome(*, holds: bool | None) -> Outcome:
    return Outcome.UNKNOWN if holds is None else Outcome.HOLDS if holds else Outcome.FAILS


def _mount(root: Path, proc: Path, folder: Path | None) -> Check:
    assumption = "the mount of etc/machine-id passes through its deployment"
    target = re.escape(str(root.resolve() / "etc/machine-id"))
    try:
        lines = (proc / "self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        return Check(assumption, Outcome.UNKNOWN, f"mountinfo: {error.strerror}")
    found = [line.split(" ") for line in lines if re.match(rf"(\S+ ){{4}}{target} ", line)]
    if not found:
        return Check(assumption, Outcome.UNKNOWN, "etc/machine-id is no mount of its own")
    path = found[-1][3]
    return Check(assumption, _outcome(holds=None if folder is None else f"/{folder.name}/" in path), path)


def _inode(root: Path, folder: Path | None) -> Check:
    assumption = "etc/machine-id is the file of the booted deployment"
    try:
        seen = (root / "etc/machine-id").stat()
        own = None if folder is None else (folder / "etc/machine-id").stat()
    except OSError as error:
        return Check(assumption, Outcome.UNKNOWN, f"{error.filename}: {error.strerror}")
    shown = f"device {seen.st_dev}, inode {seen.st_ino}"
    same = None if own is None else (own.st_dev, own.st_ino) == (seen.st_dev, seen.st_ino)
    return Check(assumption, _outcome(holds=same), shown)


def _origin(folder: Path | None, proc: Path) -> Check:
    """Whether this reader's user and SELinux label may open what libostree wrote."""
    assumption = "user and SELinux label may open the origin file"
    try:
        label = (proc / "self/attr/current").read_text(encoding="utf-8").strip("\0\n") or "no label"
    except OSError:
        label = "SELinux is not there"
    who = f"uid {os.getuid()}, {label}"
    if folder is None:
        return Check(assumption, Outcome.UNKNOWN, who)
    try:
        descriptor = os.open(folder.with_name(f"{folder.name}.origin"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Check(assumption, Outcome.FAILS, f"{who}: {error.strerror}")
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    return Check(assumption, _outcome(holds=regular), who if regular else f"{who}: it is no regular file")


def _node_image(folder: Path | None) -> Check:
    assumption = "a node image lists its packages in meta.json"
    if folder is None:
        return Check(assumption, Outcome.UNKNOWN, "no booted deployment")
    try:
        listed = "rpmdb.pkglist" in json.loads(_content(folder / _META))
    except FileNotFoundError:
        return Check(assumption, Outcome.UNKNOWN, "not there: not built as a node image")
    except (OSError, ValueError, TypeError) as error:
        return Check(assumption, Outcome.FAILS, f"{_META}: {error}")
    return Check(assumption, _outcome(holds=listed), str(_META))


def _database(folder: Path | None) -> Check:
    assumption = "everybody may read the rpm database"
    for path in _DATABASES if folder is not None else ():
        try:
            found = (folder / path).stat() if folder is not None else None
        except OSError:
            continue
        if found is not None:
            return Check(
                assumption, _outcome(holds=bool(found.st_mode & 0o004)), f"{path}: mode {found.st_mode & 0o7777:04o}"
            )
    return Check(assumption, Outcome.UNKNOWN, "no rpmdb.sqlite is seen")


def _config(root: Path, folder: Path | None) -> Check:
    assumption = "the rendered MachineConfig may be read"
    for base in (folder, root):
        for path in _CONFIGS if base is not None else ():
            try:
                content = _content(base / path) if base is not None else b""
                if content.strip():
                    return Check(assumption, _outcome(holds="kind" in json.loads(content)), str(path))
            except FileNotFoundError:
                continue
            except PermissionError as error:
                return Check(assumption, Outcome.FAILS, f"{path}: {error.strerror}")
            except (OSError, ValueError) as error:
                return Check(assumption, Outcome.FAILS, f"{path}: {error}")
    return Check(assumption, Outcome.UNKNOWN, "not there: whether an extension was asked for stays unknown")


def _content(path: Path) -> bytes:
    """Content of a file, bounded; a pipe is not waited for."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        return stream.read(_MAX_CONFIG_BYTES)
