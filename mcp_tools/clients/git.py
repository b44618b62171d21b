"""The log of one git repository, read without running anything that the repository's own settings name."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mcp_tools.errors import TargetUnavailable

SECONDS = 10.0
MAX_BYTES = 256 * 1024
MAX_FILES = 12
RECORD, FIELD = "\x1e", "\x1f"
FORMAT = f"{RECORD}%H{FIELD}%ct{FIELD}%an{FIELD}%s{FIELD}"
# A repository may be somebody else's: its settings can name programs to run, and these must not.
SAFE = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "gpg.program=false"),
    *("-c", "log.showSignature=false", "-c", "core.pager=cat", "-c", "diff.external="),
)
OPTIONS = ("--no-color", "--no-ext-diff", "--no-textconv", "--name-only", f"--format={FORMAT}")
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
}


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit and the first files that it touched."""

    revision: str
    at: datetime
    author: str
    subject: str
    files: Sequence[str]


class Repository:
    """One repository on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def log(self, since: datetime, count: int) -> list[Commit]:
        """The last commits on the branch that is checked out, newest first.

        Raises:
            TargetUnavailable: git is missing, takes too long, or says that this is no repository.
        """
        output = await self._run(
            "log", *OPTIONS, f"--since={since.isoformat()}", f"--max-count={count}", "HEAD", "--"
        )
        return [commit for text in output.split(RECORD)[1:] if (commit := _commit(text))]

    async def _run(self, *arguments: str) -> str:
        directory = ("-c", f"safe.directory={self._path}", "-C", str(self._path))
        try:
            child = await asyncio.create_subprocess_exec(
                *("git", *SAFE, *directory, *arguments),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=PIPE,
                env=ENVIRONMENT,
                start_new_session=True,
            )
        except OSError as failure:
            raise _unavailable(f"git cannot be started: {failure.strerror}") from failure
        try:
            async with asyncio.timeout(SECONDS):
                output, said = await asyncio.gather(_read(child.stdout), _read(child.stderr))
                code = await child.wait()
        except TimeoutError:
            raise _unavailable(f"git took longer than {SECONDS:g} s") from None
        finally:
            await _end(child)
        if code != 0:
            raise _unavailable(
                said.strip().splitlines()[-1] if said.strip() else f"git ended {code}"
            )
        return output


async def _read(stream: asyncio.StreamReader | None) -> str:
    """The beginning of a stream; the rest is read and thrown away, so that the writer can end."""
    kept = bytearray()
    while stream is not None and (chunk := await stream.read(65_536)):
        kept += chunk[: MAX_BYTES - len(kept)]
    return kept.decode("utf-8", "replace")


async def _end(child: Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


def _commit(text: str) -> Commit | None:
    """One record; None for one that the bound on the output has cut."""
    fields = text.split(FIELD)
    if len(fields) != 5 or not fields[1].isdigit():
        return None
    revision, at, author, subject, files = fields
    names = [name for name in files.split("\n") if name.strip()]
    when = datetime.fromtimestamp(int(at), UTC)
    return Commit(revision[:12], when, author, subject, names[:MAX_FILES])


def _unavailable(problem: str) -> TargetUnavailable:
    return TargetUnavailable(f"The git log cannot be read: {problem}.", "Go on with the rest.")
