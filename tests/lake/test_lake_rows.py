"""Rows against the published contract: what fits goes there and back, what does not is refused by name."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.data import read_json
from layercensus.errors import LakeError
from layercensus.lake.contract import ColumnType, row_contract
from layercensus.lake.rows import columns_from_row, row_from_columns
from layercensus.model import Layering, Need, Row

CONTRACT = row_contract()
A = "00000000-0000-4000-8000-00000000000a"
NODES = {"clean": 3, "extensions": 0, "overrides": 1, "packages": 2, "unknown": 4}
ROW = Row("2026-03-01", A, "capture", "4.14", "4.14.3", "AWS", NODES)
MCD = replace(ROW, signal="mcd", nodes={}, proxy={"none": 1, "unsupported": 2, "unknown": 3})

counts = st.integers(0, 2**63 - 1)


def mapping_of(group: str) -> st.SearchStrategy[Mapping[str, int]]:
    return st.fixed_dictionaries(dict.fromkeys(CONTRACT.counts_of(group), counts))


instants = st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(lambda at: f"{at.isoformat()}Z")  # noqa: DTZ001 - the Z is added
rows = st.builds(
    replace,
    st.just(ROW) | st.just(MCD).map(lambda row: row),
    day=st.dates().map(date.isoformat),
    cluster_id=st.uuids().map(str),
    release=st.none() | st.from_regex(r"\A[0-9]{1,3}\.[0-9]{1,3}(-[0-9]{1,3}\.[0-9]{1,3})?\Z"),
    version=st.none() | st.just("4.15.0-0.nightly-2024-01-01-000000"),
    platform=st.none() | st.sampled_from(["None", "BareMetal", "External"]),
    nodes_expected=st.none() | counts,
    skew_seconds=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    observed_at=instants,
    received_at=instants,
)


@given(rows, mapping_of("nodes"), mapping_of("needs") | st.just({}), mapping_of("proxy"))
def test_a_row_comes_back_as_it_went(
    row: Row, nodes: dict[str, int], needs: dict[str, int], proxy: dict[str, int]
) -> None:
    full = replace(row, proxy=proxy) if row.signal == "mcd" else replace(row, nodes=nodes, needs=needs)
    assert row_from_columns(columns_from_row(full, CONTRACT), CONTRACT) == full


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"day": "2026-3-1"}, "day"),
        ({"day": "20260301"}, "day"),
        ({"day": "2026-02-30"}, "day"),
        ({"cluster_id": A.upper()}, "cluster_id"),
        ({"cluster_id": A + "\n"}, "cluster_id"),
        ({"cluster_id": "a"}, "cluster_id"),
        ({"signal": "guess"}, "signal"),
        ({"release": "4"}, "release"),
        ({"release": "4.14 or so"}, "release"),
        ({"version": "4.14;drop"}, "version"),
        ({"platform": "<b>"}, "platform"),
        ({"platform": ""}, "platform"),
        ({"nodes": NODES | {"packages": -1}}, "nodes_packages"),
        ({"nodes": NODES | {"packages": 1.0}}, "nodes_packages"),
        ({"nodes": NODES | {"packages": True}}, "nodes_packages"),
        ({"nodes": NODES | {"packages": 2**63}}, "nodes_packages"),
        ({"nodes": NODES | {"not_applicable": 1}}, "nodes"),
        ({"nodes": {"clean": 1}}, "nodes"),
        ({"nodes": {}}, "nodes_clean"),
        ({"needs": {"agent": 1}}, "needs"),
        ({"proxy": {"none": 1, "unsupported": 0, "unknown": 0}}, "proxy_none"),
        ({"signal": "mcd"}, "nodes_clean"),
        ({"signal": "mcd", "nodes": {}}, "proxy_none"),
        ({"nodes_expected": -1}, "nodes_expected"),
        ({"skew_seconds": float("nan")}, "skew_seconds"),
        ({"skew_seconds": "1"}, "skew_seconds"),
        ({"observed_at": "yesterday"}, "observed_at"),
        ({"received_at": "2026-03-01T12:00:00"}, "received_at"),
        ({"received_at": "0001-01-01T00:00:00+12:00"}, "received_at"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], column: str) -> None:
    with pytest.raises(LakeError) as caught:
        columns_from_row(replace(ROW, **change), CONTRACT)
    assert caught.value.where == f"column {column}"


def test_instants_are_kept_in_utc() -> None:
    row = replace(ROW, observed_at="2026-03-01T01:00:00+02:00")
    back = row_from_columns(columns_from_row(row, CONTRACT), CONTRACT)
    assert back.observed_at == "2026-02-28T23:00:00Z"


def test_needs_not_known_are_null_not_zero() -> None:
    named = dict(zip((column.name for column in CONTRACT.columns), columns_from_row(ROW, CONTRACT), strict=True))
    assert named["need_agent"] is None
    assert named["proxy_none"] is None
    assert named["nodes_extensions"] == 0


def test_the_contract_has_the_words_of_the_model() -> None:
    in_a_share = [Layering.CLEAN, Layering.EXTENSIONS, Layering.OVERRIDES, Layering.PACKAGES, Layering.UNKNOWN]
    assert list(CONTRACT.counts_of("nodes")) == [layering.value for layering in in_a_share]
    assert list(CONTRACT.counts_of("needs")) == [need.value for need in Need]
    grouped = {"nodes", "needs", "proxy"}
    single = [column.name for column in CONTRACT.columns if column.group is None]
    assert single == [field.name for field in fields(Row) if field.name not in grouped]
    assert set(CONTRACT.key) <= set(single)


def test_every_column_is_described() -> None:
    for entry in read_json("lake/row-v1.json")["columns"]:
        assert entry["meaning"].endswith(".")
        assert ColumnType(entry["type"])


def test_skew_may_be_negative() -> None:
    row = replace(ROW, skew_seconds=-timedelta(hours=2).total_seconds())
    assert row_from_columns(columns_from_row(row, CONTRACT), CONTRACT).skew_seconds == -7200.0
