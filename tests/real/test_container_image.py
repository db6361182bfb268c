"""The agent's image, built from `deploy/Containerfile` and run over a real ostree sysroot as its pod runs it.

The base is a Debian made here, since no registry can be counted on: not the base that the Containerfile names, but
set up as that one is. What is expected is typed by hand, or is what `inspect` says of the same root outside.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import class_in, parse, wait_for
from tests.real.agent_hosts import Host, layered_host, same, without_reads
from tests.real.container_engine import Engine, engine_scratch, skip, unpack_debian
from tests.real.sysroots import OSNAME, missing_programs

pytestmark = pytest.mark.real

PROJECT = Path(__file__).parents[2]
CONTAINERFILE = PROJECT / "deploy" / "Containerfile"
PROGRAMS = {"apt-get": "apt", "debootstrap": "debootstrap", "buildah": "buildah", "podman": "podman", "runc": "runc"}
BASE = "localhost/base:latest"
# As the public Dockerfile of ubi9/python-312-minimal has it: python3 is that of an environment which user 1001 owns.
BASE_SETTINGS = (
    "ENV PATH=/opt/app-root/bin:/usr/local/bin:/usr/bin:/bin", "ENV HOME=/opt/app-root/src", "USER 1001",
    "ENTRYPOINT /of/the/base", "CMD /of/the/base", "LABEL name=base",
)  # fmt: skip
UNUSED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man")
OURS = "/opt/layercensus"
# On top of the base: about twice what it is today.
LIMIT_BYTES = 6_000_000
NON_EXTENSION = 'layercensus_changes{verdict="non_extension",kind="install"}'
EXTENSION = 'layercensus_changes{verdict="extension",kind="install"}'

# The user is the image's own.
UNPRIVILEGED = ("--network", "none", "--cap-drop", "all", "--security-opt", "no-new-privileges")
# A pod gets no scratch space beside its root unless it asks for it.
AS_A_POD = (*UNPRIVILEGED, "--read-only", "--read-only-tmpfs=false")
WRITABLE = """
import os
device = os.stat("/").st_dev
for folder, names, files in os.walk("/"):
    paths = {name: os.path.join(folder, name) for name in (*names, *files)}
    names[:] = [name for name in names if os.lstat(paths[name]).st_dev == device]
    for path in (folder, *paths.values()):
        if os.lstat(path).st_dev == device and not os.path.islink(path) and os.access(path, os.W_OK):
            print(path)
"""
DISTRIBUTIONS = f"""
import json, sys
from importlib.metadata import distributions
print(json.dumps([found.metadata["Name"] for found in distributions(path=[*sys.path, {OURS!r}])]))
"""
ASK = """
from urllib.request import urlopen
print(urlopen("http://127.0.0.1:9464/metrics").read().decode(), end="")
"""


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    missing = [f"{name} (Debian package: {package})" for name, package in PROGRAMS.items() if not shutil.which(name)]
    if others := missing_programs():
        missing.append(others)
    if missing:
        skip(f"NO IMAGE OF THE AGENT WAS BUILT, missing: {', '.join(missing)}")


def build(engine: Engine, program: str, context: Path) -> str:
    """An image of that folder's wheel, by one of the two programs; its name."""
    name = f"localhost/layercensus:{program}"
    verb = {"buildah": "bud", "podman": "build"}[program]
    engine.run(
        program, verb, "--isolation", "chroot", "--layers=false", "--build-arg", f"BASE={BASE}",
        "--file", CONTAINERFILE, "--tag", name, context,
    )  # fmt: skip
    return name


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    with engine_scratch() as folder:
        yield folder


@pytest.fixture(scope="module")
def engine(scratch: Path) -> Iterator[Engine]:
    folder = scratch / "engine"
    folder.mkdir()
    found = Engine(folder)
    found.start()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def base(engine: Engine, scratch: Path) -> str:
    """A minimal Debian with Python, of the release and from the mirror of this machine's own apt."""
    top = unpack_debian(scratch / "base", "NO IMAGE OF THE AGENT WAS BUILT")
    engine.run("chroot", top, "python3", "-m", "venv", "--without-pip", "/opt/app-root")
    engine.run("chroot", top, "chown", "-R", "1001:0", "/opt/app-root")
    excluded = [f"--exclude=./{name}" for name in UNUSED]
    engine.run("tar", "-C", top, *excluded, "-cf", scratch / "base.tar", ".")
    engine.run("podman", "import", *(f"--change={line}" for line in BASE_SETTINGS), scratch / "base.tar", BASE)
    return BASE


@pytest.fixture(scope="module")
def context(scratch: Path) -> Path:
    """The folder that an image is built from: the wheel, made without a network."""
    folder = scratch / "dist"
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(PROJECT)], check=True
    )
    return folder


@pytest.fixture(scope="module")
def image(engine: Engine, base: str, context: Path) -> str:
    return build(engine, "buildah", context)


@pytest.fixture(scope="module")
def host(scratch: Path) -> Host:
    return layered_host(scratch)


@pytest.fixture(scope="module")
def mounts(scratch: Path, host: Host) -> tuple[str, ...]:
    """What the DaemonSet mounts: two paths of the host, and an empty folder over the host's /var."""
    empty = scratch / "empty"
    empty.mkdir()
    pairs = {
        host.sysroot.path / "ostree": "/host/sysroot/ostree",
        host.folder / "etc/machine-id": "/host/etc/machine-id",
        empty: f"/host/sysroot/ostree/deploy/{OSNAME}/var",
    }
    return tuple(f"--volume={outside}:{inside}:ro" for outside, inside in pairs.items())


def test_inspect_in_a_container_says_what_inspect_says_outside(
    engine: Engine, image: str, mounts: tuple[str, ...], host: Host
) -> None:
    arguments = ("inspect", "--root", "/host", "--format", "prometheus")
    found = parse(engine.run("podman", "run", "--rm", *AS_A_POD, *mounts, image, *arguments))
    assert class_in(found) == "packages"
    assert (found[NON_EXTENSION], found[EXTENSION]) == (1, 1)
    assert same(found, host.inspect())


def test_an_agent_in_a_container_serves_the_same_without_privileges_and_ends_when_told(
    engine: Engine, image: str, mounts: tuple[str, ...], host: Host
) -> None:
    arguments = ("agent", "--root", "/host")
    container = engine.run("podman", "run", "--detach", *AS_A_POD, *mounts, image, *arguments).strip()

    def ask() -> dict[str, float] | None:
        done = engine.attempt("podman", "exec", container, "python3", "-I", "-S", "-c", ASK)
        return parse(done.stdout) if done.returncode == 0 else None

    found = wait_for(ask)
    assert found["layercensus_read_success"] == 1
    assert same(without_reads(found), without_reads(host.inspect()))
    pid = engine.run("podman", "inspect", "--format", "{{.State.Pid}}", container).strip()
    facts = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert facts["Uid"].split() == facts["Gid"].split() == ["65534"] * 4
    assert {int(facts[key], 16) for key in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {0}
    assert facts["NoNewPrivs"].strip() == "1"
    assert facts["Seccomp"].strip() == "2"
    # One that does not go in ten seconds is killed, which is exit status 137.
    engine.run("podman", "stop", "--time", "10", container)
    assert engine.run("podman", "wait", container).strip() == "0"


def test_the_self_check_holds_in_a_container(engine: Engine, image: str, mounts: tuple[str, ...]) -> None:
    arguments = ("agent", "--root", "/host", "--self-check")
    said = engine.run("podman", "run", "--rm", *AS_A_POD, *mounts, image, *arguments)
    outcomes = {
        text.partition(":")[0]: outcome for outcome, text in (line.split(None, 1) for line in said.splitlines())
    }
    assert outcomes["one deployment is told to be booted"] == "holds"
    assert outcomes["the mount of etc/machine-id passes through its deployment"] == "holds"
    assert outcomes["user and SELinux label may open the origin file"] == "holds"


# What podman-systemd.unit(5) says that a unit of Quadlet makes of each key; PodmanArgs needs control groups of its own.
QUADLET = {
    "Volume": "--volume={}", "Tmpfs": "--tmpfs={}", "ReadOnly": "--read-only={}", "ReadOnlyTmpfs": "--read-only-tmpfs={}",
    "DropCapability": "--cap-drop={}", "NoNewPrivileges": "--security-opt=no-new-privileges",
    "SecurityLabelType": "--security-opt=label=type:{}", "User": "--user={}", "Network": "--network={}",
}  # fmt: skip


def test_the_unit_for_a_machine_without_kubernetes_runs_the_agent(engine: Engine, image: str, host: Host) -> None:
    text = (PROJECT / "deploy/fedora-coreos/layercensus.container").read_text(encoding="utf-8")
    container = text.partition("[Container]")[2].partition("[Service]")[0]
    pairs = [tuple(line.split("=", 1)) for line in container.splitlines() if "=" in line and not line.startswith("#")]
    assert {key for key, _ in pairs} == {*QUADLET, "ContainerName", "Image", "Exec", "Group", "PodmanArgs"}
    here = {"/sysroot/ostree:": f"{host.sysroot.path}/ostree:", "/etc/machine-id:": f"{host.folder}/etc/machine-id:"}
    options = []
    for key, value in pairs:
        # Its loopback is the machine's; here it is a network of its own, so that no port of this machine is taken.
        found = {"host": "none", "65534": "65534:65534"}.get(value, value).replace(
            "deploy/fedora-coreos/", f"deploy/{OSNAME}/"
        )
        for one, other in here.items():
            found = found.replace(one, other, 1) if found.startswith(one) else found
        if key in QUADLET:
            options.append(QUADLET[key].format(found))
    (words,) = (value.split() for key, value in pairs if key == "Exec")
    running = engine.run("podman", "run", "--detach", *options, image, *words).strip()

    def ask() -> dict[str, float] | None:
        done = engine.attempt("podman", "exec", running, "python3", "-I", "-S", "-c", ASK)
        return parse(done.stdout) if done.returncode == 0 else None

    assert same(without_reads(wait_for(ask)), without_reads(host.inspect()))
    engine.run("podman", "stop", "--time", "10", running)


def test_an_image_is_its_base_and_one_small_folder(engine: Engine, image: str, base: str) -> None:
    below, above = engine.files(base), engine.files(image)
    added = set(above) - set(below)
    assert {path: above.get(path) for path in below} == below
    assert {path for path in added if not path.startswith(f"{OURS}/")} == {OURS} - set(below)
    version = engine.run("podman", "run", "--rm", *AS_A_POD, image, "--version").split()[1]
    top = {path.removeprefix(f"{OURS}/").partition("/")[0] for path in added if path.startswith(f"{OURS}/")}
    assert top == {"__main__.py", "__pycache__", "layercensus", f"layercensus-{version}.dist-info"}
    assert {above[path][1:3] for path in added} == {(0, 0)}
    mounted = Path(engine.run("podman", "image", "mount", image).strip())
    size = sum((mounted / path[1:]).lstat().st_size for path in added)
    print(f"{size / 1e6:.1f} MB on top of the base")
    assert size < LIMIT_BYTES


def test_an_image_has_no_package_but_ours(engine: Engine, image: str) -> None:
    assert json.loads(engine.python(image, DISTRIBUTIONS, *AS_A_POD)) == ["layercensus"]


def test_nothing_can_be_written_in_a_pod_and_nothing_of_ours_in_any_container(engine: Engine, image: str) -> None:
    assert engine.python(image, WRITABLE, *AS_A_POD) == ""
    writable = engine.python(image, WRITABLE, *UNPRIVILEGED).splitlines()
    assert "/tmp" in writable
    assert [path for path in writable if path.startswith(OURS)] == []


def test_no_source_is_compiled_where_it_runs(engine: Engine, image: str) -> None:
    options = (*AS_A_POD, "--entrypoint", "python3")
    done = engine.attempt("podman", "run", "--rm", *options, image, "-I", "-S", "-v", OURS, "agent", "--help")
    loaded = re.findall(rf"code object from '?({OURS}/[^']+\.pyc?)\b", done.stderr)
    assert len(loaded) > 3
    assert [path for path in loaded if not path.endswith(".pyc")] == []


def test_podman_builds_the_same_files_as_buildah(engine: Engine, image: str, context: Path) -> None:
    assert engine.files(build(engine, "podman", context)) == engine.files(image)


def test_an_image_without_arguments_says_what_there_is(engine: Engine, image: str) -> None:
    assert engine.run("podman", "run", "--rm", *AS_A_POD, image).startswith("usage: layercensus")


def test_labels_are_those_of_the_agent(engine: Engine, image: str) -> None:
    (facts,) = json.loads(engine.run("podman", "image", "inspect", image))
    assert facts["Labels"]["name"] == facts["Labels"]["org.opencontainers.image.title"] == "layercensus"
    assert facts["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_two_wheels_are_no_image(engine: Engine, base: str, context: Path, scratch: Path) -> None:
    two = scratch / "two"
    shutil.copytree(context, two)
    (wheel,) = two.iterdir()
    shutil.copy(wheel, two / "layercensus-0-py3-none-any.whl")
    with pytest.raises(RuntimeError, match=r"zipfile\.py: error"):
        build(engine, "buildah", two)
