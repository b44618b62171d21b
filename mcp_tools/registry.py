"""The table of tools: nine that look, and three more that write, in the order clients see them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp_tools.spec import Output, Phase, ToolSpec
from mcp_tools.tools import (
    alerts,
    commands,
    config,
    deployments,
    health,
    logs,
    metrics,
    postmortem,
    runbooks,
)
from mcp_tools.tools.context import Context


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool's description and what runs it, given the context and its validated input."""

    spec: ToolSpec
    run: Callable[[Context, Any], Awaitable[Output]]


TOOLS = (
    Tool(metrics.QUERY, metrics.query_metrics),
    Tool(metrics.LIST, metrics.list_metrics),
    Tool(health.HEALTH, health.get_service_health),
    Tool(config.READ, config.read_config_file),
    Tool(logs.CONTAINER, logs.get_container_logs),
    Tool(logs.LOGS, logs.get_logs),
    Tool(alerts.ALERTS, alerts.get_alerts),
    Tool(deployments.DEPLOYMENTS, deployments.get_recent_deployments),
    Tool(runbooks.RUNBOOK, runbooks.execute_runbook),
    Tool(config.EDIT, config.edit_config_file),
    Tool(commands.COMMAND, commands.run_shell_command),
    Tool(postmortem.POSTMORTEM, postmortem.write_postmortem),
)


def registered(phase: Phase) -> dict[str, Tool]:
    """The tools of a phase by name. In `investigate` no writing tool exists, so none can be seen."""
    return {
        tool.spec.name: tool
        for tool in TOOLS
        if phase is not Phase.INVESTIGATE or tool.spec.phase is Phase.INVESTIGATE
    }
