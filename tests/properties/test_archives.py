"""Archives under hypothesis: whatever is cut, mixed or broken, reading ends, raises nothing, and is never clean by loss."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layercensus.classify.census import classify
from layercensus.host.bundles.archive import read_archive
from layercensus.host.bundles.byte_stream import Budget, ByteStream
from layercensus.host.bundles.tar_stream import TarReader, clean_name
from layercensus.model import Layering, Machine, Skipped

SOS = "sosreport-a"
POD = "mg/image/namespaces/openshift-machine-config-operator/pods/machine-config-daemon-x/machine-config-daemon"
MEMBERS = {
    f"{SOS}/sos_commands/rpmostree/rpm-ostree_status_--json": json.dumps(
        {"deployments": [{"booted": True, "version": "416.94.202405010000-0", "packages": []}]}
    ),
    f"{SOS}/sos_commands/bootc/bootc_status": (
        "apiVersion: org.containers.bootc/v1\nstatus:\n  booted:\n    incompatible: false\n  rollback: null\n"
    ),
    f"{POD}/logs/previous.log": (
        "I0501 10:00:01.1 1 update.go:1] Starting to manage node: w\nI0501 10:00:01.1 1 daemon.go:1] State: idle\n"
        "Deployments:\n* pivot://a/b@sha256:57\n                  Version: 44.81.202005180831-0 (2020-05-18T08:38:30Z)\n"
        "I0501 10:00:01.1 1 daemon.go:2] journalctl\n"
    ),
    f"{POD}/logs/current.log": "I0501 10:00:01.1 1 daemon.go:1] State: idle\nDeployments:\n* pivot://a/b@sha256:57\n"
    "                  Version: 44.81.202005180831-0 (2020-05-18T08:38:30Z)\n          LayeredPackages: htop\n"
    "I0501 10:00:01.1 1 daemon.go:2] journalctl\n",
    "mg/image/cluster-scoped-resources/core/nodes/w.yaml": "metadata:\n  name: w\n",
}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
}


def pack(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def read(content: bytes) -> tuple[list[Machine], list[Skipped]]:
    found = list(read_archive(io.BytesIO(content), "a"))
    return [item for item in found if isinstance(item, Machine)], [item for item in found if isinstance(item, Skipped)]


WHOLE = pack({name: text.encode() for name, text in MEMBERS.items()})


def test_the_whole_archive_is_as_expected() -> None:
    machines, skipped = read(WHOLE)
    assert [classify(machine).booted.layering for machine in machines] == [Layering.CLEAN, Layering.PACKAGES]
    assert skipped == []


@given(st.permutations(list(MEMBERS)), st.sampled_from(sorted(COMPRESS)), st.floats(min_value=0, max_value=1))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_cut_archive_is_never_clean_where_evidence_may_be_cut(order: list[str], kind: str, share: float) -> None:
    whole = COMPRESS[kind](pack({name: MEMBERS[name].encode() for name in order}))
    machines, skipped = read(whole[: int(len(whole) * share)])
    lost = any(item.lost for item in skipped)
    for machine in machines:
        layering = classify(machine).booted.layering
        if machine.input.startswith("a!mg"):
            # The present log has a package, the one before it has none.
            assert layering is not Layering.CLEAN
        else:
            assert layering in {Layering.CLEAN, Layering.UNKNOWN}
        assert (machine.problems != ()) or not lost
    # Behind the last member nothing but zeros is missing.
    assert lost or len(machines) == 2


def test_no_cut_of_a_plain_archive_brings_back_an_older_log() -> None:
    for length in range(0, len(WHOLE), 64):
        gather = [machine for machine in read(WHOLE[:length])[0] if machine.input.startswith("a!mg")]
        assert all(classify(machine).booted.layering is not Layering.CLEAN for machine in gather)


@given(
    st.sampled_from(sorted(COMPRESS)),
    st.lists(st.tuples(st.integers(min_value=0), st.binary(min_size=1, max_size=40)), max_size=6),
)
def test_a_damaged_archive_ends_and_raises_nothing(kind: str, damages: list[tuple[int, bytes]]) -> None:
    content = bytearray(COMPRESS[kind](WHOLE))
    for place, patch in damages:
        start = place % len(content)
        content[start : start + len(patch)] = patch
    read(bytes(content))


@given(st.binary(max_size=4000))
def test_no_bytes_raise(content: bytes) -> None:
    read(content)
    read(WHOLE[:512] + content)
    read(b"\x1f\x8b\x08" + content)


@given(st.dictionaries(st.text(min_size=1, max_size=300), st.binary(max_size=2000), max_size=8))
def test_members_read_as_tarfile_wrote_them(members: dict[str, bytes]) -> None:
    names = {name: content for name, content in members.items() if not name.endswith("/")}
    names = {name: content for name, content in names.items() if name == name.encode("utf-8", "replace").decode()}
    budget = Budget()
    reader = TarReader(ByteStream(io.BytesIO(pack(names)), budget), budget)
    found = {member.name: reader.read(member.size) for member in reader}
    expected = {clean_name(name.rstrip("\x00")): content for name, content in names.items() if "\x00" not in name}
    expected.pop("", None)
    if not any("\x00" in name for name in names):
        assert found == expected
    assert reader.problem is None


@given(st.text(max_size=200))
def test_a_clean_name_stays_below_its_folder(name: str) -> None:
    clean = clean_name(name)
    assert not clean.startswith("/")
    assert ".." not in clean.split("/")
    assert clean_name(clean) == clean
