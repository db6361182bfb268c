"""A Containerfile read back by rules that are not ours: comments and continuations as containerfile(5) says, words by shlex.

An instruction is a line that is no comment, with the lines that it continues on.
"""

import re
import shlex
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """`RUN`, and all that follows it in one string."""

    name: str
    rest: str


def instructions(text: str) -> list[Instruction]:
    """Instructions of a Containerfile. A heredoc or a directive of the parser would be another language: none is let by."""
    assert not re.match(r"#\s*(syntax|escape|check)\s*=", text)
    found: list[str] = []
    continued = False
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        ends = line.rstrip().endswith("\\")
        piece = line.rstrip().removesuffix("\\")
        if continued:
            found[-1] += piece
        else:
            found.append(piece)
        continued = ends
    assert not continued
    split = [line.split(None, 1) for line in found]
    assert all("<<" not in line for line in found)
    return [Instruction(head, rest[0] if rest else "") for head, *rest in split]


def commands(text: str) -> list[list[str]]:
    """Words of every command of every RUN; a shell would see nothing but commands joined by `&&`."""
    found: list[list[str]] = [[]]
    for instruction in instructions(text):
        if instruction.name == "RUN":
            reader = shlex.shlex(instruction.rest, posix=True, punctuation_chars=True)
            reader.whitespace_split = True
            for token in reader:
                if token == "&&":
                    found.append([])
                else:
                    assert not set(token) <= set("&|;<>()"), token
                    found[-1].append(token)
            found.append([])
    return [command for command in found if command]
