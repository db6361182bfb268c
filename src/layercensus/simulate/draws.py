"""Uniform draws from a hash: the same on every machine and in every version. Pure.

Draw number k of a key is 53 bits of SHA-512 of the text `key/block`, eight to a block:

    draw = uniform_draws("1/0")    seed 1, cluster 0
    draw(), draw()                 0.54…, 0.09…
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha512
from itertools import count
from typing import TypeVar

Draw = Callable[[], float]
_Choice = TypeVar("_Choice")

_WORDS = struct.Struct(">8Q")


def uniform_draws(key: str) -> Draw:
    """Return what gives the draws of this key one after another, each at least 0 and below 1."""
    return _uniforms(key).__next__


def pick(choices: Sequence[tuple[float, _Choice]], draw: Draw) -> _Choice:
    """Choose one of (weight, choice); the weights sum to 1."""
    left = draw()
    for weight, choice in choices:
        left -= weight
        if left < 0:
            return choice
    return choices[-1][1]


def beta_binomial(machines: int, a: float, b: float, draw: Draw) -> int:
    """How many of so many machines are hit, each with one probability that is drawn from a beta distribution.

    By Pólya's urn (Eggenberger and Pólya 1923): the next is a hit with probability (a + hits) / (a + b + seen). Two
    machines of one cluster correlate by 1 / (a + b + 1).
    """
    hits = 0
    for seen in range(machines):
        hits += draw() * (a + b + seen) < a + hits
    return hits


def _uniforms(key: str) -> Iterator[float]:
    for block in count():
        for word in _WORDS.unpack(sha512(f"{key}/{block}".encode()).digest()):
            yield (word >> 11) * 2.0**-53
