"""Intake in a process of its own, to be killed."""

import asyncio
import itertools
import os
from pathlib import Path

from sre_daemon.clock import SystemClock
from sre_daemon.domain.sender import Sender
from sre_daemon.intake.payload import parse
from sre_daemon.intake.receiver import Intake, Signals
from sre_daemon.intake.rules import Rules
from sre_daemon.metrics import Metrics
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase

ALERT = (
    b'{"groupKey":"g%d","alerts":[{"status":"firing","labels":{"alertname":"A","n":"%d"},'
    b'"startsAt":"2026-03-14T02:00:00Z"}]}'
)


async def work(file, first, acknowledge):
    """Store until killed, a few at a time; `acknowledge` is given each number that is stored."""

    async def still_firing(alerts):
        return {alert.identity: True for alert in alerts}

    store = SqlStore(SqliteDatabase(file))
    await store.open()
    intake = Intake(store, Rules(), still_firing, 100, Metrics(), Signals(lambda: None))
    await intake.start()
    numbers, clock = itertools.count(first), SystemClock()

    async def send():
        while True:
            n = next(numbers)
            await intake.accept(parse(ALERT % (n % 9, n), clock.now(), Sender("default"), "peer"))
            acknowledge(n)

    await asyncio.gather(*(send() for _ in range(8)))


def run(file, first, pipe):
    """The process: one line on `pipe` for each number."""
    descriptor = pipe.fileno()
    asyncio.run(work(Path(file), first, lambda n: os.write(descriptor, b"%d\n" % n)))
