"""The small part of YAML that `bootc status` and `oc adm inspect` write, as nested dicts, lists and texts. Pure.

Not a YAML reader: block mappings, block sequences, and scalars that stay text, whatever YAML would make of them. Tags
are dropped, anchors and aliases are never resolved, flow collections other than `{}` and `[]` stay text, nothing is
ever constructed. A document that was cut reads up to the cut; a line that is neither key nor value is passed over.
Sample::

    status:
      booted:
        image: null
        signature: !ostreeRemote "fedora"        the text fedora
        version: 20231230.1                      the text 20231230.1
        incompatible: false                      the text false
      otherDeployments:
      - pinned: true

Sources: YAML 1.2.2 chapters 7 and 8; go-yaml's and serde_yaml's output.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

YamlNode: TypeAlias = "str | list[YamlNode] | dict[str, YamlNode] | None"

# Objects of Kubernetes nest to about 15; what lies deeper is passed over.
_MAX_DEPTH = 48
_MAX_SCALAR_CHARACTERS = 65536
_TAG = re.compile(r"^![^\s,\[\]{}]*(?:\s+|$)")
_BLOCK_SCALAR = re.compile(r"^[|>][0-9+-]{0,2}(?:\s+#.*)?$")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def parse_yaml_subset(text: str) -> dict[str, YamlNode]:
    """The first document of a text, if it is a mapping; empty if it is none. Never raises."""
    reader = _Reader(_lines(text))
    if not reader.lines:
        return {}
    node = reader.read_block(reader.lines[0].indent, 0)
    return node if isinstance(node, dict) else {}


def node_at(node: YamlNode, *path: str) -> YamlNode:
    """What stands under these keys, one below the other; None where one of them is not there."""
    for key in path:
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def text_at(node: YamlNode, *path: str) -> str | None:
    """The text under these keys; None for anything else."""
    found = node_at(node, *path)
    return found if isinstance(found, str) else None


def mapping_at(node: YamlNode, *path: str) -> dict[str, YamlNode]:
    """The mapping under these keys; empty for anything else."""
    found = node_at(node, *path)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class _Line:
    indent: int
    text: str


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    for raw in text.splitlines():
        stripped = raw.strip()
        if stripped == "..." or (raw.startswith("---") and lines):
            break
        if not stripped or stripped.startswith("#") or raw.startswith(("---", "%")):
            continue
        lines.append(_Line(len(raw) - len(raw.lstrip()), stripped))
    return lines


@dataclass
class _Reader:
    """Lines and how far they were read; each method takes lines from `position` on, and at least one."""

    lines: list[_Line]
    position: int = 0

    def read_block(self, indent: int, depth: int) -> YamlNode:
        """The mapping or sequence whose lines stand at this indent."""
        if depth > _MAX_DEPTH:
            self._pass_over(indent)
            return None
        return self._read_sequence(indent, depth) if _is_item(self._line()) else self._read_mapping(indent, depth)

    def _read_mapping(self, indent: int, depth: int) -> dict[str, YamlNode]:
        values: dict[str, YamlNode] = {}
        while self.position < len(self.lines) and self._line().indent >= indent:
            line = self._line()
            split = None if line.indent > indent or _is_item(line) else _split_key(line.text)
            self.position += 1
            if split is None:
                continue
            key, rest = split
            value = self._read_value(rest, indent, depth)
            values.setdefault(key, value)
        return values

    def _read_sequence(self, indent: int, depth: int) -> list[YamlNode]:
        values: list[YamlNode] = []
        while self.position < len(self.lines) and self._line().indent >= indent:
            line = self._line()
            if line.indent > indent:
                self.position += 1
                continue
            if not _is_item(line):
                break
            rest = line.text[1:].lstrip()
            if rest and (_is_item(_Line(0, rest)) or _split_key(rest)):
                inner = indent + len(line.text) - len(rest)
                self.lines[self.position] = _Line(inner, rest)
                values.append(self.read_block(inner, depth + 1))
            else:
                self.position += 1
                values.append(self._read_value(rest, indent, depth, in_sequence=True))
        return values

    def _read_value(self, rest: str, indent: int, depth: int, *, in_sequence: bool = False) -> YamlNode:
        """The value behind a key or dash: a scalar, or the block below it."""
        while match := _TAG.match(rest):
            rest = rest[match.end() :]
        if _BLOCK_SCALAR.match(rest):
            return self._join("", indent)
        if rest and not rest.startswith("#"):
            return _scalar(self._join(rest, indent))
        if self.position >= len(self.lines):
            return None
        below = self._line()
        if below.indent > indent or (below.indent == indent and _is_item(below) and not in_sequence):
            return self.read_block(below.indent, depth + 1)
        return None

    def _join(self, first: str, indent: int) -> str:
        """A scalar with its continuation lines, which all stand deeper than its key."""
        parts, size = [first] if first else [], len(first)
        while self.position < len(self.lines) and self._line().indent > indent:
            size += len(self._line().text)
            if size <= _MAX_SCALAR_CHARACTERS:
                parts.append(self._line().text)
            self.position += 1
        return " ".join(parts)

    def _pass_over(self, indent: int) -> None:
        while self.position < len(self.lines) and self._line().indent >= indent:
            self.position += 1

    def _line(self) -> _Line:
        return self.lines[self.position]


def _is_item(line: _Line) -> bool:
    return line.text == "-" or line.text.startswith("- ")


def _split_key(text: str) -> tuple[str, str] | None:
    """Key and the rest of a line; None if the line has no key."""
    if text[0] in "\"'":
        end = text.find(text[0] + ":", 1)
        if end < 0 or not (text[end + 2 :] == "" or text[end + 2].isspace()):
            return None
        return text[1:end], text[end + 2 :].strip()
    head, colon, rest = text.partition(": ")
    if colon:
        return head.rstrip(), rest.strip()
    return (text[:-1].rstrip(), "") if text.endswith(":") else None


def _scalar(text: str) -> YamlNode:
    if text[0] == '"':
        return _unescape(_inside(text, '"'))
    if text[0] == "'":
        return _inside(text, "'").replace("''", "'")
    plain = text.partition(" #")[0].rstrip()
    if plain == "{}":
        return {}
    if plain == "[]":
        return []
    return None if plain in _NULLS else plain


def _inside(text: str, quote: str) -> str:
    end = text.rfind(quote)
    return text[1:end] if end > 0 else text[1:]


def _unescape(text: str) -> str:
    try:
        value = json.loads(f'"{text}"')
    except ValueError:
        return text
    return value if isinstance(value, str) else text
