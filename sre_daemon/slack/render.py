"""What a thread looks like: blocks made of facts. Everything foreign in them is escaped."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sre_daemon.domain.approval import Approval, ApprovalState
from sre_daemon.domain.hold import Hold
from sre_daemon.domain.lifecycle import State
from sre_daemon.notify.message import DIGEST, Message, Proof
from sre_daemon.notify.words import duration, lead, subject
from sre_daemon.slack.mrkdwn import CHUNK, chunks, code, converted, foreign, line
from sre_daemon.text import line as one_line
from sre_daemon.text import visible

Block = dict[str, object]
T = TypeVar("T")
HEADER = 150
ITEMS = 10
# Of one message; what an answer has beyond it is in the console.
SECTIONS = 10
SIGNS = {
    State.TRIGGERED: "🔴",
    State.SUPPRESSED: "🔕",
    State.INVESTIGATING: "🔎",
    State.DIAGNOSED: "🔎",
    State.AWAITING_APPROVAL: "✋",
    State.REMEDIATING: "🔧",
    State.VERIFYING: "📏",
    State.ESCALATED: "🙋",
    State.RESOLVED: "✅",
    State.CLOSED: "✅",
}
OVER = frozenset({State.RESOLVED, State.CLOSED})
APPROVE, REJECT, OFF, ON = "approve", "reject", "hands_off", "hands_on"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One message: what a notification says of it, and how it looks."""

    text: str
    blocks: Sequence[Block]


def card(message: Message, approval: Approval | None, hold: Hold | None, buttons: bool) -> Rendered:
    """The first message of a thread: the incident as it is now."""
    sign = SIGNS.get(State(message.state), "")
    blocks: list[Block] = [
        {
            "type": "header",
            "text": {
                "type": "plain_text",
                "text": one_line(f"{sign} {lead(message)}: {message.title}", HEADER),
                "emoji": False,
            },
        },
        _context(_facts(message)),
        *_body(message),
    ]
    asked = approval is not None and approval.state is ApprovalState.PENDING
    waits = asked and message.state == State.AWAITING_APPROVAL
    if waits and approval is not None:
        blocks += _asking(approval)
    if hold is not None:
        blocks.append(section(f"*Hands off:* {line(hold.who)}: {line(hold.reason)}"))
    elements = _buttons(message, approval if waits else None, hold)
    if buttons and elements:
        blocks.append({"type": "actions", "elements": elements})
    if message.url:
        blocks.append(_context(f"<{message.url}|The incident in the console>"))
    return Rendered(line(subject(message), 300), blocks)


def told(message: Message) -> Rendered:
    """A further message of the thread: something that a person must hear."""
    if message.state == DIGEST:
        return answer(message.text, message.url)
    text = f"*{foreign(lead(message))}*"
    if not message.incident_id:
        text = f"*{line(message.title)}*"
    blocks = [section(f"{text}\n{line(message.text, 1500)}" if message.text else text)]
    if message.incident_id:
        blocks += _body(message)
    return Rendered(line(subject(message), 300), blocks)


def steps(lines: Sequence[str], earlier: int) -> Rendered:
    """The investigation as it goes on: one message that grows, and forgets what was long ago."""
    kept, size = 0, 0
    for item in reversed(lines):
        size += len(item) + 1
        if size > CHUNK - 100:
            break
        kept += 1
    hidden = earlier + len(lines) - kept
    shown = lines[len(lines) - kept :]
    first = [f"_{hidden} earlier steps_"] if hidden else []
    return Rendered("Investigating", [section("\n".join([*first, *shown]) or "_begun_")])


def answer(markdown: str, rest: str = "") -> Rendered:
    """What the agent says, as far as it fits into one message."""
    parts = chunks(converted(markdown)) or ["_nothing_"]
    blocks: list[Block] = [section(part) for part in parts[:SECTIONS]]
    if len(parts) > SECTIONS:
        where = f": <{rest}|the whole of it>" if rest else ""
        blocks.append(_context(f"It is longer than a message may be{where}."))
    return Rendered(line(markdown, 300), blocks)


def exactly(text: str) -> list[Block]:
    """Text in which nothing is read as markup and nothing is cut."""
    element = {"type": "text", "text": visible(text)}
    return [
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_preformatted", "elements": [element]}],
        }
    ]


def section(text: str) -> Block:
    """A paragraph of mrkdwn that is ours or was escaped."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def button(action: str, words: str, value: str, style: str = "") -> Block:
    """Pressing it is answered by the bot; `value` says what about."""
    found: Block = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": words},
        "value": value,
    }
    return found | ({"style": style} if style else {})


def go_on(incident_id: str) -> Block:
    """The button that lets the daemon go on; Slack asks once more."""
    sure = {
        "title": {"type": "plain_text", "text": "Go on?"},
        "text": {"type": "plain_text", "text": "The policy may then change things again."},
        "confirm": {"type": "plain_text", "text": "Go on"},
        "deny": {"type": "plain_text", "text": "Not yet"},
    }
    return button(ON, "Go on", incident_id) | {"confirm": sure}


def _context(text: str) -> Block:
    return {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}],
    }


def _facts(message: Message) -> str:
    service = message.labels.get("service", "")
    parts = [
        line(message.severity),
        line(service) if service else "",
        f"policy {line(message.policy)}" if message.policy else "",
        f"after {duration(message.seconds)}" if message.seconds else "",
        f"incident {code(message.incident_id)}",
    ]
    return " · ".join(part for part in parts if part)


def _body(message: Message) -> list[Block]:
    parts = [
        _list("Alerts", message.alerts) if not message.again else "",
        _cause(message),
        _list("What is missing", message.missing),
        _list("Proposed", message.proposed) if message.state == State.AWAITING_APPROVAL else "",
        _list("Changed by the daemon", message.changes),
        _list("Proof", message.proof, _proof),
        f"*Post-mortem:* {code(message.postmortem)}" if message.postmortem else "",
    ]
    return [section(part) for text in parts if text for part in chunks(text)]


def _cause(message: Message) -> str:
    if not message.cause:
        return ""
    sure = f" (confidence {message.confidence:.0%})" if message.confidence is not None else ""
    return f"*Cause:* {line(message.cause, 1500)}{sure}"


def _list(title: str, items: Iterable[T], shown: Callable[[T], str] = str) -> str:
    lines = [f"• {line(shown(item), 240)}" for item in items]
    more = [f"_and {len(lines) - ITEMS} more_"] if len(lines) > ITEMS else []
    return "\n".join([f"*{title}*", *lines[:ITEMS], *more]) if lines else ""


def _proof(item: Proof) -> str:
    before, after = (
        "no result" if value is None else f"{value:g}" for value in (item.before, item.after)
    )
    return f"{item.query}: {before} before, {after} after"


def _asking(approval: Approval) -> list[Block]:
    who = f" of {', '.join(map(line, approval.approvers))}" if approval.approvers else ""
    until = int(approval.expires_at.timestamp())
    when = f"<!date^{until}^{{time}}|{approval.expires_at:%H:%M} UTC>"
    return [section(f"*Approval needed*{who}, until {when}. Nothing is changed before.")]


def _buttons(message: Message, approval: Approval | None, hold: Hold | None) -> list[Block]:
    found: list[Block] = []
    if approval is not None:
        value = f"{message.incident_id} {approval.digest}"
        found += [
            button(APPROVE, "Look and approve…", value, "primary"),
            button(REJECT, "Reject…", value, "danger"),
        ]
    if hold is not None:
        found.append(go_on(message.incident_id))
    elif message.state not in OVER:
        found.append(button(OFF, "Hands off", message.incident_id))
    return found
