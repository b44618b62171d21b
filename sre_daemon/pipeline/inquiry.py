"""An investigation that a person asks for in words: read-only, and on record like any other.

It is kept as an incident that is closed from the beginning: nobody is paged for it, no policy is
asked about it, and nothing can be changed because of it. What is asked further continues its run.
"""

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from sre_daemon.agent.base import Investigator, OnStep, Report, Request, Step
from sre_daemon.agent.bounds import Bounds
from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Severity
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification
from sre_daemon.domain.run import Run
from sre_daemon.intake.receiver import make_id
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline import evidence, wire
from sre_daemon.pipeline.investigate import Looks
from sre_daemon.pipeline.recorder import Recorder
from sre_daemon.store.base import Horizon, Known, Store, Writes
from sre_daemon.text import line

MAX_QUESTION = 4000
TITLE = 120


@dataclass(frozen=True, slots=True)
class _Opened:
    """A correlation without alerts: one incident, as it is."""

    incident: Incident
    horizon: Horizon = field(default_factory=Horizon)

    def keys(self, notifications: Sequence[Notification]) -> Collection[str]:
        """See Correlation."""
        return [str(item.group_key) for item in notifications]

    def decide(self, notifications: Sequence[Notification], known: Known) -> Writes:
        """See Correlation."""
        return Writes(opened=[self.incident])


class Inquiry:
    """Over the investigator of the daemon."""

    def __init__(
        self,
        store: Store,
        investigator: Investigator,
        surroundings: Looks,
        bounds: Bounds,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._investigator = investigator
        self._surroundings = surroundings
        self._bounds = bounds
        self._clock = clock
        self._recorder = Recorder(store, clock, metrics, "investigate")

    async def begin(self, question: str, who: str) -> Incident:
        """Put the question on record; raises StoreUnavailable."""
        now = self._clock.now()
        name = make_id(now)
        asked = question[:MAX_QUESTION]
        incident = Incident(
            id=name,
            key=f"question:{name}",
            title=line(f"Question: {asked}", TITLE),
            state=State.CLOSED,
            severity=Severity.NONE,
            labels={},
            created_at=now,
            updated_at=now,
            data={"question": asked, "asked_by": who},
        )
        await self._store.accept([], _Opened(incident))
        await self._note(incident, f"{who} asks: {asked}", {"asked": asked, "who": who})
        return incident

    async def answer(self, incident: Incident, on_step: OnStep) -> str:
        """Investigate what was asked; the answer as Markdown.

        Raises:
            AgentError: nobody came to an answer; why is in it.
            StoreUnavailable: it could not be recorded.
        """
        run = Run(
            id=f"{incident.id}-r{secrets.token_hex(3)}",
            incident_id=incident.id,
            engine=self._investigator.engine,
            model=self._investigator.model,
            started_at=self._clock.now(),
        )

        async def ask(record: OnStep) -> Report:
            async def both(step: Step) -> None:
                await record(step)
                await on_step(step)

            look = await self._surroundings.look(incident, [])
            for step in look.calls:
                await both(step)
            question = str(incident.data.get("question", ""))
            request = Request(
                run.id, incident.id, (), self._bounds, facts=look.facts, question=question
            )
            return await self._investigator.investigate(request, both)

        report = await self._recorder.record(run, ask)
        calls = await self._store.calls(run.id)
        diagnosis = evidence.check(
            report.diagnosis,
            {call.call: call for call in calls if not call.is_error},
            recompute=report.engine != "runbook",
        )
        text = "\n".join(_words(diagnosis))
        await self._note(incident, text, {"answered": text, "run": run.id})
        stored = wire.diagnosis_to_json(diagnosis)
        fresh = await self._store.incident(incident.id) or incident
        await self._store.transition(fresh.noting(diagnosis=stored, run=run.id), [])
        return text

    async def _note(self, incident: Incident, text: str, data: dict[str, object]) -> None:
        event = TimelineEvent(incident.id, self._clock.now(), Kind.NOTE, text, data)
        await self._store.note([event])


def _words(found: Diagnosis) -> Iterator[str]:
    """For people, as Markdown; what the record does not bear out is said to be so."""
    if found.conclusive:
        yield f"**{found.root_cause}** (confidence {found.confidence:.0%})"
    else:
        yield found.root_cause or "I found no cause."
    if found.evidence:
        yield "\n**Evidence**"
    for item in found.evidence:
        doubt = "" if item.supported else f" (not borne out: {item.problem})"
        yield f"- {item.claim}{doubt}"
    for title, items in (
        ("Not shown by evidence", found.unshown),
        ("Ruled out", found.ruled_out),
        ("What is missing", found.missing),
    ):
        if items:
            yield f"\n**{title}**"
        yield from (f"- {item}" for item in items)
    if found.proposed:
        yield "\n**It would propose** (nothing is changed because of a question)"
        yield from (f"- {effect.describe()}" for effect in found.proposed)
