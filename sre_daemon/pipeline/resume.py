"""When the model failed: the incident is a person's at once, and the investigation goes on by itself later.

A resumed investigation knows what the interrupted one read. It brings its result to the person who
has the incident, and acts no more by itself.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.run import RunOutcome
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import AgentError, FaultKind, StoreConflict
from sre_daemon.pipeline.stage import Escalate, Next, move
from sre_daemon.store.base import Store

log = structlog.get_logger(__name__)

# These pass without anybody changing the incident or its question.
PASSING = frozenset(FaultKind) - {
    FaultKind.LIMIT,
    FaultKind.CONTEXT,
    FaultKind.TOO_LARGE,
    FaultKind.REFUSAL,
    FaultKind.INVALID,
}
MOST_TIMES = 3
AT_ONCE = 20
PREVIEW = 800
LAST_CALLS = 15
BROKEN = frozenset({RunOutcome.INTERRUPTED, RunOutcome.ERROR, RunOutcome.TIMEOUT, RunOutcome.LIMIT})
# What remains in the incident when an investigation has ended.
DONE: Mapping[str, object] = {"agent_failed": None, "resumed": None}


def failed(incident: Incident, failure: AgentError, now: datetime) -> Escalate:
    """A person goes on; whether the daemon will try again is noted."""
    before = incident.data.get("resumed")
    times = 1 + (before if isinstance(before, int) else 0)
    again = failure.kind in PASSING and times < MOST_TIMES
    message = f"the investigation could not be carried out: {failure}"
    if again:
        message += "; it goes on when the model answers again"
    mark = {"kind": str(failure.kind), "at": now.isoformat(), "times": times}
    return Escalate(
        Reason.AGENT_FAILED, message, {"agent_failed": mark if again else None, "resumed": None}
    )


def is_resumed(incident: Incident) -> bool:
    """Whether this investigation continues one that the model failed."""
    return "resumed" in incident.data


def told(diagnosis: Diagnosis) -> str:
    """What the person who has the incident hears."""
    proposed = ", ".join(effect.describe() for effect in diagnosis.proposed)
    cause = f"the model is back, and this is the cause: {diagnosis.root_cause}"
    return (
        f"{cause} Proposed: {proposed}; hand it back to let the daemon go on."
        if proposed
        else cause
    )


async def findings(store: Store, incident_id: str) -> dict[str, str]:
    """What the last run read, when it ended without an answer."""
    runs = [run for run in await store.runs(incident_id) if run.outcome is not RunOutcome.RUNNING]
    if not runs or runs[-1].outcome not in BROKEN:
        return {}
    calls = [call for call in await store.calls(runs[-1].id) if not call.is_error]
    if not calls:
        return {}
    lines = [f"{call.tool}({dict(call.arguments)}): {call.output[:PREVIEW]}" for call in calls]
    title = "What an earlier run read before it broke off (read again what you cite)"
    return {title: "\n".join(lines[-LAST_CALLS:])}


class Resume:
    """A job: gives incidents back to the investigation once the model may be asked again."""

    def __init__(self, store: Store, ready: Callable[[], int], clock: Clock) -> None:
        self._store = store
        self._ready = ready
        self._clock = clock

    async def __call__(self) -> None:
        """`ready` says how many runs may ask the model now: none, one to try it, or many."""
        left = self._ready()
        if left <= 0:
            return
        for incident in await self._store.incidents([State.ESCALATED], limit=AT_ONCE * 5):
            if "agent_failed" not in incident.data:
                continue
            await self._give_back(incident)
            left -= 1
            if left == 0:
                return

    async def _give_back(self, incident: Incident) -> None:
        mark = incident.data["agent_failed"]
        times = mark["times"] if isinstance(mark, Mapping) else MOST_TIMES
        outcome = Next(Event.HANDED_BACK, Reason.AGENT_FAILED, "the model may answer again")
        now = self._clock.now()
        moved = incident.moved(outcome.event, now).noting(agent_failed=None, resumed=times)
        try:
            await self._store.transition(moved, [move(incident, moved, outcome)])
        except StoreConflict:
            log.info("incident not given back", incident=incident.id, why="somebody was faster")
