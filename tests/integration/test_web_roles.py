"""Everybody has a token and a role of their own, checked at the moment of each request."""

import json

import pytest

from sre_daemon.domain.person import Person, Role
from tests.support.front import API_TOKEN, front_door

TOKENS = {
    "viewer-token-0123456789": Person("vera", Role.VIEWER),
    "approver-token-0123456789": Person("paul", Role.APPROVER),
    "admin-token-0123456789": Person("ada", Role.ADMIN),
}
LEAST = {"pause": Role.APPROVER, "resume": Role.ADMIN}


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


async def post(door, path, token, **more):
    url, body = f"{door.url}/api/v1/{path}", {"reason": "release"}
    async with door.http.post(url, json=body, headers=bearer(token), **more) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("action", LEAST)
@pytest.mark.parametrize("token", TOKENS)
async def test_an_action_needs_its_role(tmp_path, action, token):
    person = TOKENS[token]
    async with front_door(tmp_path, people=TOKENS) as door:
        door.control.paused = "before"
        status, answer = await post(door, action, token)
        if person.may(LEAST[action]):
            assert status == 200
            assert door.control.paused == (f"{person.name}: release" if action == "pause" else None)
        else:
            assert status == 403
            assert LEAST[action] in answer["error"]["message"]
            assert answer["error"]["hint"]
            assert door.control.paused == "before"


@pytest.mark.parametrize("token", TOKENS)
async def test_only_an_administrator_puts_a_policy_in_force(tmp_path, token):
    person = TOKENS[token]
    async with front_door(tmp_path, people=TOKENS) as door:
        async with door.http.post(f"{door.url}/-/reload", headers=bearer(token)) as answer:
            assert answer.status == (200 if person.role is Role.ADMIN else 403)
        async with door.http.post(f"{door.url}/-/reload") as answer:
            assert answer.status == 401
        assert door.control.reloaded == (person.name if person.role is Role.ADMIN else "")


async def test_everybody_with_a_token_may_look(tmp_path):
    async with front_door(tmp_path, people=TOKENS) as door:
        for token in (*TOKENS, API_TOKEN):
            async with door.http.get(f"{door.url}/api/v1/status", headers=bearer(token)) as answer:
                assert answer.status == 200


async def test_tokens_of_people_are_enough_without_an_api_token(tmp_path):
    async with front_door(tmp_path, api_token="", people=TOKENS) as door:
        async with door.http.get(f"{door.url}/api/v1/status") as answer:
            assert answer.status == 401
        assert (await post(door, "pause", "admin-token-0123456789"))[0] == 200


async def session(door, token):
    form = {"token": token}
    async with door.http.post(f"{door.url}/login", data=form, allow_redirects=False) as answer:
        return answer.cookies["sre_daemon_session"].value


async def test_a_session_is_its_owner_s_and_nobody_else_s(tmp_path):
    async with front_door(tmp_path, people=TOKENS) as door:
        mine = await session(door, "viewer-token-0123456789")
        ends, signature, _ = mine.split(".")
        theirs = (await session(door, "admin-token-0123456789")).rpartition(".")[2]
        status = f"{door.url}/api/v1/status"
        for cookie, expected in (
            (mine, 200),
            (f"{ends}.{signature}.{theirs}", 401),
            (f"{ends}.{signature}.", 401),
            (f"{ends}.{signature}.%%%", 401),
            (f"{int(ends) + 1}.{signature}.{mine.rpartition('.')[2]}", 401),
        ):
            headers = {"Cookie": f"sre_daemon_session={cookie}"}
            async with door.http.get(status, headers=headers) as answer:
                assert answer.status == expected, cookie


async def test_a_refusal_says_what_is_missing_and_no_token(tmp_path):
    async with front_door(tmp_path, people=TOKENS) as door:
        _, answer = await post(door, "resume", "viewer-token-0123456789")
        assert answer["error"]["message"] == "vera is viewer, and this needs admin"
        assert "token-0123456789" not in json.dumps(answer)


async def test_who_comes_in_and_who_does_not_is_in_the_audit_log(tmp_path):
    async with front_door(tmp_path, people=TOKENS) as door:
        async with door.http.post(f"{door.url}/login", data={"token": "guess"}) as answer:
            assert answer.status == 401
        await session(door, "viewer-token-0123456789")
        lines = await door.front.audit.page()
    assert [(line.entry.who, line.entry.summary) for line in lines] == [
        ("nobody", "a login failed"),
        ("vera", "logged in"),
    ]
    assert "guess" not in str(lines)
