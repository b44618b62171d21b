"""Which investigators there are, and what they may cost."""

import asyncio
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from sre_daemon.agent.bounds import Bounds
from sre_daemon.agent.breaker import Breaker
from sre_daemon.agent.budget import BudgetRules, Limit, Rung
from sre_daemon.agent.claude import ClaudeInvestigator, ClaudeProfile
from sre_daemon.agent.director import Director, Models, Money
from sre_daemon.agent.prices import Price
from sre_daemon.agent.runbook import Runbook, RunbookInvestigator
from sre_daemon.agent.runbook import load as load_runbooks
from sre_daemon.agent.spare import Spare
from sre_daemon.agent.tools import MORE_READS
from sre_daemon.app.foundation import Base
from sre_daemon.domain.spending import Scope, Window
from sre_daemon.errors import AgentError, ConfigError, StoreUnavailable
from sre_daemon.executor.hands import tool_server
from sre_daemon.pipeline.conversation import Conversation
from sre_daemon.pipeline.resume import Resume
from sre_daemon.pipeline.surroundings import Surroundings
from sre_daemon.settings.agent import AgentSettings
from sre_daemon.settings.attached import reading
from sre_daemon.settings.integrations import integrations
from sre_daemon.settings.traces import TraceSettings
from sre_daemon.store.ledger import Ledger
from sre_daemon.store.sessions import Sessions
from sre_daemon.toolclient import ToolSession, open_session

log = structlog.get_logger(__name__)

GAUGES_EVERY = 5.0
# A look at the facts: enough for a summary and a suspicion, too little for an investigation.
TRIAGE = Bounds(timedelta(minutes=2), turns=4, tool_calls=4, tokens=80_000, dollars=0.2)
SMALL_DOLLARS = 0.5
# A person waits for the answer.
QUESTION = Bounds(timedelta(minutes=3), turns=12, tool_calls=15, tokens=300_000, dollars=0.5)


@dataclass(frozen=True, slots=True)
class Agent:
    """The investigator of this daemon, what it knows by itself, and a session of tools that is ready."""

    director: Director
    runbooks: Sequence[Runbook]
    tools: Spare[ToolSession]


def start_agent(base: Base) -> Agent:
    """Build it, and let it keep a session ready where that is wanted.

    Raises:
        ConfigError: `agent.engine` is claude, and there is no key.
    """
    settings, clock = base.settings.agent, base.clock
    server = tool_server("investigate", base.tools)
    tools = Spare(lambda: open_session(server), ToolSession.alive)
    runbooks = load_runbooks(base.settings.runbooks)
    models = _models(base)
    if settings.warm:
        base.tasks.spawn("warm", _warm(base, tools, models))
    breaker = Breaker(clock.monotonic)

    def failed(failure: AgentError) -> None:
        base.metrics.model_errors.labels(failure.kind).inc()

    director = Director(
        RunbookInvestigator(runbooks, tools.take, clock),
        models,
        Money(Ledger(base.database), budget_rules(settings), settings.budget.team_label),
        breaker,
        clock,
        on_failure=failed,
    )
    return Agent(director, runbooks, tools)


async def _warm(base: Base, tools: Spare[ToolSession], models: Models | None) -> None:
    """Load what takes a second to load, which would stop everything else later, then start the spares."""
    for name in ("mcp", "claude_agent_sdk") if models else ("mcp",):
        await asyncio.to_thread(importlib.import_module, name)
    tools.warm(base.tasks)
    if models is not None:
        models.full.warm(base.tasks)


def surroundings_for(base: Base, agent: Agent) -> Surroundings:
    """What is seen without an agent."""
    return Surroundings(
        base.observer,
        base.store,
        agent.tools.take,
        agent.runbooks,
        base.settings.services,
        base.clock,
    )


def resume_for(base: Base, director: Director) -> Resume:
    """The job that lets broken-off investigations go on."""
    most = base.settings.worker.concurrency
    return Resume(base.store, lambda: director.breaker.room(most), base.clock)


def conversation_for(base: Base, director: Director) -> Conversation:
    """Questions about incidents."""
    bounds = bounds_for(base.settings.agent).within(QUESTION)
    return Conversation(base.store, director, bounds, base.clock, base.metrics)


async def watch_director(base: Base, director: Director) -> None:
    """Keep the gauges of money and of the model's health."""
    while True:
        base.metrics.model_available.set(1 if director.breaker.closed else 0)
        try:
            for window, left in (await director.remaining()).items():
                base.metrics.budget_remaining.labels(window).set(left)
        except StoreUnavailable as failure:
            log.error("budget not read", error=failure.reason)
        await base.clock.sleep(GAUGES_EVERY)


def bounds_for(settings: AgentSettings) -> Bounds:
    """Of one investigation."""
    return Bounds(
        settings.deadline,
        settings.max_turns,
        settings.max_tool_calls,
        settings.max_tokens,
        settings.max_budget_usd,
    )


def budget_rules(settings: AgentSettings) -> BudgetRules:
    """Of all investigations."""
    budget = settings.budget
    scopes = {Scope.ALL: budget, Scope.ALERTNAME: budget.alertname, Scope.TEAM: budget.team}
    limits = {
        (scope, window): Limit(limit.usd, limit.runs)
        for scope, windows in scopes.items()
        for window, limit in (
            (Window.HOUR, windows.hour),
            (Window.DAY, windows.day),
            (Window.MONTH, windows.month),
        )
    }
    most = settings.max_budget_usd
    costs = {Rung.FULL: most, Rung.TRIAGE: min(most, TRIAGE.dollars)}
    if settings.small_model is not None:
        costs[Rung.SMALL] = min(most, SMALL_DOLLARS)
    return BudgetRules(
        costs, limits, budget.critical_reserve, budget.small_from, budget.triage_from
    )


def _collector(traces: TraceSettings) -> str:
    """Where the command line sends its own telemetry; nowhere unless that was asked for."""
    return str(traces.endpoint).rstrip("/") if traces.command_line else ""


def _models(base: Base) -> Models | None:
    settings = base.settings.agent
    key = base.secrets.anthropic_api_key
    if settings.engine == "runbook" or (settings.engine == "auto" and key is None):
        return None
    if key is None:
        raise ConfigError("agent.engine is claude", "set ANTHROPIC_API_KEY, or choose auto")
    more = [name for service in integrations(base.secrets) for name in MORE_READS[service]]
    profile = ClaudeProfile(
        model=settings.model,
        folder=base.data / "runs",
        api_key=key.get_secret_value(),
        base_url=base.secrets.anthropic_base_url or "",
        bounds=bounds_for(settings),
        prices={name: Price(it.read, it.written) for name, it in settings.prices.items()},
        attached=(*reading(base.settings.tools), *more),
        collector=_collector(base.settings.traces),
    )
    server = tool_server("investigate", base.tools)
    sessions = Sessions(base.database)
    full = ClaudeInvestigator(profile, server, base.clock, sessions)
    small = None
    if settings.small_model is not None:
        smaller = replace(
            profile,
            model=settings.small_model,
            bounds=profile.bounds.within(replace(profile.bounds, dollars=SMALL_DOLLARS)),
        )
        small = ClaudeInvestigator(smaller, server, base.clock, sessions, full.starts)
    return Models(full, small, settings.cheap_first, TRIAGE)
