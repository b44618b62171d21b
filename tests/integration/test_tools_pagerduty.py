"""The tools of PagerDuty against a server that speaks its documented wire format, faults included."""

import pytest

from mcp_tools.effects import PagerDutyCreate, PagerDutyUpdate
from mcp_tools.spec import Phase
from tests.support.inside import Asked, inside
from tests.support.pagerduty_rest import pagerduty_rest
from tests.support.tool_server import connected, text, tree

NEW = {"title": "Checkout fails", "description": "5xx since 10:02", "urgency": "low"}
DONE = {"status": "resolved", "resolution_note": "DB_POOL_SIZE was 1; set to 20"}
PASSING = (503, {}, "")


@pytest.fixture
async def pagerduty():
    async with pagerduty_rest() as played:
        yield played


@pytest.fixture
def guard():
    return Asked()


@pytest.fixture
async def client(pagerduty, guard):
    async with inside({"pagerduty": pagerduty.settings()}, guard) as client:
        yield client


async def call(client, name, **arguments):
    return await client.call_tool(f"pagerduty_{name}", arguments)


async def test_a_key_adds_exactly_four_tools_and_an_investigation_gets_the_reading_ones(tmp_path):
    config = tree(tmp_path, pagerduty={"api_key": "k"})
    async with connected(config, "remediate") as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert len(names) == 16
        assert {name for name in names if "pagerduty" in name} == {
            f"pagerduty_{name}"
            for name in ("create_incident", "update_incident", "get_incident", "list_incidents")
        }
    async with inside({"pagerduty": {"api_key": "k"}}, phase=Phase.INVESTIGATE) as client:
        tools = [tool for tool in (await client.list_tools()).tools if "pagerduty" in tool.name]
        assert {tool.name for tool in tools} == {
            "pagerduty_get_incident",
            "pagerduty_list_incidents",
        }
        assert all(tool.annotations.read_only_hint for tool in tools)


async def test_an_incident_is_created_once_for_each_key(client, pagerduty, guard):
    first = await call(client, "create_incident", **NEW)
    made = first.structured_content
    assert made["created"] is True
    assert made["incident"]["url"] == "https://shop.pagerduty.com/incidents/Q001"
    assert (made["incident"]["status"], made["incident"]["urgency"]) == ("triggered", "low")
    again = (
        await call(client, "create_incident", **(NEW | {"title": "checkout  FAILS"}))
    ).structured_content
    assert (again["created"], again["incident"]["id"]) == (False, "Q001")
    assert again["dedup_key"] == made["dedup_key"]
    other = await call(client, "create_incident", **NEW, dedup_key="another")
    assert other.structured_content["created"] is True
    assert len(pagerduty.incidents) == 2
    assert pagerduty.incidents["Q001"]["body"]["details"] == NEW["description"]
    key = made["dedup_key"]
    assert guard.effects[0] == PagerDutyCreate(
        "PSHOP", NEW["title"], NEW["description"], "low", key
    )


async def test_a_key_that_is_taken_meanwhile_gives_the_incident_that_has_it(client, pagerduty):
    pagerduty.open("by somebody", key="k")
    # The first look finds nothing, as if it had come before the other's request.
    pagerduty.faults.next = [("GET", (200, {}, '{"incidents": [], "more": false}'))]
    found = (await call(client, "create_incident", **NEW, dedup_key="k")).structured_content
    assert (found["created"], found["incident"]["title"]) == (False, "by somebody")


@pytest.mark.parametrize("fault", ["lost", "cut", PASSING, (429, {"Retry-After": "1"}, "")])
async def test_a_lost_answer_makes_no_second_incident(client, pagerduty, fault):
    pagerduty.faults.next = [("POST", fault)]
    found = await call(client, "create_incident", **NEW)
    assert not found.is_error, text(found)
    assert len(pagerduty.incidents) == 1
    assert pagerduty.faults.requests("POST") == 2


async def test_without_a_service_or_a_sender_nothing_is_sent(pagerduty, guard):
    for missing, word in (
        ({"service_id": ""}, "PAGERDUTY_SERVICE_ID"),
        (
            {"from_email": ""},
            "PAGERDUTY_FROM_EMAIL",
        ),
    ):
        async with inside({"pagerduty": pagerduty.settings(**missing)}, guard) as client:
            refused = await call(client, "create_incident", **NEW)
            assert refused.is_error
            assert word in text(refused)
    assert not guard.effects
    assert not pagerduty.faults.seen


@pytest.mark.parametrize(
    "wrong",
    [{"title": " "}, {"title": "a\nb"}, {"urgency": "zzz"}, {"description": ""}, {"more": 1}],
)
async def test_wrong_arguments_reach_neither_gate_nor_pagerduty(client, pagerduty, guard, wrong):
    assert (await call(client, "create_incident", **(NEW | wrong))).is_error
    assert not guard.effects
    assert not pagerduty.faults.seen


async def test_what_the_gate_denies_is_not_done(pagerduty):
    pagerduty.open()
    async with inside({"pagerduty": pagerduty.settings()}, Asked(allow=False)) as client:
        for result in (
            await call(client, "create_incident", **NEW),
            await call(client, "update_incident", incident_id="Q001", **DONE),
        ):
            assert "Refused (denied)" in text(result)
    assert pagerduty.faults.requests("POST") == pagerduty.faults.requests("PUT") == 0


async def test_resolving_needs_a_note_and_writes_it_before(client, pagerduty, guard):
    pagerduty.open()
    bare = await call(client, "update_incident", incident_id="Q001", status="resolved")
    assert bare.is_error
    assert "resolution_note" in text(bare)
    done = await call(client, "update_incident", incident_id="Q001", **DONE)
    assert done.structured_content["incident"]["status"] == "resolved"
    assert [note["content"] for note in pagerduty.notes["Q001"]] == [DONE["resolution_note"]]
    writes = [method for method, _ in pagerduty.faults.seen if method != "GET"]
    assert writes == ["POST", "PUT"]
    assert guard.effects == [PagerDutyUpdate("PSHOP", "Q001", "resolved", DONE["resolution_note"])]
    again = await call(client, "update_incident", incident_id="Q001", **DONE)
    assert not again.is_error, text(again)
    assert len(pagerduty.notes["Q001"]) == 1


async def test_a_note_that_is_not_taken_leaves_the_incident_open(client, pagerduty):
    pagerduty.open()
    forbidden = '{"error": {"message": "Access Denied", "code": 2010}}'
    pagerduty.faults.next = [("POST", (403, {}, forbidden))]
    result = await call(client, "update_incident", incident_id="Q001", **DONE)
    assert result.is_error
    assert "PagerDuty says 403: Access Denied" in text(result)
    assert pagerduty.incidents["Q001"]["status"] == "triggered"


@pytest.mark.parametrize("fault", ["lost", "cut", PASSING])
async def test_a_note_is_never_written_twice(client, pagerduty, fault):
    pagerduty.open()
    pagerduty.faults.next = [("POST", fault)]
    result = await call(client, "update_incident", incident_id="Q001", **DONE)
    written = pagerduty.notes.get("Q001", [])
    # What was not written is told, and what was written counts although its answer was lost.
    assert result.is_error is not bool(written)
    assert len(written) == (1 if fault == "lost" else 0)
    assert pagerduty.faults.requests("POST") == 1
    assert not (await call(client, "update_incident", incident_id="Q001", **DONE)).is_error
    assert len(pagerduty.notes["Q001"]) == 1


async def test_progress_is_noted_while_acknowledged(client, pagerduty):
    pagerduty.open()
    for note in ("looking", "found it"):
        result = await call(
            client,
            "update_incident",
            incident_id="Q001",
            status="acknowledged",
            resolution_note=note,
        )
        assert not result.is_error, text(result)
    assert pagerduty.incidents["Q001"]["status"] == "acknowledged"
    assert [note["content"] for note in pagerduty.notes["Q001"]] == ["looking", "found it"]
    assert pagerduty.faults.requests("PUT") == 1
    await call(client, "update_incident", incident_id="Q001", **DONE)
    back = await call(client, "update_incident", incident_id="Q001", status="acknowledged")
    assert back.is_error
    assert "is resolved already" in text(back)


async def test_secrets_do_not_leave_in_notes(client, pagerduty):
    pagerduty.open()
    note = "the password was DB_PASSWORD=hunter2hunter2"
    await call(
        client, "update_incident", incident_id="Q001", status="resolved", resolution_note=note
    )
    (written,) = pagerduty.notes["Q001"]
    assert "hunter2" not in written["content"]
    assert "***" in written["content"]


async def test_an_incident_has_status_people_timeline_and_notes(client, pagerduty):
    await call(client, "create_incident", **NEW)
    await call(client, "update_incident", incident_id="Q001", **DONE)
    result = await call(client, "get_incident", incident_id="Q001")
    found = result.structured_content
    assert found["incident"]["status"] == "resolved"
    assert found["incident"]["assigned_to"] == ["Ann"]
    assert found["description"] == NEW["description"]
    assert [item["text"] for item in found["timeline"]] == [
        "Triggered through the API",
        "Resolved by Ann",
    ]
    assert [(item["by"], item["text"]) for item in found["notes"]] == [
        ("SRE", DONE["resolution_note"])
    ]
    assert "Resolved by Ann" in text(result)


async def test_lists_are_by_status_and_service_and_have_every_page(client, pagerduty):
    for number in range(130):
        pagerduty.open(f"open {number}")
    pagerduty.open("taken", status="acknowledged")
    pagerduty.open("over", status="resolved")
    pagerduty.open("elsewhere", service="POTHER", key="k")
    whole = (await call(client, "list_incidents")).structured_content
    assert whole["total"] == 132
    assert whole["truncated"] is True
    assert whole["incidents"][0]["title"] == "elsewhere"
    assert len(whole["incidents"]) > 25
    pages = [path for _, path in pagerduty.faults.seen]
    assert [("offset=0" in path, "offset=100" in path) for path in pages] == [
        (True, False),
        (False, True),
    ]
    for wanted, titles in (
        ({"status": "resolved"}, ["over"]),
        ({"status": "acknowledged"}, ["taken"]),
        ({"service_id": "POTHER"}, ["elsewhere"]),
        ({"dedup_key": "k"}, ["elsewhere"]),
    ):
        found = (await call(client, "list_incidents", **wanted)).structured_content
        assert [item["title"] for item in found["incidents"]] == titles
    assert "1 incidents resolved" in text(await call(client, "list_incidents", status="resolved"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {}, '{"error": {"message": "Unauthorized"}}'), "a person has to look at it"),
        (
            (403, {}, '{"error": {"message": "Access Denied"}}'),
            "a person has to look at its rights",
        ),
        ((404, {}, '{"error": {"message": "Not Found"}}'), "check the identifier"),
        ((409, {}, '{"error": {"message": "Conflict"}}'), "look at it again"),
        ((422, {}, '{"error": {"message": "Bad", "errors": ["x is y"]}}'), "Bad (x is y)"),
        ((429, {"Retry-After": "120"}, "{}"), "try again in a few minutes"),
        ((302, {"Location": "http://x/"}, ""), "base address"),
        ((200, {}, "<html>"), "no JSON object"),
        ((200, {}, "[]"), "no JSON object"),
        ((200, {}, "{}"), "has no incidents"),
    ],
)
async def test_each_error_says_what_to_do(client, pagerduty, answer, words):
    pagerduty.faults.next = [("GET", answer)]
    result = await call(client, "list_incidents")
    assert result.is_error
    assert words in text(result)
    assert pagerduty.faults.requests("GET") == 1
    assert not (await call(client, "list_incidents")).is_error


async def test_faults_that_do_not_pass_are_told_after_a_bounded_number_of_tries(client, pagerduty):
    pagerduty.faults.next = [("GET", (500, {}, "{}"))] * 4
    result = await call(client, "list_incidents")
    assert "PagerDuty says 500" in text(result)
    assert "fault on its side" in text(result)
    assert pagerduty.faults.requests("GET") == 4


@pytest.mark.parametrize("wrong", ["../services/PSHOP", "a/b", "%2e%2e", "", "a b", "Q\n"])
async def test_an_identifier_that_is_none_goes_nowhere(client, pagerduty, wrong):
    for name, more in (("get_incident", {}), ("update_incident", DONE)):
        assert (await call(client, name, incident_id=wrong, **more)).is_error
    assert not pagerduty.faults.seen
