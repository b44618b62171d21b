"""What a command gives back, and what a report holds: whole, by a server in this process."""

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcp_tools.errors import ServiceFailed, TargetUnavailable
from mcp_tools.runtimes.compose import Compose
from tests.support.decoy import Engine
from tests.support.inside import Asked, inside
from tests.support.tool_server import text

REPORT = {
    "title": "Pool exhausted",
    "summary": "5xx on /api/users for 12 minutes",
    "root_cause": "DB_POOL_SIZE was 1",
    "timeline": ["10:02 deploy", "10:03 alert"],
    "remediation": "set to 20\nand redeployed",
    "action_items": ["guard it"],
}


@asynccontextmanager
async def commands(runtime):
    async with inside({"services": ["api-server"]}) as client:
        client.dispatcher._context.runtime = runtime

        async def run(command):
            return await client.call_tool("run_shell_command", {"command": command})

        yield run


async def test_a_result_has_output_errors_and_exit_code():
    async with commands(Engine()) as run:
        for command, said in (
            ("docker compose ps", "api-server  up"),
            ("docker compose logs --tail 1 api-server", "ERROR two"),
            ("docker restart api-server", "api-server restarted: up"),
            ("docker compose up -d api-server", "api-server redeployed: up"),
        ):
            result = await run(command)
            found = result.structured_content
            assert (found["stdout"], found["stderr"], found["exit_code"]) == (said, "", 0)
            assert text(result).endswith("exit code 0")


@pytest.mark.parametrize(
    "failure",
    [
        ServiceFailed("Compose could not recreate api-server (exit code 17).", "no such image"),
        ServiceFailed("api-server did not come up: exited with code 3", "Its last log lines: boom"),
        TargetUnavailable("The Engine does not answer.", "Check that it runs."),
    ],
)
async def test_what_does_not_end_well_is_an_error_with_its_words(failure):
    class Failing(Engine):
        async def redeploy(self, service):
            raise failure

    async with commands(Failing()) as run:
        result = await run("docker compose up -d api-server")
    assert result.is_error
    assert result.structured_content is None
    assert failure.reason in text(result)
    assert failure.hint in text(result)


def test_a_command_has_sixty_seconds():
    assert Compose("unix:///run/docker.sock", "shop", Path("/srv/compose.yaml")).seconds == 60


async def test_a_report_is_a_file_with_everything_in_it(tmp_path):
    guard = Asked()
    async with inside({"postmortems": str(tmp_path / "p")}, guard) as client:
        result = await client.call_tool("write_postmortem", REPORT)
    (file,) = (tmp_path / "p").iterdir()
    assert result.structured_content["path"] == str(file)
    head, _, rest = file.read_text().partition("\n\n**Date:** ")
    date, _, sections = rest.partition("\n\n")
    assert head == "# Post-mortem: Pool exhausted"
    assert date.endswith(" UTC")
    assert sections == (
        "## Summary\n\n5xx on /api/users for 12 minutes\n\n"
        "## Root cause\n\nDB_POOL_SIZE was 1\n\n"
        "## Timeline\n\n- 10:02 deploy\n- 10:03 alert\n\n"
        "## Remediation\n\nset to 20\nand redeployed\n\n"
        "## Action items\n\n- guard it\n"
    )
    assert [effect.kind for effect in guard.effects] == ["postmortem.write"]
