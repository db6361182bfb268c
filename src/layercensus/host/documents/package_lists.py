"""Values of the package lines of `rpm-ostree status` text to changes, in every form they have had. Pure.

::

    LayeredPackages: 'compat-libstdc++-33.i686' git telnet
    RemovedBasePackages: strace-4.18-1.fc26.x86_64                              2017
    RemovedBasePackages: kernel-core kernel 4.18.0-305.49.1.el8_4               2019 on, names that share an EVR
    ReplacedBasePackages: docker 2:1.13.1-21 -> 2:1.13.1-22, crun 1-1 -> 1-2    to 2021, commas
    LocalOverrides: crun 1.11-1.fc38 -> 1.11-1.el9 jansson 2.13-6 -> 2.14-1     since v2021.14, no commas
    RemoteOverrides: repo=updates
                     └─ podman 5:4.5.0-1.fc38 -> 5:4.5.1-1.fc38
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from layercensus.errors import NevraError
from layercensus.host.changes import install_change, local_change, module_change
from layercensus.host.nevra import parse_nevra
from layercensus.model import Change, Form, Kind

_EVR = re.compile(r"^(?:\d+:)?[0-9][\w.+~^]*-[0-9][\w.+~^]*$")
_HIDDEN = re.compile(
    r"^(\.{2,}|…|\[…\]|\[\.{2,}\]|<[^<>]*>|\*{3,}|x{4,}|-{3,}|\(?(?i:redacted|hidden|removed|snip)\)?)$"
)
# What an editor or a mail program makes of `->` is one too.
_ARROWS = frozenset({"->", "→", "–>", "—>", "⟶"})
_TREE = re.compile(r"^\s*(?:[├└│─|`-]+\s+)+")


@dataclass(frozen=True, slots=True)
class Values:
    """The words of one line and its continuations. `whole` is False if a word was blotted out or cut off."""

    words: tuple[str, ...]
    whole: bool = True
    dropped: str | None = None


def is_hidden(word: str) -> bool:
    """Whether a word stands for one that was taken out (`...`, `<HIDDEN>`): such a word is no name."""
    return bool(_HIDDEN.match(word))


def split_words(text: str) -> Values:
    """Split a value as a shell does; what follows a quote that never closes was cut and is left out."""
    dropped = None
    try:
        words = shlex.split(text, posix=True)
    except ValueError:
        head, _, dropped = text.rpartition("'")
        try:
            words = shlex.split(head, posix=True)
        except ValueError:
            words = head.split()
    kept = tuple(word for word in words if not is_hidden(word))
    return Values(kept, whole=dropped is None and len(kept) == len(words), dropped=dropped)


def _installs(kind: Kind, *, active: bool) -> Callable[[str, tuple[str, ...]], Iterator[Change]]:
    def parse(key: str, words: tuple[str, ...]) -> Iterator[Change]:
        for word in words:
            if kind is Kind.INSTALL:
                yield install_change(word.rstrip(","), key, active=active)
            else:
                yield local_change(kind, word.rstrip(","), key, active=active)

    return parse


def _modules(*, active: bool | None) -> Callable[[str, tuple[str, ...]], Iterator[Change]]:
    def parse(key: str, words: tuple[str, ...]) -> Iterator[Change]:
        return (module_change(word, key, active=active) for word in words)

    return parse


def _inactive_removals(key: str, words: tuple[str, ...]) -> Iterator[Change]:
    return (Change(Kind.REMOVE, Form.NAME, word, word, key, active=False) for word in words)


def _inactive_replacements(key: str, words: tuple[str, ...]) -> Iterator[Change]:
    return (local_change(Kind.REPLACE_LOCAL, word, key, active=False) for word in words)


def _removals(key: str, words: tuple[str, ...]) -> Iterator[Change]:
    """Names that share an EVR, groups parted by commas, blanks or line ends; in 2017 and 2018 NEVRAs."""
    names: list[str] = []
    for word in words:
        bare = word.rstrip(",")
        nevra = _full_nevra(bare)
        if nevra is not None:
            yield Change(Kind.REMOVE, Form.NAME, nevra, nevra, key, active=True, nevra=bare)
        elif not _EVR.match(bare):
            names.append(bare)
        else:
            yield from (Change(Kind.REMOVE, Form.NAME, name, name, key, active=True) for name in names)
            names = []
    yield from (Change(Kind.REMOVE, Form.NAME, name, name, key, active=True) for name in names)


def _full_nevra(word: str) -> str | None:
    """RPM name of a word that is a NEVRA with its architecture; None for anything else."""
    try:
        nevra = parse_nevra(word)
    except NevraError:
        return None
    return nevra.name if nevra.arch else None


def _replacements(key: str, words: tuple[str, ...]) -> Iterator[Change]:
    """`name [name…] OLD -> NEW`, groups parted by commas or by nothing."""
    for names, old, new in _arrow_groups(words):
        for name in names:
            yield Change(
                kind=Kind.REPLACE_LOCAL,
                form=Form.NEVRA,
                requested=f"{name}-{new}",
                name=name,
                origin_key=key,
                active=True,
                replaces=f"{name}-{old}" if old else None,
            )


def _arrow_groups(words: tuple[str, ...]) -> Iterator[tuple[list[str], str, str]]:
    pending: list[str] = []
    index = 0
    while index < len(words):
        if words[index] in _ARROWS and index + 1 < len(words) and pending:
            yield pending[:-1] or pending, pending[-1], words[index + 1].rstrip(",")
            pending = []
            index += 2
            continue
        pending.append(words[index].rstrip(","))
        index += 1


def _remote(*, active: bool) -> Callable[[str, tuple[str, ...]], Iterator[Change]]:
    """A line with the source, below it a tree of packages; the tree's signs were taken off with the lines."""

    def parse(key: str, words: tuple[str, ...]) -> Iterator[Change]:
        sources = [index for index, word in enumerate(words) if "=" in word and "->" not in word]
        for start, end in pairwise([*sources, len(words)]):
            repository = words[start].removeprefix("repo=")
            rest = words[start + 1 : end]
            groups = list(_arrow_groups(rest)) or [([word.rstrip(",")], "", "") for word in rest]
            for name, old in ((name, old) for names, old, _ in groups for name in names):
                yield Change(
                    kind=Kind.REPLACE_REMOTE,
                    form=Form.NAME,
                    requested=name,
                    name=name,
                    origin_key=key,
                    active=active,
                    replaces=f"{name}-{old}" if old else None,
                    repository=repository,
                )

    return parse


# Every line that ever listed changes, oldest names first, and how its words are read.
PARSERS: Mapping[str, Callable[[str, tuple[str, ...]], Iterator[Change]]] = {
    "Packages": _installs(Kind.INSTALL, active=True),
    "LayeredPackages": _installs(Kind.INSTALL, active=True),
    "RequestedPackages": _installs(Kind.INSTALL, active=False),
    "InactiveRequests": _installs(Kind.INSTALL, active=False),
    "LocalPackages": _installs(Kind.INSTALL_LOCAL, active=True),
    "LocalForcedPackages": _installs(Kind.INSTALL_LOCAL_FORCE, active=True),
    "RemovedBasePackages": _removals,
    "InactiveBaseRemovals": _inactive_removals,
    "ReplacedBasePackages": _replacements,
    "LocalOverrides": _replacements,
    "InactiveBaseReplacements": _inactive_replacements,
    "InactiveLocalOverrides": _inactive_replacements,
    "RemoteOverrides": _remote(active=True),
    "InactiveRemoteOverrides": _remote(active=False),
    "LayeredModules": _modules(active=True),
    "EnabledModules": _modules(active=None),
    "InactiveModuleRequests": _modules(active=False),
}


def says_all(key: str, words: tuple[str, ...], changes: Sequence[Change]) -> bool:
    """Whether a list was understood to its end. rpm-ostree prints none without words.

    Words that are no change, and a replacement without its arrow, were not understood.
    """
    return bool(words and changes) and (PARSERS[key] is not _replacements or (len(words) > 2 and words[-2] in _ARROWS))


def strip_tree(text: str) -> str:
    """Take the branches of a drawn tree off a continuation line."""
    return _TREE.sub("", text)
