"""What policies earned and lost: each proof, shadow and relapse is a trial, and the record decides.

The level is computed from the trials whenever it is asked for; nothing but the trials is stored, so
that no replica and no crash can have another opinion.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.audit import AuditEntry, AuditKind
from sre_daemon.domain.autonomy import LADDER, Autonomy
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.trial import BAD, Trial, TrialOutcome
from sre_daemon.errors import PolicyFileError, WrongState
from sre_daemon.metrics import Metrics
from sre_daemon.policy.autonomy import earned, levels, rule_digest
from sre_daemon.policy.file import Policy
from sre_daemon.policy.model import Rule
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.trials import Trials

log = structlog.get_logger(__name__)


class PolicySource(Protocol):
    """The policy as it is on disk now."""

    def current(self) -> Policy | None:
        """Raises PolicyFileError."""
        ...


class Record:
    """Over the trials. `pause_after` failures within `window` pause the daemon; 0 never does."""

    def __init__(
        self,
        trials: Trials,
        pauses: Pauses,
        policy: PolicySource,
        brake: tuple[int, timedelta],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._trials = trials
        self._pauses = pauses
        self._policy = policy
        self._pause_after, self._window = brake
        self._clock = clock
        self._metrics = metrics

    async def earned(self, policy: Policy | None) -> Mapping[str, Autonomy]:
        """The level of each policy by its record."""
        rules = policy.policies if policy else ()
        trials = await self._trials.of([rule.name for rule in rules])
        found = levels(policy, trials)
        for name, level in found.items():
            self._metrics.autonomy.labels(name).set(LADDER.index(level))
        return found

    async def note(self, incident: Incident, name: str, outcome: TrialOutcome) -> None:
        """Add a trial of the policy `name`, and what follows from it."""
        self._metrics.trials.labels(outcome).inc()
        rule = self._rule(name)
        now = self._clock.now()
        if rule is not None:
            before = await self._trials.of([name])
            was = earned(rule, before)
            trial = Trial(name, incident.id, incident.attempt, was, outcome, now, rule_digest(rule))
            then = earned(rule, [*before, trial])
            text = _sentence(trial, then)
            data = {"policy": name, "outcome": outcome, "level": then, "before": was}
            event = TimelineEvent(incident.id, now, Kind.AUTONOMY, text, data)
            if await self._trials.add(trial, [event]) and then is not was:
                direction = "promoted" if then.rank > was.rank else "demoted"
                self._metrics.autonomy_changes.labels(direction).inc()
                log.warning("autonomy changed", policy=name, level=then, before=was)
        if outcome in BAD:
            await self._brake()

    async def restore(self, name: str, reason: str, who: str) -> Mapping[str, str]:
        """Give a demoted policy the level of its file back; the levels before and after.

        Raises:
            WrongState: there is no such policy, or it was not demoted.
        """
        rule = self._rule(name)
        if rule is None:
            raise WrongState(
                f"no policy in force is named {name[:80]!r}", "its name stands in the policy file"
            )
        was, filed = earned(rule, await self._trials.of([name])), Autonomy(rule.autonomy)
        if was.rank >= filed.rank:
            raise WrongState(f"{name} was not demoted: it is {was}", "there is nothing to restore")
        now = self._clock.now()
        trial = Trial(name, "", 0, was, TrialOutcome.GRANTED, now, rule_digest(rule))
        data = {"policy": name, "before": was, "level": filed, "reason": reason}
        summary = f"{name}: restored from {was} to {filed}: {reason}"
        await self._trials.restore(
            trial, AuditEntry(now, AuditKind.AUTONOMY, who, summary, data=data)
        )
        self._metrics.trials.labels(TrialOutcome.GRANTED).inc()
        self._metrics.autonomy_changes.labels("restored").inc()
        self._metrics.autonomy.labels(name).set(LADDER.index(filed))
        log.warning("autonomy restored", policy=name, level=filed, before=was, who=who)
        return {"policy": name, "before": str(was), "level": str(filed), "who": who}

    def _rule(self, name: str) -> Rule | None:
        """The rule as it is now; a trial of one that is gone is nobody's."""
        try:
            policy = self._policy.current()
        except PolicyFileError:
            return None
        rules = policy.policies if policy else ()
        return next((rule for rule in rules if rule.name == name), None)

    async def _brake(self) -> None:
        """So many failures at once are not the fault of one policy."""
        now = self._clock.now()
        if not self._pause_after or await self._pauses.why() is not None:
            return
        failed = await self._trials.bad_since(now - self._window)
        if failed >= self._pause_after:
            reason = (
                f"{failed} repairs failed within {self._window.total_seconds():g} s; "
                "look at them, then `sre-daemon resume`"
            )
            await self._pauses.pause(reason, "daemon", now)
            self._metrics.paused.set(1)
            log.error("paused by itself", reason=reason)


def _sentence(trial: Trial, then: Autonomy) -> str:
    said = f"{trial.policy}: {trial.outcome.replace('_', ' ')}"
    if then.rank > trial.level.rank:
        return f"{said}; it is promoted from {trial.level} to {then}"
    if then.rank < trial.level.rank:
        return f"{said}; it is demoted from {trial.level} to {then}"
    return f"{said}; it stays {then}"
