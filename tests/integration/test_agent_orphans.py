"""Whoever is killed, and however: nothing of a run stays alive, and nobody asks the model again."""

import asyncio
import signal
import sys
from pathlib import Path

import psutil
import pytest

from sre_daemon.errors import AgentUnavailable
from tests.support.claude_runs import investigator
from tests.support.investigations import Recorder, make_request
from tests.support.messages_api import Trouble, serve
from tests.support.processes import belonging_to

REPOSITORY = Path(__file__).parents[2]
DAEMON = """
import asyncio, sys
from pathlib import Path
from tests.support.claude_runs import investigator
from tests.support.investigations import Recorder, make_request

claude = investigator(Path(sys.argv[1]), sys.argv[2])
asyncio.run(claude.investigate(make_request(), Recorder()))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_killed_daemon_leaves_no_agent_and_no_tool_server(tmp_path, number):
    async with serve(lambda body: Trouble.HANG) as api:
        command = [sys.executable, "-c", DAEMON, str(tmp_path), api.url]
        daemon = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY)
        await asyncio.wait_for(api.asked.wait(), 20)
        started = psutil.Process(daemon.pid).children(recursive=True)
        commands = [" ".join(process.cmdline()) for process in started]
        daemon.send_signal(number)
        await daemon.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, started, timeout=5)
    assert any("_bundled/claude" in command for command in commands)
    assert any("tool_stand_in" in command for command in commands)
    assert alive == []
    assert len(api.requests) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_killed_command_line_fails_the_run_and_takes_its_tool_server_along(tmp_path, number):
    async with serve(lambda body: Trouble.HANG) as api:
        running = asyncio.ensure_future(
            investigator(tmp_path, api.url).investigate(make_request(), Recorder())
        )
        await asyncio.wait_for(api.asked.wait(), 20)
        (pid,) = [int(file.read_text()) for file in (tmp_path / "runs").glob("*/pid")]
        psutil.Process(pid).send_signal(number)
        with pytest.raises(AgentUnavailable):
            await asyncio.wait_for(running, 5)
    assert belonging_to(tmp_path) == []
    assert len(api.requests) == 1
