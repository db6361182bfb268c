"""RPM names as people and rpm-ostree write them; the expected parts are rpm's own rules (name, version, release from the right)."""

import pytest

from layercensus.errors import NevraError
from layercensus.host.nevra import Nevra, parse_nevra, parse_request, split_arch, strip_sha256
from layercensus.model import Form

NEVRAS = [
    ("foo-1.2-3.x86_64", Nevra("foo", "1.2", "3", 0, "x86_64")),
    ("foo-1.2-3", Nevra("foo", "1.2", "3")),
    ("NetworkManager-ovs-1:1.44.0-3.el9.aarch64", Nevra("NetworkManager-ovs", "1.44.0", "3.el9", 1, "aarch64")),
    ("1:NetworkManager-ovs-1.44.0-3.el9.aarch64", Nevra("NetworkManager-ovs", "1.44.0", "3.el9", 1, "aarch64")),
    ("foo-0:1.2-3.noarch", Nevra("foo", "1.2", "3", 0, "noarch")),
    ("vim-minimal-2:8.2.2637-21.el9.x86_64", Nevra("vim-minimal", "8.2.2637", "21.el9", 2, "x86_64")),
    ("libreswan-4.6-3.el9_0.3", Nevra("libreswan", "4.6", "3.el9_0.3")),
    (
        "kernel-rt-core-5.14.0-284.66.1.rt14.351.el9_2.x86_64",
        Nevra("kernel-rt-core", "5.14.0", "284.66.1.rt14.351.el9_2", 0, "x86_64"),
    ),
    ("golang-1.22~rc1-1.fc40.x86_64", Nevra("golang", "1.22~rc1", "1.fc40", 0, "x86_64")),
    ("ostree-2024.5^20240601git-1.fc41.s390x", Nevra("ostree", "2024.5^20240601git", "1.fc41", 0, "s390x")),
    ("libstdc++-11.4.1-2.el9.i686", Nevra("libstdc++", "11.4.1", "2.el9", 0, "i686")),
    ("gcc-c++-13.2.1-1.x86_64", Nevra("gcc-c++", "13.2.1", "1", 0, "x86_64")),
    ("compat-libstdc++-33-3.2.3-72.el7.x86_64", Nevra("compat-libstdc++-33", "3.2.3", "72.el7", 0, "x86_64")),
    ("java-1.8.0-openjdk-1:1.8.0.412-1.el9.x86_64", Nevra("java-1.8.0-openjdk", "1.8.0.412", "1.el9", 1, "x86_64")),
    ("openvswitch3.5-3.5.0-32.el9fdp.x86_64", Nevra("openvswitch3.5", "3.5.0", "32.el9fdp", 0, "x86_64")),
    (
        "cri-o-1.27.1-11.1.rhaos4.14.git9b9c375.el9.aarch64",
        Nevra("cri-o", "1.27.1", "11.1.rhaos4.14.git9b9c375.el9", 0, "aarch64"),
    ),
    ("epel-release-9-8.el9.noarch", Nevra("epel-release", "9", "8.el9", 0, "noarch")),
    ("perl-4:5.32.1-481.el9.ppc64le", Nevra("perl", "5.32.1", "481.el9", 4, "ppc64le")),
    ("a" * 64 + ":foo-1.2-3.x86_64", Nevra("foo", "1.2", "3", 0, "x86_64")),
    ("0123456789abcdef" * 4 + ":podman-5:4.5.1-1.fc38.x86_64", Nevra("podman", "4.5.1", "1.fc38", 5, "x86_64")),
    ("0ad-0.0.26-1.fc38.x86_64", Nevra("0ad", "0.0.26", "1.fc38", 0, "x86_64")),
    ("python3.11-3.11.9-1.el9.x86_64", Nevra("python3.11", "3.11.9", "1.el9", 0, "x86_64")),
    ("foo-1-2.src", Nevra("foo", "1", "2", 0, "src")),
]


@pytest.mark.parametrize(("text", "expected"), NEVRAS)
def test_nevra(text: str, expected: Nevra) -> None:
    assert parse_nevra(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "foo",
        "foo-1",
        "-1-2",
        "foo--2",
        "foo-1-",
        "foo-1-2-",
        "foo bar-1-2",
        "foo-1 2-3",
        "foo-1-2\n",
        "foo-x:1-2",
        "(foo)-1-2",
    ],
)
def test_what_is_no_nevra_is_refused(text: str) -> None:
    with pytest.raises(NevraError):
        parse_nevra(text)


REQUESTS: list[tuple[str, Form, str | None]] = [
    ("htop", Form.NAME, "htop"),
    ("gcc-c++", Form.NAME, "gcc-c++"),
    ("java-1.8.0-openjdk", Form.NAME, "java-1.8.0-openjdk"),
    ("compat-libstdc++-33", Form.NAME, "compat-libstdc++-33"),
    ("python3.11", Form.NAME, "python3.11"),
    ("openvswitch3.5-ipsec", Form.NAME, "openvswitch3.5-ipsec"),
    ("kpatch-patch-5_14_0-284_30_1", Form.NAME, "kpatch-patch-5_14_0-284_30_1"),
    ("kernel-rt-core", Form.NAME, "kernel-rt-core"),
    ("foo.el9", Form.NAME, "foo.el9"),
    ("java-1.8.0-openjdk.x86_64", Form.NAME_ARCH, "java-1.8.0-openjdk"),
    ("compat-libstdc++-33.i686", Form.NAME_ARCH, "compat-libstdc++-33"),
    ("kernel-devel.noarch", Form.NAME_ARCH, "kernel-devel"),
    ("libreswan-4.6-3.el9_0.3", Form.NEVRA, "libreswan"),
    ("libreswan-4.6-3.el9_0.3.x86_64", Form.NEVRA, "libreswan"),
    ("podman-5:4.5.1-1.fc38.x86_64", Form.NEVRA, "podman"),
    ("5:podman-4.5.1-1.fc38.x86_64", Form.NEVRA, "podman"),
    ("golang-1.22~rc1-1.fc40", Form.NEVRA, "golang"),
    ("ostree-2024.5^20240601git-1.fc41", Form.NEVRA, "ostree"),
    ("libc.so.6()(64bit)", Form.PROVIDE, None),
    ("perl(Error)", Form.PROVIDE, None),
    ("pkgconfig(glib-2.0)", Form.PROVIDE, None),
    ("font(:lang=de)", Form.PROVIDE, None),
    ("bundled(golang) = 1.22", Form.PROVIDE, None),
    ("/usr/bin/virsh", Form.PATH, None),
    ("/etc/resolv.conf", Form.PATH, None),
    ("gstreamer1-*", Form.GLOB, None),
    ("kernel-rt-?vm", Form.GLOB, None),
    ("lib[ab]", Form.GLOB, None),
]


@pytest.mark.parametrize(("text", "form", "name"), REQUESTS)
def test_request(text: str, form: Form, name: str | None) -> None:
    assert parse_request(text)[:2] == (form, name)


def test_the_sha256_of_an_origin_file_is_split_off_at_the_first_colon_only() -> None:
    assert strip_sha256("b" * 64 + ":podman-5:4.5.1-1.x86_64") == "podman-5:4.5.1-1.x86_64"
    assert strip_sha256("podman-5:4.5.1-1.x86_64") == "podman-5:4.5.1-1.x86_64"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo.x86_64", ("foo", "x86_64")),
        ("foo.noarch", ("foo", "noarch")),
        ("foo.el9", ("foo.el9", None)),
        ("foo", ("foo", None)),
        (".x86_64", (".x86_64", None)),
        ("python3.11", ("python3.11", None)),
    ],
)
def test_only_a_known_architecture_is_one(text: str, expected: tuple[str, str | None]) -> None:
    assert split_arch(text) == expected


@pytest.mark.parametrize(
    ("nevra", "text"),
    [
        (Nevra("foo", "1", "2", 0, "x86_64"), "foo-1-2.x86_64"),
        (Nevra("foo", "1", "2", 5, "x86_64"), "foo-5:1-2.x86_64"),
        (Nevra("foo", "1", "2"), "foo-1-2"),
    ],
)
def test_a_nevra_is_written_with_its_epoch_only_where_it_is_not_0(nevra: Nevra, text: str) -> None:
    assert str(nevra) == text
