"""The store contract over every backend: memory, SQLite, PostgreSQL."""

import pytest

from sre_daemon.store.place import database
from sre_daemon.store.sql import SqlStore
from stack.postgres import PASSWORD
from tests.contracts.store import BEHAVIOURS

BACKENDS = ("memory", "sqlite", "postgres")


@pytest.fixture(params=BACKENDS)
async def store(request, tmp_path):
    """A store that is new, open and empty."""
    kind = request.param
    where = request.getfixturevalue("postgres").database() if kind == "postgres" else kind
    opened = SqlStore(database(where, tmp_path, PASSWORD))
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_store_keeps_the_contract(store, behaviour):
    await behaviour(store)


def test_contract_has_every_numbered_behaviour_once():
    numbers = [behaviour.__name__.partition("_")[0] for behaviour in BEHAVIOURS]
    assert len(numbers) > 70
    assert len(numbers) == len(set(numbers))
