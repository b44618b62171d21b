"""Forms of the console: only a page of ours, in the browser of somebody who may, can do anything."""

import ipaddress
import re
from contextlib import asynccontextmanager

import aiohttp
import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.person import Person, Role
from sre_daemon.store.base import Writes
from sre_daemon.web.auth import FORM_COOKIE, FORM_FIELD
from sre_daemon.web.proxy import Proxy
from tests.support.correlation import fixed_writes
from tests.support.factories import incident
from tests.support.front import API_TOKEN, front_door

PEOPLE = {
    "viewer-token-0001": Person("vera", Role.VIEWER),
    "approver-token-01": Person("anna", Role.APPROVER),
}
HERE = ipaddress.ip_network("127.0.0.0/8")


class Tab:
    """A browser's tab: keeps cookies, reads form tokens, sends forms as browsers do."""

    def __init__(self, http, url, headers=None):
        self.http, self.url, self.headers = http, url, headers or {}

    async def log_in(self, token):
        async with self.http.post(f"{self.url}/login", data={"token": token}) as answer:
            assert answer.status == 200

    async def page(self, path="/"):
        headers = {"Accept": "text/html", **self.headers}
        async with self.http.get(f"{self.url}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    async def token(self, path="/"):
        _, page = await self.page(path)
        return re.search(rf'name="{FORM_FIELD}" value="([0-9a-f]+)"', page)[1]

    async def send(self, path, headers=None, **fields):
        async with self.http.post(
            f"{self.url}{path}",
            data=fields,
            headers={"Origin": self.url, "Sec-Fetch-Site": "same-origin", **self.headers}
            | (headers or {}),
            allow_redirects=False,
        ) as answer:
            return answer.status


@asynccontextmanager
async def tab(door, token="", headers=None):
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        opened = Tab(http, door.url, headers)
        if token:
            await opened.log_in(token)
        yield opened


async def test_pause_by_the_form_says_who_and_why(tmp_path):
    async with front_door(tmp_path, people=PEOPLE) as door, tab(door, "approver-token-01") as anna:
        form = await anna.token()
        assert await anna.send("/pause", **{FORM_FIELD: form, "reason": "release"}) == 303
        assert door.control.paused == "anna: release"
        assert "anna: release" in (await anna.page())[1]


async def test_viewer_is_offered_no_form_and_may_send_none(tmp_path):
    async with front_door(tmp_path, people=PEOPLE) as door:
        async with tab(door, "viewer-token-0001") as vera:
            assert FORM_FIELD not in (await vera.page())[1]
            assert await vera.send("/pause", **{FORM_FIELD: "0" * 64, "reason": "x"}) == 403
        assert door.control.paused is None


async def test_approver_may_not_resume(tmp_path):
    async with (
        front_door(tmp_path, people=PEOPLE) as door,
        tab(door, "approver-token-01") as anna,
        tab(door, API_TOKEN) as admin,
    ):
        form = await anna.token()
        door.control.paused = "admin: release"
        assert await anna.send("/resume", **{FORM_FIELD: form, "reason": "done"}) == 403
        assert door.control.paused is not None
        form = await admin.token()
        assert await admin.send("/resume", **{FORM_FIELD: form, "reason": "done"}) == 303
        assert door.control.paused is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_form_from_another_site_does_nothing(tmp_path, headers):
    async with front_door(tmp_path, people=PEOPLE) as door, tab(door, "approver-token-01") as anna:
        fields = {FORM_FIELD: await anna.token(), "reason": "x"}
        assert await anna.send("/pause", headers, **fields) == 403
        assert door.control.paused is None


async def test_token_of_another_person_or_browser_is_refused(tmp_path):
    async with front_door(tmp_path, people=PEOPLE) as door:
        async with tab(door, API_TOKEN) as admin, tab(door, "approver-token-01") as anna:
            hers = await anna.token()
            for stolen in (await admin.token(), "", hers[:-1] + ("0" if hers[-1] != "0" else "1")):
                assert await anna.send("/pause", **{FORM_FIELD: stolen, "reason": "x"}) == 403
            assert await anna.send("/pause", reason="x") == 403
            anna.http.cookie_jar.clear(lambda cookie: cookie.key == FORM_COOKIE)
            assert await anna.send("/pause", **{FORM_FIELD: hers, "reason": "x"}) == 403
        assert door.control.paused is None


async def test_form_without_a_session_is_sent_to_the_login(tmp_path):
    async with front_door(tmp_path, people=PEOPLE) as door, tab(door) as nobody:
        status = await nobody.send("/pause", {"Accept": "text/html"}, reason="x")
        assert status == 303
        assert door.control.paused is None


@pytest.mark.parametrize("reason", ["", "   ", "\n"])
async def test_reason_must_say_something(tmp_path, reason):
    async with front_door(tmp_path, people=PEOPLE) as door, tab(door, "approver-token-01") as anna:
        form = await anna.token()
        assert await anna.send("/pause", **{FORM_FIELD: form, "reason": reason}) == 400


async def test_on_loopback_without_tokens_forms_work_and_other_sites_do_not(tmp_path):
    async with front_door(tmp_path, api_token="") as door, tab(door) as me:
        form = await me.token()
        evil = {"Origin": "http://evil.example"}
        assert await me.send("/pause", evil, **{FORM_FIELD: form, "reason": "x"}) == 401
        assert door.control.paused is None
        assert await me.send("/pause", **{FORM_FIELD: form, "reason": "x"}) == 303
        assert door.control.paused == "loopback: x"


async def test_incident_is_taken_over_and_given_back(tmp_path):
    async with front_door(tmp_path, people=PEOPLE) as door, tab(door, "approver-token-01") as anna:
        await door.store.accept([], fixed_writes(Writes(opened=[incident(State.INVESTIGATING)])))
        path = "/incidents/01incident0001"
        form = await anna.token(path)
        fields = {FORM_FIELD: form, "reason": "I have it"}
        assert await anna.send(f"{path}/escalate", **fields) == 303
        _, page = await anna.page(path)
        assert "A person is needed." in page
        assert "taken over by anna: I have it" in page
        assert await anna.send(f"{path}/escalate", **fields) == 409
        assert await anna.send(f"{path}/hand-back", **fields) == 303
        assert (await door.store.incident("01incident0001")).state == "investigating"


def proxy(**values):
    known = {
        "trusted": [HERE],
        "user_header": "X-Forwarded-User",
        "groups_header": "X-Forwarded-Groups",
        "roles": {"sre": Role.APPROVER, "leads": Role.ADMIN},
        "everybody": Role.VIEWER,
    }
    return Proxy(**known | values)


def as_user(name, groups=""):
    return {"X-Forwarded-User": name, "X-Forwarded-Groups": groups}


@pytest.mark.parametrize(
    ("groups", "role"), [("", "viewer"), ("sre", "approver"), ("sre, leads,x", "admin")]
)
async def test_proxy_says_who_it_is_and_groups_give_the_role(tmp_path, groups, role):
    async with (
        front_door(tmp_path, api_token="", proxy=proxy()) as door,
        tab(door, headers=as_user("anna@example.org", groups)) as anna,
    ):
        status, page = await anna.page()
        assert status == 200
        assert f"anna@example.org <small>{role}</small>" in page


async def test_person_of_the_proxy_may_send_forms(tmp_path):
    async with (
        front_door(tmp_path, api_token="", proxy=proxy()) as door,
        tab(door, headers=as_user("anna", "sre")) as anna,
    ):
        form = await anna.token()
        assert await anna.send("/pause", reason="x") == 403
        assert await anna.send("/pause", **{FORM_FIELD: form, "reason": "x"}) == 303
        assert door.control.paused == "anna: x"


async def test_api_posts_need_a_token_also_behind_a_proxy(tmp_path):
    async with front_door(tmp_path, proxy=proxy()) as door:
        async with door.http.post(
            f"{door.url}/api/v1/pause", json={"reason": "x"}, headers=as_user("anna", "leads")
        ) as answer:
            assert answer.status == 401
        assert door.control.paused is None


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({"trusted": [ipaddress.ip_network("10.0.0.0/8")]}, as_user("anna", "leads"), 401),
        ({}, {}, 401),
        ({}, as_user("an na"), 401),
        ({"everybody": None}, as_user("anna", "others"), 403),
    ],
    ids=["not the proxy", "no name", "no name that can be", "no role"],
)
async def test_whom_the_proxy_does_not_vouch_for_stays_outside(tmp_path, settings, headers, status):
    async with (
        front_door(tmp_path, api_token="", proxy=proxy(**settings)) as door,
        door.http.get(f"{door.url}/api/v1/status", headers=headers) as answer,
    ):
        assert answer.status == status


async def test_two_names_are_none(tmp_path):
    async with front_door(tmp_path, api_token="", proxy=proxy()) as door:
        headers = [("X-Forwarded-User", "anna"), ("X-Forwarded-User", "eve")]
        async with door.http.get(f"{door.url}/api/v1/status", headers=headers) as answer:
            assert answer.status == 401


async def test_with_a_proxy_loopback_alone_is_nobody(tmp_path):
    async with (
        front_door(tmp_path, api_token="", proxy=proxy()) as door,
        door.http.get(f"{door.url}/api/v1/status") as answer,
    ):
        assert answer.status == 401
