"""⇄ The folder of a lake. Is it one, which version, whose turn is it, and a file swapped in as a whole.

    LAKE/lake.json                            {"schema": "layercensus/lake", "version": 1}, and "made_by" if made up
    LAKE/rows/day=2026-03-01/rows.parquet     the rows of that day, by the row contract
    LAKE/imports/1f0c9d2b7a6e5f43.json        which days of a store are in it (`import_record`)
    LAKE/.lock                                who writes holds it alone, who reads shares it

What is inside the Parquet files is not known here.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from layercensus.errors import Fault, LakeError, NothingToDoError
from layercensus.lake.contract import row_contract

_HEAD = "lake.json"
_LOCK = ".lock"
_TEMPORARY = ".writing"
_NO_LAKE = "fill one first: layercensus import PATH --lake DIR"
_EMPTY_FOLDER = "name a new or an empty folder"


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder that was checked to be a lake this program can read. `made_by`: what made its rows up, if they are."""

    path: Path
    version: int
    made_by: str | None = None

    def day_file(self, day: date) -> Path:
        """Where the rows of one day are, or would be."""
        return self.path / "rows" / f"day={day.isoformat()}" / "rows.parquet"

    def day_files(self) -> list[Path]:
        """Files of all days, oldest first."""
        return sorted((self.path / "rows").glob("day=*/rows.parquet"))

    def days(self) -> list[date]:
        """Days that have rows, oldest first."""
        found = []
        for file in self.day_files():
            with suppress(ValueError):
                found.append(date.fromisoformat(file.parent.name.removeprefix("day=")))
        return found


def rows_changed_at(lake: Path, through: str | None = None) -> float | None:
    """When rows, of days to `through`, were last written, in seconds since 1970; None where there are none."""
    times = []
    for file in (lake / "rows").glob("day=*/rows.parquet"):
        if through is not None and file.parent.name > f"day={through}":
            continue
        with suppress(OSError):  # a day that is being dropped
            times.append(file.stat().st_mtime)
    return max(times, default=None)


def open_lake(lake: Path, *, may_be_older: bool = False) -> Lake:
    """Check that `lake` is a lake and return it, its path made absolute.

    Raises `NothingToDoError` where no lake is there, `LakeError` where it is damaged, unreadable, newer than we are, or
    older, unless it may be.
    """
    path = _absolute(lake)
    try:
        head = json.loads((path / _HEAD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NothingToDoError("no lake is there", str(lake), next_step=_NO_LAKE) from None
    except OSError as error:
        raise _unusable(path / _HEAD, error) from error
    except ValueError:
        raise _damaged(path / _HEAD) from None
    contract = row_contract()
    version = head.get("version") if isinstance(head, dict) else None
    if version is None or head.get("schema") != contract.schema:
        raise LakeError(f"this is not the head of a {contract.schema}", str(path / _HEAD), next_step=_EMPTY_FOLDER)
    made_by = head.get("made_by")
    if not isinstance(version, int) or version < 1 or not isinstance(made_by, str | None):
        raise _damaged(path / _HEAD)
    if version > contract.version:
        raise LakeError(
            f"the lake has schema version {version}, this program knows up to {contract.version}",
            str(lake),
            next_step="use the newer layercensus that wrote it",
        )
    if version < contract.version and not may_be_older:
        what = f"the lake has schema version {version}, this program needs {contract.version}"
        raise LakeError(what, str(lake), next_step=f"layercensus tidy --lake {lake}")
    return Lake(path, version, made_by)


@contextmanager
def lake_for_writing(lake: Path, made_by: str | None = None) -> Iterator[Lake]:
    """Make the lake if there is none, and hold it alone: other writers and readers wait until the block ends.

    `made_by` names what makes its rows up. Such a lake is new and takes no row later, so that made-up clusters never
    mix with real ones. Raises `LakeError` where the folder holds something else or cannot be written.
    """
    path = _absolute(lake)
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir()}
        if names and not names & {_HEAD, _LOCK}:
            raise _not_ours(lake)
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        _lock(descriptor, path)
        is_new = _write_head_once(path, lake, made_by)
        opened = open_lake(path)
        if made_by and not is_new:
            raise LakeError("a lake is there already", str(lake), Fault.USAGE, _EMPTY_FOLDER)
        if opened.made_by != made_by:
            raise LakeError(f"its rows were made up by {opened.made_by}", str(lake), Fault.USAGE, _EMPTY_FOLDER)
        yield opened
    finally:
        os.close(descriptor)


@contextmanager
def lake_for_upkeep(lake: Path) -> Iterator[Lake]:
    """Hold a lake alone that is there, whoever made its rows and when: none is added.

    Raises `NothingToDoError` where no lake is there, `LakeError` where it cannot be written.
    """
    path = open_lake(lake, may_be_older=True).path
    try:
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        _lock(descriptor, path)
        yield open_lake(path, may_be_older=True)
    finally:
        os.close(descriptor)


@contextmanager
def lake_for_reading(lake: Path) -> Iterator[Lake]:
    """Hold the lake still while it is read, if it has a lock that can be shared; a read-only copy is still anyway."""
    opened = open_lake(lake)
    try:
        descriptor = os.open(opened.path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield opened
        return
    try:
        with suppress(OSError):  # a file system without locks: reading goes on without one
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield opened
    finally:
        os.close(descriptor)


def replace_file(target: Path, write: Callable[[Path], None]) -> None:
    """Swap `target` for what `write` puts into a new file beside it; after return it is on the disk, or else unchanged.

    Callers hold the lake alone, so one temporary name is enough and a crashed writer's rest is written over. Raises
    `LakeError` where the file system refuses.
    """
    temporary = target.parent / f".{target.name}{_TEMPORARY}"
    try:
        _make_folder(target.parent)
        write(temporary)
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise _unusable(target, error) from error
    finally:
        with suppress(OSError):  # the first error is the one to tell; the next writer writes over what is left
            temporary.unlink(missing_ok=True)


def sync_names(lake: Lake) -> None:
    """Bring the names of a lake and of all folders above it to the disk, whoever made them. Raises `LakeError`."""
    try:
        device = lake.path.stat().st_dev
        for parent in lake.path.resolve().parents:
            if parent.stat().st_dev != device:
                # What is mounted has its name elsewhere.
                break
            # A folder that we may not read is none that we have made something in.
            with suppress(PermissionError):
                _sync(parent)
    except OSError as error:
        raise _unusable(lake.path, error) from error


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise _unusable(path / _LOCK, error) from error


def _write_head_once(path: Path, shown: Path, made_by: str | None) -> bool:
    """Write the head if there is none; whether there was none."""
    names = {entry.name for entry in path.iterdir()}
    if _HEAD in names:
        return False
    if names - {_LOCK, f".{_HEAD}{_TEMPORARY}"}:
        raise _not_ours(shown)
    made = Lake(path, row_contract().version, made_by)
    write_head(made)
    sync_names(made)
    return True


def write_head(lake: Lake) -> None:
    """Say which version a lake is of. Callers hold it alone. Raises `LakeError`."""
    values = {"schema": row_contract().schema, "version": lake.version}
    head = json.dumps(values | ({"made_by": lake.made_by} if lake.made_by else {})) + "\n"

    def write(temporary: Path) -> None:
        temporary.write_text(head, encoding="utf-8")

    replace_file(lake.path / _HEAD, write)


def _make_folder(folder: Path) -> None:
    """Make the folder and its parents, each one's name on the disk before something is put into it.

    Of one that is there the maker may have been killed, or its sync have failed, before the name was on the disk; those
    above it had theirs there before it was made.
    """
    if folder.is_dir():
        # A folder that we may not read is none that we have made something in.
        with suppress(PermissionError):
            _sync(folder.parent)
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _absolute(lake: Path) -> Path:
    path = lake.absolute()
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        what = "the name of this folder is not valid UTF-8, which the engine needs"
        raise LakeError(what, repr(str(path)), next_step="rename the folder") from None
    return path


def _unusable(path: Path, error: OSError) -> LakeError:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return LakeError("is no folder, and a lake is one", str(path), Fault.HOST, _EMPTY_FOLDER)
    what = error.strerror or type(error).__name__
    return LakeError(what, str(path), Fault.HOST, "check the path, its permissions and the free space")


def _damaged(path: Path) -> LakeError:
    return LakeError("the head of the lake is damaged", str(path), next_step="restore it from a copy")


def _not_ours(path: Path) -> LakeError:
    return LakeError("the folder holds other things and no lake", str(path), next_step=_EMPTY_FOLDER)
