"""What one rendering of the agent's kit is for: platform, release, consent, image. Pure.

The differences between platforms are data: `data/kit/platforms.json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from layercensus.cluster.contract import read_contract
from layercensus.cluster.yaml_text import Value
from layercensus.data import read_json

NAME = "layercensus"
# The agent's port in the pod, which no host port answers for.
PORT = 9464
SERVING_SECRET = "layercensus-serving"  # noqa: S105 - a name, no secret
SCRAPER_SECRET = "layercensus-scraper"  # noqa: S105 - same
# Nodes with this label, whatever its value, get no agent (decision 0020).
EXCLUDE_LABEL = "layercensus.io/exclude"
SELECTOR: Mapping[str, str] = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "agent"}


class Platform(StrEnum):
    """Where the kit is applied."""

    OPENSHIFT = "openshift"
    KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class Kit:
    """One rendering. `release` is OpenShift's, None on Kubernetes; the rest is what the platform's data says."""

    platform: Platform
    release: str | None
    telemetry: bool
    image: str
    title: str
    stateroot: str
    client_name: str
    asks_api: bool
    monitoring_namespace: str

    @property
    def namespace(self) -> str:
        """Where everything of ours lives that lives in a namespace."""
        return read_contract().namespace

    @property
    def server_name(self) -> str:
        """What the serving certificate is for."""
        return f"{NAME}.{self.namespace}.svc"


def make_kit(platform: Platform, release: str | None, image: str | None, *, telemetry: bool) -> Kit:
    """A kit of a platform; without an image, the one that the README tells to build."""
    facts = read_json("kit/platforms.json")[platform]
    chosen = {"image": image} if image else {}
    return Kit(platform=platform, release=release, telemetry=telemetry, **{**facts, **chosen})


def default_image(platform: Platform) -> str:
    """The image that a README tells to build, where none was named."""
    image: str = read_json("kit/platforms.json")[platform]["image"]
    return image


def metadata(kit: Kit, name: str = NAME, **more: Value) -> dict[str, Value]:
    """Metadata of an object of ours in our namespace; `more` replaces what is there."""
    return {"name": name, "namespace": kit.namespace, "labels": {"app.kubernetes.io/name": NAME}, **more}


def cluster_metadata(name: str = NAME, **more: Value) -> dict[str, Value]:
    """Metadata of an object of ours that lives in no namespace."""
    return {"name": name, "labels": {"app.kubernetes.io/name": NAME}, **more}
