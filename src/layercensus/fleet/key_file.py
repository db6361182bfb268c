r"""⇄ The file of keys: read again when it changes, written whole, for its owner's eyes only (0600).

{"schema": "layercensus/keys/v1", "newest": "k1", "keys": {"k1": "base64…"}, "pseudonym_key": "base64…",
 "revoked": {"6f2a7f0e-…": 1764064800}}
"""

import base64
import json
import os
import secrets
from pathlib import Path
from uuid import UUID

from layercensus.errors import Fault, FleetError
from layercensus.fleet.tokens import Keys

_SCHEMA = "layercensus/keys/v1"
_KEY_BYTES = 32
# The group may read: that is how a cluster shows a secret to a pod.
_OTHERS = 0o027


def read_keys(path: Path) -> Keys:
    """Keys of a file. Raises `FleetError` for one that is not there, is no such file, or that others may read."""
    try:
        if path.stat().st_mode & _OTHERS:
            what = "others may read the keys, or the group write them"
            raise FleetError(what, where=str(path), fault=Fault.HOST, next_step=f"chmod 600 {path}")
        value = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        what, next_step = "no keys are there", "make them: layercensus token --keys FILE --cluster-id UUID"
        raise FleetError(what, where=str(path), fault=Fault.USAGE, next_step=next_step) from None
    except OSError as error:
        raise FleetError(f"cannot be read: {error.strerror}", where=str(path), fault=Fault.HOST) from error
    except ValueError:
        raise _damaged(path) from None
    try:
        if value["schema"] != _SCHEMA:
            raise _damaged(path)
        keys = {name: base64.b64decode(key, validate=True) for name, key in value["keys"].items()}
        revoked = {str(UUID(cluster)): int(when) for cluster, when in value["revoked"].items()}
        found = Keys(keys, value["newest"], base64.b64decode(value["pseudonym_key"], validate=True), revoked)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _damaged(path) from None
    if found.newest not in keys or any(len(key) < _KEY_BYTES for key in (*keys.values(), found.pseudonym_key)):
        raise _damaged(path)
    return found


def write_keys(path: Path, keys: Keys) -> None:
    """Replace the file as a whole. Raises `FleetError`."""
    value = {
        "schema": _SCHEMA,
        "newest": keys.newest,
        "keys": {name: base64.b64encode(key).decode() for name, key in keys.keys.items()},
        "pseudonym_key": base64.b64encode(keys.pseudonym_key).decode(),
        "revoked": dict(keys.revoked),
    }
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            json.dump(value, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        raise FleetError(f"cannot be written: {error.strerror}", where=str(path), fault=Fault.HOST) from error
    finally:
        beside.unlink(missing_ok=True)


def read_or_make_keys(path: Path) -> tuple[Keys, bool]:
    """Keys of a file; whether it was not there and is new. Raises `FleetError`."""
    if path.exists():
        return read_keys(path), False
    keys = Keys({"k1": _random()}, "k1", _random())
    write_keys(path, keys)
    return keys, True


def with_new_key(keys: Keys) -> Keys:
    """The same, and a new key that signs from now on; tokens of the older ones hold until they expire."""
    name = f"k{max((int(name[1:]) for name in keys.keys if name[1:].isdigit()), default=0) + 1}"
    return Keys({**keys.keys, name: _random()}, name, keys.pseudonym_key, keys.revoked)


def _random() -> bytes:
    return secrets.token_bytes(_KEY_BYTES)


def _damaged(path: Path) -> FleetError:
    return FleetError("this is no file of keys", where=str(path), next_step="name the file that token made")
