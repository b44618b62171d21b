"""Containers on a Docker Engine through the `docker` SDK: looked at, read, and restarted.

A service is the container of its name, or, with a project, the one that Compose labelled so.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mcp_tools.errors import ServiceFailed, ToolError
from mcp_tools.runtimes.base import Happening, LogTail, Status, Usage
from mcp_tools.runtimes.engine import Engine

GRACE_SECONDS = 10
START_SECONDS = 60.0
POLL_SECONDS = 0.2
# Without a health check a program that lives this long counts as up.
STEADY_SECONDS = 1.0
LAST_LINES = 10
LAST_LINES_BYTES = 8192
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONEOFF_LABEL = "com.docker.compose.oneoff"
# The name of a container that Compose has made and not yet put in the place of the other one.
LEFTOVER = re.compile(r"[0-9a-f]{12}_(.+)")
SEEN = ("create", "start", "die", "oom", "kill", "restart", "destroy", "health_status")


class Docker:
    """One Engine; with `project` only the containers of that Compose project exist for it.

    `recreate` replaces a service's container; without it nothing can, and a redeploy is a restart.
    """

    def __init__(
        self,
        engine: Engine,
        services: Sequence[str],
        project: str | None = None,
        recreate: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._engine = engine
        self._services = tuple(services)
        self._project = project
        self._recreate = recreate

    @property
    def services(self) -> Sequence[str]:
        """The configured names."""
        return self._services

    async def status(self, service: str) -> Status:
        """The container's state."""
        return self._status(service, await self._find(service))

    async def logs(self, service: str, max_bytes: int) -> LogTail:
        """Standard output and standard error, as the Engine kept them."""
        found = await self._find(service)
        data, truncated = await self._engine.log_tail(found["Id"], max_bytes)
        text = data.decode("utf-8", "replace").removesuffix("\n")
        return LogTail(text.split("\n") if data else [], truncated)

    async def usage(self, service: str) -> Usage:
        """Processor and memory, from one sample of the Engine."""
        found = await self._find(service)
        return usage_of(await self._engine.stats(found["Id"]))

    async def history(self, service: str, since: datetime, until: datetime) -> Sequence[Happening]:
        """What the Engine still remembers: creations, starts, ends, changes of health."""
        self._check(service)
        filters = {"type": ["container"], "event": list(SEEN)}
        if self._project is None:
            filters["container"] = [service]
        else:
            filters["label"] = self._labels(service)
        events = await self._engine.events(since, until, filters)
        return [happening(event) for event in events]

    async def restart(self, service: str) -> Status:
        """Stop and start the same container; it keeps the environment that it was created with."""
        found = await self._find(service)
        await self._engine.restart(found["Id"], GRACE_SECONDS)
        return await self._settled(service)

    async def redeploy(self, service: str) -> Status:
        """A new container, or a restart for one that reads its configuration from files.

        Raises:
            ToolError: Compose made the container, so a restart would not change its environment.
        """
        self._check(service)
        if self._recreate is not None:
            await self._clear(service)
            await self._recreate(service)
            return await self._settled(service)
        found = await self._find(service)
        if PROJECT_LABEL in labels_of(found):
            raise ToolError(
                f"{service} was made by Compose, and a restart does not give it changed values.",
                "Use runtime.kind compose, which recreates it.",
            )
        return await self.restart(service)

    async def _clear(self, service: str) -> None:
        """Remove what a killed Compose left beside the container: with it no other can succeed."""
        made = await self._engine.containers(self._labels(service))
        names = {name.removeprefix("/") for item in made for name in item["Names"]}
        for item in made:
            half = LEFTOVER.fullmatch(item["Names"][0].removeprefix("/"))
            if half is not None and half[1] in names and item["State"] != "running":
                await self._engine.remove(item["Id"])

    def _status(self, service: str, found: dict[str, Any]) -> Status:
        status = status_of(service, found)
        return status if self._recreate is None else replace(status, made_at=when(found["Created"]))

    async def _settled(self, service: str) -> Status:
        """Wait until the service is healthy, or without a health check until it has run a while.

        Raises:
            ServiceFailed: it ended, became unhealthy, or did not get there in time.
        """
        loop = asyncio.get_running_loop()
        start, since = "", 0.0
        try:
            async with asyncio.timeout(START_SECONDS):
                while True:
                    found = await self._find(service)
                    status = self._status(service, found)
                    if found["State"]["StartedAt"] != start:
                        start, since = found["State"]["StartedAt"], loop.time()
                    verdict = judge(found["State"], loop.time() - since)
                    if verdict is True:
                        return status
                    if verdict is False:
                        raise await self._failed(service, status.detail)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            why = f"not healthy within {START_SECONDS:g} s"
            raise await self._failed(service, why) from None

    async def _failed(self, service: str, why: str) -> ServiceFailed:
        try:
            last = (await self.logs(service, LAST_LINES_BYTES)).lines[-LAST_LINES:]
        except ToolError:
            last = []
        log = "\n".join(last) or "(no log)"
        return ServiceFailed(f"{service} did not come up: {why}", f"Its last log lines:\n{log}")

    async def _find(self, service: str) -> dict[str, Any]:
        """Inspect the service's container."""
        self._check(service)
        if self._project is None:
            found = await self._engine.inspect(service)
            # The Engine also takes the beginning of an id for a name.
            if found["Name"] != f"/{service}":
                raise ToolError(f"There is no container named {service}.", "Check `services`.")
            return found
        made = await self._engine.containers(self._labels(service))
        if not made:
            raise ToolError(
                f"The project {self._project} has no container of {service}.",
                "Check runtime.project and `services`, or start it once.",
            )
        # While Compose replaces a container there are two; a killed Compose leaves them.
        newest = max(made, key=lambda item: (item["State"] == "running", item["Created"]))
        return await self._engine.inspect(newest["Id"])

    def _labels(self, service: str) -> list[str]:
        return [
            f"{PROJECT_LABEL}={self._project}",
            f"{SERVICE_LABEL}={service}",
            f"{ONEOFF_LABEL}=False",
        ]

    def _check(self, service: str) -> None:
        if service not in self._services:
            known = ", ".join(self._services) or "none is configured"
            raise ToolError(f"{service!r} is not a known service.", f"Known services: {known}.")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._engine.aclose()


def labels_of(found: dict[str, Any]) -> dict[str, str]:
    """The container's labels."""
    labels: dict[str, str] = found.get("Config", {}).get("Labels") or {}
    return labels


def status_of(service: str, found: dict[str, Any]) -> Status:
    """The answer of `inspect` in our words."""
    state = found["State"]
    # A container that the Engine restarts again and again counts as running in between.
    running = bool(state["Running"]) and not state.get("Restarting")
    health = (state.get("Health") or {}).get("Status")
    detail = state["Status"]
    if running and health:
        detail += f", {health}"
    if not running:
        detail += f" with code {state['ExitCode']}"
        detail += ", out of memory" if state.get("OOMKilled") else ""
        detail += f": {state['Error']}" if state.get("Error") else ""
    if found.get("RestartCount"):
        detail += f", restarted {found['RestartCount']} times by the Engine"
    started = when(state["StartedAt"]) if running else None
    return Status(service, running, started, detail, found["Id"][:12])


def judge(state: dict[str, Any], seconds: float) -> bool | None:
    """Whether a container is up, is not, or cannot be judged yet, `seconds` after it was started."""
    if state.get("Restarting") or not state["Running"]:
        return False
    health = (state.get("Health") or {}).get("Status")
    if health in {"healthy", "unhealthy"}:
        return bool(health == "healthy")
    if health == "starting":
        return None
    return True if seconds >= STEADY_SECONDS else None


def usage_of(sample: dict[str, Any]) -> Usage:
    """Processor as a share of one core, memory without the page cache, as `docker stats` counts."""
    now, before = sample["cpu_stats"], sample["precpu_stats"]
    used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    system = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    cores = now.get("online_cpus") or 1
    memory = sample["memory_stats"]
    details = memory.get("stats", {})
    cache = details.get("inactive_file", details.get("total_inactive_file", 0))
    return Usage(
        cpu_cores=round(used / system * cores, 4) if system > 0 else 0.0,
        memory_bytes=max(0, memory.get("usage", 0) - cache),
        memory_limit_bytes=memory.get("limit", 0),
    )


def happening(event: dict[str, Any]) -> Happening:
    """One event of the Engine."""
    attributes = event["Actor"]["Attributes"]
    code = attributes.get("exitCode")
    at = datetime.fromtimestamp(event["timeNano"] / 1e9, UTC)
    what = event["Action"] if code is None else f"{event['Action']} with code {code}"
    return Happening(at, what, event["Actor"]["ID"][:12])


def when(text: str) -> datetime | None:
    """The Engine's time, with nanoseconds; its zero means never."""
    return None if text.startswith("0001-") else datetime.fromisoformat(text)
