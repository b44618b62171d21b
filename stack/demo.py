"""The demo: starts the shop, breaks it, prints what the daemon does, and checks the repair itself.

Exit code 0 only when the daemon says that the repair is proven and the shop, looked at from here,
is really well again.
"""

import asyncio
import shutil
import signal
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any

import httpx

from stack import containers, files, kept
from stack.embedded import Stack
from stack.faults import FAULTS, Fault
from stack.screen import Screen
from stack.shop import Shop, StackError
from stack.watch import Story, follow, wait_healthy

# The fault and everything that follows; installation and start come before.
LIMIT_SECONDS = 100
BASELINE_5XX = 2.0
ALERTS = frozenset(
    {
        *("ApiDbPoolExhausted", "ApiDbRefused", "ApiDbSlow"),
        *("ApiHighErrorRate", "ApiHighLatency", "ApiDown", "ApiDiskFilling", "ApiLogFlood"),
    }
)


class Ending(Enum):
    """What came of it. Only the unexpected leaves its files behind, for whoever has to find out why."""

    REPAIRED = auto()
    HANDED_OVER = auto()
    INTERRUPTED = auto()
    BROKEN = auto()


async def run(fault: str, *, keep: bool, runtime: str = "supervisor", local: bool = False) -> int:
    """The whole demo; the exit code. `local`: containers of images that are built here."""
    screen = Screen()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    root = Path(tempfile.mkdtemp(prefix="sre-daemon-demo-"))
    # The database's server runs as another user and must be able to walk in.
    root.chmod(0o711)
    stack = _stack(root, runtime, local=local)
    ending = Ending.BROKEN
    held = ExitStack()
    try:
        work = asyncio.ensure_future(_play(stack, FAULTS[fault], screen))
        asked = asyncio.ensure_future(stop.wait())
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            screen.line("interrupted; cleaning up")
            ending = Ending.INTERRUPTED
            return 1
        ending = work.result()
        if keep:
            await _keep(stack, screen, stop, held)
    except StackError as failure:
        screen.problem(str(failure))
    except httpx.HTTPError as failure:
        screen.problem(f"the stack stopped answering: {failure!r}; {stack.log('sre-daemon')}")
    finally:
        await stack.stop()
        if ending is Ending.BROKEN and not stop.is_set():
            screen.line(f"logs and data are kept in {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)
        held.close()
    return 0 if ending is Ending.REPAIRED else 1


def _stack(root: Path, runtime: str, *, local: bool) -> Shop:
    if runtime == "supervisor":
        return Stack(root)
    images = containers.local_images() if local else None
    engine, project = containers.engine_socket(), root.name.lower()
    return containers.ContainerStack(root, images=images, engine=engine, project=project)


async def _play(stack: Shop, fault: Fault, screen: Screen) -> Ending:
    screen.title("sre-daemon demo: a small shop, broken and brought back")
    await stack.start(screen.progress)
    async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
        await wait_healthy(http, stack, screen)
        status = await _status(http, stack)
        screen.engine(status["engine"], status["model"])
        screen.line(f"console   {stack.daemon}/   API token {stack.api_token}")
        screen.section(f"fault {fault.name}: {fault.description}")
        story = Story(screen)
        story.mark("fault", datetime.now(UTC))
        await stack.inject(fault.name)
        story.mark("broken", datetime.now(UTC))
        broken = stack.config_file.read_bytes()
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await follow(http, stack, story)
        except TimeoutError:
            screen.problem(f"the incident did not end within {LIMIT_SECONDS} s")
        postmortem = await _postmortem(http, stack, story, screen)
        problems = await check(http, stack, story)
        untouched = stack.config_file.read_bytes() == broken
        await stack.heal() if problems else None
    screen.section("how long each part took")
    screen.durations(story.durations())
    if postmortem:
        screen.line(f"post-mortem: {postmortem}")
    if not problems:
        screen.repaired()
        return Ending.REPAIRED
    if story.state == "escalated" and untouched and not fault.repairable:
        screen.handed_over(story.why, problems)
        return Ending.HANDED_OVER
    screen.failed(problems)
    return Ending.BROKEN


async def _status(http: httpx.AsyncClient, stack: Shop) -> Any:
    response = await http.get(
        f"{stack.daemon}/api/v1/status", headers={"Authorization": f"Bearer {stack.api_token}"}
    )
    return response.raise_for_status().json()


async def _postmortem(
    http: httpx.AsyncClient, stack: Shop, story: Story, screen: Screen
) -> Path | None:
    """Show it, and keep a copy that outlives the stack."""
    if not story.incident_id:
        return None
    url = f"{stack.daemon}/api/v1/incidents/{story.incident_id}/postmortem"
    response = await http.get(url, headers={"Authorization": f"Bearer {stack.api_token}"})
    if not response.is_success:
        return None
    screen.section("post-mortem")
    screen.document(response.text)
    kept.FOLDER.mkdir(parents=True, exist_ok=True)
    copy = kept.FOLDER / f"{story.incident_id}.md"
    copy.write_text(response.text, encoding="utf-8")
    return copy.resolve()


async def check(http: httpx.AsyncClient, stack: Shop, story: Story) -> list[str]:
    """Our own look at the shop; what is wrong with it, or with the daemon's word."""
    problems = []
    if story.state not in {"resolved", "closed"} or not story.proven:
        problems.append(f"the incident ended '{story.state or 'nowhere'}', not resolved by a proof")
    config = stack.config()
    problems += [
        f"{key} in {stack.config_file} is {config.get(key)!r}, not {files.GOOD[key]!r}"
        for key in ("SPOOL_KEEP_FILES", "LOG_LEVEL")
        if config.get(key) != files.GOOD[key]
    ]
    configured = config.get("DB_POOL_SIZE", "")
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


async def _value(http: httpx.AsyncClient, stack: Shop, query: str) -> float | None:
    response = await http.get(f"{stack.prometheus}/api/v1/query", params={"query": query})
    result = response.json()["data"]["result"]
    return float(result[0]["value"][1]) if result else None


async def _keep(stack: Shop, screen: Screen, stop: asyncio.Event, held: ExitStack) -> None:
    pointer = kept.hold(stack.root)
    if pointer is None:
        screen.section("still running, as another demo is; Ctrl-C stops this one")
    else:
        # Closed when everything is gone, which is what `make demo-down` waits for.
        held.enter_context(pointer)
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
    await stop.wait()
