"""A small shop that is changed in memory, by hands that ask a real gate as the tool server does."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy, ServiceRestart
from sre_daemon.errors import ToolServerUnavailable
from sre_daemon.executor.base import Result
from tests.support.clock import START
from tests.support.repairs import Repair

VERBS = {"up": ServiceRedeploy, "restart": ServiceRestart}
FILE = "config/api-server.env"


class Killed(Exception):
    """The daemon stops right here: no code of its own may run on."""


@dataclass
class Shop:
    """One file and one service; `faults` says what goes wrong with the next call of a tool.

    guard: refused before the gate is asked. before, after: an error before or after the change.
    lost: the change happens, the answer is lost. gone, gone_after: the tool server dies before or
    after the change. killed, killed_after: the daemon does. wrong: another value is written.
    """

    repair: Repair
    keys: dict[str, str] = field(default_factory=lambda: {"DB_POOL_SIZE": "1"})
    started: datetime = START - timedelta(days=1)
    running: bool = True
    # When what runs was made, where a redeploy makes a new one.
    made: datetime | None = None
    faults: dict[str, list[str]] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    sessions: int = 0
    wrote: bool = False

    @asynccontextmanager
    async def open(self, token, direction):
        """See OpenHands."""
        self.sessions += 1
        yield Tools(self, token)


@dataclass
class Tools:
    """One tool server."""

    shop: Shop
    token: str
    alive: bool = True

    async def call(self, tool, arguments):
        """See Hands."""
        self.shop.repair.clock.advance(3)
        fault = self._fault(tool, arguments)
        if not self.alive:
            raise ToolServerUnavailable("the tool server is gone")
        if tool == "read_config_file":
            if fault == "before":
                return Result(None, "no such file", is_error=True)
            return Result({"keys": dict(self.shop.keys)}, "", is_error=False)
        if tool == "edit_config_file":
            return await self._edit(arguments, fault)
        verb, service = arguments["command"].split()[2], arguments["command"].split()[-1]
        if verb == "ps":
            entry = {
                "service": "api-server",
                "running": self.shop.running,
                "started_at": self.shop.started.isoformat(),
                "made_at": self.shop.made and self.shop.made.isoformat(),
            }
            return Result({"services": [entry]}, "", is_error=False)
        return await self._change(VERBS[verb](service), fault)

    def _fault(self, tool, arguments):
        """What goes wrong now; looks before an effect find everything in order."""
        reads = tool == "read_config_file" or " ps " in str(arguments.get("command"))
        measured, self.shop.wrote = self.shop.wrote, not reads
        faults = self.shop.faults.get(tool, [])
        due = measured and tool == "read_config_file" if reads else True
        return faults.pop(0) if faults and due else ""

    async def _edit(self, arguments, fault):
        now = self.shop.keys.get(arguments["key"])
        if now != arguments["old_value"]:
            return Result(None, f"{arguments['key']} is {now}", is_error=True)
        effect = ConfigSet(arguments["path"], arguments["key"], now, arguments["new_value"])
        return await self._change(effect, fault)

    async def _change(self, effect, fault):
        if fault == "guard":
            return Result(None, "a guardrail forbids it", is_error=True)
        answer = await self.shop.repair.ask(self.token, effect)
        if not answer["allow"]:
            return Result(None, f"{answer['reason']}: {answer['message']}", is_error=True)
        if fault == "before":
            return Result(None, "the disk is full", is_error=True)
        self._stop_if(fault, "gone", "killed")
        self._happen(effect, fault)
        self._stop_if(fault, "gone_after", "killed_after")
        if fault == "lost":
            raise ToolServerUnavailable("no answer in time")
        failed = fault in {"after", "wrong"}
        return Result({}, "it went wrong" if failed else "done", is_error=failed)

    def _stop_if(self, fault, gone, killed):
        if fault == gone:
            self.alive = False
            raise ToolServerUnavailable("the tool server died")
        if fault == killed:
            raise Killed

    def _happen(self, effect, fault):
        self.shop.changes.append(effect.describe())
        if isinstance(effect, ConfigSet):
            self.shop.keys[effect.key] = "13" if fault == "wrong" else effect.after
        else:
            self.shop.started, self.shop.running = self.shop.repair.clock.now(), True
            if self.shop.made is not None and isinstance(effect, ServiceRedeploy):
                self.shop.made = self.shop.started
