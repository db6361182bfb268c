"""Real stores of series on loopback, filled with the past: Prometheus by promtool's blocks, VictoriaMetrics by its import.

A fleet is a list of samples, written by hand in `fleet_of`; what rows they make is worked out in `rows_of`, from the rules
of the collector's page and by no code of ours.
"""

import json
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.real.prometheus_server import DEADLINE_SECONDS, free_port, prometheus, require

CLASSES = ("clean", "extensions", "overrides", "packages", "unknown")
NEEDS = ("agent", "driver", "other", "override", "tool")
STATES = ("none", "unknown", "unsupported")
LAYERING, NEED, MCD = (
    f"cluster:usage:{name}:count"
    for name in ("local_layering_nodes", "local_layering_nodes_by_need", "mcd_unsupported_nodes")
)
TWINS = {name.replace("cluster:usage", "layercensus"): name for name in (LAYERING, NEED, MCD)}
NODES, VERSION, PLATFORM = "cluster:node_instance_type_count:sum", "cluster_version", "cluster_infrastructure_provider"
NAMES = (LAYERING, NEED, MCD, *TWINS, NODES, VERSION, PLATFORM)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Sample:
    """A sample as a store keeps it; `at` in milliseconds since 1970."""

    labels: tuple[tuple[str, str], ...]
    at: int
    value: float

    @property
    def series(self) -> str:
        name = dict(self.labels)["__name__"]
        inside = ",".join(
            f"{key}={json.dumps(text, ensure_ascii=False)}" for key, text in self.labels if key != "__name__"
        )
        return f"{name}{{{inside}}}"


def sample(name: str, at: int, value: float, **labels: str) -> Sample:
    return Sample(tuple(sorted({"__name__": name, **labels}.items())), at, value)


def midnight(day: date) -> int:
    return (day - EPOCH).days * DAY


@dataclass(frozen=True)
class Store:
    """A store that runs, below an address."""

    url: str

    def ask(self, path: str, *parameters: tuple[str, str]) -> Any:
        with urlopen(f"{self.url}{path}?{urlencode(parameters)}", timeout=DEADLINE_SECONDS) as answer:
            return json.load(answer)["data"]

    def samples(self, day: date) -> list[Sample]:
        """Every sample of the contract's names on a day and the day before, as its API gives them, in one answer."""
        last = midnight(day) + DAY - 1
        query = f'{{__name__=~"{"|".join(NAMES)}"}}[2d]'
        found = self.ask("/api/v1/query", ("query", query), ("time", f"{last / 1000:.3f}"))
        return [
            Sample(tuple(sorted(one["metric"].items())), round(at * 1000), float(value))
            for one in found["result"]
            for at, value in one["values"]
        ]


@contextmanager
def filled_prometheus(folder: Path, samples: Iterable[Sample], **options: Any) -> Iterator[Store]:
    """A Prometheus whose blocks promtool made of these samples."""
    promtool = require("promtool")
    folder.mkdir()
    text = "".join(f"{one.series} {one.value!r} {one.at / 1000:.3f}\n" for one in _in_order(samples))
    (folder / "samples").write_text(f"{text}# EOF\n", encoding="utf-8")
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", str(folder / "samples"), str(folder / "data")],
        check=True, capture_output=True,
    )  # fmt: skip
    with prometheus(folder, {}, *options.get("flags", ()), retention="10y") as server:
        _wait_until_ready(f"{server.url}/-/ready")
        yield Store(server.url)


@contextmanager
def filled_victoria(folder: Path, samples: Iterable[Sample]) -> Iterator[Store]:
    """A VictoriaMetrics that took these samples by its import."""
    program = require("victoria-metrics")
    folder.mkdir()
    address = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, f"-httpListenAddr={address}", f"-storageDataPath={folder}/data", "-retentionPeriod=10y"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait_until_ready(f"http://{address}/health")
        text = "".join(f"{one.series} {one.value!r} {one.at}\n" for one in _in_order(samples))
        urlopen(Request(f"http://{address}/api/v1/import/prometheus", text.encode()), timeout=60).close()
        # What was taken is searchable after this, it says.
        urlopen(f"http://{address}/internal/force_flush", timeout=60).close()
        yield Store(f"http://{address}")
    finally:
        process.terminate()
        process.wait(60)


def _in_order(samples: Iterable[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda one: (one.series, one.at))


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            urlopen(address, timeout=10).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def rows_of(samples: Iterable[Sample], day: date, label: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(cluster, signal) -> columns of the row that a day's samples make."""
    first = midnight(day)
    # cluster -> fact -> replica and the labels that only external labels bring -> time -> value of the label -> count
    counts: Any = defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(dict))))
    told: Any = defaultdict(lambda: defaultdict(dict))
    for one in samples:
        labels = dict(one.labels)
        name = TWINS.get(labels["__name__"], labels["__name__"])
        cluster, replica = labels.get(label, ""), labels.get("prometheus_replica", "")
        key = {LAYERING: "layering", NEED: "need", MCD: "state"}.get(name)
        if (
            key
            and labels[key] in (*CLASSES, *NEEDS, *STATES)
            and _is_count(one.value)
            and first <= one.at < first + DAY
        ):
            counts[cluster][name][replica][one.at][labels[key]] = one.value
        elif name == NODES and _is_count(one.value):
            of = told[cluster][name].setdefault((one.at, replica), defaultdict(int))
            of[labels.get("label_node_openshift_io_os_id", "")] += int(one.value)
        elif name == PLATFORM:
            told[cluster][name][one.at, replica] = labels["type"]
        elif name == VERSION and labels["type"] == "current":
            told[cluster][name][one.at, replica] = labels["version"]
    found = {}
    for cluster, facts in counts.items():
        if len(cluster) != 36:
            continue
        for name, signal, values in ((LAYERING, "layercensus", CLASSES), (MCD, "mcd", STATES)):
            whole = [
                (at, replica)
                for replica, times in facts[name].items()
                for at, of in times.items()
                if set(of) == set(values)
            ]
            if whole:
                at, replica = max(whole)
                prefix = "nodes" if signal == "layercensus" else "proxy"
                row = {f"{prefix}_{value}": facts[name][replica][at][value] for value in values}
                needs = facts[NEED][replica].get(at, {})
                if signal == "layercensus" and set(needs) == set(NEEDS):
                    row |= {f"need_{need}": needs[need] for need in NEEDS}
                found[cluster, signal] = row | _joined(told[cluster], at)
    return found


def _joined(told: Mapping[str, Mapping[tuple[int, str], Any]], at: int) -> dict[str, Any]:
    last: dict[str, Any] = {}
    for name in (NODES, VERSION, PLATFORM):
        times = [key for key in told[name] if at - DAY <= key[0] <= at] if name in told else []
        last[name] = told[name][max(times)] if times else None
    version, nodes = last[VERSION], last[NODES]
    minor = int(version.split(".")[1]) if version else None
    # `rhel` is a RHEL worker up to 4.18 and CoreOS from 4.19 on (docs/upstream.md).
    expected = None if nodes is None else nodes["rhcos"] + (nodes["rhel"] if minor and minor >= 19 else 0)
    return {
        "version": version,
        "release": version and ".".join(version.split(".")[:2]),
        "platform": last[PLATFORM],
        "nodes_expected": expected,
        "observed_at": datetime.fromtimestamp(at / 1000, tz=UTC).replace(tzinfo=None),
    }


def _is_count(value: float) -> bool:
    return value >= 0 and value == int(value) if value == value else False  # noqa: PLR0124 - NaN


def past_days(number: int) -> list[date]:
    """The last whole days that ended three hours ago or more, so that an import is done with them; oldest first."""
    today = (datetime.now(tz=UTC) - timedelta(hours=3)).date()
    return [today - timedelta(days=back) for back in range(number, 0, -1)]
