"""Real rpm databases, made with rpmbuild and rpm; what rpm itself and its Python binding say of them is expected.

Debian packages: rpm, python3-rpm, db5.3-util, util-linux, mount.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layercensus.errors import HostDocumentError
from layercensus.host.live import rpmdb
from layercensus.host.live.rpmdb import read_packages, read_vendors

pytestmark = pytest.mark.real

SOURCE = Path(__file__).parents[2] / "src"
# name, epoch, vendor, target: what the tests need to find again.
SPECS = (
    ("usbguard", None, "Red Hat, Inc.", "x86_64"),
    ("falcon-sensor", 1, "CrowdStrike, Inc.", "x86_64"),
    ("htop", 2, "Fedora Project", "aarch64"),
    ("corp-agent", None, "Müller & Söhne “GmbH”", "noarch"),
    ("site-config", None, None, "noarch"),
    ("libtwice", None, "Red Hat, Inc.", "x86_64"),
    ("libtwice", None, "Example Ltd.", "i686"),
    ("plain-name.with_dots+plus", 0, "CentOS", "s390x"),
)
QUERY = r"%{NAME}\t%{EPOCH}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{VENDOR}\t%{INSTALLTIME}\n"
Row = tuple[str, int, str, str, str | None, str | None, int]


def require(*programs: str) -> None:
    """Skip loudly where a program is missing; in CI nothing may be missing."""
    missing = [program for program in programs if not (shutil.which(program) or Path(program).exists())]
    if missing and os.environ.get("CI"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def run(*arguments: str | Path) -> str:
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def spec_text(name: str, epoch: int | None, vendor: str | None) -> str:
    lines = [f"Name: {name}", "Version: 1.2~rc1", "Release: 3.el9", "Summary: made for a test", "License: none"]
    lines += [f"Epoch: {epoch}"] if epoch is not None else []
    lines += [f"Vendor: {vendor}"] if vendor else []
    return "\n".join([*lines, "%description", "Made for a test.", "%files", ""])


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with an rpmdb.sqlite as rpm leaves it: WAL, with its two files beside it."""
    require("rpm", "rpmbuild")
    work = tmp_path_factory.mktemp("rpmdb")
    for number, (name, epoch, vendor, target) in enumerate(SPECS):
        spec = work / f"{number}.spec"
        spec.write_text(spec_text(name, epoch, vendor), encoding="utf-8")
        run("rpmbuild", "-bb", "--quiet", "--define", "_build_id_links none", "--undefine", "vendor",
            "--define", f"_topdir {work / 'build'}", "--target", target, spec)  # fmt: skip
    folder = work / "db"
    folder.mkdir()
    for name, _, _, target in SPECS:
        (package,) = (work / "build" / "RPMS" / target).glob(f"{name}-1.2*.rpm")
        run("rpm", "--dbpath", folder, "-i", "--justdb", "--nodeps", "--noscripts", "--nosignature", "--ignorearch",
            "--ignoreos", package)  # fmt: skip
    return folder


@pytest.fixture(scope="session", params=["as_rpm_left_it", "wal_without_its_files", "journal_delete"])
def file(request: pytest.FixtureRequest, database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database in the modes that hosts and repositories have it in; a file of a repository never has others."""
    folder = tmp_path_factory.mktemp("mode")
    folder.chmod(0o755)
    copy = folder / "rpmdb.sqlite"
    for part in database.iterdir():
        shutil.copy(part, folder / part.name)
    if request.param != "as_rpm_left_it":
        mode = "wal" if request.param == "wal_without_its_files" else "delete"
        connection = sqlite3.connect(copy)
        assert connection.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
        connection.execute("PRAGMA user_version = 0")
        connection.commit()
        connection.close()
        for beside in folder.glob("*-*"):
            beside.unlink()
        assert copy.read_bytes()[18:20] == (b"\x02\x02" if mode == "wal" else b"\x01\x01")
    copy.chmod(0o644)
    return copy


def as_rows(path: Path) -> list[Row]:
    return [
        (p.nevra.name, p.nevra.epoch, p.nevra.version, p.nevra.release, p.nevra.arch, p.vendor, p.installed_at or 0)
        for p in read_packages(path)
    ]


def rows_of_rpm(folder: Path) -> list[Row]:
    """What `rpm -qa` says; it prints (none) for what is not there."""
    rows: list[Row] = []
    for line in run("rpm", "--dbpath", folder, "-qa", "--qf", QUERY).splitlines():
        name, epoch, version, release, arch, vendor, installed_at = (
            None if value == "(none)" else value for value in line.split("\t")
        )
        assert name is not None
        assert version is not None
        assert release is not None
        rows.append((name, int(epoch or 0), version, release, arch, vendor, int(installed_at or 0)))
    return rows


def test_packages_are_those_that_rpm_lists(database: Path, file: Path) -> None:
    rows = as_rows(file)
    assert sorted(rows, key=repr) == sorted(rows_of_rpm(database), key=repr)
    assert [(row[0], row[5]) for row in rows] == [(name, vendor) for name, _, vendor, _ in SPECS]


def test_packages_are_those_that_the_binding_lists(database: Path, file: Path) -> None:
    require("/usr/bin/python3")
    program = (
        "import json, rpm, sys; rpm.addMacro('_dbpath', sys.argv[1]); tags = ('name', 'epoch', 'version', 'release',"
        " 'arch', 'vendor', 'installtime');"
        "print(json.dumps([[header[tag] for tag in tags] for header in rpm.TransactionSet().dbMatch()]))"
    )
    if subprocess.run(["/usr/bin/python3", "-c", "import rpm"], capture_output=True, check=False).returncode:
        require("python3-rpm")
    listed = json.loads(run("/usr/bin/python3", "-c", program, database))
    expected = [(name, epoch or 0, *rest) for name, epoch, *rest in listed]
    assert sorted(as_rows(file), key=repr) == sorted(expected, key=repr)


def test_vendors_by_name(file: Path) -> None:
    names = ["falcon-sensor", "corp-agent", "site-config", "libtwice", "not-there", "usb%", "", "\ud800", "usbguard"]
    assert read_vendors(file, names) == {
        "falcon-sensor": "CrowdStrike, Inc.",
        "corp-agent": "Müller & Söhne “GmbH”",
        "site-config": "",
        "libtwice": "Example Ltd.",
        "usbguard": "Red Hat, Inc.",
    }


def test_the_folder_of_a_database_stands_for_it(file: Path) -> None:
    assert read_packages(file.parent) == read_packages(file)


def test_reading_changes_nothing(file: Path) -> None:
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in file.parent.iterdir()}
    read_packages(file)
    read_vendors(file, ["htop"])
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in file.parent.iterdir()} == before


@pytest.mark.parametrize("uid", [0, 65534])
def test_a_read_only_mount_is_read_without_privileges(file: Path, uid: int) -> None:
    """As root and as nobody without a capability, on a read-only mount: what librpm cannot do for a bare WAL file."""
    require("unshare", "mount", "setpriv", "/usr/bin/python3")
    if os.geteuid() != 0:
        require("root")
    program = (
        "import sys; sys.path.insert(0, '/media'); from pathlib import Path;"
        "from layercensus.host.live.rpmdb import read_packages, read_vendors; path = Path('/mnt') / sys.argv[1];"
        "print(len(read_packages(path)), read_vendors(path, ['htop']))"
    )
    drop = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]
    script = (
        'set -e; mount --bind "$1" /mnt; mount -o remount,ro,bind /mnt; mount --bind "$2" /media;'
        'mount -o remount,ro,bind /media; ! touch /mnt/x 2>/dev/null; shift 2; exec "$@"'
    )
    said = run("unshare", "-m", "sh", "-c", script, "sh", file.parent, SOURCE, "setpriv", *drop, "--no-new-privs",
               "/usr/bin/python3", "-I", "-B", "-S", "-c", program, file.name)  # fmt: skip
    assert said == f"{len(SPECS)} {{'htop': 'Fedora Project'}}\n"


def test_a_file_that_may_not_be_read_is_unknown(file: Path, tmp_path: Path) -> None:
    require("setpriv")
    if os.geteuid() != 0:
        require("root")
    copy = tmp_path / "rpmdb.sqlite"
    shutil.copy(file, copy)
    copy.chmod(0o600)
    program = (
        "import os, sys; from pathlib import Path; from layercensus.host.live.rpmdb import read_packages;"
        "from layercensus.errors import HostDocumentError\nos.chdir(sys.argv[1]); os.seteuid(65534)\n"
        "try: read_packages(Path('rpmdb.sqlite'))\nexcept HostDocumentError as error: print(error)"
    )
    tmp_path.chmod(0o755)
    said = run(sys.executable, "-c", program, tmp_path)
    assert "cannot be read: Permission denied" in said
    assert "unknown" in said


def test_a_change_that_is_not_merged_is_unknown_and_not_an_old_answer(database: Path, tmp_path: Path) -> None:
    """What stands only in the log is passed over by an immutable read, so the read must not pretend."""
    file = tmp_path / "rpmdb.sqlite"
    shutil.copy(database / "rpmdb.sqlite", file)
    writer = sqlite3.connect(file)
    writer.execute("PRAGMA journal_mode = wal")
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("DELETE FROM Packages")
    writer.commit()
    try:
        with pytest.raises(HostDocumentError, match="not merged yet"):
            read_packages(file)
    finally:
        writer.close()


def test_the_database_of_rhel_8_is_named_as_what_it_is(tmp_path: Path) -> None:
    require("db5.3_load")
    subprocess.run(["db5.3_load", "-T", "-t", "hash", str(tmp_path / "Packages")], input=b"key\nvalue\n", check=True)
    for path in (tmp_path, tmp_path / "Packages"):
        with pytest.raises(HostDocumentError, match="Berkeley DB rpm database of RHEL 8") as caught:
            read_vendors(path, ["htop"])
        assert "unknown" in caught.value.next_step


def other_files() -> Iterator[tuple[str, bytes | None, str]]:
    yield "missing", None, "cannot be read: No such file"
    yield "empty", b"", "is empty"
    yield "text", b"installed: none\n", "is no rpm database"
    yield "ndb", b"RpmP" + bytes(60), "ndb rpm database"
    yield "big-endian Berkeley DB", bytes(12) + b"\x00\x06\x15\x61" + bytes(496), "Berkeley DB"
    yield "only the magic", b"SQLite format 3\0", "damaged rpm database"


@pytest.mark.parametrize(
    ("content", "reason"), [(c, r) for _, c, r in other_files()], ids=[n for n, _, _ in other_files()]
)
def test_another_file_is_unknown(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "rpmdb.sqlite"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(HostDocumentError, match=reason) as caught:
        read_packages(file)
    assert caught.value.where == str(file)
    with pytest.raises(HostDocumentError, match=reason):
        read_vendors(file, ["htop"])


def test_what_would_hang_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "rpmdb.sqlite"
    os.mkfifo(pipe)
    with pytest.raises(HostDocumentError, match="no regular file"):
        read_packages(pipe)
    with pytest.raises(HostDocumentError, match="no regular file"):
        read_packages(Path("/dev/zero"))


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS hnum, x AS blob FROM n"
NAME = "CREATE TABLE Name (key TEXT, hnum INTEGER, idx INTEGER);"
PACKAGES = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB);"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("CREATE TABLE other (x);", "no table Packages"),
        (PACKAGES, "no table Name"),
        (f"{NAME} CREATE VIEW Packages AS {ENDLESS};", "no table Packages"),
        (f"{NAME} CREATE VIRTUAL TABLE Packages USING fts4(hnum, blob);", "no table Packages"),
        (f"{NAME} CREATE TABLE Packages (hnum INTEGER, blob AS (zeroblob(1000000000)));", "another"),
        (f"{NAME} CREATE TABLE Packages (hnum INTEGER, blob AS (hnum || 'x') STORED);", "another"),
        (f"{NAME} CREATE TABLE Packages (hnum INTEGER, data BLOB);", "another"),
        (f"{NAME}{PACKAGES} INSERT INTO Packages VALUES (1, 'text');", "header of package 1 has 4 bytes"),
        (f"{NAME}{PACKAGES} INSERT INTO Packages VALUES (1, NULL);", "package 1 is no header"),
        (f"{NAME}{PACKAGES} INSERT INTO Packages VALUES (7, zeroblob(8));", "header of package 7 has no tag 1000"),
        (f"{NAME}{PACKAGES} INSERT INTO Packages VALUES (7, zeroblob(17000000));", "too big"),
    ],
)
def test_a_hostile_file_runs_nothing_and_is_unknown(tmp_path: Path, script: str, reason: str) -> None:
    file = tmp_path / "rpmdb.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript(script)
    connection.close()
    started = time.process_time()
    with pytest.raises(HostDocumentError, match=reason):
        read_packages(file)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(("bound", "value"), [("MAX_PACKAGES", 3), ("MAX_READ_BYTES", 2000), ("MAX_DATABASE_BYTES", 9)])
def test_a_read_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int) -> None:
    monkeypatch.setattr(rpmdb, bound, value)
    with pytest.raises(HostDocumentError, match=r"holds more than|is larger than"):
        read_packages(file)


def test_a_read_ends(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's steps are counted: a file that makes it go round and round is given up."""
    monkeypatch.setattr(rpmdb, "_MAX_STEPS", 0)
    monkeypatch.setattr(rpmdb, "_STEPS_AT_ONCE", 1)
    with pytest.raises(HostDocumentError, match="interrupted"):
        read_packages(file)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_file_gives_packages_or_our_error(file: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed anywhere, pages swapped, the end cut off: no other error, within a time."""
    content = bytearray(file.read_bytes())
    for position, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=40)
    ):
        content[position] = value
    pages = len(content) // 4096
    for first, second in data.draw(
        st.lists(st.tuples(st.integers(1, pages - 1), st.integers(1, pages - 1)), max_size=3)
    ):
        content[first * 4096 : (first + 1) * 4096] = content[second * 4096 : (second + 1) * 4096]
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    mutant = tmp_path / "mutant.sqlite"
    mutant.write_bytes(content[:cut])
    started = time.process_time()
    for read in (read_packages, lambda path: read_vendors(path, ["htop", "libtwice"])):
        with contextlib.suppress(HostDocumentError):
            read(mutant)
    assert time.process_time() - started < 10
