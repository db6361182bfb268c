"""Series that a store kept to what they say of clusters: the newest complete snapshot, what was told before it. Pure.

What `snapshots` does as reports come in, this does looking back: all samples are there, none is waited for, and the
cluster's own clock is the only one. What is admitted, complete and summed is the same, by the same functions::

    clean 5, packages 1, …, unknown 0 at 23:59:30    the newest instant that has all five: the day's snapshot
    clean 5, packages 1 at 23:59:59                  incomplete: counted, never merged with another
    version 4.14.30 at 23:59:12                      the newest told at or before the snapshot

Series of one snapshot have the same labels beside: samples of two replicas, or of two that call themselves one cluster,
are never put together.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from layercensus.fleet.columns import INFO_LABELS, count_label
from layercensus.fleet.contract import Fact, admissions
from layercensus.fleet.kinds import Kind, LabelLimits, name_series
from layercensus.fleet.refusal import Refusal
from layercensus.fleet.samples import Window, drop_reason
from layercensus.fleet.snapshots import is_complete, sum_nodes
from layercensus.fleet.store_answers import RawSeries

_LIMITS = LabelLimits()
_NAME = "__name__"
_Beside = tuple[tuple[str, str], ...]
# What is told of a cluster, by when: a version, a platform, or os_id -> nodes.
Told = Mapping[int, Any]


@dataclass(frozen=True, slots=True)
class History:
    """A series that is admitted: whose it is, by the value of the cluster's label, what it is, and its samples.

    `beside`: labels that are neither kept nor the cluster's.
    """

    cluster: str
    kind: Kind
    beside: _Beside
    samples: list[tuple[int, float]]


class Sighting(NamedTuple):
    """A complete snapshot: when, its counts, and those of the needs, None where they did not come whole with it."""

    timestamp: int
    counts: Mapping[str, float]
    needs: Mapping[str, float] | None


def admit(series: Iterable[RawSeries], label: str, window: Window, dropped: Counter[str]) -> Iterator[History]:
    """What is kept of a store's series; `label` names the cluster. What is dropped is counted by reason.

    Samples outside of the window belong to another question and are no loss.
    """
    for one in series:
        samples = [sample for sample in one.samples if window.first <= sample[0] <= window.last]
        kind, reason = _name(one.labels, label)
        if kind is None:
            dropped[reason] += len(samples)
            continue
        kept = []
        for timestamp, value in samples:
            reason = drop_reason(kind, timestamp, value, window)
            if reason:
                dropped[reason] += 1
            else:
                kept.append((timestamp, value))
        if kept:
            yield History(one.labels.get(label, ""), kind, _beside(one.labels, label), kept)


def newest_snapshot(fact: Fact, histories: Iterable[History]) -> tuple[Sighting | None, int]:
    """The newest complete snapshot in one cluster's series, and how many newer ones are incomplete."""
    groups: dict[tuple[int, _Beside], dict[Fact, dict[str, float]]] = {}
    for one in histories:
        of = count_label(one.kind)
        for timestamp, value in one.samples:
            groups.setdefault((timestamp, one.beside), {}).setdefault(one.kind.fact, {})[of] = value
    incomplete = 0
    for timestamp, beside in sorted(groups, reverse=True):
        counts = groups[timestamp, beside]
        if is_complete(fact, counts):
            needs = counts[Fact.NEED] if is_complete(Fact.NEED, counts) else None
            return Sighting(timestamp, counts[fact], needs), incomplete
        incomplete += 1
    return None, incomplete


def told_by(histories: Iterable[History]) -> Told:
    """What one cluster's series of one fact tell, by when."""
    texts: dict[int, str] = {}
    nodes: dict[tuple[int, bytes], dict[str, float]] = {}
    for one in histories:
        if one.kind.fact in INFO_LABELS:
            text = dict(one.kind.labels)[INFO_LABELS[one.kind.fact]]
            texts |= {timestamp: max(text, texts.get(timestamp, "")) for timestamp, _ in one.samples}
            continue
        for timestamp, value in one.samples:
            nodes.setdefault((timestamp, one.kind.replica), {})[count_label(one.kind)] = value
    # Of two replicas at one instant the one with more series: a part of the other's may be lost.
    fullest = {timestamp: counts for (timestamp, _), counts in sorted(nodes.items(), key=lambda item: len(item[1]))}
    return texts or {timestamp: sum_nodes(counts) for timestamp, counts in fullest.items()}


def newest_before(told: Told, instant: int, oldest: int) -> Any:
    """What was told last at or before an instant, and not before `oldest`; None if nothing was."""
    times = [timestamp for timestamp in told if oldest <= timestamp <= instant]
    return told[max(times)] if times else None


def _name(labels: Mapping[str, str], label: str) -> tuple[Kind | None, str]:
    """What a series is, or why it is dropped."""
    if len(labels) > _LIMITS.count or any(
        len(name) > _LIMITS.name or len(value) > _LIMITS.value for name, value in labels.items()
    ):
        return None, "labels"
    try:
        named = name_series({name: value for name, value in labels.items() if name != label})
    except (Refusal, UnicodeEncodeError):
        # Without a name; or JSON can say half of a character, which is no text.
        return None, "labels"
    return named.kind, named.dropped


def _beside(labels: Mapping[str, str], label: str) -> _Beside:
    kept = admissions()[labels[_NAME]].labels
    apart = {_NAME, label, *kept}
    return tuple(sorted(item for item in labels.items() if item[0] not in apart and item[1]))
