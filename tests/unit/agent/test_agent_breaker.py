"""After failures of its API the model is left alone; then one run may try, and the others wait for it."""

import pytest

from sre_daemon.agent.breaker import LONGEST, OPENINGS, Breaker
from sre_daemon.errors import FaultKind


class Time:
    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def breaker(*faults):
    time = Time()
    made = Breaker(time)
    made.time = time
    for fault in faults:
        assert made.enter()
        made.left(fault, "why")
    return made


@pytest.mark.parametrize("fault", [FaultKind.AUTH, FaultKind.UNKNOWN_MODEL, FaultKind.OVERLOADED])
def test_clear_failures_open_it_at_once(fault):
    made = breaker(fault)
    assert not made.enter()
    assert not made.closed
    assert made.seconds == OPENINGS[fault].seconds
    assert made.why == "why"


def test_shaky_failures_open_it_after_three_in_a_row():
    assert breaker(FaultKind.SERVER, FaultKind.NO_ANSWER).enter()
    assert breaker(FaultKind.SERVER, FaultKind.NO_ANSWER, None, FaultKind.SERVER).enter()
    assert not breaker(FaultKind.SERVER, FaultKind.NO_ANSWER, FaultKind.SILENT).enter()


@pytest.mark.parametrize("fault", [FaultKind.LIMIT, FaultKind.REFUSAL, FaultKind.INVALID])
def test_failures_of_a_run_say_that_the_model_answers(fault):
    made = breaker(FaultKind.SERVER, FaultKind.SERVER, fault, FaultKind.SERVER)
    assert made.closed


def test_one_may_try_and_the_others_wait():
    made = breaker(FaultKind.OVERLOADED)
    made.time.seconds = 59
    assert not made.enter()
    made.time.seconds = 60
    assert made.enter()
    assert not made.enter()
    made.left(None)
    assert made.closed
    assert made.enter()
    assert made.enter()


def test_failed_try_doubles_the_time():
    made = breaker(FaultKind.OVERLOADED)
    waits = []
    for _ in range(6):
        made.time.seconds += made.seconds
        assert made.enter()
        made.left(FaultKind.OVERLOADED, "still")
        waits.append(made.seconds)
    assert waits == [120, 240, 480, LONGEST, LONGEST, LONGEST]
    made.time.seconds += made.seconds
    assert made.enter()
    made.left(None)
    made.left(FaultKind.OVERLOADED, "again")
    assert made.seconds == 60


def test_cancelled_try_lets_the_next_one_try():
    made = breaker(FaultKind.OVERLOADED)
    made.time.seconds = 60
    assert made.enter()
    made.cancelled()
    assert not made.closed
    assert made.enter()


def test_runs_that_began_before_it_opened_do_not_close_it_again_by_failing():
    made = breaker()
    assert made.enter()
    assert made.enter()
    made.left(FaultKind.AUTH, "no key")
    made.left(FaultKind.AUTH, "no key")
    assert not made.closed
    assert made.seconds == 600
