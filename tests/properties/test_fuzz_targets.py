"""Every parser of foreign bytes has a fuzz target that reaches it; its seeds, and what was ever found, pass again."""

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from fuzz import guard
from fuzz.kept import KEPT
from fuzz.seeds import seeds_of
from fuzz.targets import TARGETS, Target

SOURCE = Path(__file__).parents[2] / "src"
# What is parsed there was written by ourselves, or by who runs the command.
NO_FOREIGN_BYTES = {
    "layercensus.cluster.contract.parse_contract": "our own data file",
    "layercensus.commands.addresses.parse_listen": "an option of the command line",
    "layercensus.commands.agent.parse_address": "an option of the command line",
    "layercensus.options.parse_options": "the command line",
}


def name_of(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def parsers() -> set[str]:
    """Every public function `parse_*` of the program."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        if "def parse_" in path.read_text(encoding="utf-8"):
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            for name, value in vars(import_module(module)).items():
                if name.startswith("parse_") and callable(value) and value.__module__ == module:
                    found.add(f"{module}.{name}")
    return found


def test_no_parser_is_forgotten() -> None:
    covered = {name_of(function) for target in TARGETS.values() for function in target.covers}
    assert NO_FOREIGN_BYTES.keys() <= parsers()
    assert parsers() - NO_FOREIGN_BYTES.keys() - covered == set()


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_a_target_reach_what_it_covers(name: str) -> None:
    target = TARGETS[name]
    codes = {inspect.unwrap(function).__code__: name_of(function) for function in target.covers}
    for function in target.covers:
        if clear := getattr(function, "cache_clear", None):
            clear()
    reached = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code in codes:
            reached.add(codes[frame.f_code])

    seeds = seeds_of(name)
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for data in seeds:
            target.run(data)
    finally:
        sys.setprofile(before)
    assert reached == set(codes.values())


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_of_each_target_is_read_whole(name: str) -> None:
    """A target whose own seeds are all refused would fuzz nothing but its refusals."""
    read = 0
    for data in seeds_of(name):
        try:
            TARGETS[name].read(data)
        except TARGETS[name].own:
            continue
        read += 1
    assert read


@pytest.mark.parametrize(("target", "finding"), [(target, name) for target, found in KEPT.items() for name in found])
def test_what_was_found_is_found_no_more(target: str, finding: str) -> None:
    guard.run_stretched(TARGETS[target], KEPT[target][finding])


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_cut_damaged_or_repeated_are_read_or_refused(name: str) -> None:
    """Deterministic and short; `make fuzz` goes on from here."""
    target = TARGETS[name]
    for seed in seeds_of(name):
        for place in range(0, len(seed), len(seed) // 40 + 1):
            guard.run(target, seed[:place])
            guard.run(target, seed[:place] + bytes([seed[place] ^ 1 << place % 8]) + seed[place + 1 :])
            guard.run(target, seed[:place] + b"\xff" + seed[place:])
        for data in islice(guard.stretched(seed, 16 * 1024), 0, None, 7):
            guard.run_stretched(target, data)


def test_a_target_that_raises_hangs_or_grows_is_a_finding() -> None:
    """The guard itself: its three alarms."""
    held: list[bytes] = []
    nothing: dict[bytes, bytes] = {}

    def spin(_data: bytes) -> None:
        while True:
            pass

    def grow(_data: bytes) -> None:
        held.append(bytes(range(256)) * (1024 * 1024))

    with pytest.raises(KeyError):
        guard.run(Target(lambda data: nothing[data], (), (ValueError,)), b"")
    guard.run(Target(lambda data: nothing[data], (), (KeyError,)), b"")
    with pytest.raises(guard.FindingError, match="seconds"):
        guard.run_stretched(Target(spin, ()), b"")
    with pytest.raises(guard.FindingError, match="MiB"):
        guard.run(Target(grow, ()), b"")
    held.clear()
