"""Values out of an engine's answers, each held to its type: text, numbers, sums, days. Pure.

{"on_day": "2026-03-01", "units": 3, "sum_x": 10.0, …}
"""

from collections.abc import Mapping
from datetime import date
from typing import Protocol

from layercensus.errors import Fault, ReportError
from layercensus.report.estimator import Sums

Answer = Mapping[str, object]


class Answering(Protocol):
    """What the report needs of an engine: answers to questions by name, as plain rows."""

    def ask(self, question: str, **parameters: str) -> list[dict[str, object]]:
        """Answer one question."""
        ...


def text_of(row: Answer, column: str) -> str:
    """Text of a column. Raises `ReportError` (our fault), as all of these do."""
    value = row.get(column)
    if isinstance(value, str):
        return value
    raise _unexpected(column, value)


def number_of(row: Answer, column: str) -> float:
    """Number of a column."""
    value = row.get(column)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise _unexpected(column, value)


def whole_of(row: Answer, column: str) -> int:
    """Number of a column, rounded to a whole one."""
    return round(number_of(row, column))


def maybe_of(row: Answer, column: str) -> int | None:
    """Whole number of a column, or None where it is not known."""
    return None if row.get(column) is None else whole_of(row, column)


def sums_of(row: Answer) -> Sums:
    """Sums of a row; those that it does not have are left at nought, and what is made of them must not be shown."""
    return Sums(
        units=whole_of(row, "units"),
        units_with=whole_of(row, "units_with"),
        x=number_of(row, "sum_x"),
        y=number_of(row, "sum_y"),
        xx=number_of(row, "sum_xx"),
        xy=number_of(row, "sum_xy"),
        yy=number_of(row, "sum_yy"),
        unknown=number_of(row, "sum_unknown"),
        xu=number_of(row, "sum_xu") if "sum_xu" in row else 0.0,
        yu=number_of(row, "sum_yu") if "sum_yu" in row else 0.0,
        uu=number_of(row, "sum_uu") if "sum_uu" in row else 0.0,
        reporters=whole_of(row, "reporters") if "reporters" in row else 0,
        largest=number_of(row, "max_x") if "max_x" in row else 0.0,
    )


def is_day(text: str) -> bool:
    """Whether a text is a day as 2026-03-01."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _unexpected(column: str, value: object) -> ReportError:
    return ReportError(f"the engine answered {value!r} where a value was due", f"column {column}", Fault.US)
