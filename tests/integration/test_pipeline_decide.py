"""The stage of the decision and the wait for a person, over a real store and a real policy file."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from sre_daemon.domain.approval import Answer, ApprovalState, Refusal
from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import TargetUnavailable, ToolFailed, ToolServerUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.observe import Sample
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.approve import LOOK_EVERY, Approve
from sre_daemon.pipeline.decide import Decide, Eyes, Patience
from sre_daemon.pipeline.stage import Escalate, Next, Wait
from sre_daemon.policy.source import PolicyFile
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.clock import ManualClock
from tests.support.factories import REPAIR, SET_POOL, alert, diagnosis, incident
from tests.support.repairs import POLICY, FixedRecord, counted, store_incident

EXPIRY = timedelta(minutes=30)
SEEN = {
    "config/api-server.env#DB_POOL_SIZE": {"value": "1", "digest": "abc"},
    "service:api-server": {"instance": ""},
}
GUARD = 'up{job="postgres"} == 1'
PAUL = Person("paul", Role.APPROVER)


@dataclass
class Around:
    """What the decision looks at: targets and Prometheus."""

    guards: dict[str, bool | None] = field(default_factory=dict)
    failure: Exception | None = None
    away: bool = False
    seen: dict = field(default_factory=lambda: SEEN)

    async def look(self, effects):
        if self.failure is not None:
            raise self.failure
        return {effect.target: self.seen[effect.target] for effect in effects}

    async def holds(self, query):
        if self.away:
            raise TargetUnavailable("no answer")
        return self.guards.get(query)

    async def sample(self, query):
        return Sample(query, False, 4.0)


@dataclass
class Bench:
    store: SqlStore
    approvals: Approvals
    around: Around
    decide: Decide
    approve: Approve
    clock: ManualClock
    metrics: Metrics
    incident: object

    async def save(self, outcome):
        """As the worker does."""
        moved = self.incident.moved(outcome.event, self.clock.now()).noting(**outcome.notes)
        moved = replace(moved, attempt=outcome.attempt, policy=outcome.policy)
        self.incident = await self.store.save(
            moved, self.incident.fence, outcome.events, outcome.approval
        )


@asynccontextmanager
async def deciding(folder, policy, *, flaps=3):
    clock, metrics, around = ManualClock(), Metrics(), Around()
    file = folder / "policy.yaml"
    file.write_text(policy)
    database = SqliteDatabase(folder / "decide.sqlite3")
    store, approvals = SqlStore(database), Approvals(database)
    await store.open()
    try:
        one = incident(State.DIAGNOSED).noting(diagnosis=wire.diagnosis_to_json(diagnosis(*REPAIR)))
        await store_incident(store, one, alert())
        claimed = await store.claim("worker", clock.now(), timedelta(minutes=5))
        patience = Patience(flaps, EXPIRY)
        eyes, record = Eyes(around, around), FixedRecord()
        decide = Decide(store, PolicyFile(file), eyes, record, patience, clock, metrics)
        approve = Approve(approvals, around, clock, metrics)
        yield Bench(store, approvals, around, decide, approve, clock, metrics, claimed)
    finally:
        await store.close()


def with_level(level, more=""):
    return POLICY.replace("autonomy: auto", f"autonomy: {level}{more}", 1)


async def test_auto_goes_on_to_the_repair_with_what_was_seen(tmp_path):
    async with deciding(tmp_path, POLICY) as b:
        outcome = await b.decide(b.incident)
        assert (outcome.event, outcome.attempt, outcome.policy) == (Event.ALLOWED, 1, "pool")
        assert outcome.approval is None
        assert outcome.notes["targets"] == SEEN


async def test_ask_stores_the_question_with_the_move_and_waits(tmp_path):
    more = "\n    approvers: [sre-oncall]"
    async with deciding(tmp_path, with_level("ask", more)) as b:
        outcome = await b.decide(b.incident)
        assert (outcome.event, outcome.reason) == (Event.APPROVAL_NEEDED, Reason.AUTONOMY)
        await b.save(outcome)
        asked = await b.approvals.of(b.incident)
        assert (asked.effects, asked.targets, asked.approvers) == (REPAIR, SEEN, ("sre-oncall",))
        assert asked.expires_at - asked.requested_at == EXPIRY
        assert await b.approve(b.incident) == Wait(asked.requested_at + LOOK_EVERY)
        kinds = [event.kind for event in await b.store.timeline(b.incident.id)]
        assert kinds == [Kind.VERDICT, Kind.APPROVAL]
        assert counted(b.metrics.approvals, outcome="asked") == 1


async def asked_for(b, seconds=30):
    """The question is stored, and so much time went by."""
    await b.save(await b.decide(b.incident))
    b.clock.advance(seconds)


async def test_a_changed_target_makes_the_question_void(tmp_path):
    async with deciding(tmp_path, with_level("ask")) as b:
        await asked_for(b)
        b.around.seen = SEEN | {SET_POOL.target: {"value": "7", "digest": "def"}}
        outcome = await b.approve(b.incident)
        assert (type(outcome), outcome.reason) == (Escalate, Reason.TARGET_CHANGED)
        assert "value was '1' and is '7'" in outcome.message
        asked = await b.approvals.of(b.incident)
        assert asked.state is ApprovalState.VOID
        assert counted(b.metrics.approvals, outcome="void") == 1
        told = (await b.store.timeline(b.incident.id))[-1]
        assert told.kind is Kind.APPROVAL
        assert "void" in told.summary
        assert "and is '7'" in told.summary
        said = await b.approvals.answer(
            b.incident.id, Answer.APPROVE, asked.digest, PAUL, "", b.clock.now()
        )
        assert said.refusal is Refusal.VOID
        # A crash before the incident was moved: whoever claims it next moves it.
        again = await b.approve(b.incident)
        assert (type(again), again.reason) == (Escalate, Reason.TARGET_CHANGED)
        assert counted(b.metrics.approvals, outcome="void") == 1


async def test_an_unchanged_target_is_looked_at_now_and_then(tmp_path):
    async with deciding(tmp_path, with_level("ask")) as b:
        await asked_for(b, 10)
        b.around.failure = AssertionError("looked too soon")
        asked = await b.approvals.of(b.incident)
        assert await b.approve(b.incident) == Wait(b.clock.now() + LOOK_EVERY)
        b.around.failure = None
        b.clock.advance(LOOK_EVERY.total_seconds())
        assert await b.approve(b.incident) == Wait(b.clock.now() + LOOK_EVERY)
        b.clock.at = asked.expires_at - timedelta(seconds=1)
        assert await b.approve(b.incident) == Wait(asked.expires_at)


@pytest.mark.parametrize("blind", ["server", "file"])
async def test_a_target_that_cannot_be_seen_makes_nothing_void(tmp_path, blind):
    async with deciding(tmp_path, with_level("ask")) as b:
        await asked_for(b)
        if blind == "server":
            b.around.failure = ToolServerUnavailable("the tool server did not start")
        else:
            b.around.seen = SEEN | {SET_POOL.target: {"unseen": "no such file"}}
        assert isinstance(await b.approve(b.incident), Wait)
        assert (await b.approvals.of(b.incident)).state is ApprovalState.PENDING


async def test_nobody_answering_in_time_is_an_escalation(tmp_path):
    async with deciding(tmp_path, with_level("ask")) as b:
        await b.save(await b.decide(b.incident))
        b.clock.advance(EXPIRY.total_seconds())
        for _ in range(2):  # also when it is asked again after a crash in between
            outcome = await b.approve(b.incident)
            assert (outcome.event, outcome.reason) == (Event.EXPIRED, Reason.EXPIRED)
            assert "1800 s" in outcome.message
        assert (await b.approvals.of(b.incident)).state is ApprovalState.EXPIRED
        assert counted(b.metrics.approvals, outcome="expired") == 1


async def test_an_answer_just_before_the_expiry_is_not_lost(tmp_path):
    async with deciding(tmp_path, with_level("ask")) as b:
        await b.save(await b.decide(b.incident))
        asked, waiting = await b.approvals.of(b.incident), b.incident
        said = await b.approvals.answer(
            asked.incident_id, Answer.APPROVE, asked.digest, PAUL, "", b.clock.now()
        )
        assert said.refusal is None
        b.clock.advance(EXPIRY.total_seconds())
        # The worker read the incident before the answer: what it returns cannot be saved.
        assert isinstance(await b.approve(waiting), Wait)
        assert (await b.store.incident(waiting.id)).state is State.REMEDIATING


async def test_a_wait_without_a_question_goes_to_a_person(tmp_path):
    async with deciding(tmp_path, POLICY) as b:
        assert isinstance(await b.approve(b.incident), Escalate)


async def test_shadow_says_what_it_would_have_done_and_leaves_it_to_a_person(tmp_path):
    async with deciding(tmp_path, with_level("shadow")) as b:
        outcome = await b.decide(b.incident)
        assert isinstance(outcome, Escalate)
        assert outcome.reason is Reason.AUTONOMY
        assert "would have allowed" in outcome.message
        shadow = outcome.notes["shadow"]
        assert (shadow["policy"], shadow["targets"]) == ("pool", SEEN)
        assert len(shadow["effects"]) == 2


async def test_deny_goes_to_a_person_without_a_look_at_the_targets(tmp_path):
    async with deciding(tmp_path, "version: 1\nmode: act\npolicies: []\n") as b:
        b.around.failure = AssertionError("looked")
        outcome = await b.decide(b.incident)
        assert (type(outcome), outcome.reason) == (Escalate, Reason.NO_POLICY)


@pytest.mark.parametrize("level", ["auto", "ask", "shadow"])
async def test_targets_that_cannot_be_seen_are_a_no(tmp_path, level):
    async with deciding(tmp_path, with_level(level)) as b:
        b.around.failure = ToolFailed("no answer within 60 s")
        outcome = await b.decide(b.incident)
        assert (type(outcome), outcome.reason) == (Escalate, Reason.NO_DATA)
        b.around.failure = ToolServerUnavailable("the tool server did not start")
        with pytest.raises(ToolServerUnavailable):
            await b.decide(b.incident)


@pytest.mark.parametrize(
    ("said", "reason"),
    [(True, None), (False, Reason.GUARD_FAILED), (None, Reason.NO_DATA), ("away", Reason.NO_DATA)],
)
async def test_nobody_is_asked_about_what_a_guard_forbids(tmp_path, said, reason):
    policy = with_level("ask", f"\n    guards: ['{GUARD}']")
    async with deciding(tmp_path, policy) as b:
        b.around.away = said == "away"
        b.around.guards = {GUARD: said}
        outcome = await b.decide(b.incident)
        if reason is None:
            assert isinstance(outcome, Next)
        else:
            assert (type(outcome), outcome.reason) == (Escalate, reason)


async def test_only_attempts_that_changed_something_count(tmp_path):
    async with deciding(tmp_path, with_level("ask")) as b:
        for number in (1, 2):
            outcome = await b.decide(b.incident)
            assert outcome.attempt == number
            await b.save(outcome)
            asked = await b.approvals.of(b.incident)
            await b.approvals.answer(
                asked.incident_id, Answer.REJECT, asked.digest, PAUL, "no", b.clock.now()
            )
            now = await b.store.incident(b.incident.id)
            now = await b.store.transition(now.moved(Event.HANDED_BACK, b.clock.now()), [])
            b.incident = await b.store.transition(now.moved(Event.DIAGNOSED, b.clock.now()), [])
        await b.store.plan(b.incident, b.incident.fence, Direction.FORWARD, REPAIR, b.clock.now())
        (record, _) = await b.store.effects(b.incident.id)
        await b.store.settle(record.id, EffectState.APPLIED, {}, b.clock.now())
        outcome = await b.decide(b.incident)
        assert (type(outcome), outcome.reason) == (Escalate, Reason.ATTEMPTS_SPENT)


async def test_what_flaps_stays_with_a_person(tmp_path):
    async with deciding(tmp_path, POLICY, flaps=2) as b:
        outcome = await b.decide(b.incident.noting(recurred=2))
        assert outcome.reason is Reason.FLAPPING
