"""The outgoing webhook: what is posted, what counts as delivered, and that no secret leaks."""

import hashlib
import hmac
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.errors import NotifyError
from sre_daemon.notify.message import Message
from sre_daemon.notify.webhook import WebhookChannel
from tests.support.endpoint import endpoint
from tests.support.factories import incident
from tests.support.people import telling

MESSAGE = Message(
    "01incident0001", "escalated", "critical", "Pool on api", "no cause found", "news:7"
)
SECRET = "hunter2"


@asynccontextmanager
async def hooked(secret=""):
    async with endpoint() as server:
        channel = WebhookChannel("hook", f"{server.url}/hook?token={SECRET}", secret)
        try:
            yield server, channel
        finally:
            await channel.close()


async def test_webhook_posts_the_message_as_json():
    async with hooked() as (server, channel):
        await channel.send(MESSAGE)
        (sent,) = server.json
        assert {
            key: sent[key] for key in ("incident_id", "state", "severity", "title", "text")
        } == {
            "incident_id": "01incident0001",
            "state": "escalated",
            "severity": "critical",
            "title": "Pool on api",
            "text": "no cause found",
        }
        assert server.requests[0].content_type == "application/json"


async def test_same_message_has_the_same_idempotency_key():
    async with hooked() as (server, channel):
        await channel.send(MESSAGE)
        await channel.send(MESSAGE)
        await channel.send(replace(MESSAGE, key="news:8"))
        keys = [request.headers["Idempotency-Key"] for request in server.requests]
        assert keys == ["news:7", "news:7", "news:8"]


async def test_with_a_secret_every_post_is_signed_over_its_bytes():
    async with hooked("s3cret") as (server, channel):
        await channel.send(MESSAGE)
        expected = hmac.new(b"s3cret", server.bodies[0], hashlib.sha256).hexdigest()
        assert server.requests[0].headers["X-Sre-Daemon-Signature"] == f"sha256={expected}"
    async with hooked() as (server, channel):
        await channel.send(MESSAGE)
        assert "X-Sre-Daemon-Signature" not in server.requests[0].headers


async def test_webhook_takes_any_text():
    hostile = Message("i", "escalated", "none", "\ud800 \0 \u2028", "\U0001f525 </script>")
    async with hooked() as (server, channel):
        await channel.send(hostile)
        sent = json.loads(server.bodies[0])
        assert sent["text"] == "\U0001f525 </script>"
        assert len(sent["title"]) == 5


@pytest.mark.parametrize("status", [301, 302, 400, 404, 429, 500, 503])
async def test_anything_but_success_is_a_failure(status):
    async with hooked() as (server, channel):
        server.status, server.headers = status, {"Location": "/elsewhere"}
        with pytest.raises(NotifyError, match=str(status)) as failure:
            await channel.send(MESSAGE)
        assert SECRET not in str(failure.value)
        # A redirect is not followed: it would carry the message to another place.
        assert len(server.bodies) == 1


@pytest.mark.parametrize(("header", "pause"), [("17", 17), ("1e9", 3600), ("soon", 0), ("-1", 0)])
async def test_pause_that_is_asked_for_is_passed_on(header, pause):
    async with hooked() as (server, channel):
        server.status, server.headers = 429, {"Retry-After": header}
        with pytest.raises(NotifyError) as failure:
            await channel.send(MESSAGE)
        assert failure.value.retry_after == pause


async def test_nobody_there_is_a_failure_that_names_no_secret():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    channel = WebhookChannel("hook", f"http://127.0.0.1:{port}/hook?token={SECRET}")
    try:
        with pytest.raises(NotifyError, match="ConnectError") as failure:
            await channel.send(MESSAGE)
        assert SECRET not in str(failure.value)
    finally:
        await channel.close()


async def test_webhook_ignores_proxies_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with hooked() as (server, channel):
        await channel.send(MESSAGE)
        assert len(server.bodies) == 1


async def test_delivery_over_http_is_retried_and_recorded(tmp_path):
    async with hooked() as (server, channel), telling(tmp_path, channel) as bench:
        server.status = 503
        await bench.opened(incident(State.ESCALATED))
        assert await bench.told("01incident0001") == ["escalated delayed to hook: answered 503"]
        server.status = 200
        bench.later(5)
        assert (await bench.told("01incident0001", 2))[1] == "escalated sent to hook"
        keys = {request.headers["Idempotency-Key"] for request in server.requests}
        assert len(keys) == 1
