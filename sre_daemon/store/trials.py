"""The record of policies in the store: only ever added to, each trial once, kept when incidents go."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from sre_daemon.domain.audit import AuditEntry
from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.trial import BAD, Trial, TrialOutcome
from sre_daemon.store import audit, rows
from sre_daemon.store import tables as t
from sre_daemon.store.accept import add_events
from sre_daemon.store.database import Database
from sre_daemon.store.turns import Turn, take


class Trials:
    """Over one database. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def restore(self, trial: Trial, entry: AuditEntry) -> None:
        """A person gave a level back; no incident is behind it, so only the audit log tells it."""

        def work(connection: Connection) -> None:
            take(connection, Turn.EFFECTS)
            connection.execute(insert(t.trials).values(**_values(trial)))
            audit.append(connection, [entry])

        await self._database.write(work)

    async def add(self, trial: Trial, events: Sequence[TimelineEvent] = ()) -> bool:
        """Add one with what the timeline says about it; False when it was there already."""
        r = t.trials.c
        same = select(r.id).where(
            r.policy == trial.policy,
            r.incident_id == trial.incident_id,
            r.attempt == trial.attempt,
            r.outcome == trial.outcome.value,
        )

        def work(connection: Connection) -> bool:
            take(connection, Turn.EFFECTS)
            once = trial.outcome is not TrialOutcome.GRANTED
            if once and connection.execute(same).first() is not None:
                return False
            connection.execute(insert(t.trials).values(**_values(trial)))
            add_events(connection, events)
            return True

        return await self._database.write(work)

    async def of(self, policies: Sequence[str]) -> list[Trial]:
        """Those of some policies, in order."""
        wanted = select(t.trials).where(t.trials.c.policy.in_(policies)).order_by(t.trials.c.id)
        found = await self._database.read(lambda c: c.execute(wanted).all())
        return [_trial(row) for row in found]

    async def bad_since(self, since: datetime) -> int:
        """How many failed since then, under all policies."""
        r = t.trials.c
        wanted = select(r.id).where(
            r.at >= rows.number(since), r.outcome.in_([item.value for item in BAD])
        )
        return len(await self._database.read(lambda c: c.execute(wanted).all()))


def _values(trial: Trial) -> rows.Values:
    return {
        "policy": trial.policy,
        "incident_id": trial.incident_id,
        "attempt": trial.attempt,
        "level": trial.level.value,
        "outcome": trial.outcome.value,
        "at": rows.number(trial.at),
        "digest": trial.digest,
    }


def _trial(row: Row[Any]) -> Trial:
    return Trial(
        row.policy,
        row.incident_id,
        row.attempt,
        Autonomy(row.level),
        TrialOutcome(row.outcome),
        rows.moment(row.at),
        row.digest,
    )
