"""Every document that the telemetry contract can express, composed from the contract's JSON value and nothing else.

A document is what a series or an alert is once it has left: its labels, the metric's name among them. A label's values
are a list, or a grammar that spells out every letter; of its digits the longest run of 0 is composed. Sample::

    {"__name__": "cluster:usage:mcd_unsupported_nodes:count", "state": "none"}
    {"__name__": "ALERTS", "alertname": "LayerCensusStale", "severity": "warning", "namespace": "layercensus"}
"""

import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

Document = Mapping[str, str]
_TOKEN = re.compile(r"\\\.|\[0-9\]\{(?:\d+,)?(\d+)\}|[()|?]|[A-Za-z0-9-]")


class OpenLabelError(ValueError):
    """A label whose values can't be composed: letters are left to whoever sets it."""


def series_documents(contract: Mapping[str, Any]) -> Iterator[Document]:
    """Every recorded series under its name and under its twin, and every series that is joined with them."""
    for entry in contract["recorded"]:
        for name in (entry["name"], entry["twin"]):
            yield from _composed({"__name__": name}, entry["labels"])
    for entry in contract["joined"]:
        yield from _composed({"__name__": entry["name"]}, entry["labels"])


def alert_documents(contract: Mapping[str, Any]) -> Iterator[Document]:
    """Every alert as the platform forwards it."""
    for entry in contract["alerts"]:
        fixed = {"__name__": "ALERTS", "alertname": entry["name"], "severity": entry["severity"]}
        yield from _composed(fixed, entry["labels"])


def _composed(fixed: Document, labels: Mapping[str, Any]) -> Iterator[Document]:
    choices = [[(name, value) for value in spelled_out(rule)] for name, rule in labels.items()]
    for chosen in product(*choices):
        yield {**fixed, **dict(chosen)}


def spelled_out(rule: Any) -> list[str]:
    """Every value of a label. Raises `OpenLabelError` where the rule leaves more open than digits."""
    if isinstance(rule, list):
        return [str(value) for value in rule]
    pattern = str(rule["pattern"])
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise OpenLabelError(pattern)
    tokens: list[tuple[str, str]] = []
    at, end = 1, len(pattern) - 1
    while at < end:
        token = _TOKEN.match(pattern, at, end)
        if token is None:
            raise OpenLabelError(pattern)
        tokens.append((token[0], token[1] or ""))
        at = token.end()
    found, used = _alternatives(tokens, 0)
    if used != len(tokens):
        raise OpenLabelError(pattern)
    return list(dict.fromkeys(found))


def _alternatives(tokens: list[tuple[str, str]], at: int) -> tuple[list[str], int]:
    """Texts of `a|b|c` from a place on, and the place behind."""
    texts: list[str] = []
    while True:
        sequence = [""]
        while at < len(tokens) and tokens[at][0] not in {"|", ")"}:
            one, at = _one(tokens, at)
            sequence = [before + after for before in sequence for after in one]
        texts += sequence
        if at == len(tokens) or tokens[at][0] == ")":
            return texts, at
        at += 1


def _one(tokens: list[tuple[str, str]], at: int) -> tuple[list[str], int]:
    token, digits = tokens[at]
    if token == "?":
        raise OpenLabelError("nothing before ?")
    if token == "(":
        texts, at = _alternatives(tokens, at + 1)
        if at == len(tokens):
            raise OpenLabelError("a group without an end")
    elif digits:
        texts = ["0" * int(digits)]
    else:
        texts = [token[-1]]
    if at + 1 < len(tokens) and tokens[at + 1][0] == "?":
        return ["", *texts], at + 2
    return texts, at + 1
