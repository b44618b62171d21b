"""A notifier as its own process: `python -m tests.support.telling_process FOLDER URL`; runs until killed."""

import asyncio
import sys
from pathlib import Path

from sre_daemon.clock import SystemClock
from sre_daemon.metrics import Metrics
from sre_daemon.notify.notifier import Notifier
from sre_daemon.notify.webhook import WebhookChannel
from sre_daemon.settings import NotifySettings
from sre_daemon.store.outbox import Outbox
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.tasks import Tasks


async def main(folder, url):
    """Tell the endpoint whatever there is to tell."""
    database = SqliteDatabase(Path(folder) / "people.sqlite3")
    store = SqlStore(database)
    await store.open()
    settings = {"channels": [{"kind": "webhook", "name": "hook", "url": url}]}
    notifier = Notifier(
        [WebhookChannel("hook", url)],
        NotifySettings.model_validate(settings),
        Outbox(database),
        store,
        "r1",
        SystemClock(),
        Metrics(),
    )
    tasks = Tasks()
    await notifier.start(tasks)
    await tasks.failed.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
