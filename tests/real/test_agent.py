"""Agents over real ostree sysroots, scraped by a real Prometheus; hosts that change, break and stop under them.

What is expected is typed by hand from what was deployed, or what `inspect` says of the same root.
"""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.certificates import MISSING, OPENSSL, Authority
from tests.agent.running import DEADLINE_SECONDS, SOURCE, Running, agent, class_in, parse, run_to_end, wait_for
from tests.real.sysroots import NOBODY, Row, Sysroot, client_layer, missing_programs, text_of_rows

pytestmark = pytest.mark.real

ORIGIN = "[origin]\nrefspec=rhcos:base\n"
LAYERED_ORIGIN = f"{ORIGIN}\n[packages]\nrequested=strange-tool;usbguard;\n"
BASH: Row = ("bash", "0", "5.1.8", "6.el9", "x86_64")
TOOL: Row = ("strange-tool", "0", "1.0", "1.el9", "x86_64")
USBGUARD: Row = ("usbguard", "0", "1.0.0", "15.el9", "x86_64")
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
    """A folder that is gone afterwards: ostree marks its deployments immutable."""
    folder = Path(tempfile.mkdtemp(prefix="layercensus-agent-"))
    yield folder
    for deployment in folder.glob("*/ostree/deploy/*/deploy/*"):
        subprocess.run(["chattr", "-i", str(deployment)], capture_output=True, check=False)
    shutil.rmtree(folder)


class Host:
    """A sysroot with one deployment, and the root below which an agent sees it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.sysroot = Sysroot(folder / name)
        self.root = folder / f"{name}-root"
        self.base = self.sysroot.commit(
            {"version": "'414.92.202405282322-0'", "rpmostree.rpmdb.pkglist": text_of_rows([BASH])}
        )
        self.folder = Path()

    def boot(self, checksum: str, origin: str) -> None:
        self.folder = self.sysroot.deploy(checksum, origin)
        (self.root / "etc").mkdir(parents=True)
        (self.root / "sysroot").symlink_to(self.sysroot.path)
        # The very file, as a mount would show it.
        (self.root / "etc/machine-id").hardlink_to(self.folder / "etc/machine-id")

    def layer(self) -> str:
        rows = [BASH, TOOL, USBGUARD]
        return self.sysroot.commit(client_layer(rows, packages=["strange-tool", "usbguard"]), parent=self.base)

    @property
    def origin(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.origin")

    def bump(self) -> None:
        """As libostree does after each write."""
        os.utime(self.sysroot.path / "ostree/deploy")

    def inspect(self) -> dict[str, float]:
        program = [sys.executable, "-m", "layercensus", "inspect", "--root", str(self.root), "--format", "prometheus"]
        return parse(subprocess.run(program, capture_output=True, text=True, check=False).stdout)


@pytest.fixture
def clean(scratch: Path) -> Host:
    host = Host(scratch, "clean")
    host.boot(host.base, ORIGIN)
    return host


@pytest.fixture
def layered(scratch: Path) -> Host:
    host = Host(scratch, "layered")
    host.boot(host.layer(), LAYERED_ORIGIN)
    return host


def same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return {series: str(value) for series, value in one.items()} == {key: str(value) for key, value in other.items()}


def without_reads(metrics: Mapping[str, float]) -> dict[str, float]:
    return {series: value for series, value in metrics.items() if not series.startswith("layercensus_read_")}


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
    program = shutil.which("promtool")
    if program is None:
        skip("NO PROMTOOL CHECKED AN AGENT, missing: promtool (Debian package: prometheus)")
    with agent(root=layered.root, package_metrics=True) as running:
        running.metrics()
        text = running.ask()[1]
    done = subprocess.run([str(program), "check", "metrics"], input=text, capture_output=True, text=True, check=False)
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
        clean.sysroot.deploy(clean.layer(), LAYERED_ORIGIN)
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


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str], **settings: object) -> Iterator[str]:
    """A Prometheus that scrapes these instances each second, with settings for all; its address."""
    program = shutil.which("prometheus")
    if program is None:
        skip("NO PROMETHEUS SCRAPED AN AGENT, missing: prometheus (Debian package: prometheus)")
    folder.mkdir()
    jobs = [
        {"job_name": name, "scrape_interval": "1s", "static_configs": [{"targets": [target]}], **settings}
        for name, target in targets.items()
    ]
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": jobs}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            str(program), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={address}", "--log.level=error",
        ]
    )  # fmt: skip
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def scraped(address: str, job: str) -> dict[str, float] | None:
    """Series of one agent as Prometheus has them, in the form of an exposition."""
    query = urlencode({"query": f'{{job="{job}",__name__=~"layercensus_.+"}}'})
    try:
        with urlopen(f"{address}/api/v1/query?{query}", timeout=DEADLINE_SECONDS) as answer:
            results = json.load(answer)["data"]["result"]
    except OSError:
        return None
    found = {}
    for result in results:
        labels = {key: value for key, value in result["metric"].items() if key not in {"job", "instance"}}
        name = labels.pop("__name__")
        found[(name, frozenset(item for item in labels.items() if item[1]))] = float(result["value"][1])
    return {f"{name}{sorted(labels)}": value for (name, labels), value in found.items()} or None


def as_scraped(metrics: Mapping[str, float]) -> dict[str, float]:
    """An exposition in the same form: Prometheus drops labels without a value."""
    found = {}
    for series, value in metrics.items():
        name, _, labels = series.partition("{")
        pairs = [part.split("=", 1) for part in labels.rstrip("}").split(",") if part]
        found[f"{name}{sorted((key, text.strip(chr(34))) for key, text in pairs if text != chr(34) * 2)}"] = value
    return found


def test_a_prometheus_has_what_inspect_says_before_and_after_a_change(
    clean: Host, layered: Host, scratch: Path
) -> None:
    with agent(QUICK, root=clean.root) as one, agent(QUICK, root=layered.root) as two:
        targets = {"clean": f"127.0.0.1:{one.port}", "layered": f"127.0.0.1:{two.port}"}
        with prometheus(scratch / "prometheus", targets) as address:
            for job, host in (("clean", clean), ("layered", layered)):
                expected = as_scraped(host.inspect())
                assert expected
                got = wait_for(lambda job=job: scraped(address, job))  # type: ignore[misc]
                assert same(without_reads(got), expected)
                assert got["layercensus_read_success[]"] == 1
            clean.sysroot.deploy(clean.layer(), LAYERED_ORIGIN)
            expected = as_scraped(clean.inspect())
            assert expected["layercensus_staged_changes[('verdict', 'non_extension')]"] == 1
            wait_for(lambda: same(without_reads(scraped(address, "clean") or {}), expected) or None)


def test_a_prometheus_scrapes_through_tls_while_authorities_rotate(layered: Host, scratch: Path) -> None:
    if OPENSSL is None:
        skip(MISSING)
    folder = scratch / "tls"
    folder.mkdir()
    old, new, serving = (Authority(folder, name) for name in ("old", "new", "serving"))
    scraper = "system:serviceaccount:openshift-monitoring:prometheus-k8s"
    certificate, key = serving.issue("server", "server")
    pairs = {"by-old": old.issue("a", scraper), "by-new": new.issue("b", scraper), "other": old.issue("c", "other")}
    trusted = folder / "client-ca.crt"
    trusted.write_text(old.certificate.read_text())
    options: dict[str, Any] = {"tls_cert": certificate, "tls_key": key, "client_ca": trusted, "client_cn": [scraper]}
    with agent(root=layered.root, **options) as running, ExitStack() as stack:
        target = f"127.0.0.1:{running.port}"
        addresses = {}
        for name, (client_certificate, client_key) in pairs.items():
            tls = {"ca_file": serving.certificate, "cert_file": client_certificate, "key_file": client_key}
            settings = {"scheme": "https", "tls_config": {key: str(path) for key, path in tls.items()}}
            one = prometheus(scratch / f"prometheus-{name}", {name: target}, **settings)
            addresses[name] = stack.enter_context(one)

        def reaches(*expected: str) -> bool | None:
            up = {name for name, address in addresses.items() if is_up(address, name)}
            return up == set(expected) or None

        wait_for(lambda: reaches("by-old"))
        assert same(without_reads(scraped(addresses["by-old"], "by-old") or {}), as_scraped(layered.inspect()))
        assert scraped(addresses["other"], "other") is None
        assert scraped(addresses["by-new"], "by-new") is None
        replace_file(trusted, old.certificate.read_text() + new.certificate.read_text())
        wait_for(lambda: reaches("by-old", "by-new"))
        replace_file(trusted, new.certificate.read_text())
        wait_for(lambda: reaches("by-new"))


def replace_file(path: Path, text: str) -> None:
    beside = path.with_suffix(".beside")
    beside.write_text(text)
    beside.replace(path)


def is_up(address: str, job: str) -> bool:
    try:
        with urlopen(f"{address}/api/v1/query?{urlencode({'query': f'up{{job={json.dumps(job)}}}'})}") as answer:
            results = json.load(answer)["data"]["result"]
    except OSError:
        return False
    return bool(results) and results[0]["value"][1] == "1"
