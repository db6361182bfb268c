"""Questions as data: `data/questions/<name>/question.sql` and `question.json` to a `Question`. Pure; runs nothing.

A question is one SELECT in plain SQL over the table `cluster_days` (the row contract), with parameters as `:as_of`:

    SELECT … FROM cluster_days WHERE signal = :signal AND day <= CAST(:as_of AS DATE)

Values never enter the text: an engine binds them. `dollar_style` rewrites the marks for engines that write `$as_of`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

from layercensus.data import list_names, read_json, read_text
from layercensus.errors import Fault, LakeError

# What may hide a colon that is no parameter comes first: comments, string literals, quoted names, casts.
_TOKEN = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|::|:([a-z_][a-z0-9_]*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Question:
    """One question: its SQL with `:name` parameters, their names, the columns of its answer in order."""

    name: str
    sql: str
    parameters: frozenset[str]
    columns: tuple[str, ...]


def question_names() -> list[str]:
    """Names of all questions, sorted."""
    return list_names("questions")


@cache
def find_question(name: str) -> Question:
    """Return the question of that name. Raises `LakeError` (our fault) where there is none."""
    if name not in question_names():
        raise LakeError("there is no such question", where=name, fault=Fault.US)
    described = read_json(f"questions/{name}/question.json")
    return Question(
        name=name,
        sql=read_text(f"questions/{name}/question.sql"),
        parameters=frozenset(described["parameters"]),
        columns=tuple(column["name"] for column in described["columns"]),
    )


def asked_question(name: str, parameters: Mapping[str, str]) -> Question:
    """Return the question of that name, to be asked with these parameters. Raises `LakeError` (our fault)."""
    question = find_question(name)
    if set(parameters) != question.parameters:
        expected = ", ".join(sorted(question.parameters)) or "none"
        raise LakeError(f"the question takes these parameters: {expected}", where=name, fault=Fault.US)
    return question


def plain_answer(question: Question, rows: Iterable[Sequence[object]]) -> list[dict[str, object]]:
    """Rows of any engine as the answer: a dict a row by the question's columns, days and instants as ISO text."""
    return [dict(zip(question.columns, map(_plain, row), strict=True)) for row in rows]


def parameters_in(sql: str) -> frozenset[str]:
    """Names of the parameters a SQL text mentions, comments and literals left aside."""
    return frozenset(match[1] for match in _TOKEN.finditer(sql) if match[1])


def dollar_style(sql: str) -> str:
    """Rewrite `:name` as `$name`, comments and literals left as they are."""
    return _TOKEN.sub(lambda match: f"${match[1]}" if match[1] else match[0], sql)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date | datetime) else value
