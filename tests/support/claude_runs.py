"""Runs the Claude investigator with its real command line against a scripted Messages API."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sre_daemon.agent.base import Report, Request
from sre_daemon.agent.claude import ClaudeInvestigator, ClaudeProfile
from sre_daemon.errors import AgentError
from sre_daemon.toolclient import ToolServer
from tests.support.investigations import Recorder, make_request, stand_in
from tests.support.messages_api import Answer, Behaviour, serve
from tests.support.processes import belonging_to

KEY = "sk-ant-scripted-key"


@dataclass
class Process:
    """A process that was seen during a run."""

    command: list[str]
    environment: dict[str, str]


@dataclass
class ClaudeRun:
    """What a run did."""

    recorder: Recorder
    requests: list[dict[str, Any]]
    processes: list[Process] = field(default_factory=list)
    report: Report | None = None
    failure: AgentError | None = None


def investigator(
    folder: Path, url: str, server: ToolServer | None = None, **profile: Any
) -> ClaudeInvestigator:
    """An investigator whose runs live under `folder`."""
    chosen = ClaudeProfile("claude-opus-4-6", folder / "runs", KEY, url, **profile)
    return ClaudeInvestigator(chosen, server or stand_in(folder))


async def run_claude(
    folder: Path,
    behaviour: Behaviour,
    request: Request | None = None,
    server: ToolServer | None = None,
    **profile: Any,
) -> ClaudeRun:
    """One investigation; an AgentError is part of the result."""
    recorder, seen = Recorder(), []

    def watched(body: dict[str, Any]) -> Answer:
        if not seen:
            seen.extend(_processes(folder))
        return behaviour(body)

    async with serve(watched) as api:
        claude = investigator(folder, api.url, server, **profile)
        run = ClaudeRun(recorder, api.bodies, seen)
        try:
            run.report = await claude.investigate(request or make_request(), recorder)
        except AgentError as failure:
            run.failure = failure
        run.requests = api.bodies
    return run


def _processes(folder: Path) -> list[Process]:
    return [Process(found.cmdline(), found.environ()) for found in belonging_to(folder)]
