"""What runs the services: one contract, one file per kind."""

from pathlib import Path

from mcp_tools.errors import SettingsError
from mcp_tools.runtimes.base import LogTail, Runtime, Status
from mcp_tools.runtimes.none import NoRuntime
from mcp_tools.settings import ToolSettings

__all__ = ["LogTail", "NoRuntime", "Runtime", "Status", "build"]


def build(settings: ToolSettings) -> Runtime:
    """The runtime that the settings name.

    Raises:
        SettingsError: the kind needs something that is not set.
    """
    socket: Path | None = settings.runtime.socket
    if settings.runtime.kind == "none":
        return NoRuntime()
    if socket is None:
        raise SettingsError(
            "runtime.kind supervisor needs runtime.socket.", "Set the socket's path."
        )
    from mcp_tools.runtimes.supervisor import Supervisor

    return Supervisor(socket, settings.services)
