"""What a database must do for the store; drivers' errors are mapped here and nowhere else."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from sre_daemon.errors import StoreConflict, StoreUnavailable

R = TypeVar("R")
Work = Callable[[AsyncConnection], Awaitable[R]]


class Database(ABC):
    """One per process. Work given to `write` may be run twice, so it does nothing but read and write."""

    @abstractmethod
    async def open(self) -> None:
        """Bring the schema to this version and make connections possible.

        Raises:
            MigrationFailed: a newer version wrote it, or it cannot be written.
            StoreUnavailable: it does not answer.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close every connection; calls that come later fail with StoreUnavailable."""

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one moment of the data."""
        with mapped():
            async with self._reading() as connection:
                yield connection

    async def write(self, work: Work[R]) -> R:
        """One transaction. A cancelled caller does not cut it in half: it ends, unseen."""
        return await asyncio.shield(self._write(work))

    async def _write(self, work: Work[R]) -> R:
        with mapped():
            return await self._transaction(work)

    @abstractmethod
    def _reading(self) -> AbstractAsyncContextManager[AsyncConnection]: ...

    @abstractmethod
    async def _transaction(self, work: Work[R]) -> R: ...

    @abstractmethod
    async def in_turn(self, connection: AsyncConnection) -> None:
        """Until this transaction ends, no other one that asked for its turn goes on."""

    @abstractmethod
    async def announce(self, connection: AsyncConnection) -> None:
        """Once this transaction is committed, every process that listens is woken."""

    @abstractmethod
    async def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` after announcements of other processes; runs until it is cancelled."""


@contextmanager
def mapped() -> Iterator[None]:
    """A driver's error as one of ours."""
    try:
        yield
    except IntegrityError as failure:
        raise StoreConflict(f"refused by the store: {failure.orig}") from failure
    except DBAPIError as failure:
        raise StoreUnavailable(
            f"the store does not work: {failure.orig}", "look at the database, and at its disk"
        ) from failure
    except (SQLAlchemyError, OSError) as failure:
        raise StoreUnavailable(f"the store does not work: {failure}") from failure
