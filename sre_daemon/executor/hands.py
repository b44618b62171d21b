"""A tool server in phase remediate, as the executor needs it: one process per remediation."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sre_daemon.domain.remediation import Direction
from sre_daemon.executor.base import Hands, Result
from sre_daemon.settings import Secrets, Settings
from sre_daemon.settings.integrations import integrations
from sre_daemon.settings.sources import LokiSettings
from sre_daemon.toolclient import ToolServer, ToolSession, open_session

PHASES = {Direction.FORWARD: "remediate", Direction.ROLLBACK: "restore"}


def write_tool_settings(settings: Settings, secrets: Secrets, file: Path) -> Path:
    """The part of the settings that a tool server needs, as a file that only this user may read."""
    data = {
        "host": _text(settings.tool_host),
        "prometheus": {
            "url": str(settings.prometheus.url),
            "timeout_seconds": settings.prometheus.timeout.total_seconds(),
        },
        "alertmanagers": [str(url) for url in settings.alertmanagers],
        "config_root": _text(settings.config_root),
        "runtime": settings.runtime.model_dump(mode="json"),
        "services": list(settings.services),
        "logged_by": dict(settings.logged_by),
        "health": _text(settings.health),
        "runbooks": [str(path) for path in settings.runbooks],
        "postmortems": str(settings.data_dir / "postmortems"),
        "deployments": _text(settings.deployments),
        "guardrails": _text(settings.guardrails),
        "policy": _text(settings.policy),
        "repository": _text(settings.repository),
        "loki": _loki(settings.loki),
        "tools": {name: server.for_tools() for name, server in settings.tools.items()},
        **integrations(secrets),
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def _loki(loki: LokiSettings | None) -> dict[str, object] | None:
    if loki is None:
        return None
    data = loki.model_dump(mode="json", exclude={"timeout"})
    return data | {"timeout_seconds": loki.timeout.total_seconds()}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def tool_server(phase: str, config: Path, *more: str, token: str = "") -> ToolServer:
    """How to start one; it dies with the process that starts it."""
    command = (
        sys.executable,
        "-m",
        "mcp_tools",
        "--phase",
        phase,
        "--config",
        str(config),
        "--die-with-parent",
        *more,
    )
    return ToolServer(command, {"MCP_TOOLS_GATE_TOKEN": token} if token else {})


@dataclass(frozen=True, slots=True)
class SessionHands:
    """The executor's Hands over an MCP session."""

    session: ToolSession

    async def call(self, tool: str, arguments: Mapping[str, object]) -> Result:
        """See Hands."""
        answer = await self.session.call(tool, arguments)
        return Result(answer.structured, answer.text, answer.is_error)


@dataclass(frozen=True, slots=True)
class ProcessHands:
    """Starts tool servers that ask the gate at `gate_socket`."""

    config: Path
    gate_socket: Path

    def __call__(self, token: str, direction: Direction) -> AbstractAsyncContextManager[Hands]:
        """See OpenHands."""
        return _open(
            tool_server(
                PHASES[direction], self.config, "--gate-socket", str(self.gate_socket), token=token
            )
        )


@asynccontextmanager
async def _open(server: ToolServer) -> AsyncIterator[Hands]:
    async with open_session(server) as session:
        yield SessionHands(session)
