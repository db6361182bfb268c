"""⇄ Objects of an ostree repository on disk, each found by its checksum: commits, folders, files, refs.

The repository of a booted system is of mode `bare`: a file's object is the file itself (ostree `docs/repo.md`), so an
rpm database of a base image can be opened where it lies.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from layercensus.errors import Fault, HostDocumentError
from layercensus.host.live.deployed import Tree
from layercensus.host.live.host_files import read_file, read_text_file, status_of
from layercensus.host.live.ostree_commit import (
    Commit,
    layer_facts,
    package_list,
    parse_commit,
    parse_folder,
)
from layercensus.host.live.rpmdb import read_packages
from layercensus.host.nevra import Nevra

# Where rpm-ostree keeps the database, and where images that were not built by it do.
_RPM_DATABASES = (("usr", "share", "rpm", "rpmdb.sqlite"), ("usr", "lib", "sysimage", "rpm", "rpmdb.sqlite"))
_PUBLIC_KEY = "gpg-pubkey"
_CHECKSUM = re.compile(r"^[0-9a-f]{64}\n?$")


@dataclass(frozen=True, slots=True)
class OstreeRepo:
    """A repository: the folder that has `objects` and `refs`."""

    path: Path

    def read_commit(self, checksum: str) -> Commit:
        """A commit with its metadata. Raises `HostDocumentError` where it is missing, cut, altered or closed."""
        path = self._object(checksum, "commit")
        data = read_file(path)
        if data is None:
            raise HostDocumentError(f"has no commit {checksum}", where=str(self.path), fault=Fault.HOST)
        # Numbers are in the byte order of who wrote them: for a layer that is this machine.
        return parse_commit(data, checksum, byte_order=sys.byteorder)

    def read_tree(self, checksum: str, *, with_packages: bool, problems: list[str]) -> Tree:
        """A commit, its layer, its packages and those of the base below; a list that can't be had is a problem.

        `with_packages`: find the list of a commit without client layer too, even if it takes its rpm database.
        """
        commit = self.read_commit(checksum)
        facts = layer_facts(commit)
        packages = package_list(commit)
        if packages is None and (with_packages or facts.client_layer):
            packages = self._packages_of_files(commit, problems)
        base = self._base_packages(commit, problems) if facts.client_layer else packages
        return Tree(commit=commit, facts=facts, packages=packages, base=base)

    def find_database(self, commit: Commit) -> Path | None:
        """The object that is the commit's rpm database; None if its tree has none."""
        paths = (self._find(commit, path) for path in _RPM_DATABASES)
        return next((path for path in paths if path is not None), None)

    def read_ref(self, name: str) -> str | None:
        """Checksum that a local ref holds; None if there is none."""
        path = self.path / "refs" / "heads" / name
        text = read_text_file(path)
        if text is None:
            return None
        if not _CHECKSUM.match(text):
            raise HostDocumentError("holds no checksum", where=str(path), fault=Fault.HOST)
        return text.strip()

    def _base_packages(self, commit: Commit, problems: list[str]) -> frozenset[Nevra] | None:
        """Packages of the parent: from its list, else, as containers' merge commits have none, from its database."""
        if commit.parent is None:
            problems.append(f"the client layer {commit.checksum[:12]} names no base: dependencies are unknown")
            return None
        try:
            parent = self.read_commit(commit.parent)
            listed = package_list(parent)
        except HostDocumentError as error:
            problems.append(f"dependencies are unknown, as the base image cannot be read: {error}")
            return None
        return listed if listed is not None else self._packages_of_files(parent, problems)

    def _packages_of_files(self, commit: Commit, problems: list[str]) -> frozenset[Nevra] | None:
        try:
            database = self.find_database(commit)
            if database is None:
                problems.append(f"commit {commit.checksum[:12]} has neither a package list nor an rpmdb.sqlite")
                return None
            packages = (package.nevra for package in read_packages(database))
            return frozenset(nevra for nevra in packages if nevra.name != _PUBLIC_KEY)
        except HostDocumentError as error:
            problems.append(f"the packages of commit {commit.checksum[:12]} are unknown: {error}")
            return None

    def _find(self, commit: Commit, path: Sequence[str]) -> Path | None:
        """The object of a file in a commit's tree; None if there is no such regular file."""
        checksum: str | None = commit.root
        for name in path[:-1]:
            checksum = None if checksum is None else self._folders(checksum).get(name)
        if checksum is None:
            return None
        found = self._files(checksum).get(path[-1])
        file = None if found is None else self._object(found, "file")
        return file if file and status_of(file) else None

    def _folders(self, checksum: str) -> Mapping[str, str]:
        return parse_folder(self._tree_object(checksum), checksum).folders

    def _files(self, checksum: str) -> Mapping[str, str]:
        return parse_folder(self._tree_object(checksum), checksum).files

    def _tree_object(self, checksum: str) -> bytes:
        data = read_file(self._object(checksum, "dirtree"))
        if data is None:
            raise HostDocumentError(f"has no folder {checksum}", where=str(self.path), fault=Fault.HOST)
        return data

    def _object(self, checksum: str, kind: str) -> Path:
        return self.path / "objects" / checksum[:2] / f"{checksum[2:]}.{kind}"
