"""Connections to the SQLite file: WAL, synchronous=FULL, one writer at a time.

Writes go through one connection and begin IMMEDIATE, so that no transaction can fail half-way
because another one wrote; readers have their own connections and never wait. Errors of the
database are mapped here and nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sre_daemon.errors import StoreConflict, StoreUnavailable

R = TypeVar("R")

# Another process (a backup, a person) may hold the write lock this long before we say 503.
BUSY_MS = 2000
READERS = 4


class Database:
    """One file, open once per process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = asyncio.Lock()
        self._reads = asyncio.Semaphore(READERS)
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None

    async def open(self) -> None:
        """Make connections possible."""
        self._writer = _engine(self._file, "BEGIN IMMEDIATE", 1)
        self._reader = _engine(self._file, "BEGIN", READERS)

    async def close(self) -> None:
        """Let calls under way end, refuse those that wait for their turn, close everything."""
        writer, reader, self._writer, self._reader = self._writer, self._reader, None, None
        async with self._turn, AsyncExitStack() as every:
            for _ in range(READERS):
                await every.enter_async_context(self._reads)
            for engine in (writer, reader):
                if engine is not None:
                    await engine.dispose()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one moment of the data."""
        async with self._reads:
            if self._reader is None:
                raise StoreUnavailable("the store is closed")
            with _mapped():
                async with self._reader.connect() as connection:
                    yield connection

    async def write(self, work: Callable[[AsyncConnection], Awaitable[R]]) -> R:
        """One transaction. A cancelled caller does not cut it in half: it ends, unseen."""
        return await asyncio.shield(self._transaction(work))

    async def _transaction(self, work: Callable[[AsyncConnection], Awaitable[R]]) -> R:
        async with self._turn:
            if self._writer is None:
                raise StoreUnavailable("the store is closed")
            with _mapped():
                async with self._writer.begin() as connection:
                    return await work(connection)


def _engine(file: Path, begin: str, size: int) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{file}", pool_size=size, max_overflow=0, pool_timeout=30
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
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except IntegrityError as failure:
        raise StoreConflict(f"refused by the store: {failure.orig}") from failure
    except DBAPIError as failure:
        raise StoreUnavailable(
            f"the store does not work: {failure.orig}", "look at the disk of data_dir"
        ) from failure
    except (SQLAlchemyError, OSError) as failure:
        raise StoreUnavailable(f"the store does not work: {failure}") from failure
