"""A request's bytes and whose it is to what is kept of it: admitted samples in columns, and what was dropped. Pure.

Every series must say the id that its sender's token is bound to, or the whole request is refused (403). Whatever the
contract does not list is counted by reason and dropped; the rest becomes columns of equal length: kind, time, value.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from layercensus.fleet.kinds import CLUSTER_LABELS, Kind, LabelLimits, Named, name_series, parse_labels
from layercensus.fleet.refusal import Refusal, Status
from layercensus.fleet.samples import Admitted, Window, drop_reason
from layercensus.fleet.snappy_block import decompress
from layercensus.fleet.templates import Templates
from layercensus.fleet.write_request import Series, parse_write_request

_MOST_NAMES = 10_000
# Labels of an admitted series take some hundred; what a sender makes longer is read each time.
_MOST_NAME_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may hold. Bytes are those of the body as it came, and as it is once decompressed.

    `series` is also how many samples there may be, exemplars and metadata counted too.
    """

    body_bytes: int = 1024 * 1024
    held_bytes: int = 8 * 1024 * 1024
    series: int = 10_000
    labels: LabelLimits = field(default_factory=LabelLimits)
    # Prometheus sends again what is up to two hours old; what is off by more than a day is no report of now.
    age_ms: int = 25 * 3600 * 1000
    ahead_ms: int = 25 * 3600 * 1000


@dataclass(eq=False)
class Admission:
    """Admits requests. Remembers kinds of series and of requests it has seen, within bounds."""

    limits: Limits = field(default_factory=Limits)
    templates: Templates = field(default_factory=Templates)
    _names: dict[tuple[bytes, bytes], Named] = field(default_factory=dict)

    def admit(self, body: bytes, cluster_id: str, now_ms: int) -> Admitted:
        """What is kept of a body that a cluster sent. Raises `Refusal`."""
        data = decompress(body, self.limits.held_bytes)
        encoded = cluster_id.encode()
        window = Window(now_ms - self.limits.age_ms, now_ms + self.limits.ahead_ms)
        known = self.templates.match(data, encoded, window)
        if known is not None:
            return known
        series = parse_write_request(data, self.limits.series, self.limits.labels.count)
        named = [self._name(one, cluster_id, encoded) for one in series]
        self.templates.learn(data, encoded, series, named)
        return _keep(zip(series, named, strict=True), window)

    def _name(self, series: Series, cluster_id: str, encoded: bytes) -> Named:
        """Who and what a series is. Raises `Refusal` (403) if it says another cluster, or none."""
        before, found, after = series.labels.partition(_cluster_label(encoded))
        known = self._names.get((before, after)) if found else None
        if known is not None:
            return known
        named = name_series(parse_labels(series.labels, self.limits.labels))
        if named.cluster_ids != {cluster_id}:
            detail = "a series says another cluster than the token is for, or none"
            raise Refusal(Status.FORBIDDEN, "other_cluster", detail)
        if found and len(before) + len(after) <= _MOST_NAME_BYTES and self._stands_apart(before, after):
            if len(self._names) >= _MOST_NAMES:
                self._names.clear()
            self._names[before, after] = named
        return named

    def _stands_apart(self, before: bytes, after: bytes) -> bool:
        """Whether what is around the id's label is whole labels, none of a cluster: then it means the same for all."""
        try:
            rest = {**parse_labels(before, self.limits.labels), **parse_labels(after, self.limits.labels)}
        except Refusal:
            return False
        return not CLUSTER_LABELS & set(rest)


def _cluster_label(encoded: bytes) -> bytes:
    """The label `cluster_id` with this id, as every encoder writes it."""
    inside = b"\x0a\x0acluster_id\x12" + bytes([len(encoded)]) + encoded
    return b"\x0a" + bytes([len(inside)]) + inside


def _keep(pairs: Iterable[tuple[Series, Named]], window: Window) -> Admitted:
    kinds: list[Kind] = []
    timestamps: list[int] = []
    values: list[float] = []
    dropped: Counter[str] = Counter()
    for series, named in pairs:
        if series.others:
            dropped["no_sample"] += series.others
        if named.kind is None:
            dropped[named.dropped] += len(series.samples)
            continue
        for sample in series.samples:
            reason = drop_reason(named.kind, sample.timestamp, sample.value, window)
            if reason:
                dropped[reason] += 1
                continue
            kinds.append(named.kind)
            timestamps.append(sample.timestamp)
            values.append(sample.value)
    return Admitted(tuple(kinds), tuple(timestamps), tuple(values), dropped)
