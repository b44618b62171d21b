"""Effects on what people look at, as the executor needs them: the call of each, and its measure."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sre_daemon.domain.effect import Outward
from sre_daemon.domain.outward import (
    ConfluenceCreate,
    PagerDutyCreate,
    PagerDutyUpdate,
    SilenceCreate,
)
from sre_daemon.domain.remediation import EffectState
from sre_daemon.errors import ToolError
from sre_daemon.executor.base import Hands, Result

Call = tuple[str, dict[str, object]]
Measured = tuple[EffectState, dict[str, object]]
# PagerDuty's clock may be a little behind ours.
SKEW = timedelta(minutes=1)
# The tool shows no more of a note; what is hidden or made visible in it only costs another look.
COMPARED = 200
MISSING = "has no page"
OPEN = ("triggered", "acknowledged")


def call(effect: Outward) -> Call:
    """The tool call that produces this effect.

    Raises:
        ToolError: the sections of a page are no JSON object.
    """
    if isinstance(effect, PagerDutyCreate):
        return "pagerduty_create_incident", {
            "title": effect.title,
            "description": effect.description,
            "urgency": effect.urgency,
            "service_id": effect.service,
            "dedup_key": effect.dedup_key,
        }
    if isinstance(effect, PagerDutyUpdate):
        note = {"resolution_note": effect.note} if effect.note else {}
        return "pagerduty_update_incident", {
            "incident_id": effect.incident,
            "status": effect.status,
            **note,
        }
    if isinstance(effect, SilenceCreate):
        return "create_silence", {
            "labels": dict(effect.labels),
            "minutes": int(effect.minutes) if effect.minutes.isdecimal() else effect.minutes,
            "comment": effect.comment,
        }
    return "confluence_create_postmortem", {"title": effect.title, **_sections(effect)}


def _sections(effect: ConfluenceCreate) -> dict[str, object]:
    try:
        sections = json.loads(effect.body)
    except (ValueError, RecursionError):
        sections = None
    if not isinstance(sections, dict):
        raise ToolError(
            f"{effect.describe()}: the sections are no JSON object", "look at the diagnosis"
        )
    return sections


async def measure(hands: Hands, effect: Outward, intended_at: datetime | None) -> Measured:
    """Whether it happened. Raises ToolError when the tool server is gone."""
    if isinstance(effect, PagerDutyCreate):
        return await _created(hands, effect, intended_at)
    if isinstance(effect, PagerDutyUpdate):
        return await _updated(hands, effect)
    if isinstance(effect, SilenceCreate):
        return await _silenced(hands, effect)
    return await _published(hands, effect)


async def _created(hands: Hands, effect: PagerDutyCreate, intended_at: datetime | None) -> Measured:
    query = {"service_id": effect.service, "dedup_key": effect.dedup_key}
    result = await hands.call("pagerduty_list_incidents", query)
    if result.is_error:
        return _unseen(result)
    for incident in _entries(result, "incidents"):
        if incident.get("status") in OPEN or _since(incident, intended_at):
            said = f"{incident.get('id')} is {incident.get('status')}"
            return EffectState.APPLIED, {"measured": said}
    return EffectState.NOT_APPLIED, {"measured": f"no incident under {effect.dedup_key}"}


def _since(incident: Mapping[str, object], intended_at: datetime | None) -> bool:
    try:
        created = datetime.fromisoformat(str(incident.get("created_at")))
    except ValueError:
        return False
    return intended_at is not None and created + SKEW >= intended_at


async def _updated(hands: Hands, effect: PagerDutyUpdate) -> Measured:
    result = await hands.call("pagerduty_get_incident", {"incident_id": effect.incident})
    if result.is_error:
        return _unseen(result)
    incident = (result.data or {}).get("incident")
    status = incident.get("status") if isinstance(incident, Mapping) else None
    noted = not effect.note or any(
        str(note.get("text")).startswith(effect.note[:COMPARED])
        for note in _entries(result, "notes")
    )
    detail: dict[str, object] = {
        "measured": f"it is {status}, {'with' if noted else 'without'} the note"
    }
    if status == effect.status and noted:
        return EffectState.APPLIED, detail
    if status == "resolved" and effect.status != "resolved":
        return EffectState.FAILED, detail
    return EffectState.NOT_APPLIED, detail


async def _published(hands: Hands, effect: ConfluenceCreate) -> Measured:
    result = await hands.call("confluence_get_page", {"title": effect.title})
    if result.is_error and MISSING in result.text:
        return EffectState.NOT_APPLIED, {"measured": "there is no such page"}
    if result.is_error:
        return _unseen(result)
    if (result.data or {}).get("key") == effect.key:
        return EffectState.APPLIED, {"measured": "the page is there"}
    return EffectState.FAILED, {"measured": "another page has this title"}


async def _silenced(hands: Hands, effect: SilenceCreate) -> Measured:
    result = await hands.call("get_alerts", {})
    if result.is_error:
        return _unseen(result)
    if any(f"({effect.key})" in str(item.get("comment")) for item in _entries(result, "silences")):
        return EffectState.APPLIED, {"measured": "the silence is there"}
    # One whose alert is gone is not listed; the tool looks for it before it makes another.
    return EffectState.NOT_APPLIED, {"measured": "no such silence on an alert"}


def _unseen(result: Result) -> Measured:
    return EffectState.INTENDED, {"measured": f"could not be measured: {result.text[:200]}"}


def _entries(result: Result, name: str) -> Sequence[Mapping[str, object]]:
    found = (result.data or {}).get(name)
    items = found if isinstance(found, Sequence) else ()
    return [item for item in items if isinstance(item, Mapping)]
