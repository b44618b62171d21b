"""What every runtime must do, as numbered behaviours. A runtime's own test starts the real thing
with the services `steady` (prints "hello" and runs), and `failing` (prints "cannot start" and
exits), and calls each behaviour."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from mcp_tools.errors import ServiceFailed, ToolError
from mcp_tools.runtimes import Runtime

STEADY = "import time\nprint('hello', flush=True)\ntime.sleep(600)\n"
FAILING = "raise SystemExit('cannot start')\n"
BOUND = 64 * 1024


async def rt01_status_of_a_running_service_has_its_start_in_utc(runtime: Runtime) -> None:
    await runtime.restart("steady")
    status = await runtime.status("steady")
    assert status.running
    assert status.started_at is not None
    assert status.started_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - status.started_at) < timedelta(seconds=30)


async def rt02_status_of_a_dead_service_says_so(runtime: Runtime) -> None:
    with pytest.raises(ServiceFailed):
        await runtime.restart("failing")
    status = await runtime.status("failing")
    assert not status.running
    assert status.started_at is None
    assert status.detail


async def rt03_unknown_names_are_refused_by_every_call(runtime: Runtime) -> None:
    for call in (runtime.status, runtime.restart, runtime.redeploy):
        with pytest.raises(ToolError, match="not a known service"):
            await call("other")
    with pytest.raises(ToolError, match="not a known service"):
        await runtime.logs("../steady", BOUND)


async def rt04_restart_ends_with_a_new_start(runtime: Runtime) -> None:
    before = (await runtime.restart("steady")).started_at
    after = (await runtime.restart("steady")).started_at
    assert before is not None
    assert after is not None
    assert after > before


async def rt05_redeploy_ends_with_a_new_start(runtime: Runtime) -> None:
    before = (await runtime.restart("steady")).started_at
    after = (await runtime.redeploy("steady")).started_at
    assert before is not None
    assert after is not None
    assert after > before


async def rt06_failing_service_is_told_with_its_last_lines(runtime: Runtime) -> None:
    with pytest.raises(ServiceFailed, match="cannot start"):
        await runtime.redeploy("failing")


async def rt07_logs_are_whole_lines_oldest_first(runtime: Runtime) -> None:
    await runtime.restart("steady")
    tail = await runtime.logs("steady", BOUND)
    assert set(tail.lines) == {"hello"}
    assert not tail.truncated


async def rt08_services_are_the_configured_ones(runtime: Runtime) -> None:
    assert list(runtime.services) == ["steady", "failing"]


async def rt09_history_has_the_last_start(runtime: Runtime) -> None:
    started = (await runtime.restart("steady")).started_at
    assert started is not None
    now = datetime.now(UTC)
    happened = await runtime.history("steady", now - timedelta(minutes=5), now)
    assert any(abs(item.at - started) < timedelta(seconds=2) for item in happened)
    assert [item.at for item in happened] == sorted(item.at for item in happened)
    with pytest.raises(ToolError, match="not a known service"):
        await runtime.history("other", now, now)


BEHAVIOURS: tuple[Callable[[Runtime], Awaitable[None]], ...] = (
    rt01_status_of_a_running_service_has_its_start_in_utc,
    rt02_status_of_a_dead_service_says_so,
    rt03_unknown_names_are_refused_by_every_call,
    rt04_restart_ends_with_a_new_start,
    rt05_redeploy_ends_with_a_new_start,
    rt06_failing_service_is_told_with_its_last_lines,
    rt07_logs_are_whole_lines_oldest_first,
    rt08_services_are_the_configured_ones,
    rt09_history_has_the_last_start,
)
