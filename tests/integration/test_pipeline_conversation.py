"""Questions about an incident, over a real store: recorded like runs, one at a time."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from sre_daemon.agent.base import Reply, SpentStep, TextStep, ToolStep
from sre_daemon.agent.bounds import Bounds
from sre_daemon.domain.run import Run, RunOutcome, Usage
from sre_daemon.errors import AgentUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.conversation import Conversation
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.clock import ManualClock
from tests.support.factories import diagnosis, incident
from tests.support.repairs import counted, store_incident

USAGE = Usage(turns=2, input_tokens=100, cost_usd=0.25)


class Talker:
    """Looks once and answers; counts how many are at it."""

    engine, model = "claude", "big"

    def __init__(self, failure=None):
        self.asked, self.failure, self.most, self.now = [], failure, 0, 0

    async def follow_up(self, question, on_step):
        self.asked.append(question)
        self.now += 1
        self.most = max(self.most, self.now)
        await on_step(TextStep("I look."))
        await on_step(SpentStep(USAGE))
        await on_step(ToolStep("c1", "get_alerts", {}, "nothing fires", False, 0.1))
        await asyncio.sleep(0)
        self.now -= 1
        if self.failure:
            raise self.failure
        return Reply("All is well.", "claude", "big", USAGE, f"s{len(self.asked)}")


@asynccontextmanager
async def talking(folder, talker):
    clock, metrics = ManualClock(), Metrics()
    store = SqlStore(SqliteDatabase(folder / "talk.sqlite3"))
    await store.open()
    try:
        item = incident(data={"diagnosis": diagnosis_json()})
        await store_incident(store, item)
        first = Run("r1", item.id, "claude", "big", clock.now(), session="s0")
        await store.begin_run(first)
        await store.end_run(first)
        yield Conversation(store, talker, Bounds(), clock, metrics), store, item, metrics
    finally:
        await store.close()


def diagnosis_json():
    from sre_daemon.pipeline import wire

    return wire.diagnosis_to_json(diagnosis())


async def test_answer_is_recorded_like_a_run(tmp_path):
    talker, heard = Talker(), []

    async def on_step(step):
        heard.append(step)

    async with talking(tmp_path, talker) as (conversation, store, item, metrics):
        answer = await conversation.ask(item, "is it over?", "paul", on_step)
        assert answer.text == "All is well."
        assert len(heard) == 3
        run = (await store.runs(item.id))[-1]
        assert (run.id, run.outcome, run.usage) == (answer.run_id, RunOutcome.ANSWERED, USAGE)
        assert run.session == "s1"
        assert [call.output for call in await store.calls(run.id)] == ["nothing fires"]
        told = [event.summary for event in await store.timeline(item.id)]
        assert told == ["paul asks: is it over?", "I look.", "get_alerts()", "All is well."]
        runs = metrics.agent_runs
        assert counted(runs, phase="follow_up", outcome="answered") == 1


async def test_next_question_continues_the_last_answer(tmp_path):
    talker = Talker()
    async with talking(tmp_path, talker) as (conversation, _, item, _):
        await conversation.ask(item, "one", "paul")
        await conversation.ask(item, "two", "paul")
        assert [question.session for question in talker.asked] == ["s0", "s1"]


async def test_what_is_on_record_goes_along(tmp_path):
    talker = Talker()
    async with talking(tmp_path, talker) as (conversation, _, item, _):
        await conversation.ask(item, "x" * 9000, "paul")
        await conversation.ask(item, "two", "paul")
    facts = talker.asked[1].facts
    assert "DB_POOL_SIZE=1" in facts["Diagnosis"]
    assert "nothing fires" in facts["What the last run read"]
    assert len(talker.asked[0].question) == 4000


async def test_questions_about_one_incident_wait_for_each_other(tmp_path):
    talker = Talker()
    async with talking(tmp_path, talker) as (conversation, _, item, _):
        await asyncio.gather(*(conversation.ask(item, str(n), "paul") for n in range(5)))
    assert talker.most == 1
    assert len(talker.asked) == 5


async def test_failure_is_recorded_and_raised(tmp_path):
    talker = Talker(AgentUnavailable("the API is gone"))
    async with talking(tmp_path, talker) as (conversation, store, item, _):
        with pytest.raises(AgentUnavailable):
            await conversation.ask(item, "why?", "paul")
        run = (await store.runs(item.id))[-1]
        assert (run.outcome, run.error) == (RunOutcome.ERROR, "the API is gone")
        assert run.usage.cost_usd == 0.25
