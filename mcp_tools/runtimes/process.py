"""Programs that a runtime starts: arguments from us alone, no shell, no input, and no leftovers."""

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mcp_tools.errors import TargetUnavailable, ToolError

# Where the machine's owner puts programs; not the caller's PATH.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_OUTPUT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended, and the end of what it said on both streams."""

    exit_code: int
    output: str


def find(name: str, *folders: str) -> Path | None:
    """A program of the machine's owner, or one that was installed beside this Python."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([*folders, PATH, beside]))
    return Path(found) if found is not None else None


async def run(argv: Sequence[str], env: Mapping[str, str], seconds: float) -> Done:
    """Run a program to its end; it and all it started are killed when that takes too long.

    The kernel kills it too when this process dies: nobody would look at what it does.

    Raises:
        TargetUnavailable: it cannot be started.
        ToolError: it did not end in time.
    """
    bound = ("setpriv", "--pdeathsig", "KILL", "--")
    try:
        child = await asyncio.create_subprocess_exec(
            *bound,
            *argv,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env={"PATH": PATH, **env},
            start_new_session=True,
        )
    except OSError as failure:
        raise TargetUnavailable(f"{argv[0]} cannot be started: {failure.strerror}.") from failure
    try:
        async with asyncio.timeout(seconds):
            output = await _read(child)
            code = await child.wait()
    except TimeoutError:
        raise ToolError(
            f"{Path(argv[0]).name} did not end within {seconds:g} s and was killed.",
            "Look at what it left: it may have done part of its work.",
        ) from None
    finally:
        await _end(child)
    return Done(code, output.decode("utf-8", "replace").strip())


async def _read(child: Process) -> bytes:
    kept = bytearray()
    while child.stdout is not None and (chunk := await child.stdout.read(8192)):
        kept += chunk
        del kept[:-MAX_OUTPUT_BYTES]
    return bytes(kept)


async def _end(child: Process) -> None:
    """Kill the whole group, also after a good end: it may have left something running."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
