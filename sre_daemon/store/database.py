"""What a database must do for the store; drivers' errors are mapped here and nowhere else."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from sre_daemon.errors import StoreConflict, StoreUnavailable

log = structlog.get_logger(__name__)

R = TypeVar("R")
Work = Callable[[Connection], R]


class Database(ABC):
    """One per process. Work is a plain function of a connection, run away from the event loop as a
    whole: one statement at a time from the loop would cost more than the statements. It may be run
    twice, so it does nothing but read and write."""

    @abstractmethod
    async def open(self, *, upgrade: bool = True) -> None:
        """Bring the schema to this version and make connections possible.

        Without `upgrade` nothing is changed, and another version is refused.

        Raises:
            MigrationFailed: a newer version wrote it, or it cannot be written.
            StoreUnavailable: it does not answer.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close every connection; calls that come later fail with StoreUnavailable."""

    async def read(self, work: Work[R]) -> R:
        """Look at one moment of the data."""
        with mapped():
            return await self._read(work)

    async def write(self, work: Work[R]) -> R:
        """One transaction. A cancelled caller does not cut it in half: it ends, unseen."""
        writing = asyncio.ensure_future(self._mapped_write(work))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            # Nobody waits any more: its error, if there is one, is looked at here.
            writing.add_done_callback(_look_at_error)
            raise

    async def _mapped_write(self, work: Work[R]) -> R:
        with mapped():
            return await self._write(work)

    @abstractmethod
    async def _read(self, work: Work[R]) -> R: ...

    @abstractmethod
    async def _write(self, work: Work[R]) -> R: ...

    @abstractmethod
    def in_turn(self, connection: Connection) -> None:
        """Until this transaction ends, no other one that asked for its turn goes on."""

    @abstractmethod
    def announce(self, connection: Connection) -> None:
        """Once this transaction is committed, every process that listens is woken."""

    @abstractmethod
    async def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` after announcements of other processes; runs until it is cancelled."""


def _look_at_error(done: asyncio.Future[Any]) -> None:
    if not done.cancelled() and done.exception() is not None:
        log.warning("an abandoned write failed", error=str(done.exception()))


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
