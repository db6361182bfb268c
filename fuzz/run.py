"""Fuzz every target, or those that are named, each for some seconds; print a table; exit 1 where something was found.

    python fuzz/run.py [TARGET …] [--seconds 30] [--write]

`--write` puts the table into docs/fuzzing.md. What guides by coverage is the extra `fuzz`, which has builds for few
versions of Python; without it the targets are given repetitions alone, and that is said.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "fuzzing.md"
WORK = ROOT / ".fuzz"
BEGIN, END = "<!-- Written by `make fuzz`; do not edit. -->\n", "<!-- End of what `make fuzz` writes. -->\n"
_GRACE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one target. `guided` and `stretched` are executions; `found` says where each finding lies."""

    target: str
    guided: int
    stretched: int
    a_second: int
    peak_mib: int
    corpus: int
    found: tuple[str, ...]


def main(arguments: list[str]) -> int:
    """Run, print, write; the exit status."""
    sys.path[:0] = [str(ROOT), str(ROOT / "src")]
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="fuzz/run.py", description="Foreign bytes into every parser.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=30, help="for each target (default: 30)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/fuzzing.md")
    options = parser.parse_args(arguments)
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    is_guided = importlib.util.find_spec("atheris") is not None
    if not is_guided:
        print(
            f"NOT GUIDED: atheris is not there (Python {sys.version_info.major}.{sys.version_info.minor})",
            file=sys.stderr,
        )
    results = []
    for name in options.targets or TARGETS:
        results.append(_fuzz(name, options.seconds if is_guided else 0))
        print(format_row(results[-1]), flush=True)
    print(f"\n{format_table(results)}")
    for result in results:
        for finding in result.found:
            print(f"FOUND in {result.target}: {finding}")
    if options.write and is_guided:
        write_page(results, options.seconds, datetime.now(tz=UTC))
    return int(any(result.found for result in results))


def _fuzz(name: str, seconds: int) -> Result:
    stretch = _child("fuzz.stretch", name, str(WORK))
    try:
        said = json.loads(stretch.stdout.splitlines()[-1])
        found = list(said["found"])
    except (IndexError, ValueError):
        said, found = {"executions": 0}, [f"repetitions ended it: {_last_line(stretch.stderr)}"]
    if not seconds:
        return Result(name, 0, said["executions"], 0, 0, 0, tuple(found))
    guided = _child("fuzz.guided", name, str(seconds), str(WORK), timeout=seconds + _GRACE_SECONDS)
    if guided.returncode:
        wrote = re.search(r"Test unit written to (\S+)", guided.stderr)
        why = re.search(r"^[\w.]*(?:Error|Exception)\b.*", guided.stdout + guided.stderr, re.MULTILINE)
        found.append(f"{wrote[1] if wrote else 'no input written'}: {why[0] if why else _last_line(guided.stderr)}")
    return Result(
        name,
        _stat(guided.stderr, "number_of_executed_units"),
        said["executions"],
        _stat(guided.stderr, "average_exec_per_sec"),
        _stat(guided.stderr, "peak_rss_mb"),
        len(list((WORK / "corpus" / name).glob("*"))),
        tuple(found),
    )


def _child(module: str, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    from fuzz.targets import MEMORY

    command = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryDirectory(prefix="layercensus-fuzz-", dir=MEMORY) as scratch:
        paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
        environment = {**os.environ, "PYTHONPATH": paths, "LAYERCENSUS_FUZZ_SCRATCH": scratch}
        try:
            return subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace",
                timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 1, "", "ERROR: it did not stop by itself")


def _stat(said: str, name: str) -> int:
    found = re.search(rf"^stat::{name}:\s*(\d+)", said, re.MULTILINE)
    return int(found[1]) if found else 0


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or ["it said nothing"])[-1]


def format_row(result: Result) -> str:
    """A row of the table."""
    return (
        f"| `{result.target}` | {result.guided} | {result.a_second} | {result.stretched} | {result.peak_mib} "
        f"| {result.corpus} | {len(result.found)} |"
    )


def format_table(results: list[Result]) -> str:
    """The table, with its sums."""
    guided, stretched = sum(one.guided for one in results), sum(one.stretched for one in results)
    found = sum(len(one.found) for one in results)
    head = "| target | executions | a second | repetitions | peak MiB | inputs kept while it ran | found |\n"
    rule = "|---|--:|--:|--:|--:|--:|--:|\n"
    rows = "".join(f"{format_row(one)}\n" for one in results)
    return f"{head}{rule}{rows}| all {len(results)} | {guided} | | {stretched} | | | {found} |\n"


def write_page(results: list[Result], seconds: int, now: datetime) -> None:
    """Replace what stands between the marks of the page."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    said = f"\nLast run: {now:%Y-%m-%d}, {seconds} seconds a target, Python {python}.\n\n"
    PAGE.write_text(f"{head}{BEGIN}{said}{format_table(results)}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
