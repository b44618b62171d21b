"""Two replicas, their gates and one store, driven at random and held against an obvious model of what may happen.

Incidents 1 and 2 have one policy, 1 and 4 one target, 3 needs a person's yes. What the gate refuses
is free; what it allows must be right by the model at that very moment.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from sre_daemon.domain.approval import GRANT, Answer, Approval
from sre_daemon.domain.effect import ServiceRestart
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.errors import StoreConflict
from sre_daemon.executor.gate import Gate
from sre_daemon.metrics import Metrics
from sre_daemon.policy.file import parse
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.hands import Hands
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import MemoryDatabase
from tests.support.clock import ManualClock
from tests.support.factories import alert, incident
from tests.support.repairs import FixedRecord, FixedWatcher, store_incident

LEASE = timedelta(seconds=15)
HOUR = timedelta(hours=1)
PER_HOUR, CHANGES, FLEET = 2, 4, 2
LIMITS = f"{{per_hour: {PER_HOUR}, cooldown: 1s, concurrent: 1, attempts_per_incident: 5}}"
POLICY = parse(f"""\
version: 1
mode: act
limits:
  target_cooldown: 1s
  changes_per_hour: {CHANGES}
  concurrent: {{service: 9, host: 9, fleet: {FLEET}}}
policies:
  - name: alone
    matchers: ['alertname="Shared"']
    autonomy: auto
    allow:
      - {{effect: service.restart, service: api-server}}
      - {{effect: service.restart, service: cart}}
    limits: {LIMITS}
  - name: asking
    matchers: ['alertname="Third"']
    autonomy: ask
    allow: [{{effect: service.restart, service: auth-svc}}]
    limits: {LIMITS}
  - name: other
    matchers: ['alertname="Fourth"']
    autonomy: auto
    allow: [{{effect: service.restart, service: api-server}}]
    limits: {LIMITS}
""")
NAMES = {1: "Shared", 2: "Shared", 3: "Third", 4: "Fourth"}
RULES = {1: "alone", 2: "alone", 3: "asking", 4: "other"}
SERVICES = {1: "api-server", 2: "cart", 3: "auth-svc", 4: "api-server"}
EFFECTS = {which: ServiceRestart(service) for which, service in SERVICES.items()}
PAUL = Person("paul", Role.APPROVER)
ENDS = st.sampled_from([EffectState.APPLIED, EffectState.FAILED])
RARELY = st.sampled_from([False, False, False, True])
WHICH, REPLICA = st.sampled_from(sorted(NAMES)), st.sampled_from([0, 1])


def name(which):
    return f"0{which}incident000{which}"


class Fixed:
    """A policy source with this policy."""

    def current(self):
        return POLICY


class Fleet(RuleBasedStateMachine):
    """The system, and beside it the little that must be known to say what may happen."""

    allowed = 0
    why: ClassVar = Counter()

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.run = self.runner.run
        self.database, self.clock = MemoryDatabase(), ManualClock()
        self.store, self.watcher = SqlStore(self.database), FixedWatcher()
        self.approvals, self.pauses = Approvals(self.database), Pauses(self.database)
        self.hands = Hands(self.database)
        self.gates = [self.gate(), self.gate()]
        self.held = [{}, {}]
        # The model.
        self.paused, self.off = False, set()
        self.begun = {}  # (which, attempt) -> when
        self.active = set()  # (which, attempt)
        self.granted = {}  # (which, attempt) -> when; gone when it was rejected, void or used
        self.asked = {}  # which -> Approval
        self.run(self.begin())

    def gate(self):
        return Gate(
            Path("unused"),
            self.store,
            FixedRecord(),
            Fixed(),
            self.watcher,
            self.clock,
            Metrics(),
        )

    async def begin(self):
        await self.store.open()
        for which, called in NAMES.items():
            seen = {EFFECTS[which].target: {"instance": ""}}
            one = incident(
                State.DIAGNOSED if which == 3 else State.REMEDIATING,
                id=name(which),
                key=f"key-{which}",
                attempt=0 if which == 3 else 1,
                policy=RULES[which],
            ).noting(targets=seen)
            await store_incident(self.store, one, alert(alertname=called, pod=str(which)))

    def teardown(self):
        """The store has begun exactly what the model let it."""
        stored = {
            (which, record.attempt)
            for which in NAMES
            for record in self.run(self.store.effects(name(which)))
            if record.intended_at is not None
        }
        assert stored == set(self.begun)
        self.run(self.store.close())
        self.runner.close()

    # --- the world

    @rule(seconds=st.sampled_from([1, 5, 20, 700, 3700]))
    def time_goes_by(self, seconds):
        self.clock.advance(seconds)

    @rule(which=WHICH, what=st.sampled_from(["stopped", "silenced"]), so=RARELY)
    def an_alert_turns(self, which, what, so):
        names = getattr(self.watcher, what)
        names.add(NAMES[which]) if so else names.discard(NAMES[which])

    @rule(so=RARELY)
    def a_person_pauses_or_resumes(self, so):
        act = self.pauses.pause if so else self.pauses.resume
        self.run(act("because", "ada", self.clock.now()))
        self.paused = so

    @rule(which=WHICH, so=RARELY)
    def a_person_takes_hold_or_lets_go(self, which, so):
        act = self.hands.off if so else self.hands.on
        changed = self.run(act(name(which), "ada", "because", self.clock.now()))
        assert changed is ((which in self.off) is not so)
        self.off = self.off | {which} if so else self.off - {which}

    # --- the replicas

    @rule(replica=REPLICA)
    def a_replica_claims(self, replica):
        now, owner = self.clock.now(), f"replica-{replica}"
        while (claimed := self.run(self.store.claim(owner, now, LEASE))) is not None:
            self.held[replica][claimed.id] = claimed

    @rule(replica=REPLICA)
    def a_replica_is_killed(self, replica):
        self.gates[replica] = self.gate()
        self.held[replica] = {}

    @rule(replica=REPLICA)
    def a_replica_asks(self, replica):
        mine = self.held[replica].get(name(3))
        if mine is None or mine.state is not State.DIAGNOSED:
            return
        now = self.clock.now()
        asked = Approval(
            id=f"{mine.id}-a{mine.attempt + 1}",
            incident_id=mine.id,
            attempt=mine.attempt + 1,
            policy="asking",
            effects=(EFFECTS[3],),
            targets={},
            requested_at=now,
            expires_at=now + timedelta(minutes=30),
        )
        moved = replace(mine.moved(Event.APPROVAL_NEEDED, now), attempt=asked.attempt)
        try:
            saved = self.run(self.store.save(moved, mine.fence, [], asked))
        except StoreConflict:
            return
        self.asked[3] = asked
        self.run(self.store.release(saved.id, saved.fence))

    @rule(replica=REPLICA, which=WHICH)
    def a_replica_wants_to_act(self, replica, which):
        """Under the claim that it has, however old that is, or else a new one."""
        if name(which) not in self.held[replica]:
            self.a_replica_claims(replica)
        mine = self.held[replica].get(name(which))
        if mine is not None:
            self.run(self.act(self.gates[replica], which, mine))

    @rule(replica=REPLICA, which=WHICH, state=ENDS)
    def a_replica_that_comes_late_acts_and_ends(self, replica, which, state):
        self.clock.advance(LEASE.total_seconds())
        self.a_replica_claims(replica)
        self.a_replica_wants_to_act(replica, which)
        self.run(self.end(which, state))

    async def act(self, gate, which, mine):
        now, effect = self.clock.now(), EFFECTS[which]
        try:
            await self.store.plan(mine, mine.fence, Direction.FORWARD, [effect], now)
        except StoreConflict:
            return
        deadline = now + timedelta(minutes=5)
        async with gate.session(mine, Direction.FORWARD, deadline) as session:
            session.seen.update(mine.data["targets"])
            answer = await gate.answer(session.token, [effect])
        Fleet.why[answer.reason] += 1
        if answer.allow:
            type(self).allowed += 1
            await self.must_be_right(which, mine, now)

    async def must_be_right(self, which, mine, now):
        """Everything that the model knows, at the moment of the intent."""
        attempt = (which, mine.attempt)
        assert not self.paused
        assert which not in self.off
        assert NAMES[which] not in self.watcher.stopped | self.watcher.silenced
        stored = await self.store.incident(mine.id)
        assert (stored.fence, stored.state) == (mine.fence, State.REMEDIATING)
        assert attempt not in self.begun, "the same attempt acted twice"
        others = [key for key in self.active if key[0] != which]
        assert EFFECTS[which].target not in {EFFECTS[key[0]].target for key in others}
        assert RULES[which] not in {RULES[key[0]] for key in others}
        assert len(others) < FLEET
        recent = [k for k, at in self.begun.items() if now - at < HOUR and k[0] != which]
        assert len(recent) < CHANGES
        assert sum(RULES[key[0]] == RULES[which] for key in recent) < PER_HOUR
        if which == 3:
            assert now - self.granted.pop(attempt) < GRANT
        self.begun[attempt] = now
        self.active.add(attempt)

    # --- people, and how it ends

    @rule(answer=st.sampled_from(Answer))
    def a_person_answers(self, answer):
        asked = self.asked.get(3)
        if asked is None:
            return
        now = self.clock.now()
        said = self.run(
            self.approvals.answer(asked.incident_id, answer, asked.digest, PAUL, "so", now)
        )
        if said.refusal is not None:
            return
        key = (3, asked.attempt)
        assert key not in self.begun, "an answer counted after the effect was begun"
        if answer is Answer.APPROVE:
            self.granted[key] = now
        else:
            self.granted.pop(key, None)

    @rule()
    def a_question_becomes_void(self):
        asked = self.asked.get(3)
        if asked is not None and self.run(self.approvals.void(asked, "changed", self.clock.now())):
            self.granted.pop((3, asked.attempt), None)

    @rule(which=WHICH, state=ENDS)
    def a_repair_ends_and_may_begin_again(self, which, state):
        self.run(self.end(which, state))

    async def end(self, which, state):
        now = self.clock.now()
        one = await self.store.incident(name(which))
        if one.state is State.REMEDIATING:
            for record in await self.store.effects(one.id, one.attempt):
                if record.state is EffectState.INTENDED:
                    await self.store.settle(record.id, state, {}, now)
            self.active.discard((which, one.attempt))
            one = await self.store.transition(one.moved(Event.FAILED, now), [])
        if one.state is not State.ESCALATED:
            return
        one = await self.store.transition(one.moved(Event.HANDED_BACK, now), [])
        one = await self.store.transition(one.moved(Event.DIAGNOSED, now), [])
        if which != 3:
            again = replace(one.moved(Event.ALLOWED, now), attempt=one.attempt + 1)
            await self.store.transition(again, [])


def test_no_order_of_events_lets_an_effect_happen_that_may_not():
    Fleet.allowed = 0
    run_state_machine_as_test(
        Fleet,
        settings=settings(
            max_examples=30, stateful_step_count=50, deadline=None, derandomize=True, database=None
        ),
    )
    # It would hold, too, if nothing was ever allowed.
    assert Fleet.allowed > 15, Fleet.why
