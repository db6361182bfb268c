"""`layercensus report --engine spark` as a user runs it: the same report, a quiet terminal, one line for what is wrong."""

import json
import os
import random
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import SOURCE
from tests.spark.standalone import ENVIRONMENT, Standalone

from layercensus.lake.population import refresh
from layercensus.lake.storage import write_rows
from layercensus.model import Row

CLUSTERS, DAYS, FIRST = 3000, 30, date(2026, 3, 1)


def report(*arguments: str, environment: dict[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "layercensus", "report", *arguments]
    surroundings = os.environ | {"PYTHONPATH": str(SOURCE)} | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings, timeout=300)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty days of a fleet; on each some clusters are silent and some change."""
    lake, chance = tmp_path_factory.mktemp("fleet") / "lake", random.Random("fleet")
    for number in range(DAYS):
        day = (FIRST + timedelta(days=number)).isoformat()
        write_rows(lake, [fleet_row(chance, day, cluster) for cluster in range(CLUSTERS) if chance.random() < 0.9])
        refresh(lake)
    return lake


def fleet_row(chance: random.Random, day: str, cluster: int) -> Row:
    packages = chance.choice([0, 0, 0, 0, 0, 1, 2, cluster % 50])
    names = ("agent", "driver", "tool", "override", "other")
    return Row(
        day=day,
        cluster_id=f"00000000-0000-4000-8000-{cluster:012x}",
        signal="layercensus",
        release=f"4.{12 + cluster % 9}" if cluster % 40 else None,
        version=None,
        platform=("AWS", "BareMetal", "VSphere", None)[cluster % 4],
        nodes={
            "clean": 3 + cluster % 17,
            "extensions": cluster % 3,
            "overrides": chance.randrange(2),
            "packages": packages,
            "unknown": chance.choice([0, 0, 0, 1]),
        },
        needs={name: chance.randrange(packages + 1) for name in names},
        nodes_expected=chance.choice([None, 20, 30]),
        skew_seconds=chance.choice([0.0, 0.5, 900.0]),
        observed_at=f"{day}T12:00:00+00:00",
    )


def test_the_whole_report_equals_that_of_duckdb(cluster: Standalone, lake: Path) -> None:
    base = ("--lake", str(lake), "--format", "json")
    spark = report(*base, "--engine", "spark", "--master", cluster.url)
    assert (spark.returncode, spark.stderr) == (0, "")
    expected = report(*base)
    assert spark.stdout == expected.stdout
    found = json.loads(spark.stdout)
    assert found["headline"]["clusters"]["reporting"] == CLUSTERS
    assert len(found["trend"]) == DAYS


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options with files of accounts, of known clusters and of a known population."""
    folder = tmp_path_factory.mktemp("lists")
    ids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(CLUSTERS + 50)]
    accounts = [f"{one},owner {n % 700},{n % 31 == 0},{('customer', '')[n % 2]}" for n, one in enumerate(ids) if n % 7]
    known = [f"{one},{n % 9 or ''}" for n, one in enumerate(ids) if n % 3]
    margins = [f"4.{minor},{kind},{100 + minor}" for minor in range(12, 21) for kind in ("customer", "")]
    files = {
        "--accounts": ["cluster_id,account,internal,class", *accounts],
        "--known-clusters": ["cluster_id,machines", *known],
        "--weights": ["release,class,clusters", *margins],
    }
    for option, lines in files.items():
        (folder / f"{option}.csv").write_text("\n".join([*lines, ""]))
    return tuple(word for option in files for word in (option, str(folder / f"{option}.csv")))


def test_a_published_report_with_lists_equals_that_of_duckdb(
    cluster: Standalone, lake: Path, lists: tuple[str, ...]
) -> None:
    base = ("--lake", str(lake), "--format", "json", *lists, "--publish")
    spark = report(*base, "--engine", "spark", "--master", cluster.url)
    assert (spark.returncode, spark.stderr) == (0, "")
    assert spark.stdout == report(*base).stdout
    found = json.loads(spark.stdout)
    assert found["unit"] == "account"
    assert found["accounts"]["internal"]["clusters"]["reporting"] > 0
    assert found["known_clusters"]["silent"] > 0
    assert found["weighted"]["share"] > 0
    assert [group["key"] for group in found["by"]["account_class"]] == ["customer", "unknown"]
    assert found["published"]["min_clusters"] == 10


def test_on_this_machine_without_a_cluster(lake: Path, tmp_path: Path) -> None:
    arguments = ("--lake", str(lake), "--by", "need", "--as-of", "2026-04-03")
    spark = report(*arguments, "--engine", "spark")
    later = "layercensus: report: 2026-04-03 is after the newest row, which is of 2026-03-30\n"
    assert (spark.returncode, spark.stderr) == (0, later)
    assert spark.stdout == report(*arguments).stdout


def test_a_lake_that_is_not_up_to_date_is_refused_before_spark_starts(lake: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(lake, tmp_path / "copy")  # other times, so other files
    (copy / "derived.json").unlink()
    done = report("--lake", str(copy), "--engine", "spark")
    assert done.returncode == 1
    assert done.stderr.endswith("bring it up to date first: layercensus tidy --lake DIR\n")
    assert done.stderr.count("\n") == 1


def test_without_java_it_says_what_to_install(lake: Path, tmp_path: Path) -> None:
    for program in ("bash", "env", "dirname", "ps"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    done = report("--lake", str(lake), "--engine", "spark", environment={"PATH": str(tmp_path), "JAVA_HOME": ""})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "install openjdk-17-jre-headless" in done.stderr


def test_a_master_that_does_not_answer_is_one_line(lake: Path) -> None:
    done = report("--lake", str(lake), "--engine", "spark", "--master", "spark://127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.startswith("layercensus: spark://127.0.0.1:1: no master answers; look whether")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("master", ["127.0.0.1:7077", "sc://127.0.0.1", ""])
def test_what_is_no_master_is_wrong_usage(lake: Path, master: str) -> None:
    assert report("--lake", str(lake), "--engine", "spark", "--master", master).returncode == 2
