"""⇄ What is exchanged while we run: whether a file is another than before, and a certificate with its key."""

import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from layercensus.errors import FleetError


@dataclass(eq=False)
class Marks:
    """Files as they were when they were looked at last."""

    _marks: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def has_changed(self, *paths: Path) -> bool:
        """Whether any of these is another than last time; one that is not there has not changed."""
        changed = False
        for path in paths:
            with suppress(OSError):
                found = path.stat()
                mark = (found.st_ino, found.st_mtime_ns)
                changed |= mark != self._marks.get(path)
                self._marks[path] = mark
        return changed


def make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's context. Raises `FleetError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, certificate, key)
    return context


def exchange_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Use another pair for connections from now on. Raises `FleetError`; then the last one stays in use."""
    # A pair that does not fit yet is half of a rotation, and must not reach the context that is in use.
    make_context(certificate, key)
    _load(context, certificate, key)


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        missing = [
            str(path) for path in (certificate, key) if isinstance(error, FileNotFoundError) and not path.exists()
        ]
        if missing:
            raise FleetError("does not exist", where=missing[0], next_step="check the path") from error
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        next_step = "give a certificate and its own key, as PEM and without a password"
        raise FleetError(f"the certificate cannot be used: {why}", str(certificate), next_step=next_step) from error


def _no_password() -> str:
    """Never ask a terminal for one."""
    raise ValueError("the key has a password")
