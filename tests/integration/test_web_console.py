"""The API and the console: who may look, what hostile text becomes, how errors read."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sre_daemon.domain.alert import Alert, AlertStatus, Severity
from sre_daemon.domain.effect import ConfigSet, ServiceRedeploy
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import Direction
from sre_daemon.domain.run import Run, RunOutcome, ToolCall
from sre_daemon.store.base import Writes
from sre_daemon.web import api, approvals, handover, hands, policy
from tests.support.correlation import fixed_writes
from tests.support.front import API_TOKEN, front_door

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\u202egnp.exe\x1b[31m\u200b\"'><img src=x onerror=y>"
BEARER = {"Authorization": f"Bearer {API_TOKEN}"}


async def put_incident(store, name="i1", title=HOSTILE, state=State.ESCALATED):
    incident = Incident(
        id=name,
        key=name,
        title=title,
        state=state,
        severity=Severity.CRITICAL,
        labels={"service": HOSTILE},
        created_at=AT,
        updated_at=AT,
        data={
            "diagnosis": {
                "conclusive": True,
                "root_cause": HOSTILE,
                "confidence": 0.5,
                "evidence": [
                    {"claim": HOSTILE, "quote": HOSTILE, "call": "c1", "supported": False}
                ],
                "contributing_factors": [],
                "affected_services": [],
                "ruled_out": [HOSTILE],
                "missing": [],
                "proposed": [],
            }
        },
    )
    labels = {"alertname": HOSTILE, "n": name}
    alert = Alert(labels, AlertStatus.FIRING, AT, annotations={"summary": HOSTILE})
    step = {
        "call": "c1",
        "tool": "get_logs",
        "arguments": {"x": HOSTILE},
        "seconds": 0.1,
        "is_error": True,
        "output": HOSTILE,
        "size": 9,
    }
    writes = Writes(
        opened=[incident],
        episodes=[StoredAlert(alert, name, AT, AT, 1, open=True)],
        events=[
            TimelineEvent(name, AT, Kind.STEP, f"get_logs({HOSTILE})", step),
            TimelineEvent(name, AT, Kind.NOTE, HOSTILE),
        ],
    )
    await store.accept([], fixed_writes(writes))
    return incident


async def get(door, path, headers=BEARER, **more):
    async with door.http.get(door.url + path, headers=headers, allow_redirects=False, **more) as r:
        return r.status, await r.text(), r.headers


@pytest.mark.parametrize("path", ["/", "/incidents/i1"])
async def test_hostile_text_is_shown_and_has_no_power(tmp_path, path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store)
        status, page, headers = await get(door, path)
        assert status == 200
        assert page.count("<script") == 1  # our own
        assert "<img" not in page
        assert "&lt;script&gt;" in page
        assert "\u202e" not in page
        assert "\\u202e" in page
        assert "\x1b" not in page
        assert "\u200b" not in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/status",
        "/api/v1/incidents",
        "/api/v1/incidents/i1",
        "/api/v1/incidents/i1/timeline",
        "/api/v1/incidents/i1/transcript",
        "/api/v1/incidents/i1/postmortem",
        "/api/v1/policy/explain",
    ],
)
async def test_api_without_the_token_is_401(tmp_path, path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store)
        for headers in ({}, {"Authorization": "Bearer nope"}):
            status, text, _ = await get(door, path, headers)
            assert status == 401
            assert '"hint"' in text
            assert HOSTILE not in text


async def test_browser_without_a_session_is_sent_to_login(tmp_path):
    async with front_door(tmp_path) as door:
        status, _, headers = await get(door, "/", {"Accept": "text/html"})
        assert (status, headers["Location"]) == (303, "/login")


async def test_login_gives_a_session_that_can_only_look(tmp_path):
    async with front_door(tmp_path) as door:
        async with door.http.post(f"{door.url}/login", data={"token": "wrong"}) as answer:
            assert answer.status == 401
        form = {"token": API_TOKEN}
        async with door.http.post(f"{door.url}/login", data=form, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
            value = answer.cookies["sre_daemon_session"].value
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert API_TOKEN not in cookie
        session = {"Cookie": f"sre_daemon_session={value}"}
        assert (await get(door, "/", session))[0] == 200
        forged = {"Cookie": f"sre_daemon_session=99999999999.{value.partition('.')[2]}"}
        assert (await get(door, "/api/v1/status", forged))[0] == 401
        async with door.http.post(
            f"{door.url}/api/v1/pause", json={"reason": "x"}, headers=session
        ) as answer:
            assert answer.status == 401
        assert door.control.paused is None


async def test_without_a_configured_token_a_rebound_name_is_refused(tmp_path):
    async with front_door(tmp_path, api_token="") as door:
        assert (await get(door, "/api/v1/status", {}))[0] == 200
        for headers in (
            {"Host": "evil.example"},
            {"Host": "127.0.0.1.evil.example"},
            {"X-Forwarded-For": "203.0.113.9"},
            {"Origin": "null"},
        ):
            assert (await get(door, "/api/v1/status", headers))[0] == 403
        status, page, _ = await get(door, "/", {"Host": "evil.example", "Accept": "text/html"})
        assert status == 403
        assert "<h1>403</h1>" in page
        headers = {"Origin": "http://evil.example"}
        async with door.http.post(
            f"{door.url}/api/v1/pause", json={"reason": "x"}, headers=headers
        ) as answer:
            assert answer.status == 403
        assert door.control.paused is None


async def test_pause_needs_a_reason(tmp_path):
    async with front_door(tmp_path) as door:
        deep = "[" * 30_000
        for body in ("{}", "[]", "nonsense", '{"reason": "  "}', '{"reason": 3}', deep, b"\xff"):
            async with door.http.post(
                f"{door.url}/api/v1/pause", data=body, headers=BEARER
            ) as answer:
                assert answer.status == 400
        async with door.http.post(
            f"{door.url}/api/v1/pause", json={"reason": "release"}, headers=BEARER
        ) as answer:
            assert answer.status == 200
        assert door.control.paused == "api admin: release"


async def test_unknown_things_are_404_in_one_shape(tmp_path):
    async with front_door(tmp_path) as door:
        for path in ("/api/v1/incidents/none", "/api/v1/nothing", "/nothing"):
            status, text, _ = await get(door, path)
            assert status == 404
            assert '"error"' in text


@pytest.mark.parametrize(
    "query", ["state=odd", "limit=x", "limit=501", "limit=0", "label=x", "limit=-1"]
)
async def test_questions_that_make_no_sense_are_400(tmp_path, query):
    async with front_door(tmp_path) as door:
        assert (await get(door, f"/api/v1/incidents?{query}"))[0] == 400


async def test_pages_of_incidents_follow_the_cursor(tmp_path):
    async with front_door(tmp_path) as door:
        for number in range(5):
            await put_incident(door.store, f"i{number}", f"title {number}")
        seen, cursor = [], ""
        while cursor is not None:
            path = f"/api/v1/incidents?limit=2&cursor={cursor}"
            async with door.http.get(door.url + path, headers=BEARER) as response:
                answer = await response.json()
            seen += [item["id"] for item in answer["incidents"]]
            cursor = answer["cursor"]
        assert seen == ["i4", "i3", "i2", "i1", "i0"]


async def test_not_ready_without_the_store_only(tmp_path):
    async with front_door(tmp_path) as door:
        door.control.dependencies = {"store": "ok", "prometheus": "no answer"}
        assert (await get(door, "/readyz", {}))[0] == 200
        door.control.dependencies = {"store": "locked"}
        assert (await get(door, "/readyz", {}))[0] == 503


async def put_finished(store, folder):
    """An incident with everything that a page can show."""
    incident = await put_incident(store, state=State.REMEDIATING)
    report = folder / "report.md"
    report.write_text(f"# Post-mortem {HOSTILE}\n", encoding="utf-8")
    claimed = await store.claim("test", AT, timedelta(minutes=1))
    effects = [ConfigSet("config/a.env", "POOL", "1", HOSTILE), ServiceRedeploy("api")]
    acting = replace(claimed, attempt=1, policy="restore")
    await store.plan(acting, claimed.fence, Direction.FORWARD, effects, AT)
    run = Run("r1", incident.id, "claude", "model-x", AT, AT, RunOutcome.ERROR, error=HOSTILE)
    await store.begin_run(run)
    await store.record_call(ToolCall("r1", "c1", "get_logs", {"a": 1}, HOSTILE, True, 0.5, AT))
    trail = {"verdict": "deny", "reason": "no_policy", "trail": [HOSTILE]}
    verdict = TimelineEvent(incident.id, AT, Kind.VERDICT, HOSTILE, trail)
    moved = TimelineEvent(incident.id, AT, Kind.STATE, f"diagnosed -> escalated: {HOSTILE}")
    done = replace(acting, state=State.ESCALATED).noting(
        postmortem=str(report), before={HOSTILE: 5.0}, after={HOSTILE: None}, resolution="proven"
    )
    return await store.save(done, claimed.fence, [verdict, moved])


async def test_pages_of_a_whole_incident_are_harmless(tmp_path):
    async with front_door(tmp_path) as door:
        await put_finished(door.store, tmp_path)
        for path in ("/incidents/i1", "/incidents/i1/postmortem"):
            status, page, _ = await get(door, path)
            assert status == 200
            assert page.count("<script") == 1
            assert "&lt;script&gt;" in page
            assert "\u202e" not in page
            assert "style=" not in page
        status, page, _ = await get(door, "/incidents/i1")
        for part in (
            "Diagnosis",
            "Verdict",
            "Changes",
            "Before and after",
            "Investigations",
            "post-mortem",
        ):
            assert part in page
        assert "- POOL=1" in page


async def test_only_pages_that_still_change_come_again_without_the_script(tmp_path):
    async with front_door(tmp_path) as door:
        incident = await put_incident(door.store)
        assert 'http-equiv="refresh"' not in (await get(door, "/incidents/i1"))[1]
        moved = replace(incident, state=State.INVESTIGATING)
        await door.store.transition(moved, [])
        again = '<noscript><meta http-equiv="refresh"'
        assert again in (await get(door, "/incidents/i1"))[1]
        assert again in (await get(door, "/"))[1]
        assert again not in (await get(door, "/?cursor=i1"))[1]


async def test_transcript_and_post_mortem_over_the_api(tmp_path):
    async with front_door(tmp_path) as door:
        await put_finished(door.store, tmp_path)
        _, text, _ = await get(door, "/api/v1/incidents/i1/transcript")
        assert json.loads(text)["runs"][0]["calls"][0]["output"] == HOSTILE
        status, text, headers = await get(door, "/api/v1/incidents/i1/postmortem")
        assert status == 200
        assert headers["Content-Type"].startswith("text/markdown")
        _, text, _ = await get(door, "/api/v1/incidents/i1")
        item = json.loads(text)
        assert [record["effect"]["effect"] for record in item["effects"]] == [
            "config.set",
            "service.redeploy",
        ]
        assert item["policy"] == "restore"


async def test_timeline_goes_on_after_a_number(tmp_path):
    async with front_door(tmp_path) as door:
        await put_incident(door.store)
        events = json.loads((await get(door, "/api/v1/incidents/i1/timeline"))[1])["events"]
        after = f"/api/v1/incidents/i1/timeline?after={events[0]['seq']}"
        assert json.loads((await get(door, after))[1])["events"] == events[1:]


async def test_errors_and_static_files_carry_the_security_headers(tmp_path):
    async with front_door(tmp_path) as door:
        for path, expected in (("/nothing", 404), ("/static/style.css", 200), ("/login", 200)):
            status, _, headers = await get(door, path, {})
            assert status == expected
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["Referrer-Policy"] == "same-origin"
            assert "aiohttp" not in headers["Server"]
        assert (await get(door, "/static/../auth.py", {}))[0] == 404


async def test_unforeseen_errors_tell_the_client_only_a_number(tmp_path):
    async with front_door(tmp_path) as door:
        door.control.dependencies = None
        status, text, _ = await get(door, "/readyz", {})
        assert status == 500
        assert "NoneType" not in text
        assert json.loads(text)["error"]["code"] == "internal"


async def test_readyz_shows_no_addresses(tmp_path):
    async with front_door(tmp_path) as door:
        door.control.dependencies = {"store": "ok", "prometheus": "no answer from http://inside:1"}
        assert "inside" not in (await get(door, "/readyz", {}))[1]


async def test_openapi_document_has_every_route(tmp_path):
    async with front_door(tmp_path) as door:
        document = json.loads((await get(door, "/api/v1/openapi.json"))[1])
    described = {(m.upper(), path) for path, item in document["paths"].items() for m in item}
    assert described == {
        (route.method, route.path)
        for room in (api, approvals, handover, hands, policy)
        for route in room.routes()
    }
