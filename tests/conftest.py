"""Status documents composed by hand: a deployment with every key that rpm-ostree v2022.11 and later writes.

The keys and their forms are those of rpm-ostree's `rust/src/daemon.rs` and `rpmostreed-deployment-utils.cxx`; nothing
here comes from our own reader.
"""

import json
import signal
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from layercensus.classify.census import classify
from layercensus.host.documents.document import parse_document
from layercensus.model import Census, Machine

PAYLOAD = "ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "5" * 64
GO_ARCHES = {"x86_64": "amd64", "aarch64": "arm64", "s390x": "s390x", "ppc64le": "ppc64le"}


# A slow machine is no failure: no deadline for one example, and none for making them.
settings.register_profile("layercensus", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("layercensus")

# A shell starts what runs in its background with SIGINT ignored, and every program below it would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def package_tuple(nevra: str) -> list[Any]:
    """`name-[epoch:]version-release.arch` as status writes it: nevra, name, epoch, version, release, arch."""
    rest, arch = nevra.rsplit(".", 1)
    name, version, release = rest.rsplit("-", 2)
    epoch, colon, version_only = version.partition(":")
    return [nevra, name, int(epoch) if colon else 0, version_only if colon else version, release, arch]


def build_deployment(
    *,
    version: str | None = "414.92.202405282322-0",
    arch: str | None = "x86_64",
    booted: bool = True,
    repo: Sequence[str] = (),
    inactive: Sequence[str] = (),
    local: Sequence[str] = (),
    forced: Sequence[str] = (),
    removed: Sequence[str] = (),
    inactive_removals: Sequence[str] = (),
    replaced: Sequence[tuple[str, str]] = (),
    inactive_replacements: Sequence[str] = (),
    remote: Sequence[tuple[str, str, str]] = (),
    inactive_remote: Sequence[tuple[str, str]] = (),
    **keys: object,
) -> dict[str, Any]:
    """One element of `deployments`. `repo`, `removed`, `replaced` (new, old), `remote` (repo, new, old) are in effect.

    Other keys are added as they are, `_` standing for `-`; None takes a key away.
    """
    removed_tuples = [package_tuple(f"{name}-1.0-1.el9.x86_64") for name in removed]
    facts: dict[str, list[Any]] = {}
    asked: dict[str, list[str]] = {}
    for source, new, old in remote:
        facts.setdefault(f"repo={source}", []).append([package_tuple(new), package_tuple(old)])
        asked.setdefault(f"repo={source}", []).append(str(package_tuple(new)[1]))
    for source, name in inactive_remote:
        asked.setdefault(f"repo={source}", []).append(name)
    entry: dict[str, Any] = {
        "id": f"rhcos-{'c' * 64}.0",
        "osname": "rhcos",
        "checksum": "c" * 64,
        "serial": 0,
        "timestamp": 1716938572,
        "booted": booted,
        "staged": False,
        "pinned": False,
        "unlocked": "none",
        "container-image-reference": PAYLOAD,
        "container-image-reference-digest": "sha256:" + "5" * 64,
        "packages": list(repo),
        "base-removals": removed_tuples,
        "base-local-replacements": [[package_tuple(new), package_tuple(old)] for new, old in replaced],
        "base-remote-replacements": facts,
        "requested-packages": sorted([*repo, *inactive]),
        "requested-local-packages": list(local),
        "requested-local-fileoverride-packages": list(forced),
        "requested-base-removals": [*removed, *inactive_removals],
        "requested-base-local-replacements": [*(new for new, _ in replaced), *inactive_replacements],
        "regenerate-initramfs": False,
        "base-commit-meta": {"ostree.importer.version": "0.14.5"},
    }
    if asked:
        entry["requested-base-remote-replacements"] = [[source, names] for source, names in asked.items()]
    if version is not None:
        entry["version"] = version
    if arch is not None:
        config = json.dumps({"architecture": GO_ARCHES[arch], "os": "linux"})
        entry["base-commit-meta"]["ostree.container.image-config"] = config
    entry |= {key.replace("_", "-"): value for key, value in keys.items()}
    return {key: value for key, value in entry.items() if value is not None}


def build_status(*deployments: dict[str, Any], indent: int | None = 2, **top: object) -> str:
    """The whole document, as `rpm-ostree status --json` prints it."""
    document = {"deployments": list(deployments), "transaction": None, "cached-update": None, "update-driver": None}
    return json.dumps(document | {key.replace("_", "-"): value for key, value in top.items()}, indent=indent) + "\n"


def read_one(text: str, name: str = "status") -> Machine:
    """The one machine of a text that shows one."""
    machines = list(parse_document(text, name))
    assert len(machines) == 1
    return machines[0]


def judge_text(text: str, *, release: str | None = None) -> Census:
    """The census of a text that shows one machine."""
    return classify(read_one(text), release=release)


@pytest.fixture(scope="session")
def deployment() -> Callable[..., dict[str, Any]]:
    return build_deployment


@pytest.fixture(scope="session")
def status() -> Callable[..., str]:
    return build_status


@pytest.fixture(scope="session")
def machine_of() -> Callable[..., Machine]:
    return read_one


@pytest.fixture(scope="session")
def census_of() -> Callable[..., Census]:
    return judge_text


@pytest.fixture(scope="session")
def judge() -> Callable[..., Census]:
    """One booted deployment with these changes, judged: `judge(repo=["htop"], release="4.14")`."""

    def judge_deployment(*, release: str | None = None, **keys: Any) -> Census:
        return judge_text(build_status(build_deployment(**keys)), release=release)

    return judge_deployment
