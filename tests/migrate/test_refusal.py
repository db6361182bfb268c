"""What image mode says of a machine: the groups of bootc's `origin_has_rpmostree_stuff`, typed by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from layercensus.migrate.plan import Answer
from layercensus.migrate.refusal import answer_for
from layercensus.model import Census

Judge = Callable[..., Census]


@pytest.mark.parametrize(
    ("keys", "groups"),
    [
        ({"repo": ["htop"]}, {"packages": ("htop",)}),
        ({"repo": ["usbguard"]}, {"packages": ("usbguard",)}),
        ({"local": ["zsh-5.8-9.el9.x86_64"]}, {"packages": ("zsh-5.8-9.el9.x86_64",)}),
        ({"forced": ["zsh-5.8-9.el9.x86_64"]}, {"packages": ("zsh-5.8-9.el9.x86_64",)}),
        ({"removed": ["git-core"]}, {"overrides": ("git-core",)}),
        ({"inactive": ["htop"], "inactive_removals": ["git"]}, {"packages": ("htop",), "overrides": ("git",)}),
        ({"regenerate_initramfs": True}, {"rpmostree": ("initramfs",)}),
        ({"replaced": [("nano-7.2-1.el9.x86_64", "nano-5.6-6.el9.x86_64")]}, {"overrides": ("nano-7.2-1.el9.x86_64",)}),
        ({"remote": [("baseos", "vim-2-1.el9.x86_64", "vim-1-1.el9.x86_64")]}, {"overrides": ("vim",)}),
    ],
)
def test_a_machine_is_refused_by_each_entry_of_its_origin(judge: Judge, keys: dict[str, Any], groups: object) -> None:
    plan = answer_for(judge(**keys))
    assert plan.answer is Answer.REFUSES
    assert dict(plan.refused_by) == groups


def test_a_machine_without_an_entry_is_taken(judge: Judge) -> None:
    plan = answer_for(judge())
    assert (plan.answer, plan.refused_by) == (Answer.ACCEPTS, ())


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("error: This system was not booted via libostree.\n", Answer.NOT_APPLICABLE),
        ("error: Timeout was reached\n", Answer.UNKNOWN),
        ('{"deployments": []}\n', Answer.UNKNOWN),
    ],
)
def test_what_was_not_read_is_neither_refused_nor_taken(
    census_of: Callable[[str], Census], text: str, answer: Answer
) -> None:
    assert answer_for(census_of(text)).answer is answer


def test_what_stands_among_the_facts_only_is_no_entry_of_the_origin(judge: Judge) -> None:
    """A removal in effect that nothing asks for: rpm-ostree itself would not show it, an edited document may."""
    census = judge(removed=["git-core"], requested_base_removals=[])
    assert [judged.change.origin_key for judged in census.booted.changes] == ["base-removals"]
    assert answer_for(census).refused_by == ()


@pytest.mark.parametrize(
    ("staged", "booted", "answer"),
    [
        ({"staged": True, "repo": ["cowsay"]}, {}, Answer.REFUSES),
        ({"staged": True, "regenerate_initramfs": True}, {}, Answer.REFUSES),
        ({"staged": True}, {}, Answer.ACCEPTS),
        ({"staged": True}, {"repo": ["cowsay"]}, Answer.REFUSES),
        # Deployed and not staged: bootc does not look there.
        ({"repo": ["cowsay"]}, {}, Answer.ACCEPTS),
    ],
)
def test_what_is_staged_is_refused_as_well(
    request: pytest.FixtureRequest, staged: dict[str, Any], booted: dict[str, Any], answer: Answer
) -> None:
    """bootc takes the image of what is staged, else of what is booted; one with rpm-ostree's groups has none for it."""
    deployment, status, census_of = map(request.getfixturevalue, ("deployment", "status", "census_of"))
    census = census_of(status(deployment(booted=False, **staged), deployment(**booted)))
    assert answer_for(census).answer is answer
