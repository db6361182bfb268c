"""Data with provenance: what changes often lives here, and code stays still. Read through `read_json`, no other way."""

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any


@cache
def read_text(path: str) -> str:
    """Text of a data file by its path below this folder."""
    return files(__name__).joinpath(path).read_text(encoding="utf-8")


@cache
def read_json(path: str) -> Any:
    """Value of a JSON data file by its path below this folder. Shared: callers must not change it."""
    return json.loads(read_text(path))


def list_names(folder: str) -> list[str]:
    """Names of the files in a data folder, sorted."""
    return sorted(entry.name for entry in files(__name__).joinpath(folder).iterdir() if not entry.name.startswith("_"))


def list_tree(folder: str) -> list[str]:
    """Paths of all files below a data folder, relative to it, sorted."""
    root = files(__name__).joinpath(folder)
    return sorted(_paths_below(root, ""))


def _paths_below(folder: Traversable, prefix: str) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _paths_below(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}"
