"""⇄ A folder of text files that a command makes: its own is made anew, anyone else's is left alone."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from layercensus.errors import Fault, LayerCensusError, UsageError

_MARK = ".layercensus"


def make_folder(folder: Path, files: Mapping[str, str], holds: str = "") -> None:
    """Write files (relative path -> text) into a folder, new or made by us before. `holds` says what they are.

    Raises `UsageError` if the folder holds anything that we did not put there, or something else of ours.
    """
    mark = folder / _MARK
    try:
        if folder.exists() and not mark.exists() and any(folder.iterdir()):
            raise _taken(folder, "is not empty and was not made by layercensus", "name another folder")
        if mark.exists():
            before = mark.read_text(encoding="utf-8")
            if before and before != holds:
                # Rendering over it would lose what removes it from a cluster.
                next_step = "remove that from the cluster first and then the folder, or name another folder"
                raise _taken(folder, f"holds {before}", next_step)
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(holds, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(folder, error) from error
    for name, text in files.items():
        write_file(folder / name, text)


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
    return LayerCensusError(f"cannot be written: {error.strerror}", where=str(path), fault=Fault.HOST)


def has_waiting_reports(lake: Path) -> bool:
    """Whether a collector's inbox within a lake holds what is no row yet."""
    return any((lake / "inbox").glob("*/*.sealed")) or any((lake / "inbox").glob("*/*.open"))
