"""The page of operations has a row for each alert, and names nothing that is not there."""

import re
from math import prod
from pathlib import Path

from layercensus.data import read_json

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")


def test_each_alert_has_a_row_and_no_other() -> None:
    alerts = [one["alert"] for one in read_json("rules/alerts.json")["alerts"]]
    assert re.findall(r"^\| `(LayerCensus\w+)` \|", PAGE, re.MULTILINE) == alerts


def test_each_page_and_heading_that_is_linked_is_there() -> None:
    links = re.findall(r"\]\(([\w/.-]+\.md)(#[\w-]+)?\)", PAGE)
    assert links
    for path, anchor in links:
        text = (DOCS / path).read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
            for line in text.splitlines()
            if line.startswith("#")
        }
        assert not anchor or anchor[1:] in headings, (path, anchor)


def test_how_many_series_an_agent_has_is_what_the_contract_lists() -> None:
    closed = [list(metric["labels"].values()) for metric in read_json("contract/metrics.json")["metrics"]
              if metric.get("optional") != "--package-metrics"]  # fmt: skip
    series = sum(prod(len(values) for values in labels if isinstance(values, list)) for labels in closed)
    assert f"the {series} of its agent" in PAGE
