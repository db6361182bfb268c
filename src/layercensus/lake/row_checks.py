"""The row contract as SQL, for rows that an engine makes and that never pass through Python. Pure.

    misfit_query("today", row_contract())  ->  SELECT COUNT(*), COUNT_IF(day <> $day), COUNT_IF(signal IS NULL OR …), …

`lake/rows.py` says the same of a row in Python; a test holds the two alike.
"""

from collections.abc import Iterable

from layercensus.lake.contract import Column, ColumnType, RowContract


def misfit_query(table: str, contract: RowContract) -> tuple[list[str], str]:
    """Return what is checked, and the SELECT that counts the rows and then, for each check, those that fail it.

    `$day` is the day that all rows must be of.
    """
    conditions = {f"column {column.name}": " OR ".join(_misfits(column)) for column in contract.columns}
    for group in sorted({column.group for column in contract.columns if column.group}):
        conditions[f"columns of {group}"] = _known_in_part(list(contract.counts_of(group).values()))
    conditions["day"] = "day <> $day"
    counts = [f"COUNT_IF({condition})" for condition in conditions.values()]
    # All rows are of one day, so the rest of the key tells them apart.
    key = ", ".join(name for name in contract.key if name != "day")
    query = f"SELECT COUNT(*), {', '.join(counts)}, COUNT(*) - COUNT(DISTINCT ({key})) FROM {table}"  # noqa: S608 - ours
    return [*conditions, "key"], query


def _misfits(column: Column) -> Iterable[str]:
    """Conditions under which a value does not fit; null where the value is."""
    name = column.name
    yield f"typeof({name}) <> '{column.type}'"
    if not column.nullable:
        yield f"{name} IS NULL"
    if column.signals:
        yield f"({name} IS NOT NULL AND signal NOT IN {_words(column.signals)})"
    if column.required:
        yield f"({name} IS NULL AND signal IN {_words(column.signals)})"
    if column.values:
        yield f"{name} NOT IN {_words(column.values)}"
    if column.pattern:
        yield f"NOT regexp_full_match({name}, {_quoted(column.pattern.pattern)})"
    if column.minimum is not None:
        yield f"{name} < {column.minimum}"
    if column.type is ColumnType.DOUBLE:
        yield f"NOT isfinite({name})"


def _known_in_part(names: list[str]) -> str:
    known = " + ".join(f"CAST({name} IS NOT NULL AS INTEGER)" for name in names)
    return f"{known} NOT IN (0, {len(names)})"


def _words(words: Iterable[str]) -> str:
    return f"({', '.join(_quoted(word) for word in sorted(words))})"


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
