"""No runtime: nothing can be logged, restarted or redeployed, and every call says so."""

from collections.abc import Sequence
from datetime import datetime

from mcp_tools.errors import TargetUnavailable
from mcp_tools.runtimes.base import Happening, LogTail, Status, Usage


def _none() -> TargetUnavailable:
    return TargetUnavailable(
        "No runtime is configured, so services cannot be looked at.",
        "Go on with metrics and alerts.",
    )


class NoRuntime:
    """Refuses everything."""

    @property
    def services(self) -> Sequence[str]:
        """None."""
        return ()

    async def status(self, service: str) -> Status:
        """Refuse."""
        raise _none()

    async def logs(self, service: str, max_bytes: int) -> LogTail:
        """Refuse."""
        raise _none()

    async def usage(self, service: str) -> Usage:
        """Refuse."""
        raise _none()

    async def history(self, service: str, since: datetime, until: datetime) -> Sequence[Happening]:
        """Refuse."""
        raise _none()

    async def restart(self, service: str) -> Status:
        """Refuse."""
        raise _none()

    async def redeploy(self, service: str) -> Status:
        """Refuse."""
        raise _none()

    async def aclose(self) -> None:
        """Nothing to let go of."""
