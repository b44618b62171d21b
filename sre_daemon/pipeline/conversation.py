"""Follow-up questions about an incident: recorded like a run, answered by whoever investigated."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

from sre_daemon.agent.base import FollowUp, Investigator, OnStep, Reply, Step
from sre_daemon.agent.bounds import Bounds
from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.run import Run
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.recorder import Recorder
from sre_daemon.store.base import Store

MAX_QUESTION = 4000
PREVIEW = 1000
LAST_CALLS = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, and the run in which it was found."""

    text: str
    run_id: str


async def _quiet(_: Step) -> None:
    """For whoever only wants the answer."""


class Conversation:
    """One question at a time per incident: each continues what the last one left."""

    def __init__(
        self,
        store: Store,
        investigator: Investigator,
        bounds: Bounds,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._investigator = investigator
        self._bounds = bounds
        self._clock = clock
        self._recorder = Recorder(store, clock, metrics, "follow_up")
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def ask(
        self, incident: Incident, question: str, who: str, on_step: OnStep = _quiet
    ) -> Answer:
        """Answer `question`; steps are told as they happen, and stored as those of any run.

        Raises:
            AgentError: there is no answer; why is in it.
            StoreUnavailable: nothing is known of the incident now.
        """
        turn = self._turns.setdefault(incident.id, asyncio.Lock())
        async with turn:
            return await self._ask(incident, question[:MAX_QUESTION], who, on_step)

    async def _ask(self, incident: Incident, question: str, who: str, on_step: OnStep) -> Answer:
        runs = await self._store.runs(incident.id)
        run = Run(
            id=f"{incident.id}-q{secrets.token_hex(3)}",
            incident_id=incident.id,
            engine=self._investigator.engine,
            model=self._investigator.model,
            started_at=self._clock.now(),
        )
        asked = FollowUp(
            run.id,
            question,
            session=next((item.session for item in reversed(runs) if item.session), ""),
            bounds=self._bounds,
            facts=await self._facts(incident, runs),
        )
        await self._note(incident, f"{who} asks: {question}", {"asked": question, "who": who})

        async def ask(record: OnStep) -> Reply:
            async def both(step: Step) -> None:
                await record(step)
                await on_step(step)

            return await self._investigator.follow_up(asked, both)

        reply = await self._recorder.record(run, ask)
        await self._note(incident, reply.text, {"answered": reply.text, "run": run.id})
        return Answer(reply.text, run.id)

    async def _facts(self, incident: Incident, runs: list[Run]) -> Mapping[str, str]:
        """What is on record, for whoever cannot continue a session."""
        facts = {"Incident": f"{incident.title}, {incident.state} since {incident.updated_at}"}
        diagnosis = wire.diagnosis_from_json(incident.data.get("diagnosis"))
        if diagnosis is not None:
            facts["Diagnosis"] = "\n".join(
                [
                    diagnosis.root_cause or "none",
                    *(f"- {item.claim} ({item.call}: {item.quote})" for item in diagnosis.evidence),
                    *(f"- ruled out: {item}" for item in diagnosis.ruled_out),
                    *(f"- missing: {item}" for item in diagnosis.missing),
                ]
            )
        if runs:
            calls = await self._store.calls(runs[-1].id)
            facts["What the last run read"] = "\n".join(
                f"{call.tool}({dict(call.arguments)}): {call.output[:PREVIEW]}"
                for call in calls[-LAST_CALLS:]
            )
        return {title: text for title, text in facts.items() if text}

    async def _note(self, incident: Incident, text: str, data: Mapping[str, object]) -> None:
        event = TimelineEvent(incident.id, self._clock.now(), Kind.NOTE, text, data)
        await self._store.note([event])
