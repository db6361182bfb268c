"""The parser of a command line: its errors are one line, and each command's help ends in an example. Pure.

A test runs every example. They are of one story: `captures` are folders of clusters with a document of each machine,
`lake` is made of them.
"""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import NoReturn

from layercensus.errors import Fault, UsageError

EXAMPLES: Mapping[str, str] = {
    "inspect": "layercensus inspect captures/ --format json",
    "import": "layercensus import captures/ --lake lake",
    "report": "layercensus report --lake lake --by release",
    "scan": "layercensus scan --selector node-role.kubernetes.io/worker=",
    "agent": "layercensus agent --preview",
    "manifests": "layercensus manifests --release 4.14 --output kit",
    "plan": "layercensus plan captures/my-cluster --pool worker",
    "collect": "layercensus collect --lake fleet --keys keys.json",
    "token": "layercensus token --keys keys.json --cluster-id 6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b60",
    "simulate": "layercensus simulate --clusters 200 --days 14 --seed 1 --lake made-up",
    "tidy": "layercensus tidy --lake lake --keep-days 400",
    "demo": "layercensus demo there",
}

EXITS = (
    "Exit status: 0 done; 1 done in part, or nothing to do: a machine is unknown, an input is not there or empty, no "
    "lake; 2 wrong usage; 3 with --exit-code: a machine is packages or overrides; 70 a bug of ours; 130 interrupted."
)


class Parser(ArgumentParser):
    """argparse with our errors: one line that says what to do next."""

    def error(self, message: str) -> NoReturn:
        """End with what is wrong. Raises `UsageError`, always."""
        raise UsageError(message, fault=Fault.USAGE, next_step=f"see {self.prog} --help")


def epilog_of(command: str) -> str:
    """What stands at the end of a command's help. Raises `LookupError` for a command without an example."""
    if command not in EXAMPLES:
        raise LookupError(f"{command}: add an example to EXAMPLES in command_parser.py")
    return f"example:\n  {EXAMPLES[command]}"
