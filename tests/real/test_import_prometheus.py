"""`layercensus import --prometheus` from real stores: the rows are those that the samples make, counted by hand.

The stores are filled with some days of a fleet with every trouble that can be put into one. What the lake holds is read by
DuckDB from the files; what it should hold is worked out from the samples that the store's own API gives.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import duckdb
import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import SOURCE
from tests.real.stores import (
    CLASSES,
    DAY,
    HOUR,
    LAYERING,
    MCD,
    MINUTE,
    NEED,
    NEEDS,
    NODES,
    PLATFORM,
    STATES,
    VERSION,
    Sample,
    Store,
    filled_prometheus,
    filled_victoria,
    midnight,
    past_days,
    rows_of,
    sample,
)

pytestmark = pytest.mark.real

DAYS = past_days(3)
STEP = 5 * MINUTE


def cluster(number: int) -> str:
    return f"{number:08x}-93b5-4d52-9d0a-0f5a7e8f3a11"


(STEADY, UPGRADED, SILENT, BROKEN, TWO, HALVES, PROXY, BOTH, BARE, ONCE, TWINS, NAN) = (cluster(n) for n in range(12))


@dataclass
class Fleet:
    """Samples of clusters, under a label of their id."""

    label: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, name: str, at: int, value: float, who: str, **labels: str) -> None:
        self.samples.append(sample(name, at, value, **({self.label: who} if who else {}), **labels))

    def layering(self, who: str, at: int, *counts: float, name: str = LAYERING, **labels: str) -> None:
        for of, count in zip(CLASSES, counts, strict=False):
            self.add(name, at, count, who, layering=of, **labels)

    def needs(self, who: str, at: int, *counts: float, name: str = NEED, **labels: str) -> None:
        for of, count in zip(NEEDS, counts, strict=False):
            self.add(name, at, count, who, need=of, **labels)

    def states(self, who: str, at: int, *counts: float, **labels: str) -> None:
        for of, count in zip(STATES, counts, strict=False):
            self.add(MCD, at, count, who, state=of, **labels)

    def joined(self, who: str, at: int, version: str, *nodes: tuple[str, str, int], **labels: str) -> None:
        self.add(VERSION, at, 1.0, who, type="current", version=version, **labels)
        self.add(VERSION, at + 1, 1.0, who, type="desired", version="4.99.1", **labels)
        self.add(PLATFORM, at, 1.0, who, type="AWS", region="eu-west-1", **labels)
        for os_id, role, count in nodes:
            kept = {"label_node_openshift_io_os_id": os_id, "label_kubernetes_io_arch": "amd64"}
            self.add(NODES, at, count, who, label_node_role_kubernetes_io=role, **kept, **labels)


def fleet_of(label: str) -> Fleet:
    """A fleet with every trouble, day by day."""
    made = Fleet(label)
    for number, day in enumerate(DAYS):
        start = midnight(day)
        for step, at in enumerate(range(start + 17_123, start + DAY, STEP)):
            hour = (at - start) / HOUR
            made.layering(STEADY, at, 5, 1, 0, number, step % 2)
            made.needs(STEADY, at, number, 0, 0, 0, 1)
            made.joined(
                STEADY, at - 7_001, "4.14.30", ("rhcos", "worker", 4), ("rhcos", "master", 3), ("rhel", "worker", 2)
            )
            # Upgraded at noon of each day, and its agents do not come back.
            if hour < 12:
                made.layering(UPGRADED, at, 3, 0, 0, 2)
                made.layering(UPGRADED, at + 1, 3, 0, 0, 2, 0)
                made.needs(UPGRADED, at + 1, 1, 0, 0, 0, 0)
            made.joined(UPGRADED, at, f"4.{17 + 2 * number + (hour >= 12)}.0", ("rhcos", "w", 3), ("rhel", "w", 2))
            if hour < (13, 2, 23.9)[number]:
                made.layering(SILENT, at, 1, 1, 1, 1, 1)
                made.joined(SILENT, at - HOUR, "4.15.0-0.okd-2024-03-10-010116", ("rhcos", "w", 5))
            # Two replicas with clocks of their own, and one that has only halves.
            made.layering(TWO, at, 2, 0, 0, 1, 0, prometheus_replica="a", prometheus="k8s")
            made.layering(TWO, at + 9_000, 2, 0, 0, 2, 0, prometheus_replica="b", prometheus="k8s")
            made.needs(TWO, at + 9_000, 1, 1, 1, 1, 1, prometheus_replica="b", prometheus="k8s")
            made.joined(TWO, at, "4.16.3", ("rhcos", "w", 4), prometheus_replica="a", prometheus="k8s")
            made.joined(TWO, at, "4.16.3", ("rhcos", "w", 4), prometheus_replica="b", prometheus="k8s")
            for of in CLASSES:
                made.add(LAYERING, at, 1.0, HALVES, layering=of, prometheus_replica="a" if of < "o" else "b")
            made.states(PROXY, at, 4, 1, number)
            made.joined(PROXY, at, "4.19.7", ("rhel", "worker", 5), ("Windows", "worker", 1))
            made.states(BOTH, at, 7, 0, 2)
            made.layering(BOTH, at + 40, 7, 0, 1, 1, 0)
            if hour < 20:
                made.layering(BARE, at, 0, 0, 0, 0, 0)
            made.layering(TWINS, at, 1, 2, 3, 4, 5, name="layercensus:local_layering_nodes:count")
            made.needs(TWINS, at, 1, 2, 3, 4, 5, name="layercensus:local_layering_nodes_by_need:count")
            made.layering("local-cluster", at, 9, 9, 9, 9, 9)
        # The newest of the day is broken, then there is one that is not, at the last instant of the day.
        end = start + DAY
        made.layering(BROKEN, end - 3 * STEP, 6, 0, 0, 1, 0)
        made.needs(BROKEN, end - 3 * STEP, 1, 0, 0)
        made.layering(BROKEN, end - STEP, 6, 0, 0, 1)
        made.layering(ONCE, start, 8, 0, 0, 0, 1)
        made.layering(ONCE, end - 1, 8, 0, 0, 1, 0)
        made.joined(ONCE, start - 3 * HOUR, "4.18.1", ("rhcos", "w", 9))
        for at, value in ((1, 1.0), (2, float("nan")), (3, 2.5), (4, -1.0)):
            made.layering(NAN, end - 10 * MINUTE + at, 1, 1, value, 1, 1)
        # What is not of the contract, or calls itself what nobody is.
        made.add(LAYERING, end - 2 * MINUTE, 3.0, STEADY, layering="strange")
        made.layering('it\'s "not" a cluster\n{}', end - MINUTE, 1, 1, 1, 1, 1)
        made.layering("", end - MINUTE, 1, 1, 1, 1, 1)
    return made


@dataclass
class Imported:
    """What a run of the program said, and the rows of its lake."""

    code: int
    out: str
    err: str
    lake: Path

    def rows(self) -> list[dict[str, Any]]:
        files = sorted(str(path) for path in self.lake.glob("rows/*/rows.parquet"))
        relation = duckdb.connect().read_parquet(files)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def command(url: str, lake: Path, *options: str) -> list[str]:
    # Both ends named: yesterday is another day once midnight is past.
    days = ("--since", str(DAYS[0]), "--until", str(DAYS[-1]))
    return [sys.executable, "-m", "layercensus", "import", "--prometheus", url, "--lake", str(lake), *days, *options]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE)}


def run_import(url: str, lake: Path, *options: str) -> Imported:
    done = subprocess.run(
        command(url, lake, *options), capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False
    )
    assert "bug" not in done.stderr, done.stderr
    return Imported(done.returncode, done.stdout, done.stderr, lake)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return fleet_of("cluster_id")


@pytest.fixture(scope="module")
def prometheus_store(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with filled_prometheus(tmp_path_factory.mktemp("p") / "store", fleet.samples) as store:
        yield store


@pytest.fixture(scope="module")
def victoria_store(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with filled_victoria(tmp_path_factory.mktemp("v") / "store", fleet.samples) as store:
        yield store


@pytest.fixture(scope="module")
def whole(prometheus_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """An import that nobody interrupted."""
    return run_import(prometheus_store.url, tmp_path_factory.mktemp("lake") / "lake")


def check_against(store: Store, label: str, done: Imported) -> None:
    assert done.code == 0, done.err
    found: dict[date, dict[tuple[str, str], dict[str, Any]]] = {day: {} for day in DAYS}
    for row in done.rows():
        found[row["day"]][row["cluster_id"], row["signal"]] = row
    for day in DAYS:
        expected = rows_of(store.samples(day), day, label)
        assert found[day].keys() == expected.keys()
        for key, row in found[day].items():
            columns = {name for name, value in row.items() if value is not None} - {"day", "cluster_id", "signal"}
            assert {name: row[name] for name in columns} == {
                name: value for name, value in expected[key].items() if value is not None
            }, key


def test_rows_are_those_of_the_samples_that_prometheus_gives(prometheus_store: Store, whole: Imported) -> None:
    check_against(prometheus_store, "cluster_id", whole)


def test_some_rows_by_hand(whole: Imported) -> None:
    rows = {(row["day"], row["cluster_id"], row["signal"]): row for row in whole.rows()}
    assert len(rows) == 3 * 12
    last = DAYS[2]
    steady = rows[last, STEADY, "layercensus"]
    assert [steady[f"nodes_{name}"] for name in CLASSES] == [5, 1, 0, 2, 1]
    assert (steady["release"], steady["version"], steady["platform"]) == ("4.14", "4.14.30", "AWS")
    # Of rhcos 4 and 3; RHEL workers are no CoreOS machines there.
    assert (steady["nodes_expected"], steady["received_at"], steady["skew_seconds"]) == (7, None, None)
    assert steady["observed_at"].isoformat() == f"{last}T23:55:17.123000"
    # Upgraded at noon to 4.22, which is not what its last snapshot is of; `rhel` is CoreOS there.
    upgraded = rows[last, UPGRADED, "layercensus"]
    assert (upgraded["version"], upgraded["nodes_expected"]) == ("4.21.0", 5)
    assert upgraded["observed_at"].isoformat() == f"{last}T11:55:17.124000"
    assert rows[last, BROKEN, "layercensus"]["need_agent"] is None
    assert rows[last, ONCE, "layercensus"]["observed_at"].isoformat() == f"{last}T23:59:59.999000"
    assert rows[last, ONCE, "layercensus"]["version"] is None
    assert (rows[last, TWO, "layercensus"]["nodes_packages"], rows[last, TWO, "layercensus"]["nodes_expected"]) == (
        2,
        4,
    )
    assert [rows[last, PROXY, "mcd"][f"proxy_{name}"] for name in STATES] == [4, 1, 2]
    assert (last, HALVES, "layercensus") not in rows


def test_what_is_left_out_is_said(whole: Imported) -> None:
    assert "11 clusters, 36 rows (30 layercensus, 6 mcd)" in whole.out
    assert "left out: 12 samples (3 label_value, 3 nan, 6 no_count)" in whole.out
    assert "no row: 3 clusters on a day without a complete snapshot" in whole.out
    assert re.search(
        r"left out: 2 values of cluster_id, no id of a cluster: it's \"not\" a cluster<U\+000A>\{\}, local-cluster\n",
        whole.out,
    )
    assert f"left out: series without cluster_id ({LAYERING})" in whole.out
    assert "in UTC, by the cluster's own clock" in whole.out


def test_rows_are_those_of_the_samples_that_victoria_metrics_gives(
    victoria_store: Store, whole: Imported, tmp_path: Path
) -> None:
    done = run_import(victoria_store.url, tmp_path / "lake")
    check_against(victoria_store, "cluster_id", done)
    assert done.rows() == whole.rows()


@pytest.mark.parametrize("label", ["_id", "clusterID"])
def test_another_label_may_name_the_clusters(label: str, whole: Imported, tmp_path: Path) -> None:
    fleet = fleet_of(label)
    with filled_victoria(tmp_path / "store", fleet.samples) as store:
        done = run_import(store.url, tmp_path / "lake", "--cluster-label", label)
        check_against(store, label, done)
        assert done.rows() == whole.rows()
        # Asked for by a label that nothing has, there is nothing, which is no success.
        other = run_import(store.url, tmp_path / "other", "--cluster-label", "cluster_id")
        assert (other.code, other.out.count("left out: series without cluster_id")) == (1, 1)
        assert "no complete snapshot" in other.err


def test_a_store_of_one_cluster_has_no_label_of_it(tmp_path: Path) -> None:
    fleet, who = Fleet("cluster_id"), cluster(99)
    fleet.layering("", midnight(DAYS[1]) + HOUR, 3, 0, 0, 1, 0)
    fleet.joined("", midnight(DAYS[1]) + HOUR, "4.14.30", ("rhcos", "w", 4))
    fleet.layering(STEADY, midnight(DAYS[1]) + HOUR, 9, 0, 0, 0, 0)
    with filled_prometheus(tmp_path / "store", fleet.samples) as store:
        done = run_import(store.url, tmp_path / "lake", "--cluster-id", who)
    rows = {row["cluster_id"]: row for row in done.rows()}
    assert {key: row["nodes_clean"] for key, row in rows.items()} == {who: 3, STEADY: 9}
    assert (rows[who]["version"], rows[who]["nodes_expected"], rows[STEADY]["version"]) == ("4.14.30", 4, None)
    assert done.code == 0
    assert "left out" not in done.out


def test_a_store_that_cannot_answer_a_page_is_asked_for_less(fleet: Fleet, whole: Imported, tmp_path: Path) -> None:
    """A real limit on samples in a query: Prometheus answers 422."""
    with filled_prometheus(tmp_path / "store", fleet.samples, flags=("--query.max-samples=200",)) as store:
        with pytest.raises(OSError, match="422"):
            store.samples(DAYS[0])
        done = run_import(store.url, tmp_path / "lake")
    assert done.code == 0, done.err
    assert done.rows() == whole.rows()


class Proxy:
    """Between the program and a store: it writes down what is asked, and stands still after a number of requests."""

    def __init__(self, store: Store) -> None:
        self.asked: list[str] = []
        self.answers_left = 10**6
        self.goes_away = False
        self.stands_still = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if proxy.answers_left == 0 and proxy.goes_away:
                    self.connection.close()
                    return
                if proxy.answers_left == 0:
                    proxy.stands_still.set()
                    time.sleep(60)
                    return
                proxy.answers_left -= 1
                proxy.asked.append(self.path)
                headers = {"Accept-Encoding": self.headers["Accept-Encoding"]}
                with urlopen(Request(f"{store.url}{self.path}", headers=headers), timeout=60) as answer:
                    body = answer.read()
                    self.send_response(200)
                    for name in ("Content-Type", "Content-Encoding"):
                        if answer.headers[name]:
                            self.send_header(name, answer.headers[name])
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def classes_asked_for(self) -> set[date]:
        """Days of which samples of the classes were asked for."""
        asked = [parse_qs(urlsplit(path).query) for path in self.asked if "/api/v1/query?" in path]
        ends = [float(one["time"][0]) * 1000 for one in asked if LAYERING in one["query"][0]]
        return {day for day in DAYS for end in ends if midnight(day) <= end < midnight(day) + DAY}


@contextmanager
def proxy_of(store: Store) -> Iterator[Proxy]:
    made = Proxy(store)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.block_on_close = False
        made.server.server_close()
        thread.join()


def interrupt(how: Callable[[subprocess.Popen[bytes]], None], proxy: Proxy, lake: Path, answers: int) -> int:
    """Run an import until so many requests are answered, end it, and give its status."""
    proxy.answers_left = answers
    proxy.stands_still.clear()
    process = subprocess.Popen(
        command(proxy.url, lake), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    assert proxy.stands_still.wait(60)
    how(process)
    proxy.answers_left = 10**6
    return process.wait(60)


def test_an_import_that_was_killed_goes_on_and_ends_in_the_same_rows(
    prometheus_store: Store, whole: Imported, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    with proxy_of(prometheus_store) as proxy:
        # In the first day: nothing of it is there. Then so late that it is, and once more in the second.
        assert interrupt(subprocess.Popen.kill, proxy, lake, 3) == -signal.SIGKILL
        assert not list(lake.glob("rows/*"))
        answers = 12
        while not list(lake.glob("imports/*.json")):
            assert interrupt(subprocess.Popen.kill, proxy, lake, answers) == -signal.SIGKILL
            answers += 12
        assert [path.name for path in lake.glob("rows/*")] == [f"day={DAYS[0]}"]
        proxy.asked.clear()
        assert interrupt(lambda one: one.send_signal(signal.SIGINT), proxy, lake, 8) == 130
        done = run_import(proxy.url, lake)
        assert proxy.classes_asked_for() == set(DAYS[1:])
        assert done.code == 0, done.err
        assert "in the lake already: 1 day, not asked for again" in done.out
        assert done.rows() == whole.rows()
        proxy.asked.clear()
        again = run_import(proxy.url, lake)
        assert (again.code, proxy.asked) == (0, [])
        assert again.out == "in the lake already: 3 days, not asked for again (--again does)\n"
        assert run_import(proxy.url, lake, "--again").code == 0
        assert proxy.classes_asked_for() == set(DAYS)
        assert again.rows() == whole.rows()


def test_a_store_that_goes_away_leaves_whole_days(prometheus_store: Store, whole: Imported, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    with proxy_of(prometheus_store) as proxy:
        proxy.answers_left = 60
        proxy.goes_away = True
        done = run_import(proxy.url, lake)
        assert done.code == 1
        assert "the same command goes on after the last whole day" in done.err
        days = {row["day"] for row in done.rows()}
        assert 0 < len(days) < len(DAYS)
        assert done.rows() == [row for row in whole.rows() if row["day"] in days]
        proxy.answers_left = 10**6
        assert run_import(proxy.url, lake).rows() == whole.rows()
