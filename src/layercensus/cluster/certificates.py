"""Where no service CA is: what cert-manager is asked for, two certificates of one authority. Pure.

authority (signs itself) ─▶ layercensus-serving   the agents
                         └▶ layercensus-scraper   the Prometheus that may scrape them
"""

from layercensus.cluster.kit import NAME, SCRAPER_SECRET, SERVING_SECRET, Kit
from layercensus.cluster.kit import metadata as _metadata
from layercensus.cluster.yaml_text import Value

_API = "cert-manager.io/v1"
_SELF = f"{NAME}-self-signed"
_AUTHORITY = f"{NAME}-authority"


def certificate_requests(kit: Kit) -> list[Value]:
    """Issuers and certificates, as objects of cert-manager."""
    signed_by_self: Value = {"name": _SELF, "kind": "Issuer"}
    signed_by_authority: Value = {"name": _AUTHORITY, "kind": "Issuer"}
    return [
        _object(kit, "Issuer", _SELF, {"selfSigned": {}}),
        _object(
            kit,
            "Certificate",
            _AUTHORITY,
            {"isCA": True, "commonName": _AUTHORITY, "secretName": _AUTHORITY, "issuerRef": signed_by_self},
        ),
        _object(kit, "Issuer", _AUTHORITY, {"ca": {"secretName": _AUTHORITY}}),
        _object(
            kit,
            "Certificate",
            SERVING_SECRET,
            {
                "secretName": SERVING_SECRET,
                "dnsNames": [kit.server_name],
                "usages": ["digital signature", "key encipherment", "server auth"],
                "issuerRef": signed_by_authority,
            },
        ),
        _object(
            kit,
            "Certificate",
            SCRAPER_SECRET,
            {
                "secretName": SCRAPER_SECRET,
                "commonName": kit.client_name,
                "usages": ["digital signature", "key encipherment", "client auth"],
                "issuerRef": signed_by_authority,
            },
        ),
    ]


def _object(kit: Kit, kind: str, name: str, spec: Value) -> Value:
    return {"apiVersion": _API, "kind": kind, "metadata": _metadata(kit, name), "spec": spec}
