"""⇄ Files, folders and standard input of captured documents, one at a time and never all in memory.

A path given by name always yields at least one machine. In a folder (recursive, links not followed, in name order)
files are recognised by content and the rest is skipped with a reason. Nothing is written, nothing is extracted.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from layercensus.host.document import parse_document, recognise
from layercensus.host.reading import unreadable
from layercensus.model import Machine, Skipped

# A status of three container deployments is about 100 KB (`docs/formats.md`); a paste of a thousand of them fits.
MAX_DOCUMENT_BYTES = 128 * 1024 * 1024
_ARCHIVE_STARTS = (b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh", b"PK\x03\x04", b"\x28\xb5\x2f\xfd")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class _Text:
    """Decoded content, or the reason why there is none; `lost` if a machine may be behind it."""

    text: str = ""
    problem: str | None = None
    note: str | None = None
    lost: bool = True


def read_captures(paths: Iterable[str], stdin: BinaryIO) -> Iterator[Machine | Skipped]:
    """Machines of every path, in the order given; `-` is standard input."""
    for path in paths:
        if path == "-":
            yield from _machines("-", _decode(_read_stream(stdin)))
        elif _is_folder(path):
            yield from _read_folder(path)
        else:
            yield from _machines(path, _read_file(path))


def count_files(paths: Iterable[str]) -> int:
    """How many files `read_captures` will look at, for the progress bar."""
    return sum(sum(1 for _ in _walk(path)) if _is_folder(path) else 1 for path in paths)


def is_there(path: str) -> bool:
    """Whether there is anything at a path; standard input is."""
    try:
        return path == "-" or Path(path).exists()
    except (OSError, ValueError):
        return False


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _read_folder(folder: str) -> Iterator[Machine | Skipped]:
    found = False
    for path in _walk(folder):
        found = True
        document = _skip_special(path) or _read_file(path)
        if document.problem is not None:
            yield Skipped(path, document.problem, lost=document.lost)
        elif recognise(document.text) is None:
            empty = not document.text.strip()
            yield Skipped(path, "is empty" if empty else "is no host document that we know", lost=empty)
        else:
            yield from _machines(path, document)
    if not found:
        yield Skipped(folder, "is an empty folder", lost=True)


def _walk(folder: str) -> Iterator[str]:
    """Paths of all entries below a folder that are no folders, in name order."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        else:
            yield entry.path


def _skip_special(path: str) -> _Text | None:
    """Say why an entry of a folder is not opened at all: links lead elsewhere, pipes and devices may hang."""
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        return _Text(problem=f"cannot be read: {error.strerror}")
    if stat.S_ISLNK(mode):
        return _Text(problem="is a symbolic link, which is not followed", lost=False)
    if stat.S_ISDIR(mode):
        return _Text(problem="is a folder that cannot be listed")
    return None if stat.S_ISREG(mode) else _Text(problem="is no regular file", lost=False)


def _read_file(path: str) -> _Text:
    try:
        with Path(path).open("rb") as stream:
            return _decode(_read_stream(stream))
    except FileNotFoundError:
        return _Text(problem="does not exist: check the path")
    except (OSError, ValueError) as error:
        return _Text(problem=f"cannot be read: {error.strerror if isinstance(error, OSError) else error}")


def _read_stream(stream: BinaryIO) -> bytes:
    return stream.read(MAX_DOCUMENT_BYTES + 1)


def _decode(content: bytes) -> _Text:
    if len(content) > MAX_DOCUMENT_BYTES:
        return _Text(problem=f"is larger than {MAX_DOCUMENT_BYTES >> 20} MiB, which no status is")
    if content.startswith(_ARCHIVE_STARTS) or content[257:262] == b"ustar":
        return _Text(problem="is an archive, which this release does not read yet")
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return _Text(content.decode(encoding, errors="replace"))
    if b"\x00" in content:
        return _Text(problem="is binary", lost=False)
    try:
        return _Text(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        text = content.decode("utf-8", errors="replace")
        return _Text(text, note=f"is not UTF-8 from byte {error.start} on: those characters were replaced")


def _machines(name: str, document: _Text) -> Iterator[Machine]:
    if document.problem is not None:
        yield unreadable(name, document.problem)
        return
    for machine in parse_document(document.text, name):
        yield replace(machine, problems=(*machine.problems, document.note)) if document.note else machine
