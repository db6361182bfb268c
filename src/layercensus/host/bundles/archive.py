"""⇄ Sosreports and must-gathers, as archives or folders: the members on the allow-list, and nothing is extracted.

An archive is read once from front to end in at most 128 MiB of memory. What it holds names no path here, is never a
file and never followed: links, devices, absolute paths and `..` are passed over. What can't be read is said, and the
rest stands: `node.tar.xz` that is cut off gives the machines up to the cut, each with a problem, and one `Skipped`
marked lost.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from layercensus.data import read_json
from layercensus.host.bundles.byte_stream import Budget, ByteStream, Readable
from layercensus.host.bundles.support_bundle import Bundles, Wanted
from layercensus.host.bundles.tar_stream import Form, TarReader
from layercensus.host.documents.mcd_log import LogScan
from layercensus.model import Machine, Skipped

_CHUNK = 64 * 1024
# klog writes a status in short lines; of a longer line the beginning is enough.
_MAX_LINE_BYTES = 16 * 1024
_MAX_FOLDER_ENTRIES = 500_000
_MAX_FOLDER_DEPTH = 64
_NOTHING = "is an archive without a sosreport or must-gather in it"


def read_archive(stream: Readable, name: str) -> Iterator[Machine | Skipped]:
    """Machines of all bundles in a tar archive (gzip, xz, bzip2 or plain), and what of it could not be read.

    Yields nothing but one `Skipped` where the archive holds no bundle. Never raises.
    """
    yield from _read_archive(stream, name, Budget(), depth=0)


def _read_archive(stream: Readable, name: str, budget: Budget, *, depth: int) -> Iterator[Machine | Skipped]:
    source = ByteStream(stream, budget, depth=depth)
    reader = TarReader(source, budget)
    bundles = Bundles(name, "!")
    found = False
    for member in reader:
        wanted = bundles.wants(member.name)
        if wanted is None or not wanted.is_read:
            continue
        if member.form is not Form.FILE:
            bundles.refuse(wanted, f"is {member.form.value}")
        elif wanted.is_archive and depth == 0:
            found = True
            yield from _read_archive(reader, bundles.input_of(member.name), budget, depth=depth + 1)
        elif wanted.is_archive:
            bundles.refuse(wanted, "is an archive inside an archive inside an archive, which is not read")
        elif not wanted.is_log and member.size > wanted.max_bytes:
            bundles.refuse(wanted, _too_large(wanted))
        else:
            _take(bundles, wanted, reader)
    for machine in bundles.machines(reader.problem):
        found = True
        yield machine
    yield from _what_was_left(reader, bundles, found=found)


def _what_was_left(reader: TarReader, bundles: Bundles, *, found: bool) -> Iterator[Skipped]:
    if reader.problem:
        after = f" after {reader.count} members: the rest was not read" if reader.count else ""
        yield Skipped(bundles.name, f"{reader.problem}{after}", lost=True)
    elif not found:
        yield Skipped(bundles.name, _NOTHING)
    if reader.refused_names:
        reason = f"has {reader.refused_names} members with an absolute path, a `..` or a name too long: not read"
        yield Skipped(bundles.name, reason, lost=True)
    for problem in bundles.problems:
        yield Skipped(bundles.name, problem, lost=True)


def _too_large(wanted: Wanted) -> str:
    return f"is larger than {wanted.max_bytes >> 10} KiB, which none is"


def _take(bundles: Bundles, wanted: Wanted, reader: TarReader) -> None:
    """Read the present member of an archive."""
    if wanted.is_log:
        scan = _scan(reader)
        bundles.take_log(wanted, scan, cut=not reader.is_whole)
    else:
        text = reader.read(wanted.max_bytes).decode("utf-8", errors="replace")
        bundles.take_text(wanted, text, cut=not reader.is_whole)


def _scan(stream: Readable) -> LogScan:
    """Feed a log line by line; of a line that is too long its beginning."""
    scan = LogScan()
    rest = b""
    while chunk := stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            scan.feed(line[:_MAX_LINE_BYTES].decode("utf-8", errors="replace").rstrip("\r"))
        rest = rest[:_MAX_LINE_BYTES]
    if rest:
        scan.ends_open = True
        scan.feed(rest.decode("utf-8", errors="replace"))
    return scan


def read_bundle_folder(folder: Path, name: str) -> Iterator[Machine | Skipped] | None:
    """Machines of an unpacked sosreport or must-gather; None if the folder itself is none.

    Links are not followed, and nothing but regular files is opened. `name` is the folder as the user wrote it.
    """
    return _read_folder(folder, name) if is_bundle_folder(folder) else None


def is_bundle_folder(folder: Path) -> bool:
    """Whether a folder is an unpacked sosreport or must-gather, or the top of one with a folder per image."""
    table = read_json("bundle_members.json")["folders"]
    if _has_mark(folder, table["marks"]):
        return True
    entries = _entries(folder)
    if not any(entry.name in table["tops"] for entry in entries):
        return False
    below = (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    return any(_has_mark(path, table["marks"]) for path in below)


def _has_mark(folder: Path, marks: list[str]) -> bool:
    return any(_is_real_folder(folder, mark) for mark in marks)


def _is_real_folder(folder: Path, below: str) -> bool:
    """Whether these folders are there, none of them a link."""
    path = folder
    for part in below.split("/"):
        path = path / part
        try:
            if not stat.S_ISDIR(path.lstat().st_mode):
                return False
        except (OSError, ValueError):
            return False
    return True


def _read_folder(folder: Path, name: str) -> Iterator[Machine | Skipped]:
    bundles = Bundles(name.rstrip("/") or "/", "/")
    skipped: list[Skipped] = []
    for entry, path in _walk(folder, "", skipped, name):
        wanted = bundles.wants(path)
        if wanted is None or not wanted.is_read:
            continue
        if not entry.is_file(follow_symlinks=False):
            bundles.refuse(wanted, "is a link or no regular file, which is not read")
            continue
        try:
            yield from _read_file(bundles, wanted, entry.path)
        except OSError as error:
            bundles.refuse(wanted, f"cannot be read: {error.strerror}")
            skipped.append(Skipped(bundles.input_of(path), f"cannot be read: {error.strerror}", lost=True))
    yield from bundles.machines(None)
    yield from skipped
    for problem in bundles.problems:
        yield Skipped(name, problem, lost=True)


def _read_file(bundles: Bundles, wanted: Wanted, path: str) -> Iterator[Machine | Skipped]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if wanted.is_archive:
            yield from _read_archive(stream, bundles.input_of(wanted.path), Budget(), depth=1)
        elif wanted.is_log:
            bundles.take_log(wanted, _scan(stream), cut=False)
        else:
            content = stream.read(wanted.max_bytes + 1)
            if len(content) > wanted.max_bytes:
                bundles.refuse(wanted, _too_large(wanted))
                return
            bundles.take_text(wanted, content.decode("utf-8", errors="replace"), cut=False)


def _walk(folder: Path, prefix: str, skipped: list[Skipped], name: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """All entries below a folder that are no folders, with their paths below it, in name order."""
    waiting = [(str(folder), prefix)]
    seen = 0
    while waiting:
        path, prefix = waiting.pop()
        folders = []
        for entry in _entries(Path(path), skipped):
            seen += 1
            if seen > _MAX_FOLDER_ENTRIES:
                skipped.append(Skipped(name, "has more entries than are read of one bundle", lost=True))
                return
            below = f"{prefix}{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                yield entry, below
            elif below.count("/") < _MAX_FOLDER_DEPTH:
                folders.append((entry.path, f"{below}/"))
        waiting += reversed(folders)


def _entries(folder: Path, skipped: list[Skipped] | None = None) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if skipped is not None:
            skipped.append(Skipped(str(folder), f"cannot be listed: {error.strerror}", lost=True))
        return []
