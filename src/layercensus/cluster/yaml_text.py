"""Plain values to YAML text that people can review: block scalars for text of several lines. Pure; no YAML library.

It knows mappings, lists, strings, booleans and integers: what a manifest is made of. A string that YAML could take for
anything else is written as JSON, which YAML reads (signs beyond U+FFFF apart; manifests have none). Sample::

    rules:
    - record: layercensus:node_coreos:group
      expr: |-
        group by (node) (kube_node_info)
        unless …
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Value = str | bool | int | Mapping[str, "Value"] | Sequence["Value"]

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*\Z")
_RESERVED = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def format_yaml(value: Value) -> str:
    """One YAML document, with a newline at its end."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Value) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _entry(f"{_scalar(key)}:", item)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for item in value:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" if line else "" for line in rest)
    elif isinstance(value, str) and _fits_block(value):
        yield "|-"
        yield from (f"  {line}" if line else "" for line in value.split("\n"))
    else:
        yield _scalar(value)


def _entry(head: str, item: Value) -> Iterator[str]:
    lines = list(_lines(item))
    if isinstance(item, Mapping) and item:
        yield head
        yield from (f"  {line}" if line else "" for line in lines)
    elif isinstance(item, Sequence) and not isinstance(item, str) and item:
        yield head
        yield from lines
    else:
        yield f"{head} {lines[0]}"
        yield from lines[1:]


def _scalar(value: Value) -> str:
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _RESERVED:
        return value
    return json.dumps(value)


def _fits_block(text: str) -> bool:
    """Whether a block scalar gives the text back as it is: no blank at its edges, nothing but printable signs."""
    lines = text.split("\n")
    clean = all(line.isprintable() and line.isascii() and line == line.rstrip() for line in lines)
    return len(lines) > 1 and clean and bool(lines[0]) and bool(lines[-1]) and not lines[0].startswith(" ")
