"""Writes through a real server process: guardrails first, gate last, and nothing without an allow."""

import asyncio
import hashlib
import json
import stat
from pathlib import Path

import pytest

from tests.support.tool_server import (
    ALLOW,
    ENV_FILE,
    answering,
    connected,
    gate,
    supervisord,
    text,
    tree,
)

FIX = {"path": "config/api-server.env", "key": "DB_POOL_SIZE", "old_value": "1", "new_value": "20"}
REPORT = {"title": "Pool exhausted", "summary": "5xx", "root_cause": "DB_POOL_SIZE was 1"}


def env(root):
    return root / "config" / "api-server.env"


def snapshot(root):
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_allowed_edit_is_applied_exactly(tmp_path):
    config = tree(tmp_path)
    env(tmp_path).chmod(0o640)
    async with (
        gate(tmp_path, ALLOW) as (path, questions),
        connected(config, "remediate", path) as client,
    ):
        result = await client.call_tool("edit_config_file", FIX)
    after = ENV_FILE.replace("DB_POOL_SIZE=1", "DB_POOL_SIZE=20")
    assert not result.is_error, text(result)
    assert env(tmp_path).read_text() == after
    assert stat.S_IMODE(env(tmp_path).stat().st_mode) == 0o640
    structure = result.structured_content
    assert structure["changes"] == [{"key": "DB_POOL_SIZE", "before": "1", "after": "20"}]
    assert structure["before_digest"] == hashlib.sha256(ENV_FILE.encode()).hexdigest()
    assert structure["after_digest"] == hashlib.sha256(after.encode()).hexdigest()
    assert Path(structure["backup"]).read_text() == ENV_FILE
    assert not Path(structure["backup"]).is_relative_to(tmp_path / "config")
    assert [
        item.name for item in (tmp_path / "config").iterdir() if item.name.startswith(".")
    ] == []
    effect = {
        "effect": "config.set",
        "path": FIX["path"],
        "key": "DB_POOL_SIZE",
        "before": "1",
        "after": "20",
    }
    assert questions == [{"token": "t0ken", "tool": "edit_config_file", "effects": [effect]}]


async def silence(reader, _writer):
    await reader.read()  # until the other side gives up


HOSTILE_ANSWERS = {
    "denied": (
        answering({"allow": False, "reason": "paused", "message": "The daemon is paused."}),
        "paused",
    ),
    "denied without words": (answering({"allow": False}), "denied"),
    "empty": (answering(b""), "gate_unreachable"),
    "garbage": (answering(b"yes\n"), "gate_unreachable"),
    "no newline": (answering(b'{"allow": true}'), "gate_unreachable"),
    "truthy text": (answering({"allow": "true"}), "gate_unreachable"),
    "truthy number": (answering({"allow": 1}), "gate_unreachable"),
    "no allow": (answering({"reason": "allowed"}), "gate_unreachable"),
    "a list": (answering([{"allow": True}]), "gate_unreachable"),
    "too long": (
        answering(b'{"allow": true, "x": "' + b"x" * 100_000 + b'"}\n'),
        "gate_unreachable",
    ),
    "deep": (answering(b"[" * 60_000 + b"\n"), "gate_unreachable"),
    "not text": (answering(b"\xff\xfe\n"), "gate_unreachable"),
}


@pytest.mark.parametrize("name", HOSTILE_ANSWERS)
async def test_anything_but_an_allow_changes_nothing(tmp_path, name):
    answer, reason = HOSTILE_ANSWERS[name]
    config = tree(tmp_path)
    before = snapshot(tmp_path)
    async with gate(tmp_path, answer) as (path, _), connected(config, "remediate", path) as client:
        for tool, arguments in [("edit_config_file", FIX), ("write_postmortem", REPORT)]:
            result = await client.call_tool(tool, arguments)
            assert result.is_error
            assert f"Refused ({reason})" in text(result)
    assert snapshot(tmp_path) == before


async def test_a_silent_gate_is_a_refusal_within_six_seconds(tmp_path):
    config = tree(tmp_path)
    async with gate(tmp_path, silence) as (path, _), connected(config, "remediate", path) as client:
        result = await asyncio.wait_for(client.call_tool("edit_config_file", FIX), 8)
    assert "Refused (gate_unreachable)" in text(result)
    assert env(tmp_path).read_text() == ENV_FILE


@pytest.mark.parametrize(("with_gate", "token"), [(False, "t"), (True, "")])
async def test_without_socket_or_token_every_write_is_refused(tmp_path, with_gate, token):
    config = tree(tmp_path)
    missing = tmp_path / "gate.sock" if with_gate else None
    async with connected(config, "remediate", missing, token) as client:
        for tool, arguments in [("edit_config_file", FIX), ("write_postmortem", REPORT)]:
            assert "Refused (gate_unreachable)" in text(await client.call_tool(tool, arguments))
    assert env(tmp_path).read_text() == ENV_FILE


async def test_missing_socket_is_a_refusal(tmp_path):
    config = tree(tmp_path)
    async with connected(config, "remediate", tmp_path / "nobody.sock") as client:
        assert "Refused (gate_unreachable)" in text(await client.call_tool("edit_config_file", FIX))


@pytest.mark.parametrize(
    "change",
    [
        {"new_value": "4"},
        {"new_value": "101"},
        {"new_value": "1_0"},
        {"new_value": '"20"'},
        {"new_value": "20 # x"},
        {"new_value": "20\nDB_POOL_SIZE=1"},
        {
            "key": None,
            "old_value": "DB_POOL_SIZE=1",
            "new_value": "DB_POOL_SIZE=20\nDB_POOL_SIZE=1",
        },
        {"key": "DB_PASSWORD", "old_value": "hunter2", "new_value": "x"},
        {"path": "config/api-server.env.backup", "old_value": "20", "new_value": "1"},
        {"path": "config/../config/api-server.env"},
        {"path": "/etc/passwd"},
        {"path": "guardrails.yaml"},
    ],
)
async def test_guardrails_hold_before_a_gate_that_allows_everything(tmp_path, change):
    config = tree(tmp_path)
    before = snapshot(tmp_path)
    async with (
        gate(tmp_path, ALLOW) as (path, questions),
        connected(config, "remediate", path) as client,
    ):
        result = await client.call_tool("edit_config_file", FIX | change)
    assert result.is_error
    assert "Refused (" in text(result)
    assert questions == []
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("guardrails", ["", "version: 2\n", "files: [", "version: 1\nx: 1\n"])
async def test_unreadable_guardrails_stop_every_write(tmp_path, guardrails):
    config = tree(tmp_path)
    (tmp_path / "guardrails.yaml").write_text(guardrails)
    async with (
        gate(tmp_path, ALLOW) as (path, questions),
        connected(config, "remediate", path) as client,
    ):
        assert (await client.call_tool("edit_config_file", FIX)).is_error
    assert questions == []
    assert env(tmp_path).read_text() == ENV_FILE


async def test_file_changed_while_the_gate_thinks_is_left_alone(tmp_path):
    config = tree(tmp_path)
    other = ENV_FILE + "# somebody else was here\n"

    async def change_then_allow(reader, writer):
        env(tmp_path).write_text(other)
        await ALLOW(reader, writer)

    async with (
        gate(tmp_path, change_then_allow) as (path, _),
        connected(config, "remediate", path) as client,
    ):
        result = await client.call_tool("edit_config_file", FIX)
    assert "Refused (target_changed)" in text(result)
    assert env(tmp_path).read_text() == other


async def test_two_edits_at_once_both_arrive(tmp_path):
    config = tree(tmp_path)
    more = FIX | {"key": "DB_POOL_TIMEOUT", "old_value": "2", "new_value": "5"}
    async with gate(tmp_path, ALLOW) as (path, _), connected(config, "remediate", path) as client:
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(client.call_tool("edit_config_file", a)) for a in (FIX, more)
            ]
        assert not any(call.result().is_error for call in calls)
    assert "DB_POOL_SIZE=20\nDB_POOL_TIMEOUT=5\n" in env(tmp_path).read_text()


async def test_postmortems_never_overwrite_each_other(tmp_path):
    config = tree(tmp_path)
    async with (
        gate(tmp_path, ALLOW) as (path, questions),
        connected(config, "remediate", path) as client,
    ):
        async with asyncio.TaskGroup() as group:
            calls = [
                group.create_task(client.call_tool("write_postmortem", REPORT)) for _ in range(8)
            ]
        paths = {call.result().structured_content["path"] for call in calls}
    assert len(paths) == 8
    content = Path(paths.pop()).read_text()
    assert content.startswith("# Post-mortem: Pool exhausted\n\n**Date:** ")
    assert "## Summary\n\n5xx\n\n## Root cause\n\nDB_POOL_SIZE was 1\n" in content
    assert "## Timeline" not in content
    assert questions[0]["effects"] == [{"effect": "postmortem.write", "title": "Pool exhausted"}]


@pytest.mark.parametrize(
    "change",
    [{"title": ""}, {"title": " \n"}, {"summary": "  "}, {"root_cause": None}, {"title": "a\nb"}],
)
async def test_incomplete_postmortems_are_rejected(tmp_path, change):
    config = tree(tmp_path)
    async with (
        gate(tmp_path, ALLOW) as (path, questions),
        connected(config, "remediate", path) as client,
    ):
        result = await client.call_tool("write_postmortem", REPORT | change)
    assert "Wrong arguments" in text(result)
    assert questions == []
    assert not (tmp_path / "data").exists()


async def test_postmortem_titles_cannot_leave_the_folder(tmp_path):
    config = tree(tmp_path)
    async with gate(tmp_path, ALLOW) as (path, _), connected(config, "remediate", path) as client:
        report = REPORT | {"title": "../../etc/\u202epasswd", "timeline": ["10:00 a", "10:01 b"]}
        result = await client.call_tool("write_postmortem", report)
    written = Path(result.structured_content["path"])
    assert written.parent == tmp_path / "data" / "postmortems"
    assert "- 10:00 a\n- 10:01 b" in written.read_text()


PRINTS_CONFIG = """
import pathlib, time
text = pathlib.Path({env!r}).read_text()
print("starting with", text.split("DB_POOL_SIZE=")[1].split()[0], flush=True)
if "DB_POOL_SIZE=99" in text:
    raise SystemExit("FATAL: 99 is too many")
time.sleep(600)
"""


async def test_edit_and_redeploy_bring_the_new_value_into_the_process(tmp_path):
    program = PRINTS_CONFIG.format(env=str(env(tmp_path)))
    config = tree(tmp_path)
    with supervisord({"api-server": program}) as (socket, _):
        data = json.loads(config.read_text())
        config.write_text(
            json.dumps(data | {"runtime": {"kind": "supervisor", "socket": str(socket)}})
        )
        async with (
            gate(tmp_path, ALLOW) as (path, questions),
            connected(config, "remediate", path) as client,
        ):
            deploy = {"command": "docker compose up -d api-server"}
            # While the file on disk is out of range nothing is deployed, whatever the gate says.
            result = await client.call_tool("run_shell_command", deploy)
            assert "Refused (guardrail)" in text(result)
            assert questions == []
            assert not (await client.call_tool("edit_config_file", FIX)).is_error
            result = await client.call_tool("run_shell_command", deploy)
            assert not result.is_error, text(result)
            (service,) = result.structured_content["services"]
            assert service["running"] is True
            assert service["started_at"].endswith("+00:00")
            assert result.structured_content["effect"] == {
                "effect": "service.redeploy",
                "service": "api-server",
            }
            logs = await client.call_tool("get_container_logs", {"container": "api-server"})
            assert logs.structured_content["lines"][-1] == "starting with 20"

            second = FIX | {"old_value": "20", "new_value": "30"}
            assert not (await client.call_tool("edit_config_file", second)).is_error
            waiting = await client.call_tool("get_recent_deployments", {})
            assert waiting.structured_content["undeployed"] == [
                {"path": FIX["path"], "key": "DB_POOL_SIZE", "deployed": "20", "now": "30"}
            ]
            assert not (await client.call_tool("run_shell_command", deploy)).is_error
            done = (
                await client.call_tool("get_recent_deployments", {"service": "api-server"})
            ).structured_content
            assert done["undeployed"] == []
            newest = done["deployments"][0]
            assert newest["author"] == "sre-daemon"
            assert newest["changes"] == [
                {"path": FIX["path"], "key": "DB_POOL_SIZE", "before": "20", "after": "30"}
            ]
            assert "hunter2" not in (tmp_path / "deployments.jsonl").read_text()

            listed = await client.call_tool(
                "run_shell_command", {"command": "docker-compose ps api-server"}
            )
            assert listed.structured_content["effect"] is None
            assert listed.structured_content["services"][0]["running"] is True

            # A service that does not come up is an error with the reason it printed.
            assert not (
                await client.call_tool(
                    "edit_config_file", FIX | {"old_value": "30", "new_value": "99"}
                )
            ).is_error
            failed = await client.call_tool("run_shell_command", deploy)
            assert failed.is_error
            assert "did not come up" in text(failed)
            assert "FATAL: 99 is too many" in text(failed)


async def test_denied_redeploy_leaves_the_process_running(tmp_path):
    config = tree(tmp_path)
    env(tmp_path).write_text(ENV_FILE.replace("SIZE=1", "SIZE=20"))
    with supervisord({"api-server": "import time\ntime.sleep(600)\n"}) as (socket, _):
        data = json.loads(config.read_text())
        config.write_text(
            json.dumps(data | {"runtime": {"kind": "supervisor", "socket": str(socket)}})
        )
        deny = answering(
            {"allow": False, "reason": "alert_not_firing", "message": "It has cleared."}
        )
        async with (
            gate(tmp_path, deny) as (path, _),
            connected(config, "remediate", path) as client,
        ):
            ps = {"command": "docker compose ps api-server"}
            before = (await client.call_tool("run_shell_command", ps)).structured_content[
                "services"
            ]
            for command in ("docker compose up -d api-server", "docker restart api-server"):
                result = await client.call_tool("run_shell_command", {"command": command})
                assert "Refused (alert_not_firing): It has cleared." in text(result)
            after = (await client.call_tool("run_shell_command", ps)).structured_content["services"]
            assert after[0]["started_at"] == before[0]["started_at"]
            assert not (tmp_path / "deployments.jsonl").exists()
