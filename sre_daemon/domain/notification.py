"""A notification: what one webhook request said, parsed, together with its bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sre_daemon.domain.alert import Alert, identity


@dataclass(frozen=True, slots=True)
class Notification:
    """One accepted webhook body.

    `rejected` has one sentence for each alert of the body that could not be used; the body keeps
    them. `truncated` is how many alerts Alertmanager left out of this notification.
    """

    body: bytes
    received_at: datetime
    tenant: str
    peer: str
    group_key: str
    receiver: str
    alerts: Sequence[Alert]
    rejected: Sequence[str] = ()
    truncated: int = 0


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert episode as the store knows it: the last report of it, and its incident."""

    alert: Alert
    incident_id: str
    first_seen: datetime
    last_seen: datetime
    reports: int
    open: bool


def correlation_key(notification: Notification, alert: Alert) -> str:
    """What makes alerts one incident: tenant and group key; without a group key, the alert itself."""
    if not notification.group_key:
        return alert.identity
    return identity(notification.tenant, {"": notification.group_key})
