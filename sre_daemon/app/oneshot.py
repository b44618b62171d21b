"""One investigation without a daemon: nothing is stored beyond it, and nothing can be changed."""

import secrets as random
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from sre_daemon.agent.base import OnStep, Report, Request, Step, ToolStep
from sre_daemon.app.agent import bounds_for, start_agent, surroundings_for
from sre_daemon.app.foundation import Base, foundation
from sre_daemon.clock import SystemClock
from sre_daemon.domain.alert import Alert, Severity
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.run import ToolCall
from sre_daemon.pipeline import evidence
from sre_daemon.settings import Secrets, Settings
from sre_daemon.store.sql import SqlStore


async def investigate(
    settings: Settings, known: Secrets, alerts: Sequence[Alert], question: str, on_step: OnStep
) -> Report:
    """Look, investigate, check the evidence; `on_step` hears each step as it happens.

    Raises:
        AgentError: nobody came to an answer.
        ConfigError: the settings cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="sre-investigate-") as folder:
        # A folder and a store of its own: a daemon may be using the configured ones.
        agent_settings = settings.agent.model_copy(update={"warm": False})
        update = {"data_dir": Path(folder), "store": "memory", "agent": agent_settings}
        async with AsyncExitStack() as stack:
            base = await foundation(
                stack, settings.model_copy(update=update), known, SystemClock(), SqlStore
            )
            return await _investigate(base, alerts, question, on_step)


async def _investigate(
    base: Base, alerts: Sequence[Alert], question: str, on_step: OnStep
) -> Report:
    agent, now = start_agent(base), base.clock.now()
    name = f"once-{random.token_hex(4)}"
    labels = alerts[0].labels if alerts else {}
    title = labels.get("alertname", "a question")
    incident = Incident(
        name, name, title, State.INVESTIGATING, Severity.of(labels), labels, now, now
    )
    calls: dict[str, ToolCall] = {}

    async def heard(step: Step) -> None:
        if isinstance(step, ToolStep) and not step.is_error:
            calls[step.call] = ToolCall(
                name,
                step.call,
                step.tool,
                step.arguments,
                step.output,
                step.is_error,
                step.seconds,
                base.clock.now(),
            )
        await on_step(step)

    stored = [StoredAlert(item, name, now, now, 1, open=True) for item in alerts]
    look = await surroundings_for(base, agent).look(incident, stored)
    for step in look.calls:
        await heard(step)
    request = Request(
        name, name, alerts, bounds_for(base.settings.agent), facts=look.facts, question=question
    )
    report = await agent.director.investigate(request, heard)
    checked = evidence.check(report.diagnosis, calls, recompute=report.engine != "runbook")
    return replace(report, diagnosis=checked)
