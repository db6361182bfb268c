"""A cluster that never was: machines that change, agents that die and hang, and what its rules record of them.

Each agent is the agent's own state machine. The rules are those of the kit in a few words of Python (a node has the class
that its agent reports, else it is unknown; without a list of nodes nothing is recorded): that the kit's PromQL says the
same is shown with a real Prometheus, in `tests/real` and `tests/rules`. All that happens is put down in `events`.
"""

import random
from dataclasses import dataclass, field

from layercensus.agent.state import Instant, Look, Schedule, State, end_look, held_facts, is_look_due, start_look

HOUR = 3_600_000
CLASSES = ("clean", "extensions", "overrides", "packages", "unknown")
NEEDS = ("agent", "driver", "other", "override", "tool")
# What may be on a machine: its class, and its needs.
STATES = (
    ("clean", ()), ("clean", ()), ("clean", ()), ("extensions", ()), ("overrides", ("override",)),
    ("packages", ("agent",)), ("packages", ("tool", "driver")),
)  # fmt: skip
VERSIONS = ("4.14.30", "4.15.12", "4.16.3", "4.17.1")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: when, to which node (or none), what, and the state of the machine where it was read."""

    at: int
    node: str
    what: str
    state: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the rules recorded at one instant, and how many nodes the platform counts."""

    at: int
    counts: tuple[int, ...]
    needs: tuple[int, ...]
    nodes: int
    version: str


@dataclass(slots=True)
class Node:
    """A machine and its agent; `agent` is None while there is none."""

    name: str
    machine: tuple[str, tuple[str, ...]]
    agent: State | None = field(default_factory=State)
    hangs_until: int = 0
    gone_until: int = 0


@dataclass(slots=True)
class Cluster:
    """A cluster. `skew` is how far its clock is off, in milliseconds."""

    cluster_id: str
    platform: str
    skew: int
    chance: random.Random
    nodes: list[Node] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    version: int = 0
    silent_until: int = 0
    _names: int = 0

    def step(self, now: int) -> Recorded | None:
        """An hour passes; what the rules record at its end, if anything."""
        self._change(now)
        for node in self.nodes:
            self._look(node, now)
        if now < self.silent_until:
            return None
        return Recorded(
            at=now + self.skew,
            counts=tuple(sum(self._class(node, now) == name for node in self.nodes) for name in CLASSES),
            needs=tuple(sum(name in self._needs(node, now) for node in self.nodes) for name in NEEDS),
            nodes=len(self.nodes),
            version=VERSIONS[self.version],
        )

    def add(self, now: int) -> None:
        """A machine appears."""
        self._names += 1
        node = Node(f"node-{self._names}", self.chance.choice(STATES))
        self.nodes.append(node)
        self.events.append(Event(now, node.name, "appears"))

    def _change(self, now: int) -> None:
        draw = self.chance.random
        if draw() < 0.03:
            self.add(now)
        if len(self.nodes) > 1 and draw() < 0.03:
            self.events.append(Event(now, self.nodes.pop(self.chance.randrange(len(self.nodes))).name, "leaves"))
        if draw() < 0.01:
            self.version = min(self.version + 1, len(VERSIONS) - 1)
        if draw() < 0.02:
            self.silent_until = now + self.chance.randint(1, 4) * HOUR
        for node in self.nodes:
            if draw() < 0.05:
                node.machine = self.chance.choice(STATES)
            if draw() < 0.03:
                node.hangs_until = now + self.chance.randint(1, 6) * HOUR
            if draw() < 0.03:
                node.agent, node.gone_until = None, now + self.chance.randint(1, 5) * HOUR
                self.events.append(Event(now, node.name, "agent dies"))
            elif node.agent is None and now >= node.gone_until:
                node.agent = State()
                self.events.append(Event(now, node.name, "agent starts"))

    def _look(self, node: Node, now: int) -> None:
        """The agent's glance of this hour: it reads the machine, or its disk hangs."""
        instant = _instant(now)
        if node.agent is None or not is_look_due(node.agent, instant):
            return
        state = start_look(node.agent, instant, Schedule())
        if now < node.hangs_until:
            look = Look(reason="timeout", problem="the disk hangs")
            self.events.append(Event(now, node.name, "read fails"))
        else:
            look = Look(stamp=(1, now, now), facts=repr(node.machine))
            self.events.append(Event(now, node.name, "read", node.machine))
        node.agent = end_look(state, look, instant, Schedule())

    def _class(self, node: Node, now: int) -> str:
        held = self._held(node, now)
        return held[0] if held else "unknown"

    def _needs(self, node: Node, now: int) -> tuple[str, ...]:
        held = self._held(node, now)
        return held[1] if held else ()

    def _held(self, node: Node, now: int) -> tuple[str, tuple[str, ...]] | None:
        facts = held_facts(node.agent, _instant(now), Schedule()) if node.agent else None
        return next((state for state in STATES if repr(state) == facts), None)


def _instant(now: int) -> Instant:
    return Instant(now / 1000, now / 1000)
