"""What comes in, and the periodic jobs that find what did not."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

from sre_daemon.app.foundation import Base
from sre_daemon.app.people import People
from sre_daemon.intake.receiver import Intake, Signals
from sre_daemon.intake.reconcile import Reconciler
from sre_daemon.intake.rules import Rules
from sre_daemon.intake.strangers import Strangers
from sre_daemon.pipeline.heartbeat import Heartbeat
from sre_daemon.pipeline.resume import Resume
from sre_daemon.pipeline.retention import Retention
from sre_daemon.pipeline.sweep import Sweep
from sre_daemon.pipeline.worker import Worker
from sre_daemon.report.recorder import Recorder
from sre_daemon.schedule import Schedule
from sre_daemon.settings import Settings
from sre_daemon.store.samples import Samples

SWEEP = timedelta(seconds=15)
SAMPLE = timedelta(seconds=10)
HOUR = timedelta(hours=1)


def _rules(settings: Settings) -> Rules:
    known = settings.correlation
    return Rules(
        labels=known.labels,
        debounce=known.debounce,
        storm=known.storm,
        flaps=known.flaps,
        flap_window=known.flap_window,
        late=known.late,
        aftermath=known.aftermath,
        watchdog=settings.watchdog.alertname,
    )


async def _all(reconcilers: Sequence[Reconciler]) -> None:
    for reconcile in reconcilers:
        await reconcile()


async def start_intake(
    stack: AsyncExitStack, base: Base, worker: Worker, people: People, resume: Resume
) -> Intake:
    """What comes in, and the periodic jobs that find what did not."""
    store, clock, known = base.store, base.clock, base.settings
    schedule = Schedule(store, base.replica, clock)
    rules = _rules(known)

    def stored() -> None:
        worker.wake()
        people.notifier.wake()

    intake = Intake(
        store,
        rules,
        base.observer.still_firing,
        known.receiver.max_pending,
        base.metrics,
        Signals(
            stored=stored,
            doubt=lambda: schedule.soon("reconcile"),
            refused=Strangers(people.notifier, clock, base.metrics).refused,
        ),
    )
    await intake.start()
    stack.push_async_callback(intake.stop)
    clusters = [tenant for tenant, urls in known.clusters.items() if urls]
    reconcilers = [
        Reconciler(
            base.observer.cluster(tenant),
            store,
            intake,
            known.reconcile,
            rules.watchdog,
            clock,
            base.metrics,
        )
        for tenant in clusters
    ]
    if reconcilers:
        schedule.every("reconcile", known.reconcile.interval, lambda: _all(reconcilers))
    schedule.every("sweep", SWEEP, Sweep(store, known.correlation.linger, rules, clock))
    keep = known.retention
    schedule.every("retention", HOUR, Retention(store, keep.notifications, keep.incidents, clock))
    heartbeat = Heartbeat(store, people.notifier, known.watchdog.stale_after, clock)
    schedule.every("heartbeat", SWEEP, heartbeat)
    schedule.every("resume", SWEEP, resume)
    schedule.every("reminders", SWEEP, people.reminders)
    told = known.notify.digest
    if told.channels:
        schedule.daily("digest", told.clock, told.days, told.zone, people.morning)
    recorder = Recorder(store, Samples(base.database), base.observer, clock)
    schedule.every("samples", SAMPLE, recorder)
    schedule.start()
    # A restart is a reason to look at once, even when the turn before it was a moment ago.
    schedule.soon("reconcile")
    stack.push_async_callback(schedule.stop)
    return intake
