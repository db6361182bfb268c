"""A case of a question, as `tests/questions/<name>/<case>/case.json` has it.

{"why": "what the case shows, in the words of who counted it",
 "row": {"signal": "capture", "version": null},      what all rows have, if anything
 "rows": [{"day": "2026-03-01", "cluster_id": …},    what each row has beside it, or instead
          {"day": "2026-03-01", "days": 14, …}],     the same on as many days, the first of them `day`
 "accounts": [{"cluster_id": …, "account": …, "is_internal": false, "account_class": null}],
 "known": [{"cluster_id": …, "machines": null}],
 "parameters": {"signal": "capture", "as_of": "2026-03-01"},
 "where": {"dimension": "all"},                      which rows of the answer are looked at; without it all of them
 "answer": [{…}]}                                    counted by hand
"""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from layercensus.lake.cluster_lists import Account, ClusterLists, ListedCluster
from layercensus.model import Row

CASES = sorted(Path(__file__).parent.glob("*/*/case.json"))


@dataclass(frozen=True)
class Case:
    """What a case gives, and what it wants."""

    question: str
    rows: list[Row]
    lists: ClusterLists
    parameters: dict[str, str]
    where: dict[str, object]
    answer: list[dict[str, object]]

    def looked_at(self, answer: list[dict[str, object]]) -> list[dict[str, object]]:
        """Those rows of an answer that the case speaks of."""
        return [row for row in answer if self.where.items() <= row.items()]


def case_id(file: Path) -> str:
    return f"{file.parent.parent.name}/{file.parent.name}"


def read_case(file: Path) -> Case:
    case: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert case["why"]
    return Case(
        question=file.parent.parent.name,
        rows=[row for one in case["rows"] for row in _rows(case.get("row", {}) | one)],
        lists=ClusterLists(
            [Account(**account) for account in case.get("accounts", ())],
            [ListedCluster(**listed) for listed in case.get("known", ())],
        ),
        parameters=case["parameters"],
        where=case.get("where", {}),
        answer=case["answer"],
    )


def _rows(entry: dict[str, Any]) -> list[Row]:
    first, count = date.fromisoformat(entry["day"]), entry.get("days", 1)
    plain = {name: value for name, value in entry.items() if name != "days"}
    return [Row(**plain | {"day": (first + timedelta(days=number)).isoformat()}) for number in range(count)]
