"""What the collector admits, by the public contract (`data/contract/telemetry.json`): names, labels, patterns. Pure.

A recorded series is admitted under its name and under its twin, which clusters without consent to the platform's
telemetry record; both mean the same. Sample of what is read::

    {"name": "cluster:usage:local_layering_nodes:count", "twin": "layercensus:local_layering_nodes:count",
     "labels": {"layering": ["clean", "extensions", …]}, …}
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from layercensus.data import read_json


class Fact(StrEnum):
    """What an admitted series tells of a cluster; the contract's name of each, without twins, is its value."""

    LAYERING = "cluster:usage:local_layering_nodes:count"
    NEED = "cluster:usage:local_layering_nodes_by_need:count"
    MCD = "cluster:usage:mcd_unsupported_nodes:count"
    VERSION = "cluster_version"
    PLATFORM = "cluster_infrastructure_provider"
    NODES = "cluster:node_instance_type_count:sum"
    MCD_NODES = "cluster:mcd_nodes_with_unsupported_packages:count"
    MCD_PACKAGES = "cluster:mcd_total_unsupported_packages:sum"


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted series: what it tells, and for each label that is kept the pattern of its whole value.

    `values`: of a recorded series, all values of its one label; a snapshot is complete when it has each.
    `fixed`: labels that have one value only, and that value.
    """

    fact: Fact
    labels: Mapping[str, re.Pattern[str]]
    values: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)


@cache
def admissions() -> Mapping[str, Admission]:
    """Metric name -> what is admitted of it."""
    contract = read_json("contract/telemetry.json")
    found: dict[str, Admission] = {}
    for entry in contract["joined"]:
        fixed = {name: rule[0] for name, rule in entry["labels"].items() if isinstance(rule, list) and len(rule) == 1}
        found[entry["name"]] = Admission(Fact(entry["name"]), _patterns(entry["labels"]), fixed=fixed)
    for entry in contract["recorded"]:
        fact = Fact(entry["name"])
        values = frozenset(value for rule in entry["labels"].values() for value in rule)
        for name in (entry["name"], entry["twin"]):
            found[name] = Admission(fact, _patterns(entry["labels"]), values)
    return found


def _patterns(labels: Mapping[str, Any]) -> dict[str, re.Pattern[str]]:
    return {
        name: re.compile("|".join(map(re.escape, rule)) if isinstance(rule, list) else rule["pattern"])
        for name, rule in labels.items()
    }
