"""Tokens: a JWT (RFC 7519) that binds a sender to one cluster id, signed with a key of ours (HS256). Pure.

    {"alg": "HS256", "kid": "k1", "typ": "JWT"} . {"sub": "6f2a…", "iat": …, "exp": …, "aud": "layercensus"} . signature

The algorithm is ours to choose, never the token's: `none` and every other are refused. Keys have ids, so that new
tokens may be signed with a new key while old ones still hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

import jwt

from layercensus.fleet.refusal import Refusal, Status

_ALGORITHM = "HS256"
_AUDIENCE = "layercensus"


@dataclass(frozen=True, slots=True)
class Keys:
    """Signing keys by id; new tokens are signed with `newest`. `revoked`: cluster -> tokens issued up to that second.

    `pseudonym_key` makes ids that stand for real ones, where that is asked for.
    """

    keys: Mapping[str, bytes]
    newest: str
    pseudonym_key: bytes
    revoked: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whose a token is, when it was issued, and until when it holds; seconds since 1970."""

    cluster_id: str
    issued: int
    expires: int


def issue_token(keys: Keys, cluster_id: UUID, now: int, days: int) -> str:
    """A token for one cluster. It is issued after the last revocation, if that was in this very second."""
    issued = max(now, keys.revoked.get(str(cluster_id), -1) + 1)
    claims = {"sub": str(cluster_id), "iat": issued, "exp": now + days * 86400, "aud": _AUDIENCE}
    return jwt.encode(claims, keys.keys[keys.newest], algorithm=_ALGORITHM, headers={"kid": keys.newest})


def revoke_tokens(keys: Keys, cluster_id: UUID, now: int) -> Keys:
    """Keys with which no token of that cluster holds that was issued until now, by whatever clock.

    A revocation is never taken back by a clock that was set back, and reaches what was issued after the last one.
    """
    until = max(now, keys.revoked.get(str(cluster_id), -1) + 1)
    return replace(keys, revoked={**keys.revoked, str(cluster_id): until})


def read_token(token: str, keys: Keys) -> Bearer:
    """Who a token is for, if one of our keys signed it; whether it still holds is `check_bearer`'s.

    Raises `Refusal` (401): its detail says what is wrong and nothing of the token.
    """
    try:
        key = keys.keys[jwt.get_unverified_header(token)["kid"]]
    except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
        raise _refused("token", "the token is none of ours") from error
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=_AUDIENCE,
            options={
                "require": ["sub", "iat", "exp", "aud"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        found = Bearer(str(UUID(claims["sub"])), int(claims["iat"]), int(claims["exp"]))
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise _refused("token", "the token is none of ours") from error
    return found


def check_bearer(bearer: Bearer, keys: Keys, now: float) -> None:
    """Raise `Refusal` (401) for a token that has expired or was revoked."""
    if now >= bearer.expires:
        raise _refused("expired", "the token has expired; ask for a new one", bearer.cluster_id)
    if bearer.issued <= keys.revoked.get(bearer.cluster_id, -1):
        raise _refused("revoked", "the token was revoked", bearer.cluster_id)


def _refused(reason: str, detail: str, cluster_id: str = "") -> Refusal:
    return Refusal(Status.UNAUTHORIZED, reason, detail, cluster_id)
