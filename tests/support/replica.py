"""A worker of a fleet as its own process: `python -m tests.support.replica URL NAME LEASE`.

Its stages do no work but take a moment, so that a kill or a pause falls into the middle of one.
Prints one line when it begins a stage and one when it ends it.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from sre_daemon.clock import SystemClock
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.verdict import Reason
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.stage import Next
from sre_daemon.pipeline.worker import Worker
from sre_daemon.settings import WorkerSettings
from sre_daemon.store.place import database
from sre_daemon.store.sql import SqlStore
from sre_daemon.tasks import Tasks
from stack.postgres import PASSWORD

WAY = {
    State.TRIGGERED: Event.CLAIMED,
    State.INVESTIGATING: Event.DIAGNOSED,
    State.DIAGNOSED: Event.ALLOWED,
    State.REMEDIATING: Event.APPLIED,
    State.VERIFYING: Event.CONFIRMED,
    State.RESOLVED: Event.CLOSED,
}


async def main(url, name, lease):
    """Work until killed."""

    def stage(event):
        async def run(incident):
            print("begin", incident.id, incident.state, flush=True)
            await asyncio.sleep(0.15)
            print("end", incident.id, incident.state, flush=True)
            return Next(event, Reason.CLAIMED, name)

        return run

    async def moved(*_):
        pass

    store = SqlStore(database(url, Path(), PASSWORD))
    await store.open()
    tasks = Tasks()
    settings = WorkerSettings(concurrency=3, lease=timedelta(seconds=lease))
    worker = Worker(
        store,
        {state: stage(event) for state, event in WAY.items()},
        owner=name,
        settings=settings,
        clock=SystemClock(),
        metrics=Metrics(),
        on_move=moved,
    )
    worker.start(tasks)
    tasks.spawn("listener", store.listen(worker.wake))
    await tasks.failed.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
