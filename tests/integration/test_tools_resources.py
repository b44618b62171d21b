"""Runbooks, post-mortems and the policy as resources; two prompts."""

import pytest
from mcp import MCPError

from tests.support.tool_server import REPOSITORY, connected, tree

RUNBOOK = "---\nname: pool full\n---\n# Pool is full\n\n## Meaning\n\npassword=hunter2\n"


@pytest.fixture
def config(tmp_path):
    file = tree(
        tmp_path,
        runbooks=[str(tmp_path / "books"), str(REPOSITORY / "stack" / "runbooks")],
        policy=str(tmp_path / "policy.yaml"),
    )
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "pool.md").write_text(RUNBOOK)
    (tmp_path / "books" / "broken.md").write_text("no front matter")
    (tmp_path / "policy.yaml").write_text("version: 1\nmode: observe\n")
    reports = tmp_path / "data" / "postmortems"
    reports.mkdir(parents=True)
    (reports / "20260101T000000.000000Z-x.md").write_text("# Post-mortem: x\n")
    (reports / "leak.md").symlink_to("/etc/hostname")
    return file


async def test_everything_readable_is_listed_and_read(config):
    async with connected(config) as client:
        listed = (await client.list_resources()).resources
        uris = [str(item.uri) for item in listed]
        assert uris[:2] == ["policy://current", "runbook://pool%20full"]
        assert "runbook://api-db-pool-exhausted" in uris
        assert uris[-1] == "postmortem://20260101T000000.000000Z-x"
        for item in listed:
            content = (await client.read_resource(item.uri)).contents[0]
            assert content.text
            assert content.mime_type == item.mime_type
        text = (await client.read_resource("runbook://pool%20full")).contents[0].text
        assert "## Meaning" in text
        assert "hunter2" not in text


@pytest.mark.parametrize(
    "uri",
    [
        "postmortem://leak",
        "postmortem://..%2F..%2Fetc%2Fpasswd",
        "runbook://../../etc/passwd",
        "file:///etc/passwd",
        "policy://other",
        "runbook://",
        "x",
    ],
)
async def test_nothing_else_can_be_read(config, uri):
    async with connected(config) as client:
        with pytest.raises(MCPError, match="There is no resource"):
            await client.read_resource(uri)
        assert (await client.list_resources()).resources


async def test_many_resources_come_in_pages(tmp_path):
    config = tree(tmp_path)
    reports = tmp_path / "data" / "postmortems"
    reports.mkdir(parents=True)
    for number in range(230):
        (reports / f"{number:03}.md").write_text("x")
    async with connected(config) as client:
        first = await client.list_resources()
        second = await client.list_resources(cursor=first.next_cursor)
        third = await client.list_resources(cursor=second.next_cursor)
        sizes = [len(page.resources) for page in (first, second, third)]
        assert sizes == [100, 100, 30]
        assert third.next_cursor is None
        with pytest.raises(MCPError, match="cursor"):
            await client.list_resources(cursor="-1")


async def test_names_of_runbooks_are_completed(config):
    from mcp.types import ResourceTemplateReference

    async with connected(config) as client:
        templates = (await client.list_resource_templates()).resource_templates
        assert [item.uri_template for item in templates] == [
            "runbook://{name}",
            "postmortem://{name}",
        ]
        ref = ResourceTemplateReference(uri="runbook://{name}")
        answer = await client.complete(ref, {"name": "name", "value": "api-db"})
        pages = [path.read_text() for path in (REPOSITORY / "stack/runbooks").glob("*.md")]
        names = {line[6:] for page in pages for line in page.splitlines() if line[:6] == "name: "}
        beginning = sorted(name for name in names if name.startswith("api-db"))
        assert "api-db-pool-exhausted" in beginning
        assert set(beginning) < names
        assert answer.completion.values == beginning


async def test_prompts_are_filled_in_and_name_existing_tools(config):
    async with connected(config, "remediate") as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        for name, argument in (("investigate", "problem"), ("postmortem", "incident")):
            prompt = await client.get_prompt(name, {argument: "ApiDown {since} 10:00"})
            said = prompt.messages[0].content.text
            assert "ApiDown {since} 10:00" in said
            named = {word.strip(".,:;()") for word in said.split() if "_" in word}
            assert named - {"investigate"} <= tools
        for name, arguments in (("investigate", {}), ("nothing", {"problem": "x"})):
            with pytest.raises(MCPError):
                await client.get_prompt(name, arguments)
