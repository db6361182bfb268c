"""⇄ The packages and vendors in an rpmdb.sqlite, opened immutable: never written, no lock, no file made beside it.

librpm itself cannot read a database in WAL mode from a read-only mount where its `-shm` file is not there; SQLite with
`mode=ro&immutable=1` can (https://www.sqlite.org/uri.html, "immutable"). The Berkeley DB of RHEL 8 is not read: names
are known from elsewhere, vendors are not.

The file is not trusted: it must hold plain tables, and size, rows, bytes and steps of the engine are bounded.
"""

import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from layercensus.errors import Fault, HostDocumentError
from layercensus.host.live.rpm_header import MAX_HEADER_BYTES, RpmHeaderError, RpmPackage, parse_rpm_header

# A node has 500 to 700 packages in 20 to 40 MB, the largest desktop some 5,000.
MAX_DATABASE_BYTES = 1024 * 1024 * 1024
MAX_READ_BYTES = 512 * 1024 * 1024
MAX_PACKAGES = 50_000
_MAX_SQL_BYTES = 100_000
# Steps of SQLite's virtual machine: a whole read takes about ten a package.
_STEPS_AT_ONCE = 100_000
_MAX_STEPS = 50_000_000

_SQLITE_MAGIC = b"SQLite format 3\0"
_NDB_MAGIC = b"RpmP"
# Magic of a Berkeley DB hash table at byte 12, in either byte order (Berkeley DB `dbinc/db_page.h`, DB_HASHMAGIC).
_BDB_MAGICS = (b"\x61\x15\x06\x00", b"\x00\x06\x15\x61")
_FILE_NAMES = ("rpmdb.sqlite", "Packages", "Packages.db")
_BY_NAME = "SELECT hnum, blob FROM Packages WHERE hnum IN (SELECT hnum FROM Name WHERE key = ?) ORDER BY hnum"
_NEXT_STEP = "the vendors of this machine's packages are unknown"


def read_packages(path: Path) -> tuple[RpmPackage, ...]:
    """All packages in the order in which they were installed. `path` is the database or the folder that holds it.

    Raises `HostDocumentError` if it can't be read as what it is.
    """
    with _opened(path) as database:
        return tuple(database.packages("SELECT hnum, blob FROM Packages ORDER BY hnum"))


def read_vendors(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Vendor by RPM name, as each package says it; empty text where a package names none.

    A name that is not installed is not in the answer. Of several packages with one name the last installed speaks.
    Raises `HostDocumentError` if the database can't be read as what it is.
    """
    vendors: dict[str, str] = {}
    with _opened(path) as database:
        for name in dict.fromkeys(names):
            for package in database.packages(_BY_NAME, name):
                if package.nevra.name == name:
                    vendors[name] = package.vendor or ""
    return vendors


@dataclass
class _Database:
    """An open database and what was read from it so far, against the bounds."""

    connection: sqlite3.Connection
    file: Path
    read_packages: int = 0
    read_bytes: int = 0

    def packages(self, query: str, *names: str) -> Iterator[RpmPackage]:
        """Packages of a query for number and header. Names that are no Unicode text match nothing."""
        values = [name.encode("utf-8", errors="replace").decode() for name in names]
        for number, blob in self.connection.execute(query, values):
            if not isinstance(blob, bytes):
                raise _unreadable(self.file, f"is a damaged rpm database: package {number!r} is no header")
            self.read_packages += 1
            self.read_bytes += len(blob)
            if self.read_packages > MAX_PACKAGES or self.read_bytes > MAX_READ_BYTES:
                raise _unreadable(self.file, "holds more than any rpm database does")
            yield self._parsed(number, blob)

    def _parsed(self, number: object, blob: bytes) -> RpmPackage:
        try:
            return parse_rpm_header(blob)
        except RpmHeaderError as error:
            what = f"is a damaged rpm database: the header of package {number!r} {error.what}"
            raise _unreadable(self.file, what) from error


@contextmanager
def _opened(path: Path) -> Iterator[_Database]:
    """Open the database, bounded and with its schema checked; every failure is a `HostDocumentError`."""
    try:
        file = _database_file(path)
        _check_file(file)
        uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(path, f"cannot be read: {reason}") from error
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            _bound(connection)
            _check_schema(connection, file)
            yield _Database(connection, file)
    except (sqlite3.Error, OverflowError) as error:
        raise _unreadable(file, f"is a damaged rpm database: {error}") from error
    except MemoryError as error:
        # A row of the schema that claims more bytes than SQLite may take for one.
        raise _unreadable(file, "is a damaged rpm database, or larger than the memory there is") from error
    except UnicodeDecodeError as error:
        # SQLite quotes names out of the file in its message, and Python decodes that.
        raise _unreadable(file, "is a damaged rpm database: its schema is no text") from error


def _database_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    return next((path / name for name in _FILE_NAMES if (path / name).exists()), path / _FILE_NAMES[0])


def _check_file(file: Path) -> None:
    """Look before SQLite does: it would wait for a pipe, and an immutable read passes over what is still in a log."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(file, "is no regular file")
    if status.st_size > MAX_DATABASE_BYTES:
        raise _unreadable(file, f"is larger than {MAX_DATABASE_BYTES >> 20} MiB, which no rpm database is")
    with file.open("rb") as stream:
        head = stream.read(16)
    if head != _SQLITE_MAGIC:
        raise _unreadable(file, _what_else(head))
    if any(_holds_anything(file.with_name(f"{file.name}{suffix}")) for suffix in ("-wal", "-journal")):
        raise _unreadable(file, "was left in the middle of a change: a log beside it is not merged yet")


def _holds_anything(log: Path) -> bool:
    return log.is_file() and log.stat().st_size > 0


def _what_else(head: bytes) -> str:
    if head[12:16] in _BDB_MAGICS:
        return "is the Berkeley DB rpm database of RHEL 8, which is not read"
    if head.startswith(_NDB_MAGIC):
        return "is an ndb rpm database, which is not read"
    return "is no rpm database" if head else "is empty"


def _bound(connection: sqlite3.Connection) -> None:
    steps = 0

    def stop_at_limit() -> bool:
        nonlocal steps
        steps += _STEPS_AT_ONCE
        return steps > _MAX_STEPS

    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_HEADER_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _MAX_SQL_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_progress_handler(stop_at_limit, _STEPS_AT_ONCE)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")


def _check_schema(connection: sqlite3.Connection, file: Path) -> None:
    """Only tables that are stored: a view, a virtual table or a computed column would run what the file's maker wrote.

    `hidden` of `table_xinfo` is 0 for a stored column; a view has root page 0 and a virtual table too.
    """
    for table, columns in (("Packages", {b"hnum", b"blob"}), ("Name", {b"key", b"hnum"})):
        found = connection.execute(
            "SELECT count(*), min(type = 'table'), min(rootpage > 0) FROM sqlite_master WHERE name = ? COLLATE NOCASE",
            (table,),
        ).fetchone()
        if found != (1, 1, 1):
            raise _unreadable(file, f"is an SQLite file, but no rpm database: it has no table {table}")
        stored = {row[1]: row[6] for row in connection.execute(f"PRAGMA table_xinfo('{table}')")}
        if any(stored.get(column) != 0 for column in columns):
            raise _unreadable(file, f"is an SQLite file, but no rpm database: its table {table} is another")


def _unreadable(file: Path, what: str) -> HostDocumentError:
    return HostDocumentError(what, where=str(file), fault=Fault.HOST, next_step=_NEXT_STEP)
