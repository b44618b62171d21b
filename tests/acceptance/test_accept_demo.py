"""`make demo` as a user sees it: what is on the screen, the exit code, and what is left afterwards."""

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from stack.faults import FAULTS
from tests.support import good_agent
from tests.support.messages_api import serve
from tests.support.processes import belonging_to

REPOSITORY = Path(__file__).parents[2]
# In this order; each is one part of what the demo promises to show.
SCREEN = (
    r"engine    the runbook engine, because ANTHROPIC_API_KEY is not set",
    r"fault pool-size: DB_POOL_SIZE goes from 20 to 1",
    r" s  prometheus    rule Api\w+ fires \(value ",
    r" s  alert         alert Api\w+ fires",
    r" s  step          query_metrics\(promql=db_pool_size.*\[c\d+, \d+ ms\]",
    r" s  diagnosis     DB_POOL_SIZE in config/api-server.env is 1",
    r"evidence: the configured pool size is below 5; 'DB_POOL_SIZE=1' found in c\d+",
    r" s  verdict       allow: restore-db-pool allows set DB_POOL_SIZE .* from '1' to '20'; redeploy",
    r" s  effect        applied: set DB_POOL_SIZE in config/api-server.env from '1' to '20'",
    r" s  effect        applied: redeploy api-server",
    r" s  verification  proven: everything held for 5 s",
    r" s  state         verifying -> resolved",
    r" s  postmortem    post-mortem: /",
    r"\| # Post-mortem: Api",
    r"until +took +since the fault",
    r"a rule fires in Prometheus +\d+\.\d s +\d+\.\d s",
    r"the webhook arrives +\d+\.\d s +\d+\.\d s",
    r"the diagnosis +\d+\.\d s +\d+\.\d s",
    r"the repair is applied +\d+\.\d s +\d+\.\d s",
    r"the repair is proven +\d+\.\d s +\d+\.\d s",
    r"post-mortem: /.*\.md",
    r"repaired and proven; looked at from outside, the shop is well",
)


@pytest.fixture
def folder():
    """Short, because addresses of Unix sockets may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        yield Path(name)


class Demo:
    """The process; all that it prints, and where its stack lives."""

    def __init__(self, process, folder):
        self.process = process
        self.folder = folder
        self.text = ""

    async def read_until(self, pattern, within):
        async with asyncio.timeout(within):
            while not re.search(pattern, self.text):
                line = await self.process.stdout.readline()
                assert line, f"{pattern!r} never came:\n{self.text}"
                self.text += line.decode()

    async def end(self, within=100):
        async with asyncio.timeout(within):
            self.text += (await self.process.stdout.read()).decode()
            return await self.process.wait()

    def nothing_is_left(self):
        assert belonging_to(self.folder / "tmp") == [], self.text
        assert list((self.folder / "tmp").iterdir()) == [], self.text


@asynccontextmanager
async def demo(folder, *arguments, **environment):
    """`python -m stack demo …` with temporary folders of its own."""
    (folder / "tmp").mkdir(exist_ok=True)
    folder.chmod(0o755)
    known = {name: value for name, value in os.environ.items() if "ANTHROPIC" not in name}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stack", *arguments),
        cwd=folder,
        env={
            **known,
            "PYTHONPATH": str(REPOSITORY),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONUNBUFFERED": "1",
            **environment,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Demo(process, folder)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_every_part_is_on_the_screen_and_the_end_is_clean(folder):
    begun = time.monotonic()
    async with demo(folder, "demo") as run:
        assert await run.end() == 0, run.text
    assert time.monotonic() - begun < 120
    rest = run.text
    for pattern in SCREEN:
        found = re.search(pattern, rest)
        assert found, f"{pattern!r} is missing or too early:\n{run.text}"
        rest = rest[found.end() :]
    (report,) = (folder / "build" / "demo").glob("*.md")
    assert "repaired by the daemon and proven" in report.read_text()
    assert str(report) in run.text
    run.nothing_is_left()


async def test_with_a_key_claude_investigates_and_a_kept_demo_is_stopped(folder):
    async with (
        serve(good_agent.good) as api,
        demo(folder, "demo", "--keep", ANTHROPIC_API_KEY="key", ANTHROPIC_BASE_URL=api.url) as run,
    ):
        await run.read_until(r"repaired and proven", 100)
        await run.read_until(r"API token +\S+\n", 10)
        assert re.search(
            r"engine    Claude \(claude-\S+\), because ANTHROPIC_API_KEY is set", run.text
        )
        assert api.bodies
        assert belonging_to(folder / "tmp")
        async with demo(folder, "down") as down:
            assert await down.end(30) == 0, down.text
        # When the other command is back everything is gone already.
        assert list((folder / "tmp").iterdir()) == []
        assert await run.end(5) == 0
        run.nothing_is_left()
        async with demo(folder, "down") as down:
            assert await down.end(10) == 0
        assert down.text == "no demo is running\n"


async def test_what_no_policy_repairs_is_handed_over_unchanged(folder):
    async with demo(folder, "demo", "--fault", "table-lock") as run:
        assert await run.end() == 1, run.text
    assert "not repaired, handed to a person: The diagnosis proposes no effect." in run.text
    assert "effect        applied" not in run.text
    assert "byte for byte as the fault left it" in run.text
    run.nothing_is_left()


async def test_interrupted_demo_leaves_nothing(folder):
    async with demo(folder, "demo") as run:
        await run.read_until(r"waiting until everything answers", 30)
        run.process.send_signal(signal.SIGINT)
        assert await run.end(30) == 1, run.text
    assert "interrupted; cleaning up" in run.text
    run.nothing_is_left()


async def test_killed_demo_leaves_no_process(folder):
    async with demo(folder, "demo") as run:
        await run.read_until(r"waiting until everything answers", 30)
        run.process.kill()
        await run.process.wait()
        _, left = await asyncio.to_thread(psutil.wait_procs, belonging_to(folder / "tmp"), 20)
    assert left == []
    assert belonging_to(folder / "tmp") == []


async def test_unknown_fault_lists_the_known_ones(folder):
    async with demo(folder, "demo", "--fault", "nonsense") as run:
        assert await run.end(10) == 2
    assert "there is no fault 'nonsense'; there are:\n" in run.text
    for name in FAULTS:
        assert f"\n{name} " in run.text
