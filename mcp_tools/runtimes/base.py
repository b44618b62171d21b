"""The contract of a runtime: look at services, read their logs, restart and redeploy them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Status:
    """One service now. `started_at` is in UTC, and None when it does not run.

    `instance` names what runs, where the runtime has such a name: a container's id changes when
    it is recreated, and not when it is restarted. `made_at` is when that was made, where a redeploy
    makes a new one; elsewhere it is None, and a redeploy shows in `started_at` alone.
    """

    service: str
    running: bool
    started_at: datetime | None
    detail: str
    instance: str = ""
    made_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogTail:
    """The end of a log: whole lines, oldest first. `truncated` says that there was more before."""

    lines: Sequence[str]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """What a service uses now; a limit of 0 is none."""

    cpu_cores: float
    memory_bytes: int
    memory_limit_bytes: int


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that befell a service: made, started, ended, found unhealthy."""

    at: datetime
    what: str
    instance: str


class Runtime(Protocol):
    """Something that runs services. Only configured names are ever passed on."""

    @property
    def services(self) -> Sequence[str]:
        """The names that are accepted."""
        ...

    async def status(self, service: str) -> Status:
        """Whether it runs, and since when.

        Raises:
            ToolError: the name is not known.
            TargetUnavailable: the runtime does not answer.
        """
        ...

    async def logs(self, service: str, max_bytes: int) -> LogTail:
        """The last lines of its log, reading no more than `max_bytes`.

        Raises:
            ToolError: the name is not known, or the log cannot be read.
        """
        ...

    async def usage(self, service: str) -> Usage:
        """Its use of processor and memory.

        Raises:
            ToolError: the name is not known, or the runtime does not measure that.
        """
        ...

    async def history(self, service: str, since: datetime, until: datetime) -> Sequence[Happening]:
        """What the runtime remembers of it, oldest first; nothing when it remembers nothing.

        Raises:
            ToolError: the name is not known.
        """
        ...

    async def restart(self, service: str) -> Status:
        """Stop it, start it as it is, and wait until it runs.

        Raises:
            ServiceFailed: it did not come up.
        """
        ...

    async def redeploy(self, service: str) -> Status:
        """Recreate it with its configuration as it is now, and wait until it runs.

        Raises:
            ServiceFailed: it did not come up.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...
