r"""⇄ What somebody else knows of clusters, in CSV files: who owns them, which exist, how many there are of a kind.

    cluster_id,account,internal,class                        --accounts: only the first two must be there
    00000000-0000-4000-8000-00000000000a,acme,no,customer

    cluster_id,machines                                      --known-clusters: machines may be empty or missing
    00000000-0000-4000-8000-00000000000a,12

    release,platform,clusters                                --weights: one or more of release, platform, class
    4.14,AWS,1200

Every line is checked before one is believed. Names of columns are those above, in any order.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from layercensus.errors import Fault, LakeError
from layercensus.text import visible

CELL_COLUMNS = ("release", "platform", "class")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_YES_OR_NO = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}
_SHOWN = 60
_SAVE = "save it as CSV in UTF-8, with commas"
_MOST_MACHINES = 10**9


@dataclass(frozen=True, slots=True)
class Account:
    """Whose cluster it is. `account` and `account_class` are None where that is not said."""

    cluster_id: str
    account: str | None
    is_internal: bool
    account_class: str | None


@dataclass(frozen=True, slots=True)
class ListedCluster:
    """A cluster that exists, and how many CoreOS machines it has, if that is said."""

    cluster_id: str
    machines: int | None


@dataclass(frozen=True, slots=True)
class ClusterLists:
    """What is known of clusters beside their rows; nothing by default."""

    accounts: Sequence[Account] = field(default_factory=tuple)
    known: Sequence[ListedCluster] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Margins:
    """How many clusters a known population has of each cell; a cell is a value of each of `columns`."""

    columns: tuple[str, ...]
    clusters: Mapping[tuple[str, ...], int]


def read_accounts(file: Path) -> list[Account]:
    """Read who owns which cluster. Raises `LakeError` that names the line which cannot be taken."""
    found: dict[str, Account] = {}
    for where, line in _lines(file, ("cluster_id", "account"), ("internal", "class")):
        cluster_id = _cluster(where, line["cluster_id"], found)
        internal = line.get("internal", "").lower()
        if internal not in _YES_OR_NO:
            raise LakeError(f"internal is {_shown(internal)}", where, next_step="write yes or no")
        account = line["account"] or None
        found[cluster_id] = Account(cluster_id, account, _YES_OR_NO[internal], line.get("class") or None)
    return _some(file, found)


def read_known_clusters(file: Path) -> list[ListedCluster]:
    """Read which clusters exist. Raises `LakeError` that names the line which cannot be taken."""
    found: dict[str, ListedCluster] = {}
    for where, line in _lines(file, ("cluster_id",), ("machines",)):
        cluster_id = _cluster(where, line["cluster_id"], found)
        machines = _count(where, "machines", line["machines"]) if line.get("machines") else None
        found[cluster_id] = ListedCluster(cluster_id, machines)
    return _some(file, found)


def read_margins(file: Path) -> Margins:
    """Read how many clusters a known population has. Raises `LakeError` that names the line which cannot be taken."""
    found: dict[tuple[str, ...], int] = {}
    columns: tuple[str, ...] = ()
    for where, line in _lines(file, ("clusters",), CELL_COLUMNS):
        columns = tuple(name for name in CELL_COLUMNS if name in line)
        if not columns:
            raise LakeError("says of no kind of clusters how many there are", where, next_step=_one_of(CELL_COLUMNS))
        cell = tuple(line[name] or "unknown" for name in columns)
        if cell in found:
            raise LakeError(f"{_shown(', '.join(cell))} stands there a second time", where)
        found[cell] = _count(where, "clusters", line["clusters"])
    if not sum(found.values()):
        raise LakeError("has no cluster", str(file))
    return Margins(columns, found)


_Listed = TypeVar("_Listed", Account, ListedCluster)


def _some(file: Path, found: Mapping[str, _Listed]) -> list[_Listed]:
    """What was found. Raises `LakeError` where that is nothing: a list of nobody would look like one that was used."""
    if not found:
        raise LakeError("has no cluster", str(file))
    return list(found.values())


def _lines(file: Path, needed: Iterable[str], others: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Each line of a file that is not blank, by column, with where it stands; values stripped."""
    known = {*needed, *others}
    reader = csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    try:
        head = [name.strip().lower() for name in next(reader, [])]
        if missing := [name for name in needed if name not in head]:
            raise LakeError(
                f"names no column {missing[0]}", f"{file}, line {reader.line_num or 1}", next_step=_one_of(known)
            )
        if odd := [name for name in head if name not in known or head.count(name) > 1]:
            what = f"{_shown(odd[0])} is no column, or is one twice"
            raise LakeError(what, f"{file}, line {reader.line_num}", next_step=_one_of(known))
        for cells in reader:
            where = f"{file}, line {reader.line_num}"
            if any(cell.strip() for cell in cells):
                if len(cells) != len(head):
                    raise LakeError(f"has {len(cells)} values and not {len(head)}", where)
                yield where, dict(zip(head, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        where = f"{file}, line {reader.line_num}"
        raise LakeError(f"is no CSV: {error}", where, next_step=_SAVE) from error


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise LakeError(f"cannot be read: {error.strerror}", str(file), Fault.HOST, "check the path") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LakeError("is no text in UTF-8", _line(file, content[: error.start]), next_step=_SAVE) from error
    before, nul, _ = text.partition("\0")
    if nul:
        raise LakeError("has a NUL", _line(file, before.encode()), next_step=_SAVE)
    return text


def _line(file: Path, before: bytes) -> str:
    ended = before.count(b"\n")
    return f"{file}, line {ended + 1}"


def _cluster(where: str, text: str, found: Mapping[str, object]) -> str:
    cluster_id = text.lower()
    if not _UUID.fullmatch(cluster_id):
        raise LakeError(f"{_shown(text)} is no cluster id", where, next_step="it should be a UUID")
    if cluster_id in found:
        raise LakeError(f"{cluster_id} stands there a second time", where)
    return cluster_id


def _count(where: str, name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) or int(text) > _MOST_MACHINES:
        raise LakeError(f"{name} is {_shown(text)}, which is no count", where)
    return int(text)


def _shown(text: str) -> str:
    return repr(visible(text[:_SHOWN]))


def _one_of(names: Iterable[str]) -> str:
    return f"columns are {', '.join(sorted(names))}"
