"""What a build starts from: the image that the documents name, or why there is none. Never an invented one. Pure.

    ostree-unverified-registry:quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:5786…
    ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable
    pivot://quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:4543…  up to 4.11 no base

Forms are those of `docs/formats.md` (rpm-ostree `docs/container.md`, URL format for ostree native containers).
"""

import re
from collections.abc import Sequence

from layercensus.migrate.facts import has_layering, image_name, layering_since
from layercensus.migrate.plan import BaseImage, MachinePlan
from layercensus.migrate.words import is_image
from layercensus.model import Deployment

_REGISTRY = re.compile(
    r"^(?:ostree-(?:unverified-registry:|remote-registry:[^:]+:)"
    r"|ostree-(?:unverified-image|image-signed|remote-image:[^:]+):(?:docker://|registry:)"
    r"|docker://)(?P<image>.+)\Z"
)
_OTHER_TRANSPORT = re.compile(r"^ostree-[a-z-]+:")
_PIVOT = "pivot://"
_NO_DEPLOYMENT = "no document shows a booted deployment"
_LOCAL = "the document names an image that is in the machine's own storage only, and no registry"
_REFSPEC = "the document names a ref or commit of ostree and no image that a build could start from"
_NOTHING = "the document names no image that a build could start from"
_ODD = "the document names an image in a form that no registry has"


def base_of(machines: Sequence[MachinePlan], release: str | None) -> BaseImage:
    """The image that a build for these machines starts from. `release`: of OpenShift; None outside it."""
    booted = [machine.census.machine.booted for machine in machines if machine.census.machine.booted is not None]
    if not booted:
        return BaseImage(None, _NO_DEPLOYMENT)
    os = machines[0].census.machine.os
    name = image_name(release, os) if release else None
    is_custom = any(deployment.image_layered for deployment in booted)
    if release and not has_layering(release):
        return BaseImage(None, f"OS images of {release} cannot be built upon: that begins with {layering_since()}")
    found = [_read(deployment) for deployment in booted]
    images = tuple(dict.fromkeys(image for image, _ in found if image))
    reasons = tuple(dict.fromkeys(why for _, why in found if why))
    if len(images) == 1 and not reasons:
        return BaseImage(images[0], None, (), name, is_custom)
    if images:
        why = f"these machines run {len(images)} images" if len(images) > 1 else reasons[0]
        return BaseImage(None, f"{why}: which of them the pool is to run, the documents do not say", images, name)
    return BaseImage(None, reasons[0], (), name)


def _read(deployment: Deployment) -> tuple[str | None, str | None]:
    """Image of one deployment, or why it names none."""
    if deployment.image is None:
        custom = deployment.custom_origin[0] if deployment.custom_origin else deployment.origin or ""
        if custom.startswith(_PIVOT):
            return _checked(custom.removeprefix(_PIVOT))
        return None, _REFSPEC if deployment.origin or deployment.custom_origin else _NOTHING
    match = _REGISTRY.match(deployment.image)
    if match:
        return _checked(match["image"])
    if _OTHER_TRANSPORT.match(deployment.image):
        return None, _LOCAL
    return _checked(deployment.image)


def _checked(image: str) -> tuple[str | None, str | None]:
    if image.startswith("localhost/"):
        return None, _LOCAL
    return (image, None) if is_image(image) else (None, _ODD)
