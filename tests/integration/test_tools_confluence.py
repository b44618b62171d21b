"""The tools of Confluence against a server that speaks its documented wire format, faults included."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_tools.effects import ConfluenceCreate
from mcp_tools.spec import Phase
from mcp_tools.tools import pages
from tests.support.confluence import confluence
from tests.support.inside import Asked, inside
from tests.support.pagerduty_rest import pagerduty_rest
from tests.support.tool_server import text

REPORT = {
    "title": "API database pool exhausted",
    "incident_summary": "5xx on /api/users\nfor 12 minutes",
    "root_cause": 'DB_POOL_SIZE was 1 & "<b>nobody</b>" saw it',
    "timeline": ["10:02 deploy", "10:03 alert"],
    "impact": "a third of users",
    "remediation_steps": ["set it to 20"],
    "action_items": [{"task": "guard it", "owner": "ann", "due_date": None}, {"task": "test it"}],
}


@pytest.fixture
async def site():
    async with confluence() as played:
        yield played


@pytest.fixture
def guard():
    return Asked()


@pytest.fixture
async def client(site, guard):
    async with inside({"confluence": site.settings()}, guard) as client:
        yield client


async def call(client, name, **arguments):
    return await client.call_tool(f"confluence_{name}", arguments)


async def test_address_and_token_add_exactly_three_tools(site):
    async with inside({"confluence": site.settings()}) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert len(names) == 15
        assert {name for name in names if "confluence" in name} == {
            f"confluence_{name}" for name in ("create_postmortem", "get_page", "list_postmortems")
        }
    async with inside({"confluence": site.settings()}, phase=Phase.INVESTIGATE) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {name for name in names if "confluence" in name} == {
            "confluence_get_page",
            "confluence_list_postmortems",
        }


async def test_a_page_has_all_sections_below_the_parent_in_the_space(client, site, guard):
    result = await call(client, "create_postmortem", **REPORT)
    made = result.structured_content
    (page,) = site.pages.values()
    assert made["created"] is True
    assert made["url"] == f"{site.url}/wiki/spaces/SRE/pages/{page['id']}"
    assert (page["title"], page["space"]) == ("Post-Mortem: " + REPORT["title"], {"key": "SRE"})
    assert page["ancestors"] == [{"id": "77"}]
    tree = ElementTree.fromstring(f"<page>{page['body']['storage']['value']}</page>")
    assert [heading.text for heading in tree.findall("h1")] == [
        *("Incident summary", "Timeline", "Root cause", "Impact", "Remediation", "Action items")
    ]
    assert [item.text for item in tree.iter("li")] == [*REPORT["timeline"], "set it to 20"]
    assert REPORT["root_cause"] in [item.text for item in tree.iter("p")]
    rows = [[cell.text for cell in row] for row in tree.iter("tr")]
    assert rows == [
        ["Task", "Owner", "Due date", "Status"],
        ["guard it", "ann", "TBD", "Open"],
        ["test it", "TBD", "TBD", "Open"],
    ]
    (effect,) = guard.effects
    assert isinstance(effect, ConfluenceCreate)
    assert (effect.space, effect.parent, effect.title) == ("SRE", "77", page["title"])


@given(
    st.lists(st.text(), min_size=6, max_size=6),
    st.lists(st.fixed_dictionaries({name: st.text() for name in ("task", "owner", "due_date")})),
)
def test_any_texts_make_a_valid_page_and_come_back(texts, items):
    sections = {
        "incident_summary": texts[0],
        "timeline": [texts[1]],
        "root_cause": texts[2],
        "impact": texts[3],
        "remediation_steps": [],
        "action_items": items,
        "pagerduty_incident_id": texts[4],
    }
    key = pages.key_of("S", texts[5], texts[0])
    page = pages.storage(sections, key, "https://x.pagerduty.com/incidents/Q?a=1&b=\"'<")
    ElementTree.fromstring(f"<page>{page}</page>")
    assert pages.key_in(pages.plain(page)) == key


async def test_odd_types_are_told_and_survived(client, site):
    for wrong in (
        {"action_items": ["guard it"]},
        {"action_items": [{"task": None}]},
        {"action_items": [{"task": "t", "owner": 3}]},
        {"timeline": "10:02 deploy"},
        {"title": ""},
        {"root_cause": None},
        {"incident_summary": "x" * 9000},
    ):
        result = await call(client, "create_postmortem", **(REPORT | wrong))
        assert result.is_error
        assert "Wrong arguments" in text(result)
    too_much = {"timeline": ["x" * 7000] * 7}
    result = await call(client, "create_postmortem", **(REPORT | too_much))
    assert "Shorten it" in text(result)
    assert not site.pages
    empty = REPORT | {"action_items": [{"task": "t", "owner": None}]}
    assert not (await call(client, "create_postmortem", **empty)).is_error


async def test_nothing_is_published_without_the_gates_yes(site):
    async with inside({"confluence": site.settings()}, Asked(allow=False)) as client:
        result = await call(client, "create_postmortem", **REPORT)
        assert "Refused (denied)" in text(result)
    assert not site.faults.seen


@pytest.mark.parametrize("fault", ["lost", "cut", (503, {}, ""), (429, {"Retry-After": "1"}, "")])
async def test_a_lost_answer_makes_no_second_page(client, site, fault):
    site.faults.next = [("POST", fault)]
    result = await call(client, "create_postmortem", **REPORT)
    assert not result.is_error, text(result)
    assert result.structured_content["created"] is (fault != "lost")
    assert len(site.pages) == 1


async def test_another_page_of_the_title_is_not_taken_for_ours(client, site):
    site.write("Post-Mortem: " + REPORT["title"], "<p>last year's</p>")
    result = await call(client, "create_postmortem", **REPORT)
    assert result.is_error
    assert "Another page has the title" in text(result)
    assert "/wiki/spaces/SRE/pages/1000" in text(result)
    assert len(site.pages) == 1


async def test_the_page_links_the_incident_of_pagerduty(site):
    async with pagerduty_rest() as pagerduty:
        pagerduty.open()
        both = {"confluence": site.settings(), "pagerduty": pagerduty.settings()}
        async with inside(both) as client:
            await call(client, "create_postmortem", **REPORT, pagerduty_incident_id="Q001")
            pagerduty.incidents["Q001"]["html_url"] = "javascript:alert(1)"
            await call(
                client,
                "create_postmortem",
                **(REPORT | {"title": "other"}),
                pagerduty_incident_id="Q001",
            )
    first, second = (page["body"]["storage"]["value"] for page in site.pages.values())
    link = '<a href="https://shop.pagerduty.com/incidents/Q001">PagerDuty incident Q001</a>'
    assert link in first
    assert "<p>PagerDuty incident Q001</p>" in second
    assert "javascript" not in second


async def test_a_page_is_read_with_its_content_by_id_and_by_title(client, site):
    made = (await call(client, "create_postmortem", **REPORT)).structured_content
    for wanted in ({"page_id": made["id"]}, {"title": made["title"]}):
        found = (await call(client, "get_page", **wanted)).structured_content
        assert (found["page"]["id"], found["page"]["version"]) == (made["id"], 1)
        assert found["key"] == made["key"]
        for words in (REPORT["root_cause"], "- 10:02 deploy", "guard it | ann | TBD | Open"):
            assert words in found["content"]
    for wanted, words in (
        ({}, "either page_id or title"),
        ({"page_id": "1", "title": "x"}, "either page_id or title"),
        ({"title": "no such"}, "has no page"),
        ({"page_id": "999"}, "check the identifier"),
        ({"page_id": "../../api/user"}, "Wrong arguments"),
    ):
        result = await call(client, "get_page", **wanted)
        assert result.is_error
        assert words in text(result)


async def test_pages_of_other_spaces_are_not_read(client, site):
    page = site.write("Salaries", space="HR")
    result = await call(client, "get_page", page_id=page["id"])
    assert result.is_error
    assert "Salaries" not in text(result)
    assert (await call(client, "get_page", title="Salaries")).is_error


async def test_postmortems_of_the_last_days_come_from_every_page_newest_first(client, site):
    for number in range(60):
        site.write(f"Post-Mortem: {number}", f"<p>pool {number}</p>", days=60 - number)
    site.write("Meeting notes")
    month = (await call(client, "list_postmortems")).structured_content
    assert (month["days"], month["total"]) == (30, 30)
    every = (await call(client, "list_postmortems", days=365)).structured_content
    assert every["total"] == 60
    assert every["pages"][0]["title"] == "Post-Mortem: 59"
    found = await call(client, "list_postmortems", days=365, search_term="pool 7<")
    assert [page["title"] for page in found.structured_content["pages"]] == ["Post-Mortem: 7"]
    assert "1 post-mortems of the last 365 days" in text(found)


@pytest.mark.parametrize("term", ['x") OR type=page OR (text ~ "', 'x\\"', "\\", 'a\\" OR "b'])
async def test_a_search_term_stays_a_term(client, site, term):
    site.write("Post-Mortem: other")
    result = await call(client, "list_postmortems", search_term=term)
    assert not result.is_error, text(result)
    assert result.structured_content["pages"] == []
    assert (await call(client, "list_postmortems", days="30d) OR x")).is_error


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {}, '{"message": "no"}'), "a person has to look at it"),
        ((403, {}, '{"message": "no"}'), "rights"),
        ((404, {}, '{"message": "no"}'), "check the identifier"),
        ((409, {}, '{"message": "stale"}'), "look at it again"),
        ((422, {}, '{"message": "bad cql"}'), "bad cql"),
        ((429, {"Retry-After": "120"}, ""), "try again in a few minutes"),
        ((200, {}, "<html>"), "no JSON object"),
        ((200, {}, "{}"), "has no results"),
    ],
)
async def test_each_error_says_what_to_do(client, site, answer, words):
    site.faults.next = [("GET", answer)]
    result = await call(client, "list_postmortems")
    assert result.is_error
    assert words in text(result)


async def test_the_account_is_sent_as_it_is_configured(site):
    sent = []

    async def login(**more):
        async with inside({"confluence": site.settings(**more)}) as client:
            sent.append((await call(client, "list_postmortems")).is_error)

    await login()
    await login(user_email="")
    await login(user_email="somebody@example.com")
    assert sent == [False, False, True]


async def test_reports_go_to_confluence_alone_where_it_is(site, tmp_path):
    settings = {"confluence": site.settings(), "postmortems": str(tmp_path / "p")}
    local = {"title": "t", "summary": "s", "root_cause": "r"}
    async with inside(settings) as client:
        result = await client.call_tool("write_postmortem", local)
        assert result.is_error
        assert "confluence_create_postmortem" in text(result)
    assert not (tmp_path / "p").exists()
