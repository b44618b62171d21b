"""kill -9 of the process that runs the investigator leaves nothing alive."""

import asyncio
import sys
from pathlib import Path

import psutil

from tests.support.messages_api import Trouble, serve

REPOSITORY = Path(__file__).parents[2]
DAEMON = """
import asyncio, sys
from pathlib import Path
from tests.support.claude_runs import investigator
from tests.support.investigations import Recorder, make_request

claude = investigator(Path(sys.argv[1]), sys.argv[2])
asyncio.run(claude.investigate(make_request(), Recorder()))
"""


async def test_killed_daemon_leaves_no_agent_and_no_tool_server(tmp_path):
    async with serve(lambda body: Trouble.HANG) as api:
        command = [sys.executable, "-c", DAEMON, str(tmp_path), api.url]
        daemon = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY)
        await asyncio.wait_for(api.asked.wait(), 20)
        started = psutil.Process(daemon.pid).children(recursive=True)
        commands = [" ".join(process.cmdline()) for process in started]
        daemon.kill()
        await daemon.wait()
        _, alive = await asyncio.to_thread(psutil.wait_procs, started, timeout=5)
    assert any("_bundled/claude" in command for command in commands)
    assert any("tool_stand_in" in command for command in commands)
    assert alive == []
    assert len(api.requests) == 1
