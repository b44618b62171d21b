"""The store contract over every backend."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sre_daemon.store.base import Store
from sre_daemon.store.sql import SqlStore
from tests.contracts.store import BEHAVIOURS

# A backend is one entry: from an empty folder to a store that is new and not yet open.
BACKENDS: dict[str, Callable[[Path], Store]] = {
    "sqlite": lambda folder: SqlStore(folder / "store.sqlite3"),
}


@pytest.fixture(params=BACKENDS)
async def store(request, tmp_path):
    store = BACKENDS[request.param](tmp_path)
    await store.open()
    yield store
    await store.close()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_store_keeps_the_contract(store, behaviour):
    await behaviour(store)


def test_contract_has_every_numbered_behaviour_once():
    numbers = [behaviour.__name__[:4] for behaviour in BEHAVIOURS]
    assert len(numbers) > 60
    assert len(numbers) == len(set(numbers))
