"""Services that are always well, beside the shop's API: something to compare with.

Each does a little real work for made-up requests, and tells its own use of processor and memory,
as a share of what it may use.
"""

import argparse
import asyncio
import hashlib
import random
import resource
import time
from pathlib import Path

from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SAMPLE_SECONDS = 1.0
PAGE = resource.getpagesize()
LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)

REQUESTS = Counter("http_requests_total", "Requests.", ["service", "method", "endpoint", "status"])
DURATION = Histogram(
    "http_request_duration_milliseconds",
    "Duration of requests.",
    ["service", "method", "endpoint"],
    buckets=(1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000),
)
CPU = Gauge("container_cpu_usage_ratio", "Share of one processor that is used.", ["service"])
MEMORY = Gauge("container_memory_usage_ratio", "Share of its memory that is used.", ["service"])


def memory_limit() -> int:
    """The control group's bound, or without one the machine's memory."""
    pages = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    for file in LIMITS:
        if file.exists() and (text := file.read_text().strip()).isdigit():
            return min(int(text), pages)
    return pages


async def work(service: str, rate: float) -> None:
    """Requests at about this rate, each with some hashing in it."""
    labels = {"service": service, "method": "GET", "endpoint": "/"}
    while True:
        await asyncio.sleep(random.expovariate(rate))
        started = time.perf_counter()
        hashlib.sha256(random.randbytes(200_000)).hexdigest()
        DURATION.labels(**labels).observe((time.perf_counter() - started) * 1000)
        REQUESTS.labels(**labels, status="200").inc()


async def measure(service: str) -> None:
    """Processor time since the last look, and memory now."""
    limit = memory_limit()
    before, then = time.process_time(), time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        now, at = time.process_time(), time.monotonic()
        CPU.labels(service).set((now - before) / (at - then))
        before, then = now, at
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        MEMORY.labels(service).set(pages * PAGE / limit)


async def metrics(_: web.Request) -> web.Response:
    """For Prometheus."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def serve(service: str, host: str, port: int, rate: float) -> None:
    """Until killed."""
    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    await asyncio.gather(work(service, rate), measure(service))


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--service", required=True)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--host", default="0.0.0.0")  # noqa: S104 - within its container's network
    parser.add_argument("--port", type=int, default=8001)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.service, arguments.host, arguments.port, arguments.rate))


if __name__ == "__main__":
    main()
