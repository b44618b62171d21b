"""A redeploy of a real container whose tool server is killed in the middle: seen, settled, done once."""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime

import psutil
import pytest

from sre_daemon.domain.effect import ServiceRedeploy, ServiceRestart
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.executor.executor import Executor
from sre_daemon.executor.hands import ProcessHands
from tests.contracts.runtime import STEADY
from tests.support.repairs import under_repair
from tests.support.tool_server import tree

LABEL = "com.docker.compose"


@pytest.fixture(scope="module")
def shop(engine, tmp_path_factory):
    """A project with one service whose environment was just changed; its folder and its name."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "api.env").write_text("SIZE=1\n")
    service = {"image": engine.image, "init": True, "command": ["python3", "-c", STEADY]}
    services = {"api-server": service | {"env_file": "api.env", "stop_grace_period": "1s"}}
    with engine.project(folder, services) as name:
        yield folder, name


def containers(engine, name):
    """Whatever there is of the service, seen without our code."""
    filters = {"label": [f"{LABEL}.project={name}", f"{LABEL}.service=api-server"]}
    return engine.client.containers.list(all=True, filters=filters)


def tool_servers():
    """Those that this process started."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "mcp_tools" in " ".join(child.cmdline())
    ]


async def until(condition):
    async with asyncio.timeout(20):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.8], ids="killed after {} s".format)
@pytest.mark.parametrize("effect", [ServiceRedeploy, ServiceRestart], ids=lambda kind: kind.kind)
async def test_a_kill_in_the_middle_is_seen_and_settled(engine, shop, tmp_path, effect, seconds):
    folder, name = shop
    size = f"SIZE={os.urandom(4).hex()}"
    (folder / "api.env").write_text(size + "\n")
    runtime = {"kind": "compose", "socket": str(engine.socket), "project": name}
    config = tree(
        tmp_path / "t", runtime=runtime | {"file": str(folder / "compose.yaml")}, guardrails=None
    )
    (before,) = containers(engine, name)
    wanted = effect("api-server")
    seen = {"targets": {wanted.target: {"instance": before.id[:12]}}}
    async with under_repair(tmp_path, effects=[wanted], data=seen) as repair:
        hands = ProcessHands(config, repair.gate.socket)
        executor = Executor(repair.store, repair.gate, hands, repair.clock, repair.metrics)
        repair.clock.at = datetime.now(UTC)

        async def intended():
            return await repair.states() == [EffectState.INTENDED]

        first = asyncio.create_task(executor.apply(repair.incident, Direction.FORWARD))
        await until(intended)
        await asyncio.sleep(seconds)
        for server in tool_servers():
            os.kill(server.pid, signal.SIGKILL)
        assert not (await first).complete

        async def gone():
            return not tool_servers()

        await until(gone)
        again = await executor.apply(repair.incident, Direction.FORWARD)
        assert again.complete, again.message
        assert await repair.states() == [EffectState.APPLIED]
        (record,) = await repair.records()
    running = [item for item in containers(engine, name) if item.status == "running"]
    assert len(running) == 1, json.dumps([item.attrs["State"] for item in running])
    recreated = running[0].id != before.id
    assert recreated is (effect is ServiceRedeploy)
    assert (size in running[0].attrs["Config"]["Env"]) is recreated
    assert record.detail
