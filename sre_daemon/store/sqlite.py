"""SQLite: a file in WAL mode with synchronous=FULL, or nothing but memory.

Writes to the file go through one connection and begin IMMEDIATE, so that no transaction can fail
half-way because another one wrote; readers have their own connections and never wait.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, NullPool, QueuePool, create_engine, event

from sre_daemon.errors import StoreUnavailable
from sre_daemon.store import schema
from sre_daemon.store.database import Database, Work

R = TypeVar("R")

# Another process (a backup, a person) may hold the write lock this long before we say 503.
BUSY_MS = 2000
# One writer may wait for the next one this long.
TURN_SECONDS = 4
READERS = 4
PRAGMAS = (
    f"busy_timeout={BUSY_MS}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    # In a storm the same pages are written again and again: every 32 MiB is often enough.
    "wal_autocheckpoint=8000",
    "cache_size=-16000",
)


class SqliteDatabase(Database):
    """One file, for one process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = asyncio.Lock()
        self._reads = asyncio.Semaphore(READERS)
        self._writer: Engine | None = None
        self._reader: Engine | None = None
        self._threads: ThreadPoolExecutor | None = None

    async def open(self, *, upgrade: bool = True) -> None:
        """See Database."""
        await asyncio.to_thread(self._migrate, upgrade)
        # Threads of its own: the loop's are shared with whatever else blocks.
        self._threads = ThreadPoolExecutor(READERS + 1, thread_name_prefix="store")
        self._writer = _engine(self._file, "BEGIN IMMEDIATE", 1)
        self._reader = _engine(self._file, "BEGIN", READERS)

    def _migrate(self, upgrade: bool) -> None:
        if not upgrade and not self._file.exists():
            raise StoreUnavailable(f"{self._file} does not exist", "check data_dir and store")
        engine = create_engine(f"sqlite:///{self._file}", poolclass=NullPool)
        prepare(engine, "BEGIN IMMEDIATE")
        try:
            with schema.failures(str(self._file)), engine.begin() as connection:
                (schema.upgrade if upgrade else schema.require_current)(connection)
        finally:
            engine.dispose()

    async def close(self) -> None:
        """See Database. Calls under way end first; those that wait for their turn fail."""
        engines, threads = (self._writer, self._reader), self._threads
        self._writer = self._reader = self._threads = None
        if threads is not None:
            # What is under way goes on in its thread, even when nobody waits for it any more.
            await asyncio.to_thread(threads.shutdown)
        for engine in engines:
            if engine is not None:
                engine.dispose()

    async def _read(self, work: Work[R]) -> R:
        async with self._reads:
            return await self._in_thread(self._reader, work)

    async def _write(self, work: Work[R]) -> R:
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            # Behind a lock each writer in turn would wait its full time; better to say no early.
            raise StoreUnavailable("too many wait to write", "look at the store's disk") from None
        try:
            return await self._in_thread(self._writer, work)
        finally:
            self._turn.release()

    async def _in_thread(self, engine: Engine | None, work: Work[R]) -> R:
        if engine is None or self._threads is None:
            raise StoreUnavailable("the store is closed")

        def run() -> R:
            with engine.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def in_turn(self, _: object) -> None:
        """See Database: every transaction that writes has the file for itself."""

    def announce(self, _: object) -> None:
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

    async def open(self, *, upgrade: bool = True) -> None:
        """See Database."""
        # It lives as long as one connection does; those of the pool come and go.
        self._keeper = sqlite3.connect(self._name, uri=True, check_same_thread=False)
        await super().open(upgrade=upgrade)

    async def close(self) -> None:
        """See Database."""
        await super().close()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    async def _read(self, work: Work[R]) -> R:
        # Connections that share memory lock each other out instead of seeing one moment.
        return await self._write(work)


def _engine(file: Path, begin: str, size: int) -> Engine:
    engine = create_engine(
        f"sqlite:///{file}",
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=30,
        connect_args={"check_same_thread": False},
    )
    prepare(engine, begin)
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
