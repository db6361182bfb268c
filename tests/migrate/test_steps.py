"""The order of steps by kind of change, as the code of rpm-ostree and of the machine config daemon demands it.

Read there: a rebase onto an image with the exact NEVRA of a local RPM fails (`rpmostree-sysroot-upgrader.cxx`,
`add_local_pkgset_to_sack`); a pattern, removal or replacement that the base fulfils turns inactive (`finalize_overlays`,
`finalize_overrides`); the daemon runs `rpm-ostree cleanup -p` before it rebases (`applyLayeredOSChanges`).
"""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layercensus.migrate.plan import PoolPlan, Step, Wishes
from layercensus.migrate.planning import make_plans
from layercensus.model import Census

Judge = Callable[..., Census]
GATHER, PAUSE, BUILD = "Gather what the build needs", "Pause the pool", "Build the image and push it"
FIRST, MOVE, REST = "Drop what cannot move along", "Move the pool", "Drop what is left of the layer"
SECRETS, ON_CLUSTER, LOOK = "Give the build its secrets", "Build the image on the cluster", "Look"
ASKED = "See that MachineConfigs ask for what is left to the operator"
ELSEWHERE, DROP = "Deliver from elsewhere what has a better place", "Drop the layer"
RPM_OSTREE = "oc debug node/$NODE -- chroot /host rpm-ostree"
ON_4_20 = {"version": "9.6.20251015-1", "release": "4.20"}


def plan_of(*censuses: Census, **wishes: Any) -> PoolPlan:
    given: dict[str, Any] = {"pool": "worker"} | wishes
    (plan,) = make_plans(censuses, Wishes(**given))
    return plan


def lines(found: Step) -> list[str]:
    """Lines of all commands of a step, without what makes several of them one."""
    texts = (line.strip() for command in found.commands for line in command.splitlines())
    return [text.removeprefix("( ").removesuffix(" )") for text in texts]


def step(plan: PoolPlan, title: str) -> Step:
    return next(found for found in plan.steps if found.title == title)


@pytest.mark.parametrize(
    ("keys", "titles"),
    [
        ({"repo": ["autofs"]}, [GATHER, PAUSE, BUILD, MOVE, REST, LOOK]),
        ({"removed": ["git-core"]}, [PAUSE, BUILD, MOVE, REST, LOOK]),
        ({"local": ["agent-1-1.x86_64"]}, [GATHER, PAUSE, BUILD, FIRST, MOVE, LOOK]),
        ({"forced": ["agent-1-1.x86_64"]}, [GATHER, PAUSE, BUILD, FIRST, MOVE, LOOK]),
        ({"replaced": [("nano-2-1.x86_64", "nano-1-1.x86_64")]}, [GATHER, PAUSE, BUILD, FIRST, MOVE, LOOK]),
        ({"local": ["falcon-sensor-7-1.x86_64"]}, [ELSEWHERE, DROP, LOOK]),
        ({"repo": ["htop"]}, [DROP, LOOK]),
        ({"repo": ["usbguard"]}, []),
        ({"repo": ["/usr/bin/virsh"]}, []),
        ({"regenerate_initramfs": True}, []),
        ({}, []),
        ({"repo": ["autofs"], **ON_4_20}, [GATHER, PAUSE, SECRETS, ON_CLUSTER, MOVE, REST, LOOK]),
        ({"repo": ["usbguard"], **ON_4_20}, [ASKED, PAUSE, SECRETS, ON_CLUSTER, MOVE, REST, LOOK]),
    ],
)
def test_the_order(judge: Judge, keys: dict[str, Any], titles: list[str]) -> None:
    assert [found.title for found in plan_of(judge(**keys)).steps] == titles


def test_a_local_rpm_is_gone_and_booted_before_its_node_moves(judge: Judge) -> None:
    plan = plan_of(judge(local=["agent-1-1.x86_64"], repo=["autofs"]))
    commands = lines(step(plan, FIRST))
    assert f"{RPM_OSTREE} uninstall agent-1-1.x86_64" in commands
    assert any("reboot" in command for command in commands)
    assert "rpm-ostree#4805" in step(plan, FIRST).why


def test_nothing_moves_while_the_image_is_built(judge: Judge) -> None:
    plan = plan_of(judge(repo=["autofs"]))
    assert 'oc patch mcp/worker --type merge -p \'{"spec":{"paused":true}}\'' in lines(step(plan, PAUSE))
    assert 'oc patch mcp/worker --type merge -p \'{"spec":{"paused":false}}\'' in lines(step(plan, MOVE))


@pytest.mark.parametrize(
    ("keys", "commands"),
    [
        ({"repo": ["autofs"], "removed": ["git-core"]}, ["reset"]),
        # Outside the cluster the operator goes on layering its own: that stays.
        ({"repo": ["autofs", "usbguard"], "removed": ["git-core"]}, ["override reset git-core --uninstall autofs"]),
        ({"repo": ["autofs", "usbguard"], **ON_4_20}, ["reset"]),
        # What is not known is not dropped.
        ({"repo": ["autofs", "/usr/bin/virsh"]}, ["uninstall autofs"]),
        # A node may need its own initramfs to find its disks.
        ({"repo": ["autofs"], "regenerate_initramfs": True}, ["reset --overlays --overrides"]),
        # Gone already, so not asked for twice.
        ({"repo": ["autofs", "usbguard"], "local": ["agent-1-1.x86_64"]}, ["uninstall autofs"]),
    ],
)
def test_what_is_dropped_after_the_move(judge: Judge, keys: dict[str, Any], commands: list[str]) -> None:
    found = lines(step(plan_of(judge(**keys)), REST))
    assert [line for line in found if line.startswith(RPM_OSTREE)] == [
        f"{RPM_OSTREE} {command}" for command in commands
    ]


def test_nodes_are_named_where_documents_name_them_and_only_those_that_need_the_step(judge: Judge) -> None:
    def node(name: str, **keys: Any) -> Census:
        census = judge(**keys)
        return replace(census, machine=replace(census.machine, node=name, input=f"{name}.json"))

    plan = plan_of(node("w-0", local=["agent-1-1.x86_64"]), node("w-1", repo=["autofs"]), node("w-2"))
    assert step(plan, FIRST).commands[:2] == ("# on w-0", "NODE=w-0")
    assert step(plan, REST).commands[:2] == ("# on w-1", "NODE=w-1")
    hostile = plan_of(node("$(reboot)", repo=["autofs"]))
    assert step(hostile, REST).commands[:2] == ("# on each node of this pool", "NODE=NAME")


def test_a_pool_that_nobody_named_is_a_variable(judge: Judge) -> None:
    plan = plan_of(judge(repo=["autofs"]), pool=None)
    assert step(plan, PAUSE).commands[:2] == ("# the pool of these nodes", "POOL=NAME")
    assert all("mcp/worker" not in command for found in plan.steps for command in found.commands)


def test_a_machine_that_is_no_node_drops_first_and_switches_then(judge: Judge) -> None:
    census = judge(
        repo=["autofs"], version="43.20251119.1", osname="fedora-coreos",
        container_image_reference="ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable",
    )  # fmt: skip
    plan = plan_of(census, pool=None)
    assert [found.title for found in plan.steps] == [GATHER, BUILD, DROP, "Move the machine"]
    assert plan.steps[2].commands == ("rpm-ostree reset && systemctl reboot",)
    assert not any("oc " in command for found in plan.steps for command in found.commands)


def test_a_custom_image_beside_extensions_is_warned_of(judge: Judge) -> None:
    assert "openshift-docs#57245" in step(plan_of(judge(repo=["autofs", "usbguard"])), MOVE).why
    assert "openshift-docs#57245" not in step(plan_of(judge(repo=["autofs"])), MOVE).why


def test_what_is_staged_is_planned_after_a_reboot(judge: Judge, deployment: Any, status: Any, census_of: Any) -> None:
    text = status(deployment(booted=False, staged=True, repo=["autofs"]), deployment())
    (plan,) = make_plans([census_of(text)], Wishes())
    assert any("next boot" in line for line in plan.unknowns)


def test_without_a_release_there_are_no_steps_and_the_plan_says_so(judge: Judge) -> None:
    plan = plan_of(judge(repo=["autofs"], version=None))
    assert (plan.releases, plan.way, plan.steps) == ((), None, ())
    assert any("--release tells" in line for line in plan.unknowns)
    assert plan.containerfile


REMOTE = {"remote": [("extras", "vim-minimal-2-1.x86_64", "vim-minimal-1-1.x86_64")]}


@pytest.mark.parametrize(
    ("keys", "first", "rest"),
    [
        # A replacement does not turn inactive by the move, and asks its repository each time.
        ({"repo": ["autofs"], **REMOTE}, ["override reset vim-minimal"], ["reset"]),
        (
            {"repo": ["autofs"], "replaced": [("nano-2-1.x86_64", "nano-1-1.x86_64")]},
            ["override reset nano"],
            ["reset"],
        ),
        # What is not moved has to be resolved by the rebase all the same.
        ({"repo": ["autofs", "htop"]}, ["uninstall htop"], ["reset"]),
        ({"repo": ["autofs"], "local": ["agent-1-1.x86_64"]}, ["uninstall agent-1-1.x86_64"], ["reset"]),
    ],
)
def test_only_what_turns_inactive_waits_for_the_move(
    judge: Judge, keys: dict[str, Any], first: list[str], rest: list[str]
) -> None:
    plan = plan_of(judge(**keys))
    for title, commands in ((FIRST, first), (REST, rest)):
        found = [line for line in lines(step(plan, title)) if line.startswith(RPM_OSTREE)]
        assert found == [f"{RPM_OSTREE} {command}" for command in commands]


def test_nodes_that_drop_the_same_go_together_and_no_name_is_given_to_a_node_that_lacks_it(judge: Judge) -> None:
    def node(name: str, **keys: Any) -> Census:
        census = judge(**keys)
        return replace(census, machine=replace(census.machine, node=name, input=f"{name}.json"))

    plan = plan_of(
        node("w-0", local=["agent-1-1.x86_64"]), node("w-1", local=["other-1-1.x86_64"]),
        node("w-2", local=["agent-1-1.x86_64"]), node("w-3"),
    )  # fmt: skip
    found = lines(step(plan, FIRST))
    assert [line for line in found if line.startswith(("# on", "NODE=", RPM_OSTREE))] == [
        "# on w-0, w-2: one after the other", "NODE=w-0", f"{RPM_OSTREE} uninstall agent-1-1.x86_64",
        "# on w-1", "NODE=w-1", f"{RPM_OSTREE} uninstall other-1-1.x86_64",
    ]  # fmt: skip


def run_as_a_stranger(plan: PoolPlan, folder: Path, fails: str) -> list[str]:
    """Run the drop of a node by a shell in which `oc` only notes what it was asked; each reboot is another boot."""
    stand_in = folder / "oc"
    stand_in.write_text(
        f"""#!/bin/sh
echo "$*" >> {folder}/asked
case "$*" in *"{fails}"*) exit 1;; esac
case "$*" in
  *"systemctl reboot") echo down > {folder}/state; exit 1;;
  get*) case $(cat {folder}/state 2>/dev/null) in
    down) echo old > {folder}/state; exit 1;;
    old) echo new > {folder}/state; echo boot-1;;
    new) echo boot-2;;
    *) echo boot-1;;
  esac;;
esac
""",
        encoding="utf-8",
    )
    stand_in.chmod(0o755)
    (folder / "sleep").symlink_to("/bin/true")
    script = "\n".join(step(plan, FIRST).commands)
    subprocess.run(["sh", "-c", script], env={"PATH": f"{folder}:/usr/bin:/bin"}, check=False, timeout=20)
    return (folder / "asked").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("fails", ["drain", "uninstall", "get"])
def test_no_node_reboots_after_a_command_that_failed(judge: Judge, tmp_path: Path, fails: str) -> None:
    plan = plan_of(judge(local=["agent-1-1.x86_64"]))
    asked = run_as_a_stranger(plan, tmp_path, fails)
    assert asked
    assert not any("reboot" in line or "uncordon" in line for line in asked)


def test_a_node_is_uncordoned_after_it_has_booted_anew(judge: Judge, tmp_path: Path) -> None:
    asked = run_as_a_stranger(plan_of(judge(local=["agent-1-1.x86_64"])), tmp_path, "nothing")
    after = asked[next(number for number, line in enumerate(asked) if "reboot" in line) + 1 :]
    assert [line.split()[0] for line in after] == ["get", "get", "get", "wait", "adm"]


def test_a_pool_is_waited_for_from_its_beginning_on(judge: Judge) -> None:
    waits = [word for line in lines(step(plan_of(judge(repo=["autofs"])), MOVE)) for word in line.split()]
    waits = [word for word in waits if word.startswith("--for=")]
    assert waits == ["--for=condition=Updating", "--for=condition=Updated"]


def test_pools_that_inherit_what_is_for_worker_are_paused_too(judge: Judge) -> None:
    assert "oc get mcp" in step(plan_of(judge(repo=["autofs"])), PAUSE).commands
    assert "osImageURL of its own" in step(plan_of(judge(repo=["autofs"])), PAUSE).why
    for other in (plan_of(judge(repo=["autofs"]), pool="infra"), plan_of(judge(repo=["autofs"], **ON_4_20))):
        assert "oc get mcp" not in step(other, PAUSE).commands


def test_nodes_of_the_control_plane_wait_for_etcd(judge: Judge) -> None:
    found = step(plan_of(judge(local=["agent-1-1.x86_64"]), pool="master"), FIRST)
    assert any(line.startswith("oc wait clusteroperator/etcd") for line in lines(found))
    assert "cannot be drained" in found.why


def test_the_file_is_made_with_the_options_that_were_given(judge: Judge) -> None:
    plan = plan_of(judge(repo=["autofs"]), release="4.14", everything=True)
    made = "layercensus plan PATH --release 4.14 --pool worker --everything --format containerfile > Containerfile"
    assert step(plan, BUILD).commands[0] == made


def test_the_push_has_credentials_of_its_own_and_a_rerun_changes_nothing(judge: Judge) -> None:
    off, on = plan_of(judge(repo=["autofs"])), plan_of(judge(repo=["autofs"], **ON_4_20))
    assert any(line.startswith("podman push --authfile PUSH.json") for line in lines(step(off, BUILD)))
    for found in (lines(step(off, BUILD)), lines(step(on, SECRETS))):
        assert "umask 077" in found
        assert "trap 'rm -f pull-secret.json' EXIT" in found
    created = [line for command in step(on, SECRETS).commands for line in command.replace("\\\n", "").splitlines()]
    assert all("oc apply -f -" in line for line in created if "oc create" in line)


def test_no_image_is_built_from_another_base_than_the_documents_name(judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "layercensus").symlink_to("/bin/true")
    for name, says in (("oc", "quay.io/x/y@sha256:" + "6" * 64), ("podman", "")):
        stand_in = tmp_path / name
        stand_in.write_text(f"#!/bin/sh\necho {name} >> {tmp_path}/asked\necho {says}\n", encoding="utf-8")
        stand_in.chmod(0o755)
    script = "\n".join(step(plan_of(judge(repo=["autofs"])), BUILD).commands)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script], env=path, check=False, cwd=tmp_path, timeout=20)
    assert done.returncode
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "oc\n"
