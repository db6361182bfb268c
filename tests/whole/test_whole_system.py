"""From machines to the report under crashes, partitions, replays and skew: equal to an oracle that knows events only.

`make soak` runs a thousand seeds; a test that fails names its seed (LAYERCENSUS_SOAK_FIRST=SEED LAYERCENSUS_SOAK_SEEDS=1).
"""

import os
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.whole.cluster import CLASSES, NEEDS
from tests.whole.oracle import DAY, expected_counts, sums
from tests.whole.world import World

from layercensus.lake.engine import read_engine
from layercensus.report.answers import build_report

FIRST = int(os.environ.get("LAYERCENSUS_SOAK_FIRST", "1"))
SEEDS = int(os.environ.get("LAYERCENSUS_SOAK_SEEDS", "4"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_the_report_is_what_the_events_say(tmp_path: Path, seed: int) -> None:
    world = World(seed, tmp_path)
    world.run()
    assert_recorded_as_events_say(world)
    rows = rows_of(world)
    assert_rows_as_acknowledged(world, rows)
    assert_report_as_rows(world, rows)


def assert_recorded_as_events_say(world: World) -> None:
    """Agents and rules: no machine is clean that was not read so within three hours."""
    for cluster, recorded, now in world.recorded:
        assert (recorded.counts, recorded.needs) == expected_counts(cluster.events, now)


Rows = dict[tuple[str, int], dict[str, object]]


def rows_of(world: World) -> Rows:
    """The lake's rows from its files, by cluster and day; each once."""
    files = [str(path) for path in world.lake.glob("rows/*/rows.parquet")]
    found: Rows = {}
    for row in duckdb.read_parquet(files).fetchall() if files else []:
        cells = dict(zip(duckdb.read_parquet(files).columns, row, strict=True))
        day = cells["day"]
        assert isinstance(day, date)
        key = (str(cells["cluster_id"]), (day - date(1970, 1, 1)).days)
        assert key not in found
        found[key] = cells
    return found


def assert_rows_as_acknowledged(world: World, rows: Rows) -> None:
    """Every acknowledged snapshot that is the newest of its day is its row, and nothing else is one."""
    for cluster in world.clusters:
        told = cluster.cluster_id
        days = {day for known, day in rows if known == told}
        days |= {one.day for one in world.acknowledged.snapshots[told].values() if one.acknowledged}
        for day in days:
            allowed = world.acknowledged.allowed_rows(told, day)
            row = rows.get((told, day))
            if row is None:
                assert not world.acknowledged.must_have_row(told, day), (told, day)
                continue
            counts = tuple(row[f"nodes_{name}"] for name in CLASSES)
            observed = row["observed_at"]
            assert isinstance(observed, datetime)
            at = round(observed.replace(tzinfo=UTC).timestamp() * 1000)
            needs = tuple(row[f"need_{name}"] for name in NEEDS)
            unknown = (None,) * len(NEEDS)
            assert any(one.at == at and counts == one.counts and needs in {one.needs, unknown} for one in allowed), (
                told,
                day,
                at,
                counts,
                needs,
                allowed[:4],
            )
            assert row["platform"] in {cluster.platform, None}


def assert_report_as_rows(world: World, rows: Rows) -> None:
    """The report, by arithmetic on the rows of the seven days to the last one."""
    if not rows:
        return
    last = max(day for _, day in rows)
    newest = {
        told: max((day for known, day in rows if known == told and last - 6 <= day <= last), default=None)
        for told in {known for known, _ in rows}
    }
    counted = [rows[told, day] for told, day in newest.items() if day is not None]
    classes = sums([{name: _whole(row[f"nodes_{name}"]) for name in CLASSES} for row in counted])
    expected = sum(
        max(0, _whole(row["nodes_expected"]) - sum(_whole(row[f"nodes_{name}"]) for name in CLASSES))
        for row in counted
        if row["nodes_expected"] is not None
    )
    with read_engine(world.lake) as engine:
        report = build_report(engine, as_of=None, signal=None)
    machines = report.headline.machines
    assert report.as_of == (date(1970, 1, 1) + timedelta(days=last)).isoformat()
    assert {name: getattr(machines, name) for name in CLASSES} == classes | {"unknown": classes["unknown"] + expected}
    read = sum(classes.values()) - classes["unknown"]
    assert report.headline.share == (classes["packages"] / read if read else None)
    assert report.headline.clusters.reporting == len(counted)
    assert report.quality.silent == len(newest) - len(counted)
    if machines.total:
        assert report.headline.bounds == (
            classes["packages"] / machines.total,
            (classes["packages"] + machines.unknown) / machines.total,
        )
    skewed = sum(abs(_number(row["skew_seconds"])) > 600 for row in counted)
    assert report.quality.skewed == skewed


def test_the_world_is_hostile(tmp_path: Path) -> None:
    """A world in which nothing happens would show nothing."""
    world = World(1, tmp_path)
    world.run()
    snapshots = [one for of in world.acknowledged.snapshots.values() for one in of.values()]
    assert world.deaths > 3
    assert any(not one.is_whole for one in snapshots)
    assert any(recorded.counts[CLASSES.index("unknown")] for _, recorded, _ in world.recorded)
    assert len(snapshots) > 500
    assert {event.what for cluster in world.clusters for event in cluster.events} >= {
        "appears", "leaves", "agent dies", "agent starts", "read", "read fails",
    }  # fmt: skip
    assert max(one.day for one in snapshots) - min(one.day for one in snapshots) == world.now // DAY - min(
        one.day for one in snapshots
    )


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def _number(value: object) -> float:
    assert isinstance(value, float)
    return value
