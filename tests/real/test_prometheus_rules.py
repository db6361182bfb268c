"""A real Prometheus evaluates the rendered rules over a stand-in exporter that plays a cluster of five nodes.

Asked through its API and through `/federate`, with the selectors that the platform's telemetry client uses, it answers
the contract's series and values and nothing else. Everything is on loopback; the program is stopped by its id.
"""

import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[2]))
from tests.real.prometheus_server import DEADLINE_SECONDS, Prometheus, prometheus

from layercensus.cluster.contract import read_contract
from layercensus.cluster.manifests import render_agent, render_mcd

pytestmark = pytest.mark.real

# As the platform's monitoring operator configures them: config map telemetry-config, from 4.14 (alerts) and 4.16 on.
SELECTORS = (
    '{__name__=~"cluster:usage:.*"}',
    '{__name__="cluster:mcd_nodes_with_unsupported_packages:count"}',
    '{__name__="cluster:mcd_total_unsupported_packages:sum"}',
    '{__name__="ALERTS",alertstate="firing",severity=~"critical|warning|info|none"}',
)
COREOS = 'os_image="Red Hat Enterprise Linux CoreOS 414.92.202406250917-0 (Plow)"'
DEFAULT = f'{COREOS},kernel_version="5.14.0-284.71.1.el9_2.x86_64"'
REALTIME = f'{COREOS},kernel_version="5.14.0-284.71.1.rt14.356.el9_2.x86_64"'
NODES = {"m0": DEFAULT, "w0": DEFAULT, "w1": REALTIME, "w2": REALTIME, "w3": DEFAULT}
GAUGE = {"m0": 0, "w0": 2, "w1": 9, "w2": 10}  # nothing answers on w3
LAYERING = {"m0": "clean", "w0": "packages", "w1": "extensions", "w2": "overrides"}
NEEDS = {"w0": {"agent", "tool"}, "w2": {"override"}}

MCD_ANSWER = {
    'cluster:usage:mcd_unsupported_nodes:count{state="none"}': 2.0,
    'cluster:usage:mcd_unsupported_nodes:count{state="unknown"}': 1.0,
    'cluster:usage:mcd_unsupported_nodes:count{state="unsupported"}': 2.0,
}
RELIT_ANSWER = {
    "cluster:mcd_nodes_with_unsupported_packages:count": 3.0,
    "cluster:mcd_total_unsupported_packages:sum": 21.0,
}
AGENT_ANSWER = {
    'cluster:usage:local_layering_nodes:count{layering="clean"}': 1.0,
    'cluster:usage:local_layering_nodes:count{layering="extensions"}': 1.0,
    'cluster:usage:local_layering_nodes:count{layering="overrides"}': 1.0,
    'cluster:usage:local_layering_nodes:count{layering="packages"}': 1.0,
    'cluster:usage:local_layering_nodes:count{layering="unknown"}': 1.0,
    'cluster:usage:local_layering_nodes_by_need:count{need="agent"}': 1.0,
    'cluster:usage:local_layering_nodes_by_need:count{need="driver"}': 0.0,
    'cluster:usage:local_layering_nodes_by_need:count{need="other"}': 0.0,
    'cluster:usage:local_layering_nodes_by_need:count{need="override"}': 1.0,
    'cluster:usage:local_layering_nodes_by_need:count{need="tool"}': 1.0,
}


def alert(name: str, severity: str, **labels: str) -> str:
    shown = {"alertname": name, "alertstate": "firing", "namespace": "layercensus", "severity": severity, **labels}
    return f"ALERTS{{{','.join(f'{key}={json.dumps(value)}' for key, value in sorted(shown.items()))}}}"


AGENT_ALERTS = {
    alert("LayerCensusAgentCannotRead", "warning"): 1.0,
    alert("LayerCensusStale", "warning"): 1.0,
    alert("LayerCensusPackagesBeforeUpgrade", "info"): 1.0,
    alert("LayerCensusOverridesBeforeUpgrade", "info"): 1.0,
    alert("LayerCensusSignalDark", "warning", signal="mcd_upstream"): 1.0,
}


class Cluster:
    """What the exporters of five nodes say; a page that is taken away answers 503."""

    def __init__(self) -> None:
        self.pages = {"/ksm": self._kube_state_metrics(), "/cvo": 'cluster_version_available_updates{channel="s"} 1\n'}
        for node, value in GAUGE.items():
            self.pages[f"/mcd/{node}"] = f'mcd_local_unsupported_packages{{node="{node}"}} {value}\n'
        for node, layering in LAYERING.items():
            self.pages[f"/agent/{node}"] = self._agent(node, layering)

    def _kube_state_metrics(self) -> str:
        lines = [f'kube_node_info{{node="{node}",{labels}}} 1' for node, labels in NODES.items()]
        lines += [f'kube_node_labels{{node="{node}",label_kubernetes_io_os="linux"}} 1' for node in NODES]
        return "\n".join(lines) + "\n"

    def _agent(self, node: str, layering: str) -> str:
        classes = ("not_applicable", "unknown", "packages", "overrides", "extensions", "clean")
        needs = ("agent", "driver", "tool", "override", "other")
        lines = [f'layercensus_machine_layering{{layering="{name}"}} {int(name == layering)}' for name in classes]
        lines += [
            f'layercensus_non_extension_need{{need="{name}"}} {int(name in NEEDS.get(node, ()))}' for name in needs
        ]
        lines += ["layercensus_read_success 1", "layercensus_read_timestamp_seconds 1"]
        return "\n".join(lines) + "\n"

    @contextmanager
    def served(self) -> Iterator[int]:
        """Serve the pages on loopback; yields the port."""
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = pages.get(self.path)
                self.send_response(503 if text is None else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, *args: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def configuration(port: int, rules: list[str]) -> dict[str, Any]:
    def job(name: str, path: str, **labels: str) -> dict[str, Any]:
        targets = [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]
        return {"job_name": name, "metrics_path": path, "honor_labels": name == "ksm", "static_configs": targets}

    jobs = [job("ksm", "/ksm"), job("cvo", "/cvo")]
    for node in NODES:
        # As ServiceMonitors do it: the target's label node wins, the exporter's own becomes exported_node.
        jobs.append(job(f"mcd-{node}", f"/mcd/{node}", node=node, pod=f"machine-config-daemon-{node}"))
        jobs.append(job(f"agent-{node}", f"/agent/{node}", node=node, pod=f"layercensus-{node}"))
    times = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    return {"global": times, "rule_files": rules, "scrape_configs": jobs}


@contextmanager
def running_prometheus(folder: Path, port: int, files: Mapping[str, str]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `port` and evaluates these manifests, waits of alerts cut to none."""
    names = [name for name in files if "prometheusrule" in name]
    for name in names:
        spec = yaml.safe_load(files[name])["spec"]
        for rule in spec["groups"][0]["rules"]:
            rule.pop("for", None)
        (folder / name.rpartition("/")[2]).write_text(yaml.safe_dump(spec))
    with prometheus(folder, configuration(port, [name.rpartition("/")[2] for name in names])) as server:
        yield server


def federated(server: Prometheus, selectors: Sequence[str] = SELECTORS) -> dict[str, float]:
    """What telemetry would take: series -> value. An empty label is none; federation adds an empty instance."""
    found: dict[str, float] = {}
    for line in server.get("/federate", *(("match[]", selector) for selector in selectors)).splitlines():
        match = re.fullmatch(r"([a-zA-Z_:]+)(?:\{(.*)\})? (\S+) \d+", line)
        if match and not line.startswith("#"):
            labels = [label for label in re.findall(r'[a-z_]+="[^"]*"', match[2] or "") if not label.endswith('=""')]
            found[match[1] + (f"{{{','.join(sorted(labels))}}}" if labels else "")] = float(match[3])
    return found


def queried(server: Prometheus) -> dict[str, float]:
    """The same through the API, firing alerts apart."""
    return server.series('{__name__=~"cluster:.*"}')


def await_answer(ask: Callable[[], dict[str, float]], expected: Mapping[str, float], log: Path) -> None:
    """Poll until the answer is the expected one, whole; fail with the last answer at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    found: dict[str, float] = {}
    while time.monotonic() < deadline:
        try:
            found = ask()
        except OSError:
            found = {}
        else:
            if found == expected:
                return
        time.sleep(0.3)
    print(log.read_text()[-4000:])
    assert found == expected


@pytest.mark.parametrize(
    ("render", "release", "series", "alerts"),
    [
        pytest.param(render_mcd, "4.14", MCD_ANSWER, {}, id="mcd 4.14, before the platform allow-lists anything of it"),
        pytest.param(render_mcd, "4.21", MCD_ANSWER | RELIT_ANSWER, {}, id="mcd 4.21, lost series recorded again"),
        pytest.param(render_agent, "4.18", AGENT_ANSWER, AGENT_ALERTS, id="agent 4.18, every alert fires"),
    ],
)
def test_a_real_prometheus_answers_the_contract_and_nothing_else(
    render: Any, release: str, series: dict[str, float], alerts: dict[str, float], tmp_path: Path
) -> None:
    cluster = Cluster()
    files = render(release, telemetry=True)
    with cluster.served() as port, running_prometheus(tmp_path, port, files) as server:
        await_answer(lambda: federated(server), series | alerts, tmp_path / "log")
        await_answer(lambda: queried(server), series, tmp_path / "log")
        assert sum(value for name, value in series.items() if "mcd_unsupported" in name or "nodes:count{l" in name) == 5

        del cluster.pages["/ksm"]  # kube-state-metrics falls silent: ours end, none of them becomes zero
        kept = {name: value for name, value in series.items() if "usage" not in name}
        await_answer(lambda: queried(server), kept, tmp_path / "log")


def test_without_consent_telemetry_finds_nothing(tmp_path: Path) -> None:
    rendered = render_agent("4.18", telemetry=False)
    files = {name: text for name, text in rendered.items() if not name.startswith("optional/")}
    twins = {entry.name: entry.twin for entry in read_contract().recorded}
    expected = {
        name.replace(name.split("{")[0], twins[name.split("{")[0]]): value for name, value in AGENT_ANSWER.items()
    }
    with Cluster().served() as port, running_prometheus(tmp_path, port, files) as server:
        await_answer(lambda: server.series('{__name__=~"layercensus:local.*"}'), expected, tmp_path / "log")
        assert federated(server) == {}
