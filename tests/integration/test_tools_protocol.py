"""A real server process: phases, annotations, numbering, and survival of every malformed input."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.tool_server import (
    REPOSITORY,
    connected,
    gate,
    running,
    text,
    tree,
    wait_for,
)

READING = [
    *(
        "query_metrics",
        "list_metrics",
        "get_service_health",
        "read_config_file",
        "get_container_logs",
    ),
    *("get_logs", "get_alerts", "get_recent_deployments", "execute_runbook"),
]
WRITING = ["edit_config_file", "run_shell_command", "write_postmortem"]


async def test_investigate_phase_has_exactly_the_nine_reading_tools(tmp_path):
    async with connected(tree(tmp_path)) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == READING
        for tool in tools:
            assert tool.annotations.read_only_hint is True
            assert tool.annotations.destructive_hint is False
            assert tool.input_schema["additionalProperties"] is False
            assert tool.output_schema["properties"]["call"]
        for name in WRITING:
            result = await client.call_tool(name, {})
            assert result.is_error
            assert "Unknown tool" in text(result)


async def test_remediate_phase_has_all_twelve(tmp_path):
    async with connected(tree(tmp_path), "remediate") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert list(tools) == READING + WRITING
        assert not any(tools[name].annotations.read_only_hint for name in WRITING)
        assert tools["edit_config_file"].annotations.destructive_hint is True


async def test_calls_are_numbered_and_name_themselves(tmp_path):
    async with connected(tree(tmp_path)) as client:
        first = await client.call_tool("read_config_file", {"path": "config/api-server.env"})
        assert text(first).startswith("[c1] ")
        assert first.structured_content["call"] == "c1"
        second = await client.call_tool("query_metrics", {"promql": "["})
        assert text(second).startswith("[c2] ")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_logs", {"service": ["a"], "lines": "x"}),
        ("get_logs", {"service": "api-server", "lines": None}),
        ("execute_runbook", {"runbook": []}),
        ("query_metrics", {"promql": 1}),
        ("query_metrics", {}),
        ("query_metrics", {"promql": "up", "extra": 1}),
        ("query_metrics", {"promql": "up", "time": "never"}),
        ("read_config_file", {"path": "\x00"}),
        ("read_config_file", {"path": None}),
        ("get_alerts", {"x": 1}),
        ("no_such_tool", {"x": {"y": []}}),
    ],
)
async def test_wrong_arguments_are_error_results_and_the_server_lives_on(tmp_path, tool, arguments):
    async with connected(tree(tmp_path)) as client:
        result = await client.call_tool(tool, arguments)
        assert result.is_error
        assert text(result).startswith("[c1] ")
        after = await client.call_tool("read_config_file", {"path": "config/api-server.env"})
        assert not after.is_error


@asynccontextmanager
async def raw_server(config):
    """The process itself, initialized, to be sent anything."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mcp_tools", "--config", str(config)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=REPOSITORY,
        limit=1 << 22,
    )
    try:
        hello = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        answer = await ask(
            process, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
        )
        assert answer["result"]["serverInfo"] == {"name": "sre-tools", "version": "1.0.0"}
        assert answer["result"]["protocolVersion"] == hello["protocolVersion"]
        assert "tools" in answer["result"]["capabilities"]
        process.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        yield process
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise


async def ask(process, message):
    """Send one line (bytes as they are) and read one answer."""
    line = message if isinstance(message, bytes) else json.dumps(message).encode()
    process.stdin.write(line + b"\n")
    await process.stdin.drain()
    return json.loads(await asyncio.wait_for(process.stdout.readline(), 20))


PING = {"jsonrpc": "2.0", "id": "p", "method": "ping"}


async def test_every_malformed_line_is_answered_and_survived(tmp_path):
    async with raw_server(tree(tmp_path)) as process:
        for line, code in [
            (b"not json", -32700),
            (b'{"a":', -32700),
            (b"\xff\xfe\x00", -32700),
            (b"[]", -32600),
            (b"5", -32600),
            (b'"x"', -32600),
            (b"null", -32600),
            (b"{}", -32600),
            (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
            (b"[" * 100_000, -32700),
        ]:
            assert (await ask(process, line))["error"]["code"] == code, line[:50]
            assert (await ask(process, PING))["id"] == "p"


async def test_malformed_requests_are_answered_under_their_id(tmp_path):
    async with raw_server(tree(tmp_path)) as process:
        for number, (method, params) in enumerate(
            [
                ("tools/call", []),
                ("tools/call", None),
                ("tools/call", {"name": 5}),
                ("tools/call", {"name": "get_alerts", "arguments": []}),
            ],
            1,
        ):
            answer = await ask(
                process, {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            )
            assert answer["id"] == number
            assert "error" in answer
        answer = await ask(process, {"jsonrpc": "2.0", "id": 9, "method": "no/such"})
        assert answer["error"]["code"] == -32601


async def test_long_lines_and_bad_text_in_arguments_are_survived(tmp_path):
    async with raw_server(tree(tmp_path)) as process:
        call = {"name": "query_metrics", "arguments": {"promql": "x" * 3_000_000}}
        answer = await ask(
            process, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        )
        assert answer["result"]["isError"] is True
        line = b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"read_config_file","arguments":{"path":"config/\\ud800\xff"}}}'
        answer = await ask(process, line)
        assert "error" in answer or answer["result"]["isError"] is True
        assert (await ask(process, PING))["id"] == "p"


async def test_null_arguments_are_no_arguments(tmp_path):
    async with raw_server(tree(tmp_path)) as process:
        call = {"name": "get_recent_deployments", "arguments": None}
        answer = await ask(
            process, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        )
        assert answer["result"]["structuredContent"]["deployments"] == []


async def test_unknown_notifications_get_no_answer(tmp_path):
    async with raw_server(tree(tmp_path)) as process:
        for method in ("notifications/cancelled", "notifications/nonsense"):
            note = {"jsonrpc": "2.0", "method": method, "params": {"requestId": 77}}
            process.stdin.write(json.dumps(note).encode() + b"\n")
        assert (await ask(process, PING))["id"] == "p"


@asynccontextmanager
async def silent_port():
    """A server that accepts and never answers."""
    release = asyncio.Event()

    async def hold(_reader, writer):
        await release.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        release.set()
        server.close()
        await server.wait_closed()


async def test_a_hanging_call_delays_no_other(tmp_path):
    async with silent_port() as port:
        config = tree(
            tmp_path, prometheus={"url": f"http://127.0.0.1:{port}", "timeout_seconds": 3}
        )
        async with connected(config) as client:
            async with asyncio.TaskGroup() as group:
                slow = group.create_task(client.call_tool("query_metrics", {"promql": "up"}))
                path = {"path": "config/api-server.env"}
                for _ in range(3):
                    assert not (await client.call_tool("read_config_file", path)).is_error
                assert not slow.done()
            assert "no answer within 3 s" in text(slow.result())


async def test_a_cancelled_call_ends_without_an_answer(tmp_path):
    async with silent_port() as port:
        config = tree(
            tmp_path, prometheus={"url": f"http://127.0.0.1:{port}", "timeout_seconds": 30}
        )
        async with raw_server(config) as process:
            call = {"name": "query_metrics", "arguments": {"promql": "up"}}
            request = {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": call}
            note = {
                "jsonrpc": "2.0",
                "method": "notifications/cancelled",
                "params": {"requestId": 5},
            }
            process.stdin.write(
                json.dumps(request).encode() + b"\n" + json.dumps(note).encode() + b"\n"
            )
            answer = await ask(process, PING)
            # The SDK may answer the cancelled request with an error; it may never succeed.
            while answer["id"] != "p":
                assert "result" not in answer
                answer = json.loads(await asyncio.wait_for(process.stdout.readline(), 10))


async def test_a_cancelled_write_is_finished_once_the_gate_was_asked(tmp_path):
    asked, answer_now = asyncio.Event(), asyncio.Event()

    async def late(_reader, writer):
        asked.set()
        await answer_now.wait()
        writer.write(b'{"allow": true, "reason": "allowed", "message": ""}\n')
        await writer.drain()

    config = tree(tmp_path)
    env = tmp_path / "config" / "api-server.env"
    edit = {
        "path": "config/api-server.env",
        "key": "DB_POOL_SIZE",
        "old_value": "1",
        "new_value": "20",
    }
    async with (
        gate(tmp_path, late) as (socket, _),
        connected(config, "remediate", socket) as client,
    ):
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "edit_config_file", edit)
            await asked.wait()
            group.cancel_scope.cancel()
        answer_now.set()
        # The next write waits for the first, so its answer tells that the first is over.
        result = await client.call_tool("edit_config_file", edit)
        assert "DB_POOL_SIZE is '20'" in text(result)
    assert "DB_POOL_SIZE=20" in env.read_text()


async def test_a_long_call_reports_progress_to_who_asked_for_it(tmp_path):
    reports = []

    async def report(progress, total, message):
        reports.append((progress, total, message))

    async with silent_port() as port:
        config = tree(
            tmp_path, prometheus={"url": f"http://127.0.0.1:{port}", "timeout_seconds": 4}
        )
        async with connected(config) as client:
            await client.call_tool("query_metrics", {"promql": "up"}, progress_callback=report)
            assert {message for _, _, message in reports} == {"query_metrics is running"}
            assert {total for _, total, _ in reports} == {40}
            passed = [progress for progress, _, _ in reports]
            assert len(passed) >= 2
            assert passed == sorted(set(passed))
            before = len(reports)
            path = {"path": "config/api-server.env"}
            await client.call_tool("read_config_file", path, progress_callback=report)
            assert len(reports) == before


async def test_end_of_input_ends_the_process(tmp_path):
    async with raw_server(tree(tmp_path)) as process:
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0


def test_server_dies_with_its_parent(tmp_path):
    config = tree(tmp_path)
    parent = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'mcp_tools', '--config', {str(config)!r}, "
        "'--die-with-parent'], stdin=subprocess.PIPE)\n"
        "p.stdin.write(b'{}\\n'); p.stdin.flush()\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid) + '.')\n"
        "time.sleep(60)\n"
    )
    pid_file = tmp_path / "pid"
    with running([sys.executable, "-c", parent], tmp_path / "parent.log") as process:
        wait_for(lambda: pid_file.read_text().endswith("."), "the child is started")
        child = int(pid_file.read_text()[:-1])
        # The death signal is set once the server answers, as its log then shows.
        wait_for(lambda: b"-32600" in (tmp_path / "parent.log").read_bytes(), "the child serves")
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not alive(child), "the child is gone", 5)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_wrong_settings_exit_with_two_and_say_why(tmp_path):
    file = tmp_path / "x.json"
    for content in ('{"unknown": 1}', "{", '{"runtime": {"kind": "supervisor"}}'):
        file.write_text(content)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mcp_tools", "--config", str(file)),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=REPOSITORY,
        )
        _, stderr = await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 2, stderr
        assert stderr.startswith(b"mcp_tools: ")
        assert b"Traceback" not in stderr
