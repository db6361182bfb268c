"""⇄ A folder of text files that a command makes: its own is made anew, anyone else's is left alone."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from layercensus.errors import Fault, LayerCensusError, UsageError

_MARK = ".layercensus"


def make_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write files (relative path -> text) into a folder, new or made by us before.

    Raises `UsageError` if the folder holds anything that we did not put there.
    """
    try:
        if folder.exists() and not (folder / _MARK).exists() and any(folder.iterdir()):
            raise UsageError(
                "is not empty and was not made by layercensus",
                where=str(folder),
                fault=Fault.USAGE,
                next_step="name another folder",
            )
        if (folder / _MARK).exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARK).touch()
    except OSError as error:
        raise _cannot_write(folder, error) from error
    for name, text in files.items():
        write_file(folder / name, text)


def write_file(path: Path, text: str) -> None:
    """Write one file, making the folders above it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: Path, error: OSError) -> LayerCensusError:
    return LayerCensusError(f"cannot be written: {error.strerror}", where=str(path), fault=Fault.HOST)
