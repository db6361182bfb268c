"""Documents per second and peak memory of `layercensus inspect` on 100 to 10,000 files, beside a plain JSON load.

The peer reads and decodes the same files and keeps nothing: what Python takes to look at the documents at all. Both run
as whole processes, in turn, on the same files. Needs GNU time.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from bench.figures import end_unmeasured, growing, rounds, tell, tell_growth

from layercensus.data import list_tree, read_text

FILES = 10_000
TIME = "/usr/bin/time"
ROUNDS = rounds(5)
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
    """Wall seconds and peak MiB of one process; the peak from GNU time, as a child of ours begins with our peak."""
    with tempfile.NamedTemporaryFile("r") as report:
        started = time.perf_counter()
        timed = [TIME, "-o", report.name, "-f", "%M", *arguments]
        subprocess.run(timed, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started, int(report.read()) / 1024


def main() -> None:
    """Each size and form; beside the peer at the largest."""
    if not Path(TIME).exists():
        end_unmeasured("GNU time (Debian package: time)")
    for count in growing(FILES):
        with tempfile.TemporaryDirectory() as scratch:
            size = make_files(Path(scratch), count)
            print(f"{count} files, {size / 1e6:.1f} MB")
            for form in ("json", "table"):
                ours = [sys.executable, "-m", "layercensus", "inspect", "--format", form, scratch]
                peer = [sys.executable, "-c", PEER, scratch]
                pairs = [(measure(ours), measure(peer)) for _ in range(ROUNDS)]
                own, other = ([pair[which][0] for pair in pairs] for which in (0, 1))
                tell_growth(f"inspect --format {form}, whole process", "s", "files", count, min(own))
                peak = max(pair[0][1] for pair in pairs)
                tell_growth(f"inspect --format {form}, peak memory", "MiB", "files", count, peak)
                if count == FILES:
                    what = f"inspect --format {form}, {FILES:,} files"
                    tell(what, "s", own, "read and decode the same JSON", other, limit=True)


if __name__ == "__main__":
    main()
