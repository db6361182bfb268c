"""The image configuration that a container deployment carries: a JSON document inside a string, 10 KB and more. Pure.

Only its architecture is of use here: `{"architecture": "amd64", "os": "linux", …}` under
`base-commit-meta."ostree.container.image-config"`.
"""

import re
from collections.abc import Mapping

# Go's names for what RPM calls otherwise (OCI image specification, "architecture").
_CHANGED_ARCHES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}
_ARCHITECTURE = re.compile(r'"architecture"\s*:\s*"([a-z0-9]+)"')


def rpm_arch(go_arch: str) -> str:
    """RPM's name of an architecture as Go, images and Kubernetes call it."""
    return _CHANGED_ARCHES.get(go_arch, go_arch)


def image_arch(deployment: object) -> str | None:
    """RPM's name of the architecture in a deployment's image configuration; None where there is none."""
    if not isinstance(deployment, Mapping):
        return None
    metadata = deployment.get("base-commit-meta")
    config = metadata.get("ostree.container.image-config") if isinstance(metadata, Mapping) else None
    match = _ARCHITECTURE.search(config) if isinstance(config, str) else None
    return rpm_arch(match[1]) if match else None
