r"""⇄ Whose client certificates the cluster trusts, asked of its API with the pod's own token.

The list lies in a ConfigMap that the reader role `extension-apiserver-authentication-reader` opens::

    GET /api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication
    {"data": {"client-ca-file": "-----BEGIN CERTIFICATE-----\n…"}}
"""

import json
import os
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from layercensus.agent.host_checks import Check, Outcome
from layercensus.errors import Fault, LayerCensusError

_PATH = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
_KEY = "client-ca-file"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is and the folder with `token` and `ca.crt`, which rotate: they are read each time."""

    address: str
    account: Path = _ACCOUNT
    timeout_seconds: float = 10.0


def find_api() -> Api | None:
    """The API of the cluster that this process is a pod of; None if it is none."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return None
    return Api(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")


def read_client_ca(api: Api) -> str:
    """The authorities as PEM text. Raises `LayerCensusError` where the API gives none."""
    where = api.address + _PATH
    role = "bind the role extension-apiserver-authentication-reader to the agent's account"
    try:
        token = (api.account / "token").read_text(encoding="ascii").strip()
        context = ssl.create_default_context(cafile=str(api.account / "ca.crt"))
        opener = build_opener(HTTPSHandler(context=context), ProxyHandler({}))
        request = Request(where, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})  # noqa: S310
        with opener.open(request, timeout=api.timeout_seconds) as answer:
            text = json.loads(answer.read(_MAX_BYTES))["data"][_KEY]
    except (URLError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LayerCensusError(
            f"the client authorities cannot be read: {type(error).__name__}: {error}",
            where=where,
            fault=Fault.HOST,
            next_step=role if isinstance(error, HTTPError) and error.code == HTTPStatus.FORBIDDEN else "",
        ) from error
    if not isinstance(text, str) or "BEGIN CERTIFICATE" not in text:
        raise LayerCensusError("lists no client authority", where=where, fault=Fault.HOST)
    return text


def check_client_ca() -> Check:
    """Whether the API tells whose client certificates to trust."""
    assumption = "the API lists the client authorities"
    api = find_api()
    if api is None:
        return Check(assumption, Outcome.UNKNOWN, "this is no pod of a cluster")
    if not (api.account / "token").exists():
        return Check(assumption, Outcome.UNKNOWN, "no token is mounted: the authorities come from a file")
    try:
        return Check(assumption, Outcome.HOLDS, f"{read_client_ca(api).count('BEGIN CERTIFICATE')} at {api.address}")
    except LayerCensusError as error:
        return Check(assumption, Outcome.FAILS, str(error))
