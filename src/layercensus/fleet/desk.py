"""One request, from its head and body to what is kept of it: who sends, how often, what is in it. Pure.

The order is that of cost: what a head says is judged before a body is read, and a token before a body is looked into.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from uuid import UUID

from layercensus.fleet.admission import Admission, Limits
from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.samples import Admitted
from layercensus.fleet.tokens import Bearer, Keys, check_bearer, read_token

_CONTENT_TYPE = "application/x-protobuf"
_MESSAGE = "prometheus.WriteRequest"
_MOST_SENDERS = 4_000_000
_MOST_CONTENTS = 64


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests of one cluster, by whichever of its tokens: so many at once, and so many a second after that.

    A body counts as a request more for each `body_bytes`: a large one takes longer to look into.
    """

    burst: float = 200.0
    per_second: float = 10.0
    body_bytes: float = 8192.0


@dataclass(slots=True)
class Allowance:
    """What is left of a cluster's rate, as of `asked`."""

    left: float
    asked: float


@dataclass(slots=True)
class Sender:
    """A token that was looked at. `cluster` is the 16 bytes of its UUID, `kept_as` those under which it is kept.

    All tokens of a cluster share its allowance. There are many of these, so each is small.
    """

    cluster: bytes
    kept_as: bytes
    issued: int
    expires: int
    allowance: Allowance


@dataclass(eq=False)
class Desk:
    """Takes requests. Remembers tokens that it has verified, by a hash, and nothing of one that it refused."""

    keys: Keys
    pseudonymous: bool = False
    admission: Admission = field(default_factory=Admission)
    rate: Rate = field(default_factory=Rate)
    _senders: dict[bytes, Sender] = field(default_factory=dict)
    _allowances: dict[bytes, Allowance] = field(default_factory=dict)
    _newcomers: list[Sender] = field(default_factory=list)
    _contents: set[tuple[bytes, bytes]] = field(default_factory=set)

    @property
    def limits(self) -> Limits:
        """Limits of a request."""
        return self.admission.limits

    def take_keys(self, keys: Keys) -> None:
        """Use other keys from now on; every token is looked at again."""
        self.keys = keys
        self._senders.clear()

    def check_content(self, content_type: bytes, encoding: bytes) -> None:
        """Raise `Refusal` (415) for anything but remote write 1.0 in snappy's block format."""
        if (content_type, encoding) not in self._contents:
            check_content(content_type.decode("latin-1"), encoding.decode("latin-1"))
            if len(self._contents) < _MOST_CONTENTS:
                self._contents.add((content_type, encoding))

    def check_length(self, length: bytes) -> None:
        """Raise `Refusal` (413) for a body that says it is too long. The parser takes care of what is no number."""
        if length.isdigit() and int(length[:20]) > self.limits.body_bytes:
            raise Refusal(Status.TOO_LARGE, "body", f"a body may have {self.limits.body_bytes} bytes at most")

    def greet(self, authorization: bytes, now: float) -> Sender:
        """Who sends a request; `now` in seconds since 1970. Raises `Refusal`."""
        scheme, _, token = authorization.strip().partition(b" ")
        token = token.strip()
        if scheme.lower() != b"bearer" or not token:
            raise Refusal(Status.UNAUTHORIZED, "no_token", "a bearer token is needed")
        digest = blake2b(token, digest_size=16).digest()
        sender = self._senders.get(digest) or self._meet(digest, token, now)
        if now >= sender.expires:
            check_bearer(Bearer(uuid_text(sender.cluster), sender.issued, sender.expires), self.keys, now)
        allowance = sender.allowance
        gained = max(0.0, now - allowance.asked) * self.rate.per_second
        allowance.left = min(self.rate.burst, allowance.left + gained)
        allowance.asked = now
        if allowance.left < 1:
            raise Refusal(Status.TOO_MANY, "rate", "too many requests of this cluster", uuid_text(sender.cluster))
        allowance.left -= 1
        return sender

    def admit(self, sender: Sender, body: bytes, now: float) -> Admitted:
        """What is kept of a body. Raises `Refusal`."""
        sender.allowance.left -= len(body) / self.rate.body_bytes
        cluster_id = uuid_text(sender.cluster)
        try:
            return self.admission.admit(body, cluster_id, int(now * 1000))
        except Refusal as refusal:
            refusal.cluster_id = cluster_id
            raise

    def known_senders(self) -> int:
        """How many tokens are remembered."""
        return len(self._senders)

    def expiring(self, now: float, days: int) -> list[tuple[str, int]]:
        """Of the tokens that were used, clusters and ends of those that will not hold for so many days."""
        self._newcomers.clear()
        return _expiring(self._senders.values(), now, days)

    def expiring_newcomers(self, now: float, days: int) -> list[tuple[str, int]]:
        """The same of those that were first used since either was asked last."""
        newcomers, self._newcomers = self._newcomers, []
        return _expiring(newcomers, now, days)

    def _meet(self, digest: bytes, token: bytes, now: float) -> Sender:
        """Look at a token for the first time. Raises `Refusal`."""
        bearer = read_token(token.decode("latin-1"), self.keys)
        check_bearer(bearer, self.keys, now)
        cluster = UUID(bearer.cluster_id).bytes
        kept_as = pseudonym(bearer.cluster_id, self.keys.pseudonym_key) if self.pseudonymous else cluster
        if len(self._senders) >= _MOST_SENDERS:
            self._senders.clear()
            self._allowances.clear()
        allowance = self._allowances.setdefault(cluster, Allowance(self.rate.burst, now))
        sender = self._senders[digest] = Sender(cluster, kept_as, bearer.issued, bearer.expires, allowance)
        self._newcomers.append(sender)
        return sender


def _expiring(senders: Iterable[Sender], now: float, days: int) -> list[tuple[str, int]]:
    until = now + days * 86400
    return [(uuid_text(one.cluster), one.expires) for one in senders if one.expires < until]


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


def uuid_text(value: bytes) -> str:
    """A UUID's text from its 16 bytes, as `uuid.UUID` writes it and faster: it is asked for with each request."""
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def pseudonym(cluster_id: str, key: bytes) -> bytes:
    """16 bytes of a UUID (version 8, RFC 9562) that stands for a cluster, always the same, and tells nothing of it."""
    digest = bytearray(hmac.new(key, cluster_id.encode(), sha256).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)
