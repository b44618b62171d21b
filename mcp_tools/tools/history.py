"""What changed lately, from every source that knows something: deploys, commits, starts, edits."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from mcp_tools.clients.files import ConfigTree, Kept
from mcp_tools.clients.git import Repository
from mcp_tools.effects import document
from mcp_tools.errors import ToolError
from mcp_tools.redaction import shown
from mcp_tools.spec import Part, clean, clip
from mcp_tools.tools.context import Context
from mcp_tools.tools.records import Record, changes

MAX_TEXT = 300
MAX_KEYS = 10
MAX_COMMITS = 40
MAX_EVENTS = 10
LOOK_BACK = timedelta(days=14)
Kind = Literal["deploy", "commit", "runtime", "edit"]


class Happening(Part):
    """One change. `kind`: a recorded deploy, a commit, what befell a service, an edited file."""

    time: str
    kind: Kind
    what: str


async def commits(context: Context) -> list[Happening]:
    """From the configured repository; nothing without one.

    Raises:
        ToolError: git says no.
    """
    path = context.settings.repository
    if path is None:
        return []
    log = await Repository(path).log(context.now() - LOOK_BACK, MAX_COMMITS)
    return [
        _happening(
            commit.at,
            "commit",
            f"{commit.revision} {commit.author}: {commit.subject} ({', '.join(commit.files)})",
        )
        for commit in log
    ]


async def lives(context: Context, services: Sequence[str]) -> list[Happening]:
    """What the runtime remembers of each service: made, started, ended; and which does not run now.

    Raises:
        ToolError: the runtime does not answer for any of them.
    """
    answers = await asyncio.gather(
        *(_life(context, service) for service in services), return_exceptions=True
    )
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    if failures and (len(failures) == len(answers) or not isinstance(failures[0], ToolError)):
        raise failures[0]
    return [item for answer in answers if isinstance(answer, list) for item in answer]


async def _life(context: Context, service: str) -> list[Happening]:
    now = context.now()
    status, events = await asyncio.gather(
        context.runtime.status(service),
        context.runtime.history(service, now - LOOK_BACK, now),
    )
    found = [
        _happening(event.at, "runtime", f"{service}: {event.what} {event.instance[:12]}".strip())
        for event in events[-MAX_EVENTS:]
    ]
    if status.started_at is None:
        found.append(_happening(now, "runtime", f"{service} does not run: {status.detail}"))
    elif not found:
        found.append(_happening(status.started_at, "runtime", f"{service}: start"))
    return found


def deploys(records: Sequence[Record]) -> list[Happening]:
    """From the file of recorded deploys."""
    found = []
    for record in records:
        differences = [
            f"{item.key} {shown(item.key, item.before)} -> {shown(item.key, item.after)}"
            for item in record.changes[:MAX_KEYS]
        ]
        what = f"{record.service} {record.revision} {record.author}: {record.message}"
        what += f" [{'; '.join(differences)}]" if differences else ""
        at = _time(record.time)
        if at is not None:
            found.append(_happening(at, "deploy", what))
    return found


def edits(files: ConfigTree, services: Sequence[str] = ()) -> list[Happening]:
    """From the times of the files in `config/`, and from the copies that were kept before changes.

    With `services` only of files that are named after one of them. Blocks.
    """
    found = []
    for path, at in files.modified():
        if _concerns(path, services):
            what = f"{path} last written" + _differences(files, path, files.kept_copies(path))
            found.append(_happening(at, "edit", what))
    return found


def _differences(files: ConfigTree, path: str, copies: Sequence[Kept]) -> str:
    """What the newest kept copy had otherwise, which is what the last change through us did."""
    if not copies:
        return ""
    try:
        now = document.parse(path, files.read(path).text).values()
        before = document.parse(path, copies[0].text).values()
    except ToolError:
        return ""
    keys = [
        f"{item.key} {shown(item.key, item.before)} -> {shown(item.key, item.after)}"
        for item in changes({path: before}, {path: now})[:MAX_KEYS]
    ]
    at = copies[0].at.isoformat(timespec="seconds")
    return f" [since the copy kept at {at}: {'; '.join(keys) or 'nothing differs'}]"


def _concerns(path: str, services: Sequence[str]) -> bool:
    if document.is_copy(path):
        return False
    name = path.rpartition("/")[2].partition(".")[0]
    return not services or name in services


def _happening(at: datetime, kind: Kind, what: str) -> Happening:
    return Happening(
        time=at.astimezone(UTC).isoformat(timespec="seconds"),
        kind=kind,
        what=clip(clean(what), MAX_TEXT),
    )


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
