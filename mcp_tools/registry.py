"""The table of tools: nine that look, and three more that write, in the order clients see them.

Four more for PagerDuty and three for Confluence exist where their keys are, and one for silences
where there is an Alertmanager.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp_tools.settings import ToolSettings
from mcp_tools.spec import Output, Phase, ToolSpec
from mcp_tools.tools import (
    alerts,
    commands,
    config,
    confluence,
    deployments,
    health,
    logs,
    metrics,
    pagerduty,
    postmortem,
    runbooks,
    silences,
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


PAGERDUTY = (
    Tool(pagerduty.CREATE, pagerduty.create),
    Tool(pagerduty.UPDATE, pagerduty.update),
    Tool(pagerduty.GET, pagerduty.get),
    Tool(pagerduty.LIST, pagerduty.list_incidents),
)
CONFLUENCE = (
    Tool(confluence.CREATE, confluence.create),
    Tool(confluence.GET, confluence.get),
    Tool(confluence.LIST, confluence.list_postmortems),
)

SILENCES = (Tool(silences.SILENCE, silences.create_silence),)


def registered(phase: Phase, settings: ToolSettings) -> dict[str, Tool]:
    """The tools of a phase by name. In `investigate` no writing tool exists, so none can be seen."""
    tools: list[Tool] = [*TOOLS]
    tools += SILENCES if settings.alertmanagers else ()
    tools += PAGERDUTY if settings.pagerduty is not None else ()
    tools += CONFLUENCE if settings.confluence is not None else ()
    return {
        tool.spec.name: tool
        for tool in tools
        if phase is not Phase.INVESTIGATE or tool.spec.phase is Phase.INVESTIGATE
    }
