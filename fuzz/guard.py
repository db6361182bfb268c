"""One input to one target, within bounds: an error that is not its own, too long, or too much memory is a finding.

Time is that of the processor, so that a busy machine finds nothing that is not there.
"""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from fuzz.targets import Target

SECONDS = 10.0
GROWTH_BYTES = 64 * 1024 * 1024
# Of longer inputs, which are repetitions: time goes with length, and never the square of it.
STRETCHED_BYTES = 256 * 1024
_STRETCHED_SECONDS = 2.5
_PLACES = 12


class FindingError(Exception):
    """What a target did that none may do, beside raising."""


def run(target: Target, data: bytes) -> None:
    """Give an input to a target. Raises `FindingError`, or what the target should not have raised."""
    with _within(SECONDS):
        run_measured(target, data)


def run_measured(target: Target, data: bytes) -> None:
    """The same without a limit of time, which whoever calls has."""
    before = _peak_bytes()
    target.run(data)
    grown = _peak_bytes() - before
    if grown > GROWTH_BYTES:
        raise FindingError(f"{len(data)} bytes took {grown >> 20} MiB more")


def run_stretched(target: Target, data: bytes) -> None:
    """The same for a repetition of something."""
    with _within(_STRETCHED_SECONDS):
        run_measured(target, data)


def stretched(data: bytes, size: int = STRETCHED_BYTES) -> Iterator[bytes]:
    """Inputs in which one part of another comes again and again: a line, a few bytes, a digit.

    That is what makes a loop in a loop take the square of its time, a number too long and a list too deep; to find it
    byte by byte takes for ever.
    """
    lines = data.splitlines(keepends=True)
    position = 0
    for line in lines[: _PLACES * 2]:
        yield data[:position] + line * (size // len(line)) + data[position + len(line) :]
        position += len(line)
    step = max(1, len(data) // _PLACES)
    for place in range(0, len(data), step):
        for length in (1, 2, 12):
            part = data[place : place + length]
            yield data[:place] + part * (size // len(part)) + data[place + length :]
    # Digits, brackets, blanks: longer than an int may be written, deeper than a stack goes, what `\s*` runs over.
    for place, byte in enumerate(data):
        if byte in b"0123456789[{(\"' ":
            yield data[:place] + bytes([byte]) * (size // 4 if byte == 32 else 5000) + data[place + 1 :]


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise FindingError(f"took more than {seconds} seconds of the processor")

    before = signal.signal(signal.SIGPROF, end)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
