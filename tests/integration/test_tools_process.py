"""Programs that a runtime starts leave nothing behind, whatever happens."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_tools.errors import ToolError
from mcp_tools.runtimes import process
from tests.support.tool_server import wait_for

# A child that ignores signals, has a child of its own, and notes both.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
print("waiting", flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def noted(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()]


async def test_output_and_exit_code_come_back():
    done = await process.run(
        ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], {"LC_ALL": "C"}, 10
    )
    assert done == process.Done(3, "out\nerr")


async def test_input_is_closed_and_the_environment_is_ours_alone(monkeypatch):
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    done = await process.run(["/bin/sh", "-c", "cat; env"], {"HOME": "/nowhere"}, 10)
    names = {line.split("=")[0] for line in done.output.splitlines()}
    assert names - {"PWD", "SHLVL", "_"} == {"PATH", "HOME"}


async def test_flood_is_cut_to_its_end():
    script = f"import sys; sys.stdout.write('x' * {process.MAX_OUTPUT_BYTES * 4} + 'end')"
    done = await process.run([sys.executable, "-c", script], {}, 20)
    assert len(done.output) == process.MAX_OUTPUT_BYTES
    assert done.output.endswith("xend")


async def test_program_that_takes_too_long_is_killed_with_its_children(tmp_path):
    file = tmp_path / "pids"
    with pytest.raises(ToolError, match=r"did not end within 1 s and was killed"):
        await process.run([sys.executable, "-c", STUBBORN, str(file)], {}, 1)
    wait_for(lambda: not any(map(alive, noted(file))), "both are gone")


async def test_cancelled_call_kills_the_program_with_its_children(tmp_path):
    file = tmp_path / "pids"
    call = asyncio.ensure_future(process.run([sys.executable, "-c", STUBBORN, str(file)], {}, 60))
    await asyncio.to_thread(
        wait_for, lambda: file.exists() and len(noted(file)) == 2, "the program runs"
    )
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    wait_for(lambda: not any(map(alive, noted(file))), "both are gone")


async def test_good_end_leaves_no_child_behind(tmp_path):
    file = tmp_path / "pid"
    done = await process.run(
        ["/bin/sh", "-c", f"sleep 600 >/dev/null 2>&1 & echo $! >{file}"], {}, 10
    )
    assert done.exit_code == 0
    wait_for(lambda: not alive(noted(file)[0]), "it is gone")


def test_program_dies_with_the_process_that_started_it(tmp_path):
    file = tmp_path / "pids"
    code = (
        "import asyncio, sys\nfrom mcp_tools.runtimes import process\n"
        "asyncio.run(process.run([sys.executable, '-c', sys.argv[1], sys.argv[2]], {}, 60))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, STUBBORN, str(file)])
    try:
        wait_for(lambda: file.exists() and len(noted(file)) == 2, "the program runs")
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(10)
        wait_for(lambda: not alive(noted(file)[0]), "it died with its parent")
    finally:
        parent.kill()
        parent.wait(10)
        for pid in noted(file):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_program_is_looked_for_where_the_owner_puts_it(tmp_path, monkeypatch):
    fake = tmp_path / "systemctl-of-nobody"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert process.find(fake.name) is None
    assert process.find("sh") in {Path("/usr/bin/sh"), Path("/bin/sh")}
