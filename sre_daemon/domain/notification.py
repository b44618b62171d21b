"""A notification: what one webhook request said, parsed, together with its bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sre_daemon.domain.alert import Alert, identity
from sre_daemon.domain.sender import Sender


class Certainty(StrEnum):
    """Whether what a notification says can be taken for the truth of now."""

    SAID = "said"  # a firing in it may be a late copy
    VERIFIED = "verified"  # looked up at the source just now
    DOUBTFUL = "doubtful"  # there was nobody to ask


@dataclass(frozen=True, slots=True)
class Notification:
    """One accepted webhook body, and whose token came with it.

    `rejected` has one sentence for each alert of the body that could not be used; the body keeps
    them. `truncated` is how many alerts Alertmanager left out of this notification. An empty
    `body` is stored already.
    """

    body: bytes
    received_at: datetime
    tenant: str
    peer: str
    group_key: str
    receiver: str
    alerts: Sequence[Alert]
    token_id: str = ""
    rejected: Sequence[str] = ()
    truncated: int = 0
    certainty: Certainty = Certainty.SAID


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A body that is no notification, and why; it came with a good token, so somebody must look."""

    body: bytes
    received_at: datetime
    sender: Sender
    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert episode as the store knows it: the last report of it, and its incident.

    Without an incident it was over before anybody heard of it. `id` is the store's, 0 for a new one.
    """

    alert: Alert
    incident_id: str
    first_seen: datetime
    last_seen: datetime
    reports: int
    open: bool
    id: int = field(default=0, compare=False)


def correlation_key(notification: Notification, alert: Alert, labels: Sequence[str] = ()) -> str:
    """What makes alerts one incident.

    The values of `labels`, where the alert has them all; else Alertmanager's group; without a
    group the alert itself. Always within one tenant.
    """
    if labels and all(alert.labels.get(name) for name in labels):
        return identity(notification.tenant, {name: alert.labels[name] for name in labels})
    if notification.group_key:
        return identity(notification.tenant, {"": notification.group_key})
    return alert.identity


def storm_key(tenant: str) -> str:
    """The correlation key of a tenant's storm: the incident of alerts that are too many to part."""
    return identity(tenant, {"": "", "storm": ""})
