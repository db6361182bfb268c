"""`layercensus import`: inspected machines into a lake; a cluster is a folder of machines."""

import posixpath
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid5

from layercensus.classify.census import classify
from layercensus.commands import EXIT_DONE, EXIT_PARTIAL, Output, Surroundings
from layercensus.errors import Fault, NothingToDoError, UsageError
from layercensus.host.captures import count_files, read_captures
from layercensus.lake.storage import write_rows
from layercensus.metrics.families import needs_of
from layercensus.model import Census, Layering, Need, Row, Skipped

# Names clusters that have no id of their own: the same folder name gives the same id, here and elsewhere.
_NAMESPACE = UUID("5d0c9a5e-7a0f-4b8e-9b9a-3f0a7d1c2e64")
_COUNTED = (Layering.CLEAN, Layering.EXTENSIONS, Layering.OVERRIDES, Layering.PACKAGES, Layering.UNKNOWN)


@dataclass
class _Cluster:
    """Counts of one cluster's machines. `folder` is where they are; `release` votes are one a machine."""

    folder: str
    nodes: Counter[Layering] = field(default_factory=Counter)
    needs: Counter[Need] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def add(self, census: Census) -> None:
        """Count one machine."""
        self.nodes[census.booted.layering] += 1
        self.needs.update(needs_of(census.booted.changes))
        if release := release_words(census):
            self.releases[release] += 1

    def row(self, cluster_id: str, now: datetime) -> Row:
        """Make the cluster's row of today; a file that should have been a machine counts as one that is unknown."""
        nodes = self.nodes + Counter({Layering.UNKNOWN: self.lost})
        return Row(
            day=now.date().isoformat(),
            cluster_id=cluster_id,
            signal="capture",
            release=max(self.releases, key=lambda name: (self.releases[name], name), default=None),
            version=None,
            platform=None,
            nodes={layering.value: nodes[layering] for layering in _COUNTED},
            needs={need.value: self.needs[need] for need in Need},
            received_at=now.isoformat(),
        )


def release_words(census: Census) -> str | None:
    """`4.14`, or `4.19-4.21` where the evidence fits several; None where it fits any."""
    candidates = census.booted.release_candidates
    if census.booted.release or not census.machine.os.version or not candidates:
        return census.booted.release
    return f"{candidates[0]}-{candidates[-1]}"


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Read, classify, count per cluster, write; say what was left out. Nothing is written before all is read."""
    lake = Path(options.lake)
    clusters: dict[str, _Cluster] = {}
    left_out: Counter[str] = Counter()
    total = count_files(options.paths) if surroundings.shows_progress else None
    done = 0
    for path in options.paths:
        for item in read_captures([path], surroundings.stdin):
            surroundings.tick(done, total)
            done += 1
            _add(item, path, options, clusters, left_out)
    kept = {cluster_id: cluster for cluster_id, cluster in clusters.items() if cluster.nodes}
    if not kept:
        raise NothingToDoError("no machine of an OpenShift cluster was found", where=" ".join(options.paths))
    write_rows(lake, [cluster.row(cluster_id, surroundings.now) for cluster_id, cluster in kept.items()])
    yield from _summary(kept.values(), left_out, lake, surroundings.now)
    unknown = sum(cluster.nodes[Layering.UNKNOWN] + cluster.lost for cluster in kept.values())
    return EXIT_PARTIAL if unknown else EXIT_DONE


def _add(item: object, path: str, options: Namespace, clusters: dict[str, _Cluster], left_out: Counter[str]) -> None:
    """Count one machine, or one file that may have been one, in its cluster."""
    if isinstance(item, Skipped):
        if item.lost and item.input != path:
            _cluster_of(item.input, path, options.cluster_id, clusters).lost += 1
        else:
            left_out["files that are no host documents"] += 1
        return
    census = classify(item, release=options.release)  # type: ignore[arg-type]
    if census.booted.layering is Layering.NOT_APPLICABLE:
        left_out["machines that are no rpm-ostree machines"] += 1
    elif census.machine.os.openshift is False:
        left_out["machines that are not OpenShift's"] += 1
    else:
        _cluster_of(census.machine.input, path, options.cluster_id, clusters).add(census)


def _cluster_of(name: str, path: str, cluster_id: str | None, clusters: dict[str, _Cluster]) -> _Cluster:
    folder = posixpath.dirname(posixpath.normpath(name))
    if cluster_id is not None:
        return clusters.setdefault(cluster_id, _Cluster(folder))
    key = cluster_key(name, path)
    cluster = clusters.setdefault(str(uuid5(_NAMESPACE, key)), _Cluster(folder))
    if cluster.folder != folder:
        raise UsageError(
            f"{cluster.folder} and {folder} would be one cluster, {key!r}",
            fault=Fault.USAGE,
            next_step="import the folder above both, or one at a time with --cluster-id",
        )
    return cluster


def cluster_key(name: str, path: str) -> str:
    """Name of the folder that holds a machine, seen from the path that was given; the path's own name at its top."""
    path = posixpath.normpath(path)
    folder = posixpath.dirname(posixpath.normpath(name))
    if name.startswith("-") or folder in {"", ".", ".."}:
        raise UsageError(
            "which cluster is it", where=name, fault=Fault.USAGE, next_step="give --cluster-id or import its folder"
        )
    below = posixpath.relpath(folder, path)
    inside = folder == path or folder.startswith(f"{path}/")
    return below if inside and below != "." else posixpath.basename(folder)


def _summary(clusters: Iterable[_Cluster], left_out: Counter[str], lake: Path, now: datetime) -> Iterator[str]:
    clusters = list(clusters)
    nodes = sum((cluster.nodes for cluster in clusters), Counter[Layering]())
    nodes[Layering.UNKNOWN] += sum(cluster.lost for cluster in clusters)
    counts = ", ".join(f"{nodes[layering]} {layering}" for layering in _COUNTED if nodes[layering])
    yield f"{len(clusters)} clusters, {nodes.total()} machines ({counts}) into {lake}, day {now.date()}\n"
    for what, count in sorted(left_out.items()):
        yield f"left out: {count} {what}\n"
