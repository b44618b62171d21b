"""What a person may ask of the running daemon: pause, resume, status, explain, readiness."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from sre_daemon import __version__
from sre_daemon.clock import Clock
from sre_daemon.domain.audit import AuditEntry, AuditKind
from sre_daemon.domain.effect import Effect
from sre_daemon.errors import DaemonError, PolicyFileError, WrongState
from sre_daemon.metrics import Metrics
from sre_daemon.observe import Observer
from sre_daemon.policy.autonomy import levels
from sre_daemon.policy.explain import explain
from sre_daemon.policy.question import Question
from sre_daemon.policy.source import PolicyFile
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.base import WATCHDOG, Store
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.trials import Trials

# As long as any limit looks back.
HISTORY = timedelta(days=2)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Control:
    """Over the parts that know."""

    store: Store
    pauses: Pauses
    trials: Trials
    audit: AuditLog
    policy: PolicyFile
    observer: Observer
    clock: Clock
    metrics: Metrics
    engine: str
    model: str
    halt: Path
    seen: dict[str, str] = field(default_factory=dict)
    """The last look at the dependencies, for pages: a view must not cost one."""

    async def pause(self, reason: str, who: str) -> None:
        """From now on nothing is changed; investigations go on. Survives a restart."""
        await self.pauses.pause(reason, who, self.clock.now())
        self.metrics.paused.set(1)
        log.warning("paused", reason=reason, who=who)

    async def resume(self, reason: str, who: str) -> None:
        """Undo a pause.

        Raises:
            WrongState: the file that pauses is still there.
        """
        if await asyncio.to_thread(self.halt.exists):
            raise WrongState(
                f"{self.halt} is there, and pauses the daemon", "remove it, then resume"
            )
        await self.pauses.resume(reason, who, self.clock.now())
        self.metrics.paused.set(0)
        log.warning("resumed", reason=reason, who=who)

    async def reload(self, who: str) -> Mapping[str, object]:
        """Put the policy file in force, whole or not at all.

        Raises:
            PolicyFileError: it cannot be used; the policy before it stays in force.
        """
        before = self.policy.standing().digest
        try:
            policy = self.policy.read()
        except PolicyFileError as failure:
            self.metrics.policy_reload_success.set(0)
            log.error("policy not reloaded", error=str(failure), who=who, in_force=before)
            data = {"in_force": before, "failure": failure.reason}
            await self._record(who, "the policy file cannot be used", data)
            raise
        digest = policy.digest if policy else ""
        # First the record: a policy that nobody can look up later does not come into force.
        data = {"before": before, "digest": digest}
        await self._record(who, "the policy file comes into force", data)
        self.policy.put(policy)
        self.metrics.policy_reload_success.set(1)
        self.metrics.policy_reloaded.set(self.clock.now().timestamp() if policy else 0)
        self.metrics.policy_in_force(digest)
        log.info("policy reloaded", who=who, digest=digest, before=before)
        return {"digest": digest, "before": before, "changed": digest != before}

    async def _record(self, who: str, summary: str, data: Mapping[str, str]) -> None:
        entry = AuditEntry(self.clock.now(), AuditKind.RELOAD, who, summary, data=data)
        await self.audit.record(entry)

    async def status(self) -> Mapping[str, object]:
        """For the status page and the console's header."""
        totals = await self.store.totals()
        return {
            "version": __version__,
            "mode": self._mode(),
            "policy": asdict(self.policy.standing()),
            "paused": await self.pauses.why(),
            "engine": self.engine,
            "model": self.model,
            "watchdog": await self.store.switch(WATCHDOG),
            "incidents": {str(state): count for state, count in totals.incidents.items()},
            "dependencies": dict(self.seen) or await self.look(),
        }

    def _mode(self) -> str:
        try:
            policy = self.policy.current()
        except PolicyFileError as failure:
            return f"nothing is changed: {failure.reason}"
        return "nothing is changed: no policy file" if policy is None else str(policy.mode)

    async def look(self) -> Mapping[str, str]:
        """Look at the dependencies, and keep what was seen."""
        found = await self.ready()
        self.seen.clear()
        self.seen.update(found)
        return found

    async def ready(self) -> Mapping[str, str]:
        """`ok` or what is wrong, for each dependency."""
        try:
            await self.store.ping()
            store = "ok"
        except DaemonError as failure:
            store = failure.reason
        return {"store": store, **await self.observer.ready()}

    async def explain(
        self, labels: Mapping[str, str], effects: Sequence[Effect] = (), at: datetime | None = None
    ) -> Mapping[str, object]:
        """What the policy in force says about an alert with these labels.

        Without `at` it is asked about this moment, with what was done lately. What policies had
        earned by then counts in either case.
        """
        now = self.clock.now()
        policy = self.policy.current()
        names = [rule.name for rule in policy.policies] if policy else []
        trials = [item for item in await self.trials.of(names) if item.at <= (at or now)]
        earned = levels(policy, trials)
        question = Question(alerts=(labels,), effects=effects, at=at or now, earned=earned)
        if at is None:
            question = replace(
                question,
                acted=await self.store.acted(now - HISTORY),
                opened=await self.store.opened(now - HISTORY),
                paused=await self.pauses.why() is not None,
            )
        return explain(policy, question)

    async def refresh(self) -> None:
        """Bring the gauges that mirror the store up to date."""
        totals = await self.store.totals()
        for state, count in totals.incidents.items():
            self.metrics.incidents.labels(state).set(count)
            since = totals.oldest.get(state)
            self.metrics.oldest.labels(state).set(since.timestamp() if since else 0)
        for severity, waiting in totals.queue.items():
            self.metrics.queue_depth.labels(severity).set(waiting)
        self.metrics.accepted.set(totals.accepted)
        self.metrics.settled.set(totals.settled)
        self.metrics.policy_differs.set(self.policy.standing().differs)
        self.metrics.paused.set(await self.pauses.why() is not None)
        seen = await self.store.switch(WATCHDOG)
        self.metrics.watchdog.set(datetime.fromisoformat(seen).timestamp() if seen else 0)
