"""The whole loop with the real Claude command line, driven by a model that decides from what tools return."""

import pytest

from stack.embedded import DEFAULT_POLICY
from tests.support import good_agent
from tests.support.claude_shop import claude_shop
from tests.support.messages_api import use

pytestmark = pytest.mark.timeout(300)
READ_TOOLS = {
    "query_metrics",
    "list_metrics",
    "get_service_health",
    "read_config_file",
    "get_container_logs",
    "get_logs",
    "get_alerts",
    "get_recent_deployments",
    "execute_runbook",
}


async def test_claude_finds_repairs_and_proves(tmp_path):
    async with claude_shop(tmp_path, good_agent.good) as shop:
        good, deploys = shop.file(), len(shop.deploys())
        await shop.stack.inject("pool-size")
        name = await shop.incident()
        incident = await shop.reaches(name, "closed", "escalated")
        story = await shop.story(name)
        assert (incident["state"], incident["resolution"]) == ("closed", "proven"), story
        assert shop.file() == good
        assert shop.deploys()[deploys:] == ["alice", "sre-daemon"]
        run = incident["runs"][0]
        assert (run["engine"], run["outcome"]) == ("claude", "diagnosed")
        assert run["turns"] >= 3
        assert run["tokens"]["input"] > 0
        # What the model was offered, from the requests themselves.
        for body in shop.model.bodies:
            names = {tool["name"] for tool in body["tools"]}
            assert names == {"StructuredOutput", *(f"mcp__sre__{name}" for name in READ_TOOLS)}
        steps = [e["data"]["tool"] for e in await shop.events(name) if e["data"].get("tool")]
        assert {"get_alerts", "query_metrics", "read_config_file", "get_logs"} <= set(steps)


def band_aid(body):
    """Says that a bigger pool will help, with real evidence for a wrong conclusion."""
    seen = good_agent.Seen(body)
    blocks = good_agent.good(body)
    if blocks[-1]["name"] != "StructuredOutput":
        return blocks
    quote = seen.find("read_config_file", r"DB_POOL_SIZE=\d+")
    answer = {
        "conclusive": True,
        "root_cause": "The pool is a little too small.",
        "confidence": 0.99,
        "evidence": [{"claim": "it is 20", "call": seen.call("read_config_file"), "quote": quote}],
        "contributing_factors": [],
        "affected_services": ["api-server"],
        "ruled_out": [],
        "missing": [],
        "proposed": [
            {
                "effect": "config.set",
                "path": "config/api-server.env",
                "key": "DB_POOL_SIZE",
                "before": "20",
                "after": "30",
            },
            {"effect": "service.redeploy", "service": "api-server"},
        ],
    }
    return [use("StructuredOutput", **answer)]


async def test_repair_that_does_not_help_is_taken_back_byte_for_byte(tmp_path):
    # A shop of its own: what follows a proven repair so soon is left to people.
    async with claude_shop(tmp_path, band_aid) as shop:
        shop.policy.write_text(DEFAULT_POLICY.read_text().replace("within: 60s", "within: 8s"))
        assert await shop.reload() == 200
        await shop.stack.inject("table-lock")
        (before, deploys) = shop.target()
        name = await shop.incident()
        await shop.reaches(name, "verifying", within=30)
        assert b"DB_POOL_SIZE=30\n" in shop.file()
        incident = await shop.reaches(name, "closed", "escalated")
        story = await shop.story(name)
        assert incident["state"] == "escalated", story
        assert await shop.reason(name) == "not_proven", story
        assert [
            (e["direction"], e["effect"]["effect"], e["state"]) for e in incident["effects"]
        ] == [
            ("forward", "config.set", "applied"),
            ("forward", "service.redeploy", "applied"),
            ("rollback", "config.set", "applied"),
            ("rollback", "service.redeploy", "applied"),
        ], story
        assert shop.target() == (before, [*deploys, "sre-daemon", "sre-daemon"]), story
        await shop.becomes('db_pool_size{service="api-server"}', 20)
        assert incident["postmortem"] is None
