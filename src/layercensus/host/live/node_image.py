"""The node image's list of its own packages, and what it says of the image that runs. Pure.

`/usr/share/openshift/base/meta.json` is written as the last step of building OpenShift's node image (openshift/os
`scripts/generate-metadata`) and goes along, unchanged, into an image that somebody builds on top. So a base image with
other packages is a custom one. Sample::

    {"rpmdb.pkglist": [["acl", "0", "2.3.1", "3.el9", "x86_64"], …]}
"""

import json
from collections.abc import Mapping

from layercensus.errors import HostDocumentError
from layercensus.host.live.ostree_commit import package_set
from layercensus.host.nevra import Nevra


def parse_node_image(text: str) -> frozenset[Nevra]:
    """Packages of the node image. Raises `HostDocumentError` where the text is no such list."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HostDocumentError("is no JSON, so no list of the node image") from error
    rows = document.get("rpmdb.pkglist") if isinstance(document, Mapping) else None
    if not isinstance(rows, list) or not rows:
        raise HostDocumentError("has no rpmdb.pkglist")
    return package_set(rows)


def is_image_changed(
    base: frozenset[Nevra] | None, node_image: frozenset[Nevra] | None, *, by_name: bool | None
) -> bool | None:
    """Whether the image below any client layer is a custom one.

    `by_name`: what its reference says. Other packages than the node image's prove it; the same packages do not
    disprove it, as an image may change files only.
    """
    if base is not None and node_image is not None and base != node_image:
        return True
    return by_name
