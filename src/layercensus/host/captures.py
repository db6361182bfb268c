"""⇄ Files, folders and standard input of captured documents, one at a time and never all in memory.

Whoever names a file gets a machine for it, an unknown one if need be. A folder is walked in name order, links left
alone, within its own file system; what is found to be no host document there is skipped, with the reason. Nothing is
written, nothing is extracted, and no file of the kernel's is opened: to read `/proc/kmsg` changes a host.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import BinaryIO

from layercensus.host.bundles.archive import is_bundle_folder, read_archive, read_bundle_folder
from layercensus.host.bundles.byte_stream import Replayed, archive_kind
from layercensus.host.documents.document import parse_document, recognise
from layercensus.host.reading import unreadable
from layercensus.model import Machine, Skipped

# A status of three container deployments is about 100 KB (`docs/formats.md`); a paste of a thousand of them fits.
MAX_DOCUMENT_BYTES = 128 * 1024 * 1024
# A tar archive says so at byte 257.
_HEAD_BYTES = 512
_UNREAD_ARCHIVES = (b"PK\x03\x04", b"\x28\xb5\x2f\xfd")
# File systems whose files are the kernel's own words, by their names in /proc/self/mountinfo; all of them and no disk.
_KERNEL_FILE_SYSTEMS = frozenset({
    "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs", "functionfs", "fusectl",
    "mqueue", "nsfs", "proc", "pstore", "resctrl", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "sysfs",
    "tracefs",
})  # fmt: skip
_OF_THE_KERNEL = "is of the kernel's own file systems (proc, sysfs, …), which are not read"
_HIDDEN = "is hidden: its name begins with a dot"
_OF_A_LAKE = "is a lake of layercensus, not a folder of captures"
# What begins like that and is whole was written by us: a census, a plan, a report, the head of a lake.
_OUR_HEAD = re.compile(r'\s*\{\s*"schema":\s*"(layercensus/[^"]*)"')
# A piece of a status: a machine may be behind it. A census of ours has the word too, as where a change was read.
_PIECE_OF_STATUS = re.compile(r'(?<!"from": )(?<!"from":)"requested-packages"')
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def read_captures(paths: Iterable[str], stdin: BinaryIO) -> Iterator[Machine | Skipped]:
    """Machines of every path, in the order given; `-` is standard input."""
    for path in paths:
        if path == "-":
            yield from _found_in(path, _at_least_one(path, _read_stream(path, stdin)))
        elif _is_folder(path):
            yield from _read_folder(path)
        else:
            yield from _found_in(path, _at_least_one(path, _read_file(path)))


def count_files(paths: Iterable[str]) -> int:
    """How many files `read_captures` will look at, for the progress bar; a support bundle is one."""
    return sum(sum(1 for _ in _walk(path, _device_of(path))) if _is_folder(path) else 1 for path in paths)


def is_there(path: str) -> bool:
    """Whether there is anything at a path; standard input is."""
    try:
        return path == "-" or Path(path).exists()
    except (OSError, ValueError):
        return False


def is_missing(path: str) -> bool:
    """Whether nothing is at a path; one that may not be looked at, or is no path at all, may be there."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return path != "-"
    except (OSError, ValueError):
        return False
    return False


def is_lake(path: str) -> bool:
    """Whether a path is the folder of a lake; one of captures may hold the status of a machine called `lake`."""
    try:
        with (Path(path) / "lake.json").open("rb") as stream:
            head = _OUR_HEAD.match(stream.read(_HEAD_BYTES).decode("utf-8", errors="replace"))
    except (OSError, ValueError):
        return False
    return head is not None and head[1] == "layercensus/lake"


def is_root(path: str) -> bool:
    """Whether a path leads to `/`, however it is spelt."""
    try:
        return path != "-" and Path(path).samefile("/")
    except (OSError, ValueError):
        return False


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _read_folder(folder: str) -> Iterator[Machine | Skipped]:
    """What is in a folder that was named; where that is no machine, and nothing that may be one, it is lost itself."""
    is_empty, is_answered = True, False
    for item in _in_folder(folder):
        is_empty = False
        is_answered = is_answered or isinstance(item, Machine) or item.lost
        yield item
    if not is_answered:
        yield Skipped(folder, "is an empty folder" if is_empty else "holds no host document", lost=True)


def _in_folder(folder: str) -> Iterator[Machine | Skipped]:
    for path in _walk(folder, _device_of(folder)):
        if isinstance(path, Skipped):
            yield replace(path, found_in=path.input)
            continue
        bundle = read_bundle_folder(Path(path), path)
        yield from _found_in(path, bundle if bundle is not None else _skip_special(path) or _read_file(path))


def _found_in(path: str, items: Iterable[Machine | Skipped]) -> Iterator[Machine | Skipped]:
    return (replace(item, found_in=path) for item in items)


def _at_least_one(name: str, items: Iterator[Machine | Skipped]) -> Iterator[Machine | Skipped]:
    """What was given by name is a machine: if no machine is found in it, an unknown one, with the reason."""
    found = False
    reasons: list[Skipped] = []
    for item in items:
        if isinstance(item, Skipped) and not found:
            reasons.append(item)
            continue
        found = True
        yield from reasons
        reasons.clear()
        yield item
    if not found:
        yield unreadable(name, reasons[0].reason if reasons else "holds nothing")
        yield from reasons[1:]


def _walk(folder: str, device: int | None) -> Iterator[str | Skipped]:
    """Paths of all entries below a folder that are no folders, and of support bundles, in name order.

    A folder that is not entered is `Skipped`. `device` is the file system that is walked.
    """
    if device in _kernel_devices():
        yield Skipped(folder, _OF_THE_KERNEL, lost=True)
        return
    if is_bundle_folder(Path(folder)):
        yield folder
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield Skipped(folder, "is a folder that cannot be listed", lost=True)
        return
    for entry in entries:
        if entry.name.startswith("."):
            yield Skipped(entry.path, _HIDDEN)
        elif not entry.is_dir(follow_symlinks=False):
            yield entry.path
        elif closed := _why_closed(entry.path, device):
            yield closed
        else:
            yield from _walk(entry.path, device)


def _why_closed(folder: str, device: int | None) -> Skipped | None:
    """Why a folder below the one that was given is not entered."""
    found = _device_of(folder)
    if found in _kernel_devices():
        return Skipped(folder, _OF_THE_KERNEL)
    if found is not None and found != device:
        return Skipped(folder, "is another file system, which is not entered: give it as a PATH of its own", lost=True)
    return Skipped(folder, _OF_A_LAKE) if is_lake(folder) else None


def _device_of(path: str) -> int | None:
    """File system that a path is on."""
    try:
        return Path(path).stat().st_dev
    except (OSError, ValueError):
        return None


@cache
def _kernel_devices() -> frozenset[int]:
    """Devices of the kernel's own file systems, as far as this process sees them mounted."""
    found: set[int] = set()
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            # `22 28 0:21 / /proc rw,nosuid shared:5 - proc proc rw`
            mount, _, kind = line.partition(" - ")
            if kind.partition(" ")[0] in _KERNEL_FILE_SYSTEMS:
                major, _, minor = mount.split()[2].partition(":")
                found.add(os.makedev(int(major), int(minor)))
    # Where that cannot be read: what is mounted on the two best known.
    known = (_device_of(folder) for folder in ("/proc", "/sys"))
    return frozenset(found.union(device for device in known if device is not None) - {_device_of("/")})


def _skip_special(path: str) -> list[Skipped]:
    """Say why an entry of a folder is not opened at all: links lead elsewhere, pipes and devices may hang."""
    try:
        found = os.lstat(path)
    except OSError as error:
        return [Skipped(path, f"cannot be read: {error.strerror}", lost=True)]
    if stat.S_ISLNK(found.st_mode):
        return [Skipped(path, "is a symbolic link, which is not followed")]
    if not stat.S_ISREG(found.st_mode):
        return [Skipped(path, "is no regular file")]
    return [Skipped(path, _OF_THE_KERNEL)] if found.st_dev in _kernel_devices() else []


def _read_file(path: str) -> Iterator[Machine | Skipped]:
    try:
        found = Path(path).stat()
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            yield Skipped(path, "is a device, which is not read", lost=True)
            return
        if stat.S_ISREG(found.st_mode) and found.st_dev in _kernel_devices():
            yield Skipped(path, _OF_THE_KERNEL, lost=True)
            return
        with Path(path).open("rb") as stream:
            yield from _read_stream(path, stream)
    except FileNotFoundError:
        yield Skipped(path, "does not exist: check the path", lost=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        yield Skipped(path, f"cannot be read: {reason}", lost=True)


def _read_stream(name: str, stream: BinaryIO) -> Iterator[Machine | Skipped]:
    """Machines of one file, which is an archive or a document."""
    head = stream.read(_HEAD_BYTES)
    if archive_kind(head) is not None:
        yield from read_archive(Replayed(head, stream), name)
        return
    content = head + stream.read(MAX_DOCUMENT_BYTES + 1 - len(head))
    if len(content) > MAX_DOCUMENT_BYTES:
        yield Skipped(name, f"is larger than {MAX_DOCUMENT_BYTES >> 20} MiB, which no status is", lost=True)
    elif content.startswith(_UNREAD_ARCHIVES):
        yield Skipped(name, "is an archive that is not read: only tar, plain or with gzip, xz or bzip2", lost=True)
    elif (decoded := _decode(content)) is None:
        yield Skipped(name, "is binary")
    else:
        yield from _read_text(name, *decoded)


def _decode(content: bytes) -> tuple[str, str | None] | None:
    """Text of a file, and what had to be changed to read it; None if it is no text."""
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return content.decode(encoding, errors="replace"), None
    if b"\x00" in content:
        return None
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        note = f"is not UTF-8 from byte {error.start} on: those characters were replaced"
        return content.decode("utf-8", errors="replace"), note


def _read_text(name: str, text: str, note: str | None) -> Iterator[Machine | Skipped]:
    if recognise(text) is None:
        if (ours := _our_schema(text)) is not None:
            yield Skipped(name, f"was written by layercensus ({ours}) and is no host document")
            return
        machine = next(parse_document(text, name))
        yield Skipped(name, machine.problems[0], lost=not text.strip() or bool(_PIECE_OF_STATUS.search(text)))
        return
    for machine in parse_document(text, name):
        yield replace(machine, problems=(*machine.problems, note)) if note else machine


def _our_schema(text: str) -> str | None:
    """Schema of a whole document of ours; None of anything else, so also where another text stands behind it."""
    head = _OUR_HEAD.match(text)
    try:
        return head[1] if head is not None and isinstance(json.loads(text), dict) else None
    except (ValueError, RecursionError):
        return None
