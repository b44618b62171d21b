"""What changed, in one call: deploys, commits, starts, edits, and what is not deployed yet."""

import asyncio
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta

from tests.support.tool_server import ALLOW, connected, gate, supervisord, text, tree

IDLE = "import time; time.sleep(600)"
EDIT = {
    "path": "config/api-server.env",
    "key": "DB_POOL_SIZE",
    "old_value": "1",
    "new_value": "20",
}


def git(folder, *arguments, **env):
    subprocess.run(
        ["git", "-c", "user.name=Ann", "-c", "user.email=a@x", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, **env},
    )


def repository(folder):
    """Two commits; one message is hostile, one is older than anybody asks for."""
    folder.mkdir()
    git(folder, "init", "-q")
    old = (datetime.now(UTC) - timedelta(days=60)).isoformat()
    (folder / "a.env").write_text("A=1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "ancient", GIT_COMMITTER_DATE=old, GIT_AUTHOR_DATE=old)
    (folder / "a.env").write_text("A=2\n")
    git(folder, "commit", "-qam", "Halve the pool \x1b[31m password=hunter2")
    return folder


async def changes(client, **more):
    result = await client.call_tool("get_recent_deployments", more)
    assert not result.is_error, text(result)
    return result.structured_content


async def test_every_source_is_in_one_answer(tmp_path):
    with supervisord({"api-server": IDLE}) as (socket, _):
        config = tree(
            tmp_path / "t",
            runtime={"kind": "supervisor", "socket": str(socket)},
            repository=str(repository(tmp_path / "repo")),
        )
        record = {"time": "2026-01-01T10:00:00Z", "service": "api-server", "author": "ann"}
        (tmp_path / "t" / "deployments.jsonl").write_text(json.dumps(record) + "\n")
        async with (
            gate(tmp_path, ALLOW) as (gate_socket, _),
            connected(config, "remediate", gate_socket) as client,
            asyncio.timeout(20),
        ):
            assert not (await client.call_tool("edit_config_file", EDIT)).is_error
            found = await changes(client)
            # supervisord calls a program running when it has run for a second.
            while "does not run" in json.dumps(found):
                found = await changes(client)
    assert set(found["sources"].values()) == {"ok"}
    whats = {item["kind"]: item["what"] for item in reversed(found["changes"])}
    assert set(whats) == {"deploy", "commit", "runtime", "edit"}
    assert whats["commit"].endswith("(a.env)")
    assert "Ann: Halve the pool  password=***" in whats["commit"]
    assert "hunter2" not in json.dumps(found)
    assert "ancient" not in json.dumps(found)
    assert whats["runtime"] == "api-server: start"
    assert "DB_POOL_SIZE 1 -> 20" in whats["edit"]
    times = [item["time"] for item in found["changes"]]
    assert times == sorted(times, reverse=True)


async def test_a_source_that_fails_is_named_and_hides_no_other(tmp_path):
    (tmp_path / "norepo").mkdir()
    config = tree(
        tmp_path / "t",
        runtime={"kind": "supervisor", "socket": str(tmp_path / "nobody.sock")},
        repository=str(tmp_path / "norepo"),
    )
    async with connected(config) as client:
        found = await changes(client)
        assert "not a git repository" in found["sources"]["commits"]
        assert "not available" in found["sources"]["runtime"]
        assert found["sources"]["deploys"] == found["sources"]["edits"] == "ok"
        assert {item["kind"] for item in found["changes"]} == {"edit"}


async def test_the_settings_of_a_repository_run_nothing(tmp_path):
    folder = repository(tmp_path / "repo")
    trap = tmp_path / "trap"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "diff.external", "gpg.program", "pager.log"):
        git(folder, "config", name, str(script))
    git(folder, "config", "log.showSignature", "true")
    git(folder, "config", "diff.x.textconv", str(script))
    (folder / ".gitattributes").write_text("*.env diff=x\n")
    config = tree(tmp_path / "t", repository=str(folder))
    async with connected(config) as client:
        found = await changes(client)
    assert found["sources"]["commits"] == "ok"
    assert any(item["kind"] == "commit" for item in found["changes"])
    assert not trap.exists()


async def test_many_changes_come_in_pages(tmp_path):
    config = tree(tmp_path)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        json.dumps(
            {
                "time": (start + timedelta(minutes=n)).isoformat(),
                "service": "api-server",
                "message": f"number {n} {'x' * 200}",
            }
        )
        for n in range(120)
    ]
    (tmp_path / "deployments.jsonl").write_text("\n".join(lines) + "\n")
    async with connected(config) as client:
        seen, offset = [], 0
        while offset is not None:
            page = await changes(client, offset=offset)
            assert len(json.dumps(page)) < 39_000
            seen += [item["what"] for item in page["changes"] if item["kind"] == "deploy"]
            offset = page["next_offset"]
        assert [what.split("number ")[1].split()[0] for what in seen] == [
            str(n) for n in reversed(range(120))
        ]
