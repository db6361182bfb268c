"""Which members of a support bundle are read, and how they become machines. Pure; the list is data.

A bundle is a sosreport, an Insights archive or a must-gather. Its members come by once, in any order, by path; those of
one root are one bundle (`data/bundle_members.json`)::

    sosreport-node7-2024-05-01-abcdefg/sos_commands/rpmostree/rpm-ostree_status_--json
    └ root ───────────────────────────┘└ pattern of role status_json ────────────────┘

What is kept of them is bounded, whatever an archive holds: the text of one member at a time, and of a log its statuses.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from layercensus.data import read_json
from layercensus.host.bundles.evidence import add_problem
from layercensus.host.bundles.must_gather import MustGather
from layercensus.host.bundles.sosreport import STATUS_ROLES, Sosreport
from layercensus.host.documents.mcd_log import LogScan
from layercensus.model import Machine

_MAX_PATH_CHARACTERS = 4 * 1024 * 1024
_MAX_KEPT_BYTES = 24 * 1024 * 1024
# Members that any copy of a root file system has.
_COMMON_ROLES = frozenset({"os_release", "hostname"})
_LOG_ROLES = frozenset({"current_log", "previous_log"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A member that matters: its bundle's root (empty or ending in a slash), its role, and the pod or node."""

    path: str
    root: str
    bundle: str
    role: str
    subject: str = ""

    @property
    def is_log(self) -> bool:
        """Whether it is fed line by line, of whatever size."""
        return self.role in _LOG_ROLES

    @property
    def is_archive(self) -> bool:
        """Whether it is a bundle of its own."""
        return self.role == "archive"

    @property
    def max_bytes(self) -> int:
        """The largest member of this role that is read."""
        return int(read_json("bundle_members.json")["max_kib"][self.role]) * 1024

    @property
    def is_read(self) -> bool:
        """Whether its contents matter, and not only its being there."""
        return self.role != "mark"


@dataclass
class Bundles:
    """All bundles of one archive or folder, by root. `name` and `joint` make a machine's input: `archive!member`."""

    name: str
    joint: str
    sosreports: dict[str, Sosreport] = field(default_factory=dict)
    must_gathers: dict[str, MustGather] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _path_characters: int = 0
    _kept_bytes: int = 0

    def wants(self, path: str) -> Wanted | None:
        """What a path is for; None if its contents do not matter, or if the same path came by before."""
        wanted = find_wanted(path)
        if wanted is None:
            return None
        if path in self._seen:
            add_problem(self._problems_of(wanted), f"{path} is there more than once: the first was read")
            return None
        self._path_characters += len(path)
        if self._path_characters > _MAX_PATH_CHARACTERS or self._kept_bytes > _MAX_KEPT_BYTES:
            add_problem(self.problems, "holds more evidence than any cluster has: the rest was not read")
            return None
        self._seen.add(path)
        if wanted.bundle == "sosreport":
            report = self.sosreports.setdefault(wanted.root, Sosreport())
            report.marked = report.marked or wanted.role not in _COMMON_ROLES
        return wanted

    def input_of(self, member: str) -> str:
        """A machine's input, as the design writes it."""
        return f"{self.name}{self.joint}{member}" if member else self.name

    def take_text(self, wanted: Wanted, text: str, *, cut: bool) -> None:
        """Take the text of a member; `cut`: the archive ended inside it."""
        member = self.input_of(wanted.path)
        if wanted.bundle == "must_gather":
            gather = self.must_gathers.setdefault(wanted.root, MustGather())
            self._kept_bytes += gather.take(wanted.role, wanted.subject, member, text, cut=cut)
        elif wanted.bundle == "sosreport":
            report = self.sosreports.setdefault(wanted.root, Sosreport())
            self._kept_bytes += report.take(wanted.role, member, text, cut=cut)

    def take_log(self, wanted: Wanted, scan: LogScan, *, cut: bool) -> None:
        """Take a log whose lines were all fed."""
        gather = self.must_gathers.setdefault(wanted.root, MustGather())
        self._kept_bytes += gather.take_log(wanted.role, wanted.subject, self.input_of(wanted.path), scan, cut=cut)

    def refuse(self, wanted: Wanted, reason: str) -> None:
        """Say that a member is there and why it was not read, where a machine's state may be in it."""
        if wanted.role in STATUS_ROLES or wanted.bundle != "sosreport":
            add_problem(self._problems_of(wanted), f"{wanted.path} {reason}")

    def machines(self, lost: str | None) -> Iterator[Machine]:
        """All machines, sosreports first. `lost`: why the archive could not be read to its end."""
        for root, sosreport in sorted(self.sosreports.items()):
            if sosreport.marked:
                yield self._finished(sosreport.machine(self.input_of(root.rstrip("/"))), lost)
        for root, gather in sorted(self.must_gathers.items()):
            beside = [other for other_root, other in self.must_gathers.items() if _beside(root, other_root)]
            if not any(gather.is_part_of(other) for other in beside):
                for machine in gather.machines(lost=lost is not None):
                    yield self._finished(machine, lost)

    def _finished(self, machine: Machine, lost: str | None) -> Machine:
        why = [f"the archive {lost}: evidence may be missing"] if lost else []
        return replace(machine, input=machine.input or self.name, problems=(*machine.problems, *why))

    def _problems_of(self, wanted: Wanted) -> list[str]:
        if wanted.bundle == "sosreport":
            return self.sosreports.setdefault(wanted.root, Sosreport()).problems
        if wanted.bundle == "must_gather":
            return self.must_gathers.setdefault(wanted.root, MustGather()).problems
        return self.problems


def find_wanted(path: str) -> Wanted | None:
    """What a member's path is for; None if it is on no list."""
    pattern, entries = _allow_list()
    if not pattern.search(path):
        return None
    for entry, bundle, role in entries:
        if match := entry.match(path):
            return Wanted(path, match["root"], bundle, role, match.groupdict().get("subject") or "")
    return None


def _beside(root: str, other: str) -> bool:
    """Whether two roots are different folders of the same folder, as the images of one gathering are."""
    return root != other and root.rstrip("/").rpartition("/")[0] == other.rstrip("/").rpartition("/")[0]


@cache
def _allow_list() -> tuple[re.Pattern[str], tuple[tuple[re.Pattern[str], str, str], ...]]:
    """One pattern that most paths fail at once, and the patterns of the roles."""
    members: list[Mapping[str, Any]] = read_json("bundle_members.json")["members"]
    nameless = "|".join(entry["pattern"].replace("?P<subject>", "?:") for entry in members)
    return re.compile(rf"(?:^|/)(?:{nameless})\Z"), tuple(
        (re.compile(rf"(?P<root>(?:.*/)?)(?:{entry['pattern']})\Z", re.DOTALL), entry["bundle"], entry["role"])
        for entry in members
    )
