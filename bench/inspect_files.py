"""Documents per second and peak memory of `layercensus inspect`, on 1,000 and 10,000 files, beside a plain JSON load.

The peer reads and decodes the same files and keeps nothing: what Python takes to look at the documents at all. Both run
as whole processes, in turn, on the same files; ratios are medians of pairs.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from layercensus.data import list_tree, read_text

ROUNDS = 3
PEER = (
    "import json, pathlib, sys\nfor p in sorted(pathlib.Path(sys.argv[1]).rglob('*.json')): json.loads(p.read_bytes())"
)


def make_files(folder: Path, count: int) -> int:
    """Write the demo's whole JSON machines again and again; return the bytes written."""
    names = [name for name in list_tree("demo") if name.endswith(".json") and name != "dunlin/worker-2.json"]
    texts = [read_text(f"demo/{name}") for name in names]
    size = 0
    for number in range(count):
        cluster = folder / f"cluster-{number // 100:04}"
        cluster.mkdir(exist_ok=True)
        text = texts[number % len(texts)]
        (cluster / f"machine-{number:06}.json").write_text(text, encoding="utf-8")
        size += len(text)
    return size


def measure(arguments: list[str]) -> tuple[float, float]:
    """Wall seconds and peak MiB of one process."""
    started = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, arguments
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main() -> None:
    """Print one line per size and form, then the ratios."""
    peaks: dict[tuple[str, int], float] = {}
    for count in (1_000, 10_000):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            size = make_files(folder, count)
            for form in ("json", "table"):
                ours = [sys.executable, "-m", "layercensus", "inspect", "--format", form, scratch]
                peer = [sys.executable, "-c", PEER, scratch]
                pairs = [(measure(ours), measure(peer)) for _ in range(ROUNDS)]
                seconds = statistics.median(pair[0][0] for pair in pairs)
                peaks[form, count] = max(pair[0][1] for pair in pairs)
                ratio = statistics.median(pair[0][0] / pair[1][0] for pair in pairs)
                print(
                    f"{count:>6} files ({size / 1e6:.0f} MB), {form:<5}: {count / seconds:,.0f} documents/s, "
                    f"peak {peaks[form, count]:.1f} MiB, {ratio:.2f} x the time of a plain JSON load"
                )
    for form in ("json", "table"):
        print(f"{form}: peak memory of 10,000 files over that of 1,000: {peaks[form, 10_000] / peaks[form, 1_000]:.2f}")
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
