"""Runs the Claude investigator with its real command line against a scripted Messages API."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import psutil

from sre_daemon.agent.base import Report, Request
from sre_daemon.agent.bounds import Bounds
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
    limits: dict[str, int]


@dataclass
class ClaudeRun:
    """What a run did; `processes` at its first request, `doors` and `files` at each later one."""

    recorder: Recorder
    requests: list[dict[str, Any]]
    processes: list[Process] = field(default_factory=list)
    doors: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    report: Report | None = None
    failure: AgentError | None = None


def investigator(
    folder: Path, url: str, server: ToolServer | None = None, **profile: Any
) -> ClaudeInvestigator:
    """An investigator whose runs live under `folder`; `profile` has fields of it or of its bounds."""
    names = {item.name for item in fields(Bounds)}
    bounds = replace(Bounds(), **{k: profile.pop(k) for k in names & profile.keys()})
    sessions = profile.pop("sessions", None)
    profile["bounds"] = bounds
    model = profile.pop("model", "claude-opus-4-6")
    chosen = ClaudeProfile(model, folder / "runs", KEY, url, **profile)
    return ClaudeInvestigator(chosen, server or stand_in(folder), sessions=sessions)


async def run_claude(
    folder: Path,
    behaviour: Behaviour,
    request: Request | None = None,
    server: ToolServer | None = None,
    **profile: Any,
) -> ClaudeRun:
    """One investigation; an AgentError is part of the result."""
    recorder = Recorder()
    run = ClaudeRun(recorder, [])

    def watched(body: dict[str, Any]) -> Answer:
        if run.processes:
            run.doors.update(_doors(folder))
            run.files.update(path.name for path in (folder / "runs").rglob("*") if path.is_file())
        else:
            run.processes.extend(_processes(folder))
        return behaviour(body)

    async with serve(watched) as api:
        claude = investigator(folder, api.url, server, **profile)
        try:
            run.report = await claude.investigate(request or make_request(), recorder)
        except AgentError as failure:
            run.failure = failure
        run.requests = api.bodies
    return run


def _processes(folder: Path) -> list[Process]:
    return [
        Process(found.cmdline(), found.environ(), _limits(found)) for found in belonging_to(folder)
    ]


def _limits(process: psutil.Process) -> dict[str, int]:
    names = {
        "core": psutil.RLIMIT_CORE,
        "memory": psutil.RLIMIT_DATA,
        "file": psutil.RLIMIT_FSIZE,
    }
    return {name: process.rlimit(number)[1] for name, number in names.items()}


def _doors(folder: Path) -> set[str]:
    """Sockets by which another program could reach into the run."""
    bound = {
        connection.laddr
        for process in belonging_to(folder)
        for connection in process.net_connections(kind="all")
        if connection.laddr and (connection.status in {"LISTEN", "NONE"})
    }
    return {str(path) for path in bound if not isinstance(path, str) or Path(path).exists()}
