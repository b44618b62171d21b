"""Services of a plain host through systemctl and journalctl, with arguments made here alone.

A service is the unit of its name. Its EnvironmentFile is read at each start, so a redeploy is a
restart; unit files are never reloaded, because they decide which code runs.
"""

import asyncio
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mcp_tools.errors import ServiceFailed, TargetUnavailable, ToolError
from mcp_tools.runtimes import process
from mcp_tools.runtimes.base import Happening, LogTail, Status, Usage

READ_SECONDS = 20.0
# systemd's own limit for a start is 90 s; what takes longer is told as not known.
START_SECONDS = 100.0
STEADY_SECONDS = 1.0
SAMPLE_SECONDS = 0.5
BYTES_PER_LINE = 128
LAST_LINES = 10
LAST_LINES_BYTES = 8192
STATE = "LoadState,ActiveState,SubState,Result,ExecMainStartTimestamp,ExecMainStatus,InvocationID"
USAGE = "CPUUsageNSec,MemoryCurrent,MemoryMax"
TIME = "%a %Y-%m-%d %H:%M:%S.%f %Z"


class Systemd:
    """The service manager of this host. The programs are found where its owner puts them."""

    def __init__(
        self, services: Sequence[str], systemctl: Path | None = None, journalctl: Path | None = None
    ) -> None:
        self._services = tuple(services)
        self._systemctl = systemctl
        self._journalctl = journalctl

    @property
    def services(self) -> Sequence[str]:
        """The configured names."""
        return self._services

    async def status(self, service: str) -> Status:
        """The unit's state."""
        values = await self._show(service, STATE)
        if values["LoadState"] != "loaded":
            raise ToolError(
                f"systemd has no unit {service}.service ({values['LoadState']}).",
                "Check `services`.",
            )
        running = values["ActiveState"] == "active" and values["SubState"] == "running"
        detail = f"{values['ActiveState']} ({values['SubState']})"
        if not running:
            detail += f", {values['Result']} with code {values['ExecMainStatus']}"
        started = None
        if running:
            text = values["ExecMainStartTimestamp"]
            started = datetime.strptime(text, TIME).replace(tzinfo=UTC)
        return Status(service, running, started, detail, values["InvocationID"][:12])

    async def logs(self, service: str, max_bytes: int) -> LogTail:
        """What the unit's processes wrote, without systemd's own remarks."""
        unit = self._unit(service)
        wanted = max(1, max_bytes // BYTES_PER_LINE)
        text = await self._journal(f"--lines={wanted}", "--output=cat", f"_SYSTEMD_UNIT={unit}")
        lines = text.split("\n") if text else []
        return LogTail(lines, len(lines) >= wanted or len(text) >= process.MAX_OUTPUT_BYTES - 1)

    async def usage(self, service: str) -> Usage:
        """From two samples of the unit's control group."""
        before = await self._show(service, USAGE)
        await asyncio.sleep(SAMPLE_SECONDS)
        now = await self._show(service, USAGE)
        if not (now["CPUUsageNSec"].isdigit() and now["MemoryCurrent"].isdigit()):
            raise ToolError(f"systemd does not measure {service}.", "Use its metrics.")
        used = int(now["CPUUsageNSec"]) - _number(before["CPUUsageNSec"])
        return Usage(
            cpu_cores=round(used / (SAMPLE_SECONDS * 1e9), 4),
            memory_bytes=int(now["MemoryCurrent"]),
            memory_limit_bytes=_number(now["MemoryMax"]),
        )

    async def history(self, service: str, since: datetime, until: datetime) -> Sequence[Happening]:
        """systemd's remarks about the unit."""
        unit = self._unit(service)
        text = await self._journal(
            f"--since=@{math.floor(since.timestamp())}",
            f"--until=@{math.ceil(until.timestamp())}",
            "--output=json",
            "--output-fields=MESSAGE,INVOCATION_ID",
            "_PID=1",
            f"UNIT={unit}",
        )
        return [_happening(line) for line in text.splitlines()]

    async def restart(self, service: str) -> Status:
        """Stop and start, and see that it stays."""
        unit = self._unit(service)
        done = await self._run("systemctl", START_SECONDS, "restart", "--", unit)
        if done.exit_code != 0:
            raise await self._failed(service, done.output)
        await asyncio.sleep(STEADY_SECONDS)
        status = await self.status(service)
        if not status.running:
            raise await self._failed(service, status.detail)
        return status

    async def redeploy(self, service: str) -> Status:
        """A unit's environment files are read when it starts, so this is a restart."""
        return await self.restart(service)

    async def aclose(self) -> None:
        """Nothing to let go of."""

    async def _failed(self, service: str, why: str) -> ServiceFailed:
        try:
            last = (await self.logs(service, LAST_LINES_BYTES)).lines[-LAST_LINES:]
        except ToolError:
            last = []
        log = "\n".join(last) or "(no log)"
        return ServiceFailed(f"{service} did not come up: {why}", f"Its last log lines:\n{log}")

    async def _show(self, service: str, properties: str) -> dict[str, str]:
        unit = self._unit(service)
        done = await self._run(
            "systemctl",
            READ_SECONDS,
            *("show", "--timestamp=us+utc", f"--property={properties}", "--", unit),
        )
        values = dict(line.split("=", 1) for line in done.output.splitlines() if "=" in line)
        if done.exit_code != 0 or set(values) != set(properties.split(",")):
            raise TargetUnavailable(
                f"systemd does not answer: {done.output}.", "Check that it runs."
            )
        return values

    async def _journal(self, *arguments: str) -> str:
        done = await self._run("journalctl", READ_SECONDS, "--no-pager", "--quiet", *arguments)
        if done.exit_code != 0:
            raise ToolError(
                f"The journal cannot be read: {done.output}.", "Add this user to systemd-journal."
            )
        return done.output

    async def _run(self, name: str, seconds: float, *arguments: str) -> process.Done:
        given = self._systemctl if name == "systemctl" else self._journalctl
        program = given or process.find(name)
        if program is None:
            raise TargetUnavailable(f"{name} is not installed.", "This host has no systemd.")
        return await process.run([str(program), *arguments], {"LC_ALL": "C", "TZ": "UTC"}, seconds)

    def _unit(self, service: str) -> str:
        if service not in self._services:
            known = ", ".join(self._services) or "none is configured"
            raise ToolError(f"{service!r} is not a known service.", f"Known services: {known}.")
        return f"{service}.service"


def _number(text: str) -> int:
    """systemd writes what it does not know or bound as a word."""
    return int(text) if text.isdigit() else 0


def _happening(line: str) -> Happening:
    entry = json.loads(line)
    at = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1e6, UTC)
    return Happening(at, str(entry["MESSAGE"]), str(entry.get("INVOCATION_ID", ""))[:12])
