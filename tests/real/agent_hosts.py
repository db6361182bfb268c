"""Hosts over real ostree sysroots, and the root below which an agent sees each: for tests of the agent.

What was deployed is written here by hand; what `inspect` says of the same root is asked of a process of its own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.agent.running import parse
from tests.real.prometheus_server import format_series
from tests.real.sysroots import SOURCE, Row, Sysroot, client_layer, text_of_rows

ORIGIN = "[origin]\nrefspec=rhcos:base\n"
EXTENSION_ORIGIN = f"{ORIGIN}\n[packages]\nrequested=usbguard;\n"
LAYERED_ORIGIN = f"{ORIGIN}\n[packages]\nrequested=strange-tool;usbguard;\n"
# What the machine config daemon of 4.14 asks for to switch to the realtime kernel (docs/upstream.md).
REALTIME_INSTALLS = ("kernel-rt-core", "kernel-rt-kvm", "kernel-rt-modules", "kernel-rt-modules-extra")
REALTIME_REMOVALS = ("kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra")
REALTIME_ORIGIN = (
    f"{ORIGIN}\n[packages]\nrequested={';'.join(REALTIME_INSTALLS)};\n\n"
    f"[overrides]\nremove={';'.join(REALTIME_REMOVALS)};\n"
)


def row(name: str, version: str = "1.0") -> Row:
    """A package of the base image or of a layer."""
    return (name, "0", version, "1.el9", "x86_64")


BASE = (row("bash", "5.1.8"), *(row(name, "5.14.0") for name in REALTIME_REMOVALS))


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that is gone afterwards: ostree marks its deployments immutable."""
    folder = Path(tempfile.mkdtemp(prefix="layercensus-agent-"))
    try:
        yield folder
    finally:
        for deployment in folder.glob("*/ostree/deploy/*/deploy/*"):
            subprocess.run(["chattr", "-i", str(deployment)], capture_output=True, check=False)
        shutil.rmtree(folder)


class Host:
    """A sysroot with one deployment, and the root below which an agent sees it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.sysroot = Sysroot(folder / name)
        self.root = folder / f"{name}-root"
        self.base = self.sysroot.commit(
            {"version": "'414.92.202405282322-0'", "rpmostree.rpmdb.pkglist": text_of_rows(BASE)}
        )
        self.folder = Path()

    def boot(self, checksum: str, origin: str) -> "Host":
        self.folder = self.sysroot.deploy(checksum, origin)
        (self.root / "etc").mkdir(parents=True)
        (self.root / "sysroot").symlink_to(self.sysroot.path)
        # The very file, as a mount would show it.
        (self.root / "etc/machine-id").hardlink_to(self.folder / "etc/machine-id")
        return self

    def layer(self, *packages: str, removed: tuple[str, ...] = ()) -> str:
        """A client layer on the base: these packages installed, those of the base removed."""
        rows = [*(one for one in BASE if one[0] not in removed), *map(row, packages)]
        gone = [one for one in BASE if one[0] in removed]
        return self.sysroot.commit(client_layer(rows, packages=packages, removed=gone), parent=self.base)

    @property
    def origin(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.origin")

    def bump(self) -> None:
        """As libostree does after each write."""
        os.utime(self.sysroot.path / "ostree/deploy")

    def inspect(self) -> dict[str, float]:
        """Its metrics as `inspect` says them, in a process of its own."""
        program = [sys.executable, "-m", "layercensus", "inspect", "--root", str(self.root), "--format", "prometheus"]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        return parse(subprocess.run(program, capture_output=True, text=True, check=False, env=environment).stdout)


def clean_host(folder: Path, name: str = "clean") -> Host:
    """Nothing beyond the base image."""
    host = Host(folder, name)
    return host.boot(host.base, ORIGIN)


def layered_host(folder: Path) -> Host:
    """An extension, and a package that is none."""
    host = Host(folder, "layered")
    return host.boot(host.layer("strange-tool", "usbguard"), LAYERED_ORIGIN)


def extension_host(folder: Path) -> Host:
    """An extension and nothing else."""
    host = Host(folder, "extension")
    return host.boot(host.layer("usbguard"), EXTENSION_ORIGIN)


def realtime_host(folder: Path) -> Host:
    """The realtime kernel as the machine config daemon installs it."""
    host = Host(folder, "realtime")
    return host.boot(host.layer(*REALTIME_INSTALLS, removed=REALTIME_REMOVALS), REALTIME_ORIGIN)


def same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Equal, NaN being equal to NaN."""
    return {series: str(value) for series, value in one.items()} == {key: str(value) for key, value in other.items()}


def without_reads(metrics: Mapping[str, float]) -> dict[str, float]:
    """The facts: what says how reads went is left out."""
    return {series: value for series, value in metrics.items() if not series.startswith("layercensus_read_")}


def as_scraped(metrics: Mapping[str, float]) -> dict[str, float]:
    """An exposition as Prometheus has it: labels sorted, those without a value dropped."""
    found = {}
    for series, value in metrics.items():
        name, _, labels = series.partition("{")
        pairs = [part.split("=", 1) for part in labels.rstrip("}").split(",") if part]
        found[format_series(name, {key: text.strip('"') for key, text in pairs})] = value
    return found
