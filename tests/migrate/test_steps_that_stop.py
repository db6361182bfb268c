"""What happens where a command fails, and what no step may take for settled: run by a shell, with stand-ins for the cluster.

Read there: rpm-ostree asks repositories again, offline or not, as long as a replacement from one is there
(`rpmostree-core.cxx`, "Ignoring pkgcache-only request"); MCO takes kernels back in one transaction (`update.go`,
`queueRevertKernelSwap`); guard pods have no controller (openshift/library-go#1238), and `kubectl drain` leaves such pods.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.migrate.test_steps import (
    ASKED,
    BUILD,
    FIRST,
    GATHER,
    LOOK,
    MOVE,
    ON_4_20,
    PAUSE,
    REST,
    RPM_OSTREE,
    lines,
    plan_of,
    step,
)

from layercensus.migrate.plan import PoolPlan, Wishes
from layercensus.migrate.planning import make_plans
from layercensus.migrate.render_text import plan_lines
from layercensus.model import Census

Judge = Callable[..., Census]
SETTLE = "Settle what is open, and plan again"
BASE = "quay.io/x/y@sha256:" + "a" * 64


def run(commands: tuple[str, ...], folder: Path, **stand_ins: str) -> subprocess.CompletedProcess[str]:
    """Run commands in a folder by a shell that finds these programs first, each a script."""
    for name, script in stand_ins.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\necho {name} $* >> {folder}/asked\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
    path = {"PATH": f"{folder}:/usr/bin:/bin"}
    script = "\n".join(commands)
    return subprocess.run(
        ["sh", "-c", script], env=path, check=False, cwd=folder, timeout=20, capture_output=True, text=True
    )


def layered(judge: Judge) -> PoolPlan:
    return plan_of(judge(repo=["autofs"], container_image_reference=f"ostree-unverified-registry:{BASE}"))


@pytest.mark.parametrize("fails", ["build", "push"])
def test_a_build_that_failed_leaves_no_machine_config_of_an_earlier_one(
    judge: Judge, tmp_path: Path, fails: str
) -> None:
    (tmp_path / "digest").write_text("sha256:old", encoding="utf-8")
    (tmp_path / "machineconfig.yaml").write_text("old", encoding="utf-8")
    podman = f'test "$1" != {fails}'
    run(step(layered(judge), BUILD).commands, tmp_path, oc=f"echo {BASE}", podman=podman, layercensus="true")
    assert not (tmp_path / "machineconfig.yaml").exists()


def test_the_machine_config_of_a_build_names_what_was_pushed(judge: Judge, tmp_path: Path) -> None:
    podman = 'test "$1" != push || echo sha256:new > digest'
    run(step(layered(judge), BUILD).commands, tmp_path, oc=f"echo {BASE}", podman=podman, layercensus="true")
    made = json.loads((tmp_path / "machineconfig.yaml").read_text(encoding="utf-8"))
    assert made["spec"] == {"osImageURL": "REGISTRY/NAME@sha256:new"}
    assert made["metadata"]["labels"] == {"machineconfiguration.openshift.io/role": "worker"}


def test_what_a_node_drops_is_one_transaction(judge: Judge) -> None:
    keys = {"remote": [("extras", "vim-minimal-2-1.x86_64", "vim-minimal-1-1.x86_64")], "repo": ["htop", "autofs"]}
    plan = plan_of(judge(local=["agent-1-1.x86_64"], **keys))
    assert [line for line in lines(step(plan, FIRST)) if line.startswith(RPM_OSTREE)] == [
        f"{RPM_OSTREE} override reset vim-minimal --uninstall htop --uninstall agent-1-1.x86_64"
    ]


def test_a_node_of_the_control_plane_is_drained_of_its_guard_pods(judge: Judge) -> None:
    for pool, forced in (("master", True), ("arbiter", True), ("worker", False)):
        plan = plan_of(judge(local=["agent-1-1.x86_64"]), pool=pool)
        (drain,) = [line for line in lines(step(plan, FIRST)) if line.startswith("oc adm drain")]
        assert ("--force" in drain.split()) is forced


def test_a_node_that_stays_cordoned_is_named(judge: Judge, tmp_path: Path) -> None:
    oc = 'case "$*" in *uninstall*) exit 1;; get*) echo boot-1;; esac'
    done = run(step(plan_of(judge(local=["agent-1-1.x86_64"])), FIRST).commands, tmp_path, oc=oc)
    assert "NAME may still be cordoned" in done.stderr
    assert "uncordon" in (step(plan_of(judge(local=["agent-1-1.x86_64"])), FIRST).undo or "")


def test_a_node_whose_next_boot_is_another_gets_no_command(
    judge: Judge, deployment: Any, status: Any, census_of: Any
) -> None:
    """rpm-ostree starts from the pending deployment: there it may not find what the booted one has, or drop from what nobody read."""
    pending = census_of(status(deployment(booted=False, staged=True, repo=["cowsay"]), deployment(repo=["htop"])))
    (alone,) = make_plans([pending], Wishes(pool="worker"))
    assert [found.title for found in alone.steps] == [SETTLE]
    other = judge(repo=["htop"])
    other = replace(other, machine=replace(other.machine, input="other.json", node="w-1"))
    (pool,) = make_plans([pending, other], Wishes(pool="worker"))
    assert pool.steps[0].title == SETTLE
    assert "next boot" in pool.steps[0].commands[0]
    drops = [line for found in pool.steps for line in lines(found) if line.startswith(("NODE=", "# on "))]
    assert drops == ["# on w-1", "NODE=w-1"]


def test_a_pool_does_not_move_before_each_of_its_machines_was_read(judge: Judge, census_of: Any) -> None:
    lost = census_of("error: Timeout was reached\n")
    (plan,) = make_plans([judge(repo=["autofs"]), lost], Wishes(pool="worker"))
    assert (plan.steps[0].title, plan.steps[0].commands) == (SETTLE, (f"# {lost.machine.input}: was not read",))


def test_of_a_machine_that_is_no_node_nothing_is_said_of_pools(deployment: Any, status: Any, census_of: Any) -> None:
    own = {
        "version": "43.20251119.1", "osname": "fedora-coreos",
        "container_image_reference": "ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable",
    }  # fmt: skip
    pending = deployment(booted=False, staged=True, repo=["cowsay"], **own)
    (plan,) = make_plans([census_of(status(pending, deployment(repo=["htop"], **own)))], Wishes())
    settle = step(plan, SETTLE)
    assert "next boot" in settle.why
    assert not {"pool", "node"} & set(settle.why.replace(":", " ").split())


def test_a_pool_in_the_middle_of_an_update_is_not_paused(judge: Judge, tmp_path: Path) -> None:
    oc = 'test "$1" != wait'
    run(step(layered(judge), PAUSE).commands, tmp_path, oc=oc)
    assert "patch" not in (tmp_path / "asked").read_text(encoding="utf-8")


POOL_OC = """
case "$*" in
  *condition=Updated*) test -e done;;
  *'type=="Degraded"'*) {degraded};;
  "get mcp/worker"*) echo rendered-worker-1;;
  "get mc/rendered-worker-1"*) echo {image};;
esac
"""


@pytest.mark.parametrize(
    ("image", "degraded", "end"),
    [
        ("registry.example.com/os@sha256:new", "touch done", (0, "")),
        ("registry.example.com/os@sha256:other", "touch done", (1, "another image")),
        ("", "touch done", (1, "another image")),
        ("registry.example.com/os@sha256:new", "echo True", (1, "degraded")),
    ],
)
def test_the_move_ends_well_only_where_the_pool_runs_the_image_that_was_built(
    judge: Judge, tmp_path: Path, image: str, degraded: str, end: tuple[int, str]
) -> None:
    """Of several MachineConfigs with an osImageURL the last by name holds (MCO `MergeMachineConfigs`)."""
    made = '{"spec":{"osImageURL":"registry.example.com/os@sha256:new"}}'
    (tmp_path / "machineconfig.yaml").write_text(made, encoding="utf-8")
    done = run(
        step(layered(judge), MOVE).commands, tmp_path, oc=POOL_OC.format(image=image, degraded=degraded), sleep="true"
    )
    code, says = end
    assert (done.returncode, says in done.stderr) == (code, True)


def test_what_the_cluster_built_is_waited_for_in_the_same_way(judge: Judge, tmp_path: Path) -> None:
    plan = plan_of(judge(repo=["autofs"], **ON_4_20))
    # Away for a moment, as the API is when its own node reboots, is not degraded.
    for degraded, code in (("echo True", 1), ("touch done; echo False", 0), ("touch done; exit 1", 0)):
        (tmp_path / "done").unlink(missing_ok=True)
        oc = POOL_OC.format(image="", degraded=degraded)
        assert run(step(plan, MOVE).commands, tmp_path, oc=oc, sleep="true").returncode == code


def test_health_checks_are_named_before_the_first_reboot_and_at_the_end(judge: Judge) -> None:
    """Annotation of openshift-docs, machine-health-checks-pausing: `cluster.x-k8s.io/paused=""`, and `paused-`."""
    for plan, title in ((layered(judge), PAUSE), (plan_of(judge(repo=["htop"])), "Drop the layer")):
        before = "\n".join(step(plan, title).commands)
        assert 'annotate mhc/NAME cluster.x-k8s.io/paused=""' in before
        assert "rpm-ostree" not in before.partition("paused=")[0]
        assert "cluster.x-k8s.io/paused-" in step(plan, LOOK).commands[0]
    assert "mhc" not in "\n".join(step(layered(judge), REST).commands)


def test_a_machine_of_its_own_is_asked_for_its_repositories_and_not_the_workstation(
    judge: Judge, tmp_path: Path
) -> None:
    census = judge(
        repo=["autofs"], version="43.20251119.1", osname="fedora-coreos",
        container_image_reference="ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable",
    )  # fmt: skip
    commands = plan_of(census, pool=None).steps[0].commands
    run(commands, tmp_path, ssh='test "$1" = NAME || exit 1; case "$2" in *repos*) echo of-host;; esac', tar="true")
    assert (tmp_path / "repos/nodes.repo").read_text(encoding="utf-8") == "of-host\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("password=secret", True),
        ("baseurl=https://me:secret@repo.example.com/el9", True),
        ("baseurl=https://repo.example.com/el9", False),
    ],
)
def test_a_password_of_a_repository_is_shown_before_it_is_in_an_image(
    judge: Judge, tmp_path: Path, line: str, shown: object
) -> None:
    """COPY keeps the file in the image. Options are those of dnf.conf(5)."""
    oc = f"case \"$*\" in *repos.d*) echo '{line}';; esac"
    done = run(step(layered(judge), GATHER).commands, tmp_path, oc=oc, tar="true")
    assert ("secret" in done.stdout) is shown
    mounted = step(plan_of(judge(repo=["autofs"], **ON_4_20)), GATHER).commands
    assert not any("password" in command for command in mounted)


@pytest.mark.parametrize(("state", "said"), [("development", True), ("hotfix", True), ("none", False)])
def test_what_was_put_below_an_unlocked_usr_is_said_to_be_lost(judge: Judge, state: str, said: object) -> None:
    unknowns = plan_of(judge(repo=["autofs"], unlocked=state)).unknowns
    assert any(f"unlocked ({state})" in line for line in unknowns) is said


def test_what_the_operator_is_to_build_in_is_looked_for_before_it_is_dropped(judge: Judge) -> None:
    """MCO builds `spec.extensions` and `spec.kernelType` of the rendered MachineConfig in, and nothing from the nodes."""
    plan = plan_of(judge(repo=["usbguard", "autofs"], **ON_4_20))
    assert plan.steps[0].title == ASKED
    assert "usbguard" in plan.steps[0].commands[0]
    # Outside the cluster none of it is dropped.
    assert ASKED not in [found.title for found in plan_of(judge(repo=["usbguard", "autofs"])).steps]
    assert ASKED not in [found.title for found in plan_of(judge(repo=["autofs"], **ON_4_20)).steps]


def test_a_package_of_one_machine_comes_to_all(judge: Judge) -> None:
    one, other = judge(repo=["autofs"], removed=["git-core"]), judge()
    other = replace(other, machine=replace(other.machine, input="other.json"))
    text = "".join(plan_lines(make_plans([one, other], Wishes(pool="worker")), []))
    assert "autofs  from a repository, 1 of 2 machines\n      on all 2 by the image\n" in text
    assert "git-core  removed from the base, 1 of 2 machines\n      taken from all 2 by the image\n" in text
    assert "by the image" not in "".join(plan_lines(make_plans([one], Wishes(pool="worker")), []))


def made_for(judge: Judge, folder: Path, pool: str) -> str:
    """Name of the MachineConfig that the steps of a pool write."""
    plan = plan_of(judge(repo=["autofs"], container_image_reference=f"ostree-unverified-registry:{BASE}"), pool=pool)
    run(step(plan, BUILD).commands, folder, oc=f"echo {BASE}", podman="echo sha256:new > digest", layercensus="true")
    name: str = json.loads((folder / "machineconfig.yaml").read_text(encoding="utf-8"))["metadata"]["name"]
    assert f"oc delete machineconfig {name}:" in (step(plan, MOVE).undo or "")
    return name


@pytest.mark.parametrize("pool", ["infra", "canary", "a", "worker-gpu"])
def test_a_custom_pool_keeps_its_image_beside_that_of_worker(judge: Judge, tmp_path: Path, pool: str) -> None:
    """MCO of release-4.12 to 4.14, `MergeMachineConfigs`: all configs of the pool by name, and the last one holds."""
    of_worker, own = (made_for(judge, tmp_path, name) for name in ("worker", pool))
    assert max(of_worker, own) == own


def test_a_package_that_no_image_brings_is_named_before_the_build(judge: Judge) -> None:
    for keys, title in (({}, BUILD), (ON_4_20, "Build the image on the cluster")):
        plan = plan_of(judge(local=["NessusAgent-10.4.0-es9.x86_64"], **keys), rpm_image="registry.example.com/rpms:1")
        assert "NessusAgent-10.4.0-es9.x86_64" in step(plan, title).commands[1]
        plan = plan_of(judge(local=["agent-1-1.x86_64"], **keys), rpm_image="registry.example.com/rpms:1")
        assert not any("edit" in command for command in step(plan, title).commands)


def test_one_node_first_is_said_in_a_way_that_can_be_done(judge: Judge) -> None:
    """The daemon rolls an image out to all nodes of a pool; machines that are no nodes move one by one."""
    node = layered(judge)
    machine = plan_of(
        judge(repo=["autofs"], version="43.20251119.1", osname="fedora-coreos",
              container_image_reference="ostree-image-signed:docker://quay.io/fedora/fedora-coreos:stable"),
        pool=None,
    )  # fmt: skip
    assert "in a pool of its own" in "".join(plan_lines([node], [])).replace("\n    ", " ")
    assert "pool of its own" not in "".join(plan_lines([machine], [])).replace("\n    ", " ")
    (drop,) = [found for found in machine.steps if found.title == "Drop the layer"]
    assert "console" in drop.why
    # MCO docs/custom-pools.md: a custom pool on a node having master role is not supported.
    master = plan_of(judge(repo=["autofs"]), pool="master")
    assert "take workers first" in "".join(plan_lines([master], [])).replace("\n    ", " ")
