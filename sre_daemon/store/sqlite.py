"""SQLite: a file in WAL mode with synchronous=FULL, or nothing but memory.

Writes to the file go through one connection and begin IMMEDIATE, so that no transaction can fail
half-way because another one wrote; readers have their own connections and never wait.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import AsyncAdaptedQueuePool, Engine, NullPool, create_engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sre_daemon.errors import StoreUnavailable
from sre_daemon.store import schema
from sre_daemon.store.database import Database, Work

R = TypeVar("R")

# Another process (a backup, a person) may hold the write lock this long before we say 503.
BUSY_MS = 2000
# One writer may wait for the next one this long.
TURN_SECONDS = 4
READERS = 4
PRAGMAS = (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")


class SqliteDatabase(Database):
    """One file, for one process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = asyncio.Lock()
        self._reads = asyncio.Semaphore(READERS)
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None

    async def open(self) -> None:
        """See Database."""
        await asyncio.to_thread(self._migrate)
        self._writer = _engine(self._file, "BEGIN IMMEDIATE", 1)
        self._reader = _engine(self._file, "BEGIN", READERS)

    def _migrate(self) -> None:
        engine = create_engine(f"sqlite:///{self._file}", poolclass=NullPool)
        prepare(engine, "BEGIN IMMEDIATE")
        try:
            with schema.failures(str(self._file)), engine.begin() as connection:
                schema.upgrade(connection)
        finally:
            engine.dispose()

    async def close(self) -> None:
        """See Database. Calls under way end first; those that wait for their turn fail."""
        writer, reader, self._writer, self._reader = self._writer, self._reader, None, None
        async with self._turn, AsyncExitStack() as readers:
            for _ in range(READERS):
                await readers.enter_async_context(self._reads)
            for engine in {writer, reader}:
                if engine is not None:
                    await engine.dispose()

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with self._reads, _open(self._reader).connect() as connection:
            yield connection

    async def _transaction(self, work: Work[R]) -> R:
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            # Behind a lock each writer in turn would wait its full time; better to say no early.
            raise StoreUnavailable("too many wait to write", "look at the store's disk") from None
        try:
            async with _open(self._writer).begin() as connection:
                return await work(connection)
        finally:
            self._turn.release()

    async def in_turn(self, connection: AsyncConnection) -> None:
        """See Database: every transaction that writes has the file for itself."""

    async def announce(self, connection: AsyncConnection) -> None:
        """See Database: there is no other process."""

    async def listen(self, wake: Callable[[], None]) -> None:
        """See Database: nobody else announces anything."""
        await asyncio.Event().wait()


class MemoryDatabase(SqliteDatabase):
    """Gone with the process; for one-shot runs and tests."""

    def __init__(self) -> None:
        # A name of its own, because the process shares what has the same one.
        self._name = f"file:sre-daemon-{id(self)}?mode=memory&cache=shared&uri=true"
        super().__init__(Path(self._name))
        self._keeper: sqlite3.Connection | None = None

    async def open(self) -> None:
        """See Database."""
        # It lives as long as one connection does; those of the pool come and go.
        self._keeper = sqlite3.connect(self._name, uri=True, check_same_thread=False)
        await super().open()

    async def close(self) -> None:
        """See Database."""
        await super().close()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        # Connections that share memory lock each other out instead of seeing one moment.
        async with self._turn, super()._reading() as connection:
            yield connection


def _open(engine: AsyncEngine | None) -> AsyncEngine:
    if engine is None:
        raise StoreUnavailable("the store is closed")
    return engine


def _engine(file: Path, begin: str, size: int) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{file}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=30,
    )
    prepare(engine.sync_engine, begin)
    return engine


def prepare(engine: Engine, begin: str) -> None:
    """Set up each connection of `engine`, and let its transactions start with `begin`."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        # The driver's own way of beginning transactions leaves schema changes outside of them.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)
