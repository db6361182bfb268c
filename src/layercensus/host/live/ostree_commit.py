"""Objects of an ostree repository, bytes in and values out: commits, their layering metadata, folders. Pure.

A commit is a GVariant `(a{sv}aya(say)sstayay)`: metadata, parent, related, subject, body, time, root folder, its
permissions; a folder `(a(say)a(sayay))`: files, folders (ostree `src/libostree/ostree-core.h`). The name of both is
the SHA-256 of their bytes, so a cut or altered one is always found out. What rpm-ostree writes into the metadata of a
client layer is in its `src/libpriv/rpmostree-core.cxx`; sample, as `ostree show --print-metadata-key` prints it::

    rpmostree.clientlayer true   rpmostree.packages ['htop']   rpmostree.clientlayer_version uint32 6
    rpmostree.removed-base-packages [<('moby-1-1.x86_64', 'moby', uint64 0, '1', '1', 'x86_64')>]
    rpmostree.rpmdb.pkglist [('acl', '0', '2.3.1', '3.el9', 'x86_64'), …]
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from layercensus.host.live.gvariant import ByteOrder, GVariantError, Variant, unpack
from layercensus.host.nevra import Nevra

_COMMIT = "(a{sv}aya(say)sstayay)"
_FOLDER = "(a(say)a(sayay))"
# An epoch has 32 bits (rpm-spec(7)); int() refuses what is much longer with an error of its own.
_EPOCH = re.compile(r"[0-9]{1,10}")
# The public keys in an rpm database are no packages; rpm-ostree and the node image's list leave them out.
_NO_PACKAGE = "gpg-pubkey"


class CommitError(GVariantError):
    """An object is not what its name says, or its metadata is not what rpm-ostree writes."""


@dataclass(frozen=True, slots=True)
class Commit:
    """`parent` and `root` are checksums; the parent of a client layer is its base image."""

    checksum: str
    metadata: Mapping[str, Variant] = field(repr=False)
    parent: str | None
    root: str

    def text(self, key: str) -> str | None:
        """A text in the metadata; None if it is not there or no text."""
        value = self.metadata.get(key)
        unpacked = value.unpack() if value else None
        return unpacked if isinstance(unpacked, str) else None


@dataclass(frozen=True, slots=True)
class Folder:
    """Name -> checksum of a folder's files and folders."""

    files: Mapping[str, str]
    folders: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What was layered when the deployment was built; all empty for a commit that is no client layer.

    `packages` are the patterns asked for, `removed` is name -> NEVRA, `replaced` new -> old NEVRA, `replaced_remote`
    (source, name) -> (new, old NEVRA).
    """

    client_layer: bool = False
    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    removed: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    replaced_remote: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)


def parse_commit(data: bytes, checksum: str, *, byte_order: ByteOrder) -> Commit:
    """A commit object, checked against its name. Raises `GVariantError`."""
    _check(data, checksum, "commit")
    metadata, parent, _, _, _, _, root, _ = _members(unpack(_COMMIT, data, byte_order=byte_order), 8)
    if not isinstance(metadata, dict) or not isinstance(parent, bytes) or not isinstance(root, bytes):
        raise CommitError("has no members of a commit", where=checksum)
    return Commit(checksum, metadata, parent.hex() or None, root.hex())


def parse_folder(data: bytes, checksum: str) -> Folder:
    """A folder object, checked against its name. Raises `GVariantError`."""
    _check(data, checksum, "folder")
    files, folders = _members(unpack(_FOLDER, data, byte_order="little"), 2)
    return Folder(files=_checksums(files), folders=_checksums(folders))


def layer_facts(commit: Commit) -> LayerFacts:
    """What a commit says of its client layer. Raises `CommitError` where it is one and lacks what each one has.

    Before `clientlayer_version` 1 the patterns were in `rpmostree.spec`; 2 brought removals and replacements, 6
    replacements that follow a repository (`rpmostree_deployment_get_layered_info`).
    """
    metadata = commit.metadata
    if not _flag(metadata, "rpmostree.clientlayer") and "rpmostree.spec" not in metadata:
        return LayerFacts()
    version = _unpacked(metadata, "rpmostree.clientlayer_version", 0)
    if not isinstance(version, int):
        raise CommitError("has a layer version that is no number", where=commit.checksum)
    patterns = metadata
    if version < 1:
        spec = _unpacked(metadata, "rpmostree.spec", {})
        patterns = spec if isinstance(spec, dict) else {}
    required = [(patterns, "packages" if version < 1 else "rpmostree.packages")]
    if version >= 2:
        required += [(metadata, "rpmostree.removed-base-packages"), (metadata, "rpmostree.replaced-base-packages")]
    if version >= 6:
        required.append((metadata, "rpmostree.replaced-base-remote-packages"))
    for where, key in required:
        if key not in where:
            raise CommitError(f"is a client layer of version {version} without {key}", where=commit.checksum)
    return LayerFacts(
        client_layer=True,
        packages=_texts(_unpacked(*required[0], [])),
        modules=_texts(_unpacked(metadata, "rpmostree.modules", [])),
        removed={name: nevra for nevra, name in map(_package, _list(metadata, "rpmostree.removed-base-packages"))},
        replaced={new[0]: old[0] for new, old in _pairs(_list(metadata, "rpmostree.replaced-base-packages"))},
        replaced_remote=_remote(_unpacked(metadata, "rpmostree.replaced-base-remote-packages", {})),
    )


def package_list(commit: Commit) -> frozenset[Nevra] | None:
    """Every package of the tree; None where the commit has no list, as a container's merge commit has not."""
    value = _unpacked(commit.metadata, "rpmostree.rpmdb.pkglist", None)
    if value is None:
        return None
    if not isinstance(value, list):
        raise CommitError("has a package list that is none", where=commit.checksum)
    return package_set(value)


def package_set(rows: Iterable[object]) -> frozenset[Nevra]:
    """Packages of rows of name, epoch, version, release and architecture, all text. Raises `CommitError`."""
    packages = []
    for row in rows:
        texts = _texts(row)
        if len(texts) != 5 or not _EPOCH.fullmatch(texts[1]):
            raise CommitError("has a package that is no name, epoch, version, release and architecture")
        name, epoch, version, release, arch = texts
        if name != _NO_PACKAGE:
            packages.append(Nevra(name=name, version=version, release=release, epoch=int(epoch), arch=arch))
    return frozenset(packages)


def _check(data: bytes, checksum: str, what: str) -> None:
    if hashlib.sha256(data).hexdigest() != checksum:
        raise CommitError(f"is no {what} with this checksum: it was cut or altered", where=checksum)


def _members(value: object, count: int) -> tuple[object, ...]:
    if not isinstance(value, tuple) or len(value) != count:
        raise CommitError("has not the members that it must have")
    return value


def _checksums(value: object) -> dict[str, str]:
    """Name and checksum of rows `(say…)`."""
    rows = value if isinstance(value, list) else []
    return {row[0]: row[1].hex() for row in rows}


def _unpacked(metadata: Mapping[str, Variant], key: str, default: object) -> object:
    """A value of an `a{sv}`; a dictionary of another type has values that are no `Variant`."""
    value: object = metadata.get(key)
    if value is not None and not isinstance(value, Variant):
        raise CommitError(f"has {key} in a dictionary that is no a{{sv}}")
    return default if value is None else value.unpack()


def _flag(metadata: Mapping[str, Variant], key: str) -> bool:
    return _unpacked(metadata, key, default=False) is True


def _list(metadata: Mapping[str, Variant], key: str) -> list[object]:
    value = _unpacked(metadata, key, [])
    if not isinstance(value, list):
        raise CommitError(f"has {key} that is no list")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise CommitError("has a list of texts that is none")
    return tuple(value)


def _package(value: object) -> tuple[str, str]:
    """NEVRA and name of a boxed `(sstsss)`."""
    unpacked = value.unpack() if isinstance(value, Variant) else None
    if not isinstance(unpacked, tuple) or len(unpacked) != 6:
        raise CommitError("has a package that is no NEVRA, name, epoch, version, release and architecture")
    nevra, name, *_ = unpacked
    if not isinstance(nevra, str) or not isinstance(name, str):
        raise CommitError("has a package whose name is no text")
    return nevra, name


def _pairs(rows: list[object]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """New and old package of each boxed pair."""
    return [(_package(new), _package(old)) for new, old in (_members(row, 2) for row in rows)]


def _remote(value: object) -> dict[tuple[str, str], tuple[str, str]]:
    if not isinstance(value, dict):
        raise CommitError("has replacements by repository that are none")
    found = {}
    for source, boxed in value.items():
        rows = boxed.unpack() if isinstance(boxed, Variant) else None
        if not isinstance(source, str) or not isinstance(rows, list):
            raise CommitError("has replacements by repository that are none")
        for new, old in _pairs(rows):
            found[source, new[1]] = (new[0], old[0])
    return found
