"""The faults: each breaks the shop the way an operator or a program would. Messages give nothing away."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import asyncpg

from stack import postgres

if TYPE_CHECKING:
    from stack.shop import Shop


class Held(Protocol):
    """Something that keeps the fault up until it is closed."""

    async def close(self) -> None:
        """Let go."""
        ...


@dataclass(frozen=True)
class Fault:
    """`alert` is the rule that must fire; `repairable` whether the shop's policy covers the repair."""

    name: str
    description: str
    alert: str
    repairable: bool
    inject: Callable[["Shop"], Awaitable[Held | None]]


def _deploy(values: Mapping[str, str], message: str) -> Callable[["Shop"], Awaitable[None]]:
    async def inject(stack: "Shop") -> None:
        await stack.deploy(values, "alice", message)

    return inject


async def _lock_table(stack: "Shop") -> Held:
    """A reporting job that locks a table and forgets to end its transaction."""
    connection = await postgres.connect(stack.ports.postgres)
    await connection.execute("SET application_name = 'report-job'")
    await connection.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    held: Held = connection
    return held


# A change that somebody makes in the database by hand, and how it is taken back.
PASSWORD = (
    f"ALTER ROLE {postgres.USER} PASSWORD 'rotated'",
    f"ALTER ROLE {postgres.USER} PASSWORD '{postgres.PASSWORD}'",
)
SLOW_VIEW = (
    # The sleep stands for what makes a real view slow: much data, or a table on another machine.
    (
        "BEGIN; ALTER TABLE users RENAME TO customers; "
        "CREATE VIEW users AS SELECT c.* FROM customers c, (SELECT pg_sleep(1.6)) AS remote; COMMIT"
    ),
    "BEGIN; DROP VIEW users; ALTER TABLE customers RENAME TO users; COMMIT",
)


class _Changed:
    """Keeps the connection that made the change: with another password there is no second one."""

    def __init__(self, connection: asyncpg.Connection, back: str) -> None:
        self._connection = connection
        self._back = back

    async def close(self) -> None:
        # A database that is gone has nothing to be taken back.
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.execute(self._back)
            await self._connection.close()


async def _rotate_password(stack: "Shop") -> Held:
    """Somebody rotates the role's password, and its sessions are ended, as it is done in life."""
    connection = await postgres.connect(stack.ports.postgres)
    await connection.execute(PASSWORD[0])
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = current_user AND pid <> pg_backend_pid()"
    )
    return _Changed(connection, PASSWORD[1])


async def _slow_database(stack: "Shop") -> Held:
    """A migration puts a slow view where the table was."""
    connection = await postgres.connect(stack.ports.postgres)
    await connection.execute(SLOW_VIEW[0])
    return _Changed(connection, SLOW_VIEW[1])


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "pool-size",
            "DB_POOL_SIZE goes from 20 to 1; most requests for users find no connection.",
            "ApiDbPoolExhausted",
            True,
            _deploy({"DB_POOL_SIZE": "1"}, "align settings with staging"),
        ),
        Fault(
            "pool-timeout",
            # Too short even for opening a connection, so the pool never grows beyond its first.
            "DB_POOL_TIMEOUT goes from 2 s to 1 ms; whoever is not served at once fails.",
            "ApiHighErrorRate",
            True,
            _deploy({"DB_POOL_TIMEOUT": "0.001"}, "fail fast instead of queueing"),
        ),
        Fault(
            "bad-value",
            "DB_POOL_SIZE becomes a word; the API server dies at each start.",
            "ApiDown",
            True,
            _deploy({"DB_POOL_SIZE": "twenty"}, "make settings readable"),
        ),
        Fault(
            "table-lock",
            "A job holds a lock on the users table; every request for users waits for it.",
            "ApiHighErrorRate",
            False,
            _lock_table,
        ),
        Fault(
            "password-rotated",
            "The database role gets another password; the API server's connections are ended.",
            "ApiDbRefused",
            False,
            _rotate_password,
        ),
        Fault(
            "slow-database",
            "A view replaces the users table; every query ends, but takes almost two seconds.",
            "ApiDbSlow",
            False,
            _slow_database,
        ),
        Fault(
            "disk-filling",
            "SPOOL_KEEP_FILES goes from 20 to 20000; the folder of receipts grows to its limit.",
            "ApiDiskFilling",
            True,
            _deploy({"SPOOL_KEEP_FILES": "20000"}, "keep receipts for the audit"),
        ),
        Fault(
            "log-flood",
            "LOG_LEVEL goes from info to debug; each request writes several lines.",
            "ApiLogFlood",
            True,
            _deploy({"LOG_LEVEL": "debug"}, "see what is going on"),
        ),
    )
}
