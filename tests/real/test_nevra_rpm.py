"""Our NEVRA parser against two others: libdnf's (`python3-hawkey`) and rpm's own way of writing one (`python3-rpm`).

Both have bindings for the system's Python only, so they run there, in a subprocess.
"""

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from layercensus.errors import NevraError
from layercensus.host.nevra import Nevra, parse_nevra

pytestmark = pytest.mark.real

SYSTEM_PYTHON = Path("/usr/bin/python3")
SPLIT = """
import hawkey, json, sys
def split(text):
    try:
        n = hawkey.split_nevra(text)
    except hawkey.ValueException:
        return None
    return [n.name, n.epoch, n.version, n.release, n.arch]
print(json.dumps([split(text) for text in json.load(sys.stdin)]))
"""
WRITE = """
import json, rpm, sys
def write(name, epoch, version, release, arch):
    header = rpm.hdr()
    header[rpm.RPMTAG_NAME] = name
    header[rpm.RPMTAG_VERSION] = version
    header[rpm.RPMTAG_RELEASE] = release
    header[rpm.RPMTAG_ARCH] = arch
    header[rpm.RPMTAG_SOURCERPM] = "x.src.rpm"
    if epoch:
        header[rpm.RPMTAG_EPOCH] = epoch
    text = header.sprintf("%{nevra}")
    return text if isinstance(text, str) else text.decode()
print(json.dumps([write(*parts) for parts in json.load(sys.stdin)]))
"""
NAMES = (
    "htop gcc-c++ libstdc++ java-1.8.0-openjdk compat-libstdc++-33 NetworkManager-ovs openvswitch3.5 python3.11 0ad "
    "kernel-rt-core kpatch-patch-5_14_0-284_30_1 cri-o a perl-Error libkadm5 R ImageMagick6 xorg-x11-fonts-ISO8859-1-75dpi"
).split()
VERSIONS = "1 4.6 5.14.0 1.22~rc1 2024.5^20240601git 8.2.2637 20240115 1.8.0.412.b08 0 33 3.0~beta2^post".split()
RELEASES = (
    "1 3.el9_0.3 284.66.1.rt14.351.el9_2 1.fc38 11.1.rhaos4.14.git9b9c375.el9 0.1.rc1 40.el9fdp 1.el8_10+7".split()
)
ARCHES = "x86_64 aarch64 s390x ppc64le noarch i686 src".split()
Parts = tuple[str, int, str, str, str]


def generated(count: int = 400) -> list[Parts]:
    dice = random.Random(1521)
    return [
        (
            dice.choice(NAMES),
            dice.choice([0, 0, 1, 2, 32]),
            dice.choice(VERSIONS),
            dice.choice(RELEASES),
            dice.choice(ARCHES),
        )
        for _ in range(count)
    ]


def ask_the_system(program: str, module: str, question: object) -> Any:
    def run(code: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run([SYSTEM_PYTHON, "-c", code], input=given, capture_output=True, text=True, check=False)

    if not SYSTEM_PYTHON.exists() or run(f"import {module}").returncode != 0:
        missing = f"no python3-{module} for {SYSTEM_PYTHON}: our NEVRA parser was not compared with it"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    done = run(program, json.dumps(question))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def as_parts(nevra: Nevra) -> list[object]:
    return [nevra.name, nevra.epoch, nevra.version, nevra.release, nevra.arch]


def test_libdnf_splits_a_nevra_as_we_do() -> None:
    texts = [
        f"{name}-{f'{epoch}:' if epoch else ''}{version}-{release}.{arch}"
        for name, epoch, version, release, arch in generated()
    ]
    theirs = ask_the_system(SPLIT, "hawkey", texts)
    assert [as_parts(parse_nevra(text)) for text in texts] == theirs


def test_we_read_back_what_rpm_writes() -> None:
    parts = generated()
    theirs = ask_the_system(WRITE, "rpm", parts)
    assert [as_parts(parse_nevra(text)) for text in theirs] == [list(given) for given in parts]


def test_we_write_a_nevra_as_rpm_does() -> None:
    parts = generated()
    theirs = ask_the_system(WRITE, "rpm", parts)
    ours = [str(Nevra(name, version, release, epoch, arch)) for name, epoch, version, release, arch in parts]
    assert ours == theirs


@pytest.mark.parametrize("text", ["foo", "foo-1", "foo-1.x86_64", "-1-2.x86_64", "", "foo-1-2-.x86_64"])
def test_what_libdnf_refuses_we_refuse(text: str) -> None:
    assert ask_the_system(SPLIT, "hawkey", [text]) == [None]
    with pytest.raises(NevraError):
        parse_nevra(text)
