"""Other people's MCP servers: started when first needed, asked on behalf of our own clients.

Whatever comes from them is data: their descriptions are shown as theirs, their results pass the
same bounds and the same redactor as our own, and they see no environment variable that is not
named for them.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from mcp_tools.errors import TargetUnavailable, ToolError
from mcp_tools.settings import AttachedSettings, secret_of

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import CallToolResult, Tool

PAUSE_SECONDS = 5.0
USAGE = "Correct the arguments and try again."
MAX_TOOLS = 200
log = logging.getLogger(__name__)


class Attached:
    """One attached server. `serve` must run in a task of its own for anything to be answered."""

    def __init__(self, name: str, settings: AttachedSettings) -> None:
        self.name = name
        self.settings = settings
        self._session: ClientSession | None = None
        self._tools: Mapping[str, Tool] = {}
        self._problem = "it has not been started"
        self._retry_at = 0.0
        self._wanted, self._settled, self._lost = anyio.Event(), anyio.Event(), anyio.Event()

    async def serve(self) -> None:
        """Connect whenever somebody wants something, and again after the connection was lost.

        The SDK's scopes must be entered and left in one task, which is this one.
        """
        while True:
            await self._wanted.wait()
            self._lost = anyio.Event()
            try:
                async with self._connected() as (session, tools):
                    self._session, self._tools = session, tools
                    self._settled.set()
                    await self._lost.wait()
                self._problem = "the connection was lost"
            except* Exception as group:  # noqa: BLE001 - whatever a foreign server makes the SDK raise must not end ours
                self._problem = _first(group)
                log.warning("attached server %s: %s", self.name, self._problem)
            self._session = None
            self._retry_at = anyio.current_time() + PAUSE_SECONDS
            # Whoever waited for this try is told; the next try is for those who come later.
            settled = self._settled
            self._wanted, self._settled = anyio.Event(), anyio.Event()
            settled.set()

    async def tools(self) -> Mapping[str, "Tool"]:
        """What the server offers, by its own names.

        Raises:
            TargetUnavailable: it cannot be reached, or offers something else than was pinned.
        """
        await self._ready()
        return self._tools

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> "CallToolResult":
        """Call one of its tools.

        Raises:
            ToolError: it says no, does not answer in time, or breaks the protocol.
            TargetUnavailable: it cannot be reached.
        """
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED

        session = await self._ready()
        seconds = self.settings.timeout_seconds
        try:
            with anyio.fail_after(seconds):
                return await session.call_tool(tool, dict(arguments))
        except TimeoutError:
            raise ToolError(
                f"{self.name} did not answer within {seconds:g} s.",
                "Whether it did something is unknown: look before you try again.",
            ) from None
        except MCPError as failure:
            if failure.error.code != CONNECTION_CLOSED:
                raise ToolError(f"{self.name} says: {failure.error.message}.", USAGE) from failure
            self._lost.set()
            raise self._unavailable("the connection was lost") from failure
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as failure:
            self._lost.set()
            raise self._unavailable("the connection was lost") from failure
        except (RuntimeError, ValueError) as failure:
            raise ToolError(
                f"{self.name} gave an answer that breaks its own schema: {failure}.",
                "This is a fault of that server. Go on with another tool.",
            ) from failure

    async def _ready(self) -> "ClientSession":
        if self._session is None and anyio.current_time() >= self._retry_at:
            settled = self._settled
            self._wanted.set()
            await settled.wait()
        session = self._session
        if session is None:
            raise self._unavailable(self._problem)
        return session

    def _unavailable(self, problem: str) -> TargetUnavailable:
        return TargetUnavailable(
            f"The attached server {self.name} is not available: {problem}.",
            "Go on with the other tools.",
        )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple["ClientSession", Mapping[str, "Tool"]]]:
        from mcp import ClientSession

        async with self._streams() as (reader, writer), ClientSession(reader, writer) as session:
            try:
                with anyio.fail_after(self.settings.start_seconds):
                    await session.initialize()
                    tools = await _all_tools(session)
            except TimeoutError:
                seconds = self.settings.start_seconds
                raise ToolError(f"it did not start within {seconds:g} s") from None
            self._check(tools)
            yield session, tools

    def _check(self, tools: Mapping[str, "Tool"]) -> None:
        pinned = self.settings.fingerprint
        found = fingerprint(list(self.settings.tools), tools)
        if pinned is not None and pinned != found:
            raise ToolError(f"its tools are not those that were pinned, but {found}")

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[tuple[Any, Any]]:
        settings = self.settings
        if settings.url is not None:
            from mcp.client.streamable_http import streamable_http_client
            from mcp.shared._httpx_utils import create_mcp_http_client

            headers = {name: secret_of(path) for name, path in settings.header_files.items()}
            async with (
                create_mcp_http_client(headers=headers) as http,
                streamable_http_client(str(settings.url), http_client=http) as streams,
            ):
                yield streams[0], streams[1]
            return
        from mcp import StdioServerParameters, stdio_client

        program, *arguments = settings.command
        found = program if "/" in program else shutil.which(program)
        if found is None:
            raise ToolError(f"there is no program {program}")
        secrets = {name: secret_of(path) for name, path in settings.env_files.items()}
        # The kernel ends it with us, however we end.
        parameters = StdioServerParameters(
            command="setpriv",
            args=["--pdeathsig", "KILL", "--", found, *arguments],
            env=dict(settings.env) | secrets,
            cwd=settings.cwd,
        )
        with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230 - the null device never blocks
            async with stdio_client(parameters, errlog=nowhere) as streams:
                yield streams


def fingerprint(names: Sequence[str], tools: Mapping[str, "Tool"]) -> str:
    """A digest of what the classified tools say about themselves.

    A server that changes it later may mean something else by the same name.
    """
    shapes = {
        name: [tools[name].description, tools[name].input_schema] if name in tools else None
        for name in sorted(names)
    }
    return hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()


async def _all_tools(session: "ClientSession") -> Mapping[str, "Tool"]:
    from mcp.types import PaginatedRequestParams

    tools: dict[str, Tool] = {}
    cursor: str | None = None
    while len(tools) < MAX_TOOLS:
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        tools |= {tool.name: tool for tool in page.tools}
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


def _first(group: BaseExceptionGroup[Exception]) -> str:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return (str(first) or type(first).__name__).rstrip(".")
