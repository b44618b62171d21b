"""The digest: everything that whoever comes in at eight wants to know, from the store."""

import json

import pytest

from tests.support.clock import ManualClock
from tests.support.front import API_TOKEN, front_door
from tests.support.story import NIGHT, night

BEARER = {"Authorization": f"Bearer {API_TOKEN}"}


async def get(door, query=""):
    async with door.http.get(f"{door.url}/api/v1/digest{query}", headers=BEARER) as answer:
        return answer.status, json.loads(await answer.text())


async def test_digest_of_a_night(tmp_path):
    async with front_door(tmp_path, clock=ManualClock(NIGHT)) as door:
        await night(door.store, door.store._database)
        text = (await get(door))[1]["markdown"]
    for part in (
        "- ApiDbPoolExhausted: 1×",
        "- restore-db-pool: 1 proven; 100% proven",
        "- PaymentErrors on payment-svc: escalated for 45 min",
        "- ApiHighErrorRate on api-server: awaiting approval",
        "median to the end",
        "investigations for $0.41",
    ):
        assert part in text, text


async def test_quiet_night_says_so(tmp_path):
    async with front_door(tmp_path) as door:
        text = (await get(door))[1]["markdown"]
    assert "Nothing was changed." in text
    assert "0 investigations for $0.00" in text


@pytest.mark.parametrize("hours", ["0", "x", "99999"])
async def test_time_that_makes_no_sense_is_400(tmp_path, hours):
    async with front_door(tmp_path) as door:
        assert (await get(door, f"?hours={hours}"))[0] == 400
