"""Real faults of the daemon are seen by real Prometheus, and told past the daemon by real Alertmanager.

The rules are the product's own with shorter times. The receiver of the people who run the daemon is
a second one, which the daemon has no part in.
"""

import asyncio
import json
import sqlite3
import subprocess
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from bench.company import program
from bench.processes import API, TOKEN, daemon
from tests.support.hurried import hurried
from tests.support.ports import free_port

DIVISORS = {
    "SreDaemonDown": 60,
    "SreDaemonWatchdogStale": 75,
    "SreDaemonNotStored": 75,
    "SreDaemonUnauthorized": 30,
    "SreDaemonWebhooksMissed": 60,
    "SreDaemonIncidentsUnsettled": 10_000,
    "SreDaemonPaused": 8000,
    "SreDaemonChannelDead": 100,
    "SreDaemonReplicasDisagree": 200,
}
MORE = """\
alertmanagers: ['{alertmanager}']
reconcile: {{interval: 1s}}
correlation: {{debounce: 0s}}
notify: {{channels: [{{kind: webhook, url: 'http://127.0.0.1:{dead}/'}}]}}
"""


class Operators:
    """The second receiver: which alerts it was told are firing."""

    def __init__(self):
        self.told = {}
        self.port = 0

    async def take(self, request):
        """A notification of Alertmanager."""
        for alert in (await request.json())["alerts"]:
            if alert["status"] == "firing":
                self.told.setdefault(alert["labels"]["alertname"], alert)
        return web.Response()

    async def hears(self, *names, within=40):
        """Wait until all of these were told."""
        async with asyncio.timeout(within):
            while missing := set(names) - set(self.told):
                try:
                    await asyncio.sleep(0.1)
                except asyncio.CancelledError:
                    raise AssertionError(f"not told: {missing}; told: {set(self.told)}") from None


@asynccontextmanager
async def operators():
    made = Operators()
    app = web.Application()
    app.router.add_post("/", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@contextmanager
def started(*commands, log):
    with log.open("ab") as out:
        servers = [subprocess.Popen(command, stdout=out, stderr=out) for command in commands]
    try:
        yield
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(20)


def prometheus(folder, port, alertmanager, daemons):
    (folder / "rules.yml").write_text(json.dumps(hurried(DIVISORS)))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": "sre-daemon", "static_configs": [{"targets": list(daemons)}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    return [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


def alertmanager(folder, address, people, dead):
    """The daemon's own alerts go past it; its webhook is a port where nobody listens."""
    hook = {"url": f"http://127.0.0.1:{dead}/", "send_resolved": True}
    route = {"group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    config = {
        "route": {
            **route,
            "receiver": "sre-daemon",
            "routes": [{"receiver": "operators", "matchers": ['alertname=~"SreDaemon.*"']}],
        },
        "receivers": [
            {"name": "sre-daemon", "webhook_configs": [hook]},
            {
                "name": "operators",
                "webhook_configs": [{"url": f"http://127.0.0.1:{people}/"}],
            },
        ],
    }
    (folder / "alertmanager.yml").write_text(json.dumps(config))
    return [
        program("prometheus-alertmanager", "alertmanager"),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]


def firing(name, **labels):
    """Since some minutes, so that its webhook counts as missed."""
    labels = {"alertname": name, "severity": "warning", "service": "api", **labels}
    since = datetime.now(UTC) - timedelta(minutes=5)
    return {"labels": labels, "startsAt": since.isoformat()}


async def notify(http, port, *alerts, token=TOKEN):
    body = {
        "version": "4",
        "groupKey": alerts[0]["labels"]["alertname"],
        "alerts": [{"status": "firing", **alert} for alert in alerts],
    }
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "Alertmanager/0.25.0"}
    url = f"http://127.0.0.1:{port}/webhook/alertmanager"
    async with http.post(url, json=body, headers=headers) as answer:
        return answer.status


async def accepted(http, *urls):
    """Both servers answer."""
    async with asyncio.timeout(20):
        for url in urls:
            while True:
                try:
                    async with http.get(url) as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)


async def scraped(http, metrics, number):
    """Prometheus has seen the daemons before anything happened to them: else nothing increases."""
    async with asyncio.timeout(20):
        while True:
            query = {"query": "count(sre_daemon_build_info)"}
            async with http.get(f"{metrics}/api/v1/query", params=query) as answer:
                found = (await answer.json())["data"]["result"]
            if found and found[0]["value"][1] == str(number):
                return
            await asyncio.sleep(0.1)


async def locked(file, seconds, http, port):
    """Nobody else can write for a while; what is posted meanwhile is refused, as it must be."""
    with sqlite3.connect(file, isolation_level=None) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        codes = set()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            posts = (notify(http, port, firing("Locked", pod=str(n))) for n in range(3))
            codes |= set(await asyncio.gather(*posts))
        connection.execute("ROLLBACK")
    connection.close()
    return codes


@pytest.mark.timeout(240)
async def test_nine_faults_of_the_daemon_reach_its_operators(tmp_path):
    ports = {name: free_port() for name in ("prometheus", "alertmanager", "dead", "one", "two")}
    manager = f"127.0.0.1:{ports['alertmanager']}"
    metrics = f"http://127.0.0.1:{ports['prometheus']}"
    more = MORE.format(alertmanager=f"http://{manager}", dead=ports["dead"])
    async with AsyncExitStack() as stack:
        people = await stack.enter_async_context(operators())
        http = await stack.enter_async_context(aiohttp.ClientSession())
        targets = [f"127.0.0.1:{ports[name]}" for name in ("one", "two")]
        stack.enter_context(
            started(
                prometheus(tmp_path, ports["prometheus"], manager, targets),
                alertmanager(tmp_path, manager, people.port, ports["dead"]),
                log=tmp_path / "servers.log",
            )
        )
        await accepted(http, f"{metrics}/-/ready", f"http://{manager}/-/ready")
        other = AsyncExitStack()
        for name, holder in (("one", stack), ("two", other)):
            holder.enter_context(
                daemon(
                    tmp_path / name,
                    port=ports[name],
                    prometheus=metrics,
                    more=more,
                )
            )
        one = ports["one"]
        await scraped(http, metrics, 2)

        # Two stores that know of different incidents, a heartbeat that stops, a wrong token.
        assert await notify(http, one, firing("Watchdog")) == 200
        assert {await notify(http, one, firing("A"), token="wrong") for _ in range(12)} == {401}
        pages = [firing(f"Page{number}", severity="critical") for number in range(3)]
        for page in pages:
            assert await notify(http, one, page) == 200
        # Alerts whose webhooks are lost, and one that is silenced: the comparison finds both.
        silence = {
            "matchers": [{"name": "alertname", "value": "Silenced", "isRegex": False}],
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
            "createdBy": "test",
            "comment": "waits",
        }
        async with http.post(f"http://{manager}/api/v2/silences", json=silence) as answer:
            assert answer.status == 200
        lost = [firing(f"Lost{number}") for number in range(6)]
        async with http.post(
            f"http://{manager}/api/v2/alerts", json=[*pages, *lost, firing("Silenced")]
        ) as answer:
            assert answer.status == 200
        assert await notify(http, one, firing("Silenced")) == 200
        headers = {"Authorization": f"Bearer {API}"}
        pause = f"http://127.0.0.1:{one}/api/v1/pause"
        async with http.post(pause, json={"reason": "a test"}, headers=headers) as answer:
            assert answer.status == 200
        await people.hears(
            "SreDaemonWatchdogStale",
            "SreDaemonUnauthorized",
            "SreDaemonWebhooksMissed",
            "SreDaemonIncidentsUnsettled",
            "SreDaemonPaused",
            "SreDaemonChannelDead",
            "SreDaemonReplicasDisagree",
        )
        assert await locked(tmp_path / "one/data/sre-daemon.sqlite3", 14, http, one) == {503}
        await other.aclose()
        await people.hears("SreDaemonNotStored", "SreDaemonDown")
    assert set(people.told) == set(DIVISORS)
    assert people.told["SreDaemonDown"]["labels"]["instance"] == targets[1]
