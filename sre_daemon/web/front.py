"""What the HTTP front needs of the rest of the daemon: narrow interfaces, filled in by the app."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from aiohttp import web

from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Severity
from sre_daemon.domain.approval import Answer, Approval
from sre_daemon.domain.audit import AuditEntry, AuditLine
from sre_daemon.domain.effect import Effect
from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification, StoredAlert, Unreadable
from sre_daemon.domain.person import Person
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.run import Run, ToolCall
from sre_daemon.domain.sender import Sender
from sre_daemon.domain.series import Series
from sre_daemon.metrics import Metrics
from sre_daemon.settings import ReceiverSettings
from sre_daemon.store.approvals import Reply
from sre_daemon.web.live import Live
from sre_daemon.web.live import Reads as Feeds
from sre_daemon.web.proxy import Proxy


class Accepts(Protocol):
    """Stores notifications."""

    async def accept(self, notification: Notification) -> None:
        """Return when it is durable; raises StoreUnavailable."""
        ...

    async def set_aside(self, item: Unreadable) -> None:
        """Keep what cannot be read; raises StoreUnavailable."""
        ...

    def doubt(self) -> None:
        """Something that was said did not arrive: look for it soon."""
        ...

    async def refused(self, peer: str) -> None:
        """An Alertmanager came without a valid token."""
        ...


class Reads(Protocol):
    """The part of the store that is shown; every method may raise StoreUnavailable."""

    async def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        ...

    async def incidents(
        self,
        states: Sequence[State] = (),
        *,
        severities: Sequence[Severity] = (),
        label: Mapping[str, str] | None = None,
        query: str = "",
        before: str = "",
        limit: int = 50,
    ) -> list[Incident]:
        """Newest first."""
        ...

    async def timeline(
        self, incident_id: str, after: int = 0, limit: int = 1000
    ) -> list[TimelineEvent]:
        """In order."""
        ...

    async def alerts(self, incident_id: str) -> list[StoredAlert]:
        """The incident's alerts."""
        ...

    async def effects(self, incident_id: str, attempt: int | None = None) -> list[EffectRecord]:
        """The incident's effects, in order."""
        ...

    async def runs(self, incident_id: str) -> list[Run]:
        """The incident's runs."""
        ...

    async def calls(self, run_id: str) -> list[ToolCall]:
        """The run's tool calls."""
        ...

    async def notifications(
        self, since: datetime, until: datetime, limit: int
    ) -> list[Notification]:
        """As they came, first come first."""
        ...


class Answering(Protocol):
    """What people are asked, and what they answer; every method may raise StoreUnavailable."""

    async def of(self, incident: Incident) -> Approval | None:
        """What was asked about the incident's current attempt."""
        ...

    async def waiting(self) -> list[Approval]:
        """What is asked now."""
        ...

    async def answer(
        self, incident_id: str, answer: Answer, digest: str, person: Person, reason: str
    ) -> Reply:
        """Write an answer, or say why it does not count."""
        ...


class Holding(Protocol):
    """Who is at work on which incident; every method may raise StoreUnavailable."""

    async def off(self, incident_id: str, who: str, reason: str, at: datetime) -> bool:
        """Hands off from now on; False when they are."""
        ...

    async def on(self, incident_id: str, who: str, reason: str, at: datetime) -> bool:
        """The daemon may go on; False when nobody was at work."""
        ...


class Levels(Protocol):
    """What policies lost, and people give back."""

    async def restore(self, name: str, reason: str, who: str) -> Mapping[str, str]:
        """The levels before and after; raises WrongState, StoreUnavailable."""
        ...


class Handovers(Protocol):
    """Gives incidents to people, and takes them back; both raise WrongState."""

    async def escalate(self, incident_id: str, reason: str, who: str) -> Incident:
        """It is a person's now."""
        ...

    async def hand_back(self, incident_id: str, reason: str, who: str) -> Incident:
        """It is the daemon's again."""
        ...


class Answered(Protocol):
    """An answer, and the run in which it was found."""

    @property
    def text(self) -> str:
        """In words."""
        ...

    @property
    def run_id(self) -> str:
        """Of the run."""
        ...


class Asks(Protocol):
    """Answers questions about incidents."""

    async def ask(self, incident: Incident, question: str, who: str) -> Answered:
        """Raises AgentError, StoreUnavailable."""
        ...


class Records(Protocol):
    """The audit log."""

    async def record(self, *entries: AuditEntry) -> None:
        """Raises StoreUnavailable."""
        ...

    async def about(self, subject: str) -> list[AuditLine]:
        """Lines about one incident, in order; raises StoreUnavailable."""
        ...


class Charted(Protocol):
    """The samples that charts are drawn from."""

    async def of(self, incident_id: str) -> list[Series]:
        """Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """A runbook, as it is shown."""

    name: str
    description: str
    matchers: Sequence[str]
    text: str
    steps: int = 0


class Controls(Protocol):
    """What a person may ask of the daemon."""

    async def pause(self, reason: str, who: str) -> None:
        """Change nothing from now on."""
        ...

    async def resume(self, reason: str, who: str) -> None:
        """Undo a pause."""
        ...

    async def status(self) -> Mapping[str, object]:
        """JSON values: version, mode, paused, engine, model, incidents, dependencies."""
        ...

    async def ready(self) -> Mapping[str, str]:
        """`ok` or what is wrong, for each dependency; one of them is `store`."""
        ...

    async def explain(
        self, labels: Mapping[str, str], effects: Sequence[Effect] = (), at: datetime | None = None
    ) -> Mapping[str, object]:
        """What the policy says about an alert; raises PolicyFileError."""
        ...

    async def reload(self, who: str) -> Mapping[str, object]:
        """Put the policy file in force; raises PolicyFileError, StoreUnavailable."""
        ...


class SlackDoor(Protocol):
    """Lets in what Slack has signed."""

    @property
    def takes(self) -> "TakesSlack":
        """What is done with it."""
        ...

    def check(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raises Unauthorized."""
        ...


class TakesSlack(Protocol):
    """What is done with events and clicks; both may raise StoreUnavailable and NotifyError."""

    async def event(self, envelope: Mapping[str, Any]) -> None:
        """An event."""
        ...

    async def interaction(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The answer to a click."""
        ...


class TakesPages(Protocol):
    """What is done with events of PagerDuty."""

    async def take(self, body: Mapping[str, Any]) -> bool:
        """Raises StoreUnavailable."""
        ...


class PagingDoor(Protocol):
    """Lets in what PagerDuty has signed."""

    @property
    def takes(self) -> TakesPages:
        """What is done with it."""
        ...

    def check(self, header: str, body: bytes) -> None:
        """Raises Unauthorized."""
        ...


Parse = Callable[[bytes, datetime, Sender, str], Notification]


@dataclass(frozen=True)
class Front:
    """Everything the handlers use.

    `senders` are known by their tokens; without any, whoever is on this machine may notify.
    `people` are known by their tokens; without any and without a proxy that knows them, whoever is
    on this machine is an administrator. `form_key` is the same in all replicas.
    """

    store: Reads
    intake: Accepts
    parse: Parse
    control: Controls
    handover: Handovers
    conversation: Asks
    answers: Answering
    hands: Holding
    levels: Levels
    clock: Clock
    metrics: Metrics
    receiver: ReceiverSettings
    senders: Mapping[str, Sender]
    people: Mapping[str, Person]
    audit: Records
    feed: Feeds
    live: Live
    paused: Callable[[], Awaitable[str | None]]
    samples: Charted
    runbooks: Callable[[], Sequence[Page]]
    rules: Callable[[], Awaitable[Sequence[Mapping[str, object]]]]
    digest: Callable[[timedelta], Awaitable[str]]
    form_key: bytes
    proxy: Proxy | None = None
    slack: SlackDoor | None = None
    paging: PagingDoor | None = None


FRONT: web.AppKey[Front] = web.AppKey("front", Front)
