"""A snapshot to a row of the lake: the receiver's day, the cluster's release, how many machines it counts. Pure."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from layercensus.data import read_json
from layercensus.fleet.snapshots import Snapshot
from layercensus.model import Row

_RELEASE = re.compile(r"([0-9]{1,2})\.([0-9]{1,3})\.")


def row_of(snapshot: Snapshot) -> Row:
    """The row. The receiver's clock decides the day; the cluster's is kept as observed_at, and how far it is off."""
    received, observed = _instant(snapshot.received_ms), _instant(snapshot.timestamp)
    release = release_of(snapshot.version)
    is_proxy = snapshot.signal == "mcd"
    return Row(
        day=received[:10],
        cluster_id=snapshot.cluster_id,
        signal=snapshot.signal,
        release=release,
        version=snapshot.version,
        platform=snapshot.platform,
        nodes={} if is_proxy else _whole(snapshot.counts),
        needs=_whole(snapshot.needs or {}),
        proxy=_whole(snapshot.counts) if is_proxy else {},
        nodes_expected=expected_machines(snapshot.nodes, release),
        skew_seconds=(snapshot.timestamp - snapshot.received_ms) / 1000,
        observed_at=observed,
        received_at=received,
    )


def stored_row_of(snapshot: Snapshot) -> Row:
    """The row of a snapshot that a store kept: nobody received it, so that its own clock decides the day.

    `received_at` is null, which is older than any: beside a row that was received, of the same instant, that one stays.
    """
    return replace(row_of(snapshot), skew_seconds=None, received_at=None)


def release_of(version: str | None) -> str | None:
    """`4.14.30` to `4.14`; None where no version is known."""
    found = _RELEASE.match(version) if version else None
    return f"{found[1]}.{found[2]}" if found else None


def expected_machines(nodes: Mapping[str, int], release: str | None) -> int | None:
    """CoreOS machines that the cluster counts; None where it did not say of each node what it is.

    `nodes`: os_id -> nodes. What `rhel` means depends on the release.
    """
    since: Mapping[str, str] = read_json("fleet/coreos_ids.json")["since"]
    if not nodes or nodes.get("") or (release is None and "rhel" in nodes):
        return None
    return sum(count for os_id, count in nodes.items() if os_id in since and _is_since(release, since[os_id]))


def _whole(counts: Mapping[str, float]) -> dict[str, int]:
    return {label: int(value) for label, value in counts.items()}


def _is_since(release: str | None, first: str) -> bool:
    return release is None or tuple(map(int, release.split("."))) >= tuple(map(int, first.split(".")))


def _instant(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).isoformat(timespec="milliseconds")
