"""What every audit log must do, as numbered behaviours over a database that is new, open and empty."""

import asyncio

import pytest

from sre_daemon.domain.audit import BEGINNING, AuditEntry, AuditKind, Chain
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.store import audit as table
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.base import Writes
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.sql import SqlStore
from tests.support.clock import START
from tests.support.correlation import fixed_writes
from tests.support.factories import incident

HOSTILE = "\ud800 \0 '; DROP TABLE audit; -- \U0001f525"


def entry(n, **values):
    """The entry number `n`."""
    return AuditEntry(START, AuditKind.DECISION, "daemon", f"entry {n}", **values)


async def everything(database):
    """All lines."""
    return [line async for line in AuditLog(database).lines()]


async def intact(database, lines):
    """The log has so many lines, and nothing is wrong with it."""
    found = await everything(database)
    chain = Chain()
    chain.walk(found)
    assert chain.end() == []
    assert [line.seq for line in found] == list(range(1, lines + 1))
    return found


async def au01_lines_are_numbered_and_linked(database):
    audit = AuditLog(database)
    await audit.record(entry(1), entry(2))
    await audit.record(entry(3))
    found = await intact(database, 3)
    assert found[0].previous == BEGINNING
    assert [line.entry.summary for line in found] == ["entry 1", "entry 2", "entry 3"]


async def au02_hostile_text_is_kept_and_stays_true(database):
    data = {"text": HOSTILE, "n": 1 << 70, "x": 0.1, "none": None, "list": [HOSTILE]}
    await AuditLog(database).record(
        AuditEntry(START, AuditKind.APPROVAL, HOSTILE, HOSTILE, HOSTILE, data)
    )
    (line,) = await intact(database, 1)
    assert line.entry.data["n"] == 1 << 70
    assert "DROP TABLE audit" in line.entry.summary


async def au03_no_secret_gets_in(database):
    await AuditLog(database).record(
        entry(1, data={"password": "hunter2", "text": "DB_PASSWORD=hunter2"})
    )
    (line,) = await intact(database, 1)
    assert "hunter2" not in str(line.export())


async def au04_facts_and_their_lines_come_together_or_not_at_all(database):
    store = SqlStore(database)
    one = incident()
    await store.accept([], fixed_writes(Writes(opened=[one])))
    fact = TimelineEvent(one.id, START, Kind.VERDICT, "allow", {"reason": "allowed"})
    nothing = TimelineEvent(one.id, START, Kind.NOTE, "a note")
    await store.note([fact, nothing])
    (line,) = await intact(database, 1)
    assert (line.entry.subject, line.entry.summary) == (one.id, "allow")

    def fail(connection):
        table.append(connection, [entry(2)])
        raise LookupError("a defect")

    with pytest.raises(LookupError):
        await database.write(fail)
    await intact(database, 1)


async def au05_writers_at_once_make_one_chain(database):
    audit = AuditLog(database)
    await asyncio.gather(*(audit.record(entry(n), entry(n)) for n in range(20)))
    found = await intact(database, 40)
    assert sorted(line.entry.summary for line in found) == sorted(
        f"entry {n}" for n in range(20) for _ in range(2)
    )


async def au06_pages_have_no_gap(database):
    audit = AuditLog(database)
    await audit.record(*(entry(n) for n in range(25)))
    page = await audit.page(after=10, limit=5)
    assert [line.seq for line in page] == [11, 12, 13, 14, 15]
    assert await audit.page(after=25) == []
    assert (await audit.line(7)).seq == 7
    assert await audit.line(26) is None


async def au07_a_pause_and_its_line_come_together(database):
    pauses = Pauses(database)
    assert await pauses.why() is None
    await pauses.pause("release", "ada", START)
    assert await pauses.why() == "ada: release"
    await pauses.pause("still", "paul", START)
    await pauses.resume("done", "ada", START)
    assert await pauses.why() is None
    found = await intact(database, 3)
    assert [(line.entry.who, line.entry.summary) for line in found] == [
        ("ada", "paused: release"),
        ("paul", "paused: still"),
        ("ada", "resumed: done"),
    ]
    assert found[1].entry.data["before"] == "ada: release"


BEHAVIOURS = [value for name, value in sorted(globals().items()) if name.startswith("au0")]
