"""Origin files: every published one as labelled, every key, and what rpm-ostree would refuse."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.classify.census import classify
from layercensus.errors import HostDocumentError
from layercensus.host.documents.document import parse_document
from layercensus.host.documents.origin import parse_origin, read_origin
from layercensus.host.reading import machine_from
from layercensus.model import Census, Change, Deployment, Form, Kind, Layering, Source, Unlocked

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
LABELS: dict[str, Any] = (
    json.loads((CORPUS / "labels.json").read_text(encoding="utf-8")) if (CORPUS / "labels.json").exists() else {}
)
DOCUMENTS = [name for name in LABELS if name.startswith("origin/")]
SHA = "4ed748ba060fce4571e7ef19f3f5ed6209f67dbac8327af0d38ea70b96d2f723"
BASE = "[origin]\nrefspec=foo:bar/x86_64/baz\n"


def deployment_of(text: str) -> Deployment:
    reading = parse_origin(text)
    assert len(reading.deployments) == 1
    return reading.deployments[0]


def census_of(text: str) -> Census:
    return classify(machine_from(parse_origin(text), name="x.origin", source=Source.ORIGIN))


def requests(deployment: Deployment, kind: Kind) -> list[str]:
    return [change.requested for change in deployment.changes if change.kind is kind]


@pytest.mark.skipif(not LABELS, reason="the corpus of published documents is not beside the checkout")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_published_origin_reads_as_labelled(name: str) -> None:
    expected = LABELS[name]["expected"]
    text = (CORPUS / name).read_text(encoding="utf-8")
    reading = parse_origin(text)
    deployment = deployment_of(text)
    census = census_of(text)
    assert census.booted.layering.value == expected["layering_class"][0]
    assert len(reading.deployments) == expected["deployments"]
    assert any("does not tell which deployment is booted" in problem for problem in reading.problems)
    assert all(change.active is None for change in deployment.changes)
    assert bool(deployment.changes) == expected["layered"]
    assert sorted(requests(deployment, Kind.INSTALL)) == sorted(expected["requested"])
    assert sorted(requests(deployment, Kind.INSTALL)) == sorted(expected["requested_active"])
    assert requests(deployment, Kind.INSTALL_LOCAL) == expected["local"]
    assert requests(deployment, Kind.INSTALL_LOCAL_FORCE) == expected["local_fileoverride"]
    assert requests(deployment, Kind.REMOVE) == expected["removals"]
    assert requests(deployment, Kind.REPLACE_LOCAL) == expected["local_replacements"]
    remote = [change for change in deployment.changes if change.kind is Kind.REPLACE_REMOTE]
    assert [f"repo={change.repository} {change.name}" for change in remote] == expected["remote_replacements"]
    assert deployment.unlocked == expected["unlocked"]
    assert deployment.image == expected["container"]
    assert deployment.origin == expected["origin_ref"]
    assert deployment.pinned == expected.get("pinned", False)
    assert deployment.initramfs == bool(expected.get("initramfs"))


def test_every_key_of_every_group() -> None:
    origin = read_origin(
        "[origin]\nbaserefspec=fedora:fedora/38/x86_64/iot\noverride-commit=" + "a" * 64 + "  # version 38.1\n"
        'unlocked=hotfix\nunconfigured-state=Use "x" to enable\nunknown-key=kept\n'
        "[packages]\nrequested=htop;java-1.8.0-openjdk.x86_64;perl(Error);/usr/bin/virsh;gstreamer1-*;\n"
        f"requested-local={SHA}:NetworkManager-ovs-1:1.44.0-3.el9.aarch64;\n"
        f"requested-local-fileoverride={SHA}:forced-1-1.noarch;\n"
        f"[overrides]\nremove=docker;\nreplace-local={SHA}:crun-1.9-1.fc38.x86_64;\n"
        "replace=repo=copr:copr.fedorainfracloud.org:a:b,podman,buildah;repo=updates,crun;\n"
        "[modules]\nenable=foo:2.0;\ninstall=baz:next/development;\n"
        "[rpmostree]\nregenerate-initramfs=true\nex-cliwrap=true\n"
        "[libostree-transient]\npinned=true\n[someone-elses]\nx=1\n"
    )  # fmt: skip
    found = [
        (change.kind, change.form, change.requested, change.name, change.repository, change.origin_key)
        for change in origin.requests
    ]
    assert found == [
        (Kind.INSTALL, Form.NAME, "htop", "htop", None, "[packages] requested"),
        (Kind.INSTALL, Form.NAME_ARCH, "java-1.8.0-openjdk.x86_64", "java-1.8.0-openjdk", None, "[packages] requested"),
        (Kind.INSTALL, Form.PROVIDE, "perl(Error)", None, None, "[packages] requested"),
        (Kind.INSTALL, Form.PATH, "/usr/bin/virsh", None, None, "[packages] requested"),
        (Kind.INSTALL, Form.GLOB, "gstreamer1-*", None, None, "[packages] requested"),
        (Kind.INSTALL_LOCAL, Form.NEVRA, "NetworkManager-ovs-1:1.44.0-3.el9.aarch64", "NetworkManager-ovs", None,
         "[packages] requested-local"),
        (Kind.INSTALL_LOCAL_FORCE, Form.NEVRA, "forced-1-1.noarch", "forced", None,
         "[packages] requested-local-fileoverride"),
        (Kind.REPLACE_LOCAL, Form.NEVRA, "crun-1.9-1.fc38.x86_64", "crun", None, "[overrides] replace-local"),
        (Kind.REMOVE, Form.NAME, "docker", "docker", None, "[overrides] remove"),
        (Kind.REPLACE_REMOTE, Form.NAME, "podman", "podman", "copr:copr.fedorainfracloud.org:a:b", "[overrides] replace"),
        (Kind.REPLACE_REMOTE, Form.NAME, "buildah", "buildah", "copr:copr.fedorainfracloud.org:a:b", "[overrides] replace"),
        (Kind.REPLACE_REMOTE, Form.NAME, "crun", "crun", "updates", "[overrides] replace"),
        (Kind.MODULE, Form.NAME, "baz:next/development", None, None, "[modules] install"),
        (Kind.MODULE, Form.NAME, "foo:2.0", None, None, "[modules] enable"),
    ]  # fmt: skip
    assert origin.override_commit == "a" * 64
    assert origin.unlocked is Unlocked.HOTFIX
    assert origin.pinned
    assert origin.initramfs
    assert origin.refused_groups == ("rpmostree", "packages", "overrides", "modules")
    assert not origin.cut


@pytest.mark.parametrize("group", ["rpmostree", "packages", "overrides", "modules"])
def test_bootc_refuses_a_group_even_if_it_is_empty(group: str) -> None:
    deployment = deployment_of(f"{BASE}[{group}]\n")
    assert deployment.bootc_incompatible is True
    assert deployment.changes == ()


def test_other_groups_do_not_disturb_bootc() -> None:
    assert deployment_of(f"{BASE}[libostree-transient]\npinned=true\n").bootc_incompatible is False


@pytest.mark.parametrize(
    "line", ["regenerate-initramfs=true", "initramfs-args=-I;/etc/x;", "initramfs-etc=/etc/cmdline.d/x;"]
)
def test_an_initramfs_made_here_is_a_flag_and_no_change(line: str) -> None:
    deployment = deployment_of(f"{BASE}[rpmostree]\n{line}\n")
    assert (deployment.initramfs, deployment.changes) == (True, ())


def test_a_pivot_origin_keeps_its_custom_url() -> None:
    url = "pivot://quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:" + "1" * 64
    deployment = deployment_of(
        f"[origin]\nrefspec={'b' * 64}\ncustom-url={url}\ncustom-description=Managed by machine-config-operator\n"
    )
    assert deployment.origin == url
    assert deployment.custom_origin == (url, "Managed by machine-config-operator")
    assert deployment.image_layered is False


def test_an_image_built_on_the_cluster_is_told_by_its_name() -> None:
    image = "ostree-unverified-registry:image-registry.svc:5000/openshift-machine-config-operator/os-image@sha256:1"
    assert deployment_of(f"[origin]\ncontainer-image-reference={image}\n").image_layered is True


def test_requests_alone_are_judged_and_count() -> None:
    text = f"{BASE}[packages]\nrequested=tailscale;\n"
    assert census_of(text).booted.layering is Layering.PACKAGES


REFUSED = {
    "no base": "[packages]\nrequested=htop;\n",
    "empty": "",
    "two bases": "[origin]\nrefspec=a\ncontainer-image-reference=ostree-unverified-registry:b\n",
    "a local package without its digest": f"{BASE}[packages]\nrequested-local=foo-1-1.noarch;\n",
    "a local package cut inside its digest": f"{BASE}[packages]\nrequested-local=4ed748ba\n",
    "a replacement from nowhere": f"{BASE}[overrides]\nreplace=podman;\n",
    "an unknown escape": f"{BASE}[packages]\nrequested=a\\qb;\n",
    "no key file": '{"deployments": []}',
    "cut inside a group's name": f"{BASE}[pack",
    "half written by a crash": BASE + "\0" * 400,
    "a key before any group": "refspec=a\n",
    "a pin that is neither": f"{BASE}[libostree-transient]\npinned=maybe\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_rpm_ostree_refuses_is_an_error_that_says_why(text: str) -> None:
    with pytest.raises(HostDocumentError) as caught:
        parse_origin(text)
    assert caught.value.what


@pytest.mark.parametrize(
    ("tail", "names"),
    [("htop;usbgua", ["htop"]), ("usbgua", []), ("htop;", ["htop"]), ("htop;strace;", ["htop", "strace"])],
)
def test_a_file_that_ends_inside_a_line_loses_its_last_item_and_says_so(tail: str, names: list[str]) -> None:
    text = f"{BASE}[packages]\nrequested={tail}"
    deployment = deployment_of(text)
    assert deployment.cut
    assert [change.requested for change in deployment.changes] == names
    expected = Layering.PACKAGES if names else Layering.UNKNOWN
    assert census_of(text).booted.layering is expected
    assert any("without a line end" in problem for problem in parse_origin(text).problems)


FILE = f"{BASE}# by hand\n[packages]\nrequested=htop;\n"
SHELLS = {
    "fence": f"```ini\n{FILE}```\n",
    "prompts": f"[root@node ~]# cat /ostree/deploy/x/deploy/{SHA}.0.origin\n{FILE}[root@node ~]# exit\n",
    "a wrapped command": f"root@node [ ~ ]# cat /ostree/deploy/x/deploy/{SHA[:40]}\n{SHA[40:]}.0.origin\n{FILE}",
    "debug pod": f"sh-5.1# cat /ostree/x.origin\n{FILE}sh-5.1# \n",
    "no host": f"$ sudo cat x.origin\n{FILE}$ \n",
    "root": f"# cat x.origin\n{FILE}",
}


@pytest.mark.parametrize("text", SHELLS.values(), ids=SHELLS)
def test_what_a_shell_puts_around_a_file_is_no_part_of_it(text: str) -> None:
    (machine,) = parse_document(text, "paste")
    assert machine.booted is not None
    assert requests(machine.booted, Kind.INSTALL) == ["htop"]


def test_two_files_in_one_paste_are_two() -> None:
    text = f"$ cat a.origin\n{BASE}$ cat b.origin\n{FILE}"
    machines = list(parse_document(text, "paste"))
    assert [classify(machine).booted.layering for machine in machines] == [Layering.CLEAN, Layering.PACKAGES]


@pytest.mark.parametrize("text", [f"x=y\n{BASE}", f"nonsense\n{FILE}", f"```\nx=y\n{BASE}```\n"])
def test_what_is_no_shell_s_is_still_refused(text: str) -> None:
    (machine,) = parse_document(text, "paste")
    assert machine.booted is None


def test_the_same_request_twice_is_one_change() -> None:
    assert requests(deployment_of(f"{BASE}[packages]\nrequested=htop;;htop;\n"), Kind.INSTALL) == ["htop"]


def test_a_change_says_where_it_was_read() -> None:
    change: Change = deployment_of(f"{BASE}[packages]\nrequested=htop;\n").changes[0]
    assert change.origin_key == "[packages] requested"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(HostDocumentError):
        parse_origin(text)


@given(
    st.lists(
        st.sampled_from(
            [
                *BASE,
                "[packages]\n",
                "requested=a;b",
                ";",
                "\\",
                "\n",
                "[overrides]\n",
                "replace=repo=a,b",
                SHA,
                ":",
                "=",
            ]
        )
    )
)
def test_any_shuffling_of_an_origin_is_read_or_refused(parts: list[str]) -> None:
    with contextlib.suppress(HostDocumentError):
        parse_origin(BASE + "".join(parts))


def test_the_digest_of_a_local_packages_header_is_kept_beside_the_request() -> None:
    deployment = deployment_of(f"{BASE}[packages]\nrequested-local={SHA}:foo-1.2-3.x86_64;\n")
    assert [(change.requested, change.header_sha256) for change in deployment.changes] == [("foo-1.2-3.x86_64", SHA)]
