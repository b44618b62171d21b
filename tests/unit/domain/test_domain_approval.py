"""Which answers count: every state, every person, every moment, and what the digest covers."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.domain.approval import (
    GRANT,
    REFUSALS,
    Answer,
    Approval,
    ApprovalState,
    Refusal,
    refuse,
)
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.person import Person, Role
from tests.support.clock import START
from tests.support.factories import REDEPLOY, REPAIR, SET_POOL

EXPIRES = START + timedelta(minutes=30)
ASKED = Approval(
    id="a1",
    incident_id="i1",
    attempt=1,
    policy="pool",
    effects=REPAIR,
    targets={"service:api-server": {"instance": "x"}},
    requested_at=START,
    expires_at=EXPIRES,
    approvers=("sre-oncall",),
)
PEOPLE = st.builds(
    Person,
    name=st.sampled_from(["ada", "paul"]),
    role=st.sampled_from(Role),
    groups=st.sampled_from([(), ("sre-oncall",), ("dba",)]),
)
OTHERS = [
    replace(ASKED, incident_id="i2"),
    replace(ASKED, attempt=2),
    replace(ASKED, policy="other"),
    replace(ASKED, effects=(REDEPLOY, SET_POOL)),
    replace(ASKED, effects=(SET_POOL,)),
    replace(ASKED, effects=(replace(SET_POOL, after="21"), REDEPLOY)),
    replace(ASKED, effects=(replace(SET_POOL, before="2"), REDEPLOY)),
    replace(ASKED, targets={"service:api-server": {"instance": "y"}}),
    replace(ASKED, targets={}),
]


@given(
    state=st.sampled_from(ApprovalState),
    where=st.sampled_from(State),
    answer=st.sampled_from(Answer),
    right=st.booleans(),
    person=PEOPLE,
    late=st.booleans(),
)
def test_an_answer_counts_only_when_everything_is_as_it_must_be(
    state, where, answer, right, person, late
):
    asked = replace(ASKED, state=state)
    at = EXPIRES if late else EXPIRES - timedelta(microseconds=1)
    refusal = refuse(asked, where, answer, asked.digest if right else "f" * 64, person, at)
    may = person.role is not Role.VIEWER and "sre-oncall" in person.groups and right
    open_ = state is ApprovalState.PENDING and where is State.AWAITING_APPROVAL and not late
    taken_back = (
        state is ApprovalState.GRANTED and where is State.REMEDIATING and answer is Answer.REJECT
    )
    assert (refusal is None) is (may and (open_ or taken_back))


def test_nothing_was_asked():
    person = Person("ada", Role.ADMIN)
    said = refuse(None, State.AWAITING_APPROVAL, Answer.APPROVE, "", person, START)
    assert said is Refusal.NOT_ASKED


@pytest.mark.parametrize("other", OTHERS)
def test_the_digest_covers_all_that_a_person_agrees_to(other):
    assert other.digest != ASKED.digest


def test_the_digest_stays_the_same_whatever_is_answered():
    answered = replace(ASKED, state=ApprovalState.GRANTED, who="ada", decided_at=START)
    assert answered.digest == ASKED.digest


@pytest.mark.parametrize("state", ApprovalState)
@pytest.mark.parametrize("effects", [REPAIR, (SET_POOL,), (replace(SET_POOL, after="21"),)])
@pytest.mark.parametrize("age", [timedelta(0), GRANT - timedelta(seconds=1), GRANT])
def test_only_what_was_granted_and_lately_lets_effects_happen(state, effects, age):
    approval = replace(ASKED, state=state, decided_at=START)
    listed = all(effect in REPAIR for effect in effects)
    fresh = state is ApprovalState.USED or (state is ApprovalState.GRANTED and age < GRANT)
    assert approval.holds(effects, START + age) is (listed and fresh)


def test_a_grant_without_a_time_is_none():
    assert not replace(ASKED, state=ApprovalState.GRANTED).holds(REPAIR, START)


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_says_why_and_what_to_do(refusal):
    sentence, hint = REFUSALS[refusal]
    assert sentence
    assert hint
