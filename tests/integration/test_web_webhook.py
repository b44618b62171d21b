"""The webhook's answers: each code means to Alertmanager what it must mean."""

import asyncio
import base64
import gzip
import io
import json
import logging
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from yarl import URL

from sre_daemon.errors import StoreUnavailable
from tests.support.front import TOKEN, front_door

BODY = json.dumps(
    {
        "version": "4",
        "groupKey": "{}:{}",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "A"},
                "startsAt": "2026-01-01T00:00:00Z",
            }
        ],
    }
).encode()
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def post(door, body=BODY, headers=BEARER):
    async with door.http.post(f"{door.url}/webhook/alertmanager", data=body, headers=headers) as r:
        return r.status, await r.json()


async def test_stored_is_200(tmp_path):
    async with front_door(tmp_path) as door:
        assert await post(door) == (200, {"status": "stored"})
        assert [n.body for n in door.intake.accepted] == [BODY]


async def test_basic_auth_password_is_the_token(tmp_path):
    async with front_door(tmp_path) as door:
        assert (await post(door, headers=basic("anyone", TOKEN)))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Token {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer \u00e9\u00e8"},
        basic(TOKEN, ""),
        basic(TOKEN, "wrong"),
    ],
)
async def test_no_or_wrong_token_is_401_and_nothing_is_stored(tmp_path, headers):
    async with front_door(tmp_path) as door:
        status, answer = await post(door, headers=headers)
        assert status == 401
        assert TOKEN not in json.dumps(answer)
        assert door.intake.accepted == []


async def test_two_authorization_headers_are_401(tmp_path):
    async with front_door(tmp_path) as door:
        headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer x")]
        assert (await post(door, headers=headers))[0] == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"alerts": 3}', b'{"alerts": [], "alerts": []}'],
)
async def test_what_can_never_be_read_is_400(tmp_path, body):
    async with front_door(tmp_path) as door:
        status, answer = await post(door, body)
        assert status == 400
        assert answer["error"]["hint"]


async def test_bogus_charset_does_not_matter(tmp_path):
    async with front_door(tmp_path) as door:
        headers = BEARER | {"Content-Type": "application/json; charset=bogus"}
        assert (await post(door, headers=headers))[0] == 200


async def test_compressed_bodies_are_400_before_inflating(tmp_path):
    async with front_door(tmp_path) as door:
        for coding in ("gzip", "deflate", "br", "identity, gzip"):
            headers = BEARER | {"Content-Encoding": coding}
            status, _ = await post(door, gzip.compress(BODY), headers)
            assert status == 400


async def test_declared_oversize_is_413(tmp_path):
    async with front_door(tmp_path, max_body_bytes=1 << 20) as door:
        assert (await post(door, io.BytesIO(b"x" * ((1 << 20) + 1))))[0] == 413


async def test_undeclared_oversize_is_413(tmp_path):
    async def chunks():
        for _ in range(40):
            yield b"x" * (64 << 10)

    async with front_door(tmp_path, max_body_bytes=1 << 20) as door:
        assert (await post(door, chunks()))[0] == 413


async def test_store_trouble_is_503(tmp_path):
    async with front_door(tmp_path) as door:
        door.intake.failure = StoreUnavailable("locked")
        assert (await post(door))[0] == 503
        door.intake.failure = None
        assert (await post(door))[0] == 200


async def test_body_that_does_not_arrive_is_503_in_bounded_time(tmp_path):
    async with front_door(tmp_path, body_timeout=timedelta(seconds=0.3)) as door:
        reader, writer = await asyncio.open_connection(*door.url[7:].split(":"))
        head = (
            "POST /webhook/alertmanager HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n{{"
        )
        writer.write(head.encode())
        async with asyncio.timeout(5):
            assert b" 503 " in await reader.readline()
        writer.close()
        assert (await post(door))[0] == 200


async def test_every_outcome_is_counted(tmp_path):
    async with front_door(tmp_path) as door:
        await post(door)
        await post(door, b"{")
        await post(door, headers={})
        async with door.http.get(f"{door.url}/metrics") as response:
            text = await response.text()
    for outcome in ("stored", "invalid", "unauthorized"):
        assert f'sre_daemon_notifications_total{{outcome="{outcome}"}} 1.0' in text


async def test_without_a_token_anybody_may_post(tmp_path):
    async with front_door(tmp_path, webhook_token="") as door:
        assert (await post(door, headers={}))[0] == 200


async def test_without_a_token_web_pages_may_not_post(tmp_path):
    async with front_door(tmp_path, webhook_token="") as door:
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            assert (await post(door, headers=headers))[0] == 401
        assert door.intake.accepted == []


async def raw(door, text):
    """Send bytes as they are; the first line of the answer."""
    reader, writer = await asyncio.open_connection(*door.url[7:].split(":"))
    writer.write(text.encode())
    try:
        async with asyncio.timeout(5):
            return (await reader.readline()).decode()
    finally:
        writer.close()


HEAD = f"POST /webhook/alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"


async def test_broken_chunks_are_400_and_no_error_of_ours(tmp_path):
    async with front_door(tmp_path) as door:
        line = await raw(door, f"{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n")
        assert " 400 " in line
        assert (await post(door))[0] == 200


async def test_two_lengths_of_one_body_are_400(tmp_path):
    async with front_door(tmp_path) as door:
        both = f"{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{{}}"
        assert " 400 " in await raw(door, both)


async def test_trouble_says_when_to_come_again(tmp_path):
    async with front_door(tmp_path) as door:
        door.intake.failure = StoreUnavailable("locked")
        async with door.http.post(
            f"{door.url}/webhook/alertmanager", data=BODY, headers=BEARER
        ) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"].isdigit()


async def test_bodies_together_too_large_for_the_memory_are_503(tmp_path):
    async with front_door(tmp_path, max_body_bytes=64 << 20) as door:
        announced = f"{HEAD}Content-Length: {60 << 20}\r\n\r\n"
        two = [asyncio.ensure_future(raw(door, announced)) for _ in range(2)]
        done, waiting = await asyncio.wait(two, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert [" 503 " in task.result() for task in done] == [True]
        assert (await post(door))[0] == 200
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_slow_clients_cost_a_refusal_and_no_more(tmp_path):
    async with front_door(tmp_path, max_connections=3) as door, AsyncExitStack() as stack:
        # Each sends a bit of its headers, and then nothing for as long as it is let.
        for _ in range(3):
            _, writer = await connected(door)
            stack.callback(writer.close)
            writer.write(HEAD[:30].encode())
            await writer.drain()
        await until_open(door, 3)
        reader, refused = await connected(door)
        refused.write(f"{HEAD}Content-Length: 2\r\n\r\n{{}}".encode())
        async with asyncio.timeout(0.9):
            answer = (await reader.read()).decode()
        refused.close()
        assert answer.startswith("HTTP/1.1 503 ")
        assert "Retry-After: 5\r\n" in answer
        assert json.loads(answer.partition("\r\n\r\n")[2])["error"]["code"] == "unavailable"
        assert door.metrics.connections_refused._value.get() == 1
        # One that says nothing at all is not kept either.
        reader, silent = await connected(door)
        async with asyncio.timeout(5):
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        silent.close()
        writer.close()
        await until_open(door, 2)
        assert (await post(door))[0] == 200


async def connected(door):
    url = URL(door.url)
    return await asyncio.open_connection(url.host, url.port)


async def until_open(door, number):
    """The server knows of as many connections."""
    async with asyncio.timeout(5):
        while True:
            if len(door.runner.server.connections) == number:
                return
            await asyncio.sleep(0.01)


async def test_no_log_line_has_the_token(tmp_path, caplog, capsys):
    with caplog.at_level(logging.DEBUG):
        async with front_door(tmp_path) as door:
            await post(door, b"{")
            await post(door, headers={"Authorization": f"Bearer {TOKEN}x"})
            await raw(door, f"{HEAD}Broken: a\x00b\r\n\r\n")
            broken = HEAD.replace(TOKEN, f"{TOKEN}\x00")
            assert " 400 " in await raw(door, f"{broken}\r\n")
    printed = capsys.readouterr()
    assert "BadHttpMessage" in caplog.text
    assert TOKEN not in caplog.text + printed.out + printed.err
