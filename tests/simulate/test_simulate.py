"""`layercensus simulate` as a user runs it: a lake by the contract, a truth that its rows and its reports bear out."""

import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import duckdb
import jsonschema
import pytest

from layercensus import cli
from layercensus.cli import main
from layercensus.commands import simulate
from layercensus.data import read_json
from layercensus.lake import storage
from layercensus.lake.contract import row_contract
from layercensus.lake.engine import read_engine
from layercensus.lake.folder import open_lake
from layercensus.lake.rows import row_from_columns
from layercensus.lake.storage import connect
from layercensus.model import Row
from layercensus.report.answers import build_report
from layercensus.report.shape import Report
from layercensus.simulate.process import load_process

CONTRACT = row_contract()
LAST = date(2026, 5, 31)


def made(lake: Path, clusters: int, days: int, seed: int) -> dict[str, Any]:
    """Simulate, and return the truth, held to its schema."""
    options = ["--clusters", str(clusters), "--days", str(days), "--seed", str(seed), "--lake", str(lake)]
    assert main(["simulate", *options]) == 0
    truth: dict[str, Any] = json.loads(Path(f"{lake}.truth.json").read_text())
    jsonschema.Draft202012Validator(read_json("schemas/truth-v1.schema.json")).validate(truth)
    return truth


def rows_of(lake: Path) -> list[Row]:
    """Every row, each one held to the contract on its way."""
    files = [str(file) for file in open_lake(lake).day_files()]
    with duckdb.connect() as connection:
        found = connection.execute("FROM read_parquet($files, hive_partitioning = false)", {"files": files}).fetchall()
    return [row_from_columns(cells, CONTRACT) for cells in found]


def bytes_of(lake: Path) -> dict[str, bytes]:
    files = {file.relative_to(lake).as_posix(): file.read_bytes() for file in open_lake(lake).day_files()}
    return files | {"truth": Path(f"{lake}.truth.json").read_bytes()}


@dataclass(frozen=True)
class Fleet:
    lake: Path
    truth: dict[str, Any]
    rows: list[Row]

    def by_cluster(self) -> dict[str, list[Row]]:
        """Rows of each cluster, oldest first."""
        found = defaultdict(list)
        for row in sorted(self.rows, key=lambda row: row.day):
            found[row.cluster_id].append(row)
        return found

    def last_rows(self) -> list[Row]:
        """Last row of each cluster in the seven days to the last."""
        first = (LAST - timedelta(days=6)).isoformat()
        return [rows[-1] for rows in self.by_cluster().values() if rows[-1].day >= first]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    lake = tmp_path_factory.mktemp("fleet") / "lake"
    truth = made(lake, 300, 50, 11)
    return Fleet(lake, truth, rows_of(lake))


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change parts of the process: `process(unknown=[[1, 0, 0]])`."""

    def change(**parts: Any) -> None:
        usual = load_process()
        monkeypatch.setattr(simulate, "load_process", lambda: replace(usual, parts={**usual.parts, **parts}))

    return change


def test_the_lake_has_every_day_and_every_cluster(fleet: Fleet) -> None:
    days = [(LAST - timedelta(days=back)).isoformat() for back in reversed(range(50))]
    assert sorted({row.day for row in fleet.rows}) == days
    assert len({row.cluster_id for row in fleet.rows}) == 300
    assert len({(row.day, row.cluster_id) for row in fleet.rows}) == len(fleet.rows)
    assert {row.signal for row in fleet.rows} == {"layercensus"}
    asked = {key: fleet.truth[key] for key in ("clusters", "days", "seed", "as_of", "signal")}
    assert asked == {"clusters": 300, "days": 50, "seed": 11, "as_of": "2026-05-31", "signal": "layercensus"}


def test_the_truth_is_borne_out_by_the_rows(fleet: Fleet) -> None:
    """Recounted from the rows alone: what is unknown lies within the bounds, all else is equal."""
    last, machines, quality = fleet.last_rows(), fleet.truth["machines"], fleet.truth["quality"]
    assert quality["reporting"] == len(last)
    assert quality["silent"] == 300 - len(last) > 0
    assert quality["skewed"] == sum(abs(row.skew_seconds or 0) > 600 for row in last) > 0
    seen = {name: sum(row.nodes[name] for row in last) for name in row_contract().counts_of("nodes")}
    unseen = sum(row.nodes_expected - sum(row.nodes.values()) for row in last if row.nodes_expected is not None)
    unknown = seen.pop("unknown") + unseen
    assert unseen > 0
    assert machines["unknown"] == unknown
    assert machines["classifiable"] == sum(seen.values()) + unknown
    assert sum(machines[name] for name in seen) == machines["classifiable"]
    assert all(seen[name] <= machines[name] <= seen[name] + unknown for name in seen)
    assert fleet.truth["realised_share"] == machines["packages"] / machines["classifiable"]


def test_where_nothing_is_unknown_the_rows_say_all(tmp_path: Path, process: Callable[..., None]) -> None:
    process(unknown=[[1, 0, 0]])
    truth = made(tmp_path / "lake", 300, 9, 5)
    last = Fleet(tmp_path / "lake", truth, rows_of(tmp_path / "lake")).last_rows()
    counts = {name: sum(row.nodes[name] for row in last) for name in ("clean", "extensions", "overrides", "packages")}
    assert truth["machines"] == counts | {"classifiable": sum(counts.values()), "unknown": 0}
    assert truth["realised_share"] == counts["packages"] / sum(counts.values()) > 0


def test_where_all_is_unknown_the_rows_say_nothing(tmp_path: Path, process: Callable[..., None]) -> None:
    process(unknown=[[1, 1, 1]])
    truth = made(tmp_path / "lake", 300, 9, 5)
    rows = rows_of(tmp_path / "lake")
    assert {sum(row.nodes.values()) - row.nodes["unknown"] for row in rows} == {0}
    assert truth["machines"]["unknown"] == truth["machines"]["classifiable"] > truth["machines"]["packages"] > 0


def test_which_machines_are_unknown_has_nothing_to_do_with_their_class(
    tmp_path: Path, process: Callable[..., None]
) -> None:
    process(unknown=[[1, 0.5, 0.5]])
    truth = made(tmp_path / "lake", 1000, 1, 3)
    known = sum(row.nodes["packages"] for row in rows_of(tmp_path / "lake"))
    # Half of them, but for the rounding of each of the 170 clusters that have some: 5 standard errors.
    assert abs(known - truth["machines"]["packages"] / 2) < 5 * 0.5 * 170**0.5


def test_a_clone_says_what_its_original_says(fleet: Fleet, tmp_path: Path, process: Callable[..., None]) -> None:
    process(clones={"chance": 0.1})
    truth = made(tmp_path / "lake", 300, 20, 2)
    with_clones = Fleet(tmp_path / "lake", truth, rows_of(tmp_path / "lake"))
    same = defaultdict(list)
    active = {row.cluster_id for row in with_clones.last_rows()}
    for cluster_id, rows in with_clones.by_cluster().items():
        if cluster_id in active:
            same[tuple(str(replace(row, cluster_id="", observed_at=None, received_at=None)) for row in rows)].append(
                cluster_id
            )
    assert {len(ids) for ids in same.values()} == {1, 2}
    assert truth["quality"]["clone_pairs"] == sum(len(ids) == 2 for ids in same.values()) > 5
    assert fleet.truth["quality"]["clone_pairs"] < 5


def test_releases_move_forward_only(fleet: Fleet) -> None:
    upgrades, releases = 0, set()
    for rows in fleet.by_cluster().values():
        versions = [tuple(map(int, row.version.split("."))) for row in rows if row.version]
        assert versions == sorted(versions)
        upgrades += len(set(versions)) - 1 if versions else 0
        assert len({row.version is None for row in rows}) == 1
        releases |= {row.release for row in rows}
    assert upgrades > 200
    assert (
        {f"4.{minor}" for minor in range(14, 22)} | {None}
        <= releases
        <= {f"4.{minor}" for minor in range(12, 22)} | {None}
    )
    assert all(row.version.startswith(f"{row.release}.") for row in fleet.rows if row.version)


def test_clusters_scale_fall_silent_pause_and_appear(fleet: Fleet) -> None:
    rows = list(fleet.by_cluster().values())
    sizes = [{row.nodes_expected for row in one} for one in rows if one[0].nodes_expected is not None]
    assert sum(len(of_one) > 1 for of_one in sizes) > 20
    assert sum(len(of_one) == 1 for of_one in sizes) > 200
    days = [[date.fromisoformat(row.day) for row in one] for one in rows]
    assert sum(one[0] > min(map(min, days)) for one in days) > 10
    assert sum(one[-1] < LAST - timedelta(days=6) for one in days) > 5
    gaps = [max((after - before).days for before, after in pairwise(one)) for one in days if len(one) > 1]
    assert sum(gap > 7 for gap in gaps) > 2
    assert sum(gap == 2 for gap in gaps) > 30
    assert sum(row.nodes["unknown"] == sum(row.nodes.values()) for row in fleet.rows) > 60


def test_needs_are_those_of_the_machines_that_have_any(fleet: Fleet) -> None:
    told = [row for row in fleet.rows if row.needs]
    assert 0.95 < len(told) / len(fleet.rows) < 1
    for row in told:
        packages, overrides = row.nodes["packages"], row.nodes["overrides"]
        others = [row.needs[need] for need in ("agent", "driver", "tool", "other")]
        assert max(others) == packages
        assert packages <= sum(others) <= 2 * packages
        assert overrides <= row.needs["override"] <= packages + overrides
    assert all(any(row.needs[need] for row in told) for need in row_contract().counts_of("needs"))


def test_instants_and_skew_go_together(fleet: Fleet) -> None:
    for row in fleet.rows:
        assert row.received_at is not None
        assert row.received_at.startswith(row.day)
        observed, received = (datetime.fromisoformat(text or "") for text in (row.observed_at, row.received_at))
        assert (observed - received) / timedelta(seconds=1) == pytest.approx(row.skew_seconds)


def test_the_same_seed_is_the_same_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def single() -> Iterator[duckdb.DuckDBPyConnection]:
        with connect() as connection:
            connection.execute("SET threads = 1")
            yield connection

    for name, seed in (("one", 11), ("again", 11), ("other", -11)):
        made(tmp_path / name, 150, 5, seed)
    monkeypatch.setattr(simulate, "connect", single)
    made(tmp_path / "single", 150, 5, 11)
    assert bytes_of(tmp_path / "again") == bytes_of(tmp_path / "one")
    assert rows_of(tmp_path / "single") == rows_of(tmp_path / "one")
    ids = [{row.cluster_id for row in rows_of(tmp_path / name)} for name in ("one", "other")]
    assert not ids[0] & ids[1]


def found(lake: Path, truth: dict[str, Any]) -> Report:
    """Report of the lake, which says of it whatever must be equal to the truth, and contains it."""
    with read_engine(lake) as engine:
        report = build_report(engine, as_of=None, signal=None)
    headline, quality = report.headline, truth["quality"]
    assert headline.bounds is not None
    assert headline.bounds[0] <= truth["realised_share"] <= headline.bounds[1]
    assert (report.as_of, report.signal) == (truth["as_of"], truth["signal"])
    assert (headline.machines.total, headline.machines.unknown) == (
        truth["machines"]["classifiable"],
        truth["machines"]["unknown"],
    )
    assert {
        "reporting": headline.clusters.reporting,
        "silent": report.quality.silent,
        "skewed": report.quality.skewed,
        "clone_pairs": quality["clone_pairs"],
    } == quality
    return report


def test_a_report_finds_what_is_true(fleet: Fleet) -> None:
    assert found(fleet.lake, fleet.truth).quality.silent > 0


def test_intervals_and_fleets_are_about_the_share_of_the_process(tmp_path: Path) -> None:
    """Bounds always contain the realised share, intervals mostly that of the process, to which fleets come on average."""
    runs, covered, realised = 30, 0, []
    for seed in range(runs):
        truth = made(tmp_path / str(seed), 150, 1, seed)
        headline = found(tmp_path / str(seed), truth).headline
        assert headline.ci95 is not None
        covered += headline.ci95[0] <= truth["share"] <= headline.ci95[1]
        realised.append(truth["realised_share"])
    # Loose: were the coverage 90 %, fewer than 22 of 30 would have a chance of 1 in 500.
    assert covered >= 22
    # Four standard errors of the mean of 30 fleets; the bias of a ratio over 150 clusters is far smaller.
    assert abs(mean(realised) - truth["share"]) < 4 * stdev(realised) / runs**0.5
    assert stdev(realised) / runs**0.5 < 0.007


def test_a_report_says_that_nobody_is_there(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--lake", str(fleet.lake), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(read_json("schemas/report-v1.schema.json")).validate(report)
    assert (report["population"], report["signal"]) == ("simulated clusters", "layercensus")
    assert main(["report", "--lake", str(fleet.lake)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "(of simulated clusters)" in told
    assert "made up by layercensus simulate" in told
    assert "chose to report" not in told


def test_the_summary_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = made(tmp_path / "lake", 1, 3, 0)
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[0] == f"1 cluster, 3 days to 2026-05-31, 3 rows into {tmp_path / 'lake'}"
    assert f"layercensus report --lake {tmp_path / 'lake'}" in out
    assert truth["quality"] == {"reporting": 1, "silent": 0, "skewed": 0, "clone_pairs": 0}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--clusters", value) for value in ("0", "-1", "1000001", "1.5", "1e3", "", " 5", "٣", "5\n", "9" * 400)),
        *(("--days", value) for value in ("0", "3661", "-3", "x")),
        *(("--seed", value) for value in ("x", "1.0", "", "1e3", "0x10", "٣", "1_0", "9" * 101)),
        ("--lake", ""),
    ],
)
def test_wrong_numbers_are_told(option: str, value: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    given = {"--clusters": "5", "--days": "2", "--seed": "1", "--lake": str(tmp_path / "lake")} | {option: value}
    assert main(["simulate", *(f"{name}={text}" for name, text in given.items())]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert option in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", ["-5", "+5", "0", "-0", "007", "9" * 100])
def test_any_whole_number_is_a_seed(seed: str, tmp_path: Path) -> None:
    assert main(["simulate", "--clusters", "3", "--days", "1", "--lake", str(tmp_path / "lake"), "--seed", seed]) == 0
    assert json.loads((tmp_path / "lake.truth.json").read_text())["seed"] == int(seed)


def test_nothing_of_others_is_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str], fleet: Fleet) -> None:
    def refused(lake: str, says: str) -> None:
        before = sorted(tmp_path.rglob("*"))
        assert main(["simulate", "--clusters", "3", "--days", "1", "--seed", "1", "--lake", str(tmp_path / lake)]) in {
            1,
            2,
        }
        assert says in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before

    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "told.truth.json").write_text("{}")
    made(tmp_path / "made", 3, 1, 1)
    capsys.readouterr()
    refused("file", "file: ")
    refused("full", "holds other things")
    refused("told", "told.truth.json: is there already")
    refused("made", "made.truth.json: is there already")
    (tmp_path / "made.truth.json").unlink()
    refused("made", "a lake is there already")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, OSError])
def test_a_run_that_ends_early_leaves_no_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stop: type[BaseException]
) -> None:
    write = storage.write_day
    written: list[int] = []

    def interrupted(*arguments: Any) -> int:
        if len(written) == 2:
            raise stop
        written.append(write(*arguments))
        return written[-1]

    monkeypatch.setattr(simulate, "write_day", interrupted)
    options = ["simulate", "--clusters", "20", "--days", "5", "--seed", "1", "--lake", str(tmp_path / "lake")]
    if stop is SystemExit:
        with pytest.raises(SystemExit):
            main(options)
    else:
        assert main(options) == (130 if stop is KeyboardInterrupt else 70)
    assert "lake is not complete and has no truth; remove it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    monkeypatch.setattr(simulate, "write_day", write)
    assert main(options) == 2


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    """Also within a statement, which the engine tells as an error."""
    program = [
        sys.executable,
        "-m",
        "layercensus",
        "simulate",
        "--clusters=3000",
        "--days=3660",
        "--seed=1",
        "--lake=lake",
    ]
    running = subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("lake/rows/*/*.parquet")) and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    finally:
        running.kill()
    assert (running.returncode, out) == (130, "")
    assert err == "layercensus: simulate: lake is not complete and has no truth; remove it\n"
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]


@pytest.mark.parametrize(
    ("lake", "truth"),
    [("a", "a.truth.json"), ("b/", "b.truth.json"), ("x.y", "x.y.truth.json"), (".", "here.truth.json")],
)
def test_the_truth_stands_beside_the_lake(
    lake: str, truth: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["simulate", "--clusters", "2", "--days", "1", "--seed", "1", "--lake", lake]) == 0
    assert list(tmp_path.rglob("*.truth.json")) == [tmp_path / ("." if lake == "." else "here") / truth]


def test_progress_counts_clusters_then_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int | None]] = []
    monkeypatch.setattr(cli._Progress, "tick", lambda self, done, total: seen.append((done, total)))
    made(tmp_path / "lake", 12, 3, 1)
    days = [(1, 3), (2, 3), (3, 3)]
    # Each day is made, and then what follows from it.
    assert seen == [(12, 12), *days, *days]
