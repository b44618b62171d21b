"""PagerDuty says what people do there: signed, once, and without the daemon taking itself for a person."""

import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.pipeline.paging import Paging
from sre_daemon.store.hands import Hands
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.store.threads import Threads
from sre_daemon.web.pagerduty import Paged
from tests.support.clock import ManualClock
from tests.support.front import front_door
from tests.support.story import NIGHT, Story

SECRET, NEXT = "first-secret-of-the-webhook", "second-secret-of-the-webhook"
ALICE = {"id": "PALICE", "type": "user_reference", "summary": "Alice <b>"}
DAEMON = {"id": "PINT", "type": "inbound_integration_reference", "summary": "sre-daemon"}


class Bench:
    """A front door with a night behind it."""

    def __init__(self, front, database, clock):
        self.front, self.clock = front, clock
        self.hands = Hands(database)
        self.story = Story(front.store, database)

    async def says(self, key, kind="incident.acknowledged", agent=ALICE, name="E1", **more):
        """A webhook; whether anything was done about it."""
        event = {
            "id": name,
            "event_type": kind,
            "resource_type": "incident",
            "occurred_at": more.pop("at", self.clock.now()).isoformat(),
            "agent": agent,
            "data": {"id": "P1", "type": "incident", "incident_key": key, **more},
        }
        body = json.dumps({"event": event}).encode()
        status, answer = await self.post(body, sign(body))
        assert status == 200
        return answer["taken"]

    async def post(self, body, signature):
        headers = {"X-PagerDuty-Signature": signature, "Content-Type": "application/json"}
        url = f"{self.front.url}/webhook/pagerduty"
        async with self.front.http.post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def notes(self, incident):
        return [e.summary for e in await self.front.store.timeline(incident.id)][1:]


def sign(body, *secrets):
    digests = [hmac.new(s.encode(), body, hashlib.sha256) for s in secrets or (SECRET,)]
    return ",".join(f"v1={digest.hexdigest()}" for digest in digests)


@asynccontextmanager
async def bench(folder, *secrets):
    database, clock = SqliteDatabase(folder / "front.sqlite3"), ManualClock(NIGHT)

    class Late:
        """The store is opened by the front door."""

        inner = None

        async def take(self, body):
            return await self.inner.take(body)

    late = Late()
    door = Paged(secrets or (SECRET,), late)
    async with front_door(folder, database=database, paging=door) as front:
        late.inner = Paging(front.store, Hands(database), Threads(database), clock)
        yield Bench(front, database, clock)


async def test_acknowledgement_of_a_person_takes_the_daemons_hands_off(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        assert await b.says(one.id)
        hold = await b.hands.of(one.id)
        assert hold.who == "Alice <b> in PagerDuty"
        assert await b.notes(one) == ["hands off: Alice <b> in PagerDuty: acknowledged it"]


async def test_acknowledgement_of_the_page_for_a_person_counts_too(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        assert await b.says(f"{one.id}/person")
        assert await b.hands.of(one.id) is not None


async def test_what_the_daemon_acknowledged_itself_is_no_person(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        assert not await b.says(one.id, agent=DAEMON)
        assert not await b.says(one.id, agent=None)
        assert await b.hands.of(one.id) is None


async def test_event_that_is_sent_again_does_not_take_them_off_again(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        assert await b.says(one.id)
        await b.hands.on(one.id, "alice", "done", NIGHT)
        assert not await b.says(one.id)
        assert await b.hands.of(one.id) is None
        assert await b.says(one.id, name="E2")


async def test_event_of_days_ago_does_nothing(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        assert not await b.says(one.id, at=NIGHT - timedelta(days=2))
        assert await b.hands.of(one.id) is None


async def test_resolving_there_closes_nothing_here(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        assert await b.says(one.id, "incident.resolved")
        assert (await b.front.store.incident(one.id)).state is State.TRIGGERED
        assert "resolved in PagerDuty by Alice" in (await b.notes(one))[0]
        assert not await b.says(one.id, "incident.resolved", agent=DAEMON, name="E2")


async def test_who_has_it_now_stands_in_the_timeline(tmp_path):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        people = [{"summary": "Bob"}, {"summary": "Eve"}]
        assert await b.says(one.id, "incident.reassigned", assignees=people)
        assert await b.notes(one) == ["assigned in PagerDuty to Bob, Eve"]


@pytest.mark.parametrize("kind", ["incident.triggered", "incident.annotated", "service.updated"])
async def test_other_events_are_taken_and_do_nothing(tmp_path, kind):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        assert not await b.says(one.id, kind)
        assert await b.notes(one) == []
        assert not await b.says("somebody-elses-key")


async def test_one_of_several_signatures_and_secrets_is_enough(tmp_path):
    async with bench(tmp_path, SECRET, NEXT) as b:
        body = b'{"event": {}}'
        for signature in (sign(body, "old", NEXT), sign(body, SECRET, "new"), sign(body, NEXT)):
            status, _ = await b.post(body, signature)
            assert status == 200


@pytest.mark.parametrize("how", ["none", "secret", "body", "version", "junk"])
async def test_what_pagerduty_did_not_sign_is_refused(tmp_path, how):
    async with bench(tmp_path) as b:
        one = await b.story.opens("Pool", "api-server")
        body = json.dumps({"event": {"id": "E1"}}).encode()
        signature = {
            "none": "",
            "secret": sign(body, "another"),
            "body": sign(body + b" "),
            "version": sign(body).replace("v1", "v0"),
            "junk": "v1=\u00e4,,v1=",
        }[how]
        status, answer = await b.post(body, signature)
        assert status == 401
        assert "PAGERDUTY_WEBHOOK_SECRET" in answer["error"]["hint"]
        assert await b.hands.of(one.id) is None


async def test_signed_nonsense_is_refused(tmp_path):
    async with bench(tmp_path) as b:
        for body in (b"", b"[]", b"{", b"[" * 5000):
            status, _ = await b.post(body, sign(body))
            assert status == 400


async def test_without_a_secret_pagerduty_does_not_come_in(tmp_path):
    async with (
        front_door(tmp_path) as front,
        front.http.post(f"{front.url}/webhook/pagerduty", data=b"{}") as answer,
    ):
        assert answer.status == 404
