"""Sosreports and must-gathers as archives and folders; hostile archives change nothing and stay within 128 MiB."""

import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from layercensus.classify.census import classify
from layercensus.host.bundles.archive import read_archive, read_bundle_folder
from layercensus.host.bundles.byte_stream import Replayed, archive_kind
from layercensus.model import Layering, Machine, Skipped

SOURCE = Path(__file__).parents[2] / "src"
SOS = "sosreport-worker-1-2024-05-01-abcdefg"
STATUS = f"{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json"
GATHER = "must-gather.local.5/quay-io-ocp"
LOG = (
    f"{GATHER}/namespaces/openshift-machine-config-operator/pods/machine-config-daemon-x/"
    "machine-config-daemon/machine-config-daemon/logs/current.log"
)
NODE = f"{GATHER}/cluster-scoped-resources/core/nodes/worker-2.yaml"
COMPRESSIONS = ["", "gz", "xz", "bz2"]
Item = tarfile.TarInfo | tuple[str, str | bytes]


def status(*packages: str) -> str:
    lists = (
        "requested-local-packages base-removals requested-base-removals base-local-replacements "
        "requested-base-local-replacements requested-local-fileoverride-packages"
    ).split()
    entry = {
        "booted": True,
        "staged": False,
        "osname": "rhcos",
        "version": "416.94.202405010000-0",
        "container-image-reference": "ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:57",
        "packages": list(packages),
        "requested-packages": list(packages),
        "regenerate-initramfs": False,
    }
    return json.dumps({"deployments": [entry | {key: [] for key in lists}], "transaction": None})


def log(*packages: str) -> str:
    klog = "2024-05-01T10:00:01.1Z I0501 10:00:01.123456    3820 daemon.go:1]"
    layered = f"          LayeredPackages: {' '.join(packages)}\n" if packages else ""
    return (
        f"{klog} Starting to manage node: worker-1\n{klog} State: idle\nDeployments:\n* pivot://quay.io/openshift-release-dev/"
        f"ocp-v4.0-art-dev@sha256:57\n                  Version: 44.81.202005180831-0 (2020-05-18T08:38:30Z)\n{layered}"
        f"{klog} journalctl --list-boots:\n"
    )


NODE_OBJECT = (
    "apiVersion: v1\nkind: Node\nmetadata:\n  name: worker-2\nstatus:\n  nodeInfo:\n    operatingSystem: linux\n"
)


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def pack(items: Iterable[Item], compression: str = "", form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}", format=form) as tar:  # type: ignore[call-overload]
        for item in items:
            if isinstance(item, tarfile.TarInfo):
                tar.addfile(item)
                continue
            content = item[1].encode() if isinstance(item[1], str) else item[1]
            tar.addfile(member(item[0], size=len(content)), io.BytesIO(content))
    return buffer.getvalue()


def read(content: bytes) -> tuple[list[Machine], list[Skipped]]:
    found = list(read_archive(io.BytesIO(content), "a.tar"))
    return [item for item in found if isinstance(item, Machine)], [item for item in found if isinstance(item, Skipped)]


def layering(machine: Machine) -> Layering:
    return classify(machine).booted.layering


def unpack(folder: Path, members: Mapping[str, str]) -> None:
    for name, content in members.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_sosreport_in_every_tar_that_is_written(compression: str, form: int) -> None:
    noise = [(f"{SOS}/proc/{number}", "x" * number) for number in range(300)]
    machines, skipped = read(pack([member(SOS, tarfile.DIRTYPE), *noise, (STATUS, status("htop"))], compression, form))
    assert [machine.input for machine in machines] == [f"a.tar!{STATUS}"]
    assert layering(machines[0]) is Layering.PACKAGES
    assert machines[0].problems == ()
    assert skipped == []


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_longer_than_a_header(form: int) -> None:
    root = "/".join(["a" * 90] * 4)
    machines, _ = read(pack([(f"{root}/{STATUS}", status("htop"))], "gz", form))
    assert [machine.input for machine in machines] == [f"a.tar!{root}/{STATUS}"]


def test_a_must_gather_gives_its_nodes_those_without_evidence_too() -> None:
    machines, skipped = read(pack([(LOG, log("htop")), (NODE, NODE_OBJECT)], "gz"))
    assert [(machine.node, layering(machine)) for machine in machines] == [
        ("worker-1", Layering.PACKAGES),
        ("worker-2", Layering.UNKNOWN),
    ]
    assert skipped == []


def test_a_log_of_any_length_is_read_to_its_end() -> None:
    line = "2024-05-01T10:00:09.1Z I0501 10:00:09.123456    3820 daemon.go:2] State of something else\n"
    machines, _ = read(pack([(LOG, log() + line * 100_000 + "x" * 500_000 + "\n" + log("htop"))], "gz"))
    assert layering(machines[0]) is Layering.PACKAGES


@pytest.mark.parametrize("inner", ["gz", "xz", "bz2"])
def test_a_sosreport_inside_a_must_gather_one_level_deep(inner: str) -> None:
    name = f"{SOS}.tar.{inner}"
    nested = pack([(STATUS, status("htop"))], inner)
    machines, skipped = read(pack([(LOG, log()), (f"{GATHER}/{name}", nested), (NODE, NODE_OBJECT)], "xz"))
    assert [machine.input for machine in machines] == [
        f"a.tar!{GATHER}/{name}!{STATUS}",
        f"a.tar!{LOG}",
        f"a.tar!{NODE}",
    ]
    assert skipped == []
    deeper = pack([(name, pack([(name, nested)], inner))], "gz")
    machines, skipped = read(deeper)
    assert machines == []
    assert any("inside an archive" in item.reason and item.lost for item in skipped)


def test_an_archive_of_something_else_says_so() -> None:
    assert read(pack([("etc/os-release", 'ID="rhcos"\n'), ("x", "y")], "gz")) == (
        [],
        [Skipped("a.tar", "is an archive without a sosreport or must-gather in it")],
    )
    for content in (b"", b"\x1f\x8b", b"plain text", gzip.compress(b"text " * 1000), os.urandom(2000)):
        machines, skipped = read(content)
        assert machines == []
        assert [item.lost for item in skipped] == [True]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_cut_archive_gives_what_was_read_and_is_marked_lost(compression: str) -> None:
    noise = [(f"{SOS}/var/log/{number}", os.urandom(30_000)) for number in range(100)]
    whole = pack([(STATUS, status("htop")), *noise, (LOG, log())], compression)
    machines, skipped = read(whole[: len(whole) * 3 // 4])
    assert [layering(machine) for machine in machines] == [Layering.PACKAGES]
    assert machines[0].problems == ("the archive is cut off: evidence may be missing",)
    assert len(skipped) == 1
    assert re.match(r"is cut off after \d+ members: the rest was not read", skipped[0].reason)
    assert skipped[0].lost


def test_a_stream_whose_beginning_was_looked_at() -> None:
    stream = io.BytesIO(pack([(STATUS, status("htop"))], "gz"))
    head = stream.read(262)
    assert archive_kind(head) == "gzip"
    (machine,) = read_archive(Replayed(head, stream), "-")
    assert machine.input == f"-!{STATUS}"


def test_a_damaged_archive_gives_what_was_read_before() -> None:
    noise = [(f"{SOS}/var/log/{number}", os.urandom(3000)) for number in range(200)]
    whole = bytearray(pack([(STATUS, status("htop")), *noise], "gz"))
    whole[len(whole) // 2 : len(whole) // 2 + 50] = b"\xff" * 50
    machines, skipped = read(bytes(whole))
    assert [layering(machine) for machine in machines] == [Layering.PACKAGES]
    assert "is damaged" in skipped[0].reason
    flipped = bytearray(pack([(STATUS, status("htop"))]))
    flipped[200] ^= 1
    assert read(bytes(flipped))[1][0].reason == "is no tar archive"


def test_the_checksum_behind_a_compressed_archive_is_checked() -> None:
    noise = [(f"{SOS}/var/log/{number}", os.urandom(30_000)) for number in range(20)]
    content = bytearray(gzip.compress(pack([(STATUS, status()), *noise])))
    content[-8] ^= 1
    machines, skipped = read(bytes(content))
    assert "damaged" in machines[0].problems[-1]
    assert skipped[0].lost


def hostile() -> dict[str, list[Item]]:
    """What archives were made of that escaped from readers; every one holds a true status at its end."""
    aims = ["../../escaped", "/tmp/escaped", f"{SOS}/../../{STATUS}", f"/{STATUS}", "..", "./../x", "a/..", "\\..\\x"]
    links = [
        member(STATUS + "x", kind, linkname=target)
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)
        for target in ("/etc/passwd", "../../../../etc/passwd", STATUS)
    ]
    devices = [member(f"{SOS}/dev/{kind!r}", kind) for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)]
    sparse = member(f"{SOS}/sparse", tarfile.GNUTYPE_SPARSE)
    return {
        "names": [(aim, "escaped") for aim in aims],
        "links": list(links),
        "devices": list(devices),
        "sparse": [sparse],
        "swapped folder": [member(SOS, tarfile.SYMTYPE, linkname="/tmp")],
        "odd names": [("", "x"), ("\x00", "x"), ("\udcff\n\x1b[31m", "x"), ("a" * 3000, "x"), ("/" * 50, "x")],
    }


@pytest.mark.parametrize("case", list(hostile()))
@pytest.mark.parametrize("compression", ["", "gz"])
def test_a_hostile_archive_changes_nothing_and_hides_nothing(
    case: str, compression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "kept").write_text("kept", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "inside")
    before = snapshot(tmp_path)
    content = pack([*hostile()[case], (STATUS, status("htop"))], compression, tarfile.GNU_FORMAT)
    machines, skipped = read(content)
    assert [layering(machine) for machine in machines] == [Layering.PACKAGES]
    assert snapshot(tmp_path) == before
    assert not Path("/tmp/escaped").exists()
    if case == "names":
        assert skipped == [
            Skipped("a.tar", "has 7 members with an absolute path, a `..` or a name too long: not read", lost=True)
        ]


def snapshot(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (member(STATUS, tarfile.SYMTYPE, linkname="../x"), "is a link"),
        (member(STATUS, tarfile.LNKTYPE, linkname="x"), "is a link"),
        (member(STATUS, tarfile.FIFOTYPE), "is a device or pipe"),
        (member(STATUS, tarfile.GNUTYPE_SPARSE), "is stored sparse"),
        ((STATUS, b" " * (2 << 20)), "is larger than 512 KiB"),
    ],
)
def test_a_status_that_is_no_plain_file_is_unknown_and_says_why(item: Item, reason: str) -> None:
    machines, _ = read(pack([item, (f"{SOS}/sos_commands/rpm/package-data", "")], form=tarfile.GNU_FORMAT))
    assert [layering(machine) for machine in machines] == [Layering.UNKNOWN]
    assert any(reason in problem for problem in machines[0].problems)


def test_the_first_of_duplicate_members_wins_and_says_so() -> None:
    (machine,), _ = read(pack([(STATUS, status("htop")), (STATUS, status()), (STATUS, status())]))
    assert layering(machine) is Layering.PACKAGES
    assert machine.problems == (f"{STATUS} is there more than once: the first was read",)


@pytest.mark.parametrize("nested", [False, True])
def test_a_folder_reads_as_the_archive_of_it(tmp_path: Path, *, nested: bool) -> None:
    members = {STATUS: status("htop"), f"{SOS}/etc/os-release": 'OPENSHIFT_VERSION="4.16"\nID=rhcos\n'}
    unpack(tmp_path, members)
    found = read_bundle_folder(tmp_path / SOS, f"folder/{SOS}")
    assert found is not None
    (machine,) = found
    assert isinstance(machine, Machine)
    assert machine.input == f"folder/{STATUS}"
    assert layering(machine) is Layering.PACKAGES
    (packed,), _ = read(pack(members.items()))
    assert (machine.booted, machine.os) == (packed.booted, packed.os)
    assert read_bundle_folder(tmp_path, "folder") is None


def test_a_must_gather_folder_is_one_bundle_with_its_images_and_sosreports(tmp_path: Path) -> None:
    top = GATHER.partition("/")[0]
    unpack(tmp_path, {LOG: log("htop"), NODE: NODE_OBJECT, f"{top}/timestamp": "now"})
    (tmp_path / GATHER / f"{SOS}.tar.xz").write_bytes(pack([(STATUS, status())], "xz"))
    found = read_bundle_folder(tmp_path / top, top)
    assert found is not None
    machines = [item for item in found if isinstance(item, Machine)]
    assert [(machine.input, layering(machine)) for machine in machines] == [
        (f"{GATHER}/{SOS}.tar.xz!{STATUS}", Layering.CLEAN),
        (LOG, Layering.PACKAGES),
        (NODE, Layering.UNKNOWN),
    ]


def test_links_pipes_and_closed_files_of_a_folder_are_not_read(tmp_path: Path) -> None:
    unpack(tmp_path, {STATUS: status("htop"), "outside/secret": status()})
    folder = tmp_path / SOS / "sos_commands" / "rpmostree"
    (folder / "rpm-ostree_status").symlink_to(tmp_path / "outside" / "secret")
    os.mkfifo(folder / "rpm-ostree_status_-v")
    (tmp_path / SOS / "loop").symlink_to(tmp_path / SOS)
    found = read_bundle_folder(tmp_path / SOS, SOS)
    assert found is not None
    (machine,) = found
    assert isinstance(machine, Machine)
    assert layering(machine) is Layering.PACKAGES
    assert [problem.rpartition("/")[2] for problem in machine.problems] == [
        "rpm-ostree_status is a link or no regular file, which is not read",
        "rpm-ostree_status_-v is a link or no regular file, which is not read",
    ]


def test_a_folder_behind_a_link_is_no_bundle(tmp_path: Path) -> None:
    unpack(tmp_path, {STATUS: status()})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sos_commands").symlink_to(tmp_path / SOS / "sos_commands")
    assert read_bundle_folder(tmp_path / "other", "other") is None
    assert read_bundle_folder(tmp_path / "missing", "missing") is None


LIMIT_BYTES = 128 * 1024 * 1024
READ_LIMITED = """
import resource, sys
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.path.insert(0, sys.argv[1])
from layercensus.host.bundles.archive import read_archive
from layercensus.model import Machine
machines = skipped = 0
for item in read_archive(sys.stdin.buffer, "a"):
    machines += isinstance(item, Machine)
    if not isinstance(item, Machine):
        skipped += 1
        print(item.reason)
print("machines", machines)
"""


def read_limited(path: Path) -> str:
    """What a process of 128 MiB address space, the interpreter within it, prints of an archive."""
    with path.open("rb") as stream:
        done = subprocess.run(
            [sys.executable, "-S", "-I", "-c", READ_LIMITED, str(SOURCE), str(LIMIT_BYTES)],
            stdin=stream, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def write_bomb(path: Path, opener: object, megabytes: int, head: bytes) -> None:
    with opener(path, "wb") as stream:  # type: ignore[operator]
        stream.write(head)
        for _ in range(megabytes):
            stream.write(bytes(1024 * 1024))


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    return member(name, kind, size=size).tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


FIRST = header(STATUS, len(status("htop"))) + padded(status("htop").encode())


@pytest.mark.parametrize("opener", [gzip.open, lzma.open], ids=["gz", "xz"])
def test_a_bomb_ends_and_stays_small(tmp_path: Path, opener: object) -> None:
    path = tmp_path / "bomb"
    write_bomb(path, opener, 400, FIRST + header("zeros", 4 << 40))
    assert path.stat().st_size < 2 << 20
    printed = read_limited(path)
    assert "expands to more than 200 times its size" in printed
    assert "machines 1" in printed


def test_a_status_and_a_log_that_are_bombs_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    write_bomb(path, gzip.open, 200, FIRST + header(LOG, 150 << 20))
    assert "machines 2" in read_limited(path)
    write_bomb(path, gzip.open, 200, header(STATUS, 150 << 20))
    assert "machines 1" in read_limited(path)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_an_extended_header_without_end_is_not_read(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "bomb"
    write_bomb(path, gzip.open, 300, FIRST + header("h", 1 << 38, kind))
    printed = read_limited(path)
    assert "which is not read, nor what lies behind it" in printed
    assert "machines 1" in printed


def test_an_extended_header_of_digits_ends(tmp_path: Path) -> None:
    for content in (b"1" * 1_000_000, b"11 path=a\n" * 100_000, b"30 GNU.sparse.map=" + b"1," * 400_000):
        path = tmp_path / "digits"
        path.write_bytes(FIRST + header("h", len(content), b"x") + padded(content) + header("x", 0) + bytes(1024))
        assert "machines 1" in read_limited(path)


def test_members_without_end_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "many"
    blocks = b"".join(header(f"{SOS}/{number}", 0) for number in range(1000))
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(FIRST)
        for _ in range(510):
            stream.write(blocks)
        stream.write(bytes(1024))
    printed = read_limited(path)
    assert "has more members than are read of one archive" in printed
    assert "machines 1" in printed


def test_a_hundred_thousand_statuses_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "many"
    content = status(*(f"package-with-a-name-{number}" for number in range(2000))).encode()
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for number in range(400):
            stream.write(header(f"{number}/{STATUS}", len(content)) + padded(content))
            stream.write(header(f"{number}/{NODE}", len(content)) + padded(b"a: " + content[3:]))
        stream.write(bytes(1024))
    assert "more evidence than any cluster has" in read_limited(path)


def test_a_status_as_large_as_is_read_stays_small_even_in_the_hungriest_xz(tmp_path: Path) -> None:
    path = tmp_path / "large"
    many = [status(*(f"p{number}" for number in range(24_500))), f'{{"deployments": [{"{}," * 170_000}{{}}]}}']
    for text in many:
        assert 450_000 < len(text) <= 512 << 10
        tail = header("x", 1 << 20) + os.urandom(1 << 20) + bytes(1024)
        content = header(STATUS, len(text)) + padded(text.encode()) + tail
        path.write_bytes(lzma.compress(content, preset=9))
        assert "machines 1" in read_limited(path)


def test_this_test_can_see_memory() -> None:
    program = READ_LIMITED.replace("machines = ", "x = bytes(1 << 27); machines = ")
    arguments = [sys.executable, "-S", "-I", "-c", program, str(SOURCE), str(LIMIT_BYTES)]
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
