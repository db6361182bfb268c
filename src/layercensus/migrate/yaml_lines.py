"""Mappings of strings to YAML: scalars double-quoted as in JSON, which YAML reads; text in block form. Pure.

kind: "MachineOSConfig"
spec:
  containerFile:
  - containerfileArch: "NoArch"
    content: |-
      FROM configs AS final
"""

import json
from collections.abc import Iterator, Mapping, Sequence

Value = str | bool | Mapping[str, "Value"] | Sequence["Value"]


def format_yaml(value: Mapping[str, Value]) -> str:
    """One YAML document. Keys are ours and plain words; values may be any text."""
    return "\n".join(_mapping(value)) + "\n"


def _mapping(value: Mapping[str, Value]) -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield f"{key}:"
            yield from (f"  {line}" for line in _mapping(item))
        elif isinstance(item, str | bool):
            first, *rest = _scalar(item)
            yield f"{key}: {first}"
            yield from (f"  {line}" for line in rest)
        else:
            yield f"{key}:"
            yield from _sequence(item)


def _sequence(items: Sequence[Value]) -> Iterator[str]:
    for item in items:
        lines = _mapping(item) if isinstance(item, Mapping) else iter(_scalar(item)) if isinstance(item, str) else None
        if lines is None:
            raise TypeError(f"no item of a list here: {type(item).__name__}")
        yield f"- {next(lines)}"
        yield from (f"  {line}" for line in lines)


def _scalar(value: str | bool) -> list[str]:
    if isinstance(value, str) and "\n" in value and _fits_block(value):
        return ["|-", *value.split("\n")]
    return [json.dumps(value)]


def _fits_block(text: str) -> bool:
    """Whether a block scalar gives the text back as it is: plain ASCII lines, no blank at their ends or before."""
    lines = text.split("\n")
    plain = all(line.isascii() and line.isprintable() and line == line.rstrip() and line for line in lines)
    return plain and not lines[0].startswith(" ")
