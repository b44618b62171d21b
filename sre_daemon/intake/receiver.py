"""Intake: many requests, one commit. `accept` returns when the notification is durable.

Requests that arrive while a commit is under way are written by the next one, so that durability
costs one flush for all of them. A batch that fails is tried again one by one: a notification that
cannot be stored fails alone.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from sre_daemon.domain.alert import Alert
from sre_daemon.domain.notification import Notification
from sre_daemon.errors import StoreError, StoreUnavailable, TargetUnavailable
from sre_daemon.intake.correlate import Correlator
from sre_daemon.intake.rules import Rules
from sre_daemon.metrics import Metrics
from sre_daemon.store.base import Known, Store, Writes
from sre_daemon.tasks import Tasks

log = structlog.get_logger(__name__)

MAX_BATCH = 200
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
IsFiring = Callable[[Sequence[Alert]], Awaitable[Sequence[Alert]]]


def make_id(at: datetime) -> str:
    """An incident's id: sorts by time, short enough to type, not guessable from a neighbour."""
    value = (int(at.timestamp() * 1000) << 20) | secrets.randbits(20)
    digits = ""
    while value:
        value, digit = divmod(value, 32)
        digits = ALPHABET[digit] + digits
    return digits.rjust(13, "0")


class Intake:
    """Between the receiver and the store. `on_doubt`: something was said that is not the whole truth."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        is_firing: IsFiring,
        max_pending: int,
        metrics: Metrics,
        on_stored: Callable[[], None],
        on_doubt: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._correlator = Correlator(rules, make_id)
        self._is_firing = is_firing
        self._queue: asyncio.Queue[tuple[Notification, asyncio.Future[None]]] = asyncio.Queue(
            max_pending
        )
        self._metrics = metrics
        self._on_stored = on_stored
        self._on_doubt = on_doubt
        self._tasks = Tasks()
        self._open = False

    async def start(self) -> None:
        """Take notifications."""
        self._open = True
        self._tasks.spawn("intake", self._commit_loop())

    async def stop(self) -> None:
        """Refuse new ones, store what waits, stop."""
        self._open = False
        await self._queue.join()
        await self._tasks.stop()

    async def accept(self, notification: Notification) -> None:
        """Return when it is stored.

        Raises:
            StoreUnavailable: it is not stored: too many wait, the store fails, or we are stopping.
        """
        if not self._open:
            raise StoreUnavailable("the daemon is stopping", "send it again")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait((notification, done))
        except asyncio.QueueFull:
            raise StoreUnavailable(
                f"{self._queue.maxsize} notifications wait to be stored", "send it again"
            ) from None
        await done

    async def correct(self, notification: Notification) -> Mapping[str, int]:
        """Store what a comparison with Alertmanager found; alerts counted by action.

        Raises:
            StoreUnavailable: it is not stored.
        """
        actions = await self._write([notification])
        self._on_stored()
        return actions

    async def _commit_loop(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            try:
                await self._commit(batch)
            finally:
                for _ in batch:
                    self._queue.task_done()

    async def _commit(self, batch: list[tuple[Notification, asyncio.Future[None]]]) -> None:
        try:
            await self._write([item for item, _ in batch])
        except StoreUnavailable as failure:
            _answer(batch, failure)
        except Exception as failure:
            if len(batch) > 1:
                for one in batch:
                    await self._commit([one])
            else:
                log.exception("notification quarantined", error=str(failure))
                await self._quarantine(batch)
        else:
            _answer(batch, None)
            self._on_stored()

    async def _quarantine(self, batch: list[tuple[Notification, asyncio.Future[None]]]) -> None:
        """Keep the bytes of what correlation cannot digest: an error of ours, not of the sender's."""
        kept = [item for item, _ in batch]
        try:
            await self._store.accept(kept, _Nothing())
        except StoreUnavailable as failure:
            _answer(batch, failure)
            return
        self._metrics.alerts.labels("rejected").inc(sum(len(item.alerts) for item in kept))
        _answer(batch, None)

    async def _write(self, notifications: Sequence[Notification]) -> Mapping[str, int]:
        if any(item.truncated for item in notifications):
            # What was left out can only be found by looking.
            self._on_doubt()
        actions = await self._store.accept(notifications, self._correlator)
        for action, count in actions.items():
            self._metrics.alerts.labels(action).inc(count)
        if actions.get("suspect"):
            self._tasks.spawn("suspects", self._look_at(notifications))
        return actions

    async def _look_at(self, suspects: Sequence[Notification]) -> None:
        """A firing that may be a late copy: Prometheus knows. When it cannot say, it counts as real."""
        alerts = [alert for item in suspects for alert in item.alerts if alert.firing]
        try:
            firing = await self._is_firing(alerts)
        except TargetUnavailable as failure:
            log.warning("cannot tell late copies from new alerts", error=failure.reason)
            firing = alerts
        confirmed = frozenset(alert.identity for alert in firing)
        again = [
            # The bytes are stored already.
            replace(item, body=b"", rejected=(), alerts=tuple(kept), verified=True)
            for item in suspects
            if (kept := [a for a in item.alerts if a.firing and a.identity in confirmed])
        ]
        if not again:
            return
        try:
            await self._write(again)
            self._on_stored()
        except StoreError as failure:
            # Alertmanager repeats what fires; nothing was acknowledged that is not stored.
            log.error("re-fired alerts not opened", error=failure.reason)


class _Nothing:
    """Keeps the bytes and changes nothing."""

    def keys(self, _: Sequence[Notification]) -> Collection[str]:
        """See Correlation."""
        return ()

    def decide(self, _: Sequence[Notification], __: Known) -> Writes:
        """See Correlation."""
        return Writes()


def _answer(
    batch: list[tuple[Notification, asyncio.Future[None]]], failure: StoreUnavailable | None
) -> None:
    for _, done in batch:
        if done.done():  # the client went away
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(StoreUnavailable(failure.reason, failure.hint))
