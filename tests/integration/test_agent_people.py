"""Claude and the tools that keys add: the reading ones are offered, used and recorded, no other."""

import sys

from sre_daemon.agent.claude.profile import ALLOWED
from sre_daemon.agent.tools import MORE_READS
from sre_daemon.toolclient import ToolServer
from tests.support.claude_runs import run_claude
from tests.support.messages_api import use
from tests.support.pagerduty_rest import pagerduty_rest
from tests.support.tool_server import tree

ANSWER = {
    "conclusive": False,
    "root_cause": "",
    "confidence": 0.1,
    "evidence": [],
    "contributing_factors": [],
    "affected_services": [],
    "ruled_out": [],
    "missing": ["more"],
    "proposed": [],
}


async def test_an_investigation_reads_pagerduty_and_is_offered_no_writing_tool(tmp_path):
    def model(body):
        if len(body["messages"]) == 1:
            return [use("mcp__sre__pagerduty_list_incidents", status="all")]
        return [use("StructuredOutput", **ANSWER)]

    async with pagerduty_rest() as pagerduty:
        pagerduty.open("somebody is at it")
        config = tree(tmp_path / "t", pagerduty=pagerduty.settings())
        server = ToolServer(
            (sys.executable, "-m", "mcp_tools", "--phase", "investigate", "--config", str(config))
        )
        run = await run_claude(tmp_path, model, server=server, attached=MORE_READS["pagerduty"])
    assert run.failure is None
    (call,) = run.recorder.calls
    assert (call.tool, call.is_error) == ("pagerduty_list_incidents", False)
    assert "somebody is at it" in call.output
    offered = {tool["name"] for tool in run.requests[0]["tools"]}
    reading = {f"mcp__sre__{name}" for name in MORE_READS["pagerduty"]}
    assert offered == {"StructuredOutput", *ALLOWED, *reading}
