"""execute_runbook: the pages that people wrote for an alert, one phase at a time."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mcp_tools.errors import Refused, SettingsError, ToolError
from mcp_tools.settings import parse_yaml
from mcp_tools.spec import Input, Output, Part, ToolSpec, clip
from mcp_tools.tools.context import Context

MAX_BYTES = 256 * 1024
MAX_SECTION = 4_000
MAX_FILES = 200
FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)\r?\n---[ \t]*\r?\n(.*)\Z", re.DOTALL)
HEADING = re.compile(r"^(#{1,2})[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
REMEDIATE_SECTIONS = {"Mitigation", "Escalation", "Risks"}


class RunbookInput(Input):
    """Arguments of execute_runbook."""

    runbook: str = Field(description="Name of the runbook, e.g. api-db-pool-exhausted")
    phase: Literal["investigate", "remediate"] = Field(
        "investigate", description="investigate first; remediate only after it"
    )


class Step(Part):
    """A call of another tool that the runbook asks for."""

    id: str
    tool: str
    arguments: dict[str, Any]


class RunbookOutput(Output):
    """Result of execute_runbook. `proposals` are effects per finding, only in phase remediate."""

    runbook: str
    phase: str
    title: str
    sections: dict[str, str]
    steps: list[Step]
    proposals: list[dict[str, Any]]

    def render(self) -> str:
        """The page."""
        lines = [f"{self.title} ({self.runbook}, {self.phase})"]
        for name, text in self.sections.items():
            lines += [f"## {name}", text]
        lines += [f"Step {step.id}: {step.tool} {step.arguments}" for step in self.steps]
        lines += [f"When {item['finding']}: {item['effects']}" for item in self.proposals]
        return "\n".join(lines)


RUNBOOK = ToolSpec(
    name="execute_runbook",
    title="Follow a runbook",
    description=(
        "Get what people wrote about a known problem. Phase investigate returns what the alert means, "
        "its impact, how to diagnose it, and steps that you can run as they are with the other tools; "
        "phase remediate returns the mitigation, risks, escalation and the effects to propose for each "
        "finding, and is refused before investigate. It runs nothing by itself. Use it as soon as an "
        'alert or symptom has a runbook. Example: runbook="api-db-pool-exhausted", '
        'phase="investigate". A wrong name returns the list of names.'
    ),
    input=RunbookInput,
    output=RunbookOutput,
)


@dataclass(frozen=True, slots=True)
class Page:
    """A runbook as read."""

    name: str
    title: str
    sections: dict[str, str]
    front: dict[str, Any] = field(default_factory=dict)


async def execute_runbook(context: Context, arguments: RunbookInput) -> RunbookOutput:
    """Find the page and return the part for the phase."""
    pages, broken = await asyncio.to_thread(load, context.settings.runbooks)
    page = pages.get(arguments.runbook)
    if page is None:
        names = ", ".join(sorted(pages)) or "none"
        unread = f" Not readable: {'; '.join(broken)}" if broken else ""
        raise ToolError(
            f"There is no runbook {clip(arguments.runbook, 100)!r}.", f"Runbooks: {names}.{unread}"
        )
    if arguments.phase == "investigate":
        context.investigated.add(page.name)
    elif page.name not in context.investigated:
        raise Refused(
            "investigate_first",
            f"{page.name} has not been investigated yet.",
            "Call it with phase investigate and run its steps.",
        )
    return view(page, arguments.phase)


def load(places: tuple[Path, ...]) -> tuple[dict[str, Page], list[str]]:
    """All runbooks by name, and what is wrong with those that cannot be read."""
    pages: dict[str, Page] = {}
    broken: list[str] = []
    for path in _paths(places):
        try:
            page = read(path)
        except (ToolError, OSError, UnicodeDecodeError) as failure:
            broken.append(f"{path.name}: {clip(str(failure), 200)}")
        else:
            pages.setdefault(page.name, page)
    return pages, broken


def found(places: tuple[Path, ...]) -> dict[str, tuple[Page, Path]]:
    """The readable runbooks by name, each with its file."""
    pages: dict[str, tuple[Page, Path]] = {}
    for path in _paths(places):
        with suppress(ToolError, OSError, UnicodeDecodeError):
            page = read(path)
            pages.setdefault(page.name, (page, path))
    return pages


def _paths(places: tuple[Path, ...]) -> Iterator[Path]:
    for place in places:
        found = sorted(place.glob("*.md"))[:MAX_FILES] if place.is_dir() else [place]
        yield from (path for path in found if path.is_file() and path.name != "README.md")


def read(path: Path) -> Page:
    """One runbook.

    Raises:
        ToolError: it has no front matter, or one that cannot be read.
    """
    if path.stat().st_size > MAX_BYTES:
        raise SettingsError(f"larger than {MAX_BYTES} bytes.")
    match = FRONT.match(path.read_text(encoding="utf-8"))
    front = parse_yaml(match[1], path.name) if match else None
    if match is None or not isinstance(front, dict) or not isinstance(front.get("name"), str):
        raise SettingsError("no front matter with a name.")
    title, sections = _sections(match[2])
    return Page(front["name"], title or front["name"], sections, front)


def _sections(body: str) -> tuple[str, dict[str, str]]:
    title = ""
    sections: dict[str, str] = {}
    headings = list(HEADING.finditer(body))
    for index, heading in enumerate(headings):
        end = headings[index + 1].start() if index + 1 < len(headings) else len(body)
        if heading[1] == "#":
            title = title or heading[2]
        else:
            sections[heading[2]] = clip(body[heading.end() : end].strip(), MAX_SECTION)
    return title, sections


def view(page: Page, phase: str) -> RunbookOutput:
    """The part of a page for one phase."""
    investigating = phase == "investigate"
    sections = {
        name: text
        for name, text in page.sections.items()
        if (name not in REMEDIATE_SECTIONS) == investigating
    }
    return RunbookOutput(
        runbook=page.name,
        phase=phase,
        title=page.title,
        sections=sections,
        steps=_steps(page) if investigating else [],
        proposals=[] if investigating else _proposals(page),
    )


def _steps(page: Page) -> list[Step]:
    found = page.front.get("investigate")
    return [
        Step(
            id=str(item["id"]), tool=str(item["tool"]), arguments=dict(item.get("arguments") or {})
        )
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, dict) and {"id", "tool"} <= item.keys()
    ]


def _proposals(page: Page) -> list[dict[str, Any]]:
    found = page.front.get("findings")
    return [
        {
            "finding": str(item.get("id", "")),
            "root_cause": str(item.get("root_cause", "")),
            "effects": item["propose"],
        }
        for item in (found if isinstance(found, list) else [])
        if isinstance(item, dict) and isinstance(item.get("propose"), list)
    ]
