"""Intake: many requests, one commit. `accept` returns when the notification is durable.

Requests that arrive while a commit is under way are written by the next one, so that durability
costs one flush for all of them. A batch that fails is tried again one by one: a notification that
cannot be stored fails alone.
"""

import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from sre_daemon.domain.alert import Alert
from sre_daemon.domain.notification import Certainty, Notification, Unreadable
from sre_daemon.errors import StoreError, StoreUnavailable
from sre_daemon.intake.backlog import Backlog, Entry
from sre_daemon.intake.correlate import Correlator
from sre_daemon.intake.rules import Rules
from sre_daemon.metrics import ALERT_ACTIONS, Metrics
from sre_daemon.store.base import Horizon, Known, Store, Suspect, Writes
from sre_daemon.tasks import Tasks

log = structlog.get_logger(__name__)

# Alertmanager waits at least 10 s for an answer; a commit takes milliseconds.
PATIENCE = 2.0
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# By identity; None when nobody can tell.
StillFiring = Callable[[Sequence[Alert]], Awaitable[Mapping[str, bool | None]]]


def make_id(at: datetime) -> str:
    """An incident's id: sorts by time, short enough to type, not guessable from a neighbour."""
    value = (int(at.timestamp() * 1000) << 20) | secrets.randbits(20)
    digits = ""
    while value:
        value, digit = divmod(value, 32)
        digits = ALPHABET[digit] + digits
    return digits.rjust(13, "0")


async def _nobody(_: str) -> None:
    """Is told of strangers."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Whom intake calls. `stored`: there may be something to work on. `doubt`: what was said is not
    the whole truth, or did not arrive. `refused`: an Alertmanager at this peer has no valid token.
    """

    stored: Callable[[], None]
    doubt: Callable[[], None] = lambda: None
    refused: Callable[[str], Awaitable[None]] = _nobody


class Intake:
    """Between the receiver and the store."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        still_firing: StillFiring,
        max_pending: int,
        metrics: Metrics,
        signals: Signals,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._store = store
        self._correlator = Correlator(rules, make_id)
        self._still_firing = still_firing
        self._backlog = Backlog(max_pending, patience)
        self._actions = {action: metrics.alerts.labels(action) for action in ALERT_ACTIONS}
        self._signals = signals
        self._tasks = Tasks()
        self._open = False

    async def start(self) -> None:
        """Take notifications."""
        self._open = True
        self._tasks.spawn("intake", self._commit_loop())

    async def stop(self) -> None:
        """Refuse new ones, store what waits, stop."""
        self._open = False
        await self._backlog.drained()
        self._backlog.close()
        await self._tasks.stop()

    async def accept(self, notification: Notification) -> None:
        """Return when it is stored.

        Raises:
            StoreUnavailable: it is not stored: too many wait, the store fails, or we are stopping.
        """
        if not self._open:
            raise StoreUnavailable("the daemon is stopping", "send it again")
        await self._backlog.add(notification)

    async def set_aside(self, item: Unreadable) -> None:
        """Keep what cannot be read; somebody has set something up wrongly, or there is a defect.

        Raises:
            StoreUnavailable: it is not kept.
        """
        await self._store.keep_unreadable(item)

    def doubt(self) -> None:
        """Something that was said did not arrive here."""
        self._signals.doubt()

    async def refused(self, peer: str) -> None:
        """An Alertmanager came without a valid token."""
        await self._signals.refused(peer)

    async def correct(self, notification: Notification) -> Mapping[str, int]:
        """Store what a comparison with Alertmanager found; alerts counted by action.

        Raises:
            StoreUnavailable: it is not stored.
        """
        return (await self._write([notification])).actions

    async def _commit_loop(self) -> None:
        while True:
            batch = await self._backlog.take()
            try:
                await self._commit(batch)
            finally:
                self._backlog.written()

    async def _commit(self, batch: list[Entry]) -> None:
        try:
            await self._write([entry.notification for entry in batch])
        except StoreUnavailable as failure:
            _answer(batch, failure)
        except Exception as failure:
            if len(batch) > 1:
                for one in batch:
                    await self._commit([one])
            else:
                log.exception("notification quarantined", error=str(failure))
                await self._quarantine(batch[0])
        else:
            _answer(batch, None)

    async def _quarantine(self, entry: Entry) -> None:
        """Keep the bytes of what correlation cannot digest: an error of ours, not of the sender's."""
        try:
            await self._store.accept([entry.notification], _Nothing())
        except StoreUnavailable as failure:
            entry.say(failure)
            return
        self._actions["rejected"].inc(len(entry.notification.alerts))
        entry.say(None)

    async def _write(self, notifications: Sequence[Notification]) -> Writes:
        if any(item.truncated for item in notifications):
            # What was left out can only be found by looking.
            self._signals.doubt()
        writes = await self._store.accept(notifications, self._correlator)
        for action, count in writes.actions.items():
            self._actions[action].inc(count)
        if writes.suspects:
            self._tasks.spawn("suspects", self._look_at(writes.suspects))
        if writes.opened or writes.updated:
            self._signals.stored()
        return writes

    async def _look_at(self, suspects: Sequence[Suspect]) -> None:
        """Firings that may be late copies: whoever knows is asked."""
        known = await self._still_firing([suspect.alert for suspect in suspects])
        again = []
        for suspect in suspects:
            fires = known.get(suspect.alert.identity)
            if fires is False:
                self._actions["late_copy"].inc()
                continue
            certainty = Certainty.VERIFIED if fires else Certainty.DOUBTFUL
            # The bytes are stored already.
            again.append(
                replace(
                    suspect.notification,
                    body=b"",
                    rejected=(),
                    truncated=0,
                    alerts=(suspect.alert,),
                    certainty=certainty,
                )
            )
        if not again:
            return
        try:
            await self._write(again)
        except StoreError as failure:
            # Alertmanager repeats what fires; nothing was acknowledged that is not stored.
            log.error("re-fired alerts not opened", error=failure.reason)


class _Nothing:
    """Keeps the bytes and changes nothing."""

    horizon = Horizon()

    def keys(self, _: Sequence[Notification]) -> Collection[str]:
        """See Correlation."""
        return ()

    def decide(self, _: Sequence[Notification], __: Known) -> Writes:
        """See Correlation."""
        return Writes()


def _answer(batch: Sequence[Entry], failure: StoreUnavailable | None) -> None:
    for entry in batch:
        entry.say(failure)
