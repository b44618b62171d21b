"""A store of every schema that ever was is brought to this one, with everything in it.

`tests/fixtures/schema-NNNN.sql` is what that version wrote. A release adds its own.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sre_daemon.domain.effect import ConfigSet
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import EffectState
from sre_daemon.store.copies import bodies
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.correlation import fixed
from tests.support.factories import incident

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("schema-*.sql"))


@pytest.fixture(params=FIXTURES, ids=lambda file: file.stem)
async def upgraded(request, tmp_path):
    """The store, and where it lies."""
    file = tmp_path / "store.sqlite3"
    with closing(sqlite3.connect(file)) as old:
        old.executescript(request.param.read_text())
    store = SqlStore(SqliteDatabase(file))
    await store.open()
    yield store, file
    await store.close()


def test_there_is_one_for_the_first_schema():
    assert re.search(r"schema-0001", FIXTURES[0].name)


async def test_nothing_is_lost_on_the_way(upgraded):
    store, file = upgraded
    found = {item.id: item for item in await store.incidents()}
    assert {name: item.state for name, item in found.items()} == {
        "01aaa": State.CLOSED,
        "01bbb": State.ESCALATED,
        "01ccc": State.TRIGGERED,
    }
    assert (found["01bbb"].recurrences, found["01bbb"].policy) == (1, "restore-db-pool")
    episodes = await store.episodes(open_only=False)
    assert [(item.incident_id, item.open, item.reports) for item in episodes] == [
        ("01aaa", False, 4),
        ("01bbb", True, 1),
        ("01ccc", True, 1),
    ]
    assert episodes[0].alert.labels["note"] == 'quoted " and \u00e9'
    assert episodes[0].alert.identity == episodes[1].alert.identity
    assert [event.kind for event in await store.timeline("01bbb")] == ["alert", "state"]
    (effect,) = await store.effects("01bbb")
    assert effect.state is EffectState.APPLIED
    assert effect.effect == ConfigSet("config/api-server.env", "DB_POOL_SIZE", "1", "20")
    (run,) = await store.runs("01bbb")
    assert run.usage.cost_usd == 0.25
    assert [call.output for call in await store.calls(run.id)] == ["up 1"]
    assert await store.switch("watchdog") == "2026-03-14T02:00:00+00:00"
    assert [*bodies(file)] == [b'{"alerts": [], "n": %d}' % n for n in range(3)]


async def test_it_works_on_as_a_new_one_would(upgraded):
    store, _ = upgraded
    await store.accept([], fixed(opened=[incident(id="01ddd", key="k3")]))
    totals = await store.totals()
    assert (totals.accepted, totals.settled) == (4, 1)
    with closing(sqlite3.connect(upgraded[1])) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("PRAGMA foreign_key_check").fetchall() == []
