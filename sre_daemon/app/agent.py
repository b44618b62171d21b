"""Which investigator is used."""

from sre_daemon.agent.base import Investigator
from sre_daemon.agent.claude import ClaudeInvestigator, ClaudeProfile
from sre_daemon.agent.fallback import FallbackInvestigator
from sre_daemon.agent.runbook import RunbookInvestigator
from sre_daemon.agent.runbook.file import load as load_runbooks
from sre_daemon.app.foundation import Base
from sre_daemon.errors import ConfigError
from sre_daemon.executor.hands import tool_server


def investigator_for(base: Base) -> Investigator:
    settings, clock = base.settings, base.clock
    server = tool_server("investigate", base.tools)
    runbook = RunbookInvestigator(load_runbooks(settings.runbooks), server, clock)
    key = base.secrets.anthropic_api_key
    engine = settings.agent.engine
    if engine == "runbook" or (engine == "auto" and key is None):
        return runbook
    if key is None:
        raise ConfigError("agent.engine is claude", "set ANTHROPIC_API_KEY, or choose auto")
    profile = ClaudeProfile(
        model=settings.agent.model,
        folder=base.data / "runs",
        api_key=key.get_secret_value(),
        base_url=base.secrets.anthropic_base_url or "",
        max_turns=settings.agent.max_turns,
        max_budget_usd=settings.agent.max_budget_usd,
    )
    return FallbackInvestigator(ClaudeInvestigator(profile, server, clock), runbook)
