"""What cannot be in one image together, or has no file that could be named: left by hand, and said. Pure.

A pool runs one image: one version of a package, from one place, for the architecture of its machines. Which of two is
meant no document says, so none of them becomes a command.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from layercensus.migrate.plan import Advice, Item, MachinePlan
from layercensus.model import Change, Kind

_FILES = {Kind.INSTALL_LOCAL, Kind.INSTALL_LOCAL_FORCE, Kind.REPLACE_LOCAL}
_SEVERAL = "this pool asks for more than one version or source of {name}, and an image holds one: decide which"
_FOREIGN = "an RPM for {rpm}, and these machines are {pool}"
_NO_ARCH = (
    "the text does not print its architecture, so its file has no name here: give rpm-ostree status --json of the "
    "machine"
)
# What else an image of an architecture may hold: 32-bit libraries.
_MULTILIB = {"x86_64": frozenset({"i386", "i486", "i586", "i686"})}
_ARCHES = frozenset({"x86_64", "aarch64", "ppc64le", "s390x", "noarch", *_MULTILIB["x86_64"]})


def for_one_image(items: Sequence[Item], machines: Sequence[MachinePlan]) -> tuple[Item, ...]:
    """The same items, by hand where they do not fit into one image."""
    arches = arches_of(machines)
    several = _in_several_ways(item.judged.change for item in items if item.advice is Advice.IMAGE)
    return tuple(_settled(item, several, arches) if item.advice is Advice.IMAGE else item for item in items)


def arches_of(machines: Iterable[MachinePlan]) -> tuple[str, ...]:
    """Architectures of these machines, as RPM names them, where the documents tell."""
    found = (machine.census.machine.os.arch for machine in machines)
    return tuple(dict.fromkeys(arch for arch in found if arch))


def _settled(item: Item, several: frozenset[str], arches: Sequence[str]) -> Item:
    why = _why(item.judged.change, several, arches)
    return replace(item, advice=Advice.BY_HAND, why=why, instead=None, source=None, traps=()) if why else item


def _why(change: Change, several: frozenset[str], arches: Sequence[str]) -> str | None:
    if change.name in several:
        return _SEVERAL.format(name=change.name)
    arch = _arch(change.requested)
    if change.kind in _FILES and arch is None:
        return _NO_ARCH
    if arch and arch != "noarch" and arches and not all(arch in {own, *_MULTILIB.get(own, ())} for own in arches):
        return _FOREIGN.format(rpm=arch, pool=", ".join(arches))
    return None


def _in_several_ways(changes: Iterable[Change]) -> frozenset[str]:
    """Names that are asked for in more than one way; 32-bit and 64-bit libraries of one version are one."""
    ways: dict[str, set[tuple[str, ...]]] = {}
    for change in changes:
        if change.name:
            ways.setdefault(change.name, set()).add(tuple(_way(change)))
    return frozenset(name for name, found in ways.items() if len(found) > 1)


def _way(change: Change) -> Iterator[str]:
    yield change.kind
    yield change.repository or ""
    # What comes from a repository in place of the base's is asked for by its name.
    if change.kind is not Kind.REPLACE_REMOTE:
        arch = _arch(change.requested)
        yield change.requested.removesuffix(f".{arch}") if arch else change.requested


def _arch(requested: str) -> str | None:
    last = requested.rpartition(".")[2]
    return last if last in _ARCHES and last != requested else None
