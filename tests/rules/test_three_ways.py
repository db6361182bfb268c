"""The same number three ways: what a node's agent exposes, `inspect` of its sosreport, and the collector's row.

For every machine of `tests/machines`: its document becomes a sosreport, which the command reads; its golden metrics, which
are what an agent serves, go through the kit's own rules in promtool; what those record goes through the collector's own
code into a lake. All three name one class and the same needs, machine by machine and for all of them as one cluster.
"""

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2]))
from tests.fleet.wire import LAYERING, NEED, NOW, body, series

from layercensus.cluster.manifests import render_agent
from layercensus.fleet.admission import Admission
from layercensus.fleet.drain import Drain
from layercensus.fleet.inbox import Entry, InboxWriter
from layercensus.lake.storage import write_rows

ROOT = Path(__file__).parents[2]
MACHINES: list[Path] = list(runpy.run_path(str(ROOT / "tests" / "machines" / "accept.py"))["situations"]())
CLASSES = ("clean", "extensions", "overrides", "packages", "unknown")
NEEDS = ("agent", "driver", "other", "override", "tool")
RELEASE = "4.14"
Counts = dict[str, dict[str, int]]


@pytest.fixture(scope="module")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each machine as `inspect` sees its sosreport."""
    folder = tmp_path_factory.mktemp("sosreports")
    for machine in MACHINES:
        (status,) = machine.glob("status.*")
        bundle = folder / machine.name
        name = "rpm-ostree_status_--json" if status.suffix == ".json" else "rpm-ostree_status"
        (bundle / "sos_commands" / "rpmostree").mkdir(parents=True)
        (bundle / "sos_reports").mkdir()
        (bundle / "sos_reports" / "manifest.json").write_text("{}")
        shutil.copy(status, bundle / "sos_commands" / "rpmostree" / name)
    command = [sys.executable, "-m", "layercensus", "inspect", str(folder), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in {0, 1}, done.stderr
    machines = json.loads(done.stdout)["machines"]
    return {Path(one["input"]).relative_to(folder).parts[0]: one for one in machines}


def counts_of(machines: list[Any]) -> Counts:
    """How many nodes of each class and need these are, by the documents that `inspect` wrote."""
    of_needs = [
        {
            change["need"]
            for change in machine["changes"]
            if change["active"] is not False
            and change["verdict"] == "non_extension"
            and machine["layering"] != "unknown"
        }
        for machine in machines
    ]
    return {
        "layering": {name: sum(machine["layering"] == name for machine in machines) for name in CLASSES},
        "need": {name: sum(name in needs for needs in of_needs) for name in NEEDS},
    }


def exposed(machine: Path, node: str) -> dict[str, str]:
    """What the agent of a node exposes, as promtool takes it: it knows no NaN, which no rule matches, as no sample."""
    found = {}
    for line in (machine / "metrics.prom").read_text().splitlines():
        sample = re.fullmatch(r"(layercensus_machine_layering|layercensus_non_extension_need)\{(.+)\} (\S+)", line)
        if sample:
            labels = f'{sample[2]},node="{node}",namespace="layercensus",pod="layercensus-{node}"'
            found[f"{sample[1]}{{{labels}}}"] = "_x80" if sample[3] == "NaN" else f"{sample[3]}x80"
    assert found
    return found


@pytest.fixture
def evaluate(promtool: Any, spec_of: Any, input_series: Any, tmp_path: Path) -> Callable[[list[Path], Counts], None]:
    """Hold what the kit's rules record of nodes that are these machines to what is expected."""

    def run(machines: list[Path], expected: Counts) -> None:
        nodes = {f"node-{place}": machine for place, machine in enumerate(machines)}
        files = render_agent(RELEASE, telemetry=True)
        names = [name for name in files if "prometheusrule" in name]
        for name in names:
            (tmp_path / Path(name).name).write_text(yaml.safe_dump(spec_of(files[name])))
        exposition = {name: value for node, machine in nodes.items() for name, value in exposed(machine, node).items()}
        situation = {"nodes": dict.fromkeys(nodes, "coreos"), "series": exposition}
        test = {
            "interval": "1m",
            "input_series": input_series(situation, RELEASE),
            "promql_expr_test": [
                {
                    "expr": record,
                    "eval_time": "10m",
                    "exp_samples": [
                        {"labels": f'{record}{{{label}="{key}"}}', "value": count}
                        for key, count in expected[label].items()
                    ],
                }
                for record, label in ((LAYERING, "layering"), (NEED, "need"))
            ],
        }
        document = {"rule_files": [Path(name).name for name in names], "evaluation_interval": "1m", "tests": [test]}
        (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
        result = promtool("test", "rules", str(tmp_path / "test.yaml"))
        assert result.returncode == 0, result.stdout + result.stderr

    return run


def rows_of(clusters: Mapping[str, Counts], folder: Path) -> dict[str, Counts]:
    """The collector's rows of clusters, by their ids, from what their rules recorded."""
    (folder / "inboxes" / "own").mkdir(parents=True)
    writer = InboxWriter(folder / "inboxes" / "own", "0", partial(int, NOW))
    for cluster_id, counts in clusters.items():
        sent = body(
            *(
                series(
                    {"__name__": name, label: key, "cluster_id": cluster_id, "prometheus_replica": "a"}, (NOW, count)
                )
                for name, label, of in ((LAYERING, "layering", counts["layering"]), (NEED, "need", counts["need"]))
                for key, count in of.items()
            )
        )
        kept = Admission().admit(sent, cluster_id, NOW)
        writer.commit(
            [Entry(bytes.fromhex(cluster_id.replace("-", "")), NOW, kept.kinds, kept.timestamps, kept.values)]
        )
    writer.seal()
    drain = Drain(folder / "inboxes", partial(write_rows, folder / "lake"), partial(int, NOW))
    drain.finish(folder / "inboxes" / "own")
    drain.close()
    (file,) = (folder / "lake").glob("rows/*/rows.parquet")
    relation = duckdb.read_parquet(str(file))
    rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
    return {
        str(row["cluster_id"]): {
            "layering": {name: row[f"nodes_{name}"] for name in CLASSES},
            "need": {name: row[f"need_{name}"] for name in NEEDS},
        }
        for row in rows
    }


@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_agent_and_rules_name_what_inspect_names(
    machine: Path, inspected: dict[str, Any], evaluate: Callable[[list[Path], Counts], None]
) -> None:
    evaluate([machine], counts_of([inspected[machine.name]]))


def test_all_of_them_as_one_cluster(inspected: dict[str, Any], evaluate: Callable[[list[Path], Counts], None]) -> None:
    expected = counts_of([inspected[machine.name] for machine in MACHINES])
    machines_in_it = [one for one in inspected.values() if one["layering"] != "not_applicable"]
    assert sum(expected["layering"].values()) == len(machines_in_it)
    evaluate(MACHINES, expected)


def test_the_collectors_row_names_what_inspect_names(inspected: dict[str, Any], tmp_path: Path) -> None:
    clusters = {
        f"00000000-0000-4000-8000-{place:012x}": counts_of([inspected[machine.name]])
        for place, machine in enumerate(MACHINES)
    }
    clusters["00000000-0000-4000-8000-0000000000ff"] = counts_of(list(inspected.values()))
    assert len(inspected) == len(MACHINES)
    assert rows_of(clusters, tmp_path) == clusters
