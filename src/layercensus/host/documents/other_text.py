"""Texts that stand where a status should: `ostree admin status`, the table of before mid 2016, failures. Pure.

None of them shows layering, so none may read as clean.
"""

import re
from collections.abc import Mapping
from functools import cache

from layercensus.data import read_json
from layercensus.host.documents.text_lines import HostText, first_failure
from layercensus.host.reading import Reading
from layercensus.model import Deployment, Readability, Unlocked

_ADMIN = re.compile(r"^([* ]) (\S+) ([0-9a-f]{64})\.(\d+)(?: \((\w+)\))?$")
_ADMIN_KEY = re.compile(r"^\s+(Version|Unlocked|origin refspec|Pinned|origin):\s*(.*)$")
# What a shell, sudo or ssh says when it was not let in. It may stand in a README too, so in a short text only.
_DENIED = re.compile(
    r"^[ \t]*(?:[^\s@]{1,64}@\S{1,255}: )?Permission denied\b|"
    r"^-?(?:bash|sh|chroot|sudo|ssh): .*(?:Permission denied|password is required|Connection (?:refused|timed out)|"
    r"Could not resolve hostname|No route to host)|^Host key verification failed",
    re.MULTILINE,
)
_MAX_DENIED_CHARACTERS = 4096
_TABLE_HEAD = re.compile(r"^\s+TIMESTAMP \(UTC\)\s+VERSION\s+ID\s+OSNAME\s+REFSPEC")
_TABLE_ROW = re.compile(r"^([* ]) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s+(\S+)\s+([0-9a-f]+)\s+(\S+)\s+(\S+)")


def parse_admin_status(host: HostText) -> Reading | None:
    """Deployments of `ostree admin status`; None if the text is none."""
    rows: list[dict[str, str]] = []
    for line in host.lines:
        if match := _ADMIN.match(line.text):
            rows.append({"mark": match[1], "osname": match[2], "checksum": match[3], "state": match[5] or ""})
        elif rows and (key := _ADMIN_KEY.match(line.text)):
            rows[-1][key[1]] = key[2]
    if not rows:
        return None
    deployments = tuple(
        Deployment(
            booted=row["mark"] == "*",
            staged=row["state"] == "staged",
            cut=True,
            checksum=row["checksum"],
            osname=row["osname"],
            version=row.get("Version"),
            origin=row.get("origin refspec"),
            unlocked=_unlocked(row),
        )
        for row in rows
    )
    problem = "this is ostree admin status, which never shows layering: rpm-ostree status does"
    return Reading(deployments, (problem,))


def _unlocked(row: Mapping[str, str]) -> Unlocked | None:
    value = row.get("Unlocked", Unlocked.NONE.value)
    return Unlocked(value) if value in set(Unlocked) else None


def parse_table(host: HostText) -> Reading | None:
    """Deployments of the table that `rpm-ostree status` printed until June 2016; None if the text is none."""
    lines = [line.text for line in host.lines]
    if not any(_TABLE_HEAD.match(line) for line in lines):
        return None
    rows = [match for match in map(_TABLE_ROW.match, lines) if match]
    deployments = tuple(
        Deployment(booted=row[1] == "*", cut=True, version=row[2], checksum=row[3], osname=row[4], origin=row[5])
        for row in rows
    )
    problem = "this is the table of rpm-ostree before mid 2016, which does not show layering"
    return Reading(deployments, (problem,))


def is_denied(text: str) -> bool:
    """Whether a text is no more than the words of a command that was not let in."""
    return len(text) <= _MAX_DENIED_CHARACTERS and bool(_DENIED.search(text))


def parse_failure(host: HostText) -> Reading | None:
    """What rpm-ostree said instead of a status, and whether that means that it is no rpm-ostree host."""
    failure = first_failure(host.lines) or next((line.text for line in host.lines if _DENIED.match(line.text)), None)
    if failure is None:
        return None
    for pattern, readability, meaning in _failures():
        if pattern.search(failure):
            return Reading(readability=readability, problems=(f"{meaning}: {_short(failure)}",))
    return Reading(readability=Readability.UNKNOWN, problems=(f"rpm-ostree status failed: {_short(failure)}",))


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"


@cache
def _failures() -> tuple[tuple[re.Pattern[str], Readability, str], ...]:
    entries = read_json("status_failures.json")["failures"]
    return tuple((re.compile(entry["pattern"]), Readability(entry["machine"]), entry["meaning"]) for entry in entries)
