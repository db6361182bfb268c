"""The lake's questions: beside the read limit, beside Prometheus and VictoriaMetrics, and as a fleet grows. One run.

1. A simulated fleet, asked by every engine of `ENGINES`; plain sums over the same rows are the read limit.
2. A smaller one as series (x: classified machines, y: those with packages), one sample a day, beside a Prometheus with
   promtool's blocks and a VictoriaMetrics. Their answers must be ours to 1e-6. VictoriaMetrics is told to forget a
   series after five minutes, as Prometheus does: by itself it carries the old one on after an upgrade of the cluster.
3. A hundredth of the clusters of 1, a tenth and all of them: what each row costs.

Shown are minimum / median / maximum of rounds in which each is asked in turn, up to five times where it is quick, of
which the best counts; a ratio is of the two of each round. Servers are warm and so is our process, the lake open: what
opening it takes is shown. One sample a day is less than stores of series usually hold, and suits them ill; ours from
sums are what recording rules would be there, so those from rows stand beside them. Needs Debian's prometheus and
victoria-metrics for 2; what is missing is left out, and said.

LAYERCENSUS_BENCH_CLUSTERS, _DAYS, _ROUNDS, _SLICE_CLUSTERS, _SLICE_DAYS: sizes. LAYERCENSUS_BENCH_LAKE: a lake that is
there and up to date, for 1; it is only read, and 3 is left out.
"""

import gc
import importlib
import importlib.util
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import Request, urlopen

sys.path.append(str(Path(__file__).parents[1]))
from bench.figures import fleet_size, growing, rounds, spread, tell, tell_growth

from layercensus.cli import main as run_command
from layercensus.lake.engine import read_engine

SOURCE = Path(__file__).parents[1] / "src"
CLUSTERS = fleet_size(20_000)
# A fleet as small as can be simulated.
LEAST = 100
DAYS = int(os.environ.get("LAYERCENSUS_BENCH_DAYS", "365"))
ROUNDS = rounds(7)
SLICE_CLUSTERS = int(os.environ.get("LAYERCENSUS_BENCH_SLICE_CLUSTERS", "10000"))
SLICE_DAYS = int(os.environ.get("LAYERCENSUS_BENCH_SLICE_DAYS", "60"))
READY_LAKE = os.environ.get("LAYERCENSUS_BENCH_LAKE")
# No round begins later than this after the first one; the longest is the error of a trend, asked of Prometheus.
LIMIT_SECONDS = 12.0
QUICK_SECONDS = 0.1
DEADLINE_SECONDS = 120.0
QUERY_SECONDS = 600.0
DAY_SECONDS, NOON_SECONDS = 86_400, 43_200
TOLERANCE = 1e-6
SIGNAL = "layercensus"

# Casts come first: sums of doubles are not checked for overflow, those of whole numbers are. Whole numbers stay exact.
ROWS = """
    SELECT
      on_day, release,
      CAST(nodes_clean AS DOUBLE) + CAST(nodes_extensions AS DOUBLE)
        + CAST(nodes_overrides AS DOUBLE) + CAST(nodes_packages AS DOUBLE) AS x,
      CAST(nodes_packages AS DOUBLE) AS y
    FROM active_days
    WHERE signal = 'layercensus'
"""
SUMS = (
    "COUNT(*) AS clusters, COUNT(CASE WHEN x > 0 THEN 1 END) AS units,"
    " SUM(x) AS sum_x, SUM(y) AS sum_y, SUM(x * x) AS sum_xx, SUM(x * y) AS sum_xy, SUM(y * y) AS sum_yy"
)
NAMES = ("clusters", "sum_x", "sum_y", "sum_xx", "sum_xy", "sum_yy")
TREND = (
    "SELECT on_day, COUNT(*), SUM(x), SUM(y), SUM(x * x), SUM(x * y), SUM(y * y)"
    f" FROM ({ROWS}) AS machines GROUP BY on_day ORDER BY on_day"
)
PLAIN = "SELECT SUM(nodes_packages), SUM(nodes_clean) FROM cluster_days"

Times = dict[str, list[float]]
Answer = dict[str, float]
Pairs = dict[str, tuple[float, float]]


class Asking(NamedTuple):
    """An engine with a lake open: answers questions by name, and runs SQL over the lake's tables."""

    ask: Callable[..., list[dict[str, object]]]
    run: Callable[[str], Sequence[Sequence[Any]]]
    through: date


@contextmanager
def open_duckdb(lake: Path) -> Iterator[Asking]:
    """The embedded engine."""
    with read_engine(lake) as engine:
        yield Asking(engine.ask, lambda sql: engine.connection.execute(sql).fetchall(), engine.through)


@contextmanager
def open_spark(lake: Path) -> Iterator[Asking]:
    """Spark in one process, on all cores of this machine."""
    module = importlib.import_module("layercensus.lake.spark_engine")
    with module.read_spark_engine(lake, f"local[{os.cpu_count()}]") as engine:
        yield Asking(engine.ask, lambda sql: engine.session.sql(sql).collect(), engine.through)


def spark_is_missing() -> str:
    """Why Spark cannot be asked; empty where it can."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed"
    if importlib.util.find_spec("layercensus.lake.spark_engine") is None:
        return "layercensus has no engine for it"
    return "" if shutil.which("java") or os.environ.get("JAVA_HOME") else "java is not installed"


# Another engine is another line: its name, what opens a lake with it, and what says why it cannot.
ENGINES: Sequence[tuple[str, Callable[[Path], AbstractContextManager[Asking]], Callable[[], str]]] = (
    ("duckdb", open_duckdb, str),
    ("spark", open_spark, spark_is_missing),
)


def in_turn(calls: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], Times]:
    """Answers of a first time that is not counted, then seconds of each round."""
    answers = {name: call() for name, call in calls.items()}
    times: Times = {name: [] for name in calls}
    until = time.monotonic() + LIMIT_SECONDS
    for number in range(ROUNDS):
        if number and time.monotonic() > until:
            break
        gc.collect()
        for name, call in calls.items():
            times[name].append(best_of(call))
    return answers, times


def best_of(call: Callable[[], Any]) -> float:
    """The least seconds of up to five times; of one, if that takes long."""
    found: list[float] = []
    while len(found) < 5 and sum(found) < QUICK_SECONDS:
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return min(found)


def milliseconds(seconds: Sequence[float]) -> list[float]:
    """The same of seconds."""
    return [one * 1000 for one in seconds]


class Child(NamedTuple):
    """A process that ended: its seconds, and the most memory it had."""

    seconds: float
    peak_mib: float


def child(*arguments: str) -> Child:
    """Run this file in a process of its own, see `main`. Raises `CalledProcessError` where it comes to no good end.

    It tells its peak itself: what the system tells of an ended process has its parent's in it.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    return Child(time.perf_counter() - started, float(done.stderr.split()[-1]))


def run_as_child(what: str, arguments: Sequence[str]) -> int:
    """One of our commands, or the trend from the rows of a lake; last the peak, in MiB, on standard error."""
    code = 0
    if what == "layercensus":
        code = run_command(arguments)
    else:
        with open_duckdb(Path(arguments[0])) as asking:
            trend_from_rows(asking)
    status = Path("/proc/self/status").read_text().splitlines()
    print(int(next(line.split()[1] for line in status if line.startswith("VmHWM"))) / 1024, file=sys.stderr)
    return code


def layercensus(*arguments: str) -> Child:
    """Run one of our commands."""
    return child("layercensus", *arguments)


def simulated(lake: Path, clusters: int, days: int) -> Path:
    """A lake of so many clusters and days."""
    sizes = ("--clusters", str(clusters), "--days", str(days), "--seed", "1")
    made = layercensus("simulate", *sizes, "--lake", str(lake))
    print(f"   (simulated {clusters} clusters and {days} days in {made.seconds:.0f} s)")
    return lake


def trend_from_rows(asking: Asking) -> list[Answer]:
    """The sums of each day from the rows of its population."""
    return [dict(zip(NAMES, row[1:], strict=True)) for row in asking.run(TREND)]


def show_asks(lake: Path) -> None:
    """Part 1, for each engine."""
    for name, opener, missing in ENGINES:
        if why := missing():
            print(f"   {name}: not measured: {why}")
            continue
        started = time.perf_counter()
        with opener(lake) as asking:
            opened = time.perf_counter() - started
            day = {"signal": SIGNAL, "as_of": asking.through.isoformat()}
            calls: dict[str, Callable[[], Any]] = {
                "one day by release (population)": partial(asking.ask, "population", **day),
                "trend, from sums": partial(asking.ask, "trend", **day),
                "trend, from rows": partial(trend_from_rows, asking),
                "concentration": partial(asking.ask, "concentration", **day),
                "plain sums over the rows": partial(asking.run, PLAIN),
                "plain sums, carried rows too": partial(asking.run, PLAIN.replace("cluster_days", "active_days")),
            }
            answers, times = in_turn(calls)
        print(f"   {name}: {'opening the lake, once':32}{opened * 1000:.0f} ms")
        for call, seconds in times.items():
            print(f"   {name}: {call:32}{spread(milliseconds(seconds), 'ms')}")
        from_rows, from_sums = answers["trend, from rows"], answers["trend, from sums"]
        assert from_rows == [{key: row[key] for key in NAMES} for row in from_sums], "rows and sums differ"
        rows = milliseconds(times["trend, from rows"])
        for limit, goal in (("plain sums over the rows", "at most 3.5"), ("plain sums, carried rows too", "")):
            what = f"{name}, {CLUSTERS:,} clusters, {DAYS} days: trend from rows"
            tell(what, "ms", rows, limit, milliseconds(times[limit]), limit=True, goal=goal)
        sums = milliseconds(times["trend, from sums"])
        tell(f"{name}, {CLUSTERS:,} clusters, {DAYS} days: trend from sums", "ms", sums, goal="below 50")
        print(f"   {name}: equal: the trend from rows and from sums, {len(from_rows)} days")


class Store(NamedTuple):
    """A store of series that runs on loopback."""

    name: str
    url: str

    def ask(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        """The series of an answer."""
        request = Request(f"{self.url}/api/v1/{path}", urlencode(parameters).encode())
        with urlopen(request, timeout=QUERY_SECONDS) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def on_day(self, day: date, query: str) -> Answer:
        """Value by release; by nothing where there is none."""
        found = self.ask("query", query=query, time=noon(day))
        return {series["metric"].get("release", ""): float(series["value"][1]) for series in found}

    def by_day(self, first: date, last: date, query: str) -> Answer:
        """Value by noon of the day."""
        (series,) = self.ask("query_range", query=query, start=noon(first), end=noon(last), step=DAY_SECONDS)
        return {str(int(at)): float(value) for at, value in series["values"]}


def noon(day: date) -> int:
    """Seconds since 1970: when a day's samples are."""
    return (day - date(1970, 1, 1)).days * DAY_SECONDS + NOON_SECONDS


def share_query(by: str) -> str:
    """The share in PromQL."""
    return f"sum {by}(y) / sum {by}(x)"


def error_queries(by: str) -> dict[str, str]:
    """Sums of which the share and its error are computed outside: one expression for them takes each several times."""
    sums = {"sum_x": "x", "sum_y": "y", "sum_xx": "x ^ 2", "sum_xy": "x * y", "sum_yy": "y ^ 2"}
    return {"units": f"count {by}(x > 0)"} | {name: f"sum {by}({what})" for name, what in sums.items()}


def theirs(by: str, ask: Callable[[str], Answer]) -> Pairs:
    """Share and error of each release or day, as a store tells them."""
    found = {name: ask(query) for name, query in error_queries(by).items()}
    return {key: share_and_error({name: found[name][key] for name in found}) for key in found["units"]}


TOP = "sum(topk(scalar(ceil(count(x > 0) / 100)), y)) / sum(y)"


def share_and_error(row: Mapping[str, Any]) -> tuple[float, float]:
    """The share and its standard error from sums over clusters (decision 0005)."""
    x, units = row["sum_x"], row["units"]
    share = row["sum_y"] / x
    squares = row["sum_yy"] - 2 * share * row["sum_xy"] + share * share * row["sum_xx"]
    return share, math.sqrt(units / (units - 1) * max(squares, 0.0)) / x if units > 1 else math.nan


def ours_by_release(asking: Asking, day: date) -> Pairs:
    """Release -> share and error, from the question."""
    rows = asking.ask("population", signal=SIGNAL, as_of=day.isoformat())
    return {
        str(row["group_key"]): share_and_error(row)
        for row in rows
        if row["dimension"] == "release" and row["numerator"] == "packages" and row["sum_x"]
    }


def ours_by_day(asking: Asking, day: date) -> Pairs:
    """Noon of the day -> share and error, from the question."""
    rows = asking.ask("trend", signal=SIGNAL, as_of=day.isoformat())
    return {str(noon(date.fromisoformat(str(row["on_day"])))): share_and_error(row) for row in rows}


def rows_by_release(asking: Asking, day: date) -> Pairs:
    """The same as of the question, from rows."""
    key = "COALESCE(release, 'unknown')"
    where = f"WHERE on_day = DATE '{day.isoformat()}'"
    found = asking.run(f"SELECT {key} AS place, {SUMS} FROM ({ROWS}) AS machines {where} GROUP BY {key}")
    names = ("clusters", "units", *NAMES[1:])
    return {row[0]: share_and_error(dict(zip(names, row[1:], strict=True))) for row in found if row[3]}


def rows_by_day(asking: Asking) -> Pairs:
    """The same as of the question, from rows."""
    found = asking.run(f"SELECT on_day, {SUMS} FROM ({ROWS}) AS machines GROUP BY on_day")
    names = ("clusters", "units", *NAMES[1:])
    return {str(noon(row[0])): share_and_error(dict(zip(names, row[1:], strict=True))) for row in found}


def ours_top(asking: Asking, day: date) -> Answer:
    """What part of the packages the first hundredth of the clusters holds, from runs of equal clusters."""
    rows: list[dict[str, Any]] = asking.ask("concentration", signal=SIGNAL, as_of=day.isoformat())
    left = math.ceil(sum(row["units"] for row in rows) / 100)
    held = 0
    for row in rows:
        taken = min(left, row["units"])
        held, left = held + taken * row["packages_each"], left - taken
    return {"": held / sum(row["packages_each"] * row["units"] for row in rows)}


def write_series(asking: Asking, file: Path, unit: str, end: str) -> None:
    """Write the population of every day as text, series by series; `unit` is what turns seconds into time's text."""
    lines = [
        f"""
        SELECT '{name}{{cluster_id="' || cluster_id || '",release="' || COALESCE(release, 'unknown') || '"}} '
          || CAST({value} AS VARCHAR) || ' ' || CAST(epoch(on_day) + {NOON_SECONDS} AS BIGINT) || '{unit}' AS line,
          '{name}' AS name, cluster_id, on_day
        FROM active_days WHERE signal = '{SIGNAL}'
        """
        for name, value in (
            ("x", "nodes_clean + nodes_extensions + nodes_overrides + nodes_packages"),
            ("y", "nodes_packages"),
        )
    ]
    ordered = f"SELECT line FROM ({' UNION ALL '.join(lines)}) AS series ORDER BY name, cluster_id, on_day"
    asking.run(f"COPY ({ordered}) TO '{file}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\t')")
    with file.open("a") as text:
        text.write(end)


@contextmanager
def server(name: str, command: Sequence[str], port: int, health: str, folder: Path) -> Iterator[Store]:
    """A server that is ended by its id."""
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}{health}", timeout=5).close()
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    print((folder / f"{name}.log").read_text()[-2000:])
                    raise
                time.sleep(0.2)
        yield Store(name, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port on loopback that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def filled_prometheus(asking: Asking, folder: Path) -> Iterator[Store]:
    """A Prometheus with blocks as long as it compacts them to."""
    text, data, port = folder / "openmetrics", folder / "prometheus", free_port()
    started = time.monotonic()
    write_series(asking, text, "", "# EOF\n")
    blocks = ("create-blocks-from", "--quiet", "--max-block-duration=1536h")
    subprocess.run(
        ["promtool", "tsdb", *blocks, "openmetrics", str(text), str(data)],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    print(f"   (filled prometheus in {time.monotonic() - started:.0f} s)")
    (folder / "prometheus.yml").write_text("{}")
    command = [
        "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=20y", "--log.level=error",
        "--query.max-samples=1000000000", f"--query.timeout={QUERY_SECONDS:.0f}s",
    ]  # fmt: skip
    with server("prometheus", command, port, "/-/ready", folder) as store:
        yield store


@contextmanager
def filled_victoria(asking: Asking, folder: Path) -> Iterator[Store]:
    """A VictoriaMetrics that keeps no answers, and forgets a series as fast as Prometheus."""
    text, port = folder / "text", free_port()
    command = [
        "victoria-metrics", f"-storageDataPath={folder}/victoria", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=20y", "-search.disableCache", "-search.maxStalenessInterval=5m",
        "-search.maxUniqueTimeseries=100000000", f"-search.maxQueryDuration={QUERY_SECONDS:.0f}s",
    ]  # fmt: skip
    started = time.monotonic()
    write_series(asking, text, "000", "")
    with server("victoria-metrics", command, port, "/health", folder) as store:
        with text.open("rb") as body:
            request = Request(f"{store.url}/api/v1/import/prometheus", body)
            request.add_header("Content-Length", str(text.stat().st_size))
            urlopen(request, timeout=QUERY_SECONDS).close()
        urlopen(f"{store.url}/internal/force_flush", timeout=QUERY_SECONDS).close()
        print(f"   (filled victoria-metrics in {time.monotonic() - started:.0f} s)")
        yield store


# Another store is another line: its name, what it needs with Debian's package, and what fills one.
STORES = (
    ("prometheus", {"prometheus": "prometheus", "promtool": "prometheus"}, filled_prometheus, 100),
    ("victoria-metrics", {"victoria-metrics": "victoria-metrics"}, filled_victoria, 30),
)


class Compared(NamedTuple):
    """One thing that is asked: of us, in ways that give the same, and of a store."""

    name: str
    ours: Mapping[str, Callable[[], Any]]
    theirs: Callable[[Store], Any]


def comparisons(asking: Asking, first: date) -> list[Compared]:
    """What is asked of all."""
    day = asking.through
    released = {"sums": lambda: ours_by_release(asking, day), "rows": lambda: rows_by_release(asking, day)}
    daily = {"sums": lambda: ours_by_day(asking, day), "rows": lambda: rows_by_day(asking)}
    release = "by (release) "

    def on_day(store: Store, query: str) -> Answer:
        return store.on_day(day, query)

    def by_day(store: Store, query: str) -> Answer:
        return store.by_day(first, day, query)

    return [
        Compared("one day by release", released, lambda store: on_day(store, share_query(release))),
        Compared("one day by release with errors", released, lambda store: theirs(release, partial(on_day, store))),
        Compared("trend", daily, lambda store: by_day(store, share_query(""))),
        Compared("trend with errors", daily, lambda store: theirs("", partial(by_day, store))),
        Compared("top 1 % of clusters", {"rows": lambda: ours_top(asking, day)}, lambda store: on_day(store, TOP)),
    ]


def show_beside_stores(folder: Path) -> bool:
    """Part 2; whether every store was there."""
    lake = simulated(folder / "slice", SLICE_CLUSTERS, SLICE_DAYS)
    complete = True
    with ExitStack() as stack:
        asking = stack.enter_context(open_duckdb(lake))
        stores, goals = [], {}
        for name, programs, filled, goal in STORES:
            missing = [f"{one} (Debian package: {of})" for one, of in programs.items() if not shutil.which(one)]
            if missing:
                print(f"   {name}: NOT MEASURED, missing: {', '.join(missing)}")
                complete = False
                continue
            stores.append(stack.enter_context(filled(asking, folder)))
            goals[name] = goal
        (first,) = asking.run("SELECT MIN(on_day) FROM active_days")[0]
        for one in comparisons(asking, first) if stores else []:
            calls: dict[str, Callable[[], Any]] = {f"ours, from {way}": call for way, call in one.ours.items()}
            calls |= {store.name: partial(one.theirs, store) for store in stores}
            answers, times = in_turn(calls)
            for way in one.ours:
                for store in stores:
                    what = f"{SLICE_CLUSTERS:,} clusters, {SLICE_DAYS} days: {one.name}, from {way}"
                    assert_equal(what, answers[f"ours, from {way}"], answers[store.name])
                    own, other = milliseconds(times[f"ours, from {way}"]), milliseconds(times[store.name])
                    tell(what, "ms", own, store.name, other, goal=f"1 : {goals[store.name]}")
    return complete


def assert_equal(what: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Whether two answers agree, of pairs the first where the other has one number."""

    def numbers(value: Any) -> tuple[float, ...]:
        return value if isinstance(value, tuple) else (value,)

    assert ours.keys() == theirs.keys(), f"{what}: {len(theirs)} answers, ours {len(ours)}"
    most = max(
        abs(other - own) / max(abs(own), 1e-12)
        for key in ours
        for own, other in zip(numbers(ours[key]), numbers(theirs[key]), strict=False)
        if not (math.isnan(own) or math.isnan(other))
    )
    assert most <= TOLERANCE, f"{what}: different by {most:.2g}"


def show_size(lake: Path, size: int) -> None:
    """Part 3: what a lake of so many clusters costs."""
    anew = layercensus("tidy", "--anew", "--lake", str(lake))
    reports = [layercensus("report", "--lake", str(lake)) for _ in range(3)]
    summing = [child("rows", str(lake)) for _ in range(3)]
    with open_duckdb(lake) as asking:
        day = {"signal": SIGNAL, "as_of": asking.through.isoformat()}
        _, times = in_turn({"rows": partial(trend_from_rows, asking), "sums": partial(asking.ask, "trend", **day)})
        (rows,) = asking.run("SELECT COUNT(*) FROM cluster_days")[0]
    for what, unit, value in (
        ("rows", "", rows),
        ("tidy --anew", "s", anew.seconds),
        ("tidy --anew, peak memory", "MiB", anew.peak_mib),
        ("report", "s", min(one.seconds for one in reports)),
        ("report, peak memory", "MiB", max(one.peak_mib for one in reports)),
        ("trend from rows", "ms", min(times["rows"]) * 1000),
        ("trend from rows, peak memory of the process", "MiB", max(one.peak_mib for one in summing)),
        ("trend from sums", "ms", min(times["sums"]) * 1000),
    ):
        tell_growth(f"{DAYS} days, {what}", unit, "clusters", size, value)


def main() -> None:
    """Make the lakes, ask, print."""
    if sys.argv[1:]:
        sys.exit(run_as_child(sys.argv[1], sys.argv[2:]))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="layercensus-bench-") as name:
        folder = Path(name)
        print(f"minimum / median / maximum of up to {ROUNDS} rounds, {os.cpu_count()} cores")
        print("1. A fleet")
        lake = Path(READY_LAKE) if READY_LAKE else simulated(folder / "whole", CLUSTERS, DAYS)
        files = list(lake.glob("rows/*/rows.parquet"))
        print(f"   {len(files)} days, {sum(file.stat().st_size for file in files) / 1e6:.0f} MB of rows")
        show_asks(lake)
        print(f"2. Beside stores of series: {SLICE_CLUSTERS} clusters, {SLICE_DAYS} days")
        complete = show_beside_stores(folder)
        print("3. As a fleet grows: minimum of 3, tidy once")
        if READY_LAKE:
            print("   not measured: a ready lake is only read")
        else:
            for size in growing(CLUSTERS, LEAST):
                show_size(lake if size == CLUSTERS else simulated(folder / f"lake-{size}", size, DAYS), size)
    print(f"{time.monotonic() - started:.0f} s in all")
    if not complete and os.environ.get("CI"):
        sys.exit(1)


if __name__ == "__main__":
    main()
