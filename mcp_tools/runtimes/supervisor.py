"""supervisord over XML-RPC on its Unix socket.

Logs are read from the files that supervisord names, not through XML-RPC: one control character in
a log line would make the whole XML answer unreadable.
"""

import asyncio
import os
import stat
import xmlrpc.client
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_tools.errors import ServiceFailed, TargetUnavailable, ToolError
from mcp_tools.runtimes.base import Happening, LogTail, Status, Usage

if TYPE_CHECKING:
    import httpx

# supervisord answers a start or stop only when it is done; its own limits are well below this.
TIMEOUT_SECONDS = 60.0
BAD_NAME = 10
ALREADY_STARTED = 60
NOT_RUNNING = 70
RUNNING = 20
LAST_LINES = 10
LAST_LINES_BYTES = 8192


class Supervisor:
    """One supervisord; a service is a program of the same name."""

    def __init__(self, socket: Path, services: Sequence[str]) -> None:
        self._socket = socket
        self._services = tuple(services)
        self._client: httpx.AsyncClient | None = None

    @property
    def services(self) -> Sequence[str]:
        """The configured names."""
        return self._services

    async def status(self, service: str) -> Status:
        """The program's state."""
        info = await self._info(service)
        running = info.get("state") == RUNNING
        started = datetime.fromtimestamp(int(info.get("start", 0)), UTC) if running else None
        return Status(
            service, running, started, f"{info['statename']} {info['description']}".strip()
        )

    async def logs(self, service: str, max_bytes: int) -> LogTail:
        """Standard output, then standard error if it has a file of its own."""
        info = await self._info(service)
        names = dict.fromkeys(
            str(info.get(f"{which}_logfile") or "") for which in ("stdout", "stderr")
        )
        paths = [Path(name) for name in names if name]
        if not paths:
            raise ToolError(f"supervisord keeps no log of {service}.", "Go on with metrics.")
        tails = [await asyncio.to_thread(_tail, path, max_bytes // len(paths)) for path in paths]
        lines = [line for tail in tails for line in tail.lines]
        return LogTail(lines, any(tail.truncated for tail in tails))

    async def usage(self, service: str) -> Usage:
        """supervisord does not measure."""
        self._check(service)
        raise ToolError("supervisord does not measure its programs.", "Use their metrics.")

    async def history(self, service: str, since: datetime, until: datetime) -> Sequence[Happening]:
        """supervisord remembers the last start only."""
        status = await self.status(service)
        started = status.started_at
        if started is None or not since <= started <= until:
            return ()
        return (Happening(started, "start", status.instance),)

    async def restart(self, service: str) -> Status:
        """Stop and start."""
        self._check(service)
        await self._call("stopProcess", service, expected=NOT_RUNNING)
        try:
            await self._call("startProcess", service, expected=ALREADY_STARTED)
        except TargetUnavailable:
            raise
        except ToolError as failure:
            raise await self._failed(service, failure.reason) from failure
        status = await self.status(service)
        if not status.running:
            raise await self._failed(service, status.detail)
        return status

    async def redeploy(self, service: str) -> Status:
        """A program reads its configuration when it starts, so this is a restart."""
        return await self.restart(service)

    async def _failed(self, service: str, why: str) -> ServiceFailed:
        try:
            last = (await self.logs(service, LAST_LINES_BYTES)).lines[-LAST_LINES:]
        except ToolError:
            last = []
        log = "\n".join(last) or "(no log)"
        return ServiceFailed(f"{service} did not come up: {why}", f"Its last log lines:\n{log}")

    async def _info(self, service: str) -> dict[str, Any]:
        self._check(service)
        info = await self._call("getProcessInfo", service)
        if not isinstance(info, dict):
            raise TargetUnavailable("supervisord gave an answer that is no process information.")
        return info

    def _check(self, service: str) -> None:
        if service not in self._services:
            known = ", ".join(self._services) or "none is configured"
            raise ToolError(f"{service!r} is not a known service.", f"Known services: {known}.")

    async def _call(self, method: str, service: str, expected: int = 0) -> Any:
        """One remote call; a fault with the code `expected` counts as done."""
        import httpx

        body = xmlrpc.client.dumps((service,), f"supervisor.{method}")
        try:
            answer = await self._open().post("http://supervisor/RPC2", content=body.encode())
            answer.raise_for_status()
            (result,), _ = xmlrpc.client.loads(answer.content)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == expected:
                return None
            if fault.faultCode == BAD_NAME:
                raise ToolError(
                    f"supervisord has no program {service}.", "Check `services`."
                ) from None
            raise ToolError(f"supervisord says: {fault.faultString}.") from None
        except httpx.HTTPError as failure:
            problem = str(failure) or type(failure).__name__
            raise TargetUnavailable(
                f"supervisord at {self._socket} is not available: {problem}.", "Check that it runs."
            ) from failure
        except (ValueError, xmlrpc.client.Error, SyntaxError) as failure:
            raise TargetUnavailable("supervisord gave an answer that cannot be read.") from failure
        return result

    def _open(self) -> "httpx.AsyncClient":
        import ssl

        import httpx

        if self._client is None:
            transport = httpx.AsyncHTTPTransport(
                uds=str(self._socket), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
            self._client = httpx.AsyncClient(
                transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False
            )
        return self._client

    async def aclose(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _tail(path: Path, max_bytes: int) -> LogTail:
    """The end of a regular file, without the line that the cut would break."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return LogTail([], truncated=False)
    except OSError as failure:
        raise ToolError(f"The log {path} cannot be read: {failure.strerror}.") from failure
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ToolError(f"The log {path} is not a regular file.")
        start = max(0, status.st_size - max_bytes)
        file.seek(start)
        data = file.read(max_bytes)
    if start > 0:
        # Without a line break in reach the cut line is still better than nothing.
        data = data[data.find(b"\n") + 1 :]
    lines = data.decode("utf-8", "replace").removesuffix("\n").split("\n")
    return LogTail(lines if data else [], start > 0)
