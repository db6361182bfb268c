"""⇄ What a collector says of itself: counters over all its processes, in files that they share.

The library is prometheus_client in its mode for several processes. Requests are counted in plain numbers and handed
over once a second, since a counter that lies in a shared file costs more than a request should. The files lie in
memory: a disk that is full must not end who counts.
"""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from layercensus.fleet.shared_folders import LOCK, lock_file

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it, for its owner's eyes
_PREFIX = "layercensus-counts-"
_LABELS = {
    "requests_total": ("status",),
    "refused_total": ("reason",),
    "samples_dropped_total": ("reason",),
}
_COUNTERS = {
    "requests_total": "Requests to write, by the status of the answer.",
    "refused_total": "Requests to write that were refused, by reason.",
    "samples_admitted_total": "Samples that were admitted and acknowledged.",
    "samples_dropped_total": "Samples that were dropped from requests that were taken, by reason.",
    "commits_failed_total": "Commits to the inbox that failed; nothing of them was acknowledged.",
    "reports_drained_total": "Reports that were read from the inbox.",
    "rows_written_total": "Rows that were written to the lake.",
    "snapshots_incomplete_total": "Snapshots that were never completed and are no rows.",
    "inbox_torn_files_total": "Inbox files that ended in half a record, acknowledged to nobody, or were damaged.",
    "lake_failures_total": "Rounds in which the lake could not be written; what they hold is tried again.",
    "pages_made_total": "Report pages that were made.",
    "pages_failed_total": "Report pages that could not be made; the last one stays.",
}
_GAUGES = {
    "clusters": ("Clusters that have reported since the start.", "mostrecent"),
    "drains": ("Whether this collector empties the inboxes: 1, or 0 where another does.", "mostrecent"),
    "lake_lag_seconds": ("Age of the oldest row that should be in the lake and is not.", "mostrecent"),
    "page_timestamp_seconds": ("When the report page was made.", "mostrecent"),
    "tokens_expiring": ("Tokens in use that expire within 30 days.", "livemax"),
}
_HISTOGRAMS = {
    "commit_seconds": ("Seconds that a commit to the inbox took.", (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10)),
    "skew_seconds": ("Difference between clocks of cluster and collector, rows written.", (60, 600, 3600, 86400)),
}
PREFIX = "layercensus_collector_"


@contextmanager
def shared_counts() -> Iterator[Path]:
    """A folder where processes that are started meanwhile share their counts, empty at first; removed at the end."""
    parent = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    descriptor = lock_file(folder / LOCK)
    os.environ[_FOLDER] = str(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    """Remove what collectors left that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        # Another user's, or one that is about to be locked.
        with suppress(OSError):
            if (folder / LOCK).exists():
                os.close(lock_file(folder / LOCK))
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(eq=False)
class Counts:
    """Counts of one process. Made once in each, after `share_counts`."""

    _metrics: dict[str, Any] = field(default_factory=dict)
    _pending: Counter[tuple[str, str]] = field(default_factory=Counter)
    _observed: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the metrics: the library must be imported after the folder is known."""
        from prometheus_client import CollectorRegistry, Gauge, Histogram
        from prometheus_client import Counter as PrometheusCounter

        registry = CollectorRegistry()
        for name, text in _COUNTERS.items():
            self._metrics[name] = PrometheusCounter(PREFIX + name, text, _LABELS.get(name, ()), registry=registry)
        for name, (text, mode) in _GAUGES.items():
            self._metrics[name] = Gauge(PREFIX + name, text, multiprocess_mode=mode, registry=registry)  # type: ignore[arg-type]
        for name, (text, buckets) in _HISTOGRAMS.items():
            self._metrics[name] = Histogram(PREFIX + name, text, buckets=buckets, registry=registry)

    def add(self, name: str, label: str = "", amount: int = 1) -> None:
        """Count; it is seen after the next `flush`."""
        self._pending[name, label] += amount

    def add_each(self, name: str, amounts: Mapping[str, int]) -> None:
        """Count by label."""
        for label, amount in amounts.items():
            self._pending[name, label] += amount

    def flush(self) -> None:
        """Hand over what was counted."""
        for (name, label), amount in self._pending.items():
            metric = self._metrics[name]
            (metric.labels(label) if label else metric).inc(amount)
        self._pending.clear()
        for name, value in self._observed:
            self._metrics[name].observe(value)
        self._observed.clear()

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._metrics[name].set(value)

    def observe_later(self, name: str, value: float) -> None:
        """Add to a histogram with the next `flush`."""
        self._observed.append((name, value))

    def observe(self, name: str, values: Iterable[float]) -> None:
        """Add to a histogram."""
        for value in values:
            self._metrics[name].observe(value)


def forget_process(pid: int) -> None:
    """A process of this collector has ended: what it said of the moment no longer holds."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def exposition() -> bytes:
    """Counts of all processes of this collector, as Prometheus reads them."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_AllProcesses())
    return generate_latest(registry)


def totals() -> dict[tuple[str, str], float]:
    """Counters and gauges of all processes, by name without prefix and the value of their label."""
    found: dict[tuple[str, str], float] = {}
    for metric in _AllProcesses().collect():
        for sample in metric.samples:
            name = sample.name.removeprefix(PREFIX)
            if name in _COUNTERS or name in _GAUGES:
                labels = [value for label, value in sample.labels.items() if label != "pid"]
                found[name, "".join(labels)] = sample.value
    return found


class _AllProcesses:
    """The library's collector over several processes, but for files that were made and have no content yet."""

    def collect(self) -> Iterable[Any]:
        """Metrics of all."""
        from prometheus_client.multiprocess import MultiProcessCollector

        files = [str(path) for path in Path(os.environ[_FOLDER]).glob("*.db") if path.stat().st_size]
        found: Iterable[Any] = MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return found
