"""The tables behind the pages, over every backend."""

import pytest

from tests.contracts.people import BEHAVIOURS
from tests.contracts.test_store_contract import store

__all__ = ["store"]  # the fixture of the store's own contract


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_tables_behind_the_pages_keep_the_contract(store, behaviour):
    await behaviour(store, store._database)


def test_pages_contract_has_every_numbered_behaviour_once():
    assert len({item.__name__[:4] for item in BEHAVIOURS}) == len(BEHAVIOURS) == 11
