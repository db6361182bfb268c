"""The rendered MachineConfig: what is taken from it, and what is no such document."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.errors import HostDocumentError
from layercensus.host.machine_config import parse_machine_config
from layercensus.model import KernelType, RenderedConfig

# As MCO writes it (`json.Marshal` of a MachineConfig), the Ignition part shortened.
WORKER = """{"kind":"MachineConfig","apiVersion":"machineconfiguration.openshift.io/v1","metadata":{"name":
"rendered-worker-0f9e6b8c","creationTimestamp":null,"annotations":{"machineconfiguration.openshift.io/release-image-version":
"4.14.27"}},"spec":{"osImageURL":"quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:5555","baseOSExtensionsContainerImage":
"","config":{"ignition":{"version":"3.4.0"},"passwd":{"users":[{"name":"core","passwordHash":"secret"}]}},"kernelArguments":
["systemd.unified_cgroup_hierarchy=1"],"extensions":["usbguard","kerberos"],"fips":false,"kernelType":"realtime"}}"""


def test_names_kernel_and_image_are_taken_and_no_secret() -> None:
    config = parse_machine_config(WORKER)
    assert config == RenderedConfig(
        extensions=("usbguard", "kerberos"),
        kernel_type=KernelType.REALTIME,
        name="rendered-worker-0f9e6b8c",
        os_image="quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:5555",
    )
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    ("spec", "extensions", "kernel"),
    [
        ({}, (), KernelType.DEFAULT),
        ({"extensions": None, "kernelType": ""}, (), KernelType.DEFAULT),
        ({"extensions": [], "kernelType": "default"}, (), KernelType.DEFAULT),
        ({"extensions": ["ipsec", "ipsec"], "kernelType": "64k-pages"}, ("ipsec",), KernelType.PAGES_64K),
    ],
)
def test_what_is_not_asked_for_is_the_default(
    spec: dict[str, object], extensions: tuple[str, ...], kernel: KernelType
) -> None:
    config = parse_machine_config(json.dumps({"spec": spec}))
    assert (config.extensions, config.kernel_type, config.name, config.os_image) == (extensions, kernel, None, None)


REFUSED = {
    "empty": "",
    "cut": WORKER[:200],
    "a list": "[]",
    "another kind": '{"kind": "Ignition", "spec": {}}',
    "no spec": '{"kind": "MachineConfig", "metadata": {"name": "x"}}',
    "extensions that are no list": '{"spec": {"extensions": "usbguard"}}',
    "extensions that are no names": '{"spec": {"extensions": [1]}}',
    "a kernel type that MCO does not know": '{"spec": {"kernelType": "hyper"}}',
    "a kernel type that is no text": '{"spec": {"kernelType": ["realtime"]}}',
    "nested without end": "[" * 100_000,
    "a number of a million digits": f'{{"spec": {"9" * 1_000_000}}}',
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_is_no_machine_config_is_an_error(text: str) -> None:
    with pytest.raises(HostDocumentError):
        parse_machine_config(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["kind", "spec", "metadata", "name", "extensions", "kernelType"]), inner, max_size=4),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_json_is_read_or_refused(document: object) -> None:
    with contextlib.suppress(HostDocumentError):
        parse_machine_config(json.dumps(document))
