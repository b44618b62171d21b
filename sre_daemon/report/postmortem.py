"""The post-mortem: Markdown from facts in the store, not from anybody's memory.

The file name is made of the incident's id, so writing again after a crash gives the same file; a
file that is already there is never touched again, because a person may have edited it.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import RemediationState
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.run import Run
from sre_daemon.store.base import Store

SHOWN = frozenset(Kind) - {Kind.STEP, Kind.NOTE, Kind.NOTIFICATION}


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the template may use."""

    incident: Incident
    alerts: Sequence[StoredAlert]
    events: Sequence[TimelineEvent]
    effects: Sequence[EffectRecord]
    runs: Sequence[Run]


class Postmortem:
    """Writes into one folder."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder

    async def write(self, incident: Incident) -> str:
        """Write the post-mortem of an incident that is over; the path."""
        facts = Facts(
            incident,
            await self._store.alerts(incident.id),
            [e for e in await self._store.timeline(incident.id) if e.kind in SHOWN],
            await self._store.effects(incident.id),
            await self._store.runs(incident.id),
        )
        path = self._folder / f"{incident.created_at:%Y%m%d-%H%M%S}-{incident.id}.md"
        await asyncio.to_thread(_write_once, path, render(facts))
        return str(path)


def render(facts: Facts) -> str:
    """The Markdown."""
    data: Mapping[str, object] = facts.incident.data
    template = _environment().get_template("postmortem.md")
    return template.render(
        incident=facts.incident,
        alerts=facts.alerts,
        events=facts.events,
        effects=facts.effects,
        runs=facts.runs,
        diagnosis=data.get("diagnosis") or {"conclusive": False, "missing": []},
        before=data.get("before") or {},
        after=data.get("after") or {},
        ending=ending(data),
        proven=data.get("resolution") == "proven",
        cost=sum(run.usage.cost_usd for run in facts.runs),
    )


def ending(data: Mapping[str, object]) -> str:
    """How an incident that is over ended, in words."""
    if data.get("resolution") == "proven":
        return "repaired by the daemon and proven"
    if data.get("remediation") == RemediationState.ROLLED_BACK:
        return "a repair was tried, could not be proven and was taken back; the alert stopped later"
    return "the alert stopped; no repair was proven"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sre_daemon.report"),
        # The output is Markdown; `line` below does the escaping that Markdown needs.
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["line"] = line
    environment.filters["code"] = code
    return environment


def line(value: object, limit: int = 500) -> str:
    """Foreign text on one line of Markdown: no markup, no links, no invisible characters."""
    visible = _visible(value, limit)
    for char in "\\`*_[]<>|#!":
        visible = visible.replace(char, f"\\{char}")
    return visible


def code(value: object, limit: int = 300) -> str:
    """Foreign text as code on one line; a bar would end the cell of a table."""
    return f"`{_visible(value, limit).replace('`', chr(39)).replace('|', '/')}`"


def _visible(value: object, limit: int) -> str:
    text = " ".join(str(value).split())[:limit]
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _write_once(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A hard link fails when the name is taken: complete or not at all, never overwritten.
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
