"""Flags to one command; prints; errors to exit codes. The only place that prints, and the only broad `except`.

Exit: 0 done; 1 done in part, or nothing to do; 2 wrong usage; 3 with --exit-code where a machine is layered; 70 our own
bug, one line; 130 interrupted.
"""

import argparse
import importlib
import io
import math
import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import NoReturn, TextIO
from uuid import UUID

from layercensus import __version__
from layercensus.commands import EXIT_BUG, EXIT_INTERRUPTED, EXIT_PARTIAL, EXIT_USAGE, Output, Surroundings
from layercensus.errors import Fault, LayerCensusError, UsageError
from layercensus.text import visible

_QUESTION = (
    "What share of CoreOS machines carry locally layered packages that are not CoreOS extensions, "
    "and how sure is the number?"
)
_PATHS = "a status as JSON or text, an origin file, a sosreport or must-gather, a folder of these, -; none: this host"
_DEMO_FOLDER = "layercensus-demo"
_EXITS = {Fault.USAGE: EXIT_USAGE, Fault.US: EXIT_BUG}
_PROGRESS_AFTER_SECONDS = 1.0
_PROGRESS_EVERY_SECONDS = 0.1


class _Parser(argparse.ArgumentParser):
    """argparse with our errors: one line that says what to do next."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, fault=Fault.USAGE, next_step=f"see {self.prog} --help")


def build_parser() -> argparse.ArgumentParser:
    """Every command and option, one place; docs and README are held to it by a test."""
    parser = _Parser(prog="layercensus", description=_QUESTION)
    parser.add_argument("--version", action="version", version=f"layercensus {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_inspect(commands.add_parser("inspect", help="what is layered on the machines that these documents show"))
    _add_import(commands.add_parser("import", help="put inspected machines into a lake, a cluster a folder"))
    _add_report(commands.add_parser("report", help="the share, its interval and its bounds, from a lake"))
    _add_scan(commands.add_parser("scan", help="what is layered on every node of a cluster, asked through oc"))
    _add_manifests(commands.add_parser("manifests", help="rules for a cluster of a release, to apply with oc"))
    _add_demo(commands.add_parser("demo", help="captures -> census -> lake -> report, on machines that come with it"))
    return parser


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", metavar="PATH", help=_PATHS)
    parser.add_argument(
        "--root", default="/", metavar="DIR", help="without PATH: where the host's / is seen (default: /)"
    )
    _add_release(parser)
    parser.add_argument("--format", choices=("table", "json", "prometheus"), default="table", help="default: table")
    parser.add_argument("--exit-code", action="store_true", help="exit 3 if a machine has packages or overrides")


def _add_scan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--oc", default="oc", metavar="PROGRAM", help="the oc to run, logged in as you are (default: oc)"
    )
    parser.add_argument("--selector", metavar="LABELS", help="nodes with these labels only, as oc takes them")
    parser.add_argument("--timeout", type=_seconds, default=120, metavar="SECONDS", help="for one node (default: 120)")
    parser.add_argument("--at-once", type=_count, default=5, metavar="N", help="nodes asked at a time (default: 5)")
    parser.add_argument("--format", choices=("table", "json", "prometheus"), default="table", help="default: table")


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a folder of cluster folders, a cluster's folder, or a document"
    )
    parser.add_argument("--lake", required=True, metavar="DIR", help="the lake; made if it is not there")
    parser.add_argument("--cluster-id", type=_uuid, metavar="UUID", help="all of it is one cluster, this one")
    _add_release(parser)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lake", required=True, metavar="DIR", help="the lake to read")
    parser.add_argument("--by", choices=("release", "platform", "need"), help="a table by this dimension; text and csv")
    parser.add_argument("--as-of", type=_day, metavar="DAY", help="the day the report is about (default: the newest)")
    parser.add_argument("--signal", choices=("layercensus", "mcd", "capture"), help="where the numbers come from")
    parser.add_argument("--format", choices=("text", "json", "html", "csv"), default="text", help="default: text")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there instead of standard output")


def _add_manifests(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--release", type=_release, required=True, metavar="4.14", help="the cluster's OpenShift release"
    )
    parser.add_argument(
        "--mode", choices=("agent", "mcd"), default="agent", help="whose series the rules read (default: agent)"
    )
    parser.add_argument(
        "--telemetry", action="store_true", help="record under the names that leave the cluster: consent"
    )
    parser.add_argument("--output", metavar="DIR", help="the folder to make (default: layercensus-MODE-RELEASE)")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=_DEMO_FOLDER, metavar="DIR", help=f"default: {_DEMO_FOLDER}")


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--release", type=_release, metavar="4.14", help="the OpenShift release, where the document leaves it open"
    )


def _release(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,3}\.[0-9]{1,3}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no release: it should look like 4.14")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 999")
    return int(text)


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: it should look like 2026-11-22") from error


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no UUID") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status. Never a traceback to a user."""
    try:
        options = _parse(arguments)
        module = _load(options.command)
        stdout = _standard_output()
        progress = _Progress()
        surroundings = Surroundings(
            stdin=sys.stdin.buffer,
            now=datetime.now(tz=UTC),
            shows_progress=progress.enabled,
            tick=progress.tick,
            warn=_print_error,
        )
        output = module.run(options, surroundings)
        if getattr(options, "output", None) and options.command == "report":
            return _write_all(output, Path(options.output))
        return _print_all(output, stdout, progress)
    except LayerCensusError as error:
        _print_error(f"layercensus: {error}")
        return _EXITS.get(error.fault, EXIT_PARTIAL)
    except BrokenPipeError:
        # The reader (head, less) has what it wanted.
        _drop_output()
        return EXIT_PARTIAL
    except OutputError as error:
        _drop_output()
        _print_error(f"layercensus: {error}")
        return EXIT_PARTIAL
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:
        _print_error(f"layercensus: a bug of ours: {type(error).__name__}: {error}; please report it with the input")
        return EXIT_BUG


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    options, left = build_parser().parse_known_args(arguments)
    if left:
        next_step = f"see layercensus {options.command} --help"
        raise UsageError(f"unrecognized arguments: {' '.join(left)}", fault=Fault.USAGE, next_step=next_step)
    return options


def _load(command: str) -> ModuleType:
    """Module of a command. Raises `UsageError` where a library of an extra is missing: the base needs none."""
    try:
        return importlib.import_module(f"layercensus.commands.{command.replace('import', 'import_')}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("layercensus"):
            raise
        raise UsageError(
            f"{command} needs the library {error.name}, which the base does not bring",
            fault=Fault.USAGE,
            next_step="pip install 'layercensus[report]'",
        ) from error


class OutputError(LayerCensusError):
    """What was printed could not be taken: a full disk, say."""


def _standard_output() -> TextIO:
    """Standard output that takes any character; where there is none (`>&-`) one that takes all and keeps nothing."""
    if sys.stdout is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return sys.stdout


def _drop_output() -> None:
    """Keep Python from complaining when it flushes at exit what nobody takes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_all(output: Output, stream: TextIO, progress: "_Progress") -> int:
    try:
        while True:
            chunk = next(output)
            progress.clear()
            _write(stream, chunk)
    except StopIteration as stop:
        _write(stream, "")
        return int(stop.value)
    finally:
        progress.clear()


def _write(stream: TextIO, chunk: str) -> None:
    try:
        stream.write(visible(chunk, keep="\n"))
        if not chunk:
            stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", where="output", fault=Fault.HOST) from error


def _write_all(output: Output, path: Path) -> int:
    """Write to a file beside the old one, then replace that: a report is the old or the new, never half of one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            status = _print_all(output, stream, _Progress())
        beside.replace(path)
    except OSError as error:
        raise LayerCensusError(f"cannot be written: {error.strerror}", where=str(path), fault=Fault.HOST) from error
    finally:
        beside.unlink(missing_ok=True)
    return status


def _print_error(line: str) -> None:
    print(visible(line.replace("\n", " ")), file=sys.stderr)


class _Progress:
    """A bar on a terminal after one second; nothing when piped."""

    def __init__(self) -> None:
        self.enabled = sys.stderr.isatty()
        self.started = time.monotonic()
        self.shown_at = 0.0

    def tick(self, done: int, total: int | None) -> None:
        """Show how far it is, at most ten times a second."""
        now = time.monotonic()
        if (
            not self.enabled
            or now - self.started < _PROGRESS_AFTER_SECONDS
            or now - self.shown_at < _PROGRESS_EVERY_SECONDS
        ):
            return
        self.shown_at = now
        sys.stderr.write(f"\r\x1b[K{done} of {total}" if total else f"\r\x1b[K{done}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar away, so that output does not run into it."""
        if self.shown_at:
            sys.stderr.write("\r\x1b[K")
            self.shown_at = 0.0
