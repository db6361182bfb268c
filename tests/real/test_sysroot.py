"""The live host on real ostree sysroots, read as uid 65534 without a capability on read-only mounts.

Every expected value is typed by hand from what was deployed; nothing is computed by our own readers.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.real.sysroots import (  # it lies beside this file, and test folders are no packages
    OSNAME,
    RHCOS_RELEASE,
    Row,
    Sysroot,
    build_database,
    client_layer,
    container_merge,
    missing_programs,
    run,
    text_of_rows,
)

from layercensus.classify.census import classify
from layercensus.host.bundles.archive import read_archive
from layercensus.host.live.sysroot import read_sysroot
from layercensus.model import Change, Kind, Layering, Machine, Readability, Source, Unlocked

pytestmark = pytest.mark.real

PAYLOAD = "ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "5" * 64
ORIGIN = f"[origin]\ncontainer-image-reference={PAYLOAD}\n"
SHA = "4ed748ba060fce4571e7ef19f3f5ed6209f67dbac8327af0d38ea70b96d2f723"

ACL: Row = ("acl", "0", "2.3.1", "3.el9", "x86_64")
BASH: Row = ("bash", "0", "5.1.8", "6.el9", "x86_64")
BASH_NEW: Row = ("bash", "0", "5.1.8", "9.el9", "x86_64")
GLIBC: Row = ("glibc", "0", "2.34", "60.el9", "x86_64")
MOBY: Row = ("moby-engine", "0", "20.10.22", "1.el9", "x86_64")
PODMAN: Row = ("podman", "5", "4.5.0", "1.el9", "x86_64")
PODMAN_NEW: Row = ("podman", "5", "4.5.1", "1.el9", "x86_64")
TZDATA: Row = ("tzdata", "0", "2024a", "1.el9", "noarch")
HTOP: Row = ("htop", "0", "3.2.1", "1.el9", "x86_64")
LIBNL: Row = ("libnl3", "0", "3.7.0", "1.el9", "x86_64")
USBGUARD: Row = ("usbguard", "0", "1.0.0", "15.el9", "x86_64")
PROTOBUF: Row = ("protobuf", "1", "3.14.0", "13.el9", "x86_64")
FALCON: Row = ("falcon-sensor", "0", "7.10.0", "16303.el9", "x86_64")
OVS: Row = ("NetworkManager-ovs", "1", "1.44.0", "3.el9", "x86_64")
BASE = [ACL, BASH, GLIBC, MOBY, PODMAN, TZDATA]
VENDORS = {"falcon-sensor": "CrowdStrike, Inc.", "htop": "Fedora Project"}


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    missing = missing_programs()
    if missing is not None:
        reason = f"NO SYSROOT WAS MADE OR READ, missing: {missing}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards: ostree marks its deployments immutable."""
    folder = Path(tempfile.mkdtemp(prefix="layercensus-sysroot-"))
    yield folder
    for deployment in folder.glob("*/host/ostree/deploy/*/deploy/*"):
        subprocess.run(["chattr", "-i", str(deployment)], capture_output=True, check=False)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def database(scratch: Path) -> Path:
    return build_database(scratch / "rpm-base", BASE)


@pytest.fixture
def sysroot(scratch: Path) -> Sysroot:
    return Sysroot(Path(tempfile.mkdtemp(dir=scratch)) / "host")


def facts_of(machine: Machine) -> list[tuple[str, str, bool | None]]:
    assert machine.booted is not None
    return [(change.kind.value, change.requested, change.active) for change in machine.booted.changes]


def change_of(machine: Machine, requested: str) -> Change:
    assert machine.booted is not None
    (found,) = (change for change in machine.booted.changes if change.requested == requested)
    return found


def id_of(machine: Machine) -> str:
    assert machine.booted is not None, machine.problems
    return str(machine.booted.checksum)


def class_of(machine: Machine) -> Layering:
    return classify(machine).booted.layering


LAYERED = [ACL, BASH_NEW, GLIBC, PODMAN_NEW, TZDATA, HTOP, LIBNL, USBGUARD, PROTOBUF, FALCON, OVS]


@pytest.fixture
def layered(sysroot: Sysroot, database: Path, scratch: Path) -> Path:
    """A container merge commit without a package list below a client layer with everything."""
    merge = sysroot.commit(container_merge(), database=database)
    layered = build_database(Path(tempfile.mkdtemp(dir=scratch)), LAYERED, VENDORS)
    metadata = client_layer(
        LAYERED, packages=["htop", "usbguard"], removed=[MOBY], replaced=[(BASH_NEW, BASH)],
        remote={"repo=updates": [(PODMAN_NEW, PODMAN)]}, version=None,
    )  # fmt: skip
    layer = sysroot.commit(metadata, parent=merge, database=layered)
    return sysroot.deploy(
        layer,
        f"{ORIGIN}\n[packages]\nrequested=acl;htop;usbguard;\n"
        f"requested-local={SHA}:falcon-sensor-7.10.0-16303.el9.x86_64;{SHA}:NetworkManager-ovs-1:1.44.0-3.el9.x86_64;\n"
        f"[overrides]\nremove=moby-engine;not-there;\nreplace-local={SHA}:bash-5.1.8-9.el9.x86_64;\n"
        "replace=repo=updates,podman,crun;\n",
    )


def test_a_client_layer_on_a_container_is_read_whole(sysroot: Sysroot, layered: Path) -> None:
    machine = sysroot.read(layered)
    assert machine.source is Source.SYSROOT
    assert machine.readability is Readability.READ
    assert machine.problems == ()
    assert facts_of(machine) == [
        ("install", "acl", False),
        ("install", "htop", True),
        ("install", "usbguard", True),
        ("install_local", "falcon-sensor-7.10.0-16303.el9.x86_64", True),
        ("install_local", "NetworkManager-ovs-1:1.44.0-3.el9.x86_64", True),
        ("replace_local", "bash-5.1.8-9.el9.x86_64", True),
        ("remove", "moby-engine", True),
        ("remove", "not-there", False),
        ("replace_remote", "podman", True),
        ("replace_remote", "crun", False),
    ]
    assert machine.dependencies == ("libnl3-3.7.0-1.el9.x86_64", "protobuf-1:3.14.0-13.el9.x86_64")
    assert change_of(machine, "bash-5.1.8-9.el9.x86_64").replaces == "bash-5.1.8-6.el9.x86_64"
    assert change_of(machine, "moby-engine").nevra == "moby-engine-20.10.22-1.el9.x86_64"
    podman = change_of(machine, "podman")
    assert (podman.nevra, podman.replaces, podman.repository) == (
        "podman-5:4.5.1-1.el9.x86_64", "podman-5:4.5.0-1.el9.x86_64", "updates",
    )  # fmt: skip
    assert change_of(machine, "htop").origin_key == "[packages] requested"
    assert machine.rpm_vendors["falcon-sensor"] == "CrowdStrike, Inc."
    assert machine.rpm_vendors["htop"] == "Fedora Project"
    assert machine.rpm_vendors["libnl3"] == "Red Hat, Inc."
    assert machine.os.id == "rhcos"
    assert (machine.os.openshift_version, machine.os.openshift, machine.os.arch) == ("4.14", True, "x86_64")
    assert machine.booted is not None
    assert machine.booted.version == "414.92.202405282322-0"
    assert machine.booted.image == PAYLOAD
    assert machine.booted.base_checksum is not None
    assert machine.booted.osname == OSNAME
    assert (machine.booted.unlocked, machine.booted.live_applied) == (Unlocked.NONE, False)
    assert (machine.booted.initramfs, machine.booted.bootc_incompatible) == (False, True)
    assert machine.staged is None
    census = classify(machine)
    assert (census.booted.layering, census.booted.release) == (Layering.PACKAGES, "4.14")


@pytest.fixture
def shown(deployment: Callable[..., dict[str, Any]], status: Callable[..., str]) -> str:
    """What rpm-ostree would print of the layered machine as JSON, by hand."""
    return status(
        deployment(
            repo=["htop", "usbguard"],
            inactive=["acl"],
            local=["falcon-sensor-7.10.0-16303.el9.x86_64", "NetworkManager-ovs-1:1.44.0-3.el9.x86_64"],
            replaced=[("bash-5.1.8-9.el9.x86_64", "bash-5.1.8-6.el9.x86_64")],
            remote=[("updates", "podman-5:4.5.1-1.el9.x86_64", "podman-5:4.5.0-1.el9.x86_64")],
            inactive_remote=[("updates", "crun")],
            requested_base_removals=["moby-engine", "not-there"],
            base_removals=[["moby-engine-20.10.22-1.el9.x86_64", "moby-engine", 0, "20.10.22", "1.el9", "x86_64"]],
        )
    )


# The same as text with -v, by hand; how it prints an inactive remote override is in no published document.
SHOWN_TEXT = """\
State: idle
Deployments:
● ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:57864105c9e7c669
                   Digest: sha256:57864105c9e7c669662415f395b0d6ef9b5ba1007bf2685ec041902d9cc33514
                  Version: 414.92.202405282322-0 (2024-05-28T23:25:00Z)
                   Staged: no
                StateRoot: rhcos
      RemovedBasePackages: moby-engine 20.10.22-1.el9
     InactiveBaseRemovals: not-there
           LocalOverrides: bash 5.1.8-6.el9 -> 5.1.8-9.el9
          RemoteOverrides: repo=updates
                           └─ podman 5:4.5.0-1.el9 -> 5:4.5.1-1.el9
         InactiveRequests: acl
          LayeredPackages: htop usbguard
            LocalPackages: falcon-sensor-7.10.0-16303.el9.x86_64 'NetworkManager-ovs-1:1.44.0-3.el9.x86_64'
"""


def without_origin(machine: Machine) -> set[Change]:
    """Changes but for the key or line that they were read from."""
    assert machine.booted is not None, machine.problems
    return {replace(change, origin_key="") for change in machine.booted.changes}


def test_status_json_of_the_same_machine_gives_the_same_changes(
    sysroot: Sysroot, layered: Path, shown: str, machine_of: Callable[[str], Machine]
) -> None:
    by_json, by_sysroot = machine_of(shown), sysroot.read(layered)
    assert without_origin(by_json) == without_origin(by_sysroot)
    assert len(without_origin(by_json)) == 10
    assert by_json.booted is not None
    assert by_sysroot.booted is not None
    assert by_json.booted.bootc_incompatible == by_sysroot.booted.bootc_incompatible
    # Its JSON knows neither dependencies nor vendors.
    assert (by_json.dependencies, by_json.rpm_vendors) == (None, {})


def test_status_text_of_the_same_machine_gives_the_same_changes(
    sysroot: Sysroot, layered: Path, machine_of: Callable[[str], Machine]
) -> None:
    """Text has no architecture in overrides, and no word of the inactive remote one: names and activity are the same."""
    facts = {
        (change.kind, change.name, change.active)
        for change in without_origin(sysroot.read(layered))
        if (change.kind, change.name) != (Kind.REPLACE_REMOTE, "crun")
    }
    by_text = machine_of(SHOWN_TEXT)
    assert {(change.kind, change.name, change.active) for change in without_origin(by_text)} == facts
    assert class_of(by_text) is class_of(sysroot.read(layered))


def test_a_sosreport_of_the_same_machine_gives_the_same_changes(sysroot: Sysroot, layered: Path, shown: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as archive:
        for name, text in (("rpm-ostree_status_--json", shown), ("rpm-ostree_status", SHOWN_TEXT)):
            member = tarfile.TarInfo(f"sosreport-worker/sos_commands/rpmostree/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    stream.seek(0)
    (machine,) = read_archive(stream, "sos.tar.xz")
    assert isinstance(machine, Machine)
    assert without_origin(machine) == without_origin(sysroot.read(layered))


def test_the_host_reads_itself_through_its_own_root(sysroot: Sysroot, layered: Path) -> None:
    in_container = sysroot.read(layered)
    assert sysroot.read(layered, whole_root=True) == in_container
    assert sysroot.read(layered, nobody=False) == in_container


def test_a_base_with_a_package_list_of_its_own(sysroot: Sysroot) -> None:
    base = sysroot.commit({"rpmostree.rpmdb.pkglist": text_of_rows(BASE), "version": "'414.92.202405282322-0'"})
    layer = sysroot.commit(client_layer([*BASE, USBGUARD, PROTOBUF], packages=["usbguard"]), parent=base)
    machine = sysroot.read(sysroot.deploy(layer, f"{ORIGIN}[packages]\nrequested=usbguard;\n"))
    assert facts_of(machine) == [("install", "usbguard", True)]
    assert machine.dependencies == ("protobuf-1:3.14.0-13.el9.x86_64",)
    assert class_of(machine) is Layering.EXTENSIONS
    # No rpm database lies in this tree: vendors are not known, the rest is.
    assert machine.rpm_vendors == {}


def test_a_clean_node_and_requests_that_the_base_already_has(sysroot: Sysroot, database: Path) -> None:
    merge = sysroot.commit(container_merge("arm64"), database=database)
    machine = sysroot.read(sysroot.deploy(merge, f"{ORIGIN}[packages]\nrequested=acl;\n"))
    assert facts_of(machine) == [("install", "acl", False)]
    assert class_of(machine) is Layering.CLEAN
    assert machine.dependencies == ()
    assert machine.os.arch == "aarch64"
    assert machine.booted is not None
    assert machine.booted.image_layered is False


NODE_IMAGE = {
    "usr/share/openshift/base/meta.json": '{"rpmdb.pkglist": [["acl", "0", "2.3.1", "3.el9", "x86_64"], '
    '["bash", "0", "5.1.8", "6.el9", "x86_64"], ["glibc", "0", "2.34", "60.el9", "x86_64"], '
    '["moby-engine", "0", "20.10.22", "1.el9", "x86_64"], ["podman", "5", "4.5.0", "1.el9", "x86_64"], '
    '["tzdata", "0", "2024a", "1.el9", "noarch"]]}'
}
MIRROR = "[origin]\ncontainer-image-reference=ostree-unverified-registry:mirror.example.invalid/node@sha256:1\n"


def test_a_package_built_into_the_image_is_image_layering_and_not_local(
    sysroot: Sysroot, database: Path, scratch: Path
) -> None:
    custom = build_database(scratch / "rpm-custom", [*BASE, FALCON])
    merge = sysroot.commit(container_merge(), files=NODE_IMAGE, database=custom)
    machine = sysroot.read(sysroot.deploy(merge, MIRROR))
    assert machine.booted is not None
    assert machine.booted.image_layered is True
    assert (machine.booted.changes, class_of(machine)) == ((), Layering.CLEAN)


def test_the_node_image_as_it_was_built_proves_nothing_of_its_files(sysroot: Sysroot, database: Path) -> None:
    merge = sysroot.commit(container_merge(), files=NODE_IMAGE, database=database)
    machine = sysroot.read(sysroot.deploy(merge, MIRROR))
    assert machine.booted is not None
    assert machine.booted.image_layered is None
    assert machine.os.arch == "x86_64"


def test_local_layers_on_a_custom_image_are_both(sysroot: Sysroot, scratch: Path) -> None:
    custom = build_database(scratch / "rpm-both", [*BASE, FALCON])
    merge = sysroot.commit(container_merge(), files=NODE_IMAGE, database=custom)
    layer = sysroot.commit(
        client_layer([*BASE, FALCON, HTOP], packages=["htop"], version=None), parent=merge, files=NODE_IMAGE
    )
    machine = sysroot.read(sysroot.deploy(layer, f"{MIRROR}[packages]\nrequested=htop;\n"))
    assert machine.booted is not None
    assert machine.booted.image_layered is True
    assert facts_of(machine) == [("install", "htop", True)]
    assert machine.dependencies == ()


def plain_layer(sysroot: Sysroot, database: Path, *names: str) -> str:
    """A client layer of packages without dependencies."""
    merge = sysroot.commit(container_merge(), database=database)
    rows = [*BASE, *((name, "0", "1", "1.el9", "x86_64") for name in names)]
    return sysroot.commit(client_layer(rows, packages=names), parent=merge, database=database)


def origin_of(*names: str) -> str:
    return f"{ORIGIN}[packages]\nrequested={';'.join(names)};\n"


def test_the_boot_link_of_the_running_kernel_leads_to_another_deployment(sysroot: Sysroot, database: Path) -> None:
    """The trap: after the roll-back is cleaned up and an update comes, `ostree=` names what never ran."""
    old = sysroot.deploy(plain_layer(sysroot, database, "strace"), origin_of("strace"))
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"), "--retain")
    (link,) = (path for path in boot_links(sysroot) if path.resolve() == booted)
    assert id_of(sysroot.read(booted)) == booted.name[:64]
    sysroot.admin("undeploy", "1")
    assert not old.exists()
    assert not link.exists()
    machine = sysroot.read(booted)
    assert (id_of(machine), machine.staged) == (booted.name[:64], None)
    update = sysroot.deploy(plain_layer(sysroot, database, "telnet"), origin_of("telnet"), "--retain")
    assert link.resolve() == update
    machine = sysroot.read(booted)
    assert facts_of(machine) == [("install", "usbguard", True)]
    assert machine.staged is not None
    assert machine.staged.checksum == update.name[:64]
    assert [change.requested for change in machine.staged.changes] == ["telnet"]
    assert machine.problems == ()


def boot_links(sysroot: Sysroot) -> list[Path]:
    """Boot links as the kernel command line spells them, `/ostree/boot.N/OSNAME/BOOTCSUM/SERIAL`."""
    return [path for path in (sysroot.path / "ostree").glob("boot.[01]/*/*/*") if path.is_symlink()]


def test_after_a_rollback_the_older_one_runs_and_the_newer_one_is_not_next(sysroot: Sysroot, database: Path) -> None:
    old = sysroot.deploy(plain_layer(sysroot, database, "strace"), origin_of("strace"))
    new = sysroot.deploy(plain_layer(sysroot, database, "telnet"), origin_of("telnet"), "--retain")
    machine = sysroot.read(old)
    assert facts_of(machine) == [("install", "strace", True)]
    assert machine.staged is not None
    assert machine.staged.checksum == new.name[:64]
    sysroot.reverse_boot_order()
    machine = sysroot.read(old)
    assert (id_of(machine), machine.staged) == (old.name[:64], None)
    # Booted into the newer one, the older is now next.
    machine = sysroot.read(new)
    assert machine.staged is not None
    assert machine.staged.checksum == old.name[:64]
    # Without the boot loader's entries that can't be seen, and it is said what was taken.
    machine = sysroot.read(old, with_boot=False)
    assert machine.staged is not None
    assert any("boot/loader is not seen" in problem for problem in machine.problems)


def test_a_staged_deployment_is_read_from_the_run_folder(sysroot: Sysroot, database: Path) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    staged = plain_layer(sysroot, database, "usbguard", "telnet")
    (sysroot.path / "staged.origin").write_text(origin_of("usbguard", "telnet"))
    sysroot.in_booted(
        booted, "ostree", "admin", "deploy", "--stage", f"--os={OSNAME}", "--origin-file=/sysroot/staged.origin", staged
    )
    assert (sysroot.run_folder / "ostree/staged-deployment").exists()
    machine = sysroot.read(booted)
    assert facts_of(machine) == [("install", "usbguard", True)]
    assert class_of(machine) is Layering.EXTENSIONS
    assert machine.staged is not None
    assert (machine.staged.staged, machine.staged.checksum) == (True, staged)
    assert [change.requested for change in machine.staged.changes] == ["usbguard", "telnet"]
    census = classify(machine)
    assert census.staged is not None
    assert census.staged.layering is Layering.PACKAGES


def test_a_staged_deployment_is_known_without_the_run_folder_by_its_missing_boot_link(
    sysroot: Sysroot, database: Path
) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    staged = plain_layer(sysroot, database, "usbguard", "telnet")
    (sysroot.path / "staged.origin").write_text(origin_of("usbguard", "telnet"))
    sysroot.in_booted(
        booted, "ostree", "admin", "deploy", "--stage", f"--os={OSNAME}", "--origin-file=/sysroot/staged.origin", staged
    )
    machine = sysroot.read(booted, with_run=False)
    assert machine.staged is not None
    assert (machine.staged.staged, machine.staged.checksum) == (True, staged)


def test_a_single_file_of_run_does_not_show_the_rest(sysroot: Sysroot, database: Path) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    sysroot.in_booted(booted, "ostree", "admin", "unlock")
    one_file = f"touch /mnt/host/run/ostree-booted; mount --bind {sysroot.run_folder}/ostree-booted /mnt/host/run/ostree-booted"
    machine = sysroot.read(booted, with_run=False, prepare=one_file)
    assert machine.booted is not None
    assert machine.booted.unlocked is None


@pytest.mark.parametrize("text", ["", "garbage", "0" * 63, "../../etc/shadow\n"])
def test_a_ref_that_is_no_checksum_is_unknown(sysroot: Sysroot, database: Path, text: str) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    apply_live(sysroot, booted, booted.name[:64])
    (sysroot.repo / "refs/heads/rpmostree/live-apply").write_text(text)
    machine = sysroot.read(booted)
    assert machine.readability is Readability.UNKNOWN
    assert "holds no checksum" in machine.problems[0]


@pytest.mark.parametrize("content", [b"", b"\0", b"garbage", b"\xff" * 100])
def test_a_staged_file_that_makes_no_sense_is_a_next_deployment_of_which_nothing_is_known(
    sysroot: Sysroot, database: Path, content: bytes
) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    (sysroot.run_folder / "ostree").mkdir()
    (sysroot.run_folder / "ostree/staged-deployment").write_bytes(content)
    machine = sysroot.read(booted)
    assert facts_of(machine) == [("install", "usbguard", True)]
    assert machine.staged is not None
    assert machine.staged.cut
    census = classify(machine)
    assert census.staged is not None
    assert census.staged.layering is Layering.UNKNOWN


@pytest.mark.parametrize(
    ("option", "state"),
    [([], Unlocked.DEVELOPMENT), (["--transient"], Unlocked.TRANSIENT), (["--hotfix"], Unlocked.HOTFIX)],
)
def test_unlocked_is_a_flag_and_leaves_the_class(
    sysroot: Sysroot, database: Path, option: list[str], state: Unlocked
) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    sysroot.in_booted(booted, "ostree", "admin", "unlock", *option)
    machine = sysroot.read(booted)
    assert machine.booted is not None
    assert machine.booted.unlocked is state
    assert class_of(machine) is Layering.EXTENSIONS
    # Of the three only a hotfix is in the origin; the others can't be known without the run folder.
    blind = sysroot.read(booted, with_run=False)
    assert blind.booted is not None
    assert blind.booted.unlocked is (Unlocked.HOTFIX if state is Unlocked.HOTFIX else None)


def apply_live(sysroot: Sysroot, booted: Path, commit: str, *, name: str = "rpmostree/live-apply") -> None:
    """What rpm-ostree leaves behind (`rust/src/live.rs`, write_live_state): a ref, and a stamp beside the state."""
    run("ostree", "refs", f"--repo={sysroot.repo}", f"--create={name}", commit)
    state = sysroot.run_folder / "ostree/deployment-state" / booted.name
    state.mkdir(parents=True, exist_ok=True)
    (state / "rpmostree-is-live.stamp").touch()


def test_what_is_live_is_judged(sysroot: Sysroot, database: Path, scratch: Path) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    merge = sysroot.commit(container_merge(), database=database)
    rows = [*BASE, ("usbguard", "0", "1", "1.el9", "x86_64"), HTOP, LIBNL, FALCON]
    live = sysroot.commit(
        client_layer(rows, packages=["usbguard", "htop"]),
        parent=merge,
        database=build_database(scratch / "rpm-live", rows, VENDORS),
    )
    target = f"{origin_of('usbguard', 'htop')}requested-local={SHA}:falcon-sensor-7.10.0-16303.el9.x86_64;\n"
    sysroot.deploy(live, target, "--retain")
    before = sysroot.read(booted)
    assert facts_of(before) == [("install", "usbguard", True)]
    apply_live(sysroot, booted, live)
    machine = sysroot.read(booted)
    assert id_of(machine) == booted.name[:64]
    assert machine.booted is not None
    assert machine.booted.live_applied is True
    assert [(change.requested, change.active, change.origin_key) for change in machine.booted.changes] == [
        ("usbguard", True, "[packages] requested"),
        ("htop", True, "live-apply"),
        ("falcon-sensor-7.10.0-16303.el9.x86_64", True, "live-apply"),
    ]
    assert machine.dependencies == ("libnl3-3.7.0-1.el9.x86_64",)
    assert machine.rpm_vendors["falcon-sensor"] == "CrowdStrike, Inc."
    assert class_of(machine) is Layering.PACKAGES
    # Without the run folder the ref may be of an earlier boot.
    blind = sysroot.read(booted, with_run=False)
    assert blind.booted is not None
    assert (blind.booted.live_applied, facts_of(blind)) == (None, [("install", "usbguard", True)])


def test_an_interrupted_live_update_is_known_in_part(sysroot: Sysroot, database: Path) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    live = plain_layer(sysroot, database, "usbguard", "libqb")
    apply_live(sysroot, booted, live)
    apply_live(sysroot, booted, live, name="rpmostree/live-apply-inprogress")
    machine = sysroot.read(booted)
    assert machine.booted is not None
    assert machine.booted.cut
    assert any("interrupted" in problem for problem in machine.problems)


def test_a_request_that_was_taken_back_live_is_not_in_effect(sysroot: Sysroot, database: Path) -> None:
    booted = sysroot.deploy(plain_layer(sysroot, database, "telnet"), origin_of("telnet"))
    apply_live(sysroot, booted, plain_layer(sysroot, database, "usbguard"))
    machine = sysroot.read(booted)
    assert facts_of(machine) == [("install", "telnet", False), ("install", "usbguard", True)]
    assert class_of(machine) is Layering.EXTENSIONS


def test_the_rendered_config_of_the_booted_deployment(sysroot: Sysroot, database: Path) -> None:
    config = (
        '{"kind": "MachineConfig", "metadata": {"name": "rendered-worker-0f"}, "spec": {"extensions": ["usbguard"]}}'
    )
    files = {"usr/etc/machine-config-daemon/currentconfig": "", "usr/etc/mcd-currentconfig.json": config}
    merge = sysroot.commit(container_merge(), files=files, database=database)
    deployment = sysroot.deploy(merge, ORIGIN)
    machine = sysroot.read(deployment)
    assert machine.rendered_config is not None
    assert (machine.rendered_config.name, machine.rendered_config.extensions) == ("rendered-worker-0f", ("usbguard",))
    (deployment / "etc/mcd-currentconfig.json").chmod(0o600)
    machine = sysroot.read(deployment)
    assert machine.rendered_config is None
    assert machine.readability is Readability.READ
    assert any("mcd-currentconfig.json: cannot be read: Permission denied" in problem for problem in machine.problems)


def origin_file(deployment: Path) -> Path:
    return deployment.with_name(f"{deployment.name}.origin")


BROKEN_ORIGINS = {
    "empty": "",
    "half a group": f"{ORIGIN}[pack",
    "zeroes after a crash": ORIGIN + "\0" * 512,
    "no base": "[packages]\nrequested=usbguard;\n",
    "no key file": "refspec\n",
    "a local package cut off": f"{ORIGIN}[packages]\nrequested-local=4ed748\n",
}


@pytest.mark.parametrize("text", BROKEN_ORIGINS.values(), ids=BROKEN_ORIGINS)
def test_a_broken_origin_is_unknown_and_named(sysroot: Sysroot, database: Path, text: str) -> None:
    deployment = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    origin_file(deployment).write_text(text)
    machine = sysroot.read(deployment)
    assert (machine.readability, class_of(machine)) == (Readability.UNKNOWN, Layering.UNKNOWN)
    assert f"{deployment.name}.origin" in machine.problems[0]


def test_an_origin_that_ends_inside_a_line_is_known_in_part(sysroot: Sysroot, database: Path) -> None:
    deployment = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    origin_file(deployment).write_text(f"{ORIGIN}[packages]\nrequested=usbg")
    machine = sysroot.read(deployment)
    # The commit still says what is there; what the origin said after that is lost.
    assert facts_of(machine) == [("install", "usbguard", True)]
    assert class_of(machine) is Layering.UNKNOWN
    assert any("not written whole" in problem for problem in machine.problems)


def test_an_origin_without_the_requests_does_not_hide_the_layers(sysroot: Sysroot, database: Path) -> None:
    deployment = sysroot.deploy(plain_layer(sysroot, database, "telnet"), origin_of("telnet"))
    origin_file(deployment).write_text(ORIGIN)
    machine = sysroot.read(deployment)
    assert change_of(machine, "telnet").origin_key == "rpmostree.packages"
    assert class_of(machine) is Layering.PACKAGES


def test_local_packages_that_no_request_names_make_it_known_in_part(sysroot: Sysroot, database: Path) -> None:
    merge = sysroot.commit(container_merge(), database=database)
    layer = sysroot.commit(client_layer([*BASE, FALCON]), parent=merge)
    deployment = sysroot.deploy(layer, ORIGIN)
    machine = sysroot.read(deployment)
    assert class_of(machine) is Layering.UNKNOWN
    assert any("falcon-sensor-7.10.0-16303.el9.x86_64" in problem for problem in machine.problems)
    origin_file(deployment).unlink()
    assert class_of(sysroot.read(deployment)) is Layering.UNKNOWN


def commit_object(sysroot: Sysroot, checksum: str) -> Path:
    return sysroot.repo / "objects" / checksum[:2] / f"{checksum[2:]}.commit"


@pytest.mark.parametrize("damage", ["truncated", "altered", "missing", "closed"])
def test_a_commit_that_cannot_be_read_is_unknown(sysroot: Sysroot, database: Path, damage: str) -> None:
    checksum = plain_layer(sysroot, database, "usbguard")
    deployment = sysroot.deploy(checksum, origin_of("usbguard"))
    path = commit_object(sysroot, checksum)
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        path.write_bytes(content.replace(b"usbguard", b"usbguarc"))
    elif damage == "missing":
        path.unlink()
    else:
        path.chmod(0)
    machine = sysroot.read(deployment)
    assert (machine.readability, machine.booted, class_of(machine)) == (Readability.UNKNOWN, None, Layering.UNKNOWN)
    assert checksum in machine.problems[0] or checksum[2:] in machine.problems[0]


def test_without_the_base_image_only_dependencies_are_unknown(sysroot: Sysroot, database: Path) -> None:
    checksum = plain_layer(sysroot, database, "usbguard")
    deployment = sysroot.deploy(checksum, origin_of("usbguard"))
    parent = run("ostree", "rev-parse", f"--repo={sysroot.repo}", f"{checksum}^")
    commit_object(sysroot, parent).unlink()
    machine = sysroot.read(deployment)
    assert facts_of(machine) == [("install", "usbguard", True)]
    assert machine.dependencies is None
    assert any("dependencies are unknown" in problem for problem in machine.problems)


def test_a_closed_sysroot_is_unknown_and_says_so(sysroot: Sysroot, database: Path) -> None:
    deployment = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    (sysroot.path / "ostree").chmod(0o700)
    machine = sysroot.read(deployment)
    assert machine.readability is Readability.UNKNOWN
    assert "Permission denied" in machine.problems[0]
    assert "as root" in machine.problems[0]
    assert sysroot.read(deployment, nobody=False).readability is Readability.READ


def test_without_the_file_of_etc_nothing_is_guessed(sysroot: Sysroot, database: Path) -> None:
    sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    machine = sysroot.read(None)
    assert machine.readability is Readability.UNKNOWN
    assert "etc/machine-id is not seen" in machine.problems[0]


def test_a_machine_id_of_another_machine_is_no_evidence(sysroot: Sysroot, database: Path) -> None:
    sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    machine = sysroot.read(None, prepare="echo 0123456789abcdef0123456789abcdef > /mnt/host/etc/machine-id")
    assert machine.readability is Readability.UNKNOWN
    assert "mounted from no deployment" in machine.problems[0]


def test_a_machine_id_that_was_replaced_under_the_mount_is_a_contradiction(sysroot: Sysroot, database: Path) -> None:
    deployment = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    etc = deployment / "etc"
    machine = sysroot.read(deployment, prepare=f"cp {etc}/machine-id {etc}/x; mv {etc}/x {etc}/machine-id")
    assert machine.readability is Readability.UNKNOWN
    assert "cannot be told" in machine.problems[0]


def test_a_composefs_root_is_told_by_its_etc(sysroot: Sysroot, database: Path) -> None:
    """With composefs `/` is an overlay and `/etc` is mounted from the deployment (ostree, otcore_mount_etc)."""
    deployment = sysroot.deploy(plain_layer(sysroot, database, "usbguard"), origin_of("usbguard"))
    mount_etc = f"rm -f /mnt/host/etc/machine-id; mount --bind {deployment}/etc /mnt/host/etc"
    assert id_of(sysroot.read(None, prepare=mount_etc)) == deployment.name[:64]


def test_a_transient_etc_is_told_by_the_inode_that_ostree_recorded(sysroot: Sysroot, database: Path) -> None:
    """`/run/ostree-booted` names device and inode behind a composefs root since ostree 2024.3."""
    old = sysroot.deploy(plain_layer(sysroot, database, "strace"), origin_of("strace"))
    new = sysroot.deploy(plain_layer(sysroot, database, "telnet"), origin_of("telnet"), "--retain")
    status = old.stat()
    key = b"backing-root-device-inode\0".ljust(32, b"\0")
    value = status.st_dev.to_bytes(8, sys.byteorder) + status.st_ino.to_bytes(8, sys.byteorder) + b"\0(tt)"
    entry = key + value + bytes([26])
    (sysroot.run_folder / "ostree-booted").write_bytes(entry + bytes([len(entry)]))
    assert id_of(sysroot.read(None)) == old.name[:64]
    # Evidence that disagrees is no evidence.
    machine = sysroot.read(new)
    assert machine.readability is Readability.UNKNOWN
    assert old.name in machine.problems[0]
    assert new.name in machine.problems[0]


def test_fedora_coreos_is_openshift_only_as_okds(sysroot: Sysroot, database: Path) -> None:
    release = {"usr/lib/os-release": 'ID=fedora\nVARIANT_ID=coreos\nVERSION_ID=39\nOSTREE_VERSION="39.20240210.3.0"\n'}
    commit = sysroot.commit(container_merge(), files=release, database=database)
    plain = sysroot.read(sysroot.deploy(commit, "[origin]\nrefspec=fedora:fedora/x86_64/coreos/stable\n"))
    assert (plain.os.id, plain.os.variant, plain.os.openshift) == ("fedora", "coreos", False)
    assert plain.os.version == "39.20240210.3.0"
    okd = "[origin]\ncontainer-image-reference=ostree-unverified-registry:quay.io/openshift/okd-content@sha256:1\n"
    assert sysroot.read(sysroot.deploy(commit, okd)).os.openshift is True


def test_nothing_is_written_and_no_lock_is_taken(sysroot: Sysroot, layered: Path) -> None:
    def snapshot() -> dict[str, tuple[int, int]]:
        found = [path for path in sysroot.path.rglob("*") if not path.is_symlink()]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_ctime_ns) for path in found}

    before = snapshot()
    # As root and on a writable mount: nothing but our own care would stop a write.
    assert sysroot.read(layered, nobody=False, whole_root=True).readability is Readability.READ
    assert snapshot() == before


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_package_mode_host_is_not_applicable(tmp_path: Path) -> None:
    root = write(tmp_path, {"usr/lib/os-release": 'ID="rhel"\nVERSION_ID="8.10"\n', "etc/machine-id": "0\n"})
    machine = read_sysroot(root)
    assert (machine.readability, class_of(machine)) == (Readability.NOT_APPLICABLE, Layering.NOT_APPLICABLE)
    assert (machine.os.id, machine.os.openshift) == ("rhel", False)


@pytest.mark.parametrize("seen", ["", "sysroot/", "sysroot/ostree/", "sysroot/ostree/repo/"])
def test_a_coreos_host_whose_repository_is_not_seen_is_unknown(tmp_path: Path, seen: str) -> None:
    (tmp_path / seen).mkdir(parents=True, exist_ok=True)
    machine = read_sysroot(write(tmp_path, {"usr/lib/os-release": RHCOS_RELEASE, "etc/machine-id": "0\n"}))
    assert (machine.readability, class_of(machine)) == (Readability.UNKNOWN, Layering.UNKNOWN)


def test_a_host_whose_os_release_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    root = write(tmp_path, {"etc/machine-id": "0\n", "usr/lib/x": ""})
    os.mkfifo(root / "usr/lib/os-release")
    machine = read_sysroot(root)
    assert machine.readability is Readability.UNKNOWN
    assert "os-release" in machine.problems[0]


def test_an_empty_root_is_unknown_and_not_another_kind_of_host(tmp_path: Path) -> None:
    assert read_sysroot(tmp_path).readability is Readability.UNKNOWN
    assert read_sysroot(tmp_path / "not-there").readability is Readability.UNKNOWN


@pytest.mark.parametrize("mark", ["run/.containerenv", ".dockerenv", "var/run/secrets/kubernetes.io/x"])
def test_a_containers_own_root_says_nothing_of_its_host(tmp_path: Path, mark: str) -> None:
    machine = read_sysroot(write(tmp_path, {"usr/lib/os-release": RHCOS_RELEASE, mark: ""}))
    assert machine.readability is Readability.UNKNOWN
    assert "container" in machine.problems[0]


def test_bootcs_composefs_backend_cannot_be_layered(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            f"sysroot/state/deploy/{'a' * 128}/etc/machine-id": "0\n",
            "usr/lib/os-release": 'ID="fedora"\nVARIANT_ID=bootc\n',
        },
    )
    machine = read_sysroot(root)
    assert (machine.readability, class_of(machine)) == (Readability.READ, Layering.CLEAN)
    assert machine.booted is not None
    assert (machine.booted.checksum, machine.booted.bootc_incompatible) == ("a" * 128, False)
    assert any("cannot layer" in problem for problem in machine.problems)


def test_the_name_is_the_input(tmp_path: Path) -> None:
    assert read_sysroot(tmp_path, name="node-7").input == "node-7"
