"""A full refresh of a live sysroot of 20 to 2,000 packages beside `ostree admin status` and `rpm -qa` on the same root.

CPU milliseconds (user and system) and peak memory of whole processes, run in turn on the same files. The refresh in a
process that lives on, as the agent's, is measured inside one. Beside the others at 500 packages. Needs root and
Debian's ostree, rpm, python3-gi, gir1.2-ostree-1.0 and time.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from bench.figures import end_unmeasured, rounds, tell, tell_growth
from bench.layered_sysroot import layered_sysroot
from tests.real.sysroots import missing_programs

ROUNDS = rounds(9)
BESIDE = 500
PACKAGES = (20, BESIDE, 2000)
REFRESH = """
from pathlib import Path
from layercensus.host.live.sysroot import read_sysroot
machine = read_sysroot(Path("/mnt/host"))
assert machine.booted and len(machine.dependencies) == 8 and not machine.problems, machine.problems
"""
WARM = """
import resource, statistics
from pathlib import Path
from layercensus.host.live.sysroot import read_sysroot
times = []
for _ in range(30):
    before = resource.getrusage(resource.RUSAGE_SELF)
    read_sysroot(Path("/mnt/host"))
    after = resource.getrusage(resource.RUSAGE_SELF)
    times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024, *(one * 1000 for one in times))
"""
# A pod's view, laid out once: arguments are sysroot, deployment, run folder, and what to run then.
LAYOUT = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/host/sysroot /mnt/host/etc /mnt/host/run
mount --bind "$1" /mnt/host/sysroot
touch /mnt/host/etc/machine-id
mount --bind "$2/etc/machine-id" /mnt/host/etc/machine-id
mount --bind "$3" /mnt/host/run
exec "$4" "$5" "$2" "$6"
"""


def measure(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """CPU milliseconds and peak MiB of one process.

    CPU is from wait4(2), which counts microseconds; the peak from GNU time, as a child of ours begins with our peak.
    """
    with tempfile.NamedTemporaryFile("r") as report:
        timed = ["/usr/bin/time", "-o", report.name, "-f", "%M", *arguments]
        process = subprocess.Popen(timed, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, arguments
        peak = int(report.read())
    return (usage.ru_utime + usage.ru_stime) * 1000 - timing_milliseconds(), peak / 1024


@cache
def timing_milliseconds() -> float:
    """What GNU time takes itself, with the least of programs: it is taken off."""
    found = []
    for _ in range(ROUNDS):
        process = subprocess.Popen(["/usr/bin/time", "-o", "/dev/null", "true"])
        _, _, usage = os.wait4(process.pid, 0)
        found.append((usage.ru_utime + usage.ru_stime) * 1000)
    return statistics.median(found)


def bench(deployment: Path, packages: int) -> None:
    """A pod's view of the host is at `/mnt/host`."""
    source = {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    warm = subprocess.run(
        [sys.executable, "-c", WARM], capture_output=True, text=True, check=True, env={**os.environ, **source}
    )
    peak, first, *later = map(float, warm.stdout.split())
    tell_growth("first refresh, CPU", "ms", "packages", packages, first)
    tell_growth("later refresh in a process that lives on, CPU", "ms", "packages", packages, statistics.median(later))
    tell_growth("peak memory of that process", "MiB", "packages", packages, peak)
    if packages != BESIDE:
        return
    ours = [sys.executable, "-c", REFRESH]
    peers = {
        "bare interpreter": [sys.executable, "-I", "-S", "-c", "pass"],
        "ostree admin status": ["ostree", "admin", "status", "--sysroot=/mnt/host/sysroot"],
        "rpm -qa": ["rpm", "-qa", "--dbpath", str(deployment / "usr/share/rpm")],
    }
    ways = {"ours": ours, **peers}
    for arguments in ways.values():
        measure(arguments, source)
    # In turn, so that what else runs here falls on all of them.
    found = [{name: measure(arguments, source) for name, arguments in ways.items()} for _ in range(ROUNDS)]
    for what, unit, which in (("CPU", "ms", 0), ("peak memory", "MiB", 1)):
        own = [row["ours"][which] for row in found]
        for name in peers:
            theirs = [row[name][which] for row in found]
            tell(f"refresh, new process, {what}", unit, own, name, theirs, limit=name == "bare interpreter")
    for name in ("ostree admin status", "rpm -qa"):
        tell("later refresh, CPU", "ms", later[:ROUNDS], name, [row[name][0] for row in found])


def main() -> None:
    """Make the sysroots, and run this again for each in a mount namespace in which a pod's view is laid out."""
    if len(sys.argv) > 1:
        bench(Path(sys.argv[1]), int(sys.argv[2]))
        return
    missing = missing_programs() or (None if Path("/usr/bin/time").exists() else "GNU time (Debian package: time)")
    if missing is not None:
        end_unmeasured(missing)
    for packages in PACKAGES:
        with layered_sysroot(packages) as (sysroot, deployment):
            arguments = [sysroot.path, deployment, sysroot.run_folder, sys.executable, __file__, packages]
            subprocess.run(["unshare", "-m", "sh", "-c", LAYOUT, "sh", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
