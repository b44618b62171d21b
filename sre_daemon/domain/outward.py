"""Effects on what people look at: PagerDuty, Confluence, silences. None of them can be undone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sre_daemon.domain import form


@dataclass(frozen=True, slots=True)
class PagerDutyCreate:
    """An incident is opened, which calls a person; of one key only one is open on a service."""

    kind: ClassVar[str] = "pagerduty.create"
    service: str
    title: str
    description: str
    urgency: str
    dedup_key: str

    @property
    def target(self) -> str:
        """The incident of this key."""
        return f"pagerduty:{self.service}/{self.dedup_key}"

    def describe(self) -> str:
        """For people."""
        return f"open the {self.urgency} PagerDuty incident {self.title!r} on {self.service}"

    def inverse(self) -> None:
        """Who was called was called."""


@dataclass(frozen=True, slots=True)
class PagerDutyUpdate:
    """A note is written at an incident of a service, and the incident gets this status."""

    kind: ClassVar[str] = "pagerduty.update"
    service: str
    incident: str
    status: str
    note: str

    @property
    def target(self) -> str:
        """The incident."""
        return f"pagerduty:{self.incident}"

    def describe(self) -> str:
        """For people."""
        note = f" with the note {self.note!r}" if self.note else ""
        return f"make the PagerDuty incident {self.incident} {self.status}{note}"

    def inverse(self) -> None:
        """A resolved incident cannot be opened again."""


@dataclass(frozen=True, slots=True)
class ConfluenceCreate:
    """A post-mortem page is made; `body` is JSON text of its sections in one fixed form."""

    kind: ClassVar[str] = "confluence.create"
    space: str
    parent: str
    title: str
    body: str

    @property
    def target(self) -> str:
        """The page."""
        return f"confluence:{self.space}/{self.title}"

    @property
    def key(self) -> str:
        """What the tool server writes at the end of exactly this page."""
        return form.mark(self.space, self.title, self.body)

    def describe(self) -> str:
        """For people."""
        return f"publish {self.title!r} in the Confluence space {self.space}"

    def inverse(self) -> None:
        """A page is left for people to delete."""


@dataclass(frozen=True, slots=True)
class SilenceCreate:
    """One alert is muted for some minutes; `matchers` is JSON text of all its labels in one form."""

    kind: ClassVar[str] = "silence.create"
    matchers: str
    minutes: str
    comment: str

    @property
    def target(self) -> str:
        """The alert."""
        return f"silence:{self.matchers}"

    @property
    def key(self) -> str:
        """What the tool server writes into the comment of exactly this silence."""
        return form.mark(self.matchers, self.minutes, self.comment)

    @property
    def labels(self) -> Mapping[str, str]:
        """What it matches, by equality; nothing when the text is not in the one form."""
        found = form.read(self.matchers) or {}
        return found if all(isinstance(item, str) for item in found.values()) else {}

    def within(self, alert: Mapping[str, str]) -> bool:
        """Whether it mutes no more than an alert with these labels."""
        return bool(alert) and alert.items() <= self.labels.items()

    def describe(self) -> str:
        """For people."""
        return f"silence the alert {self.matchers} for {self.minutes} minutes ({self.comment})"

    def inverse(self) -> None:
        """It ends by itself."""
