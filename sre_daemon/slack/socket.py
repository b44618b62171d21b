"""Socket Mode: events come over a connection that we open, so that nothing of ours must be reachable."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import aiohttp
import structlog

from sre_daemon.clock import Clock
from sre_daemon.errors import DaemonError, NotifyError
from sre_daemon.slack.client import Slack

log = structlog.get_logger(__name__)

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
DEAD_AFTER = 300.0


class Takes(Protocol):
    """What is done with events and clicks; raises DaemonError when they are to come again."""

    async def event(self, envelope: Mapping[str, Any]) -> None:
        """An event."""
        ...

    async def interaction(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A click; the answer to it."""
        ...


Dead = Callable[[str], Awaitable[None]]


class SocketMode:
    """One connection at a time, opened again whenever it ends."""

    def __init__(
        self, slack: Slack, app_token: str, takes: Takes, clock: Clock, dead: Dead
    ) -> None:
        self._slack = slack
        self._token = app_token
        self._takes = takes
        self._clock = clock
        self._dead = dead

    async def run(self) -> None:
        """For ever; somebody is told when it does not work for five minutes."""
        pause, since, told = FIRST_PAUSE, self._clock.monotonic(), False
        while True:
            try:
                async with await self._slack.socket(self._token) as socket:
                    pause, since, told = FIRST_PAUSE, self._clock.monotonic(), False
                    await self._listen(socket)
                    # Slack asks for a new connection; there is nothing to wait for.
                    continue
            except NotifyError as failure:
                why = str(failure)
            except (aiohttp.ClientError, ConnectionError, TimeoutError) as failure:
                why = type(failure).__name__
            log.warning("Slack's socket does not work", error=why)
            if not told and self._clock.monotonic() - since > DEAD_AFTER:
                told = True
                await self._dead(why)
            await self._clock.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Until Slack ends it, as it does every few hours; raises NotifyError when it was cut."""
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            try:
                envelope = json.loads(message.data)
            except ValueError:
                continue
            if not isinstance(envelope, dict):
                continue
            if envelope.get("type") == "disconnect":
                return
            await self._taken(socket, envelope)
        if socket.close_code != aiohttp.WSCloseCode.OK:
            raise NotifyError("Slack's socket was cut")

    async def _taken(
        self, socket: aiohttp.ClientWebSocketResponse, envelope: Mapping[str, Any]
    ) -> None:
        """Acknowledged once nothing can be lost; what is not acknowledged comes again."""
        name, payload = envelope.get("envelope_id"), envelope.get("payload")
        if not isinstance(name, str) or not isinstance(payload, dict):
            return
        answer: Mapping[str, Any] | None = None
        try:
            if envelope.get("type") == "events_api":
                await self._takes.event(payload)
            elif envelope.get("type") == "interactive":
                answer = await self._takes.interaction(payload)
        except DaemonError as failure:
            log.error("event of Slack not taken", error=failure.reason)
            return
        reply: dict[str, object] = {"envelope_id": name}
        if answer is not None:
            reply["payload"] = dict(answer)
        async with asyncio.timeout(5):
            await socket.send_json(reply)
