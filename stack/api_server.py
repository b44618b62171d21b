"""The shop's API: users from a real PostgreSQL through a real connection pool, orders and stats from memory.

One process plays three services in its metrics, as the label `service` says. A pool that is too
small for the traffic makes only the users fail, which is what a wrong DB_POOL_SIZE does in life.
"""

import argparse
import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
from aiohttp import web
from prometheus_client import Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from stack.journal import LEVELS, Journal
from stack.pool import Pool, PoolExhausted
from stack.spool import Spool

SERVICE_OF = {"/api/users": "user-svc", "/api/orders": "payment-svc", "/api/stats": "auth-svc"}
BUCKETS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
RANDOM_ERRORS = 0.01
HEALTH_SECONDS = 0.5

REQUESTS = Counter("http_requests_total", "Requests.", ["service", "method", "endpoint", "status"])
DURATION = Histogram(
    "http_request_duration_milliseconds",
    "Duration of requests.",
    ["service", "method", "endpoint"],
    buckets=BUCKETS,
)
LOG: web.AppKey[Journal] = web.AppKey("log")
POOL: web.AppKey[Pool] = web.AppKey("pool")
SPOOL: web.AppKey[Spool] = web.AppKey("spool")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and time the three endpoints, and let 1 % of their requests fail, as systems do."""
    service = SERVICE_OF.get(request.path)
    if service is None:
        return await handler(request)
    started = time.perf_counter()
    status = 500
    log = request.app[LOG]
    for name, value in request.headers.items():
        log("DEBUG", f"{request.method} {request.path} header {name}: {value}")
    try:
        if random.random() < RANDOM_ERRORS:
            log("ERROR", f"Unexpected error in {request.path}: transient failure")
            return web.json_response({"error": "transient failure"}, status=500)
        response = await handler(request)
        status = response.status
        return response
    finally:
        REQUESTS.labels(service, request.method, request.path, str(status)).inc()
        milliseconds = (time.perf_counter() - started) * 1000
        DURATION.labels(service, request.method, request.path).observe(milliseconds)
        log("DEBUG", f"{request.method} {request.path} answered {status} in {milliseconds:.1f} ms")


async def users(request: web.Request) -> web.Response:
    """From the database; each request holds a connection for 0.2 s."""
    log, pool = request.app[LOG], request.app[POOL]
    try:
        async with pool.connection() as connection:
            with pool.timed():
                await connection.execute("SELECT pg_sleep(0.2)")
                found = await connection.fetch("SELECT id, name, email FROM users LIMIT 100")
    except PoolExhausted as failure:
        log("ERROR", f"Connection pool exhausted: {failure}")
        return web.json_response({"error": "no database connection"}, status=500)
    except (asyncpg.PostgresError, OSError, TimeoutError) as failure:
        log("ERROR", f"Database error: {type(failure).__name__}: {failure}")
        return web.json_response({"error": "database error"}, status=500)
    for row in found:
        log("DEBUG", f"row {dict(row)}")
    return web.json_response({"users": [dict(row) for row in found]})


async def orders(request: web.Request) -> web.Response:
    """Made up, but without its receipt there is no order."""
    if request.app[SPOOL].full:
        request.app[LOG]("ERROR", "Order refused: its receipt cannot be written, no space left")
        return web.json_response({"error": "no space left"}, status=500)
    made_up = [{"id": n, "total": round(random.uniform(5, 500), 2)} for n in range(10)]
    return web.json_response({"orders": made_up})


async def stats(_: web.Request) -> web.Response:
    """Made up."""
    return web.json_response({"users": 10, "orders": 15, "revenue": random.randrange(10_000)})


async def health(request: web.Request) -> web.Response:
    """200 when a connection can be had soon; never waits long and never blocks the others."""
    pool = request.app[POOL]
    try:
        async with pool.connection(HEALTH_SECONDS) as connection:
            await connection.execute("SELECT 1")
    except (PoolExhausted, asyncpg.PostgresError, OSError) as failure:
        return web.json_response({"status": "unhealthy", "error": str(failure)}, status=503)
    return web.json_response({"status": "healthy", "db_pool_size": pool.size})


async def root(request: web.Request) -> web.Response:
    """What there is."""
    pool = request.app[POOL]
    return web.json_response(
        {
            "service": os.environ.get("SERVICE_NAME", "api-server"),
            "endpoints": sorted(SERVICE_OF),
            "pool_size": pool.size,
            "pool_timeout": pool.timeout,
        }
    )


async def metrics(_: web.Request) -> web.Response:
    """For Prometheus."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def number(log: Journal, name: str, default: str, kind: type[int] | type[float]) -> float:
    """A number from the environment, or the end of the program."""
    text = os.environ.get(name, default)
    try:
        value = kind(text)
    except ValueError:
        log("ERROR", f"invalid configuration: {name}={text!r} is not a number")
        sys.exit(1)
    if value <= 0:
        log("ERROR", f"invalid configuration: {name}={text!r} is not positive")
        sys.exit(1)
    return value


def journal(service: str) -> Journal:
    """The log at the level of LOG_LEVEL, or the end of the program."""
    level = os.environ.get("LOG_LEVEL", "info")
    if level.upper() not in LEVELS:
        Journal(service)("ERROR", f"invalid configuration: LOG_LEVEL={level!r} is no level")
        sys.exit(1)
    return Journal(service, level.upper())


def build() -> web.Application:
    """The application."""
    service = os.environ.get("SERVICE_NAME", "api-server")
    log = journal(service)
    size = int(number(log, "DB_POOL_SIZE", "20", int))
    pool = Pool(size, number(log, "DB_POOL_TIMEOUT", "5", float), service, log)
    folder = Path(os.environ.get("SPOOL_DIR", "/tmp/api-server-spool"))  # noqa: S108 - of a demo
    spool = Spool(folder, int(number(log, "SPOOL_KEEP_FILES", "20", int)), service, log)
    log("INFO", f"starting {service} with pool size {pool.size}, timeout {pool.timeout:g} s")
    app = web.Application(middlewares=[measure])
    app[LOG] = log
    app[POOL] = pool
    app[SPOOL] = spool

    async def lifetime(_: web.Application) -> AsyncIterator[None]:
        await pool.open()
        log("INFO", "connected to the database")
        writing = asyncio.ensure_future(spool.run())
        yield
        writing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writing
        await pool.close()

    app.cleanup_ctx.append(lifetime)
    for path, handler in (
        ("/", root),
        ("/health", health),
        ("/metrics", metrics),
        ("/api/users", users),
        ("/api/orders", orders),
        ("/api/stats", stats),
    ):
        app.router.add_get(path, handler)
    return app


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    web.run_app(
        build(),
        host=arguments.host,
        port=arguments.port,
        print=None,
        access_log=None,
        shutdown_timeout=0.2,
    )


if __name__ == "__main__":
    main()
