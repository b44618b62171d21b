"""The outbox contract over every backend."""

import pytest

from sre_daemon.store.outbox import Outbox
from tests.contracts.outbox import BEHAVIOURS
from tests.contracts.test_store_contract import BACKENDS, store

__all__ = ["store"]  # the fixture of the store's own contract


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_outbox_keeps_the_contract(store, behaviour):
    await behaviour(store, Outbox(store._database))


def test_outbox_contract_has_every_numbered_behaviour_once():
    numbers = [behaviour.__name__.partition("_")[0] for behaviour in BEHAVIOURS]
    assert len(numbers) == len(set(numbers)) == 26
    assert len(BACKENDS) == 3
