"""Effects in the store: planned, intended, settled; and what limits are counted from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from sre_daemon.domain.effect import Effect
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.errors import StoreConflict
from sre_daemon.store import approvals, rows
from sre_daemon.store import tables as t
from sre_daemon.store.accept import require_fence
from sre_daemon.store.base import HISTORY, Acted, Admit, Moment
from sre_daemon.store.hands import held
from sre_daemon.store.pauses import paused

MOST_OPENED = 10_000
ACTIVE = (State.REMEDIATING.value, State.VERIFYING.value)
BEGUN = tuple(s.value for s in EffectState if s not in {EffectState.PLANNED, EffectState.REFUSED})


def plan(
    connection: Connection,
    incident: Incident,
    fence: int,
    direction: Direction,
    effects: Sequence[Effect],
    at: datetime,
) -> list[EffectRecord]:
    """Record the effects of the current attempt, unless they are."""
    require_fence(connection, incident.id, fence)
    e = t.effects.c
    mine = (
        select(t.effects)
        .where(
            e.incident_id == incident.id,
            e.attempt == incident.attempt,
            e.direction == direction.value,
        )
        .order_by(e.position)
    )
    if connection.execute(mine).first() is None and effects:
        planned = [
            {
                "incident_id": incident.id,
                "attempt": incident.attempt,
                "direction": direction.value,
                "position": position,
                "policy": incident.policy,
                "state": EffectState.PLANNED.value,
                "planned_at": rows.number(at),
                "detail": "{}",
                **rows.effect_values(effect),
            }
            for position, effect in enumerate(effects)
        ]
        connection.execute(insert(t.effects), planned)
    return [rows.effect(row) for row in connection.execute(mine)]


def find(connection: Connection, incident_id: str, attempt: int | None) -> list[EffectRecord]:
    """In the order attempt, direction (forward first), position."""
    e = t.effects.c
    wanted = select(t.effects).where(e.incident_id == incident_id)
    if attempt is not None:
        wanted = wanted.where(e.attempt == attempt)
    # "forward" sorts before "rollback".
    found = connection.execute(wanted.order_by(e.attempt, e.direction, e.position))
    return [rows.effect(row) for row in found]


def intend(
    connection: Connection,
    effect_id: int,
    fence: int,
    states: Sequence[State],
    at: datetime,
    admit: Admit | None,
) -> EffectRecord:
    """Write the intent; raises StoreConflict when that is not to be."""
    ready = (EffectState.PLANNED.value, EffectState.NOT_APPLIED.value)
    intended = (
        update(t.effects)
        .where(t.effects.c.id == effect_id, t.effects.c.state.in_(ready))
        .values(state=EffectState.INTENDED.value, intended_at=rows.number(at), settled_at=None)
        .returning(*t.effects.c)
    )
    row = connection.execute(intended).first()
    if row is None:
        raise StoreConflict("this effect was already begun, or is not planned")
    require_fence(connection, row.incident_id, fence, states)
    if admit is not None:
        since = at - HISTORY
        admit(
            Moment(
                paused(connection),
                held(connection, row.incident_id),
                approvals.of_attempt(connection, row.incident_id, row.attempt),
                acted(connection, since),
                opened(connection, since, MOST_OPENED),
            )
        )
    if row.direction == Direction.FORWARD.value:
        approvals.spend(connection, row.incident_id, row.attempt, at)
    return rows.effect(row)


def settle(
    connection: Connection,
    effect_id: int,
    state: EffectState,
    detail: Mapping[str, object],
    at: datetime,
) -> None:
    """Write the outcome."""
    values = {
        "state": state.value,
        "detail": rows.dump(dict(detail)),
        "settled_at": rows.number(at),
    }
    connection.execute(update(t.effects).where(t.effects.c.id == effect_id).values(**values))


def acted(connection: Connection, since: datetime) -> list[Acted]:
    """Remediations with an intended forward effect since then, and those still active."""
    e, i = t.effects.c, t.incidents.c
    active = i.state.in_(ACTIVE) & (i.attempt == e.attempt)
    wanted = (
        select(t.effects, i.state.label("incident_state"), i.attempt.label("current"), i.labels)
        .join(t.incidents, i.id == e.incident_id)
        .where(
            e.direction == Direction.FORWARD.value,
            e.state.in_(BEGUN),
            e.intended_at.is_not(None),
            or_(e.intended_at >= rows.number(since), active),
        )
        .order_by(e.incident_id, e.attempt, e.position)
    )
    grouped: dict[tuple[str, int], list[Any]] = {}
    for row in connection.execute(wanted):
        grouped.setdefault((row.incident_id, row.attempt), []).append(row)
    return [
        Acted(
            incident_id=incident_id,
            policy=found[0].policy,
            targets=tuple(row.target for row in found),
            at=rows.moment(min(row.intended_at for row in found)),
            active=found[0].incident_state in ACTIVE and found[0].current == attempt,
            labels=rows.undump(found[0].labels),
        )
        for (incident_id, attempt), found in grouped.items()
    ]


def opened(connection: Connection, since: datetime, limit: int) -> list[datetime]:
    """When incidents were opened since then: the newest of them, oldest first."""
    at = t.incidents.c.created_at
    newest = select(at).where(at >= rows.number(since)).order_by(at.desc()).limit(limit)
    return sorted(rows.moment(value) for value in connection.execute(newest).scalars())
