"""Who notifies: clusters with tokens of their own, rotation, strangers, and bytes that nobody can read."""

import pytest

from sre_daemon.domain.sender import Sender
from sre_daemon.errors import StoreUnavailable
from tests.integration.test_web_webhook import BEARER, BODY, post
from tests.support.front import front_door

OLD, NEW, OTHER = "old-token-of-the-first", "new-token-of-the-first", "token-of-another-one"
SENDERS = {
    OLD: Sender("default", "o1"),
    NEW: Sender("default", "n1"),
    OTHER: Sender("other", "x1"),
}
ALERTMANAGER = {"Authorization": "Bearer wrong", "User-Agent": "Alertmanager/0.25.0"}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def test_both_tokens_of_a_rotation_are_good_and_recorded_by_name(tmp_path):
    async with front_door(tmp_path, senders=SENDERS) as door:
        for token in (OLD, NEW):
            assert (await post(door, headers=bearer(token)))[0] == 200
        assert (await post(door, headers=bearer("removed-token")))[0] == 401
    said = door.intake.accepted
    assert [(item.tenant, item.token_id) for item in said] == [("default", "o1"), ("default", "n1")]


async def test_the_same_alert_of_two_clusters_is_two_alerts(tmp_path):
    async with front_door(tmp_path, senders=SENDERS) as door:
        for token in (OLD, OTHER):
            await post(door, headers=bearer(token))
    one, other = (item.alerts[0] for item in door.intake.accepted)
    assert (one.tenant, other.tenant) == ("default", "other")
    assert one.identity != other.identity


async def test_what_cannot_be_read_is_kept_and_refused(tmp_path):
    async with front_door(tmp_path) as door:
        status, answer = await post(door, b'{"text": "a custom payload"}')
        assert status == 400
        (kept,) = door.intake.aside
        assert kept.body == b'{"text": "a custom payload"}'
        assert kept.reason == answer["error"]["message"]
        assert kept.sender == Sender("default", "id")
        assert door.intake.accepted == []


async def test_what_cannot_be_kept_is_sent_again(tmp_path):
    async with front_door(tmp_path) as door:
        door.intake.failure = StoreUnavailable("disk full")
        assert (await post(door, b"{"))[0] == 503


async def test_nothing_of_a_stranger_is_kept(tmp_path):
    async with front_door(tmp_path) as door:
        assert (await post(door, b"{", headers=bearer("x")))[0] == 401
        assert door.intake.aside == []


@pytest.mark.parametrize(
    ("body", "headers", "failure", "doubts"),
    [
        (BODY, BEARER, None, 0),
        (BODY, BEARER, StoreUnavailable("locked"), 1),
        (b"{", BEARER, None, 1),
        (BODY, BEARER | {"Content-Encoding": "gzip"}, None, 1),
        (BODY, ALERTMANAGER, None, 1),
        (BODY, bearer("wrong"), None, 0),
    ],
)
async def test_whatever_an_alertmanager_said_in_vain_is_looked_for(
    tmp_path, body, headers, failure, doubts
):
    async with front_door(tmp_path) as door:
        door.intake.failure = failure
        await post(door, body, headers)
        assert door.intake.doubts == doubts


async def test_a_refused_alertmanager_is_told_from_other_strangers(tmp_path):
    async with front_door(tmp_path) as door:
        await post(door, headers=ALERTMANAGER)
        await post(door, headers={"Authorization": "Bearer wrong", "User-Agent": "curl/8"})
        assert door.intake.strangers == ["127.0.0.1"]
