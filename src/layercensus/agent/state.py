"""What the agent knows, and what is due next: a state machine without clock, file or socket. Pure.

A *look* is one short-lived child's glance at the host: the stamp of its deployments, and the facts if they were read.
Facts are never changed by a look that failed; they only grow old::

    look is due -> started -> ended(Look) | ended(timed out) -> look is due ...
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

# Inode, mtime and ctime in nanoseconds; None where the folder of deployments is not there.
Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often the agent looks and reads, how long facts hold, how long a child may take, how many may hang.

    The client authorities are asked for each `client_ca_seconds`, and after a failure as soon as the retry allows.
    """

    look_seconds: float = 60.0
    read_seconds: float = 3600.0
    hold_seconds: float = 3 * 3600.0
    timeout_seconds: float = 60.0
    hung_children: int = 2
    client_ca_seconds: float = 3600.0
    client_ca_retry_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Instant:
    """`seconds` since an arbitrary start, never set back and counting while suspended; `unix`: what the time is."""

    seconds: float
    unix: float


@dataclass(frozen=True, slots=True)
class Look:
    """What a child saw. `facts`: exposition of a read that succeeded; `reason`: of one that failed; neither: no read.

    `stamp` was taken before the read, so that a change on the way is seen by the next look.
    """

    stamp: Stamp = None
    facts: str | None = None
    reason: str | None = None
    problem: str = ""

    def to_bytes(self) -> bytes:
        """As it travels from the child."""
        return json.dumps([self.stamp, self.facts, self.reason, self.problem]).encode()


def parse_look(data: bytes) -> Look:
    """A child's look; one that says nothing whole (it was killed, it ran out of memory) is a failed read."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        said = None
    match said:
        case [None, None | str() as facts, None | str() as reason, str(problem)]:
            return Look(None, facts, reason, problem)
        case [[int(inode), int(mtime), int(ctime)], None | str() as facts, None | str() as reason, str(problem)]:
            return Look((inode, mtime, ctime), facts, reason, problem)
    return Look(reason="other", problem="the child that read ended before it answered")


@dataclass(frozen=True, slots=True)
class State:
    """Everything the agent remembers. `succeeded`: how the last read ended, None before the first ended."""

    look_due: float = -math.inf
    read_due: float = -math.inf
    started: Instant | None = None
    stamp: Stamp = None
    facts: str | None = None
    facts_at: Instant | None = None
    succeeded: bool | None = None
    duration_seconds: float | None = None
    errors: Mapping[str, int] = field(default_factory=dict)


def is_look_due(state: State, now: Instant) -> bool:
    """Whether a child should be started."""
    return state.started is None and now.seconds >= state.look_due


def is_read_due(state: State, now: Instant) -> bool:
    """Whether the next look must read, even if the stamp did not move: by the hour, and always after a failure."""
    return state.succeeded is not True or now.seconds >= state.read_due


def start_look(state: State, now: Instant, schedule: Schedule) -> State:
    """A look begins."""
    return replace(state, started=now, look_due=now.seconds + schedule.look_seconds)


def end_look(state: State, look: Look, now: Instant, schedule: Schedule) -> State:
    """A look ended, with facts, with a reason why there are none, or with nothing to read."""
    started = state.started or now
    duration = now.seconds - started.seconds
    ended = replace(state, started=None)
    if look.facts is not None:
        return replace(
            ended,
            stamp=look.stamp,
            facts=look.facts,
            facts_at=started,
            read_due=started.seconds + schedule.read_seconds,
            succeeded=True,
            duration_seconds=duration,
        )
    if look.reason is not None:
        errors = {**state.errors, look.reason: state.errors.get(look.reason, 0) + 1}
        return replace(ended, succeeded=False, duration_seconds=duration, errors=errors)
    return ended


def held_facts(state: State, now: Instant, schedule: Schedule) -> str | None:
    """Facts that still hold; None if there never were any or they are too old: then the machine is unknown."""
    if state.facts is None or state.facts_at is None:
        return None
    return state.facts if now.seconds - state.facts_at.seconds <= schedule.hold_seconds else None


def wake_at(state: State, now: Instant, schedule: Schedule) -> float:
    """Second at which something is due at the latest: a look, the end of one, or the end of the facts."""
    due = state.look_due if state.started is None else state.started.seconds + schedule.timeout_seconds
    expiry = math.inf if state.facts_at is None else state.facts_at.seconds + schedule.hold_seconds
    return min(due, expiry) if expiry >= now.seconds else due
