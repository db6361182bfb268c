"""Real ostree sysroots made with `ostree` itself: commits as rpm-ostree and ostree-ext write them, real deployments.

Used by tests and by the bench. Nothing here comes from our own readers: metadata is given in GVariant's text form and
written by GLib, origin files are deployed by ostree, rpm databases are made by rpmbuild and rpm.
"""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from layercensus.model import Machine

SOURCE = Path(__file__).parents[2] / "src"
OSNAME = "rhcos"
PROGRAMS = {"ostree": "ostree", "rpmbuild": "rpm", "rpm": "rpm", "unshare": "util-linux", "setpriv": "util-linux"}
# Fields of a package list: name, epoch, version, release, architecture.
Row = tuple[str, str, str, str, str]

READER = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, "/mnt/source")
from layercensus.host.live.sysroot import read_sysroot
machine = read_sysroot(Path("/mnt/host"))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
facts = {key: status[key].split() for key in ("Uid", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs")}
sys.stdout.buffer.write(pickle.dumps((machine, facts)))
"""
NOBODY = ("--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all", "--inh-caps", "-all")


# `rpm-ostree rollback`, and `ostree admin set-default` of later releases: the same deployments in another order.
REVERSE = """
import sys
import gi
gi.require_version("OSTree", "1.0")
from gi.repository import Gio, OSTree
sysroot = OSTree.Sysroot.new(Gio.File.new_for_path(sys.argv[1]))
sysroot.load(None)
sysroot.write_deployments(list(reversed(sysroot.get_deployments())), None)
"""


def missing_programs() -> str | None:
    """What these sysroots need and this machine has not."""
    missing = [
        f"{name} (Debian package: {package})" for name, package in PROGRAMS.items() if shutil.which(name) is None
    ]
    introspection = "import gi; gi.require_version('OSTree', '1.0')"
    if subprocess.run(["/usr/bin/python3", "-c", introspection], capture_output=True, check=False).returncode:
        missing.append("OSTree for /usr/bin/python3 (Debian packages: python3-gi, gir1.2-ostree-1.0)")
    if os.geteuid() != 0:
        missing.append("root, which deploying and mount namespaces need")
    return ", ".join(missing) or None


def run(*arguments: str | Path, **environment: str) -> str:
    """Run a program; its output, or an error that shows what it said."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    if done.returncode:
        raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout.strip()


def text_of_rows(rows: Iterable[Row]) -> str:
    """A package list in GVariant's text form."""
    inside = ", ".join("({})".format(", ".join(f"'{field}'" for field in row)) for row in rows)
    return f"[{inside}]" if inside else "@a(sssss) []"


def text_of_package(row: Row) -> str:
    """A package as `(sstsss)` in a variant."""
    name, epoch, version, release, arch = row
    evr = f"{epoch}:{version}" if epoch != "0" else version
    return f"<('{name}-{evr}-{release}.{arch}', '{name}', uint64 {epoch}, '{version}', '{release}', '{arch}')>"


def texts(words: Iterable[str]) -> str:
    """A list of texts in GVariant's text form."""
    inside = ", ".join(f"'{word}'" for word in words)
    return f"[{inside}]" if inside else "@as []"


def client_layer(
    rows: Iterable[Row] | None,
    *,
    packages: Sequence[str] = (),
    removed: Sequence[Row] = (),
    replaced: Sequence[tuple[Row, Row]] = (),
    remote: Mapping[str, Sequence[tuple[Row, Row]]] | None = None,
    version: str | None = "414.92.202405282322-0",
) -> dict[str, str]:
    """Metadata of a client-layered commit, version 6, as `rpmostree-core.cxx` writes it."""
    pairs = [f"({text_of_package(new)}, {text_of_package(old)})" for new, old in replaced]
    sources = [
        f"'{source}': <[{', '.join(f'({text_of_package(new)}, {text_of_package(old)})' for new, old in rows)}]>"
        for source, rows in (remote or {}).items()
    ]
    metadata = {
        "rpmostree.clientlayer": "true",
        "rpmostree.clientlayer_version": "uint32 6",
        "rpmostree.packages": texts(packages),
        "rpmostree.modules": "@as []",
        "rpmostree.removed-base-packages": f"[{', '.join(map(text_of_package, removed))}]" if removed else "@av []",
        "rpmostree.replaced-base-packages": f"[{', '.join(pairs)}]" if pairs else "@a(vv) []",
        "rpmostree.replaced-base-remote-packages": f"{{{', '.join(sources)}}}" if sources else "@a{sv} {}",
        "rpmostree.state-sha512": "'" + "0" * 128 + "'",
    }
    if rows is not None:
        metadata["rpmostree.rpmdb.pkglist"] = text_of_rows(rows)
    if version:
        metadata["version"] = f"'{version}'"
    return metadata


def container_merge(arch: str = "amd64") -> dict[str, str]:
    """Metadata of the commit as which ostree-ext deploys a container: no package list, no version, no parent."""
    config = f'{{"architecture":"{arch}","os":"linux","config":{{"Labels":{{"version":"x"}}}}}}'
    return {
        "ostree.manifest": "'" + '{"schemaVersion":2}' + "'",
        "ostree.manifest-digest": "'sha256:" + "5" * 64 + "'",
        "ostree.container.image-config": f"'{config}'",
        "ostree.importer.version": "'0.14.5'",
    }


RHCOS_RELEASE = """NAME="Red Hat Enterprise Linux CoreOS"
ID="rhcos"
ID_LIKE="rhel fedora"
VERSION="414.92.202405282322-0"
VERSION_ID="4.14"
VARIANT="CoreOS"
VARIANT_ID=coreos
OPENSHIFT_VERSION="4.14"
RHEL_VERSION="9.2"
OSTREE_VERSION='414.92.202405282322-0'
"""


@dataclass
class Sysroot:
    """A sysroot below `path`, with a run folder as a booted system has it."""

    path: Path
    run_folder: Path = field(init=False)

    def __post_init__(self) -> None:
        """Make it: an empty sysroot with one stateroot, no boot loader, modern modes."""
        self.path.mkdir()
        run("ostree", "admin", "init-fs", "--modern", self.path)
        run("ostree", "admin", "os-init", OSNAME, f"--sysroot={self.path}")
        run("ostree", "config", f"--repo={self.repo}", "set", "sysroot.bootloader", "none")
        self.run_folder = self.path.with_name(f"{self.path.name}-run")
        self.run_folder.mkdir()
        (self.run_folder / "ostree-booted").touch()

    @property
    def repo(self) -> Path:
        """The repository."""
        return self.path / "ostree" / "repo"

    def commit(
        self,
        metadata: Mapping[str, str],
        *,
        parent: str | None = None,
        files: Mapping[str, str] | None = None,
        database: Path | None = None,
        kernel: str = "5.14.0",
    ) -> str:
        """Write a bootable commit; metadata values are in GVariant's text form. The checksum."""
        tree = self.path.with_name(f"{self.path.name}-tree")
        shutil.rmtree(tree, ignore_errors=True)
        for name in ("boot", "dev", "proc", "run", "sys", "sysroot", "var", "tmp", "usr/bin", "usr/etc", "usr/lib64"):
            (tree / name).mkdir(parents=True)
        for link, target in {
            "bin": "usr/bin",
            "lib": "usr/lib",
            "lib64": "usr/lib64",
            "ostree": "sysroot/ostree",
        }.items():
            (tree / link).symlink_to(target)
        modules = tree / "usr/lib/modules" / kernel
        modules.mkdir(parents=True)
        (modules / "vmlinuz").write_text(f"kernel {kernel}")
        (modules / "initramfs.img").write_text(f"initramfs {kernel}")
        content = {"usr/etc/machine-id": "0123456789abcdef0123456789abcdef\n", "usr/lib/os-release": RHCOS_RELEASE}
        for name, text in {**content, **(files or {})}.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        if database is not None:
            (tree / "usr/share/rpm").mkdir(parents=True)
            shutil.copy(database, tree / "usr/share/rpm/rpmdb.sqlite")
        arguments = [f"--add-metadata={key}={value}" for key, value in metadata.items()]
        # Without a ref the commit would be pruned by the next write of deployments.
        branch = f"test/{len(list((self.repo / 'refs/heads').rglob('*')))}"
        return run(
            "ostree", "commit", f"--repo={self.repo}", f"--branch={branch}", "--bootable", f"--tree=dir={tree}",
            f"--parent={parent or 'none'}", *arguments,
        )  # fmt: skip

    def deploy(self, checksum: str, origin: str, *options: str) -> Path:
        """Deploy a commit with an origin file; the deployment's folder."""
        file = self.path.with_name(f"{self.path.name}.origin")
        file.write_text(origin)
        before = set(self.deployments())
        run(
            "ostree", "admin", "deploy", f"--sysroot={self.path}", f"--os={OSNAME}", f"--origin-file={file}",
            "--karg=root=UUID=1", *options, checksum,
        )  # fmt: skip
        (made,) = set(self.deployments()) - before
        return made

    def deployments(self) -> list[Path]:
        """Folders of all deployments."""
        return [path for path in (self.path / "ostree/deploy" / OSNAME).glob("deploy/*") if path.is_dir()]

    def admin(self, *arguments: str) -> str:
        """Run `ostree admin` from outside."""
        return run("ostree", "admin", *arguments, f"--sysroot={self.path}")

    def reverse_boot_order(self) -> None:
        """Make the last deployment the first to boot."""
        run("/usr/bin/python3", "-c", REVERSE, self.path)

    def in_booted(self, deployment: Path, *arguments: str) -> str:
        """Run a program in the booted deployment: its folder is `/`, in namespaces of its own."""
        script = """set -e
            mount --make-rprivate /
            mount --bind "$DEPLOYMENT" /mnt
            for name in usr dev; do mount --rbind /$name /mnt/$name; done
            mount --bind "$SYSROOT" /mnt/sysroot
            mount --bind "$SYSROOT/boot" /mnt/boot
            mount --bind "$SYSROOT/ostree/deploy/$OSNAME/var" /mnt/var
            mkdir -p /mnt/var/tmp
            mount --bind "$RUN" /mnt/run
            mount -t proc proc /mnt/proc
            exec chroot /mnt "$@"
        """
        return run(
            "unshare", "-m", "-p", "-f", "sh", "-c", script, "sh", *arguments,
            DEPLOYMENT=str(deployment), SYSROOT=str(self.path), RUN=str(self.run_folder), OSNAME=OSNAME,
        )  # fmt: skip

    def read(
        self,
        deployment: Path | None,
        *,
        nobody: bool = True,
        with_run: bool = True,
        with_boot: bool = True,
        whole_root: bool = False,
        prepare: str = "",
    ) -> Machine:
        """Read it as a pod does: a file of the booted deployment's `/etc` and /sysroot/ostree, mounted read-only.

        Without a deployment no file of /etc is mounted. `whole_root`: the deployment itself is mounted as the root, as
        a host sees itself. `prepare` is run before the reader starts, in its mount namespace.
        """
        script = """set -e
            mount --make-rprivate /
            mount -t tmpfs tmpfs /mnt
            mkdir -p /mnt/host
            if [ -n "$WHOLE" ]; then mount --bind "$DEPLOYMENT" /mnt/host; fi
            mkdir -p /mnt/host/sysroot /mnt/host/etc /mnt/host/run /mnt/host/boot 2>/dev/null || true
            if [ -n "$WHOLE" ]; then
                mount --bind "$SYSROOT" /mnt/host/sysroot
            else
                mkdir /mnt/host/sysroot/ostree
                mount --bind "$SYSROOT/ostree" /mnt/host/sysroot/ostree
                mount -o remount,ro,bind /mnt/host/sysroot/ostree
                if [ -n "$DEPLOYMENT" ]; then
                    touch /mnt/host/etc/machine-id
                    mount --bind "$DEPLOYMENT/etc/machine-id" /mnt/host/etc/machine-id
                    mount -o remount,ro,bind /mnt/host/etc/machine-id
                fi
            fi
            if [ -n "$RUN" ]; then mount --bind "$RUN" /mnt/host/run; mount -o remount,ro,bind /mnt/host/run; fi
            if [ -n "$BOOT" ]; then mount --bind "$BOOT" /mnt/host/boot; mount -o remount,ro,bind /mnt/host/boot; fi
            # Interpreter and source may lie where only root looks.
            mkdir /mnt/python /mnt/source
            mount --bind "$PYTHON" /mnt/python
            mount --bind "$SOURCE" /mnt/source
            eval "$PREPARE"
            exec setpriv --no-new-privs "$@"
        """
        python = f"/mnt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", *(NOBODY if nobody else ()), python, "-I", "-B", "-c", READER],
            capture_output=True, check=False,
            env={
                **os.environ, "SYSROOT": str(self.path), "DEPLOYMENT": str(deployment or ""), "PREPARE": prepare,
                "WHOLE": "1" if whole_root else "", "RUN": str(self.run_folder) if with_run else "",
                "BOOT": str(self.path / "boot") if with_boot else "", "PYTHON": sys.base_prefix, "SOURCE": str(SOURCE),
                "LD_LIBRARY_PATH": "/mnt/python/lib",
            },
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        machine, facts = pickle.loads(done.stdout)
        assert isinstance(machine, Machine)
        assert facts["NoNewPrivs"] == ["1"]
        if nobody:
            assert facts["Uid"] == ["65534"] * 4
            assert {int(facts[key][0], 16) for key in ("CapEff", "CapPrm", "CapBnd")} == {0}
        return machine


def build_database(folder: Path, rows: Sequence[Row], vendors: Mapping[str, str] | None = None) -> Path:
    """An rpmdb.sqlite with these packages, built by rpmbuild and installed by rpm; `vendors` by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        name, epoch, version, release, arch = row
        spec = (
            f"Name: {name}\nEpoch: {epoch}\nVersion: {version}\nRelease: {release}\nSummary: s\nLicense: l\n"
            f"Vendor: {(vendors or {}).get(name, 'Red Hat, Inc.')}\n"
            f"{'BuildArch: noarch' if arch == 'noarch' else ''}\n%description\n.\n%files\n"
        )
        (folder / f"{number}.spec").write_text(spec)
    specs = [str(folder / f"{number}.spec") for number in range(len(rows))]
    run(
        "rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}/top", "--define", "_build_id_links none",
        "--target", "x86_64", *specs,
    )  # fmt: skip
    packages = sorted((folder / "top" / "RPMS").rglob("*.rpm"))
    run(
        "rpm", "--dbpath", folder / "db", "-i", "--justdb", "--nodeps", "--noscripts", "--nosignature", "--ignorearch",
        *packages,
    )  # fmt: skip
    return folder / "db" / "rpmdb.sqlite"
