"""PostgreSQL: one database for any number of replicas.

Transactions run READ COMMITTED and lock the rows that they decide about; intake of the whole
fleet takes turns by an advisory lock, because its decision is about rows that may not exist yet.
Announcements are NOTIFY.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from sre_daemon.errors import ConfigError, StoreUnavailable
from sre_daemon.store import schema
from sre_daemon.store.database import Database, Work, mapped

log = structlog.get_logger(__name__)

R = TypeVar("R")

CONNECTIONS = 8
# Long enough for a busy database, short enough that Alertmanager hears 503 and not a time-out.
TIMEOUT_SECONDS = 5
TRIES = 5
CHANNEL = "sre_daemon"
# Any number will do, as long as every version uses the same ones.
INTAKE_LOCK = 0x5DE_0001
SCHEMA_LOCK = 0x5DE_0002
# Serialization failure, deadlock: nothing was written, and the same may succeed now.
AGAIN = frozenset({"40001", "40P01"})
SESSION = {
    "application_name": "sre-daemon",
    "synchronous_commit": "on",
    "statement_timeout": "10s",
    "lock_timeout": f"{TIMEOUT_SECONDS}s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
}


def address(url: str, password: str) -> URL:
    """Where to connect.

    Raises:
        ConfigError: not an address of a PostgreSQL database, or one with a password in it.
    """
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError("store: this is no address", "postgresql://USER@HOST/DATABASE") from None
    if found.drivername not in {"postgresql", "postgres"} or not found.database:
        raise ConfigError(
            f"store: {found.drivername}:// is not known", "sqlite, or postgresql://USER@HOST/DB"
        )
    if found.password is not None:
        raise ConfigError(
            "store: a password does not belong into this file", "set SRE_DAEMON_STORE_PASSWORD"
        )
    return found.set(drivername="postgresql+asyncpg", password=password or None)


class PostgresDatabase(Database):
    """One database, for many processes."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._engine: AsyncEngine | None = None

    async def open(self, *, upgrade: bool = True) -> None:
        """See Database."""
        engine = create_async_engine(
            self._url,
            poolclass=NullPool,
            # A migration may take longer than any other statement.
            connect_args={"timeout": TIMEOUT_SECONDS, "server_settings": {"timezone": "UTC"}},
        )
        name = self._url.render_as_string(hide_password=True)
        try:
            with mapped():
                async with _answering(), engine.connect():
                    pass  # tells "does not answer" from "cannot be upgraded"
            with schema.failures(name):
                async with engine.begin() as connection:
                    lock = text(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
                    await connection.execute(lock)
                    bring = schema.upgrade if upgrade else schema.require_current
                    await connection.run_sync(bring)
        finally:
            await engine.dispose()
        self._engine = create_async_engine(
            self._url,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=TIMEOUT_SECONDS,
            isolation_level="READ COMMITTED",
            connect_args={
                "timeout": TIMEOUT_SECONDS,
                "command_timeout": 2 * TIMEOUT_SECONDS,
                "server_settings": SESSION,
            },
        )

    async def close(self) -> None:
        """See Database."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    def _opened(self) -> AsyncEngine:
        if self._engine is None:
            raise StoreUnavailable("the store is closed")
        return self._engine

    async def _read(self, work: Work[R]) -> R:
        async with _answering(), self._opened().connect() as connection:
            return await connection.run_sync(work)

    async def _write(self, work: Work[R]) -> R:
        for attempt in range(1, TRIES + 1):
            try:
                async with _answering(), self._opened().begin() as connection:
                    return await connection.run_sync(work)
            except DBAPIError as failure:
                state = getattr(failure.orig, "sqlstate", None)
                if state not in AGAIN or attempt == TRIES:
                    raise
        raise AssertionError("unreachable")

    def in_turn(self, connection: Connection) -> None:
        """See Database."""
        connection.execute(text(f"SELECT pg_advisory_xact_lock({INTAKE_LOCK})"))

    def announce(self, connection: Connection) -> None:
        """See Database."""
        connection.execute(text(f"NOTIFY {CHANNEL}"))

    async def listen(self, wake: Callable[[], None]) -> None:
        """See Database. A lost connection is made again; what was missed costs one poll."""
        while True:
            try:
                await self._listen_once(wake)
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ) as failure:
                log.warning("not listening to the database", error=str(failure))
            await asyncio.sleep(1)

    async def _listen_once(self, wake: Callable[[], None]) -> None:
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(url, timeout=TIMEOUT_SECONDS)
        gone = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener(CHANNEL, lambda *_: wake())
            wake()
            await gone.wait()
        finally:
            connection.terminate()


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """The driver's own time-outs and broken connections, which SQLAlchemy lets through."""
    try:
        yield
    except (
        TimeoutError,
        ConnectionError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
    ) as failure:
        raise StoreUnavailable(
            f"the database does not answer: {failure or type(failure).__name__}", "is it running?"
        ) from failure
