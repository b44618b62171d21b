"""What templates need of the domain: words, short forms, and what the daemon is doing now."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from sre_daemon.domain.effect import to_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.text import visible

STATES: Mapping[State, str] = {
    State.TRIGGERED: "waiting to be looked at",
    State.SUPPRESSED: "silenced; waiting",
    State.INVESTIGATING: "investigating",
    State.DIAGNOSED: "asking the policy",
    State.AWAITING_APPROVAL: "waiting for an approval",
    State.REMEDIATING: "applying the repair",
    State.VERIFYING: "proving the repair",
    State.RESOLVED: "resolved; watching whether it stays so",
    State.ESCALATED: "with a person",
    State.CLOSED: "over",
}
# How a state is shown: a shape and a word for everybody, a colour for those who see it.
TONES: Mapping[State, str] = {
    State.TRIGGERED: "new",
    State.SUPPRESSED: "still",
    State.INVESTIGATING: "busy",
    State.DIAGNOSED: "busy",
    State.AWAITING_APPROVAL: "ask",
    State.REMEDIATING: "busy",
    State.VERIFYING: "busy",
    State.RESOLVED: "good",
    State.ESCALATED: "bad",
    State.CLOSED: "still",
}
BUSY = frozenset(
    {State.INVESTIGATING, State.DIAGNOSED, State.REMEDIATING, State.VERIFYING, State.TRIGGERED}
)


def finalize(value: object) -> object:
    """Every expression of every template passes here, so that none can forget it."""
    if value is None:
        return ""
    if isinstance(value, Markup):
        return value
    return visible(str(value))


def doing(incident: Incident, last: TimelineEvent | None) -> str:
    """What the daemon is doing this second, in a few words."""
    words = STATES[incident.state]
    if incident.state is State.INVESTIGATING and last is not None and last.kind is Kind.STEP:
        tool = last.data.get("tool")
        return f"{words}: {tool or 'thinking'}"
    if incident.state is State.SUPPRESSED or last is None:
        return words
    if incident.state in {State.REMEDIATING, State.VERIFYING} and last.kind in {
        Kind.EFFECT,
        Kind.VERIFICATION,
        Kind.ROLLBACK,
    }:
        return f"{words}: {last.summary}"
    return words


def ago(then: datetime, now: datetime) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`: the largest unit only."""
    seconds = max(0, int((now - then) / timedelta(seconds=1)))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def clock(at: datetime) -> str:
    """The time of day in UTC."""
    return f"{at:%H:%M:%S}"


def moment(at: datetime | None) -> str:
    """Day and time in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""


def dump(value: object) -> str:
    """Arguments of a call, as indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def quoted(value: object) -> str:
    """For an address; what UTF-8 cannot say is replaced."""
    return quote(str(value), safe="", errors="replace")


def words(value: object) -> str:
    """`awaiting_approval` as `awaiting approval`."""
    return str(value).replace("_", " ")


def tone(state: State) -> str:
    """The class of a state's mark."""
    return TONES[state]


def mapping(value: object) -> Mapping[str, Any] | None:
    """A mapping, or None for anything else."""
    return value if isinstance(value, Mapping) else None


def last(events: Sequence[TimelineEvent], *kinds: Kind) -> TimelineEvent | None:
    """The newest event of these kinds."""
    return next((event for event in reversed(events) if event.kind in kinds), None)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "ago": ago,
    "clock": clock,
    "moment": moment,
    "dump": dump,
    "words": words,
    "tone": tone,
    "wire": to_json,
    # In place of the engine's own, which fails on text that UTF-8 cannot say.
    "urlencode": quoted,
}
