"""Effects on what people look at: PagerDuty, Confluence, and the silences of Alertmanager."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class PagerDutyCreate:
    """An incident is opened, which calls a person; of one key only one is open on a service."""

    kind: ClassVar[str] = "pagerduty.create"
    service: str
    title: str
    description: str
    urgency: str
    dedup_key: str


@dataclass(frozen=True, slots=True)
class PagerDutyUpdate:
    """A note is written at an incident of a service, and the incident gets this status."""

    kind: ClassVar[str] = "pagerduty.update"
    service: str
    incident: str
    status: str
    note: str


@dataclass(frozen=True, slots=True)
class ConfluenceCreate:
    """A post-mortem page is made; `body` is JSON text of its sections in one fixed form."""

    kind: ClassVar[str] = "confluence.create"
    space: str
    parent: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class SilenceCreate:
    """One alert is muted for some minutes; `matchers` is JSON text of all its labels in one form."""

    kind: ClassVar[str] = "silence.create"
    matchers: str
    minutes: str
    comment: str
