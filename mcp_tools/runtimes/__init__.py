"""What runs the services: one contract, one file per kind."""

from pathlib import Path
from typing import TypeVar

from mcp_tools.errors import SettingsError
from mcp_tools.runtimes.base import Happening, LogTail, Runtime, Status, Usage
from mcp_tools.runtimes.none import NoRuntime
from mcp_tools.settings import RuntimeSettings, ToolSettings

__all__ = ["Happening", "LogTail", "NoRuntime", "Runtime", "Status", "Usage", "build"]

T = TypeVar("T")

ENGINE_SOCKET = Path("/var/run/docker.sock")


def build(settings: ToolSettings) -> Runtime:
    """The runtime that the settings name; what a kind needs is imported only for it.

    Raises:
        SettingsError: the kind needs something that is not set.
    """
    runtime = settings.runtime
    match runtime.kind:
        case "none":
            return NoRuntime()
        case "supervisor":
            from mcp_tools.runtimes.supervisor import Supervisor

            socket = _needed(runtime.socket, runtime.kind, "socket")
            return Supervisor(socket, settings.services)
        case "docker" | "compose":
            return _engine(runtime, settings.services)
        case "systemd":
            from mcp_tools.runtimes.systemd import Systemd

            return Systemd(settings.services)


def _engine(runtime: RuntimeSettings, services: tuple[str, ...]) -> Runtime:
    from mcp_tools.runtimes.compose import Compose
    from mcp_tools.runtimes.docker import Docker
    from mcp_tools.runtimes.engine import Engine

    url = runtime.host or f"unix://{runtime.socket or ENGINE_SOCKET}"
    recreate = None
    if runtime.kind == "compose":
        compose = Compose(
            host=url,
            project=_needed(runtime.project, "compose", "project"),
            file=_needed(runtime.file, "compose", "file"),
            env_file=runtime.env_file,
            pinned=runtime.pinned,
        )
        recreate = compose.recreate
    return Docker(Engine(url), services, runtime.project, recreate)


def _needed(value: T | None, kind: str, key: str) -> T:
    if value is None:
        raise SettingsError(f"runtime.kind {kind} needs runtime.{key}.", f"Set runtime.{key}.")
    return value
