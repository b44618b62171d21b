"""The daemon as a whole starts or says why not, answers, and leaves nothing behind."""

import asyncio
import contextlib
import socket

import aiohttp
import pytest

from sre_daemon.app import Daemon
from sre_daemon.errors import ConfigError, StoreError
from sre_daemon.settings import Secrets, load
from tests.support.endpoint import endpoint

TOKEN = "webhook-token"
BODY = (
    b'{"groupKey":"g","alerts":[{"status":"firing","labels":{"alertname":"A","severity":"critical"},'
    b'"startsAt":"2026-03-14T02:00:00Z"}]}'
)


def settings(folder, more=""):
    if "agent:" not in more:
        # What is ready for the next incident costs more than these tests.
        more += "agent: {warm: false}\n"
    file = folder / "sre-daemon.yaml"
    file.write_text(
        "listen: 127.0.0.1:0\ndata_dir: data\nprometheus: {url: 'http://127.0.0.1:1'}\n"
        "alertmanagers: ['http://127.0.0.1:1']\nreconcile: {interval: 1h}\n" + more
    )
    return load(file)


@contextlib.asynccontextmanager
async def running(folder, more=""):
    daemon = await Daemon.start(settings(folder, more), Secrets(webhook_token=TOKEN))
    try:
        async with aiohttp.ClientSession(daemon.url) as http:
            yield daemon, http
    finally:
        await daemon.stop()


async def post(http, body=BODY, token=TOKEN):
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post("/webhook/alertmanager", data=body, headers=headers) as answer:
        return answer.status


async def get(http, path):
    async with http.get(path) as answer:
        return answer.status, await answer.json()


async def test_it_is_alive_but_not_ready_without_prometheus(tmp_path):
    async with running(tmp_path) as (_, http):
        assert (await get(http, "/healthz"))[0] == 200
        status, ready = await get(http, "/readyz")
        assert ready["dependencies"]["store"] == "ok"
        assert ready["dependencies"]["prometheus"] != "ok"
        # Notifications must be stored while Prometheus is away: readiness is about the store.
        assert status == 200


async def test_an_alert_without_a_policy_ends_with_a_person(tmp_path):
    async with running(tmp_path) as (_, http):
        assert await post(http) == 200
        async with asyncio.timeout(20):
            while True:
                _, answer = await get(http, "/api/v1/incidents")
                if answer["incidents"][0]["state"] == "escalated":
                    break
                await asyncio.sleep(0.05)
        _, status = await get(http, "/api/v1/status")
        assert status["mode"] == "nothing is changed: no policy file"


async def test_incidents_survive_a_restart(tmp_path):
    async with running(tmp_path) as (_, http):
        assert await post(http) == 200
        _, before = await get(http, "/api/v1/incidents")
    async with running(tmp_path) as (_, http):
        _, after = await get(http, "/api/v1/incidents")
        assert [item["id"] for item in after["incidents"]] == [
            item["id"] for item in before["incidents"]
        ]
        assert await post(http) == 200
        _, again = await get(http, "/api/v1/incidents")
        assert len(again["incidents"]) == 1


async def test_a_second_daemon_on_the_same_data_is_refused(tmp_path):
    async with running(tmp_path) as (_, http):
        with pytest.raises(ConfigError, match="another sre-daemon"):
            await Daemon.start(settings(tmp_path), Secrets(webhook_token=TOKEN))
        assert (await get(http, "/healthz"))[0] == 200
    async with running(tmp_path):
        pass


async def test_it_does_not_start_without_a_token(tmp_path):
    with pytest.raises(ConfigError, match="token"):
        await Daemon.start(settings(tmp_path), Secrets())
    assert not (tmp_path / "data").exists()


async def test_a_busy_port_is_an_error_and_everything_is_let_go(tmp_path):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        file = tmp_path / "sre-daemon.yaml"
        settings(tmp_path)
        file.write_text(file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        with pytest.raises(ConfigError, match=str(port)):
            await Daemon.start(load(file), Secrets(webhook_token=TOKEN))
    async with running(tmp_path):
        pass


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("agent: {engine: claude}\n", ConfigError),
        ("runbooks: [missing]\n", ConfigError),
        ("store: postgresql://u@127.0.0.1:1/d\n", StoreError),
    ],
)
async def test_what_cannot_work_is_said_at_the_start(tmp_path, more, error):
    with pytest.raises(error):
        await Daemon.start(settings(tmp_path, more), Secrets(webhook_token=TOKEN))
    async with running(tmp_path):
        pass


async def test_stopping_answers_who_waits_and_leaves_nothing(tmp_path):
    async with running(tmp_path) as (daemon, http):
        answers = [asyncio.ensure_future(post(http)) for _ in range(20)]
        await asyncio.sleep(0)
        url = daemon.url
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            await http.get(f"{url}/healthz")
    done = await asyncio.gather(*answers, return_exceptions=True)
    assert all(item in (200, 503) or isinstance(item, aiohttp.ClientError) for item in done)
    assert not (tmp_path / "data" / "gate.sock").exists()


async def test_pausing_survives_a_restart(tmp_path):
    async with (
        running(tmp_path) as (_, http),
        http.post("/api/v1/pause", json={"reason": "release"}) as answer,
    ):
        assert answer.status == 200
    async with running(tmp_path) as (_, http):
        _, status = await get(http, "/api/v1/status")
        assert "release" in status["paused"]
        async with http.post("/api/v1/resume", json={"reason": "done"}) as answer:
            assert answer.status == 200
        _, status = await get(http, "/api/v1/status")
        assert status["paused"] is None


async def test_a_watchdog_is_seen_and_no_incident(tmp_path):
    async with running(tmp_path) as (_, http):
        assert await post(http, BODY.replace(b'"A"', b'"Watchdog"')) == 200
        _, status = await get(http, "/api/v1/status")
        assert status["watchdog"] is not None
        assert (await get(http, "/api/v1/incidents"))[1]["incidents"] == []


async def test_views_of_the_status_do_not_ask_the_dependencies(tmp_path):
    async with endpoint() as prometheus:
        file = settings(tmp_path)
        known = file.prometheus.model_copy(update={"url": prometheus.url})
        file = file.model_copy(update={"prometheus": known})
        daemon = await Daemon.start(file, Secrets(webhook_token=TOKEN))
        try:
            async with aiohttp.ClientSession(daemon.url) as http:
                for _ in range(30):
                    _, status = await get(http, "/api/v1/status")
                    assert status["dependencies"]["prometheus"] == "ok"
            looks = [r for r in prometheus.requests if r.path == "/-/ready"]
            assert 1 <= len(looks) <= 5
        finally:
            await daemon.stop()
