"""How a cluster sends its series to a collector of yours: the `remoteWrite` setting of the platform's Prometheus. Pure.

Only what the contract lists is sent: a series whose labels have other values than the contract's stays, since whoever
may label a node could write anything there. Of labels, only those are sent that the collector keeps or needs to put a
report together: which replica it is from, and a hash in place of the labels that tell the platform's node counts apart.
"""

from collections.abc import Mapping, Sequence

from layercensus.cluster.contract import Component, read_contract
from layercensus.cluster.yaml_text import Value, format_yaml

# The platform puts the cluster's id here before our rules run, and takes it away after (CMO, addRemoteWriteConfigs).
_PLATFORM_ID = "__tmp_openshift_cluster_id__"
_SECRET = "layercensus-collector"  # noqa: S105 - a name, no secret
_REPLICA = ("prometheus", "prometheus_replica")
_APART = ("label_beta_kubernetes_io_instance_type", "label_node_role_kubernetes_io")
_PRIME = 4294967291


def remote_write_setting(component: Component, *, telemetry: bool) -> str:
    """What belongs into `config.yaml` of the platform's ConfigMap: to merge by hand, beside what stands there."""
    return format_yaml({"prometheusK8s": {"remoteWrite": [remote_write(component, telemetry=telemetry)]}})


def remote_write(component: Component, *, telemetry: bool) -> Value:
    """One target of `remoteWrite`, whole: where, who, what, which labels."""
    return {
        "url": "https://collector.example.com/api/v1/write",
        "name": "layercensus",
        "authorization": {"type": "Bearer", "credentials": {"name": _SECRET, "key": "token"}},
        "metadataConfig": {"send": False},
        "queueConfig": {"retryOnRateLimit": True, "maxShards": 2},
        "writeRelabelConfigs": relabelings(component, telemetry=telemetry),
    }


def relabelings(component: Component, *, telemetry: bool) -> Sequence[Value]:
    """Which series leave, under which cluster's id, with which labels."""
    contract = read_contract()
    series: dict[str, Mapping[str, str]] = {entry.name: entry.labels for entry in contract.joined}
    for entry in contract.recorded:
        if entry.component is component:
            closed = {label: "|".join(values) for label, values in entry.labels.items()}
            series[entry.recorded_name(telemetry=telemetry)] = closed
    labels = sorted({label for values in series.values() for label in values})
    kept = ("__name__", _PLATFORM_ID, "cluster_id", "part", *_REPLICA, *labels)
    return (
        {
            "sourceLabels": ["__name__", *labels],
            "regex": "|".join(_listed(name, values, labels) for name, values in sorted(series.items())),
            "action": "keep",
        },
        {"sourceLabels": [_PLATFORM_ID], "targetLabel": "cluster_id", "action": "replace"},
        {"sourceLabels": list(_APART), "modulus": _PRIME, "targetLabel": "part", "action": "hashmod"},
        {"regex": "|".join(kept), "action": "labelkeep"},
    )


def _listed(name: str, values: Mapping[str, str], labels: Sequence[str]) -> str:
    """A name and its labels' values, in the order of `labels` with `;` between, as relabelling joins them.

    A label that the contract does not list for this series must be empty.
    """
    patterns = (values[label].removeprefix("^").removesuffix("$") if label in values else None for label in labels)
    return ";".join([name, *("" if pattern is None else f"({pattern})" for pattern in patterns)])
