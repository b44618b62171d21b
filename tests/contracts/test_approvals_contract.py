"""The contract of approvals over every backend: memory, SQLite, PostgreSQL."""

import asyncio

import pytest

from sre_daemon.domain.approval import ApprovalState
from sre_daemon.store.place import database
from stack.postgres import PASSWORD
from tests.contracts.approvals import BEHAVIOURS, NO, YES, Given, later

BACKENDS = ("memory", "sqlite", "postgres")


@pytest.fixture(params=BACKENDS)
async def given(request, tmp_path):
    """Approvals on a database that is new, open and empty."""
    kind = request.param
    where = request.getfixturevalue("postgres").database() if kind == "postgres" else kind
    opened = database(where, tmp_path, PASSWORD)
    await opened.open()
    yield Given(opened)
    await opened.close()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_approvals_keep_the_contract(given, behaviour):
    await behaviour(given)


@pytest.mark.parametrize("round_", range(10))
async def test_replicas_that_answer_and_begin_at_once_agree(postgres, tmp_path, round_):
    where = postgres.database()
    places = [database(where, tmp_path, PASSWORD) for _ in range(3)]
    for place in places:
        await place.open()
    try:
        first, second, third = (Given(place) for place in places)
        second.asked = third.asked = await first.waiting()
        await first.answer(YES)
        begun, said = await asyncio.gather(
            second.begin(), third.answer(NO, at=later(61)), return_exceptions=True
        )
        state = await first.state()
        # Either the effect began and the no came too late, or the no was first and nothing began.
        if isinstance(begun, Exception):
            assert (said.refusal, state) == (None, ApprovalState.REJECTED)
        else:
            assert (said.refusal, state) == ("decided", ApprovalState.USED)
    finally:
        for place in places:
            await place.close()
