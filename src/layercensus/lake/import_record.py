"""⇄ Which days of a store of series are in a lake already, whole: a small file in the lake for each store.

    LAKE/imports/1f0c9d2b7a6e5f43.json
    {"schema": "layercensus/import/v1", "store": "https://…", "cluster_label": "_id", "cluster_id": null,
     "days": {"2026-11-24": 120}}

A day is put down after its rows are on the disk, so that an import which was cut off goes on where it was. It counts as
long as the file of its rows is there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from pathlib import Path

from layercensus.errors import Fault, LakeError
from layercensus.lake.folder import Lake, lake_for_writing, open_lake, replace_file

_SCHEMA = "layercensus/import/v1"


@dataclass(frozen=True, slots=True)
class Source:
    """What is read: the address of a store, the label that names clusters, and whose the series without it are."""

    store: str
    cluster_label: str
    cluster_id: str | None

    def file_in(self, lake: Lake) -> Path:
        """Where its days are put down."""
        words = json.dumps([self.store, self.cluster_label, self.cluster_id]).encode()
        return lake.path / "imports" / f"{blake2b(words, digest_size=8).hexdigest()}.json"


def make_lake(lake: Path) -> None:
    """Make the lake if there is none. Raises `LakeError` where it cannot be one."""
    with lake_for_writing(lake):
        pass


def read_days(lake: Path, source: Source) -> Mapping[date, int]:
    """Days that are whole, and how many rows they had. Raises `LakeError`."""
    opened = open_lake(lake)
    return {day: rows for day, rows in _read(opened, source).items() if opened.day_file(day).exists()}


def add_day(lake: Path, source: Source, day: date, rows: int) -> None:
    """Put down that a day is whole. Raises `LakeError`."""
    with lake_for_writing(lake) as opened:
        days = {**_read(opened, source), day: rows}
        value = {
            "schema": _SCHEMA,
            "store": source.store,
            "cluster_label": source.cluster_label,
            "cluster_id": source.cluster_id,
            "days": {one.isoformat(): days[one] for one in sorted(days)},
        }
        text = json.dumps(value, indent=1) + "\n"

        def write(temporary: Path) -> None:
            temporary.write_text(text, encoding="utf-8")

        replace_file(source.file_in(opened), write)


def _read(lake: Lake, source: Source) -> dict[date, int]:
    path = source.file_in(lake)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != _SCHEMA:
            raise _damaged(path)
        return {date.fromisoformat(day): int(rows) for day, rows in value["days"].items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LakeError(f"cannot be read: {error.strerror}", str(path), Fault.HOST) from error
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(path) from None


def _damaged(path: Path) -> LakeError:
    return LakeError("this is no record of an import", str(path), next_step="remove it: the days are read again")
