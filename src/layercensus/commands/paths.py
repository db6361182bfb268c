"""What a command that reads captures takes as PATH."""

from collections.abc import Callable, Sequence

from layercensus.errors import Fault, NothingToDoError, UsageError
from layercensus.host.captures import is_lake, is_missing, is_root


def check_paths(paths: Sequence[str], *, instead: str = "name the folder that they are in") -> None:
    """Raise `UsageError` for a path that is no place for captures; `instead` says what to give in place of a host."""
    for path in paths:
        if is_root(path):
            where = "" if path == "/" else path
            raise UsageError("/ is a host, not a folder of captures", where, Fault.USAGE, instead)
        if is_lake(path):
            raise UsageError("is a lake, not a folder of captures", path, Fault.USAGE, "give the folder of captures")


def missing_path(path: str) -> NothingToDoError:
    """What every command says of a path where nothing is."""
    return NothingToDoError("does not exist", where=path, next_step="check the path")


def warn_missing(paths: Sequence[str], warn: Callable[[str], None]) -> frozenset[str]:
    """Say of each path where nothing is that it is so, and return them: each is an unknown machine all the same."""
    missing = [path for path in paths if is_missing(path)]
    for path in missing:
        warn(f"layercensus: {missing_path(path)}")
    return frozenset(missing)
