"""Our readers of GVariant bytes and key files against GLib itself, on generated values and on damaged ones.

GLib answers through PyGObject of the distribution's Python, one process for all questions, a line of JSON each.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layercensus.host.documents.key_file import KeyFileError, parse_key_file
from layercensus.host.live.gvariant import GVariantError, Variant, unpack

pytestmark = pytest.mark.real

Ask = Callable[[dict[str, Any]], dict[str, Any]]

ORACLE = """
import base64, json, sys
from gi.repository import GLib

def members(signature):
    found, start, nesting = [], 1, 0
    for index in range(1, len(signature) - 1):
        nesting += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[index], 0)
        if nesting == 0 and signature[index] not in "am":
            found.append(signature[start : index + 1])
            start = index + 1
    return found

def build(signature, value):
    if signature == "v":
        return GLib.Variant.new_variant(build(*value["v"]))
    if signature == "d":
        return GLib.Variant("d", float(value["f"]))
    if signature == "ay":
        return GLib.Variant.new_from_bytes(GLib.VariantType.new("ay"), GLib.Bytes.new(bytes(value["y"])), True)
    if signature[0] == "a":
        rows = value["d"] if signature[1] == "{" else value
        return GLib.Variant.new_array(GLib.VariantType.new(signature[1:]), [build(signature[1:], row) for row in rows])
    if signature[0] == "m":
        inner = None if value is None else build(signature[1:], value)
        return GLib.Variant.new_maybe(GLib.VariantType.new(signature[1:]), inner)
    if signature[0] == "{":
        return GLib.Variant.new_dict_entry(*(build(*pair) for pair in zip(members(signature), value)))
    if signature[0] == "(":
        return GLib.Variant.new_tuple(*(build(*pair) for pair in zip(members(signature), value["t"])))
    return GLib.Variant(signature, value)

def dump(variant):
    kind = variant.get_type_string()
    children = lambda: [variant.get_child_value(index) for index in range(variant.n_children())]
    if kind == "v":
        child = variant.get_variant()
        return {"v": [child.get_type_string(), dump(child)]}
    if kind == "d":
        return {"f": repr(variant.get_double())}
    if kind == "ay":
        return {"y": [child.get_byte() for child in children()]}
    if kind.startswith("a{"):
        pairs = {json.dumps(dump(c.get_child_value(0))): dump(c.get_child_value(1)) for c in children()}
        return {"d": [[json.loads(key), value] for key, value in pairs.items()]}
    if kind[0] == "a":
        return [dump(child) for child in children()]
    if kind[0] == "m":
        child = variant.get_maybe()
        return None if child is None else dump(child)
    if kind[0] in "({":
        return {"t": [dump(child) for child in children()]}
    return variant.unpack()

def key_file(question):
    text = base64.b64decode(question["text"])
    file = GLib.KeyFile()
    try:
        file.load_from_bytes(GLib.Bytes.new(text), GLib.KeyFileFlags.NONE)
    except GLib.Error as error:
        return {"error": error.message}
    answer = {}
    for group in file.get_groups()[0]:
        for key in file.get_keys(group)[0]:
            values = []
            for read in (file.get_string, file.get_string_list, file.get_boolean):
                try:
                    values.append(read(group, key))
                except GLib.Error:
                    values.append("error")
            answer.setdefault(group, {})[key] = values
        answer.setdefault(group, {})
    return {"groups": answer}

for line in sys.stdin:
    question = json.loads(line)
    if question["what"] == "key_file":
        answer = key_file(question)
    elif question["what"] == "serialise":
        variant = build(question["signature"], question["value"])
        swapped = variant.byteswap()
        native, other = (bytes(v.get_data_as_bytes().get_data() or b"") for v in (variant, swapped))
        answer = {"native": base64.b64encode(native).decode(), "swapped": base64.b64encode(other).decode()}
    else:
        data = GLib.Bytes.new(base64.b64decode(question["data"]))
        variant = GLib.Variant.new_from_bytes(GLib.VariantType.new(question["signature"]), data, False)
        normal = variant.is_normal_form()
        answer = {"normal": normal, "value": dump(variant) if normal else None}
    print(json.dumps(answer), flush=True)
"""


def missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    python = Path("/usr/bin/python3")
    if not python.exists() or subprocess.run([python, "-c", "import gi"], capture_output=True, check=False).returncode:
        missing("PyGObject is not installed, so GLib WAS NOT ASKED (Debian package: python3-gi)")
    arguments = [str(python), "-c", ORACLE]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def answer(question: dict[str, Any]) -> dict[str, Any]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
            got: dict[str, Any] = json.loads(process.stdout.readline())
            return got

        yield answer


def plain(value: Any) -> Any:
    """A value as both sides spell it in JSON."""
    if isinstance(value, Variant):
        return {"v": [value.signature, plain(value.unpack())]}
    if isinstance(value, bytes):
        return {"y": list(value)}
    if isinstance(value, float):
        return {"f": repr(value)}
    if isinstance(value, tuple):
        return {"t": [plain(item) for item in value]}
    if isinstance(value, dict):
        return {"d": [[plain(key), plain(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
BASIC: dict[str, st.SearchStrategy[Any]] = {
    "b": st.booleans(),
    "y": st.integers(0, 255),
    "n": st.integers(-(2**15), 2**15 - 1),
    "q": st.integers(0, 2**16 - 1),
    "i": st.integers(-(2**31), 2**31 - 1),
    "u": st.integers(0, 2**32 - 1),
    "x": st.integers(-(2**63), 2**63 - 1),
    "t": st.integers(0, 2**64 - 1),
    "d": st.floats().map(lambda number: {"f": repr(number)}),
    "s": TEXTS,
    "o": st.from_regex(r"\A(/[A-Za-z0-9_]{1,5}){1,3}\Z"),
}
SIGNATURES = st.recursive(
    st.sampled_from([*BASIC, "ay", "v"]),
    lambda inner: st.one_of(
        inner.map("a{}".format),
        inner.filter(lambda text: text[0] != "m").map("m{}".format),
        st.lists(inner, max_size=5).map(lambda members: f"({''.join(members)})"),
        st.tuples(st.sampled_from("sbyutx"), inner).map(lambda pair: f"a{{{pair[0]}{pair[1]}}}"),
    ),
    max_leaves=6,
)


def members_of(signature: str) -> list[str]:
    """The types inside the brackets of a tuple or entry, split by hand."""
    members: list[str] = []
    start, nesting = 1, 0
    for index in range(1, len(signature) - 1):
        nesting += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[index], 0)
        if nesting == 0 and signature[index] not in "am":
            members.append(signature[start : index + 1])
            start = index + 1
    return members


def values_of(signature: str) -> st.SearchStrategy[Any]:
    if signature == "ay":
        return st.lists(st.integers(0, 255), max_size=9).map(lambda items: {"y": items})
    if signature == "v":
        inner = st.sampled_from([*BASIC, "as", "a(sstsss)", "(ss)", "a{sv}"])
        return inner.flatmap(lambda kind: values_of(kind).map(lambda value: {"v": [kind, value]}))
    if signature.startswith("a{"):
        key, item = members_of(signature[1:])
        pairs = st.lists(st.tuples(values_of(key), values_of(item)), max_size=4, unique_by=lambda pair: pair[0])
        return pairs.map(lambda rows: {"d": [list(row) for row in rows]})
    if signature[0] == "a":
        return st.lists(values_of(signature[1:]), max_size=5)
    if signature[0] == "m":
        return st.none() | values_of(signature[1:])
    if signature[0] == "(":
        return st.tuples(*map(values_of, members_of(signature))).map(lambda items: {"t": list(items)})
    return BASIC[signature]


TYPED = SIGNATURES.flatmap(lambda signature: st.tuples(st.just(signature), values_of(signature)))
OTHER = {"little": "big", "big": "little"}
RELAXED = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@RELAXED
@given(TYPED)
def test_what_glib_writes_is_read_in_either_byte_order(ask: Ask, typed: tuple[str, Any]) -> None:
    signature, value = typed
    answer = ask({"what": "serialise", "signature": signature, "value": value})
    native = base64.b64decode(answer["native"])
    swapped = base64.b64decode(answer["swapped"])
    own: Any = sys.byteorder
    other: Any = OTHER[sys.byteorder]
    assert plain(unpack(signature, native, byte_order=own)) == value
    assert plain(unpack(signature, swapped, byte_order=other)) == value


@RELAXED
@given(
    TYPED,
    st.lists(
        st.tuples(st.integers(0, 400), st.sampled_from(["set", "cut", "insert"]), st.integers(0, 255)), max_size=4
    ),
)
def test_damaged_bytes_give_glibs_value_or_our_own_error(
    ask: Ask, typed: tuple[str, Any], damage: list[tuple[int, str, int]]
) -> None:
    signature, value = typed
    data = bytearray(base64.b64decode(ask({"what": "serialise", "signature": signature, "value": value})["native"]))
    for place, how, byte in damage:
        at = place % (len(data) + 1)
        if how == "set" and at < len(data):
            data[at] = byte
        elif how == "cut":
            del data[at:]
        else:
            data.insert(at, byte)
    own: Any = sys.byteorder
    glib = ask({"what": "read", "signature": signature, "data": base64.b64encode(data).decode()})
    try:
        ours = plain(unpack(signature, bytes(data), byte_order=own))
    except GVariantError:
        assert not glib["normal"]
    else:
        assert not glib["normal"] or ours == glib["value"]


LINES = st.one_of(
    st.sampled_from(["[origin]", "[packages]", "[a]b]", "[]", " [origin] ", "[o\trigin]", "#x", "", "\r", "=x", "x", "Encoding=x"]),
    st.from_regex(r"\A *[a-z]{1,4}( [a-z])?[ \t]*=[ \t]*(\\?[a-z;\\ ;:=#%]){0,12}\r?\Z"),
    st.from_regex(r"\A(true|1|false|0|yes)[ \t]*\Z").map("flag={}".format),
    st.text(max_size=12),
)  # fmt: skip
KEY_FILES = st.tuples(st.sampled_from(["", "[origin]\n"]), st.lists(LINES, max_size=8)).map(
    lambda parts: parts[0] + "\n".join(parts[1])
)


@settings(RELAXED, max_examples=800)
@given(KEY_FILES)
def test_a_key_file_is_read_as_glib_reads_it(ask: Ask, text: str) -> None:
    assert_read_as_glib_reads_it(ask, text)


def assert_read_as_glib_reads_it(ask: Ask, text: str) -> None:
    data = text.encode("utf-8", errors="replace")
    text = data.decode("utf-8")
    answer = ask({"what": "key_file", "text": base64.b64encode(data).decode()})
    try:
        file = parse_key_file(text)
    except KeyFileError:
        assert "error" in answer or "\0" in text
        return
    assert file.groups.keys() == answer["groups"].keys()
    for group, keys in answer["groups"].items():
        for key, (string, items, flag) in keys.items():
            # A translated key is kept by GLib only where the locale asks for it.
            assert read_or_error(file.string, group, key) == string
            assert read_or_error(file.strings, group, key) == items
            assert read_or_error(file.flag, group, key) == flag


def read_or_error(read: Callable[[str, str], Any], group: str, key: str) -> Any:
    try:
        return read(group, key)
    except KeyFileError:
        return "error"


HAND_WRITTEN = {
    "the last ; is optional": "[packages]\nrequested=a;b\n",
    "an empty item in between stays": "[packages]\nrequested=a;;b;\n",
    "an escaped ; is no separator": "[packages]\nrequested=a\\;b;c\\sd;\n",
    "an unknown escape": "[packages]\nrequested=a\\qb;\n",
    "a backslash at the end": "[packages]\nrequested=a\\\n",
    "a group twice": "[packages]\na=1\n[origin]\nb=2\n[packages]\na=3\nc=4\n",
    "a key twice": "[packages]\nrequested=a;\nrequested=b;\n",
    "a colon is no equals sign": "[origin]\nrefspec: foo\n",
    "no continuation lines": "[packages]\nrequested=a;\n  b;\n",
    "a per cent sign": "[origin]\nrefspec=%(x)s\n",
    "case matters": "[Origin]\nRefspec=a\nrefspec=b\n",
    "blanks around": "[origin]\n  refspec  =   a b  \n",
    "carriage returns": "[origin]\r\nrefspec=a\r\n",
    "a byte order mark": "\ufeff[origin]\nrefspec=a\n",
    "a comment behind a value is a value": "[origin]\noverride-commit=abc # comment\n",
    "text before any group": "refspec=a\n[origin]\n",
    "another encoding": "[origin]\nEncoding=latin-1\n",
    "an equals sign in a value": "[overrides]\nreplace=repo=a,b;\n",
    "a vertical tab": "[origin]\n\vrefspec=a\n",
    "umlauts": "[origin]\nclé=ü;é\n",
}


@pytest.mark.parametrize("text", HAND_WRITTEN.values(), ids=HAND_WRITTEN)
def test_the_corners_of_the_format_are_glibs(ask: Ask, text: str) -> None:
    assert_read_as_glib_reads_it(ask, text)
