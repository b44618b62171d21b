"""Where sessions of the command line are kept, so that a question can continue one later.

The SDK copies what the command line writes into its private folder. It is stored redacted: a
secret that a later question would need is not there to be asked for.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from sre_daemon.domain import redaction

if TYPE_CHECKING:
    from claude_agent_sdk import SessionKey, SessionStoreEntry


class Sessions(Protocol):
    """Keeps lines by the name of a session."""

    async def append(self, session: str, lines: Sequence[str]) -> None:
        """Add lines in this order."""
        ...

    async def load(self, session: str) -> list[str]:
        """All lines in their order; none when there is no such session."""
        ...


class Memory:
    """The SDK's SessionStore over Sessions.

    The folder of a run is another one each time, so the SDK's name for the project says nothing.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def append(self, key: "SessionKey", entries: "list[SessionStoreEntry]") -> None:
        """See the SDK's SessionStore."""
        lines = [json.dumps(redaction.data(entry), ensure_ascii=False) for entry in entries]
        await self._sessions.append(key["session_id"], lines)

    async def load(self, key: "SessionKey") -> "list[SessionStoreEntry] | None":
        """See the SDK's SessionStore."""
        lines = await self._sessions.load(key["session_id"])
        return [json.loads(line) for line in lines] or None
