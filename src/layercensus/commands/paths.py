"""What a command that reads captures takes as PATH."""

from collections.abc import Sequence

from layercensus.errors import Fault, UsageError
from layercensus.host.captures import is_lake, is_root


def check_paths(paths: Sequence[str], *, instead: str = "name the folder that they are in") -> None:
    """Raise `UsageError` for a path that is no place for captures; `instead` says what to give in place of a host."""
    for path in paths:
        if is_root(path):
            where = "" if path == "/" else path
            raise UsageError("/ is a host, not a folder of captures", where, Fault.USAGE, instead)
        if is_lake(path):
            raise UsageError("is a lake, not a folder of captures", path, Fault.USAGE, "give the folder of captures")
