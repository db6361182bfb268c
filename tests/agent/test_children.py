"""Children of the agent: what they answer, that they keep nothing of it open, and that few may hang."""

import os
import select
import signal
import socket
import time

import pytest

from layercensus.agent.children import Child, Children


def start(children: Children, answer: bytes) -> Child:
    return children.start(lambda: answer, deadline=0, timeout_seconds=60)


def answer_of(child: Child) -> bytes:
    while True:
        assert select.select([child.fd], [], [], 60)[0]
        if child.read():
            return bytes(child.answer)


@pytest.mark.parametrize("size", [0, 7, 300_000])
def test_a_child_answers_whole(size: int) -> None:
    children = Children(2)
    child = start(children, b"x" * size)
    assert answer_of(child) == b"x" * size
    children.end(child)


def test_a_child_that_fails_answers_nothing_and_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> bytes:
        raise ValueError("what it met")

    children = Children(2)
    child = children.start(fail, deadline=0, timeout_seconds=60)
    assert answer_of(child) == b""
    children.end(child)
    assert capfd.readouterr().err == "layercensus: a child of the agent: ValueError: what it met\n"


def test_a_child_keeps_no_connection_of_the_agent_open() -> None:
    ours, theirs = socket.socketpair()
    children = Children(2)
    child = children.start(hang, deadline=0, timeout_seconds=60)
    with ours:
        theirs.close()
        ours.settimeout(60)
        assert ours.recv(1) == b""
    children.end(child)


def hang() -> bytes:
    while True:
        signal.pause()


def test_a_child_that_hangs_is_killed_and_reaped() -> None:
    children = Children(1)
    child = children.start(hang, deadline=0, timeout_seconds=60)
    children.end(child)
    until = time.monotonic() + 60
    while not children.has_room() and time.monotonic() < until:
        time.sleep(0.01)
    assert children.has_room()
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_no_more_are_started_while_as_many_as_may_hang_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that waits for a stopped disk does not even end when it is killed: here nobody kills it."""
    children = Children(2)
    real_kill = os.kill
    hung = [children.start(hang, deadline=0, timeout_seconds=60) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: None)
        for child in hung:
            children.end(child)
    assert not children.has_room()
    real_kill(hung[0].pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while not children.has_room() and time.monotonic() < until:
        time.sleep(0.01)
    assert children.has_room()
    real_kill(hung[1].pid, signal.SIGKILL)
