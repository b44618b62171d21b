"""Answering over HTTP and by command: what is shown is what is answered, and every answer is acknowledged."""

import asyncio
import json
from datetime import timedelta

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.person import Person, Role
from sre_daemon.store.sqlite import SqliteDatabase
from tests.contracts.approvals import EXPIRY, Given
from tests.integration.test_cli_commands import command
from tests.support.clock import START, ManualClock
from tests.support.front import front_door
from tests.support.repairs import counted

PAUL, ADA, VERA = "approver-token-0123456789", "admin-token-0123456789", "viewer-token-0123456789"
PEOPLE = {
    VERA: Person("vera", Role.VIEWER, ("sre-oncall",)),
    PAUL: Person("paul", Role.APPROVER, ("sre-oncall",)),
    ADA: Person("ada", Role.ADMIN),
}


class Asked(Given):
    """A front door with one incident that waits."""

    def __init__(self, database, door, clock):
        super().__init__(database)
        self.door, self.clock = door, clock

    async def post(self, action, token=PAUL, **body):
        body = {"digest": self.asked.digest, "reason": "looks right"} | body
        url = f"{self.door.url}/api/v1/incidents/{self.asked.incident_id}/{action}"
        headers = {"Authorization": f"Bearer {token}"}
        async with self.door.http.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path):
        headers = {"Authorization": f"Bearer {VERA}"}
        async with self.door.http.get(f"{self.door.url}/api/v1{path}", headers=headers) as answer:
            return await answer.json()


@pytest.fixture
async def asked(tmp_path):
    clock = ManualClock()
    database = SqliteDatabase(tmp_path / "front.sqlite3")
    async with front_door(tmp_path, people=PEOPLE, database=database, clock=clock) as door:
        found = Asked(database, door, clock)
        await found.waiting()
        clock.advance(60)
        yield found


async def test_the_incident_shows_what_is_asked_and_the_digest_to_answer(asked):
    item = await asked.get(f"/incidents/{asked.asked.incident_id}")
    shown = item["approval"]
    assert (shown["state"], shown["digest"]) == ("pending", asked.asked.digest)
    assert [effect["says"] for effect in shown["effects"]] == [
        effect.describe() for effect in asked.asked.effects
    ]
    assert (await asked.get("/approvals"))["approvals"] == [shown]


@pytest.mark.parametrize(
    ("action", "state", "after"),
    [("approve", "granted", State.REMEDIATING), ("reject", "rejected", State.ESCALATED)],
)
async def test_an_answer_is_acknowledged_recorded_and_counted(asked, action, state, after):
    status, said = await asked.post(action)
    assert (status, said["state"], said["who"], said["role"]) == (200, state, "paul", "approver")
    assert said["decided_at"] == (START + timedelta(seconds=60)).isoformat()
    assert (await asked.incident()).state is after
    assert counted(asked.door.metrics.approvals, outcome=state) == 1
    assert [move[1] for move in asked.door.heard.moves] == [after]
    assert (await asked.audit.page())[-1].entry.who == "paul"


async def test_a_second_answer_is_told_who_was_first(asked):
    await asked.post("reject", ADA)
    for action in ("approve", "reject"):
        status, answer = await asked.post(action)
        assert status == 409
        assert "rejected by ada" in answer["error"]["message"]
        assert answer["error"]["hint"]
    assert len(asked.door.heard.moves) == 1


async def test_another_digest_is_a_conflict_and_changes_nothing(asked):
    status, answer = await asked.post("approve", digest="0" * 64)
    assert status == 409
    assert "not the one that you saw" in answer["error"]["message"]
    assert (await asked.incident()).state is State.AWAITING_APPROVAL


async def test_an_expired_question_cannot_be_answered(asked):
    asked.clock.advance(EXPIRY.total_seconds())
    status, answer = await asked.post("approve")
    assert status == 409
    assert "expired" in answer["error"]["message"]


async def test_the_role_and_the_policy_say_who_may_answer(asked):
    assert (await asked.post("approve", VERA))[0] == 403
    assert (await asked.post("approve", "nobody-s-token-0123456789"))[0] == 401
    await asked.post("reject")
    await asked.waiting(2, approvers=("sre-oncall",))
    status, answer = await asked.post("approve", ADA)
    assert status == 403
    assert "the policy names other approvers" in answer["error"]["message"]
    assert (await asked.post("approve", PAUL))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        {"digest": None},
        {"digest": "short"},
        {"digest": ["a"] * 64},
        {"reason": 3},
        {"reason": " "},
    ],
)
async def test_a_body_that_makes_no_sense_is_400(asked, body):
    assert (await asked.post("reject", **body))[0] == 400
    assert (await asked.incident()).state is State.AWAITING_APPROVAL


async def test_of_many_clicks_at_once_one_counts(asked):
    clicks = [asked.post("approve", token) for token in (PAUL, ADA) for _ in range(5)]
    statuses = [status for status, _ in await asyncio.gather(*clicks)]
    assert sorted(statuses) == [200] + [409] * 9
    assert counted(asked.door.metrics.approvals, outcome="granted") == 1
    assert len(await asked.audit.page()) == 2


async def test_an_incident_that_asks_nothing_is_a_conflict(asked):
    await asked.post("approve")
    begun = await asked.begin()
    assert begun
    status, answer = await asked.post("reject")
    assert status == 409
    assert "answered already" in answer["error"]["message"]


# --- by command


async def test_a_command_shows_what_it_answers(asked):
    name = asked.asked.incident_id
    code, text = await command(asked.door, "incident", "show", name, token=PAUL)
    assert code == 0
    assert asked.asked.digest in text
    code, text = await command(asked.door, "incident", "approve", name, token=PAUL)
    assert code == 0
    assert "set DB_POOL_SIZE in config/api-server.env from '1' to '20'" in text
    assert "granted" in text
    assert "by paul" in text
    code, text = await command(asked.door, "incident", "reject", name, "--reason", "no", token=PAUL)
    assert (await asked.state(), code) == ("rejected", 0), text


async def test_a_command_can_insist_on_a_digest(asked):
    name = asked.asked.incident_id
    code, text = await command(
        asked.door, "incident", "approve", name, "--digest", "0" * 64, token=PAUL
    )
    assert code == 1
    assert "not the one that you saw" in text
    code, text = await command(
        asked.door,
        "incident",
        "approve",
        name,
        "--digest",
        asked.asked.digest,
        "--json",
        token=PAUL,
    )
    assert code == 0
    assert json.loads(text)["state"] == "granted"


async def test_a_command_without_the_role_or_a_question_says_so(asked):
    name = asked.asked.incident_id
    code, text = await command(asked.door, "incident", "approve", name, token=VERA)
    assert code == 2
    assert "needs approver" in text
    await asked.waiting(2)
    await asked.store.transition((await asked.incident()).moved("cleared", START), [])
    code, text = await command(asked.door, "incident", "approve", "nothing", token=PAUL)
    assert code == 1
    assert "no incident" in text


@pytest.mark.parametrize(("action", "twice"), [("hands-off", 409), ("hands-on", 409)])
async def test_a_person_at_work_says_so_and_is_recorded(asked, action, twice):
    if action == "hands-on":
        assert (await asked.post("hands-off"))[0] == 200
    assert (await asked.post(action, VERA))[0] == 403
    assert (await asked.post(action, reason=" "))[0] == 400
    status, said = await asked.post(action)
    assert (status, said["who"], said["hands_off"]) == (200, "paul", action == "hands-off")
    assert (await asked.post(action))[0] == twice
    assert (await asked.audit.page())[-1].entry.who == "paul"
    code, text = await command(
        asked.door, "incident", action, asked.asked.incident_id, "--reason", "x", token=PAUL
    )
    assert code == 1, text
