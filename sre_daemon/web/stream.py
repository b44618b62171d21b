"""GET /api/v1/events: server-sent events. Each is a fact of a timeline, resumed by its number.

A client that falls too far behind, or comes back after too long, is told `reset` and reads the
pages afresh: nothing is queued for a client, so that a slow one costs no memory.
"""

import asyncio
import json

from aiohttp import web

from sre_daemon.domain.event import TimelineEvent
from sre_daemon.errors import DaemonError, StoreUnavailable
from sre_daemon.web import wire
from sre_daemon.web.auth import check_person
from sre_daemon.web.front import FRONT, Front
from sre_daemon.web.live import Live
from sre_daemon.web.problems import BadRequest

REPLAY = 1000
BEAT_SECONDS = 10.0
SEND_SECONDS = 15.0
# Long enough to live with a proxy's habits; the browser comes back by itself.
RETRY_MS = 1500
# What one event may carry; the rest is in the timeline.
TEXT = 4000


async def events(request: web.Request) -> web.StreamResponse:
    """The stream; `incident` narrows it to one, `Last-Event-ID` or `after` resumes it."""
    check_person(request)
    front = request.app[FRONT]
    if front.live.full:
        raise StoreUnavailable("too many are watching", "close a window, or ask again later")
    after = _after(request)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            # Proxies that buffer would turn live into late.
            "X-Accel-Buffering": "no",
        }
    )
    async with front.live.watching():
        await response.prepare(request)
        try:
            await _Watcher(request, response, front).run(after)
        except (ConnectionError, TimeoutError):
            # It went away, or takes nothing any more.
            request.protocol.force_close()
    return response


def _after(request: web.Request) -> int | None:
    text = request.headers.get("Last-Event-ID") or request.query.get("after", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest("Last-Event-ID is the number of an event")
    return int(text)


class _Watcher:
    """One client."""

    def __init__(self, request: web.Request, response: web.StreamResponse, front: Front) -> None:
        self._request = request
        self._response = response
        self._front = front
        self._live: Live = front.live
        self._incident = request.query.get("incident", "")
        self._seq = 0

    async def run(self, after: int | None) -> None:
        """Until it goes away or may not look any more."""
        # Of one moment: what is read up to `seq` is not among what comes after `position`.
        position, seq = self._live.position, self._live.seq
        self._seq = seq if after is None else after
        await self._write(f"retry: {RETRY_MS}\n")
        if after is not None:
            await self._replay(after, seq)
        paused = await self._front.paused()
        await self._say("ready", {"seq": self._seq})
        while True:
            found = await self._live.next(position, BEAT_SECONDS)
            if self._live.closed or not self._may_look():
                return
            if found is None:
                position, self._seq = self._live.position, self._live.seq
                await self._say("reset", {})
                continue
            position += len(found)
            await self._send(found)
            if not found:
                await self._write(": still here\n")
            if paused != (now := await self._front.paused()):
                paused = now
                await self._say("status", {"paused": now})

    async def _replay(self, after: int, until: int) -> None:
        missed = await self._front.feed.after(after, REPLAY + 1, self._incident)
        missed = [event for event in missed if event.seq <= until]
        if len(missed) > REPLAY:
            await self._say("reset", {})
        else:
            await self._send(missed)
        self._seq = max(after, until)

    async def _send(self, events: list[TimelineEvent]) -> None:
        lines = []
        for event in events:
            # One that came late keeps its own number in the data, and does not turn resuming back.
            self._seq = max(self._seq, event.seq)
            if self._incident in {"", event.incident_id}:
                lines.append(f"id: {self._seq}\nevent: timeline\ndata: {_data(event)}\n")
        if lines:
            await self._write("\n".join(lines))

    async def _say(self, name: str, data: object) -> None:
        await self._write(f"id: {self._seq}\nevent: {name}\ndata: {json.dumps(data)}\n")

    async def _write(self, text: str) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._response.write(f"{text}\n".encode())

    def _may_look(self) -> bool:
        """Sessions end and tokens are taken away, also while somebody watches."""
        try:
            check_person(self._request)
        except DaemonError:
            return False
        return True


def _data(event: TimelineEvent) -> str:
    """One line of JSON: escaped to ASCII, so that no character of a log line ends it."""
    shown = {**wire.event(event), "incident": event.incident_id}
    text = json.dumps(shown)
    if len(text) > TEXT:
        text = json.dumps({**shown, "data": {}, "summary": event.summary[:500]})
    return text
