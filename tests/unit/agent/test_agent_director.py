"""Who is asked, in which order, with what money; and that a person hears when nobody could answer."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from sre_daemon.agent.base import FollowUp, Reply, Report, SpentStep, ToolStep
from sre_daemon.agent.bounds import Bounds
from sre_daemon.agent.breaker import Breaker
from sre_daemon.agent.budget import BudgetRules, Limit, Rung
from sre_daemon.agent.director import Director, Models, Money
from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.run import Usage
from sre_daemon.domain.spending import Scope, Used, Window
from sre_daemon.errors import (
    AgentLimitReached,
    AgentUnavailable,
    FaultKind,
    StoreUnavailable,
)
from tests.support.clock import ManualClock
from tests.support.investigations import Recorder, make_request

FOUND = Diagnosis(True, "x", 0.9, (Evidence("a", "c1", "q"),))
NOTHING = Diagnosis(False, "", 0.0, missing=("a look at the disk",), ruled_out=("the pool",))
DOWN = AgentUnavailable("the API is overloaded", "wait", FaultKind.OVERLOADED)
USAGE = Usage(turns=2, input_tokens=100, cost_usd=0.25)
TRIAGE = Bounds(timedelta(seconds=5), turns=3, tool_calls=2)


@dataclass
class Scripted:
    """Makes one call, spends a little, and ends as told, one end after the other."""

    engine: str
    model: str
    ends: list
    requests: list = field(default_factory=list)

    async def investigate(self, request, on_step):
        self.requests.append(request)
        await asyncio.sleep(0)
        await on_step(ToolStep("c1", "get_alerts", {}, "[c1] q", False, 0.1))
        usage = USAGE if self.model else Usage()
        if self.model:
            await on_step(SpentStep(usage))
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, BaseException):
            raise end
        return Report(end, self.engine, self.model, usage, session="s1" if self.model else "")

    async def follow_up(self, question, on_step):
        self.requests.append(question)
        if isinstance(self.ends[0], Exception):
            raise self.ends[0]
        return Reply("because", self.engine, self.model, USAGE if self.model else Usage())


class Purse:
    """In memory; `used` is what was spent before."""

    def __init__(self, used=None):
        self.used = used or {}
        self.reserved = {}
        self.settled = {}

    async def reserve(self, reservation, decide):
        granted = decide(self.used)
        if granted.usd:
            self.reserved[reservation.run_id] = (reservation, granted)
        return granted

    async def settle(self, run_id, usd):
        self.settled[run_id] = usd

    async def spent(self, now):
        return {Window.HOUR: Used(1.5, 2)}


@dataclass
class Scene:
    """A director and all it directs."""

    director: Director
    full: Scripted
    small: Scripted
    runbook: Scripted
    purse: Purse
    clock: ManualClock
    failures: list
    recorder: Recorder = field(default_factory=Recorder)

    async def run(self, **request):
        return await self.director.investigate(replace(make_request(), **request), self.recorder)

    @property
    def said(self):
        return " | ".join(self.recorder.texts)


def scene(full=(FOUND,), runbook=(NOTHING,), small=(FOUND,), used=None, model=True, **models):
    clock, purse, failures = ManualClock(), Purse(used), []
    asked = [
        Scripted("claude", "big", list(full)),
        Scripted("claude", "little", list(small)),
        Scripted("runbook", "", list(runbook)),
    ]
    costs = {Rung.FULL: 2.0, Rung.SMALL: 0.5, Rung.TRIAGE: 0.1}
    rules = BudgetRules(costs, {(Scope.ALL, Window.DAY): Limit(usd=10)}, reserve=0)
    director = Director(
        asked[2],
        Models(asked[0], asked[1], triage=TRIAGE, **models) if model else None,
        Money(purse, rules),
        Breaker(clock.monotonic),
        clock,
        on_failure=failures.append,
    )
    return Scene(director, *asked, purse, clock, failures)


def spent(usd):
    return {(Scope.ALL, Window.DAY): Used(usd, 1)}


async def test_model_that_answers_is_the_only_one_asked():
    s = scene()
    report = await s.run()
    assert (report.engine, report.model, report.session) == ("claude", "big", "s1")
    assert s.runbook.requests == s.small.requests == []
    assert s.purse.settled == {"r1": 0.25}
    assert s.said == ""


async def test_without_a_model_the_runbooks_are_asked_and_no_money_is_needed():
    s = scene(model=False, runbook=[NOTHING])
    assert (s.director.engine, s.director.model) == ("runbook", "")
    assert not (await s.run()).diagnosis.conclusive
    assert s.purse.reserved == {}


async def test_runbooks_take_over_and_say_why():
    s = scene(full=[DOWN], runbook=[FOUND])
    report = await s.run()
    assert report.engine == "runbook"
    assert "the API is overloaded" in s.said
    assert [failure.kind for failure in s.failures] == [FaultKind.OVERLOADED]
    # Their calls keep different names, and the evidence names the right one.
    assert [step.call for step in s.recorder.calls] == ["c1", "c1.2"]
    assert report.diagnosis.evidence[0].call == "c1.2"


async def test_money_of_a_failed_run_is_settled_and_reported():
    s = scene(full=[DOWN], runbook=[FOUND])
    report = await s.run()
    assert s.purse.settled == {"r1": 0.25}
    assert report.usage == USAGE


async def test_when_nobody_finds_a_cause_the_models_failure_is_raised():
    s = scene(full=[DOWN])
    with pytest.raises(AgentUnavailable, match="overloaded"):
        await s.run()
    assert "a look at the disk" in s.said
    s = scene(full=[AgentLimitReached("turns")], runbook=[AgentUnavailable("no tool server")])
    with pytest.raises(AgentLimitReached, match="turns"):
        await s.run()


async def test_models_inconclusive_answer_is_an_answer():
    s = scene(full=[NOTHING], runbook=[FOUND])
    assert not (await s.run()).diagnosis.conclusive
    assert s.runbook.requests == []


async def test_deterministic_policy_asks_the_runbooks_first():
    s = scene(runbook=[FOUND])
    assert (await s.run(deterministic=True)).engine == "runbook"
    assert s.full.requests == []
    s = scene()
    assert (await s.run(deterministic=True)).engine == "claude"
    assert "the model is asked" in s.said
    s = scene(full=[DOWN])
    with pytest.raises(AgentUnavailable):
        await s.run(deterministic=True)
    assert len(s.runbook.requests) == 1


@pytest.mark.parametrize(
    ("usd", "model", "words"),
    [(7.9, "big", ""), (8.5, "little", "the smaller model is asked"), (9.6, "little", "facts")],
)
async def test_less_money_asks_less_of_the_model(usd, model, words):
    s = scene(used=spent(usd))
    assert (await s.run()).model == model
    assert words in s.said
    asked = (s.full.requests + s.small.requests)[0]
    assert (asked.bounds.turns == TRIAGE.turns) is (usd == 9.6)


async def test_no_money_asks_the_runbooks_and_says_so():
    s = scene(used=spent(10), runbook=[FOUND])
    assert (await s.run()).engine == "runbook"
    assert "10.00 of 10 dollars in a day are used" in s.said
    s = scene(used=spent(10))
    with pytest.raises(AgentUnavailable) as failed:
        await s.run()
    assert failed.value.kind is FaultKind.BUDGET
    assert s.purse.settled == {}


async def test_cheap_model_first_and_the_strong_one_when_it_finds_nothing():
    s = scene(small=[FOUND], cheap_first=True)
    assert (await s.run()).model == "little"
    s = scene(small=[NOTHING], cheap_first=True)
    report = await s.run()
    assert report.model == "big"
    assert report.diagnosis.evidence[0].call == "c1.2"
    assert report.usage.cost_usd == 0.5
    assert s.purse.settled == {"r1": 0.5}
    facts = s.full.requests[0].facts["What little found"]
    assert "ruled out: the pool" in facts
    assert "missing: a look at the disk" in facts


async def test_reservation_names_alert_and_team():
    s = scene()
    request = make_request(team="shop")
    await s.director.investigate(request, s.recorder)
    reservation, granted = s.purse.reserved["r1"]
    assert (reservation.alertname, reservation.team) == ("ApiDbPoolExhausted", "shop")
    assert granted.usd == 2.0


async def test_failing_model_is_left_alone_and_tried_again():
    s = scene(full=[DOWN, DOWN, FOUND], runbook=[FOUND])
    assert (await s.run()).engine == "runbook"
    assert not s.director.breaker.closed
    assert (await s.run()).engine == "runbook"
    assert len(s.full.requests) == 1
    assert "left alone" in s.said
    assert [failure.kind for failure in s.failures] == [FaultKind.OVERLOADED, FaultKind.BREAKER]
    s.clock.advance(61)
    assert (await s.run()).engine == "runbook"
    assert len(s.full.requests) == 2
    s.clock.advance(121)
    assert (await s.run()).engine == "claude"
    assert s.director.breaker.closed


async def test_only_one_run_tries_while_the_others_use_their_runbooks():
    s = scene(full=[DOWN, FOUND], runbook=[FOUND])
    await s.run()
    s.clock.advance(61)
    reports = await asyncio.gather(*(s.run() for _ in range(5)))
    assert sorted(report.engine for report in reports) == ["claude", *["runbook"] * 4]


async def test_cancelled_run_settles_its_money_and_frees_the_try():
    s = scene(full=[asyncio.CancelledError()])
    with pytest.raises(asyncio.CancelledError):
        await s.run()
    assert s.purse.settled == {"r1": 0.25}
    assert s.director.breaker.enter()


async def test_other_errors_are_not_swallowed():
    s = scene(full=[StoreUnavailable("locked")])
    with pytest.raises(StoreUnavailable):
        await s.run()
    assert s.runbook.requests == []


async def test_follow_up_goes_to_the_model_or_to_the_record():
    question = FollowUp("q1", "why?")
    s = scene()
    assert (await s.director.follow_up(question, s.recorder)).engine == "claude"
    assert s.purse.settled["q1"] == 0.25
    s = scene(used=spent(10))
    assert (await s.director.follow_up(question, s.recorder)).engine == "runbook"
    s = scene(model=False)
    assert (await s.director.follow_up(question, s.recorder)).engine == "runbook"
    s = scene(full=[DOWN])
    assert (await s.director.follow_up(question, s.recorder)).engine == "runbook"
    assert "overloaded" in s.said


async def test_what_is_left_is_told_by_window():
    left = await scene().director.remaining()
    assert left == {"hour": float("inf"), "day": 10.0, "month": float("inf")}
