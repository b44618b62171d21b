"""The hands of a repair, as those see them who use them: a tool server that writes what the gate allows."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from sre_daemon.domain.remediation import Direction


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool said: its structured answer (None where there is none), its text."""

    data: Mapping[str, object] | None
    text: str
    is_error: bool


class Hands(Protocol):
    """A running tool server in phase remediate."""

    async def call(self, tool: str, arguments: Mapping[str, object]) -> Result:
        """Call one tool. Raises ToolError when the server is gone or does not answer."""
        ...


class OpenHands(Protocol):
    """Starts a tool server that asks the gate with this token."""

    def __call__(self, token: str, direction: Direction) -> AbstractAsyncContextManager[Hands]:
        """For the length of the block; a rollback may put back what guardrails forbid."""
        ...
