"""What both kinds of bundle do with the evidence they keep: say that it was cut, and bound what it weighs. Pure."""

from dataclasses import replace

from layercensus.host.reading import unreadable
from layercensus.model import Deployment, Machine

MAX_PROBLEMS = 50
_MAX_CHANGES = 5000
_MAX_CHARACTERS = 2000


def as_cut(machine: Machine, problem: str) -> Machine:
    """A machine whose evidence misses its end: what is shown is true, what is not shown is not known."""
    return replace(
        machine,
        booted=replace(machine.booted, cut=True) if machine.booted else None,
        staged=replace(machine.staged, cut=True) if machine.staged else None,
        problems=(*machine.problems, problem),
    )


def bounded(machine: Machine) -> Machine:
    """The machine, or one that says that no real one has so many changes."""
    if sum(len(deployment.changes) for deployment in _deployments(machine)) <= _MAX_CHANGES:
        return replace(
            machine, problems=tuple(problem[:_MAX_CHARACTERS] for problem in machine.problems[:MAX_PROBLEMS])
        )
    return unreadable(machine.input, f"lists more than {_MAX_CHANGES} changes, which none has", source=machine.source)


def weight_of(machine: Machine) -> int:
    """About as many bytes as a kept machine takes: names of any length may stand in a hostile archive."""
    changes = (change for deployment in _deployments(machine) for change in deployment.changes)
    return 4000 + sum(500 + 4 * len(change.requested) for change in changes) + sum(map(len, machine.problems))


def _deployments(machine: Machine) -> list[Deployment]:
    return [deployment for deployment in (machine.booted, machine.staged) if deployment]


def add_problem(problems: list[str], problem: str) -> None:
    """Keep a problem once, and not without end."""
    if problem not in problems and len(problems) < MAX_PROBLEMS:
        problems.append(problem)
