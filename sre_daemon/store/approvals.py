"""Approvals in the store: asked for in the transaction in which the incident begins to wait, answered
together with the incident's move, used together with the first intent.

Every change compares the state, under the turn in which intents are written: of two answers, an
expiry and a use exactly one is first, on whatever replica they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from sre_daemon.domain.approval import (
    Answer,
    Approval,
    ApprovalState,
    Refusal,
    refuse,
)
from sre_daemon.domain.effect import from_json, to_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.person import Person
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import StoreConflict
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.accept import add_events
from sre_daemon.store.database import Database
from sre_daemon.store.turns import Turn, take

WAITING = ApprovalState.PENDING.value


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of an answer: `refusal`, or the approval and the incident before and after it."""

    refusal: Refusal | None
    approval: Approval | None = None
    before: Incident | None = None
    after: Incident | None = None


def ask(connection: Connection, approval: Approval) -> None:
    """Write the question; one that the same incident asked before is void."""
    a = t.approvals.c
    older = update(t.approvals).where(
        a.incident_id == approval.incident_id, a.state.in_([WAITING, ApprovalState.GRANTED.value])
    )
    connection.execute(older.values(state=ApprovalState.VOID.value))
    connection.execute(insert(t.approvals).values(**_values(approval)))


def of_attempt(connection: Connection, incident_id: str, attempt: int) -> Approval | None:
    """The approval that this attempt asked for, if it did."""
    a = t.approvals.c
    wanted = select(t.approvals).where(a.incident_id == incident_id, a.attempt == attempt)
    row = connection.execute(wanted).first()
    return None if row is None else _approval(row)


def spend(connection: Connection, incident_id: str, attempt: int, at: datetime) -> None:
    """An attempt that asked begins an effect: its approval must be granted, and is used from now on.

    Raises:
        StoreConflict: it was rejected, expired, is void or was granted too long ago.
    """
    approval = of_attempt(connection, incident_id, attempt)
    if approval is None:
        return
    if not approval.holds(approval.effects, at):
        raise StoreConflict(f"the approval of this attempt is {approval.state}", "ask again")
    mine = update(t.approvals).where(
        t.approvals.c.id == approval.id, t.approvals.c.state == ApprovalState.GRANTED.value
    )
    connection.execute(mine.values(state=ApprovalState.USED.value, used_at=rows.number(at)))


class Approvals:
    """Over one database. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, incident: Incident) -> Approval | None:
        """The approval of the incident's current attempt."""
        return await self._database.read(lambda c: of_attempt(c, incident.id, incident.attempt))

    async def history(self, incident_id: str) -> list[Approval]:
        """Every approval that an incident ever asked for, in order."""
        a = t.approvals.c
        wanted = select(t.approvals).where(a.incident_id == incident_id).order_by(a.attempt)
        found = await self._database.read(lambda c: c.execute(wanted).all())
        return [_approval(row) for row in found]

    async def waiting(self, limit: int = 100) -> list[Approval]:
        """What people are asked now, the longest waiting first."""
        a, i = t.approvals.c, t.incidents.c
        wanted = (
            select(t.approvals)
            .join(t.incidents, (i.id == a.incident_id) & (i.attempt == a.attempt))
            .where(a.state == WAITING, i.state == State.AWAITING_APPROVAL.value)
            .order_by(a.requested_at)
            .limit(limit)
        )
        found = await self._database.read(lambda c: c.execute(wanted).all())
        return [_approval(row) for row in found]

    async def answer(
        self,
        incident_id: str,
        answer: Answer,
        digest: str,
        person: Person,
        reason: str,
        at: datetime,
    ) -> Reply:
        """Write a person's answer and move the incident, or say why it does not count."""

        def work(connection: Connection) -> Reply:
            take(connection, Turn.EFFECTS)
            before = _locked(connection, incident_id)
            if before is None:
                return Reply(Refusal.NOT_ASKED)
            asked = of_attempt(connection, incident_id, before.attempt)
            refusal = refuse(asked, before.state, answer, digest, person, at)
            if asked is None or refusal is not None:
                return Reply(refusal, asked, before)
            approval = _decided(asked, answer, person, reason, at)
            _write(connection, approval)
            after = _moved(connection, before, approval, at)
            self._database.announce(connection)
            return Reply(None, approval, before, after)

        return await self._database.write(work)

    async def expire(self, approval: Approval, at: datetime) -> bool:
        """Nobody answered in time; False when somebody did after all."""
        return await self._end(replace(approval, state=ApprovalState.EXPIRED), [WAITING], at)

    async def void(self, approval: Approval, why: str, at: datetime) -> bool:
        """What was asked about is not so any more; False when it was used, or ended before."""
        # Nobody did it: whoever agreed to it before is not who says this.
        void = replace(approval, state=ApprovalState.VOID, who="", role="", reason=why)
        return await self._end(void, [WAITING, ApprovalState.GRANTED.value], at)

    async def _end(self, approval: Approval, was: Sequence[str], at: datetime) -> bool:
        a = t.approvals.c
        mine = update(t.approvals).where(a.id == approval.id, a.state.in_(was))

        def work(connection: Connection) -> bool:
            take(connection, Turn.EFFECTS)
            ended = connection.execute(mine.values(state=approval.state.value))
            if ended.rowcount == 1:
                add_events(connection, [_fact(approval, at)])
            return ended.rowcount == 1

        return await self._database.write(work)


def _locked(connection: Connection, incident_id: str) -> Incident | None:
    wanted = select(t.incidents).where(t.incidents.c.id == incident_id)
    row = connection.execute(wanted.with_for_update(key_share=True)).first()
    return None if row is None else rows.incident(row)


def _decided(
    asked: Approval, answer: Answer, person: Person, reason: str, at: datetime
) -> Approval:
    granted = answer is Answer.APPROVE
    return replace(
        asked,
        state=ApprovalState.GRANTED if granted else ApprovalState.REJECTED,
        decided_at=at,
        who=person.name,
        role=person.role,
        reason=reason,
    )


def _write(connection: Connection, approval: Approval) -> None:
    changed = update(t.approvals).where(t.approvals.c.id == approval.id)
    connection.execute(changed.values(**_values(approval)))


def _moved(connection: Connection, before: Incident, approval: Approval, at: datetime) -> Incident:
    """The incident after the answer, with what its timeline says about it."""
    events = [_fact(approval, at)]
    if before.state is not State.AWAITING_APPROVAL:
        # A no after a yes: the gate refuses the first effect, and that ends the attempt.
        add_events(connection, events)
        return before
    granted = approval.state is ApprovalState.GRANTED
    event, reason = (
        (Event.APPROVED, Reason.APPROVED) if granted else (Event.REJECTED, Reason.REJECTED)
    )
    after = before.moved(event, at)
    i = t.incidents.c
    changed = update(t.incidents).where(i.id == before.id)
    values = {"state": after.state.value, "updated_at": rows.number(at), "wake_at": None}
    connection.execute(changed.values(**values, version=i.version + 1))
    said = f"{approval.who}: {approval.reason}" if approval.reason else approval.who
    events.append(
        TimelineEvent(
            before.id,
            at,
            Kind.STATE,
            f"{before.state} -> {after.state}: {approval.state} by {said}",
            {"from": before.state, "to": after.state, "event": event, "reason": reason},
        )
    )
    add_events(connection, events)
    return replace(after, version=before.version + 1)


WORDS: Mapping[ApprovalState, str] = {
    ApprovalState.PENDING: "asked",
    ApprovalState.GRANTED: "granted by {who}",
    ApprovalState.REJECTED: "rejected by {who}",
    ApprovalState.EXPIRED: "expired: nobody answered in time",
    ApprovalState.VOID: "void: what was asked about is not so any more",
}


def _fact(approval: Approval, at: datetime) -> TimelineEvent:
    said = WORDS[approval.state].format(who=approval.who)
    what = "; ".join(effect.describe() for effect in approval.effects)
    why = f" ({approval.reason})" if approval.reason else ""
    data: dict[str, object] = {
        "approval": approval.id,
        "state": approval.state,
        "digest": approval.digest,
        "policy": approval.policy,
        "attempt": approval.attempt,
        "effects": [to_json(effect) for effect in approval.effects],
        "expires_at": approval.expires_at.isoformat(),
        "approvers": list(approval.approvers),
    }
    if approval.who:
        data |= {"who": approval.who, "role": approval.role, "answer": approval.reason}
    return TimelineEvent(
        approval.incident_id, at, Kind.APPROVAL, f"approval {said}: {what}{why}", data
    )


def asked(approval: Approval) -> TimelineEvent:
    """What the timeline says when people are asked."""
    return _fact(approval, approval.requested_at)


def _values(approval: Approval) -> rows.Values:
    return {
        "id": approval.id,
        "incident_id": approval.incident_id,
        "attempt": approval.attempt,
        "policy": approval.policy,
        "digest": approval.digest,
        "effects": rows.dump([to_json(effect) for effect in approval.effects]),
        "targets": rows.dump(dict(approval.targets)),
        "approvers": rows.dump(list(approval.approvers)),
        "requested_at": rows.number(approval.requested_at),
        "expires_at": rows.number(approval.expires_at),
        "state": approval.state.value,
        "decided_at": rows.maybe_number(approval.decided_at),
        "who": rows.clean(approval.who),
        "role": approval.role,
        "reason": rows.clean(approval.reason),
        "used_at": rows.maybe_number(approval.used_at),
    }


def _approval(row: Row[Any]) -> Approval:
    return Approval(
        id=row.id,
        incident_id=row.incident_id,
        attempt=row.attempt,
        policy=row.policy,
        effects=tuple(from_json(item) for item in rows.undump(row.effects)),
        targets=rows.undump(row.targets),
        requested_at=rows.moment(row.requested_at),
        expires_at=rows.moment(row.expires_at),
        approvers=tuple(rows.undump(row.approvers)),
        state=ApprovalState(row.state),
        decided_at=rows.maybe_moment(row.decided_at),
        who=row.who,
        role=row.role,
        reason=row.reason,
        used_at=rows.maybe_moment(row.used_at),
    )
