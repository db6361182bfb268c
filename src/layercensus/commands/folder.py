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
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LayerCensusError(f"cannot be written: {error.strerror}", where=str(folder), fault=Fault.HOST) from error
