"""⇄ What was derived from which rows (`LAKE/derived.json`), and so what is to be made again.

    {"schema": "layercensus/derived/v2", "through": "2026-03-04", "rows": {"2026-03-01": "1742 1795612345678901234"}}

A file of rows is told from what it was by its size and time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from layercensus.lake.folder import Lake, replace_file

_SCHEMA = "layercensus/derived/v2"
WINDOW_DAYS = 7
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Record:
    """What was derived: the files of rows by day, as they were, and the last day with a population."""

    rows: Mapping[date, str] = field(default_factory=dict)
    through: date | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `days`: populations to make, in order; `changed`: days of rows that are new or other."""

    record: Record
    found: Mapping[date, str]
    days: tuple[date, ...]
    changed: tuple[date, ...]
    gone: bool

    @property
    def is_up_to_date(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.days or self.changed or self.gone)

    def has_population(self, day: date) -> bool:
        """Whether any of the seven days to it has rows."""
        return any(day - number * _DAY in self.found for number in range(WINDOW_DAYS))


def make_plan(lake: Lake, record: Record, through: date | None = None) -> Plan:
    """What is to be done; `through`: a day up to which there should be populations even if it has no rows."""
    found = {day: _mark(lake.day_file(day)) for day in lake.days()}
    changed = {day for day in found.keys() | record.rows.keys() if found.get(day) != record.rows.get(day)}
    days = {day + number * _DAY for day in changed for number in range(WINDOW_DAYS)}
    ends = [*found, *(day for day in (record.through, through) if day)]
    last = max(ends, default=date.min)
    if record.through is not None:
        # Days after those that were made, with or without rows of their own.
        missing = range(1, min((last - record.through).days, WINDOW_DAYS) + 1)
        days |= {record.through + number * _DAY for number in missing}
    return Plan(
        record=record,
        found=found,
        days=tuple(sorted(day for day in days if day <= last)),
        changed=tuple(sorted(day for day in changed if day in found)),
        gone=bool(record.rows.keys() - found.keys()),
    )


def _mark(file: Path) -> str:
    found = file.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def read_record(lake: Lake) -> Record:
    """What was derived; nothing, if that is not there or not readable: it is made anew then."""
    try:
        value = json.loads((lake.path / "derived.json").read_text(encoding="ascii"))
        if value["schema"] != _SCHEMA:
            return Record()
        rows = {date.fromisoformat(day): str(mark) for day, mark in value["rows"].items()}
        return Record(rows, date.fromisoformat(value["through"]) if rows else None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Record()


def write_record(lake: Lake, record: Record) -> None:
    """Replace the record. Raises `LakeError`."""
    through = record.through.isoformat() if record.through else None
    rows = {day.isoformat(): mark for day, mark in sorted(record.rows.items())}
    text = json.dumps({"schema": _SCHEMA, "through": through, "rows": rows}, indent=1) + "\n"
    replace_file(lake.path / "derived.json", lambda temporary: _put(temporary, text))


def _put(file: Path, text: str) -> None:
    file.write_text(text, encoding="ascii")
