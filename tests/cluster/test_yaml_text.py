"""What we write as YAML, a YAML library reads back as it was; and people can read expressions in it."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from layercensus.cluster.yaml_text import format_yaml

TEXTS = st.one_of(
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20),
    st.text(alphabet="ab:-#{}[]&*!|>'\"%@` \n\t\\0123.", max_size=20),
    st.sampled_from(
        [
            "true",
            "No",
            "null",
            "~",
            "1h",
            "1.5",
            "0x80",
            "a: b",
            "- a",
            "a\nb",
            "a\n b",
            " a\nb",
            "a\n",
            "\na",
            "a\n\nb",
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.booleans(), st.integers(-5, 5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc./-", min_size=1, max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_a_yaml_library_reads_back_what_was_written(value: Any) -> None:
    assert yaml.safe_load(format_yaml(value)) == value


@pytest.mark.parametrize("text", ["yes", "1h", "08", "null", "a: b", "#", "", " x", "é", "\x85", "\u2028"])
def test_text_that_yaml_would_take_for_something_else_is_quoted(text: str) -> None:
    assert yaml.safe_load(format_yaml({"key": text})) == {"key": text}


def test_text_of_several_lines_stands_as_it_is() -> None:
    assert format_yaml([{"expr": "a\n  or b", "list": [], "on": True}]) == (
        '- expr: |-\n    a\n      or b\n  list: []\n  "on": true\n'
    )
