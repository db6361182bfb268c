"""What a parser of one document yields, and how the booted and the next deployment are found in it. Pure.

The booted deployment is the one that says so, never the first: the first is the default for the next boot.
"""

from dataclasses import dataclass, replace

from layercensus.host.os_identity import identify
from layercensus.model import Deployment, Machine, OperatingSystem, Readability, Source


@dataclass(frozen=True, slots=True)
class Reading:
    """Deployments in boot order. `from_start`: the list's beginning was seen, so its first is the next boot's."""

    deployments: tuple[Deployment, ...] = ()
    problems: tuple[str, ...] = ()
    readability: Readability = Readability.READ
    from_start: bool = True
    arch: str | None = None


def machine_from(reading: Reading, *, name: str, source: Source | None) -> Machine:
    """One machine from one reading; `unknown` with its reason where no deployment, or more than one, is booted."""
    booted = [deployment for deployment in reading.deployments if deployment.booted]
    problems = list(reading.problems)
    readability = reading.readability
    if readability is Readability.READ and len(booted) != 1:
        readability = Readability.UNKNOWN
        problems.append(_why_no_booted(reading, len(booted)))
    the_booted = booted[0] if readability is Readability.READ else None
    return Machine(
        input=name,
        source=source,
        readability=readability,
        booted=the_booted,
        staged=_next_deployment(reading),
        os=_operating_system(reading, the_booted),
        problems=tuple(problems),
    )


def unreadable(name: str, problem: str, *, source: Source | None = None) -> Machine:
    """A machine of which nothing could be read, with the reason."""
    return Machine(input=name, source=source, readability=Readability.UNKNOWN, problems=(problem,))


def _why_no_booted(reading: Reading, count: int) -> str:
    if count:
        return f"{count} deployments say that they are booted: which one is cannot be told"
    if not reading.deployments:
        return "no deployment is shown"
    return "no deployment is marked as booted: nothing can be said of the running system"


def _next_deployment(reading: Reading) -> Deployment | None:
    """Find the staged, or else the pending deployment: those above the booted one come next, the first at first."""
    for deployment in reading.deployments:
        if deployment.staged and not deployment.booted:
            return deployment
    if not reading.from_start or not reading.deployments or reading.deployments[0].booted:
        return None
    return reading.deployments[0]


def _operating_system(reading: Reading, booted: Deployment | None) -> OperatingSystem:
    shown = booted or next(iter(reading.deployments), None)
    if shown is None:
        return OperatingSystem()
    identity = identify(shown)
    return replace(identity, arch=identity.arch or reading.arch or _arch_of_packages(shown))


def _arch_of_packages(deployment: Deployment) -> str | None:
    """Architecture of the deployment's own packages, if they agree on one: a machine has one, multilib packages two."""
    suffixes = {change.nevra.rpartition(".")[2] for change in deployment.changes if change.nevra}
    machine_arches = suffixes & {"x86_64", "aarch64", "ppc64le", "s390x"}
    return machine_arches.pop() if len(machine_arches) == 1 else None
