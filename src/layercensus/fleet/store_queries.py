r"""What is asked of a store of series (Prometheus, Thanos, VictoriaMetrics): selectors and windows of time. Pure.

An instant query of a range gives samples as they are stored, each with its own time; a range query would not: it
repeats a sample for five minutes, and its times are those of its steps. So this is asked, at the end of a window::

    {__name__=~"cluster:usage:local_layering_nodes:count|…",cluster_id=~"6f2a…|c01d…"}[900000ms]

A day is read backwards, since its newest complete snapshot is what counts: the last quarter of an hour of every cluster
first, and what lies before only of those that were not found in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from layercensus.fleet.contract import Fact, admissions
from layercensus.fleet.samples import Window

Parameters = tuple[tuple[str, str], ...]

DAY_MS = 86_400_000
PAGE_CLUSTERS = 100
_MINUTE_MS = 60_000
# Where windows end, in minutes before the end of a day. The last reaches a day before the day's first instant.
_EDGES = (0, 15, 120, 480, 1440, 2880)
# No part may be left out (Thanos, VictoriaMetrics), nothing averaged (Thanos); replicas as the store is set up to merge
# them: what a replica of a Thanos receiver holds is a part of each cluster.
_EXACT = (
    ("partial_response", "false"),
    ("deny_partial_response", "1"),
    ("max_source_resolution", "0s"),
    ("dedup", "true"),
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about in one query: names of series, and labels that have one value only."""

    fact: Fact
    names: tuple[str, ...]
    fixed: tuple[tuple[str, str], ...] = ()


@cache
def subject_of(fact: Fact) -> Subject:
    """Names that tell a fact; the needs are asked with the classes, since they are of the same instant."""
    facts = {fact, Fact.NEED} if fact is Fact.LAYERING else {fact}
    names = tuple(name for name, admission in admissions().items() if admission.fact in facts)
    return Subject(fact, names, tuple(admissions()[fact.value].fixed.items()))


def select(subject: Subject, label: str, values: Sequence[str] | None) -> str:
    """Selector of a subject's series of some clusters, by the values of their label; of all clusters where it is None.

    An empty value, alone, selects the series without that label.
    """
    matchers = [f'__name__=~"{"|".join(subject.names)}"', *(f'{name}="{value}"' for name, value in subject.fixed)]
    if values is not None:
        matchers.append(f'{label}=~"{"|".join(values)}"' if values != [""] else f'{label}=""')
    return f"{{{','.join(matchers)}}}"


def select_prefix(subject: Subject, label: str, prefix: str) -> str:
    """Selector of a subject's series of the clusters whose id begins so."""
    return f'{select(subject, label, None)[:-1]},{label}=~"{prefix}.*"}}'


def samples_in(selector: str, window: Window) -> Parameters:
    """Parameters of the query for all samples in a window; servers before 3.0 add one a millisecond older."""
    length = window.last - window.first + 1
    return (("query", f"{selector}[{length}ms]"), ("time", _seconds(window.last)), *_EXACT)


def labels_in(selector: str, window: Window) -> Parameters:
    """Parameters of the question which values a label has, in a window; the answer may hold some of before or after."""
    return (("match[]", selector), ("start", _seconds(window.first)), ("end", _seconds(window.last)), *_EXACT)


def windows_back(last: int, first: int) -> Iterator[Window]:
    """Windows from the end of a day (or from now) backwards, as far as `first`; both ends included, in milliseconds."""
    for late, early in pairwise(_EDGES):
        end, begin = last - late * _MINUTE_MS, last + 1 - early * _MINUTE_MS
        if end >= first:
            yield Window(max(begin, first), end)


def pages_of(values: Sequence[str]) -> Iterator[list[str]]:
    """Clusters in pages that an address can hold; those without a label by themselves."""
    if "" in values:
        yield [""]
    labelled = [value for value in values if value]
    for start in range(0, len(labelled), PAGE_CLUSTERS):
        yield labelled[start : start + PAGE_CLUSTERS]


def halves(values: list[str], window: Window) -> list[tuple[list[str], Window]]:
    """A page in two, the later first: fewer clusters, or of one a shorter time, a minute at least; else none."""
    if len(values) > 1:
        middle = len(values) // 2
        return [(values[:middle], window), (values[middle:], window)]
    length = window.last - window.first + 1
    if length <= _MINUTE_MS:
        return []
    start = window.last + 1 - length // 2
    return [(values, Window(start, window.last)), (values, Window(window.first, start - 1))]


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
