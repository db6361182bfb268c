"""What should become of each change, a table written by hand from the facts page and the data's notes."""

from collections.abc import Callable
from typing import Any

import pytest

from layercensus.migrate.advising import items_of
from layercensus.migrate.plan import Advice, Item, Trap
from layercensus.migrate.refusal import answer_for
from layercensus.model import Census

Judge = Callable[..., Census]
LOCAL_AGENT = "falcon-sensor-7.14.0-16703.el9.x86_64"


def advised(census: Census, *, everything: bool = False) -> dict[str, Item]:
    items = items_of([answer_for(census)], everything=everything)
    return {item.judged.change.requested: item for item in items}


@pytest.mark.parametrize(
    ("keys", "requested", "advice"),
    [
        ({"repo": ["htop"]}, "htop", Advice.DROP),
        ({"repo": ["zsh"]}, "zsh", Advice.DROP),
        ({"repo": ["autofs"]}, "autofs", Advice.IMAGE),
        ({"repo": ["unheard-of"]}, "unheard-of", Advice.IMAGE),
        ({"repo": ["unheard-of-1.2-3.el9.x86_64"]}, "unheard-of-1.2-3.el9.x86_64", Advice.IMAGE),
        ({"repo": ["epel-release"]}, "epel-release", Advice.IMAGE),
        ({"local": [LOCAL_AGENT]}, LOCAL_AGENT, Advice.OPERATOR),
        ({"local": ["redhat-internal-cert-install-0.1-31.el7.noarch"]}, "redhat-internal-cert-install-0.1-31.el7.noarch",
         Advice.MACHINE_CONFIG),
        ({"repo": ["usbguard"]}, "usbguard", Advice.MCO),
        ({"repo": ["kernel-rt-core"]}, "kernel-rt-core", Advice.MCO),
        ({"inactive": ["autofs"]}, "autofs", Advice.DROP),
        ({"removed": ["git-core"]}, "git-core", Advice.IMAGE),
        ({"inactive_removals": ["git-core"]}, "git-core", Advice.DROP),
        # What replaces a base package is no tool on top, whatever it is.
        ({"replaced": [("nano-7.2-1.el9.x86_64", "nano-5.6-6.el9.x86_64")]}, "nano-7.2-1.el9.x86_64", Advice.IMAGE),
        ({"remote": [("baseos", "vim-2-1.el9.x86_64", "vim-1-1.el9.x86_64")]}, "vim", Advice.IMAGE),
        ({"repo": ["/usr/bin/virsh"]}, "/usr/bin/virsh", Advice.BY_HAND),
        ({"repo": ["libaio.so.1()(64bit)"]}, "libaio.so.1()(64bit)", Advice.BY_HAND),
        ({"repo": ["strange*"]}, "strange*", Advice.BY_HAND),
        ({"repo": ["$(reboot)"]}, "$(reboot)", Advice.BY_HAND),
        ({"repo": ["--setopt=x"]}, "--setopt=x", Advice.BY_HAND),
        ({"repo": ["a b"]}, "a b", Advice.BY_HAND),
        ({"remote": [("base os", "vim-2-1.el9.x86_64", "vim-1-1.el9.x86_64")]}, "vim", Advice.BY_HAND),
    ],
)  # fmt: skip
def test_advice(judge: Judge, keys: dict[str, Any], requested: str, advice: Advice) -> None:
    assert advised(judge(**keys))[requested].advice is advice


def test_advice_says_why_what_instead_and_where_it_comes_from(judge: Judge) -> None:
    item = advised(judge(local=[LOCAL_AGENT]))[LOCAL_AGENT]
    assert item.instead == "CrowdStrike/falcon-operator"
    assert item.source
    assert "CrowdStrike/falcon-helm#288" in item.source


def test_everything_moves_what_had_better_be_dropped_but_not_what_is_the_operators(judge: Judge) -> None:
    census = judge(repo=["htop", "usbguard"], inactive=["autofs"], local=[LOCAL_AGENT])
    found = {name: item.advice for name, item in advised(census, everything=True).items()}
    assert found == {
        "htop": Advice.IMAGE,
        "usbguard": Advice.MCO,
        "autofs": Advice.DROP,
        LOCAL_AGENT: Advice.IMAGE,
    }


def test_outside_openshift_no_operator_delivers_anything(judge: Judge) -> None:
    keys = {
        "container_image_reference": None,
        "origin": "fedora:fedora/x86_64/coreos/stable",
        "osname": "fedora-coreos",
    }
    census = judge(repo=["htop"], local=[LOCAL_AGENT], version="43.20251119.1", **keys)
    found = {item.judged.change.requested: item for item in items_of([answer_for(census)], on_openshift=False)}
    assert found[LOCAL_AGENT].advice is Advice.IMAGE
    assert (found["htop"].advice, found["htop"].instead) == (Advice.DROP, "toolbox")


@pytest.mark.parametrize(
    ("name", "trap", "below"),
    [
        ("NessusAgent-10.4.0-es9.x86_64", Trap.OPT, "/opt/nessus_agent"),
        ("qualys-cloud-agent-7.1.0-37.x86_64", Trap.USR_LOCAL, "/usr/local/qualys"),
        ("wazuh-agent-4.7.0-1.x86_64", Trap.SCRIPTLET, None),
        ("kmod-zfs-2.1.5-1.el9.x86_64", Trap.KERNEL_MODULE, None),
    ],
)
def test_traps_of_known_packages(judge: Judge, name: str, trap: Trap, below: str | None) -> None:
    item = advised(judge(local=[name]))[name]
    assert [(found.trap, found.below) for found in item.traps] == [(trap, below)]


@pytest.mark.parametrize("retired", ["crun-wasm", "kernel-rt-kvm"])
def test_a_leftover_of_an_earlier_release_is_dropped(judge: Judge, retired: str) -> None:
    census = judge(repo=["kernel-rt-core", retired], version="9.8.20260817-0", release="4.22")
    item = advised(census)[retired]
    assert item.advice is Advice.DROP
    assert "earlier release" in item.why
