"""Tokens against RFC 7515 and RFC 7519, made and checked by hand: HMAC over base64url, no library between."""

import base64
import hmac
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import A, B

from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.tokens import Bearer, Keys, check_bearer, issue_token, read_token, revoke_tokens

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
KEYS = Keys({"k1": KEY, "k2": OTHER}, "k2", b"p" * 32)
AT = 1_764_072_000
DAY = 86_400
HEADER: Mapping[str, object] = {"alg": "HS256", "kid": "k1", "typ": "JWT"}
CLAIMS: Mapping[str, object] = {"sub": A, "iat": AT, "exp": AT + DAY, "aud": "layercensus"}


def encoded(data: bytes) -> str:
    """Base64url without its padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token_of(
    header: object = HEADER,
    claims: object = CLAIMS,
    key: bytes = KEY,
    digest: str = "sha256",
    signature: str | None = None,
) -> str:
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    made = encoded(hmac.new(key, signed.encode(), digest).digest())
    return f"{signed}.{made if signature is None else signature}"


def refusal_of(token: str, keys: Keys = KEYS) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read_token(token, keys)
    return caught.value


def without(claims: Mapping[str, object], *names: str) -> Mapping[str, object]:
    return {name: value for name, value in claims.items() if name not in names}


def is_valid(bearer: Bearer, keys: Keys, now: float) -> bool:
    try:
        check_bearer(bearer, keys, now)
    except Refusal as refusal:
        found = refusal.status
    else:
        return True
    assert found is Status.UNAUTHORIZED
    return False


def read_or_refused(token: str) -> Bearer | None:
    """Whose a token is; None if it is refused, as one that is none of ours."""
    try:
        return read_token(token, KEYS)
    except Refusal as refusal:
        found = refusal
    assert (found.status, found.reason) == (Status.UNAUTHORIZED, "token")
    return None


# What is issued


def test_a_token_is_a_jwt_that_binds_one_cluster_for_some_days() -> None:
    token = issue_token(KEYS, UUID(A), AT, 90)
    header, claims, signature = token.split(".")
    assert json.loads(decoded(header)) == {"alg": "HS256", "kid": "k2", "typ": "JWT"}
    assert json.loads(decoded(claims)) == {"sub": A, "iat": AT, "exp": AT + 90 * DAY, "aud": "layercensus"}
    assert decoded(signature) == hmac.new(OTHER, f"{header}.{claims}".encode(), "sha256").digest()


@given(st.uuids(), st.integers(0, 2**33), st.integers(1, 4000))
def test_what_was_issued_is_read(cluster: UUID, now: int, days: int) -> None:
    bearer = read_token(issue_token(KEYS, cluster, now, days), KEYS)
    assert bearer == Bearer(str(cluster), now, now + days * DAY)
    assert is_valid(bearer, KEYS, now)


def test_a_token_that_was_made_by_hand_is_read() -> None:
    assert read_token(token_of(), KEYS) == Bearer(A, AT, AT + DAY)


def test_an_id_is_read_in_lower_case() -> None:
    assert read_token(token_of(claims={**CLAIMS, "sub": A.upper()}), KEYS).cluster_id == A


# Until when it holds


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (AT, True),
        (AT + DAY - 1, True),
        (AT + DAY - 0.001, True),
        (AT + DAY, False),
        (AT + DAY + 1, False),
        (AT * 9, False),
    ],
)
def test_a_token_holds_until_its_end_and_not_at_it(now: float, holds: bool) -> None:
    """RFC 7519, 4.1.4: the time on or after which it must not be accepted."""
    bearer = read_token(token_of(), KEYS)
    assert is_valid(bearer, KEYS, now) is holds


def test_an_end_long_ago_is_still_read_since_the_clock_is_an_argument() -> None:
    old = read_token(token_of(claims={**CLAIMS, "iat": 0, "exp": 100}), KEYS)
    assert is_valid(old, KEYS, 99)
    with pytest.raises(Refusal) as caught:
        check_bearer(old, KEYS, 100)
    assert (caught.value.status, caught.value.reason) == (Status.UNAUTHORIZED, "expired")


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_reading_a_token_asks_no_clock(name: str) -> None:
    """The clock is an argument (house rule 4): a time in 2242 is no reason for `read_token`, which is given no time."""
    assert read_token(token_of(claims={**CLAIMS, name: 2**33}), KEYS).cluster_id == A


# Revocation


def test_a_revocation_is_of_one_cluster_and_of_all_its_tokens_until_now() -> None:
    tokens = [issue_token(KEYS, UUID(cluster), AT + second, 1) for cluster in (A, B) for second in (0, 9, 10, 11)]
    keys = revoke_tokens(KEYS, UUID(A), AT + 10)
    holds = [is_valid(read_token(token, keys), keys, AT + 20) for token in tokens]
    assert holds == [False, False, False, True, True, True, True, True]
    with pytest.raises(Refusal) as caught:
        check_bearer(read_token(tokens[0], keys), keys, AT + 20)
    assert (caught.value.status, caught.value.reason) == (Status.UNAUTHORIZED, "revoked")


def test_a_token_issued_in_the_second_of_the_revocation_after_it_holds() -> None:
    before = issue_token(KEYS, UUID(A), AT, 1)
    keys = revoke_tokens(KEYS, UUID(A), AT)
    after = issue_token(keys, UUID(A), AT, 1)
    assert [is_valid(read_token(token, keys), keys, AT) for token in (before, after)] == [False, True]
    assert read_token(after, keys).expires == AT + DAY


def test_all_that_was_issued_is_revoked_also_twice_in_one_second() -> None:
    keys = revoke_tokens(KEYS, UUID(A), AT)
    leaked = issue_token(keys, UUID(A), AT, 1)
    keys = revoke_tokens(keys, UUID(A), AT)
    assert not is_valid(read_token(leaked, keys), keys, AT + 5)
    fresh = issue_token(keys, UUID(A), AT, 1)
    assert is_valid(read_token(fresh, keys), keys, AT)


def test_a_revocation_by_a_clock_that_is_behind_gives_no_token_back() -> None:
    token = issue_token(KEYS, UUID(A), AT + 50, 1)
    keys = revoke_tokens(KEYS, UUID(A), AT + 100)
    keys = revoke_tokens(keys, UUID(A), AT)
    assert not is_valid(read_token(token, keys), keys, AT + 200)


def test_the_keys_that_were_there_stay_as_they_are() -> None:
    keys = revoke_tokens(revoke_tokens(KEYS, UUID(A), AT), UUID(B), AT + 1)
    assert keys == replace(KEYS, revoked={A: AT, B: AT + 1})
    assert KEYS.revoked == {}


# Keys


def test_a_token_of_an_older_key_still_holds() -> None:
    old = issue_token(replace(KEYS, newest="k1"), UUID(A), AT, 1)
    assert read_token(old, KEYS).cluster_id == A


def test_a_token_of_a_key_that_was_removed_does_not() -> None:
    old = issue_token(replace(KEYS, newest="k1"), UUID(A), AT, 1)
    assert refusal_of(old, Keys({"k2": OTHER}, "k2", b"p" * 32)).status is Status.UNAUTHORIZED


def beginning_with(header: bytes) -> str:
    return f"{encoded(header)}.{encoded(b'{}')}.x"


WRONG: Mapping[str, str] = {
    "another key": token_of(key=b"x" * 32),
    "the key of another id": token_of(key=OTHER),
    "no key": token_of(key=b""),
    "an id nobody has": token_of(header={**HEADER, "kid": "k3"}),
    "an id like a path": token_of(header={**HEADER, "kid": "../../dev/null"}, key=b""),
    "no id": token_of(header=without(HEADER, "kid")),
    "an id that is null": token_of(header={**HEADER, "kid": None}),
    "an id that is a list": token_of(header={**HEADER, "kid": ["k1"]}),
    "an id that is an object": token_of(header={**HEADER, "kid": {"k1": 1}}),
    "an id that is a number": token_of(header={**HEADER, "kid": 1}),
    "none": token_of(header={**HEADER, "alg": "none"}, signature=""),
    "none in capitals": token_of(header={**HEADER, "alg": "NONE"}, signature=""),
    "none, signed": token_of(header={**HEADER, "alg": "none"}),
    "no algorithm": token_of(header=without(HEADER, "alg")),
    "an algorithm that is null": token_of(header={**HEADER, "alg": None}),
    "an algorithm that is a list": token_of(header={**HEADER, "alg": ["HS256"]}),
    "HS512": token_of(header={**HEADER, "alg": "HS512"}, digest="sha512"),
    "HS384": token_of(header={**HEADER, "alg": "HS384"}, digest="sha384"),
    "HS512 by its name only": token_of(header={**HEADER, "alg": "HS512"}),
    "hs256": token_of(header={**HEADER, "alg": "hs256"}),
    "RS256": token_of(header={**HEADER, "alg": "RS256"}),
    "ES256": token_of(header={**HEADER, "alg": "ES256"}),
    "EdDSA": token_of(header={**HEADER, "alg": "EdDSA"}),
    "what must be understood and is not": token_of(header={**HEADER, "crit": ["exp2"], "exp2": 1}),
    "no signature": token_of(signature=""),
    "half a signature": token_of()[:-20],
    "a longer signature": token_of() + "AAAA",
    "no end": token_of(claims=without(CLAIMS, "exp")),
    "no beginning": token_of(claims=without(CLAIMS, "iat")),
    "no subject": token_of(claims=without(CLAIMS, "sub")),
    "no audience": token_of(claims=without(CLAIMS, "aud")),
    "an end that is null": token_of(claims={**CLAIMS, "exp": None}),
    "an end that is a word": token_of(claims={**CLAIMS, "exp": "never"}),
    "an end without end": token_of(claims={**CLAIMS, "exp": float("inf")}),
    "a beginning without end": token_of(claims={**CLAIMS, "iat": float("-inf")}),
    "an end that is NaN": token_of(claims={**CLAIMS, "exp": float("nan")}),
    "an end that is a list": token_of(claims={**CLAIMS, "exp": [AT]}),
    "a beginning that is a word": token_of(claims={**CLAIMS, "iat": "now"}),
    "another audience": token_of(claims={**CLAIMS, "aud": "telemeter"}),
    "an audience in capitals": token_of(claims={**CLAIMS, "aud": "LayerCensus"}),
    "other audiences": token_of(claims={**CLAIMS, "aud": ["a", "b"]}),
    "an audience that is a number": token_of(claims={**CLAIMS, "aud": 1}),
    "a subject that is no UUID": token_of(claims={**CLAIMS, "sub": "cluster-1"}),
    "an empty subject": token_of(claims={**CLAIMS, "sub": ""}),
    "a subject and more": token_of(claims={**CLAIMS, "sub": A + "0"}),
    "a subject that is a number": token_of(claims={**CLAIMS, "sub": 7}),
    "a subject that is a list": token_of(claims={**CLAIMS, "sub": [A]}),
    "a subject that is null": token_of(claims={**CLAIMS, "sub": None}),
    "claims that are a list": token_of(claims=[CLAIMS]),
    "claims that are a word": token_of(claims="x"),
    "a header that is a list": token_of(header=[HEADER]),
    "a header that is null": token_of(header=None),
    "nothing": "",
    "a dot": ".",
    "two dots": "..",
    "words": "hello world",
    "two parts": ".".join(token_of().split(".")[:2]),
    "four parts": token_of() + ".x",
    "five parts": token_of() + ".x.y",
    "no base64": "!.!.!",
    "not ASCII": "é.é.é",
    "base64 of no JSON": beginning_with(b"{"),
    "base64 of no text": beginning_with(b"\xff\xfe"),
    "a very deep header": beginning_with(b"[" * 100_000),
    "a very deep id": beginning_with(b'{"alg": "HS256", "kid": ' + b"[" * 100_000),
    "a number without end": beginning_with(b'{"alg": "HS256", "kid": ' + b"9" * 10_000 + b"}"),
    "a line end": token_of() + "\n",
    "a blank inside": token_of().replace(".", ". ", 1),
    "NUL": token_of() + "\x00",
    "the claims of another": ".".join(
        [token_of().split(".")[0], encoded(json.dumps({**CLAIMS, "sub": B}).encode()), token_of().split(".")[2]]
    ),
}  # fmt: skip


@pytest.mark.parametrize("token", WRONG.values(), ids=WRONG)
def test_what_is_no_token_of_ours_is_refused(token: str) -> None:
    refusal = refusal_of(token)
    assert (refusal.status, refusal.reason) == (Status.UNAUTHORIZED, "token")


@pytest.mark.parametrize("token", [token for token in WRONG.values() if len(token) > 60], ids=lambda token: token[:12])
def test_a_refusal_repeats_nothing_of_the_token(token: str) -> None:
    detail = refusal_of(token).detail
    assert all(part not in detail for part in token.split(".") if len(part) > 8)
    assert A not in detail


def test_each_sign_of_a_token_counts() -> None:
    """But for the last of the signature: two of its six bits stand for nothing (RFC 4648, 3.5)."""
    token = issue_token(KEYS, UUID(A), AT, 1)
    for at, sign in enumerate(token[:-1]):
        other = "A" if sign != "A" else "B"
        assert refusal_of(token[:at] + other + token[at + 1 :]).status is Status.UNAUTHORIZED


@given(st.text(max_size=40))
def test_any_text_is_refused(text: str) -> None:
    assert refusal_of(text).status is Status.UNAUTHORIZED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=True),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "cty"]), JSON)
def test_a_header_may_say_anything_and_is_read_or_refused(name: str, value: object) -> None:
    assert read_or_refused(token_of(header={**HEADER, name: value})) in {None, Bearer(A, AT, AT + DAY)}


@given(st.sampled_from(["sub", "iat", "exp", "aud", "nbf", "jti", "iss"]), JSON)
def test_signed_claims_may_say_anything_and_are_read_or_refused(name: str, value: object) -> None:
    bearer = read_or_refused(token_of(claims={**CLAIMS, name: value}))
    assert bearer is None or bearer.cluster_id == A or name == "sub"
