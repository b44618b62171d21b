"""A socket proxy before a Docker Engine that permits listed calls only, and records all of them.

The list is the table of docs/safety.md, so that what is documented is what is enough.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

ROW = re.compile(
    r"^\| `(GET|HEAD|POST|DELETE) (/\S+)` \| (docker and compose|compose) \|", re.MULTILINE
)
SAFETY = Path(__file__).parents[2] / "docs" / "safety.md"
VERSION = re.compile(r"^/v\d+\.\d+")
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "host", "content-length"}


@dataclass
class Proxy:
    """`permitted` are (method, pattern); `allowed` and `refused` are what was asked for."""

    socket: Path
    permitted: list[tuple[str, re.Pattern[str]]]
    allowed: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    def permits(self, method: str, path: str) -> bool:
        for known, pattern in self.permitted:
            if method == known and pattern.fullmatch(path):
                self.allowed.add(f"{method} {pattern.pattern}")
                return True
        self.refused.append(f"{method} {path}")
        return False


def documented(kind: str) -> list[tuple[str, re.Pattern[str]]]:
    """The calls that docs/safety.md lists for a kind of runtime."""
    rows = ROW.findall(SAFETY.read_text())
    assert rows, "docs/safety.md has no table of Engine calls"
    return [
        (method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)))
        for method, path, kinds in rows
        if kind in kinds
    ]


@asynccontextmanager
async def proxied(
    engine: Path, socket: Path, permitted: list[tuple[str, re.Pattern[str]]]
) -> AsyncIterator[Proxy]:
    """A proxy that listens on `socket`."""
    proxy = Proxy(socket, permitted)
    connector = aiohttp.UnixConnector(str(engine))
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as client:

        async def handle(request: web.Request) -> web.StreamResponse:
            path = VERSION.sub("", request.path)
            if not proxy.permits(request.method, path):
                return web.json_response({"message": "this proxy forbids it"}, status=403)
            headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
            async with client.request(
                request.method,
                f"http://engine{request.path_qs}",
                data=await request.read() or None,
                headers=headers,
                timeout=aiohttp.ClientTimeout(60),
            ) as answer:
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            yield proxy
        finally:
            await runner.cleanup()
