"""A mid-size company's monitoring: real Prometheus and two Alertmanagers over faults that come and go.

Prometheus scrapes which faults there are from here, its rules fire, both Alertmanagers notify: so
every notification comes twice, as from a pair whose peers do not see each other.
"""

import asyncio
import json
import random
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from bench.processes import TOKEN
from tests.support.ports import free_port

RECEIVER = "sre-daemon"
# Names and severities as in public collections of rules; many of one kind at once are usual.
KINDS = {
    **dict.fromkeys(
        (
            *("KubePodCrashLooping", "KubePodNotReady", "KubeDeploymentReplicasMismatch"),
            *("KubeJobFailed", "KubeHpaMaxedOut", "CPUThrottlingHigh", "NodeClockSkewDetected"),
            *(
                "NodeFilesystemSpaceFillingUp",
                "NodeNetworkReceiveErrs",
                "NodeMemoryHighUtilization",
            ),
            *("PrometheusTargetMissing", "PostgresqlSlowQueries", "PostgresqlDeadLocks"),
            *("RedisMissingBackup", "NginxLatencyHigh", "KafkaConsumersGroupLag", "HighLoad"),
            *("BlackboxSlowProbe", "SslCertificateExpiresSoon", "ContainerHighThrottleRate"),
        ),
        "warning",
    ),
    **dict.fromkeys(
        (
            *("KubeAPIDown", "KubeNodeUnreachable", "EtcdMembersDown", "NodeFilesystemOutOfSpace"),
            *("PostgresqlDown", "PostgresqlTooManyConnections", "RedisDown", "InstanceDown"),
            *("HighErrorRate", "KafkaTopicReplicas", "BlackboxProbeFailed", "MysqlDown"),
        ),
        "critical",
    ),
}
TEAMS = ("shop", "search", "payments", "platform", "data", "mobile")


@dataclass(frozen=True)
class Fault:
    """One alert that fires while it is there."""

    kind: str
    team: str
    instance: str

    def sample(self) -> str:
        """For Prometheus."""
        return f'company_fault{{kind="{self.kind}",team="{self.team}",pod="{self.instance}"}} 1'


@dataclass(frozen=True)
class Turn:
    """At this second after the start these faults begin, and those end."""

    at: float
    begin: frozenset[Fault] = frozenset()
    end: frozenset[Fault] = frozenset()


def hour(seconds: float, faults: int, storm: int, seed: int = 7) -> list[Turn]:
    """An hour in so many seconds: single faults, groups, flapping ones, and a storm in the middle."""
    chance = random.Random(seed)
    turns: list[Turn] = []
    for number in range(faults):
        kind, team = chance.choice(list(KINDS)), chance.choice(TEAMS)
        group = chance.choice((1, 1, 1, 2, 5))
        some = frozenset(Fault(kind, team, f"pod-{number}-{member}") for member in range(group))
        begins = chance.uniform(0, 0.6) * seconds
        lasts = chance.uniform(0.05, 0.3) * seconds
        flaps = chance.random() < 0.15
        for again in range(3 if flaps else 1):
            start = begins + again * lasts * 0.6
            stop = start + lasts * (0.3 if flaps else 1)
            turns += [Turn(start, begin=some), Turn(min(stop, 0.9 * seconds), end=some)]
    down = frozenset(Fault("InstanceDown", "platform", f"node-{n}") for n in range(storm))
    turns += [Turn(0.4 * seconds, begin=down), Turn(0.6 * seconds, end=down)]
    return sorted(turns, key=lambda turn: turn.at)


class Exporter:
    """Shows the faults that are there now."""

    def __init__(self) -> None:
        self.faults: set[Fault] = set()
        self.port = 0

    async def show(self, _: web.Request) -> web.Response:
        """GET /metrics."""
        lines = ["# TYPE company_fault gauge", *(fault.sample() for fault in self.faults), ""]
        return web.Response(text="\n".join(lines))

    async def play(self, turns: list[Turn]) -> None:
        """Let them come and go; at the end none is left."""
        clock = asyncio.get_running_loop()
        started = clock.time()
        for turn in turns:
            await asyncio.sleep(max(0.0, started + turn.at - clock.time()))
            self.faults |= turn.begin
            self.faults -= turn.end
        self.faults.clear()


@asynccontextmanager
async def exporter() -> AsyncIterator[Exporter]:
    """On a free port."""
    made = Exporter()
    app = web.Application()
    app.router.add_get("/metrics", made.show)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Monitoring:
    """The addresses of the servers."""

    prometheus: str
    alertmanagers: tuple[str, str]


@contextmanager
def monitoring(folder: Path, exporter_port: int, webhook: str) -> Iterator[Monitoring]:
    """Prometheus and two Alertmanagers that do not know each other."""
    ports = [free_port() for _ in range(3)]
    managers = [f"127.0.0.1:{port}" for port in ports[1:]]
    _write(folder / "rules.yml", {"groups": [{"name": "company", "rules": list(_rules())}]})
    _write(folder / "alertmanager.yml", _routes(folder, webhook))
    _write(
        folder / "prometheus.yml",
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": managers}]}]},
            "scrape_configs": [
                {
                    "job_name": "company",
                    "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}],
                }
            ],
        },
    )
    commands = [
        [
            program("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{ports[0]}",
        ],
        *(
            [
                program("prometheus-alertmanager", "alertmanager"),
                f"--config.file={folder / 'alertmanager.yml'}",
                f"--storage.path={folder / manager.replace(':', '-')}",
                f"--web.listen-address={manager}",
                "--cluster.listen-address=",
            ]
            for manager in managers
        ),
    ]
    with (folder / "servers.log").open("ab") as log:
        servers = [subprocess.Popen(command, stdout=log, stderr=log) for command in commands]
    try:
        yield Monitoring(
            f"http://127.0.0.1:{ports[0]}", (f"http://{managers[0]}", f"http://{managers[1]}")
        )
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(20)


def _rules() -> Iterator[dict[str, object]]:
    for kind, severity in KINDS.items():
        yield {
            "alert": kind,
            "expr": f'company_fault{{kind="{kind}"}} == 1',
            "labels": {"severity": severity},
            "annotations": {"summary": "{{ $labels.kind }} of {{ $labels.pod }}"},
        }


def _routes(folder: Path, webhook: str) -> dict[str, object]:
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    hook = {
        "url": webhook,
        "send_resolved": True,
        "max_alerts": 0,
        "http_config": {
            "follow_redirects": False,
            "authorization": {"credentials_file": str(token)},
        },
    }
    return {
        "route": {
            "receiver": RECEIVER,
            "group_by": ["alertname", "team"],
            "group_wait": "200ms",
            "group_interval": "2s",
            "repeat_interval": "20s",
        },
        "receivers": [{"name": RECEIVER, "webhook_configs": [hook]}],
    }


def _write(file: Path, data: object) -> None:
    # Every JSON document is a YAML document.
    file.write_text(json.dumps(data, indent=1))


def program(*names: str) -> str:
    """Where the first of these that is installed lies."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError(f"{names[0]} is not installed: run `make setup`")
    return found
