"""News of an incident that somebody may want to hear, and a message on its way to a channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sre_daemon.domain.event import Kind


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened to an incident, written down in the transaction in which it did.

    `state` is the state that the incident reached, for a move; else empty. `id` is given by the
    store and grows.
    """

    incident_id: str
    at: datetime
    kind: Kind
    text: str
    state: str = ""
    reason: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one channel.

    `key` names it within the channel: the same key is sent once. `follows` marks a delivery that
    brings a channel's view of an incident up to date: asked for again before it was sent it is
    still one, asked for again afterwards it is sent again. `incident_id` is empty when it is about
    the daemon itself. `revision` counts how often it was asked for.
    """

    channel: str
    key: str
    incident_id: str
    payload: Mapping[str, object]
    created_at: datetime
    due_at: datetime
    follows: bool = False
    id: int = 0
    attempts: int = 0
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a channel: how many messages, since when, and why the last try failed."""

    waiting: int
    oldest: datetime | None = None
    error: str = ""
