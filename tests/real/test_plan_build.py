"""Plans built for real: RPMs from rpmbuild, signed, in repositories; a Debian with dnf; buildah; the rpmdb of the result.

What no build here can have is an OS image of a release: `ostree` and `bootc` in the base are programs that only write down
how they were called, and so is `rpm-ostree`, which beside that does with rpm and dnf what its name asks for. dnf, rpm,
repositories, keys, COPY and the shell are the real ones. What must be installed afterwards is typed by hand.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.conftest import build_deployment, build_status
from tests.real.container_engine import Engine, engine_scratch, skip, unpack_debian

from layercensus.cli import main

pytestmark = pytest.mark.real

PROGRAMS = {
    "apt-get": "apt", "debootstrap": "debootstrap", "buildah": "buildah", "podman": "podman", "rpmbuild": "rpm",
    "rpmsign": "rpm", "createrepo_c": "createrepo-c", "gpg": "gnupg",
}  # fmt: skip
LOUDLY = "NO PLAN WAS BUILT"
BASE = "localhost/os-base:latest"
DATABASE = "/var/lib/rpm"
UNUSED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man")

# Name, epoch:version-release, what it needs. Of a machine that runs an agent, a tool, a hotfix and a newer editor.
BASE_PACKAGES = ("git-core 1-1", "keep 1-1", "nano 5.6-6", "vim-minimal 2:8.2-20", "fonts 1-1")
MIRROR = ("autofs 5.1-1 autofs-libs", "autofs-libs 5.1-1", "agent-libs 1-1", "nano 8.0-1", "nano 5.6-6")
UPDATES = ("vim-minimal 2:8.2-21", "vim-minimal 2:8.2-20")
GIVEN = ("agent 7.16.0-1 agent-libs", "nano 7.2-1", "editor 1:2.0-1")
# What the machine has after all of that, in the order of names.
LAYERED = [
    "agent-7.16.0-1.noarch", "agent-libs-1-1.noarch", "autofs-5.1-1.noarch", "autofs-libs-5.1-1.noarch",
    "editor-1:2.0-1.noarch", "fonts-1-1.noarch", "keep-1-1.noarch", "nano-7.2-1.noarch", "vim-minimal-2:8.2-21.noarch",
]  # fmt: skip
MACHINE = {
    "arch": "x86_64",
    "repo": ["autofs"],
    "local": ["agent-7.16.0-1.noarch"],
    "forced": ["editor-1:2.0-1.noarch"],
    "removed": ["git-core"],
    "replaced": [("nano-7.2-1.noarch", "nano-5.6-6.noarch")],
    "remote": [("updates", "vim-minimal-2:8.2-21.noarch", "vim-minimal-2:8.2-20.noarch")],
}
SPEC = """
Name: {name}
Version: {version}
Release: {release}
{epoch}
Summary: made for a test
License: none
BuildArch: noarch
AutoReqProv: no
{requires}
%description
None.
%install
mkdir -p %{{buildroot}}/usr/share/{name}
echo {name} {version} > %{{buildroot}}/usr/share/{name}/version
%files
/usr/share/{name}
"""
KEY = "%no-protection\nKey-Type: RSA\nKey-Length: 2048\nName-Real: test\nName-Email: test@example.com\n%commit\n"
REPOSITORIES = """
[mirror]
name=mirror
baseurl=file:///srv/mirror
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-test

[updates]
name=updates
baseurl=file:///srv/updates
gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-test
"""
STAND_IN = '#!/bin/sh\necho "{name} $*" >> /called\n'
RPM_OSTREE = r"""#!/bin/sh -e
echo "rpm-ostree $*" >> /called
case "$1 $2" in
"override remove") shift 2; rpm -e "$@" ;;
"override replace")
    shift 2
    case "$1" in
    --experimental) repo="${3#repo=}"; shift 3; dnf -y distro-sync --disablerepo='*' "--enablerepo=$repo" "$@" ;;
    *) rpm -U --oldpackage "$@" ;;
    esac ;;
install\ *) shift; dnf -y install "$@" ;;
"cleanup -m") dnf clean all ;;
*) echo "no rpm-ostree takes this: $*" >&2; exit 1 ;;
esac
"""


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    missing = [f"{name} (Debian package: {package})" for name, package in PROGRAMS.items() if not shutil.which(name)]
    if missing:
        skip(f"{LOUDLY}, missing: {', '.join(missing)}")


@dataclass(frozen=True)
class Workshop:
    """Where RPMs are made: a key, files by NEVRA."""

    folder: Path
    files: Mapping[str, Path]
    key: Path

    def put(self, packages: Sequence[str], folder: Path) -> None:
        """Copy RPM files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for package in packages:
            shutil.copy(self.files[package], folder)


def make_rpms(folder: Path) -> Workshop:
    """Every package above, built and signed."""
    home = folder / "gpg"
    home.mkdir(mode=0o700, parents=True)
    run("gpg", "--homedir", home, "--batch", "--gen-key", stdin=KEY)
    key = folder / "RPM-GPG-KEY-test"
    key.write_text(run("gpg", "--homedir", home, "--armor", "--export"))
    files = {}
    for package in dict.fromkeys((*BASE_PACKAGES, *MIRROR, *UPDATES, *GIVEN)):
        name, evr, *needs = package.split()
        epoch, _, rest = evr.rpartition(":")
        version, release = rest.split("-")
        spec = folder / f"{name}-{rest}.spec"
        lines = {
            "epoch": f"Epoch: {epoch}" if epoch else "",
            "requires": "".join(f"Requires: {each}\n" for each in needs),
        }
        spec.write_text(SPEC.format(name=name, version=version, release=release, **lines))
        run(
            "rpmbuild",
            "-bb",
            "--quiet",
            "--define",
            f"_topdir {folder}/build",
            "--define",
            f"_rpmdir {folder}/out",
            spec,
        )
        files[package] = folder / "out" / "noarch" / f"{name}-{rest}.noarch.rpm"
    gpg = ("--define", "_gpg_name test@example.com", "--define", f"__gpg {shutil.which('gpg')}")
    run("rpmsign", *gpg, "--define", f"_gpg_path {home}", "--addsign", *files.values())
    return Workshop(folder, files, key)


def run(*arguments: str | Path, stdin: str = "") -> str:
    command = list(map(str, arguments))
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


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
def workshop(scratch: Path) -> Workshop:
    return make_rpms(scratch / "workshop")


@pytest.fixture(scope="module")
def base(engine: Engine, scratch: Path, workshop: Workshop) -> str:
    """A Debian with dnf whose rpmdb has the packages of the base, with mirrors below /srv and the stand-ins."""
    top = unpack_debian(scratch / "base", LOUDLY)
    shutil.copy("/etc/resolv.conf", top / "etc/resolv.conf")
    done = engine.attempt("chroot", top, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q",
                          "--no-install-recommends", "dnf", "rpm")  # fmt: skip
    if done.returncode:
        skip(f"{LOUDLY}, apt-get in the base: {(done.stdout + done.stderr)[-2000:]}")
    workshop.put(BASE_PACKAGES, top / "srv/base")
    for name, packages in {"mirror": MIRROR, "updates": UPDATES}.items():
        workshop.put(packages, top / "srv" / name)
        run("createrepo_c", "--quiet", top / "srv" / name)
    # Debian's rpm keeps a database for each user.
    (top / "etc/rpm").mkdir(exist_ok=True)
    (top / "etc/rpm/macros").write_text(f"%_dbpath {DATABASE}\n")
    engine.run("chroot", top, "sh", "-c", "rpm -i --nosignature /srv/base/*.rpm")
    for name, text in {"ostree": STAND_IN, "bootc": STAND_IN}.items():
        (top / "usr/bin" / name).write_text(text.format(name=name))
        (top / "usr/bin" / name).chmod(0o755)
    (top / "usr/bin/rpm-ostree").write_text(RPM_OSTREE)
    (top / "usr/bin/rpm-ostree").chmod(0o755)
    excluded = [f"--exclude=./{name}" for name in UNUSED]
    engine.run("tar", "-C", top, *excluded, "-cf", scratch / "base.tar", ".")
    engine.run("podman", "import", scratch / "base.tar", BASE)
    return BASE


def plan(folder: Path, version: str, *options: str) -> str:
    """What the plan of the machine prints, its status put into a file first."""
    status = folder / "worker-0.json"
    status.write_text(build_status(build_deployment(version=version, **MACHINE)))  # type: ignore[arg-type]
    out = StringIO()
    with redirect_stdout(out):
        assert main(["plan", str(status), *options]) == 0
    return out.getvalue()


def build(engine: Engine, folder: Path, workshop: Workshop, containerfile: str, name: str) -> str:
    """An image of a Containerfile with what the plan says must lie beside it; without a network."""
    (folder / "Containerfile").write_text(containerfile)
    workshop.put(GIVEN, folder / "rpms")
    (folder / "repos").mkdir()
    (folder / "repos/nodes.repo").write_text(REPOSITORIES)
    (folder / "keys").mkdir()
    shutil.copy(workshop.key, folder / "keys")
    image = f"localhost/{name}:latest"
    engine.run(
        "unshare", "--net", "buildah", "bud", "--isolation", "chroot", "--layers=false", "--build-arg", f"BASE={BASE}",
        "--file", folder / "Containerfile", "--tag", image, folder,
    )  # fmt: skip
    return image


def look(engine: Engine, image: str) -> tuple[list[str], list[str], set[str]]:
    """Packages of an image's rpmdb but for keys, what the stand-ins were called with, and what is left in /tmp."""
    top = Path(engine.run("podman", "image", "mount", image).strip())
    query = (
        "rpm",
        "--dbpath",
        f"{top}{DATABASE}",
        "-qa",
        "--qf",
        "%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}\\n",
    )
    packages = [line for line in run(*query).splitlines() if not line.startswith("gpg-pubkey")]
    called = (top / "called").read_text().splitlines()
    return sorted(packages), called, {path.name for path in (top / "tmp").iterdir()}


def test_a_build_with_dnf_has_the_packages_of_the_machine(
    engine: Engine, base: str, workshop: Workshop, tmp_path: Path
) -> None:
    text = plan(tmp_path, "9.6.20251015-1", "--release", "4.20", "--format", "containerfile", "--everything")
    packages, called, left = look(engine, build(engine, tmp_path, workshop, text, "with-dnf"))
    assert packages == LAYERED
    assert called == ["ostree container commit"]
    assert "layercensus" not in left


def test_a_build_with_rpm_ostree_has_them_too(engine: Engine, base: str, workshop: Workshop, tmp_path: Path) -> None:
    text = plan(tmp_path, "416.94.202406172220-0", "--format", "containerfile", "--everything")
    packages, called, _ = look(engine, build(engine, tmp_path, workshop, text, "with-rpm-ostree"))
    assert packages == LAYERED
    assert called[0] == "rpm-ostree override remove git-core"
    assert called[-1] == "ostree container commit"
    assert sum(line.startswith("rpm-ostree") for line in called) == len(called) - 1


def test_a_package_that_nobody_has_fails_the_build_and_not_the_node(
    engine: Engine, base: str, workshop: Workshop, tmp_path: Path
) -> None:
    """A repository that is no longer configured: the build says so before anything is rolled out."""
    text = plan(tmp_path, "9.6.20251015-1", "--release", "4.20", "--format", "containerfile", "--everything")
    with pytest.raises(RuntimeError, match="gone-away"):
        build(engine, tmp_path, workshop, text.replace("      autofs", "      gone-away"), "fails")


def test_the_recipe_names_what_the_status_asks_for(tmp_path: Path) -> None:
    document = json.loads(plan(tmp_path, "9.6.20251015-1", "--release", "4.20", "--format", "json", "--everything"))
    recipe = document["pools"][0]["recipe"]
    assert (recipe["install"], recipe["install_local"]) == (["autofs"], ["agent-7.16.0-1.noarch"])
    assert (recipe["remove"], recipe["replace_local"]) == (["git-core"], ["nano-7.2-1.noarch"])
    assert recipe["replace_remote"] == [{"repository": "updates", "name": "vim-minimal"}]
