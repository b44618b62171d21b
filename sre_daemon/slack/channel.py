"""The channel to a room of Slack: one thread per incident, whose first message is kept up to date."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.approval import Approval
from sre_daemon.domain.delivery import Delivery, News
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.hold import Hold
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.thread import Thread
from sre_daemon.errors import NotifyError
from sre_daemon.notify.message import Message, Reads, compose
from sre_daemon.slack import render
from sre_daemon.slack.client import MessageGone, Slack
from sre_daemon.slack.mrkdwn import code, line

# Whoever posts the first message is done with it by then, or dead.
OPENING = timedelta(seconds=45)
PAGE = 500
KEPT = 30
# What the whole room must see, and not only who follows the thread.
LOUD = frozenset({State.AWAITING_APPROVAL, State.ESCALATED})


class Sees(Reads, Protocol):
    """What a thread is made from."""

    async def timeline(
        self, incident_id: str, after: int = 0, limit: int = 1000
    ) -> list[TimelineEvent]:
        """Facts, in order."""
        ...


class Asked(Protocol):
    """What people are asked."""

    async def of(self, incident: Incident) -> Approval | None:
        """About the incident's current attempt."""
        ...


class Held(Protocol):
    """Who is at work on what."""

    async def of(self, incident_id: str) -> Hold | None:
        """On this incident."""
        ...


class Keeps(Protocol):
    """Where the threads are."""

    async def of(self, place: str, incident_id: str) -> Thread | None:
        """The thread of an incident."""
        ...

    async def begin(self, thread: Thread) -> Thread:
        """Write that its first message is on its way."""
        ...

    async def keep(self, thread: Thread) -> Thread:
        """Write what it shows."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What the channel reads and writes of the daemon."""

    store: Sees
    approvals: Asked
    hands: Held
    threads: Keeps
    owner: str
    clock: Clock
    console_url: str = ""
    buttons: bool = False


class SlackChannel:
    """One room."""

    def __init__(self, name: str, room: str, slack: Slack, desk: Desk) -> None:
        self.name = name
        self._room = room
        self._slack = slack
        self._desk = desk

    def keeps_up(self, _: News) -> bool:
        """See Channel: it follows, which is more."""
        return False

    async def send(self, message: Message) -> None:
        """See Channel: into the incident's thread; about the daemon itself into the room."""
        if not message.incident_id:
            told = render.told(message)
            if not await self._found(message.key, "", message.at):
                await self._slack.post(self._room, told.text, told.blocks, key=message.key)
            return
        thread, opened = await self._opened(message.incident_id, message.key)
        if opened:
            return  # its first message says it
        if message.key in _texts(thread, "told"):
            return
        told = render.told(message)
        # A message that was sent, and not noted because the daemon died then, is in the thread.
        if thread.data.get("telling") != message.key:
            thread = await self._keep(thread, telling=message.key)
        elif await self._slack.find(self._room, message.key, thread=thread.ts):
            await self._said(thread, message.key)
            return
        loud = message.state in LOUD and not message.quiet
        await self._slack.post(
            self._room, told.text, told.blocks, thread=thread.ts, broadcast=loud, key=message.key
        )
        await self._said(thread, message.key)
        await self.follow(message.incident_id)

    async def follow(self, incident_id: str) -> None:
        """See Follower: the first message, and the steps of the investigation."""
        thread, _ = await self._opened(incident_id, f"thread:{incident_id}")
        thread = await self._refreshed(thread)
        await self._stepped(thread)

    async def close(self) -> None:
        """See Channel: the connection is the app's."""

    # --- the first message

    async def _opened(self, incident_id: str, key: str) -> tuple[Thread, bool]:
        """The thread; whether its first message was posted just now."""
        threads, now = self._desk.threads, self._desk.clock.now()
        mine = Thread(self.name, incident_id, self._room, now, self._desk.owner, "", {"key": key})
        thread = await threads.of(self.name, incident_id)
        fresh = thread is None
        if thread is None:
            thread = await threads.begin(mine)
            fresh = thread.owner == mine.owner
        if thread.ts and thread.room == self._room:
            return thread, False
        ours = thread.owner == self._desk.owner
        if not ours and now - thread.began_at < OPENING:
            raise NotifyError("another replica opens the thread", retry_after=2.0)
        ts = ""
        if not fresh:
            key = str(thread.data.get("key", key))
            ts = await self._found(key, "", thread.began_at.isoformat())
        shown = await self._card(incident_id)
        ts = ts or await self._slack.post(self._room, shown.text, shown.blocks, key=key)
        data = {"key": key, "card": _print(shown), "told": [key]}
        thread = replace(thread, room=self._room, ts=ts, owner=self._desk.owner, data=data)
        return await threads.keep(thread), True

    async def _found(self, key: str, thread: str, since: str) -> str:
        from_then = _seconds(since) - 60
        return await self._slack.find(self._room, key, thread=thread, oldest=from_then)

    async def _refreshed(self, thread: Thread) -> Thread:
        shown = await self._card(thread.incident_id)
        if thread.data.get("card") == _print(shown):
            return thread
        # Somebody may have deleted it; what is to be told goes into the thread all the same.
        with suppress(MessageGone):
            await self._slack.update(self._room, thread.ts, shown.text, shown.blocks)
        return await self._keep(thread, card=_print(shown))

    async def _card(self, incident_id: str) -> render.Rendered:
        desk = self._desk
        incident = await desk.store.incident(incident_id)
        if incident is None:
            raise NotifyError(f"there is no incident {incident_id} any more")
        # As it was when it moved, so that the same state looks the same.
        at = incident.updated_at
        payload = {
            "about": Kind.STATE.value,
            "state": incident.state.value,
            "reason": "",
            "text": "",
            "at": at.isoformat(),
            "quiet": False,
            "again": False,
        }
        delivery = Delivery(self.name, "", incident_id, payload, at, at)
        message = await compose(desk.store, delivery, desk.console_url)
        if message is None:
            raise NotifyError(f"there is no incident {incident_id} any more")
        approval = await desk.approvals.of(incident)
        hold = await desk.hands.of(incident_id)
        return render.card(message, approval, hold, desk.buttons)

    # --- the rest of the thread

    async def _said(self, thread: Thread, key: str) -> Thread:
        told = [*_texts(thread, "told"), key][-KEPT:]
        return await self._keep(thread, told=told, telling="")

    async def _stepped(self, thread: Thread) -> Thread:
        """Bring the message with the steps up to date."""
        seq = thread.data.get("seq", 0)
        after = seq if isinstance(seq, int) else 0
        lines, earlier = list(_texts(thread, "lines")), thread.data.get("earlier", 0)
        gone = earlier if isinstance(earlier, int) else 0
        count = len(lines)
        while events := await self._desk.store.timeline(thread.incident_id, after, PAGE):
            lines += [_step(event) for event in events if event.kind is Kind.STEP]
            after = events[-1].seq
        if len(lines) == count:
            return thread
        gone += max(0, len(lines) - KEPT)
        lines = lines[-KEPT:]
        shown = render.steps(lines, gone)
        ts = str(thread.data.get("steps", ""))
        try:
            if ts:
                await self._slack.update(self._room, ts, shown.text, shown.blocks)
        except MessageGone:
            ts = ""
        if not ts:
            ts = await self._slack.post(self._room, shown.text, shown.blocks, thread=thread.ts)
        return await self._keep(thread, steps=ts, seq=after, lines=lines, earlier=gone)

    async def _keep(self, thread: Thread, **values: object) -> Thread:
        return await self._desk.threads.keep(replace(thread, data={**thread.data, **values}))


def _step(event: TimelineEvent) -> str:
    tool = event.data.get("tool")
    if not isinstance(tool, str):
        return f"💬 {line(event.summary, 400)}"
    sign = "✗" if event.data.get("is_error") else "✓"
    seconds = event.data.get("seconds")
    took = f" {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    said = str(event.data.get("output", "")).strip().partition("\n")[0]
    found = f" → {line(said, 120)}" if said else ""
    return f"{sign} {code(event.summary, 160)}{took}{found}"


def _texts(thread: Thread, name: str) -> Sequence[str]:
    value = thread.data.get(name)
    return [str(item) for item in value] if isinstance(value, list) else []


def _print(shown: render.Rendered) -> str:
    body: Mapping[str, object] = {"text": shown.text, "blocks": list(shown.blocks)}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
