"""A tree full of traps around a tool server, and an engine that must never be touched."""

import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from mcp import Client

from mcp_tools import settings
from mcp_tools.effects import Effect
from mcp_tools.runtimes.base import Happening, LogTail, Status, Usage
from mcp_tools.server import build
from mcp_tools.spec import Phase
from mcp_tools.tools.context import Context, opened
from tests.support.tool_server import tree

SECRET = "CONTENT-OF-THE-HOST"
COMPOSE = """services:
  api-server:
    image: api
    env_file: ./api-server.env
    privileged: false
    user: nobody
    command: serve
    volumes: ['./data:/data']
"""
YAML = "pool:\n  size: 15\n  name: main\nurl: http://db\n"


class AllowsAll:
    """A gate that says yes to everything, so that only the tools' own rules are left."""

    def __init__(self) -> None:
        self.asked: list[Effect] = []

    async def ask(self, tool: str, effects: Sequence[Effect]) -> None:
        self.asked += effects


class Engine:
    """A runtime that only counts how often it was touched."""

    services = ("api-server",)

    def __init__(self) -> None:
        self.touched: list[str] = []

    async def status(self, service: str) -> Status:
        return Status(service, running=True, started_at=None, detail="up")

    async def logs(self, service: str, max_bytes: int) -> LogTail:
        return LogTail(["INFO one", "ERROR two"], truncated=False)

    async def usage(self, service: str) -> Usage:
        return Usage(0.1, 1 << 20, 0)

    async def history(self, service: str, since: datetime, until: datetime) -> list[Happening]:
        return []

    async def restart(self, service: str) -> Status:
        self.touched.append(f"restart {service}")
        return await self.status(service)

    async def redeploy(self, service: str) -> Status:
        self.touched.append(f"redeploy {service}")
        return await self.status(service)

    async def aclose(self) -> None:
        pass


class Decoy:
    """The tree: `root/config` is what the tools may see, everything beside it is the host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        folder.mkdir(exist_ok=True)
        self.settings = settings.load(tree(self.root))
        self.gate = AllowsAll()
        self.engine: Any = Engine()
        config = self.root / "config"
        host = folder / "host"
        host.mkdir()
        (host / "secret.env").write_text(f"{SECRET}=1\n")
        (config / "docker-compose.yml").write_text(COMPOSE)
        (config / "prometheus.yml").write_text("global: {scrape_interval: 5s}\n")
        (config / "app.yaml").write_text(YAML)
        (config / "sub").mkdir()
        (config / "link.env").symlink_to(host / "secret.env")
        (config / "relative.env").symlink_to("../../host/secret.env")
        (config / "inner.env").symlink_to("api-server.env")
        (config / "loop.env").symlink_to("loop.env")
        (config / "dir").symlink_to(host)
        (config / "up").symlink_to("..")
        (config / "proc.env").symlink_to("/proc/self/environ")
        (config / "root").symlink_to("/")
        os.link(host / "secret.env", config / "hard.env")
        os.mkfifo(config / "pipe.env")
        # A socket's path may have no more than 107 characters.
        with _inside(config), socket.socket(socket.AF_UNIX) as endpoint:
            endpoint.bind("socket.env")
        (config / "large.env").write_bytes(b"A=1\n" * 70_000)
        (config / "nul.env").write_bytes(f"A=\0{SECRET}\n".encode())
        (config / "latin.env").write_bytes(b"A=\xe9\n")
        self.before = self.snapshot()

    def snapshot(self) -> dict[str, tuple[int, int, bytes]]:
        """Every name with its kind, its links, and its content where it has one."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            status = path.lstat()
            content = b""
            if stat.S_ISLNK(status.st_mode):
                content = str(path.readlink()).encode()
            elif stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
            links = 0 if stat.S_ISDIR(status.st_mode) else status.st_nlink
            found[str(path.relative_to(self.folder))] = (status.st_mode, links, content)
        return found

    @asynccontextmanager
    async def client(self, phase: Phase = Phase.REMEDIATE) -> AsyncIterator[Client]:
        """A client of a server in this process, with everything real but the engine."""
        async with opened(self.settings, self.gate, phase) as context:
            context.runtime = self.engine
            async with Client(build(context, phase)) as client:
                yield client

    @asynccontextmanager
    async def context(self) -> AsyncIterator[Context]:
        """The context alone."""
        async with opened(self.settings, self.gate, Phase.REMEDIATE) as context:
            context.runtime = self.engine
            yield context


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
