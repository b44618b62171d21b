"""What was said to us in Slack, or to nobody of us: read from an event, purely."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))
OTHERS = re.compile(r"^\s*<@[UW][A-Z0-9]+>")
LONGEST = 4000


class Way(StrEnum):
    """How it was said to us."""

    MENTION = "mention"
    DIRECT = "direct"
    REPLY = "reply"  # in a thread, perhaps to somebody else


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of a person. `thread` is where it is answered; `ts` is its own name."""

    way: Way
    user: str
    room: str
    ts: str
    thread: str
    words: str

    @property
    def key(self) -> str:
        """The same for every event about this message: a mention in a thread is two of them."""
        return f"slack:{self.room}:{self.ts}"


def heard(event: Mapping[str, Any], me: str) -> Heard | None:
    """None for what is not a person's message to us: other bots, ourselves, edits, small talk."""
    kind, user, text = event.get("type"), event.get("user"), event.get("text")
    room, ts = event.get("channel"), event.get("ts")
    # Edits, joins and what bots say have a subtype or a bot; nothing of it is a new message of a person.
    if event.get("bot_id") or event.get("subtype") or event.get("hidden"):
        return None
    if not all(isinstance(item, str) and item for item in (user, room, ts)) or user == me:
        return None
    if not isinstance(text, str):
        return None
    inside = event.get("thread_ts")
    thread = inside if isinstance(inside, str) and inside else str(ts)
    mention = f"<@{me}>"
    words = _plain(text.replace(mention, " "))
    if kind == "app_mention":
        way = Way.MENTION
    elif kind == "message" and event.get("channel_type") == "im":
        way = Way.DIRECT
    elif kind == "message" and inside and not OTHERS.match(text) and mention not in text:
        way = Way.REPLY
    else:
        return None
    return Heard(way, str(user), str(room), str(ts), thread, words)


def _plain(text: str) -> str:
    for entity, character in ENTITIES:
        text = text.replace(entity, character)
    return text.strip()[:LONGEST]
