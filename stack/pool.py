"""The API server's connections: asyncpg's pool with a bound on waiting, and metrics that tell the truth.

Whoever gets no connection hears "pool exhausted", whatever the cause: a pool that is too small, a
wait that is too short, queries that are slow or do not end, a database that refuses the password.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator

import asyncpg
from prometheus_client import Counter, Gauge, Histogram

from stack.journal import Journal

ACTIVE = Gauge("db_connections_active", "Connections in use.", ["service"])
WAITING = Gauge("db_connections_waiting", "Requests that wait for a connection.", ["service"])
MAXIMUM = Gauge("db_connections_max", "Connections that may be used.", ["service"])
POOL_SIZE = Gauge("db_pool_size", "Size of the pool.", ["service"])
QUERIES = Histogram(
    "db_query_duration_seconds",
    "Duration of the queries of a request; those that have not ended are not in it.",
    ["service"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 30),
)
REFUSED = Counter(
    "db_connections_refused_total",
    "Connections that could not be opened, by reason.",
    ["service", "reason"],
)
REASONS = ("password", "other")


class PoolExhausted(Exception):
    """No connection was to be had in time."""


class Pool:
    """At most `size` connections; nobody waits longer than `timeout` seconds for one."""

    def __init__(self, size: int, timeout: float, service: str, log: Journal) -> None:
        self.size = size
        self.timeout = timeout
        self._service = service
        self._log = log
        self._pool: asyncpg.Pool | None = None
        POOL_SIZE.labels(service).set(size)
        MAXIMUM.labels(service).set(size)
        ACTIVE.labels(service).set(0)
        WAITING.labels(service).set(0)
        QUERIES.labels(service)
        for reason in REASONS:
            REFUSED.labels(service, reason)

    async def open(self) -> None:
        """Connect; tries for half a minute, as a database may start after its clients."""
        for attempt in range(60):
            try:
                self._pool = await asyncpg.create_pool(
                    host=os.environ.get("DB_HOST", "127.0.0.1"),
                    port=int(os.environ.get("DB_PORT", "5432")),
                    user=os.environ.get("DB_USER", "demo"),
                    password=os.environ.get("DB_PASSWORD", "demo"),
                    database=os.environ.get("DB_NAME", "demo"),
                    min_size=1,
                    max_size=self.size,
                    command_timeout=30,
                )
                return
            except (OSError, asyncpg.PostgresError) as failure:
                level = "ERROR" if _reason(failure) == "password" else "WARN"
                self._log(level, f"database not reachable, attempt {attempt + 1}: {failure}")
                await asyncio.sleep(0.5)
        raise SystemExit("the database cannot be reached")

    async def close(self) -> None:
        """Let go."""
        if self._pool is not None:
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A connection; raises PoolExhausted when none is to be had in time."""
        connection, pool = await self._acquire(self.timeout if timeout is None else timeout)
        # A connection is in use until it is back: giving it back takes a round trip.
        with ACTIVE.labels(self._service).track_inprogress():
            try:
                yield connection
            finally:
                await pool.release(connection)

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Around queries: how long they took, if they end well."""
        started = time.perf_counter()
        yield
        QUERIES.labels(self._service).observe(time.perf_counter() - started)

    async def _acquire(self, limit: float) -> tuple[asyncpg.Connection, asyncpg.Pool]:
        if self._pool is None:
            raise PoolExhausted("the pool is not open")
        try:
            with WAITING.labels(self._service).track_inprogress():
                return await self._pool.acquire(timeout=limit), self._pool
        except TimeoutError:
            raise PoolExhausted(
                f"no connection within {limit:g} s (pool size {self.size})"
            ) from None
        except (OSError, asyncpg.PostgresError) as failure:
            REFUSED.labels(self._service, _reason(failure)).inc()
            raise PoolExhausted(f"no connection can be opened: {failure}") from failure


def _reason(failure: Exception) -> str:
    refused = isinstance(failure, asyncpg.InvalidAuthorizationSpecificationError)
    return "password" if refused else "other"
