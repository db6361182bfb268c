"""⇄ A folder of text files that a command makes: its own is made anew, anyone else's is left alone.

    FOLDER/.layercensus     what the folder holds, then a line for each file: `SHA-256  NAME`

A file that is not listed there, or is not any more what it was, is somebody's work.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from layercensus.errors import Fault, LayerCensusError, UsageError

_MARK = ".layercensus"


def make_folder(folder: Path, files: Mapping[str, str], holds: str = "", grows: Sequence[str] = ()) -> None:
    """Write files (relative path -> text) into a folder, new or made by us before. `holds` says what they are.

    `grows` names what the command itself adds later. Raises `UsageError` if the folder holds anything that we did not
    put there, something that was changed since, or something else of ours.
    """
    mark = folder / _MARK
    try:
        if folder.exists() and not mark.exists() and any(folder.iterdir()):
            raise _taken(folder, "is not empty and was not made by layercensus", "name another folder")
        if mark.exists():
            before, _, listed = mark.read_text(encoding="utf-8").partition("\n")
            if before and before != holds:
                # Rendering over it would lose what removes it from a cluster.
                next_step = "remove that from the cluster first and then the folder, or name another folder"
                raise _taken(folder, f"holds {before}", next_step)
            if not listed:
                what = "was made by an older layercensus, which did not note what it made"
                raise _taken(folder, what, "move it away, or name another folder")
            for name, what in _not_as_made(folder, listed, grows):
                raise _taken(folder / name, what, "move it away, or name another folder")
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(f"{holds}\n{''.join(_line(name, text.encode()) for name, text in files.items())}", "utf-8")
    except OSError as error:
        raise _cannot_write(folder, error) from error
    for name, text in files.items():
        write_file(folder / name, text)


def _not_as_made(folder: Path, listed: str, grows: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Files of a folder of ours that are not as we made them, each with what it is. Raises `OSError`."""
    lines = set(listed.splitlines(keepends=True))
    names = {line.partition("  ")[2].rstrip("\n") for line in lines}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name == _MARK or name.partition("/")[0] in grows or (path.is_dir() and not path.is_symlink()):
            continue
        if name not in names:
            yield name, "was not made by layercensus"
        elif path.is_symlink() or not path.is_file() or _line(name, path.read_bytes()) not in lines:
            yield name, "was changed since layercensus made it"


def _line(name: str, content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n"


def _taken(folder: Path, what: str, next_step: str) -> UsageError:
    return UsageError(what, where=str(folder), fault=Fault.USAGE, next_step=next_step)


def write_file(path: Path, text: str) -> None:
    """Write one file, making the folders above it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error


def refuse_existing(path: Path) -> None:
    """Raise `UsageError` if something is there already."""
    if path.exists():
        raise _taken(path, "is there already", "remove it, or name another folder")


def write_whole_file(path: Path, text: str) -> None:
    """Write one file so that it is there as a whole or not at all; its folder is there."""
    beside = path.with_name(f".{path.name}.writing")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def _cannot_write(path: Path, error: OSError) -> LayerCensusError:
    next_step = "name a folder that this user may write to"
    return LayerCensusError(f"cannot be written: {error.strerror}", str(path), Fault.HOST, next_step)


def has_waiting_reports(lake: Path) -> bool:
    """Whether a collector's inbox within a lake holds what is no row yet."""
    return any((lake / "inbox").glob("*/*.sealed")) or any((lake / "inbox").glob("*/*.open"))
