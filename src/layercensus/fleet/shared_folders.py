"""⇄ Folders that several processes agree on: their names outlive a power loss, and a lock holds them.

A lock ends with the process that holds it, however that ends, so that nothing is ever left locked.
"""

import fcntl
import os
from itertools import takewhile
from pathlib import Path

LOCK = ".lock"


def folders_above(folder: Path) -> list[Path]:
    """The folders in which a folder and those above it have their names, as far as its file system goes, the top first.

    They are synced so that what is in it outlives a power loss: who made them may have been killed before that, or have
    never thought of it. Those that we may not read are left out: we have made nothing in them. Raises `OSError`.
    """
    device = folder.stat().st_dev
    # What is mounted has its name elsewhere.
    above = takewhile(lambda parent: parent.stat().st_dev == device, folder.resolve().parents)
    return [parent for parent in above if os.access(parent, os.R_OK)][::-1]


def sync_folder(folder: Path) -> None:
    """Names in a folder are on the disk on return. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lock_file(path: Path) -> int:
    """Hold a file, which is made if it is missing, until the descriptor is closed.

    Raises `OSError`; `BlockingIOError` if another process holds it.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_same_file(path, descriptor):
                return descriptor
        except OSError:
            os.close(descriptor)
            raise
        # Who held it has removed it meanwhile.
        os.close(descriptor)


def is_same_file(path: Path, descriptor: int) -> bool:
    """Whether a path still names the file that was opened. Raises `OSError`."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def remove_if_unused(folder: Path) -> None:
    """Remove a folder in which there is nothing but a lock that nobody holds. Raises `OSError`."""
    try:
        descriptor = lock_file(folder / LOCK)
    except BlockingIOError:
        return
    try:
        if [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()
            # Who has made the lock anew keeps the folder.
            folder.rmdir()
    finally:
        os.close(descriptor)
