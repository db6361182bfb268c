"""The object that has a cluster build and roll out an image: MachineOSConfig in a release's API version. Pure.

Fields after the CRDs of openshift/machine-config-operator: `v1alpha1` (4.16, 4.17) has them below `buildInputs`, `v1`
(from 4.18 on) below `spec`. Secrets and the place to push to are the administrator's; by default they have the names
that the plan's own steps give them.
"""

from collections.abc import Mapping

from layercensus.migrate.facts import content_limit
from layercensus.migrate.plan import Wishes
from layercensus.migrate.yaml_lines import Value, format_yaml

NAMESPACE = "openshift-machine-config-operator"
PULL_SECRET = "layercensus-base-pull"  # noqa: S105 - the name of an object
PUSH_SECRET = "layercensus-image-push"  # noqa: S105 - the same
PUSH_TO = f"image-registry.openshift-image-registry.svc:5000/{NAMESPACE}/os-image:latest"
_GROUP = "machineconfiguration.openshift.io"


def render_machine_os_config(api: str, pool: str, content: str | None, wishes: Wishes) -> str:
    """Text of the MachineOSConfig of a pool; its name is the pool's, as the API demands from 4.21 on.

    No content: the build puts nothing but what MachineConfigs ask for into the image, extensions and kernel type.
    """
    spec = _spec_v1(pool, content, wishes) if api == "v1" else _spec_v1alpha1(pool, content, wishes)
    return format_yaml(
        {"apiVersion": f"{_GROUP}/{api}", "kind": "MachineOSConfig", "metadata": {"name": pool}, "spec": spec}
    )


def is_too_long(api: str, content: str) -> bool:
    """Whether a Containerfile is longer than a MachineOSConfig of this API version may hold."""
    limit = content_limit(api)
    return limit is not None and len(content) > limit


def _spec_v1(pool: str, content: str | None, wishes: Wishes) -> Mapping[str, Value]:
    return {
        "machineConfigPool": {"name": pool},
        **_content("NoArch", content),
        "imageBuilder": {"imageBuilderType": "Job"},
        "baseImagePullSecret": {"name": PULL_SECRET},
        "renderedImagePushSecret": {"name": wishes.push_secret or PUSH_SECRET},
        "renderedImagePushSpec": wishes.push_to or PUSH_TO,
    }


def _content(arch: str, content: str | None) -> Mapping[str, Value]:
    return {} if content is None else {"containerFile": [{"containerfileArch": arch, "content": content}]}


def _spec_v1alpha1(pool: str, content: str | None, wishes: Wishes) -> Mapping[str, Value]:
    return {
        "machineConfigPool": {"name": pool},
        "buildInputs": {
            **_content("noarch", content),
            "imageBuilder": {"imageBuilderType": "PodImageBuilder"},
            "baseImagePullSecret": {"name": PULL_SECRET},
            "renderedImagePushSecret": {"name": wishes.push_secret or PUSH_SECRET},
            "renderedImagePushspec": wishes.push_to or PUSH_TO,
        },
        "buildOutputs": {"currentImagePullSecret": {"name": wishes.push_secret or PUSH_SECRET}},
    }
