"""The agent's state machine, in tables: events with their times in, what is due and what is known out."""

from dataclasses import replace

import pytest

from layercensus.agent.state import (
    Instant,
    Look,
    Schedule,
    State,
    end_look,
    held_facts,
    is_look_due,
    is_read_due,
    parse_look,
    start_look,
    wake_at,
)

HOUR = 3600.0
SCHEDULE = Schedule()
READ = Look(stamp=(1, 2, 3), facts="facts\n")
SAME = Look(stamp=(1, 2, 3))
FAILED = Look(stamp=(9, 9, 9), reason="malformed", problem="half an origin")


def at(seconds: float) -> Instant:
    return Instant(seconds, 1_000_000 + seconds)


def played(*events: tuple[float, Look]) -> State:
    """The state after looks that began at these seconds and took one each."""
    state = State()
    for seconds, look in events:
        state = end_look(start_look(state, at(seconds), SCHEDULE), look, at(seconds + 1), SCHEDULE)
    return state


def test_at_the_start_a_look_is_due_and_must_read() -> None:
    assert is_look_due(State(), at(0))
    assert is_read_due(State(), at(0))


def test_a_look_is_due_each_minute_and_one_at_a_time() -> None:
    begun = start_look(State(), at(100), SCHEDULE)
    assert not is_look_due(begun, at(500))
    ended = end_look(begun, READ, at(101), SCHEDULE)
    assert not is_look_due(ended, at(159.9))
    assert is_look_due(ended, at(160))


@pytest.mark.parametrize(
    ("events", "seconds", "due"),
    [
        ([(0.0, READ)], 30, False),
        ([(0.0, READ)], HOUR - 0.1, False),
        ([(0.0, READ)], HOUR, True),
        ([(0.0, READ), (30.0, SAME)], HOUR, True),
        ([(0.0, READ), (HOUR, READ)], HOUR + 30, False),
        ([(0.0, FAILED)], 30, True),
        ([(0.0, READ), (HOUR, FAILED)], HOUR + 30, True),
        ([(0.0, FAILED), (30.0, READ)], 60, False),
    ],
    ids=["after a read", "before the hour", "by the hour", "a look is no read", "anew", "after a failure", "later", "healed"],
)  # fmt: skip
def test_a_read_is_due_by_the_hour_and_after_each_failure(
    events: list[tuple[float, Look]], seconds: float, due: bool
) -> None:
    assert is_read_due(played(*events), at(seconds)) is due


@pytest.mark.parametrize(
    ("events", "seconds", "facts"),
    [
        ([], 0, None),
        ([(0.0, FAILED)], 1, None),
        ([(0.0, READ)], 1, "facts\n"),
        ([(0.0, READ), (HOUR, FAILED), (HOUR + 30, FAILED)], HOUR + 31, "facts\n"),
        ([(0.0, READ), (HOUR, FAILED)], 3 * HOUR, "facts\n"),
        ([(0.0, READ), (HOUR, FAILED)], 3 * HOUR + 0.1, None),
        ([(0.0, READ), (HOUR, FAILED), (4 * HOUR, READ)], 4 * HOUR + 1, "facts\n"),
        ([(0.0, READ), (HOUR, SAME), (2 * HOUR, SAME)], 3 * HOUR + 1, None),
    ],
    ids=["never", "only failed", "read", "kept", "three hours", "older", "again", "a look is no read"],
)  # fmt: skip
def test_facts_hold_for_three_hours_and_not_longer(
    events: list[tuple[float, Look]], seconds: float, facts: str | None
) -> None:
    assert held_facts(played(*events), at(seconds), SCHEDULE) == facts


def test_age_counts_from_the_start_of_the_read_which_succeeded() -> None:
    state = played((100, READ), (200, FAILED))
    assert state.facts_at == at(100)
    assert (state.succeeded, state.duration_seconds, dict(state.errors)) == (False, 1.0, {"malformed": 1})


def test_errors_are_counted_by_reason_and_never_forgotten() -> None:
    slow = Look(reason="timeout")
    assert dict(played((0, FAILED), (30, slow), (60, FAILED), (90, READ)).errors) == {"malformed": 2, "timeout": 1}


def test_a_failed_read_does_not_take_its_stamp_for_seen() -> None:
    assert played((0, READ), (30, FAILED)).stamp == (1, 2, 3)


def test_the_loop_wakes_for_a_look_for_its_end_and_when_facts_grow_too_old() -> None:
    state = played((0, READ))
    assert wake_at(state, at(1), SCHEDULE) == 60
    begun = start_look(state, at(60), SCHEDULE)
    assert wake_at(begun, at(61), SCHEDULE) == 120
    late = replace(state, look_due=5 * HOUR)
    assert wake_at(late, at(31), SCHEDULE) == 3 * HOUR
    assert wake_at(late, at(3 * HOUR + 1), SCHEDULE) == 5 * HOUR


@pytest.mark.parametrize("look", [READ, SAME, FAILED, Look()])
def test_a_look_travels_whole(look: Look) -> None:
    assert parse_look(look.to_bytes()) == look


@pytest.mark.parametrize(
    "data",
    [
        *(b"", READ.to_bytes()[:-4], b"[]", b"7", b"null", b"[[1],2,3,4]", b"\xff", b"{}", b"[" * 100_000),
        *(
            b'[{}, null, null, ""]',
            b'["abc", null, null, ""]',
            b'[[1, 2, "x"], null, null, ""]',
            b'[null, 7, null, ""]',
        ),
    ],
)
def test_a_child_that_did_not_say_all_is_a_failed_read(data: bytes) -> None:
    look = parse_look(data)
    assert look.facts is None
    assert look.reason == "other"
