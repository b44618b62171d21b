"""Effects towards people, from the plan to the service: real gate, real tools, played services."""

import json
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

import pytest

from mcp_tools.effects.form import canonical
from mcp_tools.guard import GateGuard
from sre_daemon.domain.outward import ConfluenceCreate, PagerDutyCreate, PagerDutyUpdate
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import ToolError
from sre_daemon.executor import outward
from sre_daemon.executor.base import Result
from sre_daemon.executor.executor import Executor
from tests.support.confluence import confluence
from tests.support.inside import Asked, inside
from tests.support.pagerduty_rest import pagerduty_rest
from tests.support.repairs import POLICY, under_repair
from tests.support.tool_server import text

APPLIED = EffectState.APPLIED
OPEN = PagerDutyCreate("PSHOP", "Checkout fails", "5xx", "high", "k1")
DONE = PagerDutyUpdate("PSHOP", "Q001", "resolved", "DB_POOL_SIZE was 1")
SECTIONS = {
    "incident_summary": "5xx",
    "root_cause": "DB_POOL_SIZE was 1",
    "timeline": ["10:02 deploy"],
    "impact": None,
    "remediation_steps": [],
    "action_items": [{"task": "guard it", "owner": None, "due_date": None}],
    "pagerduty_incident_id": "Q001",
}
PAGE = ConfluenceCreate("SRE", "77", "Post-Mortem: pool", canonical(SECTIONS))
ALLOW = """\
      - {effect: pagerduty.create, service: PSHOP, urgency: [high]}
      - {effect: pagerduty.update, service: PSHOP, status: [resolved]}
      - {effect: confluence.create, space: SRE, parent: '77'}
    limits"""


class Bench:
    """Tools beside the two services, and who calls them for a repair."""

    def __init__(self, repair, pagerduty, site):
        self.repair, self.pagerduty, self.site = repair, pagerduty, site
        self.calls = []
        self.dies_after = ""
        self.executor = Executor(repair.store, repair.gate, self.open, repair.clock, repair.metrics)

    @asynccontextmanager
    async def open(self, token, _direction):
        settings = {"pagerduty": self.pagerduty.settings(), "confluence": self.site.settings()}
        async with inside(settings, GateGuard(self.repair.gate.socket, token)) as client:
            self.client = client
            yield self

    async def call(self, tool, arguments):
        self.calls.append(tool)
        result = await self.client.call_tool(tool, dict(arguments))
        if self.dies_after == tool:
            self.dies_after = ""
            raise KeyboardInterrupt
        return Result(result.structured_content, text(result), bool(result.is_error))

    async def apply(self):
        return await self.executor.apply(self.repair.incident, Direction.FORWARD)

    async def states(self):
        return await self.repair.states()


@asynccontextmanager
async def bench(folder, *effects):
    async with (
        pagerduty_rest() as pagerduty,
        confluence() as site,
        under_repair(folder, effects=effects) as repair,
    ):
        repair.policy.write_text(POLICY.replace("    limits", ALLOW, 1))
        yield Bench(repair, pagerduty, site)


async def test_people_are_called_and_told_through_the_gate(tmp_path):
    async with bench(tmp_path, OPEN, DONE) as b:
        applied = await b.apply()
        assert applied.complete, applied.message
        assert await b.states() == [APPLIED, APPLIED]
        assert b.pagerduty.incidents["Q001"]["status"] == "resolved"
        assert [note["content"] for note in b.pagerduty.notes["Q001"]] == [DONE.note]


async def test_an_incident_of_another_service_is_not_what_was_decided(tmp_path):
    async with bench(tmp_path, DONE) as b:
        b.pagerduty.open(service="POTHER")
        applied = await b.apply()
        assert applied.reason is Reason.EFFECT_REFUSED
        assert "not what was decided" in applied.message
        assert b.pagerduty.incidents["Q001"]["status"] == "triggered"
        assert b.pagerduty.notes == {}


async def test_a_page_that_nobody_agreed_to_is_not_published(tmp_path):
    async with bench(tmp_path, PAGE) as b:
        b.pagerduty.open()
        applied = await b.apply()
        assert applied.reason is Reason.EFFECT_REFUSED
        assert "for a person to confirm" in applied.message
        assert b.site.pages == {}


@pytest.mark.parametrize("effect", [OPEN, DONE], ids=lambda effect: effect.kind)
async def test_what_was_done_before_a_crash_is_seen_and_not_done_again(tmp_path, effect):
    tool, _ = outward.call(effect)
    async with bench(tmp_path, effect) as b:
        if effect is DONE:
            b.pagerduty.open()
        b.dies_after = tool
        with pytest.raises(KeyboardInterrupt):
            await b.apply()
        assert await b.states() == [EffectState.INTENDED]
        assert (await b.apply()).complete
        assert await b.states() == [APPLIED]
        assert b.calls.count(tool) == 1
        assert len(b.pagerduty.incidents) == 1


async def test_what_a_crash_kept_from_happening_is_done_once(tmp_path):
    async with bench(tmp_path, OPEN) as b:
        b.pagerduty.faults.next = [("POST", (503, {}, ""))] * 4
        first = await b.apply()
        assert first.reason is Reason.EFFECT_FAILED
        assert await b.states() == [EffectState.NOT_APPLIED]
        assert (await b.apply()).complete
        assert len(b.pagerduty.incidents) == 1


async def test_a_page_is_known_again_by_its_key(tmp_path):
    async with bench(tmp_path, OPEN) as b, b.open("no token", Direction.FORWARD):
        measured = await outward.measure(b, PAGE, None)
        assert measured == (EffectState.NOT_APPLIED, {"measured": "there is no such page"})
        b.site.write(PAGE.title, "<p>another</p>")
        assert (await outward.measure(b, PAGE, None))[0] is EffectState.FAILED
        b.site.pages.clear()
        b.site.write(PAGE.title, f"<p>Key of this page: {PAGE.key}</p>")
        assert (await outward.measure(b, PAGE, None))[0] is APPLIED
        b.site.faults.next = [("GET", (403, {}, ""))]
        assert (await outward.measure(b, PAGE, None))[0] is EffectState.INTENDED


async def test_both_sides_make_the_same_page_and_key_of_an_effect():
    guard = Asked()
    async with pagerduty_rest() as pagerduty, confluence() as site:
        both = {"pagerduty": pagerduty.settings(), "confluence": site.settings()}
        async with inside(both, guard) as client:
            tool, arguments = outward.call(PAGE)
            made = await client.call_tool(tool, arguments)
        assert made.structured_content["key"] == PAGE.key
        assert [page["title"] for page in site.pages.values()] == [PAGE.title]
    assert [asdict(effect) for effect in guard.effects] == [asdict(PAGE)]


@pytest.mark.parametrize("body", ["", "[]", "{", json.dumps("x"), "[" * 100_000])
def test_sections_that_are_no_object_are_no_call(body):
    with pytest.raises(ToolError, match="no JSON object"):
        outward.call(replace(PAGE, body=body))
