"""The head of a request: content, length, who sends, how often; and under which id it is kept."""

import hmac
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import DAY, LAYERING, NOW, A, B, body, series

from layercensus.fleet.admission import Admission, Limits
from layercensus.fleet.desk import Desk, Rate, pseudonym, uuid_text
from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.tokens import Keys, issue_token, revoke_tokens

KEYS = Keys({"k1": bytes(range(32))}, "k1", b"p" * 32)
AT = NOW // 1000
DAY_SECONDS = DAY // 1000


def bearer(cluster: str = A, keys: Keys = KEYS, issued: int = AT, days: int = 30) -> bytes:
    return b"Bearer " + issue_token(keys, UUID(cluster), issued, days).encode()


def refusal_of(desk: Desk, authorization: bytes, now: float = AT) -> Refusal:
    with pytest.raises(Refusal) as caught:
        desk.greet(authorization, now)
    return caught.value


def taken(desk: Desk, authorization: bytes, times: Sequence[float]) -> list[bool]:
    """Which of the requests at these times are let in."""
    found: list[Refusal | None] = []
    for now in times:
        try:
            desk.greet(authorization, now)
        except Refusal as refusal:
            found.append(refusal)
        else:
            found.append(None)
    assert {(one.status, one.reason) for one in found if one} <= {(Status.TOO_MANY, "rate")}
    return [one is None for one in found]


# What is sent (remote write 1.0 and 2.0, Content-Type and Content-Encoding; prometheus/compliance, request_test.go)


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/x-protobuf",
        b"application/x-protobuf;proto=prometheus.WriteRequest",
        b"application/x-protobuf; proto=prometheus.WriteRequest",
        b"application/x-protobuf ; proto=prometheus.WriteRequest ",
        b'application/x-protobuf;proto="prometheus.WriteRequest"',
        b"application/x-protobuf;PROTO=prometheus.WriteRequest",
        b"Application/X-Protobuf",
        b"application/x-protobuf;charset=utf-8",
        b"application/x-protobuf;",
        b"",
    ],
)
def test_remote_write_1_is_taken(content_type: bytes) -> None:
    """Types and names of parameters are written in any case, values may stand in quotes (RFC 9110, 8.3.1 and 5.6.6)."""
    for encoding in (b"snappy", b"Snappy", b" snappy ", b""):
        Desk(KEYS).check_content(content_type, encoding)


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/json",
        b"image/png",
        b"text/plain",
        b"application/octet-stream",
        b"application/protobuf",
        b"application/x-protobuf2",
        b"application/x-protobuf,application/json",
        b"application/x-protobuf;proto=io.prometheus.write.v2.Request",
        b'application/x-protobuf; proto="io.prometheus.write.v2.Request"',
        b"application/x-protobuf;proto=prometheus.writerequest",
        b"application/x-protobuf;proto=WriteRequest",
        b"application/x-protobuf;proto=",
        b"application/x-protobuf;proto=prometheus.WriteRequest;proto=io.prometheus.write.v2.Request",
        b"x",
        b"\xff\xfe",
        b"x;;;===",
    ],
)
def test_other_content_is_not_supported(content_type: bytes) -> None:
    """With 415, at which senders of 2.0 fall back."""
    with pytest.raises(Refusal) as caught:
        Desk(KEYS).check_content(content_type, b"snappy")
    assert (int(caught.value.status), caught.value.reason) == (415, "content_type")


@pytest.mark.parametrize(
    "encoding",
    [b"gzip", b"deflate", b"zstd", b"identity", b"br", b"x-snappy-framed", b"snappy, gzip", b"snappy2", b"\xff", b"*"],
)
def test_other_encodings_are_not_supported(encoding: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        Desk(KEYS).check_content(b"application/x-protobuf", encoding)
    assert (int(caught.value.status), caught.value.reason) == (415, "content_encoding")


def test_what_was_refused_once_is_refused_again_and_what_was_taken_is_taken() -> None:
    desk = Desk(KEYS)
    for index in range(200):
        desk.check_content(b"application/x-protobuf;a=%d" % index, b"snappy")
        with pytest.raises(Refusal):
            desk.check_content(b"application/json;a=%d" % (index // 2), b"snappy")


# How long it is


@pytest.mark.parametrize(
    ("length", "is_taken"),
    [
        (b"", True),
        (b"0", True),
        (b"1000", True),
        (b"0001000", True),
        (b"1001", False),
        (b"9" * 19, False),
        (b"9" * 5000, False),
    ],
)
def test_a_body_that_says_it_is_too_long_is_not_read(length: bytes, is_taken: bool) -> None:
    desk = Desk(KEYS, admission=Admission(Limits(body_bytes=1000)))
    if is_taken:
        desk.check_length(length)
        return
    with pytest.raises(Refusal) as caught:
        desk.check_length(length)
    assert caught.value.status is Status.TOO_LARGE


# Who sends it


def test_a_sender_is_known_by_its_token() -> None:
    sender = Desk(KEYS).greet(bearer(), AT)
    assert (sender.cluster, sender.kept_as) == (UUID(A).bytes, UUID(A).bytes)


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_the_scheme_is_written_in_any_case(scheme: bytes) -> None:
    """RFC 9110, 11.1."""
    assert Desk(KEYS).greet(bearer().replace(b"Bearer", scheme), AT).cluster == UUID(A).bytes


@pytest.mark.parametrize(
    "authorization",
    [
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        b"Basic dXNlcjpwYXNz",
        b"Token " + bearer()[7:],
        bearer()[7:],
        b"Bearer" + bearer()[7:],
        b"Bearer:" + bearer()[7:],
        b"Bearers " + bearer()[7:],
        b"Bearer " + bearer(),
        bearer() + b", " + bearer(),
        bearer() + b"x",
        b"Bearer \xff\xfe\x00",
        b"\xff",
        b"Bearer a.b.c",
    ],
)
def test_without_a_token_of_ours_nobody_is_let_in(authorization: bytes) -> None:
    desk = Desk(KEYS)
    for _ in range(2):
        assert refusal_of(desk, authorization).status is Status.UNAUTHORIZED
    assert desk.known_senders() == 0


@given(st.binary(max_size=60))
def test_any_header_is_refused(authorization: bytes) -> None:
    assert refusal_of(Desk(KEYS), authorization).status is Status.UNAUTHORIZED
    assert refusal_of(Desk(KEYS), b"Bearer " + authorization).status is Status.UNAUTHORIZED


def test_a_token_that_is_remembered_expires_at_its_end() -> None:
    desk, token = Desk(KEYS), bearer(days=1)
    desk.greet(token, AT)
    desk.greet(token, AT + DAY_SECONDS - 1)
    for now in (AT + DAY_SECONDS, AT + DAY_SECONDS + 1, AT + 9 * DAY_SECONDS):
        refusal = refusal_of(desk, token, now)
        assert (refusal.status, refusal.reason) == (Status.UNAUTHORIZED, "expired")
    assert refusal_of(Desk(KEYS), token, AT + DAY_SECONDS).reason == "expired"


def test_a_token_that_is_remembered_is_revoked_with_the_keys() -> None:
    desk, token, other = Desk(KEYS), bearer(), bearer(B)
    for one in (token, other):
        desk.greet(one, AT)
    revoked = revoke_tokens(KEYS, UUID(A), AT)
    desk.take_keys(revoked)
    refusal = refusal_of(desk, token, AT)
    assert (refusal.status, refusal.reason) == (Status.UNAUTHORIZED, "revoked")
    assert desk.greet(other, AT).cluster == UUID(B).bytes
    assert desk.greet(bearer(keys=revoked), AT).cluster == UUID(A).bytes


def test_a_token_that_is_remembered_goes_with_its_key() -> None:
    desk, token = Desk(KEYS), bearer()
    desk.greet(token, AT)
    desk.take_keys(replace(KEYS, keys={"k1": bytes(32)}))
    assert refusal_of(desk, token).reason == "token"


def test_tokens_that_end_soon_are_told() -> None:
    desk = Desk(KEYS)
    for cluster, days in ((A, 30), (B, 31)):
        desk.greet(bearer(cluster, days=days), AT)
    assert desk.expiring(AT, 30) == []
    assert desk.expiring(AT + 1, 30) == [(A, AT + 30 * DAY_SECONDS)]
    assert sorted(desk.expiring(AT + 2 * DAY_SECONDS, 30)) == sorted(
        [(A, AT + 30 * DAY_SECONDS), (B, AT + 31 * DAY_SECONDS)]
    )


def test_tokens_that_end_soon_are_told_when_they_are_first_used() -> None:
    desk = Desk(KEYS)
    for cluster, days in ((A, 30), (B, 31)):
        desk.greet(bearer(cluster, days=days), AT)
        desk.greet(bearer(cluster, days=days), AT)
    assert desk.expiring_newcomers(AT + 1, 30) == [(A, AT + 30 * DAY_SECONDS)]
    assert desk.expiring_newcomers(AT + 2 * DAY_SECONDS, 30) == []
    desk.greet(bearer(days=20), AT)
    assert desk.expiring_newcomers(AT, 30) == [(A, AT + 20 * DAY_SECONDS)]


# How often


def test_at_least_a_hundred_requests_may_come_at_once() -> None:
    """shared/design.md, part 8."""
    assert all(taken(Desk(KEYS), bearer(), [AT] * 100))


def test_a_burst_ends_and_the_rate_fills_it_again() -> None:
    desk = Desk(KEYS, rate=Rate(burst=3, per_second=2))
    assert taken(desk, bearer(), [AT] * 5) == [True, True, True, False, False]
    assert taken(desk, bearer(), [AT + 0.25, AT + 0.5, AT + 0.5]) == [False, True, False]
    assert taken(desk, bearer(), [AT + 1.5] * 3) == [True, True, False]


def test_no_more_than_a_burst_is_ever_saved() -> None:
    desk = Desk(KEYS, rate=Rate(burst=3, per_second=2))
    taken(desk, bearer(), [AT])
    assert taken(desk, bearer(), [AT + 10_000] * 5) == [True, True, True, False, False]


def test_a_request_that_is_refused_costs_nothing() -> None:
    desk = Desk(KEYS, rate=Rate(burst=1, per_second=1))
    assert taken(desk, bearer(), [AT, AT + 0.5, AT + 0.5, AT + 0.5, AT + 1]) == [True, False, False, False, True]


def test_one_cluster_costs_another_nothing() -> None:
    desk = Desk(KEYS, rate=Rate(burst=2, per_second=1))
    assert taken(desk, bearer(), [AT] * 3) == [True, True, False]
    assert taken(desk, bearer(B), [AT] * 3) == [True, True, False]


def test_two_tokens_of_one_cluster_share_its_rate() -> None:
    """The rate is per cluster (shared/design.md, part 8)."""
    desk = Desk(KEYS, rate=Rate(burst=2, per_second=1))
    assert taken(desk, bearer(issued=AT - 5), [AT] * 2) == [True, True]
    assert taken(desk, bearer(issued=AT - 9), [AT]) == [False]


@pytest.mark.parametrize(
    "other",
    [bearer().replace(b"Bearer ", b"bearer "), bearer().replace(b" ", b"  "), bearer() + b" ", b" " + bearer()],
    ids=["the scheme in lower case", "two blanks", "a blank behind", "a blank before"],
)
def test_a_token_that_is_written_in_another_way_has_no_rate_of_its_own(other: bytes) -> None:
    """Else each further blank lets in another burst, and each is remembered."""
    desk = Desk(KEYS, rate=Rate(burst=2, per_second=1))
    assert taken(desk, bearer(), [AT] * 2) == [True, True]
    refusal = refusal_of(desk, other)
    assert refusal.status in {Status.TOO_MANY, Status.UNAUTHORIZED}
    assert desk.known_senders() == 1


def test_a_clock_that_was_set_back_costs_nobody_its_rate() -> None:
    desk = Desk(KEYS, rate=Rate(burst=3, per_second=1))
    token = bearer(issued=AT - 99 * DAY_SECONDS, days=365)
    assert taken(desk, token, [AT, AT - 3600, AT - 3599]) == [True, True, True]


# Under which id it is kept


@given(st.uuids(), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_pseudonym_is_a_uuid_of_version_8_always_the_same_for_one_key(
    cluster: UUID, key: bytes, other: bytes
) -> None:
    """RFC 9562, 5.8: version 1000, variant 10, the rest is the maker's."""
    found = pseudonym(str(cluster), key)
    bits = f"{int.from_bytes(found, 'big'):0128b}"
    assert (bits[48:52], bits[64:66]) == ("1000", "10")
    assert UUID(bytes=found).version == 8
    assert found == pseudonym(str(cluster), key)
    assert found != cluster.bytes
    assert (found == pseudonym(str(cluster), other)) == (key == other)


def test_a_pseudonym_is_an_hmac_so_that_nobody_without_the_key_can_guess_whose_it_is() -> None:
    digest = int.from_bytes(hmac.new(b"k" * 32, A.encode(), "sha256").digest()[:16], "big")
    fixed = 0xF << 76 | 0x3 << 62
    assert int.from_bytes(pseudonym(A, b"k" * 32), "big") == digest & ~fixed | 0x8 << 76 | 0x2 << 62


@given(st.lists(st.uuids(), unique=True, min_size=2, max_size=20))
def test_two_clusters_have_two_pseudonyms(clusters: list[UUID]) -> None:
    assert len({pseudonym(str(cluster), b"k" * 32) for cluster in clusters}) == len(clusters)


def test_with_pseudonyms_the_series_still_says_the_real_id_and_it_is_not_kept() -> None:
    desk = Desk(KEYS, pseudonymous=True)
    sender = desk.greet(bearer(), AT)
    assert sender.kept_as == pseudonym(A, KEYS.pseudonym_key)
    one = series({"__name__": LAYERING, "cluster_id": A, "layering": "clean"}, (NOW, 3.0))
    assert desk.admit(sender, body(one), AT).values == (3.0,)
    foreign = series({"__name__": LAYERING, "cluster_id": uuid_text(sender.kept_as), "layering": "clean"}, (NOW, 3.0))
    with pytest.raises(Refusal) as caught:
        desk.admit(sender, body(foreign), AT)
    assert caught.value.status is Status.FORBIDDEN


def test_a_pseudonym_is_the_same_after_keys_were_taken_again() -> None:
    desk = Desk(KEYS, pseudonymous=True)
    before = desk.greet(bearer(), AT).kept_as
    desk.take_keys(replace(KEYS, keys={**KEYS.keys, "k2": bytes(32)}, newest="k2"))
    assert desk.greet(bearer(), AT).kept_as == before


@given(st.uuids())
def test_the_text_of_a_uuid_is_that_of_the_library(value: UUID) -> None:
    assert uuid_text(value.bytes) == str(value)


def test_a_body_is_admitted_for_the_cluster_of_its_token_only() -> None:
    desk = Desk(KEYS)
    one = series({"__name__": LAYERING, "cluster_id": A, "layering": "clean"}, (NOW, 3.0))
    assert desk.admit(desk.greet(bearer(), AT), body(one), AT).values == (3.0,)
    with pytest.raises(Refusal) as caught:
        desk.admit(desk.greet(bearer(B), AT), body(one), AT)
    assert caught.value.status is Status.FORBIDDEN
