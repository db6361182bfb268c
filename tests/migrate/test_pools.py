"""Pools by what documents say of them, else by folder; and what a machine has that the others of its pool have not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from layercensus.migrate.plan import MachinePlan, Wishes
from layercensus.migrate.planning import make_plans
from layercensus.migrate.pools import pool_name, pools_of
from layercensus.migrate.refusal import answer_for
from layercensus.model import Census

Judge = Callable[..., Census]


def machine(census: Census, name: str, **keys: Any) -> MachinePlan:
    return answer_for(replace(census, machine=replace(census.machine, input=name, found_in=name, **keys)))


@pytest.mark.parametrize(
    ("pool", "roles", "expected"),
    [
        ("infra", ("worker",), "infra"),
        (None, ("worker",), "worker"),
        (None, ("infra", "worker"), "infra"),
        (None, ("control-plane", "master", "worker"), "master"),
        (None, ("gpu", "infra", "worker"), None),
        (None, (), None),
    ],
)
def test_the_pool_is_what_the_document_says_else_what_its_roles_mean(
    judge: Judge, pool: str | None, roles: tuple[str, ...], expected: str | None
) -> None:
    census = judge()
    assert pool_name(replace(census, machine=replace(census.machine, pool=pool, roles=roles))) == expected


def test_machines_of_two_clusters_are_two_pools(judge: Judge) -> None:
    one, other = machine(judge(), "a/w0.json", roles=("worker",)), machine(judge(), "b/w0.json", roles=("worker",))
    labels = [pool.label for pool in pools_of([one, other])]
    assert labels == ["worker of a", "worker of b"]
    assert [pool.name for pool in pools_of([one, other])] == ["worker", "worker"]


def test_machines_of_one_folder_and_release_are_one_pool_where_nothing_names_it(judge: Judge) -> None:
    newer = judge(version="416.94.202406172220-0")
    pools = pools_of([machine(judge(), "a/w0"), machine(judge(), "a/w1"), machine(newer, "a/w2")])
    assert [(pool.name, len(pool.machines)) for pool in pools] == [(None, 2), (None, 1)]


def test_the_administrator_may_name_the_pool_of_all(judge: Judge) -> None:
    newer = judge(version="416.94.202406172220-0")
    (pool,) = pools_of([machine(judge(), "a/w0"), machine(newer, "a/w2")], pool="worker")
    assert (pool.label, pool.name, len(pool.machines)) == ("worker", "worker", 2)


def test_one_of_three_carries_an_agent(judge: Judge) -> None:
    """The usual sign of manual work: three machines, one has what the others have not, one lacks what they have."""
    usual, agent = judge(repo=["autofs"]), judge(repo=["autofs", "strange-agent"])
    (pool,) = pools_of([machine(usual, "a/0"), machine(agent, "a/1"), machine(judge(), "a/2")])
    assert [found.differs for found in pool.machines] == [(), ("+ strange-agent",), ("- autofs",)]


def test_a_kernel_type_is_one_difference_and_not_nine(judge: Judge) -> None:
    realtime = judge(
        repo=["kernel-rt-core", "kernel-rt-modules", "kernel-rt-modules-extra", "kernel-rt-kvm"],
        removed=["kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra"],
    )
    (pool,) = pools_of([machine(judge(), "a/0"), machine(judge(), "a/1"), machine(realtime, "a/2")])
    assert pool.machines[2].differs == ("+ kernel type realtime", "- kernel type default")


def test_an_unreadable_machine_differs_from_nobody(judge: Judge, census_of: Callable[[str], Census]) -> None:
    lost = census_of("error: Timeout was reached\n")
    (pool,) = pools_of([machine(judge(repo=["a"]), "x/0"), machine(judge(), "x/1"), machine(lost, "x/2")], pool="w")
    assert pool.machines[2].differs == ()


def test_a_machine_alone_differs_from_nobody(judge: Judge) -> None:
    (pool,) = pools_of([machine(judge(repo=["htop"]), "a/w0")])
    assert pool.machines[0].differs == ()


def test_outside_openshift_a_folder_may_hold_anything(judge: Judge) -> None:
    keys = {"container_image_reference": None, "version": "43.20251119.1"}
    coreos = judge(**keys, origin="fedora:fedora/x86_64/coreos/stable", osname="fedora-coreos")
    desktop = judge(**keys, origin="fedora:fedora/43/x86_64/silverblue", osname="fedora")
    assert len(pools_of([machine(coreos, "a/0"), machine(desktop, "a/1")])) == 2


def test_a_pool_that_the_document_denies_is_asked_about(judge: Judge) -> None:
    """On a compact cluster the label of workers is on the control plane, too: drained as workers, etcd is not waited for."""
    census = judge(repo=["autofs"])
    master = replace(census, machine=replace(census.machine, roles=("control-plane", "master", "worker"), node="m-0"))
    (plan,) = make_plans([master], Wishes(pool="worker"))
    assert any(line.startswith("m-0: ") and "of pool master" in line for line in plan.unknowns)
    for pool in ("master", None):
        (plan,) = make_plans([master], Wishes(pool=pool))
        assert not any("of pool" in line for line in plan.unknowns)
