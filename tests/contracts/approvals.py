"""What approvals must do on every database, as numbered behaviours."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from sre_daemon.domain.approval import GRANT, Answer, Approval, ApprovalState, Refusal
from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.errors import StoreConflict
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.base import Writes
from sre_daemon.store.sql import SqlStore
from tests.support.clock import START
from tests.support.correlation import fixed_writes
from tests.support.factories import REPAIR, SET_POOL, incident

PAUL = Person("paul", Role.APPROVER, ("sre-oncall",))
ADA = Person("ada", Role.ADMIN)
VERA = Person("vera", Role.VIEWER, ("sre-oncall",))
EXPIRY = timedelta(minutes=30)
LEASE = timedelta(minutes=5)
YES, NO = Answer.APPROVE, Answer.REJECT
STATES = ApprovalState


def later(seconds):
    return START + timedelta(seconds=seconds)


def question(of, **values):
    """What is asked about the attempt that comes next."""
    base = Approval(
        id=f"{of.id}-a{of.attempt + 1}",
        incident_id=of.id,
        attempt=of.attempt + 1,
        policy="pool",
        effects=REPAIR,
        targets={"config/api-server.env#DB_POOL_SIZE": {"value": "1", "digest": "abc"}},
        requested_at=START,
        expires_at=START + EXPIRY,
    )
    return replace(base, **values)


class Given:
    """One incident that waits for an approval, on a database."""

    def __init__(self, database):
        self.store = SqlStore(database)
        self.approvals = Approvals(database)
        self.audit = AuditLog(database)
        self.asked = None

    async def waiting(self, number=1, **values):
        """Bring it there in the way that the worker does."""
        one = incident(State.DIAGNOSED, id=f"01incident{number:04}", key=f"key-{number}")
        await self.store.accept([], fixed_writes(Writes(opened=[one])))
        claimed = await self.store.claim("worker/0", START, LEASE)
        self.asked = question(claimed, **values)
        moved = replace(claimed.moved(Event.APPROVAL_NEEDED, START), attempt=1, policy="pool")
        saved = await self.store.save(
            moved.waiting(self.asked.expires_at), claimed.fence, [], self.asked
        )
        await self.store.release(saved.id, saved.fence)
        return self.asked

    async def answer(self, answer=YES, person=PAUL, digest="", at=None, reason="looks right"):
        asked = self.asked
        return await self.approvals.answer(
            asked.incident_id, answer, digest or asked.digest, person, reason, at or later(60)
        )

    async def incident(self):
        return await self.store.incident(self.asked.incident_id)

    async def state(self):
        found = await self.approvals.history(self.asked.incident_id)
        return found[-1].state

    async def begin(self, at=None):
        """Plan the attempt and write the first intent."""
        now = await self.incident()
        claimed = await self.store.claim("worker/0", at or later(61), LEASE)
        assert claimed.id == now.id
        plan = await self.store.plan(
            claimed, claimed.fence, Direction.FORWARD, self.asked.effects, at or later(61)
        )
        return await self.store.intend(
            plan[0].id, claimed.fence, (State.REMEDIATING,), at or later(61)
        )


async def ap01_the_question_comes_with_the_wait_or_not_at_all(given):
    one = incident(State.DIAGNOSED)
    await given.store.accept([], fixed_writes(Writes(opened=[one])))
    claimed = await given.store.claim("worker/0", START, LEASE)
    moved = replace(claimed.moved(Event.APPROVAL_NEEDED, START), attempt=1)
    with pytest.raises(StoreConflict):
        await given.store.save(replace(moved, version=7), claimed.fence, [], question(claimed))
    with pytest.raises(StoreConflict):
        await given.store.save(moved, claimed.fence - 1, [], question(claimed))
    assert await given.approvals.history(one.id) == []
    assert await given.store.timeline(one.id) == []


async def ap02_a_question_is_read_back_equal_and_told(given):
    asked = await given.waiting(approvers=("sre-oncall",))
    assert await given.approvals.history(asked.incident_id) == [asked]
    assert await given.approvals.of(await given.incident()) == asked
    assert await given.approvals.waiting() == [asked]
    (told,) = await given.store.timeline(asked.incident_id)
    assert told.kind is Kind.APPROVAL
    assert told.data["digest"] == asked.digest
    (line,) = await given.audit.page()
    assert (line.entry.who, line.entry.subject) == ("daemon", asked.incident_id)


async def ap03_a_yes_moves_the_incident_on(given):
    await given.waiting()
    said = await given.answer(YES)
    assert said.refusal is None
    assert (said.before.state, said.after.state) == (State.AWAITING_APPROVAL, State.REMEDIATING)
    assert await given.incident() == said.after
    (stored,) = await given.approvals.history(given.asked.incident_id)
    assert stored == said.approval
    assert (stored.state, stored.who, stored.role) == (STATES.GRANTED, "paul", "approver")
    assert (stored.decided_at, stored.reason) == (later(60), "looks right")
    kinds = [event.kind for event in await given.store.timeline(given.asked.incident_id)]
    assert kinds == [Kind.APPROVAL, Kind.APPROVAL, Kind.STATE]
    assert [line.entry.who for line in await given.audit.page()] == ["daemon", "paul"]
    assert await given.approvals.waiting() == []


async def ap04_a_no_gives_the_incident_to_a_person(given):
    await given.waiting()
    said = await given.answer(NO)
    assert said.after.state is State.ESCALATED
    assert await given.state() is STATES.REJECTED


async def ap05_an_answer_to_something_else_does_not_count(given):
    await given.waiting()
    other = replace(given.asked, effects=(replace(SET_POOL, after="99"), REPAIR[1]))
    assert other.digest != given.asked.digest
    said = await given.answer(digest=other.digest)
    assert said.refusal is Refusal.CHANGED
    assert await given.state() is STATES.PENDING
    assert (await given.incident()).state is State.AWAITING_APPROVAL
    assert len(await given.audit.page()) == 1


async def ap06_the_first_answer_stands(given):
    await given.waiting()
    await given.answer(NO, ADA)
    for answer in Answer:
        said = await given.answer(answer)
        assert said.refusal is Refusal.DECIDED
        assert said.approval.who == "ada"
    assert await given.state() is STATES.REJECTED


async def ap07_only_who_may_can_answer(given):
    await given.waiting(approvers=("sre-oncall",))
    assert (await given.answer(person=VERA)).refusal is Refusal.ROLE
    assert (await given.answer(person=ADA)).refusal is Refusal.NOT_AN_APPROVER
    assert (await given.answer(person=PAUL)).refusal is None


async def ap08_nobody_can_answer_when_time_is_over(given):
    await given.waiting()
    for at in (START + EXPIRY, START + EXPIRY + timedelta(days=3)):
        assert (await given.answer(at=at)).refusal is Refusal.EXPIRED
    assert await given.approvals.expire(given.asked, START + EXPIRY)
    assert not await given.approvals.expire(given.asked, START + EXPIRY)
    assert (await given.answer()).refusal is Refusal.EXPIRED
    last = (await given.store.timeline(given.asked.incident_id))[-1]
    assert "expired" in last.summary


async def ap09_of_many_answers_and_an_expiry_exactly_one_counts(given):
    await given.waiting()
    moment = START + EXPIRY - timedelta(seconds=1)
    outcomes = await asyncio.gather(
        *(given.answer(answer, person, at=moment) for answer in Answer for person in (PAUL, ADA)),
        given.approvals.expire(given.asked, START + EXPIRY),
    )
    counted = [said for said in outcomes[:-1] if said.refusal is None]
    state = await given.state()
    if outcomes[-1]:
        assert (state, counted) == (STATES.EXPIRED, [])
    else:
        yes = [said for said in counted if said.approval.state is STATES.GRANTED]
        no = [said for said in counted if said.approval.state is STATES.REJECTED]
        # A no may still follow a yes, because nothing was begun yet; it is the last word.
        assert len(yes) <= 1
        assert len(no) <= 1
        assert state is (STATES.REJECTED if no else STATES.GRANTED)
    lines = [line.entry.data["state"] for line in await given.audit.page()]
    assert lines[-1] == state


async def ap10_a_no_counts_against_a_yes_until_the_first_effect(given):
    await given.waiting()
    await given.answer(YES, PAUL)
    said = await given.answer(NO, ADA, at=later(61))
    assert said.refusal is None
    assert await given.state() is STATES.REJECTED
    with pytest.raises(StoreConflict, match="rejected"):
        await given.begin()


async def ap11_a_no_after_the_first_effect_is_too_late(given):
    await given.waiting()
    await given.answer(YES)
    await given.begin()
    assert await given.state() is STATES.USED
    assert (await given.answer(NO, ADA)).refusal is Refusal.DECIDED


async def ap12_without_a_yes_nothing_begins(given):
    for number, state in enumerate((STATES.PENDING, STATES.EXPIRED, STATES.VOID), 1):
        await given.waiting(number)
        if state is STATES.EXPIRED:
            await given.approvals.expire(given.asked, START + EXPIRY)
        if state is STATES.VOID:
            await given.answer(YES)
            assert await given.approvals.void(given.asked, "it is 7 now", later(61))
        else:
            now = await given.incident()
            await given.store.transition(now.moved(Event.APPROVED, START), [])
        with pytest.raises(StoreConflict, match=state):
            await given.begin()
        records = await given.store.effects(given.asked.incident_id)
        assert {record.state for record in records} == {EffectState.PLANNED}
        now = await given.incident()
        await given.store.transition(now.moved(Event.FAILED, START), [])


async def ap13_a_yes_of_long_ago_is_none(given):
    await given.waiting()
    await given.answer(YES)
    with pytest.raises(StoreConflict):
        await given.begin(at=later(60) + GRANT)
    assert await given.state() is STATES.GRANTED


async def ap14_a_yes_in_use_lasts_as_long_as_its_attempt(given):
    await given.waiting()
    await given.answer(YES)
    begun = await given.begin()
    await given.store.settle(begun.id, EffectState.APPLIED, {}, later(62))
    second = (await given.store.effects(given.asked.incident_id))[1]
    at = later(60) + 2 * GRANT
    now = await given.incident()
    assert await given.store.intend(second.id, now.fence, (State.REMEDIATING,), at)


async def ap15_a_new_question_makes_the_old_one_void(given):
    first = await given.waiting()
    now = await given.incident()
    back = await given.store.transition(now.moved(Event.TAKEN_OVER, START), [])
    back = await given.store.transition(back.moved(Event.HANDED_BACK, START), [])
    back = await given.store.transition(back.moved(Event.DIAGNOSED, START), [])
    claimed = await given.store.claim("worker/0", later(60), LEASE)
    given.asked = question(claimed, attempt=2, id="second")
    moved = replace(claimed.moved(Event.APPROVAL_NEEDED, START), attempt=2)
    await given.store.save(moved, claimed.fence, [], given.asked)
    found = await given.approvals.history(first.incident_id)
    assert [item.state for item in found] == [STATES.VOID, STATES.PENDING]
    assert (await given.answer(digest=first.digest)).refusal is Refusal.CHANGED
    assert (await given.answer()).refusal is None


async def ap16_only_what_waits_is_shown_as_waiting(given):
    first = await given.waiting(1)
    second = await given.waiting(2, requested_at=later(5))
    third = await given.waiting(3, requested_at=later(1))
    over = await given.store.incident(first.incident_id)
    await given.store.transition(over.moved(Event.CLEARED, START), [])
    assert await given.approvals.waiting() == [third, second]
    given.asked = first
    assert (await given.answer()).refusal is Refusal.NOT_ASKED


async def ap17_void_after_use_changes_nothing(given):
    await given.waiting()
    await given.answer(YES)
    await given.begin()
    assert not await given.approvals.void(given.asked, "it is 7 now", START)
    assert await given.state() is STATES.USED


async def ap20_a_question_that_became_void_cannot_be_answered(given):
    await given.waiting()
    assert await given.approvals.void(given.asked, "it is 7 now", later(30))
    assert not await given.approvals.void(given.asked, "it is 7 now", later(31))
    assert (await given.answer()).refusal is Refusal.VOID
    assert await given.state() is STATES.VOID
    assert not await given.approvals.expire(given.asked, START + EXPIRY)
    line = (await given.audit.page())[-1]
    assert line.entry.who == "daemon"
    assert line.entry.summary.startswith("approval void: ")
    assert line.entry.summary.endswith("(it is 7 now)")


async def ap21_a_yes_that_became_void_is_not_said_by_who_gave_it(given):
    await given.waiting()
    granted = (await given.answer(YES)).approval
    assert await given.approvals.void(granted, "it is 7 now", later(61))
    assert [line.entry.who for line in await given.audit.page()] == ["daemon", "paul", "daemon"]


async def ap18_an_unknown_incident_asks_nothing(given):
    said = await given.approvals.answer("none", YES, "d" * 64, PAUL, "", START)
    assert said.refusal is Refusal.NOT_ASKED


async def ap19_what_is_deleted_takes_its_approvals_along(given):
    asked = await given.waiting()
    now = await given.incident()
    over = await given.store.transition(now.moved(Event.CLEARED, START), [])
    await given.store.transition(over.moved(Event.CLOSED, START), [])
    assert await given.store.forget(later(10), later(10), 10, later(10)) == 1
    assert await given.approvals.history(asked.incident_id) == []


BEHAVIOURS = [value for name, value in sorted(globals().items()) if name.startswith("ap")]
