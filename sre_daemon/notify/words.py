"""A message in words: for channels that send plain text."""

from collections.abc import Iterable, Iterator

from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import State
from sre_daemon.notify.message import DAEMON, DIGEST, Message, Proof
from sre_daemon.text import line, visible

LEADS = {
    DAEMON: "sre-daemon itself",
    DIGEST: "Digest",
    State.TRIGGERED: "Triggered",
    State.AWAITING_APPROVAL: "Approval needed",
    State.ESCALATED: "A person is needed",
    State.RESOLVED: "Resolved",
}


def lead(message: Message) -> str:
    """What it is about, in two or three words."""
    if message.about == Kind.DIAGNOSIS:
        return "Diagnosis"
    if message.reminder:
        return "Reminder: approval needed"
    return LEADS.get(message.state, message.state.replace("_", " ").capitalize())


def subject(message: Message) -> str:
    """One line."""
    severity = f"[{message.severity}] " if message.incident_id else ""
    return line(f"{severity}{lead(message)}: {message.title}", 200)


def plain(message: Message) -> str:
    """All of it, as paragraphs of plain text."""
    return "\n\n".join(_paragraphs(message)) + "\n"


def _paragraphs(message: Message) -> Iterator[str]:
    yield f"{lead(message)}: {line(message.title, 300)}"
    if message.text:
        yield visible(message.text)
    yield from _findings(message)
    yield from _doings(message)
    if message.alerts:
        yield _list("Alerts:", message.alerts)
    if message.incident_id:
        yield _facts(message)
    if message.postmortem:
        yield f"Post-mortem: {line(message.postmortem, 500)}"
    if message.url:
        yield message.url


def _findings(message: Message) -> Iterator[str]:
    if message.cause:
        sure = f" (confidence {message.confidence:.0%})" if message.confidence is not None else ""
        yield f"Cause: {visible(message.cause)}{sure}"
    if message.missing:
        yield _list("What is missing:", message.missing)


def _doings(message: Message) -> Iterator[str]:
    if message.state == State.AWAITING_APPROVAL and message.proposed:
        yield _list("Proposed:", message.proposed)
    if message.changes:
        yield _list("Changed by the daemon:", message.changes)
    if message.proof:
        yield _list("Proof:", map(_proof, message.proof))


def _proof(item: Proof) -> str:
    return f"{item.query}: {_number(item.before)} before, {_number(item.after)} after"


def _facts(message: Message) -> str:
    policy = f"policy {message.policy}, " if message.policy else ""
    return f"{policy}after {duration(message.seconds)}, incident {message.incident_id}"


def _list(title: str, items: Iterable[str]) -> str:
    lines = [f"- {line(item, 500)}" for item in items]
    return "\n".join([title, *lines])


def _number(value: float | None) -> str:
    return "no result" if value is None else f"{value:g}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 5 min`."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
