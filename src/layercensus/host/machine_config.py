"""The rendered MachineConfig as the machine config daemon leaves it on a node. Pure.

`/etc/machine-config-daemon/currentconfig`, on hosted clusters `/etc/mcd-currentconfig.json` (MCO
`pkg/daemon/daemon.go`, currentConfigPath; there the first of the two exists and is empty). Only names, the kernel type
and the image are taken; the Ignition part may hold secrets and is left where it is. Sample::

    {"kind": "MachineConfig", "metadata": {"name": "rendered-worker-0f…"},
     "spec": {"osImageURL": "quay.io/…", "kernelType": "default", "extensions": ["usbguard"], "config": {…}}}
"""

import json
from collections.abc import Mapping

from layercensus.errors import HostDocumentError
from layercensus.model import KernelType, RenderedConfig

# A rendered config is at most what etcd takes, 1.5 MiB, and the files in it are encoded already.
MAX_CHARACTERS = 16 * 1024 * 1024


def parse_machine_config(text: str) -> RenderedConfig:
    """Extensions, kernel type, name and image. Raises `HostDocumentError` where the text is no MachineConfig."""
    if len(text) > MAX_CHARACTERS:
        raise HostDocumentError("is larger than any MachineConfig")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HostDocumentError("is no JSON, so no MachineConfig") from error
    if not isinstance(document, Mapping) or document.get("kind", "MachineConfig") != "MachineConfig":
        raise HostDocumentError("is JSON, but no MachineConfig")
    spec = document.get("spec")
    if not isinstance(spec, Mapping):
        raise HostDocumentError("is a MachineConfig without spec")
    metadata = document.get("metadata")
    return RenderedConfig(
        extensions=_extensions(spec.get("extensions")),
        kernel_type=_kernel_type(spec.get("kernelType")),
        name=_text(metadata, "name") if isinstance(metadata, Mapping) else None,
        os_image=_text(spec, "osImageURL"),
    )


def _extensions(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise HostDocumentError("has spec.extensions that is no list of names")
    return tuple(dict.fromkeys(value))


def _kernel_type(value: object) -> KernelType:
    """A kernel type that is not written is the default one."""
    if value is None or value == "":
        return KernelType.DEFAULT
    try:
        return KernelType(str(value))
    except ValueError as error:
        raise HostDocumentError(f"has spec.kernelType {value!r}, which is none that MCO knows") from error


def _text(values: Mapping[str, object], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) and value else None
