"""The published row contract (`data/lake/row-v1.json`) as types: columns, their closed values and patterns.

Not here: any row. A column of the contract looks like

    {"name": "signal", "type": "VARCHAR", "nullable": false, "values": ["mcd", "capture", …], "meaning": "…"}

and a column of counts has a minimum, a group, and the signals it stands on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from layercensus.data import read_json


class ColumnType(StrEnum):
    """The SQL types a column may have, in every engine's words."""

    DATE = "DATE"
    VARCHAR = "VARCHAR"
    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    TIMESTAMP = "TIMESTAMP"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `signals` is empty where it stands on every signal; `required` says it must stand on those.

    Columns of one `group` (`nodes`, `needs`, `proxy`) are known all together or not at all.
    """

    name: str
    type: ColumnType
    nullable: bool
    values: frozenset[str]
    pattern: re.Pattern[str] | None
    minimum: int | None
    group: str | None
    signals: frozenset[str]
    required: bool


@dataclass(frozen=True, slots=True)
class RowContract:
    """The columns in their order, the key that makes a row unique, and the schema a lake of these rows declares."""

    schema: str
    version: int
    table: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    _counts: Mapping[str, Mapping[str, str]]

    def counts_of(self, group: str) -> Mapping[str, str]:
        """Columns of a group of counts by the name of the count: `nodes` gives {"clean": "nodes_clean", …}."""
        return self._counts[group]


def _column(entry: dict[str, Any]) -> Column:
    return Column(
        name=entry["name"],
        type=ColumnType(entry["type"]),
        nullable=entry["nullable"],
        values=frozenset(entry.get("values", ())),
        pattern=re.compile(entry["pattern"]) if "pattern" in entry else None,
        minimum=entry.get("minimum"),
        group=entry.get("group"),
        signals=frozenset(entry.get("signals", ())),
        required=entry.get("required", False),
    )


@cache
def row_contract() -> RowContract:
    """Return the contract this version of the program writes and reads."""
    document = read_json("lake/row-v1.json")
    columns = tuple(_column(entry) for entry in document["columns"])
    groups = {column.group for column in columns if column.group}
    return RowContract(
        schema=document["lake_schema"],
        version=document["lake_version"],
        table=document["table"],
        key=tuple(document["key"]),
        columns=columns,
        _counts={
            group: {column.name.partition("_")[2]: column.name for column in columns if column.group == group}
            for group in groups
        },
    )
