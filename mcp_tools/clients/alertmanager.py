"""Alertmanager's API v2: which alerts are silenced or inhibited, and new silences.

Asks every member of a cluster; tells one, which tells the others.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from mcp_tools.clients.http import JsonClient
from mcp_tools.clients.rest import Lost, Patience, RestClient
from mcp_tools.errors import TargetUnavailable, ToolError

TIMEOUT_SECONDS = 5.0
PATIENCE = Patience(timeout=TIMEOUT_SECONDS, tries=2)


class Alertmanager:
    """All members of one Alertmanager cluster."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._members = [JsonClient("Alertmanager", url, TIMEOUT_SECONDS) for url in urls]
        self._writers = [RestClient("Alertmanager", url, {}, PATIENCE) for url in urls]

    @property
    def configured(self) -> bool:
        """Whether there is any member to ask."""
        return bool(self._members)

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts of every member that answers, as on the wire; the same alert may come twice.

        Raises:
            ToolError: no member answers; the text has the first failure.
        """
        return await self._lists("/api/v2/alerts")

    async def silences(self) -> list[dict[str, Any]]:
        """The silences of every member that answers, as on the wire.

        Raises:
            ToolError: no member answers.
        """
        return await self._lists("/api/v2/silences")

    async def silence(self, silence: dict[str, Any]) -> None:
        """Make a silence on the first member that can be reached.

        Raises:
            ToolError: none took it.
            Lost: one may have taken it; then no other was asked.
        """
        failure: ToolError = TargetUnavailable("No Alertmanager is configured.")
        for writer in self._writers:
            try:
                await writer.request("POST", "/api/v2/silences", body=silence, repeatable=False)
                return
            except Lost:
                raise
            except TargetUnavailable as unreachable:
                failure = unreachable
        raise failure

    async def _lists(self, path: str) -> list[dict[str, Any]]:
        answers = await asyncio.gather(
            *(self._list(member, path) for member in self._members), return_exceptions=True
        )
        lists = [answer for answer in answers if isinstance(answer, list)]
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, ToolError):
                raise answer
            if isinstance(answer, ToolError) and not lists:
                raise answer
        return [alert for answer in lists for alert in answer]

    async def _list(self, member: JsonClient, path: str) -> list[dict[str, Any]]:
        status, body = await member.get(path, {})
        if not isinstance(body, list):
            raise TargetUnavailable(f"Alertmanager at {member.url} answered {status} and no list.")
        return [item for item in body if isinstance(item, dict)]

    async def aclose(self) -> None:
        """Close the connections."""
        for member in self._members:
            await member.aclose()
        for writer in self._writers:
            await writer.aclose()
