"""The numbers behind a chart, as a table: one click away on the page, and the same as CSV. Pure.

A text that a spreadsheet would take for a formula gets an apostrophe before it, as in `format_csv`.
"""

import base64
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layercensus.report.page.figure import Figure, Range
from layercensus.text import safe_cell

Cell = Figure | Range | str


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what the CSV calls it, and what people read above it. `is_key`: that is a key, in others' words."""

    name: str
    title: str
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row, headed by its key. `is_day`: the key is a day."""

    key: str
    cells: tuple[Cell, ...]
    is_day: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `name`: of its file; `corner`: what the keys are; `note`: what is to be said below it.

    `csv`: where its CSV says more than the table. `is_long`: it is not for paper.
    """

    name: str
    caption: str
    corner: Column
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    note: str = ""
    csv: str = ""
    is_long: bool = False

    @property
    def link(self) -> str:
        """Its CSV as an address that holds all of it: no server, and no script, is needed."""
        text = self.csv or csv_text(self)
        return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode()


def csv_text(table: Table) -> str:
    """RFC 4180 with a head; numbers in full, an empty cell for what is not known."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([table.corner.name, *_head(table)])
    for row in table.rows:
        writer.writerow([safe_cell(row.key), *(end for cell in row.cells for end in _ends(cell))])
    return text.getvalue()


def _head(table: Table) -> Iterator[str]:
    ranges = {index for row in table.rows for index, cell in enumerate(row.cells) if isinstance(cell, Range)}
    for index, column in enumerate(table.columns):
        yield from (f"{column.name}_low", f"{column.name}_high") if index in ranges else (column.name,)


def _ends(cell: Cell) -> Sequence[float | str | None]:
    if isinstance(cell, str):
        return (safe_cell(cell),)
    return (cell.low.value, cell.high.value) if isinstance(cell, Range) else (cell.value,)
