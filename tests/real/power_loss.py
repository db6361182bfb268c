"""What a power loss would leave of a disk, made from a trace of system calls: no more than file systems promise.

An `fsync` or `fdatasync` keeps what was in a file, or which names were in a folder, when it began, from when it has
returned. A name is in its folder: the sync of a file keeps no name. What was not kept may be there all the same, in the
order in which it was done as far as names of one folder go (file systems log these), in any part as far as data go, or
as zeros where only the length of a file reached the disk. A `Loss` chooses among all that.

What a sync that failed should have kept is lost for good, also if a later one succeeds: the kernel drops it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from random import Random

from tests.real.system_calls import FOLDERS, REMOVALS, RENAMES, SYNCS, Call

_FILE_WRITES = {"write", "pwrite64", "ftruncate"}


@dataclass(frozen=True, slots=True)
class Change:
    """Of a file: bytes at a place, or, where `data` is None, its end is there now. `ended`: line of the trace."""

    ended: int
    at: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Naming:
    """Of a folder: what names mean from now on, None where they mean nothing. All of it happens, or nothing."""

    ended: int
    names: dict[str, "File | Folder | None"]


@dataclass(eq=False, slots=True)
class File:
    """`synced` is what a power loss leaves in any case; `pending` came after it, oldest first."""

    synced: bytes = b""
    pending: list[Change] = field(default_factory=list)
    size: int = 0

    def write(self, change: Change) -> None:
        self.size = change.at if change.data is None else max(self.size, change.at + len(change.data))
        self.pending.append(change)

    def sync(self, began: int) -> None:
        self.synced = changed(self.synced, (one for one in self.pending if one.ended < began))
        self.pending = [one for one in self.pending if one.ended >= began]

    def drop(self, began: int) -> None:
        """The sync of it failed."""
        self.pending = [one for one in self.pending if one.ended >= began]


@dataclass(eq=False, slots=True)
class Folder:
    """`names` is what it looks like to programs, `synced` what a power loss leaves, `pending` what came after that."""

    names: dict[str, "File | Folder"] = field(default_factory=dict)
    synced: dict[str, "File | Folder"] = field(default_factory=dict)
    pending: list[Naming] = field(default_factory=list)

    def name(self, naming: Naming) -> None:
        self.names = renamed(self.names, [naming])
        self.pending.append(naming)

    def sync(self, began: int) -> None:
        self.synced = renamed(self.synced, (one for one in self.pending if one.ended < began))
        self.pending = [one for one in self.pending if one.ended >= began]


def changed(data: bytes, changes: Iterable[Change]) -> bytes:
    """A file's bytes after changes; what lies between its end and a change is zero."""
    found = bytearray(data)
    for change in changes:
        if change.data is None:
            del found[change.at :]
        found.extend(bytes(max(0, change.at - len(found))))
        if change.data is not None:
            found[change.at : change.at + len(change.data)] = change.data
    return bytes(found)


def renamed(names: dict[str, "File | Folder"], namings: Iterable[Naming]) -> dict[str, "File | Folder"]:
    found = dict(names)
    for naming in namings:
        for name, node in naming.names.items():
            found.pop(name, None)
            if node is not None:
                found[name] = node
    return found


@dataclass
class Disk:
    """All below a folder, which is there and empty before the first call. `forgets`: syncs that do nothing."""

    root: Path
    forgets: Callable[[Call], bool] = lambda _: False
    top: Folder = field(default_factory=Folder)
    _places: dict[tuple[int, int], int] = field(default_factory=dict)

    def place(self, path: Path, content: bytes | None) -> None:
        """Make a folder, or a file of which all is synced, whose name is not."""
        node = Folder() if content is None else File(content, size=len(content))
        self._name(-1, {PurePosixPath(path): node})

    def keep_names(self, path: Path) -> None:
        """Sync a folder."""
        node = self._find(PurePosixPath(path))
        assert isinstance(node, Folder)
        node.sync(0)

    def apply(self, call: Call) -> None:
        """Take a call that has returned; calls come in the order in which they ended."""
        if call.name in SYNCS:
            self._sync(call)
        if not call.held:
            return
        if call.name == "openat":
            self._open(call)
        elif call.name == "lseek":
            self._seek(call)
        elif call.name in _FILE_WRITES:
            self._write(call)
        elif call.name in FOLDERS:
            self._name(call.ended, {_path(call): Folder()})
        elif call.name in REMOVALS:
            self._name(call.ended, {_path(call): None})
        elif call.name in RENAMES:
            old, new = (PurePosixPath(text.decode()) for text in call.strings)
            if (node := self._find(old)) is not None:
                self._name(call.ended, {old: None, new: node})

    def _sync(self, call: Call) -> None:
        node = self._find(PurePosixPath(call.opened))
        if node is None or self.forgets(call):
            return
        if call.held:
            node.sync(call.began)
        elif isinstance(node, File):
            node.drop(call.began)

    def _open(self, call: Call) -> None:
        path = _path(call)
        node = self._find(path)
        if node is None and "O_CREAT" in call.arguments:
            node = File()
            self._name(call.ended, {path: node})
        if isinstance(node, File) and call.result is not None:
            self._places[call.result, id(node)] = -1 if "O_APPEND" in call.arguments else 0
            if "O_TRUNC" in call.arguments:
                node.write(Change(call.ended, 0, None))

    def _seek(self, call: Call) -> None:
        node = self._find(PurePosixPath(call.opened))
        if isinstance(node, File) and call.result is not None and self._places.get((call.descriptor, id(node))) != -1:
            self._places[call.descriptor, id(node)] = call.result

    def _write(self, call: Call) -> None:
        node = self._find(PurePosixPath(call.opened))
        if not isinstance(node, File):
            return
        if call.name == "ftruncate":
            node.write(Change(call.ended, _last_number(call), None))
            return
        key = call.descriptor, id(node)
        place = _last_number(call) if call.name == "pwrite64" else self._places[key]
        at = node.size if place < 0 else place
        node.write(Change(call.ended, at, call.data))
        if call.name == "write" and place >= 0:
            self._places[key] = at + len(call.data)

    def _name(self, ended: int, names: dict[PurePosixPath, "File | Folder | None"]) -> None:
        by_folder: dict[PurePosixPath, dict[str, File | Folder | None]] = {}
        for path, node in names.items():
            by_folder.setdefault(path.parent, {})[path.name] = node
        for path, inside in by_folder.items():
            folder = self._find(path)
            if isinstance(folder, Folder):
                folder.name(Naming(ended, inside))

    def _find(self, path: PurePosixPath) -> "File | Folder | None":
        if not path.is_relative_to(self.root):
            return None
        node: File | Folder | None = self.top
        for name in path.relative_to(self.root).parts:
            node = node.names.get(name) if isinstance(node, Folder) else None
        return node


def _path(call: Call) -> PurePosixPath:
    return PurePosixPath(call.strings[-1].decode())


def _last_number(call: Call) -> int:
    return int(call.arguments.rpartition(",")[2])


def replay(calls: Sequence[Call], disk: Disk, instants: Iterable[int]) -> Iterator[int]:
    """Bring the disk to each of these lines of a trace, one after another: the calls that ended before it are done."""
    ordered = sorted(calls, key=lambda call: call.ended)
    done = 0
    for instant in sorted(set(instants)):
        while done < len(ordered) and ordered[done].ended < instant:
            disk.apply(ordered[done])
            done += 1
        yield instant


# --- what is lost -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loss:
    """Which of what was not synced is there all the same: how many of a folder's namings, and what of changes."""

    name: str
    namings: Callable[[Path, Sequence[Naming]], int]
    changes: Callable[[Sequence[Change]], Sequence[Change]]


def no_change(_: Sequence[Change]) -> Sequence[Change]:
    """A file is as it was when it was last synced."""
    return ()


def zeros(changes: Sequence[Change]) -> Sequence[Change]:
    """A file has its new length, and nothing of what was written."""
    return [one if one.data is None else Change(one.ended, one.at, bytes(len(one.data))) for one in changes]


def parts(chance: Random) -> Callable[[Sequence[Change]], Sequence[Change]]:
    """Of each change all, nothing, zeros, or the first part."""

    def choose(changes: Sequence[Change]) -> Sequence[Change]:
        found = []
        for one in changes:
            data = one.data
            kept = chance.choice(["all", "nothing", "zeros", "first part"])
            if kept == "all" or (data is None and kept != "nothing"):
                found.append(one)
            elif data is not None and kept == "zeros":
                found += zeros([one])
            elif data is not None and kept == "first part":
                found.append(Change(one.ended, one.at, data[: chance.randrange(len(data) + 1)]))
        return found

    return choose


def losses(keeps_names: Callable[[Path], bool], chance: Random) -> list[Loss]:
    """All that may be lost is; names are there and data are not; names of some folders are; and one by chance."""

    def none(_: Path, __: Sequence[Naming]) -> int:
        return 0

    def all_of_them(_: Path, namings: Sequence[Naming]) -> int:
        return len(namings)

    def of_some(folder: Path, namings: Sequence[Naming]) -> int:
        return len(namings) if keeps_names(folder) else 0

    def of_others(folder: Path, namings: Sequence[Naming]) -> int:
        return 0 if keeps_names(folder) else len(namings)

    return [
        Loss("all is lost", none, no_change),
        Loss("names are there", all_of_them, no_change),
        Loss("names and lengths are there", all_of_them, zeros),
        Loss("some folders' names are there", of_some, no_change),
        Loss("the other folders' names are there", of_others, zeros),
        Loss("by chance", lambda _, namings: chance.randint(0, len(namings)), parts(chance)),
    ]


# What programs see.
NOTHING_IS_LOST = Loss("nothing is lost", lambda _, namings: len(namings), lambda changes: changes)


def leave(disk: Disk, loss: Loss, target: Path) -> None:
    """Make below `target`, which is there and empty, what a power loss leaves."""
    _leave(disk.top, loss, disk.root, target)


def _leave(folder: Folder, loss: Loss, path: Path, target: Path) -> None:
    count = loss.namings(path, folder.pending)
    for name, node in renamed(folder.synced, folder.pending[:count]).items():
        if isinstance(node, Folder):
            (target / name).mkdir()
            _leave(node, loss, path / name, target / name)
        else:
            (target / name).write_bytes(changed(node.synced, loss.changes(node.pending)))
