"""PagerDuty: one alert per incident, acknowledged while the daemon works, a page when a person is needed."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from sre_daemon.domain.delivery import News
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.lifecycle import State
from sre_daemon.errors import NotifyError, NotifyRefused
from sre_daemon.notify.message import Message, Proof
from sre_daemon.notify.pagerduty import PagerDutyChannel
from tests.support.clock import START
from tests.support.factories import incident
from tests.support.pagerduty import API_KEY, ROUTING_KEY, pagerduty
from tests.support.people import telling

ID = "01incident0001"
MESSAGE = Message(
    ID, "triggered", "critical", "Pool on api", "", "news:1", at="2026-03-14T02:00:00+00:00",
    labels={"service": "api", "alertname": "Pool"}, url="https://sre.example/incidents/x",
)  # fmt: skip
PROVEN = replace(
    MESSAGE, state="resolved", again=True, text="proven", proof=[Proof("up == 1", 0.0, 1.0)]
)


@asynccontextmanager
async def service(api_key=API_KEY, routing_key=ROUTING_KEY):
    async with pagerduty() as played:
        channel = PagerDutyChannel(
            "pagerduty",
            url=played.url,
            routing_key=routing_key,
            api_url=played.url,
            api_key=api_key,
            from_email="sre@example.org",
        )
        try:
            yield played, channel
        finally:
            await channel.close()


async def test_incident_is_the_deduplication_key():
    async with service() as (played, channel):
        await channel.send(MESSAGE)
        await channel.send(replace(MESSAGE, key="news:1"))
        (event, _) = played.events
        assert event["dedup_key"] == ID
        assert event["payload"]["summary"] == "[critical] Triggered: Pool on api"
        assert event["payload"]["component"] == "api"
        assert event["client_url"] == MESSAGE.url
        assert played.pages == {ID: 1}


async def test_alert_is_acknowledged_while_the_daemon_works():
    async with service() as (played, channel):
        await channel.send(MESSAGE)
        for state in ("investigating", "diagnosed", "remediating", "verifying"):
            await channel.send(replace(MESSAGE, state=state, again=True))
            assert played.status == {ID: "acknowledged"}
        assert played.pages == {ID: 1}


@pytest.mark.parametrize("state", ["escalated", "awaiting_approval"])
async def test_person_is_paged_although_the_alert_is_acknowledged(state):
    async with service() as (played, channel):
        await channel.send(MESSAGE)
        await channel.send(replace(MESSAGE, state="investigating", again=True))
        await channel.send(replace(MESSAGE, state=state, again=True))
        assert played.status == {ID: "acknowledged", f"{ID}/person": "triggered"}
        assert played.pages == {ID: 1, f"{ID}/person": 1}
        await channel.send(PROVEN)
        assert set(played.status.values()) == {"resolved"}


async def test_escalation_alone_is_one_alert():
    async with service() as (played, channel):
        await channel.send(replace(MESSAGE, state="escalated"))
        assert played.pages == {ID: 1}


async def test_resolution_carries_the_proof_as_a_note():
    async with service() as (played, channel):
        await channel.send(MESSAGE)
        await channel.send(PROVEN)
        (note,) = played.notes[f"P{ID}"]
        assert "up == 1: 0 before, 1 after" in note
        assert played.status[ID] == "resolved"
        assert "up == 1" in played.events[1]["payload"]["custom_details"]["details"]


async def test_same_note_is_not_written_twice():
    async with service() as (played, channel):
        await channel.send(MESSAGE)
        found = replace(MESSAGE, about="diagnosis", cause="the pool", again=True)
        await channel.send(found)
        await channel.send(found)
        assert len(played.notes[f"P{ID}"]) == 1


async def test_without_a_rest_key_the_diagnosis_is_in_the_alert():
    async with service(api_key="") as (played, channel):
        await channel.send(MESSAGE)
        await channel.send(replace(MESSAGE, about="diagnosis", cause="the pool", again=True))
        assert played.notes == {}
        details = played.events[1]["payload"]["custom_details"]["details"]
        assert "Cause: the pool" in details
        assert played.pages == {ID: 1}


async def test_quiet_message_has_the_lowest_severity():
    async with service() as (played, channel):
        await channel.send(replace(MESSAGE, severity="warning", state="escalated", quiet=True))
        assert played.events[0]["payload"]["severity"] == "info"


async def test_daemon_itself_has_an_alert_of_its_own():
    async with service() as (played, channel):
        await channel.send(
            Message("", "daemon", "critical", "no alerts", "", "daemon:x", at=MESSAGE.at)
        )
        assert played.pages == {"daemon:x": 1}


async def test_long_and_hostile_text_is_accepted():
    async with service() as (played, channel):
        title = "\u202e\x1b[31m" + "x" * 5000
        await channel.send(replace(MESSAGE, title=title, text="\ud800"))
        assert len(played.events) == 1
        assert "\x1b" not in played.events[0]["payload"]["summary"]


async def test_wrong_key_is_refused_and_overload_comes_again():
    async with service(routing_key="nope") as (_, channel):
        with pytest.raises(NotifyRefused, match="400"):
            await channel.send(MESSAGE)
    async with service() as (played, channel):
        played.failing = [web.HTTPTooManyRequests(headers={"Retry-After": "7"})]
        with pytest.raises(NotifyError) as failure:
            await channel.send(MESSAGE)
        assert failure.value.retry_after == 7
        assert failure.value.retryable
    async with service(api_key="wrong") as (played, channel):
        await channel.send(MESSAGE)
        with pytest.raises(NotifyError, match="401"):
            await channel.send(replace(MESSAGE, about="diagnosis", again=True))


@pytest.mark.parametrize(
    ("kind", "state", "wanted"),
    [
        (Kind.STATE, "investigating", True),
        (Kind.STATE, "verifying", True),
        (Kind.STATE, "closed", False),
        (Kind.DIAGNOSIS, "", True),
        (Kind.STEP, "", False),
    ],
)
async def test_channel_keeps_up_with_the_daemons_work(kind, state, wanted):
    async with service() as (_, channel):
        assert channel.keeps_up(News(ID, START, kind, "", state)) is wanted


def moved(state):
    data = {"from": "x", "to": state, "reason": "cleared"}
    return TimelineEvent(ID, START, Kind.STATE, f"x -> {state}: words", data)


async def test_incident_from_its_page_to_its_proof(tmp_path):
    async with service() as (played, channel), telling(tmp_path, channel) as bench:
        await bench.opened(incident(State.TRIGGERED))
        await bench.told(ID)
        for count, state in enumerate(("investigating", "resolved"), 2):
            await bench.store.note([moved(state)])
            bench.notifier.wake()
            await bench.told(ID, count)
        assert [e["event_action"] for e in played.events] == [
            "trigger",
            "acknowledge",
            "resolve",
            "resolve",
        ]
        assert played.status[ID] == "resolved"
