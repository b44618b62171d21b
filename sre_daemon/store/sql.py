"""The store in SQL: every method of the contract as one transaction of its database."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.approval import Approval
from sre_daemon.domain.effect import Effect
from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification, StoredAlert, Unreadable
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.domain.run import Run, RunOutcome, ToolCall
from sre_daemon.errors import StoreConflict
from sre_daemon.store import approvals, line, rows
from sre_daemon.store import effects as known_effects
from sre_daemon.store import tables as t
from sre_daemon.store.accept import accept, add_events, set_switch
from sre_daemon.store.base import Acted, Admit, Correlation, Totals, Writes
from sre_daemon.store.database import Database
from sre_daemon.store.endings import forget_endings, quiet
from sre_daemon.store.forget import forget
from sre_daemon.store.totals import totals
from sre_daemon.store.turns import Turn, take
from sre_daemon.store.unreadable import keep

# After so many missed turns a job's owner is gone.
ORPHANED = 2.5


class SqlStore:
    """Over one database. Open it once per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self) -> None:
        """See Store."""
        await self._database.open()
        await self.ping()

    async def close(self) -> None:
        """See Store."""
        await self._database.close()

    async def ping(self) -> None:
        """See Store."""
        await self._all(select(func.count()).select_from(t.switches))

    # --- intake
    async def accept(
        self, notifications: Sequence[Notification], correlation: Correlation
    ) -> Writes:
        """See Store."""

        def work(connection: Connection) -> Writes:
            self._database.in_turn(connection)
            writes = accept(connection, notifications, correlation)
            if writes.opened or writes.updated:  # nothing else can be worked on
                self._database.announce(connection)
            return writes

        return await self._database.write(work)

    async def notifications(
        self, since: datetime, until: datetime, limit: int
    ) -> list[Notification]:
        """See Store."""
        n = t.notifications.c
        query = (
            select(t.notifications)
            .where(n.received_at >= rows.number(since), n.received_at <= rows.number(until))
            .order_by(n.id)
            .limit(limit)
        )
        return [rows.notification(row) for row in await self._all(query)]

    async def keep_unreadable(self, item: Unreadable) -> None:
        """See Store."""
        await self._database.write(lambda c: keep(c, item))

    # --- incidents
    async def claim(self, owner: str, now: datetime, lease: timedelta) -> Incident | None:
        """See Store."""
        # Most looks find nothing; those need no write lock.
        if not await self._all(line.due(now)):
            return None
        return await self._database.write(lambda c: line.claim(c, owner, now, now + lease))

    async def renew(self, incident_id: str, fence: int, until: datetime) -> bool:
        """See Store."""
        mine = update(t.incidents).where(
            t.incidents.c.id == incident_id,
            t.incidents.c.fence == fence,
            t.incidents.c.lease_owner.is_not(None),
        )

        def work(connection: Connection) -> bool:
            result = connection.execute(mine.values(lease_until=rows.number(until)))
            return result.rowcount == 1

        return await self._database.write(work)

    async def release(self, incident_id: str, fence: int) -> None:
        """See Store."""
        mine = update(t.incidents).where(
            t.incidents.c.id == incident_id, t.incidents.c.fence == fence
        )
        await self._execute(mine.values(lease_owner=None, lease_until=None))

    async def forget_claims(self, owner: str) -> None:
        """See Store."""
        mine = t.incidents.c.lease_owner.startswith(f"{owner}/", autoescape=True)
        held = update(t.incidents).where(mine)
        await self._execute(held.values(lease_owner=None, lease_until=None))

    async def save(
        self,
        incident: Incident,
        fence: int,
        events: Sequence[TimelineEvent] = (),
        approval: Approval | None = None,
    ) -> Incident:
        """See Store."""
        told = events if approval is None else [*events, approvals.asked(approval)]

        def work(connection: Connection) -> Incident:
            saved = _compare_and_set(connection, incident, (), t.incidents.c.fence == fence)
            if approval is not None:
                approvals.ask(connection, approval)
            # Last, because the audit log takes turns.
            add_events(connection, told)
            return saved

        return await self._database.write(work)

    async def transition(self, incident: Incident, events: Sequence[TimelineEvent]) -> Incident:
        """See Store."""

        def work(connection: Connection) -> Incident:
            changed = _compare_and_set(connection, incident, events)
            self._database.announce(connection)
            return changed

        return await self._database.write(work)

    async def note(self, events: Sequence[TimelineEvent]) -> None:
        """See Store."""
        await self._database.write(lambda c: add_events(c, events))

    async def incident(self, incident_id: str) -> Incident | None:
        """See Store."""
        found = await self._all(select(t.incidents).where(t.incidents.c.id == incident_id))
        return rows.incident(found[0]) if found else None

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
        """See Store."""
        i = t.incidents.c
        wanted = select(t.incidents).order_by(i.created_at.desc(), i.id.desc()).limit(limit)
        if states:
            wanted = wanted.where(i.state.in_([state.value for state in states]))
        if severities:
            wanted = wanted.where(i.severity.in_([severity.value for severity in severities]))
        for name, value in (label or {}).items():
            # A quote within a key or value is escaped, so these two can only be a whole entry.
            # `replace` is exact everywhere, where LIKE ignores the case in SQLite.
            pair = rows.dump({rows.clean(name): rows.clean(value)})[1:-1]
            entries = ("{" + pair, "," + pair)
            found = [func.replace(i.labels, entry, "") != i.labels for entry in entries]
            wanted = wanted.where(or_(*found))
        if query:
            wanted = wanted.where(i.title.icontains(rows.clean(query), autoescape=True))
        if before:
            last = await self.incident(before)
            if last is None:
                return []
            at = rows.number(last.created_at)
            older = or_(i.created_at < at, (i.created_at == at) & (i.id < before))
            wanted = wanted.where(older)
        return [rows.incident(row) for row in await self._all(wanted)]

    async def timeline(
        self, incident_id: str, after: int = 0, limit: int = 1000
    ) -> list[TimelineEvent]:
        """See Store."""
        e = t.events.c
        wanted = select(t.events).where(e.incident_id == incident_id, e.seq > after)
        return [rows.event(row) for row in await self._all(wanted.order_by(e.seq).limit(limit))]

    async def alerts(self, incident_id: str) -> list[StoredAlert]:
        """See Store."""
        wanted = select(t.episodes).where(t.episodes.c.incident_id == incident_id)
        found = await self._all(wanted.order_by(t.episodes.c.first_seen, t.episodes.c.id))
        newest = {row.identity: row for row in found}
        return [rows.episode(row) for row in newest.values()]

    async def episodes(self, open_only: bool = True) -> list[StoredAlert]:
        """See Store."""
        wanted = select(t.episodes).order_by(t.episodes.c.id)
        if open_only:
            wanted = wanted.where(t.episodes.c.open)
        return [rows.episode(row) for row in await self._all(wanted)]

    async def quiet(self, before: datetime, limit: int) -> list[Incident]:
        """See Store."""
        return await self._database.read(lambda c: quiet(c, before, limit))

    async def forget_endings(self, before: datetime) -> int:
        """See Store."""
        return await self._database.write(lambda c: forget_endings(c, before))

    async def totals(self) -> Totals:
        """See Store."""
        return await self._database.read(totals)

    # --- effects
    async def plan(
        self,
        incident: Incident,
        fence: int,
        direction: Direction,
        effects: Sequence[Effect],
        at: datetime,
    ) -> list[EffectRecord]:
        """See Store."""
        return await self._database.write(
            lambda c: known_effects.plan(c, incident, fence, direction, effects, at)
        )

    async def effects(self, incident_id: str, attempt: int | None = None) -> list[EffectRecord]:
        """See Store."""
        return await self._database.read(lambda c: known_effects.find(c, incident_id, attempt))

    async def intend(
        self,
        effect_id: int,
        fence: int,
        states: Sequence[State],
        at: datetime,
        admit: Admit | None = None,
    ) -> EffectRecord:
        """See Store."""

        def work(connection: Connection) -> EffectRecord:
            # Neither an answer nor a pause may come between the comparison and the intent.
            take(connection, Turn.EFFECTS)
            return known_effects.intend(connection, effect_id, fence, states, at, admit)

        return await self._database.write(work)

    async def settle(
        self, effect_id: int, state: EffectState, detail: Mapping[str, object], at: datetime
    ) -> None:
        """See Store."""
        await self._database.write(lambda c: known_effects.settle(c, effect_id, state, detail, at))

    async def acted(self, since: datetime) -> list[Acted]:
        """See Store."""
        return await self._database.read(lambda c: known_effects.acted(c, since))

    async def opened(self, since: datetime, limit: int = 10_000) -> list[datetime]:
        """See Store."""
        return await self._database.read(lambda c: known_effects.opened(c, since, limit))

    # --- runs
    async def begin_run(self, run: Run) -> None:
        """See Store."""
        await self._execute(insert(t.runs).values(**rows.run_values(run)))

    async def record_call(self, call: ToolCall) -> None:
        """See Store."""
        await self._execute(insert(t.calls).values(**rows.call_values(call)))

    async def end_run(self, run: Run) -> None:
        """See Store."""
        await self._execute(
            update(t.runs).where(t.runs.c.id == run.id).values(**rows.run_values(run))
        )

    async def interrupt_runs(self, incident_id: str, at: datetime) -> int:
        """See Store."""
        left = update(t.runs).where(
            t.runs.c.incident_id == incident_id, t.runs.c.outcome == RunOutcome.RUNNING.value
        )

        def work(connection: Connection) -> int:
            values = {"outcome": RunOutcome.INTERRUPTED.value, "ended_at": rows.number(at)}
            return (connection.execute(left.values(**values))).rowcount

        return await self._database.write(work)

    async def runs(self, incident_id: str) -> list[Run]:
        """See Store."""
        wanted = select(t.runs).where(t.runs.c.incident_id == incident_id)
        return [rows.run(row) for row in await self._all(wanted.order_by(t.runs.c.started_at))]

    async def calls(self, run_id: str) -> list[ToolCall]:
        """See Store."""
        wanted = select(t.calls).where(t.calls.c.run_id == run_id)
        return [rows.call(row) for row in await self._all(wanted.order_by(t.calls.c.id))]

    # --- switches
    async def switch(self, name: str) -> str | None:
        """See Store."""
        found = await self._all(select(t.switches).where(t.switches.c.name == name))
        return str(found[0].value) if found else None

    async def set_switch(self, name: str, value: str | None, at: datetime) -> None:
        """See Store."""

        await self._database.write(lambda c: set_switch(c, name, value, at))

    async def forget(
        self, notifications: datetime, incidents: datetime, limit: int, at: datetime
    ) -> int:
        """See Store."""
        return await self._database.write(lambda c: forget(c, notifications, incidents, limit, at))

    async def take_turn(self, job: str, owner: str, now: datetime, every: timedelta) -> bool:
        """See Store."""
        j = t.jobs.c
        values = {"last_at": rows.number(now), "owner": owner}
        mine = (j.owner == owner) & (j.last_at <= rows.number(now - every))
        orphaned = j.last_at <= rows.number(now - ORPHANED * every)
        due = update(t.jobs).where(j.name == job, or_(mine, orphaned))

        def work(connection: Connection) -> bool:
            known = select(t.jobs).where(j.name == job).with_for_update()
            if connection.execute(known).first() is None:
                connection.execute(insert(t.jobs).values(name=job, **values))
                return True
            return (connection.execute(due.values(**values))).rowcount == 1

        try:
            return await self._database.write(work)
        except StoreConflict:  # another replica was the first ever to run it
            return False

    async def listen(self, wake: Callable[[], None]) -> None:
        """See Store."""
        await self._database.listen(wake)

    async def _all(self, query: Any) -> Sequence[Any]:
        return await self._database.read(lambda c: c.execute(query).all())

    async def _execute(self, statement: Any) -> None:
        def work(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.write(work)


def _compare_and_set(
    connection: Connection, incident: Incident, events: Sequence[TimelineEvent], *more: Any
) -> Incident:
    values = rows.incident_values(incident)
    for fixed in ("id", "fence", "created_at", "key"):
        del values[fixed]
    i = t.incidents.c
    changed = (
        update(t.incidents)
        .where(i.id == incident.id, i.version == incident.version, *more)
        .values(**values | {"version": incident.version + 1})
        .returning(*i)
    )
    row = connection.execute(changed).first()
    if row is None:
        raise StoreConflict(f"incident {incident.id} was changed by somebody else", "read it again")
    add_events(connection, events)
    return rows.incident(row)
