"""Run every bench, or those that are named, one after another; `--write` puts what they found into docs/performance.md.

    python bench/run.py [BENCH …] [--write]

What they print is shown as it comes. A bench that fails, or could not be measured, is an error, and nothing is written.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))
from bench.figures import FILE, Figure, Growth, ratio_spread, shown, spread  # noqa: E402 - found by the line before

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- Written by `make bench`; do not edit. -->\n", "<!-- End of what `make bench` writes. -->\n"
# Each with what it is of, as the page heads it.
BENCHES = {
    "inspect_files": "Many documents: `inspect`",
    "sysroot": "One host: a full refresh",
    "agent": "The agent on a node",
    "collector": "The collector, on one core",
    "import_prometheus": "History from a store: `import --prometheus`",
    "lake": "The lake's questions",
    "page": "The report page",
}
LIBRARIES = ("duckdb", "pyarrow", "pyspark", "cramjam", "protobuf", "playwright")
# What prints a version, and Debian's package where that is told more plainly.
PROGRAMS = {
    "prometheus": "prometheus",
    "victoria-metrics": "victoria-metrics",
    "node_exporter": "prometheus-node-exporter",
    "wrk": "wrk",
    "chromium": "chromium",
    "ostree": "ostree",
    "rpm": "rpm",
}


def main(arguments: Sequence[str]) -> int:
    """Run and print, write; the exit status."""
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Every bench, and the page of what they found.")
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=", ".join(BENCHES))
    parser.add_argument("--write", action="store_true", help="put what they found into docs/performance.md")
    options = parser.parse_args(arguments)
    if unknown := set(options.benches) - set(BENCHES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    names = options.benches or list(BENCHES)
    found: list[Figure | Growth] = []
    incomplete = []
    started = time.monotonic()
    for name in names:
        print(f"== {name}", flush=True)
        of_this, is_complete = run_bench(name)
        found += of_this
        if not is_complete:
            incomplete.append(name)
    minutes = (time.monotonic() - started) / 60
    text = format_page(found, names, minutes)
    print(f"\n{text}")
    if incomplete:
        print(f"NOT COMPLETE: {', '.join(incomplete)}; nothing was written", file=sys.stderr)
        return 1
    if options.write:
        write_page(text)
    return 0


def run_bench(name: str) -> tuple[list[Figure | Growth], bool]:
    """What a bench found, and whether it ended well and left nothing out."""
    with tempfile.TemporaryDirectory(prefix="layercensus-bench-") as folder:
        file = Path(folder) / "figures"
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "bench" / f"{name}.py")],
            stdout=subprocess.PIPE, text=True, env={**os.environ, FILE: str(file), "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        said = []
        for line in process.stdout or ():
            said.append(line)
            print(line, end="", flush=True)
        is_complete = process.wait() == 0 and not any("not measured" in line.lower() for line in said)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [read_line(line) for line in lines], is_complete and bool(lines)


def read_line(line: str) -> Figure | Growth:
    """What a bench put down."""
    held = json.loads(line)
    return Growth(**held) if held.pop("kind") == "growth" else Figure(**held)


def format_page(found: Sequence[Figure | Growth], benches: Iterable[str], minutes: float) -> str:
    """Where it was measured, then a section for each bench."""
    parts = [f"Last run: {datetime.now(tz=UTC):%Y-%m-%d}, {minutes:.0f} minutes.\n\n{format_machine()}\n"]
    for name in benches:
        figures = [one for one in found if isinstance(one, Figure) and one.bench == name]
        growth = [one for one in found if isinstance(one, Growth) and one.bench == name]
        parts.append(f"\n### {BENCHES[name]}\n\n`bench/{name}.py`\n")
        if figures:
            parts.append(f"\n{format_figures(figures)}")
        if growth:
            parts.append(f"\n{format_growth(growth)}")
    return "".join(parts)


def format_machine() -> str:
    """The machine and the versions of what was measured and of the peers."""
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    rows = {
        "processor": f"{read_value('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(read_value('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "system": f"{release}, Linux {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        **{name: found for name in LIBRARIES if (found := library_version(name))},
        **{name: found for name, package in PROGRAMS.items() if (found := package_version(package))},
    }
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows.items())


def read_value(path: str, name: str) -> str:
    """The first value of a name in a file of the kernel."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def library_version(name: str) -> str:
    """Of a library that is installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def package_version(package: str) -> str:
    """Of a package of Debian."""
    if shutil.which("dpkg-query") is None:
        return ""
    asked = ["dpkg-query", "-W", "-f", "${Version}", package]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout


def format_figures(figures: Sequence[Figure]) -> str:
    """A row each: ours, a peer's or the limit, the ratio and the goal."""
    rows = ["| what | ours | beside it | ours : it | goal |\n|---|--:|---|--:|---|\n"]
    for one in figures:
        beside = f"{'*limit:* ' if one.is_limit else ''}{one.peer} {spread(one.theirs, one.unit)}" if one.peer else ""
        ratio = ratio_spread(one.ratios) if one.peer else ""
        rows.append(f"| {one.what} | {spread(one.ours, one.unit)} | {beside} | {ratio} | {one.goal} |\n")
    return "".join(rows)


def format_growth(growth: Sequence[Growth]) -> str:
    """A row for each measure, a column for each size, and how often the first goes into the last."""
    sizes = sorted({one.size for one in growth})
    by_measure: dict[tuple[str, str], dict[int, float]] = {}
    for one in growth:
        by_measure.setdefault((one.what, one.unit), {})[one.size] = one.value
    heads = "".join(f" {size:,} |" for size in sizes)
    times = f"{sizes[-1] / sizes[0]:,.0f}x"
    rows = [f"| {growth[0].of} |{heads} {times} costs |\n|---|{'--:|' * (len(sizes) + 1)}\n"]
    for (what, unit), values in by_measure.items():
        rows.append(f"| {what} |{format_cells(values, sizes, unit)} {format_times(values, sizes)} |\n")
    return "".join(rows)


def format_cells(values: Mapping[int, float], sizes: Sequence[int], unit: str) -> str:
    """A cell for each size."""
    return "".join(f" {f'{shown(values[size])} {unit}'.rstrip()} |" if size in values else " |" for size in sizes)


def format_times(values: Mapping[int, float], sizes: Sequence[int]) -> str:
    """The last over the first."""
    return f"{shown(values[sizes[-1]] / values[sizes[0]])}x" if {sizes[0], sizes[-1]} <= values.keys() else ""


def write_page(text: str) -> None:
    """Replace what stands between the marks of the page."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
