r"""What a store answers, as bytes to values, and what to do where it does not. Pure.

{"status": "success", "data": {"resultType": "matrix", "result": [
    {"metric": {"__name__": "cluster_version", "type": "current", …}, "values": [[1795391999.123, "3"], …]}]},
 "warnings": ["…"]}

A value is text, since JSON has no NaN. A warning, and `isPartial` of VictoriaMetrics, say that a part may be missing.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn

from layercensus.errors import FleetError

_MOST_WORDS = 300


class Remedy(StrEnum):
    """What helps after a failure: a smaller page, the same again, or nothing."""

    SMALLER = "smaller"
    AGAIN = "again"
    NONE = "none"


# By the word that the API has for it, else by the status of HTTP.
_BY_WORD = {"timeout": Remedy.SMALLER, "execution": Remedy.SMALLER, "bad_data": Remedy.NONE}
_BY_STATUS = {
    408: Remedy.AGAIN,
    413: Remedy.SMALLER,
    414: Remedy.SMALLER,
    422: Remedy.SMALLER,
    429: Remedy.AGAIN,
    500: Remedy.AGAIN,
    502: Remedy.AGAIN,
    503: Remedy.AGAIN,
    504: Remedy.SMALLER,
}
_NEXT_STEPS = {
    401: "give a token that holds: --bearer-token-file",
    403: "the token's account may not read here: give it the right to",
    404: "is this the base address, without /api/v1?",
}


@dataclass
class TooLargeError(Exception):
    """The store cannot answer that, or the answer is too long: a smaller page may pass. `ours`: by our own limit."""

    what: str
    ours: bool = False


class CutError(Exception):
    """The answer ends before it is whole."""


class RawSeries(NamedTuple):
    """A series as the store has it; times in milliseconds since 1970."""

    labels: Mapping[str, str]
    samples: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The `data` of an answer, and what the store warns of."""

    data: Any
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """What is wrong, in the store's words, and what helps."""

    what: str
    remedy: Remedy
    next_step: str = ""


def parse_answer(body: bytes) -> Answer:
    """The answer in a body. Raises `CutError` where it ends early, `FleetError` where it is none of such an API."""
    try:
        value = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        if body.lstrip()[:1] == b"{":
            raise CutError from None
        raise _no_api("it is no JSON") from None
    if not isinstance(value, dict) or value.get("status") != "success" or "data" not in value:
        raise _no_api("it does not say success")
    warnings = value.get("warnings") or []
    words = [_clipped(word) for word in (warnings if isinstance(warnings, list) else [warnings])]
    if value.get("isPartial"):
        words.append("the answer is partial")
    return Answer(value["data"], tuple(words))


def parse_series(answer: Answer) -> list[RawSeries]:
    """Series of an answer to a query, in the order of their labels: stores have none. Raises `FleetError`."""
    try:
        if answer.data["resultType"] != "matrix":
            raise _no_api("it gives no samples")
        found = [
            RawSeries(
                {str(name): str(value) for name, value in one["metric"].items()},
                [(_milliseconds(time), float(value)) for time, value in one.get("values", ())],
            )
            for one in answer.data["result"]
        ]
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise _no_api("its samples have another form") from error
    return sorted(found, key=lambda one: sorted(one.labels.items()))


def parse_names(answer: Answer) -> list[str]:
    """Texts of an answer that lists some. Raises `FleetError`."""
    if not isinstance(answer.data, list) or not all(isinstance(one, str) for one in answer.data):
        raise _no_api("it gives no list of values")
    return answer.data


def parse_failure(status: int, body: bytes) -> Failure:
    """What an answer with such a status means."""
    word = said = ""
    try:
        value = json.loads(body)
        word, said = str(value["errorType"]), str(value["error"])
    except (ValueError, RecursionError, TypeError, KeyError):
        pass
    remedy = _BY_WORD.get(word) or _BY_STATUS.get(status, Remedy.NONE)
    what = f"the store answers {status}: {_clipped(said)}" if said else f"the store answers {status}"
    return Failure(what, remedy, _NEXT_STEPS.get(status, ""))


def _milliseconds(seconds: Any) -> int:
    """Raises `TypeError` for what is no number: a text times a thousand is a text, and a long one."""
    if not isinstance(seconds, int | float):
        raise TypeError
    return math.floor(seconds * 1000 + 0.5)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _clipped(word: object) -> str:
    text = str(word)
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]}…"


def _no_api(what: str) -> FleetError:
    return FleetError(
        f"the answer is none of the API of Prometheus: {what}",
        next_step="check the address; a proxy before it may want a token (--bearer-token-file)",
    )
