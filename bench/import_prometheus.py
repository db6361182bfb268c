"""What an import from a store of series costs: requests, samples, seconds, memory. Prints each, for one day of a fleet.

A real Prometheus holds the last twenty minutes of a day of 2,000 clusters, a sample each 30 seconds, of 18 series: the
classes, the needs, the version, the platform and six counts of nodes. Needs Debian's prometheus.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
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

CLUSTERS = int(os.environ.get("CLUSTERS", "2000"))
STEP = 30_000
KEPT = 20 * 60_000

PROGRAM = """
import sys
from layercensus.cli import main
from layercensus.fleet import store, store_days
asked, read = [], 0

def ask(self, path, parameters, ask=store.Store.ask):
    asked.append(path)
    return ask(self, path, parameters)

def parse(answer, parse=store_days.parse_series):
    global read
    found = parse(answer)
    read += sum(len(one.samples) for one in found)
    return found

store.Store.ask, store_days.parse_series = ask, parse
code = main(sys.argv[1:])
most = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(asked), read, int(most) // 1024, file=sys.stderr)
sys.exit(code)
"""


def fleet(first: int, last: int) -> Iterator[Sample]:
    for number in range(CLUSTERS):
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


def main() -> None:
    (day,) = past_days(1)
    end = midnight(day) + DAY
    with tempfile.TemporaryDirectory() as folder:
        samples = list(fleet(end - KEPT, end))
        with filled_prometheus(Path(folder) / "store", samples) as store:
            stored = len(samples)
            del samples
            started = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, "import", "--prometheus", store.url, "--lake", f"{folder}/lake",
                 "--since", str(day)],
                capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(SOURCE)},
            )  # fmt: skip
            seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    requests, read, megabytes = map(int, done.stderr.split()[-3:])
    print(done.stdout)
    print(f"{CLUSTERS} clusters, {stored} samples in the store")
    print(f"{requests} requests, {read} samples read, {seconds:.1f} s, {read / seconds:.0f} samples/s, {megabytes} MB")


if __name__ == "__main__":
    main()
