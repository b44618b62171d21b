"""The post-mortem: Markdown from facts in the store, not from anybody's memory.

The file name is made of the incident's id, so writing again after a crash gives the same file; a
file that is already there is never touched again, because a person may have edited it.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined

from sre_daemon.domain import redaction
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import RemediationState
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.run import Run
from sre_daemon.domain.series import Series
from sre_daemon.report.charts import Chart, charts, number, standalone
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
    charts: Sequence[Chart] = ()


class Charted(Protocol):
    """The samples that charts are drawn from."""

    async def of(self, incident_id: str) -> list[Series]:
        """Raises StoreUnavailable."""
        ...


class Postmortem:
    """Writes into one folder: the page, and its pictures beside it."""

    def __init__(self, store: Store, samples: Charted, folder: Path) -> None:
        self._store = store
        self._samples = samples
        self._folder = folder

    async def write(self, incident: Incident) -> str:
        """Write the post-mortem of an incident that is over; the path."""
        events = await _timeline(self._store, incident.id)
        effects = await self._store.effects(incident.id)
        facts = Facts(
            incident,
            await self._store.alerts(incident.id),
            [e for e in events if e.kind in SHOWN],
            effects,
            await self._store.runs(incident.id),
            charts(await self._samples.of(incident.id), incident, events, effects),
        )
        name = f"{incident.created_at:%Y%m%d-%H%M%S}-{incident.id}"
        pictures = [f"{name}-{position}.svg" for position, _ in enumerate(facts.charts, start=1)]
        # The page last: whoever finds it finds what it shows.
        for file, chart in zip(pictures, facts.charts, strict=True):
            text = standalone(chart.picture)
            await asyncio.to_thread(_write_once, self._folder / file, text)
        path = self._folder / f"{name}.md"
        await asyncio.to_thread(_write_once, path, render(facts, pictures))
        return str(path)


async def _timeline(store: Store, incident_id: str) -> list[TimelineEvent]:
    """All of it: an investigation alone can have more facts than one page."""
    events: list[TimelineEvent] = []
    while page := await store.timeline(incident_id, events[-1].seq if events else 0):
        events += page
    return events


def render(facts: Facts, pictures: Sequence[str] = ()) -> str:
    """The Markdown; `pictures` are the files of the charts."""
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
        charts=facts.charts,
        pictures=list(zip(facts.charts, pictures, strict=False)),
        services=sorted({s for item in facts.alerts if (s := item.alert.labels.get("service"))}),
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
    environment.filters["number"] = number
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
    # Hidden before it is cut: half a secret is one, too.
    text = " ".join(redaction.hide(str(value)).split())[:limit]
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
