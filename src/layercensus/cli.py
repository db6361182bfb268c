"""Flags to one command; prints; errors to exit codes. The only place that prints, and the only broad `except`.

Exit: 0 done; 1 done in part, or nothing to do; 2 wrong usage; 3 with --exit-code where a machine is layered; 70 our own
bug, one line; 130 interrupted.
"""

import importlib
import io
import os
import shutil
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TextIO

from layercensus.commands import EXIT_BUG, EXIT_INTERRUPTED, EXIT_PARTIAL, EXIT_USAGE, Output, Surroundings
from layercensus.errors import Fault, LayerCensusError, UsageError
from layercensus.options import parse_options
from layercensus.text import visible

_EXITS = {Fault.USAGE: EXIT_USAGE, Fault.US: EXIT_BUG}
_EXTRAS = {"collect": "fleet,report", "token": "fleet"}
_PROGRESS_AFTER_SECONDS = 1.0
_PROGRESS_EVERY_SECONDS = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status. Never a traceback to a user."""
    try:
        options = parse_options(arguments)
        module = _load(options.command)
        stdout = _standard_output()
        progress = _Progress()
        surroundings = Surroundings(
            stdin=sys.stdin.buffer,
            now=datetime.now(tz=UTC),
            shows_progress=progress.enabled,
            tick=progress.tick,
            say=progress.say,
            warn=progress.warn,
            columns=shutil.get_terminal_size().columns if stdout.isatty() else 80,
        )
        output = module.run(options, surroundings)
        if getattr(options, "output", None) and options.command == "report":
            return _write_all(output, Path(options.output), progress)
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
    except PermissionError as error:
        _print_error(
            f"layercensus: {error.filename or 'it'}: {error.strerror}; run it as a user who may, or name another"
        )
        return EXIT_PARTIAL
    except Exception as error:
        _print_error(f"layercensus: a bug of ours: {type(error).__name__}: {error}; please report it with the input")
        return EXIT_BUG


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
            next_step=f"in its checkout: pip install '.[{_EXTRAS.get(command, 'report')}]'",
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
        next_step = "look at free space where it goes"
        raise OutputError(f"cannot be written: {error.strerror}", "output", Fault.HOST, next_step) from error


def _write_all(output: Output, path: Path, progress: "_Progress") -> int:
    """Write to a file beside the old one, then replace that: a report is the old or the new, never half of one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            status = _print_all(output, stream, progress)
        beside.replace(path)
    except OSError as error:
        next_step = "name a file in a folder that is there and may be written to"
        raise LayerCensusError(f"cannot be written: {error.strerror}", str(path), Fault.HOST, next_step) from error
    finally:
        beside.unlink(missing_ok=True)
    return status


def _print_error(line: str) -> None:
    print(visible(line.replace("\n", " ")), file=sys.stderr)


def _bar(done: int, total: int | None) -> str:
    """`[=====               ] 2500 of 10000`, or the count alone where the end is not known."""
    if not total:
        return str(done)
    filled = min(20, 20 * done // total)
    return f"[{'=' * filled}{' ' * (20 - filled)}] {done} of {total}"


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
        self._show(_bar(done, total), now)

    def say(self, words: str) -> None:
        """Show at once what is begun that takes seconds and has no count."""
        if self.enabled:
            self._show(visible(words), time.monotonic())

    def warn(self, line: str) -> None:
        """Print a line for people, which does not run into the bar."""
        self.clear()
        _print_error(line)

    def _show(self, words: str, now: float) -> None:
        self.shown_at = now
        sys.stderr.write(f"\r\x1b[K{words}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the bar away, so that output does not run into it."""
        if self.shown_at:
            sys.stderr.write("\r\x1b[K")
            self.shown_at = 0.0
