"""The demo: starts the shop, breaks it, prints what the daemon does, and checks the repair itself.

Exit code 0 only when the daemon says that the repair is proven and the shop, looked at from here,
is really well again.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from stack.embedded import Stack, StackError
from stack.faults import FAULTS
from stack.screen import Screen
from stack.watch import Story, follow, wait_healthy

POINTER = Path(tempfile.gettempdir()) / f"sre-daemon-demo-{os.getuid()}.json"
# The fault and everything that follows; installation and start come before.
LIMIT_SECONDS = 100
BASELINE_5XX = 2.0
ALERTS = frozenset({"ApiDbPoolExhausted", "ApiHighErrorRate", "ApiHighLatency", "ApiDown"})


async def run(fault: str, *, keep: bool) -> int:
    """The whole demo; the exit code."""
    screen = Screen()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    root = Path(tempfile.mkdtemp(prefix="sre-daemon-demo-"))
    # The database's server runs as another user and must be able to walk in.
    root.chmod(0o711)
    stack = Stack(root)
    clean = False
    try:
        work = asyncio.ensure_future(_play(stack, fault, screen))
        asked = asyncio.ensure_future(stop.wait())
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            screen.line("interrupted; cleaning up")
            return 1
        clean = work.result()
        if keep:
            await _keep(stack, screen, stop)
    except StackError as failure:
        screen.problem(str(failure))
    finally:
        await stack.stop()
        if clean or keep:
            shutil.rmtree(root, ignore_errors=True)
        else:
            screen.line(f"logs and data are kept in {root}")
    return 0 if clean else 1


async def _play(stack: Stack, name: str, screen: Screen) -> bool:
    fault = FAULTS[name]
    screen.title("sre-daemon demo: a small shop, broken and brought back")
    await stack.start(screen.progress)
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        await wait_healthy(http, stack, screen)
        status = await _status(http, stack)
        screen.engine(status["engine"], status["model"])
        screen.line(f"console   {stack.daemon}/   API token {stack.api_token}")
        screen.section(f"fault {fault.name}: {fault.description}")
        await stack.inject(name)
        story = Story(screen)
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await follow(http, stack, story)
        except TimeoutError:
            screen.problem(f"the incident did not end within {LIMIT_SECONDS} s")
        await _show_postmortem(http, stack, story, screen)
        problems = await _check(http, stack, story)
        await stack.heal() if problems else None
    screen.section("how long each part took")
    screen.durations(story.durations())
    screen.verdict(problems, story)
    return not problems


async def _status(http: httpx.AsyncClient, stack: Stack) -> Any:
    response = await http.get(
        f"{stack.daemon}/api/v1/status", headers={"Authorization": f"Bearer {stack.api_token}"}
    )
    return response.raise_for_status().json()


async def _show_postmortem(
    http: httpx.AsyncClient, stack: Stack, story: Story, screen: Screen
) -> None:
    if not story.incident_id:
        return
    url = f"{stack.daemon}/api/v1/incidents/{story.incident_id}/postmortem"
    response = await http.get(url, headers={"Authorization": f"Bearer {stack.api_token}"})
    if response.is_success:
        screen.section("post-mortem")
        screen.document(response.text)


async def _check(http: httpx.AsyncClient, stack: Stack, story: Story) -> list[str]:
    """Our own look at the shop; what is wrong with it, or with the daemon's word."""
    problems = []
    if story.state not in {"resolved", "closed"} or not story.proven:
        problems.append(f"the incident ended '{story.state or 'nowhere'}', not resolved by a proof")
    configured = stack.config().get("DB_POOL_SIZE", "")
    if not (configured.isdigit() and 5 <= int(configured) <= 100):
        problems.append(f"DB_POOL_SIZE in {stack.config_file} is {configured!r}, not 5 to 100")
    live = await _value(http, stack, 'db_pool_size{service="api-server"}')
    if live is None or str(int(live)) != configured:
        problems.append(f"the running pool has {live} connections, the file says {configured}")
    errors = await _value(http, stack, 'sum(rate(http_requests_total{status=~"5.."}[10s]))')
    if errors is None or errors > BASELINE_5XX:
        problems.append(f"{errors} errors per second; up to {BASELINE_5XX} are normal")
    response = await http.get(f"{stack.prometheus}/api/v1/alerts")
    firing = {
        alert["labels"]["alertname"]
        for alert in response.json()["data"]["alerts"]
        if alert["state"] == "firing"
    }
    if firing & ALERTS:
        problems.append(f"still firing: {', '.join(sorted(firing & ALERTS))}")
    return problems


async def _value(http: httpx.AsyncClient, stack: Stack, query: str) -> float | None:
    response = await http.get(f"{stack.prometheus}/api/v1/query", params={"query": query})
    result = response.json()["data"]["result"]
    return float(result[0]["value"][1]) if result else None


async def _keep(stack: Stack, screen: Screen, stop: asyncio.Event) -> None:
    POINTER.write_text(json.dumps({"pid": os.getpid(), "root": str(stack.root)}))
    screen.section("still running; `make demo-down` or Ctrl-C stops it")
    for name, value in (
        ("console", f"{stack.daemon}/"),
        ("API token", stack.api_token),
        ("shop", stack.api),
        ("Prometheus", stack.prometheus),
        ("Alertmanager", stack.alertmanager),
        ("files", str(stack.root)),
    ):
        screen.line(f"{name:<13} {value}")
    try:
        await stop.wait()
    finally:
        POINTER.unlink(missing_ok=True)


def down() -> int:
    """Stop a demo that was left running."""
    try:
        kept = json.loads(POINTER.read_text())
        os.kill(kept["pid"], signal.SIGTERM)
    except (OSError, ValueError, KeyError):
        POINTER.unlink(missing_ok=True)
        sys.stdout.write("no demo is running\n")
        return 0
    sys.stdout.write(f"stopping the demo in {kept['root']}\n")
    return 0
