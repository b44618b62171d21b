"""Taking over, handing back and carrying away one incident, over HTTP and by command."""

import asyncio
import json

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.sender import Sender
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import AgentUnavailable
from sre_daemon.intake.payload import parse
from sre_daemon.store.base import Writes
from tests.integration.test_cli_commands import command
from tests.integration.test_cli_data import run
from tests.integration.test_web_console import AT, BEARER, put_incident
from tests.support.correlation import fixed, fixed_writes
from tests.support.front import TOKEN, front_door

PEOPLE = {
    "viewer-token-0123456789": Person("vera", Role.VIEWER),
    "approver-token-0123456789": Person("paul", Role.APPROVER),
}
ACTIONS = {"escalate": State.INVESTIGATING, "hand-back": State.ESCALATED}


async def post(door, name, action, body, token="approver-token-0123456789"):
    url = f"{door.url}/api/v1/incidents/{name}/{action}"
    headers = {"Authorization": f"Bearer {token}"}
    async with door.http.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("action", ACTIONS)
async def test_it_needs_an_approver_a_reason_and_the_right_state(tmp_path, action):
    async with front_door(tmp_path, people=PEOPLE) as door:
        await put_incident(door.store, state=ACTIONS[action])
        why = {"reason": "I look at it"}
        assert (await post(door, "i1", action, why, "viewer-token-0123456789"))[0] == 403
        assert (await post(door, "i1", action, why, "no-such-token-0123456789"))[0] == 401
        assert (await post(door, "i1", action, {"reason": " "}))[0] == 400
        assert (await post(door, "i1", action, {}))[0] == 400
        assert (await post(door, "nothing", action, why))[0] == 404
        assert (await door.store.incident("i1")).state is ACTIONS[action]
        status, item = await post(door, "i1", action, why)
        assert (status, item["id"]) == (200, "i1")
        assert (await door.store.incident("i1")).state == item["state"] != ACTIONS[action]
        assert "paul: I look at it" in (await door.store.timeline("i1"))[-1].summary
        status, answer = await post(door, "i1", action, why)
        assert (status, answer["error"]["code"]) == (409, "conflict")
        assert answer["error"]["hint"]
        assert len(door.heard.moves) == 1


async def test_two_people_at_once_are_told_who_was_first(tmp_path):
    async with front_door(tmp_path, people=PEOPLE) as door:
        await put_incident(door.store, state=State.INVESTIGATING)
        answers = await asyncio.gather(
            *(post(door, "i1", "escalate", {"reason": "mine"}) for _ in range(5))
        )
        assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409]
        assert [event.data.get("event") for event in await door.store.timeline("i1")][2:] == [
            None,
            "taken_over",
        ]


async def test_commands_hand_over_and_say_the_new_state(tmp_path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store, state=State.INVESTIGATING)
        code, text = await command(door, "incident", "escalate", "i1", "--reason", "mine")
        assert (code, text.split()[0]) == (0, "escalated")
        assert (await command(door, "incident", "escalate", "i1", "--reason", "mine"))[0] == 1
        code, text = await command(
            door, "incident", "hand-back", "i1", "--reason", "done", "--json"
        )
        assert (code, json.loads(text)["state"]) == (0, "investigating")
        assert [reason for *_, reason in door.heard.moves] == [
            Reason.TAKEN_OVER,
            Reason.HANDED_BACK,
        ]


async def test_a_question_needs_an_approver_and_words(tmp_path):
    async with front_door(tmp_path, people=PEOPLE) as door:
        await put_incident(door.store, state=State.ESCALATED)
        asked = {"question": "why now?\nand why here?"}
        assert (await post(door, "i1", "ask", asked, "viewer-token-0123456789"))[0] == 403
        assert (await post(door, "i1", "ask", {"question": ""}))[0] == 400
        assert (await post(door, "i1", "ask", {"question": 7}))[0] == 400
        assert (await post(door, "nothing", "ask", asked))[0] == 404
        assert door.conversation.asked == []
        answer = {"answer": "because the pool is full", "run": "r1"}
        assert await post(door, "i1", "ask", asked) == (200, answer)
        assert door.conversation.asked == [("i1", "why now?\nand why here?", "paul")]


async def test_a_question_that_cannot_be_answered_says_why(tmp_path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store, state=State.ESCALATED)
        door.conversation.failure = AgentUnavailable("the API refuses the key", "check it")
        code, text = await command(door, "incident", "ask", "i1", "why?")
        assert code == 3
        assert "the API refuses the key" in text
        door.conversation.failure = None
        assert await command(door, "incident", "ask", "i1", "why?") == (
            0,
            "because the pool is full\n",
        )


def body(name, status="firing"):
    alert = {
        "status": status,
        "labels": {"alertname": name, "severity": "critical"},
        "startsAt": "2026-01-02T03:04:00Z",
    }
    return json.dumps({"version": "4", "groupKey": name, "alerts": [alert]}).encode()


async def put_recorded(store):
    """An incident with two notifications of its alert, among others."""
    item = await put_incident(store, title="Mine", state=State.CLOSED)
    mine = parse(body("Mine"), AT, Sender("default"), "peer")
    stored = (await store.alerts(item.id))[0]
    episode = type(stored)(mine.alerts[0], item.id, AT, AT, 2, open=False)
    await store.accept([], fixed_writes(Writes(episodes=[episode])))
    for text in (body("Other"), body("Mine"), b'{"later": "format"}', body("Mine", "resolved")):
        sent = type(mine)(text, AT, "default", "peer", "g", "r", ())
        await store.accept([sent], fixed())


async def test_an_export_is_whole_and_can_be_replayed(tmp_path):
    async with front_door(tmp_path) as door:
        await put_recorded(door.store)
        async with door.http.get(f"{door.url}/api/v1/incidents/i1/export", headers=BEARER) as got:
            whole = await got.json()
            assert got.headers["Content-Disposition"] == 'attachment; filename="incident-i1.json"'
        assert whole["incident"]["title"] == "Mine"
        assert whole["incident"]["diagnosis"]["evidence"]
        assert len(whole["alerts"]) == 2
        assert [event["kind"] for event in whole["timeline"]] == ["step", "note"]
        assert whole["notifications_complete"] is True
        statuses = [item["body"]["alerts"][0]["status"] for item in whole["notifications"]]
        assert statuses == ["firing", "resolved"]

        file = tmp_path / "incident.json"
        code, text = await command(door, "incident", "export", "i1", "--output", str(file))
        assert (code, text) == (0, f"{file}: 2 notifications\n")
        assert json.loads(file.read_text()) == whole
        assert json.loads((await command(door, "incident", "export", "i1"))[1]) == whole
        code, _ = await command(door, "incident", "export", "i1", "--output", str(file))
        assert code == 2
        assert (await command(door, "incident", "export", "nothing"))[0] == 1

        env = {"SRE_DAEMON_WEBHOOK_TOKEN": TOKEN}
        code, said = await asyncio.to_thread(run, "replay", file, "--url", door.url, env=env)
        assert (code, "2 notifications" in said) == (0, True), said
        assert [item.alerts[0].name for item in door.intake.accepted] == ["Mine", "Mine"]


async def test_a_long_timeline_is_exported_to_its_end(tmp_path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store)
        (first, *_) = await door.store.timeline("i1")
        await door.store.note([first] * 2500)
        async with door.http.get(f"{door.url}/api/v1/incidents/i1/export", headers=BEARER) as got:
            whole = await got.json()
        assert len(whole["timeline"]) == 2502
        sequence = [event["seq"] for event in whole["timeline"]]
        assert sequence == sorted(set(sequence))


@pytest.mark.parametrize("text", ["{\n", "{\n}", '{\n"notifications": [1]\n}'])
async def test_what_is_no_export_is_not_replayed(tmp_path, text):
    file = tmp_path / "incident.json"
    file.write_text(text)
    async with front_door(tmp_path) as door:
        env = {"SRE_DAEMON_WEBHOOK_TOKEN": TOKEN}
        code, said = await asyncio.to_thread(run, "replay", file, "--url", door.url, env=env)
        assert (code, "no exported incident" in said) == (2, True), said
        assert door.intake.accepted == []
