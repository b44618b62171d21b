"""Who investigates: the model as far as money and its health allow, else the engine without one.

Each run is told in steps who is asked and why. What one engine has found out is known to the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import structlog

from sre_daemon.agent import budget
from sre_daemon.agent.base import (
    FollowUp,
    Investigator,
    OnStep,
    Reply,
    Report,
    Request,
    SpentStep,
    Step,
    TextStep,
    ToolStep,
)
from sre_daemon.agent.bounds import Bounds, add
from sre_daemon.agent.breaker import Breaker
from sre_daemon.agent.budget import BudgetRules, Granted, Purse, Rung
from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Severity
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.run import Usage
from sre_daemon.domain.spending import Reservation
from sre_daemon.errors import AgentError, AgentUnavailable, FaultKind
from sre_daemon.tasks import Tasks

log = structlog.get_logger(__name__)

R = TypeVar("R", Report, Reply)


class Warmable(Investigator, Protocol):
    """An investigator that can keep a session ready."""

    def warm(self, tasks: Tasks) -> None:
        """From now on."""
        ...


@dataclass(frozen=True, slots=True)
class Models:
    """The investigators with a model, and how they are used.

    `small` is the cheaper one. `cheap_first`: it is asked first, and the other one when it found
    nothing. `triage` bounds a run that may only look at the facts.
    """

    full: Warmable
    small: Investigator | None = None
    cheap_first: bool = False
    triage: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class Money:
    """What runs may cost and have cost; `team_label` is the label of an alert that names its team."""

    purse: Purse
    rules: BudgetRules
    team_label: str = "team"


class Director:
    """An investigator that chooses among others; `models` is None when there is no model at all."""

    def __init__(
        self,
        runbook: Investigator,
        models: Models | None,
        money: Money,
        breaker: Breaker,
        clock: Clock,
        on_failure: Callable[[AgentError], None] = lambda _: None,
    ) -> None:
        self._runbook = runbook
        self._models = models
        self._money = money
        self.breaker = breaker
        self._clock = clock
        self._on_failure = on_failure

    @property
    def engine(self) -> str:
        """The engine that is asked first."""
        return (self._models.full if self._models else self._runbook).engine

    @property
    def model(self) -> str:
        """The model that is asked first."""
        return (self._models.full if self._models else self._runbook).model

    async def remaining(self) -> Mapping[str, float]:
        """Dollars left, by window."""
        return {
            str(window): left
            for window, left in budget.remaining(
                self._money.rules, await self._money.purse.spent(self._clock.now())
            ).items()
        }

    async def investigate(self, request: Request, on_step: OnStep) -> Report:
        """See Investigator. A model's failure is raised when the runbooks find nothing either."""
        turns = _Turns(on_step)
        if self._models is None:
            return await turns.take(self._runbook.investigate, request)
        if request.deterministic:
            report = await turns.take(self._runbook.investigate, request)
            if report.diagnosis.conclusive:
                return report
            await turns.say("The runbooks find no cause, so the model is asked.")
            return await self._ask(self._models, request, turns)
        try:
            return await self._ask(self._models, request, turns)
        except AgentError as failure:
            self._on_failure(failure)
            log.warning("model gave no diagnosis", kind=failure.kind, reason=str(failure))
            await turns.say(f"No diagnosis by the model: {failure}. The runbooks are asked.")
            return await self._without(request, turns, failure)

    async def _without(self, request: Request, turns: "_Turns", failure: AgentError) -> Report:
        try:
            report = await turns.take(self._runbook.investigate, request)
        except AgentError as second:
            log.warning("runbooks gave no diagnosis", reason=str(second))
            raise failure from second
        if report.diagnosis.conclusive:
            return report
        missing = "; ".join(report.diagnosis.missing)
        await turns.say(f"The runbooks find no cause: {missing}")
        raise failure

    async def follow_up(self, question: FollowUp, on_step: OnStep) -> Reply:
        """See Investigator. Without a model the answer is what is on record."""
        turns = _Turns(on_step)
        if self._models is None:
            return await self._runbook.follow_up(question, on_step)
        reservation = Reservation(question.run_id, self._clock.now(), "", "")
        granted = await self._reserve(reservation, critical=False)
        full = self._models.full
        if granted.rung is Rung.NONE:
            await turns.say(f"The model is not asked: {granted.why}.")
            return await self._runbook.follow_up(question, on_step)
        try:
            return await self._guarded(
                question.run_id, lambda: self._answered(full, question, turns), turns
            )
        except AgentError as failure:
            self._on_failure(failure)
            await turns.say(f"No answer by the model: {failure}.")
            return await self._runbook.follow_up(question, on_step)

    @staticmethod
    async def _answered(model: Investigator, question: FollowUp, turns: "_Turns") -> Reply:
        reply = await model.follow_up(question, turns.listen())
        turns.usage = reply.usage
        return reply

    async def _ask(self, models: Models, request: Request, turns: "_Turns") -> Report:
        granted = await self._reserve(self._reservation(request), _critical(request))
        if granted.why:
            await turns.say(f"{granted.why}: {_WORDS[granted.rung]}.")
        if granted.rung is Rung.NONE:
            raise AgentUnavailable(granted.why, "raise agent.budget", kind=FaultKind.BUDGET)
        return await self._guarded(
            request.run_id, lambda: self._climb(models, request, turns, granted.rung), turns
        )

    async def _climb(self, models: Models, request: Request, turns: "_Turns", rung: Rung) -> Report:
        small = models.small or models.full
        if rung is Rung.TRIAGE:
            bounded = replace(request, bounds=request.bounds.within(models.triage))
            return await turns.take(small.investigate, bounded)
        if rung is Rung.SMALL:
            return await turns.take(small.investigate, request)
        if models.small is None or not models.cheap_first:
            return await turns.take(models.full.investigate, request)
        report = await turns.take(models.small.investigate, request)
        if report.diagnosis.conclusive:
            return report
        await turns.say(f"{models.small.model} finds no cause, so {models.full.model} is asked.")
        facts = {**request.facts, f"What {models.small.model} found": _found(report.diagnosis)}
        return await turns.take(models.full.investigate, replace(request, facts=facts))

    async def _guarded(self, run_id: str, work: Callable[[], Awaitable[R]], turns: "_Turns") -> R:
        """Under the breaker, and with the money settled whatever happens."""
        fault: FaultKind | None = None
        why = ""
        if not self.breaker.enter():
            await self._money.purse.settle(run_id, 0.0)
            raise AgentUnavailable(
                f"the model is left alone for {self.breaker.seconds:.0f} s: {self.breaker.why}",
                "it is tried again by itself",
                kind=FaultKind.BREAKER,
            )
        try:
            answer = await work()
        except AgentError as failure:
            fault, why = failure.kind, failure.reason
            self.breaker.left(fault, why)
            raise
        except BaseException:
            self.breaker.cancelled()
            raise
        else:
            self.breaker.left(None)
            return answer
        finally:
            await asyncio.shield(self._money.purse.settle(run_id, turns.usage.cost_usd))

    async def _reserve(self, reservation: Reservation, critical: bool) -> Granted:
        return await self._money.purse.reserve(
            reservation, lambda spending: budget.grant(self._money.rules, spending, critical)
        )

    def _reservation(self, request: Request) -> Reservation:
        labels = request.alerts[0].labels if request.alerts else {}
        return Reservation(
            request.run_id,
            self._clock.now(),
            labels.get("alertname", ""),
            labels.get(self._money.team_label, ""),
        )


_WORDS: Mapping[Rung, str] = {
    Rung.FULL: "the model is asked",
    Rung.SMALL: "the smaller model is asked",
    Rung.TRIAGE: "the model may only look at the facts",
    Rung.NONE: "the model is not asked",
}


def _critical(request: Request) -> bool:
    return any(alert.severity is Severity.CRITICAL for alert in request.alerts)


def _found(diagnosis: Diagnosis) -> str:
    lines = [f"suspected: {diagnosis.root_cause}"] if diagnosis.root_cause else []
    lines += [f"ruled out: {item}" for item in diagnosis.ruled_out]
    lines += [f"missing: {item}" for item in diagnosis.missing]
    lines += [f"shown by {item.call}: {item.claim}" for item in diagnosis.evidence]
    return "\n".join(lines) or "nothing"


class _Turns:
    """One run of several engines: each starts its own tool server, which counts its calls from c1."""

    def __init__(self, on_step: OnStep) -> None:
        self._on_step = on_step
        self._number = 0
        self._before = Usage()
        self.usage = Usage()

    async def say(self, text: str) -> None:
        """A step of the run."""
        await self._on_step(TextStep(text))

    def listen(self) -> OnStep:
        """What the next engine reports to."""
        self._number += 1
        self._before = self.usage
        suffix = "" if self._number == 1 else f".{self._number}"

        async def heard(step: Step) -> None:
            if isinstance(step, ToolStep):
                step = replace(step, call=step.call + suffix)
            elif isinstance(step, SpentStep):
                self.usage = add(self._before, step.usage)
                step = SpentStep(self.usage)
            await self._on_step(step)

        return heard

    async def take(
        self, ask: Callable[[Request, OnStep], Awaitable[Report]], request: Request
    ) -> Report:
        """The next engine's report, in the names and sums of the whole run."""
        report = await ask(request, self.listen())
        self.usage = add(self._before, report.usage)
        diagnosis = report.diagnosis
        if self._number > 1:
            evidence = tuple(
                replace(item, call=f"{item.call}.{self._number}") for item in diagnosis.evidence
            )
            diagnosis = replace(diagnosis, evidence=evidence)
        return replace(report, diagnosis=diagnosis, usage=self.usage)
