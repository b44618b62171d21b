"""Other people's programs from npm, which `scripts/setup npm` installs."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "npm"
BIN = FOLDER / "node_modules" / ".bin"


def program(name: str) -> str:
    """The path of an installed program; fails when setup was not run."""
    path = BIN / name
    assert path.exists(), f"{name} is missing: run scripts/setup npm"
    return str(path)


def environment(**more: str) -> Mapping[str, str]:
    """With the Node that the programs need, which is newer than the system's."""
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **more}


async def run(name: str, *arguments: str, seconds: float = 90, **env: str) -> tuple[int, str, str]:
    """Run a program to its end: exit code, output, errors."""
    child = await asyncio.create_subprocess_exec(
        program(name),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**env),
        cwd=FOLDER.parents[1],
    )
    try:
        output, errors = await asyncio.wait_for(child.communicate(), seconds)
    except TimeoutError:
        child.kill()
        await child.wait()
        raise
    assert child.returncode is not None
    return child.returncode, output.decode(), errors.decode()
