"""A stand-in for a cluster's API on loopback, over TLS: it serves a few objects and allows what rendered roles grant.

It lists and watches as client-go asks, answers the one ConfigMap that the agent reads, and keeps every request it was
asked, with who asked and whether a role allowed it. No kube-apiserver can be had here.
"""

import json
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.agent.certificates import Authority

CLIENT_CA = "extension-apiserver-authentication"
# The role of Kubernetes itself that the kit binds to, as far as it is used.
READER_ROLE = {
    "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CLIENT_CA], "verbs": ["get"],
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One request: who, what, where; `name` only where one object was asked for."""

    account: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    allowed: bool = False


@dataclass
class Api:
    """What is served and what was asked. `lists`: resource -> objects; `tokens`: bearer token -> account."""

    lists: dict[str, list[dict[str, Any]]]
    tokens: Mapping[str, str]
    client_ca: str
    roles: list[dict[str, Any]] = field(default_factory=list)
    bindings: list[dict[str, Any]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def take_roles(self, objects: Iterable[dict[str, Any]]) -> None:
        """Grant what these manifests grant, and nothing else."""
        for one in objects:
            if one["kind"] == "Role":
                self.roles.append(one)
            if one["kind"] == "RoleBinding":
                self.bindings.append(one)

    def rules_of(self, account: str, namespace: str) -> Iterator[dict[str, Any]]:
        """Rules that bindings in a namespace give to an account, `namespace:name`."""
        for binding in self.bindings:
            subjects = {f"{one['namespace']}:{one['name']}" for one in binding["subjects"]}
            if binding["metadata"]["namespace"] != namespace or account not in subjects:
                continue
            if binding["roleRef"]["name"] == "extension-apiserver-authentication-reader":
                yield READER_ROLE
            for role in self.roles:
                if role["metadata"] == {**role["metadata"], "namespace": namespace, "name": binding["roleRef"]["name"]}:
                    yield from role["rules"]

    def judge(self, asked: Asked) -> Asked:
        """Whether a role allows it."""
        allowed = any(
            asked.verb in rule["verbs"]
            and asked.group in rule["apiGroups"]
            and asked.resource in rule["resources"]
            and asked.name in rule.get("resourceNames", [asked.name])
            for rule in self.rules_of(asked.account, asked.namespace)
        )
        return replace(asked, allowed=allowed)


@contextmanager
def stand_in_api(folder: Path, api: Api) -> Iterator[Path]:
    """Serve it; yields the file of its authority."""
    authority = Authority(folder, "api-authority")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            parts = url.path.strip("/").split("/")
            group = "" if parts[0] == "api" else parts[1]
            _, namespace, resource, *name = parts[2 if parts[0] == "api" else 3 :]
            watches = parse_qs(url.query).get("watch", ["0"])[0] in {"1", "true"}
            verb = "watch" if watches else "get" if name else "list"
            account = api.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "), "nobody")
            only = name[0] if name else ""
            asked = api.judge(Asked(account, verb, group, resource, namespace, only))
            api.asked.append(asked)
            if not asked.allowed:
                self._answer(403, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403})
            elif watches:
                self._wait()
            elif name:
                self._answer(200, {"kind": "ConfigMap", "apiVersion": "v1", "data": {"client-ca-file": api.client_ca}})
            else:
                version = f"{group}/v1" if group else "v1"
                listed = {"kind": "List", "apiVersion": version, "metadata": {"resourceVersion": "1"}}
                self._answer(200, {**listed, "items": api.lists.get(resource, [])})

        def _answer(self, status: int, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _wait(self) -> None:
            """A watch in which nothing happens."""
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.close_connection = True
            api.ended.wait()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("api-server", "api"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield authority.certificate
    finally:
        api.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
