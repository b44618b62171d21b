"""The contract of the audit log over every backend: memory, SQLite, PostgreSQL."""

import asyncio

import pytest

from sre_daemon.store.audit import AuditLog
from sre_daemon.store.place import database
from stack.postgres import PASSWORD
from tests.contracts.audit import BEHAVIOURS, entry, intact

BACKENDS = ("memory", "sqlite", "postgres")


@pytest.fixture(params=BACKENDS)
async def place(request, tmp_path):
    """A database that is new, open and empty."""
    kind = request.param
    where = request.getfixturevalue("postgres").database() if kind == "postgres" else kind
    opened = database(where, tmp_path, PASSWORD)
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_audit_log_keeps_the_contract(place, behaviour):
    await behaviour(place)


async def test_replicas_that_write_at_once_make_one_chain(postgres, tmp_path):
    where = postgres.database()
    replicas = [database(where, tmp_path, PASSWORD) for _ in range(3)]
    for replica in replicas:
        await replica.open()
    try:
        await asyncio.gather(
            *(AuditLog(replica).record(entry(n)) for n in range(30) for replica in replicas)
        )
        await intact(replicas[0], 90)
    finally:
        for replica in replicas:
            await replica.close()
