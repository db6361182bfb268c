"""Every command of the parser has its module and its example, and no example is of a command that is not there."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import pytest

from layercensus.command_parser import EXAMPLES, epilog_of
from layercensus.options import build_parser

COMMANDS = Path(__file__).parents[2] / "src" / "layercensus" / "commands"


def command_names() -> list[str]:
    actions = build_parser()._actions
    return [name for action in actions if isinstance(action, argparse._SubParsersAction) for name in action.choices]


def without_a_module(names: Iterable[str]) -> list[str]:
    """Commands that `cli` could not run: no module of the name (`import_` for `import`), or no `run` in it."""
    files = {name: COMMANDS / f"{name.replace('import', 'import_')}.py" for name in names}
    return [
        name
        for name, file in files.items()
        if not file.is_file() or "\ndef run(options: Namespace" not in file.read_text(encoding="utf-8")
    ]


def test_every_command_has_its_module() -> None:
    assert command_names()
    assert without_a_module(command_names()) == []


def test_a_command_without_one_is_named() -> None:
    assert without_a_module(["inspect", "import", "no-such-command", "folder"]) == ["no-such-command", "folder"]


def test_every_example_is_of_a_command() -> None:
    assert set(EXAMPLES) == set(command_names())


def test_a_command_without_an_example_says_where_to_add_one() -> None:
    with pytest.raises(LookupError, match="no-such-command: add an example to EXAMPLES"):
        epilog_of("no-such-command")
