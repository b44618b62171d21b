"""What people press in Slack: approve and reject by a form that shows exactly what would be done.

A button only opens the form. The answer counts for the proposal that was shown, named by its digest;
role, approvers, state and expiry are checked when it is sent, in the transaction that writes it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain import redaction
from sre_daemon.domain.approval import REFUSALS, Answer, Approval, ApprovalState, Refusal
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.person import Person, Role
from sre_daemon.errors import DaemonError, NotifyError
from sre_daemon.slack import render
from sre_daemon.slack.client import Slack
from sre_daemon.slack.mrkdwn import line
from sre_daemon.store.approvals import Reply
from sre_daemon.tasks import Tasks
from sre_daemon.text import line as one_line

log = structlog.get_logger(__name__)

# More than a form can show whole is answered where it can be.
EXACT = 2900
REASON = 500
JSON = Mapping[str, Any]


class Answering(Protocol):
    """What people are asked, and what they answer."""

    async def of(self, incident: Incident) -> Approval | None:
        """What was asked about the incident's current attempt."""
        ...

    async def answer(
        self, incident_id: str, answer: Answer, digest: str, person: Person, reason: str
    ) -> Reply:
        """Write an answer, or say why it does not count."""
        ...


class Holding(Protocol):
    """Who is at work on which incident."""

    async def off(self, incident_id: str, who: str, reason: str, at: datetime) -> bool:
        """Hands off from now on."""
        ...

    async def on(self, incident_id: str, who: str, reason: str, at: datetime) -> bool:
        """The daemon may go on."""
        ...


class Finds(Protocol):
    """The incidents."""

    async def incident(self, incident_id: str) -> Incident | None:
        """One of them."""
        ...


class Sees(Protocol):
    """What was seen."""

    async def first(self, key: str, at: datetime) -> bool:
        """Whether this was never seen before."""
        ...


@dataclass(frozen=True, slots=True)
class Counter:
    """What clicks are answered with."""

    slack: Slack
    answers: Answering
    hands: Holding
    store: Finds
    seen: Sees
    people: Mapping[str, Person]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Click:
    """A button that somebody pressed."""

    action: str
    value: str
    user: str
    trigger: str
    room: str
    thread: str


class Clicks:
    """Over one workspace."""

    def __init__(self, counter: Counter, tasks: Tasks) -> None:
        self._counter = counter
        self._tasks = tasks

    async def interaction(self, payload: JSON) -> JSON | None:
        """What Slack is answered at once; None for nothing.

        Raises:
            StoreUnavailable, NotifyError: it was not taken.
        """
        me = await self._counter.slack.myself()
        if _at(payload, "team", "id") != me.team:
            return None
        if payload.get("type") == "view_submission":
            return await self._sent(payload)
        click = _click(payload)
        if click is not None:
            key = f"slack:click:{click.trigger}"
            if await self._counter.seen.first(key, self._counter.clock.now()):
                self._tasks.spawn("slack-click", self._clicked(click))
        return None

    async def _clicked(self, click: Click) -> None:
        try:
            said = await self._do(click)
        except DaemonError as failure:
            said = f"That did not work: {line(str(failure), 400)}"
        except Exception:  # the last wall: one click must not end the daemon
            log.exception("click not answered")
            said = "That did not work: an error of mine; my log has it."
        if said:
            try:
                await self._counter.slack.whisper(click.room, click.user, said, click.thread)
            except NotifyError as failure:
                log.error("click not answered", error=failure.reason)

    async def _do(self, click: Click) -> str:
        person = self._counter.people.get(click.user)
        if person is None or not person.may(Role.APPROVER):
            return (
                "You may not: that needs the role approver. "
                f"Somebody who runs me can add `{line(click.user, 30)}` to `slack.people`."
            )
        now, hands = self._counter.clock.now(), self._counter.hands
        incident_id, _, digest = click.value.partition(" ")
        match click.action:
            case render.OFF:
                new = await hands.off(incident_id, person.name, "pressed in Slack", now)
                return "My hands are off." if new else "My hands are off already."
            case render.ON:
                new = await hands.on(incident_id, person.name, "pressed in Slack", now)
                return "I go on." if new else "Nobody is at work on it."
            case render.APPROVE | render.REJECT:
                return await self._ask(click, person, incident_id, digest)
            case _:  # a button of another version
                return "That button does nothing any more."

    async def _ask(self, click: Click, person: Person, incident_id: str, digest: str) -> str:
        """Show the form, unless it could not be answered anyway."""
        incident = await self._counter.store.incident(incident_id)
        asked = await self._counter.answers.of(incident) if incident is not None else None
        if incident is None or asked is None:
            return _why(Refusal.NOT_ASKED)
        if asked.digest != digest:
            return _why(Refusal.CHANGED)
        if asked.state is not ApprovalState.PENDING:
            return _why(Refusal.DECIDED)
        if not person.is_one_of(asked.approvers):
            return _why(Refusal.NOT_AN_APPROVER)
        effects = _exactly(asked)
        if len(effects) > EXACT:
            return "That is more than Slack can show; look at all of it in the console."
        await self._counter.slack.open_view(click.trigger, _form(click, incident, asked, effects))
        return ""

    async def _sent(self, payload: JSON) -> JSON | None:
        view = payload.get("view", {})
        try:
            about = json.loads(view["private_metadata"])
            answer = Answer(view["callback_id"])
            incident_id, digest = str(about["incident"]), str(about["digest"])
        except (ValueError, KeyError, TypeError):
            return None
        person = self._counter.people.get(str(_at(payload, "user", "id")))
        if person is None:
            return _told(_why(Refusal.ROLE))
        reason = one_line(str(_at(view, "state", "values", "why", "text", "value") or ""), REASON)
        if answer is Answer.REJECT and not reason:
            return {"response_action": "errors", "errors": {"why": "Say why."}}
        said = await self._counter.answers.answer(incident_id, answer, digest, person, reason)
        if said.refusal is not None:
            by = f" By {line(said.approval.who)}." if said.approval and said.approval.who else ""
            return _told(_why(said.refusal) + (by if said.refusal is Refusal.DECIDED else ""))
        done = "approved" if answer is Answer.APPROVE else "rejected"
        return _told(f"You have {done} it. The thread says what happens.")


def _click(payload: JSON) -> Click | None:
    if payload.get("type") != "block_actions":
        return None
    try:
        action = payload["actions"][0]
        where = payload.get("container", {})
        return Click(
            action=str(action["action_id"]),
            value=str(action.get("value", "")),
            user=str(payload["user"]["id"]),
            trigger=str(payload["trigger_id"]),
            room=str(where.get("channel_id", "")),
            thread=str(where.get("thread_ts") or where.get("message_ts", "")),
        )
    except (LookupError, TypeError, AttributeError):
        return None


def _exactly(approval: Approval) -> str:
    lines = [
        f"{number}. {redaction.hide(effect.describe())}"
        for number, effect in enumerate(approval.effects, start=1)
    ]
    return "\n".join(lines)


def _form(click: Click, incident: Incident, asked: Approval, effects: str) -> JSON:
    approve = click.action == render.APPROVE
    about = {"incident": incident.id, "digest": asked.digest}
    words = "Exactly this will be done:" if approve else "This will not be done:"
    reason = {
        "type": "input",
        "block_id": "why",
        "optional": approve,
        "label": {"type": "plain_text", "text": "Why"},
        "element": {"type": "plain_text_input", "action_id": "text", "max_length": REASON},
    }
    until = f"Policy {line(asked.policy)}. It can be answered until {asked.expires_at:%H:%M} UTC."
    return {
        "type": "modal",
        "callback_id": Answer.APPROVE.value if approve else Answer.REJECT.value,
        "private_metadata": json.dumps(about),
        "title": {"type": "plain_text", "text": "Approve" if approve else "Reject"},
        "submit": {"type": "plain_text", "text": "Approve" if approve else "Reject"},
        "close": {"type": "plain_text", "text": "Not now"},
        "blocks": [
            render.section(f"*{line(incident.title)}*\n{until}\n{words}"),
            *render.exactly(effects),
            reason,
        ],
    }


def _told(text: str) -> JSON:
    view = {
        "type": "modal",
        "title": {"type": "plain_text", "text": "sre-daemon"},
        "close": {"type": "plain_text", "text": "Close"},
        "blocks": [render.section(text)],
    }
    return {"response_action": "update", "view": view}


def _why(refusal: Refusal) -> str:
    sentence, hint = REFUSALS[refusal]
    return f"That does not count: {line(sentence)}. {line(hint).capitalize()}."


def _at(payload: object, *names: str) -> object:
    for name in names:
        payload = payload.get(name) if isinstance(payload, Mapping) else None
    return payload
