"""One image holds one version of a package, from one place, for one architecture; and a file needs a whole name."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from layercensus.migrate.left_open import open_points
from layercensus.migrate.plan import PoolPlan, Wishes
from layercensus.migrate.planning import make_plans
from layercensus.model import Census

Judge = Callable[..., Census]
AARCH64 = {"arch": "aarch64"}


def plan_of(*censuses: Census, **wishes: Any) -> PoolPlan:
    (plan,) = make_plans(censuses, Wishes(pool="worker", **wishes))
    return plan


def all_commands(plan: PoolPlan) -> str:
    texts = [plan.containerfile or "", *(command for step in plan.steps for command in step.commands)]
    return "\n".join(line for text in texts for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"local": ["agent-1-1.x86_64"]}, {"local": ["agent-2-1.x86_64"]}),
        ({"local": ["agent-1-1.x86_64"]}, {"repo": ["agent"]}),
        ({"removed": ["agent"]}, {"replaced": [("agent-2-1.x86_64", "agent-1-1.x86_64")]}),
        (
            {"remote": [("a", "agent-2-1.x86_64", "agent-1-1.x86_64")]},
            {"remote": [("b", "agent-2-1.x86_64", "agent-1-1.x86_64")]},
        ),
    ],
)
def test_two_of_one_name_are_said_and_neither_is_taken(
    judge: Judge, one: dict[str, Any], other: dict[str, Any]
) -> None:
    plan = plan_of(judge(repo=[*one.pop("repo", []), "autofs"], **one), judge(**other))
    assert any("more than one version or source of agent" in line for line in plan.unknowns)
    assert open_points([plan], lost=0, form="text")
    assert "agent" not in all_commands(plan)
    assert "autofs" in all_commands(plan)


@pytest.mark.parametrize("local", [["agent-1-1.x86_64", "agent-1-1.i686"], ["agent-1-1.noarch"], ["a-1-1.x86_64"]])
def test_one_version_for_several_libraries_is_one(judge: Judge, local: list[str]) -> None:
    assert not open_points([plan_of(judge(local=local))], lost=0, form="text")


def test_an_rpm_of_another_architecture_is_left_out(judge: Judge) -> None:
    plan = plan_of(judge(local=["agent-1-1.x86_64"], repo=["autofs"], **AARCH64))
    assert any("an RPM for x86_64, and these machines are aarch64" in line for line in plan.unknowns)
    assert "agent" not in all_commands(plan)


@pytest.mark.parametrize(("keys", "platform"), [(AARCH64, "linux/arm64"), ({}, "linux/amd64"), ({"arch": None}, None)])
def test_a_build_is_for_the_architecture_of_the_machines(
    judge: Judge, keys: dict[str, Any], platform: str | None
) -> None:
    commands = all_commands(plan_of(judge(repo=["autofs"], **keys)))
    assert (f"--platform {platform} " if platform else "podman build") in commands
    assert ("--platform" in commands) is (platform is not None)


def test_a_preview_that_builds_for_another_architecture_only_is_withheld(judge: Judge) -> None:
    keys = {"repo": ["autofs"], "version": "418.94.202502100215-0"}
    assert plan_of(judge(**keys), tech_preview=True).machine_os_config
    plan = plan_of(judge(**keys, **AARCH64), tech_preview=True)
    assert plan.machine_os_config is None
    assert any("x86_64 only" in part.why for part in plan.withheld)
    assert plan.containerfile


def test_a_file_without_an_architecture_has_no_name(judge: Judge) -> None:
    census = judge(replaced=[("nano-7.2-1.el9.x86_64", "nano-5.6-6.el9.x86_64")], repo=["autofs"])
    changes = tuple(
        replace(judged, change=replace(judged.change, requested=judged.change.requested.removesuffix(".x86_64")))
        for judged in census.booted.changes
    )
    plan = plan_of(replace(census, booted=replace(census.booted, changes=changes)))
    assert any("does not print its architecture" in line for line in plan.unknowns)
    assert "nano" not in all_commands(plan)


def test_what_an_image_does_not_bring_by_itself_is_open(judge: Judge) -> None:
    plan = plan_of(judge(local=["NessusAgent-10.4.0-es9.x86_64"]))
    assert any("no image brings to a node" in line for line in plan.unknowns)
    assert open_points([plan], lost=0, form="text")
