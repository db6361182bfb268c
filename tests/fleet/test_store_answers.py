"""Answers of a store, as bytes to values: what is none of the API is told from what was cut off."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.errors import FleetError
from layercensus.fleet.store_answers import (
    Answer,
    CutError,
    Remedy,
    parse_answer,
    parse_failure,
    parse_names,
    parse_series,
)

WHOLE = b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1.5,"2"]]}]}}'


def matrix(*result: Any) -> Answer:
    return Answer({"resultType": "matrix", "result": list(result)})


def test_samples_are_read_with_their_own_times_in_milliseconds() -> None:
    series = {"metric": {"x": "1"}, "values": [[1795391999.123, "3"], [1795392000, "NaN"], [0.0014, "+Inf"]]}
    (found,) = parse_series(matrix(series))
    assert found.labels == {"x": "1"}
    assert [at for at, _ in found.samples] == [1795391999123, 1795392000000, 1]
    assert [str(value) for _, value in found.samples] == ["3.0", "nan", "inf"]


@pytest.mark.parametrize("milliseconds", [1_795_391_999_123, 1_795_391_999_999, 1, 4_102_444_800_001])
def test_every_millisecond_survives(milliseconds: int) -> None:
    (found,) = parse_series(matrix({"metric": {}, "values": [[float(f"{milliseconds / 1000:.3f}"), "1"]]}))
    assert found.samples[0][0] == milliseconds


def test_series_come_in_the_order_of_their_labels() -> None:
    found = parse_series(
        matrix({"metric": {"b": "1"}}, {"metric": {"a": "2"}}, {"metric": {"a": "1"}, "histograms": []})
    )
    assert [dict(one.labels) for one in found] == [{"a": "1"}, {"a": "2"}, {"b": "1"}]


@pytest.mark.parametrize(
    "data",
    [
        None, [], "matrix", {"resultType": "vector", "result": []}, {"resultType": "matrix"}, {"resultType": "matrix", "result": 3},
        {"resultType": "matrix", "result": [{"values": []}]}, {"resultType": "matrix", "result": [{"metric": [], "values": []}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [[1]]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "x"]]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [["x", "1"]]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [["x" * 1000, "1"]]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [[[], "1"]]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [[float("inf"), "1"]]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [[10**400, "1"]]}]},
    ],
)  # fmt: skip
def test_data_of_another_form_is_said(data: Any) -> None:
    with pytest.raises(FleetError, match="none of the API"):
        parse_series(Answer(data))


@pytest.mark.parametrize("data", [None, {}, "ab", [1], {"resultType": "matrix", "result": []}])
def test_a_list_of_another_form_is_said(data: Any) -> None:
    """The last is what a hub's proxy answers to a token that it does not know: nothing found would be wrong."""
    with pytest.raises(FleetError, match=r"no list of values.*token"):
        parse_names(Answer(data))


@given(st.integers(1, len(WHOLE) - 1))
def test_an_answer_that_was_cut_is_never_taken_for_whole(length: int) -> None:
    with pytest.raises(CutError):
        parse_answer(WHOLE[:length])
    assert parse_answer(WHOLE).data["result"]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html><body>Log in</body></html>", b"\x1f\x8b\x08\x00", b"[]", b"null", b"{}", b'{"status":"error"}',
        b'{"status":"success"}', b"\xff\xfe", b"[" * 100_000, b'"x"',
    ],
)  # fmt: skip
def test_what_is_no_answer_of_the_api_is_said(body: bytes) -> None:
    with pytest.raises(FleetError, match="none of the API of Prometheus"):
        parse_answer(body)


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        answer = parse_answer(body)
        parse_names(answer)
        parse_series(answer)
    except (FleetError, CutError):
        pass


def test_warnings_and_partial_answers_are_told() -> None:
    value = {"status": "success", "data": [], "warnings": ["No StoreAPIs matched", "x" * 400], "isPartial": True}
    found = parse_answer(json.dumps(value).encode())
    assert found.warnings == ("No StoreAPIs matched", f"{'x' * 300}…", "the answer is partial")
    assert parse_answer(b'{"status":"success","data":[],"warnings":"one"}').warnings == ("one",)
    assert parse_answer(b'{"status":"success","data":[],"warnings":null,"infos":["fine"]}').warnings == ()


@pytest.mark.parametrize(
    ("status", "word", "remedy"),
    [
        # The words are those of Prometheus (web/api/v1/api.go); VictoriaMetrics says the status once more.
        (422, "execution", Remedy.SMALLER), (503, "timeout", Remedy.SMALLER), (503, "unavailable", Remedy.AGAIN),
        (503, "canceled", Remedy.AGAIN), (500, "internal", Remedy.AGAIN), (400, "bad_data", Remedy.NONE), (422, "422", Remedy.SMALLER),
        (503, "503", Remedy.AGAIN), (504, "", Remedy.SMALLER), (502, "", Remedy.AGAIN), (429, "", Remedy.AGAIN), (413, "", Remedy.SMALLER),
        (414, "", Remedy.SMALLER), (401, "", Remedy.NONE), (403, "", Remedy.NONE), (404, "", Remedy.NONE), (302, "", Remedy.NONE),
        (599, "", Remedy.NONE),
    ],
)  # fmt: skip
def test_what_helps_after_a_failure(status: int, word: str, remedy: Remedy) -> None:
    body = json.dumps({"status": "error", "errorType": word, "error": "too many samples"}).encode()
    found = parse_failure(status, body if word else b"<html>")
    assert found.remedy is remedy
    assert found.what == (f"the store answers {status}: too many samples" if word else f"the store answers {status}")
