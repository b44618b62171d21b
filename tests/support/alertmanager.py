"""Real Alertmanagers: one, or a cluster with quick gossip, that can be killed, paused and cut off."""

import asyncio
import json
import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from tests.support.postgres import free_port

CONFIG = """\
route:
  receiver: sre-daemon
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 2s
  repeat_interval: 1h
receivers:
  - name: sre-daemon
    webhook_configs:
      - url: {url}/webhook/alertmanager
        send_resolved: true
        http_config:
          follow_redirects: false
          authorization: {{credentials: {token}}}
"""
QUICK = (
    "--cluster.peer-timeout=1s",
    "--cluster.gossip-interval=100ms",
    "--cluster.pushpull-interval=1s",
    "--cluster.probe-interval=300ms",
    "--cluster.probe-timeout=200ms",
    "--cluster.settle-timeout=500ms",
    "--cluster.reconnect-interval=500ms",
)


class Peer:
    """One process. `others` are the peers that it is told of; without any it is alone."""

    def __init__(self, folder: Path, url: str, token: str):
        folder.mkdir(parents=True)
        self.folder = folder
        self.port, self.gossip = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        (folder / "alertmanager.yml").write_text(CONFIG.format(url=url, token=token))

    async def start(self, others=()):
        """Start, and wait until it answers."""
        program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        assert program, "alertmanager is not installed: run `make setup`"
        log = (self.folder / "log").open("ab")
        with log:
            self.process = await asyncio.create_subprocess_exec(
                program,
                f"--config.file={self.folder}/alertmanager.yml",
                f"--storage.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}",
                f"--cluster.listen-address=127.0.0.1:{self.gossip}",
                *(f"--cluster.peer=127.0.0.1:{other.gossip}" for other in others),
                *QUICK,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            while True:
                try:
                    async with http.get(f"{self.url}/-/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    def signal(self, number):
        """Pause it, let it go on, make it read its configuration again."""
        os.kill(self.process.pid, number)

    async def kill(self):
        """As a power cut would."""
        if self.process is not None and self.process.returncode is None:
            self.signal(signal.SIGCONT)
            self.process.kill()
            await self.process.wait()


async def tell(peers, names, *, firing=True, began=None):
    """As Prometheus does: every alert to every peer that answers."""
    now = datetime.now(UTC)
    began = began or now
    ends = now + timedelta(minutes=5) if firing else now
    alerts = [
        {
            "labels": {"alertname": name, "service": name, "severity": "critical"},
            "startsAt": began.isoformat(),
            "endsAt": ends.isoformat(),
        }
        for name in names
    ]
    timeout = aiohttp.ClientTimeout(1)
    async with aiohttp.ClientSession(timeout=timeout) as http:

        async def one(peer):
            try:
                body = json.dumps(alerts)
                headers = {"Content-Type": "application/json"}
                async with http.post(
                    f"{peer.url}/api/v2/alerts", data=body, headers=headers
                ) as answer:
                    return answer.status == 200
            except (aiohttp.ClientError, TimeoutError):
                return False

        told = await asyncio.gather(*(one(peer) for peer in peers))
    assert any(told)
