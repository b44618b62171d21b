"""Serving over stdio, for a client that starts us. What it sends that is no message is answered, too."""

from types import TracebackType
from typing import Self

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

# The SDK types its streams by protocols that are not exported; these are the same ones.
from mcp.shared._stream_protocols import ReadStream, WriteStream  # isort: skip

from mcp_tools.guard import Guard
from mcp_tools.server.dispatcher import build
from mcp_tools.settings import ToolSettings
from mcp_tools.spec import Phase
from mcp_tools.tools.context import opened


class Answering:
    """A read stream that answers what is no message, where the SDK would be silent for ever."""

    def __init__(
        self, read: ReadStream[SessionMessage | Exception], write: WriteStream[SessionMessage]
    ) -> None:
        self._read = read
        self._write = write

    async def receive(self) -> SessionMessage | Exception:
        """The next message."""
        while True:
            item = await self._read.receive()
            if not isinstance(item, Exception):
                return item
            await self._write.send(SessionMessage(unreadable(item)))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._read.aclose()

    async def __aenter__(self) -> Self:
        await self._read.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._read.__aexit__(kind, value, trace)


def unreadable(failure: Exception) -> JSONRPCError:
    """The answer to a line that is no JSON, or JSON that is no message; with its id if it had one."""
    errors = failure.errors() if isinstance(failure, ValidationError) else []
    if not errors or any(item["type"] == "json_invalid" for item in errors):
        error = ErrorData(code=PARSE_ERROR, message="Parse error: the line is not JSON.")
        return JSONRPCError(jsonrpc="2.0", id=None, error=error)
    # The error of a missing field carries the whole message as its input.
    ids = [
        item["input"]["id"]
        for item in errors
        if isinstance(item["input"], dict) and "id" in item["input"]
    ]
    known = (
        ids[0] if ids and isinstance(ids[0], int | str) and not isinstance(ids[0], bool) else None
    )
    error = ErrorData(code=INVALID_REQUEST, message="Invalid request: not a JSON-RPC 2.0 message.")
    return JSONRPCError(jsonrpc="2.0", id=known, error=error)


async def stdio(settings: ToolSettings, guard: Guard, phase: Phase) -> None:
    """Serve one client on stdin and stdout until it closes them."""
    async with opened(settings, guard, phase) as context, stdio_server() as (read, write):
        server = build(context, phase)
        await server.run(Answering(read, write), write, server.create_initialization_options())
