"""One request, from its head and body to what is kept of it: who sends, how often, what is in it. Pure.

The order is that of cost: what a head says is judged before a body is read, and a token before a body is looked into.
"""

import hmac
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol
from uuid import UUID

from layercensus.fleet.admission import Admission, Limits
from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.samples import Admitted
from layercensus.fleet.tokens import Bearer, Keys, check_bearer, read_token

_CONTENT_TYPE = "application/x-protobuf"
_MESSAGE = "prometheus.WriteRequest"
_MOST_BEARERS = 4_000_000
_MOST_CONTENTS = 64


class Headers(Protocol):
    """Headers of a request, by their names in lower case."""

    def get(self, key: str, default: str = ..., /) -> str:
        """A header's value."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests of one cluster: so many at once, and so many a second after that."""

    burst: float = 200.0
    per_second: float = 10.0


@dataclass(slots=True)
class Sender:
    """A token that was looked at: whose it is, under which id it is kept (16 bytes), what is left of its rate."""

    bearer: Bearer
    kept_as: bytes
    left: float
    asked: float


@dataclass(eq=False)
class Desk:
    """Takes requests. Remembers tokens that it has verified, and nothing of one that it refused."""

    keys: Keys
    pseudonymous: bool = False
    admission: Admission = field(default_factory=Admission)
    rate: Rate = field(default_factory=Rate)
    _senders: dict[str, Sender] = field(default_factory=dict)
    _contents: set[tuple[str, str]] = field(default_factory=set)

    @property
    def limits(self) -> Limits:
        """Limits of a request."""
        return self.admission.limits

    def take_keys(self, keys: Keys) -> None:
        """Use other keys from now on; every token is looked at again."""
        self.keys = keys
        self._senders.clear()

    def greet(self, headers: Headers, now: float) -> Sender:
        """Judge a request by its head; `now` in seconds since 1970. Raises `Refusal`."""
        content = (headers.get("content-type", ""), headers.get("content-encoding", ""))
        if content not in self._contents:
            check_content(*content)
            if len(self._contents) < _MOST_CONTENTS:
                self._contents.add(content)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(Status.UNAUTHORIZED, "no_token", "a bearer token is needed")
        sender = self._senders.get(token)
        if sender is None:
            sender = self._meet(token, now)
        check_bearer(sender.bearer, self.keys, now)
        sender.left = min(self.rate.burst, sender.left + (now - sender.asked) * self.rate.per_second)
        sender.asked = now
        if sender.left < 1:
            raise Refusal(Status.TOO_MANY, "rate", "too many requests of this cluster")
        sender.left -= 1
        return sender

    def check_length(self, length: str) -> bool:
        """Whether a request says how long its body is. Raises `Refusal` for one that is too long, or no number."""
        if not length:
            return False
        if not (length.isascii() and length.isdigit()) or len(length) > 12:
            raise Refusal(Status.BAD_REQUEST, "length", "the length of the body is no number")
        if int(length) > self.limits.body_bytes:
            raise self.too_long()
        return True

    def too_long(self) -> Refusal:
        """What is said to a body that is too long."""
        return Refusal(Status.TOO_LARGE, "body", f"a body may have {self.limits.body_bytes} bytes at most")

    def admit(self, sender: Sender, body: bytes, now: float) -> Admitted:
        """What is kept of a body. Raises `Refusal`."""
        return self.admission.admit(body, sender.bearer.cluster_id, int(now * 1000))

    def known_senders(self) -> int:
        """How many tokens are remembered."""
        return len(self._senders)

    def expiring(self, now: float, days: int) -> list[Bearer]:
        """Of the tokens that were used, those that will not hold for so many days."""
        return [one.bearer for one in self._senders.values() if one.bearer.expires - now < days * 86400]

    def _meet(self, token: str, now: float) -> Sender:
        bearer = read_token(token, self.keys)
        kept_as = UUID(bearer.cluster_id).bytes
        if self.pseudonymous:
            kept_as = pseudonym(bearer.cluster_id, self.keys.pseudonym_key)
        if len(self._senders) >= _MOST_BEARERS:
            self._senders.clear()
        sender = self._senders[token] = Sender(bearer, kept_as, self.rate.burst, now)
        return sender


def check_content(content_type: str, encoding: str) -> None:
    """Raise `Refusal` (415) for anything but remote write 1.0 in snappy's block format; senders of 2.0 fall back.

    A type that is missing means 1.0, and so does one without `proto` (the specification of 2.0, part on 1.0).
    """
    kind, _, parameters = content_type.partition(";")
    pairs = (part.partition("=") for part in parameters.split(";"))
    messages = {value.strip().strip('"') for name, _, value in pairs if name.strip().lower() == "proto"}
    if kind.strip().lower() not in {"", _CONTENT_TYPE} or messages - {_MESSAGE}:
        raise Refusal(Status.UNSUPPORTED, "content_type", f"send {_CONTENT_TYPE};proto={_MESSAGE}")
    if encoding.strip().lower() not in {"", "snappy"}:
        raise Refusal(Status.UNSUPPORTED, "content_encoding", "send it compressed by snappy, block format")


def pseudonym(cluster_id: str, key: bytes) -> bytes:
    """16 bytes of a UUID (version 8, RFC 9562) that stands for a cluster, always the same, and tells nothing of it."""
    digest = bytearray(hmac.new(key, cluster_id.encode(), sha256).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)
