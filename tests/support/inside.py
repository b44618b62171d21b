"""The tool server inside of the test's process, for tests that need many calls and no transport."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import mcp_types as types

from mcp_tools.errors import Refused
from mcp_tools.server.dispatcher import Dispatcher
from mcp_tools.settings import ToolSettings
from mcp_tools.spec import Phase
from mcp_tools.tools.context import opened


class Asked:
    """A guard that remembers what it was asked, and allows it or not."""

    def __init__(self, *, allow: bool = True) -> None:
        self.allow = allow
        self.effects: list[Any] = []

    async def ask(self, _tool: str, effects: Any) -> None:
        self.effects += effects
        if not self.allow:
            raise Refused("denied", "The gate denies it.", "Nothing was changed.")


@dataclass
class Inside:
    """What a client sees, without a client."""

    dispatcher: Dispatcher

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        params = types.CallToolRequestParams(name=name, arguments=arguments)
        return await self.dispatcher._answer(params)

    async def list_tools(self) -> types.ListToolsResult:
        return await self.dispatcher.list_tools(None, None)


@asynccontextmanager
async def inside(
    settings: dict[str, Any], guard: Asked | None = None, phase: Phase = Phase.REMEDIATE
) -> AsyncIterator[Inside]:
    """A server with these settings."""
    async with opened(ToolSettings.model_validate(settings), guard or Asked(), phase) as context:
        yield Inside(Dispatcher(context, phase))
