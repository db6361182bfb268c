"""What would leave the cluster from one machine's part, by the public contract, and what would not. Pure.

The contract (`data/contract/telemetry.json`) lists all that may leave; a machine adds one to the series of its class,
and one to that of each of its needs.
"""

from collections.abc import Collection, Iterator
from typing import Any

from layercensus.data import read_json
from layercensus.model import Census, Layering

_WITH_NEEDS = frozenset({Layering.PACKAGES, Layering.OVERRIDES})


def preview_lines(census: Census, needs: Collection[str]) -> Iterator[str]:
    """Lines for people. `needs`: those of the active changes that are no extension."""
    layering = census.booted.layering
    parts = {"layering": {layering.value}, "need": set(needs) if layering in _WITH_NEEDS else set()}
    yield "What would leave the cluster from this machine, if its rules were applied with --telemetry; else nothing:\n"
    adds = 0
    for entry in _contract()["recorded"]:
        if entry["component"] != "agent":
            continue
        for label, values in entry["labels"].items():
            for value in values:
                if value in parts.get(label, ()):
                    adds += 1
                    yield f'  {entry["name"]}{{{label}="{value}"}} is one higher\n'
    if not adds:
        yield f"  nothing: this machine is {layering.value}, and such machines are in no series\n"
    yield "These are counts over all nodes of the cluster: no node, host, package or user name is in them.\n"
    yield "An alert that fires leaves too, for the cluster and without names:\n"
    for alert in _contract()["alerts"]:
        if alert["component"] in {"agent", "any"}:
            yield f"  {alert['name']} ({alert['applied']}): {alert['meaning']}\n"
    yield "  TargetDown (OpenShift's own, with or without --telemetry): it says layercensus and no machine\n"
    yield from _stays(census)


def _stays(census: Census) -> Iterator[str]:
    yield "What stays in the cluster:\n"
    facts = {
        "release": census.booted.release,
        "OS version": census.machine.os.version,
        "kernel type": census.booted.kernel_type,
        "changes": None if census.machine.booted is None else len(census.booted.changes),
    }
    for name, value in facts.items():
        yield f"  {name}: {'not known' if value is None else value}\n"
    yield "What stays on this machine, and is in the cluster's own metrics only with --package-metrics:\n"
    for judged in census.booted.changes:
        yield f"  {judged.change.kind.value} {judged.change.requested} ({judged.judgement.verdict.value})\n"
    if not census.booted.changes:
        yield "  names of packages: none are known\n"
    for problem in census.problems:
        yield f"  problem: {problem}\n"


def _contract() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = read_json("contract/telemetry.json")
    return found
