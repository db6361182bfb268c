"""Agents over real ostree sysroots; hosts that change, break and stop under them.

What is expected is typed by hand from what was deployed, or what `inspect` says of the same root.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import SOURCE, Running, agent, class_in, run_to_end, wait_for
from tests.real.agent_hosts import (
    LAYERED_ORIGIN,
    ORIGIN,
    Host,
    clean_host,
    layered_host,
    same,
    scratch_folder,
    without_reads,
)
from tests.real.prometheus_server import require
from tests.real.sysroots import NOBODY, missing_programs

pytestmark = pytest.mark.real

QUICK = {"look_seconds": 0.2}
NON_EXTENSION = 'layercensus_changes{verdict="non_extension",kind="install"}'
EXTENSION = 'layercensus_changes{verdict="extension",kind="install"}'
STAGED = 'layercensus_staged_changes{verdict="non_extension"}'


def skip(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    if missing := missing_programs():
        skip(f"NO AGENT READ A REAL SYSROOT, missing: {missing}")


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@pytest.fixture
def clean(scratch: Path) -> Host:
    return clean_host(scratch)


@pytest.fixture
def layered(scratch: Path) -> Host:
    return layered_host(scratch)


def test_an_agent_says_what_was_deployed(clean: Host, layered: Host) -> None:
    with agent(root=clean.root) as one, agent(root=layered.root, package_metrics=True) as two:
        metrics = one.metrics()
        assert class_in(metrics) == "clean"
        assert metrics["layercensus_read_success"] == 1
        assert same(without_reads(metrics), clean.inspect())
        metrics = two.metrics()
        assert class_in(metrics) == "packages"
        assert (metrics[NON_EXTENSION], metrics[EXTENSION]) == (1, 1)
        named = sorted(series.split('"')[1] for series in metrics if series.startswith("layercensus_package_info"))
        assert named == ["strange-tool", "usbguard"]


def test_promtool_finds_nothing_wrong_with_what_is_served(layered: Host) -> None:
    program = require("promtool")
    with agent(root=layered.root, package_metrics=True) as running:
        running.metrics()
        text = running.ask()[1]
    done = subprocess.run([program, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


AS_A_POD = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir -p /mnt/host/sysroot/ostree /mnt/host/etc /mnt/python /mnt/source
mount --bind "$SYSROOT/ostree" /mnt/host/sysroot/ostree
mount -o remount,ro,bind /mnt/host/sysroot/ostree
touch /mnt/host/etc/machine-id
mount --bind "$DEPLOYMENT/etc/machine-id" /mnt/host/etc/machine-id
mount -o remount,ro,bind /mnt/host/etc/machine-id
mount --bind "$PYTHON" /mnt/python
mount --bind "$SOURCE" /mnt/source
exec setpriv --no-new-privs "$@"
"""


def test_as_a_pod_without_privileges_on_read_only_mounts_it_says_the_same(layered: Host) -> None:
    python = f"/mnt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"

    def wrapped(command: list[str]) -> list[str]:
        arguments = [{str(SOURCE): "/mnt/source"}.get(word, word) for word in command[1:]]
        return ["unshare", "-m", "sh", "-c", AS_A_POD, "sh", *NOBODY, python, *arguments]

    environment = {
        "SYSROOT": str(layered.sysroot.path), "DEPLOYMENT": str(layered.folder), "PYTHON": sys.base_prefix,
        "SOURCE": str(SOURCE), "LD_LIBRARY_PATH": "/mnt/python/lib",
    }  # fmt: skip
    with agent(QUICK, root="/mnt/host", wrapped=wrapped, environment=environment) as running:
        metrics = running.metrics()
        assert class_in(metrics) == "packages"
        assert same(without_reads(metrics), layered.inspect())
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in status.splitlines())
        assert facts["Uid"].split() == ["65534"] * 4
        assert {int(facts[key], 16) for key in ("CapEff", "CapPrm", "CapBnd")} == {0}
        # What reads the host is in the children only.
        assert "sqlite" not in Path(f"/proc/{running.process.pid}/maps").read_text()
        layered.sysroot.deploy(layered.base, ORIGIN)
        # The hour is far: only the stamp tells it to read again.
        first = metrics["layercensus_read_timestamp_seconds"]
        changed = running.wait_until(lambda found: found["layercensus_read_timestamp_seconds"] > first)
        assert changed["layercensus_read_success"] == 1
        assert running.stop() == 0


def test_preview_and_self_check_on_a_layered_machine(layered: Host) -> None:
    done = run_to_end(root=layered.root, preview=True)
    assert done.returncode == 0
    leaves, _, stays = done.stdout.partition("What stays in the cluster")
    assert 'cluster:usage:local_layering_nodes:count{layering="packages"} is one higher' in leaves
    assert 'cluster:usage:local_layering_nodes_by_need:count{need="other"} is one higher' in leaves
    assert "strange-tool" not in leaves
    assert "strange-tool" in stays
    checked = run_to_end(root=layered.root, self_check=True)
    lines = [line.split(None, 1) for line in checked.stdout.splitlines()]
    outcomes = {text.partition(":")[0]: outcome for outcome, text in lines}
    assert outcomes["one deployment is told to be booted"] == "holds"
    assert outcomes["etc/machine-id is the file of the booted deployment"] == "holds"
    assert outcomes["the stamp of deployments can be seen"] == "holds"
    assert outcomes["user and SELinux label may open the origin file"] == "holds"
    assert outcomes["the API lists the client authorities"] == "unknown"
    assert checked.returncode == 0


def test_a_write_of_deployments_is_seen_without_waiting_for_the_hour(clean: Host) -> None:
    with agent(QUICK, root=clean.root) as running:
        assert running.metrics()[STAGED] == 0
        clean.sysroot.deploy(clean.layer("strange-tool", "usbguard"), LAYERED_ORIGIN)
        metrics = running.wait_until(lambda found: found[STAGED] == 1)
        assert class_in(metrics) == "clean"
        assert same(without_reads(metrics), clean.inspect())


@pytest.mark.parametrize("half", ["[origin]\nrefsp", "", "[origin]\nrefspec=rhcos:base\n\n[pack"])
def test_half_an_origin_keeps_the_facts_and_is_counted(layered: Host, half: str) -> None:
    whole = layered.origin.read_text()
    with agent(QUICK, root=layered.root) as running:
        good = running.metrics()
        layered.origin.write_text(half)
        layered.bump()
        failing = running.wait_until(lambda found: found["layercensus_read_success"] == 0)
        assert same(without_reads(failing), without_reads(good))
        assert failing['layercensus_read_errors_total{reason="malformed"}'] > 0
        assert failing["layercensus_read_timestamp_seconds"] == good["layercensus_read_timestamp_seconds"]
        layered.origin.write_text(whole)
        healed = running.wait_until(lambda found: found["layercensus_read_success"] == 1)
        assert same(without_reads(healed), without_reads(good))


def test_no_part_of_an_origin_makes_a_layered_machine_clean(layered: Host) -> None:
    whole = layered.origin.read_text()
    found = set()
    for end in range(0, len(whole), 7):
        layered.origin.write_text(whole[:end])
        found.add(class_in(layered.inspect()))
    assert found <= {"packages", "unknown"}


@pytest.mark.parametrize("what", ["origin", "commit"])
def test_a_pipe_in_place_of_a_file_is_a_failed_read(layered: Host, what: str) -> None:
    checksum = layered.folder.name.partition(".")[0]
    commit = layered.sysroot.repo / "objects" / checksum[:2] / f"{checksum[2:]}.commit"
    file = layered.origin if what == "origin" else commit
    with agent(QUICK, root=layered.root) as running:
        good = running.metrics()
        file.unlink()
        os.mkfifo(file)
        layered.bump()
        failing = running.wait_until(lambda found: found["layercensus_read_success"] == 0)
        assert same(without_reads(failing), without_reads(good))
        assert running.stop() == 0


def test_a_folder_in_place_of_the_origin_is_unknown_and_the_self_check_says_so(layered: Host) -> None:
    layered.origin.unlink()
    layered.origin.mkdir()
    assert class_in(layered.inspect()) == "unknown"
    checked = run_to_end(root=layered.root, self_check=True)
    assert "fails    user and SELinux label may open the origin file" in checked.stdout
    assert "no regular file" in checked.stdout
    assert checked.returncode == 1


def test_an_origin_of_a_million_requests_is_not_read(layered: Host) -> None:
    layered.origin.write_text(f"[origin]\nrefspec=x\n[packages]\nrequested={'a;' * 1_000_000}\n")
    assert class_in(layered.inspect()) == "unknown"


@contextmanager
def stopped_disk(folder: Path) -> Iterator[None]:
    """A file system over `folder` that never answers: FUSE without anyone behind it."""
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        skip(f"NO DISK WAS STOPPED: /dev/fuse: {error.strerror}")
        return
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"stopped", str(folder).encode(), b"fuse", 0, options) != 0:
        os.close(device)
        skip(f"NO DISK WAS STOPPED: mount: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        # Lets go whoever still waits.
        os.close(device)
        subprocess.run(["umount", "-l", str(folder)], check=True)


def children_of(running: Running) -> int:
    pid = running.process.pid
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


@pytest.mark.parametrize("where", ["ostree/repo/objects", "ostree/deploy", ""])
def test_a_stopped_disk_stops_no_scrape_and_makes_no_number(layered: Host, where: str) -> None:
    schedule = {"look_seconds": 0.2, "read_seconds": 0.2, "timeout_seconds": 0.5, "hold_seconds": 12}
    with agent(schedule, root=layered.root) as running:
        good = running.metrics()
        assert class_in(good) == "packages"
        with stopped_disk(layered.sysroot.path / where):
            late = 'layercensus_read_errors_total{reason="timeout"}'
            failing = running.wait_until(lambda found: found[late] > 0)
            assert same(without_reads(failing), without_reads(good))
            assert failing["layercensus_read_success"] == 0
            old = running.wait_until(lambda found: class_in(found) == "unknown")
            assert str(old[NON_EXTENSION]) == "nan"
            assert old[late] > 1
            assert children_of(running) <= 3
            assert running.ask("/healthz")[0] == 200
        healed = running.wait_until(lambda found: found["layercensus_read_success"] == 1)
        assert same(without_reads(healed), without_reads(good))


def test_it_stops_while_a_read_hangs(layered: Host) -> None:
    with agent(QUICK, root=layered.root) as running:
        running.metrics()
        with stopped_disk(layered.sysroot.path / "ostree/deploy"):
            wait_for(lambda: children_of(running) or None)
            assert running.stop() == 0


def test_nothing_is_written_to_the_host(layered: Host) -> None:
    before = tree(layered.sysroot.path)
    with agent({"look_seconds": 0.2, "read_seconds": 0.2}, root=layered.root) as running:
        first = running.metrics()["layercensus_read_timestamp_seconds"]
        running.wait_until(lambda found: found["layercensus_read_timestamp_seconds"] > first)
    assert tree(layered.sysroot.path) == before


def tree(folder: Path) -> set[tuple[str, int, int]]:
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return {(str(path), status.st_mtime_ns, status.st_ctime_ns) for path, status in found}
