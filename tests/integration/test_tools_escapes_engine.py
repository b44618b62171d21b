"""The same escapes with a real engine behind the tools: none of them makes it hear a single request.

Everything that honours the settings or DOCKER_HOST reaches the engine through a proxy that passes
all calls on and counts them.
"""

import re
import uuid

import pytest

from mcp_tools.runtimes import build
from mcp_tools.settings import RuntimeSettings, ToolSettings
from tests.contracts.runtime import STEADY
from tests.support.decoy import SECRET, Decoy
from tests.support.docker_proxy import proxied
from tests.support.escapes import COMMANDS, EDITS, PATHS
from tests.support.tool_server import text

ANYTHING = [(method, re.compile(".*")) for method in ("GET", "HEAD", "POST", "PUT", "DELETE")]
RULES = "path_not_allowed|edit_not_allowed|command_not_allowed|guardrail"
CASES = [
    *[("read_config_file", {"path": path}) for path in PATHS],
    *[("edit_config_file", {"path": path, "old_value": "1", "new_value": "2"}) for path in PATHS],
    *[("edit_config_file", edit) for edit in EDITS],
    *[("run_shell_command", {"command": command}) for command in COMMANDS],
]


@pytest.fixture
def shop(engine, tmp_path):
    """A project with one service, and a volume as bait; its folder, its name and the volume."""
    folder = tmp_path / "project"
    folder.mkdir()
    service = {"image": engine.image, "init": True, "command": ["python3", "-c", STEADY]}
    volume = engine.client.volumes.create(f"bait-{uuid.uuid4().hex[:10]}")
    try:
        with engine.project(folder, {"api-server": service}) as name:
            yield folder, name, volume
    finally:
        volume.remove()


def seen(engine, name, volume):
    """What there is of ours on the engine, seen without our code."""
    (container,) = engine.client.containers.list(
        all=True, filters={"label": f"com.docker.compose.project={name}"}
    )
    kept = ("Id", "Image", "State", "Mounts", "HostConfig", "Config", "ExecIDs", "RestartCount")
    return (
        {key: container.attrs.get(key) for key in kept},
        engine.client.volumes.get(volume.name).attrs,
        engine.client.images.get(engine.image).attrs,
    )


async def test_no_escape_reaches_a_real_engine(engine, shop, tmp_path, monkeypatch):
    assert len(CASES) >= 280
    folder, name, volume = shop
    decoy = Decoy(tmp_path / "decoy")
    socket = tmp_path / "proxy.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
    settings = RuntimeSettings(
        kind="compose", socket=socket, project=name, file=folder / "compose.yaml"
    )
    before = seen(engine, name, volume)
    async with proxied(engine.socket, socket, ANYTHING) as proxy:
        decoy.engine = build(ToolSettings(runtime=settings, services=("api-server",)))
        async with decoy.client() as client:
            for tool, arguments in CASES:
                result = await client.call_tool(tool, arguments)
                said = text(result)
                assert result.is_error, (arguments, said)
                assert re.search(rf"Refused \(({RULES})\)", said), (arguments, said)
                assert SECRET not in said
            assert decoy.gate.asked == []
            assert (proxy.allowed, proxy.refused) == (set(), [])
            assert decoy.snapshot() == decoy.before
            assert seen(engine, name, volume) == before
            # The engine is within reach all the time: what is no escape gets through.
            edit = {"path": "config/api-server.env", "key": "DB_POOL_SIZE"}
            values = {"old_value": "1", "new_value": "20"}
            assert not (await client.call_tool("edit_config_file", edit | values)).is_error
            done = await client.call_tool(
                "run_shell_command", {"command": "docker restart api-server"}
            )
            assert not done.is_error, text(done)
            assert proxy.allowed
            assert seen(engine, name, volume) != before
        await decoy.engine.aclose()
