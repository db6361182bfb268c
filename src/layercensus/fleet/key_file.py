r"""⇄ The file of keys: read again when it changes, written whole and under a lock, for its owner's eyes only (0600).

{"schema": "layercensus/keys/v1", "newest": "k1", "keys": {"k1": "base64…"}, "pseudonym_key": "base64…",
 "revoked": {"6f2a7f0e-…": 1764064800}}

`.NAME.lock` beside it is held by who changes it, and stays. Who reads needs no lock: a file is replaced as a whole.
"""

import base64
import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from layercensus.errors import Fault, FleetError
from layercensus.fleet.tokens import Keys

_SCHEMA = "layercensus/keys/v1"
_KEY_BYTES = 32
_NAME = re.compile(r"[!-~]{1,64}")
# Some 300,000 revoked clusters.
_MOST_BYTES = 16 * 1024 * 1024
# The group may read: that is how a cluster shows a secret to a pod.
_OTHERS = 0o027


def read_keys(path: Path) -> Keys:
    """Keys of a file. Raises `FleetError` for one that is not there, is no such file, or that others may read."""
    try:
        data = _read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(path) from None
    except OSError as error:
        next_step = "name a file that this user may read: --keys"
        raise FleetError(f"cannot be read: {error.strerror}", str(path), Fault.HOST, next_step) from error
    return _parse(data, path)


def read_or_make_keys(path: Path) -> tuple[Keys, bool]:
    """Keys of a file; whether it was not there and is new. Raises `FleetError`, also for a link that leads nowhere."""
    if not os.path.lexists(path):
        with _alone(path) as own:
            if not os.path.lexists(own):
                keys = Keys({"k1": _random()}, "k1", _random())
                _write(own, keys)
                return keys, True
    return read_keys(path), False


def change_keys(path: Path, change: Callable[[Keys], Keys]) -> Keys:
    """Change the keys of a file, which is there. Others that change them wait meanwhile. Raises `FleetError`."""
    # What is wrong with it is said before anything is made beside it.
    read_keys(path)
    with _alone(path) as own:
        keys = change(read_keys(own))
        _write(own, keys)
    return keys


def with_new_key(keys: Keys) -> Keys:
    """The same, and a new key that signs from now on; tokens of the older ones hold until they expire."""
    name = f"k{max((int(name[1:]) for name in keys.keys if name[1:].isdecimal()), default=0) + 1}"
    return Keys({**keys.keys, name: _random()}, name, keys.pseudonym_key, keys.revoked)


@contextmanager
def _alone(path: Path) -> Iterator[Path]:
    """Hold a file of keys alone; gives where it is, whichever links lead there. Raises `FleetError`."""
    own = Path(os.path.realpath(path))
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(own.parent / f".{own.name}.lock", flags, 0o600)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        _lock(descriptor, path)
        with suppress(OSError):  # a lock of another user: it stays theirs
            _hand_over(descriptor, own)
        yield own
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise _not_written(path, error) from error


def _hand_over(descriptor: int, path: Path) -> None:
    """Give a file to those who may read the keys that are there: root changes them, the collector's user reads them."""
    with suppress(FileNotFoundError):
        known = path.stat()
        os.fchown(descriptor, known.st_uid, known.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(known.st_mode) | 0o600)


def _read(path: Path) -> bytes:
    """What is in a file, at most one byte more than there may be. Raises `OSError`, `FleetError`."""
    # A pipe that nobody writes into is not waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _damaged(path)
        if mode & _OTHERS:
            what = "others may read the keys, or the group write them"
            raise FleetError(what, where=str(path), fault=Fault.HOST, next_step=f"chmod 600 {path}")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(_MOST_BYTES + 1)
    finally:
        os.close(descriptor)


def _parse(data: bytes, path: Path) -> Keys:
    """Keys from what is in a file. Raises `FleetError`."""
    if len(data) > _MOST_BYTES:
        raise _damaged(path)
    try:
        value = json.loads(data.decode("ascii"))
        keys = {_name(name): _key(text) for name, text in value["keys"].items()}
        revoked = {str(UUID(cluster)): _second(when) for cluster, when in value["revoked"].items()}
        found = Keys(keys, _name(value["newest"]), _key(value["pseudonym_key"]), revoked)
        # Two ways to write one cluster would hide a revocation.
        is_whole = value["schema"] == _SCHEMA and found.newest in keys and len(revoked) == len(value["revoked"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise _damaged(path) from None
    if not is_whole:
        raise _damaged(path)
    return found


def _name(value: Any) -> str:
    """A key's id. Raises `TypeError`, `ValueError`."""
    if not _NAME.fullmatch(value):
        raise ValueError
    return str(value)


def _key(value: Any) -> bytes:
    """A key from its base64. Raises `TypeError`, `ValueError`."""
    found = base64.b64decode(value, validate=True)
    if len(found) < _KEY_BYTES:
        raise ValueError
    return found


def _second(value: Any) -> int:
    """A time in seconds since 1970. Raises `TypeError`, `ValueError`; true is no time."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if not 0 <= value < 2**63:
        raise ValueError
    return value


def _write(path: Path, keys: Keys) -> None:
    """Replace the file as a whole, by who holds it alone. Raises `FleetError`, and then it is unchanged."""
    value = {
        "schema": _SCHEMA,
        "newest": keys.newest,
        "keys": {name: base64.b64encode(key).decode() for name, key in keys.keys.items()},
        "pseudonym_key": base64.b64encode(keys.pseudonym_key).decode(),
        "revoked": dict(keys.revoked),
    }
    data = json.dumps(value, indent=1).encode("ascii")
    # What could not be read again is not written.
    _parse(data, path)
    beside = path.parent / f".{path.name}.writing"
    try:
        # There may be one of a process that was killed.
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
            stream.write(data)
            stream.flush()
            _hand_over(stream.fileno(), path)
            os.fsync(stream.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with suppress(OSError):  # the first error is the one to tell
            beside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _random() -> bytes:
    return secrets.token_bytes(_KEY_BYTES)


def _missing(path: Path) -> FleetError:
    what, next_step = "no keys are there", "make them: layercensus token --keys FILE --cluster-id UUID"
    if path.is_symlink():
        what, next_step = "no keys are there: this is a link that leads nowhere", "name the file itself"
    return FleetError(what, where=str(path), fault=Fault.USAGE, next_step=next_step)


def _not_written(path: Path, error: OSError) -> FleetError:
    next_step = "check the folder, its permissions and the free space"
    return FleetError(f"cannot be written: {error.strerror}", where=str(path), fault=Fault.HOST, next_step=next_step)


def _damaged(path: Path) -> FleetError:
    return FleetError("this is no file of keys", where=str(path), next_step="name the file that token made")
