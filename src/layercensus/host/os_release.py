"""os-release(5): shell-like assignments to values, and which operating system they are of. Pure.

Sample of RHCOS::

ID="rhcos"
VERSION="414.92.202405282322-0"
OPENSHIFT_VERSION="4.14"
OSTREE_VERSION='414.92.202405282322-0'
"""

import re
from collections.abc import Mapping
from dataclasses import replace

from layercensus.errors import HostDocumentError
from layercensus.host.os_identity import identify
from layercensus.model import Deployment, OperatingSystem

# A key, then a value in double quotes, in single quotes, or bare without blanks.
_LINE = re.compile(r"""([A-Za-z_][A-Za-z0-9_]*)=(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|((?:[^\s"'\\]|\\.)*))""")
_ESCAPE = re.compile(r"""\\(["'\\$`])""")
_OPENSHIFT_IDS = frozenset({"rhcos", "scos"})
# From 4.19 on the node image is of RHEL or CentOS Stream by its ID, and only these two say what it is.
_LAYERED_IDS = frozenset({"rhel", "centos"})
MAX_CHARACTERS = 256 * 1024


def parse_os_release(text: str) -> Mapping[str, str]:
    """Values by key. Lines that are no assignment are passed over, as the specification asks.

    Raises `HostDocumentError` where nothing is assigned: such a file tells nothing.
    """
    if len(text) > MAX_CHARACTERS:
        raise HostDocumentError("is longer than any os-release")
    values: dict[str, str] = {}
    for line in text.splitlines():
        if match := _LINE.fullmatch(line.strip()):
            double, single, bare = match.group(2, 3, 4)
            values[match[1]] = single if single is not None else _ESCAPE.sub(r"\1", double or bare or "")
    if not values:
        raise HostDocumentError("assigns nothing, so it is no os-release")
    return values


def operating_system(values: Mapping[str, str], deployment: Deployment, arch: str | None) -> OperatingSystem:
    """The OS of a deployment whose os-release was read; its origin decides where Fedora CoreOS may be OKD's.

    The version is the commit's, which counts builds, and else os-release's own.
    """
    guess = identify(deployment)
    return OperatingSystem(
        id=values.get("ID") or guess.id,
        variant=values.get("VARIANT_ID") or guess.variant,
        version=deployment.version or values.get("OSTREE_VERSION") or values.get("VERSION_ID"),
        arch=arch or guess.arch,
        openshift_version=values.get("OPENSHIFT_VERSION") or None,
        openshift=_is_openshift(values, deployment, guess),
    )


def _is_openshift(values: Mapping[str, str], deployment: Deployment, guess: OperatingSystem) -> bool | None:
    """Whether it is of OpenShift or OKD. A RHEL or CentOS CoreOS without the release may be an image just installed."""
    is_coreos = values.get("VARIANT_ID") == "coreos"
    if values.get("ID") in _OPENSHIFT_IDS:
        return True
    if values.get("ID") in _LAYERED_IDS and is_coreos:
        return True if values.get("OPENSHIFT_VERSION") else guess.openshift
    if values.get("ID") == "fedora" and is_coreos:
        # Only its origin and version tell: the stateroot has the name that the machine was installed with.
        return identify(replace(deployment, osname=None)).openshift is True
    return guess.openshift if "ID" not in values else False
