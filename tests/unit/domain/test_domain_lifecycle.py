"""The lifecycle tables: every pair, reachability, and the diagrams in the documentation."""

import itertools

import pytest

from sre_daemon.domain.lifecycle import (
    INCIDENT,
    OPEN,
    REMEDIATION,
    UNCLEARABLE,
    WORKING,
    Event,
    RemediationEvent,
    RemediationState,
    State,
    advance,
)
from sre_daemon.errors import InvalidTransition
from sre_daemon.pipeline.build import FAILING

TABLES = [(INCIDENT, State, Event), (REMEDIATION, RemediationState, RemediationEvent)]
PAIRS = [
    pytest.param(table, state, event, id=f"{state}-{event}")
    for table, states, events in TABLES
    for state, event in itertools.product(states, events)
]


@pytest.mark.parametrize(("table", "state", "event"), PAIRS)
def test_each_pair_is_in_the_table_or_raises(table, state, event):
    if (state, event) in table:
        assert advance(table, state, event) is table[state, event]
    else:
        with pytest.raises(InvalidTransition, match=str(event)):
            advance(table, state, event)


def test_incident_table_has_the_designed_size():
    assert (len(State), len(Event), len(INCIDENT)) == (10, 20, 32)


def reachable(table, start):
    seen, todo = set(), [start]
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo += [after for (before, _), after in table.items() if before is state]
    return seen


def test_every_state_is_reachable_and_can_reach_the_end():
    assert reachable(INCIDENT, State.TRIGGERED) == set(State)
    assert all(State.CLOSED in reachable(INCIDENT, state) for state in State)


def test_an_effect_under_way_is_never_cleared():
    for state in State:
        legal = (state, Event.CLEARED) in INCIDENT
        assert legal is (state not in UNCLEARABLE)


def test_every_open_state_is_worked_on_or_waits_for_a_person():
    # An approval that nobody answers must end, too.
    assert {State.ESCALATED} == OPEN - WORKING


def test_a_person_can_take_over_whatever_is_not_over():
    for state in State:
        over = state in {State.ESCALATED, State.RESOLVED, State.CLOSED}
        assert ((state, Event.TAKEN_OVER) in INCIDENT) is not over


def test_failing_events_lead_to_a_person():
    for state, event in FAILING.items():
        assert INCIDENT[state, event] is State.ESCALATED
