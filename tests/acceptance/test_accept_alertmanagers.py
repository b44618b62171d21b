"""Real Alertmanagers: no alert is lost and none is investigated twice, whatever happens to them."""

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager, closing

import pytest

from tests.support.alertmanager import Peer, tell
from tests.support.postgres import free_port

TOKEN = "webhook-token-of-the-test"


class Daemon:
    """The process, as a user starts it."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    async def start(self, peers):
        """Start and wait until it listens."""
        listed = ", ".join(f"'{peer.url}'" for peer in peers)
        (self.folder / "settings.yaml").write_text(
            f"listen: 127.0.0.1:{self.port}\ndata_dir: data\nalertmanagers: [{listed}]\n"
            "prometheus: {url: 'http://127.0.0.1:1'}\n"
            "reconcile: {interval: 2s}\ncorrelation: {late: 20s, linger: 500ms, storm: 500}\n"
        )
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sre_daemon.cli.main", "serve"),
            *("--config", str(self.folder / "settings.yaml")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "SRE_DAEMON_WEBHOOK_TOKEN": TOKEN},
        )
        await asyncio.wait_for(self.process.stdout.readline(), 60)

    async def kill(self):
        """As a power cut would."""
        if self.process is not None and self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
            await self.process.wait()

    def ask(self, query):
        """What the store says now."""
        file = self.folder / "data" / "sre-daemon.sqlite3"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as store:
            return store.execute(query).fetchall()

    async def until(self, names, *, is_open):
        """Every one of these alerts is open, or over."""
        query = "SELECT DISTINCT json_extract(labels, '$.alertname') FROM episodes WHERE " + (
            "open" if is_open else "NOT open"
        )
        async with asyncio.timeout(60):
            while not set(names) <= {name for (name,) in self.ask(query)}:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.1)

    async def at_rest(self):
        """Nothing is being investigated: what is stopped now is not begun again."""
        query = "SELECT count(*) FROM incidents WHERE state NOT IN ('escalated', 'closed')"
        async with asyncio.timeout(60):
            while self.ask(query) != [(0,)]:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.1)


@asynccontextmanager
async def cluster(folder, number):
    """A daemon and so many peers that know each other."""
    daemon = Daemon(folder)
    peers = [Peer(folder / f"am-{n}", daemon.url, TOKEN) for n in range(number)]
    try:
        await daemon.start(peers)
        for peer in peers:
            await peer.start([other for other in peers if other is not peer])
        yield daemon, peers
    finally:
        for peer in peers:
            await peer.kill()
        await daemon.kill()


def names(letter):
    return [f"{letter}{n}" for n in range(3)]


def audit(daemon, told):
    """Every alert has exactly one episode, and no incident was investigated twice."""
    episodes = daemon.ask(
        "SELECT json_extract(labels, '$.alertname'), count(*), sum(open) FROM episodes GROUP BY 1"
    )
    assert {name: (count, still) for name, count, still in episodes} == dict.fromkeys(told, (1, 0))
    assert daemon.ask("SELECT incident_id FROM runs GROUP BY 1 HAVING count(*) > 1") == []
    (incidents,) = daemon.ask("SELECT count(*) FROM incidents")[0]
    assert incidents == len(told)


@pytest.mark.timeout(240)
async def test_one_alertmanager_is_heard_from_beginning_to_end(tmp_path):
    async with cluster(tmp_path, 1) as (daemon, peers):
        await tell(peers, names("a"))
        await daemon.until(names("a"), is_open=True)
        await daemon.at_rest()
        # Killed before it wrote down that it had notified: it says everything again.
        await peers[0].kill()
        await peers[0].start()
        await tell(peers, names("a"))
        # A receiver that is paused for longer than Alertmanager waits is sent a second copy.
        os.kill(daemon.process.pid, signal.SIGSTOP)
        await tell(peers, names("b"))
        await asyncio.sleep(11)
        os.kill(daemon.process.pid, signal.SIGCONT)
        await daemon.until(names("b"), is_open=True)
        await daemon.at_rest()
        # A receiver that is away is tried until it is back.
        await daemon.kill()
        await tell(peers, names("c"))
        await asyncio.sleep(1)
        await daemon.start(peers)
        await daemon.until(names("c"), is_open=True)
        everything = [*names("a"), *names("b"), *names("c")]
        await tell(peers, everything, firing=False)
        await daemon.until(everything, is_open=False)
        audit(daemon, everything)


@pytest.mark.timeout(240)
async def test_a_cluster_of_three_under_kill_pause_reload_and_partition(tmp_path):
    async with cluster(tmp_path, 3) as (daemon, peers):
        await tell(peers, names("a"))
        await daemon.until(names("a"), is_open=True)
        await peers[0].kill()
        await tell(peers, names("b"))
        await daemon.until(names("b"), is_open=True)
        await peers[0].start(peers[1:])
        peers[1].signal(signal.SIGSTOP)
        await tell(peers, names("c"))
        await daemon.until(names("c"), is_open=True)
        peers[1].signal(signal.SIGCONT)
        await tell(peers, names("d"))
        for peer in peers:
            peer.signal(signal.SIGHUP)
        await daemon.until(names("d"), is_open=True)
        # Cut off: it knows of nobody, so that both sides notify about everything.
        await peers[2].kill()
        await peers[2].start()
        everything = [name for letter in "abcd" for name in names(letter)]
        await tell(peers, [*everything, *names("e")])
        await daemon.until(names("e"), is_open=True)
        everything += names("e")
        await tell(peers, everything, firing=False)
        await daemon.until(everything, is_open=False)
        # Whatever waits in a peer comes within its time-out and one interval.
        await asyncio.sleep(4)
        audit(daemon, everything)
