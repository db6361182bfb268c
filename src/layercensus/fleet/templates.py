"""Requests of a kind seen before: all bytes the same but the cluster's id, the times and the values. Pure.

A sender repeats itself, and so do senders of one release: two requests of ten series differ in ten ids, ten times and
ten values at known places. A template is learned from a request that was parsed in full. It holds for another if every
byte outside of those places is the same and the id at each of its places is the sender's; then the values are read in
one step. Whatever does not hold exactly is parsed in full: a template saves time and decides nothing.
"""

import math
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any

from layercensus.fleet.kinds import Kind, Named
from layercensus.fleet.samples import Admitted, Window, is_count
from layercensus.fleet.write_request import MalformedError, Sample, Series, parse_varint

_MOST_TEMPLATES = 2_000
_MOST_OF_ONE_SIZE = 8
# Of one request that is learned, and of all; of samples as many as of series.
_MOST_REQUEST_BYTES = 64 * 1024
_MOST_SERIES = 256
_MOST_BYTES = 16 * 1024 * 1024
# What a template takes for each id, time and value, beside the bytes of its request.
_PLACE_BYTES = 200
# Counts of nodes are mostly these; a count beyond is looked at one by one.
_USUAL_COUNTS = frozenset(float(number) for number in range(4096))


@dataclass(frozen=True, slots=True)
class _Template:
    """`layout` reads a request into fields; the getters pick those that are the same, the ids, times and values.

    Times of series that are dropped must be times all the same, or the request is none. `size`: bytes it takes, about.
    """

    layout: struct.Struct
    same: Any
    expected: tuple[bytes, ...]
    ids: Any
    timestamps: Any
    other_timestamps: Any
    values: Any
    kinds: tuple[Kind, ...]
    counts: Any
    dropped: Mapping[str, int]
    size: int


@dataclass(eq=False)
class Templates:
    """Templates by the size of a request, a bounded number of them that take a bounded number of bytes."""

    _by_size: dict[int, list[_Template]] = field(default_factory=dict)
    _number: int = 0
    _bytes: int = 0

    def match(self, data: bytes, cluster_id: bytes, window: Window) -> Admitted | None:
        """What a request holds, if it is of a known kind and nothing in it is to be dropped that usually is not."""
        for template in self._by_size.get(len(data), ()):
            fields = template.layout.unpack(data)
            if template.same(fields) != template.expected:
                continue
            if set(template.ids(fields)) != {cluster_id}:
                return None
            values = template.values(fields)
            timestamps = _times(template.timestamps(fields))
            others = template.other_timestamps(fields)
            if others and not _times(others):
                return None
            if not _are_kept(values, template.counts(values), timestamps, window):
                return None
            return Admitted(template.kinds, timestamps, values, template.dropped)
        return None

    def learn(self, data: bytes, cluster_id: bytes, series: Sequence[Series], named: Sequence[Named]) -> None:
        """Take a request that was parsed for a template, if it can be one."""
        same_size = self._by_size.get(len(data), ())
        if len(data) > _MOST_REQUEST_BYTES or len(same_size) >= _MOST_OF_ONE_SIZE:
            return
        template = _template(data, cluster_id, series, named)
        # One that holds comes here too if a value of it was not usual.
        if template is None or any(
            (one.layout.format, one.expected) == (template.layout.format, template.expected) for one in same_size
        ):
            return
        if self._number >= _MOST_TEMPLATES or self._bytes + template.size > _MOST_BYTES:
            self._by_size.clear()
            self._number = self._bytes = 0
        self._by_size.setdefault(len(data), []).append(template)
        self._number += 1
        self._bytes += template.size


def _times(encoded: tuple[bytes, ...]) -> tuple[int, ...]:
    """Times from their varints. Empty, which no window holds, where one is none."""
    first = encoded[0]
    try:
        # Nearly always all are the same.
        if encoded.count(first) == len(encoded):
            return (parse_varint(first),) * len(encoded)
        return tuple(parse_varint(one) for one in encoded)
    except MalformedError:
        return ()


def _are_kept(values: Sequence[float], counts: Sequence[float], timestamps: Sequence[int], window: Window) -> bool:
    return (
        bool(timestamps)
        and window.first <= min(timestamps)
        and max(timestamps) <= window.last
        and _USUAL_COUNTS.issuperset(counts)
        and (len(counts) == len(values) or all(map(math.isfinite, values)))
    )


def _template(data: bytes, cluster_id: bytes, series: Sequence[Series], named: Sequence[Named]) -> _Template | None:
    """None for a request that has nothing admitted, is long, or has an id or a sample at a place that is not plain."""
    places: list[tuple[int, int, str]] = []
    kinds: list[Kind] = []
    dropped: Counter[str] = Counter()
    if max(len(series), sum(len(one.samples) for one in series)) > _MOST_SERIES:
        return None
    for one, name in zip(series, named, strict=True):
        region = data[one.labels_at]
        if one.others or region.count(cluster_id) != 1:
            return None
        start = one.labels_at.start + region.index(cluster_id)
        places.append((start, start + len(cluster_id), "id"))
        for sample in one.samples:
            if sample.timestamp_at is None or sample.value_at is None:
                return None
            places += _sample_places(sample, admitted=name.kind is not None)
            if name.kind is None:
                dropped[name.dropped] += 1
            else:
                kinds.append(name.kind)
    return _compile(data, sorted(places), tuple(kinds), dropped) if kinds else None


def _sample_places(sample: Sample, *, admitted: bool) -> list[tuple[int, int, str]]:
    assert sample.timestamp_at is not None and sample.value_at is not None  # noqa: PT018, S101 - asked before
    time = (sample.timestamp_at.start, sample.timestamp_at.stop, "time" if admitted else "other time")
    value = (sample.value_at.start, sample.value_at.stop, "value" if admitted else "other value")
    return [time, value]


def _compile(
    data: bytes, places: list[tuple[int, int, str]], kinds: tuple[Kind, ...], dropped: Mapping[str, int]
) -> _Template | None:
    edges = [(0, 0, "edge"), *places, (len(data), len(data), "edge")]
    formats: list[str] = ["<"]
    roles: list[str] = []
    for (_, stop, _), (start, end, role) in pairwise(edges):
        if start < stop:
            return None
        if start > stop:
            formats.append(f"{start - stop}s")
            roles.append("same")
        if role == "other value":
            formats.append(f"{end - start}x")
        elif role != "edge":
            formats.append("d" if role == "value" else f"{end - start}s")
            roles.append(role)
    layout = struct.Struct("".join(formats))
    same = _getter([index for index, role in enumerate(roles) if role == "same"])
    counted = [index for index, kind in enumerate(kinds) if is_count(kind)]
    return _Template(
        layout=layout,
        same=same,
        expected=same(layout.unpack(data)),
        ids=_getter([index for index, role in enumerate(roles) if role == "id"]),
        timestamps=_getter([index for index, role in enumerate(roles) if role == "time"]),
        other_timestamps=_getter([index for index, role in enumerate(roles) if role == "other time"]),
        values=_getter([index for index, role in enumerate(roles) if role == "value"]),
        kinds=kinds,
        counts=_getter(counted),
        dropped=dropped,
        size=len(data) + _PLACE_BYTES * len(places),
    )


def _getter(indexes: list[int]) -> Any:
    """Fields at these places, always as a tuple."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    if indexes:
        (only,) = indexes
        return lambda fields: (fields[only],)
    return lambda _: ()
