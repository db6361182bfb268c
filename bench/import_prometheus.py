"""What an import of a day from a store of series costs, beside the same requests asked and their JSON decoded.

A real Prometheus holds the last twenty minutes of a day of up to 2,000 clusters, a sample each 30 seconds, of 18
series: the classes, the needs, the version, the platform and six counts of nodes. The peer is what the store and JSON
in Python take alone, as a whole process. Needs Debian's prometheus.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from bench.figures import end_unmeasured, fleet_size, growing, rounds, tell, tell_growth
from tests.agent.running import SOURCE
from tests.real.stores import (
    CLASSES,
    DAY,
    LAYERING,
    NEED,
    NEEDS,
    NODES,
    PLATFORM,
    VERSION,
    Sample,
    filled_prometheus,
    midnight,
    past_days,
    sample,
)

CLUSTERS = fleet_size(2000)
ROUNDS = rounds(5)
STEP = 30_000
KEPT = 20 * 60_000

PROGRAM = """
import sys
from layercensus.cli import main
from layercensus.fleet import store, store_days
asked, read = [], 0

def read_address(self, address, read_address=store.Store._read):
    asked.append(address)
    return read_address(self, address)

def parse(answer, parse=store_days.parse_series):
    global read
    found = parse(answer)
    read += sum(len(one.samples) for one in found)
    return found

store.Store._read, store_days.parse_series = read_address, parse
code = main(sys.argv[2:])
open(sys.argv[1], "w").write("".join(f"{address}\\n" for address in asked))
most = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(read, int(most) // 1024, file=sys.stderr)
sys.exit(code)
"""
PEER = """
import gzip, json, sys
from urllib.request import Request, urlopen
for address in open(sys.argv[1]):
    with urlopen(Request(address.strip(), headers={"Accept-Encoding": "gzip"})) as answer:
        body = answer.read()
        json.loads(gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body)
"""


def fleet(clusters: int, first: int, last: int) -> Iterator[Sample]:
    """The samples of so many clusters in that time."""
    for number in range(clusters):
        who = {"cluster_id": f"{number * 2654435761 % 2**32:08x}-93b5-4d52-9d0a-0f5a7e8f3a11"}
        for at in range(first + number * 13 % STEP, last, STEP):
            for word in CLASSES:
                yield sample(LAYERING, at, float(number % 7), layering=word, **who)
            for word in NEEDS:
                yield sample(NEED, at, 0.0, need=word, **who)
            yield sample(VERSION, at - 11, 1.0, type="current", version="4.14.30", **who)
            yield sample(PLATFORM, at - 11, 1.0, type="AWS", **who)
            for role in range(6):
                os_id = {"label_node_openshift_io_os_id": "rhcos", "label_node_role_kubernetes_io": str(role)}
                yield sample(NODES, at - 5, 3.0, **os_id, **who)


def look(folder: Path, clusters: int) -> None:
    """Import a day of so many clusters and tell what it took."""
    (day,) = past_days(1)
    end = midnight(day) + DAY
    samples = list(fleet(clusters, end - KEPT, end))
    asked = folder / "asked"
    with filled_prometheus(folder / "store", samples) as store:
        print(f"{clusters} clusters, {len(samples)} samples in the store")
        del samples
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(ROUNDS):
            options = ["--prometheus", store.url, "--lake", str(folder / f"lake-{number}"), "--since", str(day)]
            seconds, said = run(PROGRAM, str(asked), "import", *options)
            ours.append(seconds)
            theirs.append(run(PEER, str(asked))[0])
    read, megabytes = map(int, said.split()[-2:])
    requests = len(asked.read_text(encoding="utf-8").splitlines())
    print(f"{requests} requests, {read} samples read")
    tell_growth("import of a day, whole process", "s", "clusters", clusters, min(ours))
    tell_growth("import of a day, peak memory", "MiB", "clusters", clusters, megabytes)
    if clusters == CLUSTERS:
        tell(f"import of a day of {clusters:,} clusters", "s", ours, "the same requests, decoded", theirs, limit=True)


def run(program: str, *arguments: str) -> tuple[float, str]:
    """Seconds of a whole process of Python, and what it said on standard error."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - started, done.stderr


def main() -> None:
    """A store for each size."""
    if shutil.which("promtool") is None:
        end_unmeasured("prometheus, promtool (Debian package: prometheus)")
    for clusters in growing(CLUSTERS):
        with tempfile.TemporaryDirectory() as folder:
            look(Path(folder), clusters)


if __name__ == "__main__":
    main()
