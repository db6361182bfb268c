"""The layering table of the design (part 3), over all combinations; the oracle is written from the table's text."""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercensus.classify.census import classify, layering_of
from layercensus.model import (
    Census,
    Change,
    Deployment,
    Form,
    JudgedChange,
    Judgement,
    Kind,
    Layering,
    Machine,
    OperatingSystem,
    Readability,
    Source,
    Verdict,
)

Atom = tuple[Kind, Verdict, bool | None]
INSTALLS = {Kind.INSTALL, Kind.INSTALL_LOCAL, Kind.INSTALL_LOCAL_FORCE}
ACTIVE = (True, False, None)
ATOMS: tuple[Atom, ...] = tuple(product(Kind, Verdict, ACTIVE))


def layering_by_the_table(readability: Readability, *, cut: bool, atoms: Iterable[Atom]) -> Layering:
    """The first line of the table that holds, over the changes with `active` not false.

    Of a deployment that is shown in part (`cut`) what is shown is true: a non-extension install makes it `packages`
    whatever else there may be, and short of one its state could not be determined.
    """
    counting = [(kind, verdict) for kind, verdict, active in atoms if active is not False]
    if readability is Readability.NOT_APPLICABLE:
        return Layering.NOT_APPLICABLE
    if readability is Readability.UNKNOWN:
        return Layering.UNKNOWN
    if any(verdict is Verdict.NON_EXTENSION and kind in INSTALLS for kind, verdict in counting):
        return Layering.PACKAGES
    if cut or any(verdict is Verdict.UNDETERMINED for _, verdict in counting):
        return Layering.UNKNOWN
    if any(verdict is Verdict.NON_EXTENSION for _, verdict in counting):
        return Layering.OVERRIDES
    return Layering.EXTENSIONS if counting else Layering.CLEAN


def judged(atom: Atom) -> JudgedChange:
    kind, verdict, active = atom
    change = Change(kind, Form.NAME, "anything", "anything", "some-key", active)
    return JudgedChange(change, Judgement(verdict, "some.rule"))


def assert_by_the_table(atoms: Sequence[Atom], *, cut: bool) -> None:
    expected = layering_by_the_table(Readability.READ, cut=cut, atoms=atoms)
    assert layering_of(map(judged, atoms), cut=cut) is expected, (atoms, cut)


@pytest.mark.parametrize("cut", [False, True])
def test_every_set_of_up_to_two_changes(cut: bool) -> None:
    for size in (0, 1, 2):
        for atoms in combinations_with_replacement(ATOMS, size):
            assert_by_the_table(atoms, cut=cut)


@pytest.mark.parametrize("cut", [False, True])
def test_every_set_of_three_changes_of_an_install_and_an_override(cut: bool) -> None:
    few = tuple(product((Kind.INSTALL, Kind.REMOVE), Verdict, ACTIVE))
    for atoms in combinations_with_replacement(few, 3):
        assert_by_the_table(atoms, cut=cut)


@given(st.lists(st.sampled_from(ATOMS), max_size=12), st.booleans())
def test_larger_sets(atoms: list[Atom], cut: bool) -> None:
    assert_by_the_table(atoms, cut=cut)


# Real requests that have a verdict on x86_64 of 4.14, by the catalog of facts (upstream.md 2a to 2c).
LOCAL = "-1.0-1.el9.x86_64"
REAL: dict[tuple[Kind, Verdict], Callable[[bool | None], Change]] = {
    (Kind.INSTALL, Verdict.EXTENSION): lambda a: Change(Kind.INSTALL, Form.NAME, "usbguard", "usbguard", "k", a),
    (Kind.INSTALL, Verdict.KERNEL_TYPE): lambda a: Change(
        Kind.INSTALL, Form.NAME, "kernel-rt-kvm", "kernel-rt-kvm", "k", a
    ),
    (Kind.INSTALL, Verdict.NON_EXTENSION): lambda a: Change(Kind.INSTALL, Form.NAME, "htop", "htop", "k", a),
    (Kind.INSTALL, Verdict.UNDETERMINED): lambda a: Change(Kind.INSTALL, Form.PATH, "/usr/bin/x", None, "k", a),
    (Kind.INSTALL_LOCAL, Verdict.EXTENSION): lambda a: Change(
        Kind.INSTALL_LOCAL, Form.NEVRA, f"libkadm5{LOCAL}", "libkadm5", "k", a, nevra=f"libkadm5{LOCAL}"
    ),
    (Kind.INSTALL_LOCAL, Verdict.NON_EXTENSION): lambda a: Change(
        Kind.INSTALL_LOCAL, Form.NEVRA, f"falcon-sensor{LOCAL}", "falcon-sensor", "k", a, nevra=f"falcon-sensor{LOCAL}"
    ),
    (Kind.INSTALL_LOCAL_FORCE, Verdict.NON_EXTENSION): lambda a: Change(
        Kind.INSTALL_LOCAL_FORCE, Form.NEVRA, f"zz{LOCAL}", "zz", "k", a, nevra=f"zz{LOCAL}"
    ),
    (Kind.REMOVE, Verdict.NON_EXTENSION): lambda a: Change(Kind.REMOVE, Form.NAME, "moby", "moby", "k", a),
    (Kind.REPLACE_LOCAL, Verdict.NON_EXTENSION): lambda a: Change(
        Kind.REPLACE_LOCAL, Form.NEVRA, f"nano{LOCAL}", "nano", "k", a, nevra=f"nano{LOCAL}"
    ),
    (Kind.REPLACE_REMOTE, Verdict.NON_EXTENSION): lambda a: Change(
        Kind.REPLACE_REMOTE, Form.NAME, "vim-minimal", "vim-minimal", "k", a, repository="baseos"
    ),
    (Kind.MODULE, Verdict.NON_EXTENSION): lambda a: Change(Kind.MODULE, Form.NAME, "cri-o:1.22", None, "k", a),
}
REAL_ATOMS: tuple[Atom, ...] = tuple((kind, verdict, a) for (kind, verdict) in REAL for a in ACTIVE)


def census_of_atoms(readability: Readability, *, cut: bool, atoms: Iterable[Atom]) -> Census:
    changes = tuple(REAL[kind, verdict](active) for kind, verdict, active in atoms)
    booted = Deployment(booted=True, cut=cut, version="414.92.202405282322-0", changes=changes)
    system = OperatingSystem(id="rhcos", version=booted.version, arch="x86_64", openshift=True)
    return classify(Machine("m", Source.RPM_OSTREE_JSON, readability, booted, os=system))


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("readability", Readability)
def test_real_requests_from_machine_to_class(readability: Readability, cut: bool) -> None:
    for size in (0, 1, 2):
        for atoms in combinations_with_replacement(REAL_ATOMS, size):
            census = census_of_atoms(readability, cut=cut, atoms=atoms)
            expected = layering_by_the_table(readability, cut=cut, atoms=atoms)
            assert census.booted.layering is expected, atoms


def test_a_machine_that_was_read_and_shows_no_booted_deployment_is_unknown() -> None:
    census = classify(Machine("m", Source.RPM_OSTREE_JSON, Readability.READ, booted=None))
    assert census.booted.layering is Layering.UNKNOWN


@pytest.mark.parametrize("flag", ["unlocked", "live_applied", "initramfs"])
def test_flags_alone_leave_the_class(
    judge: Callable[..., Census],
    flag: str,
) -> None:
    flags: dict[str, dict[str, Any]] = {
        "unlocked": {"unlocked": "hotfix"},
        "live_applied": {"live_replaced": "d" * 64},
        "initramfs": {"regenerate_initramfs": True, "initramfs_args": ["--add=fips"]},
    }
    keys = flags[flag]
    assert judge(**keys).booted.layering is Layering.CLEAN
    assert judge(repo=["usbguard"], **keys).booted.layering is Layering.EXTENSIONS
