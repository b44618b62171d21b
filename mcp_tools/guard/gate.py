"""The last word before every write: a private Unix socket on which the daemon allows or denies.

No socket, no token, no answer, or an answer that is not exactly an allow: refused.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from mcp_tools.effects import Effect, to_json
from mcp_tools.errors import Refused

UNREACHABLE = "gate_unreachable"
TIMEOUT_SECONDS = 5.0
MAX_ANSWER_BYTES = 65_536


class Guard(Protocol):
    """Answers by returning (go on) or raising (do not)."""

    async def ask(self, tool: str, effects: Sequence[Effect]) -> None:
        """Ask for exactly these effects, in this order.

        Raises:
            Refused: with the reason; nothing may be changed then.
        """
        ...


class RefuseAll:
    """The guard of a server that nobody gave a gate."""

    async def ask(self, tool: str, effects: Sequence[Effect]) -> None:
        """Refuse."""
        raise Refused(
            UNREACHABLE,
            f"{tool} writes, and this server has no gate to ask.",
            "Start it with --gate-socket and MCP_TOOLS_GATE_TOKEN.",
        )


class GateGuard:
    """Asks the daemon. The daemon has recorded the intent when it answers allow."""

    def __init__(self, socket: Path, token: str, timeout: float = TIMEOUT_SECONDS) -> None:
        self._socket = socket
        self._token = token
        self._timeout = timeout

    async def ask(self, tool: str, effects: Sequence[Effect]) -> None:
        """Send the question and wait for the answer, at most the time-out for both."""
        question = {
            "token": self._token,
            "tool": tool,
            "effects": [to_json(effect) for effect in effects],
        }
        try:
            async with asyncio.timeout(self._timeout):
                line = await self._exchange(json.dumps(question).encode() + b"\n")
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as failure:
            raise _unreachable(f"The gate did not answer: {type(failure).__name__}.") from None
        _judge(line)

    async def _exchange(self, question: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=MAX_ANSWER_BYTES)
        try:
            writer.write(question)
            await writer.drain()
            return await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as failure:
            raise ValueError("the answer is too long") from failure
        finally:
            writer.close()


def _unreachable(reason: str) -> Refused:
    return Refused(UNREACHABLE, reason, "Nothing was changed.")


def _judge(line: bytes) -> None:
    """Return on an allow that is exactly one; raise on everything else."""
    try:
        answer: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise _unreachable("The gate's answer is not JSON.") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("allow"), bool):
        raise _unreachable("The gate's answer is malformed.")
    if answer["allow"] is not True:
        code, message = answer.get("reason"), answer.get("message")
        raise Refused(
            code if isinstance(code, str) and code else "denied",
            message if isinstance(message, str) and message else "The gate denies it.",
            "Nothing was changed.",
        )
