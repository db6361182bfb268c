"""From real agents to the lake: real Prometheus replicas, or vmagent, send by the kit's own remoteWrite setting.

The setting is rendered into a Prometheus configuration as the platform's monitoring operator does it. What the lake
holds is read by DuckDB from the files and compared with what the API of that Prometheus says of the same instant.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import duckdb
import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.running import SOURCE, wait_for
from tests.real.agent_hosts import scratch_folder
from tests.real.prometheus_server import (
    Prometheus,
    free_port,
    require,
    wait_for_series,
)
from tests.real.test_kit_chain import (
    CLASS,
    CLASSES,
    EVERYTHING,
    NEED,
    NEEDS,
    _programs,
    agents,
    chain,
    ten_series,
)

from layercensus.cluster.contract import Component
from layercensus.cluster.remote_write import remote_write

pytestmark = pytest.mark.real
__all__ = ["_programs"]

CLUSTER = "6f2a7f0e-93b5-4d52-9d0a-0f5a7e8f3a11"
PLATFORM_ID = "__tmp_openshift_cluster_id__"


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


@dataclass
class Collector:
    """A collector that runs."""

    url: str
    lake: Path
    token: Path
    process: subprocess.Popen[bytes]

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the lake, read from its files."""
        files = [str(path) for path in self.lake.glob("rows/*/rows.parquet")]
        if not files:
            return []
        relation = duckdb.connect().read_parquet(files)
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    def newest_row(self) -> Mapping[str, Any]:
        """The one cluster has one row; one for each of two days, where midnight came in between."""
        rows = {row["day"]: row for row in self.rows()}
        assert len(rows) == len(self.rows()) <= 2
        return rows[max(rows)]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def collector(folder: Path) -> Iterator[Collector]:
    """Run it on loopback, with a token for the one cluster."""
    folder.mkdir()
    program = [sys.executable, "-m", "layercensus"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    keys, lake, token = folder / "keys.json", folder / "lake", folder / "token"
    made = subprocess.run(
        [*program, "token", "--keys", str(keys), "--cluster-id", CLUSTER],
        capture_output=True, check=True, env=environment,
    )  # fmt: skip
    token.write_bytes(made.stdout.strip())
    listen = f"127.0.0.1:{free_port()}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*program, "collect", "--lake", str(lake), "--keys", str(keys), "--listen", listen],
            stderr=log, stdout=log, env=environment,
        )  # fmt: skip
    try:
        yield Collector(f"http://{listen}/api/v1/write", lake, token, process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def prometheus_form(setting: Mapping[str, Any], running: Collector) -> dict[str, Any]:
    """The setting as the platform renders it for Prometheus: its id first, then ours, then its id away."""
    names = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    ours = [{names.get(key, key): value for key, value in one.items()} for one in setting["writeRelabelConfigs"]]
    platform = [{"target_label": PLATFORM_ID, "replacement": CLUSTER}]
    assert setting["authorization"]["type"] == "Bearer"
    assert setting["queueConfig"]["retryOnRateLimit"] is True
    return {
        "url": running.url,
        "name": setting["name"],
        "authorization": {"credentials_file": str(running.token)},
        "metadata_config": {"send": setting["metadataConfig"]["send"]},
        "write_relabel_configs": [*platform, *ours, {"regex": PLATFORM_ID, "action": "labeldrop"}],
    }


def setting() -> Any:
    return remote_write(Component.AGENT, telemetry=True)


def equals_api(row: Mapping[str, Any], servers: list[Prometheus]) -> bool:
    """Whether one of the servers has, at the very timestamp of the row, the values of the row."""
    observed = row["observed_at"].replace(tzinfo=UTC).timestamp()
    for server in servers:
        stamped = json.loads(
            server.get("/api/v1/query", ("query", f"timestamp({CLASS})"), ("time", f"{observed:.3f}"))
        )["data"]["result"]
        if {round(float(one["value"][1]), 3) for one in stamped} != {round(observed, 3)}:
            continue
        found: dict[str, float] = {}
        for name, label, prefix in ((CLASS, "layering", "nodes"), (NEED, "need", "need")):
            answer = json.loads(server.get("/api/v1/query", ("query", name), ("time", f"{observed:.3f}")))
            found |= {f"{prefix}_{one['metric'][label]}": float(one["value"][1]) for one in answer["data"]["result"]}
        return found == {key: float(row[key]) for key in found} and len(found) == 10
    return False


def check_row(row: Mapping[str, Any], servers: list[Prometheus]) -> None:
    assert {name: row[f"nodes_{name}"] for name in CLASSES} == CLASSES
    assert {name: row[f"need_{name}"] for name in NEEDS} == NEEDS
    assert (row["cluster_id"], row["signal"]) == (CLUSTER, "layercensus")
    assert (row["version"], row["release"], row["platform"]) == ("4.14.30", "4.14", "AWS")
    # By hand from what the stand-in says: 1 + 2 + 4 of rhcos; Windows and workers of package-mode RHEL left out.
    assert row["nodes_expected"] == 7
    assert abs(row["skew_seconds"]) < 60
    assert equals_api(row, servers)


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_two_replicas_with_shards_of_three_samples_give_one_row_that_their_api_confirms(scratch: Path) -> None:
    queue = {"min_shards": 3, "max_shards": 3, "max_samples_per_send": 3, "batch_send_deadline": "1s"}
    with agents(scratch, "4.14") as running, collector(scratch / "collector") as target:
        remote = {**prometheus_form(setting(), target), "queue_config": queue}

        def replica(number: int) -> Any:
            labels = {"prometheus": "openshift-monitoring/k8s", "prometheus_replica": f"prometheus-k8s-{number}"}
            return chain(
                scratch,
                running,
                f"replica-{number}",
                **{"global": {"external_labels": labels}, "remote_write": [remote]},
            )

        with replica(0) as one, replica(1) as two:
            for server in (one, two):
                wait_for_series(server, EVERYTHING, ten_series(CLASSES, NEEDS), "prometheus", "prometheus_replica")
            right = time.time()

            def row_of_now() -> Mapping[str, Any] | None:
                rows = [row for row in target.rows() if row["observed_at"].replace(tzinfo=UTC).timestamp() > right + 2]
                return rows[0] if rows and rows[0]["nodes_expected"] is not None else None

            check_row(wait_for(row_of_now), [one, two])
            # What somebody wrote into a node's label was there, and was not sent: nothing had to be dropped on arrival.
            assert one.query('{label_node_openshift_io_os_id="db1.secret.example"}')
            with urlopen(target.url.replace("/api/v1/write", "/metrics"), timeout=30) as answer:
                dropped = re.findall(r'samples_dropped_total\{reason="(\w+)"\} (\d+)', answer.read().decode())
            assert not {"label_value", "not_in_contract"} & {reason for reason, count in dropped if count != "0"}
            assert target.stop() == 0
            check_row(target.newest_row(), [one, two])
        for secret in (b"secret", b"worker-1", b"strange-tool", b"prometheus-k8s", target.token.read_bytes()):
            assert secret not in bytes_below(target.lake)


def test_vmagent_sends_the_same(scratch: Path) -> None:
    program = require("vmagent", "victoria-metrics")
    with (
        agents(scratch, "4.14") as running,
        collector(scratch / "collector") as target,
        chain(scratch, running) as server,
    ):
        wait_for_series(server, EVERYTHING, ten_series(CLASSES, NEEDS))
        names = '{__name__=~"cluster:usage:.+|cluster_version|cluster_infrastructure_provider|cluster:node_.+"}'
        job = {
            "job_name": "federate", "scrape_interval": "1s", "honor_labels": True, "honor_timestamps": True,
            "metrics_path": "/federate", "params": {"match[]": [names]},
            "static_configs": [{"targets": [server.url.removeprefix("http://")]}],
        }  # fmt: skip
        external = {"prometheus_replica": "vmagent-0"}
        (scratch / "vmagent.yml").write_text(
            yaml.safe_dump({"global": {"external_labels": external}, "scrape_configs": [job]})
        )
        relabelings = prometheus_form(setting(), target)["write_relabel_configs"]
        (scratch / "relabel.yml").write_text(yaml.safe_dump(relabelings))
        process = subprocess.Popen(
            [
                program, f"-promscrape.config={scratch}/vmagent.yml", f"-remoteWrite.url={target.url}",
                f"-remoteWrite.bearerTokenFile={target.token}", f"-remoteWrite.urlRelabelConfig={scratch}/relabel.yml",
                f"-remoteWrite.tmpDataPath={scratch}/vmagent", f"-httpListenAddr=127.0.0.1:{free_port()}",
            ],
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(lambda: next((row for row in target.rows() if row["nodes_expected"] is not None), None))
        finally:
            process.terminate()
            process.wait(60)
        assert target.stop() == 0
        check_row(target.newest_row(), [server])
