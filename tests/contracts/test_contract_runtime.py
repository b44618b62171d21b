"""The runtime contract over a real supervisord, and what is particular to it."""

import pytest

from mcp_tools.errors import TargetUnavailable, ToolError
from mcp_tools.runtimes.none import NoRuntime
from mcp_tools.runtimes.supervisor import Supervisor
from tests.contracts.runtime import BEHAVIOURS, BOUND, FAILING, STEADY
from tests.support.tool_server import supervisord


@pytest.fixture(scope="module")
def daemon():
    with supervisord({"steady": STEADY, "failing": FAILING}) as (socket, folder):
        yield socket, folder


@pytest.fixture
async def runtime(daemon):
    runtime = Supervisor(daemon[0], ("steady", "failing"))
    yield runtime
    await runtime.aclose()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_supervisor_keeps_the_contract(runtime, behaviour):
    await behaviour(runtime)


async def test_flood_costs_only_its_end(runtime, daemon):
    log = daemon[1] / "steady.log"
    kept = log.read_bytes()
    with log.open("ab") as file:
        file.truncate(100 << 20)  # sparse, so that the test stays quick
        file.write(b"\nlast \x1b[31m\xff line\n")
    try:
        tail = await runtime.logs("steady", BOUND)
    finally:
        log.write_bytes(kept)
    assert tail.truncated
    assert tail.lines[-1] == "last \x1b[31m\ufffd line"
    assert sum(map(len, tail.lines)) <= BOUND


async def test_program_that_supervisord_does_not_have_is_named(daemon):
    runtime = Supervisor(daemon[0], ("ghost",))
    with pytest.raises(ToolError, match="no program ghost"):
        await runtime.status("ghost")
    await runtime.aclose()


async def test_absent_supervisord_is_named_by_its_socket(tmp_path):
    runtime = Supervisor(tmp_path / "none.sock", ("steady",))
    with pytest.raises(TargetUnavailable, match=r"none\.sock"):
        await runtime.status("steady")
    await runtime.aclose()


async def test_no_runtime_refuses_everything():
    runtime = NoRuntime()
    for call in (runtime.status, runtime.restart, runtime.redeploy):
        with pytest.raises(ToolError, match="No runtime"):
            await call("steady")
    with pytest.raises(ToolError, match="No runtime"):
        await runtime.logs("steady", BOUND)
