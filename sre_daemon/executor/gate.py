"""The gate: the daemon's answer to "may this effect happen now?", asked over a private Unix socket.

The tool server asks immediately before each effect. Every condition is looked at again at that
moment, and the intent is written in the same transaction as the comparison of the fence, so that
an allowed effect is always one that the store knows about. Whatever cannot be read is refused.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert
from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.effect import ConfigSet, Effect, EffectInvalid, from_json, to_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.hold import LABEL, labelled
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import (
    DaemonError,
    PolicyFileError,
    StoreConflict,
    StoreUnavailable,
    TargetUnavailable,
)
from sre_daemon.executor.guardrails import GuardrailFile
from sre_daemon.executor.targets import Seen, difference
from sre_daemon.metrics import Metrics
from sre_daemon.policy.decide import Question, decide_effect, deciding, match
from sre_daemon.policy.file import Policy
from sre_daemon.store.base import Moment, Store

log = structlog.get_logger(__name__)

MAX_REQUEST = 64 << 10
APPLICABLE = {
    Direction.FORWARD: (State.REMEDIATING,),
    Direction.ROLLBACK: (State.REMEDIATING, State.VERIFYING),
}
OPEN_EFFECTS = frozenset({EffectState.PLANNED, EffectState.NOT_APPLIED})


class Watcher(Protocol):
    """What the gate must see for itself at the moment of an effect."""

    async def firing(self, alerts: Sequence[Alert]) -> Sequence[Alert]:
        """Those of the alerts that Prometheus has firing now; raises TargetUnavailable."""
        ...

    async def suppressed(self, alert: Alert) -> bool:
        """Whether the alert is silenced or inhibited; raises TargetUnavailable."""
        ...

    async def holds(self, query: str) -> bool | None:
        """Whether a guard holds now, None when that is unknown; raises TargetUnavailable."""
        ...


class Record(Protocol):
    """What policies earned and lost."""

    async def earned(self, policy: Policy | None) -> Mapping[str, Autonomy]:
        """The level of each by its record; raises StoreUnavailable."""
        ...


class PolicySource(Protocol):
    """The policy as it is on disk now."""

    def current(self) -> Policy | None:
        """None when there is no policy file; raises PolicyFileError when it cannot be used."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """One remediation under way: what the holder of the token may ask for."""

    incident_id: str
    fence: int
    attempt: int
    direction: Direction
    deadline: datetime
    token: str = field(repr=False)
    # What the executor saw of the targets just now, by target.
    seen: dict[str, Seen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """Allow, or the reason why not."""

    reason: Reason
    message: str

    @property
    def allow(self) -> bool:
        """Only one reason allows."""
        return self.reason is Reason.ALLOWED


class Refused(DaemonError):
    """Ends the evaluation of a request with a reason; never leaves this module."""

    def __init__(self, reason: Reason, message: str = "") -> None:
        super().__init__(message or REASONS[reason])
        self.why = reason


class Gate:
    """Listens on `socket` and answers the tool servers of the sessions it was told about."""

    def __init__(
        self,
        socket: Path,
        store: Store,
        record: Record,
        policy: PolicySource,
        watcher: Watcher,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._guardrails = GuardrailFile(None)
        self.socket = socket
        self._store = store
        self._record = record
        self._policy = policy
        self._watcher = watcher
        self._clock = clock
        self._metrics = metrics
        self._sessions: dict[str, Session] = {}
        self._server: asyncio.Server | None = None
        # Two requests of one session must not both see the same effect as the next one.
        self._turn = asyncio.Lock()

    def hold_to(self, guardrails: GuardrailFile) -> None:
        """Refuse every value that these do not allow, from now on."""
        self._guardrails = guardrails

    async def start(self) -> None:
        """Listen; the socket is readable by this user only."""
        self.socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._serve, path=self.socket, limit=MAX_REQUEST
        )
        self.socket.chmod(0o600)

    async def stop(self) -> None:
        """Stop answering: from now on every tool server is refused."""
        self._sessions.clear()
        if self._server is not None:
            self._server.close()
            self.socket.unlink(missing_ok=True)

    @asynccontextmanager
    async def session(
        self,
        incident: Incident,
        direction: Direction,
        deadline: datetime,
    ) -> AsyncIterator[Session]:
        """A token that is good for the planned effects of this attempt, until the block ends."""
        session = Session(
            incident.id,
            incident.fence,
            incident.attempt,
            direction,
            deadline,
            secrets.token_urlsafe(32),
        )
        # Looked up by digest: the time a lookup takes tells nothing about the token.
        name = _digest(session.token)
        self._sessions[name] = session
        try:
            yield session
        finally:
            self._sessions.pop(name, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                answer = await self._answer_line(line)
                reply = {"allow": answer.allow, "reason": answer.reason, "message": answer.message}
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as failure:
            # ValueError: a line above MAX_REQUEST. The tool server takes silence for a refusal.
            log.warning("gate connection dropped", error=str(failure))
        finally:
            writer.close()

    async def _answer_line(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            token, wire = request["token"], request["effects"]
            if not isinstance(token, str) or not isinstance(wire, list) or not wire:
                raise TypeError
            effects = [from_json(item) for item in wire]
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._counted(Answer(Reason.NOT_APPROVED, "the request cannot be read"))
        except EffectInvalid as failure:
            return self._counted(Answer(Reason.EFFECT_NOT_ALLOWED, failure.reason))
        return await self.answer(token, effects)

    def _counted(self, answer: Answer) -> Answer:
        self._metrics.gate_answers.labels(answer.reason).inc()
        return answer

    async def answer(self, token: str, effects: Sequence[Effect]) -> Answer:
        """Decide one request; on allow the intents are already stored."""
        session = self._sessions.get(_digest(token))
        async with self._turn:
            try:
                if session is None:
                    raise Refused(Reason.UNKNOWN_TOKEN)
                await self._admit(session, effects)
                answer = Answer(Reason.ALLOWED, REASONS[Reason.ALLOWED])
            except Refused as refusal:
                answer = Answer(refusal.why, refusal.reason)
            except StoreConflict as failure:
                answer = Answer(Reason.FENCED, failure.reason)
            except (StoreUnavailable, TargetUnavailable) as failure:
                answer = Answer(Reason.NO_DATA, failure.reason)
            except PolicyFileError as failure:
                answer = Answer(Reason.NO_POLICY, failure.reason)
            if session is not None:
                await self._report(session, effects, answer)
        return self._counted(answer)

    async def _admit(self, session: Session, effects: Sequence[Effect]) -> None:
        if self._clock.now() >= session.deadline:
            raise Refused(Reason.DEADLINE)
        if await self._store.switch("paused") is not None:
            raise Refused(Reason.PAUSED)
        records, begun = await self._next(session, effects)
        incident = await self._store.incident(session.incident_id)
        if incident is None or incident.fence != session.fence:
            raise Refused(Reason.FENCED)
        if incident.state not in APPLICABLE[session.direction]:
            raise Refused(Reason.WRONG_STATE, f"the incident is {incident.state}")
        alerts = [item.alert for item in await self._store.alerts(incident.id) if item.open]
        if any(labelled(alert.labels) for alert in alerts):
            raise Refused(Reason.HANDS_OFF, f"an alert has the label {LABEL}")
        policy, question = None, None
        if session.direction is Direction.FORWARD:
            # A rollback only restores what was there; it must work when the alert is gone too.
            _compare_targets(incident, session, effects, begun)
            policy, question = await self._question(incident, effects, alerts)
        for record in records:
            now = self._clock.now()
            admit = partial(_decide, policy, question, record.effect, now)
            await self._store.intend(
                record.id, session.fence, APPLICABLE[session.direction], now, admit
            )

    async def _next(
        self, session: Session, effects: Sequence[Effect]
    ) -> tuple[list[EffectRecord], set[str]]:
        """The planned records that exactly these effects are; all earlier ones must be done.

        Also the targets that this repair has begun to change.
        """
        plan = [
            record
            for record in await self._store.effects(session.incident_id, session.attempt)
            if record.direction is session.direction
        ]
        pending = [record for record in plan if record.state is not EffectState.APPLIED]
        due = pending[: len(effects)]
        if len(due) < len(effects) or any(record.state not in OPEN_EFFECTS for record in due):
            raise Refused(Reason.NOT_APPROVED)
        for record, effect in zip(due, effects, strict=True):
            if record.effect == effect:
                continue
            if _same_but_before(record.effect, effect):
                raise Refused(
                    Reason.TARGET_CHANGED, f"the target is not as diagnosed: {effect.describe()}"
                )
            raise Refused(Reason.NOT_APPROVED, f"not what was decided: {effect.describe()}")
        return due, {item.effect.target for item in plan if item.state is not EffectState.PLANNED}

    async def _question(
        self, incident: Incident, effects: Sequence[Effect], alerts: Sequence[Alert]
    ) -> tuple[Policy | None, Question]:
        """What Prometheus and Alertmanager say now, for the decision in the transaction."""
        # A rollback is not held to them: it may put back what was wrong before.
        if complaint := self._guardrails.complaint(effects):
            raise Refused(Reason.GUARDRAIL, complaint)
        policy = self._policy.current()
        covered = [alert for alert in alerts if match(policy, alert.labels) is not None]
        if not covered:
            raise Refused(Reason.NO_POLICY if alerts else Reason.ALERT_NOT_FIRING)
        firing = await self._watcher.firing(covered)
        if not firing:
            raise Refused(Reason.ALERT_NOT_FIRING)
        # A silence takes its alert out of the question: it lends no other alert its policy.
        audible = [alert for alert in firing if not await self._watcher.suppressed(alert)]
        if not audible:
            raise Refused(Reason.SILENCED)
        return policy, Question(
            alerts=tuple(alert.labels for alert in audible),
            effects=tuple(effects),
            at=self._clock.now(),
            incident_id=incident.id,
            attempt=incident.attempt,
            earned=await self._record.earned(policy),
            guards=await self._guards(policy, audible),
        )

    async def _guards(
        self, policy: Policy | None, alerts: Sequence[Alert]
    ) -> Mapping[str, bool | None]:
        """What the guards of the deciding policy say at this moment."""
        rule = deciding(policy, [alert.labels for alert in alerts])
        said: dict[str, bool | None] = {}
        for query in rule.guard_queries if rule else ():
            said[query] = await self._watcher.holds(query)
        return said

    async def _report(self, session: Session, effects: Sequence[Effect], answer: Answer) -> None:
        verb = "allows" if answer.allow else "refuses"
        event = TimelineEvent(
            session.incident_id,
            self._clock.now(),
            Kind.EFFECT,
            f"the gate {verb}: {'; '.join(effect.describe() for effect in effects)}"
            + ("" if answer.allow else f" ({answer.message})"),
            {
                "gate": answer.reason,
                "message": answer.message,
                "direction": session.direction,
                "effects": [to_json(effect) for effect in effects],
            },
        )
        try:
            await self._store.note([event])
        except StoreUnavailable as failure:
            log.error("gate answer not in the timeline", error=failure.reason)


def _decide(
    policy: Policy | None, question: Question | None, effect: Effect, at: datetime, moment: Moment
) -> None:
    """The last word, in the transaction of the intent; without a question it is a rollback."""
    if moment.paused is not None:
        raise Refused(Reason.PAUSED)
    if moment.hold is not None:
        raise Refused(Reason.HANDS_OFF, f"{moment.hold.who} is at work: {moment.hold.reason}")
    if question is None:
        return
    approval = moment.approval
    now = replace(
        question,
        at=at,
        acted=tuple(moment.acted),
        opened=tuple(moment.opened),
        approved=approval is not None and approval.holds([effect], at),
    )
    verdict = decide_effect(policy, now, effect)
    if not verdict.allowed:
        raise Refused(verdict.reason, verdict.message)


def _compare_targets(
    incident: Incident, session: Session, effects: Sequence[Effect], begun: Collection[str]
) -> None:
    """Raise when a target is not as it was at the decision."""
    known = incident.data.get("targets")
    before = known if isinstance(known, Mapping) else {}
    for effect in effects:
        changed = difference(effect, before, session.seen, begun)
        if changed:
            raise Refused(Reason.TARGET_CHANGED, f"the target is not as diagnosed: {changed}")


def _same_but_before(planned: Effect, asked: Effect) -> bool:
    return (
        isinstance(planned, ConfigSet)
        and isinstance(asked, ConfigSet)
        and (planned.path, planned.key, planned.after) == (asked.path, asked.key, asked.after)
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
