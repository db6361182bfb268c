"""What the value of an option may be: text to a value, or an error that says what it should look like. Pure."""

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from uuid import UUID


def _matching(pattern: str, says: str) -> Callable[[str], str]:
    """Parser of text that is the pattern as a whole; `says` tells of any other."""

    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ArgumentTypeError(f"{text!r} {says}")
        return text

    return parse


def up_to(most: int, least: int = 1) -> Callable[[str], int]:
    """Parser of whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[1-9][0-9]{0,9}", text) or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return parse


release = _matching(r"[0-9]{1,3}\.[0-9]{1,3}", "is no release: it should look like 4.14")
label = _matching(r"[A-Za-z_][A-Za-z0-9_]*", "is no name of a label")
name = _matching(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", "is no name: letters, digits, dots and dashes")
# As the distribution specification has it: names in lower case, a digest whole.
image = _matching(
    r"(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    "is no image: it should look like registry.example.com/name:tag",
)
# A build writes the tag and pushes to the host, so both have to be there; nobody can push to a digest.
tag = _matching(
    r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}",
    "is no image with host and tag and without a digest: it should look like registry.example.com/name:tag",
)


def given(text: str) -> str:
    """Text that is not empty."""
    if not text:
        raise ArgumentTypeError("is empty: was a variable not set?")
    return text


def seconds(text: str) -> float:
    """Seconds, above 0."""
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found < math.inf:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return found


def whole_number(text: str) -> int:
    """Whole number of up to a hundred digits."""
    if not re.fullmatch(r"[+-]?[0-9]{1,100}", text):
        raise ArgumentTypeError(f"{text!r} is no whole number of up to 100 digits")
    return int(text)


def day(text: str) -> str:
    """Day as 2026-11-22."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no day: it should look like 2026-11-22") from error


def uuid(text: str) -> str:
    """UUID in lower case, with its dashes."""
    try:
        return str(UUID(text))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no UUID") from error
