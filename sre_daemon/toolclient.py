"""A client session with one tool server process: started for one run, gone when the run is over.

The only importer of the MCP client. The daemon's engine without a model and its executor both
call tools through it.
"""

import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import anyio

from sre_daemon.errors import ToolFailed, ToolServerUnavailable
from sre_daemon.held import held

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import CallToolResult

START_SECONDS = 20.0
CALL_SECONDS = 60.0
PING_SECONDS = 1.0
STDERR_TAIL = 300


@dataclass(frozen=True, slots=True)
class ToolServer:
    """How to start a tool server for one run.

    `command` should carry `--die-with-parent`. The process gets `env`, and of the daemon's own
    environment only HOME, LOGNAME, PATH, SHELL, TERM and USER.
    """

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


OpenTools = Callable[[], AbstractAsyncContextManager["ToolSession"]]


class ToolResult(NamedTuple):
    """What a tool said: its structured answer if it gave one, its text, and whether it failed."""

    structured: dict[str, Any] | None
    text: str
    is_error: bool

    @property
    def output(self) -> str:
        """What is recorded of the call: the structure as JSON, or else the text."""
        if self.structured is None:
            return self.text
        return json.dumps(self.structured, ensure_ascii=False)


class ToolSession:
    """An initialised connection. Calls may run in parallel."""

    def __init__(self, session: "ClientSession", stderr: IO[str]) -> None:
        self._session = session
        self._stderr = stderr

    async def call(
        self, tool: str, arguments: Mapping[str, object], timeout: float = CALL_SECONDS
    ) -> ToolResult:
        """Call one tool; a tool that says no or fails is a result with `is_error`.

        Raises:
            ToolServerUnavailable: the process is gone.
            ToolFailed: no answer in `timeout` seconds, or one that breaks the protocol. Whether
                the tool did its work is then unknown.
        """
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED

        try:
            with anyio.fail_after(timeout):
                answer = await self._session.call_tool(tool, dict(arguments))
        except TimeoutError as failure:
            raise ToolFailed(
                f"{tool} did not answer within {timeout:g} s", "look at the system it asks"
            ) from failure
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError) as failure:
            raise self._gone(tool) from failure
        except MCPError as failure:
            if failure.error.code == CONNECTION_CLOSED:
                raise self._gone(tool) from failure
            raise ToolFailed(
                f"{tool}: {failure}", "this is a fault of the tool server"
            ) from failure
        except (RuntimeError, ValueError) as failure:
            raise ToolFailed(
                f"{tool} gave an answer that breaks its own schema: {failure}",
                "this is a fault of the tool server",
            ) from failure
        return _result(answer)

    async def alive(self) -> bool:
        """Whether the tool server answers at once."""
        from mcp import MCPError

        try:
            with anyio.fail_after(PING_SECONDS):
                await self._session.send_ping()
        except (TimeoutError, MCPError, OSError, RuntimeError):
            return False
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return False
        return True

    def _gone(self, tool: str) -> ToolServerUnavailable:
        return ToolServerUnavailable(
            f"the tool server went away during {tool}", f"its last words: {_tail(self._stderr)}"
        )


def _result(answer: "CallToolResult") -> ToolResult:
    texts = [block.text for block in answer.content if block.type == "text"]
    return ToolResult(answer.structured_content, "\n".join(texts), bool(answer.is_error))


def open_session(server: ToolServer) -> AbstractAsyncContextManager[ToolSession]:
    """Start the tool server in its own process group, and end it with all it started on leaving.

    Raises:
        ToolServerUnavailable: it did not start or did not speak MCP within 20 s.
    """
    return held(lambda: _connected(server))


@asynccontextmanager
async def _connected(server: ToolServer) -> AsyncIterator[ToolSession]:
    from mcp import ClientSession, StdioServerParameters, stdio_client

    parameters = StdioServerParameters(
        command=server.command[0],
        args=list(server.command[1:]),
        env=dict(server.env),
        cwd=server.cwd,
    )
    # A file, not a pipe: a server that writes much to stderr must not block on a full pipe.
    with tempfile.TemporaryFile("w+", errors="replace") as stderr:
        try:
            async with (
                stdio_client(parameters, errlog=stderr) as (reader, writer),
                ClientSession(reader, writer) as session,
            ):
                await _initialize(session, stderr)
                yield ToolSession(session, stderr)
        except OSError as failure:
            raise ToolServerUnavailable(
                f"the tool server {server.command[0]} cannot be started: {failure}",
                "check the installation",
            ) from failure
        except BaseExceptionGroup as group:
            # The MCP client's task groups wrap whatever happens inside of them.
            raise single(group) from None


async def _initialize(session: "ClientSession", stderr: IO[str]) -> None:
    from mcp import MCPError

    try:
        with anyio.fail_after(START_SECONDS):
            await session.initialize()
    except (TimeoutError, MCPError, RuntimeError, anyio.ClosedResourceError) as failure:
        said = _tail(stderr) or type(failure).__name__
        raise ToolServerUnavailable(
            f"the tool server did not start: {said}",
            "run `sre-daemon tools --phase investigate` to see why",
        ) from failure


def _tail(stderr: IO[str]) -> str:
    stderr.seek(0)
    return stderr.read()[-STDERR_TAIL:].strip()


def single(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error in a group, or the first of several."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
