"""The runtime contract over a real Docker Engine: plain containers, and services of Compose."""

import asyncio
import hashlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mcp_tools.errors import Refused, ServiceFailed, SettingsError, TargetUnavailable, ToolError
from mcp_tools.runtimes import build
from mcp_tools.runtimes.docker import Docker
from mcp_tools.runtimes.engine import Engine
from mcp_tools.settings import RuntimeSettings, ToolSettings
from tests.contracts.runtime import BEHAVIOURS, BOUND, FAILING, STEADY
from tests.support.docker_proxy import documented, proxied

SERVICES = ("steady", "failing")


def runtime_of(**settings):
    return build(ToolSettings(runtime=RuntimeSettings(**settings), services=SERVICES))


@pytest.fixture(scope="module")
def plain(engine):
    """Two containers of no project."""
    with engine.named(steady=STEADY, failing=FAILING) as made:
        yield made


@pytest.fixture(scope="module")
def project(engine, tmp_path_factory):
    """The same two as services of a project; yields its folder and its name."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "steady.env").write_text("SIZE=1\n")
    services = {
        name: {"image": engine.image, "init": True, "command": ["python3", "-c", text]}
        for name, text in (("steady", STEADY), ("failing", FAILING))
    }
    services["steady"]["env_file"] = "steady.env"
    with engine.project(folder, services) as name:
        yield folder, name


@pytest.fixture
async def docker(engine, plain):
    runtime = runtime_of(kind="docker", socket=engine.socket)
    yield runtime
    await runtime.aclose()


@pytest.fixture
async def compose(engine, project):
    folder, name = project
    runtime = runtime_of(
        kind="compose", socket=engine.socket, project=name, file=folder / "compose.yaml"
    )
    yield runtime
    await runtime.aclose()


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_docker_keeps_the_contract(docker, behaviour):
    await behaviour(docker)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_compose_keeps_the_contract(compose, behaviour):
    await behaviour(compose)


def environment(engine, project, service="steady"):
    """The service's container id and its environment, seen without our code."""
    (found,) = engine.client.containers.list(
        filters={"label": [f"com.docker.compose.project={project}", f"{SERVICE}={service}"]}
    )
    return found.id, found.attrs["Config"]["Env"]


SERVICE = "com.docker.compose.service"


async def test_changed_environment_needs_a_redeploy_and_gets_it(engine, compose, project):
    folder, name = project
    first = (await compose.redeploy("steady")).instance
    (folder / "steady.env").write_text("SIZE=20\n")
    restarted = await compose.restart("steady")
    assert restarted.instance == first
    assert "SIZE=1" in environment(engine, name)[1]
    redeployed = await compose.redeploy("steady")
    found, values = environment(engine, name)
    assert redeployed.instance == found[:12] != first
    assert "SIZE=20" in values


async def test_redeploy_touches_no_other_service(compose):
    with pytest.raises(ServiceFailed):
        await compose.restart("failing")
    before = (await compose.status("failing")).instance
    await compose.redeploy("steady")
    assert (await compose.status("failing")).instance == before


async def test_redeploy_is_refused_while_a_pinned_file_is_another(engine, project):
    folder, name = project
    file = folder / "compose.yaml"
    good = hashlib.sha256(file.read_bytes()).hexdigest()
    for digest, refused in ((good, False), ("0" * 64, True)):
        runtime = runtime_of(
            kind="compose",
            socket=engine.socket,
            project=name,
            file=file,
            pinned={str(file): digest},
        )
        before = environment(engine, name)[0]
        if refused:
            with pytest.raises(Refused, match=good):
                await runtime.redeploy("steady")
        else:
            await runtime.redeploy("steady")
        assert (environment(engine, name)[0] == before) is refused
        await runtime.aclose()


async def test_compose_that_cannot_recreate_is_told_with_its_words(engine, project, tmp_path):
    _, name = project
    (tmp_path / "other.yaml").write_text("services: {steady: {image: 'not-here:1'}}\n")
    runtime = runtime_of(
        kind="compose", socket=engine.socket, project=name, file=tmp_path / "other.yaml"
    )
    before = environment(engine, name)[0]
    with pytest.raises(ServiceFailed, match=r"(?s)exit code [1-9].*not-here:1"):
        await runtime.redeploy("steady")
    assert environment(engine, name)[0] == before
    await runtime.aclose()


async def test_docker_does_not_pretend_to_redeploy_what_compose_made(engine, project):
    _, name = project
    runtime = runtime_of(kind="docker", socket=engine.socket, project=name)
    before = await runtime.status("steady")
    with pytest.raises(ToolError, match="was made by Compose"):
        await runtime.redeploy("steady")
    assert await runtime.status("steady") == before
    await runtime.aclose()


async def test_beginning_of_an_id_is_no_name(engine, plain):
    name = plain[0].id[:12]
    runtime = build(
        ToolSettings(runtime=RuntimeSettings(kind="docker", socket=engine.socket), services=(name,))
    )
    with pytest.raises(ToolError, match=f"no container named {name}"):
        await runtime.restart(name)
    await runtime.aclose()


async def test_container_that_does_not_exist_is_named(engine):
    runtime = runtime_of(kind="docker", socket=engine.socket, project="absent")
    with pytest.raises(ToolError, match="has no container of steady"):
        await runtime.status("steady")
    await runtime.aclose()
    runtime = build(
        ToolSettings(
            runtime=RuntimeSettings(kind="docker", socket=engine.socket), services=("ghost",)
        )
    )
    with pytest.raises(ToolError, match="ghost"):
        await runtime.status("ghost")
    await runtime.aclose()


@pytest.fixture
def container(engine):
    """Starts containers with a Python text, and removes them."""
    made = []

    def start(text, **options):
        made.append(
            engine.client.containers.run(
                engine.image, ["python3", "-c", text], init=True, detach=True, **options
            )
        )
        return made[-1]

    yield start
    for item in made:
        item.remove(force=True)


def runtime_for(engine, container):
    container.reload()
    return build(
        ToolSettings(
            runtime=RuntimeSettings(kind="docker", socket=engine.socket),
            services=(container.name,),
        )
    )


async def test_health_check_decides_whether_a_restart_came_up(engine, container):
    text = (
        "import os, time\n"
        "time.sleep(1.5)\n"
        "open('/tmp/ok', 'w') if not os.path.exists('/tmp/bad') else print('broken')\n"
        "time.sleep(600)\n"
    )
    second = 1_000_000_000
    check = {"test": ["CMD", "test", "-e", "/tmp/ok"], "interval": second, "retries": 3}
    made = container(text, healthcheck=check)
    runtime = runtime_for(engine, made)
    status = await runtime.restart(made.name)
    assert status.running
    assert "healthy" in status.detail
    made.exec_run(["mv", "/tmp/ok", "/tmp/bad"])
    with pytest.raises(ServiceFailed, match="unhealthy"):
        await runtime.restart(made.name)
    await runtime.aclose()


async def test_crash_loop_of_the_engine_is_not_running(engine, container):
    made = container(FAILING, restart_policy={"Name": "always"})
    runtime = runtime_for(engine, made)
    with pytest.raises(ServiceFailed, match="cannot start"):
        await runtime.restart(made.name)
    await runtime.aclose()


async def test_flood_of_a_container_costs_only_its_end(engine, container):
    text = "for n in range(400_000): print('x' * 200, n)"
    made = container(text)
    made.wait()
    runtime = runtime_for(engine, made)
    started = time.perf_counter()
    tail = await runtime.logs(made.name, BOUND)
    took = time.perf_counter() - started
    assert tail.truncated
    assert tail.lines[-1] == "x" * 200 + " 399999"
    assert 0 < sum(len(line) + 1 for line in tail.lines) <= BOUND
    assert all(line.startswith("x" * 200) for line in tail.lines)
    assert took < 3
    await runtime.aclose()


async def test_both_streams_and_bad_bytes_are_read(engine, container):
    text = "import os; os.write(1, b'out \\xff\\n'); os.write(2, b'err\\n')"
    made = container(text)
    made.wait()
    runtime = runtime_for(engine, made)
    tail = await runtime.logs(made.name, BOUND)
    assert set(tail.lines) == {"out \ufffd", "err"}
    assert not tail.truncated
    await runtime.aclose()


async def test_usage_is_measured_by_the_engine(engine, container):
    made = container("while True: pass", nano_cpus=500_000_000, mem_limit="64m")
    runtime = runtime_for(engine, made)
    usage = await runtime.usage(made.name)
    assert 0.05 < usage.cpu_cores < 0.8
    assert 0 < usage.memory_bytes < 64 << 20
    assert usage.memory_limit_bytes == 64 << 20
    await runtime.aclose()


@pytest.mark.parametrize("kind", ["docker", "compose"])
async def test_documented_engine_calls_are_all_that_is_needed(engine, project, tmp_path, kind):
    folder, name = project
    socket = tmp_path / "proxy.sock"
    async with proxied(engine.socket, socket, documented(kind)) as proxy:
        runtime = runtime_of(kind=kind, socket=socket, project=name, file=folder / "compose.yaml")
        await runtime.restart("steady")
        await runtime.logs("steady", BOUND)
        await runtime.usage("steady")
        now = datetime.now(UTC)
        await runtime.history("steady", now - timedelta(minutes=1), now)
        if kind == "compose":
            await runtime.redeploy("steady")
        await runtime.aclose()
        assert proxy.refused == []
        assert proxy.allowed == {f"{method} {path.pattern}" for method, path in proxy.permitted}


async def test_call_that_a_proxy_refuses_is_named(engine, plain, tmp_path):
    permitted = [call for call in documented("docker") if call[0] == "GET"]
    socket = tmp_path / "proxy.sock"
    async with proxied(engine.socket, socket, permitted):
        runtime = runtime_of(kind="docker", socket=socket)
        assert (await runtime.status("steady")).detail
        with pytest.raises(ToolError, match=r"proxy refuses POST .*/restart"):
            await runtime.restart("steady")
        await runtime.aclose()


async def test_absent_engine_is_named_by_its_socket(tmp_path):
    runtime = runtime_of(kind="docker", socket=tmp_path / "none.sock")
    with pytest.raises(TargetUnavailable, match=r"none\.sock is not available: No such file"):
        await runtime.status("steady")
    await runtime.aclose()


async def test_engine_that_hangs_holds_up_nobody_else(tmp_path):
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(silent, tmp_path / "hung.sock")
    async with server:
        runtime = Docker(Engine(f"unix://{tmp_path}/hung.sock", seconds=0.5), SERVICES)
        calls = [asyncio.ensure_future(runtime.status("steady")) for _ in range(20)]
        late = 0.0
        while not all(call.done() for call in calls):
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            late = max(late, time.perf_counter() - before)
        assert all(isinstance(call.exception(), TargetUnavailable) for call in calls)
        assert late < 0.4
        await runtime.aclose()


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"kind": "compose", "file": Path("/c.yaml")}, "project"),
        ({"kind": "compose", "project": "shop"}, "file"),
        ({"kind": "supervisor"}, "socket"),
    ],
)
def test_runtime_names_the_setting_that_it_needs(settings, missing):
    with pytest.raises(SettingsError, match=f"needs runtime.{missing}"):
        runtime_of(**settings)
