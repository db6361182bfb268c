"""Known packages: category and need of an RPM name, from the data of who layers what. Pure."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from layercensus.data import read_json
from layercensus.model import Change, Need


@dataclass(frozen=True, slots=True)
class KnownPackage:
    """One entry of `data/known_packages.json`: who makes it, what for, and what image mode means for it."""

    glob: str
    vendor: str
    purpose: str
    category: str
    image_mode_note: str | None


@cache
def find_known_package(name: str) -> KnownPackage | None:
    """Find the most particular entry whose glob matches an RPM name, case-sensitive; None if there is none."""
    for entry in _entries():
        if fnmatchcase(name, entry.glob):
            return entry
    return None


def need_of(change: Change, category: str | None) -> Need:
    """Say why a non-extension change is there: any removal, replacement or module is an override."""
    if not change.kind.installs:
        return Need.OVERRIDE
    needs: dict[str, str] = read_json("needs.json")["need_of_category"]
    return Need(needs[category]) if category in needs else Need.OTHER


@cache
def _entries() -> tuple[KnownPackage, ...]:
    entries: list[dict[str, Any]] = read_json("known_packages.json")["packages"]
    return tuple(
        KnownPackage(e["package_glob"], e["vendor"], e["purpose"], e["category"], e.get("image_mode_note"))
        for e in entries
    )
