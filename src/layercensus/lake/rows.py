"""`Row` to a tuple of column values in the contract's order, and back. Pure; whatever breaks the contract is refused.

    Row(day="2026-03-01", signal="capture", nodes={"clean": 3, …}, …)  <->  (date(2026, 3, 1), …, 3, …)

An empty mapping of counts means not known and becomes nulls; a mapping is complete or empty, never in part.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from layercensus.errors import Fault, LakeError
from layercensus.lake.contract import Column, ColumnType, RowContract
from layercensus.model import Row

Cell = date | datetime | str | int | float | None

_GROUPS = ("nodes", "needs", "proxy")


def columns_from_row(row: Row, contract: RowContract) -> tuple[Cell, ...]:
    """Column values of a row, in the contract's order; instants become naive UTC.

    Raises `LakeError` that names the column and the value where the row does not fit the contract.
    """
    named: dict[str, object] = {
        "day": row.day,
        "cluster_id": row.cluster_id,
        "signal": row.signal,
        "release": row.release,
        "version": row.version,
        "platform": row.platform,
        "nodes_expected": row.nodes_expected,
        "skew_seconds": row.skew_seconds,
        "observed_at": row.observed_at,
        "received_at": row.received_at,
    }
    for group in _GROUPS:
        named |= _spread(group, getattr(row, group), contract)
    return tuple(_checked(column, named.get(column.name), row.signal) for column in contract.columns)


def row_from_columns(cells: Sequence[Cell], contract: RowContract) -> Row:
    """Rebuild the row of one tuple of column values. Raises `LakeError` where the values are not of the contract."""
    if len(cells) != len(contract.columns):
        raise LakeError(f"a row has {len(cells)} columns, the contract {len(contract.columns)}", fault=Fault.US)
    named = {column.name: cell for column, cell in zip(contract.columns, cells, strict=True)}
    row = Row(
        day=_text(named["day"]) or "",
        cluster_id=_text(named["cluster_id"]) or "",
        signal=_text(named["signal"]) or "",
        release=_text(named["release"]),
        version=_text(named["version"]),
        platform=_text(named["platform"]),
        nodes=_gather("nodes", named, contract),
        needs=_gather("needs", named, contract),
        proxy=_gather("proxy", named, contract),
        nodes_expected=_count(named["nodes_expected"]),
        skew_seconds=_number(named["skew_seconds"]),
        observed_at=_text(named["observed_at"]),
        received_at=_text(named["received_at"]),
    )
    columns_from_row(row, contract)
    return row


def _spread(group: str, counts: Mapping[str, int], contract: RowContract) -> dict[str, object]:
    columns = contract.counts_of(group)
    if counts and counts.keys() != columns.keys():
        for stranger in sorted(set(counts) - set(columns)):
            raise _misfit(group, stranger, "the contract has no such count")
        absent = [name for name in columns if name not in counts]
        raise _misfit(group, absent[0], "it is missing; counts come all together or not at all")
    return {columns[name]: count for name, count in counts.items()}


def _gather(group: str, named: Mapping[str, Cell], contract: RowContract) -> Mapping[str, int]:
    counts = {name: _count(named[column]) for name, column in contract.counts_of(group).items()}
    return {name: count for name, count in counts.items() if count is not None}


def _checked(column: Column, value: object, signal: str) -> Cell:
    stands = not column.signals or signal in column.signals
    if value is None:
        if not column.nullable or (column.required and stands):
            raise _misfit(column.name, value, f"a row of signal {signal} must have it")
        return None
    if not stands:
        raise _misfit(column.name, value, f"a row of signal {signal} has no such column")
    match column.type:
        case ColumnType.DATE:
            return _as_date(column, value)
        case ColumnType.VARCHAR:
            return _as_word(column, value)
        case ColumnType.BIGINT:
            return _as_count(column, value)
        case ColumnType.DOUBLE:
            return _as_double(column, value)
        case ColumnType.TIMESTAMP:
            return _as_instant(column, value)


def _as_date(column: Column, value: object) -> date:
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        raise _misfit(column.name, value, "it is no day like 2026-03-01") from None
    if day.isoformat() != value:
        raise _misfit(column.name, value, "it is no day like 2026-03-01")
    return day


def _as_word(column: Column, value: object) -> str:
    if not isinstance(value, str):
        raise _misfit(column.name, value, "it is no text")
    if column.values and value not in column.values:
        raise _misfit(column.name, value, f"it is none of {', '.join(sorted(column.values))}")
    if column.pattern and not column.pattern.fullmatch(value):
        raise _misfit(column.name, value, f"it does not match {column.pattern.pattern}")
    return str(value)


def _as_count(column: Column, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _misfit(column.name, value, "it is no whole number")
    if (column.minimum is not None and value < column.minimum) or value >= 2**63:
        raise _misfit(column.name, value, "no count can be that")
    return value


def _as_double(column: Column, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _misfit(column.name, value, "it is no finite number")
    return float(value)


def _as_instant(column: Column, value: object) -> datetime:
    try:
        instant = datetime.fromisoformat(str(value))
        in_utc = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _misfit(column.name, value, "it is no instant like 2026-03-01T12:00:00Z") from None
    if instant.tzinfo is None:
        raise _misfit(column.name, value, "it does not say its offset from UTC")
    # Stored naive, in UTC: every engine reads such a column alike, and DuckDB needs no time-zone library for it.
    return in_utc.replace(tzinfo=None)


def _text(cell: Cell) -> str | None:
    if isinstance(cell, datetime):
        return f"{cell.isoformat()}Z"
    if isinstance(cell, date):
        return cell.isoformat()
    return None if cell is None else str(cell)


def _count(cell: Cell) -> int | None:
    return cell if isinstance(cell, int) else None


def _number(cell: Cell) -> float | None:
    return float(cell) if isinstance(cell, int | float) else None


def _misfit(column: str, value: object, why: str) -> LakeError:
    return LakeError(f"value {value!r} does not fit the row contract: {why}", where=f"column {column}")
