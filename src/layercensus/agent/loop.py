"""⇄ The agent's one thread: waits for clients, children and signals, and does what is due.

Everything that may wait for a disk or a network is work for a child. What is due and what is known is decided in
`state`; this module only carries it out.
"""

import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from layercensus.agent.children import Child, Children
from layercensus.agent.state import (
    Instant,
    Look,
    Schedule,
    Stamp,
    State,
    end_look,
    held_facts,
    is_look_due,
    is_read_due,
    parse_look,
    start_look,
    wake_at,
)

_LONGEST_WAIT_SECONDS = 30.0
# A child that was ended is gone in a moment, and is then asked how it ended.
_REAP_SECONDS = 1.0
_HUNG = Look(reason="timeout", problem="the read took too long: the disk does not answer")
_NO_ROOM = Look(reason="timeout", problem="earlier reads still hang: the disk does not answer")


def read_clock() -> Instant:
    """Now. The first clock counts while the machine is suspended, and nobody sets it back."""
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


@dataclass(eq=False)
class Task:
    """Work that is done in a child, one at a time; `done` gets its answer, or None if it took too long."""

    work: Callable[[], bytes]
    done: Callable[[bytes | None], None]
    timeout_seconds: float
    children: Children
    child: Child | None = None


@dataclass(eq=False)
class Agent:
    """The loop. `look` runs in a child; `express` turns facts (None: unknown) and the state into the exposition.

    `published` is called with each new exposition.
    """

    look: Callable[[Stamp, bool], Look]
    express: Callable[[str | None, State], bytes]
    warn: Callable[[str], None]
    schedule: Schedule = field(default_factory=Schedule)
    clock: Callable[[], Instant] = read_clock
    published: Callable[[bytes], None] = lambda _: None
    state: State = field(default_factory=State)
    body: bytes | None = None
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _tasks: list[Task] = field(default_factory=list)
    _timers: list[Callable[[Instant], float]] = field(default_factory=list)
    _looking: Task | None = None
    _shown: str | None = None
    _problem: str = ""
    _stopping: bool = False

    def seconds(self) -> float:
        """Seconds of the agent's own clock."""
        return self.clock().seconds

    def add_timer(self, timer: Callable[[Instant], float]) -> None:
        """Call it in each round; it says when it must be called at the latest."""
        self._timers.append(timer)

    def add_task(self, work: Callable[[], bytes], done: Callable[[bytes | None], None], timeout_seconds: float) -> Task:
        """Work that may be started with `start`."""
        task = Task(work, done, timeout_seconds, Children(self.schedule.hung_children))
        self._tasks.append(task)
        return task

    def start(self, task: Task) -> bool:
        """Start a task's child. False if it runs, if too many of its children hang, or if the system has no room."""
        if task.child is not None or not task.children.has_room():
            return False
        try:
            deadline = self.seconds() + task.timeout_seconds
            child = task.children.start(task.work, deadline=deadline, timeout_seconds=task.timeout_seconds)
        except OSError:
            return False
        task.child = child
        self.selector.register(child.fd, selectors.EVENT_READ, lambda _: self._hear(task))
        return True

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        self._looking = self.add_task(self._work, self._ended, self.schedule.timeout_seconds)
        with self._signals():
            while not self._stopping:
                wait = min(self._round() - self.seconds(), _LONGEST_WAIT_SECONDS)
                for key, mask in self.selector.select(max(wait, 0.0)):
                    # What came before it in this round may have closed it, and another may have its number.
                    current = self.selector.get_map().get(key.fd)
                    if current is not None and current.data is key.data:
                        key.data(mask)
        for task in self._tasks:
            if task.child is not None:
                task.children.end(task.child)

    def stop(self) -> None:
        """End the loop after this round."""
        self._stopping = True

    def _round(self) -> float:
        """Do what is due; when the next is."""
        now = self.clock()
        for task in self._tasks:
            if task.child is not None and task.child.deadline <= now.seconds:
                self._finish(task, None)
        if is_look_due(self.state, now):
            self._begin(now)
        if self.body is not None and held_facts(self.state, now, self.schedule) != self._shown:
            self._publish(now)
        dues = [timer(now) for timer in self._timers]
        settled = [task.children.settle() for task in self._tasks]
        if not all(settled):
            dues.append(now.seconds + _REAP_SECONDS)
        dues += [task.child.deadline for task in self._tasks if task.child is not None]
        return min(wake_at(self.state, now, self.schedule), *dues)

    def _begin(self, now: Instant) -> None:
        self.state = start_look(self.state, now, self.schedule)
        if self._looking is not None and not self.start(self._looking):
            self._take(_NO_ROOM)

    def _work(self) -> bytes:
        """In the child."""
        now = self.clock()
        return self.look(self.state.stamp, is_read_due(self.state, now)).to_bytes()

    def _hear(self, task: Task) -> None:
        if task.child is not None and task.child.read():
            self._finish(task, bytes(task.child.answer))

    def _finish(self, task: Task, answer: bytes | None) -> None:
        child, task.child = task.child, None
        if child is not None:
            self.selector.unregister(child.fd)
            task.children.end(child)
        task.done(answer)

    def _ended(self, answer: bytes | None) -> None:
        self._take(_HUNG if answer is None else parse_look(answer))

    def _take(self, look: Look) -> None:
        now = self.clock()
        self.state = end_look(self.state, look, now, self.schedule)
        if look.problem != self._problem and (look.problem or look.facts):
            self.warn(f"layercensus: agent: {look.problem or 'the machine can be read again'}")
            self._problem = look.problem
        if look.facts is not None or look.reason is not None:
            self._publish(now)

    def _publish(self, now: Instant) -> None:
        self._shown = held_facts(self.state, now, self.schedule)
        self.body = self.express(self._shown, self.state)
        self.published(self.body)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT wake the loop and end it."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)  # noqa: FBT003 (its only form)
        before = {number: signal.signal(number, lambda *_: self.stop()) for number in (signal.SIGTERM, signal.SIGINT)}
        # Whoever started us may ignore it, and then nobody could ask how a child ended.
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        woken = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self.selector.register(ours, selectors.EVENT_READ, lambda _: ours.recv(64))
        try:
            yield
        finally:
            self.selector.unregister(ours)
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            ours.close()
            theirs.close()
