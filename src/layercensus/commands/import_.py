"""`layercensus import`: inspected machines into a lake, a cluster is a folder of machines; or what a store has."""

import posixpath
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid5

from layercensus.classify.census import classify
from layercensus.commands import EXIT_DONE, EXIT_PARTIAL, Output, Surroundings, import_prometheus
from layercensus.commands.asked_release import AskedRelease
from layercensus.commands.paths import check_paths, missing_path
from layercensus.commands.words import counted
from layercensus.errors import Fault, NothingToDoError, UsageError
from layercensus.host.captures import count_files, is_there, read_captures
from layercensus.lake.population import refresh
from layercensus.lake.storage import count_known_rows, write_rows
from layercensus.metrics.families import needs_of
from layercensus.model import Census, Layering, Machine, Need, Row, Skipped

# Names clusters that have no id of their own: the same folder name gives the same id, here and elsewhere.
_NAMESPACE = UUID("5d0c9a5e-7a0f-4b8e-9b9a-3f0a7d1c2e64")
_COUNTED = (Layering.CLEAN, Layering.EXTENSIONS, Layering.OVERRIDES, Layering.PACKAGES, Layering.UNKNOWN)
_NO_MACHINE = "no machine of an OpenShift cluster was found"
_WITH_NEEDS = (Layering.PACKAGES, Layering.OVERRIDES)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What counts of one machine. The better of two of one node is the one that was read, then the newer one."""

    layering: Layering
    needs: frozenset[Need]
    release: str | None
    observed_at: str

    def is_better_than(self, other: "_Seen") -> bool:
        """Whether this, seen later, replaces the other."""
        read, other_read = self.layering is not Layering.UNKNOWN, other.layering is not Layering.UNKNOWN
        return (read, self.observed_at) > (other_read, other.observed_at)


@dataclass
class _Cluster:
    """One cluster's machines. `folder` is where they are; `lost` are files that should have been a machine."""

    folder: str
    machines: dict[str, _Seen] = field(default_factory=dict)
    lost: int = 0
    repeated: int = 0

    def add(self, census: Census) -> None:
        """Take in one machine; a node that was seen before, in another capture, is the same machine."""
        machine = census.machine
        layering = census.booted.layering
        # As the rules of a cluster count them: what is known of an unknown machine is in its bounds, in no numerator.
        needs = needs_of(census.booted.changes) if layering in _WITH_NEEDS else frozenset()
        seen = _Seen(layering, needs, release_words(census), machine.observed_at or "")
        key = f"node {machine.node}" if machine.node else f"input {machine.input}"
        known = self.machines.get(key)
        self.repeated += known is not None
        if known is None or seen.is_better_than(known):
            self.machines[key] = seen

    @property
    def nodes(self) -> Counter[Layering]:
        """Machines by class; a lost one is unknown."""
        return Counter(seen.layering for seen in self.machines.values()) + Counter({Layering.UNKNOWN: self.lost})

    @property
    def releases(self) -> Counter[str]:
        """Machines by the release that they say."""
        return Counter(seen.release for seen in self.machines.values() if seen.release)

    @property
    def release(self) -> str | None:
        """The release of more than half of the machines that say one; None if there is no such."""
        release, votes = next(iter(self.releases.most_common(1)), (None, 0))
        return release if 2 * votes > self.releases.total() else None

    def row(self, cluster_id: str, now: datetime) -> Row:
        """Make the cluster's row of today."""
        nodes, needs = self.nodes, Counter(need for seen in self.machines.values() for need in seen.needs)
        return Row(
            day=now.date().isoformat(),
            cluster_id=cluster_id,
            signal="capture",
            release=self.release,
            version=None,
            platform=None,
            nodes={layering.value: nodes[layering] for layering in _COUNTED},
            needs={need.value: needs[need] for need in Need},
            received_at=now.isoformat(),
        )


def release_words(census: Census) -> str | None:
    """`4.14`, or `4.19-4.21` where the evidence fits several; None where it fits any."""
    candidates = census.booted.release_candidates
    if census.booted.release or not census.machine.os.version or not candidates:
        return census.booted.release
    return f"{candidates[0]}-{candidates[-1]}"


_MOST_NAMED = 10


@dataclass
class _Found:
    """What was found on the way: clusters by id, what was left out, and inputs that count as unknown, with reasons.

    `hollow`: folders that were named and hold no machine.
    """

    release: AskedRelease
    clusters: dict[str, _Cluster] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)
    hollow: list[Skipped] = field(default_factory=list)
    unread: int = 0

    def add_unread(self, name: str, reason: str) -> None:
        """Keep the name of an input that counts as unknown, of the first ones only."""
        self.unread += 1
        if len(self.named) < _MOST_NAMED:
            self.named.append(f"{name}: counts as unknown: {reason}")

    def unread_lines(self) -> Iterator[str]:
        """Lines that name what counts as unknown."""
        yield from self.named
        if more := self.unread - len(self.named):
            yield f"and {more} more that {'counts' if more == 1 else 'count'} as unknown; inspect names all"


# Options that go with one of the two ways only, and what they are when they are not given.
_OF_PATHS = {"release": None}
_OF_STORES = {
    "cluster_label": None,
    "bearer_token_file": None,
    "ca_file": None,
    "since": None,
    "until": None,
    "again": False,
}


def run(options: Namespace, surroundings: Surroundings) -> Output:
    """Import captures or, with --prometheus, what a store of series has."""
    if bool(options.paths) == bool(options.prometheus):
        what = "both PATH and --prometheus are given" if options.paths else "neither PATH nor --prometheus is given"
        next_step = "name captures, or the address of a store"
        raise UsageError(what, fault=Fault.USAGE, next_step=next_step)
    others, way = (_OF_PATHS, "PATH") if options.prometheus else (_OF_STORES, "--prometheus")
    for name, default in others.items():
        if getattr(options, name) != default:
            raise UsageError(f"goes with {way}", where=f"--{name.replace('_', '-')}", fault=Fault.USAGE)
    return (yield from (import_prometheus.run if options.prometheus else import_captures)(options, surroundings))


def import_captures(options: Namespace, surroundings: Surroundings) -> Output:
    """Read, classify, count per cluster, write; say what was left out. Nothing is written before all is read."""
    check_paths(options.paths)
    lake = Path(options.lake)
    found = _Found(AskedRelease(options.release))
    total = count_files(options.paths) if surroundings.shows_progress else None
    done = 0
    for path in options.paths:
        if not is_there(path):
            raise missing_path(path)
        for item in read_captures([path], surroundings.stdin):
            surroundings.tick(done, total)
            done += 1
            _add(item, path, options, found)
    for line in found.unread_lines():
        surroundings.warn(f"layercensus: {line}")
    kept = {cluster_id: cluster for cluster_id, cluster in found.clusters.items() if cluster.nodes}
    if not kept:
        next_step = "layercensus inspect says what is there"
        raise NothingToDoError(_NO_MACHINE, where=" ".join(options.paths), next_step=next_step)
    for item in found.hollow:
        surroundings.warn(f"layercensus: {item.input}: {item.reason}; name folders that hold captures")
    rows = [cluster.row(cluster_id, surroundings.now) for cluster_id, cluster in kept.items()]
    replaced = count_known_rows(lake, rows)
    write_rows(lake, rows)
    refresh(lake)
    yield from _summary(kept.values(), found.left_out, lake, surroundings.now)
    yield from _warnings(kept.values(), replaced)
    yield from (f"{line}\n" for line in found.release.lines())
    unknown = sum(cluster.nodes[Layering.UNKNOWN] for cluster in kept.values())
    return EXIT_PARTIAL if unknown or found.hollow else EXIT_DONE


def _add(item: Machine | Skipped, path: str, options: Namespace, found: _Found) -> None:
    """Count one machine, or one file that may have been one, in its cluster."""
    if isinstance(item, Skipped):
        if item.may_be_machine:
            _cluster_of(item.found_in or path, path, options.cluster_id, found.clusters).lost += 1
            found.add_unread(item.input, item.reason)
        elif item.lost:
            found.hollow.append(item)
        else:
            found.left_out["file without a host document"] += 1
        return
    census = classify(item, release=options.release)
    if census.booted.layering is Layering.NOT_APPLICABLE:
        found.left_out["machine without rpm-ostree"] += 1
    elif census.machine.os.openshift is False:
        found.left_out["machine not of OpenShift"] += 1
    else:
        cluster_id = options.cluster_id or _own_cluster_id(census.machine.cluster_id)
        found_in = census.machine.found_in or census.machine.input
        _cluster_of(found_in, path, cluster_id, found.clusters).add(census)
        found.release.add(census)
        if census.booted.layering is Layering.UNKNOWN:
            found.add_unread(census.machine.input, "; ".join(census.problems))


def _own_cluster_id(text: str | None) -> str | None:
    """Cluster id that a support bundle names, if it is a UUID."""
    try:
        return None if text is None else str(UUID(text))
    except ValueError:
        return None


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
    if folder in {"", "."} and name != "-":
        folder = path = str(Path(path).resolve() if path == "." else Path(path).resolve().parent)
    if name.startswith("-") or posixpath.basename(folder) in {"", ".", ".."}:
        raise UsageError(
            "which cluster is it", where=name, fault=Fault.USAGE, next_step="give --cluster-id or import its folder"
        )
    below = posixpath.relpath(folder, path)
    inside = folder == path or folder.startswith(f"{path}/")
    return below if inside and below != "." else posixpath.basename(folder)


def _summary(clusters: Iterable[_Cluster], left_out: Counter[str], lake: Path, now: datetime) -> Iterator[str]:
    clusters = list(clusters)
    nodes = sum((cluster.nodes for cluster in clusters), Counter[Layering]())
    counts = ", ".join(f"{nodes[layering]} {layering}" for layering in _COUNTED if nodes[layering])
    machines = f"{counted(nodes.total(), 'machine')} ({counts})"
    yield f"{counted(len(clusters), 'cluster')}, {machines} into {lake}, day {now.date()}\n"
    for what, count in sorted(left_out.items()):
        yield f"left out: {counted(count, what)}\n"


def _warnings(clusters: Iterable[_Cluster], replaced: int) -> Iterator[str]:
    """Say what a reader of the report would not guess from the counts."""
    if replaced:
        yield f"replaced: {counted(replaced, 'cluster')} of which this day had a row already\n"
    for cluster in clusters:
        if cluster.repeated:
            yield f"seen again in {cluster.folder}: {counted(cluster.repeated, 'machine')}, counted once\n"
        if len(cluster.releases) > 1:
            found = ", ".join(f"{count} of {release}" for release, count in sorted(cluster.releases.items()))
            counts = f"as {cluster.release}" if cluster.release else "as of no known release"
            yield f"several releases in {cluster.folder}: {found}; the cluster counts {counts}\n"
