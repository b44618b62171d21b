"""The outbox: what happened becomes messages, and messages become sent, each in one transaction.

News is written together with the events that it is about, so that no crash falls between the two.
A message is taken under a lease and settled once; who dies in between leaves it to the next one,
which sends it again under the same key.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, case, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sre_daemon.domain.delivery import Backlog, Delivery, News
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.database import Database

INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
# What nobody outside needs to hear of: alerts come with the opening, and telling is no news.
SILENT = frozenset({Kind.ALERT, Kind.NOTIFICATION, Kind.NOTE})
WAITING, SENT, FAILED = "waiting", "sent", "failed"
TEXT = 500

# News, the incidents by id, the channels that were told of each: what is sent.
Plan = Callable[
    [Sequence[News], Mapping[str, Incident], Mapping[str, Collection[str]]], Sequence[Delivery]
]


def publish(
    connection: Connection, opened: Sequence[Incident], events: Sequence[TimelineEvent]
) -> None:
    """Write the news of new incidents and of events, in the transaction that stores them."""
    values = [
        _news_values(item.id, item.created_at, Kind.STATE, item.state, "", item.title)
        for item in opened
    ]
    values += [
        _news_values(
            event.incident_id,
            event.at,
            event.kind,
            str(event.data.get("to", "")) if event.kind is Kind.STATE else "",
            str(event.data.get("reason", "")),
            event.summary.partition(": ")[2] if event.kind is Kind.STATE else event.summary,
        )
        for event in events
        if event.kind not in SILENT
    ]
    if values:
        connection.execute(insert(t.news), values)


def _news_values(
    incident_id: str, at: datetime, kind: Kind, state: str, reason: str, text: str
) -> rows.Values:
    return {
        "incident_id": incident_id,
        "at": rows.number(at),
        "kind": kind.value,
        "state": str(state),
        "reason": reason,
        "text": rows.clean(text[:TEXT]),
    }


class Outbox:
    """Over the database of the store; every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, plan: Plan, limit: int = 200) -> Sequence[News]:
        """Turn the oldest news into what `plan` makes of it; that news, nothing when there is none."""

        def work(connection: Connection) -> Sequence[News]:
            n = t.news.c
            # Whoever comes second waits, and finds the rest: messages keep the order of the news.
            oldest = select(t.news).order_by(n.id).limit(limit).with_for_update()
            found = [_news(row) for row in connection.execute(oldest)]
            if not found:
                return []
            about = sorted({item.incident_id for item in found})
            known = connection.execute(select(t.incidents).where(t.incidents.c.id.in_(about)))
            incidents = {row.id: rows.incident(row) for row in known}
            _add(connection, plan(found, incidents, _told(connection, about)))
            connection.execute(delete(t.news).where(n.id.in_([item.id for item in found])))
            return found

        if not await self._database.read(lambda c: c.execute(select(t.news.c.id).limit(1)).all()):
            return []
        return await self._database.write(work)

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Queue messages; a key that the channel has had already is not sent twice."""
        await self._database.write(lambda c: _add(c, deliveries))

    async def take(
        self, channel: str, owner: str, now: datetime, lease: timedelta
    ) -> Delivery | None:
        """The oldest message for a channel that is due, unless one before it about the same
        incident still waits."""
        d, before = t.deliveries.c, t.deliveries.alias()
        at = rows.number(now)
        earlier = exists().where(
            before.c.channel == d.channel,
            before.c.incident_id == d.incident_id,
            before.c.state == WAITING,
            before.c.follows.is_(False),
            before.c.id < d.id,
        )
        query = (
            select(d.id)
            .where(
                d.channel == channel,
                d.state == WAITING,
                d.due_at <= at,
                or_(d.lease_until.is_(None), d.lease_until <= at),
                or_(d.incident_id == "", d.follows, ~earlier),
            )
            # What a person must hear before what only brings a picture up to date.
            .order_by(d.follows, d.id)
            .limit(1)
        )
        if not await self._database.read(lambda c: c.execute(query).all()):
            return None

        def work(connection: Connection) -> Delivery | None:
            found = connection.execute(query.with_for_update(skip_locked=True)).first()
            if found is None:
                return None
            taken = (
                update(t.deliveries)
                .where(d.id == found.id)
                .values(
                    attempts=d.attempts + 1,
                    lease_owner=owner,
                    lease_until=rows.number(now + lease),
                )
                .returning(*d)
            )
            return _delivery(connection.execute(taken).one())

        return await self._database.write(work)

    async def sent(self, delivery: Delivery, owner: str, at: datetime) -> bool:
        """It has arrived. True when it is the first message about its incident that has.

        What was asked for again meanwhile stays waiting.
        """
        d = t.deliveries.c

        def work(connection: Connection) -> bool:
            first = delivery.incident_id != "" and (
                connection.execute(
                    select(d.id)
                    .where(d.incident_id == delivery.incident_id, d.sent_at.is_not(None))
                    .limit(1)
                ).first()
                is None
            )
            mine = and_(d.id == delivery.id, d.lease_owner == owner)
            again = update(t.deliveries).where(mine, d.revision > delivery.revision)
            free = {"lease_owner": None, "lease_until": None, "sent_at": rows.number(at)}
            connection.execute(again.values(**free, attempts=0, due_at=rows.number(at), error=""))
            done = update(t.deliveries).where(mine, d.revision == delivery.revision)
            connection.execute(done.values(**free, state=SENT, error=""))
            return first

        return await self._database.write(work)

    async def failed(
        self, delivery: Delivery, owner: str, error: str, due_at: datetime | None
    ) -> None:
        """It has not arrived: try again at `due_at`, or never."""
        d = t.deliveries.c
        mine = update(t.deliveries).where(d.id == delivery.id, d.lease_owner == owner)
        values: rows.Values = {
            "lease_owner": None,
            "lease_until": None,
            "error": rows.clean(error[:TEXT]),
        }
        if due_at is None:
            values |= {"state": FAILED}
        else:
            values |= {"due_at": rows.number(due_at)}
        await self._execute(mine.values(**values))

    async def abandon(self, channels: Collection[str]) -> int:
        """Give up what waits for any other channel: it is not configured any more."""
        d = t.deliveries.c
        gone = update(t.deliveries).where(d.state == WAITING, d.channel.not_in(list(channels)))
        values = {"state": FAILED, "error": "the channel is not configured any more"}
        return await self._database.write(lambda c: c.execute(gone.values(**values)).rowcount)

    async def release(self, owner: str) -> None:
        """Give up what `OWNER/…` had taken. Only for whoever knows that no other process has this name."""
        mine = t.deliveries.c.lease_owner.startswith(f"{owner}/", autoescape=True)
        held = update(t.deliveries).where(mine)
        await self._execute(held.values(lease_owner=None, lease_until=None))

    async def backlog(self) -> Mapping[str, Backlog]:
        """What waits, by channel; a channel for which nothing waits is not in it."""
        d = t.deliveries.c
        counted = (
            select(
                d.channel,
                func.count().label("n"),
                func.min(d.created_at).label("oldest"),
                func.max(d.error).label("error"),
            )
            .where(d.state == WAITING)
            .group_by(d.channel)
        )
        found = await self._database.read(lambda c: c.execute(counted).all())
        return {
            row.channel: Backlog(row.n, rows.maybe_moment(row.oldest), row.error or "")
            for row in found
        }

    async def _execute(self, statement: Any) -> None:
        def work(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.write(work)


def _told(connection: Connection, incidents: Sequence[str]) -> dict[str, set[str]]:
    d = t.deliveries.c
    found = connection.execute(
        select(d.incident_id, d.channel).where(d.incident_id.in_(incidents)).distinct()
    )
    told: dict[str, set[str]] = {}
    for row in found:
        told.setdefault(row.incident_id, set()).add(row.channel)
    return told


def _add(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """One statement each: the same one may be in it twice."""
    d = t.deliveries.c
    for item in deliveries:
        make = INSERTS[connection.dialect.name](t.deliveries).values(**_delivery_values(item))
        if not item.follows:
            connection.execute(make.on_conflict_do_nothing(index_elements=["channel", "key"]))
            continue
        waits = d.state == WAITING
        again = {
            "revision": d.revision + 1,
            "state": WAITING,
            # What waits keeps its place and its pause.
            "created_at": case((waits, d.created_at), else_=make.excluded.created_at),
            "due_at": case((waits, d.due_at), else_=make.excluded.due_at),
        }
        connection.execute(
            make.on_conflict_do_update(index_elements=["channel", "key"], set_=again)
        )


def _delivery_values(item: Delivery) -> rows.Values:
    return {
        "channel": item.channel,
        "key": item.key,
        "incident_id": item.incident_id,
        "payload": rows.dump(dict(item.payload)),
        "follows": item.follows,
        "state": WAITING,
        "created_at": rows.number(item.created_at),
        "due_at": rows.number(item.due_at),
        "attempts": 0,
        "revision": 1,
        "error": "",
    }


def _news(row: Any) -> News:
    return News(
        incident_id=row.incident_id,
        at=rows.moment(row.at),
        kind=Kind(row.kind),
        text=row.text,
        state=row.state,
        reason=row.reason,
        id=row.id,
    )


def _delivery(row: Any) -> Delivery:
    return Delivery(
        channel=row.channel,
        key=row.key,
        incident_id=row.incident_id,
        payload=rows.undump(row.payload),
        created_at=rows.moment(row.created_at),
        due_at=rows.moment(row.due_at),
        follows=row.follows,
        id=row.id,
        attempts=row.attempts,
        revision=row.revision,
    )
