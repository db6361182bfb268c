"""What fuzzing starts from: small whole inputs of each target, composed here or by the builders of the tests.

What was found is in `kept.py` beside it; it is replayed with the seeds for ever.
"""

import bz2
import gzip
import json
import lzma
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from uuid import UUID

from tests.conftest import build_deployment, build_status
from tests.fleet import wire
from tests.host import test_mcd_log, test_os_release, test_rpm_header
from tests.properties import test_archives, test_documents_hold

from fuzz.targets import CLUSTER, KEYS, NOW_MS
from layercensus.fleet import segment, tokens

_CHECKSUM = "0a1b" * 16
_LABELS = {"__name__": wire.LAYERING, "cluster_id": CLUSTER, "prometheus_replica": "a"}


@cache
def seeds_of(target: str) -> tuple[bytes, ...]:
    """Whole inputs of a target."""
    return tuple(one.encode() if isinstance(one, str) else one for one in _SEEDS[target]())


def _status_json() -> Iterable[str]:
    yield build_status(build_deployment())
    yield build_status(
        build_deployment(
            repo=["htop", "usbguard", "libc.so.6()(64bit)"],
            inactive=["jq"],
            local=["zsh-5.8-9.el9.x86_64"],
            removed=["git-core"],
            replaced=[("podman-5:4.5.1-1.el9.x86_64", "podman-2:4.4.1-3.el9.x86_64")],
            remote=[("updates", "crun-1.8-1.el9.x86_64", "crun-1.7-1.el9.x86_64")],
            modules_enabled=["cri-o:1.20/default"],
        ),
        build_deployment(booted=False, version="413.92.202305231734-0", staged=True),
    )
    small = {"deployments": [{"booted": True, "version": "46.82.1-0", "packages": ["a"], "requested-packages": ["a"]}]}
    yield json.dumps(small)
    yield (
        "# oc\n"
        + json.dumps(small)
        + "\nState: idle\nDeployments:\n* ostree://x\n  Version: 1 (2024-01-01T00:00:00Z)\n"
    )


def _status_text() -> Iterable[str]:
    yield test_documents_hold.TEXT
    yield test_documents_hold.WITHOUT_A_MARK
    yield "error: Timeout was reached\n"
    table = "  TIMESTAMP (UTC)         VERSION   ID             OSNAME     REFSPEC\n"
    yield f"{table}* 2015-01-01 00:00:00     7.1.0     1f2f6a4ef0     atomic     x:y\n"
    yield f"* rhcos {_CHECKSUM}.0\n    Version: 414.92.1-0\n    origin refspec: x\n    Unlocked: hotfix\n"
    yield (
        "State: idle\nDeployments:\n● ostree-unverified-registry:quay.io/x@sha256:1\n      ReplacedBasePackages: "
        "podman 5:4.5.1-1 -> 5:4.5.2-1 a b 1-1 -> 2-1\n    LocalOverrides: x 1-1.el9 -> 2-1.el9\n"
        "              EnabledModules: cri-o:1.20\n                    Unlocked: development\n"
    )


def _origin() -> Iterable[str]:
    yield "[origin]\nrefspec=fedora:fedora/x86_64/coreos/stable\n"
    yield (
        "[origin]\ncontainer-image-reference=ostree-unverified-registry:quay.io/x@sha256:57\nunlocked=hotfix\n"
        f"[packages]\nrequested=htop;libc.so.6()(64bit);\nrequested-local={_CHECKSUM}:zsh-5.8-9.el9.x86_64;\n"
        f"[overrides]\nremove=git-core;\nreplace-local={_CHECKSUM}:podman-5:4.5.1-1.el9.x86_64;\n"
        "replace=repo=updates,a,b;\n[modules]\nenable=cri-o:1.20;\n[rpmostree]\nregenerate-initramfs=true\n# s\\s\n"
    )


def _bootc() -> Iterable[str]:
    yield (
        "apiVersion: org.containers.bootc/v1\nkind: BootcHost\nstatus:\n  booted:\n    image:\n      image:\n"
        '        image: quay.io/x\n        signature: !ostreeRemote "fedora"\n      imageDigest: sha256:57\n'
        "    incompatible: true\n  otherDeployments:\n  - pinned: true\n    text: |\n      a\n  rollback: null\n"
    )
    booted = {"image": None, "incompatible": False, "ostree": {"checksum": _CHECKSUM, "deploySerial": 0}}
    yield json.dumps({"apiVersion": "org.containers.bootc/v1", "kind": "BootcHost", "status": {"booted": booted}})
    yield "● Booted image: quay.io/x\n        Digest: sha256:57\n       Version: 1 (2024-01-01T00:00:00Z)\n"


def _mcd_log() -> Iterable[str]:
    yield test_mcd_log.log(
        test_mcd_log.start(0, test_mcd_log.status("          LayeredPackages: htop usbguard")),
        test_mcd_log.start(5, None, quoted=False, tail=("Detected a new login session: x",)),
    )
    yield test_mcd_log.log(test_mcd_log.start(0, test_mcd_log.status()), stamps=False)


def _archive() -> Iterable[bytes]:
    pieces = {name: text.encode() for name, text in test_archives.MEMBERS.items()}
    yield test_archives.WHOLE
    yield gzip.compress(test_archives.WHOLE, mtime=0)
    yield lzma.compress(test_archives.WHOLE)
    yield bz2.compress(test_archives.WHOLE)
    first = next(iter(pieces))
    inner = gzip.compress(test_archives.pack({first: pieces[first]}), mtime=0)
    yield test_archives.pack({"must-gather/sosreport-b.tar.gz": inner, "x" * 150 + "/é": b"y"})


def _packed(ends: Iterable[int], body: bytes) -> bytes:
    """A container with offsets behind it, as wide as they must be for all of it to be reached."""
    places = list(ends)
    for size in (1, 2, 4):
        if len(body) + size * len(places) < 1 << 8 * size:
            return body + b"".join(end.to_bytes(size, "little") for end in places)
    raise AssertionError("longer than any seed")


def _padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % 8)


def _dictionary(values: Mapping[str, tuple[str, bytes]]) -> bytes:
    """An `a{sv}` of values by type and bytes (GVariant specification, "Serialised data")."""
    body, ends = b"", []
    for key, (signature, value) in values.items():
        text = key.encode() + b"\0"
        body = _padded(body) + _packed([len(text)], _padded(text) + value + b"\0" + signature.encode())
        ends.append(len(body))
    return _packed(ends, body)


def _array(items: Iterable[bytes], *, aligned: bool = False) -> bytes:
    body, ends = b"", []
    for item in items:
        body = (_padded(body) if aligned else body) + item
        ends.append(len(body))
    return _packed(ends, body)


def _texts(*texts: str) -> bytes:
    return _array(text.encode() + b"\0" for text in texts)


def _package_row(*texts: str) -> bytes:
    body, ends = b"", []
    for text in texts:
        body += text.encode() + b"\0"
        ends.append(len(body))
    return _packed(reversed(ends[:-1]), body)


def _boxed_package() -> bytes:
    """`v` with `(sstsss)`: NEVRA, name, epoch, version, release, architecture."""
    head = b"moby-1-1.x86_64\0moby\0"
    body = _padded(head) + bytes(8) + b"1\x001\0x86_64\0"
    ends = [16, 21, len(_padded(head)) + 10, len(_padded(head)) + 12]
    return _packed(reversed(ends), body) + b"\0(sstsss)"


def _commit_metadata() -> bytes:
    rows = _array([_package_row("acl", "0", "2.3.1", "3.el9", "x86_64"), _package_row("moby", "1", "1", "1", "x86_64")])
    pair = _padded(_boxed_package())
    return _dictionary(
        {
            "rpmostree.clientlayer": ("b", b"\1"),
            "rpmostree.clientlayer_version": ("u", (6).to_bytes(4, "big")),
            "rpmostree.packages": ("as", _texts("htop", "jq")),
            "rpmostree.removed-base-packages": ("av", _array([_boxed_package()], aligned=True)),
            "rpmostree.replaced-base-packages": (
                "a(vv)",
                _array([_packed([len(_boxed_package())], pair + _boxed_package())], aligned=True),
            ),
            "rpmostree.replaced-base-remote-packages": ("a{sv}", b""),
            "rpmostree.modules": ("as", _texts("cri-o:1.20")),
            "rpmostree.rpmdb.pkglist": ("a(sssss)", rows),
            "version": ("s", b"414.92.1-0\0"),
        }
    )


def _commit() -> Iterable[bytes]:
    for metadata in (b"", _commit_metadata()):
        body, ends = metadata, [len(metadata)]
        for member in (bytes(32), b"", b"subject\0", b"\0"):
            body += member
            ends.append(len(body))
        body = _padded(body) + bytes(8) + b"r" * 32
        ends.append(len(body))
        yield _packed(reversed(ends), body + b"m" * 32)
    file = _packed([5], b"file\0" + bytes(32))
    folder = _packed([39, 7], b"folder\0" + bytes(64))
    files = _array([file])
    yield _packed([len(files)], files + _array([folder]))


def _gvariant() -> Iterable[bytes]:
    yield b"a{sv}\0" + _commit_metadata()
    yield b"(su)\0ab\0\0\x02\x01\0\0\x03"
    yield b"(ybnqiuxthd)\0" + bytes([1, 1]) + bytes(54)
    yield b"as\0" + _texts("a", "b")
    yield b"v\0x\0\0s\0v"
    yield b"(msmiaya{yy})\0a\0\0\x01\x02\x03\x04z\x05\x03"
    yield b"a(sssss)\0" + _array([_package_row("a", "0", "1", "1", "x")])


def _booted() -> Iterable[bytes | str]:
    yield (
        f"611 594 8:4 /ostree/deploy/rhcos/deploy/{_CHECKSUM}.0/etc /host/etc ro - xfs /dev/sda4 rw\n"
        "1 1 0:1 / / rw - composefs overlay rw\n2 1 0:2 /a\\040b /host/a\\040b rw shared:1 - tmpfs x rw\n"
    )
    yield f"title x\nversion 2\noptions root=UUID=1 ostree=/ostree/boot.1/rhcos/{_CHECKSUM}/0\n"
    yield f"{_CHECKSUM}.0"
    target = _dictionary({"name": ("s", f"{_CHECKSUM}.0\0".encode()), "osname": ("s", b"rhcos\0")})
    yield _dictionary({"target": ("a{sv}", target)})
    yield _dictionary({"backing-root-device-inode": ("(tt)", bytes(7) + b"\1" + bytes(7) + b"\2")})


def _rpm_header() -> Iterable[bytes]:
    yield test_rpm_header.WHOLE
    yield test_rpm_header.header()


def _rpmdb() -> Iterable[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rpmdb.sqlite"
        connection = sqlite3.connect(path)
        with connection:
            connection.execute("PRAGMA page_size = 512")
            connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
            connection.execute("CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
            connection.execute("INSERT INTO Packages VALUES (1, ?)", [test_rpm_header.WHOLE])
            connection.execute("INSERT INTO Name VALUES ('htop', 1, 0)")
        connection.close()
        yield path.read_bytes()


def _node_list() -> Iterable[str]:
    info = {"osImage": "Red Hat Enterprise Linux CoreOS 414.92.1-0 (Plow)", "kubeletVersion": "v1.27.6+f67aeb3"}
    node = {
        "metadata": {"name": "worker-0", "labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/os": "linux"}},
        "status": {
            "nodeInfo": {**info, "architecture": "amd64", "operatingSystem": "linux"},
            "conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}],
        },
    }
    yield json.dumps({"kind": "List", "items": [node]})
    yield CLUSTER
    yield (
        "Temporary namespace openshift-debug-x7k2q is created for debugging node...\nStarting pod/w-debug-f4n8z ...\n"
        "Removing debug pod ...\nTemporary namespace openshift-debug-x7k2q was removed.\nerror: x\n"
    )


def _connection() -> Iterable[bytes]:
    head = b"POST /api/v1/write HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-protobuf\r\n"
    yield b"\xff" + head + b"Content-Length: 4\r\n\r\nbodyGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
    yield (
        b"\x02" + head + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n4;x=y\r\nbody\r\n0\r\nT: r\r\n\r\n"
    )
    yield b"\x01HEAD /no HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /a?b HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n"


def _requests() -> Iterable[bytes]:
    counts = [wire.series({**_LABELS, "layering": name}, (NOW_MS, 3.0)) for name in wire.CLASSES]
    version = {"__name__": wire.VERSION, "type": "current", "version": "4.14.30", "_id": CLUSTER}
    yield wire.request(*counts)
    yield wire.request(*counts, wire.series(version, (NOW_MS, 1.0), (NOW_MS - 1000, 1.0)))
    yield wire.request(wire.series({"__name__": "up", "cluster_id": CLUSTER}, (NOW_MS, 1.0)))


def _snappy() -> Iterable[bytes]:
    for data in _requests():
        yield wire.compress(data)
    yield b"\x0a\x00a\x22\x01\x00"
    yield b"\x00"


def _tokens() -> Iterable[bytes | str]:
    now = NOW_MS // 1000
    yield tokens.issue_token(KEYS, UUID(CLUSTER), now, 400)
    claims = {"sub": CLUSTER, "iat": now, "exp": now + 86_400, "aud": "layercensus"}
    yield '{"alg": "HS256", "kid": "k1", "typ": "JWT"}\n' + json.dumps(claims)


def _keys() -> Iterable[str]:
    key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
    value = {"schema": "layercensus/keys/v1", "newest": "k1", "keys": {"k1": key}, "pseudonym_key": key}
    yield json.dumps({**value, "revoked": {CLUSTER: 1_764_064_800}})


def _segment() -> Iterable[bytes]:
    made = [wire.kind_of(wire.LAYERING, {"layering": name}) for name in wire.CLASSES]
    kinds = b"".join(segment.format_kind(number, kind) for number, kind in enumerate(made))
    report = segment.format_report(UUID(CLUSTER).bytes, NOW_MS, (0, 1), (NOW_MS, NOW_MS), (3.0, 1.0))
    yield segment.HEAD + kinds + report + report
    # What is in a record: eight bytes of length and sum come before it.
    yield report[8:]
    yield segment.format_kind(0, made[0])[8:]


def _store() -> Iterable[str]:
    metric = {"__name__": wire.LAYERING, "cluster_id": CLUSTER, "layering": "clean"}
    matrix = {"resultType": "matrix", "result": [{"metric": metric, "values": [[NOW_MS / 1000, "3"]]}]}
    yield json.dumps({"status": "success", "data": matrix, "warnings": ["x"], "isPartial": True})
    yield json.dumps({"status": "success", "data": ["a", "b"]})
    yield json.dumps({"status": "error", "errorType": "timeout", "error": "x"})


def _lists() -> Iterable[str]:
    yield f"cluster_id,account,internal,class\n{CLUSTER},acme,no,customer\n"
    yield f'cluster_id,machines\n{CLUSTER},12\n"{CLUSTER[:-1]}1",\n'
    yield 'release,platform,clusters\n4.14,AWS,1200\n4.15,"a, b",7\n'


_SEEDS: dict[str, Callable[[], Iterable[str | bytes]]] = {
    "status_json": _status_json,
    "status_text": _status_text,
    "origin": _origin,
    "bootc": _bootc,
    "mcd_log": _mcd_log,
    "archive": _archive,
    "gvariant": _gvariant,
    "commit": _commit,
    "booted": _booted,
    "os_release": lambda: [test_os_release.RHCOS_414, "ID='a'\\''b'\nX=\"\\$y\"\n"],
    "machine_config": lambda: [
        (
            '{"kind": "MachineConfig", "metadata": {"name": "rendered-worker-0f"}, "spec": {"osImageURL": "quay.io/x", '
            '"kernelType": "realtime", "extensions": ["usbguard"]}}'
        )
    ],
    "node_image": lambda: ['{"rpmdb.pkglist": [["acl", "0", "2.3.1", "3.el9", "x86_64"]]}'],
    "nevra": lambda: [
        "java-1.8.0-openjdk.x86_64",
        "NetworkManager-ovs-1:1.44.0-3.el9.aarch64",
        f"{_CHECKSUM}:1:a-2.3-4.noarch",
        "libc.so.6()(64bit)",
        "/usr/bin/virsh",
        "gstreamer1-*",
    ],
    "rpm_header": _rpm_header,
    "rpmdb": _rpmdb,
    "scrape": lambda: [
        b"GET /metrics?x HTTP/1.1\r\nHost: a:9464\r\nConnection: close\r\n\r\n",
        b"HEAD / HTTP/1.0\r\n\r\n",
    ],
    "look": lambda: ['[[1, 2, 3], "layercensus_changes 1\\n", null, ""]', '[null, null, "timeout", "x"]'],
    "nodes": _node_list,
    "connection": _connection,
    "snappy": _snappy,
    "write_request": _requests,
    "admission": _requests,
    "token": _tokens,
    "key_file": _keys,
    "segment": _segment,
    "store": _store,
    "cluster_lists": _lists,
}
