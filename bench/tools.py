"""The tool server: its calls beside the way of the original, its start beside an empty server."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

import httpx
from aiohttp import ClientSession, web
from mcp import Client, StdioServerParameters, stdio_client

from bench.area import Effort, Finding, Goal, median, spread, table

HERE = Path(__file__).parent
# What the original asks for its health, one after another, each with a client of its own.
ORIGINAL = (
    'sum(rate(http_requests_total{status="500"}[1m])) by (service)',
    "histogram_quantile(0.99, rate(http_request_duration_milliseconds_bucket[1m]))",
    "db_connections_active",
    "up",
)
READINGS = 40
DELAY_SECONDS = 1.0
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}


def health(effort: Effort) -> Finding:
    """Health of all services beside four queries in a row with a new client each"""
    with prometheus(effort.folder) as url:
        ours, theirs = asyncio.run(_health(url, effort.repetitions * 4))
    factor = median(theirs) / median(ours)
    text = (
        "The same Prometheus, in turn. Theirs: four instant queries one after another, each with a "
        "new HTTP client, without a protocol around it.\n"
        "Ours: `get_service_health` over MCP on stdio, five queries at once, checked, judged, "
        "masked and written as text and structure.\n\n"
    )
    rows = [
        ["theirs", spread([1000 * value for value in theirs])],
        ["ours", spread([1000 * value for value in ours])],
    ]
    goal = Goal("health is at least 3 times faster", f"{factor:.1f} times", factor >= 3)
    return Finding(text + table(["way", "ms"], rows), [goal])


async def _health(url: str, repetitions: int) -> tuple[list[float], list[float]]:
    ours, theirs = [], []
    async with connected(url) as client:
        await client.call_tool("get_service_health", {})
        for _ in range(repetitions):
            theirs.append(await _timed(lambda: _original(url)))
            ours.append(await _timed(lambda: client.call_tool("get_service_health", {})))
    return ours, theirs


async def _original(url: str) -> None:
    for query in ORIGINAL:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.get(f"{url}/api/v1/query", params={"query": query})
            answer.raise_for_status()
            answer.json()


def concurrent(effort: Effort) -> Finding:
    """Forty readings at once beside one"""
    with prometheus(effort.folder) as url:
        one, many, together = asyncio.run(_concurrent(url, effort.repetitions))
    factor = median(many) / median(one)
    text = (
        f"Every answer of Prometheus is held back for {DELAY_SECONDS} s, so that waiting in line "
        f"would show: {READINGS} readings one after another take {READINGS * DELAY_SECONDS:g} s.\n\n"
    )
    rows = [
        ["1", spread(one)],
        [str(READINGS), spread(many)],
    ]
    goals = [
        Goal(
            f"{READINGS} readings at once are with Prometheus at the same time",
            f"{min(together)} at least",
            min(together) == READINGS,
        ),
        Goal(
            f"{READINGS} readings at once take less than twice the time of one",
            f"{factor:.2f} times",
            factor < 2,
        ),
    ]
    return Finding(text + table(["readings at once", "s for all"], rows), goals)


async def _concurrent(url: str, repetitions: int) -> tuple[list[float], list[float], list[int]]:
    one, many, together = [], [], []
    async with held_back(url) as (slow, held), connected(slow) as client:

        async def read(number: int) -> None:
            result = await client.call_tool("query_metrics", {"promql": f"up + {number}"})
            if result.is_error:
                raise RuntimeError(result.content)

        async def all_at_once() -> None:
            await asyncio.gather(*map(read, range(READINGS)))

        await all_at_once()
        for number in range(repetitions):
            one.append(await _timed(lambda n=number: read(n)))  # type: ignore[misc]
            held.most = 0
            many.append(await _timed(all_at_once))
            together.append(held.most)
    return one, many, together


@dataclass
class Held:
    """How many requests are held back, and how many were at most."""

    now: int = 0
    most: int = 0


def start(effort: Effort) -> Finding:
    """Start of the tool server beside an empty server on the same SDK"""
    commands = {
        "empty": [sys.executable, str(HERE / "empty_server.py")],
        "ours": [sys.executable, "-m", "mcp_tools"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(effort.repetitions * 3):
        for name, command in commands.items():
            times[name].append(_start(command, effort.folder))
    factor = median(times["ours"]) / median(times["empty"])
    rows = [[name, spread([1000 * value for value in found])] for name, found in times.items()]
    goal = Goal(
        "a start takes at most 1.3 times that of an empty server",
        f"{factor:.2f} times",
        factor <= 1.3,
    )
    text = "From the start of the process to its answer to `initialize`.\n\n"
    return Finding(text + table(["server", "ms"], rows), [goal])


def _start(command: list[str], folder: Path) -> float:
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(HELLO).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        took = time.perf_counter() - began
        process.stdin.close()
    if "result" not in answer:
        raise RuntimeError(answer)
    return took


async def _timed(what: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await what()
    return time.perf_counter() - began


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """A client of a tool server that reads this Prometheus."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "mcp_tools"],
        env={"PROMETHEUS_URL": url},
        cwd=HERE.parent,
    )
    async with Client(stdio_client(parameters)) as client:
        yield client


@asynccontextmanager
async def held_back(url: str) -> AsyncIterator[tuple[str, Held]]:
    """A proxy in front of Prometheus that takes its time with each answer, for any number at once."""

    async def pass_on(request: web.Request) -> web.Response:
        held.now += 1
        held.most = max(held.most, held.now)
        await asyncio.sleep(DELAY_SECONDS)
        held.now -= 1
        async with session.get(url + request.path_qs) as answer:
            return web.json_response(await answer.json(), status=answer.status)

    held = Held()
    app = web.Application()
    app.router.add_get("/{path:.*}", pass_on)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as session:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", held
    await runner.cleanup()


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """A Prometheus that scrapes itself every second."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: self, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", "--log.level=error"]
    command += [f"--web.listen-address={address}", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _ready(f"http://{address}")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


def _ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": "up"}).json()
            if answer["data"]["result"]:
                return
        except (httpx.HTTPError, ValueError):
            pass
        time.sleep(0.1)
    raise RuntimeError("Prometheus does not start")


PARTS = {"health": health, "concurrent": concurrent, "start": start}
