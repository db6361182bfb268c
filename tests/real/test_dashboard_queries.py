"""A real Prometheus answers every query of the dashboards, over the stand-in cluster of five nodes and the rendered rules.

What is expected is typed by hand from that cluster: w0 packages (an agent and a tool), w1 extensions, w2 overrides, m0
clean, w3 without an agent and so unknown.
"""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.real.prometheus_server import Prometheus
from tests.real.test_prometheus_rules import Cluster, await_answer, running_prometheus

from layercensus.cluster.dashboards import console_dashboard
from layercensus.cluster.manifests import render_agent_rules

pytestmark = pytest.mark.real

REASONS = ("permission", "not_found", "malformed", "timeout", "inconsistent", "other")
VERDICTS = ("extension", "kernel_type", "non_extension", "undetermined")
HOURS_SINCE_READ = {"m0": 0.5, "w0": 2.0, "w1": 1.0, "w2": 4.0}
STAGED = {"m0": (1, 0, 0, 0), "w0": (0, 0, 2, 0), "w1": (0, 1, 0, 0), "w2": ("NaN",) * 4}

# Panel, letter of the query where there are several, labels of the answer in the order of their names; value.
NUMBERS = {
    "Share of nodes with packages": 1 / 4,
    "Share if unknown nodes are clean": 1 / 5,
    "Share if unknown nodes have packages": 2 / 5,
    "Unknown nodes": 1.0,
    "Nodes with packages": 1.0,
    "Nodes with overrides": 1.0,
    "Nodes with extensions only": 1.0,
    "Clean nodes": 1.0,
    "Nodes without an agent": 1.0,
    "Nodes whose agent cannot read": 1.0,
}
OTHERS = {
    "Nodes by layering class over time clean": 1.0,
    "Nodes by layering class over time extensions": 1.0,
    "Nodes by layering class over time overrides": 1.0,
    "Nodes by layering class over time packages": 1.0,
    "Nodes by layering class over time unknown": 1.0,
    "Share of nodes with packages over time A": 1 / 4,
    "Share of nodes with packages over time B": 1 / 5,
    "Share of nodes with packages over time C": 2 / 5,
    "Nodes with packages or overrides w0 packages": 1.0,
    "Nodes with packages or overrides w2 overrides": 1.0,
    "Nodes by need agent": 1.0,
    "Nodes by need driver": 0.0,
    "Nodes by need other": 0.0,
    "Nodes by need override": 1.0,
    "Nodes by need tool": 1.0,
    # w2 does not say what is staged, and is no zero in the sum
    "Changes in staged deployments extension": 1.0,
    "Changes in staged deployments kernel_type": 1.0,
    "Changes in staged deployments non_extension": 2.0,
    "Changes in staged deployments undetermined": 0.0,
    "Nodes with staged changes that are no extension w0": 2.0,
    "Nodes that are unknown or cannot be read, and why w2 cannot read: permission": 1.0,
    "Nodes that are unknown or cannot be read, and why w3 no agent": 1.0,
    "Oldest reads: hours since the last good one m0": pytest.approx(0.5, abs=0.05),
    "Oldest reads: hours since the last good one w0": pytest.approx(2.0, abs=0.05),
    "Oldest reads: hours since the last good one w1": pytest.approx(1.0, abs=0.05),
    "Oldest reads: hours since the last good one w2": pytest.approx(4.0, abs=0.05),
    "Failed reads in an hour, by reason inconsistent": 0.0,
    "Failed reads in an hour, by reason malformed": 0.0,
    "Failed reads in an hour, by reason not_found": 0.0,
    "Failed reads in an hour, by reason other": 0.0,
    # three failures, and what Prometheus adds at the edges of the hour
    "Failed reads in an hour, by reason permission": pytest.approx(3.75, abs=0.75),
    "Failed reads in an hour, by reason timeout": 0.0,
}
AGREEMENT = {
    "Nodes where only the agent finds changes": 0.0,
    "Nodes where only the daemon finds changes": 0.0,
}


def set_reads(cluster: Cluster, *, failures: int) -> None:
    """Let the agents say when they read and what is staged; w2 fails to read, `failures` times up to now."""
    for node, hours in HOURS_SINCE_READ.items():
        page = f"/agent/{node}"
        kept = [
            line
            for line in cluster.pages[page].splitlines()
            if not line.startswith(("layercensus_read", "layercensus_staged"))
        ]
        counts = {reason: failures if (node, reason) == ("w2", "permission") else 0 for reason in REASONS}
        kept += [f'layercensus_read_errors_total{{reason="{reason}"}} {count}' for reason, count in counts.items()]
        kept += [
            f'layercensus_staged_changes{{verdict="{verdict}"}} {value}'
            for verdict, value in zip(VERDICTS, STAGED[node], strict=True)
        ]
        kept += [f"layercensus_read_success {int(node != 'w2')}"]
        kept += [f"layercensus_read_timestamp_seconds {time.time() - hours * 3600:.0f}"]
        cluster.pages[page] = "\n".join(kept) + "\n"


def panels_of(board: Any) -> list[Any]:
    return [panel for row in board["rows"] for panel in row["panels"]]


def answers(server: Prometheus, panels: list[Any]) -> dict[str, float]:
    """What each panel would show now."""
    found = {}
    for panel in panels:
        for target in panel["targets"]:
            letter = [target["refId"]] if len(panel["targets"]) > 1 else []
            samples = server.query(target["expr"])
            firsts = [labels[min(labels)] for labels, _ in samples if labels]
            assert panel["type"] != "table" or len(set(firsts)) == len(samples)  # as consoles up to 4.13 key the rows
            for labels, value in samples:
                shown = [labels[name] for name in sorted(labels)]
                found[" ".join([panel["title"], *letter, *shown])] = value
    return found


@pytest.mark.parametrize(
    ("release", "telemetry", "expected"),
    [
        pytest.param("4.12", False, NUMBERS | OTHERS, id="4.12 without consent, no gauge to compare with"),
        pytest.param("4.18", True, NUMBERS | OTHERS | AGREEMENT, id="4.18 with consent"),
    ],
)
def test_every_panel_shows_what_the_cluster_is(
    release: str, telemetry: bool, expected: dict[str, float], tmp_path: Path
) -> None:
    cluster, log = Cluster(), tmp_path / "log"
    set_reads(cluster, failures=0)
    panels = panels_of(console_dashboard(release, telemetry=telemetry))
    numbers = [panel for panel in panels if panel["type"] == "singlestat"]
    files = render_agent_rules(release, telemetry=telemetry)
    with cluster.served() as port, running_prometheus(tmp_path, port, files) as server:
        no_failure = {f"Failed reads in an hour, by reason {reason}": 0.0 for reason in REASONS}
        failures = [panel for panel in panels if panel["title"] == "Failed reads in an hour, by reason"]
        await_answer(lambda: answers(server, failures), no_failure, log)
        set_reads(cluster, failures=3)
        await_answer(lambda: answers(server, panels), expected, log)

        del cluster.pages["/ksm"]  # kube-state-metrics falls silent: no number is left, and none is zero
        await_answer(lambda: answers(server, numbers), {}, log)
        left = {name.split(",")[0] for name in answers(server, panels)}
        assert left == {"Failed reads in an hour"}


def test_where_they_disagree_and_what_an_agent_cannot_tell(tmp_path: Path) -> None:
    cluster, log = Cluster(), tmp_path / "log"
    panels = panels_of(console_dashboard("4.18", telemetry=False))
    asked = [panel for panel in panels if "finds changes" in panel["title"] or "disagree" in panel["title"]]
    why = [panel for panel in panels if panel["title"].endswith("and why")]
    with (
        cluster.served() as port,
        running_prometheus(tmp_path, port, render_agent_rules("4.18", telemetry=False)) as server,
    ):
        cluster.pages["/mcd/m0"] = 'mcd_local_unsupported_packages{node="m0"} 1\n'
        cluster.pages["/mcd/w2"] = 'mcd_local_unsupported_packages{node="w2"} 9\n'
        disagreement = {
            "Nodes where only the agent finds changes": 1.0,
            "Nodes where only the daemon finds changes": 1.0,
            "Nodes on which they disagree m0 daemon": 1.0,
            "Nodes on which they disagree w2 agent": 1.0,
        }
        await_answer(lambda: answers(server, asked), disagreement, log)

        page = cluster.pages["/agent/m0"].replace('layering="unknown"} 0', 'layering="unknown"} 1')
        cluster.pages["/agent/m0"] = page.replace('layering="clean"} 1', 'layering="clean"} 0')
        cluster.pages["/agent/w1"] = cluster.pages["/agent/w1"].replace("read_success 1", "read_success 0")
        reasons = {
            "m0 reads, and cannot tell": 1.0,
            "w1 cannot read": 1.0,  # no reason is told by this agent
            "w3 no agent": 1.0,
        }
        title = why[0]["title"]
        await_answer(lambda: answers(server, why), {f"{title} {name}": value for name, value in reasons.items()}, log)


def test_where_no_node_is_classified_there_is_no_share_and_the_bounds_are_all(tmp_path: Path) -> None:
    cluster, log = Cluster(), tmp_path / "log"
    for page in [page for page in cluster.pages if page.startswith("/agent/")]:
        del cluster.pages[page]
    panels = panels_of(console_dashboard("4.18", telemetry=False))
    numbers = [panel for panel in panels if panel["type"] == "singlestat"]
    expected = {
        "Share if unknown nodes are clean": 0.0,
        "Share if unknown nodes have packages": 1.0,
        "Unknown nodes": 5.0,
        "Nodes with packages": 0.0,
        "Nodes with overrides": 0.0,
        "Nodes with extensions only": 0.0,
        "Clean nodes": 0.0,
        "Nodes without an agent": 5.0,
        "Nodes where only the agent finds changes": 0.0,
        "Nodes where only the daemon finds changes": 0.0,
    }
    with (
        cluster.served() as port,
        running_prometheus(tmp_path, port, render_agent_rules("4.18", telemetry=False)) as server,
    ):
        await_answer(lambda: answers(server, numbers), expected, log)
