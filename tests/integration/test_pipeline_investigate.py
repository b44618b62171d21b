"""The investigation over a real store: what it knows beforehand, what it records, and how it goes on
after the model failed."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from sre_daemon.agent.base import Report, SpentStep, TextStep, ToolStep
from sre_daemon.agent.bounds import Bounds
from sre_daemon.domain.alert import AlertStatus
from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.run import RunOutcome, Usage
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import AgentLimitReached, AgentUnavailable, FaultKind, PolicyFileError
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.investigate import Investigate
from sre_daemon.pipeline.resume import Resume
from sre_daemon.pipeline.stage import Escalate, Next
from sre_daemon.pipeline.surroundings import Look
from sre_daemon.policy.file import parse
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.clock import ManualClock
from tests.support.factories import REPAIR, alert, incident
from tests.support.repairs import POLICY, counted, store_incident

DOWN = AgentUnavailable("the API is overloaded", "wait", FaultKind.OVERLOADED)
USAGE = Usage(turns=2, input_tokens=1000, cost_usd=0.25)
HEALTH = ToolStep(
    "t1", "get_service_health", {}, "[t1] api-server: critical, 7 waiting", False, 0.1
)


def found(call="c1", quote="DB_POOL_SIZE=1"):
    evidence = Evidence("the size is 1", call, quote)
    return Diagnosis(True, "The pool was cut to 1.", 0.9, (evidence,), proposed=REPAIR)


@dataclass
class Agent:
    """Reads the configuration, says something, and ends as told."""

    end: object = field(default_factory=found)
    requests: list = field(default_factory=list)
    engine: str = "claude"
    model: str = "big"

    async def investigate(self, request, on_step):
        self.requests.append(request)
        await on_step(TextStep("I look at the pool."))
        await on_step(SpentStep(USAGE))
        read = {"path": "config/api-server.env"}
        await on_step(ToolStep("c1", "read_config_file", read, "[c1] DB_POOL_SIZE=1", False, 0.2))
        if isinstance(self.end, Exception):
            raise self.end
        return Report(self.end, "claude", "small", USAGE, "s1")


@dataclass
class Policy:
    text: str = POLICY

    def current(self):
        if not self.text:
            raise PolicyFileError("p:1: wrong")
        return parse(self.text, "p")


class Seeing:
    """Has seen the health of the services."""

    async def look(self, incident, alerts):
        return Look({"Health of the services (call t1)": HEALTH.output}, (HEALTH,))


@dataclass
class Scene:
    stage: Investigate
    store: SqlStore
    agent: Agent
    metrics: Metrics
    clock: ManualClock
    resume: Resume
    room: list

    async def run(self, item=None):
        """One pass of the stage, stored as the worker stores it."""
        before = item or await self.store.incident("01incident0001")
        outcome = await self.stage(before)
        event = Event.DIAGNOSED if isinstance(outcome, Next) else Event.GAVE_UP
        after = before.moved(event, self.clock.now()).noting(**outcome.notes)
        await self.store.transition(after, outcome.events)
        return outcome

    async def now(self):
        return await self.store.incident("01incident0001")


@asynccontextmanager
async def scene(folder, agent=None, policy=None, **values):
    clock, metrics, room = ManualClock(), Metrics(), [1]
    store = SqlStore(SqliteDatabase(folder / "investigate.sqlite3"))
    await store.open()
    try:
        await store_incident(store, incident(State.INVESTIGATING, **values), alert())
        agent = agent or Agent()
        stage = Investigate(store, agent, Seeing(), policy or Policy(), Bounds(), clock, metrics)
        resume = Resume(store, lambda: room[0], clock)
        yield Scene(stage, store, agent, metrics, clock, resume, room)
    finally:
        await store.close()


async def test_what_code_knows_is_told_recorded_and_can_be_cited(tmp_path):
    async with scene(tmp_path, Agent(found("t1", "7 waiting"))) as s:
        s.agent.end = Diagnosis(
            True, "It waits.", 0.9, (Evidence("7 requests wait", "t1", "critical, 7 waiting"),)
        )
        outcome = await s.run()
        assert isinstance(outcome, Next)
        (request,) = s.agent.requests
        assert request.facts == {"Health of the services (call t1)": HEALTH.output}
        assert [item.name for item in request.alerts] == ["ApiDbPoolExhausted"]
        assert outcome.notes["diagnosis"]["supported"] is True
        (run,) = await s.store.runs("01incident0001")
        assert [call.call for call in await s.store.calls(run.id)] == ["t1", "c1"]
        note = next(e for e in await s.store.timeline(run.incident_id) if e.kind is Kind.NOTE)
        assert "7 waiting" in note.summary


async def test_run_is_recorded_with_who_answered_and_what_it_cost(tmp_path):
    async with scene(tmp_path) as s:
        outcome = await s.run()
        assert (outcome.event, outcome.reason) == (Event.DIAGNOSED, Reason.DIAGNOSED)
        (run,) = await s.store.runs("01incident0001")
        assert (run.outcome, run.model, run.session) == (RunOutcome.DIAGNOSED, "small", "s1")
        assert run.usage == USAGE
        steps = [e for e in await s.store.timeline(run.incident_id) if e.kind is Kind.STEP]
        assert [step.summary for step in steps] == [
            "get_service_health()",
            "I look at the pool.",
            "read_config_file(path=config/api-server.env)",
        ]
        last = steps[-1].data
        assert (last["call"], last["size"], last["seconds"]) == ("c1", 19, 0.2)
        assert (last["tokens"], last["cost_usd"], last["run"]) == (1000, 0.25, run.id)
        runs = s.metrics.agent_runs
        assert counted(runs, phase="investigate", outcome="diagnosed") == 1


async def test_claims_that_the_record_does_not_bear_out_are_marked(tmp_path):
    async with scene(tmp_path, Agent(found(quote="DB_POOL_SIZE=7"))) as s:
        outcome = await s.run()
        stored = outcome.notes["diagnosis"]
        assert stored["supported"] is False
        assert "not in the result of c1" in stored["evidence"][0]["problem"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (POLICY, False),
        (POLICY.replace("  - name: pool\n", "  - name: pool\n    deterministic: true\n"), True),
        ("", False),
    ],
)
async def test_policy_says_who_is_asked_first(tmp_path, text, expected):
    async with scene(tmp_path, policy=Policy(text)) as s:
        await s.run()
        assert s.agent.requests[0].deterministic is expected


async def test_failed_model_brings_a_person_and_the_run_is_recorded(tmp_path):
    async with scene(tmp_path, Agent(DOWN)) as s:
        outcome = await s.run()
        assert isinstance(outcome, Escalate)
        assert outcome.reason is Reason.AGENT_FAILED
        assert "the API is overloaded" in outcome.message
        assert "goes on when the model answers again" in outcome.message
        (run,) = await s.store.runs("01incident0001")
        assert (run.outcome, run.usage.cost_usd) == (RunOutcome.ERROR, 0.25)
        assert (await s.now()).data["agent_failed"]["kind"] == "overloaded"


async def test_investigation_goes_on_when_the_model_is_back(tmp_path):
    async with scene(tmp_path, Agent(DOWN)) as s:
        await s.run()
        s.room[0] = 0
        await s.resume()
        assert (await s.now()).state is State.ESCALATED
        s.room[0] = 1
        await s.resume()
        again = await s.now()
        assert again.state is State.INVESTIGATING
        s.agent.end = found()
        outcome = await s.run()
        # It knows what the interrupted run read, and its result is for the person who has it now.
        facts = s.agent.requests[1].facts
        title = next(title for title in facts if "broke off" in title)
        assert "DB_POOL_SIZE=1" in facts[title]
        assert isinstance(outcome, Escalate)
        assert outcome.reason is Reason.DIAGNOSED
        assert "The pool was cut to 1." in outcome.message
        assert "hand it back" in outcome.message
        after = await s.now()
        assert after.data["diagnosis"]["supported"]
        assert {"agent_failed", "resumed"}.isdisjoint(after.data)
        await s.resume()
        assert (await s.now()).state is State.ESCALATED


async def test_it_is_tried_again_only_so_often(tmp_path):
    async with scene(tmp_path, Agent(DOWN)) as s:
        for _ in range(2):
            await s.run()
            await s.resume()
            assert (await s.now()).state is State.INVESTIGATING
        outcome = await s.run()
        assert "goes on" not in outcome.message
        await s.resume()
        assert (await s.now()).state is State.ESCALATED
        assert len(s.agent.requests) == 3


async def test_failure_of_the_run_itself_is_not_tried_again(tmp_path):
    async with scene(tmp_path, Agent(AgentLimitReached("turns"))) as s:
        outcome = await s.run()
        assert "goes on" not in outcome.message
        await s.resume()
        assert (await s.now()).state is State.ESCALATED
        assert (await s.store.runs("01incident0001"))[0].outcome is RunOutcome.LIMIT


async def test_incident_that_a_person_took_over_is_left_alone(tmp_path):
    async with scene(tmp_path, Agent(DOWN)) as s:
        await s.run()
        await s.resume()
        taken = (await s.now()).moved(Event.TAKEN_OVER, s.clock.now()).noting(agent_failed=None)
        await s.store.transition(taken, [])
        await s.resume()
        assert (await s.now()).state is State.ESCALATED


async def test_one_at_a_time_tries_while_nobody_knows(tmp_path):
    async with scene(tmp_path, Agent(DOWN)) as s:
        await s.run()
        other = incident(State.ESCALATED, id="02incident0002", key="k2")
        mark = {"kind": "auth", "at": "", "times": 1}
        await store_incident(s.store, other.noting(agent_failed=mark), alert(env="other"))
        await s.resume()
        states = [item.state for item in await s.store.incidents()]
        assert sorted(states) == [State.ESCALATED, State.INVESTIGATING]
        s.room[0] = 5
        await s.resume()
        states = [item.state for item in await s.store.incidents()]
        assert states == [State.INVESTIGATING] * 2


async def test_what_came_back_is_not_investigated_twice(tmp_path):
    async with scene(tmp_path) as s:
        await s.run()
        await store_incident(
            s.store,
            incident(State.INVESTIGATING, id="03", key="k3", data={"recurred": 1}),
            alert(status=AlertStatus.FIRING, env="x"),
        )
        item = (await s.store.incident("03")).noting(
            diagnosis=(await s.now()).data["diagnosis"], recurred=1
        )
        outcome = await s.stage(item)
        assert outcome.reason is Reason.STANDING
        assert len(s.agent.requests) == 1
