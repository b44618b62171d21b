"""The shop's customers: about 50 requests a second over three endpoints."""

import argparse
import asyncio
import random
import sys
from collections import Counter

import aiohttp

ENDPOINTS = ("/api/users", "/api/orders", "/api/stats")
# Customers give up; without a bound a slow shop would pile up requests until memory ends.
PATIENCE_SECONDS = 15
MAX_OPEN = 400
REPORT_SECONDS = 10


async def request(http: aiohttp.ClientSession, url: str, seen: Counter[str]) -> None:
    """One request; what came of it is counted."""
    try:
        async with http.get(url) as response:
            await response.read()
            seen["ok" if response.status < 500 else "failed"] += 1
    except (aiohttp.ClientError, TimeoutError):
        seen["failed"] += 1


async def run(base: str, rate: float) -> None:
    """Until killed."""
    seen: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    open_requests: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        due = reported = loop.time()
        while True:
            due += random.expovariate(rate)
            await asyncio.sleep(max(0.0, due - loop.time()))
            if len(open_requests) < MAX_OPEN:
                task = loop.create_task(request(http, base + random.choice(ENDPOINTS), seen))
                open_requests.add(task)
                task.add_done_callback(open_requests.discard)
            else:
                seen["given up"] += 1
            if loop.time() - reported >= REPORT_SECONDS:
                reported = loop.time()
                sys.stdout.write(f"INFO last {REPORT_SECONDS} s: {dict(seen)}\n")
                sys.stdout.flush()
                seen.clear()


def main() -> None:
    """Send."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, default=50.0)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.url, arguments.rate))


if __name__ == "__main__":
    main()
