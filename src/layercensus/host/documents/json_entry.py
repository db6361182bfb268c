"""One object of a status document, its keys read by type: a wrong type is an error that names the place. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from layercensus.errors import HostDocumentError


@dataclass
class Entry:
    """One element of `deployments`, with typed access to its keys; `problems` grows as keys are read."""

    keys: Mapping[str, Any]
    where: str
    problems: list[str] = field(default_factory=list)

    def strings(self, *names: str) -> list[str]:
        """The list of strings under the first of these keys that is there; empty if none is."""
        for name in names:
            if name in self.keys:
                values = as_list(self.keys[name], f"{self.where}.{name}")
                return list(dict.fromkeys(as_text(value, f"{self.where}.{name}") for value in values))
        return []

    def text(self, name: str) -> str | None:
        """The string under a key; None if it is not there or null."""
        value = self.keys.get(name)
        return None if value is None else as_text(value, f"{self.where}.{name}")

    def flag(self, name: str) -> bool:
        """The boolean under a key; false if it is not there."""
        value = self.keys.get(name, False)
        if not isinstance(value, bool):
            raise HostDocumentError(f"{self.where}.{name} is neither true nor false")
        return value


def as_list(value: object, where: str) -> list[Any]:
    """The value, if it is a list."""
    if not isinstance(value, list):
        raise HostDocumentError(f"{where} is no list")
    return value


def as_mapping(value: object, where: str) -> Mapping[str, Any]:
    """The value, if it is an object."""
    if not isinstance(value, Mapping):
        raise HostDocumentError(f"{where} is no object")
    return value


def as_text(value: object, where: str) -> str:
    """The value, if it is a string."""
    if not isinstance(value, str):
        raise HostDocumentError(f"{where} has a value that is no text")
    return value
