"""What a sosreport, or an Insights archive, says of its one machine. Pure.

`rpm-ostree status --json` says most and is taken first, then the text, then `bootc status`, which only says whether.
The first of them that could be read is the machine; where another contradicts it a problem line says so. os-release
adds the OpenShift release, `package-data` the vendor of each layered package::

    sos_commands/rpmostree/rpm-ostree_status_--json     {"deployments": [ …
    sos_commands/bootc/bootc_status                     apiVersion: org.containers.bootc/v1 …
    etc/os-release                                      OPENSHIFT_VERSION="4.16"
    sos_commands/rpm/package-data                       htop-3.2.1-1.el9.x86_64<tab>date<tab>seconds<tab>vendor<tab>…

Source: sosreport/sos `sos/report/plugins/` (`rpmostree.py`, `bootc.py`, `rpm.py`, `release.py`, `host.py`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from layercensus.errors import HostDocumentError
from layercensus.host.bundles.evidence import as_cut, bounded, weight_of
from layercensus.host.changes import name_and_nevra
from layercensus.host.documents.bootc import parse_bootc
from layercensus.host.documents.document import parse_document
from layercensus.host.os_release import operating_system, parse_os_release
from layercensus.host.reading import machine_from, unreadable
from layercensus.model import Deployment, Machine, Readability, Source

STATUS_ROLES = ("status_json", "status_text", "bootc")
_NO_VENDOR = {"", "(none)"}
# `dnf list`-like tools write what a machine has; more than this is none's.
_MAX_PACKAGES = 20_000
_MAX_NAME_CHARACTERS = 253
# A deployment has one object, and some hundred in the image configuration that it carries as text.
_MAX_OBJECTS = 20_000
_OS_KEYS = frozenset({"ID", "VARIANT_ID", "VERSION_ID", "OSTREE_VERSION", "OPENSHIFT_VERSION"})


@dataclass
class Sosreport:
    """The evidence of one sosreport as its members come by, in any order.

    `marked`: a member came by that only such an archive has; a tree with an `etc/os-release` alone is none.
    """

    marked: bool = False
    statuses: dict[str, tuple[str, Machine]] = field(default_factory=dict)
    os_release: Mapping[str, str] = field(default_factory=dict)
    hostname: str | None = None
    vendors: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def take(self, role: str, member: str, text: str, *, cut: bool) -> int:
        """Take one member's text; `cut`: it ends too early. Returns what is kept of it weighs."""
        if cut and role not in STATUS_ROLES:
            text = text[: text.rfind("\n") + 1]
        if role in STATUS_ROLES:
            machine = bounded(_status_machine(role, member, text))
            machine = as_cut(machine, f"the archive ends inside {member}") if cut else machine
            self.statuses.setdefault(role, (member, machine))
            return weight_of(machine)
        if role == "os_release":
            self.os_release = self.os_release or _os_values(text)
        elif role == "hostname":
            self.hostname = self.hostname or text.strip().partition("\n")[0][:_MAX_NAME_CHARACTERS] or None
        elif role == "packages":
            self.vendors = dict(_vendors(text))
        return (
            sum(200 + len(name) + len(vendor) for name, vendor in self.vendors.items()) if role == "packages" else 2000
        )

    def machine(self, name: str) -> Machine:
        """The machine; `name` is the bundle's, used where no status names a member."""
        found = [self.statuses[role] for role in STATUS_ROLES if role in self.statuses]
        said = [item for item in found if item[1].readability is not Readability.UNKNOWN]
        member, machine = next(iter(said or found), (name, unreadable(name, "the sosreport has no rpm-ostree status")))
        booted = machine.booted or Deployment()
        others = [other for other in found if other[0] != member]
        contradictions = tuple(_contradictions(machine, others))
        if contradictions and machine.booted:
            # What is shown stands; that nothing else is there is what the other document denies.
            machine = replace(machine, booted=replace(machine.booted, cut=True))
        return replace(
            machine,
            input=member,
            os=operating_system(self.os_release, booted, machine.os.arch) if self.os_release else machine.os,
            node=self.hostname,
            rpm_vendors=self._vendors_of(machine),
            problems=(*machine.problems, *contradictions, *self.problems),
        )

    def _vendors_of(self, machine: Machine) -> Mapping[str, str]:
        deployments = [deployment for deployment in (machine.booted, machine.staged) if deployment]
        names = {change.name for deployment in deployments for change in deployment.changes if change.name}
        return {name: self.vendors[name] for name in sorted(names & self.vendors.keys())}


def _os_values(text: str) -> Mapping[str, str]:
    try:
        values = parse_os_release(text)
    except HostDocumentError:
        return {}
    return {key: value[:_MAX_NAME_CHARACTERS] for key, value in values.items() if key in _OS_KEYS}


def _status_machine(role: str, member: str, text: str) -> Machine:
    if role == "bootc":
        return machine_from(parse_bootc(text), name=member, source=Source.BOOTC)
    if text.count("{") > _MAX_OBJECTS:
        return unreadable(member, f"is JSON of more than {_MAX_OBJECTS} objects, which no status is")
    machines = list(parse_document(_without_blank_runs(text), member))
    if len(machines) == 1:
        return machines[0]
    return unreadable(member, f"shows {len(machines)} hosts, and a sosreport is of one", source=machines[0].source)


def _without_blank_runs(text: str) -> str:
    """One blank line for many: patterns that look for a line's beginning would try at each of them."""
    lines = text.split("\n")
    return "\n".join(line for before, line in pairwise(["x", *lines]) if line.strip() or before.strip())


def _vendors(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines()[:_MAX_PACKAGES]:
        fields = line.split("\t")
        if len(fields) > 3 and fields[3] not in _NO_VENDOR:
            yield name_and_nevra(fields[0].strip()[:_MAX_NAME_CHARACTERS])[0], fields[3][:_MAX_NAME_CHARACTERS]


def _contradictions(machine: Machine, others: list[tuple[str, Machine]]) -> Iterator[str]:
    """Where another document of the same machine says something else, or could not be read."""
    for member, other in others:
        if other.readability is not machine.readability:
            reason = next(iter(other.problems), "no reason given")
            yield f"{member} does not say the same: {reason}"
        elif machine.booted and other.booted:
            yield from (f"{member} does not say the same: {what}" for what in _differences(machine.booted, other))


def _differences(booted: Deployment, other: Machine) -> Iterator[str]:
    theirs = other.booted
    if theirs is None:
        return
    if booted.checksum and theirs.checksum and booted.checksum != theirs.checksum:
        yield f"booted is {theirs.checksum[:12]}, not {booted.checksum[:12]}"
    if other.source is Source.BOOTC:
        if {booted.bootc_incompatible, theirs.bootc_incompatible} == {True, False}:
            yield "changed client-side" if theirs.bootc_incompatible else "not changed client-side"
    elif not theirs.cut and not booted.cut and _active(booted) != _active(theirs):
        differing = sorted({name for _, name in _active(booted) ^ _active(theirs)})
        yield f"active changes differ in {', '.join(differing[:10])}"


def _active(deployment: Deployment) -> set[tuple[str, str]]:
    """Active changes as every source writes them."""
    active = (change for change in deployment.changes if change.active is not False)
    return {(change.kind.value, change.name or change.requested) for change in active}
