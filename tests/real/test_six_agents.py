"""Six agents over six real sysroots, scraped by one real Prometheus; one through TLS, whose authorities rotate.

What is expected is typed by hand from what was deployed, and what `inspect` says of the same root.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2]))
from tests.agent.certificates import MISSING, OPENSSL, Authority
from tests.agent.running import Running, agent, wait_for
from tests.real.agent_hosts import (
    LAYERED_ORIGIN,
    Host,
    as_scraped,
    clean_host,
    extension_host,
    layered_host,
    realtime_host,
    same,
    scratch_folder,
    without_reads,
)
from tests.real.prometheus_server import Prometheus, format_series, prometheus
from tests.real.sysroots import missing_programs

pytestmark = pytest.mark.real

QUICK = {"look_seconds": 0.2}
SCRAPER = "system:serviceaccount:openshift-monitoring:prometheus-k8s"
CLASSES = {
    "clean": "clean", "extension": "extensions", "layered": "packages", "realtime": "extensions",
    "broken": "unknown", "changing": "clean",
}  # fmt: skip
CHANGES = {
    "clean": {},
    "extension": {("extension", "install"): 1.0},
    "layered": {("extension", "install"): 1.0, ("non_extension", "install"): 1.0},
    "realtime": {("kernel_type", "install"): 4.0, ("kernel_type", "remove"): 5.0},
    "changing": {},
}


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    missing = missing_programs() or (None if OPENSSL else MISSING)
    if missing:
        reason = f"NO SIX AGENTS WERE SCRAPED, missing: {missing}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@pytest.fixture
def scratch() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder


def hosts(scratch: Path) -> dict[str, Host]:
    broken = clean_host(scratch, "broken")
    broken.origin.write_text("[origin]\nrefsp")
    return {
        "clean": clean_host(scratch), "extension": extension_host(scratch), "layered": layered_host(scratch),
        "realtime": realtime_host(scratch), "broken": broken, "changing": clean_host(scratch, "changing"),
    }  # fmt: skip


def job(name: str, port: int, **settings: object) -> dict[str, object]:
    return {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}], **settings}


def series_of(server: Prometheus, name: str) -> dict[str, float]:
    return server.series(f'{{job="{name}",__name__=~"layercensus_.+"}}', "job", "instance")


def equals(server: Prometheus, name: str, host: Host) -> bool | None:
    found = without_reads(series_of(server, name))
    return (found and same(found, as_scraped(host.inspect()))) or None


def changes_in(found: Mapping[str, float]) -> dict[tuple[str, str], float]:
    kinds = ("install", "install_local", "install_local_force", "remove", "replace_local", "replace_remote", "module")
    counts = {
        (verdict, kind): found[format_series("layercensus_changes", {"kind": kind, "verdict": verdict})]
        for verdict in ("extension", "kernel_type", "non_extension", "undetermined")
        for kind in kinds
    }
    return {key: value for key, value in counts.items() if value}


def test_one_prometheus_has_of_six_agents_what_was_deployed_and_what_inspect_says(scratch: Path) -> None:
    machines = hosts(scratch)
    folder = scratch / "tls"
    folder.mkdir()
    old, new, serving = (Authority(folder, name) for name in ("old", "new", "serving"))
    certificate, key = serving.issue("server", "server")
    trusted = folder / "client-ca.crt"
    trusted.write_text(old.certificate.read_text())
    clients = {"layered": old.issue("a", SCRAPER), "by-new": new.issue("b", SCRAPER), "other": old.issue("c", "other")}
    tls: dict[str, Any] = {"tls_cert": certificate, "tls_key": key, "client_ca": trusted, "client_cn": [SCRAPER]}
    with ExitStack() as stack:
        agents: dict[str, Running] = {
            name: stack.enter_context(agent(QUICK, root=host.root, **(tls if name == "layered" else {})))
            for name, host in machines.items()
        }
        jobs = [job(name, agents[name].port) for name in machines if name != "layered"]
        for name, pair in clients.items():
            files = dict(zip(("ca_file", "cert_file", "key_file"), map(str, (serving.certificate, *pair)), strict=True))
            jobs.append(job(name, agents["layered"].port, scheme="https", tls_config=files))
        configuration = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
        server = stack.enter_context(prometheus(scratch / "prometheus", configuration))

        def up() -> set[str]:
            return {labels["job"] for labels, value in server.query("up") if value == 1}

        wait_for(lambda: up() == set(machines) or None)
        for name, host in machines.items():
            wait_for(lambda name=name, host=host: equals(server, name, host))  # type: ignore[misc]
            found = series_of(server, name)
            assert found[f'layercensus_machine_layering{{layering="{CLASSES[name]}"}}'] == 1
            assert sum(value for series, value in found.items() if "machine_layering" in series) == 1
            if name == "broken":
                assert found["layercensus_read_success"] == 0
                assert found['layercensus_read_errors_total{reason="malformed"}'] >= 1
            else:
                assert found["layercensus_read_success"] == 1
                assert changes_in(found) == CHANGES[name]

        changing = machines["changing"]
        changing.sysroot.deploy(changing.layer("strange-tool", "usbguard"), LAYERED_ORIGIN)
        staged = 'layercensus_staged_changes{verdict="non_extension"}'
        wait_for(lambda: series_of(server, "changing").get(staged) == 1 or None)
        assert equals(server, "changing", changing)

        replace_file(trusted, old.certificate.read_text() + new.certificate.read_text())
        wait_for(lambda: up() == {*machines, "by-new"} or None)
        assert same(without_reads(series_of(server, "by-new")), as_scraped(machines["layered"].inspect()))
        replace_file(trusted, new.certificate.read_text())
        wait_for(lambda: up() == {*machines, "by-new"} - {"layered"} or None)

        agents["realtime"].process.kill()
        wait_for(lambda: up() == {*machines, "by-new"} - {"layered", "realtime"} or None)
        # A dead agent's last word goes stale: it is no fact any longer, and the rules count such a node as unknown.
        wait_for(lambda: not series_of(server, "realtime") or None)


def replace_file(path: Path, text: str) -> None:
    """As a mounted secret changes: at once."""
    beside = path.with_suffix(".beside")
    beside.write_text(text)
    beside.replace(path)
