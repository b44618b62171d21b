"""The runtime contract over a real systemd, the first process of a container."""

import base64
from pathlib import Path

import pytest

from mcp_tools.errors import TargetUnavailable, ToolError
from mcp_tools.runtimes.systemd import Systemd
from tests.contracts.runtime import BEHAVIOURS, BOUND, FAILING, STEADY

SERVICES = ("steady", "failing")
# Nothing of a usual boot: only the journal and our two services.
UNITS = {
    "test.target": "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n",
    **{
        f"{name}.service": (
            f"[Unit]\nDefaultDependencies=no\nStartLimitIntervalSec=0\n[Service]\nExecStart=/usr/bin/python3 /{name}.py\n"
            f"EnvironmentFile=-/{name}.env\n"
        )
        for name in SERVICES
    },
}
FILES = {f"/etc/systemd/system/{name}": text for name, text in UNITS.items()} | {
    "/steady.py": STEADY,
    "/failing.py": FAILING,
}
STAND_IN = '#!/bin/sh\nexec docker -H {url} exec -e LC_ALL=C -e TZ=UTC {name} {program} "$@"\n'


def writing(path: str, text: str) -> str:
    return f"echo {base64.b64encode(text.encode()).decode()} | base64 -d >{path}"


@pytest.fixture(scope="module")
def host(engine, tmp_path_factory):
    """A container that systemd runs; yields it and the folder of programs that talk to it."""
    boot = " && ".join(writing(path, text) for path, text in FILES.items())
    container = engine.client.containers.run(
        engine.image,
        ["sh", "-c", f"{boot} && exec /lib/systemd/systemd --unit=test.target"],
        detach=True,
        cap_add=["SYS_ADMIN"],
        security_opt=["seccomp=unconfined", "apparmor=unconfined"],
        tmpfs={"/run": "", "/tmp": ""},
        volumes={"/sys/fs/cgroup": {"bind": "/sys/fs/cgroup", "mode": "rw"}},
        environment={"container": "docker"},
    )
    try:
        folder = tmp_path_factory.mktemp("programs")
        for program in ("systemctl", "journalctl"):
            script = folder / program
            script.write_text(STAND_IN.format(url=engine.url, name=container.name, program=program))
            script.chmod(0o755)
        wait = "until systemctl is-active -q test.target; do sleep 0.1; done"
        assert container.exec_run(["timeout", "20", "sh", "-c", wait]).exit_code == 0, (
            container.logs()
        )
        yield container, folder
    finally:
        container.remove(force=True)


def systemd(folder: Path, services=SERVICES) -> Systemd:
    return Systemd(services, folder / "systemctl", folder / "journalctl")


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda item: item.__name__)
async def test_systemd_keeps_the_contract(host, behaviour):
    await behaviour(systemd(host[1]))


async def test_redeploy_reads_the_environment_file_again(host):
    container, folder = host
    runtime = systemd(folder)
    for size in ("1", "20"):
        container.exec_run(["sh", "-c", writing("/steady.env", f"SIZE={size}\n")])
        await runtime.redeploy("steady")
        shown = container.exec_run(
            ["sh", "-c", "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID steady)/environ"]
        )
        assert f"SIZE={size}" in shown.output.decode().splitlines()


async def test_unit_that_systemd_does_not_have_is_named(host):
    with pytest.raises(ToolError, match=r"no unit ghost\.service"):
        await systemd(host[1], ("ghost",)).status("ghost")


async def test_usage_that_systemd_does_not_measure_is_said(host):
    with pytest.raises(ToolError, match="does not measure steady"):
        await systemd(host[1]).usage("steady")


async def test_usage_comes_from_two_samples(tmp_path):
    script = tmp_path / "systemctl"
    script.write_text(
        "#!/bin/sh\necho CPUUsageNSec=$(date +%s%N); echo MemoryCurrent=1000; echo MemoryMax=infinity\n"
    )
    script.chmod(0o755)
    usage = await Systemd(("steady",), script).usage("steady")
    assert 0.9 < usage.cpu_cores < 3  # its clock runs like one busy core
    assert (usage.memory_bytes, usage.memory_limit_bytes) == (1000, 0)


async def test_host_without_systemd_is_told(tmp_path):
    script = tmp_path / "systemctl"
    script.write_text("#!/bin/sh\necho System has not been booted with systemd >&2; exit 1\n")
    script.chmod(0o755)
    with pytest.raises(TargetUnavailable, match="not been booted"):
        await Systemd(("steady",), script).status("steady")
    with pytest.raises(TargetUnavailable, match="No such file"):
        await Systemd(("steady",), tmp_path / "none").status("steady")


async def test_flood_of_the_journal_costs_only_its_end(host):
    container, folder = host
    runtime = systemd(folder)
    container.exec_run(
        ["sh", "-c", writing("/steady.py", "for n in range(20000): print('x' * 100, n)\n" + STEADY)]
    )
    await runtime.restart("steady")
    tail = await runtime.logs("steady", BOUND)
    assert tail.truncated
    assert sum(map(len, tail.lines)) <= BOUND
    assert tail.lines[-1] == "hello"
