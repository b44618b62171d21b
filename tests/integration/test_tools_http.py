"""Streamable HTTP: token, hosts, origins, sizes, and many clients at once."""

import asyncio
import sys

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.support.tool_server import REPOSITORY, free_port, http_server, text, tree

TOKEN = "correct-horse-battery-staple"
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


async def test_it_serves_the_same_tools_as_stdio(tmp_path):
    with http_server(tree(tmp_path)) as url:
        async with Client(url) as client:
            assert len((await client.list_tools()).tools) == 9
            result = await client.call_tool("read_config_file", {"path": "config/api-server.env"})
            assert result.structured_content["keys"]["DB_POOL_SIZE"] == "1"


def test_only_the_token_opens_it(tmp_path):
    with http_server(tree(tmp_path), token=TOKEN) as url:
        for headers, status in [
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": f"Basic {TOKEN}"}, 401),
            ({"Authorization": f"Bearer {TOKEN}x"}, 401),
            ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ]:
            answer = httpx.post(url, json=HELLO, headers=ACCEPT | headers)
            assert answer.status_code == status, headers
            if status == 401:
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_client_with_the_token_is_served(tmp_path):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with http_server(tree(tmp_path), token=TOKEN) as url:
        async with (
            create_mcp_http_client(headers=headers) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            assert len((await client.list_tools()).tools) == 9


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:3000"}, 200),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example.com"}, 403),
        ({"Host": "evil.example.com"}, 421),
        ({"Origin": "https://page.example.com"}, 200),
        ({"Host": "tools.example.com:1"}, 200),
    ],
)
def test_pages_of_other_origins_are_refused(tmp_path, headers, status):
    more = ("--allow-origin", "https://page.example.com", "--allow-host", "tools.example.com:1")
    with http_server(tree(tmp_path), *more) as url:
        assert httpx.post(url, json=HELLO, headers=ACCEPT | headers).status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"[]", 400),
        (b"5", 400),
        (b"\xff\xfe", 400),
        (b"{}", 400),
        (b" " * (5 << 20), 413),
    ],
)
def test_malformed_bodies_are_told_and_survived(tmp_path, body, status):
    with http_server(tree(tmp_path)) as url:
        headers = ACCEPT | {"Content-Type": "application/json"}
        assert httpx.post(url, content=body, headers=headers).status_code == status
        assert httpx.post(url, json=HELLO, headers=ACCEPT).status_code == 200


async def test_many_clients_are_served_side_by_side(tmp_path):
    async def one(number):
        async with Client(url) as client:
            result = await client.call_tool("read_config_file", {"path": "config/api-server.env"})
            return text(result)

    with http_server(tree(tmp_path)) as url:
        answers = await asyncio.gather(*map(one, range(12)))
    assert len({answer.split("]")[0] for answer in answers}) == 12
    assert all("DB_POOL_SIZE=1" in answer for answer in answers)


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        ((), "", b"has no token"),
        (("--host", "0.0.0.0", "--anonymous"), "", b"has no token"),
        ((), "short", b"fewer than 16"),
    ],
)
async def test_it_does_not_start_without_a_token_where_one_is_needed(
    tmp_path, arguments, token, said
):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mcp_tools", "--transport", "http", "--port", str(free_port())),
        *arguments,
        env={"MCP_TOOLS_HTTP_TOKEN": token},
        stderr=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    _, stderr = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert said in stderr


def test_the_token_may_come_from_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    from mcp_tools import settings

    assert settings.http_token({"MCP_TOOLS_HTTP_TOKEN_FILE": str(file)}) == TOKEN
    assert settings.http_token({}) == ""
