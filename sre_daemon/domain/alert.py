"""An alert as Alertmanager reports it, and what makes two reports the same alert."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import orjson


class AlertStatus(StrEnum):
    """The only two states on the wire."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """The conventional `severity` label; anything else counts as `none`."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"

    @property
    def rank(self) -> int:
        """0 is worked on first."""
        return RANKS[self]

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> "Severity":
        """The severity that these labels claim."""
        return CLAIMS.get(labels.get("severity", "").lower(), cls.NONE)


RANKS: Mapping[Severity, int] = {severity: rank for rank, severity in enumerate(Severity)}
CLAIMS: Mapping[str, Severity] = {
    **{severity.value: severity for severity in Severity},
    **dict.fromkeys(("page", "high", "error"), Severity.CRITICAL),
}


def canonical(labels: Mapping[str, str]) -> str:
    """A label set as JSON, the same for the same labels in whatever order."""
    try:
        return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:  # a lone surrogate, or a mapping that is no dictionary
        return json.dumps(dict(labels), sort_keys=True, separators=(",", ":"))


def identity(tenant: str, labels: Mapping[str, str]) -> str:
    """The identity of an alert: its tenant and full label set, hashed (64 hex digits).

    Alertmanager's fingerprint is not used: 64 bits of FNV can be made to collide, and label
    values are chosen by whoever writes the series.
    """
    return _identity(tenant, canonical(labels))


def _identity(tenant: str, labels: str) -> str:
    whole = b"[" + orjson.dumps(tenant) + b"," + labels.encode() + b"]"
    return hashlib.sha256(whole).hexdigest()


@dataclass(frozen=True, slots=True)
class Alert:
    """One labelled condition, as last reported.

    `status` is this alert's own; the status of the notification that carried it says nothing.
    `starts_at` is not an episode id: Alertmanager moves it (see docs/architecture.md).
    """

    labels: Mapping[str, str]
    status: AlertStatus
    starts_at: datetime
    ends_at: datetime | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    generator_url: str = ""
    fingerprint: str = ""
    tenant: str = "default"
    canonical: str = field(init=False, repr=False, compare=False)
    """The labels as they are hashed, and as they are stored."""
    identity: str = field(init=False)
    """See `identity()`; computed once, because everything is looked up by it."""

    def __post_init__(self) -> None:
        labels = canonical(self.labels)
        object.__setattr__(self, "canonical", labels)
        object.__setattr__(self, "identity", _identity(self.tenant, labels))

    @property
    def name(self) -> str:
        """The `alertname` label, or `unnamed`."""
        return self.labels.get("alertname") or "unnamed"

    @property
    def severity(self) -> Severity:
        """From the `severity` label."""
        return Severity.of(self.labels)

    @property
    def firing(self) -> bool:
        """Whether the last report said firing."""
        return self.status is AlertStatus.FIRING
