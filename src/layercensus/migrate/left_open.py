"""What plans leave open, in short words: why the command that made them ends with 1. Pure.

("1 of 3 machines of worker is unknown", "worker-2: the rpm-ostree daemon did not answer")
"""

from collections.abc import Iterator, Sequence

from layercensus.migrate.plan import Advice, Answer, PoolPlan

_CONFIG = "MachineOSConfig"
_WANTED = {"Containerfile", "base image"}
_SHOWN = 2


def open_points(plans: Sequence[PoolPlan], *, lost: int, form: str) -> tuple[str, ...]:
    """What is missing before everything is said that there is to do, or that there is nothing; empty where all is.

    `lost`: files and folders that should have given a machine; `form`: the format asked for.
    """
    taken = [f"{lost} {'input' if lost == 1 else 'inputs'} gave no machine"] if lost else []
    points = [point for plan in plans for point in _of_pool(plan, form)]
    if not points and not any(plan.steps for plan in plans):
        points = [_no_steps(plans)]
    return tuple(dict.fromkeys(taken + points))


def open_words(points: Sequence[str]) -> str:
    """The first points, and how many there are beyond."""
    more = f"; and {len(points) - _SHOWN} more: --format text says all" if len(points) > _SHOWN else ""
    return "; ".join(points[:_SHOWN]) + more


def _of_pool(plan: PoolPlan, form: str) -> Iterator[str]:
    if unknown := plan.count(Answer.UNKNOWN):
        total = len(plan.machines)
        noun = "machine" if total == 1 else "machines"
        yield f"{unknown} of {total} {noun} of {plan.label} {'is' if unknown == 1 else 'are'} unknown"
    yield from _missing(plan, form)
    yield from plan.unknowns


def _missing(plan: PoolPlan, form: str) -> Iterator[str]:
    """Texts that there should be and are not, each with the reason."""
    config = {_CONFIG} if form == "machineosconfig" and not plan.machine_os_config else set()
    found = [part for part in plan.withheld if part.what in _WANTED | config]
    yield from (f"{plan.label}: no {part.what}: {part.why}" for part in found)
    if config and plan.count(Answer.REFUSES) and not any(part.what == _CONFIG for part in found):
        yield f"{plan.label}: no {_CONFIG}: nothing that these machines layer has to go into an image"


def _no_steps(plans: Sequence[PoolPlan]) -> str:
    if not any(plan.count(Answer.REFUSES) for plan in plans):
        return "nothing to do: image mode refuses none of these machines"
    if all(item.advice is Advice.MCO for plan in plans for item in plan.items):
        return "nothing to do today: all that image mode refuses is left to the machine config operator"
    return "no steps follow from these documents"
