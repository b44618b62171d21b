"""The worker: claims incidents, runs their stages, stores the outcomes. Most severe first, a few at once.

A claim is a lease that is renewed while a stage runs. When it is lost, or somebody else moved the
incident (its alerts stopped, a person stepped in), the stage is cancelled and nothing of it is
written: every save compares the fence.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import WORKING, Event, State
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import DaemonError, InvalidTransition, StoreConflict, StoreUnavailable
from sre_daemon.metrics import Metrics, exemplar
from sre_daemon.pipeline.build import FAILING
from sre_daemon.pipeline.stage import Escalate, Next, Outcome, Retry, Stage, Wait, move
from sre_daemon.settings import WorkerSettings
from sre_daemon.store.base import Store
from sre_daemon.tasks import Tasks, race
from sre_daemon.traces.spans import trace_id

log = structlog.get_logger(__name__)

TRIES = 4
BACKOFF = timedelta(seconds=1)
SAVES = 5
OnMove = Callable[[Incident, Incident, Next], Awaitable[None]]


class Worker:
    """`settings.concurrency` loops over one store."""

    def __init__(
        self,
        store: Store,
        stages: Mapping[State, Stage],
        *,
        owner: str,
        settings: WorkerSettings,
        clock: Clock,
        metrics: Metrics,
        on_move: OnMove,
    ) -> None:
        self._store = store
        self._stages = stages
        self._owner = owner
        self._settings = settings
        self._lease = settings.lease
        self._poll = settings.poll
        self._clock = clock
        self._metrics = metrics
        self._on_move = on_move
        self._wakes: list[asyncio.Event] = []

    def wake(self) -> None:
        """There may be something to claim."""
        for wake in self._wakes:
            wake.set()

    def start(self, tasks: Tasks) -> None:
        """Start the loops."""
        for number in range(self._settings.concurrency):
            wake = asyncio.Event()
            self._wakes.append(wake)
            tasks.spawn(f"worker-{number}", self._loop(f"{self._owner}/{number}", wake))

    async def _loop(self, owner: str, wake: asyncio.Event) -> None:
        while True:
            # Before the look, so that a wake between the look and the wait is not lost.
            wake.clear()
            try:
                incident = await self._store.claim(owner, self._clock.now(), self._lease)
            except StoreUnavailable as failure:
                log.error("cannot claim", error=failure.reason)
                incident = None
            if incident is None:
                await self._idle(wake)
            else:
                await self._work(incident)

    async def _idle(self, wake: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._poll.total_seconds()):
                await wake.wait()
        except TimeoutError:
            pass

    async def _work(self, incident: Incident) -> None:
        """Stage after stage until the incident waits, ends, or is lost."""
        # Every line that is logged on the way can be found by the incident, and beside its trace.
        with structlog.contextvars.bound_contextvars(
            incident=incident.id, trace_id=f"{trace_id(incident.id):032x}"
        ):
            await self._pass(incident)

    async def _pass(self, incident: Incident) -> None:
        fence = incident.fence
        if incident.state is State.TRIGGERED:
            waited = self._clock.now() - incident.created_at
            self._metrics.queue_wait.observe(waited.total_seconds(), exemplar(incident.id))
        try:
            current: Incident | None = incident
            while current is not None and current.state in WORKING:
                outcome = await self._run(current, fence)
                if outcome is None:
                    return
                current = await self._store_outcome(current, fence, outcome)
        except StoreConflict as failure:
            log.info("incident lost", incident=incident.id, why=failure.reason)
        except InvalidTransition:
            # A defect of ours in one stage must not stop the work on all other incidents.
            log.exception("lifecycle violated", incident=incident.id)
            await self._clock.sleep(self._poll.total_seconds())
        except StoreUnavailable as failure:
            # The lease runs out and somebody claims it again.
            log.error("store unavailable", incident=incident.id, error=failure.reason)
            await self._clock.sleep(self._poll.total_seconds())
        finally:
            await self._give_back(incident.id, fence)

    async def _give_back(self, incident_id: str, fence: int) -> None:
        try:
            await asyncio.shield(self._store.release(incident_id, fence))
        except StoreUnavailable as failure:
            log.error("claim not given back", incident=incident_id, error=failure.reason)

    async def _run(self, incident: Incident, fence: int) -> Outcome | None:
        """The stage under a heartbeat; None when the claim was lost meanwhile."""
        return await race(
            self._guarded(self._stages[incident.state], incident),
            self._heartbeat(incident, fence),
        )

    async def _guarded(self, stage: Stage, incident: Incident) -> Outcome:
        try:
            return await stage(incident)
        except (StoreConflict, StoreUnavailable):
            raise
        except InvalidTransition as failure:
            log.exception("lifecycle violated", incident=incident.id)
            return Escalate(Reason.INTERNAL_ERROR, failure.reason)
        except DaemonError as failure:
            return Retry(failure)
        except Exception as failure:
            log.exception("stage failed", incident=incident.id, state=incident.state)
            return Escalate(
                Reason.INTERNAL_ERROR, f"{type(failure).__name__} in a stage; see the log"
            )

    async def _heartbeat(self, incident: Incident, fence: int) -> None:
        """Renews the lease; returns when it is lost or the incident was moved by somebody else."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 5)
            try:
                if not await self._store.renew(incident.id, fence, self._clock.now() + self._lease):
                    return
                now = await self._store.incident(incident.id)
            except StoreUnavailable as failure:
                log.error("lease not renewed", incident=incident.id, error=failure.reason)
                continue
            if now is None or now.state is not incident.state:
                return

    async def _store_outcome(
        self, incident: Incident, fence: int, outcome: Outcome
    ) -> Incident | None:
        """Save; when an alert joined in the meantime, save again on top of that."""
        before = incident
        for _ in range(SAVES):
            try:
                return await self._save(before, fence, outcome)
            except StoreConflict:
                fresh = await self._store.incident(incident.id)
                if fresh is None or fresh.fence != fence or fresh.state is not incident.state:
                    raise
                before = fresh
        raise StoreConflict(f"incident {incident.id} changes faster than it can be saved")

    async def _save(self, incident: Incident, fence: int, outcome: Outcome) -> Incident | None:
        match outcome:
            case Next():
                return await self._move(incident, fence, outcome)
            case Escalate():
                event = FAILING.get(incident.state)
                if event is None:
                    await self._later(incident, fence, outcome.message)
                    return None
                moved = Next(event, outcome.reason, outcome.message, outcome.notes, outcome.events)
                return await self._move(incident, fence, moved)
            case Wait():
                # Only failures in a row count.
                noted = incident.noting(retries=None, **outcome.notes)
                waiting = noted.waiting(outcome.until)
                await self._store.save(waiting, fence, outcome.events)
                return None
            case Retry():
                return await self._retry(incident, fence, outcome)

    async def _retry(self, incident: Incident, fence: int, outcome: Retry) -> Incident | None:
        tried = incident.data.get("retries")
        count = (tried if isinstance(tried, int) else 0) + 1
        event = FAILING.get(incident.state)
        if event is not None and (count >= TRIES or not outcome.error.retryable):
            failed = Next(event, Reason.INTERNAL_ERROR, str(outcome.error))
            return await self._move(incident, fence, failed)
        await self._later(incident.noting(retries=count), fence, str(outcome.error), count)
        return None

    async def _later(
        self, incident: Incident, fence: int, message: str, count: int = TRIES
    ) -> None:
        now = self._clock.now()
        until = now + BACKOFF * 2 ** min(count, 8)
        event = TimelineEvent(incident.id, now, Kind.NOTE, f"trying again later: {message}")
        await self._store.save(incident.waiting(until), fence, [event])

    async def _move(self, incident: Incident, fence: int, outcome: Next) -> Incident:
        now = self._clock.now()
        moved = incident.moved(outcome.event, now).noting(retries=None, **outcome.notes)
        if outcome.attempt is not None:
            moved = replace(moved, attempt=outcome.attempt)
        if outcome.policy is not None:
            moved = replace(moved, policy=outcome.policy)
        saved = await self._store.save(
            moved, fence, [*outcome.events, move(incident, moved, outcome)], outcome.approval
        )
        await self.moved(incident, saved, outcome)
        return saved

    async def moved(self, before: Incident, after: Incident, outcome: Next) -> None:
        """A move is stored: count it, tell whoever wants to know."""
        moves = self._metrics.transitions.labels(before.state, after.state, outcome.reason)
        moves.inc(exemplar=exemplar(before.id))
        if outcome.event is Event.CONFIRMED:
            took = (after.updated_at - before.created_at).total_seconds()
            self._metrics.time_to_resolve.observe(took, exemplar(before.id))
        await self._on_move(before, after, outcome)
