"""RPM headers composed byte by byte from the format's description; real ones are in tests/real/test_rpmdb.py."""

import contextlib
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layercensus.errors import HostDocumentError
from layercensus.host.live import rpm_header
from layercensus.host.live.rpm_header import RpmHeaderError, RpmPackage, parse_rpm_header
from layercensus.host.nevra import Nevra

Entry = tuple[int, int, int, int]
NAME, VERSION, RELEASE, EPOCH, INSTALL_TIME, VENDOR, ARCH = 1000, 1001, 1002, 1003, 1008, 1011, 1022
INT32, STRING, BINARY, STRING_ARRAY, I18N = 4, 6, 7, 8, 9


def pack(entries: list[Entry], data: bytes, *, counts: tuple[int, int] | None = None) -> bytes:
    """Counts, index and data; `counts` to lie about them."""
    head = struct.pack(">II", *(counts or (len(entries), len(data))))
    return head + b"".join(struct.pack(">IIiI", *entry) for entry in entries) + data


def header(extra: list[tuple[int, int, bytes]] | None = None, **values: str | int) -> bytes:
    """A header as rpm stores it: a signed region with its trailer, then `extra` tags that were added at install time."""
    tags = {"name": NAME, "version": VERSION, "release": RELEASE, "epoch": EPOCH, "vendor": VENDOR, "arch": ARCH}
    entries: list[Entry] = []
    data = b"C\0"
    for key, value in ({"name": "htop", "version": "3.2.1", "release": "1.el9", "arch": "x86_64"} | values).items():
        if isinstance(value, int):
            data += b"\0" * (-len(data) % 4)
            entries.append((tags[key], INT32, len(data), 1))
            data += struct.pack(">I", value)
        else:
            entries.append((tags[key], STRING, len(data), 1))
            data += value.encode() + b"\0"
    region: Entry = (63, BINARY, len(data), 16)
    data += struct.pack(">IIiI", 63, BINARY, -(len(entries) + 1) * 16, 16)
    entries = [region, *entries]
    for tag, kind, content in extra or []:
        data += b"\0" * (-len(data) % 4)
        entries.append((tag, kind, len(data), 1))
        data += content
    return pack(entries, data)


WHOLE = header(epoch=2, vendor="Red Hat, Inc.", extra=[(INSTALL_TIME, INT32, struct.pack(">I", 1_795_337_900))])


def test_a_header_says_who_and_when() -> None:
    assert parse_rpm_header(WHOLE) == RpmPackage(
        nevra=Nevra("htop", "3.2.1", "1.el9", epoch=2, arch="x86_64"),
        vendor="Red Hat, Inc.",
        installed_at=1_795_337_900,
    )


def test_what_a_header_lacks_is_none_and_no_epoch_is_0() -> None:
    package = parse_rpm_header(header())
    assert (package.vendor, package.installed_at, package.nevra.epoch) == (None, None, 0)


def test_a_key_has_no_architecture() -> None:
    entries: list[Entry] = [(NAME, STRING, 0, 1), (VERSION, STRING, 11, 1), (RELEASE, STRING, 11, 1)]
    package = parse_rpm_header(pack(entries, b"gpg-pubkey\0fd431d51\0"))
    assert package.nevra == Nevra("gpg-pubkey", "fd431d51", "fd431d51")


@pytest.mark.parametrize("vendor", ["", 'Müller & Söhne "GmbH"', "(none)", "a\nb\x1b[31m", "x" * 65_535])
def test_a_vendor_is_kept_as_it_is(vendor: str) -> None:
    assert parse_rpm_header(header(vendor=vendor)).vendor == vendor


def test_a_text_that_is_no_utf_8_is_shown_as_far_as_it_can_be() -> None:
    package = parse_rpm_header(header(extra=[(VENDOR, STRING, b"M\xfcller\0")]))
    assert package.vendor == "M\ufffdller"


def test_a_tag_added_at_install_time_wins_over_the_region() -> None:
    assert parse_rpm_header(header(vendor="old", extra=[(VENDOR, STRING, b"new\0")])).vendor == "new"


@pytest.mark.parametrize("epoch", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_epoch_has_32_bits(epoch: int) -> None:
    assert parse_rpm_header(header(epoch=epoch)).nevra.epoch == epoch


GOOD: list[Entry] = [(NAME, STRING, 0, 1), (VERSION, STRING, 2, 1), (RELEASE, STRING, 4, 1)]
DATA = b"n\0001\0002\0"


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "has 0 bytes"),
        (b"\0" * 7, "has 7 bytes"),
        (b"\0" * 8, "no tag 1000"),
        (pack([], b""), "no tag 1000"),
        (pack(GOOD, DATA, counts=(3, 7)), "claims 63 bytes and has 62"),
        (pack(GOOD, DATA, counts=(4, 6)), "claims 78 bytes"),
        (pack(GOOD, DATA, counts=(2, 6)), "claims 46 bytes"),
        (pack(GOOD, DATA, counts=(0xFFFFFFFF, 6)), "claims 4294967295 entries"),
        (pack(GOOD, DATA, counts=(0x10000, 6)), "claims 65536 entries"),
        (pack(GOOD, DATA, counts=(3, 0xFFFFFFFF)), "claims 4294967351 bytes"),
        (pack(GOOD, DATA) + b"\0", "and has 63"),
        (pack(GOOD, DATA)[:-1], "and has 61"),
        (pack([*GOOD, (VENDOR, STRING, 6, 1)], DATA), "tag 1011 points outside"),
        (pack([*GOOD, (VENDOR, STRING, -1, 1)], DATA), "tag 1011 points outside"),
        (pack([*GOOD, (VENDOR, STRING, -0x80000000, 1)], DATA), "tag 1011 points outside"),
        (pack([*GOOD, (VENDOR, STRING, 0x7FFFFFFF, 1)], DATA), "tag 1011 points outside"),
        (pack([*GOOD, (VENDOR, STRING, 6, 1)], DATA + b"open"), "tag 1011 has no end"),
        (pack([*GOOD, (EPOCH, INT32, 3, 1)], DATA), "tag 1003 points outside"),
        (pack([*GOOD, (EPOCH, INT32, -4, 1)], DATA), "tag 1003 points outside"),
        (pack([*GOOD, (EPOCH, INT32, 0, 2)], DATA), "tag 1003 has type 4 and count 2"),
        (pack([*GOOD, (EPOCH, STRING, 0, 1)], DATA), "tag 1003 has type 6"),
        (pack([*GOOD, (VENDOR, I18N, 0, 1)], DATA), "tag 1011 has type 9"),
        (pack([*GOOD, (VENDOR, STRING_ARRAY, 0, 1)], DATA), "tag 1011 has type 8"),
        (pack([*GOOD, (VENDOR, STRING, 0, 0)], DATA), "tag 1011 has type 6 and count 0"),
        (pack(GOOD[:2], DATA), "no tag 1002"),
        (pack([(NAME, STRING, 1, 1), *GOOD[1:]], DATA), "no tag 1000"),
    ],
)
def test_what_does_not_fit_is_no_header(blob: bytes, reason: str) -> None:
    with pytest.raises(RpmHeaderError, match=reason):
        parse_rpm_header(blob)


def test_a_header_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpm_header, "MAX_HEADER_BYTES", 1024 * 1024)
    with pytest.raises(RpmHeaderError, match="larger than 1 MiB"):
        parse_rpm_header(bytes(1024 * 1024 + 1))


def test_the_error_is_one_of_the_room() -> None:
    assert issubclass(RpmHeaderError, HostDocumentError)


@settings(max_examples=500, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, len(WHOLE)),
    tail=st.binary(max_size=20),
)
def test_a_changed_header_gives_a_package_or_our_error(edits: list[tuple[int, int]], cut: int, tail: bytes) -> None:
    blob = bytearray(WHOLE)
    for position, value in edits:
        blob[position] = value
    for candidate in (bytes(blob), bytes(blob[:cut]) + tail):
        try:
            package = parse_rpm_header(candidate)
        except RpmHeaderError:
            continue
        assert package.nevra.name
        assert package.nevra.version


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_package_or_our_error(blob: bytes) -> None:
    with contextlib.suppress(RpmHeaderError):
        parse_rpm_header(blob)


def test_a_text_is_bounded() -> None:
    with pytest.raises(RpmHeaderError, match="no end within 64 KiB"):
        parse_rpm_header(header(vendor="x" * 65_536))


def test_the_worst_header_takes_no_time() -> None:
    """All entries that may be, all of them the name, which is as long as the bound on headers allows."""
    text_bytes = rpm_header.MAX_HEADER_BYTES - 8 - rpm_header.MAX_ENTRIES * 16
    entries: list[Entry] = [(NAME, STRING, 0, 1)] * rpm_header.MAX_ENTRIES
    blob = pack(entries, b"x" * (text_bytes - 1) + b"\0")
    started = time.process_time()
    with pytest.raises(RpmHeaderError):
        parse_rpm_header(blob)
    assert time.process_time() - started < 2
