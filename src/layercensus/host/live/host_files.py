"""⇄ Single files and folders of a host, bounded: regular files only, no link followed at the end, nothing written.

Not there is None; everything else that goes wrong is `HostDocumentError` with the place and what to do. A reader
without privileges meets closed folders, and a host may have a pipe where a file should be.
"""

import os
import stat
from pathlib import Path

from layercensus.errors import Fault, HostDocumentError

# ostree's own limit for metadata is 128 MiB; a container's merge commit has up to 1 MiB, a rendered config 1.5 MiB.
MAX_BYTES = 16 * 1024 * 1024


def read_file(path: Path, *, limit: int = MAX_BYTES) -> bytes | None:
    """Content of a regular file; None if it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise HostDocumentError("is no regular file", where=str(path), fault=Fault.HOST)
    with os.fdopen(descriptor, "rb") as stream:
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise _unreadable(path, error) from error
    if len(content) > limit:
        raise HostDocumentError(f"is larger than {limit >> 10} KiB", where=str(path), fault=Fault.HOST)
    return content


def read_text_file(path: Path, *, limit: int = MAX_BYTES) -> str | None:
    """Content of a regular file as UTF-8; None if it is not there."""
    content = read_file(path, limit=limit)
    try:
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HostDocumentError("is not UTF-8", where=str(path), fault=Fault.HOST) from error


def list_folder(path: Path) -> list[str]:
    """Names in a folder, sorted; none if it is not there."""
    try:
        return sorted(entry.name for entry in path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(path, error) from error


def status_of(path: Path) -> os.stat_result | None:
    """What lstat(2) says; None if it is not there."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def inode_of(path: Path) -> tuple[int, int] | None:
    """Device and inode, which tell whether two paths are one file; None if it is not there."""
    status = status_of(path)
    return None if status is None else (status.st_dev, status.st_ino)


def is_folder(path: Path) -> bool:
    """Whether a folder is there, links followed."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unreadable(path, error) from error


def real_path(path: Path) -> str:
    """The path without links; what is not there is left as it is."""
    return os.path.realpath(path)


def _unreadable(path: Path, error: OSError) -> HostDocumentError:
    denied = isinstance(error, PermissionError)
    next_step = "read it as root, or give the reader access" if denied else ""
    return HostDocumentError(f"cannot be read: {error.strerror}", str(path), Fault.HOST, next_step)
