"""A full refresh of a live sysroot with 500 packages beside `ostree admin status` and `rpm -qa` on the same root.

CPU milliseconds (user and system) and peak memory of whole processes, run in turn on the same files; ratios are medians
of pairs. The refresh in a process that lives on, as the agent's, is measured inside one. Needs root and Debian's
ostree, rpm, python3-gi, gir1.2-ostree-1.0 and time.
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
from bench.layered_sysroot import layered_sysroot
from tests.real.sysroots import missing_programs

ROUNDS = 9
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
print(times[0] * 1000, statistics.median(times[1:]) * 1000, int(peak.split()[1]) / 1024)
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
exec "$4" "$5" "$2"
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


def bench(deployment: Path) -> None:
    """Print the table; a pod's view of the host is at `/mnt/host`."""
    source = {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    ways = {
        "our refresh, new process": [sys.executable, "-c", REFRESH],
        "bare interpreter": [sys.executable, "-I", "-S", "-c", "pass"],
        "ostree admin status": ["ostree", "admin", "status", "--sysroot=/mnt/host/sysroot"],
        "rpm -qa": ["rpm", "-qa", "--dbpath", str(deployment / "usr/share/rpm")],
    }
    for arguments in ways.values():
        measure(arguments, source)
    # In turn, so that what else runs here falls on all of them.
    found = [{name: measure(arguments, source) for name, arguments in ways.items()} for _ in range(ROUNDS)]
    print(f"{'500 packages':26} {'CPU ms':>8} {'peak MiB':>9}   ours : it   CPU   memory")
    for name in ways:
        cpu = statistics.median(row[name][0] for row in found)
        peak = max(row[name][1] for row in found)
        ratios = [[row["our refresh, new process"][which] / row[name][which] for row in found] for which in (0, 1)]
        cpu_ratio, memory_ratio = map(statistics.median, ratios)
        print(f"{name:26} {cpu:8.1f} {peak:9.1f} {cpu_ratio:17.2f} {memory_ratio:8.2f}")
    whole = {**os.environ, **source}
    done = subprocess.run([sys.executable, "-c", WARM], capture_output=True, text=True, check=True, env=whole)
    first, later, peak = map(float, done.stdout.split())
    print(f"in a process that lives on: first refresh {first:.1f} ms CPU, later {later:.1f} ms, peak {peak:.1f} MiB")
    status = statistics.median(row["ostree admin status"][0] for row in found)
    query = statistics.median(row["rpm -qa"][0] for row in found)
    print(f"a later refresh : ostree admin status = {later / status:.2f}, : rpm -qa = {later / query:.2f} (CPU)")


def main() -> None:
    """Make the sysroot, then run this again in a mount namespace in which a pod's view is laid out."""
    if len(sys.argv) > 1:
        bench(Path(sys.argv[1]))
        return
    missing = missing_programs() or (None if Path("/usr/bin/time").exists() else "GNU time (Debian package: time)")
    if missing is not None:
        print(f"NOT MEASURED, missing: {missing}")
        sys.exit(1 if os.environ.get("CI") else 0)
    with layered_sysroot() as (sysroot, deployment):
        arguments = [str(sysroot.path), str(deployment), str(sysroot.run_folder), sys.executable, __file__]
        subprocess.run(["unshare", "-m", "sh", "-c", LAYOUT, "sh", *arguments], check=True)


if __name__ == "__main__":
    main()
