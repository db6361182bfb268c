"""The telemetry contract as values: what may leave a cluster. Pure; the data is `data/contract/telemetry.json`.

Sample of a recorded series::

    {"name": "cluster:usage:mcd_unsupported_nodes:count", "twin": "layercensus:mcd_unsupported_nodes:count",
     "component": "mcd", "labels": {"state": ["none", "unknown", "unsupported"]}, "max_series": 3, …}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any

from layercensus.data import read_json
from layercensus.errors import ClusterError, Fault


class Component(StrEnum):
    """Which set of rules records a series or raises an alert."""

    AGENT = "agent"
    MCD = "mcd"
    MCD_UPSTREAM = "mcd_upstream"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class RecordedSeries:
    """A series that our rules record. `name` leaves the cluster, `twin` does not; `labels` are closed, at most one."""

    name: str
    twin: str
    component: Component
    labels: Mapping[str, tuple[str, ...]]
    meaning: str
    question: str
    max_series: int
    release_from: str
    owner: str
    consumers: tuple[str, ...]
    status: str
    since: str
    expires: date

    def recorded_name(self, *, telemetry: bool) -> str:
        """Name under which the rules record it: the one that leaves the cluster only with consent."""
        return self.name if telemetry else self.twin


@dataclass(frozen=True, slots=True)
class JoinedSeries:
    """A series of the platform that the collector admits: the labels kept, each with the pattern of its values.

    `merge`: `one` value is expected once the other labels are dropped, or values are to be summed (`sum`).
    """

    name: str
    labels: Mapping[str, str]
    merge: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ContractAlert:
    """An alert; it leaves the cluster when it fires. `labels` are closed and come beside alertname and severity."""

    name: str
    component: Component
    severity: str
    labels: Mapping[str, tuple[str, ...]]
    applied: str
    meaning: str
    owner: str
    status: str
    since: str


@dataclass(frozen=True, slots=True)
class InClusterSeries:
    """A series that our rules record and no allow-list names."""

    name: str
    labels: tuple[str, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class TelemetryContract:
    """The whole contract; `namespace` is where rules live and what alerts say."""

    namespace: str
    recorded: tuple[RecordedSeries, ...]
    joined: tuple[JoinedSeries, ...]
    alerts: tuple[ContractAlert, ...]
    in_cluster: tuple[InClusterSeries, ...]

    def series(self, name: str) -> RecordedSeries:
        """Return the recorded series of this name. Raises `ClusterError` if the contract has none."""
        for series in self.recorded:
            if series.name == name:
                return series
        raise ClusterError("is not in the telemetry contract", where=name, fault=Fault.US)


@cache
def read_contract() -> TelemetryContract:
    """Read the contract that comes with this package."""
    return parse_contract(read_json("contract/telemetry.json"))


def parse_contract(data: Mapping[str, Any]) -> TelemetryContract:
    """Turn the contract's JSON value into a `TelemetryContract`; the JSON Schema holds its form."""
    return TelemetryContract(
        namespace=data["_meta"]["namespace"],
        recorded=tuple(_recorded(entry) for entry in data["recorded"]),
        joined=tuple(_joined(entry) for entry in data["joined"]),
        alerts=tuple(
            ContractAlert(**(entry | {"component": Component(entry["component"]), "labels": _closed(entry)}))
            for entry in data["alerts"]
        ),
        in_cluster=tuple(
            InClusterSeries(**(entry | {"labels": tuple(entry["labels"])})) for entry in data["in_cluster"]
        ),
    )


def _recorded(entry: Mapping[str, Any]) -> RecordedSeries:
    values = {
        "component": Component(entry["component"]),
        "labels": _closed(entry),
        "consumers": tuple(entry["consumers"]),
        "expires": date.fromisoformat(entry["expires"]),
    }
    return RecordedSeries(**(dict(entry) | values))


def _joined(entry: Mapping[str, Any]) -> JoinedSeries:
    labels = {
        name: f"^({'|'.join(rule)})$" if isinstance(rule, list) else rule["pattern"]
        for name, rule in entry["labels"].items()
    }
    return JoinedSeries(**(dict(entry) | {"labels": labels}))


def _closed(entry: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in entry["labels"].items()}
