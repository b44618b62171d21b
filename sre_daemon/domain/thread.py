"""Where a chat shows an incident: one thread, found again after a restart and by every replica."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# Places that are conversations: this, and the names of room and thread.
ASKED = "asked:"


@dataclass(frozen=True, slots=True)
class Thread:
    """The thread of an incident in one place; a place is a channel of ours, or a conversation.

    `room` and `ts` are the chat's names for it; without `ts` its first message is on its way, since
    `began_at` and from the replica `owner`. `data` is what was shown last (JSON values).
    """

    place: str
    incident_id: str
    room: str
    began_at: datetime
    owner: str = ""
    ts: str = ""
    data: Mapping[str, object] = field(default_factory=dict)
