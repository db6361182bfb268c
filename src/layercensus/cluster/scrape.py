"""How Prometheus finds and scrapes the agents: Service and ServiceMonitor, in the form that a release takes. Pure.

The rules join on a label `node`, which comes from the pod's own node and never from what the agent says.
"""

from collections.abc import Mapping

from layercensus.cluster.kit import NAME, PORT, SCRAPER_SECRET, SELECTOR, SERVING_SECRET, Kit, Platform
from layercensus.cluster.kit import metadata as _metadata
from layercensus.cluster.releases import has_scrape_class
from layercensus.cluster.yaml_text import Value

# Where the platform's Prometheus has its client certificate and the service CA, 4.12 to main.
_CLIENT = "/etc/prometheus/secrets/metrics-client-certs"
_SERVICE_CA = "/etc/prometheus/configmaps/serving-certs-ca-bundle/service-ca.crt"
_SCRAPE_CLASS = "tls-client-certificate-auth"


def service(kit: Kit) -> Value:
    """A name for the agents; on OpenShift it also asks for their serving certificate."""
    asking: Mapping[str, Value] = {"service.beta.openshift.io/serving-cert-secret-name": SERVING_SECRET}
    about = _metadata(kit, labels=SELECTOR)
    if kit.platform is Platform.OPENSHIFT:
        about["annotations"] = asking
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": about,
        "spec": {
            "clusterIP": "None",
            "selector": SELECTOR,
            "ports": [{"name": "metrics", "port": PORT, "targetPort": "metrics", "protocol": "TCP"}],
        },
    }


def service_monitor(kit: Kit) -> Value:
    """What Prometheus is told. No token: the agents know it by its client certificate."""
    by_class = kit.release is not None and has_scrape_class(kit.release)
    endpoint: Value = {
        "port": "metrics",
        "scheme": "https",
        "interval": "30s",
        "relabelings": [_node_label()],
        "tlsConfig": {"serverName": kit.server_name, **({} if by_class else _client(kit))},
    }
    spec: dict[str, Value] = {
        "namespaceSelector": {"matchNames": [kit.namespace]},
        "selector": {"matchLabels": SELECTOR},
        "endpoints": [endpoint],
    }
    if by_class:
        spec["scrapeClass"] = _SCRAPE_CLASS
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": _metadata(kit, NAME),
        "spec": spec,
    }


def _node_label() -> Value:
    return {
        "action": "replace",
        "sourceLabels": ["__meta_kubernetes_pod_node_name"],
        "targetLabel": "node",
    }


def _client(kit: Kit) -> Mapping[str, Value]:
    if kit.platform is Platform.OPENSHIFT:
        return {"caFile": _SERVICE_CA, "certFile": f"{_CLIENT}/tls.crt", "keyFile": f"{_CLIENT}/tls.key"}
    return {
        "ca": {"secret": {"name": SCRAPER_SECRET, "key": "ca.crt"}},
        "cert": {"secret": {"name": SCRAPER_SECRET, "key": "tls.crt"}},
        "keySecret": {"name": SCRAPER_SECRET, "key": "tls.key"},
    }
