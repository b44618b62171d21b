"""The ledger and the sessions of runs over every backend: memory, SQLite, PostgreSQL."""

import pytest

from sre_daemon.store.ledger import Ledger
from sre_daemon.store.place import database
from sre_daemon.store.sessions import Sessions
from stack.postgres import PASSWORD
from tests.contracts.ledger import BEHAVIOURS

HOSTILE = '{"text": "\\u0000 \U0001f525 \' --"}'


@pytest.fixture(params=("memory", "sqlite", "postgres"))
async def place(request, tmp_path):
    """A database that is new, open and empty."""
    kind = request.param
    where = request.getfixturevalue("postgres").database() if kind == "postgres" else kind
    opened = database(where, tmp_path, PASSWORD)
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_ledger_keeps_the_contract(place, behaviour):
    await behaviour(Ledger(place))


async def test_lines_of_a_session_come_back_in_their_order(place):
    sessions = Sessions(place)
    assert await sessions.load("s1") == []
    await sessions.append("s1", ["1", HOSTILE])
    await sessions.append("s2", ["x"])
    await sessions.append("s1", [])
    await sessions.append("s1", ["3"])
    assert await sessions.load("s1") == ["1", HOSTILE, "3"]
    assert await sessions.load("s2") == ["x"]
