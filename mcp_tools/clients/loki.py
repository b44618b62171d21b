"""Loki's query_range: the log lines of one service in a window of time, newest first from Loki."""

import json
import re
from datetime import datetime
from itertools import chain

from mcp_tools.clients.http import JsonClient
from mcp_tools.errors import TargetUnavailable, ToolError
from mcp_tools.settings import LokiSettings

MAX_LINES = 2000


class Loki:
    """One Loki, or several tenants of one."""

    def __init__(self, settings: LokiSettings) -> None:
        headers = {"X-Scope-OrgID": settings.tenant} if settings.tenant else {}
        if settings.token_file is not None:
            headers["Authorization"] = f"Bearer {settings.token()}"
        self._label = settings.label
        self._http = JsonClient("Loki", str(settings.url), settings.timeout_seconds, headers)

    async def lines(
        self, service: str, start: datetime, end: datetime, pattern: str | None
    ) -> tuple[list[str], bool]:
        """The last lines between two times, oldest first, and whether there were more before.

        Raises:
            ToolError: Loki says what is wrong.
            TargetUnavailable: no usable answer.
        """
        parameters = {
            "query": self.query(service, pattern),
            "start": _nanoseconds(start),
            "end": _nanoseconds(end),
            "limit": str(MAX_LINES),
            "direction": "backward",
        }
        status, body = await self._http.get("/loki/api/v1/query_range", parameters)
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict) or body.get("status") != "success":
            said = body.get("error") or body.get("message") if isinstance(body, dict) else None
            raise ToolError(f"Loki says: status {status}: {said or 'no details'}.", "Ask for less.")
        if data.get("resultType") != "streams":
            raise TargetUnavailable(f"Loki at {self._http.url} answered no log lines.")
        streams = (stream.get("values", ()) for stream in data.get("result", ()))
        found = sorted((int(value[0]), str(value[1])) for value in chain.from_iterable(streams))
        return [line for _, line in found], len(found) >= MAX_LINES

    def query(self, service: str, pattern: str | None) -> str:
        """LogQL for a service, and optionally a text that its lines contain in any case."""
        selector = f"{{{self._label}={_quoted(service)}}}"
        return f"{selector} |~ {_quoted('(?i)' + _literal(pattern))}" if pattern else selector

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _nanoseconds(at: datetime) -> str:
    """Exact to the millisecond; a float has no digits for more."""
    return str(round(at.timestamp() * 1000) * 1_000_000)


def _literal(text: str) -> str:
    """A regular expression that matches exactly this text; every other character is none to RE2."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text)


def _quoted(text: str) -> str:
    """A string of LogQL: as in Go, so a character above U+FFFF must stand for itself."""
    return json.dumps(text, ensure_ascii=False)
