"""What is fuzzed: a table of parsers, each with the errors that are its own; any other error is a finding.

A target takes bytes as they come from outside and hands them to the parsers that meet such bytes, as their callers do.
`covers` names every parser that it is there for: a test holds that each `parse_*` of the program is covered, and that
the seeds really reach it.
"""

import atexit
import base64
import contextlib
import hashlib
import hmac
import io
import os
import shutil
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from layercensus.agent import exchange as agent_exchange
from layercensus.agent import state as agent_state
from layercensus.classify.census import classify
from layercensus.cluster import nodes
from layercensus.errors import ClusterError, FleetError, HostDocumentError, LakeError, NevraError
from layercensus.fleet import (
    history,
    key_file,
    kinds,
    segment,
    snappy_block,
    store_answers,
    tokens,
    write_request,
)
from layercensus.fleet.admission import Admission
from layercensus.fleet.connection import Connection
from layercensus.fleet.exchange import NO_CONTENT, Request
from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.samples import Window
from layercensus.host import machine_config, nevra, os_release
from layercensus.host.bundles import archive
from layercensus.host.documents import (
    bootc,
    bootc_text,
    document,
    mcd_log,
    origin,
    other_text,
    status_json,
    status_text,
    yaml_subset,
)
from layercensus.host.documents import (
    key_file as origin_key_file,
)
from layercensus.host.live import booted, gvariant, gvariant_type, node_image, ostree_commit, rpm_header, rpmdb
from layercensus.lake import cluster_lists
from layercensus.metrics.census_json import format_census_json
from layercensus.model import Machine, Skipped

# 2026-11-25T12:00:00Z, in milliseconds, and the cluster whose token it is.
NOW_MS = 1_795_608_000_000
CLUSTER = "6f2a7f0e-0d3c-4b8e-9a51-2f1c7d9e4b60"
KEYS = tokens.Keys({"k1": b"k" * 32}, "k1", b"p" * 32)
# Files in memory, where the system has such a place.
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
_HELD_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """`read` may raise what is in `own`, and nothing else."""

    read: Callable[[bytes], object]
    covers: tuple[Callable[..., Any], ...]
    own: tuple[type[Exception], ...] = ()

    def run(self, data: bytes) -> None:
        """Read; whatever it raises beside its own errors goes through, and is a finding."""
        try:
            self.read(data)
        except self.own:
            return


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _say(found: list[Machine | Skipped]) -> None:
    """Judge what was read and say it: what a parser lets through must not trip who comes after it."""
    machines = [classify(item) for item in found if isinstance(item, Machine)]
    for _ in format_census_json(machines, [item for item in found if isinstance(item, Skipped)]):
        pass


def _document(data: bytes) -> None:
    machines = list(document.parse_document(_text(data), "x"))
    if not machines:
        raise AssertionError("a document without a machine")
    _say([*machines])


def _origin(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(HostDocumentError):
        origin_key_file.parse_key_file(text)
    origin.parse_origin(text)


def _bootc(data: bytes) -> None:
    text = _text(data)
    yaml_subset.parse_yaml_subset(text)
    bootc.parse_bootc(text)
    bootc_text.parse_bootc_text(text)


def _mcd_log(data: bytes) -> None:
    _say([mcd_log.parse_mcd_log(_text(data), "x")])


def _archive(data: bytes) -> None:
    _say(list(archive.read_archive(io.BytesIO(data), "x")))


def _gvariant(data: bytes) -> None:
    """A type, NUL, and bytes: read as GVariant, with every variant in it."""
    signature, _, content = data.partition(b"\0")
    try:
        gvariant_type.parse_type(signature.decode("latin-1"))
    except gvariant_type.GVariantTypeError:
        return
    _open_all(gvariant.unpack(signature.decode("latin-1"), content, byte_order="little"))


def _open_all(value: object) -> None:
    match value:
        case gvariant.Variant():
            _open_all(value.unpack())
        case dict():
            for one in value.values():
                _open_all(one)
        case list() | tuple():
            for one in value:
                _open_all(one)


def _commit(data: bytes) -> None:
    checksum = hashlib.sha256(data).hexdigest()
    with contextlib.suppress(HostDocumentError):
        ostree_commit.parse_folder(data, checksum)
    commit = ostree_commit.parse_commit(data, checksum, byte_order="big")
    commit.text("version")
    try:
        ostree_commit.layer_facts(commit)
    finally:
        ostree_commit.package_list(commit)


def _booted(data: bytes) -> None:
    text = _text(data)
    mounts = booted.parse_mounts(text)
    booted.path_in_file_system(mounts, "/host/etc")
    booted.parse_boot_entry(text)
    booted.parse_directory("rhcos", text)
    for parse in (booted.parse_backing_root, booted.parse_staged):
        try:
            parse(data, byte_order="little")
        except HostDocumentError:
            continue


def _os_release(data: bytes) -> None:
    os_release.parse_os_release(_text(data))


def _machine_config(data: bytes) -> None:
    machine_config.parse_machine_config(_text(data))


def _node_image(data: bytes) -> None:
    node_image.parse_node_image(_text(data))


def _nevra(data: bytes) -> None:
    nevra.parse_request(_text(data))
    nevra.parse_nevra(_text(data))


def _as_file(data: bytes, read: Callable[[Path], object]) -> None:
    """Hand over a file that only its owner may read; in memory where the system has such a place."""
    path = _scratch() / "given"
    path.write_bytes(data)
    path.chmod(0o600)
    read(path)


@cache
def _scratch() -> Path:
    """A folder of this process; where `fuzz/run.py` says one it takes it away, since libFuzzer ends without a word."""
    if given := os.environ.get("LAYERCENSUS_FUZZ_SCRATCH"):
        return Path(given)
    made = Path(tempfile.mkdtemp(prefix="layercensus-fuzz-", dir=MEMORY))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _rpmdb(data: bytes) -> None:
    def read(path: Path) -> None:
        try:
            rpmdb.read_vendors(path, ["htop", "tailscale"])
        finally:
            rpmdb.read_packages(path)

    _as_file(data, read)


def _keys(data: bytes) -> None:
    _as_file(data, key_file.read_keys)


def _lists(data: bytes) -> None:
    def read(path: Path) -> None:
        for parse in (cluster_lists.read_accounts, cluster_lists.read_known_clusters, cluster_lists.read_margins):
            try:
                parse(path)
            except LakeError:
                continue

    _as_file(data, read)


def _snappy(data: bytes) -> None:
    held = snappy_block.decompress(data, _HELD_BYTES)
    if len(held) != snappy_block.declared_size(data):
        raise AssertionError("holds another number of bytes than it says")


def _write_request(data: bytes) -> None:
    for one in write_request.parse_write_request(data, 10_000):
        kinds.name_series(kinds.parse_labels(one.labels, kinds.LabelLimits()))


def _admission(data: bytes) -> None:
    """A request to who has seen its like, and to who has not: both say the same, whatever was learned."""
    body = _literal(data)
    learned = _learned()
    answers = [_admitted(one, body) for one in (Admission(), learned, learned)]
    if not answers[0] == answers[1] == answers[2]:
        raise AssertionError("a template decides something")


def _admitted(admission: Admission, body: bytes) -> str:
    try:
        found = admission.admit(body, CLUSTER, NOW_MS)
    except Refusal as refusal:
        return f"{refusal.status} {refusal.reason}"
    return repr((found.kinds, found.timestamps, found.values, sorted(found.dropped.items())))


def _literal(data: bytes) -> bytes:
    """Snappy's block format without compression (google/snappy, format_description.txt): so bytes stay recognisable."""
    size, left = bytearray(), len(data)
    while left >= 0x80:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    size.append(left)
    return bytes(size) + (b"\xfc" + (len(data) - 1).to_bytes(4, "little") + data if data else b"")


@cache
def _learned() -> Admission:
    from fuzz.seeds import seeds_of

    admission = Admission()
    for data in seeds_of("admission"):
        _admitted(admission, _literal(data))
    return admission


def _token(data: bytes) -> None:
    """A token as it comes; one that has a line's end is header and claims, and gets a signature of ours."""
    head, end, claims = data.partition(b"\n")
    if not end:
        tokens.read_token(data.decode("latin-1"), KEYS)
        return
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (head, claims))
    signature = base64.urlsafe_b64encode(hmac.new(KEYS.keys["k1"], signed, hashlib.sha256).digest()).rstrip(b"=")
    bearer = tokens.read_token((signed + b"." + signature).decode("ascii"), KEYS)
    tokens.check_bearer(bearer, KEYS, NOW_MS / 1000)


def _segment(data: bytes) -> None:
    """A file; and one whose last record has this in it, with the sum that is right for it."""
    from fuzz.seeds import seeds_of

    whole = seeds_of("segment")[0]
    _read_segment(data)
    _read_segment(whole + struct.pack("<II", len(data), zlib.crc32(data)) + data)


def _read_segment(data: bytes) -> None:
    with contextlib.suppress(segment.TornError, segment.DamagedError):
        _read_reports(data)


def _read_reports(data: bytes) -> None:
    for report in segment.parse_segment(data):
        if not len(report.kinds) == len(report.timestamps) == len(report.values):
            raise AssertionError("columns of different lengths")


def _store(data: bytes) -> None:
    store_answers.parse_failure(500, data)
    answer = store_answers.parse_answer(data)
    with contextlib.suppress(FleetError):
        store_answers.parse_names(answer)
    window = Window(NOW_MS - 86_400_000, NOW_MS)
    for _ in history.admit(store_answers.parse_series(answer), "cluster_id", window, Counter()):
        pass


def _scrape(data: bytes) -> None:
    if (found := agent_exchange.split_head(data)) is not None:
        request = agent_exchange.parse_head(found[0])
        status = request if isinstance(request, int) else 200
        agent_exchange.format_answer(status, request=None if isinstance(request, int) else request)


def _look(data: bytes) -> None:
    look = agent_state.parse_look(data)
    if look.to_bytes() != agent_state.parse_look(look.to_bytes()).to_bytes():
        raise AssertionError("a look that changes when it is told again")
    schedule, now = agent_state.Schedule(), agent_state.Instant(0.0, 0.0)
    agent_state.end_look(agent_state.State(), look, now, schedule)


def _nodes(data: bytes) -> None:
    text = _text(data)
    nodes.parse_cluster_id(text)
    nodes.complaint_of(text)
    nodes.leavings_of(text)
    for node in nodes.parse_nodes(text):
        _ = (node.release, node.os_version, node.is_coreos, node.is_named)


class _Everything:
    """Takes every request of a connection, and remembers what was refused."""

    most_body_bytes = 4096
    most_connections = 10

    def __init__(self) -> None:
        self.refused: list[Refusal] = []

    def greet(self, request: Request) -> None:
        if request.target.startswith(b"/no"):
            raise Refusal(Status.NOT_FOUND, "path", "nothing is here")

    def take(self, request: Request, body: bytes, reply: Callable[[bytes], None]) -> None:
        if len(body) != request.size or len(body) > self.most_body_bytes:
            raise AssertionError("a body that is not what was counted")
        reply(NO_CONTENT)

    def refuse(self, refusal: Refusal) -> bytes:
        self.refused.append(refusal)
        return NO_CONTENT


class _Transport:
    """Where a connection's answers go: nowhere."""

    def write(self, data: bytes) -> None:
        """Sent."""

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Sent too."""

    def close(self) -> None:
        """Closed."""

    def abort(self) -> None:
        """Closed at once."""


def _connection(data: bytes) -> None:
    """Bytes of a connection in pieces, as long as the first byte says."""
    taker = _Everything()
    connection: Any = Connection(taker, set())
    connection.connection_made(_Transport())
    size = max(1, data[0] * 8) if data else 1
    for start in range(1, len(data), size):
        connection.data_received(data[start : start + size])
    connection.eof_received()
    connection.connection_lost(None)
    if any(refusal.status is Status.INTERNAL for refusal in taker.refused):
        raise AssertionError("a connection took a bug of ours for an answer")


TARGETS = {
    "status_json": Target(_document, (document.parse_document, status_json.parse_status)),
    "status_text": Target(
        _document,
        (
            document.recognise,
            status_text.parse_status_text,
            other_text.parse_admin_status,
            other_text.parse_table,
            other_text.parse_failure,
        ),
    ),
    "origin": Target(
        _origin, (origin_key_file.parse_key_file, origin.parse_origin, origin.read_origin), (HostDocumentError,)
    ),
    "bootc": Target(_bootc, (yaml_subset.parse_yaml_subset, bootc.parse_bootc, bootc_text.parse_bootc_text)),
    "mcd_log": Target(_mcd_log, (mcd_log.parse_mcd_log,)),
    "archive": Target(_archive, (archive.read_archive,)),
    "gvariant": Target(_gvariant, (gvariant_type.parse_type, gvariant.unpack), (gvariant.GVariantError,)),
    "commit": Target(_commit, (ostree_commit.parse_commit, ostree_commit.parse_folder), (gvariant.GVariantError,)),
    "booted": Target(
        _booted,
        (
            booted.parse_mounts,
            booted.parse_boot_entry,
            booted.parse_directory,
            booted.parse_backing_root,
            booted.parse_staged,
        ),
    ),
    "os_release": Target(_os_release, (os_release.parse_os_release,), (HostDocumentError,)),
    "machine_config": Target(_machine_config, (machine_config.parse_machine_config,), (HostDocumentError,)),
    "node_image": Target(_node_image, (node_image.parse_node_image,), (HostDocumentError,)),
    "nevra": Target(_nevra, (nevra.parse_nevra, nevra.parse_request), (NevraError,)),
    "rpm_header": Target(rpm_header.parse_rpm_header, (rpm_header.parse_rpm_header,), (rpm_header.RpmHeaderError,)),
    "rpmdb": Target(_rpmdb, (rpmdb.read_packages, rpmdb.read_vendors), (HostDocumentError,)),
    "scrape": Target(_scrape, (agent_exchange.split_head, agent_exchange.parse_head)),
    "look": Target(_look, (agent_state.parse_look,)),
    "nodes": Target(_nodes, (nodes.parse_nodes, nodes.parse_cluster_id), (ClusterError,)),
    "connection": Target(_connection, (Connection.data_received,)),
    "snappy": Target(_snappy, (snappy_block.decompress,), (Refusal,)),
    "write_request": Target(
        _write_request,
        (
            write_request.parse_write_request,
            write_request.parse_message,
            write_request.parse_fields,
            kinds.parse_labels,
            kinds.name_series,
        ),
        (Refusal,),
    ),
    "admission": Target(_admission, (Admission.admit, write_request.parse_varint)),
    "token": Target(_token, (tokens.read_token,), (Refusal,)),
    "key_file": Target(_keys, (key_file.read_keys,), (FleetError,)),
    "segment": Target(_segment, (segment.parse_segment,)),
    "store": Target(
        _store,
        (
            store_answers.parse_answer,
            store_answers.parse_series,
            store_answers.parse_names,
            store_answers.parse_failure,
            history.admit,
        ),
        (FleetError, store_answers.CutError),
    ),
    "cluster_lists": Target(
        _lists, (cluster_lists.read_accounts, cluster_lists.read_known_clusters, cluster_lists.read_margins)
    ),
}
