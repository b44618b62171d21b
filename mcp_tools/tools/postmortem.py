"""write_postmortem: one Markdown file per report, never overwriting another."""

import asyncio
import itertools
import os
import re
import unicodedata
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from mcp_tools.effects import PostmortemWrite
from mcp_tools.errors import ToolError
from mcp_tools.redaction import hide
from mcp_tools.spec import Input, Output, Phase, ToolSpec, clean
from mcp_tools.tools.context import Context, shielded

MAX_TEXT = 20_000
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\r\n]+$"),
]


class PostmortemInput(Input):
    """Arguments of write_postmortem."""

    title: Title = Field(description="One line, e.g. API database pool exhausted")
    summary: Text = Field(description="What happened, to whom, for how long")
    root_cause: Text = Field(description="Why it happened, with the evidence")
    timeline: Text | list[Text] | None = Field(None, description="Times and events")
    remediation: Text | list[Text] | None = Field(None, description="What was done about it")
    action_items: Text | list[Text] | None = Field(None, description="What is left to do")


class PostmortemOutput(Output):
    """Result of write_postmortem."""

    path: str

    def render(self) -> str:
        """The path."""
        return f"Written: {self.path}"


POSTMORTEM = ToolSpec(
    name="write_postmortem",
    title="Write a post-mortem",
    description=(
        "Save a blameless post-mortem as a Markdown file. Use it when the incident is over and the "
        'metrics prove it. title, summary and root_cause are required. Example: title="API database '
        'pool exhausted", summary="5xx on /api/users for 12 minutes", root_cause="DB_POOL_SIZE was 1", '
        'timeline=["10:02 deploy", "10:03 alert"].'
    ),
    input=PostmortemInput,
    output=PostmortemOutput,
    phase=Phase.REMEDIATE,
    idempotent=False,
)


async def write_postmortem(context: Context, arguments: PostmortemInput) -> PostmortemOutput:
    """Ask the gate and write; where Confluence is, reports are there and nowhere else."""
    if context.confluence is not None:
        raise ToolError("Post-mortems go to Confluence here.", "Use confluence_create_postmortem.")
    folder = context.settings.postmortems
    if folder is None:
        raise ToolError("No folder for post-mortems is configured.", "Set postmortems.")
    title = " ".join(clean(arguments.title).split())
    now = context.now()
    text = page(arguments, title, now)
    async with shielded():
        await context.guard.ask(POSTMORTEM.name, [PostmortemWrite(title)])
        path = await asyncio.to_thread(_write, folder, now, title, text)
    return PostmortemOutput(path=path)


def page(arguments: PostmortemInput, title: str, now: datetime) -> str:
    """The Markdown text."""
    parts = [f"# Post-mortem: {title}", f"**Date:** {now.strftime('%Y-%m-%d %H:%M:%S')} UTC"]
    sections = {
        "Summary": arguments.summary,
        "Root cause": arguments.root_cause,
        "Timeline": arguments.timeline,
        "Remediation": arguments.remediation,
        "Action items": arguments.action_items,
    }
    for name, content in sections.items():
        if content:
            text = content if isinstance(content, str) else "\n".join(f"- {x}" for x in content)
            parts.append(f"## {name}\n\n{hide(clean(text))}")
    return "\n\n".join(parts) + "\n"


def slug(title: str) -> str:
    """The title as a part of a file name."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "untitled"


def _write(folder: Path, now: datetime, title: str, text: str) -> str:
    name = f"{now.strftime('%Y%m%dT%H%M%S.%fZ')}-{slug(title)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, descriptor = _create(folder, name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as failure:
        raise ToolError(f"The post-mortem cannot be written: {failure.strerror}.") from failure
    return str(path)


def _create(folder: Path, name: str) -> tuple[Path, int]:
    """A file that did not exist before; a number is added to the name when it is taken."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for copy in itertools.count(1):
        path = folder / (f"{name}.md" if copy == 1 else f"{name}-{copy}.md")
        with suppress(FileExistsError):
            return path, os.open(path, flags, 0o644)
    raise AssertionError("count never ends")
